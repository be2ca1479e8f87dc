//! Which entries the organisational units and groups of the scope are: followed by their id, so that a rename is a rename.

use provisor_model::{Dn, DnKey};
use rusqlite::{OptionalExtension as _, params};

use crate::{EntryKey, Space, SpaceError};

impl Space {
    /// The unit or group that was configured under this name, and where it stands now; the first call decides which entry
    /// it is. None where the source has no such entry.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn scope_unit(&mut self, configured: &DnKey) -> Result<Option<(EntryKey, Dn)>, SpaceError> {
        let known: Option<(i64, String, bool)> = self
            .connection
            .prepare_cached(
                "SELECT e.id, e.dn, e.gone FROM scope_unit s JOIN entry e ON e.id = s.entry_id WHERE s.dn_key = ?1",
            )?
            .query_row([configured.octets()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let (key, dn) = match known {
            Some((key, dn, false)) => (EntryKey(key), dn),
            // The unit is gone; another of the same name takes its place.
            _ => match self.find_unit(configured)? {
                Some((key, dn)) => {
                    self.connection
                        .prepare_cached("INSERT OR REPLACE INTO scope_unit (dn_key, entry_id) VALUES (?1, ?2)")?
                        .execute(params![configured.octets(), key.0])?;
                    (key, dn)
                }
                None => return Ok(None),
            },
        };
        let dn = dn.parse().map_err(|error: provisor_model::DnError| SpaceError::Damaged(error.to_string()))?;
        Ok(Some((key, dn)))
    }

    fn find_unit(&self, configured: &DnKey) -> Result<Option<(EntryKey, String)>, SpaceError> {
        let mut statement =
            self.connection.prepare_cached("SELECT id, dn FROM entry WHERE dn_key = ?1 AND gone = 0 LIMIT 1")?;
        Ok(statement.query_row([configured.octets()], |row| Ok((EntryKey(row.get(0)?), row.get(1)?))).optional()?)
    }

    /// Forgets which entries the units and groups are, for names that are no longer configured.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keep_scope_units(&mut self, configured: &[DnKey]) -> Result<(), SpaceError> {
        let mut statement = self.connection.prepare_cached("SELECT dn_key FROM scope_unit")?;
        let known: Vec<Vec<u8>> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for key in known.iter().filter(|key| !configured.iter().any(|unit| unit.octets() == key.as_slice())) {
            self.connection.prepare_cached("DELETE FROM scope_unit WHERE dn_key = ?1")?.execute([key])?;
        }
        Ok(())
    }
}
