//! A company: people with managers, in departments, and groups that hold people and other groups.

use std::collections::BTreeMap;

use super::ldif::Ldif;
use super::names::{LANGUAGES, Language};
use super::random::Random;

/// A company of the demo.
#[derive(Clone, Copy)]
pub struct Company {
    /// The name of its configuration and its domain component.
    pub name: &'static str,
    /// The name that its people know.
    pub title: &'static str,
    pub people: usize,
    seed: u64,
    departments: &'static [&'static str],
    cities: &'static [(&'static str, &'static str, &'static str)],
}

/// The companies that merge.
pub const COMPANIES: [Company; 3] = [
    Company {
        name: "lab01",
        title: "Lab 01",
        people: 240,
        seed: 1,
        departments: &["Research", "Optics", "Workshop", "Administration", "Library"],
        cities: &[("Zürich", "ZH", "8001"), ("Genève", "GE", "1204"), ("København", "", "1050")],
    },
    Company {
        name: "lab02",
        title: "Lab 02",
        people: 320,
        seed: 2,
        departments: &["Research", "Genetics", "Clinic", "Administration", "Computing", "Logistics"],
        cities: &[("São Paulo", "SP", "01000-000"), ("東京", "東京都", "100-0001"), ("Αθήνα", "", "105 57")],
    },
    Company {
        name: "lab03",
        title: "Lab 03",
        people: 280,
        seed: 3,
        departments: &["Research", "Materials", "Field Stations", "Administration"],
        cities: &[("القاهرة", "", "11511"), ("Kraków", "", "30-001"), ("서울", "", "04524")],
    },
];

const TITLES: [&str; 8] = [
    "Researcher",
    "Engineer",
    "Technician",
    "Chercheuse",
    "Wissenschaftlicher Mitarbeiter",
    "研究員",
    "Analyst",
    "Librarian",
];

/// A person, as far as others refer to it.
struct Person {
    dn: String,
    department: usize,
}

impl Company {
    /// The base of its directory.
    pub fn base(&self) -> String {
        format!("dc={},dc=example", self.name)
    }

    /// Its domain.
    pub fn domain(&self) -> String {
        format!("{}.example", self.name)
    }

    /// Its directory: the same text each time.
    pub fn ldif(&self) -> String {
        let mut random = Random::new(self.seed);
        let mut ldif = Ldif::new();
        let base = self.base();
        self.unit(
            &mut ldif,
            &mut random,
            &base,
            &[("objectClass", "top"), ("objectClass", "domain"), ("dc", self.name)],
        );
        for unit in ["people", "groups"] {
            let attributes = [("objectClass", "top"), ("objectClass", "organizationalUnit"), ("ou", unit)];
            self.unit(&mut ldif, &mut random, &format!("ou={unit},{base}"), &attributes);
        }
        let people = self.write_people(&mut ldif, &mut random);
        self.write_groups(&mut ldif, &mut random, &people);
        ldif.into_text()
    }

    fn unit(&self, ldif: &mut Ldif, random: &mut Random, dn: &str, attributes: &[(&str, &str)]) {
        ldif.begin(dn);
        for (name, value) in attributes {
            ldif.value(name, value);
        }
        ldif.value("entryUUID", &random.uuid());
    }

