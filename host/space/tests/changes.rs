//! Changes of entries that a feed does not bring whole, and references by id, through the public calls.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "these are tests")]

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{
    Anchor, AttributeName, AttributeSyntax, Attributes, Dn, DnKey, Entry, EntryChange, IdSyntax, ImportItem,
    MatchingRule, Schema, SourceId, Value, ValueChange,
};
use provisor_space::{ImportEnd, PageCounts, Space, ValueReference};
use tempfile::TempDir;

struct Store {
    _folder: TempDir,
    space: Space,
}

fn id(number: u128) -> SourceId {
    SourceId::new(IdSyntax::Guid, &number.to_be_bytes()).unwrap()
}

/// How a reference to this entry by its id is written.
fn by_id(number: u128) -> String {
    format!("<GUID={}>", id(number))
}

fn schema() -> Schema {
    Schema::new(["member", "manager"].map(|name| (AttributeName::from(name), AttributeSyntax::Dn)))
}

fn texts(values: &[&str]) -> Vec<Value> {
    values.iter().map(|value| Value::Text((*value).to_owned())).collect()
}

fn entry(number: u128, dn: &str, attributes: &[(&str, &[&str])]) -> Entry {
    Entry {
        source_id: id(number),
        anchor: id(number).into(),
        dn: dn.parse::<Dn>().unwrap(),
        object_class: "user".into(),
        attributes: attributes.iter().map(|(name, values)| (*name, texts(values))).collect::<Attributes>(),
    }
}

fn change(number: u128, attributes: &[(&str, ValueChange)]) -> EntryChange {
    EntryChange {
        object_class: None,
        source_id: id(number),
        dn: None,
        anchor: None,
        attributes: attributes.iter().map(|(name, values)| (AttributeName::from(*name), values.clone())).collect(),
    }
}

fn replaced(values: &[&str]) -> ValueChange {
    ValueChange::Replaced(texts(values))
}

fn edited(added: &[&str], removed: &[&str]) -> ValueChange {
    ValueChange::Edited { added: texts(added), removed: texts(removed) }
}

impl Store {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut space = Space::open(&folder.path().join("lab.space")).unwrap();
        let by = ValueReference { by: "uid".into(), rule: MatchingRule::CaseIgnore, reverse_of: None };
        space.adopt_references_by(&BTreeMap::from([("memberUid".into(), by)])).unwrap();
        Self { _folder: folder, space }
    }

    /// A completed import of these entries, after which nobody waits for an evaluation.
    fn of(entries: &[Entry]) -> Self {
        let mut store = Self::new();
        store.import(&entries.iter().cloned().map(ImportItem::Upsert).collect::<Vec<_>>());
        store.dirty();
        store
    }

    fn import(&mut self, items: &[ImportItem]) -> PageCounts {
        self.space.begin_import().unwrap();
        let counts = self.space.import_page(items, &schema()).unwrap();
        self.complete(false);
        counts
    }

    fn complete(&mut self, absent_is_deleted: bool) {
        let end = ImportEnd { watermark: b"mark", absent_is_deleted, reads: &BTreeSet::new() };
        self.space.complete_import(&end).unwrap();
    }

    fn attributes(&self, number: u128) -> Attributes {
        self.space.entry_by_source_id(&id(number)).unwrap().unwrap().entry.attributes
    }

    /// Who waits for an evaluation; then nobody does.
    fn dirty(&mut self) -> Vec<u128> {
        let mut found = Vec::new();
        while let Some(stored) = self.space.dirty_entries(None, 1).unwrap().pop() {
            found.push(u128::from_be_bytes(stored.entry.source_id.octets().try_into().unwrap()));
            self.space.evaluated(stored.key, &stored.entry.source_id, None, None).unwrap();
        }
        found
    }

    fn members(&self, number: u128, attribute: &str) -> Vec<u128> {
        let key = self.space.entry_by_source_id(&id(number)).unwrap().unwrap().key;
        let mut found: Vec<u128> = self
            .space
            .references_of(key, &attribute.into())
            .unwrap()
            .iter()
            .map(|id| u128::from_be_bytes(id.octets().try_into().unwrap()))
            .collect();
        found.sort_unstable();
        found
    }
}

