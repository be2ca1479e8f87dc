//! The connector space through its public calls: what survives a reopen, a rename, a swap of names and a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "these are tests")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use provisor_model::{
    Anchor, AttributeLanes, AttributeName, AttributeSyntax, Attributes, Dn, Entry, IdSyntax, ImportItem, OperationKind,
    Schema, SourceId, TargetPath, Value,
};
use provisor_space::{
    CycleNumber, EntryKey, EntryPage, ImportEnd, LogFilter, LogRow, MetaKey, PlanState, Planned, PlannedBody,
    Retention, Sent, Space, SpaceError,
};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tempfile::TempDir;

struct Store {
    folder: TempDir,
    space: Space,
}

impl Store {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let space = Space::open(&folder.path().join("lab.space")).unwrap();
        Self { folder, space }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("lab.space")
    }

    fn reopen(self) -> Self {
        let file = self.file();
        let Self { folder, space } = self;
        drop(space);
        Self { folder, space: Space::open(&file).unwrap() }
    }

    /// A whole import of these entries, each a page of its own.
    fn import(&mut self, entries: &[Entry], absent_is_deleted: bool) {
        self.space.begin_import().unwrap();
        for entry in entries {
            self.space.import_page(&[ImportItem::Upsert(entry.clone())], &schema()).unwrap();
        }
        let end = ImportEnd { watermark: b"mark", absent_is_deleted, reads: &BTreeSet::new() };
        self.space.complete_import(&end).unwrap();
    }

    fn key(&self, number: u32) -> EntryKey {
        self.space.entry_by_source_id(&id(number)).unwrap().unwrap().key
    }

    fn dn(&self, number: u32) -> String {
        self.space.entry_by_source_id(&id(number)).unwrap().unwrap().entry.dn.to_string()
    }

    fn members(&self, group: u32) -> BTreeSet<SourceId> {
        self.space.references_of(self.key(group), &AttributeName::from("member")).unwrap().into_iter().collect()
    }
}

fn schema() -> Schema {
    Schema::new([(AttributeName::from("member"), AttributeSyntax::Dn)])
}

fn id(number: u32) -> SourceId {
    SourceId::parse(IdSyntax::Text, &format!("id{number}")).unwrap()
}

fn entry(number: u32, dn: &str) -> Entry {
    Entry {
        source_id: id(number),
        anchor: Anchor::parse(IdSyntax::Text, &format!("id{number}")).unwrap(),
        dn: dn.parse::<Dn>().unwrap(),
        object_class: "user".into(),
        attributes: Attributes::new(),
    }
}

fn group(number: u32, members: &[&str]) -> Entry {
    let mut entry = entry(number, &format!("cn=g{number},dc=lab"));
    let values = members.iter().map(|member| Value::Text((*member).to_owned())).collect();
    entry.attributes.set(AttributeName::from("member"), values);
    entry
}

fn row(cycle: i64, time: i64) -> LogRow {
    LogRow {
        id: 0,
        cycle: CycleNumber(cycle),
        time,
        operation: "update".into(),
        status: "success".into(),
        dn: "uid=a,dc=lab".into(),
        source_id: "id1".into(),
        resource_id: None,
        record: "{}".into(),
    }
}

#[test]
fn a_file_of_a_version_that_is_not_read_is_refused_and_left_as_it_is() {
    let store = Store::new();
    let file = store.file();
    let Store { folder, space } = store;
    drop(space);
    // The version of the format stands in the header of the file, at octet 60, in network order.
    let mut octets = std::fs::read(&file).unwrap();
    octets[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&file, &octets).unwrap();
    let refused = Space::open(&file).err().unwrap();
    assert!(matches!(refused, SpaceError::Newer { found: 99, .. }), "{refused}");
    assert_eq!(std::fs::read(&file).unwrap(), octets);
    // Nor is one that compared names in other ways taken for one of today's.
    octets[60..64].copy_from_slice(&1_u32.to_be_bytes());
    std::fs::write(&file, &octets).unwrap();
    let refused = Space::open(&file).err().unwrap();
    assert!(matches!(refused, SpaceError::Older { found: 1, .. }), "{refused}");
    assert_eq!(std::fs::read(&file).unwrap(), octets);
    drop(folder);
}

