-- Format 3: the tables. Those of formats 1 and 2, of versions under development, are not brought up.

-- Small single facts: the watermark, what was imported, under which rules the entries were last evaluated.
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

-- The source's objects as last read. `gone`: 1, no longer in the source, kept until the link is settled; 2, there, but not
-- among what is read.
CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    source_id BLOB NOT NULL UNIQUE,
    anchor BLOB NOT NULL,
    dn TEXT NOT NULL,
    dn_key BLOB NOT NULL,
    object_class TEXT NOT NULL,
    attributes BLOB NOT NULL,
    gone INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX entry_dn ON entry (dn_key);
CREATE INDEX entry_anchor ON entry (anchor);
CREATE INDEX entry_gone ON entry (anchor) WHERE gone = 1;

-- Entries to be evaluated, in the order of their evaluation. Apart from the entries, so that a mark is written small.
CREATE TABLE dirty (source_id BLOB PRIMARY KEY, entry_id INTEGER NOT NULL) WITHOUT ROWID;

-- What was decided of entries that are not simply provisioned, and until when a decision holds.
CREATE TABLE decided (entry_id INTEGER PRIMARY KEY, decision TEXT, valid_until INTEGER);
CREATE INDEX decided_valid ON decided (valid_until) WHERE valid_until IS NOT NULL;

-- Which entry names which other by DN. `target` stays when the target is renamed.
CREATE TABLE reference (
    referrer INTEGER NOT NULL,
    attribute TEXT NOT NULL,
    dn_key BLOB NOT NULL,
    target INTEGER,
    PRIMARY KEY (referrer, attribute, dn_key)
) WITHOUT ROWID;
CREATE INDEX reference_target ON reference (target) WHERE target IS NOT NULL;
CREATE INDEX reference_name ON reference (dn_key);

-- Names whose references are to be resolved when the running import completes.
CREATE TABLE unsettled_name (dn_key BLOB PRIMARY KEY) WITHOUT ROWID;

-- Which resource belongs to which entry, and what was last exported to it.
CREATE TABLE link (
    entry_id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    anchor BLOB NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0,
    exported BLOB NOT NULL,
    reference_count INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX link_resource ON link (resource_id, kind);

-- References that are wanted, and whose target has no resource yet.
CREATE TABLE waiting (
    entry_id INTEGER NOT NULL,
    path TEXT NOT NULL,
    target INTEGER NOT NULL,
    single INTEGER NOT NULL,
    PRIMARY KEY (entry_id, path, target)
) WITHOUT ROWID;
CREATE INDEX waiting_target ON waiting (target);

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

-- Requests whose outcome is not known yet, and what they may have set.
CREATE TABLE intent (entry_id INTEGER PRIMARY KEY, operation TEXT NOT NULL, started INTEGER NOT NULL, sent BLOB);

-- Objects whose export failed, and when they are tried again.
CREATE TABLE escrow (
    entry_id INTEGER PRIMARY KEY,
    since INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    last INTEGER NOT NULL,
    error TEXT NOT NULL,
    next INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX escrow_next ON escrow (next);

-- Values that were allotted as the first unique of several candidates.
CREATE TABLE unique_value (
    path TEXT NOT NULL,
    value TEXT NOT NULL,
    entry_id INTEGER NOT NULL,
    PRIMARY KEY (path, value)
) WITHOUT ROWID;
CREATE INDEX unique_value_entry ON unique_value (entry_id);

-- Which entry an organisational unit of the scope is, so that a rename is a rename.
CREATE TABLE scope_unit (dn_key BLOB PRIMARY KEY, entry_id INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE cycle (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    started INTEGER NOT NULL,
    ended INTEGER,
    report TEXT
);

-- The provisioning log.
CREATE TABLE log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cycle INTEGER NOT NULL,
    time INTEGER NOT NULL,
    entry_id INTEGER NOT NULL,
    operation TEXT NOT NULL,
    status TEXT NOT NULL,
    dn_key BLOB NOT NULL,
    dn TEXT NOT NULL,
    source_id TEXT NOT NULL,
    resource_id TEXT,
    record TEXT NOT NULL
);
CREATE INDEX log_entry ON log (entry_id, id);
CREATE INDEX log_time ON log (time);
CREATE INDEX log_cycle ON log (cycle, id);

-- Attributes by whose values rules look entries up, the values, and who asked for which.
CREATE TABLE lookup_attribute (attribute TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE lookup_value (
    attribute TEXT NOT NULL,
    value TEXT NOT NULL,
    entry_id INTEGER NOT NULL,
    PRIMARY KEY (attribute, value, entry_id)
) WITHOUT ROWID;
CREATE INDEX lookup_value_entry ON lookup_value (entry_id);
CREATE TABLE lookup (
    attribute TEXT NOT NULL,
    value TEXT NOT NULL,
    referrer INTEGER NOT NULL,
    PRIMARY KEY (attribute, value, referrer)
) WITHOUT ROWID;
CREATE INDEX lookup_referrer ON lookup (referrer);

-- Attributes that refer by a value, and the attribute of the other object that has it. `indexed`: whether value_name holds it.
CREATE TABLE reference_by (attribute TEXT PRIMARY KEY, by_attribute TEXT NOT NULL, rule TEXT NOT NULL, indexed INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;

-- The names by value that the source's objects have; in `reference` such a name stands in place of the DN's key.
CREATE TABLE value_name (name BLOB NOT NULL, entry_id INTEGER NOT NULL, PRIMARY KEY (name, entry_id)) WITHOUT ROWID;
CREATE INDEX value_name_entry ON value_name (entry_id);

-- Who asked for which DN, where it is none that an attribute of theirs holds.
CREATE TABLE name_lookup (dn_key BLOB NOT NULL, referrer INTEGER NOT NULL, PRIMARY KEY (dn_key, referrer)) WITHOUT ROWID;
CREATE INDEX name_lookup_referrer ON name_lookup (referrer);

-- The groups whose members are in scope: those that are configured (`root`), and those that are in them where nested ones
-- count; and the attributes that list members.
CREATE TABLE scope_group (entry_id INTEGER PRIMARY KEY, root INTEGER NOT NULL);
CREATE TABLE scope_attribute (attribute TEXT PRIMARY KEY) WITHOUT ROWID;
