//! The tables, brought up by version.

use std::path::Path;

use rusqlite::Connection;

use crate::SpaceError;

/// "PRVS": marks the file as ours, so that a foreign database is refused instead of written to.
const APPLICATION_ID: i64 = 0x5052_5653;

/// The format that the first step makes. Those before it are of versions under development, which compared names in
/// other ways; what they stored of names cannot be told from what is stored now.
const FIRST: i64 = 3;

/// One step for each format; a step is never changed once released.
const STEPS: &[&str] = &[
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
    include_str!("schema/0006.sql"),
    include_str!("schema/0007.sql"),
];

/// Brings the tables to the newest format.
pub(crate) fn migrate(connection: &Connection, path: &Path) -> Result<(), SpaceError> {
    let found = check(connection, path)?;
    for (step, version) in STEPS.iter().zip(FIRST..) {
        if version > found {
            connection.execute_batch(&format!(
                "BEGIN IMMEDIATE; {step} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}; COMMIT;"
            ))?;
        }
    }
    Ok(())
}

/// The format of the tables, 0 where there are none; an error where they are not ours, or of no version that is known.
pub(crate) fn check(connection: &Connection, path: &Path) -> Result<i64, SpaceError> {
    let application: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if application != APPLICATION_ID && tables > 0 {
        return Err(SpaceError::Foreign { path: path.to_owned() });
    }
    let known = FIRST + i64::try_from(STEPS.len()).unwrap_or(i64::MAX) - 1;
    if found > known {
        return Err(SpaceError::Newer { path: path.to_owned(), found, known });
    }
    if tables > 0 && found < FIRST {
        return Err(SpaceError::Older { path: path.to_owned(), found, oldest: FIRST });
    }
    Ok(found)
}