#[test]
fn what_is_no_connector_space_is_refused_and_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let text = folder.path().join("notes.space");
    std::fs::write(&text, "these are somebody's notes, and no database at all\n".repeat(100)).unwrap();
    let before = std::fs::read(&text).unwrap();
    assert!(matches!(Space::open(&text).err().unwrap(), SpaceError::Foreign { .. }));
    assert_eq!(std::fs::read(&text).unwrap(), before);
    // A database of somebody else's: ours, with another mark of whose it is (octet 68 of the header).
    let store = Store::new();
    let file = store.file();
    let Store { folder: kept, space } = store;
    drop(space);
    let mut octets = std::fs::read(&file).unwrap();
    octets[68..72].copy_from_slice(&7_u32.to_be_bytes());
    std::fs::write(&file, &octets).unwrap();
    assert!(matches!(Space::open(&file).err().unwrap(), SpaceError::Foreign { .. }));
    assert_eq!(std::fs::read(&file).unwrap(), octets);
    drop(kept);
}

#[test]
fn a_reference_survives_the_rename_of_its_object() {
    let mut store = Store::new();
    store.import(&[entry(1, "uid=a,dc=lab"), group(9, &["uid=a,dc=lab"])], false);
    assert_eq!(store.members(9), [id(1)].into());
    store.import(&[entry(1, "uid=renamed,dc=lab")], false);
    assert_eq!(store.members(9), [id(1)].into());
}

#[test]
fn references_that_come_with_swapped_names_are_resolved_by_the_new_names() {
    let mut store = Store::new();
    store.import(&[entry(1, "uid=a,dc=lab"), entry(2, "uid=b,dc=lab")], false);
    // The group is read before those that it names have been read under their new names.
    store.import(&[group(9, &["uid=b,dc=lab"]), entry(1, "uid=b,dc=lab"), entry(2, "uid=a,dc=lab")], false);
    assert_eq!(store.members(9), [id(1)].into());
}

#[test]
fn a_name_that_passes_to_somebody_new_in_the_same_import_is_a_reference_to_the_new_one() {
    let mut store = Store::new();
    store.import(&[entry(1, "uid=a,dc=lab"), group(9, &["uid=a,dc=lab"])], false);
    // As a directory with referential integrity shows it: the old one was renamed, and stays a member under the new name.
    let now = [entry(1, "uid=a-old,dc=lab"), entry(2, "uid=a,dc=lab"), group(9, &["uid=a-old,dc=lab", "uid=a,dc=lab"])];
    store.import(&now, false);
    assert_eq!(store.members(9), [id(1), id(2)].into());
}

#[test]
fn a_reference_finds_who_comes_back_under_the_name_of_somebody_gone() {
    let mut store = Store::new();
    store.import(&[entry(1, "uid=a,dc=lab"), group(9, &["uid=a,dc=lab"])], false);
    store.space.evaluated(store.key(9), &id(9), None, None).unwrap();
    store.space.begin_import().unwrap();
    let items = [ImportItem::Delete(id(1)), ImportItem::Upsert(entry(2, "uid=a,dc=lab"))];
    store.space.import_page(&items, &schema()).unwrap();
    let end = ImportEnd { watermark: b"mark", absent_is_deleted: false, reads: &BTreeSet::new() };
    store.space.complete_import(&end).unwrap();
    assert_eq!(store.members(9), [id(2)].into());
    let dirty: Vec<SourceId> =
        store.space.dirty_entries(None, 10).unwrap().into_iter().map(|stored| stored.entry.source_id).collect();
    assert!(dirty.contains(&id(9)), "who names it is evaluated again");
}