/// Three people and the group of the first two, by name.
fn lab() -> Store {
    Store::of(&[
        entry(1, "uid=ada,dc=lab", &[("uid", &["ada"]), ("sn", &["Lovelace"])]),
        entry(2, "uid=bob,dc=lab", &[("uid", &["bob"])]),
        entry(3, "uid=cyd,dc=lab", &[("uid", &["cyd"])]),
        entry(9, "cn=g,dc=lab", &[("Member", &["uid=ada,dc=lab", "uid=bob,dc=lab"]), ("memberUid", &["ada", "Bob"])]),
    ])
}

#[test]
fn what_changed_is_merged_and_the_rest_stays() {
    let mut store = lab();
    let changed = change(1, &[("SN", replaced(&["King", "Byron"])), ("mail", replaced(&["ada@lab"]))]);
    let counts = store.import(&[ImportItem::Changed(changed)]);
    assert_eq!((counts.read, counts.changed, counts.unchanged, counts.incomplete), (1, 1, 0, 0));
    let wanted: Attributes =
        [("uid", texts(&["ada"])), ("sn", texts(&["Byron", "King"])), ("mail", texts(&["ada@lab"]))]
            .into_iter()
            .collect();
    assert_eq!(store.attributes(1), wanted);
    assert_eq!(store.dirty(), [1]);
    store.import(&[ImportItem::Changed(change(1, &[("sn", replaced(&[])), ("mail", edited(&[], &["ada@lab"]))]))]);
    assert_eq!(store.attributes(1).iter().count(), 1);
}

#[test]
fn what_is_stored_after_a_change_is_what_the_whole_entry_would_have_left() {
    let mut store = lab();
    let changed = change(9, &[("member", edited(&["uid=cyd,dc=lab"], &["UID=bob, dc=lab"]))]);
    store.import(&[ImportItem::Changed(changed)]);
    store.dirty();
    let whole = [("Member", &["uid=ada,dc=lab", "uid=cyd,dc=lab"][..]), ("memberUid", &["ada", "Bob"][..])];
    let counts = store.import(&[ImportItem::Upsert(entry(9, "cn=g,dc=lab", &whole))]);
    assert_eq!((counts.unchanged, counts.changed), (1, 0));
}

#[test]
fn a_change_that_alters_nothing_asks_for_no_evaluation() {
    let mut store = lab();
    let mut same = change(
        9,
        &[
            ("member", edited(&["UID=Ada,DC=lab"], &["uid=cyd,dc=lab"])),
            ("memberuid", replaced(&["Bob", "ada", "ada"])),
            ("mail", replaced(&[])),
        ],
    );
    same.dn = Some("cn=g,dc=lab".parse().unwrap());
    same.anchor = Some(id(9).into());
    let counts = store.import(&[ImportItem::Changed(same)]);
    assert_eq!((counts.unchanged, counts.changed), (1, 0));
    assert_eq!(store.dirty(), []);
}

#[test]
fn references_follow_what_changed() {
    let mut store = lab();
    let changed = change(
        9,
        &[("member", edited(&["uid=cyd,dc=lab"], &["UID=ADA,dc=lab"])), ("memberUid", edited(&["CYD"], &["ada"]))],
    );
    store.import(&[ImportItem::Changed(changed)]);
    assert_eq!((store.members(9, "member"), store.members(9, "memberUid")), (vec![2, 3], vec![2, 3]));
    assert_eq!(store.dirty(), [9]);
    store.import(&[ImportItem::Changed(change(9, &[("member", replaced(&["uid=ada,dc=lab"]))]))]);
    assert_eq!(store.members(9, "member"), [1]);
    // Whose value it is that is referred to may change as well.
    store.import(&[
        ImportItem::Changed(change(3, &[("uid", replaced(&["ada"]))])),
        ImportItem::Changed(change(1, &[("uid", replaced(&["al"]))])),
    ]);
    store.dirty();
    store.import(&[ImportItem::Changed(change(9, &[("memberUid", edited(&["ada"], &[]))]))]);
    assert_eq!(store.members(9, "memberUid"), [2, 3]);
}

