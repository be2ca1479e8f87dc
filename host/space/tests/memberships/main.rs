//! Memberships: told by the member, through groups in groups, and as an attribute of the member.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "these are tests")]

mod lab;
mod random;

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{AttributeLanes, DnKey, ImportItem, Value};
use provisor_space::{EntryPage, MEMBER_OF, Memberships, NESTED_MEMBER_OF, Space};

use crate::lab::{Store, Thing, by_id, id, key, members, number};

#[test]
fn who_tells_a_group_is_its_member_and_the_group_is_evaluated_when_that_changes() {
    let mut store = Store::new(false, false, false).with(&[
        (9, Thing::group(9, &[3]).with_rid(513)),
        (8, Thing::group(8, &[]).with_rid(514)),
        (1, Thing::user(1, 513)),
        (2, Thing::user(2, 513)),
        (3, Thing::new(false, 3)),
    ]);
    assert_eq!((store.members(9), store.members(8)), (vec![1, 2, 3], vec![]));
    store.put(&[(1, Thing::user(1, 514))]);
    assert_eq!((store.members(9), store.members(8), store.dirty()), (vec![2, 3], vec![1], vec![1, 8, 9]));
    store.import(&[ImportItem::Delete(id(1))]);
    assert_eq!((store.members(8), store.dirty()), (vec![], vec![1, 8]));
    store.put(&[(1, Thing::user(1, 514)), (4, Thing::user(4, 513))]);
    assert_eq!((store.members(8), store.members(9), store.dirty()), (vec![1], vec![2, 3, 4], vec![1, 4, 8, 9]));
    // Whoever leaves the target is asked for by the same way.
    let (one, eight) = (key(&store.space, 1), key(&store.space, 8));
    assert_eq!(store.space.referrers_of(one).unwrap(), [eight]);
    store.space.mark_referrers_dirty(one).unwrap();
    assert_eq!(store.dirty(), [8]);
}

#[test]
fn the_members_that_tell_a_group_of_the_scope_are_in_scope() {
    let mut store = Store::new(false, false, false).with(&[
        (9, Thing::group(9, &[8])),
        (8, Thing::group(8, &[]).with_rid(514)),
        (1, Thing::new(false, 1)),
    ]);
    // That it is the member who tells it is known.
    let attributes = BTreeSet::from(["member".into(), "primaryGroupID".into()]);
    let settle = |store: &mut Store| {
        let roots = [key(&store.space, 9)];
        store.space.settle_scope_groups(&roots, true, &attributes).unwrap();
    };
    settle(&mut store);
    store.dirty();
    assert!(!store.space.in_scope_groups(key(&store.space, 1)).unwrap());
    store.put(&[(1, Thing::user(1, 514))]);
    settle(&mut store);
    assert!(store.space.in_scope_groups(key(&store.space, 1)).unwrap());
    assert!(store.dirty().contains(&1));
    store.put(&[(1, Thing::new(false, 1))]);
    settle(&mut store);
    assert!(!store.space.in_scope_groups(key(&store.space, 1)).unwrap());
    // So they are when other groups make the scope.
    store.put(&[(1, Thing::user(1, 514))]);
    store.dirty();
    store.space.settle_scope_groups(&[], true, &attributes).unwrap();
    assert_eq!(store.dirty(), [1, 8, 9]);
    settle(&mut store);
    assert_eq!(store.dirty(), [1, 8, 9]);
}

