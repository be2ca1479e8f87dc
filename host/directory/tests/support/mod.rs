//! A store that keeps what imports bring, as the connector space does: the oracle for every kind of import.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a failure here ends a test")]
#![allow(dead_code, reason = "each test program uses a part of this")]

pub mod controller;
pub mod domain;
pub mod double;

use std::collections::{BTreeMap, BTreeSet};

use provisor_directory::{Directory, DirectoryError, ImportItem, ImportKind, ImportRequest, Known, Watermark};
use provisor_model::{AttributeName, Attributes, Dn, Entry, EntryChange, SourceId, Value, ValueChange};

/// What an import did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    pub full: bool,
    pub upserted: usize,
    pub changed: usize,
    pub whole: usize,
    pub deleted: usize,
    pub present: usize,
    pub listed: usize,
    pub excluded: usize,
    pub absent_is_deleted: bool,
}

/// Entries by their source id, those that were excluded, and the watermark.
#[derive(Debug, Default, Clone)]
pub struct Store {
    pub entries: BTreeMap<SourceId, Entry>,
    pub excluded: BTreeSet<SourceId>,
    pub watermark: Option<Watermark>,
    pub known: Option<Known>,
}

impl Store {
    /// Runs an import to its end and does what it says.
    pub async fn import(&mut self, directory: &Directory, attributes: &[&str]) -> Result<Report, DirectoryError> {
        match self.attempt(directory, attributes).await? {
            Some(report) => Ok(report),
            None => {
                self.watermark = None;
                Ok(self.attempt(directory, attributes).await?.expect("a full import explains all that it names"))
            }
        }
    }

    /// One attempt; none where something was listed that is not known, or elsewhere, and did not come either.
    async fn attempt(&mut self, directory: &Directory, attributes: &[&str]) -> Result<Option<Report>, DirectoryError> {
        let request = ImportRequest {
            attributes: names(attributes),
            watermark: self.watermark.clone(),
            known: self.known.clone(),
        };
        let mut import = directory.import(request).await?;
        let mut report = Report { full: import.kind() == ImportKind::Full, ..Report::default() };
        let (mut named, mut listed, mut incomplete) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
        while let Some(page) = import.next_page().await? {
            assert!((1..=1000).contains(&page.len()), "a page of {} items", page.len());
            for item in page.into_iter().map(taken_apart) {
                match item {
                    ImportItem::Kept(_) => unreachable!("it was taken apart"),
                    ImportItem::Upsert(entry) => {
                        report.upserted += 1;
                        named.insert(entry.source_id.clone());
                        self.follow(&entry, &named);
                        self.excluded.remove(&entry.source_id);
                        self.entries.insert(entry.source_id.clone(), entry);
                    }
                    ImportItem::Changed(change) => {
                        report.changed += 1;
                        match self.changed(&change, &named) {
                            true => drop(named.insert(change.source_id)),
                            false => drop(incomplete.insert(change.source_id)),
                        }
                    }
                    ImportItem::Delete(id) => {
                        report.deleted += 1;
                        named.remove(&id);
                        self.entries.remove(&id);
                    }
                    ImportItem::Present(id) => {
                        report.present += 1;
                        assert!(self.entries.contains_key(&id), "{id} is said to be unchanged, but was never read");
                        assert!(!named.contains(&id), "{id} is said to be unchanged, but came as changed");
                        named.insert(id);
                    }
                    ImportItem::Listed(id, dn) => {
                        report.listed += 1;
                        if self.entries.get(&id).is_some_and(|entry| entry.dn.key() == dn.key()) {
                            named.insert(id);
                        } else {
                            listed.insert(id, dn);
                        }
                    }
                    ImportItem::Excluded(id) => {
                        report.excluded += 1;
                        self.entries.remove(&id);
                        named.insert(id.clone());
                        self.excluded.insert(id);
                    }
                }
            }
        }
        let incomplete: Vec<SourceId> = incomplete.into_iter().filter(|id| !named.contains(id)).collect();
        for item in import.whole(&incomplete).await?.into_iter().map(taken_apart) {
            if let ImportItem::Upsert(entry) = item {
                report.whole += 1;
                named.insert(entry.source_id.clone());
                self.entries.insert(entry.source_id.clone(), entry);
            }
        }
        for (id, dn) in listed {
            if !named.contains(&id) && self.entries.get(&id).is_none_or(|entry| entry.dn.key() != dn.key()) {
                return Ok(None);
            }
            named.insert(id);
        }
        if import.doubts_absence() {
            let unseen: Vec<SourceId> =
                self.entries.keys().chain(&self.excluded).filter(|id| !named.contains(*id)).cloned().collect();
            for item in import.still_there(&unseen).await? {
                match item {
                    ImportItem::Present(id) => drop(named.insert(id)),
                    ImportItem::Excluded(id) => {
                        report.excluded += usize::from(self.entries.remove(&id).is_some());
                        named.insert(id.clone());
                        self.excluded.insert(id);
                    }
                    item => panic!("asked who is still there, it says {item:?}"),
                }
            }
        }
        let completion = import.finish()?;
        report.absent_is_deleted = completion.absent_is_deleted;
        if completion.absent_is_deleted {
            self.entries.retain(|id, _| named.contains(id));
            self.excluded.retain(|id| named.contains(id));
        }
        self.watermark = Some(completion.watermark);
        self.known = completion.known;
        Ok(Some(report))
    }

