-- Tables that live as long as the connection: what a crash may forget.

-- Entries that the running full import has named.
CREATE TEMP TABLE seen (entry_id INTEGER PRIMARY KEY);

-- Entries that stand elsewhere because a unit above them, named by the running import, was renamed.
CREATE TEMP TABLE moved (entry_id INTEGER PRIMARY KEY, unit INTEGER NOT NULL);

-- The target's resources, listed for matching.
CREATE TEMP TABLE remote (kind TEXT NOT NULL, resource_id TEXT NOT NULL, external_id TEXT, document TEXT NOT NULL, PRIMARY KEY (kind, resource_id)) WITHOUT ROWID;
CREATE TEMP TABLE remote_value (kind TEXT NOT NULL, path TEXT NOT NULL, value TEXT NOT NULL, resource_id TEXT NOT NULL, PRIMARY KEY (kind, path, value, resource_id)) WITHOUT ROWID;

-- References whose object is another one since the running import, or in sight for the first time.
CREATE TEMP TABLE retargeted (referrer INTEGER NOT NULL, attribute TEXT NOT NULL, dn_key BLOB NOT NULL, old INTEGER, new INTEGER);

-- What a listing named, that was not known here or not under this name.
CREATE TEMPORARY TABLE listed (source_id BLOB PRIMARY KEY, dn_key BLOB NOT NULL) WITHOUT ROWID, STRICT;

-- Of what only changes were told, though nothing is known of it here.
CREATE TEMPORARY TABLE incomplete (source_id BLOB PRIMARY KEY) WITHOUT ROWID, STRICT;