#[test]
fn a_group_of_the_scope_that_loses_its_name_to_another_is_no_longer_one() {
    let mut outer = Thing::new(true, 9).entry(9, &BTreeMap::new());
    outer.attributes.set("member".into(), vec![Value::Text("cn=n8,ou=u0,dc=lab".into())]);
    let mut store = Store::new(false, false, false);
    let inner = ImportItem::Upsert(Thing::group(8, &[1]).entry(8, &BTreeMap::new()));
    let ada = ImportItem::Upsert(Thing::new(false, 1).entry(1, &BTreeMap::new()));
    store.import(&[ImportItem::Upsert(outer), inner, ada]);
    let roots = [key(&store.space, 9)];
    let settle = |store: &mut Store| {
        store.space.settle_scope_groups(&roots, true, &BTreeSet::from(["member".into()])).unwrap();
    };
    settle(&mut store);
    store.dirty();
    assert!(store.space.in_scope_groups(key(&store.space, 1)).unwrap());
    store.put(&[(8, Thing::group(80, &[1])), (7, Thing::new(true, 8))]);
    settle(&mut store);
    assert_eq!(store.dirty(), [1, 7, 8, 9]);
    assert!(!store.space.in_scope_groups(key(&store.space, 1)).unwrap());
    assert!(!store.space.in_scope_groups(key(&store.space, 8)).unwrap());
    assert!(store.space.in_scope_groups(key(&store.space, 7)).unwrap());
}

/// A circle of three groups, each with a person, and a group above them.
fn circle(store: Store) -> Store {
    store.with(&[
        (1, Thing::new(false, 1)),
        (2, Thing::new(false, 2)),
        (3, Thing::user(3, 513)),
        (11, Thing::group(11, &[1, 12])),
        (12, Thing::group(12, &[2, 13])),
        (13, Thing::group(13, &[11]).with_rid(513)),
        (14, Thing::group(14, &[1, 13])),
        (15, Thing::group(15, &[4])),
    ])
}

#[test]
fn flat_groups_have_those_within_their_groups_once_and_no_groups() {
    let mut store = circle(Store::new(true, false, false));
    for group in 11..=14 {
        assert_eq!(store.members(group), [1, 2, 3], "{group}");
    }
    // Whoever joins the innermost group joins all of them.
    store.put(&[(4, Thing::user(4, 513))]);
    assert_eq!(store.dirty(), [4, 11, 12, 13, 14, 15]);
    assert_eq!((store.members(14), store.members(15)), (vec![1, 2, 3, 4], vec![4]));
    store.put(&[(3, Thing::new(false, 3))]);
    assert_eq!((store.members(14), store.dirty()), (vec![1, 2, 4], vec![3, 11, 12, 13, 14]));
    store.import(&[ImportItem::Delete(id(2))]);
    assert_eq!((store.members(14), store.dirty()), (vec![1, 4], vec![2, 11, 12, 13, 14]));
    // A group that goes takes those within it along.
    store.import(&[ImportItem::Delete(id(13))]);
    assert_eq!((store.members(14), store.members(11)), (vec![1], vec![1]));
    assert_eq!(store.dirty(), [4, 11, 12, 13, 14]);
}

#[test]
fn groups_in_groups_stay_members_where_memberships_are_not_flat() {
    let mut store = circle(Store::new(false, false, false));
    assert_eq!((store.members(14), store.members(13)), (vec![1, 13], vec![3, 11]));
    store.put(&[(4, Thing::user(4, 513))]);
    assert_eq!(store.dirty(), [4, 13, 15]);
}

