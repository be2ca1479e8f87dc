//! A first import: it leaves the tables as any other way of importing the same would, and nothing where it broke off.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "these are tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use provisor_model::{
    AttributeName, AttributeSyntax, Attributes, Dn, Entry, EntryChange, IdSyntax, ImportItem, MatchingRule, Schema,
    SourceId, Value, ValueChange,
};
use provisor_space::{CycleNumber, ImportEnd, MetaKey, PageCounts, Space, ValueReference};
use rusqlite::Connection;
use tempfile::TempDir;

fn schema() -> Schema {
    Schema::new([(AttributeName::from("member"), AttributeSyntax::Dn)])
}

fn id(number: u64) -> SourceId {
    SourceId::new(IdSyntax::Guid, &u128::from(number).to_be_bytes()).unwrap()
}

fn name(number: u64) -> Dn {
    format!("cn=N {number},ou=U {},dc=lab", number % 3).parse().unwrap()
}

/// Numbers that look drawn at random, the same for a seed each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn entry(&mut self, number: u64, ids: u64) -> Entry {
        let text = |text: String| Value::Text(text);
        let mut attributes = Attributes::new();
        attributes.set("uid".into(), vec![text(format!("u{}", self.below(ids)))]);
        attributes.set("member".into(), (0..self.below(4)).map(|_| self.member(ids)).collect());
        let uids = (0..self.below(3)).map(|_| text(format!("U{}", self.below(ids))));
        attributes.set("memberUid".into(), uids.collect());
        let source_id = id(number);
        // Most have a name of their own.
        let dn = if self.below(8) == 0 { name(self.below(ids)) } else { name(number) };
        Entry { anchor: source_id.clone().into(), source_id, dn, object_class: "group".into(), attributes }
    }

    /// Somebody's name, or their id in place of it.
    fn member(&mut self, ids: u64) -> Value {
        let member = self.below(ids);
        Value::Text(if self.below(2) == 0 { name(member).to_string() } else { format!("<GUID={}>", id(member)) })
    }

    fn change(&mut self, ids: u64) -> EntryChange {
        let source_id = id(self.below(ids));
        let dn = (self.below(3) == 0).then(|| name(self.below(ids)));
        let members = ValueChange::Edited { added: vec![self.member(ids)], removed: vec![self.member(ids)] };
        let uid = ValueChange::Replaced(vec![Value::Text(format!("u{}", self.below(ids)))]);
        EntryChange {
            source_id,
            dn,
            anchor: None,
            object_class: None,
            attributes: vec![("member".into(), members), ("uid".into(), uid)],
        }
    }

    /// Pages of new entries; with `odd`, also of entries that come again, and of what else a feed says.
    fn feed(&mut self, odd: bool) -> Vec<Vec<ImportItem>> {
        let ids = 20;
        let mut new = 0..ids;
        let mut pages = Vec::new();
        for _ in 0..self.below(6) {
            let mut page = Vec::new();
            for _ in 0..1 + self.below(8) {
                page.push(match self.below(12) {
                    0 if odd => ImportItem::Delete(id(self.below(ids))),
                    1 if odd => ImportItem::Excluded(id(self.below(ids))),
                    2 if odd => ImportItem::Listed(id(self.below(ids)), name(self.below(ids))),
                    3 if odd => ImportItem::Changed(self.change(ids)),
                    _ => {
                        let drawn = self.below(ids);
                        let Some(number) = (if odd { Some(drawn) } else { new.next() }) else { break };
                        ImportItem::Upsert(self.entry(number, ids))
                    }
                });
            }
            pages.push(page);
        }
        pages
    }
}

fn open(file: &Path) -> Space {
    let mut space = Space::open(file).unwrap();
    let by = ValueReference { by: "uid".into(), rule: MatchingRule::CaseIgnore, reverse_of: None };
    space.adopt_references_by(&BTreeMap::from([("memberUid".into(), by)])).unwrap();
    space
}

fn complete(space: &mut Space) {
    space.settle_listed().unwrap();
    let end = ImportEnd { watermark: b"mark", absent_is_deleted: true, reads: &BTreeSet::new() };
    space.complete_import(&end).unwrap();
}

/// Imports a feed into a new space; what it counted, and all that the tables hold.
fn imported(feed: &[Vec<ImportItem>], begin: &[ImportItem]) -> (PageCounts, Vec<String>) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("lab.space");
    let mut space = open(&file);
    space.begin_import().unwrap();
    space.import_page(begin, &schema()).unwrap();
    let mut counts = PageCounts::default();
    for page in feed {
        counts += space.import_page(page, &schema()).unwrap();
    }
    complete(&mut space);
    drop(space);
    (counts, held(&file))
}

