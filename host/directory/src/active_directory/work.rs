//! The parts of an import from Active Directory: what is asked, and what is made of the answers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ldap3::Scope;
use provisor_model::{Dn, SourceId};

use super::controls::{INCREMENTAL_VALUES, OBJECT_SECURITY, domain_scope, extended_dn, show_deleted};
use super::dirsync::{Asked, DirSync};
use super::entries::Made;
use super::import::{Active, ActiveDirectoryImport, Task};
use super::objects::Object;
use super::position::Way;
use super::unreadable;
use super::whole::{LOOKED_UP, by_ids, complete, ids_filter, object};
use crate::connection::Connection;
use crate::error::{DirectoryError, server_words};
use crate::import::{ImportItem, ImportKind, PAGE_OCTETS, item_octets};
use crate::search::few::FewSearch;
use crate::search::message::WireEntry;
use crate::search::paged::{Manner, Paged, Wanted};

/// How many objects are put aside, at most, until it is known what decides about them.
const MAX_UNDECIDED: usize = 10_000;

/// How many objects DirSync is asked for at once by their GUIDs: the controller looks through the whole domain each time.
const TOLD_OF: usize = 500;

/// The number of the change by which an object came to a controller.
const CREATED: &str = "uSNCreated";
/// Where an object was when it was deleted; it stays when the object is brought back.
const LAST_PARENT: &str = "lastKnownParent";

/// The container of deleted objects (MS-ADTS, section 6.1.1.4.2).
const DELETED_OBJECTS: &str = "18E2EA80684F11D2B9AA00C04F79F805";

impl ActiveDirectoryImport {
    /// Asks for what a task needs.
    pub(super) async fn begin_task(
        &mut self,
        connection: &mut Connection,
        task: Task,
    ) -> Result<Active, DirectoryError> {
        let classes = self.server.class_filter();
        let since = |classes: &str, from: Option<u64>| match from {
            Some(number) => format!("(&{classes}(uSNChanged>={}))", number.saturating_add(1)),
            None => classes.to_owned(),
        };
        Ok(match task {
            Task::Everything => {
                let paged = self.page(connection, classes, None, false).await?;
                Active::Entries { paged, found: VecDeque::new(), all: true }
            }
            Task::Numbered => {
                let paged = self.page(connection, since(&classes, self.from), None, false).await?;
                Active::Entries { paged, found: VecDeque::new(), all: false }
            }
            Task::Tombstones => {
                let filter = format!("(&(isDeleted=TRUE){})", since(&classes, self.from));
                let wanted = Some(vec!["objectGUID".to_owned(), "isDeleted".to_owned()]);
                Active::Tombstones(self.page(connection, filter, wanted, true).await?)
            }
            Task::List if self.way == Way::ChangeNumbers => {
                let wanted = Some(vec!["objectGUID".to_owned()]);
                Active::List(self.page(connection, classes, wanted, false).await?)
            }
            // As changes are told, so is listed: DirSync shows more than searches do where the account may replicate.
            Task::List => {
                // Who has none of what is asked for is not told of: a name, all have.
                let attributes = ["objectGUID", "isDeleted", "name"].map(str::to_owned).to_vec();
                Active::Told(Box::new(DirSync::begin(connection, self.asked(classes, attributes, Vec::new())).await?))
            }
            Task::Changes => {
                let asked = self.asked(classes, self.entries.wire().to_vec(), self.cookie.clone());
                Active::Changes(Box::new(DirSync::begin(connection, asked).await?))
            }
            Task::Undecided => Active::Undecided(std::mem::take(&mut self.undecided).into_values().collect()),
            Task::Unclear => Active::Unclear(std::mem::take(&mut self.unclear).into_iter().collect()),
        })
    }

    fn asked(&self, filter: String, attributes: Vec<String>, cookie: Vec<u8>) -> Asked {
        let flags = if self.way == Way::DirSyncOfVisible { OBJECT_SECURITY } else { 0 };
        let flags = INCREMENTAL_VALUES | flags;
        Asked { base: self.controller.domain.clone(), filter, attributes, flags, cookie }
    }

