//! What a test does to a domain, as an administrator would: each change gets a number (USN), as on a controller.

use anyhow::{Context, Result, bail};

use super::guid::{Guid, sid};
use super::replica::{LinkKey, LinkState, Object, Replica};
use super::schema::{self, Kind};
use super::write::naming_attribute;

/// What kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A person with an account.
    User,
    /// A security group of the domain.
    Group,
    /// A computer with an account, which is also of the class of users.
    Computer,
    /// A person without an account.
    Contact,
    /// An organizational unit.
    Unit,
    /// A plain container.
    Container,
}

impl Class {
    fn classes(self) -> &'static [&'static str] {
        match self {
            Self::User => &["top", "person", "organizationalPerson", "user"],
            Self::Group => &["top", "group"],
            Self::Computer => &["top", "person", "organizationalPerson", "user", "computer"],
            Self::Contact => &["top", "person", "organizationalPerson", "contact"],
            Self::Unit => &["top", "organizationalUnit"],
            Self::Container => &["top", "container"],
        }
    }

    fn naming(self) -> &'static str {
        if self == Self::Unit { "OU" } else { "CN" }
    }

    /// What a new one has besides what was given: names and numbers, where it has an account.
    fn further(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::User => &[
                ("userAccountControl", "512"),
                ("sAMAccountType", "805306368"),
                ("primaryGroupID", "513"),
                ("accountExpires", "9223372036854775807"),
                ("pwdLastSet", "134116992000000000"),
                ("countryCode", "0"),
            ],
            Self::Computer => {
                &[("userAccountControl", "4096"), ("sAMAccountType", "805306369"), ("primaryGroupID", "515")]
            }
            Self::Group => &[("groupType", "-2147483646"), ("sAMAccountType", "268435456")],
            Self::Contact | Self::Unit | Self::Container => &[],
        }
    }

    fn has_account(self) -> bool {
        matches!(self, Self::User | Self::Computer | Self::Group)
    }
}

/// What is left of an object that is deleted where there is no recycle bin, and of one that is recycled.
const KEPT: &[&str] = &[
    "objectClass",
    "objectSid",
    "instanceType",
    "name",
    "cn",
    "ou",
    "sAMAccountName",
    "userAccountControl",
    "groupType",
    "dNSHostName",
    "whenCreated",
    "nTSecurityDescriptor",
    "systemFlags",
    "isDeleted",
    "isRecycled",
    "lastKnownParent",
    "msDS-LastKnownRDN",
];

impl Replica {
    /// Adds an object. Values of an attribute are given one by one; linked attributes by [`Self::link`]. What has an
    /// account is called by the object's name unless `sAMAccountName` is given.
    pub fn add(&mut self, parent: Guid, class: Class, name: &str, attributes: &[(&str, &str)]) -> Result<Guid> {
        self.alive(parent)?;
        let guid = self.make(parent, class.naming(), class.classes(), name)?;
        let usn = self.usn;
        for (name, value) in class.further() {
            self.write_known(guid, name, value, usn)?;
        }
        if class.has_account() {
            let rid = self.next_rid;
            self.next_rid += 1;
            self.write(guid, "objectSid", vec![sid(self.names.sid, Some(rid))], usn);
            self.write_text(guid, "sAMAccountName", name, usn);
        }
        for (name, _) in attributes {
            let given = attributes.iter().filter(|(other, _)| other == name);
            let values = given.map(|(_, value)| value.as_bytes().to_vec()).collect();
            self.write(guid, writable(name)?.name, values, usn);
        }
        Ok(guid)
    }

    /// Adds an object with nothing but what every object has.
    pub(super) fn make(&mut self, parent: Guid, naming: &'static str, classes: &[&str], name: &str) -> Result<Guid> {
        let key = (parent, super::dn::part_key(naming, name));
        if self.children.contains_key(&key) {
            bail!("{} has a child {naming}={name} already", self.dn(parent));
        }
        let guid = Guid::fresh();
        let usn = self.next_usn();
        self.put_in(guid, Some(parent), naming, usn);
        let values = classes.iter().map(|class| class.as_bytes().to_vec()).collect();
        self.write(guid, "objectClass", values, usn);
        self.write_text(guid, "instanceType", "4", usn);
        self.write_text(guid, "whenCreated", &super::read::time(self.seconds), usn);
        self.write_name(guid, Some(parent), name, usn);
        self.write_category(guid, usn);
        Ok(guid)
    }

    /// Replaces the values of an attribute; without values it is cleared. A linked one is changed by [`Self::link`].
    pub fn set(&mut self, object: Guid, attribute: &str, values: &[&str]) -> Result<()> {
        let octets: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
        self.set_octets(object, attribute, &octets)
    }

    /// The same for values that are not text.
    pub fn set_octets(&mut self, object: Guid, attribute: &str, values: &[&[u8]]) -> Result<()> {
        self.known(object)?;
        let attribute = writable(attribute)?;
        let values: Vec<Vec<u8>> = values.iter().map(|value| value.to_vec()).collect();
        if attribute.single && values.len() > 1 {
            bail!("{} takes one value", attribute.name);
        }
        // What is not replicated has no number, and does not change that of its object.
        let usn = if attribute.kind == Kind::Local { self.usn_changed(object) } else { self.next_usn() };
        self.write(object, attribute.name, values, usn);
        Ok(())
    }

