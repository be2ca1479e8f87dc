//! Taking a change feed in: pages as they come, and what follows from the whole once it has completed.

use std::collections::BTreeSet;
use std::sync::Arc;

use provisor_model::{AttributeName, Dn, DnKey, Entry, ImportItem, Schema};
use rusqlite::{OptionalExtension as _, params};

use crate::page::{EntryRow, Item, Page};
use crate::rows::Standing;
use crate::{EntryKey, MetaKey, Space, SpaceError};

/// What a page of a change feed did to the connector space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageCounts {
    /// Objects that the page named.
    pub read: u64,
    /// Entries that were new.
    pub added: u64,
    /// Entries that had changed.
    pub changed: u64,
    /// Entries that were as they had been.
    pub unchanged: u64,
    /// Entries that are gone.
    pub deleted: u64,
    /// Entries that were said to be unchanged, and of which nothing is known here.
    pub unknown: u64,
    /// Entries of which only changes were told, and of which nothing is known here; [`Space::take_incomplete`] tells which.
    pub incomplete: u64,
}

impl std::ops::AddAssign for PageCounts {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.added += other.added;
        self.changed += other.changed;
        self.unchanged += other.unchanged;
        self.deleted += other.deleted;
        self.unknown += other.unknown;
        self.incomplete += other.incomplete;
    }
}

/// What is kept once an import has completed.
#[derive(Clone, Debug)]
pub struct ImportEnd<'a> {
    /// Where the change feed now stands.
    pub watermark: &'a [u8],
    /// Whether what the import did not name is no longer in the source.
    pub absent_is_deleted: bool,
    /// The attributes that entries were read with.
    pub reads: &'a BTreeSet<AttributeName>,
}

/// An entry as it is in the tables, as far as an import needs it.
pub(crate) struct Known {
    pub key: EntryKey,
    pub anchor: Vec<u8>,
    pub dn: String,
    pub dn_key: Vec<u8>,
    pub object_class: String,
    pub attributes: Vec<u8>,
    pub standing: Standing,
}

impl Known {
    pub fn present(&self) -> bool {
        self.standing == Standing::Present
    }

    pub fn excluded(&self) -> bool {
        self.standing == Standing::Excluded
    }
}

impl Space {
    /// Begins an import: nothing has been named yet.
    ///
    /// # Errors
    /// When the database fails.
    pub fn begin_import(&mut self) -> Result<(), SpaceError> {
        self.abandon_import();
        self.forget_named()?;
        self.begin_filling()
    }

    /// Takes one page in, as a whole. Entries that differ from what was known are marked for evaluation.
    ///
    /// # Errors
    /// When the database fails; then nothing of the page is kept.
    pub fn import_page(&mut self, items: &[ImportItem], schema: &Schema) -> Result<PageCounts, SpaceError> {
        let page = self.preparation(Arc::new(schema.clone())).page(items.to_vec())?;
        self.store_page(&page)
    }

    /// Takes one page in that was made ready before.
    ///
    /// # Errors
    /// When the database fails; then nothing of the page is kept, and nothing at all of a first import.
    pub fn store_page(&mut self, page: &Page) -> Result<PageCounts, SpaceError> {
        let mut counts = PageCounts { read: page.items.len() as u64, ..PageCounts::default() };
        let mut items = page.items.as_slice();
        if self.is_filling() {
            let filled = self.fill_page(items, &mut counts).inspect_err(|_| self.abandon_import())?;
            items = items.get(filled..).unwrap_or_default();
        }
        if !items.is_empty() {
            self.atomically(|space| items.iter().try_for_each(|item| space.take_in(item, &mut counts)))?;
        }
        Ok(counts)
    }

    /// Appends what a first import can take, and ends it where there is more; returns how many items were taken.
    fn fill_page(&mut self, items: &[Item], counts: &mut PageCounts) -> Result<usize, SpaceError> {
        let rows: Vec<&EntryRow> = items.iter().map_while(Item::row).collect();
        let filled = self.fill(&rows, counts)?;
        if filled < items.len() {
            self.leave_filling()?;
        }
        Ok(filled)
    }

