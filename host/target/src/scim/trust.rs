//! What has been found out about a service while talking to it: which filters tell the truth, what was warned of.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use provisor_model::{ResourceId, TargetPath};
use tokio::time::Instant;

use crate::TargetError;
use crate::scim::ScimTarget;
use crate::scim::http::Call;
use crate::scim::listing::parse_page;
use crate::scim::parts::WholeLists;
use crate::scim::remote::RemoteResource;

/// How many resources are looked at for one by which a filter can be tried.
const TRIED_BY: usize = 50;
/// How many resources of a type are remembered for that, and how many warnings.
const MOST_REMEMBERED: usize = 8;
const MOST_WARNINGS: usize = 1_000;
/// How old what is remembered becomes before it is renewed.
const RENEWED: Duration = Duration::from_secs(1);
/// How many new resources are looked at each, and of how many one is after that.
const LOOKED_AT: u64 = 256;
const ONE_OF: u64 = 16;
/// After so long a filter that was of no use is tried again.
const TRIED_AGAIN: Duration = Duration::from_secs(3600);

/// What is known of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It found a resource that is there.
    Proven,
    /// It was refused, ignored, or did not find a resource that is there, at this time.
    Useless(Instant),
    /// There was no resource to try it by.
    Untried,
}

impl Verdict {
    /// What is known; nothing where it has to be found out, also again after a while: a search may have lagged behind.
    fn is_useful(self) -> Option<bool> {
        match self {
            Self::Proven => Some(true),
            Self::Useless(since) => (since.elapsed() < TRIED_AGAIN).then_some(false),
            Self::Untried => None,
        }
    }
}

/// Some resources of one type that are there.
#[derive(Default)]
struct Remembered {
    resources: Vec<RemoteResource>,
    renewed: Option<Instant>,
}

/// What has been found out about a service.
#[derive(Default)]
pub(crate) struct Trust {
    /// Filters by resource type and path. Held while one is tried, so that it is tried once.
    filters: tokio::sync::Mutex<HashMap<(String, String), Verdict>>,
    known: Mutex<HashMap<String, Remembered>>,
    /// How many resources were made.
    made: AtomicU64,
    warned: Mutex<HashSet<String>>,
    /// Attributes that the service refused to change because they are fixed, by resource type and path.
    fixed: Mutex<HashSet<(String, String)>>,
    /// What becomes of references that are written with the whole resource, by resource type.
    lists: Mutex<HashMap<String, WholeLists>>,
    /// Whether references can be removed by value without others going too; none before it was tried.
    pub(crate) removal_by_value: tokio::sync::Mutex<Option<bool>>,
}

impl Trust {
    /// Keeps some resources that are known to be there, the last ones.
    pub(crate) fn remember(&self, kind: &str, resources: &[RemoteResource]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Remembered { resources: kept, renewed } = known.entry(kind.to_ascii_lowercase()).or_default();
        // Each is as good as another, and to keep one costs a copy.
        if kept.len() >= MOST_REMEMBERED && renewed.is_some_and(|renewed| renewed.elapsed() < RENEWED) {
            return;
        }
        *renewed = Some(Instant::now());
        for resource in resources.iter().take(MOST_REMEMBERED) {
            if kept.len() >= MOST_REMEMBERED {
                kept.remove(0);
            }
            kept.push(resource.clone());
        }
    }

