//! What changes for an entry that is to have a resource: by what is desired, what was exported, and who else will be there.

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{
    AttributeChange, AttributeName, Change, DnKey, Draft, DraftValue, OperationKind, Plain, Reason, SourceId,
    TargetPath, TargetValue, attribute_changes,
};
use provisor_space::{EntryKey, LinkView, Space, StoredView};

use super::Halt;
use super::harvest::{Harvest, Pending};
use super::judge::Judge;
use crate::SyncError;
use crate::finalise::{is_meant_anew, turns_off};
use crate::resolve::bad_reference;

/// A value as far as it can be had, but for whether the objects of references will be there.
enum Wanted {
    Value(DraftValue),
    One(SourceId, EntryKey),
    Many(Vec<(SourceId, EntryKey)>),
}

/// The target has to be asked first.
struct Later;

/// What a new resource is to have, as far as it is counted.
#[derive(Default)]
struct NewWants {
    /// What it gets for certain.
    plain: Vec<TargetPath>,
    /// References to one entry each.
    singles: Vec<(TargetPath, EntryKey)>,
    /// Lists of references.
    lists: Vec<(TargetPath, Vec<EntryKey>)>,
}

/// One attribute that is wanted.
struct Want {
    path: TargetPath,
    on_create: bool,
    value: Wanted,
}

