//! The parts of an import: searches that are begun, and what their pages become.

use std::collections::BTreeSet;

use provisor_model::SourceId;

use super::import::{Active, OpenLdapImport};
use super::lookup::{LOOKED_UP, Lookup};
use super::plan::Task;
use super::proof::Shown;
use super::refresh::{Asked, Refresh, Taking};
use super::stamp::STAMPS;
use super::unreadable;
use super::way::{Dialect, Way};
use crate::connection::Connection;
use crate::error::{DirectoryError, server_words};
use crate::import::ImportItem;
use crate::reading::Raw as _;
use crate::search::EVERYTHING;
use crate::search::message::WireEntry;
use crate::search::paged::{Manner, Paged, Wanted};
use crate::state::broken;

impl OpenLdapImport {
    /// Begins what a task asks for.
    pub(super) async fn start(
        &mut self,
        connection: &mut Connection,
        base: usize,
        task: Task,
    ) -> Result<Active, DirectoryError> {
        let name = self.bases.get(base).map(|base| base.name.clone()).unwrap_or_default();
        let wanted = |filter: String, attributes: Vec<String>, some: bool| Wanted {
            base: name.clone(),
            filter,
            attributes,
            page_size: self.page_size,
            some,
            manner: Manner::Whole,
        };
        let mut attributes = self.reader.wire().to_vec();
        if self.reads_stamps() {
            attributes.extend(STAMPS.iter().map(|name| (*name).to_owned()));
        }
        let asked = |cookie, taking| Asked {
            base: name.clone(),
            filter: self.filter.clone(),
            attributes: self.reader.wire().to_vec(),
            cookie,
            taking,
            deletes_named: self.way == Way::Sync(Dialect::NetscapeChangelog),
        };
        Ok(match task {
            Task::Everything => {
                let wanted = wanted(self.filter.clone(), attributes, true);
                Active::Entries { paged: Paged::begin(connection, wanted).await?, all: true }
            }
            Task::Since(time) => {
                self.stamps.at_least(&time);
                let narrowing = time.filter().unwrap_or_else(|| EVERYTHING.to_owned());
                let filter = format!("(&{}{narrowing})", self.filter);
                let paged = Paged::begin(connection, wanted(filter, attributes, false)).await?;
                Active::Entries { paged, all: false }
            }
            Task::Ids => {
                let id = vec![self.reader.object().source_id_attribute.to_string()];
                Active::Ids(Paged::begin(connection, wanted(self.filter.clone(), id, true)).await?)
            }
            Task::Cookie => Active::Refresh(Refresh::begin(connection, asked(None, Taking::Cookie)).await?),
            Task::Changes(cookie) => {
                let taking =
                    if matches!(self.way, Way::Sync(Dialect::OpenLdap(_))) { Taking::Entries } else { Taking::Ids };
                Active::Refresh(Refresh::begin(connection, asked(Some(cookie), taking)).await?)
            }
            Task::Reread(ids) => Active::Reread(ids.into()),
            Task::Leavers => Active::Leavers,
        })
    }

    /// The next items of what is being done; none when it is done.
    pub(super) async fn step(
        &mut self,
        connection: &mut Connection,
        base: usize,
        active: &mut Active,
    ) -> Result<Option<Vec<ImportItem>>, DirectoryError> {
        match active {
            Active::Entries { paged, all } => match paged.next_page(connection).await? {
                Some(page) => self.entries(page, base, *all).map(Some),
                None => Ok(None),
            },
            Active::Ids(paged) => match paged.next_page(connection).await? {
                Some(page) => self.listed(&page, base).map(Some),
                None => Ok(None),
            },
            Active::Refresh(refresh) => refresh.next_page(&self.url, &mut self.reader).await,
            Active::Reread(ids) => {
                let count = ids.len().min(LOOKED_UP);
                let part: Vec<SourceId> = ids.drain(..count).collect();
                if part.is_empty() { Ok(None) } else { self.reread(connection, base, &part).await.map(Some) }
            }
            Active::Leavers => {
                let Some(leavers) = &mut self.leavers else { return Ok(None) };
                let part = leavers.take(LOOKED_UP);
                if part.is_empty() {
                    return Ok(None);
                }
                let found = self.look_for(connection, &part).await?;
                let there: BTreeSet<&SourceId> = found.iter().filter_map(named).collect();
                let gone = part.iter().filter(|id| !there.contains(id)).cloned().map(ImportItem::Delete);
                Ok(Some(gone.chain(found.iter().cloned()).collect()))
            }
        }
    }

    /// Which of these the directory still has: as what is read of it, or otherwise.
    pub async fn still_there(&mut self, ids: &[SourceId]) -> Result<Vec<ImportItem>, DirectoryError> {
        let Some(mut connection) = self.connection.take() else { return Err(broken(&self.url)) };
        let mut found = Vec::new();
        for part in ids.chunks(LOOKED_UP) {
            found.extend(self.look_for(&mut connection, part).await?);
        }
        self.connection = Some(connection);
        Ok(found)
    }

