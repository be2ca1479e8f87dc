//! Everybody who was read, by name and by source id: as little of each as it takes to name them in a finding.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use provisor_model::{DnKey, SourceId};

use super::finding::{Finding, FindingKind, shown};

/// Where an object stands in the roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(u32);

/// The most objects that are compared with one another; each takes some hundred octets.
const MOST: usize = 5_000_000;

/// An object that was read.
#[derive(Debug)]
struct Known {
    dn: Box<str>,
    id: SourceId,
    class: Arc<str>,
}

/// All objects that were read. Names and ids are found by digests with a key of this process, since they themselves would
/// fill the memory; that two of some millions are taken for one another happens once in a million times, and costs no more
/// than a finding.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    state: RandomState,
    ids: HashMap<u64, Place>,
    /// By everything that a reference may call an object that has come.
    names: HashSet<Key>,
    /// None where something was said of an object that has not come itself.
    objects: Vec<Option<Known>>,
    /// Those of which that is so.
    spoken_of: HashMap<Place, SourceId>,
    /// Every word for an object class, once.
    classes: Vec<Arc<str>>,
}

/// What a reference leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(u64);

/// Why nothing more can be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are more than {MOST} objects")]
pub(crate) struct TooMany;

impl Roster {
    /// The place of the object with this id, which may not have come yet.
    ///
    /// # Errors
    /// When there are too many.
    pub fn place(&mut self, id: &SourceId) -> Result<Place, TooMany> {
        let next = u32::try_from(self.objects.len()).ok().filter(|_| self.objects.len() < MOST);
        let digest = self.state.hash_one(id);
        if let Some(place) = self.ids.get(&digest) {
            return Ok(*place);
        }
        let place = Place(next.ok_or(TooMany)?);
        self.ids.insert(digest, place);
        self.objects.push(None);
        Ok(place)
    }

    /// The same of an object of which something is said; it is remembered where it has not come itself.
    ///
    /// # Errors
    /// When there are too many.
    pub fn speak_of(&mut self, id: &SourceId) -> Result<Place, TooMany> {
        let place = self.place(id)?;
        if self.known(place).is_none() {
            self.spoken_of.insert(place, id.clone());
        }
        Ok(place)
    }

    /// Some of those that were spoken of and have not come; they are not given again.
    pub fn take_spoken_of(&mut self, most: usize) -> Vec<SourceId> {
        let places: Vec<Place> = self.spoken_of.keys().take(most).copied().collect();
        places.iter().filter_map(|place| self.spoken_of.remove(place)).collect()
    }

    /// Takes an object in; returns whether it is the first time.
    pub fn enter(&mut self, place: Place, dn: &str, name: &DnKey, id: &SourceId, class: &str) -> bool {
        let keys = self.keys(name, id);
        self.names.extend(keys);
        self.spoken_of.remove(&place);
        let class = self.class(class);
        let Some(object) = self.objects.get_mut(place.0 as usize) else { return false };
        let first = object.is_none();
        *object = Some(Known { dn: dn.into(), id: id.clone(), class });
        first
    }

    fn class(&mut self, word: &str) -> Arc<str> {
        if let Some(known) = self.classes.iter().find(|known| &***known == word) {
            return Arc::clone(known);
        }
        let class: Arc<str> = word.into();
        self.classes.push(Arc::clone(&class));
        class
    }

    /// What a reference of this value leads to; none where it is no name.
    pub fn key_of(&self, value: &str) -> Option<Key> {
        DnKey::of(value).ok().map(|name| self.key(&name))
    }

    fn key(&self, name: &DnKey) -> Key {
        Key(self.state.hash_one(name.octets()))
    }

    /// What references to an object lead to: its name, and its id where that can stand in the place of a name.
    pub fn keys(&self, name: &DnKey, id: &SourceId) -> impl Iterator<Item = Key> + use<> {
        let by_id = DnKey::of_id(id).map(|name| self.key(&name));
        [Some(self.key(name)), by_id].into_iter().flatten()
    }

    /// Whether what a reference leads to has come.
    pub fn has(&self, key: Key) -> bool {
        self.names.contains(&key)
    }

    fn known(&self, place: Place) -> Option<&Known> {
        self.objects.get(place.0 as usize)?.as_ref()
    }

    /// The name of an object; empty where it has not come.
    pub fn dn(&self, place: Place) -> &str {
        self.known(place).map_or("", |known| &known.dn)
    }

    /// The object class of an object; empty where it has not come.
    pub fn class_of(&self, place: Place) -> &str {
        self.known(place).map_or("", |known| &known.class)
    }

    /// The source id of an object; none where it has not come.
    pub fn id(&self, place: Place) -> Option<&SourceId> {
        self.known(place).map(|known| &known.id)
    }

    /// A finding about an object.
    pub fn finding(
        &self,
        place: Place,
        attribute: &str,
        error: FindingKind,
        value: &str,
        explanation: String,
    ) -> Finding {
        Finding {
            dn: self.dn(place).to_owned(),
            id: self.id(place).map(ToString::to_string).unwrap_or_default(),
            class: self.class_of(place).to_owned(),
            attribute: attribute.to_owned(),
            error,
            value: shown(value),
            explanation,
            suggestion: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use provisor_model::IdSyntax;

    use super::*;

    #[test]
    fn a_reference_is_a_name_however_spelt_or_an_id() {
        let guid = "00112233-4455-6677-8899-aabbccddeeff";
        let (mut roster, id) = (Roster::default(), SourceId::parse(IdSyntax::Guid, guid).unwrap());
        let place = roster.place(&id).unwrap();
        let by_id = roster.key_of(&format!("<GUID={guid}>")).unwrap();
        assert!(!roster.has(by_id), "something was said of it, and it has not come");
        let dn = "CN=Ada,DC=lab";
        assert!(roster.enter(place, dn, &DnKey::of(dn).unwrap(), &id, "user"));
        assert!(roster.has(by_id) && roster.has(roster.key_of("cn=ADA, dc=Lab").unwrap()));
        assert!(!roster.has(roster.key_of("CN=Bob,DC=lab").unwrap()));
        assert_eq!((roster.key_of("<GUID=1>"), roster.key_of("Ada")), (None, None));
        assert!(!roster.enter(place, dn, &DnKey::of(dn).unwrap(), &id, "user"), "it came before");
    }
}
