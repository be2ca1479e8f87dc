//! The inspection as entries come in: each is looked at by itself, and what is to be compared with others is kept.

use std::collections::BTreeMap;

use provisor_model::{Anchor, Attributes, DnKey, EntryChange, ImportItem, KeptError, SourceId, Value, ValueChange};

use super::conflict::{self, Claim, Standing, TargetUser};
use super::dedicated;
use super::finding::{Finding, FindingCount, Findings};
use super::object::{Examined, MEMBERS, OTHERS, Object, Sort, reference};
use super::references::References;
use super::report::{HygieneRequest, RuleSet};
use super::roster::{Roster, TooMany};
use super::rules;
use super::skip::{Skip, skip};
use super::values::Values;

/// Why entries cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InspectionError {
    /// An entry is damaged.
    #[error(transparent)]
    Damaged(#[from] KeptError),
    /// More objects than are compared at once.
    #[error("{0}, more than are compared at once. Narrow the base or the filter of the source")]
    TooMany(#[from] TooMany),
}

/// An inspection under way.
#[derive(Debug)]
pub(crate) struct Inspector {
    request: HygieneRequest,
    roster: Roster,
    values: Values,
    references: References,
    findings: Findings,
    read: u64,
    inspected: u64,
    skipped: BTreeMap<&'static str, u64>,
}

/// What an inspection has come to.
pub(crate) struct Inspection {
    pub read: u64,
    pub inspected: u64,
    pub skipped: BTreeMap<String, u64>,
    /// References that were not looked at, because there were too many.
    pub overlooked: u64,
    pub found: u64,
    pub counts: Vec<FindingCount>,
    pub findings: Vec<Finding>,
}

/// An entry as it came, whatever the form.
struct Came<'a> {
    id: &'a SourceId,
    anchor: &'a Anchor,
    dn: &'a str,
    name: &'a DnKey,
    class: &'a str,
    attributes: &'a Attributes,
}

impl Inspector {
    /// An inspection that has seen nothing yet.
    pub fn new(request: HygieneRequest) -> Self {
        Self {
            request,
            roster: Roster::default(),
            values: Values::default(),
            references: References::default(),
            findings: Findings::default(),
            read: 0,
            inspected: 0,
            skipped: BTreeMap::new(),
        }
    }

    /// How many objects have come.
    pub fn read(&self) -> u64 {
        self.read
    }

    /// Looks at what a full import brings.
    ///
    /// # Errors
    /// When an entry is damaged, or there are too many.
    pub fn take(&mut self, items: Vec<ImportItem>) -> Result<(), InspectionError> {
        for item in items {
            match item {
                ImportItem::Upsert(entry) => {
                    let (dn, name) = (entry.dn.to_string(), entry.dn.key());
                    self.entry(&Came {
                        id: &entry.source_id,
                        anchor: &entry.anchor,
                        dn: &dn,
                        name: &name,
                        class: &entry.object_class,
                        attributes: &entry.attributes,
                    })?;
                }
                ImportItem::Kept(entry) => {
                    let attributes = entry.attributes.attributes()?;
                    self.entry(&Came {
                        id: &entry.source_id,
                        anchor: &entry.anchor,
                        dn: &entry.dn,
                        name: &entry.dn_key,
                        class: &entry.object_class,
                        attributes: &attributes,
                    })?;
                }
                ImportItem::Changed(change) => self.change(&change)?,
                // Nothing is said of what an entry holds.
                ImportItem::Delete(_) | ImportItem::Present(_) | ImportItem::Listed(..) | ImportItem::Excluded(_) => {}
            }
        }
        Ok(())
    }

