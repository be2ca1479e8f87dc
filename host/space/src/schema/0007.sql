-- Format 7: references to resources that other configurations keep.

-- What the target is asked: whose attribute has this value. `found`: the entry here that has the resource, else the one that
-- stands for it. `next`: from when on it is asked again.
CREATE TABLE question (
    id INTEGER PRIMARY KEY,
    attribute TEXT NOT NULL,
    folded TEXT NOT NULL,
    value TEXT NOT NULL,
    kind TEXT NOT NULL,
    path TEXT NOT NULL,
    found INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    next INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX question_asked ON question (attribute, folded, kind, path);
CREATE INDEX question_next ON question (next);
CREATE INDEX question_found ON question (found) WHERE found IS NOT NULL;

-- Entries that stand for objects of other directories.
CREATE TABLE stand_in (entry_id INTEGER PRIMARY KEY, question INTEGER NOT NULL);
CREATE INDEX stand_in_question ON stand_in (question);

-- Resources of the target that no entry here has, each with an entry (`gone` = 3) by which references name it.
CREATE TABLE foreign_resource (entry_id INTEGER PRIMARY KEY, kind TEXT NOT NULL, resource_id TEXT NOT NULL);
CREATE UNIQUE INDEX foreign_resource_id ON foreign_resource (resource_id, kind);

-- Resources that another configuration of this host kept too, under this anchor, and has let go of for this one.
CREATE TABLE released (
    resource_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    anchor TEXT NOT NULL,
    PRIMARY KEY (resource_id, kind)
) WITHOUT ROWID;
