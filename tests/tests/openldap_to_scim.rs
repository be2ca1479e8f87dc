//! From a real OpenLDAP server, through the first-party plugins, into a SCIM server that others wrote.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use provisor_tests::ldif::{Directory, Person, SUFFIX, SYNC_DN, SYNC_PASSWORD, Size};
use provisor_tests::{ChangeLog, Scim2Server, Slapd, SlapdOptions};
use serde_json::{Map, Value, json};
use support::{Agent, TOKEN, listed};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const SIZE: Size = Size { people: 5_000, groups: 200, big: 1_200 };

/// The directory as the test believes it to be: what the oracle is made from.
struct Model {
    directory: Directory,
    /// Numbers of people who are there, and whether they are in scope.
    people: BTreeMap<usize, bool>,
    /// The entryUUIDs that the server gave, by person and group.
    person_ids: BTreeMap<usize, String>,
    group_ids: BTreeMap<usize, String>,
    /// People whose `uid` was changed.
    renamed: BTreeMap<usize, String>,
    titles: BTreeMap<usize, String>,
    members: BTreeMap<usize, BTreeSet<usize>>,
    /// How those who left the scope were, but for `active`.
    disabled: BTreeMap<usize, Value>,
}

impl Model {
    fn person(&self, number: usize) -> &Person {
        &self.directory.people[number]
    }

    fn uid(&self, number: usize) -> &str {
        self.renamed.get(&number).map_or(self.person(number).uid.as_str(), String::as_str)
    }

    fn dn(&self, number: usize) -> String {
        let unit = if self.people[&number] { "people" } else { "svc" };
        format!("uid={},ou={unit},{SUFFIX}", self.uid(number))
    }

    fn in_scope(&self, number: usize) -> bool {
        self.people.get(&number) == Some(&true)
    }

    /// Reads which ids the server gave.
    fn learn_ids(&mut self, slapd: &Slapd) {
        let uuids = |filter: &str, attribute: &str| -> BTreeMap<String, String> {
            let text = slapd.search(SUFFIX, filter, &["entryUUID", attribute]).unwrap();
            let records = text.split("\n\n").filter_map(|record| {
                let value = |name: &str| record.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
                Some((value(attribute)?.to_owned(), value("entryUUID")?.to_owned()))
            });
            records.collect()
        };
        let people = uuids("(objectClass=inetOrgPerson)", "employeeNumber");
        self.person_ids = people.into_iter().map(|(number, id)| (number.parse().unwrap(), id)).collect();
        let groups = uuids("(objectClass=groupOfNames)", "cn");
        let numbered = self.directory.groups.iter().enumerate();
        self.group_ids = numbered.map(|(number, group)| (number, groups[&group.common_name].clone())).collect();
    }

    /// What the target must hold, by externalId.
    fn oracle(&self) -> BTreeMap<String, Value> {
        let mut expected = BTreeMap::new();
        for number in self.people.keys().filter(|number| self.in_scope(**number)) {
            expected.insert(self.person_ids[number].clone(), self.user(*number));
        }
        for (number, user) in &self.disabled {
            if self.people.contains_key(number) && !self.in_scope(*number) {
                expected.insert(self.person_ids[number].clone(), user.clone());
            }
        }
        for (number, members) in &self.members {
            let members: BTreeSet<&String> = members
                .iter()
                .filter(|member| self.in_scope(**member))
                .map(|member| &self.person_ids[member])
                .collect();
            let group = json!({ "displayName": self.directory.groups[*number].common_name, "members": members });
            expected.insert(self.group_ids[number].clone(), group);
        }
        expected
    }

    fn user(&self, number: usize) -> Value {
        let person = self.person(number);
        let mut mail = person.mail.clone();
        mail.sort();
        let emails: Vec<Value> = mail
            .iter()
            .enumerate()
            .map(|(place, value)| match place {
                0 => json!({ "value": value, "type": "work", "primary": true }),
                _ => json!({ "value": value, "type": "other" }),
            })
            .collect();
        let mut enterprise = Map::new();
        enterprise.insert("employeeNumber".into(), json!(person.employee_number));
        enterprise.insert("department".into(), json!(person.department_number));
        if let Some(manager) = person.manager.filter(|manager| self.in_scope(*manager)) {
            enterprise.insert("manager".into(), json!(self.person_ids[&manager]));
        }
        json!({
            "userName": self.uid(number),
            "active": true,
            "displayName": person.display_name,
            "name": { "givenName": person.given_name, "familyName": person.surname, "formatted": person.common_name },
            "title": self.titles.get(&number).unwrap_or(&person.title),
            "preferredLanguage": person.preferred_language,
            "emails": sorted(emails),
            "phoneNumbers": [{ "value": person.telephone_number, "type": "work" }],
            "addresses": [{
                "type": "work", "streetAddress": person.street, "locality": person.locality, "region": person.state,
                "postalCode": person.postal_code,
            }],
            ENTERPRISE: enterprise,
        })
    }
}

