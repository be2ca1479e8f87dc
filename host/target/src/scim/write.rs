//! Making and changing resources: in part where the service can, else whole.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{AttributeChange, Change, ResourceId, TargetPath, TargetValue};
use reqwest::Url;
use serde_json::Value;

use crate::TargetError;
use crate::scim::abilities::ResourceType;
use crate::scim::dialect::Removal;
use crate::scim::document;
use crate::scim::http::Call;
use crate::scim::members::reference_changes;
use crate::scim::parts::{WholeLists, is_active, is_fixed};
use crate::scim::patch::{Patch, refreshed};
use crate::scim::remote::RemoteResource;
use crate::scim::schema::Mutability;
use crate::scim::{ScimTarget, json};

/// How often a whole resource is read and written again because somebody else changed it in between.
pub(crate) const MOST_REWRITES: usize = 4;

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
    /// As the service shows it, before references were added that did not fit into the first request. Of many new
    /// resources no more is read than what names them.
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
    /// The paths that it has from us before the changes, empty lists apart: they tell a row that must be made from one
    /// that is there, and a list that is hidden from one that is empty.
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
        let (attributes, rest) = self.split_references(kind, new.attributes);
        let mut document = document::build(self.abilities(), kind, new.external_id, &attributes)?;
        self.dialect().complete(&kind.name, new.external_id, &mut document)?;
        if let Value::Object(document) = &mut document {
            document::list_schemas(document, kind);
        }
        let refers = attributes.values().any(|value| matches!(value, TargetValue::References(_)));
        let whole = refers || self.dialect().is_entra() || self.trust().looks_at_next();
        let call = Call::post(self.endpoint(kind)?, &self.dialect().dressed(document)).briefly(!whole);
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
        let resource = self.made(kind, &call, reply).await?;
        if whole {
            self.note_what_was_dropped(kind, &attributes, &resource);
            self.trust().remember(&kind.name, std::slice::from_ref(&resource));
        }
        let mut created = Created { resource, requests: 1, unfinished: None };
        match self.dropped_at_creation(kind, &attributes, &created.resource).await {
            Ok(dropped) if !dropped.is_empty() => {
                // These lists are not there from us: one that is left out has nothing to lose.
                let present = attributes.keys().filter(|path| dropped.iter().all(|change| change.path != **path));
                self.add_after_creation(kind, &mut created, &present.cloned().collect(), &dropped).await;
                self.learn_from_addition(kind, &created.resource.id, &dropped).await;
            }
            Ok(_) => {}
            Err(error) => created.unfinished = Some(error),
        }
        if !rest.is_empty() && created.unfinished.is_none() {
            self.add_after_creation(kind, &mut created, &attributes.keys().cloned().collect(), &rest).await;
        }
        Ok(created)
    }

    async fn add_after_creation(
        &self,
        kind: &ResourceType,
        created: &mut Created,
        present: &BTreeSet<TargetPath>,
        changes: &[AttributeChange<ResourceId>],
    ) {
        let id = created.resource.id.clone();
        match self.update(&Update { kind: &kind.name, id: &id, present, changes }).await {
            Ok(updated) => {
                created.requests += updated.requests;
                created.unfinished = updated.unfinished;
            }
            Err(error) => created.unfinished = Some(error),
        }
    }

    /// The resource that a reply to its creation shows, or only says where it is.
    async fn made(
        &self,
        kind: &ResourceType,
        call: &Call,
        reply: Option<Value>,
    ) -> Result<RemoteResource, TargetError> {
        let uncertain =
            |reason: &str| TargetError::Uncertain { operation: call.operation(), reason: reason.to_owned() };
        let names_it = |document: &Value| {
            json::get(document, "id").is_some() || document.as_object().is_some_and(|members| members.len() > 1)
        };
        let is_whole = reply.as_ref().is_some_and(names_it);
        let shown = reply.and_then(|document| RemoteResource::parse(self.dialect().shown(&kind.name, document)));
        match shown {
            Some(resource) if is_whole => Ok(resource),
            Some(named) => match self.read(&kind.name, &named.id).await {
                Ok(Some(resource)) => Ok(resource),
                _ => Err(uncertain(
                    "the service said that it succeeded, and the resource cannot be read where it should be",
                )),
            },
            None => Err(uncertain("the service said that it succeeded, and did not show the resource")),
        }
    }

    /// The attributes for the first request, without those that cannot be written, and the references that are added
    /// afterwards.
    fn split_references<'a>(
        &self,
        kind: &ResourceType,
        attributes: &'a Attributes,
    ) -> (Cow<'a, Attributes>, Vec<AttributeChange<ResourceId>>) {
        let read_only = |path: &TargetPath| self.mutability(kind, path) == Mutability::ReadOnly;
        let drops = self.trust().whole_lists(&kind.name) == Some(WholeLists::Dropped);
        let mut room = if drops { 0 } else { self.dialect().references.at_creation() };
        let fits = |value: &TargetValue<ResourceId>| !matches!(value, TargetValue::References(ids) if ids.len() > room);
        let splits = self.abilities().patch && !attributes.values().all(fits);
        if !splits && !attributes.keys().any(read_only) {
            return (Cow::Borrowed(attributes), Vec::new());
        }
        let (mut first, mut rest) = (BTreeMap::new(), Vec::new());
        for (path, value) in attributes {
            if read_only(path) {
                self.say_unwritten(kind, path, "it is read-only");
                continue;
            }
            let TargetValue::References(ids) = value else {
                first.insert(path.clone(), value.clone());
                continue;
            };
            if !splits {
                first.insert(path.clone(), value.clone());
                continue;
            }
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
        let changes = self.writable(kind, update.changes);
        let sets_active =
            |changes: &[AttributeChange<ResourceId>]| changes.iter().any(|change| is_active(&change.path));
        // To leave this as it is in silence would report somebody as disabled who is not.
        if sets_active(update.changes) && !sets_active(&changes) {
            return Err(TargetError::Unsupported(format!(
                "the target does not let \"active\" of a {} be changed, so that it can be neither disabled nor enabled. Nothing \
                 was sent: do it at the target, or have those who leave deleted",
                kind.name
            )));
        }
        let update = &Update { changes: &changes, ..*update };
        if changes.is_empty() {
            return Ok(Updated::default());
        }
        let changed = match self.abilities().patch {
            true => self.change(kind, &url, update).await,
            false => self.rewrite(kind, &url, update).await,
        };
        match changed {
            Err(error) if is_fixed(&error) => self.change_one_by_one(kind, &url, update).await,
            // It announces that it changes in part, and does not do this change so.
            Err(TargetError::Refused { status: 405 | 501, .. })
                if self.abilities().patch && !self.dialect().is_entra() =>
            {
                if self.trust().is_news(&format!("put {}", kind.name)) {
                    tracing::info!(
                        kind = kind.name,
                        "the target refuses a change in part, so that the whole resource is written"
                    );
                }
                self.change_otherwise(kind, &url, update).await
            }
            outcome => outcome,
        }
    }

    /// Changes a resource in part.
    pub(crate) async fn change(
        &self,
        kind: &ResourceType,
        url: &Url,
        update: &Update<'_>,
    ) -> Result<Updated, TargetError> {
        let removes = reference_changes(update.changes).any(|(_, _, remove)| !remove.is_empty());
        let outcome = match self.dialect().references.removal {
            Removal::WholeList if reference_changes(update.changes).next().is_some() => {
                self.patch_whole_lists(kind, url, update).await
            }
            Removal::ByValue if removes => self.patch_by_value(kind, url, update).await,
            _ => self.patch(kind, url, update).await,
        };
        match outcome {
            // Something is not there that we once made: somebody took it away. What is there decides how the rest is written.
            Err(TargetError::Refused { scim_type: Some(scim_type), .. })
                if scim_type.eq_ignore_ascii_case("noTarget")
                    && self.removes_by_filter()
                    && (removes || update.changes.iter().any(|change| change.path.filter().is_some())) =>
            {
                self.patch_as_shown(kind, url, update).await
            }
            outcome => outcome,
        }
    }

    /// The changes that may be written. What the service lets nobody write, or only once, is said once and left as it is:
    /// it would be refused in every cycle.
    fn writable<'c>(
        &self,
        kind: &ResourceType,
        changes: &'c [AttributeChange<ResourceId>],
    ) -> Cow<'c, [AttributeChange<ResourceId>]> {
        let refusal = |change: &AttributeChange<ResourceId>| {
            if self.dialect().anchor_is_fixed(&kind.name) && change.path.as_str().eq_ignore_ascii_case("externalId") {
                return Some("it is set when the resource is made");
            }
            match self.mutability(kind, &change.path) {
                Mutability::ReadOnly => Some("it is read-only"),
                Mutability::Immutable if change.old.is_some() => Some("it cannot be changed once it is set"),
                _ if self.trust().is_fixed(&kind.name, &change.path) => {
                    Some("the target says that it cannot be changed")
                }
                _ => None,
            }
        };
        if !changes.iter().any(|change| refusal(change).is_some()) {
            return Cow::Borrowed(changes);
        }
        let written = changes.iter().filter(|change| match refusal(change) {
            Some(reason) => {
                self.say_unwritten(kind, &change.path, reason);
                false
            }
            None => true,
        });
        Cow::Owned(written.cloned().collect())
    }

    pub(crate) async fn patch(
        &self,
        kind: &ResourceType,
        url: &Url,
        update: &Update<'_>,
    ) -> Result<Updated, TargetError> {
        let rules = self.dialect().references;
        let patch =
            Patch { abilities: self.abilities(), kind, present: update.present, changes: update.changes, rules };
        let mut updated = Updated::default();
        for request in patch.requests()? {
            let body = self.dialect().dressed(request.body());
            if let Err(error) = self.http().send(&Call::patch(url.clone(), &body)).await {
                let refused = matches!(error, TargetError::Refused { .. } | TargetError::NotFound { .. });
                if refused && request.only_removes() && self.is_gone(kind, update.id, &request.removed).await {
                    continue;
                }
                let error = self.told_apart(kind, update.id, error).await;
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

    /// A 404 may mean the resource, or something that the change names: only the first means that it is gone.
    async fn told_apart(&self, kind: &ResourceType, id: &ResourceId, error: TargetError) -> TargetError {
        match error {
            TargetError::NotFound { operation } if matches!(self.read(&kind.name, id).await, Ok(Some(_))) => {
                let detail = "the resource is there, so something that the change names is not, such as a new member";
                TargetError::Refused { operation, status: 404, scim_type: None, detail: detail.into() }
            }
            error => error,
        }
    }

    /// Reads the resource and sends what is missing.
    async fn patch_as_shown(
        &self,
        kind: &ResourceType,
        url: &Url,
        update: &Update<'_>,
    ) -> Result<Updated, TargetError> {
        let shown = self.shown(kind, url, update.id).await?;
        let changes = refreshed(update.changes, |path, like| shown.attribute(path, like));
        let paths = update.present.iter().chain(update.changes.iter().map(|change| &change.path));
        let present = paths.filter(|path| shown.has_place(path)).cloned().collect();
        let update = Update { present: &present, changes: &changes, ..*update };
        let updated = self.patch(kind, url, &update).await?;
        // The refused request counts.
        Ok(Updated { requests: updated.requests + 1, ..updated })
    }

    fn mutability(&self, kind: &ResourceType, path: &TargetPath) -> Mutability {
        self.dialect().mutability(self.abilities(), &kind.name, path)
    }

    pub(crate) fn say_unwritten(&self, kind: &ResourceType, path: &TargetPath, reason: &str) {
        if self.trust().is_news(&format!("unwritten {} {path}", kind.name)) {
            tracing::warn!(kind = kind.name, %path, reason, "the target does not let this attribute be written; it is left as it is");
        }
    }

    /// Says once of an attribute that it is not kept as it was sent. It is not sent again: what counts is what was sent.
    fn note_what_was_dropped(&self, kind: &ResourceType, sent: &Attributes, made: &RemoteResource) {
        // A reply that shows next to nothing says nothing of what was kept.
        if !sent.iter().any(|(path, value)| made.attribute(path, value).is_some()) {
            return;
        }
        for (path, value) in sent {
            if !self.shows(&kind.name, path) || matches!(value, TargetValue::References(_)) {
                continue;
            }
            let kept = match made.attribute(path, value) {
                Some(shown) if shown == *value => continue,
                Some(_) => "changed",
                None => "dropped",
            };
            if self.trust().is_news(&format!("{kept} {} {path}", kind.name)) {
                tracing::warn!(kind = kind.name, %path, kept, "the target does not keep this attribute as it was sent");
            }
        }
        if made.external_id.is_none() && self.trust().is_news(&format!("no externalId {}", kind.name)) {
            tracing::warn!(
                kind = kind.name,
                "the target does not keep the externalId, by which resources are found again after a loss: list another \
                 attribute under [match]"
            );
        }
    }
}