    fn entry(&mut self, came: &Came<'_>) -> Result<(), InspectionError> {
        let place = self.roster.place(came.id)?;
        let first = self.roster.enter(place, came.dn, came.name, came.id, came.class);
        self.references.came(self.roster.keys(came.name, came.id));
        if !first {
            // It changed while it was read, and came again: what was found stands for how it was.
            return Ok(());
        }
        self.read += 1;
        let sort = Sort::of(came.class, came.attributes);
        if sort == Sort::Other {
            return Ok(());
        }
        self.values.note_anchor(place, &came.anchor.to_string());
        let id = came.id.to_string();
        let object = Object { dn: came.dn, id: &id, class: came.class, sort, attributes: came.attributes };
        let skipped = skip(&object);
        if let Some(skipped) = skipped {
            *self.skipped.entry(skipped.reason()).or_default() += 1;
        }
        self.references.begin_anew(place);
        if !matches!(skipped, Some(Skip::Wholly(_))) {
            for attribute in MEMBERS.into_iter().chain(OTHERS) {
                self.references.note(&self.roster, place, attribute, object.texts(attribute));
            }
        }
        if skipped.is_none() {
            self.inspected += 1;
            self.values.note_all(place, &object, self.request.alternate_id);
            let mut examined = Examined { object, findings: &mut self.findings };
            match self.request.rules {
                RuleSet::MultiTenant => rules::examine(&mut examined, self.request.alternate_id),
                RuleSet::Dedicated => dedicated::examine(&mut examined),
            }
        }
        Ok(())
    }

    /// A change to an entry, in a full import: the members of a large group come in parts. What else has changed while it
    /// was read is left to the next inspection.
    fn change(&mut self, change: &EntryChange) -> Result<(), InspectionError> {
        let place = self.roster.speak_of(&change.source_id)?;
        for (name, values) in &change.attributes {
            let Some(attribute) = reference(name) else { continue };
            if let ValueChange::Edited { added, removed } = values {
                self.references.note(&self.roster, place, attribute, added.iter().filter_map(Value::as_text));
                self.references.members_left(place, attribute, removed.len());
            }
        }
        Ok(())
    }

    /// Objects of which a change came and nothing else, at most so many; they are not given again.
    pub fn take_incomplete(&mut self, most: usize) -> Vec<SourceId> {
        self.roster.take_spoken_of(most)
    }

    /// The objects here that have a value of a user of the target, and are not who it belongs to by its anchor.
    pub fn claims(&self, user: &TargetUser) -> Vec<Claim> {
        conflict::claims(&self.values, &self.roster, user)
    }

    /// Notes that a user of the target has a value of an object that it does not belong to.
    pub fn conflict(&mut self, user: &TargetUser, claim: &Claim, standing: &Standing) {
        let (values, roster) = (&self.values, &self.roster);
        let words = || conflict::finding(values, roster, user, claim, standing);
        self.findings.add(super::FindingKind::Conflict, claim.attribute, words);
    }

    /// Compares all that has come, and tells what was found.
    pub fn finish(mut self) -> Inspection {
        self.values.report(&self.roster, &mut self.findings);
        let overlooked = self.references.overlooked();
        self.references.report(&self.roster, self.request.member_limit, &mut self.findings);
        let found = self.findings.found();
        let (findings, counts) = self.findings.finish();
        let skipped = self.skipped.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect();
        Inspection { read: self.read, inspected: self.inspected, skipped, overlooked, found, counts, findings }
    }
}

#[cfg(test)]
mod tests {
    use provisor_model::{AttributeName, Entry, IdSyntax, KeptAttributes, KeptEntry};

    use super::super::FindingKind;
    use super::*;

    const REQUEST: HygieneRequest =
        HygieneRequest { rules: RuleSet::MultiTenant, alternate_id: false, member_limit: 3, target: false };

