-- Format 4: the source ids are found by an index that can be left off while a first import fills the table.

CREATE TABLE entry_4 (
    id INTEGER PRIMARY KEY,
    source_id BLOB NOT NULL,
    anchor BLOB NOT NULL,
    dn TEXT NOT NULL,
    dn_key BLOB NOT NULL,
    object_class TEXT NOT NULL,
    attributes BLOB NOT NULL,
    gone INTEGER NOT NULL DEFAULT 0
);
INSERT INTO entry_4 (id, source_id, anchor, dn, dn_key, object_class, attributes, gone)
    SELECT id, source_id, anchor, dn, dn_key, object_class, attributes, gone FROM entry;
DROP TABLE entry;
ALTER TABLE entry_4 RENAME TO entry;
CREATE UNIQUE INDEX entry_source ON entry (source_id);
CREATE INDEX entry_dn ON entry (dn_key);
CREATE INDEX entry_anchor ON entry (anchor);
CREATE INDEX entry_gone ON entry (anchor) WHERE gone = 1;
