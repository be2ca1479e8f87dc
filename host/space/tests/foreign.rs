//! References to objects of other directories, through the public calls.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "these are tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use provisor_model::{
    Anchor, AttributeName, AttributeSyntax, Attributes, Dn, Entry, IdSyntax, ImportItem, ResourceId, Schema, SourceId,
    Value,
};
use provisor_space::{CrossReference, EntryKey, ImportEnd, Link, LinkState, Question, ReferenceTarget, Space};
use tempfile::TempDir;

struct Store {
    _folder: TempDir,
    space: Space,
}

fn id(number: u128) -> SourceId {
    SourceId::new(IdSyntax::Guid, &number.to_be_bytes()).unwrap()
}

fn schema() -> Schema {
    Schema::new([(AttributeName::from("member"), AttributeSyntax::Dn)])
}

fn entry(number: u128, name: &str, class: &str, attributes: &[(&str, &[&str])]) -> Entry {
    let values = |texts: &[&str]| texts.iter().map(|text| Value::Text((*text).to_owned())).collect::<Vec<_>>();
    Entry {
        source_id: id(number),
        anchor: Anchor::from(id(number)),
        dn: format!("cn={name},o=lab").parse::<Dn>().unwrap(),
        object_class: class.into(),
        attributes: attributes.iter().map(|(name, texts)| (*name, values(texts))).collect::<Attributes>(),
    }
}

fn contact(mail: &str) -> Entry {
    entry(2, "boss", "contact", &[("mail", &[mail])])
}

const CREW: u128 = 1;
const ANN: u128 = 3;

impl Store {
    /// A group with a person and a contact in it, evaluated.
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let space = Space::open(&folder.path().join("lab.space")).unwrap();
        let mut store = Self { _folder: folder, space };
        store.space.adopt_cross_references(&[by_mail()]).unwrap();
        store.import(&contact("boss@b"));
        store.evaluated();
        store
    }

    fn import(&mut self, contact: &Entry) {
        let crew = entry(CREW, "crew", "group", &[("member", &["cn=ann,o=lab", "cn=boss,o=lab"])]);
        let ann = entry(ANN, "ann", "user", &[("mail", &["ann@a"])]);
        let items: Vec<ImportItem> = [crew, ann, contact.clone()].into_iter().map(ImportItem::Upsert).collect();
        self.space.begin_import().unwrap();
        let page = self.space.preparation(Arc::new(schema())).page(items).unwrap();
        self.space.store_page(&page).unwrap();
        let reads = BTreeSet::new();
        let end = ImportEnd { watermark: b"1", reads: &reads, absent_is_deleted: true };
        assert_eq!(self.space.complete_import(&end).unwrap(), 0, "nobody is gone");
        self.space.note_stand_ins().unwrap();
    }

    /// Everybody was evaluated.
    fn evaluated(&mut self) {
        for stored in self.space.dirty_entries(None, 100).unwrap() {
            self.space.evaluated(stored.key, &stored.entry.source_id, None, None).unwrap();
        }
    }

    fn due(&self, now: i64) -> Vec<Question> {
        [true, false].into_iter().flat_map(|new| self.space.questions_due(now, new, 10).unwrap()).collect()
    }

    fn key(&self, number: u128) -> EntryKey {
        self.space.entry_by_source_id(&id(number)).unwrap().unwrap().key
    }

    fn members(&self) -> BTreeSet<SourceId> {
        self.space.references_of(self.key(CREW), &"member".into()).unwrap().into_iter().collect()
    }

    /// Who waits for an evaluation, by source id.
    fn dirty(&self) -> BTreeSet<SourceId> {
        self.space.dirty_entries(None, 100).unwrap().into_iter().map(|stored| stored.entry.source_id).collect()
    }
}

fn by_mail() -> CrossReference {
    CrossReference {
        attribute: "mail".into(),
        object_classes: BTreeSet::from(["contact".to_owned()]),
        kind: "User".into(),
        path: "emails.value".parse().unwrap(),
    }
}

/// What a reference to a user of the target is called.
fn user(resource: &str) -> SourceId {
    SourceId::parse(IdSyntax::Resource, &format!("User {resource}")).unwrap()
}

#[test]
fn who_stands_for_somebody_is_replaced_by_them_once_they_are_found() {
    let mut store = Store::new();
    let asked = store.due(1);
    assert_eq!(asked.iter().map(|asked| asked.value.as_str()).collect::<Vec<_>>(), ["boss@b"]);
    assert_eq!(store.members(), BTreeSet::from([id(ANN), id(2)]));
    assert!(store.space.answer(&asked[0], Some(&ResourceId::new("77")), 1, false).unwrap());
    assert_eq!(store.dirty(), BTreeSet::from([id(CREW)]), "who refers to them");
    assert_eq!(store.members(), BTreeSet::from([id(ANN), user("77")]));
    let target = store.space.reference_target(&user("77")).unwrap().unwrap();
    let resource_id = Some(ResourceId::new("77"));
    assert_eq!(target, ReferenceTarget { key: target.key, resource_id, provisioned: true });
    assert_eq!(store.space.source_of(Some("User"), &ResourceId::new("77")).unwrap(), Some(user("77")));
    // Found, it is confirmed after a day, and the same answer changes nothing.
    assert_eq!(store.due(43_200_000), []);
    let again = store.due(86_400_001);
    assert_eq!(again[0].known, Some(ResourceId::new("77")));
    assert!(!store.space.answer(&again[0], Some(&ResourceId::new("77")), 86_400_001, false).unwrap());
}

