//! Searches of a whole subtree, by paged results (RFC 2696).

use ldap3::Scope;
use ldap3::controls::{MakeCritical, PagedResults, RawControl};

use super::EVERYTHING;
use super::controls::{PAGED_RESULTS, paged_cookie};
use super::few::malformed;
use super::message::{self, Message, WireEntry};
use crate::connection::{Connection, Results, Search, result_error};
use crate::error::DirectoryError;
use crate::import::{PAGE_OCTETS, cost_of_values};

/// How many empty pages in a row are taken; RFC 2696 allows them, but not that there is no end to them.
const MAX_EMPTY_PAGES: u32 = 100;

/// What a paged search asks for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// The base of the subtree.
    pub base: String,
    /// Which entries.
    pub filter: String,
    /// Which attributes of theirs.
    pub attributes: Vec<String>,
    /// How many entries in a page.
    pub page_size: u32,
    /// Whether there must be some: the base itself meets the filter.
    pub some: bool,
    /// What is asked besides.
    pub manner: Manner,
}

/// What a paged search asks besides.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// Referral objects come as the entries they are (RFC 3296); a part of the tree that lies elsewhere is an error.
    Whole,
    /// With these controls; parts of the tree that lie elsewhere are other domains, and passed over.
    Domain(Vec<RawControl>),
}

/// A paged search that is under way. The next page is asked for as soon as one has come, so that the server works on
/// it while the last is being stored; more than that is never in flight.
#[derive(Debug)]
pub(crate) struct Paged {
    wanted: Wanted,
    in_flight: Option<Results>,
    /// How many entries of the page in flight were given out already: it is much, and comes in parts.
    given: usize,
    entries: u64,
    empty_pages: u32,
}

impl Paged {
    /// Asks for the first page.
    pub async fn begin(connection: &mut Connection, wanted: Wanted) -> Result<Self, DirectoryError> {
        let mut paged = Self { wanted, in_flight: None, given: 0, entries: 0, empty_pages: 0 };
        paged.ask(connection, Vec::new()).await?;
        Ok(paged)
    }

    /// The next entries; none when everything has been read.
    pub async fn next_page(&mut self, connection: &mut Connection) -> Result<Option<Vec<WireEntry>>, DirectoryError> {
        let url = connection.url().to_owned();
        while let Some(mut results) = self.in_flight.take() {
            let (page, whole) = self.receive(&mut results, &url).await?;
            self.entries += page.len() as u64;
            self.given += page.len();
            if !whole {
                self.in_flight = Some(results);
                return Ok(Some(page));
            }
            self.empty_pages = if self.given == 0 { self.empty_pages + 1 } else { 0 };
            self.given = 0;
            let result = results.finish().await;
            if result.rc != 0 {
                return Err(result_error(&url, "a paged search", &self.wanted.base, &result));
            }
            let cookie = match message::result_control(&result, PAGED_RESULTS) {
                Some(value) => paged_cookie(value).map_err(|error| malformed(&url, &error.into()))?,
                None => return Err(protocol(&url, "a page without the control of paged results")),
            };
            if !cookie.is_empty() {
                self.ask(connection, cookie).await?;
            }
            if self.empty_pages > MAX_EMPTY_PAGES {
                return Err(protocol(&url, "one empty page after the other"));
            }
            if !page.is_empty() {
                return Ok(Some(page));
            }
        }
        // Nothing at all means that the account sees nothing, or that the filter is wrong, not that all is gone.
        if self.entries == 0 && self.wanted.some {
            let reason = if self.wanted.filter == EVERYTHING {
                "not even the base is found below the base. Grant the account the right to read and search it"
                    .to_owned()
            } else {
                format!(
                    "nothing below \"{}\" meets the filter. Check filter, and the rights of the account",
                    self.wanted.base
                )
            };
            return Err(DirectoryError::Rights { url, reason });
        }
        Ok(None)
    }

    /// The entries of the page in flight, up to [`PAGE_OCTETS`], and whether it has no more.
    async fn receive(&self, results: &mut Results, url: &str) -> Result<(Vec<WireEntry>, bool), DirectoryError> {
        let (mut page, mut octets) = (Vec::new(), 0);
        while octets < PAGE_OCTETS {
            let Some(message) = results.next().await? else { return Ok((page, true)) };
            match message::read(message).map_err(|error| malformed(url, &error))? {
                Message::Entry(raw, _) => {
                    octets += cost(&raw);
                    page.push(raw);
                }
                Message::Reference if matches!(self.wanted.manner, Manner::Whole) => return Err(reference(url)),
                Message::Reference | Message::SyncInfo(_) | Message::Other => {}
            }
            if self.given + page.len() > usize::try_from(self.wanted.page_size).unwrap_or(usize::MAX) {
                return Err(protocol(url, "a page with more entries than were asked for"));
            }
        }
        Ok((page, false))
    }

    async fn ask(&mut self, connection: &mut Connection, cookie: Vec<u8>) -> Result<(), DirectoryError> {
        let size = i32::try_from(self.wanted.page_size).unwrap_or(i32::MAX);
        let page: RawControl = PagedResults { size, cookie }.critical().into();
        let controls = match &self.wanted.manner {
            Manner::Whole => vec![page, manage_dsa_it()],
            Manner::Domain(controls) => [controls.as_slice(), &[page]].concat(),
        };
        let search = Search {
            base: &self.wanted.base,
            scope: Scope::Subtree,
            filter: &self.wanted.filter,
            attributes: &self.wanted.attributes,
            controls,
            size_limit: 0,
        };
        self.in_flight = Some(connection.search(search).await?);
        Ok(())
    }
}

/// What an entry counts for towards [`PAGE_OCTETS`]: it is kept as it came, and each of its values becomes one of ours.
fn cost(entry: &WireEntry) -> usize {
    entry.octets() + cost_of_values(entry.count_values())
}

/// The control by which referral objects come as the entries they are (RFC 3296), so that none ends a search.
pub(crate) fn manage_dsa_it() -> RawControl {
    RawControl { ctype: "2.16.840.1.113730.3.4.2".into(), crit: false, val: None }
}

/// A part of the tree lies elsewhere, so that what was read is not everything.
pub(crate) fn reference(url: &str) -> DirectoryError {
    DirectoryError::EndedEarly {
        url: url.to_owned(),
        reason: "a part of the tree is kept by another server. Set url to a server that has all of it, or base below"
            .into(),
        transient: false,
    }
}

/// What the protocol does not allow.
pub(crate) fn protocol(url: &str, reason: &str) -> DirectoryError {
    DirectoryError::Protocol { url: url.to_owned(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x84][..], &length, content].concat()
    }

    /// What an entry costs that has one attribute of this name and so many empty values.
    fn cost_of(name: &[u8], values: usize) -> usize {
        let attribute = part(0x30, &[part(4, name), part(0x31, &part(4, b"").repeat(values))].concat());
        let entry = part(0x64, &[part(4, b"cn=x"), part(0x30, &attribute)].concat());
        let message = part(0x30, &[part(2, &[2]), entry].concat());
        let Ok(Message::Entry(entry, _)) = message::read(message.into()) else { panic!("no entry") };
        cost(&entry)
    }

    #[test]
    fn an_entry_counts_for_all_that_is_kept_of_it_also_without_any_octets_of_values() {
        assert!(cost_of(&[b'a'; 1 << 20], 0) >= 1 << 20);
        assert!(cost_of(b"cn", 100_000) >= 100_000 * 64);
        assert!(cost_of(b"cn", 1) < 200);
    }
}