    fn text(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    fn id(number: u8) -> SourceId {
        SourceId::new(IdSyntax::Guid, &[number; 16]).unwrap()
    }

    fn entry(number: u8, class: &str, attributes: &[(&str, &[&str])]) -> Entry {
        Entry {
            source_id: id(number),
            anchor: id(number).into(),
            dn: format!("CN=n{number},DC=lab").parse().unwrap(),
            object_class: class.into(),
            attributes: attributes
                .iter()
                .map(|(name, values)| (*name, values.iter().map(|value| text(value)).collect()))
                .collect(),
        }
    }

    fn kept(entry: &Entry) -> ImportItem {
        ImportItem::Kept(KeptEntry {
            source_id: entry.source_id.clone(),
            anchor: entry.anchor.clone(),
            dn: entry.dn.to_string(),
            dn_key: entry.dn.key(),
            object_class: entry.object_class.clone(),
            attributes: KeptAttributes::of(&entry.attributes).unwrap(),
        })
    }

    fn added(number: u8, members: &[String]) -> ImportItem {
        let added = members.iter().map(|member| text(member)).collect();
        ImportItem::Changed(EntryChange {
            object_class: None,
            source_id: id(number),
            dn: None,
            anchor: None,
            attributes: vec![(AttributeName::from("member"), ValueChange::Edited { added, removed: vec![] })],
        })
    }

    fn found(items: Vec<ImportItem>) -> Inspection {
        let mut inspector = Inspector::new(REQUEST);
        inspector.take(items).unwrap();
        inspector.finish()
    }

    #[test]
    fn both_forms_of_an_entry_are_looked_at_alike() {
        let one = entry(1, "user", &[("displayName", &[" "]), ("userPrincipalName", &["a@lab.local"])]);
        let (whole, kept) = (found(vec![ImportItem::Upsert(one.clone())]), found(vec![kept(&one)]));
        assert_eq!(whole.found, 2);
        assert_eq!(whole.findings, kept.findings);
        assert_eq!((kept.read, kept.inspected), (1, 1));
    }

    #[test]
    fn members_that_come_in_parts_and_by_id_are_followed() {
        let reference = |number: u8| format!("<GUID={}>", id(number));
        let (first, second) = (reference(1), reference(2));
        let items = vec![
            // What comes before the group itself is in the group too.
            added(9, &[reference(2)]),
            kept(&entry(9, "group", &[("member", &[first.as_str(), second.as_str()])])),
            kept(&entry(1, "user", &[])),
            kept(&entry(2, "user", &[])),
            added(9, &[reference(7), reference(1)]),
            kept(&entry(3, "user", &[])),
        ];
        let inspection = found(items);
        let errors: Vec<FindingKind> = inspection.findings.iter().map(|finding| finding.error).collect();
        assert_eq!(errors, [FindingKind::Unreachable, FindingKind::Members], "{:?}", inspection.findings);
        assert_eq!(inspection.findings[0].value, reference(7));
        assert_eq!(inspection.findings[1].value, "4");
    }

    #[test]
    fn who_was_only_spoken_of_is_asked_for_once() {
        let mut inspector = Inspector::new(REQUEST);
        inspector.take(vec![added(8, &[]), added(9, &[]), kept(&entry(9, "group", &[])), added(9, &[])]).unwrap();
        assert_eq!(inspector.take_incomplete(10), [id(8)]);
        assert_eq!(inspector.take_incomplete(10), []);
    }

    #[test]
    fn what_comes_again_is_counted_once() {
        let one = entry(1, "user", &[("mail", &["a@lab.org"]), ("displayName", &[" "])]);
        let inspection = found(vec![kept(&one), kept(&one), ImportItem::Upsert(one)]);
        assert_eq!((inspection.read, inspection.found), (1, 1), "{:?}", inspection.findings);
    }

    #[test]
    fn what_is_passed_over_is_told_with_the_reason() {
        let critical = entry(1, "user", &[("isCriticalSystemObject", &["TRUE"]), ("displayName", &[" "])]);
        let group =
            entry(2, "group", &[("sAMAccountName", &["g"]), ("groupType", &["-2147483646"]), ("member", &["CN=x"])]);
        let unit = entry(3, "organizational-unit", &[("displayName", &[" "])]);
        let inspection = found([critical, group, unit].iter().map(kept).collect());
        assert_eq!((inspection.read, inspection.inspected), (3, 0));
        assert_eq!(inspection.skipped.len(), 2, "{:?}", inspection.skipped);
        // Only the group is looked at, and only for its members.
        assert_eq!(inspection.counts.len(), 1);
        assert_eq!(inspection.findings[0].error, FindingKind::Unreachable);
    }

    #[test]
    fn objects_of_one_anchor_are_told() {
        let mut other = entry(2, "user", &[]);
        other.anchor = id(1).into();
        let inspection = found(vec![kept(&entry(1, "user", &[])), kept(&other)]);
        let kinds: Vec<FindingKind> = inspection.findings.iter().map(|finding| finding.error).collect();
        assert_eq!(kinds, [FindingKind::Anchor, FindingKind::Anchor]);
    }
}