    async fn page(
        &self,
        connection: &mut Connection,
        filter: String,
        attributes: Option<Vec<String>>,
        deleted: bool,
    ) -> Result<Paged, DirectoryError> {
        let mut controls = vec![extended_dn(), domain_scope()];
        controls.extend(deleted.then(show_deleted));
        let wanted = Wanted {
            base: self.controller.domain.clone(),
            filter,
            attributes: attributes.unwrap_or_else(|| {
                self.entries.wire().iter().cloned().chain([CREATED, LAST_PARENT].map(str::to_owned)).collect()
            }),
            page_size: self.server.options.page_size,
            some: false,
            manner: Manner::Domain(controls),
        };
        Paged::begin(connection, wanted).await
    }

    /// The next page of a part; none at its end.
    pub(super) async fn step(
        &mut self,
        connection: &mut Connection,
        active: &mut Active,
    ) -> Result<Option<Vec<ImportItem>>, DirectoryError> {
        let url = connection.url().to_owned();
        match active {
            Active::Changes(changes) => match changes.next_objects(connection).await? {
                Some(objects) => self.made(objects).map(Some),
                None => Ok(None),
            },
            Active::Entries { paged, found, .. } => {
                if found.is_empty() {
                    let Some(page) = paged.next_page(connection).await? else { return Ok(None) };
                    *found = page.into();
                }
                self.entries_of(connection, found).await.map(Some)
            }
            Active::Tombstones(paged) => {
                let Some(found) = paged.next_page(connection).await? else { return Ok(None) };
                let gone = found.iter().map(|raw| object(&url, raw, false).map(|gone| ImportItem::Delete(gone.id)));
                gone.collect::<Result<_, _>>().map(Some)
            }
            Active::List(paged) => {
                let Some(found) = paged.next_page(connection).await? else { return Ok(None) };
                found.iter().map(|raw| listed(&url, object(&url, raw, false)?)).collect::<Result<_, _>>().map(Some)
            }
            Active::Told(told) => {
                let Some(objects) = told.next_objects(connection).await? else { return Ok(None) };
                objects.into_iter().map(|object| listed(&url, object)).collect::<Result<_, _>>().map(Some)
            }
            Active::Undecided(objects) => {
                let some: Vec<Object> = objects.iter().take(LOOKED_UP).cloned().collect();
                if some.is_empty() {
                    return Ok(None);
                }
                let items = self.decide(connection, &some).await?;
                objects.drain(..some.len());
                Ok(Some(items))
            }
            Active::Unclear(ids) => {
                let some: Vec<SourceId> = ids.iter().take(LOOKED_UP).cloned().collect();
                if some.is_empty() {
                    return Ok(None);
                }
                let items = self.read_whole(connection, &some).await?;
                ids.drain(..some.len());
                Ok(Some(items))
            }
        }
    }

    /// What an answer of DirSync comes to.
    pub(super) fn made(&mut self, objects: Vec<Object>) -> Result<Vec<ImportItem>, DirectoryError> {
        let mut items = Vec::with_capacity(objects.len());
        for object in objects {
            self.deletions_told |= object.is_tombstone();
            if self.kind() == ImportKind::Incremental && object.came_back() {
                return Err(self.undeleted(&object));
            }
            let made = self.entries.change(&object).map_err(|error| unreadable(&self.url, &object.dn, &error))?;
            match made {
                Made::Item(item) => items.extend(self.settled(item, object)),
                Made::Undecided => self.put_aside(object)?,
                Made::Unclear => {
                    self.undecided.remove(&object.id);
                    self.unclear.insert(object.id);
                }
            }
        }
        Ok(items)
    }

    /// What is told of an object, unless it was put aside: then it is part of what will be read.
    fn settled(&mut self, item: ImportItem, object: Object) -> Option<ImportItem> {
        if !matches!(item, ImportItem::Changed(_)) {
            self.unclear.remove(&object.id);
            self.undecided.remove(&object.id);
            return Some(item);
        }
        if let Some(aside) = self.undecided.get_mut(&object.id) {
            aside.absorb(object);
            return None;
        }
        (!self.unclear.contains(&object.id)).then_some(item)
    }

