//! What one controller holds: objects, with the stamps by which changes are told from what is already known.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::dn;
use super::guid::Guid;
use super::read::NameForm;

/// A controller's copy of the domain, its configuration and its schema. Tests change it.
#[derive(Clone, Debug)]
pub struct Replica {
    pub(super) names: Names,
    pub(super) places: Places,
    pub(super) recycle_bin: bool,
    /// The id of this controller's database.
    pub(super) invocation: Guid,
    /// The number of the last change that was made here, or came here.
    pub(super) usn: u64,
    /// How far the changes of other databases have come here.
    pub(super) vector: BTreeMap<Guid, u64>,
    /// Seconds since the domain's beginning. No clock is asked: each change takes a second.
    pub(super) seconds: u64,
    pub(super) next_rid: u32,
    pub(super) objects: HashMap<Guid, Object>,
    /// In the order in which they came here, which is the order of searches.
    pub(super) order: BTreeMap<u64, Guid>,
    /// In the order of their last changes, which is the order of synchronisations.
    pub(super) changed: BTreeMap<u64, Guid>,
    /// Each value of a linked attribute, in the order of its last change.
    pub(super) links_changed: BTreeMap<u64, LinkKey>,
    pub(super) children: HashMap<(Guid, String), Guid>,
    /// Who refers to an object.
    pub(super) back: HashMap<Guid, BTreeSet<(&'static str, Guid)>>,
}

/// How the domain and this controller are called.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// `lab.test`.
    pub dns: String,
    /// `LAB`.
    pub netbios: String,
    /// `dc1`.
    pub host: String,
    pub sid: [u32; 3],
}

/// The objects that every domain has.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub domain: Guid,
    pub configuration: Guid,
    pub schema: Guid,
    pub users: Guid,
    pub computers: Guid,
    pub controllers: Guid,
    pub deleted: Guid,
    pub aggregate: Guid,
    pub servers: Guid,
    /// The settings object of this controller, which tells its invocation id.
    pub settings: Guid,
}

/// Where and when a value was written, there and here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub version: u64,
    pub seconds: u64,
    pub origin: Guid,
    pub origin_usn: u64,
    /// The number that the change has here.
    pub usn: u64,
}

