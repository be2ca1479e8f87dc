//! How controllers of one domain learn of each other's changes, and what happens when one is restored.

use std::collections::BTreeMap;

use super::guid::Guid;
use super::replica::{LinkState, Object, Replica, Stamp, Values};
use super::schema::{self, Kind};

impl Replica {
    /// How far the changes of each database have come here, this one's included.
    pub(super) fn whole_vector(&self) -> BTreeMap<Guid, u64> {
        let mut vector = self.vector.clone();
        vector.insert(self.invocation, self.usn);
        vector
    }

    /// Takes over what another controller has and this one has not heard of. What comes gets numbers of its own here.
    ///
    /// Changes by a controller that was rolled back have numbers that were heard of before: as with real controllers,
    /// they never come.
    pub fn pull(&mut self, from: &Self) {
        let heard = self.whole_vector();
        let is_news = |stamp: &Stamp| stamp.origin_usn > heard.get(&stamp.origin).copied().unwrap_or(0);
        self.seconds = self.seconds.max(from.seconds);
        for object in from.changed.values().filter_map(|guid| from.objects.get(guid)) {
            self.pull_object(object, is_news);
        }
        for key in from.links_changed.values() {
            let Some(link) = from.link_of(*key).filter(|link| link.state != LinkState::Dropped) else { continue };
            let known = self.link_of(*key).map(|link| link.stamp);
            if is_news(&link.stamp) && known.is_none_or(|known| link.stamp.wins_over(&known)) {
                let usn = self.next_usn();
                self.put_link(*key, link.state, Stamp { usn, ..link.stamp });
            }
        }
        for (database, usn) in from.whole_vector() {
            if database != self.invocation {
                let known = self.vector.entry(database).or_default();
                *known = usn.max(*known);
            }
        }
    }

    fn pull_object(&mut self, from: &Object, is_news: impl Fn(&Stamp) -> bool) {
        let known = self.objects.get(&from.guid);
        let wins = |name: &str, stamp: &Stamp| {
            known.and_then(|object| object.attributes.get(name)).is_none_or(|here| stamp.wins_over(&here.stamp))
        };
        let replicated = |name: &str| schema::find(name).is_some_and(|attribute| attribute.kind != Kind::Local);
        let news: Vec<(&'static str, &Values)> = from
            .attributes
            .iter()
            .map(|(name, values)| (*name, values))
            .filter(|(name, values)| replicated(name) && is_news(&values.stamp) && wins(name, &values.stamp))
            .collect();
        if news.is_empty() {
            return;
        }
        let usn = self.next_usn();
        if !self.objects.contains_key(&from.guid) {
            self.put_in(from.guid, from.parent, from.naming, usn);
        }
        for (name, values) in news {
            let values = Values { stamp: Stamp { usn, ..values.stamp }, ..values.clone() };
            if name == "name" {
                self.put_name(from.guid, from.parent, values);
            } else {
                self.put_values(from.guid, name, values);
            }
        }
        self.follow_state(from);
    }

    /// What is not replicated value by value: what the tests set, and the end of links with an object's deletion.
    fn follow_state(&mut self, from: &Object) {
        if let Some(object) = self.objects.get_mut(&from.guid) {
            object.root.clone_from(&from.root);
            object.password.clone_from(&from.password);
            object.hidden = from.hidden;
        }
        let ends = from.is_deleted() && (!self.recycle_bin || from.text("isRecycled") == Some("TRUE"));
        if ends && from.guid != self.places.deleted {
            self.drop_links(from.guid);
        }
    }

    /// Restores an older state as a backup's restoration does it: the database gets a new id, and so does what is
    /// written from now on.
    pub(super) fn restore(&mut self, older: &Self) {
        *self = older.clone();
        self.vector.insert(self.invocation, self.usn);
        self.invocation = Guid::fresh();
        let usn = self.next_usn();
        self.write(self.places.settings, "invocationId", vec![self.invocation.octets().to_vec()], usn);
    }
}
