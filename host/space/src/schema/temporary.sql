-- Tables that live as long as the connection: what a crash may forget.

-- Entries that the running full import has named.
CREATE TEMP TABLE seen (entry_id INTEGER PRIMARY KEY);

-- The target's resources, listed for matching.
CREATE TEMP TABLE remote (kind TEXT NOT NULL, resource_id TEXT NOT NULL, external_id TEXT, document TEXT NOT NULL, PRIMARY KEY (kind, resource_id)) WITHOUT ROWID;
CREATE TEMP TABLE remote_value (kind TEXT NOT NULL, path TEXT NOT NULL, value TEXT NOT NULL, resource_id TEXT NOT NULL, PRIMARY KEY (kind, path, value, resource_id)) WITHOUT ROWID;