    /// Renames an object where it is.
    pub fn rename(&mut self, object: Guid, name: &str) -> Result<()> {
        let parent = self.alive(object)?.parent;
        self.place(object, parent, name)
    }

    /// Moves an object; what is below it goes along, and is not said to have changed.
    pub fn move_to(&mut self, object: Guid, parent: Guid) -> Result<()> {
        self.alive(parent)?;
        if self.is_at_or_below(parent, object) {
            bail!("{} cannot go below itself", self.dn(object));
        }
        let name = self.alive(object)?.name().to_owned();
        self.place(object, Some(parent), &name)
    }

    fn place(&mut self, object: Guid, parent: Option<Guid>, name: &str) -> Result<()> {
        let naming = self.known(object)?.naming;
        let key = parent.context("the root of a naming context stays where it is")?;
        let there = self.children.get(&(key, super::dn::part_key(naming, name)));
        if there.is_some_and(|there| *there != object) {
            bail!("{} has a child {naming}={name} already", self.dn(key));
        }
        let usn = self.next_usn();
        self.write_name(object, parent, name, usn);
        Ok(())
    }

    /// Deletes an object without children: it goes to the deleted objects. Without a recycle bin it loses most of its
    /// attributes and its links, with one they are only out of sight. Those that it was linked with do not change.
    pub fn delete(&mut self, object: Guid) -> Result<()> {
        let known = self.alive(object)?;
        let (name, parent) = (known.name().to_owned(), known.parent.context("a naming context stays")?);
        if self.children.keys().any(|(above, _)| *above == object) {
            bail!("{} has children", self.dn(object));
        }
        let last_parent = self.dn(parent);
        let usn = self.next_usn();
        self.write_text(object, "isDeleted", "TRUE", usn);
        self.write_text(object, "lastKnownParent", &last_parent, usn);
        self.write_text(object, "msDS-LastKnownRDN", &name, usn);
        for gone in ["objectCategory", "sAMAccountType"] {
            self.clear(object, gone, usn);
        }
        if !self.recycle_bin {
            self.strip(object, usn);
        }
        self.write_name(object, Some(self.places.deleted), &format!("{name}\nDEL:{object}"), usn);
        Ok(())
    }

    /// Deletes an object and what is below it, the lowest first.
    pub fn delete_tree(&mut self, object: Guid) -> Result<()> {
        let below: Vec<Guid> =
            self.children.iter().filter(|((above, _), _)| *above == object).map(|(_, child)| *child).collect();
        below.into_iter().try_for_each(|child| self.delete_tree(child))?;
        self.delete(object)
    }

    /// Ends the time in the recycle bin: what is left is what a deletion without one leaves.
    pub fn recycle(&mut self, object: Guid) -> Result<()> {
        if !self.known(object)?.is_deleted() {
            bail!("{} is not deleted", self.dn(object));
        }
        let usn = self.next_usn();
        self.write_text(object, "isRecycled", "TRUE", usn);
        self.strip(object, usn);
        Ok(())
    }

    /// Drops a deleted object altogether, as when its lifetime is over. Nobody is told.
    pub fn collect_garbage(&mut self, object: Guid) -> Result<()> {
        if !self.known(object)?.is_deleted() {
            bail!("{} is not deleted", self.dn(object));
        }
        self.drop_links(object);
        self.links_changed.retain(|_, key| key.source != object && key.target != object);
        if let Some(gone) = self.objects.remove(&object) {
            self.order.remove(&gone.row);
            self.changed.remove(&gone.changed_usn);
            self.children.retain(|_, child| *child != object);
        }
        Ok(())
    }

    /// Brings a deleted object back, to where it was or below another parent. What a deletion cleared stays away; links
    /// that were out of sight are there again, without those at their other end having changed.
    pub fn undelete(&mut self, object: Guid, parent: Option<Guid>) -> Result<()> {
        let known = self.known(object)?;
        if !known.is_deleted() || known.text("isRecycled") == Some("TRUE") {
            bail!("{} cannot be brought back", self.dn(object));
        }
        let name = known.text("msDS-LastKnownRDN").context("nobody knows how it was called")?.to_owned();
        let last = known.text("lastKnownParent").and_then(|dn| self.find(dn));
        let parent = parent.or(last).context("its parent is not there")?;
        self.alive(parent)?;
        let usn = self.next_usn();
        for gone in ["isDeleted", "lastKnownParent", "msDS-LastKnownRDN"] {
            self.clear(object, gone, usn);
        }
        self.write_name(object, Some(parent), &name, usn);
        self.write_category(object, usn);
        Ok(())
    }

