//! Values that were allotted as the first unique of several candidates.

use provisor_model::{TargetPath, fold_case};
use rusqlite::{OptionalExtension as _, params};

use crate::{EntryKey, Space, SpaceError};

impl Space {
    /// Which entry has this value, letter case aside.
    ///
    /// # Errors
    /// When the database fails.
    pub fn unique_holder(&self, path: &TargetPath, value: &str) -> Result<Option<EntryKey>, SpaceError> {
        let mut statement =
            self.connection.prepare_cached("SELECT entry_id FROM unique_value WHERE path = ?1 AND value = ?2")?;
        let key = params![path.as_str().to_ascii_lowercase(), fold_case(value)];
        Ok(statement.query_row(key, |row| row.get(0).map(EntryKey)).optional()?)
    }

    /// Allots a value to an entry, in place of the one it had, and of who had it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn allot_unique(&mut self, key: EntryKey, path: &TargetPath, value: &str) -> Result<(), SpaceError> {
        let path = path.as_str().to_ascii_lowercase();
        let value = fold_case(value);
        self.connection
            .prepare_cached("DELETE FROM unique_value WHERE entry_id = ?1 AND path = ?2 AND value <> ?3")?
            .execute(params![key.0, path, value])?;
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO unique_value (path, value, entry_id) VALUES (?1, ?2, ?3)")?
            .execute(params![path, value, key.0])?;
        Ok(())
    }

    /// Gives back the value that was allotted to an entry, because what was to bring it to the target failed. `kept` is the
    /// value that its resource has there, which it keeps where nobody else was given it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn give_back_unique(&mut self, key: EntryKey, path: &TargetPath, kept: Option<&str>) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached("DELETE FROM unique_value WHERE entry_id = ?1 AND path = ?2")?
            .execute(params![key.0, path.as_str().to_ascii_lowercase()])?;
        match kept {
            Some(value) if self.unique_holder(path, value)?.is_none() => self.allot_unique(key, path, value),
            _ => Ok(()),
        }
    }
}
