//! A refresh: what changed since a cookie, or everything, by content synchronisation in the mode refreshOnly (RFC 4533).

use std::collections::{HashSet, VecDeque};

use ldap3::Scope;
use ldap3::controls::{MakeCritical, RawControl, RefreshMode, SyncRequest};
use provisor_model::SourceId;

use super::unreadable;
use crate::connection::{Connection, Results, Search, describe, result_error};
use crate::error::{DirectoryError, server_words};
use crate::import::{ImportItem, PAGE_ITEMS, PAGE_OCTETS, item_octets};
use crate::reading::{Raw as _, Reader};
use crate::search::controls::{EntryState, SYNC_DONE, SyncId, SyncInfo, SyncState, sync_done};
use crate::search::few::malformed;
use crate::search::message::{self, Message};
use crate::search::paged::{manage_dsa_it, protocol, reference};

/// The most entries that a present phase may name: a bound on memory.
const MAX_PRESENT: usize = 20_000_000;

/// What a refresh is made for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The base of the subtree.
    pub base: String,
    /// Which entries.
    pub filter: String,
    /// Which attributes of theirs; only where `entries` are taken.
    pub attributes: Vec<String>,
    /// Where to go on; none for everything.
    pub cookie: Option<Vec<u8>>,
    /// What is taken of it.
    pub taking: Taking,
    /// Whether deletions are named even though the server says that they are not.
    pub deletes_named: bool,
}

/// What is taken of a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taking {
    /// The entries, as they come.
    Entries,
    /// Their ids: they are to be read by themselves.
    Ids,
    /// The cookie at its end alone.
    Cookie,
}

/// A refresh that is under way.
///
/// A present phase names the ids of all entries first, the changed and the new ones too, and then sends those. The ids
/// are held back here, 16 octets each, until the entries have come: so the feed never stalls on them, and what is
/// given out as present is what was not given out as changed. A consumer that stalls holds the server back: the
/// connection takes no more than a few MiB that nobody has pulled.
#[derive(Debug)]
pub(crate) struct Refresh {
    asked: Asked,
    results: Option<Results>,
    pending: VecDeque<ImportItem>,
    cookie: Option<Vec<u8>>,
    /// Whether a phase that names all that is still there was completed.
    present_phase: bool,
    /// The entries that were named as being there.
    present: Vec<SyncId>,
    /// The entries that were given out, as changed or as deleted.
    told: HashSet<SyncId>,
    /// The entries that changed, where ids alone are taken.
    changed: Vec<SourceId>,
    /// Whether ids were named as being there, which says that all that is there was.
    named: bool,
    /// Whether any entry was named as being there, or came as changed.
    any: bool,
    end: Option<End>,
}

/// How a refresh ended.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// Where to go on; none where nothing has moved.
    pub cookie: Option<Vec<u8>>,
    /// Whether what was not named is gone.
    pub absent_is_deleted: bool,
}

impl Refresh {
    /// Asks for what changed since the cookie.
    pub async fn begin(connection: &mut Connection, asked: Asked) -> Result<Self, DirectoryError> {
        let request = SyncRequest { mode: RefreshMode::RefreshOnly, cookie: asked.cookie.clone(), reload_hint: false };
        let request: RawControl = request.critical().into();
        let none = ["1.1".to_owned()];
        let search = Search {
            base: &asked.base,
            scope: Scope::Subtree,
            filter: &asked.filter,
            attributes: if asked.taking == Taking::Entries { &asked.attributes } else { &none },
            controls: vec![request, manage_dsa_it()],
            size_limit: 0,
        };
        Ok(Self {
            results: Some(connection.search(search).await?),
            asked,
            pending: VecDeque::new(),
            cookie: None,
            present_phase: false,
            present: Vec::new(),
            told: HashSet::new(),
            changed: Vec::new(),
            named: false,
            any: false,
            end: None,
        })
    }

    /// The next items; none when the refresh has ended as it should.
    ///
    /// # Errors
    /// Among others [`DirectoryError::WatermarkLost`], where the server does not know the cookie.
    pub async fn next_page(
        &mut self,
        url: &str,
        reader: &mut Reader,
    ) -> Result<Option<Vec<ImportItem>>, DirectoryError> {
        let (mut page, mut octets) = (Vec::new(), 0);
        while page.len() < PAGE_ITEMS && octets < PAGE_OCTETS {
            if let Some(item) = self.pending.pop_front() {
                octets += item_octets(&item);
                page.push(item);
                continue;
            }
            let Some(results) = &mut self.results else {
                match self.present.pop() {
                    Some(id) if self.told.contains(&id) => {}
                    Some(id) => {
                        page.push(ImportItem::Present(id.source_id().map_err(|error| malformed(url, &error.into()))?))
                    }
                    None => break,
                }
                continue;
            };
            match results.next().await? {
                Some(message) => {
                    let message = message::read(message).map_err(|error| malformed(url, &error))?;
                    self.take_in(message, url, reader)?;
                }
                None => self.conclude(url).await?,
            }
        }
        Ok(if page.is_empty() { None } else { Some(page) })
    }

    /// Reads a refresh of which the cookie alone is taken to its end.
    ///
    /// # Errors
    /// As for [`Self::next_page`].
    pub async fn drain(&mut self, url: &str) -> Result<(), DirectoryError> {
        while let Some(results) = &mut self.results {
            // What it says is not looked at: it may be much, and nothing of it is kept.
            if results.next().await?.is_none() {
                self.conclude(url).await?;
            }
        }
        Ok(())
    }

    /// How it ended, once there are no more pages.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// The entries that changed, where ids alone were taken, once there are no more pages.
    pub fn take_changed(&mut self) -> Vec<SourceId> {
        std::mem::take(&mut self.changed)
    }