    /// Merges a change into the entry that is known; whether there is one.
    fn changed(&mut self, change: &EntryChange, named: &BTreeSet<SourceId>) -> bool {
        let Some(mut entry) = self.entries.get(&change.source_id).cloned() else { return false };
        entry.dn = change.dn.clone().unwrap_or(entry.dn);
        entry.anchor = change.anchor.clone().unwrap_or(entry.anchor);
        for (name, values) in &change.attributes {
            let mut now: BTreeSet<Value> = entry.attributes.values(name).iter().cloned().collect();
            match values {
                ValueChange::Replaced(all) => now = all.iter().cloned().collect(),
                ValueChange::Edited { added, removed } => {
                    now.retain(|value| !removed.contains(value));
                    now.extend(added.iter().cloned());
                }
            }
            entry.attributes.set(name.clone(), now.into_iter().collect());
        }
        self.follow(&entry, named);
        self.entries.insert(entry.source_id.clone(), entry);
        true
    }

    /// What is below a renamed entry stands elsewhere now, unless it came by itself.
    fn follow(&mut self, entry: &Entry, named: &BTreeSet<SourceId>) {
        let Some(old) = self.entries.get(&entry.source_id).map(|old| old.dn.clone()) else { return };
        if old.key() == entry.dn.key() {
            return;
        }
        let below =
            |other: &&mut Entry| !named.contains(&other.source_id) && other.dn.is_within(&old) && other.dn != old;
        for other in self.entries.values_mut().filter(below) {
            other.dn = other.dn.with_ancestor(old.rdns().len(), &entry.dn);
        }
    }

    /// The entries in a form that does not depend on how names are spelt.
    pub fn content(&self) -> BTreeMap<String, (Vec<u8>, String, Attributes)> {
        let entry =
            |entry: &Entry| (entry.dn.key().octets().to_vec(), entry.object_class.clone(), entry.attributes.clone());
        self.entries.iter().map(|(id, own)| (id.to_string(), entry(own))).collect()
    }

    /// The entry whose name begins so.
    pub fn entry(&self, rdn: &str) -> Option<&Entry> {
        self.entries.values().find(|entry| entry.dn.to_string().starts_with(rdn))
    }
}

/// A store with everything that the directory has now.
pub async fn everything(directory: &Directory, attributes: &[&str]) -> Store {
    let mut store = Store::default();
    let report = store.import(directory, attributes).await.unwrap();
    assert!(report.full && report.absent_is_deleted);
    store
}

pub fn names(attributes: &[&str]) -> BTreeSet<AttributeName> {
    attributes.iter().map(|name| AttributeName::from(*name)).collect()
}

/// The item, an entry that comes in the form in which it is kept being taken apart.
pub fn taken_apart(item: ImportItem) -> ImportItem {
    let ImportItem::Kept(kept) = item else { return item };
    let dn: Dn = kept.dn.parse().unwrap();
    assert_eq!(dn.key(), kept.dn_key);
    ImportItem::Upsert(Entry {
        source_id: kept.source_id,
        anchor: kept.anchor,
        dn,
        object_class: kept.object_class,
        attributes: kept.attributes.attributes().unwrap(),
    })
}
