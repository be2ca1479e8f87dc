//! Two connector spaces that lead to one target: who is left a resource that the other lets go of.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "these are tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use provisor_model::{
    Anchor, Attributes, Dn, Entry, IdSyntax, ImportItem, OperationKind, ResourceId, Schema, SourceId,
};
use provisor_space::{
    ImportEnd, Link, LinkState, MetaKey, Neighbour, PlanState, Planned, PlannedBody, Space, StoredEntry,
};
use tempfile::TempDir;

const TARGET: &[u8] = b"https://tenant.example/scim/v2/";

struct Store {
    _folder: TempDir,
    path: PathBuf,
    space: Space,
}

fn id() -> SourceId {
    SourceId::new(IdSyntax::Guid, &[7; 16]).unwrap()
}

fn anchor() -> Anchor {
    Anchor::from(id())
}

fn resource() -> ResourceId {
    ResourceId::new("77")
}

impl Store {
    /// A space with one person, whose target is known.
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("corp.space");
        let mut space = Space::open(&path).unwrap();
        space.set_fact(MetaKey::Target, Some(TARGET)).unwrap();
        let ann = Entry {
            source_id: id(),
            anchor: anchor(),
            dn: "cn=ann,o=lab".parse::<Dn>().unwrap(),
            object_class: "user".into(),
            attributes: Attributes::new(),
        };
        space.begin_import().unwrap();
        space.import_page(&[ImportItem::Upsert(ann)], &Schema::new([])).unwrap();
        let end = ImportEnd { watermark: b"1", reads: &BTreeSet::new(), absent_is_deleted: false };
        space.complete_import(&end).unwrap();
        Self { _folder: folder, path, space }
    }

    fn ann(&self) -> StoredEntry {
        self.space.entry_by_source_id(&id()).unwrap().unwrap()
    }

    fn linked(mut self, state: LinkState) -> Self {
        let (kind, exported) = ("User".to_owned(), BTreeMap::new());
        let link = Link { kind, resource_id: resource(), anchor: anchor(), state, exported };
        let key = self.ann().key;
        self.space.set_link(key, &link).unwrap();
        self
    }

    fn decided(mut self, decision: &str) -> Self {
        let key = self.ann().key;
        self.space.evaluated(key, &id(), Some(decision), None).unwrap();
        self
    }

    fn planned(mut self, operation: OperationKind) -> Self {
        let body = PlannedBody { kind: "User".into(), resource_id: Some(resource()), ..PlannedBody::default() };
        let planned = Planned { key: self.ann().key, operation, body };
        self.space.put_plan(&planned, &id(), PlanState::Candidate).unwrap();
        self
    }

    /// Another configuration lets go of the resource; the name of whom it is left to.
    fn left(&self, claims: bool) -> Option<String> {
        let mut neighbour = Neighbour::open(&self.path, TARGET).unwrap().unwrap();
        let foreseen = neighbour.heir("User", &resource(), &anchor(), claims).unwrap();
        let left = neighbour.leave_to("User", &resource(), &anchor(), claims, 1).unwrap();
        assert_eq!(foreseen, left, "what is planned is what is done");
        left.map(|keeper| keeper.dn)
    }
}

#[test]
fn who_has_the_resource_too_keeps_it_and_reads_it_again() {
    let store = Store::new().decided("provision").linked(LinkState::Active);
    assert_eq!(store.left(false).as_deref(), Some("cn=ann,o=lab"));
    let ann = store.ann();
    assert!(ann.uncertain, "what the target has is read before it is written");
    assert_eq!(store.space.dirty_count().unwrap(), 1);
    let text = anchor().to_string();
    assert!(store.space.was_released("User", &resource(), &text).unwrap());
    assert!(!store.space.was_released("User", &resource(), "of-somebody-else").unwrap());
}

#[test]
fn who_waits_for_the_resource_has_it_at_once() {
    let store = Store::new().decided("held: belongs-to-another: the other has it");
    assert_eq!(store.left(false), None, "its configuration does not run");
    assert_eq!(store.left(true).as_deref(), Some("cn=ann,o=lab"));
    // So that it is taken away if this one leaves too.
    let link = store.ann().link.unwrap();
    assert_eq!((link.resource_id, link.anchor, link.state), (resource(), anchor(), LinkState::Active));
    assert_eq!(link.exported, BTreeMap::new());
}

#[test]
fn who_is_about_to_leave_is_left_nothing() {
    for operation in [OperationKind::Delete, OperationKind::Disable, OperationKind::Release] {
        assert_eq!(Store::new().linked(LinkState::Active).planned(operation).left(true), None, "{operation}");
    }
    assert_eq!(Store::new().decided("out of scope: no-mapping: of no class").left(true), None);
    assert_eq!(Store::new().linked(LinkState::Disabled).left(true), None);
    // Who joins it just now keeps it.
    assert!(Store::new().planned(OperationKind::Join).left(true).is_some());
}

#[test]
fn another_target_is_nobodys_neighbour() {
    let store = Store::new().linked(LinkState::Active);
    assert!(Neighbour::open(&store.path, b"https://elsewhere.example/").unwrap().is_none());
    let empty = store.path.with_file_name("empty.space");
    std::fs::write(&empty, b"").unwrap();
    assert!(Neighbour::open(&empty, TARGET).unwrap().is_none(), "it has not begun");
    std::fs::write(&empty, b"something else, which is no database at all").unwrap();
    assert!(Neighbour::open(&empty, TARGET).is_err());
}
