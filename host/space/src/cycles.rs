//! The cycles of a configuration, with their reports.

use rusqlite::{OptionalExtension as _, params};

use crate::{Space, SpaceError};

/// The number of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CycleNumber(pub i64);

/// A cycle that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CycleRecord {
    /// Its number.
    pub number: CycleNumber,
    /// When it began, in milliseconds since 1970.
    pub started: i64,
    /// When it ended, where it has.
    pub ended: Option<i64>,
    /// Its report, a JSON document, where it has ended.
    pub report: Option<String>,
}

/// How many cycles are remembered.
const KEPT_CYCLES: i64 = 1_000;

impl Space {
    /// Begins a cycle.
    ///
    /// # Errors
    /// When the database fails.
    pub fn begin_cycle(&mut self, now: i64) -> Result<CycleNumber, SpaceError> {
        // What an import left that nobody waited for any more.
        self.abandon_import();
        self.connection.prepare_cached("INSERT INTO cycle (started) VALUES (?1)")?.execute([now])?;
        let number = self.connection.last_insert_rowid();
        self.connection.prepare_cached(
            // The last report is kept, however many cycles came to none since.
            "DELETE FROM cycle WHERE id <= ?1 AND id <> (SELECT coalesce(max(id), 0) FROM cycle WHERE report IS NOT NULL)",
        )?.execute([number - KEPT_CYCLES])?;
        Ok(CycleNumber(number))
    }

    /// Ends a cycle with its report, a JSON document.
    ///
    /// # Errors
    /// When the database fails.
    pub fn end_cycle(&mut self, number: CycleNumber, now: i64, report: &str) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached("UPDATE cycle SET ended = ?2, report = ?3 WHERE id = ?1")?
            .execute(params![number.0, now, report])?;
        Ok(())
    }

    /// When the newest cycle before this one began, in milliseconds since 1970.
    ///
    /// # Errors
    /// When the database fails.
    pub fn previous_start(&self, number: CycleNumber) -> Result<Option<i64>, SpaceError> {
        let mut statement =
            self.connection.prepare_cached("SELECT started FROM cycle WHERE id < ?1 ORDER BY id DESC LIMIT 1")?;
        Ok(statement.query_row([number.0], |row| row.get(0)).optional()?)
    }

    /// The last cycle that ended with a report.
    ///
    /// # Errors
    /// When the database fails.
    pub fn last_cycle(&self) -> Result<Option<CycleRecord>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, started, ended, report FROM cycle WHERE report IS NOT NULL ORDER BY id DESC LIMIT 1",
        )?;
        let found = statement.query_row([], |row| {
            Ok(CycleRecord {
                number: CycleNumber(row.get(0)?),
                started: row.get(1)?,
                ended: row.get(2)?,
                report: row.get(3)?,
            })
        });
        Ok(found.optional()?)
    }
}