impl Stamp {
    /// Whether this one wins over another of the same attribute or link.
    pub fn wins_over(&self, other: &Self) -> bool {
        (self.version, self.seconds, self.origin) > (other.version, other.seconds, other.origin)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Object {
    pub guid: Guid,
    /// The place in the order of searches.
    pub row: u64,
    /// None for the root of a naming context.
    pub parent: Option<Guid>,
    /// The whole name of the root of a naming context.
    pub root: Option<String>,
    /// The attribute that names it: `CN`, `OU` or `DC`.
    pub naming: &'static str,
    pub attributes: BTreeMap<&'static str, Values>,
    pub links: BTreeMap<&'static str, Links>,
    pub created_usn: u64,
    pub changed_usn: u64,
    pub changed_seconds: u64,
    /// Whether the account of the tests may not see it.
    pub hidden: bool,
    pub password: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Values {
    pub values: Vec<Vec<u8>>,
    pub stamp: Stamp,
}

/// Which value of a linked attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LinkKey {
    pub source: Guid,
    pub attribute: &'static str,
    pub target: Guid,
}

/// The values of a linked attribute, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    pub list: Vec<Link>,
    pub by_target: HashMap<Guid, usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Link {
    pub target: Guid,
    pub state: LinkState,
    pub stamp: Stamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkState {
    Present,
    /// Taken away, which synchronisations tell.
    Absent,
    /// Dropped because an end of it was deleted, of which nobody is told.
    Dropped,
}

impl Links {
    pub fn get(&self, target: Guid) -> Option<&Link> {
        self.by_target.get(&target).and_then(|at| self.list.get(*at))
    }

    pub fn get_mut(&mut self, target: Guid) -> Option<&mut Link> {
        self.by_target.get(&target).and_then(|at| self.list.get_mut(*at))
    }

    pub fn put(&mut self, link: Link) {
        match self.get_mut(link.target) {
            Some(known) => *known = link,
            None => {
                self.by_target.insert(link.target, self.list.len());
                self.list.push(link);
            }
        }
    }
}

impl Object {
    /// The first value of an attribute, as text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values(name).first().and_then(|value| std::str::from_utf8(value).ok())
    }

    pub fn values(&self, name: &str) -> &[Vec<u8>] {
        self.attributes.get(name).map_or(&[], |values| &values.values)
    }

    /// The value that stands in its name.
    pub fn name(&self) -> &str {
        self.text("name").unwrap_or_default()
    }

    pub fn is_deleted(&self) -> bool {
        self.text("isDeleted") == Some("TRUE")
    }

    pub fn key(&self) -> String {
        dn::part_key(self.naming, self.name())
    }
}

impl Replica {
    /// The id of this controller's database, as the settings object has it.
    #[must_use]
    pub fn invocation_id(&self) -> Guid {
        self.invocation
    }

    /// The number of the last change here.
    #[must_use]
    pub fn highest_usn(&self) -> u64 {
        self.usn
    }

    /// The number of an object's last change here; 0 for one that is unknown.
    #[must_use]
    pub fn usn_changed(&self, object: Guid) -> u64 {
        self.objects.get(&object).map_or(0, |object| object.changed_usn)
    }

    /// The root of the domain.
    #[must_use]
    pub fn domain(&self) -> Guid {
        self.places.domain
    }

    /// The container `CN=Users`.
    #[must_use]
    pub fn users(&self) -> Guid {
        self.places.users
    }

    /// The container `CN=Deleted Objects`, which is itself marked as deleted.
    #[must_use]
    pub fn deleted_objects(&self) -> Guid {
        self.places.deleted
    }

    /// The objects of the domain that are not deleted, in the order in which they came.
    pub fn all(&self) -> impl Iterator<Item = Guid> {
        let alive = |guid: &Guid| self.is_alive(*guid) && self.is_at_or_below(*guid, self.places.domain);
        self.order.values().copied().filter(alive)
    }

    /// The values that an object has of an attribute; names in their plain form.
    #[must_use]
    pub fn values_of(&self, object: Guid, attribute: &str) -> Vec<Vec<u8>> {
        let known = self.objects.get(&object).zip(super::schema::find(attribute));
        known.map(|(object, attribute)| self.values(object, attribute, NameForm::Plain)).unwrap_or_default()
    }

    /// The object of this name, whichever its state; `<GUID=...>`, `<SID=...>` and `<WKGUID=...>` are understood.
    #[must_use]
    pub fn find(&self, dn: &str) -> Option<Guid> {
        if let Some(by_id) = dn.strip_prefix('<') {
            return self.find_by_id(by_id.strip_suffix('>')?);
        }
        let parts = dn::normalised(dn)?;
        let root = self.root_above(&parts)?;
        let above = dn::normalised(self.objects.get(&root)?.root.as_deref()?)?.len();
        let below = parts.get(..parts.len().checked_sub(above)?)?;
        below.iter().rev().try_fold(root, |at, part| self.children.get(&(at, part.clone())).copied())
    }

    fn find_by_id(&self, id: &str) -> Option<Guid> {
        let (kind, value) = id.split_once('=')?;
        match kind.to_ascii_uppercase().as_str() {
            "GUID" => Guid::parse(value).filter(|guid| self.objects.contains_key(guid)),
            "SID" => {
                let is = |object: &&Object| object.values("objectSid").first().is_some_and(|sid| names_sid(value, sid));
                self.objects.values().find(is).map(|object| object.guid)
            }
            "WKGUID" => match value.get(..32)?.to_ascii_uppercase().as_str() {
                "18E2EA80684F11D2B9AA00C04F79F805" => Some(self.places.deleted),
                "A9D1CA15768811D1ADED00C04FD8D5CD" => Some(self.places.users),
                "AA312825768811D1ADED00C04FD8D5CD" => Some(self.places.computers),
                "A361B2FFFFD211D1AA4B00C04FD7D83A" => Some(self.places.controllers),
                _ => None,
            },
            _ => None,
        }
    }

    /// The root of the innermost naming context that a name is in.
    pub(super) fn root_above(&self, parts: &[String]) -> Option<Guid> {
        [self.places.schema, self.places.configuration, self.places.domain].into_iter().find(|root| {
            let name = self.objects.get(root).and_then(|object| dn::normalised(object.root.as_deref()?));
            name.is_some_and(|name| parts.ends_with(&name))
        })
    }

    /// An object's name; empty for one that is unknown.
    #[must_use]
    pub fn dn(&self, object: Guid) -> String {
        let mut text = String::new();
        let mut at = self.objects.get(&object);
        while let Some(object) = at {
            if !text.is_empty() {
                text.push(',');
            }
            if let Some(root) = &object.root {
                text.push_str(root);
            } else {
                text.push_str(object.naming);
                text.push('=');
                text.push_str(&dn::escaped(object.name()));
            }
            at = object.parent.and_then(|parent| self.objects.get(&parent));
        }
        text
    }

    /// The objects of a linked attribute that everybody can see, in the order in which they came.
    pub fn linked(&self, source: Guid, attribute: &str) -> impl Iterator<Item = Guid> {
        let object = self.objects.get(&source).filter(|object| !object.is_deleted());
        let links = object.and_then(|object| object.links.get(attribute));
        let present = links.into_iter().flat_map(|links| &links.list).filter(|link| link.state == LinkState::Present);
        present.map(|link| link.target).filter(|target| self.is_alive(*target))
    }

    /// Whether an object is there and not deleted.
    #[must_use]
    pub fn is_alive(&self, object: Guid) -> bool {
        self.objects.get(&object).is_some_and(|object| !object.is_deleted())
    }

    /// The root of the naming context that an object is in.
    pub(super) fn context(&self, object: Guid) -> Guid {
        let mut at = object;
        while let Some(parent) = self.objects.get(&at).and_then(|object| object.parent) {
            at = parent;
        }
        at
    }

    /// Whether an object is this one or below it, in the same naming context.
    pub(super) fn is_at_or_below(&self, object: Guid, base: Guid) -> bool {
        let mut at = Some(object);
        while let Some(guid) = at {
            if guid == base {
                return true;
            }
            at = self.objects.get(&guid).and_then(|object| object.parent);
        }
        false
    }
}

/// Whether a text names this SID: as `S-1-5-...` or by its octets in hexadecimal digits.
fn names_sid(text: &str, sid: &[u8]) -> bool {
    text.eq_ignore_ascii_case(&super::guid::sid_text(sid)) || text.eq_ignore_ascii_case(&super::guid::hex(sid))
}