    /// Keeps what came of an object until it is known what decides about it.
    fn put_aside(&mut self, object: Object) -> Result<(), DirectoryError> {
        if self.unclear.contains(&object.id) {
            return Ok(());
        }
        match self.undecided.get_mut(&object.id) {
            Some(aside) => aside.absorb(object),
            None => drop(self.undecided.insert(object.id.clone(), object)),
        }
        if self.undecided.len() <= MAX_UNDECIDED {
            return Ok(());
        }
        let reason = format!("more than {MAX_UNDECIDED} objects were renamed, moved or made others of");
        Err(DirectoryError::WatermarkLost { url: self.url.clone(), reason })
    }

    /// What came of these objects, with what decides about them as it stands; who is not found is read whole.
    async fn decide(
        &mut self,
        connection: &mut Connection,
        objects: &[Object],
    ) -> Result<Vec<ImportItem>, DirectoryError> {
        let ids: Vec<SourceId> = objects.iter().map(|object| object.id.clone()).collect();
        let wanted = self.entries.deciding();
        let found = by_ids(connection, &self.controller.domain, &wanted, &ids).await?;
        let mut items = Vec::with_capacity(objects.len());
        for object in objects {
            match found.iter().find(|deciding| deciding.id == object.id) {
                Some(deciding) => {
                    let item = self.entries.decided(object, deciding);
                    items.push(item.map_err(|error| unreadable(&self.url, &object.dn, &error))?);
                }
                None => drop(self.unclear.insert(object.id.clone())),
            }
        }
        Ok(items)
    }

    /// Entries of what was found, up to about [`PAGE_OCTETS`]: members of large groups are read besides.
    async fn entries_of(
        &mut self,
        connection: &mut Connection,
        found: &mut VecDeque<WireEntry>,
    ) -> Result<Vec<ImportItem>, DirectoryError> {
        let url = connection.url().to_owned();
        let (mut items, mut octets) = (Vec::new(), 0);
        while octets < PAGE_OCTETS
            && let Some(raw) = found.pop_front()
        {
            let mut whole = object(&url, &raw, false)?;
            complete(connection, &mut whole).await?;
            // Who was brought back keeps where they were deleted from. Whether that was since the last look, nothing says.
            if self.from.is_some() && !whole.texts(LAST_PARENT).is_empty() {
                return Err(self.undeleted(&whole));
            }
            // Who was made before the last look is known, or is back from among the deleted, and its links are not told.
            let old = self.from.filter(|from| whole.number(CREATED).is_none_or(|created| created <= *from));
            let item = match old {
                Some(_) => self.entries.replaced(&whole, &self.attributes),
                None => self.entries.whole(&whole),
            };
            let item = item.map_err(|error| unreadable(&url, &whole.dn, &error))?;
            octets += item_octets(&item);
            items.push(item);
        }
        Ok(items)
    }

    /// Whose links to others, and others' to it, are back or lost, nobody tells: it depends on the recycle bin.
    fn undeleted(&self, object: &Object) -> DirectoryError {
        self.came_back(&format!("\"{}\"", server_words(&object.dn)))
    }

    pub(super) fn came_back(&self, who: &str) -> DirectoryError {
        let reason = format!("{who} was deleted and brought back, and links are not told");
        DirectoryError::WatermarkLost { url: self.url.clone(), reason }
    }

    /// These objects as they stand; those that are not there are deleted.
    pub(super) async fn read_whole(
        &mut self,
        connection: &mut Connection,
        ids: &[SourceId],
    ) -> Result<Vec<ImportItem>, DirectoryError> {
        let url = connection.url().to_owned();
        let mut items = Vec::with_capacity(ids.len());
        let mut missing: BTreeSet<SourceId> = ids.iter().cloned().collect();
        for some in ids.chunks(LOOKED_UP) {
            for object in by_ids(connection, &self.controller.domain, self.entries.wire(), some).await? {
                missing.remove(&object.id);
                items.push(self.entries.whole(&object).map_err(|error| unreadable(&url, &object.dn, &error))?);
            }
        }
        if self.way == Way::DirSync && !missing.is_empty() {
            // An account may be told of what it cannot search for. That is not gone.
            for object in self.told_of(connection, &missing).await? {
                missing.remove(&object.id);
                items.push(self.entries.whole(&object).map_err(|error| unreadable(&url, &object.dn, &error))?);
            }
        }
        items.extend(missing.into_iter().map(ImportItem::Delete));
        Ok(items)
    }

