//! A small directory in an LDIF file, a tenant, and the pipeline between them; with an oracle of its own.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use provisor_rules::{PluginLimits, RulesHost, RulesOptions, Updates};
use provisor_sync::{
    Configuration, CycleReport, CycleRequest, CycleWatch, Pipeline, PipelineOptions, PreviewReport, PreviewRequest,
    SyncError,
};
use provisor_tenant::{Kind, Tenant, TenantOptions};
use serde_json::Value;
use tempfile::TempDir;

/// A person of the directory.
#[derive(Clone, Debug)]
pub struct Person {
    pub unit: String,
    pub uid: String,
    pub name: String,
    pub title: String,
    pub manager: Option<u32>,
    /// The unit under which others still list the person, where it is not the own.
    pub listed_in: Option<String>,
}

/// A group of the directory.
#[derive(Clone, Debug)]
pub struct Group {
    pub name: String,
    pub members: BTreeSet<u32>,
    /// Groups that are members.
    pub groups: BTreeSet<u32>,
    /// Whether it is a posixGroup, which lists its members by their user names.
    pub posix: bool,
}

/// What is in the directory, by the number that an entryUUID is made of.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    pub people: BTreeMap<u32, Person>,
    pub groups: BTreeMap<u32, Group>,
}

/// The entryUUID of a number.
pub fn uuid(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

impl Directory {
    /// People of these numbers, in `ou=people`, each but the first reporting to the first.
    pub fn of(people: impl IntoIterator<Item = u32>) -> Self {
        let mut directory = Self::default();
        for number in people {
            let manager = directory.people.keys().next().copied();
            let person = Person {
                unit: "people".into(),
                uid: format!("u{number}"),
                name: format!("Zoë Ångström {number}"),
                title: "Engineer".into(),
                manager,
                listed_in: None,
            };
            directory.people.insert(number, person);
        }
        directory
    }

    pub fn with_group(mut self, number: u32, members: impl IntoIterator<Item = u32>) -> Self {
        let members = members.into_iter().collect();
        let group = Group { name: format!("group {number}"), members, groups: BTreeSet::new(), posix: false };
        self.groups.insert(number, group);
        self
    }

    pub fn person(&mut self, number: u32) -> &mut Person {
        self.people.get_mut(&number).expect("the person is there")
    }

    pub fn group(&mut self, number: u32) -> &mut Group {
        self.groups.get_mut(&number).expect("the group is there")
    }

    fn dn(&self, number: u32) -> Option<String> {
        let person =
            self.people.get(&number).map(|person| format!("uid={},ou={},dc=lab,dc=test", person.uid, person.unit));
        person.or_else(|| self.groups.get(&number).map(|group| format!("cn={},ou=groups,dc=lab,dc=test", group.name)))
    }

    /// How others name somebody.
    fn listed_dn(&self, number: u32) -> Option<String> {
        let unit = self.people.get(&number).and_then(|person| person.listed_in.clone());
        unit.map(|unit| format!("uid=u{number},ou={unit},dc=lab,dc=test")).or_else(|| self.dn(number))
    }

    pub fn to_ldif(&self) -> String {
        let mut text =
            String::from("version: 1\n\ndn: dc=lab,dc=test\nobjectClass: dcObject\nobjectClass: organization\n");
        writeln!(text, "o: Lab\nentryUUID: {}\n", uuid(900_000)).unwrap();
        for (place, unit) in ["people", "groups", "guests"].iter().enumerate() {
            let id = uuid(900_001 + u32::try_from(place).unwrap());
            writeln!(
                text,
                "dn: ou={unit},dc=lab,dc=test\nobjectClass: organizationalUnit\nou: {unit}\nentryUUID: {id}\n"
            )
            .unwrap();
        }
        for (number, person) in &self.people {
            writeln!(text, "dn: {}\nobjectClass: inetOrgPerson", self.dn(*number).unwrap()).unwrap();
            writeln!(text, "uid: {}\ncn: {1}\nsn: {1}", person.uid, person.name).unwrap();
            if !person.title.is_empty() {
                writeln!(text, "title: {}", person.title).unwrap();
            }
            if let Some(manager) = person.manager.and_then(|manager| self.listed_dn(manager)) {
                writeln!(text, "manager: {manager}").unwrap();
            }
            writeln!(text, "entryUUID: {}\n", uuid(*number)).unwrap();
        }
        for (number, group) in &self.groups {
            let class = if group.posix { "posixGroup" } else { "groupOfNames" };
            writeln!(text, "dn: {}\nobjectClass: {class}\ncn: {}", self.dn(*number).unwrap(), group.name).unwrap();
            if group.posix {
                writeln!(text, "gidNumber: {number}").unwrap();
                for member in &group.members {
                    let name =
                        self.people.get(member).map_or_else(|| format!("u{member}"), |person| person.uid.clone());
                    writeln!(text, "memberUid: {name}").unwrap();
                }
                writeln!(text, "entryUUID: {}\n", uuid(*number)).unwrap();
                continue;
            }
            for member in group.members.iter().chain(&group.groups) {
                // Somebody who is no longer there stays listed, as directories without referential integrity have it.
                let dn = self.listed_dn(*member).unwrap_or_else(|| format!("uid=u{member},ou=people,dc=lab,dc=test"));
                writeln!(text, "member: {dn}").unwrap();
            }
            writeln!(text, "entryUUID: {}\n", uuid(*number)).unwrap();
        }
        text
    }
}

/// What the target is expected to hold of a person: user name, display name, title, active, and the manager's anchor.
pub type ExpectedUser = (String, String, Option<String>, bool, Option<String>);

/// What the target is expected to hold of a group: its name and its members' anchors.
pub type ExpectedGroup = (String, BTreeSet<String>);

/// The directory, the tenant and the pipeline between them.
pub struct Lab {
    pub directory: Directory,
    pub tenant: Tenant,
    pub pipeline: Pipeline,
    pub rules: Arc<RulesHost>,
    pub folder: TempDir,
    source: String,
    settings: String,
}

/// The usual rules.
pub const RULES: &str = "[[rules]]\nplugin = \"people\"\n[[rules]]\nplugin = \"groups\"\n";

impl Lab {
    pub async fn new(directory: Directory) -> Self {
        Self::with_settings(directory, RULES).await
    }

    /// A lab whose configuration ends with these settings.
    pub async fn with_settings(directory: Directory, settings: &str) -> Self {
        Self::with_source(directory, "", settings).await
    }

    /// The same, with further settings of the source.
    pub async fn with_source(directory: Directory, source: &str, settings: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("plugins")).unwrap();
        let example = provisor_tests::installed::example("unique-user-names").expect("the examples are built");
        fs::copy(example, folder.path().join("plugins/unique-user-names.wasm")).unwrap();
        for plugin in ["people", "groups"] {
            let built = provisor_tests::installed::plugin(plugin).expect("the first-party plugins are built");
            fs::copy(built, folder.path().join(format!("plugins/{plugin}.wasm"))).unwrap();
        }
        let options = TenantOptions { token: Some("t0ken".into()), request_log: 10_000, ..TenantOptions::default() };
        let tenant = Tenant::bind(([127, 0, 0, 1], 0).into(), options).await.unwrap();
        let token = folder.path().join("token");
        fs::write(&token, "t0ken\n").unwrap();
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
        let (pipeline, rules) = open(folder.path(), &document(folder.path(), &tenant, source, settings)).await;
        Self { directory, tenant, pipeline, rules, folder, source: source.to_owned(), settings: settings.to_owned() }
    }

    /// Runs a cycle over the directory as it stands.
    pub async fn sync(&mut self) -> CycleReport {
        self.try_sync(CycleRequest::default()).await.unwrap()
    }

    pub async fn try_sync(&mut self, request: CycleRequest) -> Result<CycleReport, SyncError> {
        fs::write(self.folder.path().join("lab.ldif"), self.directory.to_ldif()).unwrap();
        self.pipeline.sync(request, &CycleWatch::new()).await
    }

    pub async fn preview(&mut self) -> PreviewReport {
        fs::write(self.folder.path().join("lab.ldif"), self.directory.to_ldif()).unwrap();
        let request = PreviewRequest { first: 100, ..PreviewRequest::default() };
        self.pipeline.preview(request, &CycleWatch::new()).await.unwrap()
    }

    /// Goes on with other settings, as a host does that takes up a changed document.
    pub async fn change_settings(&mut self, settings: &str) {
        self.settings = settings.to_owned();
        let file = document(self.folder.path(), &self.tenant, &self.source, settings);
        self.pipeline.reconfigure(Configuration::read(Path::new(&file)).unwrap());
    }

    /// Begins anew with an empty data folder.
    pub async fn lose_data_folder(&mut self) {
        fs::remove_dir_all(self.folder.path().join("data")).unwrap();
        (self.pipeline, self.rules) =
            open(self.folder.path(), &document(self.folder.path(), &self.tenant, &self.source, &self.settings)).await;
    }

    /// Begins anew with the data folder as it is, as a host does that was killed.
    pub async fn restart(&mut self) {
        (self.pipeline, self.rules) =
            open(self.folder.path(), &document(self.folder.path(), &self.tenant, &self.source, &self.settings)).await;
    }

    /// What somebody else does at the tenant, past the pipeline. Returns the head and body of the answer.
    pub fn elsewhere(&self, method: &str, path: &str, body: &str) -> String {
        let address = self.tenant.address();
        let mut stream = TcpStream::connect(address).unwrap();
        let base = self.tenant.url();
        let base = base.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..])).unwrap_or("");
        let head = format!(
            "{method} {}{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer t0ken\r\nConnection: close\r\n\
             Content-Type: application/scim+json\r\nContent-Length: {}\r\n\r\n",
            base.trim_end_matches('/'),
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
        answer
    }

    /// What the tenant calls the user of this user name.
    pub fn user_id(&self, name: &str) -> Option<String> {
        let users = self.tenant.resources(Kind::User).unwrap();
        let user = users.iter().find(|user| user.get("userName").and_then(Value::as_str) == Some(name))?;
        user.get("id").and_then(Value::as_str).map(str::to_owned)
    }

    /// How many requests that write the tenant has seen.
    pub fn writes(&self) -> u64 {
        self.tenant.counters().writes()
    }

    /// The tenant's users by externalId, and its groups by externalId with their members' externalIds.
    pub fn held(&self) -> (BTreeMap<String, ExpectedUser>, BTreeMap<String, ExpectedGroup>) {
        let users = self.tenant.resources(Kind::User).unwrap();
        let groups = self.tenant.resources(Kind::Group).unwrap();
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let anchors: BTreeMap<String, String> = users
            .iter()
            .chain(&groups)
            .map(|resource| (text(resource, "id").unwrap(), text(resource, "externalId").unwrap()))
            .collect();
        assert_eq!(anchors.values().collect::<BTreeSet<_>>().len(), anchors.len(), "no anchor stands twice");
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let held = users.iter().map(|user| {
            let manager = user.get(enterprise).and_then(|extension| extension.get("manager"));
            let manager =
                manager.and_then(|manager| text(manager, "value")).map(|id| anchors.get(&id).cloned().unwrap_or(id));
            let expected = (
                text(user, "userName").unwrap(),
                text(user, "displayName").unwrap_or_default(),
                text(user, "title"),
                user.get("active") == Some(&Value::Bool(true)),
                manager,
            );
            (text(user, "externalId").unwrap(), expected)
        });
        let grouped = groups.iter().map(|group| {
            let members = group.get("members").and_then(Value::as_array).cloned().unwrap_or_default();
            let members = members.iter().map(|member| anchors[&text(member, "value").unwrap()].clone()).collect();
            (text(group, "externalId").unwrap(), (text(group, "displayName").unwrap(), members))
        });
        (held.collect(), grouped.collect())
    }

    /// Checks that the tenant holds what the directory says, everybody being in scope.
    pub fn assert_in_step(&self) {
        let everybody: BTreeSet<u32> = self.directory.people.keys().copied().collect();
        self.assert_in_step_with(&everybody, &BTreeMap::new());
    }

    /// The same, with only these people in scope, and those that left as they were when they did.
    pub fn assert_in_step_with(&self, in_scope: &BTreeSet<u32>, disabled: &BTreeMap<u32, ExpectedUser>) {
        let (users, groups) = self.held();
        let present = |number: &u32| in_scope.contains(number) || self.directory.groups.contains_key(number);
        let mut expected: BTreeMap<String, ExpectedUser> = BTreeMap::new();
        for (number, person) in self.directory.people.iter().filter(|(number, _)| in_scope.contains(*number)) {
            let manager =
                person.manager.filter(|manager| self.directory.people.contains_key(manager) && present(manager));
            let title = Some(person.title.clone()).filter(|title| !title.is_empty());
            expected.insert(uuid(*number), (person.uid.clone(), person.name.clone(), title, true, manager.map(uuid)));
        }
        expected.extend(disabled.iter().map(|(number, user)| (uuid(*number), user.clone())));
        assert_eq!(users, expected);
        let expected: BTreeMap<String, ExpectedGroup> = self
            .directory
            .groups
            .iter()
            .map(|(number, group)| {
                let members = group.members.iter().filter(|member| self.directory.people.contains_key(member));
                let members =
                    members.chain(&group.groups).filter(|member| present(member)).map(|member| uuid(*member)).collect();
                (uuid(*number), (group.name.clone(), members))
            })
            .collect();
        assert_eq!(groups, expected);
    }
}

fn document(folder: &Path, tenant: &Tenant, source: &str, settings: &str) -> String {
    let file = folder.join("lab.toml");
    let url = tenant.url();
    let text = format!(
        "[source]\nkind = \"ldif\"\nfile = \"lab.ldif\"\n{source}[target]\nkind = \"scim\"\nurl = \"{url}\"\ntoken = {{ file = \"token\" }}\n{settings}"
    );
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

async fn open(folder: &Path, document: &str) -> (Pipeline, Arc<RulesHost>) {
    let data_folder = folder.join("data");
    fs::create_dir_all(&data_folder).unwrap();
    let options = RulesOptions {
        plugins_folder: folder.join("plugins"),
        data_folder: data_folder.clone(),
        limits: PluginLimits::default(),
        updates: Updates::default(),
        embedded: &[],
    };
    let rules = Arc::new(RulesHost::open(options).unwrap());
    let configuration = Configuration::read(Path::new(document)).unwrap();
    let options = PipelineOptions { data_folder, rules: Arc::clone(&rules) };
    (Pipeline::open(configuration, options).await.unwrap(), rules)
}