#[test]
fn a_name_that_is_held_twice_is_referred_to_until_neither_is_left() {
    let mut store = Store::of(&[
        entry(1, "uid=ada,dc=lab", &[("uid", &["ada"])]),
        entry(9, "cn=g,dc=lab", &[("memberUid", &["ADA", "ada"])]),
    ]);
    store.import(&[ImportItem::Changed(change(9, &[("memberUid", edited(&[], &["ada"]))]))]);
    assert_eq!(store.members(9, "memberUid"), [1]);
    store.import(&[ImportItem::Changed(change(9, &[("memberUid", edited(&[], &["ADA"]))]))]);
    assert_eq!(store.members(9, "memberUid"), []);
}

#[test]
fn who_comes_back_without_the_value_is_no_longer_meant_by_it() {
    let mut store = lab();
    store.import(&[ImportItem::Delete(id(1))]);
    store.import(&[ImportItem::Upsert(entry(1, "uid=ada,dc=lab", &[("uid", &["al"])]))]);
    assert_eq!(store.members(9, "memberUid"), [2]);
    store.dirty();
    store.import(&[ImportItem::Changed(change(1, &[("uid", replaced(&["ada"]))]))]);
    assert_eq!((store.members(9, "memberUid"), store.dirty()), (vec![1, 2], vec![1, 9]));
}

#[test]
fn an_entry_that_moves_by_a_change_takes_what_is_below_along() {
    let mut store = Store::of(&[
        entry(1, "ou=a,dc=lab", &[]),
        entry(2, "uid=x,ou=a,dc=lab", &[]),
        entry(3, "cn=g,dc=lab", &[("member", &["uid=x,ou=b,dc=lab"])]),
    ]);
    let mut moved = change(1, &[]);
    moved.dn = Some("ou=b,dc=lab".parse().unwrap());
    moved.anchor = Some(Anchor::parse(IdSyntax::Text, "unit").unwrap());
    assert_eq!(store.import(&[ImportItem::Changed(moved)]).changed, 1);
    let stored = store.space.entry_by_source_id(&id(2)).unwrap().unwrap();
    assert_eq!(stored.entry.dn.to_string(), "uid=x,ou=b,dc=lab");
    let unit = store.space.entry_by_source_id(&id(1)).unwrap().unwrap().entry;
    assert_eq!((unit.anchor.to_string(), unit.dn.to_string()), ("unit".to_owned(), "ou=b,dc=lab".to_owned()));
    assert_eq!(store.members(3, "member"), [2]);
    assert_eq!(store.dirty(), [1, 2, 3]);
}

#[test]
fn who_is_named_by_a_change_is_not_absent() {
    let mut store = lab();
    store.space.begin_import().unwrap();
    store.space.import_page(&[ImportItem::Changed(change(1, &[]))], &schema()).unwrap();
    assert_eq!(store.space.unseen_count().unwrap(), 3);
    store.complete(true);
    assert_eq!(store.space.counts().unwrap().entries, 1);
}

