//! What an import has named, and what it has not.

use provisor_model::{DnKey, SourceId};
use rusqlite::params;

use crate::{EntryKey, PageCounts, Space, SpaceError};

impl Space {
    /// Nothing has been named yet.
    pub(crate) fn forget_named(&self) -> Result<(), SpaceError> {
        Ok(self.connection.execute_batch(
            "DELETE FROM temp.seen; DELETE FROM temp.moved; DELETE FROM temp.listed; DELETE FROM temp.incomplete;",
        )?)
    }

    /// Which entries this import has not named, in source-id order, those behind `after` first; entries that were
    /// excluded before are among them.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn unseen(&self, after: Option<&SourceId>, limit: usize) -> Result<Vec<SourceId>, SpaceError> {
        if self.is_filling() {
            return Ok(Vec::new());
        }
        let mut statement = self.connection.prepare_cached(
            "SELECT source_id FROM entry WHERE source_id > ?1 AND gone IN (0, 2) AND id NOT IN (SELECT entry_id FROM temp.seen) \
             ORDER BY source_id LIMIT ?2",
        )?;
        let after = after.map(SourceId::to_storage).unwrap_or_default();
        let mut rows = statement.query(params![after, i64::try_from(limit).unwrap_or(i64::MAX)])?;
        let mut unseen = Vec::new();
        while let Some(row) = rows.next()? {
            unseen.push(SourceId::from_storage(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?);
        }
        Ok(unseen)
    }

    /// Settles the entries that were listed under a name which was not theirs here, once the whole feed has come: they
    /// may have moved with the unit above them, or have been read anew. Returns how many are left unexplained.
    ///
    /// # Errors
    /// When the database fails.
    pub fn settle_listed(&mut self) -> Result<u64, SpaceError> {
        if self.is_filling() {
            return Ok(0);
        }
        // By what was listed, never by all that is known: a cycle costs what has changed.
        self.connection.execute_batch(
            "INSERT OR IGNORE INTO temp.seen (entry_id) SELECT e.id FROM temp.listed l CROSS JOIN entry e \
                 ON e.source_id = l.source_id AND e.dn_key = l.dn_key AND e.gone = 0; \
             DELETE FROM temp.listed WHERE EXISTS (SELECT 1 FROM entry e \
                 JOIN temp.seen s ON s.entry_id = e.id WHERE e.source_id = listed.source_id AND e.gone = 0);",
        )?;
        let left = self.connection.query_row("SELECT count(*) FROM temp.listed", [], |row| row.get::<_, i64>(0))?;
        Ok(left.cast_unsigned())
    }

    /// How many entries of the source this import has not named.
    ///
    /// # Errors
    /// When the database fails.
    pub fn unseen_count(&self) -> Result<u64, SpaceError> {
        if self.is_filling() {
            return Ok(0);
        }
        let sql = "SELECT count(*) FROM entry WHERE gone = 0 AND id NOT IN (SELECT entry_id FROM temp.seen)";
        Ok(self.connection.query_row(sql, [], |row| row.get::<_, i64>(0))?.cast_unsigned())
    }

    /// Takes in that an entry is still there under this name.
    pub(crate) fn list(&self, id: &[u8], dn_key: &DnKey, counts: &mut PageCounts) -> Result<(), SpaceError> {
        match self.known(id)? {
            Some(known) if known.present() && known.dn_key == dn_key.octets() => {
                self.mark_seen(known.key)?;
                counts.unchanged += 1;
            }
            _ => {
                self.connection
                    .prepare_cached("INSERT OR REPLACE INTO temp.listed (source_id, dn_key) VALUES (?1, ?2)")?
                    .execute(params![id, dn_key.octets()])?;
            }
        }
        Ok(())
    }

    pub(crate) fn mark_seen(&self, key: EntryKey) -> Result<(), SpaceError> {
        self.connection.prepare_cached("INSERT OR IGNORE INTO temp.seen (entry_id) VALUES (?1)")?.execute([key.0])?;
        Ok(())
    }
}
