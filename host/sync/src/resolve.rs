//! From a draft to what is desired: references become source ids, and the first unique candidate is chosen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use provisor_model::{AttributeName, DnKey, Draft, DraftValue, Plain, Reason, SourceId, TargetPath, TargetValue};
use provisor_space::{EntryKey, Space};

use crate::SyncError;

/// What an entry's resource shall be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desired {
    pub kind: String,
    pub attributes: BTreeMap<TargetPath, TargetValue<SourceId>>,
    /// What is set besides when the resource is created.
    pub on_create: BTreeMap<TargetPath, TargetValue<SourceId>>,
    pub contributions: BTreeMap<TargetPath, String>,
    /// All candidates of `first-unique`, in order.
    pub alternatives: BTreeMap<TargetPath, Vec<String>>,
    /// What a person should know about it.
    pub notes: Vec<String>,
}

/// How many names that several entries have are told.
const NAMED: usize = 3;

/// Resolves a draft of this entry; a reason where a value cannot be made sense of, so that the entry is held.
pub(crate) fn resolve(space: &mut Space, key: EntryKey, draft: Draft) -> Result<Result<Desired, Reason>, SyncError> {
    space.clear_lookups(key)?;
    let mut desired = Desired { kind: draft.kind, ..Desired::default() };
    let names = Arc::clone(draft.attributes.names());
    for (path, attribute) in draft.attributes.into_set() {
        if let DraftValue::ReferencesOf(name) = &attribute.value {
            desired.notes.extend(ambiguous(space, key, name)?);
        }
        let value = match resolve_value(space, key, &path, attribute.value, &mut desired.alternatives)? {
            Ok(value) => value,
            Err(reason) => return Ok(Err(reason)),
        };
        let Some(value) = value else { continue };
        desired.contributions.insert(path.clone(), names.plugin(attribute.by).to_owned());
        let place = if attribute.on_create { &mut desired.on_create } else { &mut desired.attributes };
        place.insert(path, value);
    }
    Ok(Ok(desired))
}

/// Words for references by value that mean nobody, because several entries have the value.
fn ambiguous(space: &Space, key: EntryKey, attribute: &AttributeName) -> Result<Option<String>, SyncError> {
    let names = space.ambiguous_references(key, attribute)?;
    if names.is_empty() {
        return Ok(None);
    }
    let shown: Vec<String> = names.iter().take(NAMED).map(|name| format!("\"{name}\"")).collect();
    let more = names.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let words = format!(
        "{attribute} lists {}{more}, which several entries have: nobody is taken for it. Give each entry a value of its own.",
        shown.join(", ")
    );
    tracing::warn!(entry = key.number(), "{words}");
    Ok(Some(words))
}

type Resolved = Result<Option<TargetValue<SourceId>>, Reason>;

fn resolve_value(
    space: &mut Space,
    key: EntryKey,
    path: &TargetPath,
    value: DraftValue,
    alternatives: &mut BTreeMap<TargetPath, Vec<String>>,
) -> Result<Resolved, SyncError> {
    let value = match value {
        DraftValue::Plain(plain) => Some(TargetValue::Plain(plain)),
        DraftValue::List(values) => Some(TargetValue::List(values.into_iter().collect())),
        DraftValue::Rows(rows) => Some(TargetValue::Rows(rows.into_iter().collect())),
        DraftValue::Reference(dn) => {
            let Ok(name) = DnKey::of(&dn) else {
                return Ok(Err(bad_reference(path, &dn)));
            };
            space.reference_by_dn(key, &name)?.map(TargetValue::Reference)
        }
        DraftValue::ReferenceBy { attribute, value } => {
            let found = match space.reference_by_value(key, &attribute, &value)? {
                Some(id) => Some(id),
                None => elsewhere(space, &attribute, &value)?,
            };
            found.map(TargetValue::Reference)
        }
        DraftValue::ReferencesOf(attribute) => {
            let targets: BTreeSet<SourceId> = space.references_of(key, &attribute)?.into_iter().collect();
            Some(TargetValue::References(targets))
        }
        DraftValue::FirstUnique(candidates) => match choose(space, key, path, &candidates)? {
            Some(chosen) => {
                alternatives.insert(path.clone(), candidates);
                Some(TargetValue::Plain(Plain::Text(chosen)))
            }
            None => return Ok(Err(no_unique_value(path))),
        },
    };
    Ok(Ok(value))
}

/// Who has the value in another directory. Where the target was never asked that, it is, before the plan is completed.
fn elsewhere(space: &mut Space, attribute: &AttributeName, value: &str) -> Result<Option<SourceId>, SyncError> {
    match space.foreign_by_value(attribute, value)? {
        Some(found) => Ok(found.map(|(id, _)| id)),
        None => {
            space.ask_by_value(attribute, value)?;
            Ok(None)
        }
    }
}

/// Why an entry is held whose attribute refers to what is no name.
pub(crate) fn bad_reference(path: &TargetPath, dn: &str) -> Reason {
    Reason::new("bad-reference", format!("{path} refers to \"{dn}\", which is not a distinguished name"))
}

/// Why an entry is held for which no value is left that nobody has.
pub(crate) fn no_unique_value(path: &TargetPath) -> Reason {
    Reason::new("no-unique-value", format!("every candidate for {path} belongs to another resource already"))
}

/// The value that the entry has already, while it is among the candidates, else the first that nobody has.
pub(crate) fn choose(
    space: &mut Space,
    key: EntryKey,
    path: &TargetPath,
    candidates: &[String],
) -> Result<Option<String>, SyncError> {
    let mut free = None;
    for candidate in candidates {
        match space.unique_holder(path, candidate)? {
            Some(holder) if holder == key => {
                free = Some(candidate);
                break;
            }
            None if free.is_none() => free = Some(candidate),
            _ => {}
        }
    }
    let Some(chosen) = free else { return Ok(None) };
    space.allot_unique(key, path, chosen)?;
    Ok(Some(chosen.clone()))
}
