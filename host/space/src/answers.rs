//! What rules answered about entries, kept for the next time that they are evaluated.

use rusqlite::{OptionalExtension as _, params};

use crate::{EntryKey, Space, SpaceError};

impl Space {
    /// Keeps what rules answered about an entry, in place of what was kept before.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keep_answers(&mut self, key: EntryKey, answers: &[u8]) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached(
                "INSERT INTO answer (entry_id, answers) VALUES (?1, ?2) ON CONFLICT (entry_id) DO UPDATE SET answers = ?2",
            )?
            .execute(params![key.0, answers])?;
        Ok(())
    }

    /// Forgets what was kept of all entries: rules are asked anew.
    ///
    /// # Errors
    /// When the database fails.
    pub fn forget_answers(&mut self) -> Result<(), SpaceError> {
        self.connection.execute("DELETE FROM answer", [])?;
        Ok(())
    }

    /// What was kept of an entry; none where nothing was.
    ///
    /// # Errors
    /// When the database fails.
    pub fn answers(&self, key: EntryKey) -> Result<Option<Vec<u8>>, SpaceError> {
        let mut statement = self.connection.prepare_cached("SELECT answers FROM answer WHERE entry_id = ?1")?;
        Ok(statement.query_row([key.0], |row| row.get(0)).optional()?)
    }
}
