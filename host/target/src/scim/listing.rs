//! Whole listings: by startIndex and count (RFC 7644, section 3.4.2.4) or by cursor (RFC 9865). Whole, or an error.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use reqwest::Url;
use serde_json::Value;

use crate::TargetError;
use crate::scim::http::Call;
use crate::scim::json;
use crate::scim::quirks::Quirk;
use crate::scim::remote::RemoteResource;
use crate::scim::reply::place;
use crate::scim::{Dialect, ScimTarget};

/// Up to so many resources are asked for at once where a service knows the first page only.
const MOST_AT_ONCE: usize = 10_000;
/// So many empty pages in a row, each with a cursor to the next, are no listing any more.
const MOST_EMPTY_PAGES: usize = 100;

/// A page as it was sent.
pub(crate) struct Page {
    pub(crate) resources: Vec<RemoteResource>,
    /// How many there are altogether, where the service says so.
    pub(crate) total: Option<usize>,
    /// Where the next page begins, if there is one and it is found by a cursor.
    pub(crate) next: Option<String>,
    start: Option<usize>,
}

impl Page {
    /// Whether there is more than this page shows.
    pub(crate) fn is_part(&self) -> bool {
        self.next.is_some() || self.total.is_some_and(|total| total > self.resources.len())
    }
}

/// Reads a list response.
pub(crate) fn parse_page(
    dialect: &Dialect,
    kind: &str,
    document: Option<Value>,
    url: &Url,
) -> Result<Page, TargetError> {
    let not_scim = |found: &str| TargetError::NotScim { url: place(url), found: found.to_owned() };
    let Some(mut document) = document else { return Err(not_scim("an empty reply where a list was asked for")) };
    let number = |name: &str| {
        let number = json::get(&document, name)?;
        let number = number.as_u64().or_else(|| number.as_str()?.parse().ok())?;
        usize::try_from(number).ok()
    };
    let total = number("totalResults").filter(|_| !dialect.has(Quirk::TotalUnreliable));
    let start = number("startIndex");
    let next = json::text(&document, "nextCursor").filter(|cursor| !cursor.is_empty()).map(str::to_owned);
    let listed = document.as_object_mut().and_then(|document| json::remove(document, "Resources"));
    let listed = match listed {
        Some(Value::Array(listed)) => listed,
        None | Some(Value::Null) if total.is_some() || json::get(&document, "schemas").is_some() => Vec::new(),
        None | Some(Value::Null) => return Err(not_scim("JSON that is no list")),
        Some(_) => return Err(not_scim("a list whose Resources are no array")),
    };
    let resources: Option<Vec<RemoteResource>> =
        listed.into_iter().map(|shown| RemoteResource::parse(dialect.shown(kind, shown))).collect();
    let resources = resources.ok_or_else(|| not_scim("a list with a resource that has no usable id"))?;
    Ok(Page { resources, total, next, start })
}

/// How the next page is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    /// By the number of its first resource.
    Index,
    /// By the cursor that the last page gave; none for the first page.
    Cursor(Option<String>),
    /// From the beginning, everything at once.
    Everything(usize),
    /// Once more by number, although all that was counted has come: a first page that is full and counts itself alone
    /// may be all there is, or all that was counted.
    Beyond,
    /// There is none.
    End,
}

/// A whole listing of one resource type, page by page. It is whole once [`Listing::next_page`] has given `None`; a
/// resource that moves over a page's edge unseen, because others were deleted and made in the meantime, is noticed
/// only where the numbers show it.
pub struct Listing {
    target: ScimTarget,
    kind: String,
    without_members: bool,
    seen: HashSet<u64>,
    total: Option<usize>,
    next: Next,
    empty_pages: usize,
    failed: Option<TargetError>,
}

impl Listing {
    pub(crate) fn new(target: ScimTarget, kind: &str) -> Self {
        let next = if target.abilities().pagination.cursor_by_default { Next::Cursor(None) } else { Next::Index };
        Self {
            target,
            kind: kind.to_owned(),
            without_members: false,
            seen: HashSet::new(),
            total: None,
            next,
            empty_pages: 0,
            failed: None,
        }
    }

    /// Leaves the members of groups out, which may be many.
    #[must_use]
    pub fn without_members(mut self) -> Self {
        self.without_members = true;
        self
    }

    /// How many resources there are, once the first page has come, where the service says so.
    pub fn total(&self) -> Option<usize> {
        self.total
    }

