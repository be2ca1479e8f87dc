//! A SCIM 2.0 service as a target: finding, listing, reading and writing its resources.

mod abilities;
mod brief;
mod bulk;
mod call;
mod check;
mod costs;
mod credential;
mod dialect;
mod discovery;
mod document;
mod entra;
mod http;
mod json;
mod line;
mod listing;
mod members;
mod options;
mod pace;
mod parts;
mod password;
mod patch;
mod proxy;
mod quirks;
mod remote;
mod reply;
mod retry;
mod schema;
mod search;
mod tls;
mod trust;
mod whole;
mod write;

use std::collections::HashMap;
use std::sync::Arc;

use provisor_model::{ResourceId, TargetPath};
use reqwest::Url;

pub use self::abilities::{Abilities, BulkLimits, Extension, Pagination, ResourceType};
pub use self::costs::RequestCosts;
pub use self::credential::{
    ClientAuthentication, Credential, CustomHeader, Login, OAuth, SecretSupply, check_custom_header,
};
pub use self::dialect::{DialectOptions, Profile};
pub use self::entra::{ENTRA_REQUESTS_PER_SECOND, ENTRA_URL};
pub use self::http::RequestCounts;
pub use self::listing::Listing;
pub use self::options::{ClientIdentity, RequestRate, ScimOptions};
pub use self::quirks::Quirk;
pub use self::remote::RemoteResource;
pub use self::schema::{AttributeDefinition, AttributeType, Mutability, Uniqueness};
pub use self::write::{Created, NewResource, Update, Updated};

use self::bulk::Lane;
use self::dialect::Dialect;
use self::http::{Call, Http};
use self::trust::Trust;
use crate::TargetError;

/// A connection to a SCIM 2.0 service. Clones share it, with its limits and counts. Any of its futures may be dropped
/// at any time; a write that was under way then may have been carried out or not.
#[derive(Clone)]
pub struct ScimTarget {
    inner: Arc<Inner>,
}

struct Inner {
    http: Arc<Http>,
    abilities: Abilities,
    dialect: Dialect,
    trust: Trust,
    /// Where the resources of each type are.
    endpoints: HashMap<String, Url>,
    concurrency: usize,
}

impl ScimTarget {
    /// Connects to a service and reads what it can do.
    ///
    /// # Errors
    /// When the settings cannot work, the service cannot be reached safely, refuses the token, or is no SCIM 2.0 service.
    pub async fn connect(options: ScimOptions) -> Result<Self, TargetError> {
        let http = Arc::new(Http::new(&options)?);
        let mut abilities = discovery::abilities(&http).await?;
        Dialect::correct(&options.dialect, &mut abilities);
        let dialect = Dialect::new(&options, &abilities);
        if options.bulk
            && let Some(limits) = abilities.bulk
        {
            http.send_together(Lane::new(http.base(), limits));
        }
        let (trust, concurrency) = (Trust::default(), options.concurrency);
        // One that cannot be is told by who asks for it.
        let kinds = abilities.resource_types.values();
        let endpoints = kinds
            .filter_map(|kind| Some((kind.name.clone(), discovery::endpoint(http.base(), &kind.endpoint).ok()?)))
            .collect();
        Ok(Self { inner: Arc::new(Inner { http, abilities, dialect, trust, endpoints, concurrency }) })
    }

    /// What the service can do.
    pub fn abilities(&self) -> &Abilities {
        &self.inner.abilities
    }

    /// Whether the service has the attribute of a path and lets it be written. What it announces nothing about passes.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn check_path(&self, kind: &str, path: &TargetPath) -> Result<(), String> {
        let known = self.dialect().check_path(kind, path);
        known.unwrap_or_else(|| self.abilities().check_path(kind, path))
    }

    /// Whether what stands at a path can be read back. What cannot must be remembered by who wrote it.
    pub fn shows(&self, kind: &str, path: &TargetPath) -> bool {
        self.dialect().is_shown(self.abilities(), kind, path)
    }

    /// Whether deleting leaves the resource there, inactive.
    pub fn deletes_softly(&self) -> bool {
        self.dialect().has(Quirk::SoftDelete)
    }

    /// The paths whose values no two resources of a type may share: what the schemas say, and always a user's name.
    pub fn unique_paths(&self, kind: &str) -> Vec<TargetPath> {
        self.abilities().unique_paths(kind)
    }

    /// How many objects are best written at once: where writes are sent together, two requests of them, so that one is
    /// collected while the other is carried out.
    pub fn in_flight(&self) -> usize {
        let at_once = self.inner.concurrency;
        self.http().together().map_or(at_once, |together| (together * 2).max(at_once))
    }

    /// Whether letter case matters in the values at a path, as the service announces it.
    pub fn case_exact(&self, kind: &str, path: &TargetPath) -> bool {
        self.abilities().case_exact(kind, path)
    }

    /// How many requests were sent since the connection was made, its own among them.
    pub fn requests(&self) -> RequestCounts {
        self.inner.http.counts()
    }

    /// A whole listing of one resource type.
    pub fn list(&self, kind: &str) -> Listing {
        Listing::new(self.clone(), kind)
    }

    /// Reads one resource; none where the service has none of this id.
    ///
    /// # Errors
    /// When the service cannot be asked, or answers something else.
    pub async fn read(&self, kind: &str, id: &ResourceId) -> Result<Option<RemoteResource>, TargetError> {
        let url = self.resource_url(self.kind(kind)?, id)?;
        let document = match self.http().send(&Call::get(url.clone())).await {
            Ok(document) => document,
            Err(TargetError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let resource = document.and_then(|document| RemoteResource::parse(self.dialect().shown(kind, document)));
        let resource = resource.filter(|resource| resource.id == *id);
        let found = "the reply does not hold the resource that was asked for".to_owned();
        resource.map(Some).ok_or_else(|| TargetError::NotScim { url: reply::place(&url), found })
    }

    /// Deletes a resource. One that is not there any more counts as deleted.
    ///
    /// # Errors
    /// When the service refuses or cannot be asked.
    pub async fn delete(&self, kind: &str, id: &ResourceId) -> Result<(), TargetError> {
        let url = self.resource_url(self.kind(kind)?, id)?;
        self.trust().forget(kind, id);
        match self.http().send(&Call::delete(url)).await {
            Ok(_) | Err(TargetError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn http(&self) -> &Arc<Http> {
        &self.inner.http
    }

    fn dialect(&self) -> &Dialect {
        &self.inner.dialect
    }

    fn trust(&self) -> &Trust {
        &self.inner.trust
    }

    fn page_size(&self) -> usize {
        self.dialect().page_size
    }

    fn kind(&self, kind: &str) -> Result<&ResourceType, TargetError> {
        self.abilities().resource_type(kind).ok_or_else(|| {
            TargetError::Unsupported(format!("{} has no resource type \"{kind}\"", reply::place(self.http().base())))
        })
    }

    fn endpoint(&self, kind: &ResourceType) -> Result<Url, TargetError> {
        match self.inner.endpoints.get(&kind.name) {
            Some(url) => Ok(url.clone()),
            None => discovery::endpoint(self.http().base(), &kind.endpoint),
        }
    }

    fn resource_url(&self, kind: &ResourceType, id: &ResourceId) -> Result<Url, TargetError> {
        let mut url = self.endpoint(kind)?;
        // Such a segment would be dropped, and the request would concern all resources.
        if !remote::is_usable(id.as_str()) {
            return Err(TargetError::Unsupported(format!("\"{id}\" is no id of a resource")));
        }
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(id.as_str());
        }
        Ok(url)
    }
}
