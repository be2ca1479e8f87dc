//! Lists of references at services that change them in a way of their own: by value, as a whole, or unseen.

use std::collections::BTreeSet;

use provisor_model::{AttributeChange, Change, ResourceId, TargetPath, TargetValue};
use reqwest::Url;
use serde_json::json;

use crate::TargetError;
use crate::scim::ScimTarget;
use crate::scim::abilities::ResourceType;
use crate::scim::dialect::Removal;
use crate::scim::document;
use crate::scim::http::Call;
use crate::scim::listing::parse_page;
use crate::scim::patch::message;
use crate::scim::quirks::Quirk;
use crate::scim::remote::RemoteResource;
use crate::scim::write::{MOST_REWRITES, Update, Updated};

type ReferenceChange<'a> = (&'a TargetPath, &'a BTreeSet<ResourceId>, &'a BTreeSet<ResourceId>);

/// The changes of references, with what they add and remove.
pub(crate) fn reference_changes(changes: &[AttributeChange<ResourceId>]) -> impl Iterator<Item = ReferenceChange<'_>> {
    changes.iter().filter_map(|change| match &change.change {
        Change::References { add, remove } => Some((&change.path, add, remove)),
        _ => None,
    })
}

/// The references that a resource shows at a path.
pub(crate) fn references_at(shown: &RemoteResource, path: &TargetPath) -> BTreeSet<ResourceId> {
    match shown.attribute(path, &TargetValue::References(BTreeSet::new())) {
        Some(TargetValue::References(ids)) => ids,
        _ => BTreeSet::new(),
    }
}

impl ScimTarget {
    /// Sends changes that remove references by value. The first ones are watched: where others go too, those are put
    /// back at once, and nothing is removed so again.
    pub(crate) async fn patch_by_value(
        &self,
        kind: &ResourceType,
        url: &Url,
        update: &Update<'_>,
    ) -> Result<Updated, TargetError> {
        let mut verdict = self.trust().removal_by_value.lock().await;
        match *verdict {
            Some(true) => {
                drop(verdict);
                return self.patch(kind, url, update).await;
            }
            Some(false) => return Err(empties_lists()),
            None => {}
        }
        let before = self.shown(kind, url, update.id).await?;
        let mut updated = self.patch(kind, url, update).await?;
        // From here on something was written: whatever fails leaves the change unfinished, not undone.
        let after = match self.shown(kind, url, update.id).await {
            Ok(after) => after,
            Err(error) => {
                updated.unfinished = Some(error);
                return Ok(updated);
            }
        };
        let mut shows = false;
        for (path, _, remove) in reference_changes(update.changes) {
            let (had, has) = (references_at(&before, path), references_at(&after, path));
            let stay: BTreeSet<ResourceId> = had.difference(remove).cloned().collect();
            let lost: BTreeSet<ResourceId> = stay.difference(&has).cloned().collect();
            if !lost.is_empty() {
                *verdict = Some(false);
                let change = Change::References { add: lost, remove: BTreeSet::new() };
                let changes = [AttributeChange { path: path.clone(), old: None, change }];
                updated.unfinished = match self.patch(kind, url, &Update { changes: &changes, ..*update }).await {
                    Ok(restored) => {
                        updated.requests += restored.requests;
                        Some(restored.unfinished.unwrap_or_else(empties_lists))
                    }
                    Err(error) => Some(error),
                };
                return Ok(updated);
            }
            if updated.unfinished.is_none() && remove.iter().any(|id| has.contains(id)) {
                updated.unfinished = Some(TargetError::Unsupported(format!(
                    "the target accepted that references are removed from \"{path}\" by value, and did not do it. Take the \
                     quirk {} out of the configuration",
                    Quirk::RemoveMembersByValue
                )));
                return Ok(updated);
            }
            shows |= !remove.is_empty() && !stay.is_empty();
        }
        if shows {
            *verdict = Some(true);
        }
        Ok(updated)
    }

