//! A directory as a test believes it to be, the changes made to it, and what a target must hold then.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provisor_tests::ldif::{Directory, Group, Person, SUFFIX, Size};
use serde_json::{Map, Value, json};
use unicode_normalization::UnicodeNormalization as _;

use super::sources::Source;
use super::targets::ENTERPRISE;

/// The directory, by the numbers that its people and groups were generated with.
pub struct Model {
    directory: Directory,
    /// How many were there at first; whoever has a higher number comes later.
    size: Size,
    /// Who is there, and in which unit.
    units: BTreeMap<usize, &'static str>,
    /// The ids that the server gave, by person and group.
    person_ids: BTreeMap<usize, String>,
    group_ids: BTreeMap<usize, String>,
    /// What was changed of people: user name, title, surname.
    renamed: BTreeMap<usize, String>,
    titles: BTreeMap<usize, String>,
    surnames: BTreeMap<usize, String>,
    members: BTreeMap<usize, BTreeSet<usize>>,
    /// How those who left the scope were, but for `active`.
    disabled: BTreeMap<usize, Value>,
}

/// Where people are: in scope, in scope and below the first, out of scope.
const PEOPLE: &str = "ou=people";
const MOVED: &str = "ou=moved,ou=people";
const OUTSIDE: &str = "ou=svc";

impl Model {
    /// An organisation of this size, and one in a hundred more people who will come later.
    pub fn generate(size: Size, seed: u64) -> Self {
        let directory = Directory::generate(Size { people: size.people + newcomers(size), ..size }, seed);
        // Groups are drawn from everybody; the newcomers are not there yet.
        let members = |group: &Group| group.members.iter().copied().filter(|member| *member < size.people).collect();
        Self {
            members: directory.groups.iter().map(members).enumerate().collect(),
            directory,
            size,
            units: (0..size.people).map(|number| (number, PEOPLE)).collect(),
            person_ids: BTreeMap::new(),
            group_ids: BTreeMap::new(),
            renamed: BTreeMap::new(),
            titles: BTreeMap::new(),
            surnames: BTreeMap::new(),
            disabled: BTreeMap::new(),
        }
    }

    /// What the directory holds at first.
    pub fn initial_ldif(&self) -> String {
        let groups = self.directory.groups.iter().zip(self.members.values());
        let initial = Directory {
            people: self.directory.people[..self.size.people].to_vec(),
            groups: groups.map(|(group, members)| Group { members: members.clone(), ..group.clone() }).collect(),
        };
        let mut ldif = initial.to_ldif(false);
        write!(ldif, "dn: {MOVED},{SUFFIX}\nobjectClass: organizationalUnit\nou: moved\n\n").unwrap();
        ldif
    }

    fn person(&self, number: usize) -> &Person {
        &self.directory.people[number]
    }

    fn uid(&self, number: usize) -> &str {
        self.renamed.get(&number).map_or(self.person(number).uid.as_str(), String::as_str)
    }

    fn dn(&self, number: usize) -> String {
        format!("uid={},{},{SUFFIX}", self.uid(number), self.units[&number])
    }

    fn in_scope(&self, number: usize) -> bool {
        self.units.get(&number).is_some_and(|unit| *unit != OUTSIDE)
    }

    /// Reads which ids the server gave.
    pub fn learn_ids<S: Source>(&mut self, source: &S) {
        let ids = |filter: &str, attribute: &str| -> BTreeMap<String, String> {
            let text = source.search(filter, &[S::ID, attribute]);
            let records = text.split("\n\n").filter_map(|record| {
                let value = |name: &str| {
                    let lines = record.lines().filter_map(|line| line.split_once(": "));
                    lines.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
                };
                Some((value(attribute)?.to_owned(), S::anchor(value(S::ID)?)))
            });
            records.collect()
        };
        let people = ids("(objectClass=inetOrgPerson)", "employeeNumber");
        self.person_ids = people.into_iter().map(|(number, id)| (number.parse().unwrap(), id)).collect();
        let groups = ids("(objectClass=groupOfNames)", "cn");
        let numbered = self.directory.groups.iter().enumerate();
        self.group_ids = numbered.map(|(number, group)| (number, groups[&group.common_name].clone())).collect();
    }

    /// What the target must hold, by externalId.
    pub fn oracle(&self) -> BTreeMap<String, Value> {
        let mut expected = BTreeMap::new();
        for number in self.units.keys() {
            let user =
                if self.in_scope(*number) { Some(self.user(*number)) } else { self.disabled.get(number).cloned() };
            expected.extend(user.map(|user| (self.person_ids[number].clone(), user)));
        }
        for (number, members) in &self.members {
            let in_scope = members.iter().filter(|member| self.in_scope(**member));
            let members: BTreeSet<&String> = in_scope.map(|member| &self.person_ids[member]).collect();
            let group = json!({ "displayName": self.directory.groups[*number].common_name, "members": members });
            expected.insert(self.group_ids[number].clone(), group);
        }
        expected
    }

    fn user(&self, number: usize) -> Value {
        let person = self.person(number);
        let mut mail = person.mail.clone();
        mail.sort();
        let emails = mail.iter().enumerate().map(|(place, value)| match place {
            0 => json!({ "value": value, "type": "work", "primary": true }),
            _ => json!({ "value": value, "type": "other" }),
        });
        let mut enterprise = Map::new();
        enterprise.insert("employeeNumber".into(), json!(person.employee_number));
        enterprise.insert("department".into(), json!(person.department_number));
        if let Some(manager) = person.manager.filter(|manager| self.in_scope(*manager)) {
            enterprise.insert("manager".into(), json!(self.person_ids[&manager]));
        }
        let surname = self.surnames.get(&number).unwrap_or(&person.surname);
        json!({
            "userName": self.uid(number),
            "active": true,
            "displayName": person.display_name,
            "name": { "givenName": person.given_name, "familyName": surname, "formatted": person.common_name },
            "title": self.titles.get(&number).unwrap_or(&person.title),
            "preferredLanguage": person.preferred_language,
            "emails": emails.collect::<Vec<Value>>(),
            "phoneNumbers": [{ "value": person.telephone_number, "type": "work" }],
            "addresses": [{
                "type": "work", "streetAddress": person.street, "locality": person.locality, "region": person.state,
                "postalCode": person.postal_code,
            }],
            ENTERPRISE: enterprise,
        })
    }

