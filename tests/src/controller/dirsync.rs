//! DirSync (MS-ADTS 3.1.1.3.4.1.3): what has changed since a cookie, page by page.

use super::answer::{Outcome, control, entry};
use super::ber::{INTEGER, OCTETS, SEQUENCE, part, parts, whole};
use super::cookie::Cookie;
use super::guid::Guid;
use super::read::{Given, NameForm};
use super::replica::{LinkKey, LinkState, Object, Replica, Stamp};
use super::request::{DIRSYNC, Request, Scope, Search};
use super::schema::{self, Kind};
use super::state::{Behaviour, State};

/// What the account may see is what comes, and no right to replicate is needed.
const OBJECT_SECURITY: u32 = 1;
/// Whoever is above an object comes before it.
const ANCESTORS_FIRST: u32 = 0x800;
/// Of linked attributes the changed values alone come.
const INCREMENTAL_VALUES: u32 = 0x8000_0000;

/// One answer in the making.
struct Page<'a> {
    replica: &'a Replica,
    behaviour: &'a Behaviour,
    search: &'a Search,
    id: i64,
    flags: u32,
    max_octets: usize,
    names: NameForm,
    context: Guid,
    from: Cookie,
    messages: Vec<Vec<u8>>,
    octets: usize,
    sent: Vec<Guid>,
}

impl State {
    /// Answers a search with the DirSync control.
    pub(super) fn dirsync(&self, request: &Request, search: &Search) -> Result<Vec<Vec<u8>>, Outcome> {
        let behaviour = &self.behaviour;
        let asked = request.control(DIRSYNC).map(super::request::Control::dirsync);
        let Some(Ok(asked)) = asked else { return Err(Outcome::bad_control(2)) };
        if asked.flags & OBJECT_SECURITY == 0 && !behaviour.may_replicate {
            return Err(Outcome::no_right());
        }
        let base = self.replica.find(&search.base);
        let Some(context) = base.filter(|base| self.replica.context(*base) == *base && search.scope == Scope::Subtree)
        else {
            return Err(Outcome::not_a_context());
        };
        let from =
            self.replica.begin(&asked.cookie, behaviour).ok_or_else(|| Outcome::bad_control(behaviour.bad_cookie))?;
        let page = Page {
            replica: &self.replica,
            behaviour,
            search,
            id: request.id,
            flags: asked.flags,
            max_octets: if asked.max_octets == 0 { usize::MAX } else { asked.max_octets },
            names: super::search::name_form(request),
            context,
            from,
            messages: Vec::new(),
            octets: 0,
            sent: Vec::new(),
        };
        Ok(page.fill())
    }
}

impl Replica {
    /// Where a client with this cookie goes on. One of another database is taken by what it says of all databases;
    /// none where it is none, or not taken.
    fn begin(&self, cookie: &[u8], behaviour: &Behaviour) -> Option<Cookie> {
        if cookie.is_empty() {
            return Some(Cookie { invocation: self.invocation, objects: 0, properties: 0, vector: [].into() });
        }
        let cookie = Cookie::read(cookie).filter(|_| !behaviour.refuse_cookies)?;
        if cookie.invocation == self.invocation {
            return Some(cookie);
        }
        let vector = if behaviour.foreign_cookies_repeat { [].into() } else { cookie.vector };
        Some(Cookie { invocation: self.invocation, objects: 0, properties: 0, vector })
    }
}

