//! People and groups of which some groups make the scope: as a test believes them to be, and an agent that provisions them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use provisor_tests::ldif::{Directory, SUFFIX};
use serde_json::{Value, json};

use super::Agent;
use super::sources::Source;
use super::targets::Target;

/// A group, by whom it lists.
pub enum Group {
    /// A groupOfNames: the numbers of its members, each as it was named when it came.
    Names(BTreeMap<u32, String>),
    /// A posixGroup: user names.
    Logins(BTreeSet<String>),
}

impl Group {
    /// A group of these people and groups.
    pub fn names(members: impl IntoIterator<Item = u32>) -> Self {
        Self::Names(members.into_iter().map(|number| (number, dn_of(number, &name_of(number)))).collect())
    }

    /// A group of the logins of these people.
    pub fn logins(members: impl IntoIterator<Item = u32>) -> Self {
        Self::Logins(members.into_iter().map(name_of).collect())
    }
}

/// A directory, the tenant, and the agent between them.
pub struct Circle<S> {
    pub source: S,
    target: Target,
    agent: Agent,
    nested: bool,
    /// The groups that make the scope.
    roots: Vec<u32>,
    /// What people and groups are called, and with which title.
    names: BTreeMap<u32, (String, String)>,
    groups: BTreeMap<u32, Group>,
    ids: BTreeMap<u32, String>,
    held: BTreeMap<String, Value>,
    changes: String,
}

/// Numbers from here on are groups.
const FIRST_GROUP: u32 = 1_000;

/// Whom every group of names lists, since it must list somebody. No rule maps it.
const NOBODY: &str = "cn=sync,ou=svc,dc=lab,dc=test";

fn name_of(number: u32) -> String {
    if number < FIRST_GROUP { format!("u{number}") } else { format!("group {number}") }
}

fn dn_of(number: u32, name: &str) -> String {
    if number < FIRST_GROUP {
        format!("uid={name},ou=people,{SUFFIX}")
    } else {
        format!("cn={name},ou=groups,{SUFFIX}")
    }
}

impl<S: Source> Circle<S> {
    /// A directory of these, with the groups of these numbers as scope.
    pub async fn start(
        people: impl IntoIterator<Item = u32>,
        groups: impl IntoIterator<Item = (u32, Group)>,
        roots: impl Into<Vec<u32>>,
        nested: bool,
    ) -> Self {
        let groups: BTreeMap<u32, Group> = groups.into_iter().collect();
        let numbers = people.into_iter().chain(groups.keys().copied());
        let names: BTreeMap<u32, (String, String)> =
            numbers.map(|number| (number, (name_of(number), "Engineer".to_owned()))).collect();
        let source = S::start(ldif(&names, &groups));
        let target = Target::tenant().await;
        let roots = roots.into();
        let listed: Vec<String> = roots.iter().map(|root| format!("\"{}\"", dn_of(*root, &name_of(*root)))).collect();
        let agent = Agent::new(&format!(
            "{}[scope]\ngroups = [{}]\ngroup-members = \"{}\"\n{}[leaving]\nout-of-scope = \"delete\"\n",
            source.configuration(),
            listed.join(", "),
            if nested { "nested" } else { "direct" },
            target.configuration()
        ));
        agent.secret("password", source.password());
        let text = source.search("(|(uid=*)(ou=groups)(cn=group*))", &["uid", "cn", S::ID]);
        let ids = ids::<S>(&text);
        let ids = names.keys().map(|number| (*number, ids[&name_of(*number)].clone())).collect();
        let (held, changes) = (BTreeMap::new(), String::new());
        Self { source, target, agent, nested, roots, names, groups, ids, held, changes }
    }

    fn dn(&self, number: u32) -> String {
        dn_of(number, &self.names[&number].0)
    }

    fn change(&mut self, dn: &str, change: &str) {
        write!(self.changes, "dn: {dn}\nchangetype: {change}\n\n").unwrap();
    }

    /// Somebody is listed in a group from now on, by the present name.
    pub fn join(&mut self, group: u32, member: u32) {
        let (name, member_dn) = (self.names[&member].0.clone(), self.dn(member));
        let added = match self.groups.get_mut(&group).unwrap() {
            Group::Names(members) => {
                members.insert(member, member_dn.clone());
                format!("member: {member_dn}")
            }
            Group::Logins(logins) => {
                logins.insert(name.clone());
                format!("memberUid: {name}")
            }
        };
        let attribute = added.split_once(':').unwrap().0;
        let change = format!("modify\nadd: {attribute}\n{added}");
        self.change(&self.dn(group), &change);
    }

    /// Somebody is not listed any more.
    pub fn leave(&mut self, group: u32, member: u32) {
        match self.groups.get_mut(&group).unwrap() {
            Group::Names(members) => {
                let listed = members.remove(&member).unwrap();
                self.change(&self.dn(group), &format!("modify\ndelete: member\nmember: {listed}"));
            }
            Group::Logins(_) => self.leave_as(group, &self.names[&member].0.clone()),
        }
    }

    /// A login is not listed any more.
    pub fn leave_as(&mut self, group: u32, login: &str) {
        let Group::Logins(logins) = self.groups.get_mut(&group).unwrap() else { panic!("{group} lists no logins") };
        assert!(logins.remove(login));
        self.change(&self.dn(group), &format!("modify\ndelete: memberUid\nmemberUid: {login}"));
    }