    /// Leaves out a resource that is there no longer.
    pub(crate) fn forget(&self, kind: &str, id: &ResourceId) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = known.get_mut(&kind.to_ascii_lowercase()) {
            kept.resources.retain(|resource| resource.id != *id);
        }
    }

    fn remembered(&self, kind: &str, path: &TargetPath) -> Option<RemoteResource> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = known.get(&kind.to_ascii_lowercase())?;
        kept.resources.iter().find(|resource| !resource.texts(path).is_empty()).cloned()
    }

    /// Whether the next new resource is looked at as a whole. All at first, then one now and then: how a service treats
    /// what it is sent shows in a part of them.
    pub(crate) fn looks_at_next(&self) -> bool {
        let made = self.made.fetch_add(1, Ordering::Relaxed);
        made < LOOKED_AT || made.is_multiple_of(ONE_OF)
    }

    /// What is known of references that are written with a whole resource of this type.
    pub(crate) fn whole_lists(&self, kind: &str) -> Option<WholeLists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner).get(&kind.to_ascii_lowercase()).copied()
    }

    /// Keeps what was found out about that.
    pub(crate) fn note_whole_lists(&self, kind: &str, lists: WholeLists) {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner).insert(kind.to_ascii_lowercase(), lists);
    }

    /// Whether the service once refused to change what stands at a path.
    pub(crate) fn is_fixed(&self, kind: &str, path: &TargetPath) -> bool {
        self.fixed.lock().unwrap_or_else(PoisonError::into_inner).contains(&key(kind, path))
    }

    /// Keeps that.
    pub(crate) fn note_fixed(&self, kind: &str, path: &TargetPath) {
        self.fixed.lock().unwrap_or_else(PoisonError::into_inner).insert(key(kind, path));
    }

    /// Whether this is said for the first time.
    pub(crate) fn is_news(&self, words: &str) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        warned.len() < MOST_WARNINGS && warned.insert(words.to_owned())
    }

    /// Whether nothing is known against a filter.
    pub(crate) async fn may_filter(&self, kind: &str, path: &TargetPath) -> bool {
        self.filters.lock().await.get(&key(kind, path)).is_none_or(|verdict| verdict.is_useful() != Some(false))
    }

    /// Notes that a filter found something.
    pub(crate) async fn proven(&self, kind: &str, path: &TargetPath) {
        self.filters.lock().await.insert(key(kind, path), Verdict::Proven);
    }
}

fn key(kind: &str, path: &TargetPath) -> (String, String) {
    (kind.to_ascii_lowercase(), path.as_str().to_ascii_lowercase())
}

impl ScimTarget {
    /// Whether resources can be looked for by this attribute: the service filters, and by this attribute finds what is
    /// there. That is tried once, by a resource that is known to be there; some services find nothing and do not say why.
    ///
    /// # Errors
    /// When the service cannot be asked.
    pub async fn can_find(&self, kind: &str, path: &TargetPath) -> Result<bool, TargetError> {
        if !self.abilities().filter {
            return Ok(false);
        }
        if let Some(known) = self.dialect().filters_by(kind, path) {
            return Ok(known);
        }
        let mut filters = self.trust().filters.lock().await;
        let known = filters.get(&key(kind, path)).copied();
        if let Some(useful) = known.and_then(Verdict::is_useful) {
            return Ok(useful);
        }
        let witness = match known {
            Some(Verdict::Untried) => self.trust().remembered(kind, path),
            _ => match self.trust().remembered(kind, path) {
                Some(witness) => Some(witness),
                None => self.any_with(kind, path).await?,
            },
        };
        let Some(witness) = witness else {
            filters.insert(key(kind, path), Verdict::Untried);
            return Ok(true);
        };
        let value = witness.texts(path).into_iter().next().unwrap_or_default();
        let found = self.find_by_filter(kind, path, &value).await?;
        let proven = found.is_some_and(|found| found.iter().any(|one| one.id == witness.id));
        if !proven && matches!(self.read(kind, &witness.id).await, Ok(None)) {
            // Somebody deleted it meanwhile: that shows nothing.
            self.trust().forget(kind, &witness.id);
            return Ok(true);
        }
        if !proven {
            tracing::warn!(%path, kind, "the target's filter does not find a resource that is there, so that its whole listing is read");
        }
        filters.insert(key(kind, path), if proven { Verdict::Proven } else { Verdict::Useless(Instant::now()) });
        Ok(proven)
    }

    /// A resource that has something at this path, among the first that the service lists.
    async fn any_with(&self, kind: &str, path: &TargetPath) -> Result<Option<RemoteResource>, TargetError> {
        let mut url = self.endpoint(self.kind(kind)?)?;
        let count = TRIED_BY.min(self.page_size());
        url.query_pairs_mut().append_pair("count", &count.to_string()).append_pair("excludedAttributes", "members");
        let page = match self.http().send(&Call::get(url.clone())).await {
            Ok(document) => parse_page(self.dialect(), kind, document, &url),
            Err(error) => Err(error),
        };
        let page = match page {
            // Who may not list may look for something all the same.
            Err(TargetError::Refused { .. } | TargetError::NotFound { .. } | TargetError::NotScim { .. }) => {
                return Ok(None);
            }
            page => page?,
        };
        Ok(page.resources.into_iter().find(|resource| !resource.texts(path).is_empty()))
    }
}