/// Every row of every table, and how the tables and indexes are made.
fn held(file: &Path) -> Vec<String> {
    let connection = Connection::open(file).unwrap();
    let rows = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            (0..columns).map(|column| Ok(format!("{:?}", row.get_ref(column)?))).collect::<Result<Vec<_>, _>>()
        };
        statement.query_map([], row).unwrap().map(|row| row.unwrap().join(" ")).collect()
    };
    let mut held = rows("SELECT name, tbl_name, sql FROM sqlite_schema ORDER BY name");
    let tables = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name")
        .unwrap()
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap()
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    for table in tables {
        // The secret of each space is its own.
        let but = if table == "meta" { "WHERE key <> 'answer-key'" } else { "" };
        let mut rows = rows(&format!("SELECT * FROM {table} {but}"));
        rows.sort();
        held.extend(rows.into_iter().map(|row| format!("{table}: {row}")));
    }
    held.extend(rows("PRAGMA integrity_check"));
    held.extend(rows("PRAGMA journal_mode"));
    assert!(!file.with_extension("space-journal").exists(), "an empty journal was left behind");
    held
}

#[test]
fn a_first_import_leaves_what_an_ordinary_one_of_the_same_feed_does() {
    // Nobody knows this one: it says nothing, and makes an ordinary import of it.
    let ordinary = [ImportItem::Delete(id(u64::MAX))];
    for seed in 0..60 {
        let feed = Numbers(seed).feed(seed % 3 != 0);
        let (first_counts, first) = imported(&feed, &[]);
        let (counts, other) = imported(&feed, &ordinary);
        assert_eq!(first_counts, counts, "seed {seed}: {feed:?}");
        for (one, two) in first.iter().zip(&other) {
            assert_eq!(one, two, "seed {seed}: {feed:?}");
        }
        assert_eq!(first.len(), other.len(), "seed {seed}");
    }
}

fn begun() -> (TempDir, PathBuf, Space) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("lab.space");
    let mut space = open(&file);
    space.begin_import().unwrap();
    for page in Numbers(6).feed(false) {
        space.import_page(&page, &schema()).unwrap();
    }
    (folder, file, space)
}

#[test]
fn a_first_import_that_broke_off_leaves_nothing_and_can_begin_again() {
    let empty = imported(&[], &[]).1;
    let (_folder, file, space) = begun();
    drop(space);
    let mut space = open(&file);
    assert_eq!(space.counts().unwrap().entries, 0);
    space.begin_import().unwrap();
    complete(&mut space);
    drop(space);
    assert_eq!(held(&file), empty);
}

#[test]
fn a_crash_within_a_first_import_leaves_nothing() {
    let (folder, file, mut space) = begun();
    // More than SQLite keeps in memory, so that some of it is in the files.
    let large = |number: u64| {
        let mut entry = Numbers(7).entry(100 + number, 5);
        entry.attributes.set("jpegPhoto".into(), vec![Value::Binary(vec![7; 1 << 20])]);
        ImportItem::Upsert(entry)
    };
    let page: Vec<ImportItem> = (0_u64..48).map(large).collect();
    space.import_page(&page, &schema()).unwrap();
    let written = std::fs::metadata(&file).unwrap().len();
    assert!(written > 8 << 20, "{written} octets were written before the end");
    // What is on the disk while the import runs is what a crash would leave.
    let crashed = TempDir::new().unwrap();
    for found in std::fs::read_dir(folder.path()).unwrap() {
        let found = found.unwrap();
        std::fs::copy(found.path(), crashed.path().join(found.file_name())).unwrap();
    }
    drop(space);
    let mut space = open(&crashed.path().join("lab.space"));
    assert_eq!(space.counts().unwrap().entries, 0);
    space.begin_import().unwrap();
    space.import_page(&page[..1], &schema()).unwrap();
    complete(&mut space);
    assert!(space.entry_by_source_id(&id(100)).unwrap().is_some());
}

