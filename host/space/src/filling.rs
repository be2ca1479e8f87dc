//! A first import: the tables are empty, so that rows are only appended, and the indexes are made once when all is there.
//! It is one transaction from its begin to its end: whatever breaks it off leaves the space as empty as it was.

use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use provisor_model::DnKey;
use rusqlite::{CachedStatement, params};

use crate::page::EntryRow;
use crate::space::BUSY;
use crate::{EntryKey, PageCounts, Space, SpaceError};

/// The indexes that rows of a first import do without, as the tables' steps make them.
const INDEXES: [(&str, &str); 3] = [
    ("entry_source", "CREATE UNIQUE INDEX entry_source ON entry (source_id)"),
    ("entry_dn", "CREATE INDEX entry_dn ON entry (dn_key)"),
    ("entry_anchor", "CREATE INDEX entry_anchor ON entry (anchor)"),
];
const REFERENCE_INDEXES: [(&str, &str); 2] = [
    ("reference_target", "CREATE INDEX reference_target ON reference (target, attribute) WHERE target IS NOT NULL"),
    ("reference_name", "CREATE INDEX reference_name ON reference (dn_key)"),
];

/// The tables that must be empty: who is in them has to be told of what an import brings.
const EMPTY: [&str; 13] = [
    "entry",
    "dirty",
    "reference",
    "unsettled_name",
    "link",
    "waiting",
    "plan",
    "intent",
    "escrow",
    "lookup_attribute",
    "name_lookup",
    "value_name",
    "scope_group",
];

/// How many entries a first import remembers to know them again; with more it goes on as any other import does. 16
/// octets each.
const REMEMBERED: usize = 4_000_000;

/// How many references that wait for their name are looked at at once.
const WAITING: usize = 10_000;

/// The tail of every reference row's key, from which the next ones are read.
type ReferenceKey = (i64, String, Vec<u8>);

/// A first import that is under way.
pub(crate) struct Filling {
    hashers: (RandomState, RandomState),
    ids: HashSet<Met, BuildHasherDefault<Hashed>>,
    names: HashSet<Met, BuildHasherDefault<Hashed>>,
    /// Whether references wait for a name that has not come yet.
    waiting: bool,
    /// Attributes that refer by value, of which a reference came.
    by_value: BTreeSet<Arc<str>>,
    /// Whether it is written past the write-ahead log.
    past_log: bool,
}

/// A source id or a name that came, by 96 bits of digests that nobody outside can foresee, and the entry that it is of.
#[derive(Clone, Copy)]
struct Met {
    high: u64,
    low: u32,
    entry: u32,
}

impl PartialEq for Met {
    fn eq(&self, other: &Self) -> bool {
        (self.high, self.low) == (other.high, other.low)
    }
}

impl Eq for Met {}

impl Hash for Met {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.high);
    }
}

/// Takes over what is a digest already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, octets: &[u8]) {
        self.0 = octets.iter().fold(self.0, |sum, octet| sum.rotate_left(8) ^ u64::from(*octet));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Filling {
    fn new(past_log: bool) -> Self {
        Self {
            hashers: (RandomState::new(), RandomState::new()),
            ids: HashSet::default(),
            names: HashSet::default(),
            waiting: false,
            by_value: BTreeSet::new(),
            past_log,
        }
    }

    fn met(&self, octets: &[u8], entry: u32) -> Met {
        // The low half is enough of the second digest.
        #[expect(clippy::cast_possible_truncation, reason = "it is to be cut")]
        let low = self.hashers.1.hash_one(octets) as u32;
        Met { high: self.hashers.0.hash_one(octets), low, entry }
    }

    /// Whom a name means among those that have come.
    fn entry_of(&self, name: &[u8]) -> Option<i64> {
        let met = match DnKey::stored_id_in(name) {
            Some(id) => self.ids.get(&self.met(id, 0)),
            None => self.names.get(&self.met(name, 0)),
        };
        met.map(|met| i64::from(met.entry))
    }

    /// The digests of a source id that did not come before, so that its entry can be appended.
    fn takes(&self, row: &EntryRow) -> Option<Met> {
        let id = self.met(&row.source_id, 0);
        (self.ids.len() < REMEMBERED && !self.ids.contains(&id)).then_some(id)
    }
}

impl Space {
    /// Whether the space is being filled for the first time.
    pub(crate) fn is_filling(&self) -> bool {
        self.filling.is_some()
    }

