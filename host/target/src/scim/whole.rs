//! Writing resources whole, for services that cannot change them in part.

use std::collections::BTreeSet;

use provisor_model::{AttributeChange, Change, ResourceId, TargetPath};
use reqwest::Url;
use serde_json::Value;

use crate::TargetError;
use crate::scim::abilities::ResourceType;
use crate::scim::document;
use crate::scim::http::Call;
use crate::scim::members::reference_changes;
use crate::scim::parts::{WholeLists, drops_lists};
use crate::scim::remote::RemoteResource;
use crate::scim::write::{MOST_REWRITES, Update, Updated};
use crate::scim::{ScimTarget, json};

/// How writing a resource whole went.
pub(crate) struct Rewritten {
    /// What was sent, and what is missing apart from changes of references that were dropped.
    pub(crate) updated: Updated,
    /// Whether references were dropped. Those that were there before and should have stayed are back, unless the update is
    /// unfinished; the changes of references are still to be made.
    pub(crate) dropped: bool,
}

impl ScimTarget {
    /// Writes the whole resource: as just read, with our changes laid over it, if nobody else changed it meanwhile.
    pub(crate) async fn rewrite(
        &self,
        kind: &ResourceType,
        url: &Url,
        update: &Update<'_>,
    ) -> Result<Updated, TargetError> {
        let Rewritten { mut updated, dropped } = self.rewrite_watched(kind, url, update).await?;
        if dropped && reference_changes(update.changes).next().is_some() && updated.unfinished.is_none() {
            updated.unfinished = Some(drops_lists(kind));
        }
        Ok(updated)
    }

    /// Writes the whole resource, and puts back the references that the service dropped over it.
    pub(crate) async fn rewrite_watched(
        &self,
        kind: &ResourceType,
        url: &Url,
        update: &Update<'_>,
    ) -> Result<Rewritten, TargetError> {
        let lists = lists_of(kind, update.changes);
        self.refuse_blind_lists(kind, lists.iter())?;
        let mut requests = 0;
        loop {
            let shown = self.shown(kind, url, update.id).await?;
            let document = self.overlaid(kind, &shown, update.changes)?;
            if document == shown.document {
                let updated = Updated { requests, unfinished: None };
                return Ok(Rewritten { updated, dropped: false });
            }
            self.refuse_left_out_lists(kind, update, &shown, lists.iter())?;
            let version = shown.version().filter(|_| self.abilities().etag).map(str::to_owned);
            let call = Call::put(url.clone(), &self.dialect().dressed(document), version);
            requests += 1;
            match self.http().send(&call).await {
                Ok(reply) => {
                    let updated = Updated { requests, unfinished: None };
                    return Ok(self.watched(kind, url, update, &shown, (updated, reply)).await);
                }
                Err(TargetError::Refused { status: 412, .. }) if (requests as usize) < MOST_REWRITES => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Looks at the references after the resource was written, and puts back those that went with it.
    async fn watched(
        &self,
        kind: &ResourceType,
        url: &Url,
        update: &Update<'_>,
        before: &RemoteResource,
        (mut updated, reply): (Updated, Option<Value>),
    ) -> Rewritten {
        let lost = match self.dropped_lists(kind, update, before, reply).await {
            Ok(Some(lost)) => lost,
            Ok(None) => return Rewritten { updated, dropped: false },
            Err(error) => {
                updated.unfinished = Some(error);
                return Rewritten { updated, dropped: false };
            }
        };
        if !lost.is_empty() && !self.abilities().patch {
            updated.unfinished = Some(drops_lists(kind));
        } else if !lost.is_empty() {
            match self.change(kind, url, &Update { changes: &lost, ..*update }).await {
                Ok(restored) => {
                    updated.requests += restored.requests;
                    updated.unfinished = restored.unfinished;
                }
                Err(error) => updated.unfinished = Some(error),
            }
        }
        Rewritten { updated, dropped: true }
    }

    /// What does not show its references would lose them all by being written whole.
    pub(crate) fn refuse_blind_lists<'p>(
        &self,
        kind: &ResourceType,
        mut lists: impl Iterator<Item = &'p TargetPath>,
    ) -> Result<(), TargetError> {
        let unseen = self.trust().whole_lists(&kind.name) == Some(WholeLists::Unseen);
        let blind = lists.find(|path| unseen || !self.shows(&kind.name, path));
        blind.map_or(Ok(()), |path| Err(would_lose(kind, path)))
    }

    /// A list that has something from us and is left out of the resource may be hidden as well as empty: nobody can tell.
    pub(crate) fn refuse_left_out_lists<'p>(
        &self,
        kind: &ResourceType,
        update: &Update<'_>,
        shown: &RemoteResource,
        mut lists: impl Iterator<Item = &'p TargetPath>,
    ) -> Result<(), TargetError> {
        let left_out = lists.find(|path| update.present.contains(*path) && !shown.has_list(path));
        left_out.map_or(Ok(()), |path| Err(would_lose(kind, path)))
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

/// The lists of references that are written with the whole resource: those that change, and the members of a group.
pub(crate) fn lists_of(kind: &ResourceType, changes: &[AttributeChange<ResourceId>]) -> BTreeSet<TargetPath> {
    let mut lists: BTreeSet<TargetPath> = reference_changes(changes).map(|(path, ..)| path.clone()).collect();
    let has_members = lists.iter().any(|path| path.attribute().eq_ignore_ascii_case("members"));
    if kind.name.eq_ignore_ascii_case("Group") && !has_members {
        lists.extend("members".parse::<TargetPath>());
    }
    lists
}

fn would_lose(kind: &ResourceType, path: &TargetPath) -> TargetError {
    TargetError::Unsupported(format!(
        "a list of references of a {} can only be written whole at this target, which does not show \"{path}\": whatever is \
         there would be lost. The list was not written",
        kind.name
    ))
}
