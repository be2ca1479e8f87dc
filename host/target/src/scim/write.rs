//! Making and changing resources: in part where the service can, else whole.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{AttributeChange, Change, ResourceId, TargetPath, TargetValue};
use reqwest::Url;
use serde_json::Value;

use crate::TargetError;
use crate::scim::abilities::ResourceType;
use crate::scim::document;
use crate::scim::http::Call;
use crate::scim::patch::{Patch, refreshed};
use crate::scim::remote::RemoteResource;
use crate::scim::{ScimTarget, json};

/// How often a whole resource is read and written again because somebody else changed it in between.
const MOST_REWRITES: usize = 4;

type Attributes = BTreeMap<TargetPath, TargetValue<ResourceId>>;

/// A resource to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewResource<'a> {
    /// Its resource type.
    pub kind: &'a str,
    /// Our name for it, by which it is found again.
    pub external_id: &'a str,
    /// What it is made of.
    pub attributes: &'a BTreeMap<TargetPath, TargetValue<ResourceId>>,
}

/// A resource that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Created {
    /// As the service shows it, before references were added that did not fit into the first request.
    pub resource: RemoteResource,
    /// How many requests it took.
    pub requests: u32,
    /// Why the rest of the references was not added. The resource is there all the same.
    pub unfinished: Option<TargetError>,
}

/// Changes to one resource.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// Its resource type.
    pub kind: &'a str,
    /// What the service calls it.
    pub id: &'a ResourceId,
    /// The paths that it has from us before the changes: they tell a row that must be made from one that is there.
    pub present: &'a BTreeSet<TargetPath>,
    /// What changes.
    pub changes: &'a [AttributeChange<ResourceId>],
}

/// How an update went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// How many requests that write were sent, retries apart.
    pub requests: u32,
    /// Why changes are missing after the first request was carried out. Read the resource before going on.
    pub unfinished: Option<TargetError>,
}

impl ScimTarget {
    /// Makes a resource. References beyond what one request may hold are added by further ones.
    ///
    /// # Errors
    /// Where the resource was not made, or it is not known whether it was ([`TargetError::outcome_unknown`]).
    pub async fn create(&self, new: &NewResource<'_>) -> Result<Created, TargetError> {
        let kind = self.kind(new.kind)?;
        let (attributes, rest) = self.split_references(new.attributes);
        let document = document::build(self.abilities(), kind, new.external_id, &attributes)?;
        let call = Call::post(self.endpoint(kind)?, &document);
        let reply = self.http().send(&call).await.map_err(|error| match error {
            // Nothing is looked for at the endpoint itself: it is the endpoint that is missing.
            TargetError::NotFound { operation } => TargetError::Refused {
                operation,
                status: 404,
                scim_type: None,
                detail: "the endpoint is not there".into(),
            },
            error => error,
        })?;
        let resource = reply.and_then(RemoteResource::parse).ok_or_else(|| TargetError::Uncertain {
            operation: call.operation(),
            reason: "the service said that it succeeded, and did not show the resource".into(),
        })?;
        let mut created = Created { resource, requests: 1, unfinished: None };
        if !rest.is_empty() {
            let present = attributes.keys().cloned().collect();
            let id = created.resource.id.clone();
            let update = Update { kind: new.kind, id: &id, present: &present, changes: &rest };
            match self.update(&update).await {
                Ok(updated) => {
                    created.requests += updated.requests;
                    created.unfinished = updated.unfinished;
                }
                Err(error) => created.unfinished = Some(error),
            }
        }
        Ok(created)
    }