#[test]
fn what_stands_below_follows_a_renamed_unit() {
    let mut store = Store::new();
    let names = ["ou=people,dc=lab", "ou=labs,ou=people,dc=lab", "uid=a,ou=labs,ou=people,dc=lab", "ou=peoples,dc=lab"];
    let entries: Vec<Entry> = (1..).zip(names).map(|(number, name)| entry(number, name)).collect();
    store.import(&entries, false);
    store.import(&[entry(1, "ou=staff,dc=lab")], false);
    assert_eq!(store.dn(2), "ou=labs,ou=staff,dc=lab");
    assert_eq!(store.dn(3), "uid=a,ou=labs,ou=staff,dc=lab");
    assert_eq!(store.dn(4), "ou=peoples,dc=lab", "a name that only begins alike stays");
    // Both units of a path are renamed at once, named from below and from above.
    store.import(&[entry(2, "ou=l,ou=s,dc=lab"), entry(1, "ou=s,dc=lab")], false);
    assert_eq!(store.dn(3), "uid=a,ou=l,ou=s,dc=lab");
    store.import(&[entry(1, "ou=t,dc=lab"), entry(2, "ou=m,ou=t,dc=lab")], false);
    assert_eq!(store.dn(3), "uid=a,ou=m,ou=t,dc=lab");
}

#[test]
fn units_that_pass_their_names_on_keep_their_own_people() {
    let people = entry(1, "ou=people,dc=lab");
    let next = entry(2, "ou=next,dc=lab");
    for archived_first in [true, false] {
        let mut store = Store::new();
        let (old, new) = (entry(3, "uid=old,ou=people,dc=lab"), entry(4, "uid=new,ou=next,dc=lab"));
        store.import(&[people.clone(), next.clone(), old, new], false);
        let mut renamed = [entry(1, "ou=archive,dc=lab"), entry(2, "ou=people,dc=lab")];
        if !archived_first {
            renamed.reverse();
        }
        store.import(&renamed, false);
        assert_eq!(store.dn(3), "uid=old,ou=archive,dc=lab");
        assert_eq!(store.dn(4), "uid=new,ou=people,dc=lab");
    }
}

#[test]
fn a_full_import_is_right_about_everybodys_place_in_any_order() {
    let mut store = Store::new();
    let before = ["ou=people,dc=lab", "ou=next,dc=lab", "uid=old,ou=people,dc=lab", "uid=new,ou=next,dc=lab"];
    let entries: Vec<Entry> = (1..).zip(before).map(|(number, name)| entry(number, name)).collect();
    store.import(&entries, true);
    let now = [
        entry(2, "ou=people,dc=lab"),
        entry(4, "uid=new,ou=people,dc=lab"),
        entry(1, "ou=people-old,dc=lab"),
        entry(3, "uid=old,ou=people-old,dc=lab"),
    ];
    store.import(&now, true);
    for entry in &now {
        assert!(store.space.entry_by_dn(&entry.dn.key()).unwrap().is_some_and(|found| found.entry == *entry));
    }
}

#[test]
fn an_import_that_broke_off_deletes_nobody() {
    let mut store = Store::new();
    store.import(&[entry(1, "uid=a,dc=lab"), entry(2, "uid=b,dc=lab")], true);
    store.space.begin_import().unwrap();
    store.space.import_page(&[ImportItem::Upsert(entry(1, "uid=a,dc=lab"))], &schema()).unwrap();
    let mut store = store.reopen();
    assert_eq!(store.space.counts().unwrap().entries, 2);
    // What the import that broke off named does not count as named by the next one.
    store.import(&[entry(2, "uid=b,dc=lab")], true);
    assert!(store.space.entry_by_source_id(&id(1)).unwrap().unwrap().gone);
    assert!(!store.space.entry_by_source_id(&id(2)).unwrap().unwrap().gone);
}

#[test]
fn plan_and_intents_survive_a_reopen_and_are_evaluated_again() {
    let mut store = Store::new();
    store.import(&[entry(1, "uid=a,dc=lab"), entry(2, "uid=b,dc=lab"), entry(3, "uid=c,dc=lab")], false);
    for number in 1..=3 {
        store.space.evaluated(store.key(number), &id(number), None, None).unwrap();
    }
    for number in 1..=2 {
        let body = PlannedBody { kind: "User".into(), ..PlannedBody::default() };
        let planned = Planned { key: store.key(number), operation: OperationKind::Create, body };
        store.space.put_plan(&planned, &id(number), PlanState::Ready).unwrap();
    }
    let (planned, head) = store.space.next_planned(0, 0, None, 1).unwrap().pop().unwrap();
    store.space.intend(&head, planned.operation, &Sent::new(), 7).unwrap();
    let mut store = store.reopen();
    assert!(store.space.entry(store.key(1)).unwrap().unwrap().uncertain);
    assert!(!store.space.entry(store.key(2)).unwrap().unwrap().uncertain);
    assert_eq!(store.space.plan_counts().unwrap().get(&OperationKind::Create), Some(&2));
    store.space.mark_due(0).unwrap();
    assert_eq!(store.space.dirty_count().unwrap(), 2);
    assert!(store.space.plan_counts().unwrap().is_empty());
    assert!(store.space.entry(store.key(1)).unwrap().unwrap().uncertain, "what it did is still to be found out");
}