    /// The first people are heads: everybody else has a manager among those before, so that there is no circle.
    fn write_people(&self, ldif: &mut Ldif, random: &mut Random) -> Vec<Person> {
        let mut people: Vec<Person> = Vec::with_capacity(self.people);
        let mut taken: BTreeMap<String, usize> = BTreeMap::new();
        for index in 0..self.people {
            let language: Language = random.pick(&LANGUAGES);
            let (given, given_latin) = random.pick(language.given);
            let (family, family_latin) = random.pick(language.family);
            let stem = format!("{}{family_latin}", given_latin.get(..1).unwrap_or_default());
            let count = taken.entry(stem.clone()).or_insert(0);
            *count += 1;
            let uid = if *count == 1 { stem } else { format!("{stem}{count}") };
            let name = if language.family_first { format!("{family} {given}") } else { format!("{given} {family}") };
            let department = random.below(self.departments.len());
            let (city, region, postal_code) = random.pick(self.cities);
            let dn = format!("uid={uid},ou=people,{}", self.base());
            ldif.begin(&dn);
            for class in ["top", "person", "organizationalPerson", "inetOrgPerson"] {
                ldif.value("objectClass", class);
            }
            ldif.value("uid", &uid);
            ldif.value("cn", &name);
            ldif.value("displayName", &name);
            ldif.value("givenName", given);
            ldif.value("sn", family);
            ldif.value("mail", &format!("{uid}@{}", self.domain()));
            if random.below(4) == 0 {
                ldif.value("mail", &format!("{given_latin}.{family_latin}.{index}@mail.{}", self.domain()));
            }
            ldif.value("employeeNumber", &format!("{}{index:05}", self.seed));
            ldif.value("title", random.pick(&TITLES));
            ldif.value("departmentNumber", self.departments.get(department).copied().unwrap_or_default());
            ldif.value(
                "telephoneNumber",
                &format!("+41 44 {:03} {:02} {:02}", random.below(1000), random.below(100), index % 100),
            );
            ldif.value("street", &format!("{} Science Park", 1 + random.below(99)));
            ldif.value("l", city);
            if !region.is_empty() {
                ldif.value("st", region);
            }
            ldif.value("postalCode", postal_code);
            ldif.value("preferredLanguage", language.tag);
            if let Some(manager) = people.get(random.below((index / 6).max(1))) {
                ldif.value("manager", &manager.dn);
            }
            ldif.value("entryUUID", &random.uuid());
            people.push(Person { dn, department });
        }
        people
    }

    /// A group for each department, one that holds them all, and some projects across departments.
    fn write_groups(&self, ldif: &mut Ldif, random: &mut Random, people: &[Person]) {
        let dn = |name: &str| format!("cn={name},ou=groups,{}", self.base());
        let mut group = |name: &str, class: &str, attribute: &str, members: &[String]| {
            ldif.begin(&dn(name));
            ldif.value("objectClass", "top");
            ldif.value("objectClass", class);
            ldif.value("cn", name);
            for member in members {
                ldif.value(attribute, member);
            }
            ldif.value("entryUUID", &random.uuid());
        };
        for (index, department) in self.departments.iter().enumerate() {
            let members: Vec<String> =
                people.iter().filter(|person| person.department == index).map(|person| person.dn.clone()).collect();
            group(department, "groupOfNames", "member", &members);
        }
        let nested: Vec<String> = self.departments.iter().map(|department| dn(department)).collect();
        group("Everybody", "groupOfNames", "member", &nested);
        for (number, project) in ["Perseus", "Μέδουσα", "天の川"].iter().enumerate() {
            let members: Vec<String> =
                people.iter().skip(number).step_by(11 + number).take(25).map(|person| person.dn.clone()).collect();
            group(project, "groupOfUniqueNames", "uniqueMember", &members);
        }
    }

    /// How many groups it has.
    pub fn groups(&self) -> usize {
        self.departments.len() + 4
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_company_is_the_same_each_time_and_unlike_the_others() {
        let texts: BTreeSet<String> = COMPANIES.iter().map(Company::ldif).collect();
        assert_eq!(texts.len(), COMPANIES.len());
        assert!(COMPANIES.iter().all(|company| texts.contains(&company.ldif())));
    }

    #[test]
    fn every_name_and_id_stands_once() {
        for company in COMPANIES {
            let text = company.ldif();
            let starts =
                |prefix: &'static str| text.lines().filter(move |line| line.starts_with(prefix)).collect::<Vec<_>>();
            let ids = starts("entryUUID: ");
            assert_eq!(ids.len(), company.people + company.groups() + 3, "{}", company.name);
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
            let uids = starts("uid: ");
            assert_eq!(uids.len(), company.people);
            assert_eq!(uids.iter().collect::<BTreeSet<_>>().len(), uids.len());
        }
    }
}
