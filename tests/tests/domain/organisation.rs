//! An Active Directory as a test believes it to be: units, people, groups, contacts and computers, each with a number.

use std::collections::{BTreeMap, BTreeSet};

use super::ldif::Records;

/// How many of each are there at first.
#[derive(Clone, Copy)]
pub struct Size {
    pub people: u32,
    pub groups: u32,
    /// The members of the first group.
    pub big: u32,
    pub contacts: u32,
    pub computers: u32,
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Unit,
    User,
    Group,
    Contact,
    Computer,
}

/// An object.
#[derive(Clone, Debug)]
pub struct Object {
    pub class: Class,
    /// What it is called in the unit that it is in.
    pub name: String,
    /// The unit; none at the root of the domain.
    pub unit: Option<u32>,
    /// Its attributes, but for those below and those that are made of its number.
    pub values: BTreeMap<&'static str, String>,
    pub members: BTreeSet<u32>,
    pub manager: Option<u32>,
    pub disabled: bool,
}

/// The units, by number: three for people, the second and third below the first; then one for each class, and one that
/// is out of scope.
pub const STAFF: u32 = 1;
pub const NORTH: u32 = 2;
pub const SOUTH: u32 = 3;
pub const TEAMS: u32 = 4;
pub const PARTNERS: u32 = 5;
pub const MACHINES: u32 = 6;
pub const OUTSIDE: u32 = 7;

/// The units that make the scope.
pub const SCOPE: [u32; 4] = [STAFF, TEAMS, PARTNERS, MACHINES];

/// The flags of a normal account and of a computer that need no password, and the one that disables either.
const NORMAL: u32 = 0x200 | 0x20;
const WORKSTATION: u32 = 0x1000 | 0x20;
const DISABLED: u32 = 0x2;

/// The organisation.
pub struct Organisation {
    /// The root of the domain.
    pub base: String,
    /// The domain's name in DNS.
    pub domain: String,
    pub objects: BTreeMap<u32, Object>,
    next: u32,
}

impl Organisation {
    /// An organisation of this size in a domain.
    pub fn generate(size: Size, domain: &str) -> Self {
        let base = domain.split('.').map(|label| format!("DC={label}")).collect::<Vec<_>>().join(",");
        let mut own = Self { base, domain: domain.to_owned(), objects: BTreeMap::new(), next: STAFF };
        for (name, unit) in [
            ("staff", None),
            ("north", Some(STAFF)),
            ("south", Some(STAFF)),
            ("teams", None),
            ("partners", None),
            ("machines", None),
            ("outside", None),
        ] {
            own.add(Class::Unit, unit, |_, object| object.name = name.to_owned());
        }
        let people: Vec<u32> = (0..size.people).map(|place| own.hire(place)).collect();
        let contacts: Vec<u32> = (0..size.contacts).map(|place| own.meet(place)).collect();
        let computers: Vec<u32> = (0..size.computers).map(|_| own.install()).collect();
        let groups: Vec<u32> = (0..size.groups).map(|_| own.found()).collect();
        let some = |from: &[u32], first: usize, step: usize, count: usize| -> Vec<u32> {
            from.iter().copied().cycle().skip(first).step_by(step).take(count).collect()
        };
        for (place, group) in groups.iter().enumerate() {
            let mut members: BTreeSet<u32> = if place == 0 {
                people.iter().copied().take(size.big as usize).collect()
            } else {
                some(&people, place * 7, 3, 12).into_iter().collect()
            };
            members.extend(some(&contacts, place, 2, 2).into_iter().chain(some(&computers, place, 5, 2)));
            // A tree of groups, and a circle at its top.
            members.extend([2 * place + 1, 2 * place + 2].into_iter().filter_map(|below| groups.get(below)));
            own.objects.get_mut(group).unwrap().members = members;
        }
        let (first, last) = (groups[0], groups[2]);
        own.objects.get_mut(&last).unwrap().members.insert(first);
        own
    }

    fn add(&mut self, class: Class, unit: Option<u32>, fill: impl FnOnce(u32, &mut Object)) -> u32 {
        let number = self.next;
        self.next += 1;
        let (values, members) = (BTreeMap::new(), BTreeSet::new());
        let mut object = Object {
            class,
            name: format!("{class:?} {number}"),
            unit,
            values,
            members,
            manager: None,
            disabled: false,
        };
        fill(number, &mut object);
        self.objects.insert(number, object);
        number
    }

    /// Somebody new, by the place among the people: one in twenty is out of scope, one in seventeen disabled; each but
    /// the first twelve reports to one of those before.
    pub fn hire(&mut self, place: u32) -> u32 {
        let unit = if place % 20 == 19 { OUTSIDE } else { [STAFF, NORTH, SOUTH][(place % 3) as usize] };
        let domain = self.domain.clone();
        self.add(Class::User, Some(unit), |number, object| {
            object.manager = (place >= 12).then(|| number - place + place / 12);
            object.disabled = place % 17 == 5;
            object.name = match place % 6 {
                0 => format!("Größe, Ida {number}"),
                1 => format!("Łuk Đỗ {number}"),
                _ => format!("Ann Lee {number}"),
            };
            object.values.insert("sAMAccountName", format!("u{number}"));
            object.values.insert("givenName", "Ann".to_owned());
            object.values.insert("sn", format!("Lee-{number}"));
            object.values.insert("employeeNumber", format!("E{number}"));
            object.values.insert("title", ["Engineer", "Clerk", "Nurse"][(place % 3) as usize].to_owned());
            if place % 7 != 3 {
                object.values.insert("userPrincipalName", format!("ann.{number}@{domain}"));
            }
            if place % 4 != 1 {
                object.values.insert("displayName", format!("Ann Lee ({number})"));
            }
            if place % 5 != 2 {
                object.values.insert("mail", format!("ann.{number}@{domain}"));
                object.values.insert("department", format!("Ward {}", place % 9));
            }
        })
    }