fn sorted(mut rows: Vec<Value>) -> Vec<Value> {
    rows.sort_by_key(ToString::to_string);
    rows
}

/// What the target holds, in the oracle's form, and the time of each resource's last change.
async fn held(server: &Scim2Server) -> (BTreeMap<String, Value>, BTreeMap<String, String>) {
    let users = listed(&server.url(), "Users").await;
    let groups = listed(&server.url(), "Groups").await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let anchors: BTreeMap<String, String> =
        users.iter().chain(&groups).map(|resource| (text(&resource["id"]), text(&resource["externalId"]))).collect();
    let distinct: BTreeSet<&String> = anchors.values().collect();
    assert_eq!(distinct.len(), anchors.len(), "no anchor stands twice");
    let (mut held, mut changed) = (BTreeMap::new(), BTreeMap::new());
    for mut resource in users.into_iter().chain(groups) {
        let anchor = text(&resource["externalId"]);
        changed.insert(anchor.clone(), text(&resource["meta"]["lastModified"]));
        let object = resource.as_object_mut().unwrap();
        object.retain(|name, _| !["id", "externalId", "schemas", "meta", "groups"].contains(&name.as_str()));
        if let Some(Value::Object(extension)) = object.get_mut(ENTERPRISE)
            && let Some(manager) = extension.get_mut("manager")
        {
            *manager = json!(anchors[&text(&manager["value"])]);
        }
        if let Some(Value::Array(emails)) = object.get_mut("emails") {
            *emails = sorted(std::mem::take(emails));
        }
        if object.contains_key("displayName") && !object.contains_key("userName") {
            let members = object.remove("members").and_then(|members| members.as_array().cloned()).unwrap_or_default();
            let members: BTreeSet<String> =
                members.iter().map(|member| anchors[&text(&member["value"])].clone()).collect();
            object.insert("members".into(), json!(members));
        }
        held.insert(anchor, resource);
    }
    (held, changed)
}

fn assert_equal(held: &BTreeMap<String, Value>, expected: &BTreeMap<String, Value>) {
    for (anchor, value) in expected {
        assert_eq!(held.get(anchor), Some(value), "{anchor}");
    }
    let surplus: Vec<&String> = held.keys().filter(|anchor| !expected.contains_key(*anchor)).collect();
    assert!(surplus.is_empty(), "the target holds more: {surplus:?}");
}