    fn take_in(&mut self, message: Message, url: &str, reader: &mut Reader) -> Result<(), DirectoryError> {
        match message {
            Message::Entry(_, None) => return Err(protocol(url, "an entry without its state of synchronisation")),
            Message::Entry(raw, Some(SyncState { state, id, cookie })) => {
                self.keep(cookie);
                match state {
                    _ if self.asked.taking == Taking::Cookie => self.any = true,
                    EntryState::Delete => self.delete(id, url)?,
                    EntryState::Present => self.name(&[id], url)?,
                    EntryState::Add | EntryState::Modify => {
                        let dn = server_words(raw.dn());
                        let source_id = id.source_id().map_err(|error| malformed(url, &error.into()))?;
                        self.any = true;
                        if self.asked.taking == Taking::Ids {
                            if self.told.insert(id) {
                                self.changed.push(source_id);
                            }
                            return Ok(());
                        }
                        // Two names for one entry would be two entries: one of them deleted, the other new.
                        if reader.identify(&raw).is_ok_and(|(own, _)| own != source_id) {
                            let attribute = &reader.object().source_id_attribute;
                            let reason = format!(
                                "\"{dn}\" is announced by another id than its {attribute}. Set changes = \"compare\""
                            );
                            return Err(DirectoryError::Protocol { url: url.to_owned(), reason });
                        }
                        let entry =
                            reader.entry(&raw, Some(source_id)).map_err(|error| unreadable(url, &dn, &error))?;
                        self.told.insert(id);
                        self.pending.push_back(ImportItem::Upsert(entry));
                    }
                }
            }
            Message::Reference => return Err(reference(url)),
            Message::SyncInfo(SyncInfo::NewCookie(cookie)) => self.keep(Some(cookie)),
            Message::SyncInfo(SyncInfo::RefreshDelete { cookie }) => self.keep(cookie),
            Message::SyncInfo(SyncInfo::RefreshPresent { cookie }) => {
                self.keep(cookie);
                self.present_phase = true;
            }
            Message::SyncInfo(SyncInfo::IdSet { cookie, deleted: true, ids }) => {
                self.keep(cookie);
                for id in ids {
                    self.delete(id, url)?;
                }
            }
            Message::SyncInfo(SyncInfo::IdSet { cookie, deleted: false, ids }) => {
                self.keep(cookie);
                self.name(&ids, url)?;
            }
            Message::Other => {}
        }
        Ok(())
    }

    fn delete(&mut self, id: SyncId, url: &str) -> Result<(), DirectoryError> {
        if self.asked.taking == Taking::Cookie {
            return Ok(());
        }
        self.told.insert(id);
        self.pending.push_back(ImportItem::Delete(id.source_id().map_err(|error| malformed(url, &error.into()))?));
        Ok(())
    }

    fn name(&mut self, ids: &[SyncId], url: &str) -> Result<(), DirectoryError> {
        self.any = true;
        self.named = true;
        if self.asked.taking == Taking::Cookie {
            return Ok(());
        }
        self.present.extend_from_slice(ids);
        if self.present.len() > MAX_PRESENT {
            return Err(protocol(url, "the ids of more entries than any directory has"));
        }
        Ok(())
    }

    /// Remembers the latest cookie. It counts only once the refresh has ended.
    fn keep(&mut self, cookie: Option<Vec<u8>>) {
        if cookie.is_some() {
            self.cookie = cookie;
        }
    }

    /// Reads how the server says it went.
    async fn conclude(&mut self, url: &str) -> Result<(), DirectoryError> {
        let Some(results) = self.results.take() else { return Ok(()) };
        let result = results.finish().await;
        match result.rc {
            0 => {}
            // Refresh required (RFC 4533), and what servers answer to a cookie they cannot place: protocol error,
            // unavailable critical extension, unwilling to perform ("consumer state is newer than provider").
            4096 | 2 | 12 | 53 => {
                return Err(DirectoryError::WatermarkLost { url: url.to_owned(), reason: describe(&result) });
            }
            _ => return Err(result_error(url, "a synchronisation", &self.asked.base, &result)),
        }
        let done = match message::result_control(&result, SYNC_DONE) {
            Some(value) => sync_done(value).map_err(|error| malformed(url, &error.into()))?,
            None => return Err(protocol(url, "the end of a synchronisation without its control")),
        };
        self.keep(done.cookie);
        // Deletions were named, or else all that is still there was.
        let absent_is_deleted =
            if self.asked.deletes_named { self.named } else { self.present_phase || !done.refresh_deletes };
        // The base itself is always there: whoever names nothing as present has lost track, not every entry.
        if absent_is_deleted && !self.any && self.asked.taking != Taking::Cookie {
            let reason = "it names nothing as still there, not even the base".to_owned();
            return Err(DirectoryError::WatermarkLost { url: url.to_owned(), reason });
        }
        // Its numbers went on, and it names nothing: nothing happened here, or it does not record which entry changed.
        let silent = self.asked.deletes_named && self.told.is_empty() && !self.any;
        if silent && self.asked.cookie.is_some() && self.cookie.is_some() && self.cookie != self.asked.cookie {
            let reason = "it has changes, but names no entry. Where this happens again and again, set nsslapd-attribute: \
                          nsuniqueid:targetUniqueId in its Retro Changelog Plugin, or changes = \"compare\" here";
            return Err(DirectoryError::WatermarkLost { url: url.to_owned(), reason: reason.into() });
        }
        self.end = Some(End { cookie: self.cookie.take(), absent_is_deleted });
        Ok(())
    }
}