    /// Somebody new in this unit.
    pub fn hire_into(&mut self, unit: u32) -> u32 {
        let number = self.hire(0);
        self.objects.get_mut(&number).unwrap().unit = Some(unit);
        number
    }

    /// A new unit.
    pub fn open(&mut self, unit: u32) -> u32 {
        self.add(Class::Unit, Some(unit), |_, _| {})
    }

    /// A contact. One in ten has no mail address, and is left out.
    pub fn meet(&mut self, place: u32) -> u32 {
        self.add(Class::Contact, Some(PARTNERS), |number, object| {
            object.values.insert("company", "Partner & Sons".to_owned());
            if place % 10 != 9 {
                object.values.insert("mail", format!("partner.{number}@partner.example"));
            }
        })
    }

    /// A computer.
    pub fn install(&mut self) -> u32 {
        let domain = self.domain.clone();
        self.add(Class::Computer, Some(MACHINES), |number, object| {
            object.name = format!("PC{number}");
            object.values.insert("sAMAccountName", format!("PC{number}$"));
            object.values.insert("dNSHostName", format!("pc{number}.{domain}"));
            object.values.insert("operatingSystem", "Windows 11 Enterprise".to_owned());
        })
    }

    /// A group without members.
    pub fn found(&mut self) -> u32 {
        self.add(Class::Group, Some(TEAMS), |number, object| {
            object.values.insert("sAMAccountName", format!("g{number}"));
        })
    }

    /// Another with the same names and no links, in place of one that is gone.
    pub fn again(&mut self, gone: &Object) -> u32 {
        let object = Object { members: BTreeSet::new(), manager: None, ..gone.clone() };
        self.add(object.class, object.unit, |_, own| *own = object)
    }

    pub fn object(&self, number: u32) -> &Object {
        &self.objects[&number]
    }

    /// The numbers of a class, in order.
    pub fn of(&self, class: Class) -> Vec<u32> {
        let own = self.objects.iter().filter(|(_, object)| object.class == class);
        own.map(|(number, _)| *number).collect()
    }

    /// Those below a unit, directly.
    pub fn in_unit(&self, unit: u32) -> Vec<u32> {
        let own = self.objects.iter().filter(|(_, object)| object.unit == Some(unit));
        own.map(|(number, _)| *number).collect()
    }

    /// Its name as the directory spells it.
    pub fn dn(&self, number: u32) -> String {
        let object = self.object(number);
        let above = object.unit.map_or(self.base.clone(), |unit| self.dn(unit));
        format!("{},{above}", object.rdn())
    }

    /// Whether it is below a unit of the scope.
    pub fn in_scope(&self, number: u32) -> bool {
        SCOPE.contains(&number)
            || self.objects.get(&number).and_then(|own| own.unit).is_some_and(|up| self.in_scope(up))
    }

    /// All of it, for an empty domain: units before what is in them, links at the end.
    pub fn to_ldif(&self) -> String {
        let mut records = Records::default();
        self.objects.keys().for_each(|number| self.write(*number, &mut records));
        let groups = self.objects.iter().filter(|(_, object)| !object.members.is_empty());
        for (number, object) in groups {
            let members: Vec<String> = object.members.iter().map(|member| self.dn(*member)).collect();
            records.add(&self.dn(*number), "member", &members);
        }
        records.finish()
    }

    /// The entry, but for its members.
    pub fn write(&self, number: u32, records: &mut Records) {
        let object = self.object(number);
        records.begin(&self.dn(number));
        records.value("objectClass", object.class.object_class());
        // By which the test finds the id that the directory gave.
        records.value("description", &format!("number {number}"));
        object.values.iter().for_each(|(name, value)| records.value(name, value));
        if let Some(flags) = object.flags() {
            records.value("userAccountControl", &flags);
        }
        if let Some(manager) = object.manager {
            records.value("manager", &self.dn(manager));
        }
        records.end();
    }
}

impl Object {
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    pub fn rdn(&self) -> String {
        let naming = if self.class == Class::Unit { "OU" } else { "CN" };
        format!("{naming}={}", self.name.replace(',', "\\,"))
    }

    /// userAccountControl.
    pub fn flags(&self) -> Option<String> {
        let kind = match self.class {
            Class::User => NORMAL,
            Class::Computer => WORKSTATION,
            _ => return None,
        };
        Some((kind | if self.disabled { DISABLED } else { 0 }).to_string())
    }
}

impl Class {
    fn object_class(self) -> &'static str {
        match self {
            Self::Unit => "organizationalUnit",
            Self::User => "user",
            Self::Group => "group",
            Self::Contact => "contact",
            Self::Computer => "computer",
        }
    }
}
