//! Whole listings by startIndex and count (RFC 7644, section 3.4.2.4): whole, or an error.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use reqwest::Url;
use serde_json::Value;

use crate::TargetError;
use crate::scim::ScimTarget;
use crate::scim::http::Call;
use crate::scim::json;
use crate::scim::remote::RemoteResource;
use crate::scim::reply::place;

/// A page as it was sent.
pub(crate) struct Page {
    pub(crate) resources: Vec<RemoteResource>,
    pub(crate) total: usize,
    start: Option<usize>,
}

/// Reads a list response.
pub(crate) fn parse_page(document: Option<Value>, url: &Url) -> Result<Page, TargetError> {
    let not_scim = |found: &str| TargetError::NotScim { url: place(url), found: found.to_owned() };
    let Some(mut document) = document else { return Err(not_scim("an empty reply where a list was asked for")) };
    let number = |name: &str| {
        let number = json::get(&document, name)?;
        let number = number.as_u64().or_else(|| number.as_str()?.parse().ok())?;
        usize::try_from(number).ok()
    };
    let total = number("totalResults").ok_or_else(|| not_scim("a list without totalResults"))?;
    let start = number("startIndex");
    let listed = document.as_object_mut().and_then(|document| json::remove(document, "Resources")).unwrap_or_default();
    let Value::Array(listed) = (if listed.is_null() { Value::Array(Vec::new()) } else { listed }) else {
        return Err(not_scim("a list whose Resources are no array"));
    };
    let resources: Option<Vec<RemoteResource>> = listed.into_iter().map(RemoteResource::parse).collect();
    let resources = resources.ok_or_else(|| not_scim("a list with a resource that has no usable id"))?;
    Ok(Page { resources, total, start })
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
    failed: Option<TargetError>,
}

impl Listing {
    pub(crate) fn new(target: ScimTarget, kind: &str) -> Self {
        Self { target, kind: kind.to_owned(), without_members: false, seen: HashSet::new(), total: None, failed: None }
    }

    /// Leaves the members of groups out, which may be many.
    #[must_use]
    pub fn without_members(mut self) -> Self {
        self.without_members = true;
        self
    }

    /// How many resources there are, once the first page has come.
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
        if self.total == Some(self.seen.len()) {
            return Ok(None);
        }
        let start = self.seen.len() + 1;
        let kind = self.target.kind(&self.kind)?;
        let mut url = self.target.endpoint(kind)?;
        url.query_pairs_mut()
            .append_pair("startIndex", &start.to_string())
            .append_pair("count", &self.target.page_size().to_string());
        if self.without_members {
            url.query_pairs_mut().append_pair("excludedAttributes", "members");
        }
        let page = parse_page(self.target.http().send(&Call::get(url.clone())).await?, &url)?;
        if let Err(reason) = self.check(&page, start) {
            let error = TargetError::ListingIncomplete { kind: self.kind.clone(), url: place(&url), reason };
            self.failed = Some(error.clone());
            return Err(error);
        }
        Ok((!page.resources.is_empty()).then_some(page.resources))
    }

    /// Notes a page, or says why the listing cannot be whole.
    fn check(&mut self, page: &Page, start: usize) -> Result<(), String> {
        let total = *self.total.get_or_insert(page.total);
        if page.total != total {
            return Err(format!("it counted {total} resources at first and {} now", page.total));
        }
        if let Some(given) = page.start.filter(|given| *given != start && !page.resources.is_empty()) {
            return Err(format!("resources from number {start} on were asked for, and those from {given} on came"));
        }
        let ids: Vec<u64> = page.resources.iter().map(|resource| hash(resource.id.as_str())).collect();
        let repeated = ids.iter().zip(&page.resources).find(|(id, _)| !self.seen.insert(**id));
        if let Some((_, resource)) = repeated {
            return Err(format!("the resource {} came twice", resource.id));
        }
        if self.seen.len() > total {
            return Err(format!("it counted {total} resources, and more came"));
        }
        if page.resources.is_empty() && self.seen.len() < total {
            return Err(format!("it counted {total} resources, and no more than {} came", self.seen.len()));
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