    /// The attributes for the first request, and the references that are added afterwards.
    fn split_references<'a>(
        &self,
        attributes: &'a Attributes,
    ) -> (Cow<'a, Attributes>, Vec<AttributeChange<ResourceId>>) {
        let mut room = self.inner.member_chunk;
        let fits = |value: &TargetValue<ResourceId>| !matches!(value, TargetValue::References(ids) if ids.len() > room);
        if !self.abilities().patch || attributes.values().all(fits) {
            return (Cow::Borrowed(attributes), Vec::new());
        }
        let (mut first, mut rest) = (BTreeMap::new(), Vec::new());
        for (path, value) in attributes {
            let TargetValue::References(ids) = value else {
                first.insert(path.clone(), value.clone());
                continue;
            };
            let now: BTreeSet<ResourceId> = ids.iter().take(room).cloned().collect();
            let later: BTreeSet<ResourceId> = ids.iter().skip(room).cloned().collect();
            room -= now.len();
            if !later.is_empty() {
                let change = Change::References { add: later, remove: BTreeSet::new() };
                rest.push(AttributeChange { path: path.clone(), old: None, change });
            }
            if !now.is_empty() {
                first.insert(path.clone(), TargetValue::References(now));
            }
        }
        (Cow::Owned(first), rest)
    }

    /// Changes a resource: by one request, and one more for each further chunk of references. A service that cannot
    /// change in part is sent the resource just read with our changes laid over it.
    ///
    /// # Errors
    /// Where the first request failed. [`TargetError::NotFound`] says that the resource is gone.
    pub async fn update(&self, update: &Update<'_>) -> Result<Updated, TargetError> {
        let kind = self.kind(update.kind)?;
        let url = self.resource_url(kind, update.id)?;
        if !self.abilities().patch {
            return self.rewrite(kind, &url, update).await;
        }
        match self.patch(kind, &url, update).await {
            // A row is not there that we once made: somebody took it away. What is there decides how the rest is written.
            Err(TargetError::Refused { scim_type: Some(scim_type), .. })
                if scim_type.eq_ignore_ascii_case("noTarget")
                    && update.changes.iter().any(|change| change.path.filter().is_some()) =>
            {
                self.patch_as_shown(kind, &url, update).await
            }
            outcome => outcome,
        }
    }

    async fn patch(&self, kind: &ResourceType, url: &Url, update: &Update<'_>) -> Result<Updated, TargetError> {
        let chunk = self.inner.member_chunk;
        let patch =
            Patch { abilities: self.abilities(), kind, present: update.present, changes: update.changes, chunk };
        let mut updated = Updated::default();
        for request in patch.requests()? {
            let sent = self.http().send(&Call::patch(url.clone(), &request)).await;
            if let Err(error) = sent {
                if updated.requests == 0 {
                    return Err(error);
                }
                updated.unfinished = Some(error);
                break;
            }
            updated.requests += 1;
        }
        Ok(updated)
    }

    /// Reads the resource and sends what is missing.
    async fn patch_as_shown(
        &self,
        kind: &ResourceType,
        url: &Url,
        update: &Update<'_>,
    ) -> Result<Updated, TargetError> {
        let Some(shown) = self.read(&kind.name, update.id).await? else {
            return Err(TargetError::NotFound { operation: Call::get(url.clone()).operation() });
        };
        let changes = refreshed(update.changes, |path, like| shown.attribute(path, like));
        let paths = update.present.iter().chain(update.changes.iter().map(|change| &change.path));
        let present = paths.filter(|path| shown.has_place(path)).cloned().collect();
        let update = Update { present: &present, changes: &changes, ..*update };
        let updated = self.patch(kind, url, &update).await?;
        // The refused request counts.
        Ok(Updated { requests: updated.requests + 1, ..updated })
    }

    /// Writes the whole resource: as just read, with our changes laid over it, if nobody else changed it meanwhile.
    async fn rewrite(&self, kind: &ResourceType, url: &Url, update: &Update<'_>) -> Result<Updated, TargetError> {
        let mut requests = 0;
        loop {
            let Some(shown) = self.read(&kind.name, update.id).await? else {
                return Err(TargetError::NotFound { operation: Call::get(url.clone()).operation() });
            };
            let document = self.overlaid(kind, &shown, update.changes)?;
            if document == shown.document {
                return Ok(Updated { requests, unfinished: None });
            }
            let version = shown.version().filter(|_| self.abilities().etag).map(str::to_owned);
            requests += 1;
            match self.http().send(&Call::put(url.clone(), &document, version)).await {
                Ok(_) => return Ok(Updated { requests, unfinished: None }),
                Err(TargetError::Refused { status: 412, .. }) if (requests as usize) < MOST_REWRITES => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn overlaid(
        &self,
        kind: &ResourceType,
        shown: &RemoteResource,
        changes: &[AttributeChange<ResourceId>],
    ) -> Result<Value, TargetError> {
        let mut document = shown.document.clone();
        let Some(object) = json::as_object(&mut document) else { return Ok(document) };
        for change in changes {
            match &change.change {
                Change::Set(value) => document::set(object, self.abilities(), kind, &change.path, value)?,
                Change::Remove => document::unset(object, kind, &change.path),
                Change::References { add, remove } => {
                    document::change_references(object, self.abilities(), kind, &change.path, add, remove);
                }
            }
        }
        if *object != *shown.document.as_object().unwrap_or(object) {
            document::list_schemas(object, kind);
            json::remove(object, "meta");
        }
        Ok(document)
    }
}