impl Page<'_> {
    /// Objects come first, in the order of their last changes, then values of linked attributes in the order of theirs.
    fn fill(mut self) -> Vec<Vec<u8>> {
        let mut to = self.from.clone();
        for (usn, guid) in self.replica.changed.range(self.from.objects + 1..) {
            if self.is_full() {
                return self.end(&to, true);
            }
            self.tell_object(*guid);
            to.objects = *usn;
        }
        if self.flags & INCREMENTAL_VALUES != 0 && self.tell_links(&mut to) {
            return self.end(&to, true);
        }
        to.objects = self.replica.usn;
        to.properties = self.replica.usn;
        to.vector = self.replica.whole_vector();
        self.end(&to, false)
    }

    /// Tells values of linked attributes; those of one attribute together, as far as they follow each other. Says
    /// whether more is left than the page takes.
    fn tell_links(&mut self, to: &mut Cookie) -> bool {
        let mut together: Vec<LinkKey> = Vec::new();
        for (usn, key) in self.replica.links_changed.range(self.from.properties + 1..) {
            if !self.is_told(*key) {
                continue;
            }
            let goes_along = |first: &LinkKey| first.source == key.source && first.attribute == key.attribute;
            let full = together.len() >= self.behaviour.dirsync_values.max(1);
            if full || !together.first().is_none_or(goes_along) {
                self.tell_values(&std::mem::take(&mut together));
                if self.is_full() {
                    return true;
                }
            }
            together.push(*key);
            to.properties = *usn;
        }
        self.tell_values(&together);
        false
    }

    fn is_full(&self) -> bool {
        self.messages.len() >= self.behaviour.dirsync_page || self.octets >= self.max_octets
    }

    fn end(mut self, cookie: &Cookie, more: bool) -> Vec<Vec<u8>> {
        let value =
            parts(SEQUENCE, &[whole(INTEGER, i64::from(more)), whole(INTEGER, 0), part(OCTETS, &cookie.write())]);
        let done = Outcome::success().message(self.id, super::answer::SEARCH_DONE, &[control(DIRSYNC, &value)]);
        self.messages.push(done);
        self.messages
    }

    fn push(&mut self, object: &Object, given: &[Given]) {
        let message = entry(self.id, &self.replica.name_of(object.guid, self.names), given);
        self.octets += message.len();
        self.messages.push(message);
    }

    /// Whether the client does not know a value with this stamp.
    fn is_news(&self, stamp: &Stamp) -> bool {
        let heard = self.from.vector.get(&stamp.origin).copied().unwrap_or(0);
        stamp.usn > self.from.properties && stamp.origin_usn > heard
    }

    fn is_first(&self) -> bool {
        self.from.vector.is_empty()
    }

    /// Whether an object is one of those asked for, and in sight.
    fn is_asked_for(&self, object: &Object) -> bool {
        let by_security = self.flags & OBJECT_SECURITY != 0;
        let in_sight = !object.hidden && (self.behaviour.deleted_are_told || !object.is_deleted());
        (!by_security || in_sight)
            && self.replica.context(object.guid) == self.context
            && self.search.filter.is_met(self.replica, object) == Some(true)
    }

    fn tell_object(&mut self, guid: Guid) {
        let Some(object) = self.replica.objects.get(&guid) else { return };
        if self.sent.contains(&guid) || !self.is_asked_for(object) {
            return;
        }
        let given = self.changes(object);
        if given.is_empty() {
            return;
        }
        if self.flags & ANCESTORS_FIRST != 0
            && let Some(parent) = object.parent.filter(|parent| self.replica.usn_changed(*parent) > self.from.objects)
        {
            self.tell_object(parent);
        }
        self.sent.push(guid);
        let always = [
            ("objectGUID".to_owned(), vec![guid.octets().to_vec()]),
            ("instanceType".to_owned(), object.values("instanceType").to_vec()),
        ];
        let further = given.into_iter().filter(|(name, _)| name != "instanceType");
        self.push(object, &always.into_iter().chain(further).collect::<Vec<_>>());
    }

    /// The attributes of an object that have changed, as far as they are asked for.
    fn changes(&self, object: &Object) -> Vec<Given> {
        let mut given: Vec<Given> = Vec::new();
        for (name, values) in &object.attributes {
            let replicated = schema::find(name).is_some_and(|attribute| attribute.kind == Kind::Stored);
            if !replicated || !self.is_news(&values.stamp) {
                continue;
            }
            // That an object is gone is told whatever is asked for.
            if self.asks_for(name) || *name == "isDeleted" {
                given.push(((*name).to_owned(), values.values.clone()));
            }
            // A name's stamp is also that of the place.
            if *name == "name"
                && self.asks_for("parentGUID")
                && let Some(parent) = object.parent
            {
                given.push(("parentGUID".to_owned(), vec![parent.octets().to_vec()]));
            }
        }
        if self.flags & INCREMENTAL_VALUES == 0 {
            let changed = object
                .links
                .iter()
                .filter(|(name, links)| self.asks_for(name) && links.list.iter().any(|link| self.is_news(&link.stamp)));
            given.extend(changed.map(|(name, _)| self.all_values(object, name)));
        }
        given
    }

    /// All values of a linked attribute, as many as an entry may have.
    fn all_values(&self, object: &Object, attribute: &'static str) -> Given {
        let targets: Vec<Guid> = self.replica.linked(object.guid, attribute).collect();
        let shown = targets.iter().take(self.behaviour.max_values);
        let values = shown.map(|target| self.replica.name_of(*target, self.names).into_bytes()).collect();
        let bounded = targets.len() > self.behaviour.max_values;
        let range = if bounded { format!(";range=0-{}", self.behaviour.max_values - 1) } else { String::new() };
        (format!("{attribute}{range}"), values)
    }

    fn asks_for(&self, name: &str) -> bool {
        let asked = &self.search.attributes;
        asked.is_empty() || asked.iter().any(|other| other == "*" || other.eq_ignore_ascii_case(name))
    }

    /// Whether a changed value of a linked attribute is told. Nothing is told of links whose ends are deleted.
    fn is_told(&self, key: LinkKey) -> bool {
        let (Some(object), Some(link)) = (self.replica.objects.get(&key.source), self.replica.link_of(key)) else {
            return false;
        };
        let ends_are_there = self.replica.is_alive(key.source) && self.replica.is_alive(key.target);
        let told = match link.state {
            LinkState::Present => true,
            LinkState::Absent => self.behaviour.dirsync_tells_absent || !self.is_first(),
            LinkState::Dropped => false,
        };
        told && ends_are_there && self.is_news(&link.stamp) && self.asks_for(key.attribute) && self.is_asked_for(object)
    }

    /// Values of one object's attribute: those that were added, and those that were taken away.
    fn tell_values(&mut self, values: &[LinkKey]) {
        let Some(first) = values.first() else { return };
        let Some(object) = self.replica.objects.get(&first.source) else { return };
        let mut given: Vec<Given> = vec![
            ("objectGUID".to_owned(), vec![object.guid.octets().to_vec()]),
            ("instanceType".to_owned(), object.values("instanceType").to_vec()),
        ];
        for (state, range) in [(LinkState::Present, "1-1"), (LinkState::Absent, "0-0")] {
            let such = values.iter().filter(|key| self.replica.link_of(**key).is_some_and(|link| link.state == state));
            let names: Vec<Vec<u8>> =
                such.map(|key| self.replica.name_of(key.target, self.names).into_bytes()).collect();
            if !names.is_empty() {
                given.push((format!("{};range={range}", first.attribute), names));
            }
        }
        self.push(object, &given);
    }
}