#[test]
fn an_entry_has_the_names_of_its_groups_as_they_are_now() {
    let mut store = circle(Store::new(false, true, true));
    let names = |groups: &[u128]| groups.iter().map(|group| format!("cn=n{group},ou=u0,dc=lab")).collect::<Vec<_>>();
    assert_eq!((store.member_of(3, false), store.member_of(3, true)), (names(&[13]), names(&[11, 12, 13, 14])));
    assert_eq!(store.member_of(11, true), names(&[12, 13, 14]));
    // By each way in which entries are read.
    let key = key(&store.space, 3);
    let stored = store.space.entry(key).unwrap().unwrap().entry.attributes;
    let texts = |groups: &[u128]| names(groups).into_iter().map(Value::Text).collect::<Vec<_>>();
    assert_eq!(stored.values(&MEMBER_OF.into()), texts(&[13]));
    let reader = store.space.reader(1).unwrap();
    let mut page = EntryPage::new(1);
    reader.read_entries(&[key], &mut page).unwrap();
    let mut lanes = AttributeLanes::new();
    page.entries().next().unwrap().push_attributes(&mut lanes).unwrap();
    let mut expected = AttributeLanes::new();
    expected.push(&stored);
    let shown = |lanes: &AttributeLanes<'_>| format!("{:?}", lanes.get(0).iter().collect::<Vec<_>>());
    assert_eq!(shown(&lanes), shown(&expected));
    assert_eq!(reader.member_of(key, true).unwrap(), names(&[11, 12, 13, 14]));
    drop(reader);
    // A group too may tell its group.
    let inner = Thing::group(16, &[4]);
    store.put(&[(4, Thing::new(false, 4)), (16, Thing { primary: Some(513), ..inner.clone() })]);
    assert_eq!((store.member_of(4, true), store.dirty()), (names(&[11, 12, 13, 14, 15, 16]), vec![4, 13, 15, 16]));
    store.put(&[(16, inner)]);
    assert_eq!((store.member_of(4, true), store.dirty()), (names(&[15, 16]), vec![4, 13, 16]));
    // It is no attribute that is stored.
    let mut renamed = Thing::group(14, &[1, 13]);
    renamed.name = 99;
    store.put(&[(3, Thing::user(3, 513)), (14, renamed)]);
    assert_eq!(store.dirty(), [1, 2, 3, 11, 12, 13, 14]);
    assert_eq!(store.member_of(1, false), ["cn=n11,ou=u0,dc=lab", "cn=n99,ou=u0,dc=lab"]);
}

#[test]
fn only_direct_members_are_evaluated_again_where_only_direct_groups_are_named() {
    let mut store = circle(Store::new(false, true, false));
    let stored = store.space.entry_by_source_id(&id(3)).unwrap().unwrap().entry.attributes;
    assert!(stored.contains(&MEMBER_OF.into()) && !stored.contains(&NESTED_MEMBER_OF.into()));
    store.put(&[(14, Thing { name: 99, ..Thing::group(14, &[1, 13]) })]);
    assert_eq!(store.dirty(), [1, 13, 14]);
    store.put(&[(14, Thing { name: 99, ..Thing::group(14, &[1, 2]) })]);
    assert_eq!(store.dirty(), [2, 13, 14]);
}

#[test]
fn nobody_is_evaluated_for_the_name_of_a_group_where_no_rule_reads_it() {
    let mut store = circle(Store::new(true, false, false));
    store.put(&[(14, Thing { name: 99, ..Thing::group(14, &[1, 13]) })]);
    assert_eq!(store.dirty(), [14]);
    let stored = store.space.entry_by_source_id(&id(1)).unwrap().unwrap().entry.attributes;
    assert!(!stored.contains(&MEMBER_OF.into()));
}

#[test]
fn what_is_made_of_memberships_is_kept_and_another_choice_has_everybody_evaluated_again() {
    let mut store = circle(Store::new(true, false, false));
    let file = store.space.path().to_owned();
    let attributes = BTreeSet::from(["Member".into()]);
    let flat = Memberships { attributes, flat: true, ..Memberships::default() };
    store.space.adopt_memberships(&flat).unwrap();
    assert_eq!(store.dirty(), []);
    let again = Space::open(&file).unwrap();
    assert_eq!(members(&again, 14), BTreeSet::from([1, 2, 3]));
    assert_eq!(members(&store.space.reader(1).unwrap(), 14), BTreeSet::from([1, 2, 3]));
    drop(again);
    store.space.adopt_memberships(&Memberships { flat: false, ..flat }).unwrap();
    assert_eq!(store.members(14), [1, 13]);
    assert_eq!(store.dirty().len(), 8);
    // Another attribute by which members tell their group is another choice too.
    store.space.adopt_references_by(&BTreeMap::new()).unwrap();
    assert_eq!(store.dirty().len(), 8);
    assert_eq!(store.members(13), [11]);
}

#[test]
fn a_name_by_id_leads_through_a_circle_of_groups_to_whom_it_means() {
    let store = circle(Store::new(true, false, false));
    let group = key(&store.space, 12);
    let Value::Text(name) = by_id(13) else { panic!("a name is text") };
    let found = store.space.meant_by_dn(group, &DnKey::of(&name).unwrap()).unwrap();
    assert_eq!(found.0.map(|(id, _)| number(&id)), Some(13));
}
