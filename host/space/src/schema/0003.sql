-- Format 3: references by value, references by a name that a rule made, scope by groups, pauses before another attempt,
-- and what requests of unknown outcome may have set.

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

ALTER TABLE escrow ADD COLUMN next INTEGER NOT NULL DEFAULT 0;
CREATE INDEX escrow_next ON escrow (next);

ALTER TABLE intent ADD COLUMN sent BLOB;
