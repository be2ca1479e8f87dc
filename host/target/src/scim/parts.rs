//! Services that refuse a change in part, or accept lists of references and drop them: what is sent is looked at again.

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{AttributeChange, Change, ResourceId, TargetPath, TargetValue};
use reqwest::Url;
use serde_json::Value;

use crate::TargetError;
use crate::scim::ScimTarget;
use crate::scim::abilities::ResourceType;
use crate::scim::members::{reference_changes, references_at};
use crate::scim::patch::group_key;
use crate::scim::quirks::Quirk;
use crate::scim::remote::RemoteResource;
use crate::scim::whole::lists_of;
use crate::scim::write::{Update, Updated};

/// What a service does with the references of a resource that is written whole, as far as it has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WholeLists {
    /// It keeps them.
    Kept,
    /// It drops them.
    Dropped,
    /// It never shows them, so that nothing can be told.
    Unseen,
}

type Changes = Vec<AttributeChange<ResourceId>>;

impl ScimTarget {
    /// Changes a resource although a change of it in part was refused as not implemented: nothing of it was carried out.
    /// It is written whole; where that drops references, these are changed apart from all else.
    pub(crate) async fn change_otherwise(
        &self,
        kind: &ResourceType,
        url: &Url,
        update: &Update<'_>,
    ) -> Result<Updated, TargetError> {
        let has_lists = reference_changes(update.changes).next().is_some();
        let drops = |target: &Self| target.trust().whole_lists(&kind.name) == Some(WholeLists::Dropped);
        let [values, adds, mut removals] = parts(update.changes);
        let mut updated = Updated::default();
        if !(has_lists && drops(self)) {
            let rewritten = self.rewrite_watched(kind, url, update).await?;
            updated = rewritten.updated;
            if !(has_lists && rewritten.dropped) || updated.unfinished.is_some() {
                return Ok(updated);
            }
            // Who was to be removed went with the others, mostly.
            match self.shown(kind, url, update.id).await {
                Ok(shown) => removals = still_there(removals, &shown),
                Err(error) => {
                    updated.unfinished = Some(error);
                    return Ok(updated);
                }
            }
        } else if !values.is_empty() {
            updated = self.rewrite(kind, url, &Update { changes: &values, ..*update }).await?;
        }
        for part in [adds, removals].iter().filter(|part| !part.is_empty()) {
            if updated.unfinished.is_some() {
                break;
            }
            match self.change(kind, url, &Update { changes: part, ..*update }).await {
                Ok(Updated { requests, unfinished }) => {
                    updated = Updated { requests: updated.requests + requests, unfinished };
                }
                Err(error) => {
                    let error = match error {
                        TargetError::Refused { status: 405 | 501, .. } => drops_lists(kind),
                        error => error,
                    };
                    if updated.requests == 0 {
                        return Err(error);
                    }
                    updated.unfinished = Some(error);
                }
            }
        }
        Ok(updated)
    }

    /// Makes changes of which at least one was refused because the attribute cannot be changed: each by itself, those of
    /// one row together. What is refused again is left as it is, and not sent any more.
    pub(crate) async fn change_one_by_one(
        &self,
        kind: &ResourceType,
        url: &Url,
        update: &Update<'_>,
    ) -> Result<Updated, TargetError> {
        let mut groups: BTreeMap<_, Changes> = BTreeMap::new();
        for change in update.changes {
            groups.entry(group_key(&change.path)).or_default().push(change.clone());
        }
        let (mut updated, mut stays_active) = (Updated::default(), None);
        for changes in groups.values() {
            let one = Update { changes, ..*update };
            let changed = match self.abilities().patch {
                true => self.change(kind, url, &one).await,
                false => self.rewrite(kind, url, &one).await,
            };
            match changed {
                Ok(Updated { requests, unfinished }) => {
                    updated = Updated { requests: updated.requests + requests, unfinished };
                }
                // One resource may be protected: nothing follows from it for others, and nobody may take it for disabled.
                Err(error) if is_fixed(&error) && changes.iter().any(|change| is_active(&change.path)) => {
                    stays_active = Some(error);
                }
                Err(error) if is_fixed(&error) => {
                    for change in changes {
                        self.trust().note_fixed(&kind.name, &change.path);
                        self.say_unwritten(kind, &change.path, "the target says that it cannot be changed");
                    }
                }
                Err(error) if updated.requests == 0 => return Err(error),
                Err(error) => updated.unfinished = Some(error),
            }
            if updated.unfinished.is_some() {
                break;
            }
        }
        match stays_active {
            Some(error) if updated.requests == 0 => return Err(error),
            Some(error) => updated.unfinished = updated.unfinished.or(Some(error)),
            None => {}
        }
        Ok(updated)
    }

    /// Whether references were dropped where the whole resource was written, and which of those that were there before are
    /// to be added again: by the reply to the request, else by reading the resource again, until the service has once
    /// shown that it keeps them. None where they are as they should be.
    pub(crate) async fn dropped_lists(
        &self,
        kind: &ResourceType,
        update: &Update<'_>,
        before: &RemoteResource,
        reply: Option<Value>,
    ) -> Result<Option<Changes>, TargetError> {
        if self.trust().whole_lists(&kind.name) == Some(WholeLists::Kept) {
            return Ok(None);
        }
        let changed = |path: &TargetPath| reference_changes(update.changes).find(|(changed, ..)| *changed == path);
        // An empty list that does not change has nothing to lose.
        let lists: BTreeSet<TargetPath> = lists_of(kind, update.changes)
            .into_iter()
            .filter(|path| changed(path).is_some() || !references_at(before, path).is_empty())
            .collect();
        if lists.is_empty() {
            return Ok(None);
        }
        let shown = reply.and_then(RemoteResource::parse);
        let shown = match shown.filter(|shown| lists.iter().all(|path| shown.has_list(path))) {
            Some(shown) => Some(shown),
            None => self.read(&kind.name, update.id).await?,
        };
        let Some(shown) = shown else { return Ok(None) };
        let (mut kept, mut lost) = (true, Changes::new());
        for path in lists {
            let (mut stay, has) = (references_at(before, &path), references_at(&shown, &path));
            if let Some((_, add, remove)) = changed(&path) {
                kept &= add.is_subset(&has) && remove.is_disjoint(&has);
                stay.retain(|id| !remove.contains(id));
            }
            let add: BTreeSet<ResourceId> = stay.difference(&has).cloned().collect();
            if !add.is_empty() {
                kept = false;
                let change = Change::References { add, remove: BTreeSet::new() };
                lost.push(AttributeChange { path, old: None, change });
            }
        }
        self.trust().note_whole_lists(&kind.name, if kept { WholeLists::Kept } else { WholeLists::Dropped });
        Ok((!kept).then_some(lost))
    }