#[test]
fn the_log_keeps_what_is_young_enough_and_no_more_than_so_many() {
    let mut store = Store::new();
    store.import(&[entry(1, "uid=a,dc=lab")], false);
    let key = store.key(1);
    for time in 1..=10 {
        store.space.add_log(key, b"", &row(time, time * 100)).unwrap();
    }
    let times = |store: &Store| -> Vec<i64> {
        let filter = LogFilter { limit: 100, ..LogFilter::default() };
        store.space.log_rows(&filter).unwrap().into_iter().map(|row| row.time).collect()
    };
    assert_eq!(store.space.trim_log(Retention { milliseconds: 500, rows: 100 }, 1_000).unwrap(), 4);
    assert_eq!(times(&store), [1_000, 900, 800, 700, 600, 500]);
    assert_eq!(store.space.trim_log(Retention { milliseconds: 500, rows: 2 }, 1_000).unwrap(), 4);
    assert_eq!(times(&store), [1_000, 900]);
}

#[test]
fn references_come_back_with_an_entry_that_was_gone_for_a_while() {
    let mut store = Store::new();
    store.import(&[entry(1, "uid=a,dc=lab"), group(9, &["uid=a,dc=lab"])], true);
    // Renamed, while the group goes on listing the old name.
    let renamed = [entry(1, "uid=b,dc=lab"), group(9, &["uid=a,dc=lab"])];
    store.import(&renamed, true);
    assert_eq!(store.members(9), [id(1)].into());
    store.import(&[group(9, &["uid=a,dc=lab"])], true);
    assert_eq!(store.members(9), BTreeSet::new(), "who is gone is no member");
    store.import(&renamed, true);
    assert_eq!(store.members(9), [id(1)].into());
}

#[test]
fn a_unique_value_has_one_holder_and_is_free_when_the_entry_is_forgotten() {
    let mut store = Store::new();
    store.import(&[entry(1, "uid=a,dc=lab"), entry(2, "uid=b,dc=lab")], false);
    let path: TargetPath = "userName".parse().unwrap();
    let (one, two) = (store.key(1), store.key(2));
    store.space.allot_unique(one, &path, "Ada").unwrap();
    store.space.allot_unique(two, &path, "ADA").unwrap();
    // Letter case makes no second value; whoever is found to have it at the target has it here.
    assert_eq!(store.space.unique_holder(&path, "ada").unwrap(), Some(two));
    store.space.allot_unique(two, &path, "bob").unwrap();
    assert_eq!(store.space.unique_holder(&path, "ada").unwrap(), None, "the old value is free");
    store.space.allot_unique(one, &path, "ada2").unwrap();
    store.space.forget_entry(one).unwrap();
    assert_eq!(store.space.unique_holder(&path, "ada2").unwrap(), None);
}