    /// The next page; none when the listing is complete.
    ///
    /// # Errors
    /// [`TargetError::ListingIncomplete`] where the service gave fewer, more or other resources than it counted: such
    /// a listing must be begun anew. After any other error the same page may be asked for again.
    pub async fn next_page(&mut self) -> Result<Option<Vec<RemoteResource>>, TargetError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        loop {
            if self.next == Next::End || (self.next == Next::Index && self.total == Some(self.seen.len())) {
                return Ok(None);
            }
            let url = self.url()?;
            let page = match self.target.http().send(&Call::get(url.clone())).await {
                Err(TargetError::Refused { scim_type: Some(word), detail, .. })
                    if matches!(word.as_str(), "invalidCursor" | "expiredCursor") =>
                {
                    return Err(self.incomplete(&url, format!("its cursor is not valid any more ({word}) {detail}")));
                }
                // There is nothing behind the end, and some services call that an error.
                Err(TargetError::Refused { status: 400 | 404, .. } | TargetError::NotFound { .. })
                    if self.next == Next::Beyond =>
                {
                    self.next = Next::End;
                    continue;
                }
                document => parse_page(self.target.dialect(), &self.kind, document?, &url)?,
            };
            match self.check(page) {
                Ok(resources) if resources.is_empty() && self.next != Next::End => {}
                Ok(resources) => {
                    self.target.trust().remember(&self.kind, &resources);
                    return Ok((!resources.is_empty()).then_some(resources));
                }
                Err(reason) => return Err(self.incomplete(&url, reason)),
            }
        }
    }

    fn incomplete(&mut self, url: &Url, reason: String) -> TargetError {
        let error = TargetError::ListingIncomplete { kind: self.kind.clone(), url: place(url), reason };
        self.failed = Some(error.clone());
        error
    }

    fn url(&self) -> Result<Url, TargetError> {
        let mut url = self.target.endpoint(self.target.kind(&self.kind)?)?;
        let usual = self.target.page_size();
        {
            let mut query = url.query_pairs_mut();
            match &self.next {
                Next::Cursor(Some(cursor)) => {
                    query.append_pair("cursor", cursor).append_pair("count", &usual.to_string());
                }
                Next::Cursor(None) | Next::End => {
                    query.append_pair("count", &usual.to_string());
                }
                Next::Everything(count) => {
                    query.append_pair("startIndex", "1").append_pair("count", &count.to_string());
                }
                Next::Index | Next::Beyond => {
                    query
                        .append_pair("startIndex", &(self.seen.len() + 1).to_string())
                        .append_pair("count", &usual.to_string());
                }
            }
            if self.without_members {
                query.append_pair("excludedAttributes", "members");
            }
        }
        Ok(url)
    }

    /// Notes a page, or says why the listing cannot be whole. Empty where the next request has to tell more.
    fn check(&mut self, page: Page) -> Result<Vec<RemoteResource>, String> {
        let begins_anew = self.next == Next::Index && !self.seen.is_empty() && self.knows_first_page_only(&page);
        if let Some(total) = self.total.filter(|_| begins_anew) {
            // What came before is in what comes now; it was given out already, and a second time does no harm.
            self.next = Next::Everything(total);
            return Ok(Vec::new());
        }
        if self.next == Next::Beyond {
            return self.check_beyond(&page);
        }
        let at_once = matches!(self.next, Next::Everything(_));
        if let (Some(first), Some(now)) = (self.total, page.total)
            && first != now
        {
            return Err(format!("it counted {first} resources at first and {now} now"));
        }
        self.total = self.total.or(page.total);
        let start = self.seen.len() + 1;
        let is_full = page.resources.len() >= self.target.page_size();
        if self.next == Next::Index
            && let Some(given) = page.start.filter(|given| *given != start && !page.resources.is_empty())
        {
            return Err(format!("resources from number {start} on were asked for, and those from {given} on came"));
        }
        let fresh = self.note(page.resources, at_once)?;
        self.advance(page.next, fresh.is_empty())?;
        if self.next == Next::Index && start == 1 && is_full && self.total == Some(self.seen.len()) {
            self.next = Next::Beyond;
        }
        Ok(fresh)
    }

    /// What comes behind the end must be nothing, or what came before.
    fn check_beyond(&mut self, page: &Page) -> Result<Vec<RemoteResource>, String> {
        if page.resources.iter().all(|resource| self.seen.contains(&hash(resource.id.as_str()))) {
            self.next = Next::End;
            return Ok(Vec::new());
        }
        Err(format!("it counted {} resources, and more came", self.seen.len()))
    }

    /// Whether a service that was asked for a later page gave the first one again.
    fn knows_first_page_only(&self, page: &Page) -> bool {
        let again = |resource: &RemoteResource| self.seen.contains(&hash(resource.id.as_str()));
        page.start.is_none_or(|start| start == 1)
            && self.total.is_some_and(|total| total <= MOST_AT_ONCE)
            && !page.resources.is_empty()
            && page.resources.iter().all(again)
    }

    /// Remembers what came. Where everything comes at once, what came before falls out.
    fn note(&mut self, resources: Vec<RemoteResource>, at_once: bool) -> Result<Vec<RemoteResource>, String> {
        let mut fresh = Vec::with_capacity(resources.len());
        for resource in resources {
            if self.seen.insert(hash(resource.id.as_str())) {
                fresh.push(resource);
            } else if !at_once {
                return Err(format!("the resource {} came twice", resource.id));
            }
        }
        match self.total {
            Some(total) if self.seen.len() > total => Err(format!("it counted {total} resources, and more came")),
            _ => Ok(fresh),
        }
    }

    /// Decides how the listing goes on.
    fn advance(&mut self, cursor: Option<String>, empty: bool) -> Result<(), String> {
        let short = |listing: &Self| match listing.total {
            Some(total) if listing.seen.len() < total => {
                Err(format!("it counted {total} resources, and no more than {} came", listing.seen.len()))
            }
            _ => Ok(()),
        };
        self.empty_pages = if empty { self.empty_pages + 1 } else { 0 };
        match cursor {
            Some(cursor) if self.next == Next::Cursor(Some(cursor.clone())) => {
                return Err("it gave the same cursor again".to_owned());
            }
            Some(_) if self.empty_pages >= MOST_EMPTY_PAGES => {
                return Err(format!("{MOST_EMPTY_PAGES} pages in a row were empty"));
            }
            Some(cursor) => self.next = Next::Cursor(Some(cursor)),
            None if self.next != Next::Index || empty => {
                short(self)?;
                self.next = Next::End;
            }
            None => {}
        }
        Ok(())
    }
}

/// Ids are remembered by a hash of 64 bits: eight octets each, and in a million resources two that are taken for one
/// another by mistake (which would only end the listing with an error) once in 40 million times.
fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
