//! Requests whose outcome is not known yet, and objects whose export failed, with the pause before their next attempt.

use std::collections::BTreeMap;

use provisor_model::{OperationKind, SourceId, TargetPath, TargetValue};
use rusqlite::{OptionalExtension as _, params};

use crate::{EntryKey, Space, SpaceError};

/// An object whose export failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EscrowRecord {
    /// Since when, in milliseconds since 1970.
    pub since: i64,
    /// How often it was tried.
    pub attempts: u64,
    /// From when on it is tried again, in milliseconds since 1970.
    pub next: i64,
    /// What the last attempt ended with.
    pub error: String,
}

/// When an object that was put aside is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// In the next cycle: it was not the object's fault, or to find out costs no request.
    NextCycle,
    /// After a pause that grows with every attempt, from none to a day.
    Paused,
}

/// The pauses after the first, second and following attempts, in minutes; the last is for all that follow.
const PAUSES: [i64; 9] = [0, 2, 10, 30, 60, 180, 360, 720, 1440];

/// How long an object that was tried so often waits, in milliseconds.
pub(crate) fn pause(attempts: u64) -> i64 {
    let place = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    PAUSES.get(place).or(PAUSES.last()).copied().unwrap_or_default() * 60_000
}

/// What requests of unknown outcome may have set, by path.
pub type Sent = BTreeMap<TargetPath, TargetValue<SourceId>>;

impl Space {
    /// Notes that a request is about to go out. What an earlier one, whose outcome was never known, may have set stays noted.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_intent(&mut self, key: EntryKey, operation: OperationKind, now: i64) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached(
                "INSERT INTO intent (entry_id, operation, started) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (entry_id) DO UPDATE SET operation = ?2, started = ?3",
            )?
            .execute(params![key.0, operation.as_str(), now])?;
        Ok(())
    }

    /// Notes what the request that is about to go out sets, besides what earlier ones of unknown outcome did.
    ///
    /// # Errors
    /// When the database fails or the row is damaged.
    pub fn note_sent(&mut self, key: EntryKey, sent: Sent) -> Result<(), SpaceError> {
        let mut all = self.sent(key)?;
        for (path, value) in sent {
            match (all.get_mut(&path), value) {
                (Some(TargetValue::References(known)), TargetValue::References(more)) => known.extend(more),
                (_, value) => {
                    all.insert(path, value);
                }
            }
        }
        if !all.is_empty() {
            self.connection
                .prepare_cached("UPDATE intent SET sent = ?2 WHERE entry_id = ?1")?
                .execute(params![key.0, postcard::to_stdvec(&all)?])?;
        }
        Ok(())
    }

    /// What requests of unknown outcome may have set.
    ///
    /// # Errors
    /// When the database fails or the row is damaged.
    pub fn sent(&self, key: EntryKey) -> Result<Sent, SpaceError> {
        let mut statement = self.connection.prepare_cached("SELECT sent FROM intent WHERE entry_id = ?1")?;
        let stored: Option<Option<Vec<u8>>> = statement.query_row([key.0], |row| row.get(0)).optional()?;
        Ok(stored.flatten().map(|octets| postcard::from_bytes(&octets)).transpose()?.unwrap_or_default())
    }

    /// Notes that the outcome of the request is known.
    ///
    /// # Errors
    /// When the database fails.
    pub fn clear_intent(&mut self, key: EntryKey) -> Result<(), SpaceError> {
        self.connection.prepare_cached("DELETE FROM intent WHERE entry_id = ?1")?.execute([key.0])?;
        Ok(())
    }

    /// Puts an object whose export failed aside, and says from when on it is tried again (milliseconds since 1970). A change
    /// of the object or of the rules has it tried before.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_escrow(&mut self, key: EntryKey, error: &str, now: i64, retry: Retry) -> Result<i64, SpaceError> {
        let known = self.escrow(key)?;
        let attempts = known.map_or(0, |known| known.attempts) + u64::from(retry == Retry::Paused);
        let next = if retry == Retry::Paused { now + pause(attempts) } else { now };
        self.connection
            .prepare_cached(
                "INSERT INTO escrow (entry_id, since, attempts, last, error, next) VALUES (?1, ?2, ?4, ?2, ?3, ?5) \
                 ON CONFLICT (entry_id) DO UPDATE SET attempts = ?4, last = ?2, error = ?3, next = ?5",
            )?
            .execute(params![key.0, now, error, attempts.cast_signed(), next])?;
        Ok(next)
    }

    /// Lets what was put aside at this time be tried in the next cycle, as if it had not been tried: it was not the objects'
    /// fault.
    ///
    /// # Errors
    /// When the database fails.
    pub fn excuse_escrow(&mut self, time: i64) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached("UPDATE escrow SET next = last, attempts = max(attempts - 1, 0) WHERE last = ?1")?
            .execute([time])?;
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
            self.connection.prepare_cached("SELECT since, attempts, error, next FROM escrow WHERE entry_id = ?1")?;
        Ok(statement.query_row([key.0], |row| escrow_record(row, 0)).optional()?)
    }

    /// The objects that are put aside, those that are tried again first coming first, with their names and source ids.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn escrow_records(&self, limit: usize) -> Result<Vec<(String, SourceId, EscrowRecord)>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT e.dn, e.source_id, x.since, x.attempts, x.error, x.next FROM escrow x JOIN entry e ON e.id = x.entry_id \
             ORDER BY x.next, e.source_id LIMIT ?1",
        )?;
        let mut rows = statement.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let id = SourceId::from_storage(&row.get::<_, Vec<u8>>(1)?)?;
            found.push((row.get(0)?, id, escrow_record(row, 2)?));
        }
        Ok(found)
    }

    /// How many objects are put aside.
    ///
    /// # Errors
    /// When the database fails.
    pub fn escrow_count(&self) -> Result<u64, SpaceError> {
        let mut statement = self.connection.prepare_cached("SELECT count(*) FROM escrow")?;
        Ok(statement.query_row([], |row| row.get::<_, i64>(0))?.cast_unsigned())
    }
}

fn escrow_record(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<EscrowRecord> {
    Ok(EscrowRecord {
        since: row.get(first)?,
        attempts: row.get::<_, i64>(first + 1)?.cast_unsigned(),
        error: row.get(first + 2)?,
        next: row.get(first + 3)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_none_to_a_day() {
        let minutes: Vec<i64> = (1..=11).map(|attempts| pause(attempts) / 60_000).collect();
        assert_eq!(minutes, [0, 2, 10, 30, 60, 180, 360, 720, 1440, 1440, 1440]);
    }
}
