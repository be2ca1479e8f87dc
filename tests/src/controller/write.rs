//! How changes get into a replica: each has a number, and every value the stamp of the change that wrote it.

use super::guid::Guid;
use super::replica::{Link, LinkKey, LinkState, Object, Replica, Stamp, Values};

impl Replica {
    /// The number of a new change.
    pub(super) fn next_usn(&mut self) -> u64 {
        self.usn += 1;
        self.seconds += 1;
        self.usn
    }

    /// The stamp of a value that is written here, over one with this stamp.
    pub(super) fn stamp(&self, usn: u64, over: Option<Stamp>) -> Stamp {
        let version = over.map_or(0, |over| over.version) + 1;
        Stamp { version, seconds: self.seconds, origin: self.invocation, origin_usn: usn, usn }
    }

    /// Puts in an object that has no attributes yet.
    pub(super) fn put_in(&mut self, guid: Guid, parent: Option<Guid>, naming: &'static str, usn: u64) {
        let row = self.order.last_key_value().map_or(1, |(row, _)| row + 1);
        self.order.insert(row, guid);
        self.changed.insert(usn, guid);
        let object = Object {
            guid,
            row,
            parent,
            root: None,
            naming,
            attributes: [].into(),
            links: [].into(),
            created_usn: usn,
            changed_usn: usn,
            changed_seconds: self.seconds,
            hidden: false,
            password: None,
        };
        self.objects.insert(guid, object);
    }

    /// Notes that an object was changed.
    pub(super) fn touch(&mut self, guid: Guid, usn: u64) {
        let seconds = self.seconds;
        if let Some(object) = self.objects.get_mut(&guid) {
            self.changed.remove(&object.changed_usn);
            self.changed.insert(usn, guid);
            object.changed_usn = usn;
            object.changed_seconds = seconds;
        }
    }

    /// Writes the values of an attribute; none at all clear it.
    pub(super) fn write(&mut self, guid: Guid, name: &'static str, values: Vec<Vec<u8>>, usn: u64) {
        let over = self.objects.get(&guid).and_then(|object| object.attributes.get(name)).map(|values| values.stamp);
        let stamp = self.stamp(usn, over);
        self.put_values(guid, name, Values { values, stamp });
    }

    /// The same for one text.
    pub(super) fn write_text(&mut self, guid: Guid, name: &'static str, text: &str, usn: u64) {
        self.write(guid, name, vec![text.as_bytes().to_vec()], usn);
    }

    /// Puts in values that have their stamp.
    pub(super) fn put_values(&mut self, guid: Guid, name: &'static str, values: Values) {
        let usn = values.stamp.usn;
        if let Some(object) = self.objects.get_mut(&guid) {
            object.attributes.insert(name, values);
            self.touch(guid, usn);
        }
    }

    /// Gives an object its place and name, and keeps the index of children in step.
    pub(super) fn put_name(&mut self, guid: Guid, parent: Option<Guid>, name: Values) {
        if let Some(object) = self.objects.get_mut(&guid) {
            if let Some(old) = object.parent {
                let key = (old, object.key());
                if self.children.get(&key) == Some(&guid) {
                    self.children.remove(&key);
                }
            }
            object.parent = parent;
            let usn = name.stamp.usn;
            object.attributes.insert("name", name);
            if let Some(parent) = parent {
                self.children.insert((parent, object.key()), guid);
            }
            self.touch(guid, usn);
        }
    }

    /// Renames or moves an object.
    pub(super) fn write_name(&mut self, guid: Guid, parent: Option<Guid>, name: &str, usn: u64) {
        let Some(object) = self.objects.get(&guid) else { return };
        let over = object.attributes.get("name").map(|values| values.stamp);
        let same = object.name() == name;
        let naming = naming_attribute(object.naming);
        let stamp = self.stamp(usn, over);
        self.put_name(guid, parent, Values { values: vec![name.as_bytes().to_vec()], stamp });
        // The naming attribute is written only where the name is another one: a move touches `name` alone.
        if !same {
            self.write_text(guid, naming, name, usn);
        }
    }

    /// Writes a value of a linked attribute, with a number of its own.
    pub(super) fn write_link(&mut self, key: LinkKey, state: LinkState) {
        let usn = self.next_usn();
        let over = self.link_of(key).map(|link| link.stamp);
        let stamp = self.stamp(usn, over);
        self.put_link(key, state, stamp);
    }

    pub(super) fn link_of(&self, key: LinkKey) -> Option<&Link> {
        self.objects.get(&key.source)?.links.get(key.attribute)?.get(key.target)
    }

    /// Puts in a linked value that has its stamp.
    pub(super) fn put_link(&mut self, key: LinkKey, state: LinkState, stamp: Stamp) {
        let known = self.link_of(key).map(|link| link.stamp.usn);
        let Some(object) = self.objects.get_mut(&key.source) else { return };
        object.links.entry(key.attribute).or_default().put(Link { target: key.target, state, stamp });
        if let Some(known) = known {
            self.links_changed.remove(&known);
        }
        self.links_changed.insert(stamp.usn, key);
        self.back.entry(key.target).or_default().insert((key.attribute, key.source));
        self.touch(key.source, stamp.usn);
    }

    /// Drops the links from and to an object that is deleted. Nobody is told: the objects at the other end stay as they
    /// are.
    pub(super) fn drop_links(&mut self, guid: Guid) {
        let towards: Vec<LinkKey> = self
            .back
            .get(&guid)
            .into_iter()
            .flatten()
            .map(|(attribute, source)| LinkKey { source: *source, attribute, target: guid })
            .collect();
        for key in towards {
            let links = self.objects.get_mut(&key.source).and_then(|object| object.links.get_mut(key.attribute));
            if let Some(link) = links.and_then(|links| links.get_mut(guid)) {
                link.state = LinkState::Dropped;
            }
        }
        let own = self.objects.get_mut(&guid).into_iter().flat_map(|object| object.links.values_mut());
        own.flat_map(|links| &mut links.list).for_each(|link| link.state = LinkState::Dropped);
    }
}

/// The attribute that an object's name is taken from, as the schema spells it.
pub(super) fn naming_attribute(naming: &str) -> &'static str {
    match naming {
        "OU" => "ou",
        "DC" => "dc",
        _ => "cn",
    }
}