#[test]
fn a_panic_leaves_nothing_half_done_and_nothing_behind_it_is_lost() {
    let mut store = Store::new();
    let space = &mut store.space;
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        space.atomically(|space| -> Result<(), SpaceError> {
            space.set_fact(MetaKey::LastError, Some(b"half"))?;
            panic!("a fault of the work itself");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(store.space.fact(MetaKey::LastError).unwrap(), None);
    store.space.set_fact(MetaKey::Target, Some(b"kept")).unwrap();
    let store = store.reopen();
    assert_eq!(store.space.fact(MetaKey::Target).unwrap().as_deref(), Some(b"kept".as_slice()));
}

#[test]
fn a_page_of_large_entries_has_fewer_of_them() {
    let mut store = Store::new();
    let entries: Vec<Entry> = (1..=40)
        .map(|number| {
            let mut large = entry(number, &format!("cn=e{number},dc=x"));
            large.attributes.set("description".into(), vec![Value::Text("x".repeat(1 << 20))]);
            large
        })
        .collect();
    store.import(&entries, false);
    let mut read = 0;
    let mut last = None;
    loop {
        let page = store.space.live_entries(last.as_ref(), 1_000).unwrap();
        let Some(end) = page.last() else { break };
        assert!(page.len() < 20, "{}", page.len());
        read += page.len();
        last = Some(end.entry.source_id.clone());
    }
    assert_eq!(read, 40);
}

#[test]
fn who_looked_a_name_up_is_evaluated_again_when_it_comes_moves_and_goes() {
    let mut store = Store::new();
    store.import(&[entry(1, "cn=asker,dc=x")], false);
    let asker = store.key(1);
    let name = "cn=boss,dc=x".parse::<Dn>().unwrap().key();
    let asked = |store: &mut Store| {
        store.space.clear_lookups(asker).unwrap();
        let found = store.space.reference_by_dn(asker, &name).unwrap();
        store.space.evaluated(asker, &id(1), None, None).unwrap();
        found
    };
    let is_dirty =
        |store: &Store| store.space.dirty_entries(None, 10).unwrap().iter().any(|stored| stored.key == asker);
    assert_eq!(asked(&mut store), None);
    store.import(&[entry(2, "cn=boss,dc=x")], false);
    assert!(is_dirty(&store));
    assert_eq!(asked(&mut store), Some(id(2)));
    store.import(&[entry(2, "cn=gone elsewhere,dc=x")], false);
    assert!(is_dirty(&store));
    assert_eq!(asked(&mut store), None);
    store.import(&[entry(2, "cn=boss,dc=x")], false);
    asked(&mut store);
    store.import(&[entry(1, "cn=asker,dc=x")], true);
    assert!(is_dirty(&store));
    assert_eq!(asked(&mut store), None);
}

/// Takes one page in, and settles what it listed; returns how much of that is unexplained.
fn listed(store: &mut Store, items: &[ImportItem]) -> u64 {
    store.space.begin_import().unwrap();
    store.space.import_page(items, &schema()).unwrap();
    store.space.settle_listed().unwrap()
}

#[test]
fn what_is_listed_is_there_if_it_is_known_by_its_name_or_has_moved_with_its_unit() {
    let mut store = Store::new();
    store.import(&[entry(1, "ou=people,dc=lab"), entry(2, "uid=a,ou=people,dc=lab")], true);
    let list = |number, name: &str| ImportItem::Listed(id(number), name.parse().unwrap());
    assert_eq!(listed(&mut store, &[list(1, "ou=people,dc=lab"), list(2, "uid=a,ou=people,dc=lab")]), 0);
    assert_eq!(store.space.unseen(None, 10).unwrap(), []);

    let unit = ImportItem::Upsert(entry(1, "ou=folk,dc=lab"));
    let moved = [list(1, "ou=folk,dc=lab"), list(2, "uid=a,ou=folk,dc=lab"), unit];
    assert_eq!(listed(&mut store, &moved), 0, "the unit came, and all below it moved along");
    assert_eq!(store.space.unseen(None, 10).unwrap(), []);

    assert_eq!(listed(&mut store, &[list(2, "uid=elsewhere,dc=lab")]), 1, "renamed, and did not come");
    assert_eq!(listed(&mut store, &[list(3, "uid=c,dc=lab")]), 1, "new, and did not come");
    let came = [list(3, "uid=c,dc=lab"), ImportItem::Upsert(entry(3, "uid=c,dc=lab"))];
    assert_eq!(listed(&mut store, &came), 0);
    assert_eq!(store.space.unseen(None, 10).unwrap(), [id(1), id(2)]);
    assert_eq!(store.space.unseen(Some(&id(1)), 10).unwrap(), [id(2)]);
}

#[test]
fn who_is_excluded_is_neither_there_nor_gone_until_it_comes_back_or_goes() {
    let mut store = Store::new();
    store.import(&[entry(1, "uid=a,dc=lab"), entry(2, "uid=b,dc=lab")], true);
    let standing = |store: &Store| {
        let stored = store.space.entry_by_source_id(&id(1)).unwrap().unwrap();
        (stored.excluded, stored.gone)
    };
    let end = |store: &mut Store| {
        let reads = BTreeSet::new();
        store.space.complete_import(&ImportEnd { watermark: b"w", absent_is_deleted: true, reads: &reads }).unwrap()
    };
    listed(&mut store, &[ImportItem::Upsert(entry(2, "uid=b,dc=lab")), ImportItem::Excluded(id(1))]);
    assert_eq!((end(&mut store), standing(&store)), (0, (true, false)));

    // In every further import it is asked after again.
    listed(&mut store, &[ImportItem::Upsert(entry(2, "uid=b,dc=lab"))]);
    assert_eq!(store.space.unseen(None, 10).unwrap(), [id(1)]);
    let dirty = store.space.dirty_count().unwrap();
    let counts = store.space.import_page(&[ImportItem::Excluded(id(1))], &schema()).unwrap();
    assert_eq!((counts.changed, store.space.dirty_count().unwrap(), end(&mut store)), (0, dirty, 0), "no news");

    listed(&mut store, &[ImportItem::Upsert(entry(1, "uid=a,dc=lab")), ImportItem::Upsert(entry(2, "uid=b,dc=lab"))]);
    assert_eq!((end(&mut store), standing(&store)), (0, (false, false)), "it is back");
    listed(&mut store, &[ImportItem::Upsert(entry(2, "uid=b,dc=lab")), ImportItem::Excluded(id(1))]);
    end(&mut store);
    listed(&mut store, &[ImportItem::Upsert(entry(2, "uid=b,dc=lab"))]);
    assert_eq!((end(&mut store), standing(&store)), (1, (false, true)), "the directory does not have it any more");
}

#[test]
fn a_reader_sees_entries_as_they_stood_when_it_was_opened() {
    let mut store = Store::new();
    let entries: Vec<Entry> = (1..=5).map(|number| entry(number, &format!("uid=u{number},dc=lab"))).collect();
    store.import(&entries, true);
    let keys: Vec<EntryKey> = [1, 2, 4].map(|number| store.key(number)).into();
    let reader = store.space.reader(2).unwrap();
    store.import(&[entry(2, "uid=other,dc=lab")], true);
    assert_eq!(store.dn(2), "uid=other,dc=lab");
    assert_eq!(reader.dirty_keys(false).unwrap().len(), 5);
    let mut page = EntryPage::new(2);
    assert_eq!(reader.read_entries(&keys, &mut page).unwrap(), keys.len());
    let names: Vec<&str> = page.entries().map(|stored| stored.dn().unwrap()).collect();
    assert_eq!(names, ["uid=u1,dc=lab", "uid=u2,dc=lab", "uid=u4,dc=lab"]);
    for stored in page.entries() {
        let mut lanes = AttributeLanes::new();
        stored.push_attributes(&mut lanes).unwrap();
        let whole = store.space.entry(stored.key()).unwrap().unwrap().entry;
        let seen: Vec<String> = lanes.get(0).iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(seen, whole.attributes.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>());
        assert!(!stored.gone() && stored.link().unwrap().is_none());
    }
}

#[test]
fn of_what_is_done_tentatively_nothing_is_kept() {
    let mut store = Store::new();
    let seen: Result<_, SpaceError> = store.space.tentatively(|space| {
        space.set_fact(MetaKey::LastError, Some(b"words"))?;
        space.fact(MetaKey::LastError)
    });
    assert_eq!(seen.unwrap().as_deref(), Some(&b"words"[..]));
    assert_eq!(store.space.fact(MetaKey::LastError).unwrap(), None);
}

#[test]
fn a_space_of_a_newer_version_that_is_refused_keeps_its_write_ahead_log() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("lab.space");
    drop(Space::open(&file).unwrap());
    // As a newer program leaves it that crashed: its last change is only in the log.
    let newer = Connection::open(&file).unwrap();
    newer.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let octets = || ["space", "space-wal"].map(|ending| std::fs::read(file.with_extension(ending)).unwrap());
    let before = octets();
    assert!(!before[1].is_empty());
    let refused = Space::open(&file).err().unwrap();
    assert!(matches!(refused, SpaceError::Newer { found: 99, .. }), "{refused}");
    assert!(octets() == before, "a file was touched");
}
