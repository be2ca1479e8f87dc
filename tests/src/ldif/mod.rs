//! A generated organisation: people with names of many languages, their managers, their groups; and its LDIF.
//!
//! The same numbers and seed give the same organisation for ever, so that a test can name what it expects.

mod names;
mod random;
mod text;

use std::collections::BTreeSet;

use names::LOCALES;
use random::Random;
use text::Writer;

/// The base entry of every generated directory.
pub const SUFFIX: &str = "dc=lab,dc=test";
/// The account that a sync agent binds with.
pub const SYNC_DN: &str = "cn=sync,ou=svc,dc=lab,dc=test";
/// That account's password.
pub const SYNC_PASSWORD: &str = "syncpw";

/// Members of an ordinary group.
const GROUP_SIZE: usize = 20;
/// People who report to one manager.
const REPORTS: usize = 8;

/// How large an organisation to make.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// People.
    pub people: usize,
    /// Groups of some 20 members. Without people there are none, since a group must have a member.
    pub groups: usize,
    /// The members of the first group, where that is to be a big one; else 0.
    pub big: usize,
}

/// A generated organisation. Without people and groups it is the base entries alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    /// The people, by their number.
    pub people: Vec<Person>,
    /// The groups, by their number.
    pub groups: Vec<Group>,
}

/// An inetOrgPerson below `ou=people`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are named after the attributes")]
pub struct Person {
    pub uid: String,
    pub common_name: String,
    pub surname: String,
    pub given_name: String,
    pub display_name: String,
    /// The main address first. Every fifth person has a second.
    pub mail: Vec<String>,
    pub employee_number: String,
    pub telephone_number: String,
    pub title: String,
    pub department_number: String,
    /// The attribute `ou`: a department's name.
    pub organizational_unit: String,
    pub street: String,
    pub locality: String,
    pub state: String,
    pub postal_code: String,
    pub preferred_language: String,
    /// The number of the person whose report this is; only the first has none. Always smaller than the own number.
    pub manager: Option<usize>,
    pub entry_uuid: String,
}

/// A groupOfNames below `ou=groups`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are named after the attributes")]
pub struct Group {
    pub common_name: String,
    pub description: String,
    /// The numbers of the members.
    pub members: BTreeSet<usize>,
    pub entry_uuid: String,
}

impl Person {
    /// The entry's name.
    #[must_use]
    pub fn dn(&self) -> String {
        format!("uid={},ou=people,{SUFFIX}", self.uid)
    }
}

impl Group {
    /// The entry's name.
    #[must_use]
    pub fn dn(&self) -> String {
        format!("cn={},ou=groups,{SUFFIX}", self.common_name)
    }
}

impl Directory {
    /// Makes an organisation of this size.
    #[must_use]
    pub fn generate(size: Size, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let people = (0..size.people).map(|number| person(number, &mut random)).collect();
        let groups = if size.people == 0 { 0 } else { size.groups };
        let groups = (0..groups)
            .map(|number| {
                let members = if number == 0 && size.big > 0 { size.big } else { GROUP_SIZE };
                group(number, members.min(size.people), size.people, &mut random)
            })
            .collect();
        Self { people, groups }
    }

    /// The whole directory as LDIF, base entries first. `entry_uuids` writes each entry's entryUUID, which a file source needs and a
    /// server makes by itself.
    #[must_use]
    pub fn to_ldif(&self, entry_uuids: bool) -> String {
        let mut writer = Writer::default();
        self.write_base(&mut writer, entry_uuids);
        for person in &self.people {
            self.write_person(&mut writer, person, entry_uuids);
        }
        for group in &self.groups {
            self.write_group(&mut writer, group, entry_uuids);
        }
        writer.finish()
    }

    /// One person's entry as LDIF, for an addition.
    #[must_use]
    pub fn person_to_ldif(&self, person: &Person, entry_uuid: bool) -> String {
        let mut writer = Writer::default();
        self.write_person(&mut writer, person, entry_uuid);
        writer.finish()
    }

    /// One group's entry as LDIF, for an addition.
    #[must_use]
    pub fn group_to_ldif(&self, group: &Group, entry_uuid: bool) -> String {
        let mut writer = Writer::default();
        self.write_group(&mut writer, group, entry_uuid);
        writer.finish()
    }

    fn write_base(&self, writer: &mut Writer, entry_uuids: bool) {
        // A stream of its own: the base entries' ids are the same whatever the seed.
        let mut random = Random::new(0);
        let mut finish = |writer: &mut Writer| {
            let uuid = random.uuid();
            if entry_uuids {
                writer.value("entryUUID", &uuid);
            }
            writer.end();
        };
        writer.begin(SUFFIX, &["dcObject", "organization"]);
        writer.value("o", "Lab");
        writer.value("dc", "lab");
        finish(writer);
        for unit in ["people", "groups", "svc"] {
            writer.begin(&format!("ou={unit},{SUFFIX}"), &["organizationalUnit"]);
            writer.value("ou", unit);
            finish(writer);
        }
        writer.begin(SYNC_DN, &["organizationalRole", "simpleSecurityObject"]);
        writer.value("cn", "sync");
        writer.value("userPassword", SYNC_PASSWORD);
        finish(writer);
    }