impl Judge<'_> {
    /// Judges an entry that is to have a resource, by a draft in which no value is left to be chosen.
    pub fn desire(
        &self,
        space: &Space,
        stored: &StoredView<'_>,
        link: Option<LinkView<'_>>,
        draft: Draft,
        harvest: &mut Harvest,
    ) -> Result<(), Halt> {
        let Some(link) = link else {
            return match self.new_wants(space, stored.key(), draft, harvest)? {
                Ok(wants) => {
                    self.prospects.set(stored.key(), true);
                    match wants {
                        Some(wants) => self.create(space, stored, wants, harvest),
                        None => Ok(()),
                    }
                }
                Err(reason) => {
                    self.hold(stored, None, reason, harvest);
                    Ok(())
                }
            };
        };
        let kind = draft.kind.clone();
        let wants = match self.wants(space, stored.key(), draft, harvest)? {
            Ok(wants) => wants,
            Err(reason) => {
                self.hold(stored, Some(link), reason, harvest);
                return Ok(());
            }
        };
        self.prospects.set(stored.key(), true);
        match wants {
            Some(wants) => self.update(space, stored, link, &kind, wants, harvest),
            None => Ok(()),
        }
    }

    /// Who has this value, here or in another directory. Where the target has to be asked first, the entry comes again, and
    /// `Err` stands in place of it.
    fn by_value(
        &self,
        space: &Space,
        (attribute, value): (AttributeName, String),
        harvest: &mut Harvest,
    ) -> Result<Result<Option<(SourceId, EntryKey)>, Later>, Halt> {
        let found = space.meant_by_value(&attribute, &value).map_err(SyncError::from)?;
        if let Some(found) = found.map_err(Halt::Index)? {
            return Ok(Ok(Some(found)));
        }
        match space.foreign_by_value(&attribute, &value).map_err(SyncError::from)? {
            Some(found) => Ok(Ok(found)),
            None if self.complete || value.is_empty() => Ok(Ok(None)),
            None => {
                harvest.questions.insert((attribute, value));
                Ok(Err(Later))
            }
        }
    }

    /// Looks the references of a new resource up as far as its changes can be counted; a reason where one cannot be made
    /// sense of, and nothing where the entry comes again.
    fn new_wants(
        &self,
        space: &Space,
        key: EntryKey,
        draft: Draft,
        harvest: &mut Harvest,
    ) -> Result<Result<Option<NewWants>, Reason>, Halt> {
        let mut later = false;
        let mut wants = NewWants { plain: Vec::with_capacity(draft.attributes.most()), ..NewWants::default() };
        for (path, attribute) in draft.attributes.into_set() {
            let target = match attribute.value {
                DraftValue::Reference(dn) => {
                    let Ok(name) = DnKey::of(&dn) else {
                        return Ok(Err(bad_reference(&path, &dn)));
                    };
                    let target = space.reference_key_by_dn(key, &name).map_err(SyncError::from)?;
                    // Whose standing is known need not be looked at.
                    if target.is_some_and(|target| self.prospects.in_reach(target) == Some(true)) {
                        target
                    } else {
                        space.meant_by_dn(key, &name).map_err(SyncError::from)?.0.map(|(_, target)| target)
                    }
                }
                DraftValue::ReferenceBy { attribute, value } => {
                    match self.by_value(space, (attribute, value), harvest)? {
                        Ok(found) => found.map(|(_, target)| target),
                        Err(Later) => {
                            later = true;
                            continue;
                        }
                    }
                }
                DraftValue::ReferencesOf(attribute) => {
                    wants.lists.push((path, space.reference_keys_of(key, &attribute).map_err(SyncError::from)?));
                    continue;
                }
                _ => {
                    wants.plain.push(path);
                    continue;
                }
            };
            wants.singles.extend(target.map(|target| (path, target)));
        }
        if later {
            harvest.again.push(key);
        }
        Ok(Ok((!later).then_some(wants)))
    }

    /// Looks references up; a reason where one cannot be made sense of, and nothing where the entry comes again.
    fn wants(
        &self,
        space: &Space,
        key: EntryKey,
        draft: Draft,
        harvest: &mut Harvest,
    ) -> Result<Result<Option<Vec<Want>>, Reason>, Halt> {
        let mut later = false;
        let mut wants = Vec::with_capacity(draft.attributes.most());
        for (path, attribute) in draft.attributes.into_set() {
            let one = |found: Option<(SourceId, EntryKey)>| found.map(|(id, target)| Wanted::One(id, target));
            let value = match attribute.value {
                DraftValue::Reference(dn) => {
                    let Ok(name) = DnKey::of(&dn) else {
                        return Ok(Err(bad_reference(&path, &dn)));
                    };
                    one(space.meant_by_dn(key, &name).map_err(SyncError::from)?.0)
                }
                DraftValue::ReferenceBy { attribute, value } => {
                    match self.by_value(space, (attribute, value), harvest)? {
                        Ok(found) => one(found),
                        Err(Later) => {
                            later = true;
                            continue;
                        }
                    }
                }
                DraftValue::ReferencesOf(attribute) => {
                    Some(Wanted::Many(space.numbered_references_of(key, &attribute).map_err(SyncError::from)?))
                }
                value => Some(Wanted::Value(value)),
            };
            wants.extend(value.map(|value| Want { path, on_create: attribute.on_create, value }));
        }
        if later {
            harvest.again.push(key);
        }
        Ok(Ok((!later).then_some(wants)))
    }

    /// Whether an entry will have a resource; none where that shows only later.
    fn there(&self, space: &Space, key: EntryKey) -> Result<Option<bool>, SyncError> {
        if let Some(there) = self.prospects.known(key) {
            return Ok(Some(there));
        }
        if !self.complete && self.judged.binary_search(&key).is_ok() {
            return Ok(None);
        }
        let standing = space.standing_of(key)?;
        self.prospects.set_standing(key, standing.provisioned, standing.in_source);
        Ok(Some(standing.provisioned))
    }

    /// Those of these entries to whom a reference will lead to a resource; none where that shows only later.
    fn in_reach(&self, space: &Space, keys: Vec<EntryKey>) -> Result<Option<BTreeSet<EntryKey>>, SyncError> {
        let mut found = BTreeSet::new();
        for key in keys {
            if self.there(space, key)?.is_none() {
                return Ok(None);
            }
            if self.prospects.in_reach(key) == Some(true) {
                found.insert(key);
            }
        }
        Ok(Some(found))
    }

    /// Those of many who will be there; none where that shows only later.
    fn those_there(
        &self,
        space: &Space,
        many: Vec<(SourceId, EntryKey)>,
    ) -> Result<Option<BTreeSet<SourceId>>, SyncError> {
        let mut found = BTreeSet::new();
        for (id, key) in many {
            match self.there(space, key)? {
                Some(true) => {
                    found.insert(id);
                }
                Some(false) => {}
                None => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    fn create(
        &self,
        space: &Space,
        stored: &StoredView<'_>,
        wants: NewWants,
        harvest: &mut Harvest,
    ) -> Result<(), Halt> {
        let key = stored.key();
        let NewWants { mut plain, singles, lists: wanted } = wants;
        let mut lists = Vec::with_capacity(wanted.len());
        for (path, keys) in wanted {
            match self.in_reach(space, keys)? {
                Some(there) => lists.push((path, there)),
                None => {
                    harvest.again.push(key);
                    return Ok(());
                }
            }
        }
        for (path, target) in singles {
            match self.there(space, target)? {
                Some(true) => plain.push(path),
                Some(false) => {}
                None => {
                    harvest.pending.push(Pending { key, path, target, if_there: true, if_not: false, alone: false })
                }
            }
        }
        plain.iter().for_each(|path| harvest.attribute(path));
        let mut changes = Vec::new();
        for (path, add) in lists.into_iter().filter(|(_, add)| !add.is_empty()) {
            harvest.attribute(&path);
            let change = Change::References { add, remove: BTreeSet::new() };
            changes.push(AttributeChange { path, old: None, change });
        }
        harvest.operation(OperationKind::Create, self.costs.requests(OperationKind::Create, &changes));
        harvest.first.offer(stored.stored_id(), key);
        Ok(())
    }

    fn update(
        &self,
        space: &Space,
        stored: &StoredView<'_>,
        link: LinkView<'_>,
        kind: &str,
        wants: Vec<Want>,
        harvest: &mut Harvest,
    ) -> Result<(), Halt> {
        let key = stored.key();
        let mut desired = BTreeMap::new();
        let mut unknown = None;
        // What a joined or created resource got once is not looked at again.
        for Want { path, value, .. } in wants.into_iter().filter(|want| !want.on_create) {
            let value = match value {
                Wanted::Value(value) => plain_value(value),
                Wanted::One(id, target) => match self.there(space, target)? {
                    Some(there) => there.then_some(TargetValue::Reference(id)),
                    None if unknown.is_none() => {
                        unknown = Some((path, id, target));
                        continue;
                    }
                    None => {
                        harvest.again.push(key);
                        return Ok(());
                    }
                },
                Wanted::Many(many) => match self.those_there(space, many)? {
                    Some(there) => Some(TargetValue::References(there)),
                    None => {
                        harvest.again.push(key);
                        return Ok(());
                    }
                },
            };
            desired.extend(value.map(|value| (path, value)));
        }
        // Mostly nothing changes, which shows without what was exported being taken apart.
        let unforced = !link.disabled && !stored.uncertain();
        if unknown.is_none() && unforced && link.is_exported(&desired).map_err(SyncError::from)? {
            return Ok(());
        }
        let exported = link.exported().map_err(SyncError::from)?;
        if link.disabled {
            let on = TargetValue::Plain(Plain::Boolean(true));
            desired.entry(self.context.paths.active.clone()).or_insert(on);
        }
        self.facts.keep_spelling_of(kind, &exported, &mut desired);
        let mut changes = attribute_changes(&exported, &desired);
        let mut pending = None;
        if let Some((path, id, target)) = unknown {
            let old = exported.get(&path);
            let (if_there, if_not) = (old != Some(&TargetValue::Reference(id)), old.is_some());
            changes.retain(|change| change.path != path);
            let certain = changes.iter().any(|change| !matches!(change.change, Change::References { .. }));
            // How many requests it takes depends on more than this one change.
            if !(certain || (changes.is_empty() && unforced)) {
                harvest.again.push(key);
                return Ok(());
            }
            pending = Some(Pending { key, path, target, if_there, if_not, alone: !certain });
        }
        let Some(removed) = self.removed_but_staying(space, &changes)? else {
            harvest.again.push(key);
            return Ok(());
        };
        let alone = pending.as_ref().is_some_and(|pending| pending.alone);
        harvest.pending.extend(pending);
        if alone || (changes.is_empty() && unforced) {
            return Ok(());
        }
        harvest.tally.references_removed += removed;
        if turns_off(&changes, &self.context.paths.active) {
            *harvest.tally.disabled_by_rules.entry(kind.to_owned()).or_default() += 1;
        }
        changes.iter().for_each(|change| harvest.attribute(&change.path));
        harvest.operation(OperationKind::Update, self.costs.requests(OperationKind::Update, &changes));
        harvest.first.offer(stored.stored_id(), key);
        Ok(())
    }

    /// How many references are taken away whose own resource stays in use; none where that shows only later.
    fn removed_but_staying(
        &self,
        space: &Space,
        changes: &[AttributeChange<SourceId>],
    ) -> Result<Option<u64>, SyncError> {
        let mut count = 0;
        for change in changes {
            if let Change::References { add, remove } = &change.change {
                for id in remove {
                    let Some(target) = space.reference_target(id)? else { continue };
                    if is_meant_anew(space, &target, add)? {
                        continue;
                    }
                    match self.there(space, target.key)? {
                        Some(there) => count += u64::from(there),
                        None => return Ok(None),
                    }
                }
            }
        }
        Ok(Some(count))
    }

    /// Counts a reference of which was not known whether its object will be there.
    pub fn settle(&self, space: &Space, pending: Pending, harvest: &mut Harvest) -> Result<(), SyncError> {
        let there = self.prospects.ask(space, pending.target)?;
        if !(if there { pending.if_there } else { pending.if_not }) {
            return Ok(());
        }
        harvest.attribute(&pending.path);
        if pending.alone {
            let change = Change::Set(TargetValue::Plain(Plain::Boolean(true)));
            let changes = [AttributeChange::<u32> { path: pending.path, old: None, change }];
            harvest.operation(OperationKind::Update, self.costs.requests(OperationKind::Update, &changes));
            if harvest.first.most() > 0
                && let Some(id) = space.source_id(pending.key)?
            {
                harvest.first.offer(&id, pending.key);
            }
        }
        Ok(())
    }
}

/// A value that needs no resolving.
fn plain_value(value: DraftValue) -> Option<TargetValue<SourceId>> {
    match value {
        DraftValue::Plain(plain) => Some(TargetValue::Plain(plain)),
        DraftValue::List(values) => Some(TargetValue::List(values.into_iter().collect())),
        DraftValue::Rows(rows) => Some(TargetValue::Rows(rows.into_iter().collect())),
        DraftValue::Reference(_)
        | DraftValue::ReferenceBy { .. }
        | DraftValue::ReferencesOf(_)
        | DraftValue::FirstUnique(_) => None,
    }
}