    /// The references of a new resource that the service did not keep, to be added to it.
    pub(crate) async fn dropped_at_creation(
        &self,
        kind: &ResourceType,
        sent: &BTreeMap<TargetPath, TargetValue<ResourceId>>,
        made: &RemoteResource,
    ) -> Result<Changes, TargetError> {
        let lists: Vec<(&TargetPath, &BTreeSet<ResourceId>)> = sent
            .iter()
            .filter_map(|(path, value)| match value {
                TargetValue::References(ids) if !ids.is_empty() && self.shows(&kind.name, path) => Some((path, ids)),
                _ => None,
            })
            .collect();
        let known = self.trust().whole_lists(&kind.name);
        if lists.is_empty() || matches!(known, Some(WholeLists::Kept | WholeLists::Unseen)) {
            return Ok(Vec::new());
        }
        let is_shown = lists.iter().all(|(path, _)| made.has_list(path));
        let read = if is_shown { None } else { self.read(&kind.name, &made.id).await? };
        let shown = read.as_ref().unwrap_or(made);
        let missing: Changes = lists
            .iter()
            .filter_map(|(path, ids)| {
                let add: BTreeSet<ResourceId> = ids.difference(&references_at(shown, path)).cloned().collect();
                let change = Change::References { add, remove: BTreeSet::new() };
                (!matches!(&change, Change::References { add, .. } if add.is_empty())).then(|| AttributeChange {
                    path: (*path).clone(),
                    old: None,
                    change,
                })
            })
            .collect();
        if missing.is_empty() {
            self.trust().note_whole_lists(&kind.name, WholeLists::Kept);
        }
        Ok(missing)
    }

    /// Finds out what it meant that references of a new resource were not shown, now that they were added once more.
    pub(crate) async fn learn_from_addition(
        &self,
        kind: &ResourceType,
        id: &ResourceId,
        added: &[AttributeChange<ResourceId>],
    ) {
        let Ok(Some(shown)) = self.read(&kind.name, id).await else { return };
        let is_shown = added.iter().all(|change| shown.has_list(&change.path));
        self.trust().note_whole_lists(&kind.name, if is_shown { WholeLists::Dropped } else { WholeLists::Unseen });
        if is_shown {
            tracing::info!(
                kind = kind.name,
                "the target drops references of a new resource; they are added afterwards"
            );
        } else if self.trust().is_news(&format!("unseen {}", kind.name)) {
            tracing::warn!(
                kind = kind.name,
                "the target does not show the references of its resources: name the quirk {} in the configuration, so that what \
                 was sent is remembered",
                Quirk::MembersHidden
            );
        }
    }
}

/// Whether a request was refused because an attribute cannot be changed (RFC 7644, table 9).
pub(crate) fn is_fixed(error: &TargetError) -> bool {
    matches!(error, TargetError::Refused { scim_type: Some(word), .. } if word.eq_ignore_ascii_case("mutability"))
}

pub(crate) fn drops_lists(kind: &ResourceType) -> TargetError {
    TargetError::Unsupported(format!(
        "the target refuses to change the references of a {} in part, and drops them where the whole resource is written. If its \
         makers say that references are removed by value, use the quirk {}",
        kind.name,
        Quirk::RemoveMembersByValue
    ))
}

/// Whether a path says if somebody may log in: what must never be left unwritten in silence.
pub(crate) fn is_active(path: &TargetPath) -> bool {
    path.attribute().eq_ignore_ascii_case("active") && path.filter().is_none() && path.sub_attribute().is_none()
}

/// The removals of what a resource still has.
fn still_there(removals: Changes, shown: &RemoteResource) -> Changes {
    let kept = removals.into_iter().filter_map(|mut removal| {
        if let Change::References { remove, .. } = &mut removal.change {
            let has = references_at(shown, &removal.path);
            remove.retain(|id| has.contains(id));
            if remove.is_empty() {
                return None;
            }
        }
        Some(removal)
    });
    kept.collect()
}

/// Values, additions of references, and removals.
fn parts(changes: &[AttributeChange<ResourceId>]) -> [Changes; 3] {
    let (mut values, mut adds, mut removals) = (Vec::new(), Vec::new(), Vec::new());
    for change in changes {
        let Change::References { add, remove } = &change.change else {
            values.push(change.clone());
            continue;
        };
        let only = |add: &BTreeSet<ResourceId>, remove: &BTreeSet<ResourceId>| AttributeChange {
            change: Change::References { add: add.clone(), remove: remove.clone() },
            ..change.clone()
        };
        if !add.is_empty() {
            adds.push(only(add, &BTreeSet::new()));
        }
        if !remove.is_empty() {
            removals.push(only(&BTreeSet::new(), remove));
        }
    }
    [values, adds, removals]
}