    /// Of a hundred people each, one comes, one changes, one is renamed and moved, one leaves the scope and one is
    /// deleted; of those who leave and are deleted one has reports. Some groups, the big one among them, lose one member
    /// and get another.
    pub fn change<S: Source>(&mut self, source: &S) {
        let (people, some) = (self.size.people, newcomers(self.size));
        let range = |hundredths: usize| people * hundredths / 100..people * hundredths / 100 + some;
        let with_reports = people / 16;
        let mut ldif = String::new();
        for number in people..people + some {
            ldif.push_str(&self.directory.person_to_ldif(self.person(number), false));
            self.units.insert(number, PEOPLE);
        }
        for number in range(20) {
            let (title, surname) = (format!("Chief of {number}"), format!("Newman-{number}"));
            let replaced = format!("replace: title\ntitle: {title}\n-\nreplace: sn\nsn: {surname}\n");
            write!(ldif, "dn: {}\nchangetype: modify\n{replaced}\n", self.dn(number)).unwrap();
            self.titles.insert(number, title);
            self.surnames.insert(number, surname);
        }
        // Members change while everybody still has the old name.
        for group in [0].into_iter().chain(5..10) {
            self.change_members(group, people + group % some, &mut ldif);
        }
        for number in range(40) {
            let uid = format!("renamed{number}");
            self.rename(number, &uid, MOVED, &mut ldif);
            self.renamed.insert(number, uid);
        }
        for number in [with_reports].into_iter().chain(range(60)) {
            let mut was = self.user(number);
            was["active"] = json!(false);
            self.disabled.insert(number, was);
            let uid = self.uid(number).to_owned();
            self.rename(number, &uid, OUTSIDE, &mut ldif);
        }
        for number in [with_reports + 1].into_iter().chain(range(80)) {
            write!(ldif, "dn: {}\nchangetype: delete\n\n", self.dn(number)).unwrap();
            self.units.remove(&number);
        }
        source.apply(&ldif);
        self.learn_ids(source);
    }

    /// Those who left the scope come back.
    pub fn bring_back<S: Source>(&mut self, source: &S) {
        let mut ldif = String::new();
        for number in std::mem::take(&mut self.disabled).into_keys() {
            let uid = self.uid(number).to_owned();
            self.rename(number, &uid, PEOPLE, &mut ldif);
        }
        source.apply(&ldif);
    }

    /// Writes what means the same otherwise: texts in another Unicode form, values in another order, names in another
    /// spelling, user names in another letter case.
    pub fn respell<S: Source>(&self, source: &S) {
        let mut ldif = String::new();
        let several = self.units.keys().filter(|number| self.in_scope(**number)).take(40);
        for number in several {
            let person = self.person(*number);
            let surname = self.surnames.get(number).unwrap_or(&person.surname);
            let surname = STANDARD.encode(surname.nfd().collect::<String>());
            let mail: String = person.mail.iter().rev().map(|address| format!("mail: {address}\n")).collect();
            let replaced = format!("replace: sn\nsn:: {surname}\n-\nreplace: mail\n{mail}");
            write!(ldif, "dn: {}\nchangetype: modify\n{replaced}\n", self.dn(*number)).unwrap();
        }
        for number in self.size.people * 30 / 100..self.size.people * 30 / 100 + 3 {
            let uid = self.uid(number).to_uppercase();
            write!(ldif, "dn: {}\nchangetype: modrdn\nnewrdn: uid={uid}\ndeleteoldrdn: 1\n\n", self.dn(number))
                .unwrap();
        }
        let group = self.members.keys().next_back().unwrap();
        let members: String = self.members[group]
            .iter()
            .filter(|member| self.in_scope(**member))
            .map(|member| format!("member: {}\n", self.dn(*member).to_uppercase().replace("UID=", "USERID=")))
            .collect();
        let dn = self.directory.groups[*group].dn();
        write!(ldif, "dn: {dn}\nchangetype: modify\nreplace: member\n{members}\n").unwrap();
        source.apply(&ldif);
    }

    fn change_members(&mut self, group: usize, added: usize, ldif: &mut String) {
        let members = self.members.get_mut(&group).unwrap();
        let gone = members.pop_first().unwrap();
        members.insert(added);
        let dn = self.directory.groups[group].dn();
        let (gone, added) = (self.person(gone).dn(), self.person(added).dn());
        let changes = format!("delete: member\nmember: {gone}\n-\nadd: member\nmember: {added}\n");
        write!(ldif, "dn: {dn}\nchangetype: modify\n{changes}\n").unwrap();
    }

    fn rename(&mut self, number: usize, uid: &str, unit: &'static str, ldif: &mut String) {
        let change = format!("changetype: modrdn\nnewrdn: uid={uid}\ndeleteoldrdn: 1\nnewsuperior: {unit},{SUFFIX}\n");
        write!(ldif, "dn: {}\n{change}\n", self.dn(number)).unwrap();
        self.units.insert(number, unit);
    }
}

/// How many come later: one for each hundred.
fn newcomers(size: Size) -> usize {
    (size.people / 100).max(5)
}
