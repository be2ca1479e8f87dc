//! Entries: which are to be evaluated, and how one is found.

use provisor_model::{Anchor, DnKey, Entry, SourceId};
use rusqlite::{OptionalExtension as _, Row, params};

use crate::links::{self, LINK_COLUMNS};
use crate::rows::{self, ENTRY_COLUMNS, Standing};
use crate::{Link, Space, SpaceError};

/// The number of an entry in its connector space; it lives as long as the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryKey(pub(crate) i64);

impl EntryKey {
    /// The number.
    pub fn number(self) -> i64 {
        self.0
    }
}

/// An entry with all that the connector space knows of it.
#[derive(Clone, Debug)]
pub struct StoredEntry {
    /// Its number.
    pub key: EntryKey,
    /// The entry as last read, with what it has by its memberships where that is wanted.
    pub entry: Entry,
    /// Whether it is no longer in the source.
    pub gone: bool,
    /// Whether it is in the directory, but no longer among what is read of it.
    pub excluded: bool,
    /// Whether the outcome of its last request is unknown.
    pub uncertain: bool,
    /// What was last decided about it, as a short text.
    pub decision: Option<String>,
    /// Its resource.
    pub link: Option<Link>,
    /// What rules answered about it before, as it is kept; nothing where it was not read to be evaluated.
    pub answers: Vec<u8>,
}

pub(crate) fn stored(row: &Row<'_>) -> Result<StoredEntry, SpaceError> {
    let standing = Standing::from_column(row.get(6)?);
    Ok(StoredEntry {
        key: EntryKey(row.get(0)?),
        entry: rows::entry(row)?,
        gone: standing == Standing::Gone,
        excluded: standing == Standing::Excluded,
        decision: row.get(7)?,
        uncertain: row.get::<_, Option<i64>>(8)?.is_some(),
        link: links::optional_link(row, 9)?,
        answers: Vec::new(),
    })
}

/// The entries of these rows, as many as may be in memory at once: never none where there is one.
fn stored_page(rows: &mut rusqlite::Rows<'_>) -> Result<Vec<StoredEntry>, SpaceError> {
    let (mut found, mut octets) = (Vec::new(), 0);
    while octets <= rows::PAGE_OCTETS
        && let Some(row) = rows.next()?
    {
        octets += stored_octets(row)?;
        found.push(stored(row)?);
    }
    Ok(found)
}

/// How large the stored values of an entry are: its attributes, and what was exported.
pub(crate) fn stored_octets(row: &Row<'_>) -> Result<usize, SpaceError> {
    Ok(rows::octets(row, 5)? + rows::octets(row, 13)?)
}

/// The columns that [`stored`] reads.
pub(crate) fn stored_columns() -> String {
    format!("{ENTRY_COLUMNS}, e.gone, d.decision, i.entry_id, {LINK_COLUMNS}")
}

/// Where the answers stand behind [`stored_columns`].
const ANSWERS: usize = 14;

/// What belongs to an entry `e`, for [`stored_columns`].
pub(crate) const STORED_JOINS: &str = "LEFT JOIN decided d ON d.entry_id = e.id \
     LEFT JOIN intent i ON i.entry_id = e.id LEFT JOIN link l ON l.entry_id = e.id";

fn select(condition: &str) -> String {
    format!("SELECT {} FROM entry e {STORED_JOINS} WHERE {condition}", stored_columns())
}

impl Space {
    /// The entries that meet a condition, as many as may be in memory at once: never none where there is one.
    fn entries(&self, condition: &str, parameters: impl rusqlite::Params) -> Result<Vec<StoredEntry>, SpaceError> {
        let mut statement = self.connection.prepare_cached(&select(condition))?;
        let mut rows = statement.query(parameters)?;
        let mut found = stored_page(&mut rows)?;
        self.compute(&mut found)?;
        Ok(found)
    }

    /// The next entries to be evaluated, in source-id order, those behind `after` first.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn dirty_entries(&self, after: Option<&SourceId>, limit: usize) -> Result<Vec<StoredEntry>, SpaceError> {
        // CROSS JOIN keeps the order of the loops: from the few that are dirty to their entries.
        let sql = format!(
            "SELECT {}, a.answers FROM dirty t CROSS JOIN entry e ON e.id = t.entry_id {STORED_JOINS} \
             LEFT JOIN answer a ON a.entry_id = e.id WHERE t.source_id > ?1 ORDER BY t.source_id LIMIT ?2",
            stored_columns()
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let after = after.map(SourceId::to_storage).unwrap_or_default();
        let mut rows = statement.query(params![after, i64::try_from(limit).unwrap_or(i64::MAX)])?;
        let (mut found, mut octets) = (Vec::new(), 0);
        while octets <= rows::PAGE_OCTETS
            && let Some(row) = rows.next()?
        {
            let answers = row.get::<_, Option<Vec<u8>>>(ANSWERS)?.unwrap_or_default();
            octets += stored_octets(row)? + answers.len();
            found.push(StoredEntry { answers, ..stored(row)? });
        }
        self.compute(&mut found)?;
        Ok(found)
    }