    async fn look_for(
        &mut self,
        connection: &mut Connection,
        ids: &[SourceId],
    ) -> Result<Vec<ImportItem>, DirectoryError> {
        let bases: Vec<String> = self.bases.iter().map(|base| base.name.clone()).collect();
        let anything = Lookup { bases: &bases, filter: EVERYTHING };
        let there = anything.existing(connection, &self.reader, ids).await?;
        if ids.iter().any(|id| !there.contains(id)) {
            self.prove_lookups(connection).await?;
        }
        if there.is_empty() || self.filter == EVERYTHING {
            return Ok(there.into_iter().map(ImportItem::Present).collect());
        }
        let wanted = Lookup { bases: &bases, filter: &self.filter };
        let meeting = wanted.existing(connection, &self.reader, ids).await?;
        let item = |id| if meeting.contains(&id) { ImportItem::Present(id) } else { ImportItem::Excluded(id) };
        Ok(there.into_iter().map(item).collect())
    }

    /// Reads entries by their ids; those that are not found have left since they were announced, where the server finds
    /// entries by their ids at all. Where it does not, everything is read, which needs no such search.
    async fn reread(
        &mut self,
        connection: &mut Connection,
        base: usize,
        ids: &[SourceId],
    ) -> Result<Vec<ImportItem>, DirectoryError> {
        let bases: Vec<String> = self.bases.get(base).map(|base| base.name.clone()).into_iter().collect();
        let lookup = Lookup { bases: &bases, filter: &self.filter };
        let entries = lookup.entries(connection, &mut self.reader, &mut self.stamps, ids).await?;
        let found: BTreeSet<SourceId> = entries.iter().map(|entry| entry.source_id.clone()).collect();
        if ids.iter().any(|id| !found.contains(id)) {
            self.prove_lookups(connection).await.map_err(|error| match error {
                DirectoryError::Rights { url, reason } => DirectoryError::WatermarkLost { url, reason },
                error => error,
            })?;
        }
        let gone = ids.iter().filter(|id| !found.contains(id)).cloned().map(ImportItem::Delete);
        Ok(gone.chain(entries.into_iter().map(ImportItem::Upsert)).collect())
    }

    fn entries(&mut self, page: Vec<WireEntry>, base: usize, all: bool) -> Result<Vec<ImportItem>, DirectoryError> {
        let mut items = Vec::with_capacity(page.len());
        for raw in page {
            if self.reads_stamps() {
                self.stamps.note(&raw);
            }
            let entry = self.reader.kept(&raw);
            let entry = entry.map_err(|error| unreadable(&self.url, &server_words(raw.dn()), &error))?;
            if all {
                self.note_id(&entry.source_id, &raw)?;
            }
            items.push(ImportItem::Kept(entry));
        }
        if let Some(ImportItem::Kept(entry)) = items.last() {
            self.shown.insert(base, Shown { dn: entry.dn.clone(), id: entry.source_id.clone() });
        }
        Ok(items)
    }

    fn listed(&mut self, page: &[WireEntry], base: usize) -> Result<Vec<ImportItem>, DirectoryError> {
        let mut items = Vec::with_capacity(page.len());
        for raw in page {
            let words = server_words(raw.dn());
            let (id, dn) = self.reader.identify(raw).map_err(|error| unreadable(&self.url, &words, &error))?;
            self.note_id(&id, raw)?;
            items.push(ImportItem::Listed(id, dn));
        }
        if let (Some(ImportItem::Listed(id, _)), Some(raw)) = (items.last(), page.last()) {
            self.shown.insert(base, Shown { dn: raw.dn().to_owned(), id: id.clone() });
        }
        Ok(items)
    }

    /// Two entries with one id would be taken for one.
    fn note_id(&mut self, id: &SourceId, raw: &WireEntry) -> Result<(), DirectoryError> {
        match self.ids.as_mut().map(|ids| ids.insert(id.clone())) {
            Some(false) => Err(DirectoryError::Rights {
                url: self.url.clone(),
                reason: format!(
                    "\"{}\" has the {} \"{id}\", and so has another entry. Give each entry its own, or set source-id to an attribute \
                     whose values are unique. Nothing was taken for deleted",
                    server_words(raw.dn()),
                    self.reader.object().source_id_attribute
                ),
            }),
            _ => Ok(()),
        }
    }
}

/// Who is still there, in one form or the other.
fn named(item: &ImportItem) -> Option<&SourceId> {
    match item {
        ImportItem::Present(id) | ImportItem::Excluded(id) => Some(id),
        _ => None,
    }
}