    fn take_in(&mut self, item: &Item, counts: &mut PageCounts) -> Result<(), SpaceError> {
        match item {
            Item::Upsert(row) => self.upsert(row, counts)?,
            Item::Changed(row) => self.change(row, counts)?,
            Item::Delete(id) => {
                if let Some(known) = self.known(id)?
                    && known.standing != Standing::Gone
                {
                    self.mark_left(known.key, Standing::Gone)?;
                    counts.deleted += 1;
                }
            }
            Item::Present(id) => match self.known(id)? {
                Some(known) if known.present() => {
                    self.mark_seen(known.key)?;
                    counts.unchanged += 1;
                }
                known => {
                    if let Some(Known { key, standing: Standing::Excluded, .. }) = known {
                        self.mark_seen(key)?;
                    }
                    counts.unknown += 1;
                }
            },
            Item::Listed(id, dn_key) => self.list(id, dn_key, counts)?,
            Item::Excluded(id) => {
                if let Some(known) = self.known(id)? {
                    if known.present() {
                        self.mark_left(known.key, Standing::Excluded)?;
                        counts.changed += 1;
                    }
                    if known.standing != Standing::Gone {
                        self.mark_seen(known.key)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends an import: what follows from absence, the references that can now be resolved, and the watermark, in one
    /// transaction. Returns how many entries are gone by their absence.
    ///
    /// # Errors
    /// When the database fails; then the import has not completed and is done again from the old watermark.
    pub fn complete_import(&mut self, end: &ImportEnd<'_>) -> Result<u64, SpaceError> {
        if self.is_filling() {
            return self.complete_filling(end).inspect_err(|_| self.abandon_import());
        }
        self.atomically(|space| {
            let mut gone = 0;
            if end.absent_is_deleted {
                let sql = "SELECT id FROM entry WHERE gone IN (0, 2) AND id NOT IN (SELECT entry_id FROM temp.seen)";
                let absent: Vec<i64> =
                    space.connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
                for key in &absent {
                    space.mark_left(EntryKey(*key), Standing::Gone)?;
                }
                gone = absent.len() as u64;
            }
            space.settle_names()?;
            space.pass_links_on()?;
            space.keep_end(end)?;
            space.connection.execute_batch("DELETE FROM temp.seen")?;
            Ok(gone)
        })
    }

    /// Ends a first import: nobody was there who could be gone.
    fn complete_filling(&mut self, end: &ImportEnd<'_>) -> Result<u64, SpaceError> {
        self.settle_filling()?;
        self.keep_end(end)?;
        self.commit_filling()?;
        Ok(0)
    }

    fn keep_end(&mut self, end: &ImportEnd<'_>) -> Result<(), SpaceError> {
        self.set_fact(MetaKey::Watermark, Some(end.watermark))?;
        self.set_fact(MetaKey::Reads, Some(&serde_json::to_vec(end.reads)?))
    }

    /// Takes one entry in outside an import, as an evaluation on demand does. The watermark stays where it is.
    ///
    /// # Errors
    /// When the database fails.
    pub fn import_one(&mut self, entry: &Entry, schema: &Schema) -> Result<PageCounts, SpaceError> {
        self.atomically(|space| {
            space.forget_named()?;
            let counts = space.import_page(&[ImportItem::Upsert(entry.clone())], schema)?;
            space.settle_names()?;
            Ok(counts)
        })
    }

    pub(crate) fn known(&self, id: &[u8]) -> Result<Option<Known>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, anchor, dn, dn_key, object_class, attributes, gone FROM entry WHERE source_id = ?1",
        )?;
        let known = statement.query_row([id], |row| {
            Ok(Known {
                key: EntryKey(row.get(0)?),
                anchor: row.get(1)?,
                dn: row.get(2)?,
                dn_key: row.get(3)?,
                object_class: row.get(4)?,
                attributes: row.get(5)?,
                standing: Standing::from_column(row.get(6)?),
            })
        });
        Ok(known.optional()?)
    }

    fn upsert(&mut self, row: &EntryRow, counts: &mut PageCounts) -> Result<(), SpaceError> {
        let EntryRow { source_id, anchor, dn, dn_key, object_class, attributes, references } = row;
        let Some(known) = self.known(source_id)? else {
            self.connection
                .prepare_cached(
                    "INSERT INTO entry (source_id, anchor, dn, dn_key, object_class, attributes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![source_id, anchor, dn, dn_key.octets(), object_class, attributes])?;
            let key = EntryKey(self.connection.last_insert_rowid());
            self.mark_dirty(key, source_id)?;
            self.unsettle(dn_key.octets())?;
            self.unsettle_id(source_id)?;
            self.store_references(key, references, false)?;
            self.index_row(key, attributes)?;
            self.mark_seen(key)?;
            counts.added += 1;
            return Ok(());
        };
        self.mark_seen(known.key)?;
        let same = known.dn == *dn
            && known.anchor == *anchor
            && known.object_class == *object_class
            && known.attributes == *attributes
            && known.present();
        if same {
            counts.unchanged += 1;
            return Ok(());
        }
        self.connection
            .prepare_cached(
                "UPDATE entry SET anchor = ?2, dn = ?3, dn_key = ?4, object_class = ?5, attributes = ?6, gone = 0 WHERE id = ?1",
            )?
            .execute(params![known.key.0, anchor, dn, dn_key.octets(), object_class, attributes])?;
        self.mark_dirty(known.key, source_id)?;
        self.rename(&known, dn, dn_key)?;
        if !known.present() {
            self.unsettle(dn_key.octets())?;
            self.unsettle_values(known.key)?;
            self.mark_referrers_dirty(known.key)?;
            self.rescope_group(known.key)?;
        }
        if !known.present() || known.object_class != *object_class {
            self.wake_groups(known.key)?;
            self.wake_members(known.key)?;
        }
        self.store_references(known.key, references, true)?;
        self.index_row(known.key, attributes)?;
        counts.changed += 1;
        Ok(())
    }

    /// What follows from the name that an entry has now.
    pub(crate) fn rename(&mut self, known: &Known, dn: &str, dn_key: &DnKey) -> Result<(), SpaceError> {
        if known.dn != dn {
            self.wake_members(known.key)?;
        }
        if known.dn_key == dn_key.octets() {
            return Ok(());
        }
        let new: Dn = dn.parse().map_err(damaged)?;
        self.move_descendants(known.key, &DnKey::from_octets(known.dn_key.clone()), &new)?;
        self.unsettle(dn_key.octets())?;
        self.wake_name_askers(&known.dn_key)
    }

    /// The entries below a renamed entry stand elsewhere now, though the change feed does not name them. What this import
    /// has named knows its own place, and what came along with the unit that now has the old name stays with it.
    fn move_descendants(&mut self, unit: EntryKey, old: &DnKey, new: &Dn) -> Result<(), SpaceError> {
        // Every part of a key ends with a zero octet, so all that is below sorts between the key and the key with the
        // highest octet behind it.
        let mut end = old.octets().to_vec();
        end.push(u8::MAX);
        let mut statement = self.connection.prepare_cached(
            "SELECT id, dn FROM entry WHERE dn_key > ?1 AND dn_key < ?2 AND gone = 0 \
                 AND id NOT IN (SELECT entry_id FROM temp.seen) AND id NOT IN (SELECT m.entry_id FROM temp.moved m \
                 JOIN entry v ON v.id = m.unit WHERE v.id <> ?3 AND v.dn_key >= ?1 AND v.dn_key < ?2)",
        )?;
        let below: Vec<(i64, String)> = statement
            .query_map(params![old.octets(), end, unit.0], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        drop(statement);
        let depth = old.octets().iter().filter(|octet| **octet == 0).count();
        for (key, dn) in below {
            let dn: Dn = dn.parse().map_err(damaged)?;
            let old_key = dn.key().octets().to_vec();
            let moved = dn.with_ancestor(depth, new);
            let moved_key = moved.key();
            self.connection.prepare_cached("UPDATE entry SET dn = ?2, dn_key = ?3 WHERE id = ?1")?.execute(params![
                key,
                moved.to_string(),
                moved_key.octets()
            ])?;
            self.mark_entry_dirty(EntryKey(key))?;
            self.wake_members(EntryKey(key))?;
            self.connection
                .prepare_cached("INSERT OR REPLACE INTO temp.moved (entry_id, unit) VALUES (?1, ?2)")?
                .execute([key, unit.0])?;
            self.unsettle(moved_key.octets())?;
            self.wake_name_askers(&old_key)?;
        }
        Ok(())
    }

    /// Marks an entry as no longer in the source, or no longer among what is read of it; who names it is evaluated
    /// again. Which references it had and was had by is kept until it is forgotten, in case it comes back.
    fn mark_left(&mut self, key: EntryKey, standing: Standing) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached("UPDATE entry SET gone = ?2 WHERE id = ?1")?
            .execute([key.0, standing.to_column()])?;
        // The same name may come back as another object in the same import.
        self.connection
            .prepare_cached(
                "INSERT OR IGNORE INTO unsettled_name (dn_key) SELECT dn_key FROM reference WHERE target = ?1",
            )?
            .execute([key.0])?;
        self.mark_entry_dirty(key)?;
        self.mark_referrers_dirty(key)?;
        self.wake_members(key)?;
        self.rescope_group(key)?;
        self.unindex_entry(key)
    }
}

fn damaged(error: provisor_model::DnError) -> SpaceError {
    SpaceError::Damaged(error.to_string())
}