    /// The entries that are in the source, in source-id order, those behind `after` first.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn live_entries(&self, after: Option<&SourceId>, limit: usize) -> Result<Vec<StoredEntry>, SpaceError> {
        let after = after.map(SourceId::to_storage).unwrap_or_default();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.entries("e.source_id > ?1 AND e.gone = 0 ORDER BY e.source_id LIMIT ?2", params![after, limit])
    }

    /// Some entries of an object class that are in the source, in no order that means anything.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn live_entries_of(&self, object_class: &str, limit: usize) -> Result<Vec<StoredEntry>, SpaceError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.entries("e.object_class = ?1 AND e.gone = 0 LIMIT ?2", params![object_class, limit])
    }

    /// One entry by its number.
    ///
    /// # Errors
    /// When the database fails or the row is damaged.
    pub fn entry(&self, key: EntryKey) -> Result<Option<StoredEntry>, SpaceError> {
        Ok(self.entries("e.id = ?1", [key.0])?.into_iter().next())
    }

    /// The source id of an entry, in the form it is stored in.
    ///
    /// # Errors
    /// When the database fails.
    pub fn source_id(&self, key: EntryKey) -> Result<Option<Vec<u8>>, SpaceError> {
        let mut statement = self.connection.prepare_cached("SELECT source_id FROM entry WHERE id = ?1")?;
        Ok(statement.query_row([key.0], |row| row.get(0)).optional()?)
    }

    /// The highest number of an entry.
    ///
    /// # Errors
    /// When the database fails.
    pub fn last_key(&self) -> Result<EntryKey, SpaceError> {
        let mut statement = self.connection.prepare_cached("SELECT coalesce(max(id), 0) FROM entry")?;
        Ok(statement.query_row([], |row| row.get(0).map(EntryKey))?)
    }

    /// One entry by its source id.
    ///
    /// # Errors
    /// When the database fails or the row is damaged.
    pub fn entry_by_source_id(&self, id: &SourceId) -> Result<Option<StoredEntry>, SpaceError> {
        Ok(self.entries("e.source_id = ?1", [id.to_storage()])?.into_iter().next())
    }

    /// One entry of the source by its name.
    ///
    /// # Errors
    /// When the database fails or the row is damaged.
    pub fn entry_by_dn(&self, dn: &DnKey) -> Result<Option<StoredEntry>, SpaceError> {
        Ok(self.entries("e.dn_key = ?1 AND e.gone = 0", [dn.octets()])?.into_iter().next())
    }

    /// Whether another entry of the source has the anchor of this one: its name.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn anchor_rival(&self, key: EntryKey, anchor: &Anchor) -> Result<Option<String>, SpaceError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT dn FROM entry WHERE anchor = ?1 AND id <> ?2 AND gone = 0 LIMIT 1")?;
        Ok(statement.query_row(params![anchor.to_storage(), key.0], |row| row.get(0)).optional()?)
    }

    /// Notes that an entry was evaluated, what was decided where it is not simply provisioned, and until when that holds
    /// (seconds since 1970).
    ///
    /// # Errors
    /// When the database fails.
    pub fn evaluated(
        &mut self,
        key: EntryKey,
        source_id: &SourceId,
        decision: Option<&str>,
        valid_until: Option<i64>,
    ) -> Result<(), SpaceError> {
        self.connection.prepare_cached("DELETE FROM dirty WHERE source_id = ?1")?.execute([source_id.to_storage()])?;
        self.note_decision(key, decision, valid_until)
    }

    /// Notes what was decided of an entry, where it is not simply provisioned, and until when that holds (seconds since
    /// 1970).
    ///
    /// # Errors
    /// When the database fails.
    pub fn note_decision(
        &mut self,
        key: EntryKey,
        decision: Option<&str>,
        valid_until: Option<i64>,
    ) -> Result<(), SpaceError> {
        if decision.is_none() && valid_until.is_none() {
            self.connection.prepare_cached("DELETE FROM decided WHERE entry_id = ?1")?.execute([key.0])?;
        } else {
            self.connection
                .prepare_cached("INSERT OR REPLACE INTO decided (entry_id, decision, valid_until) VALUES (?1, ?2, ?3)")?
                .execute(params![key.0, decision, valid_until])?;
        }
        Ok(())
    }

    /// Asks for the evaluation of one entry, of which the source id is given as it is stored.
    pub(crate) fn mark_dirty(&self, key: EntryKey, source_id: &[u8]) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO dirty (source_id, entry_id) VALUES (?1, ?2)")?
            .execute(params![source_id, key.0])?;
        Ok(())
    }

    /// Asks for the evaluation of one entry of which only the number is known.
    ///
    /// # Errors
    /// When the database fails.
    pub fn mark_entry_dirty(&mut self, key: EntryKey) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO dirty SELECT source_id, id FROM entry WHERE id = ?1")?
            .execute([key.0])?;
        Ok(())
    }

    /// Asks for the evaluation of the entries whose numbers a query gives.
    pub(crate) fn mark_dirty_among(&self, numbers: &str, parameters: impl rusqlite::Params) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached(&format!(
                "INSERT OR IGNORE INTO dirty SELECT source_id, id FROM entry WHERE id IN ({numbers})"
            ))?
            .execute(parameters)?;
        Ok(())
    }

    /// Asks for the evaluation of every entry: rules, scope or settings have changed.
    ///
    /// # Errors
    /// When the database fails.
    pub fn mark_all_dirty(&mut self) -> Result<u64, SpaceError> {
        // After a first import everybody is marked already, and to count is a fraction of marking.
        let all = "SELECT (SELECT count(*) FROM dirty) = (SELECT count(*) FROM entry)";
        if self.connection.prepare_cached(all)?.query_row([], |row| row.get(0))? {
            return Ok(0);
        }
        let sql = "INSERT OR IGNORE INTO dirty SELECT source_id, id FROM entry WHERE gone <> 3 ORDER BY source_id";
        Ok(self.connection.prepare_cached(sql)?.execute([])? as u64)
    }

    /// Asks for the evaluation of what is due at this time (milliseconds since 1970): decisions whose time has passed,
    /// requests whose outcome is unknown, objects that failed and whose pause is over, and what an interrupted cycle had
    /// planned. That plan is dropped.
    ///
    /// # Errors
    /// When the database fails.
    pub fn mark_due(&mut self, now: i64) -> Result<(), SpaceError> {
        self.atomically(|space| {
            space.mark_dirty_among("SELECT entry_id FROM decided WHERE valid_until <= ?1", [now / 1000])?;
            space.mark_dirty_among("SELECT entry_id FROM escrow WHERE next <= ?1", [now])?;
            space.mark_dirty_among(
                "SELECT i.entry_id FROM intent i LEFT JOIN escrow x ON x.entry_id = i.entry_id WHERE coalesce(x.next, 0) <= ?1",
                [now],
            )?;
            // In the order of the table that it goes into.
            space.connection.execute_batch(
                "INSERT OR IGNORE INTO dirty SELECT source_id, entry_id FROM plan ORDER BY source_id;",
            )?;
            space.clear_plan()
        })
    }

    /// How many entries wait for their evaluation.
    ///
    /// # Errors
    /// When the database fails.
    pub fn dirty_count(&self) -> Result<u64, SpaceError> {
        let mut statement = self.connection.prepare_cached("SELECT count(*) FROM dirty")?;
        Ok(statement.query_row([], |row| row.get::<_, i64>(0))?.cast_unsigned())
    }

    /// How many of the entries that wait for their evaluation have no link; no more than `most` are counted.
    ///
    /// # Errors
    /// When the database fails.
    pub fn unlinked_dirty(&self, most: u64) -> Result<u64, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM dirty t LEFT JOIN link l ON l.entry_id = t.entry_id \
             WHERE l.entry_id IS NULL LIMIT ?1)",
        )?;
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        Ok(statement.query_row([limit], |row| row.get::<_, i64>(0))?.cast_unsigned())
    }

    /// Forgets an entry that is gone, with everything that hangs on it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn forget_entry(&mut self, key: EntryKey) -> Result<(), SpaceError> {
        self.atomically(|space| {
            space.remove_plan(key)?;
            for table in ["link", "intent", "escrow", "unique_value", "waiting", "decided", "answer", "stand_in"] {
                space
                    .connection
                    .prepare_cached(&format!("DELETE FROM {table} WHERE entry_id = ?1"))?
                    .execute([key.0])?;
            }
            space.lose_answer(key)?;
            for sql in [
                "DELETE FROM waiting WHERE target = ?1",
                "DELETE FROM reference WHERE referrer = ?1",
                "DELETE FROM lookup WHERE referrer = ?1",
                "DELETE FROM name_lookup WHERE referrer = ?1",
                "DELETE FROM value_name WHERE entry_id = ?1",
                "DELETE FROM scope_unit WHERE entry_id = ?1",
                "DELETE FROM scope_group WHERE entry_id = ?1",
                "UPDATE reference SET target = NULL WHERE target = ?1",
                "DELETE FROM dirty WHERE source_id = (SELECT source_id FROM entry WHERE id = ?1)",
                "DELETE FROM entry WHERE id = ?1",
            ] {
                space.connection.prepare_cached(sql)?.execute([key.0])?;
            }
            Ok(())
        })
    }
}
