-- Format 2: what changes in every cycle stands apart from what is large, so that small things are written small.

-- Entries to be evaluated, in the order of their evaluation.
CREATE TABLE dirty (source_id BLOB PRIMARY KEY, entry_id INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO dirty SELECT source_id, id FROM entry WHERE dirty = 1;
-- What a plan has been made for is evaluated again, and its plan dropped.
INSERT OR IGNORE INTO dirty SELECT e.source_id, e.id FROM plan p JOIN entry e ON e.id = p.entry_id;
DROP TABLE plan;
DROP TABLE plan_unique;

-- What was decided of entries that are not simply provisioned, and until when a decision holds.
CREATE TABLE decided (entry_id INTEGER PRIMARY KEY, decision TEXT, valid_until INTEGER);
CREATE INDEX decided_valid ON decided (valid_until) WHERE valid_until IS NOT NULL;
INSERT INTO decided SELECT id, decision, valid_until FROM entry WHERE valid_until IS NOT NULL OR decision <> 'provision';

DROP INDEX entry_dirty;
DROP INDEX entry_valid;
ALTER TABLE entry DROP COLUMN dirty;
ALTER TABLE entry DROP COLUMN valid_until;
ALTER TABLE entry DROP COLUMN decision;

-- The plan of the running or interrupted cycle. Phase and wave are 0 until an operation is ready.
CREATE TABLE plan (
    entry_id INTEGER PRIMARY KEY,
    source_id BLOB NOT NULL,
    operation TEXT NOT NULL,
    kind TEXT NOT NULL,
    resource_id TEXT,
    state INTEGER NOT NULL,
    phase INTEGER NOT NULL DEFAULT 0,
    wave INTEGER NOT NULL DEFAULT 0,
    body INTEGER NOT NULL
);
CREATE INDEX plan_resource ON plan (resource_id) WHERE resource_id IS NOT NULL;
CREATE INDEX plan_order ON plan (state, phase, wave, source_id);

-- What the operations are made of, in the order in which they were planned.
CREATE TABLE plan_body (id INTEGER PRIMARY KEY, body BLOB NOT NULL);

-- Unique values that the plan frees or takes, to order what depends on one another.
CREATE TABLE plan_unique (
    entry_id INTEGER NOT NULL,
    path TEXT NOT NULL,
    value TEXT NOT NULL,
    frees INTEGER NOT NULL,
    PRIMARY KEY (path, value, frees, entry_id)
) WITHOUT ROWID;
CREATE INDEX plan_unique_entry ON plan_unique (entry_id);
