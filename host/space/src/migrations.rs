//! The tables, brought up by version.

use std::path::Path;

use rusqlite::Connection;

use crate::SpaceError;

/// "PRVS": marks the file as ours, so that a foreign database is refused instead of written to.
const APPLICATION_ID: i64 = 0x5052_5653;

/// One step for each format; a step is never changed once released.
const STEPS: &[&str] =
    &[include_str!("schema/0001.sql"), include_str!("schema/0002.sql"), include_str!("schema/0003.sql")];

/// Brings the tables to the newest format.
pub(crate) fn migrate(connection: &Connection, path: &Path) -> Result<(), SpaceError> {
    let application: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if application != APPLICATION_ID && tables > 0 {
        return Err(SpaceError::Foreign { path: path.to_owned() });
    }
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(SpaceError::Newer { path: path.to_owned(), found, known });
    }
    for (step, version) in STEPS.iter().zip(1..) {
        if version > found {
            connection.execute_batch(&format!(
                "BEGIN IMMEDIATE; {step} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}; COMMIT;"
            ))?;
        }
    }
    Ok(())
}
