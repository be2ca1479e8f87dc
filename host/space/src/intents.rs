//! Requests whose outcome is not known yet, and objects whose export failed.

use provisor_model::OperationKind;
use rusqlite::{OptionalExtension as _, params};

use crate::{EntryKey, Space, SpaceError};

/// An object whose export failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EscrowRecord {
    /// Since when, in milliseconds since 1970.
    pub since: i64,
    /// How often it was tried.
    pub attempts: u64,
    /// What the last attempt ended with.
    pub error: String,
}

impl Space {
    /// Notes that a request is about to go out.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_intent(&mut self, key: EntryKey, operation: OperationKind, now: i64) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO intent (entry_id, operation, started) VALUES (?1, ?2, ?3)")?
            .execute(params![key.0, operation.as_str(), now])?;
        Ok(())
    }

    /// Notes that the outcome of the request is known.
    ///
    /// # Errors
    /// When the database fails.
    pub fn clear_intent(&mut self, key: EntryKey) -> Result<(), SpaceError> {
        self.connection.prepare_cached("DELETE FROM intent WHERE entry_id = ?1")?.execute([key.0])?;
        Ok(())
    }

    /// Puts an object whose export failed aside; it is evaluated and tried again in the next cycle.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_escrow(&mut self, key: EntryKey, error: &str, now: i64) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached(
                "INSERT INTO escrow (entry_id, since, attempts, last, error) VALUES (?1, ?2, 1, ?2, ?3) \
                 ON CONFLICT (entry_id) DO UPDATE SET attempts = attempts + 1, last = ?2, error = ?3",
            )?
            .execute(params![key.0, now, error])?;
        Ok(())
    }

    /// Notes that an object is right again.
    ///
    /// # Errors
    /// When the database fails.
    pub fn clear_escrow(&mut self, key: EntryKey) -> Result<(), SpaceError> {
        self.connection.prepare_cached("DELETE FROM escrow WHERE entry_id = ?1")?.execute([key.0])?;
        Ok(())
    }

    /// Whether and why an object is put aside.
    ///
    /// # Errors
    /// When the database fails.
    pub fn escrow(&self, key: EntryKey) -> Result<Option<EscrowRecord>, SpaceError> {
        let mut statement =
            self.connection.prepare_cached("SELECT since, attempts, error FROM escrow WHERE entry_id = ?1")?;
        let found = statement.query_row([key.0], |row| {
            Ok(EscrowRecord { since: row.get(0)?, attempts: row.get::<_, i64>(1)?.cast_unsigned(), error: row.get(2)? })
        });
        Ok(found.optional()?)
    }
}