    /// Somebody gets another title.
    pub fn retitle(&mut self, number: u32) {
        self.names.get_mut(&number).unwrap().1 = "Director".to_owned();
        self.change(&self.dn(number), "modify\nreplace: title\ntitle: Director");
    }

    /// Somebody gets another user name. Who lists them is not told.
    pub fn rename(&mut self, number: u32, name: &str) {
        self.change(&self.dn(number), &format!("modrdn\nnewrdn: uid={name}\ndeleteoldrdn: 1"));
        self.names.get_mut(&number).unwrap().0 = name.to_owned();
    }

    /// A group gets another name. Who lists it is not told.
    pub fn rename_group(&mut self, number: u32, name: &str) {
        self.change(&self.dn(number), &format!("modrdn\nnewrdn: cn={name}\ndeleteoldrdn: 1"));
        self.names.get_mut(&number).unwrap().0 = name.to_owned();
    }

    /// Somebody, or a group, is gone. Who lists them is not told.
    pub fn delete(&mut self, number: u32) {
        self.change(&self.dn(number), "delete");
        self.names.remove(&number);
        self.groups.remove(&number);
    }

    /// Those in scope, groups among them.
    pub fn in_scope(&self) -> BTreeSet<u32> {
        let (mut found, mut unread) = (BTreeSet::new(), self.roots.clone());
        found.extend(&self.roots);
        while let Some(group) = unread.pop() {
            for member in self.members(group) {
                if found.insert(member) && self.nested && self.groups.contains_key(&member) {
                    unread.push(member);
                }
            }
        }
        found
    }

    fn members(&self, group: u32) -> BTreeSet<u32> {
        let there = self.names.keys().copied();
        match &self.groups[&group] {
            Group::Names(members) => there.filter(|number| members.contains_key(number)).collect(),
            Group::Logins(logins) => {
                there.filter(|number| *number < FIRST_GROUP && logins.contains(&self.names[number].0)).collect()
            }
        }
    }

    /// What the tenant must hold, by externalId.
    fn oracle(&self) -> BTreeMap<String, Value> {
        let in_scope = self.in_scope();
        let resource = |number: &u32| {
            let (name, title) = &self.names[number];
            if *number < FIRST_GROUP {
                let full = json!({ "familyName": format!("Name {number}"), "formatted": format!("Full {number}") });
                let shown = format!("Full {number}");
                return json!({ "userName": name, "active": true, "displayName": shown, "name": full, "title": title });
            }
            let members = self.members(*number);
            let members: BTreeSet<&String> = members.intersection(&in_scope).map(|member| &self.ids[member]).collect();
            json!({ "displayName": name, "members": members })
        };
        in_scope.iter().map(|number| (self.ids[number].clone(), resource(number))).collect()
    }

    /// A cycle in which nothing changed asks the tenant nothing.
    pub fn rest(&self) {
        let report = self.agent.json(&["sync", "lab"]);
        assert_eq!(report["requests"], json!({ "reads": 0, "writes": 0 }), "{report}");
    }

    /// Makes the changes that were asked for and runs a cycle: the tenant holds what the oracle says, and there was
    /// one write for each resource that is another. Tells how many entries were evaluated.
    pub async fn cycle(&mut self, what: &str) -> u64 {
        self.source.apply(&std::mem::take(&mut self.changes));
        let report = self.agent.json(&["sync", "lab"]);
        let held = self.target.held().await.resources;
        let expected = self.oracle();
        assert_eq!(held, expected, "{what}: {report}");
        let ids: BTreeSet<&String> = self.held.keys().chain(held.keys()).collect();
        let other = ids.iter().filter(|id| self.held.get(**id) != held.get(**id)).count();
        assert_eq!(report["requests"]["writes"], json!(other), "{what}: {report}");
        self.held = held;
        report["evaluated"].as_u64().unwrap()
    }
}

fn ldif(names: &BTreeMap<u32, (String, String)>, groups: &BTreeMap<u32, Group>) -> String {
    let mut ldif = Directory::default().to_ldif(false);
    for (number, (name, title)) in names {
        writeln!(ldif, "dn: {}", dn_of(*number, name)).unwrap();
        match groups.get(number) {
            None => {
                let full = format!("cn: Full {number}\nsn: Name {number}\ntitle: {title}\n");
                writeln!(ldif, "objectClass: inetOrgPerson\nuid: {name}\n{full}").unwrap();
            }
            Some(Group::Names(members)) => {
                let members: String = members.values().map(|member| format!("member: {member}\n")).collect();
                writeln!(ldif, "objectClass: groupOfNames\ncn: {name}\nmember: {NOBODY}\n{members}").unwrap();
            }
            Some(Group::Logins(logins)) => {
                let logins: String = logins.iter().map(|login| format!("memberUid: {login}\n")).collect();
                writeln!(ldif, "objectClass: posixGroup\ncn: {name}\ngidNumber: {number}\n{logins}").unwrap();
            }
        }
    }
    ldif
}

/// The ids that the server gave, by user name and by name of group.
fn ids<S: Source>(text: &str) -> BTreeMap<String, String> {
    let records = text.split("\n\n").filter_map(|record| {
        let value = |name: &str| {
            let mut lines = record.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        Some((value("uid").or_else(|| value("cn"))?.to_owned(), S::anchor(value(S::ID)?)))
    });
    records.collect()
}