    /// Begins a first import where there is nothing yet; otherwise does nothing.
    pub(crate) fn begin_filling(&mut self) -> Result<(), SpaceError> {
        if !self.connection.is_autocommit() {
            return Ok(());
        }
        for table in EMPTY {
            if self.connection.prepare_cached(&format!("SELECT 1 FROM {table} LIMIT 1"))?.exists([])? {
                return Ok(());
            }
        }
        // Past the write-ahead log, what is appended is written once and not twice: a rollback only cuts the file. Where
        // somebody else has the file open, it goes by the log all the same.
        self.connection.busy_timeout(Duration::ZERO)?;
        let past_the_log = self.journal("TRUNCATE");
        self.connection.busy_timeout(BUSY)?;
        if let Err(error) = &past_the_log {
            tracing::debug!(%error, "A first import goes by the write-ahead log.");
        }
        let filling = Filling::new(past_the_log.is_ok());
        self.begin().inspect_err(|_| self.log_ahead(&filling))?;
        self.filling = Some(filling);
        // Of entries that were here before the space became empty.
        let forgotten = "UPDATE reference_by SET indexed = 0 WHERE indexed <> 0";
        if let Err(error) = self.connection.execute_batch(forgotten) {
            self.abandon_import();
            return Err(error.into());
        }
        for (name, _) in INDEXES.iter().chain(&REFERENCE_INDEXES) {
            if let Err(error) = self.connection.execute_batch(&format!("DROP INDEX {name}")) {
                self.abandon_import();
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn journal(&self, mode: &str) -> Result<(), SpaceError> {
        Ok(self.connection.pragma_update(None, "journal_mode", mode)?)
    }

    /// Goes back to the write-ahead log. Without it the space is as safe, and slower.
    fn log_ahead(&self, filling: &Filling) {
        if !filling.past_log {
            return;
        }
        // By way of the mode that leaves no empty journal behind.
        if let Err(error) = self.journal("DELETE").and_then(|()| self.journal("WAL")) {
            tracing::warn!(%error, "The connector space cannot use its write-ahead log.");
        }
    }

    /// Gives up an import that cannot be completed. What was stored of a first one is dropped; pages of others stay, and
    /// nothing follows from what they did not name.
    pub fn abandon_import(&mut self) {
        if let Some(filling) = self.filling.take() {
            self.roll_back();
            self.log_ahead(&filling);
        }
    }

    /// Appends entries as long as they are new; returns how many were.
    pub(crate) fn fill(&mut self, rows: &[&EntryRow], counts: &mut PageCounts) -> Result<usize, SpaceError> {
        let Self { connection, filling: Some(filling), .. } = self else { return Ok(0) };
        let mut entries = connection.prepare_cached(
            "INSERT INTO entry (source_id, anchor, dn, dn_key, object_class, attributes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let mut references = connection
            .prepare_cached("INSERT INTO reference (referrer, attribute, dn_key, target) VALUES (?1, ?2, ?3, ?4)")?;
        for (count, row) in rows.iter().enumerate() {
            let Some(id) = filling.takes(row) else { return Ok(count) };
            counts.added += 1;
            let EntryRow { source_id, anchor, dn, dn_key, object_class, attributes, .. } = row;
            let key = entries.insert(params![source_id, anchor, dn, dn_key.octets(), object_class, attributes])?;
            let Ok(entry) = u32::try_from(key) else {
                return Err(SpaceError::Damaged(format!("the first entries have numbers as high as {key}")));
            };
            filling.ids.insert(Met { entry, ..id });
            // The first who has a name keeps it.
            filling.names.insert(filling.met(dn_key.octets(), entry));
            append_references(filling, &mut references, key, row)?;
        }
        Ok(rows.len())
    }

    /// Goes on as any other import does, because something came that is more than a new entry.
    pub(crate) fn leave_filling(&mut self) -> Result<(), SpaceError> {
        let Some(filling) = self.filling.take() else { return Ok(()) };
        let left = self.ordinary(&filling).and_then(|()| Ok(self.connection.execute_batch("COMMIT")?));
        if left.is_err() {
            self.roll_back();
        }
        self.log_ahead(&filling);
        left
    }

    /// What is otherwise done entry by entry.
    fn ordinary(&mut self, filling: &Filling) -> Result<(), SpaceError> {
        self.make_indexes(&INDEXES)?;
        self.make_indexes(&REFERENCE_INDEXES)?;
        self.connection.execute_batch(
            "UPDATE reference SET target = NULL WHERE target IS NOT NULL; \
             INSERT OR IGNORE INTO unsettled_name SELECT dn_key FROM entry ORDER BY dn_key; \
             INSERT OR IGNORE INTO unsettled_name SELECT dn_key FROM reference ORDER BY dn_key; \
             INSERT INTO temp.seen SELECT id FROM entry;",
        )?;
        self.mark_all_dirty()?;
        filling.by_value.iter().try_for_each(|attribute| self.index_value_names(attribute))
    }

    /// Makes the indexes, resolves the references that waited, and asks for the evaluation of everybody; within the
    /// transaction that is still to be committed.
    pub(crate) fn settle_filling(&mut self) -> Result<(), SpaceError> {
        let Some(filling) = self.filling.take() else { return Ok(()) };
        let settled = self.settle(&filling);
        // Whoever gives up finds it.
        self.filling = Some(filling);
        settled
    }

    fn settle(&mut self, filling: &Filling) -> Result<(), SpaceError> {
        self.make_indexes(&INDEXES)?;
        if filling.waiting {
            self.resolve_waiting(filling)?;
        }
        self.make_indexes(&REFERENCE_INDEXES)?;
        self.mark_all_dirty()?;
        if filling.by_value.is_empty() {
            return Ok(());
        }
        filling.by_value.iter().try_for_each(|attribute| self.index_value_names(attribute))?;
        self.connection.execute_batch(
            "INSERT OR IGNORE INTO unsettled_name SELECT DISTINCT dn_key FROM reference WHERE dn_key >= x'FF';",
        )?;
        self.settle_names()
    }

    /// Ends a first import: all of it is kept.
    pub(crate) fn commit_filling(&mut self) -> Result<(), SpaceError> {
        let filling = self.filling.take();
        let kept = self.connection.execute_batch("COMMIT");
        if kept.is_err() {
            self.roll_back();
        }
        if let Some(filling) = filling {
            self.log_ahead(&filling);
        }
        Ok(kept?)
    }

    fn make_indexes(&self, indexes: &[(&str, &str)]) -> Result<(), SpaceError> {
        indexes.iter().try_for_each(|(_, sql)| Ok(self.connection.execute_batch(sql)?))
    }

    /// Resolves the references whose name came after them.
    fn resolve_waiting(&self, filling: &Filling) -> Result<(), SpaceError> {
        let mut after: ReferenceKey = (0, String::new(), Vec::new());
        let mut waiting = self.connection.prepare(
            "SELECT referrer, attribute, dn_key FROM reference WHERE (referrer, attribute, dn_key) > (?1, ?2, ?3) \
             AND target IS NULL ORDER BY referrer, attribute, dn_key LIMIT ?4",
        )?;
        let mut resolve = self
            .connection
            .prepare("UPDATE reference SET target = ?4 WHERE referrer = ?1 AND attribute = ?2 AND dn_key = ?3")?;
        loop {
            let limit = i64::try_from(WAITING).unwrap_or(i64::MAX);
            let part: Vec<ReferenceKey> = waiting
                .query_map(params![after.0, after.1, after.2, limit], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?
                .collect::<Result<_, _>>()?;
            let Some(last) = part.last() else { return Ok(()) };
            after = last.clone();
            for (referrer, attribute, name) in &part {
                if let Some(entry) = filling.entry_of(name) {
                    resolve.execute(params![referrer, attribute, name, entry])?;
                }
            }
        }
    }
}

fn append_references(
    filling: &mut Filling,
    statement: &mut CachedStatement<'_>,
    referrer: i64,
    row: &EntryRow,
) -> Result<(), SpaceError> {
    for (attribute, name) in &row.references {
        let target = if is_by_value(name) {
            filling.by_value.insert(Arc::clone(attribute));
            None
        } else {
            let target = filling.entry_of(name);
            filling.waiting |= target.is_none();
            target
        };
        statement.execute(params![EntryKey(referrer).number(), attribute, name, target])?;
    }
    Ok(())
}

/// Whether a reference names its object by a value.
pub(crate) fn is_by_value(name: &[u8]) -> bool {
    name.first() == Some(&crate::value_names::MARK)
}