#[test]
fn who_is_not_known_here_is_to_be_read_whole() {
    let mut store = lab();
    store.import(&[ImportItem::Delete(id(2)), ImportItem::Excluded(id(3))]);
    store.space.begin_import().unwrap();
    let changes = [2, 3, 4, 5, 1].map(|number| ImportItem::Changed(change(number, &[("sn", replaced(&["x"]))])));
    let counts = store.space.import_page(&changes, &schema()).unwrap();
    assert_eq!((counts.incomplete, counts.unknown, counts.changed), (4, 0, 1));
    let whole = ImportItem::Upsert(entry(4, "uid=dot,dc=lab", &[]));
    store.space.import_page(&[whole], &schema()).unwrap();
    assert_eq!(store.space.take_incomplete(2).unwrap(), [id(2), id(3)]);
    assert_eq!(store.space.take_incomplete(2).unwrap(), [id(5)]);
    assert_eq!(store.space.take_incomplete(2).unwrap(), []);
    // Who is excluded was named all the same; who is gone stays so.
    store.complete(true);
    assert!(store.space.entry_by_source_id(&id(3)).unwrap().unwrap().excluded);
    assert!(store.space.entry_by_source_id(&id(2)).unwrap().unwrap().gone);
    // What is left of one import says nothing of the next.
    store.space.begin_import().unwrap();
    store.space.import_page(&changes, &schema()).unwrap();
    store.space.begin_import().unwrap();
    assert_eq!(store.space.take_incomplete(9).unwrap(), []);
}

#[test]
fn a_first_import_takes_changes_of_what_it_has_just_brought() {
    let mut store = Store::new();
    store.space.begin_import().unwrap();
    let page = [
        ImportItem::Upsert(entry(9, "cn=g,dc=lab", &[("member", &[&by_id(1)])])),
        ImportItem::Upsert(entry(1, "uid=ada,dc=lab", &[])),
        ImportItem::Changed(change(9, &[("member", edited(&[&by_id(2), "uid=cyd,dc=lab"], &[]))])),
        ImportItem::Changed(change(4, &[])),
        ImportItem::Upsert(entry(2, "uid=bob,dc=lab", &[])),
        ImportItem::Upsert(entry(3, "uid=cyd,dc=lab", &[])),
    ];
    let counts = store.space.import_page(&page, &schema()).unwrap();
    assert_eq!((counts.added, counts.changed, counts.incomplete), (4, 1, 1));
    store.complete(true);
    assert_eq!(store.members(9, "member"), [1, 2, 3]);
    assert_eq!(store.space.take_incomplete(9).unwrap(), [id(4)]);
}

#[test]
fn a_change_of_one_member_leaves_the_references_to_the_others_as_they_are() {
    let names: Vec<String> = (1..=3).map(by_id).collect();
    let values: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut store = Store::of(&[entry(9, "cn=g,dc=lab", &[("member", &values)])]);
    let file = store.space.path().to_owned();
    let rows = rusqlite::Connection::open(file).unwrap();
    // Whoever rewrote these rows would lose the mark.
    rows.execute("UPDATE reference SET target = 77", []).unwrap();
    store.import(&[ImportItem::Changed(change(9, &[("member", edited(&[&by_id(4)], &[&by_id(2)]))]))]);
    let left: i64 = rows.query_row("SELECT count(*) FROM reference WHERE target = 77", [], |row| row.get(0)).unwrap();
    let all: i64 = rows.query_row("SELECT count(*) FROM reference", [], |row| row.get(0)).unwrap();
    assert_eq!((left, all), (2, 3));
}