    fn write_person(&self, writer: &mut Writer, person: &Person, entry_uuid: bool) {
        writer.begin(&person.dn(), &["inetOrgPerson"]);
        for (attribute, value) in [
            ("uid", &person.uid),
            ("cn", &person.common_name),
            ("sn", &person.surname),
            ("givenName", &person.given_name),
            ("displayName", &person.display_name),
            ("employeeNumber", &person.employee_number),
            ("telephoneNumber", &person.telephone_number),
            ("title", &person.title),
            ("departmentNumber", &person.department_number),
            ("ou", &person.organizational_unit),
            ("street", &person.street),
            ("l", &person.locality),
            ("st", &person.state),
            ("postalCode", &person.postal_code),
            ("preferredLanguage", &person.preferred_language),
        ] {
            writer.value(attribute, value);
        }
        for address in &person.mail {
            writer.value("mail", address);
        }
        if let Some(manager) = person.manager.and_then(|number| self.people.get(number)) {
            writer.value("manager", &manager.dn());
        }
        if entry_uuid {
            writer.value("entryUUID", &person.entry_uuid);
        }
        writer.end();
    }

    fn write_group(&self, writer: &mut Writer, group: &Group, entry_uuid: bool) {
        writer.begin(&group.dn(), &["groupOfNames"]);
        writer.value("cn", &group.common_name);
        writer.value("description", &group.description);
        for member in group.members.iter().filter_map(|&number| self.people.get(number)) {
            writer.value("member", &member.dn());
        }
        if entry_uuid {
            writer.value("entryUUID", &group.entry_uuid);
        }
        writer.end();
    }
}

fn person(number: usize, random: &mut Random) -> Person {
    let locale = random.pick(LOCALES);
    let (given_name, surname) = (*random.pick(locale.given_names), *random.pick(locale.surnames));
    let (locality, state) = *random.pick(locale.places);
    let uid = format!("u{number:06}");
    let mut mail = vec![format!("{uid}@lab.test")];
    if number % 5 == 4 {
        mail.push(format!("{uid}.alias@lab.test"));
    }
    let department = number % 40;
    Person {
        common_name: format!("{given_name} {surname} {number}"),
        surname: surname.to_owned(),
        given_name: given_name.to_owned(),
        display_name: if locale.surname_first {
            format!("{surname} {given_name}")
        } else {
            format!("{given_name} {surname}")
        },
        mail,
        employee_number: number.to_string(),
        telephone_number: format!("+1 555 {number:07}"),
        title: (*random.pick(names::TITLES)).to_owned(),
        department_number: format!("D{department:03}"),
        organizational_unit: format!("{} {department}", random.pick(names::DEPARTMENTS)),
        street: format!("{} {}", random.pick(locale.streets), 1 + random.below(200)),
        locality: locality.to_owned(),
        state: state.to_owned(),
        postal_code: format!("{:05}", random.below(100_000)),
        preferred_language: locale.language.to_owned(),
        manager: number.checked_sub(1).map(|before| before / REPORTS),
        entry_uuid: random.uuid(),
        uid,
    }
}

fn group(number: usize, size: usize, people: usize, random: &mut Random) -> Group {
    let mut members = BTreeSet::new();
    // More than half of all is drawn as what is left out: else the last members of a full group would be long in coming.
    if size > people / 2 {
        members.extend(0..people);
        while members.len() > size {
            members.remove(&random.below(people));
        }
    } else {
        while members.len() < size {
            members.insert(random.below(people));
        }
    }
    Group {
        common_name: format!("g{number:05}"),
        // Longer than a line of LDIF, which has to be folded.
        description: format!(
            "{} {number}: whoever takes part in its weekly meeting, and deputies",
            random.pick(names::DEPARTMENTS)
        ),
        members,
        entry_uuid: random.uuid(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { people: 200, groups: 5, big: 150 };

    #[test]
    fn the_same_seed_gives_the_same_organisation() {
        assert_eq!(Directory::generate(SIZE, 7).to_ldif(true), Directory::generate(SIZE, 7).to_ldif(true));
        assert_ne!(Directory::generate(SIZE, 7), Directory::generate(SIZE, 8));
    }

    #[test]
    fn groups_have_the_sizes_asked_for() {
        let sizes: Vec<usize> = Directory::generate(SIZE, 7).groups.iter().map(|group| group.members.len()).collect();
        assert_eq!(sizes, [150, 20, 20, 20, 20]);
    }

    #[test]
    fn a_small_organisation_has_groups_of_all_its_people() {
        let directory = Directory::generate(Size { people: 3, groups: 1, big: 0 }, 7);
        assert_eq!(directory.groups[0].members, BTreeSet::from([0, 1, 2]));
    }

    #[test]
    fn managers_form_a_tree_with_one_root() {
        let directory = Directory::generate(SIZE, 7);
        for (number, person) in directory.people.iter().enumerate() {
            assert_eq!(person.manager.is_none(), number == 0);
            assert!(person.manager.is_none_or(|manager| manager < number));
        }
    }

    #[test]
    fn every_entry_has_an_id_of_its_own_when_asked() {
        let directory = Directory::generate(SIZE, 7);
        let with = directory.to_ldif(true);
        let ids: BTreeSet<&str> = with.lines().filter_map(|line| line.strip_prefix("entryUUID: ")).collect();
        assert_eq!(ids.len(), 5 + 200 + 5);
        assert!(!directory.to_ldif(false).contains("entryUUID"));
    }

    #[test]
    fn names_of_other_scripts_are_written_in_base64_and_folded() {
        let ldif = Directory::generate(SIZE, 7).to_ldif(false);
        assert!(ldif.is_ascii());
        assert!(ldif.contains("\nsn:: ") && ldif.contains("\n "));
        assert!(ldif.lines().all(|line| line.len() <= 76));
    }
}