fn configuration(slapd: &Slapd, server: &Scim2Server) -> String {
    format!(
        "[source]\nkind = \"openldap\"\nurl = \"{}\"\nca = \"{}\"\nbase = \"{SUFFIX}\"\nbind-dn = \"{SYNC_DN}\"\n\
         password = {{ file = \"password\" }}\n\
         [scope]\norganizational-units = [\"ou=people,{SUFFIX}\", \"ou=groups,{SUFFIX}\"]\n\
         [target]\nkind = \"scim\"\nurl = \"{}\"\ntoken = {{ file = \"token\" }}\n\
         [[rules]]\nplugin = \"people\"\n[[rules]]\nplugin = \"groups\"\n[leaving.group]\nout-of-scope = \"delete\"\n",
        slapd.tls_url(),
        slapd.ca_file().display(),
        server.url()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_resource_equals_the_oracle_and_only_what_changed_is_written() {
    let newcomers = 10;
    let directory = Directory::generate(Size { people: SIZE.people + newcomers, ..SIZE }, 11);
    let initial = Directory { people: directory.people[..SIZE.people].to_vec(), groups: directory.groups.clone() };
    // Groups were drawn from everybody; the newcomers are not there yet.
    let members: BTreeMap<usize, BTreeSet<usize>> = directory
        .groups
        .iter()
        .map(|group| group.members.iter().copied().filter(|member| *member < SIZE.people).collect())
        .enumerate()
        .collect();
    let initial = Directory {
        groups: initial
            .groups
            .into_iter()
            .zip(members.values())
            .map(|(group, members)| provisor_tests::ldif::Group { members: members.clone(), ..group })
            .collect(),
        ..initial
    };
    let mut slapd = Slapd::start(&SlapdOptions {
        ldif: initial.to_ldif(false),
        change_log: ChangeLog::AccessLog,
        ..SlapdOptions::default()
    })
    .unwrap();
    let server = Scim2Server::start(TOKEN).unwrap();
    let agent = Agent::new(&configuration(&slapd, &server));
    agent.secret("password", SYNC_PASSWORD);
    let mut model = Model {
        people: (0..SIZE.people).map(|number| (number, true)).collect(),
        directory,
        person_ids: BTreeMap::new(),
        group_ids: BTreeMap::new(),
        renamed: BTreeMap::new(),
        titles: BTreeMap::new(),
        members,
        disabled: BTreeMap::new(),
    };
    model.learn_ids(&slapd);

    let report = agent.json(&["sync", "lab"]);
    assert_eq!(report["operations"]["create"], json!(SIZE.people + SIZE.groups), "{report}");
    let (before, before_changed) = held(&server).await;
    assert_equal(&before, &model.oracle());

    change(&mut model, &slapd, newcomers);
    model.learn_ids(&slapd);
    let expected = model.oracle();
    let report = agent.json(&["sync", "lab"]);
    let (after, after_changed) = held(&server).await;
    assert_equal(&after, &expected);
    let written: BTreeSet<&String> =
        expected.keys().chain(before.keys()).filter(|anchor| before.get(*anchor) != expected.get(*anchor)).collect();
    assert_eq!(report["requests"]["writes"], json!(written.len()), "{report}");
    let touched = after_changed.iter().filter(|(anchor, time)| before_changed.get(*anchor) != Some(*time));
    let touched: BTreeSet<&String> = touched.map(|(anchor, _)| anchor).collect();
    assert!(touched.is_subset(&written), "only what changed was written");

    // Those who moved out of the scope come back.
    let returning: Vec<usize> = model.disabled.keys().copied().collect();
    for number in returning {
        slapd
            .rename(&model.dn(number), &format!("uid={}", model.uid(number)), Some(&format!("ou=people,{SUFFIX}")))
            .unwrap();
        model.people.insert(number, true);
    }
    agent.json(&["sync", "lab"]);
    assert_equal(&held(&server).await.0, &model.oracle());

    // Nothing has changed: the target is asked nothing, also when the directory was restarted.
    slapd.restart().unwrap();
    let report = agent.json(&["sync", "lab"]);
    assert_eq!(report["requests"], json!({ "reads": 0, "writes": 0 }), "{report}");

    // With a lost data folder everything is found again by its externalId.
    std::fs::remove_dir_all(agent.path("data")).unwrap();
    let report = agent.json(&["sync", "lab"]);
    assert_eq!(report["operations"]["create"], Value::Null, "{report}");
    assert_eq!(report["requests"]["writes"], json!(0), "{report}");
    assert_equal(&held(&server).await.0, &model.oracle());
}

/// Adds, changes, renames, moves out of scope and deletes people, and changes members.
fn change(model: &mut Model, slapd: &Slapd, newcomers: usize) {
    let mut ldif = String::new();
    for number in SIZE.people..SIZE.people + newcomers {
        ldif.push_str(&model.directory.person_to_ldif(model.person(number), false));
        model.people.insert(number, true);
    }
    slapd.apply(&ldif).unwrap();
    let mut ldif = String::new();
    for number in 1_000..1_050 {
        let title = format!("Chief of {number}");
        writeln!(ldif, "dn: {}\nchangetype: modify\nreplace: title\ntitle: {title}\n", model.dn(number)).unwrap();
        model.titles.insert(number, title);
    }
    // Members change while everybody still has the old name.
    for group in 5..10 {
        let members = model.members.get_mut(&group).unwrap();
        let gone = *members.iter().next().unwrap();
        members.remove(&gone);
        let added = SIZE.people + group;
        members.insert(added);
        let dn = model.directory.groups[group].dn();
        let (gone, added) = (model.person(gone).dn(), model.person(added).dn());
        writeln!(
            ldif,
            "dn: {dn}\nchangetype: modify\ndelete: member\nmember: {gone}\n-\nadd: member\nmember: {added}\n"
        )
        .unwrap();
    }
    slapd.apply(&ldif).unwrap();
    for number in 2_000..2_010 {
        let uid = format!("renamed{number}");
        slapd.rename(&model.dn(number), &format!("uid={uid}"), None).unwrap();
        model.renamed.insert(number, uid);
    }
    // The first of these has reports, the others have none.
    for number in [300].into_iter().chain(3_000..3_010) {
        let mut was = model.user(number);
        was["active"] = json!(false);
        model.disabled.insert(number, was);
        slapd
            .rename(&model.dn(number), &format!("uid={}", model.uid(number)), Some(&format!("ou=svc,{SUFFIX}")))
            .unwrap();
        model.people.insert(number, false);
    }
    for number in [400].into_iter().chain(4_000..4_010) {
        slapd.delete(&model.dn(number)).unwrap();
        model.people.remove(&number);
    }
}