#[test]
fn a_resource_of_the_target_is_never_taken_for_an_entry_of_the_source() {
    let mut store = Store::new();
    let asked = store.due(1);
    store.space.answer(&asked[0], Some(&ResourceId::new("77")), 1, false).unwrap();
    store.evaluated();
    // A full import does not name it: it is not gone for that.
    store.import(&contact("boss@b"));
    assert_eq!(store.members(), BTreeSet::from([id(ANN), user("77")]));
    assert_eq!(store.space.counts().unwrap().entries, 3);
    assert_eq!(store.space.all_keys(false).unwrap().len(), 3);
    store.space.mark_all_dirty().unwrap();
    assert_eq!(store.dirty().len(), 3, "there is nothing about it to be evaluated");
    assert_eq!(store.space.link_counts().unwrap(), BTreeMap::new());
}

#[test]
fn a_contact_that_stands_for_somebody_else_takes_the_reference_along() {
    let mut store = Store::new();
    let asked = store.due(1);
    store.space.answer(&asked[0], Some(&ResourceId::new("77")), 1, false).unwrap();
    store.evaluated();
    store.import(&contact("amy@b"));
    assert!(store.dirty().contains(&id(CREW)));
    let asked = store.due(2);
    assert_eq!(
        asked.iter().map(|asked| asked.value.as_str()).collect::<Vec<_>>(),
        ["amy@b"],
        "nobody asks for the other"
    );
    store.space.answer(&asked[0], Some(&ResourceId::new("78")), 2, false).unwrap();
    assert_eq!(store.members(), BTreeSet::from([id(ANN), user("78")]));
    // The former can still be told to the target, to be taken away there.
    assert_eq!(store.space.resource_of(&user("77")).unwrap(), Some(ResourceId::new("77")));
}

#[test]
fn who_is_not_found_is_asked_for_less_and_less_often() {
    let mut store = Store::new();
    let mut now = 1;
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let asked = store.due(now);
        store.space.answer(&asked[0], None, now, false).unwrap();
        let next = (0..=60).find(|minute| !store.due(now + 1 + minute * 60_000).is_empty()).unwrap();
        pauses.push(next);
        now += 1 + next * 60_000;
    }
    assert_eq!(pauses, [0, 2, 10, 30]);
    // Who only looks takes nobody's turn.
    let asked = store.due(now);
    store.space.answer(&asked[0], None, now, true).unwrap();
    assert_eq!(store.due(now), []);
    assert_eq!(store.due(now + 1).len(), 1);
}

#[test]
fn a_resource_that_an_entry_here_has_is_that_entry() {
    let mut store = Store::new();
    let link = Link {
        kind: "User".into(),
        resource_id: ResourceId::new("5"),
        anchor: Anchor::from(id(ANN)),
        state: LinkState::Active,
        exported: BTreeMap::new(),
    };
    let ann = store.key(ANN);
    store.space.set_link(ann, &link).unwrap();
    let asked = store.due(1);
    store.space.answer(&asked[0], Some(&ResourceId::new("5")), 1, false).unwrap();
    assert_eq!(store.members(), BTreeSet::from([id(ANN)]), "the same person twice is once a member");
}

#[test]
fn what_is_gone_from_the_target_is_referred_to_by_nobody() {
    let mut store = Store::new();
    let asked = store.due(1);
    let resource = ResourceId::new("77");
    store.space.answer(&asked[0], Some(&resource), 1, false).unwrap();
    store.evaluated();
    store.space.forget_foreign("User", &resource).unwrap();
    assert_eq!(store.dirty(), BTreeSet::from([id(CREW)]));
    assert_eq!(store.members(), BTreeSet::from([id(ANN), id(2)]), "the contact is meant itself again");
    assert_eq!(store.space.reference_target(&user("77")).unwrap(), None);
    // Another target has other resources.
    let asked = store.due(i64::MAX);
    store.space.answer(&asked[0], Some(&resource), 3, false).unwrap();
    store.space.forget_links().unwrap();
    assert_eq!(store.space.reference_target(&user("77")).unwrap(), None);
    assert_eq!(store.due(0).len(), 1, "it is asked anew");
}

#[test]
fn a_value_that_nobody_has_here_is_asked_for_at_the_target() {
    let mut store = Store::new();
    let (crew, mail) = (store.key(CREW), AttributeName::from("mail"));
    assert_eq!(store.space.reference_by_value(crew, &mail, "Cyd@c").unwrap(), None);
    assert_eq!(store.space.foreign_by_value(&mail, "Cyd@c").unwrap(), None, "it was never asked");
    store.space.ask_by_value(&mail, "Cyd@c").unwrap();
    store.evaluated();
    let asked = store.due(1).into_iter().find(|asked| asked.value == "Cyd@c").unwrap();
    assert!(store.space.answer(&asked, Some(&ResourceId::new("9")), 1, false).unwrap());
    assert_eq!(store.dirty(), BTreeSet::from([id(CREW)]), "who asked for it");
    let found = store.space.foreign_by_value(&mail, "cyd@C").unwrap().unwrap().unwrap();
    assert_eq!(found.0, user("9"));
    assert_eq!(store.space.foreign_by_value(&"uid".into(), "cyd").unwrap(), Some(None), "nobody is found by it");
}

#[test]
fn names_of_resources_that_are_too_long_stay_apart() {
    let mut store = Store::new();
    let (long, mail) = ("x".repeat(80), AttributeName::from("mail"));
    let mut found = BTreeSet::new();
    for value in ["a", "b"] {
        store.space.ask_by_value(&mail, value).unwrap();
        let asked = store.due(1).into_iter().find(|asked| asked.value == value).unwrap();
        store.space.answer(&asked, Some(&ResourceId::new(format!("{long}{value}"))), 1, false).unwrap();
        found.insert(store.space.foreign_by_value(&mail, value).unwrap().unwrap().unwrap().0);
    }
    assert_eq!(found.len(), 2);
}