    /// These objects as DirSync tells of them from the beginning, each in one piece; those that are there.
    async fn told_of(
        &self,
        connection: &mut Connection,
        ids: &BTreeSet<SourceId>,
    ) -> Result<Vec<Object>, DirectoryError> {
        let ids: Vec<SourceId> = ids.iter().cloned().collect();
        let mut found: BTreeMap<SourceId, Object> = BTreeMap::new();
        for some in ids.chunks(TOLD_OF) {
            let asked = self.asked(ids_filter(some), self.entries.wire().to_vec(), Vec::new());
            let mut told = DirSync::begin(connection, asked).await?;
            while let Some(objects) = told.next_objects(connection).await? {
                for object in objects.into_iter().filter(|object| some.contains(&object.id)) {
                    match found.get_mut(&object.id) {
                        Some(known) => known.absorb(object),
                        None => drop(found.insert(object.id.clone(), object)),
                    }
                }
            }
        }
        let mut whole = Vec::with_capacity(found.len());
        for mut object in found.into_values().filter(|object| !object.is_deleted()) {
            complete(connection, &mut object).await?;
            whole.push(object);
        }
        Ok(whole)
    }

    /// Which of these objects are there: among those that are read, or not any more.
    pub(super) async fn look_after(
        &mut self,
        connection: &mut Connection,
        ids: &[SourceId],
    ) -> Result<Vec<ImportItem>, DirectoryError> {
        let read = self.server.options.object.object_classes.clone();
        let wanted = ["objectGUID".to_owned(), "objectClass".to_owned()];
        let mut items = Vec::new();
        for some in ids.chunks(LOOKED_UP) {
            for there in by_ids(connection, &self.controller.domain, &wanted, some).await? {
                let classes = there.texts("objectClass");
                let known = !read.classify(classes.iter().copied()).is_empty() || super::is_container(&classes);
                items.push(if known {
                    ImportItem::Present(there.id.clone())
                } else {
                    ImportItem::Excluded(there.id.clone())
                });
            }
        }
        Ok(items)
    }

    /// Whether the account sees deleted objects.
    pub(super) async fn sees_tombstones(&self, connection: &mut Connection) -> Result<bool, DirectoryError> {
        sees_tombstones(connection, &self.controller.domain).await
    }
}

/// Whether the account sees deleted objects of a domain. Everybody may see the container that they are in; who sees none
/// in it may not look, as a rule: every domain of some age has some.
pub(super) async fn sees_tombstones(connection: &mut Connection, domain: &str) -> Result<bool, DirectoryError> {
    let base = format!("<WKGUID={DELETED_OBJECTS},{domain}>");
    let attributes = ["objectGUID".to_owned()];
    let filter = "(isDeleted=TRUE)";
    let search = FewSearch { base: &base, scope: Scope::OneLevel, filter, attributes: &attributes, limit: 1 };
    match search.run_with(connection, vec![show_deleted()]).await {
        Ok(found) => Ok(!found.is_empty()),
        Err(DirectoryError::NoSuchBase { .. } | DirectoryError::Rights { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// That an object is there, and where.
fn listed(url: &str, there: Object) -> Result<ImportItem, DirectoryError> {
    if there.is_deleted() {
        return Ok(ImportItem::Delete(there.id));
    }
    let dn: Dn = there.dn.parse().map_err(|error| DirectoryError::Protocol {
        url: url.to_owned(),
        reason: format!("\"{}\": {error}", server_words(&there.dn)),
    })?;
    Ok(ImportItem::Listed(there.id, dn))
}