    /// Adds a value to a linked attribute, such as `member`. One that takes a single value loses the one it has.
    pub fn link(&mut self, source: Guid, attribute: &str, target: Guid) -> Result<()> {
        let (attribute, single) = forward(attribute)?;
        self.alive(source)?;
        self.alive(target)?;
        let known = if single { self.linked(source, attribute).collect() } else { Vec::new() };
        known
            .into_iter()
            .filter(|other| *other != target)
            .try_for_each(|other| self.unlink(source, attribute, other))?;
        let key = LinkKey { source, attribute, target };
        if self.link_state(key) != Some(LinkState::Present) {
            self.write_link(key, LinkState::Present);
        }
        Ok(())
    }

    /// The same for many values; each has a number of its own.
    pub fn link_all(&mut self, source: Guid, attribute: &str, targets: &[Guid]) -> Result<()> {
        targets.iter().try_for_each(|target| self.link(source, attribute, *target))
    }

    /// Takes a value away from a linked attribute.
    pub fn unlink(&mut self, source: Guid, attribute: &str, target: Guid) -> Result<()> {
        let (attribute, _) = forward(attribute)?;
        self.known(source)?;
        let key = LinkKey { source, attribute, target };
        if self.link_state(key) != Some(LinkState::Present) {
            bail!("{} is no {attribute} of {}", self.dn(target), self.dn(source));
        }
        self.write_link(key, LinkState::Absent);
        Ok(())
    }

    /// Takes an object out of the sight of an account without the right to replicate, or brings it back: nothing tells.
    pub fn hide(&mut self, object: Guid, hidden: bool) -> Result<()> {
        self.objects.get_mut(&object).context("it is unknown")?.hidden = hidden;
        Ok(())
    }

    /// Lets an account bind by its name, its user principal name or `DOMAIN\account`.
    pub fn set_password(&mut self, account: Guid, password: &str) -> Result<()> {
        self.objects.get_mut(&account).context("it is unknown")?.password = Some(password.to_owned());
        Ok(())
    }

    fn known(&self, object: Guid) -> Result<&Object> {
        self.objects.get(&object).with_context(|| format!("{object} is unknown"))
    }

    fn alive(&self, object: Guid) -> Result<&Object> {
        let known = self.known(object)?;
        if known.is_deleted() {
            bail!("{} is deleted", self.dn(object));
        }
        Ok(known)
    }

    fn link_state(&self, key: LinkKey) -> Option<LinkState> {
        self.link_of(key).map(|link| link.state)
    }

    pub(super) fn write_known(&mut self, object: Guid, name: &str, value: &str, usn: u64) -> Result<()> {
        let attribute = schema::find(name).with_context(|| format!("the schema has no {name}"))?;
        self.write_text(object, attribute.name, value, usn);
        Ok(())
    }

    fn clear(&mut self, object: Guid, name: &'static str, usn: u64) {
        if self.objects.get(&object).is_some_and(|object| !object.values(name).is_empty()) {
            self.write(object, name, Vec::new(), usn);
        }
    }

    fn strip(&mut self, object: Guid, usn: u64) {
        let names = self.objects.get(&object).into_iter().flat_map(|object| object.attributes.keys().copied());
        let gone: Vec<&'static str> = names.filter(|name| !KEPT.contains(name)).collect();
        gone.into_iter().for_each(|name| self.clear(object, name, usn));
        self.drop_links(object);
    }

    /// The category follows from the last class.
    fn write_category(&mut self, object: Guid, usn: u64) {
        let Some(known) = self.objects.get(&object) else { return };
        let category = match known.values("objectClass").last().map(Vec::as_slice) {
            Some(b"user" | b"contact") => "Person",
            Some(b"group") => "Group",
            Some(b"computer") => "Computer",
            Some(b"organizationalUnit") => "Organizational-Unit",
            Some(b"domainDNS") => "Domain-DNS",
            Some(b"nTDSDSA") => "NTDS-DSA",
            Some(b"subSchema") => "SubSchema",
            _ => "Container",
        };
        let account = match category {
            "Group" => Some("268435456"),
            "Computer" => Some("805306369"),
            "Person" if known.attributes.contains_key("objectSid") => Some("805306368"),
            _ => None,
        };
        let category = format!("CN={category},{}", self.dn(self.places.schema));
        self.write_text(object, "objectCategory", &category, usn);
        if let Some(account) = account {
            self.write_text(object, "sAMAccountType", account, usn);
        }
    }
}

/// The attribute of this name, if tests may write it.
fn writable(name: &str) -> Result<&'static schema::Attribute> {
    let attribute = schema::find(name).with_context(|| format!("the schema has no {name}"))?;
    let named = [naming_attribute("CN"), naming_attribute("DC"), "name"];
    match attribute.kind {
        Kind::Stored | Kind::Local if !named.contains(&attribute.name) => Ok(attribute),
        Kind::Forward => bail!("{name} holds links: use link and unlink"),
        _ => bail!("{name} cannot be written"),
    }
}

/// A linked attribute, and whether it takes one value.
fn forward(name: &str) -> Result<(&'static str, bool)> {
    let attribute = schema::find(name).filter(|attribute| attribute.kind == Kind::Forward);
    attribute.map(|attribute| (attribute.name, attribute.single)).with_context(|| format!("{name} holds no links"))
}