    /// Replaces whole lists of references, as just read and changed; other changes go with them.
    pub(crate) async fn patch_whole_lists(
        &self,
        kind: &ResourceType,
        url: &Url,
        update: &Update<'_>,
    ) -> Result<Updated, TargetError> {
        let others: Vec<_> = update
            .changes
            .iter()
            .filter(|change| !matches!(change.change, Change::References { .. }))
            .cloned()
            .collect();
        let mut updated = if others.is_empty() {
            Updated::default()
        } else {
            self.patch(kind, url, &Update { changes: &others, ..*update }).await?
        };
        if updated.unfinished.is_some() {
            return Ok(updated);
        }
        let wrote_before = updated.requests > 0;
        match self.replace_lists(kind, url, update).await {
            Ok(requests) => updated.requests += requests,
            Err(error) if wrote_before => updated.unfinished = Some(error),
            Err(error) => return Err(error),
        }
        Ok(updated)
    }

    async fn replace_lists(&self, kind: &ResourceType, url: &Url, update: &Update<'_>) -> Result<u32, TargetError> {
        self.refuse_blind_lists(kind, reference_changes(update.changes).map(|(path, ..)| path))?;
        let mut requests = 0;
        loop {
            let shown = self.shown(kind, url, update.id).await?;
            let mut operations = Vec::new();
            for (path, add, remove) in reference_changes(update.changes) {
                let had = references_at(&shown, path);
                let wanted: BTreeSet<ResourceId> = had.difference(remove).chain(add).cloned().collect();
                if wanted != had {
                    let value = document::references(&wanted, self.abilities().shape(&kind.name, path));
                    operations.push(json!({ "op": "replace", "path": path.as_str(), "value": value }));
                }
            }
            if operations.is_empty() {
                return Ok(requests);
            }
            let paths = reference_changes(update.changes).map(|(path, ..)| path);
            self.refuse_left_out_lists(kind, update, &shown, paths)?;
            let version = shown.version().filter(|_| self.abilities().etag).map(str::to_owned);
            let body = self.dialect().dressed(message(operations));
            requests += 1;
            match self.http().send(&Call::patch(url.clone(), &body).in_version(version)).await {
                Ok(_) => return Ok(requests),
                Err(TargetError::Refused { status: 412, .. }) if (requests as usize) < MOST_REWRITES => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether references can be removed from a resource without reading it.
    pub(crate) fn removes_by_filter(&self) -> bool {
        self.dialect().references.removal == Removal::ByFilter
    }

    /// Whether a removal that was refused had been carried out before: a service that does not show members can still be
    /// asked whether somebody is one.
    pub(crate) async fn is_gone(&self, kind: &ResourceType, group: &ResourceId, removed: &[ResourceId]) -> bool {
        let [member] = removed else { return false };
        if !(self.dialect().is_entra() && kind.name.eq_ignore_ascii_case("Group")) {
            return false;
        }
        // The group must be there: that is no member of what does not exist shows nothing.
        matches!(self.read(&kind.name, group).await, Ok(Some(_)))
            && matches!(self.is_member(group, member).await, Ok(false))
    }

    async fn is_member(&self, group: &ResourceId, member: &ResourceId) -> Result<bool, TargetError> {
        let mut url = self.endpoint(self.kind("User")?)?;
        let (group, member) = (json!(group.as_str()), json!(member.as_str()));
        url.query_pairs_mut().append_pair("filter", &format!("groups.value eq {group} and id eq {member}"));
        let query = url.query().map(|query| query.replace('+', "%20"));
        url.set_query(query.as_deref());
        let document = self.http().send(&Call::get(url.clone())).await?;
        Ok(!parse_page(self.dialect(), "User", document, &url)?.resources.is_empty())
    }

    /// A resource that must be there, with all of its references.
    pub(crate) async fn shown(
        &self,
        kind: &ResourceType,
        url: &Url,
        id: &ResourceId,
    ) -> Result<RemoteResource, TargetError> {
        let shown = self.read(&kind.name, id).await?;
        shown.ok_or_else(|| TargetError::NotFound { operation: Call::get(url.clone()).operation() })
    }
}

fn empties_lists() -> TargetError {
    TargetError::Unsupported(format!(
        "the target takes all references away where some are removed by value; those that were lost were put back. Take the \
         quirk {} out of the configuration",
        Quirk::RemoveMembersByValue
    ))
}