#[test]
fn a_space_of_format_3_is_brought_up_with_all_that_it_holds() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("lab.space");
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch(include_str!("../src/schema/0003.sql")).unwrap();
    connection.execute_batch("PRAGMA application_id = 0x50525653; PRAGMA user_version = 3;").unwrap();
    let insert = "INSERT INTO entry VALUES (7, ?1, ?1, 'cn=a,dc=lab', ?2, 'user', ?3, 0)";
    let name: Dn = "cn=a,dc=lab".parse().unwrap();
    connection.execute(insert, rusqlite::params![id(1).to_storage(), name.key().octets(), [0_u8]]).unwrap();
    drop(connection);
    let space = Space::open(&file).unwrap();
    let found = space.entry_by_source_id(&id(1)).unwrap().unwrap();
    assert_eq!((found.key.number(), &found.entry.dn), (7, &name));
    drop(space);
    let schema = |file: &Path| -> Vec<String> {
        held(file).into_iter().filter(|row| row.contains("CREATE") || row.contains("ok")).collect()
    };
    let new = folder.path().join("new.space");
    drop(Space::open(&new).unwrap());
    assert_eq!(schema(&file), schema(&new));
}

#[test]
fn a_space_of_format_4_gets_room_for_answers_and_a_secret_of_its_own() {
    let folder = TempDir::new().unwrap();
    let keys: Vec<Vec<u8>> = ["one.space", "other.space"]
        .iter()
        .map(|name| {
            let file = folder.path().join(name);
            let connection = Connection::open(&file).unwrap();
            connection.execute_batch(include_str!("../src/schema/0003.sql")).unwrap();
            connection.execute_batch(include_str!("../src/schema/0004.sql")).unwrap();
            connection.execute_batch("PRAGMA application_id = 0x50525653; PRAGMA user_version = 4;").unwrap();
            let insert = "INSERT INTO entry VALUES (7, ?1, ?1, 'cn=a,dc=lab', x'00', 'user', ?2, 0)";
            connection.execute(insert, rusqlite::params![id(1).to_storage(), [0_u8]]).unwrap();
            drop(connection);
            let mut space = Space::open(&file).unwrap();
            let key = space.entry_by_source_id(&id(1)).unwrap().unwrap().key;
            assert_eq!(space.answers(key).unwrap(), None);
            space.keep_answers(key, b"it is kept").unwrap();
            space.keep_answers(key, b"and replaced").unwrap();
            drop(space);
            let mut space = Space::open(&file).unwrap();
            assert_eq!(space.answers(key).unwrap().as_deref(), Some(&b"and replaced"[..]));
            space.forget_entry(key).unwrap();
            assert_eq!(space.answers(key).unwrap(), None);
            space.fact(MetaKey::AnswerKey).unwrap().unwrap()
        })
        .collect();
    assert_eq!((keys[0].len(), keys[1].len()), (16, 16));
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn what_is_written_after_a_first_import_was_given_up_is_kept() {
    let (_folder, file, mut space) = begun();
    space.abandon_import();
    space.set_fact(MetaKey::LastError, Some(b"the server hung up")).unwrap();
    drop(space);
    let mut space = open(&file);
    assert_eq!(space.fact(MetaKey::LastError).unwrap().as_deref(), Some(&b"the server hung up"[..]));
    assert_eq!(space.counts().unwrap().entries, 0);
    // Also where nobody gave it up before the next cycle.
    space.begin_import().unwrap();
    space.import_page(&[ImportItem::Upsert(Numbers(1).entry(1, 5))], &schema()).unwrap();
    let cycle = space.begin_cycle(17).unwrap();
    drop(space);
    let space = open(&file);
    assert_eq!(space.counts().unwrap().entries, 0);
    assert_eq!(space.previous_start(CycleNumber(cycle.0 + 1)).unwrap(), Some(17));
}

#[test]
fn a_space_that_became_empty_is_filled_as_a_new_one_is() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("lab.space");
    let mut space = open(&file);
    let feed: Vec<ImportItem> =
        (0..20).map(|number| ImportItem::Upsert(Numbers(7 + number).entry(number, 20))).collect();
    let names = |file: &Path| -> Vec<String> {
        let of_names = |row: &String| row.starts_with("value_name: ") || row.starts_with("reference: ");
        held(file).into_iter().filter(of_names).collect()
    };
    let fill = |space: &mut Space| {
        space.begin_import().unwrap();
        space.import_page(&feed, &schema()).unwrap();
        complete(space);
        names(&file)
    };
    let first = fill(&mut space);
    assert!(first.iter().any(|row| row.starts_with("value_name: ")), "{first:?}");
    space.begin_import().unwrap();
    complete(&mut space);
    for stored in space.dirty_entries(None, 100).unwrap() {
        space.forget_entry(stored.key).unwrap();
    }
    assert_eq!(fill(&mut space), first);
}
