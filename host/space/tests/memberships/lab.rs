//! Objects with memberships, and a connector space that holds them.

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{
    AttributeName, AttributeSyntax, Attributes, Dn, Entry, IdSyntax, ImportItem, MatchingRule, Schema, SourceId, Value,
};
use provisor_space::{EntryKey, ImportEnd, Memberships, Space, ValueReference};
use tempfile::TempDir;

const RID: &str = "objectSid;rid";

pub fn id(number: u128) -> SourceId {
    SourceId::new(IdSyntax::Guid, &number.to_be_bytes()).unwrap()
}

pub fn number(id: &SourceId) -> u128 {
    u128::from_be_bytes(id.octets().try_into().unwrap())
}

pub fn by_id(number: u128) -> Value {
    Value::Text(format!("<GUID={}>", id(number)))
}

pub fn schema() -> Schema {
    Schema::new([(AttributeName::from("member"), AttributeSyntax::Dn)])
}

/// An object as the tests think of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Thing {
    pub group: bool,
    pub name: u128,
    pub unit: u128,
    pub members: BTreeSet<u128>,
    pub rid: Option<u128>,
    pub primary: Option<u128>,
}

impl Thing {
    pub fn new(group: bool, name: u128) -> Self {
        Self { group, name, unit: 0, members: BTreeSet::new(), rid: None, primary: None }
    }

    pub fn group(name: u128, members: &[u128]) -> Self {
        Self { members: members.iter().copied().collect(), ..Self::new(true, name) }
    }

    pub fn user(name: u128, primary: u128) -> Self {
        Self { primary: Some(primary), ..Self::new(false, name) }
    }

    pub fn with_rid(self, rid: u128) -> Self {
        Self { rid: Some(rid), ..self }
    }

    pub fn dn(&self, units: &BTreeMap<u128, u128>) -> String {
        let unit = units.get(&self.unit).copied().unwrap_or(self.unit);
        format!("cn=n{},ou=u{unit},dc=lab", self.name)
    }

    pub fn entry(&self, own: u128, units: &BTreeMap<u128, u128>) -> Entry {
        let text = |number: u128| vec![Value::Text(number.to_string())];
        let mut attributes = Attributes::new();
        attributes.set("member".into(), self.members.iter().map(|member| by_id(*member)).collect());
        attributes.set(RID.into(), self.rid.map_or_else(Vec::new, text));
        attributes.set("primaryGroupID".into(), self.primary.map_or_else(Vec::new, text));
        Entry {
            source_id: id(own),
            anchor: id(own).into(),
            dn: self.dn(units).parse::<Dn>().unwrap(),
            object_class: if self.group { "group" } else { "user" }.into(),
            attributes,
        }
    }
}

pub struct Store {
    _folder: TempDir,
    pub space: Space,
}

impl Store {
    pub fn new(flat: bool, member_of: bool, nested_member_of: bool) -> Self {
        let folder = TempDir::new().unwrap();
        let mut space = Space::open(&folder.path().join("lab.space")).unwrap();
        let rule = MatchingRule::Integer;
        let by = ValueReference { by: RID.into(), rule, reverse_of: Some("member".into()) };
        space.adopt_references_by(&BTreeMap::from([("primaryGroupID".into(), by)])).unwrap();
        let attributes = BTreeSet::from(["member".into(), "primaryGroupID".into()]);
        space.adopt_memberships(&Memberships { attributes, flat, member_of, nested_member_of }).unwrap();
        Self { _folder: folder, space }
    }

    /// The same with these objects, after which nobody waits for an evaluation.
    pub fn with(mut self, things: &[(u128, Thing)]) -> Self {
        self.put(things);
        self.dirty();
        self
    }

    pub fn put(&mut self, things: &[(u128, Thing)]) {
        let upsert = |(own, thing): &(u128, Thing)| ImportItem::Upsert(thing.entry(*own, &BTreeMap::new()));
        self.import(&things.iter().map(upsert).collect::<Vec<_>>());
    }

    pub fn import(&mut self, items: &[ImportItem]) {
        import(&mut self.space, items);
    }

    pub fn dirty(&mut self) -> Vec<u128> {
        dirty(&mut self.space).into_iter().collect()
    }

    pub fn members(&self, group: u128) -> Vec<u128> {
        members(&self.space, group).into_iter().collect()
    }

    pub fn member_of(&self, own: u128, nested: bool) -> Vec<String> {
        self.space.member_of(key(&self.space, own), nested).unwrap()
    }
}

pub fn import(space: &mut Space, items: &[ImportItem]) {
    space.begin_import().unwrap();
    space.import_page(items, &schema()).unwrap();
    let end = ImportEnd { watermark: b"mark", absent_is_deleted: false, reads: &BTreeSet::new() };
    space.complete_import(&end).unwrap();
}

pub fn key(space: &Space, own: u128) -> EntryKey {
    space.entry_by_source_id(&id(own)).unwrap().unwrap().key
}

/// Who waits for an evaluation; then nobody does.
pub fn dirty(space: &mut Space) -> BTreeSet<u128> {
    let found = space.dirty_entries(None, 1000).unwrap();
    for stored in &found {
        space.evaluated(stored.key, &stored.entry.source_id, None, None).unwrap();
    }
    found.iter().map(|stored| number(&stored.entry.source_id)).collect()
}

/// The members of a group; by whichever way they are asked for they are the same.
pub fn members(space: &Space, group: u128) -> BTreeSet<u128> {
    let (key, attribute) = (key(space, group), AttributeName::from("member"));
    let ids = space.references_of(key, &attribute).unwrap();
    let found: BTreeSet<u128> = ids.iter().map(number).collect();
    assert_eq!(ids.len(), found.len(), "each once");
    let numbered = space.numbered_references_of(key, &attribute).unwrap();
    assert_eq!(numbered.iter().map(|(id, _)| number(id)).collect::<BTreeSet<_>>(), found);
    let mut keys: BTreeSet<EntryKey> = space.reference_keys_of(key, &attribute).unwrap().into_iter().collect();
    // Those may have left.
    keys.retain(|key| space.entry(*key).unwrap().is_some_and(|stored| !stored.gone && !stored.excluded));
    assert_eq!(numbered.iter().map(|(_, key)| *key).collect::<BTreeSet<_>>(), keys);
    found
}