#[test]
fn a_reference_by_id_means_the_object_whatever_it_is_called() {
    for first in [true, false] {
        let group = entry(9, "cn=g,dc=lab", &[("member", &[&by_id(1).to_lowercase(), &by_id(7)])]);
        let ada = entry(1, "uid=ada,dc=lab", &[]);
        // In one import in either order, or one after the other.
        let mut store = if first { Store::of(&[group.clone(), ada.clone()]) } else { Store::of(&[ada.clone(), group]) };
        assert_eq!(store.members(9, "member"), [1]);
        store.import(&[ImportItem::Upsert(Entry { dn: "uid=al,ou=x,dc=lab".parse().unwrap(), ..ada.clone() })]);
        assert_eq!(store.members(9, "member"), [1]);
        assert_eq!(store.dirty(), [1]);
        // Somebody else under the old name is not meant.
        store.import(&[ImportItem::Upsert(entry(2, "uid=ada,dc=lab", &[]))]);
        assert_eq!(store.members(9, "member"), [1]);
        store.dirty();
        store.import(&[ImportItem::Delete(id(1))]);
        assert_eq!((store.members(9, "member"), store.dirty()), (vec![], vec![1, 9]));
        store.import(&[ImportItem::Upsert(ada)]);
        assert_eq!((store.members(9, "member"), store.dirty()), (vec![1], vec![1, 9]));
        store.import(&[ImportItem::Upsert(entry(7, "uid=gil,dc=lab", &[]))]);
        assert_eq!((store.members(9, "member"), store.dirty()), (vec![1, 7], vec![7, 9]));
    }
}

#[test]
fn a_reference_by_id_that_comes_while_its_object_is_gone_is_one_when_that_comes_back() {
    let ada = entry(1, "uid=ada,dc=lab", &[]);
    let mut store = Store::of(&[ada.clone(), entry(9, "cn=g,dc=lab", &[])]);
    store.import(&[ImportItem::Delete(id(1))]);
    store.import(&[ImportItem::Changed(change(9, &[("member", edited(&[&by_id(1)], &[]))]))]);
    assert_eq!(store.members(9, "member"), []);
    store.dirty();
    store.import(&[ImportItem::Upsert(ada.clone())]);
    assert_eq!((store.members(9, "member"), store.dirty()), (vec![1], vec![1, 9]));
    // Nor is it lost with an object that was forgotten meanwhile.
    let key = store.space.entry_by_source_id(&id(1)).unwrap().unwrap().key;
    store.import(&[ImportItem::Delete(id(1))]);
    store.space.forget_entry(key).unwrap();
    store.dirty();
    store.import(&[ImportItem::Upsert(ada)]);
    assert_eq!((store.members(9, "member"), store.dirty()), (vec![1], vec![1, 9]));
}

#[test]
fn who_asked_for_somebody_by_id_is_evaluated_again_when_that_comes_and_goes() {
    let ada = entry(1, "uid=ada,dc=lab", &[]);
    let mut store = Store::of(&[entry(9, "cn=g,dc=lab", &[("manager", &[&by_id(2)])])]);
    let (asker, name) = (store.space.entry_by_source_id(&id(9)).unwrap().unwrap().key, DnKey::of(&by_id(1)).unwrap());
    assert_eq!(store.space.reference_by_dn(asker, &name).unwrap(), None);
    for (item, found) in [
        (ImportItem::Upsert(ada.clone()), Some(id(1))),
        (ImportItem::Delete(id(1)), None),
        (ImportItem::Upsert(ada.clone()), Some(id(1))),
    ] {
        store.import(&[item]);
        assert_eq!(store.dirty(), [1, 9], "{found:?}");
        assert_eq!(store.space.reference_by_dn(asker, &name).unwrap(), found);
    }
    let key = store.space.entry_by_source_id(&id(1)).unwrap().unwrap().key;
    assert_eq!(store.space.referrers_of(key).unwrap(), [asker]);
    // What an attribute holds is no question of its own.
    store.space.clear_lookups(asker).unwrap();
    store.import(&[ImportItem::Upsert(entry(2, "uid=bob,dc=lab", &[]))]);
    let manager = DnKey::of(&by_id(2)).unwrap();
    let bob = store.space.entry_by_source_id(&id(2)).unwrap().unwrap().key;
    assert_eq!(store.space.meant_by_dn(asker, &manager).unwrap(), (Some((id(2), bob)), true));
    assert_eq!(store.space.reference_key_by_dn(asker, &manager).unwrap(), Some(bob));
}
