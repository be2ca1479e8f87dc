//! A domain of Samba's, the tenant, the agent between them, and what happens in the domain.

mod across;
mod broken_off;
mod changes;
mod churn;
mod failover;
mod forests;
pub mod ldif;
mod nesting;
pub mod oracle;
pub mod organisation;
pub mod random;
pub mod relay;
mod shared;
mod shown;

use std::fs;

use provisor_tenant::{Personality, Tenant, TenantOptions};
use provisor_tests::samba::ADMIN_PASSWORD;
use provisor_tests::{Samba, SambaOptions, installed};
use serde_json::{Value, json};

use crate::support::{Agent, TOKEN};
use ldif::Records;
use oracle::{EXTENSION, Ids, Oracle, Resources};
use organisation::{Organisation, SCOPE, Size};

/// A time that has passed and one that will not come while anybody is here, as accountExpires has them.
pub const PAST: &str = "116444736000000000";
pub const FUTURE: &str = "189000000000000000";

/// The account that reads the domain where the administrator does not.
pub const ACCOUNT: &str = "sync";
pub const PASSWORD: &str = "Passw0rd.Sync1";

/// As many as it takes where the number is no matter.
pub const FEW: Size = Size { people: 120, groups: 10, big: 60, contacts: 10, computers: 6 };

/// How a story differs from the usual one.
#[derive(Clone, Copy)]
pub struct Manner {
    pub size: Size,
    /// Further lines of `[source]`.
    pub source: &'static str,
    pub flat: bool,
    pub rights: Rights,
}

/// Who reads the domain, and what that account may.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// An account that may what anybody may who can sign in.
    None,
    /// One that may replicate, and sees deleted objects.
    Granted,
    Administrator,
}

impl Rights {
    /// Makes the account.
    pub fn grant(self, samba: &Samba) {
        if self == Self::Administrator {
            return;
        }
        let dn = samba.add_account(ACCOUNT, PASSWORD).unwrap();
        if self == Self::Granted {
            samba.allow_replicating_changes(&dn).unwrap();
            samba.allow_reading_deleted(&dn).unwrap();
        }
    }

    pub fn password(self) -> &'static str {
        if self == Self::Administrator { ADMIN_PASSWORD } else { PASSWORD }
    }

    fn principal(self, samba: &Samba) -> String {
        if self == Self::Administrator { samba.admin() } else { samba.principal(ACCOUNT) }
    }
}

/// The domain, the tenant, and the agent between them.
pub struct Story {
    manner: Manner,
    pub samba: Samba,
    /// Where the agent reaches the domain.
    pub urls: Vec<String>,
    pub tenant: Tenant,
    pub agent: Agent,
    pub organisation: Organisation,
    pub ids: Ids,
    held: Resources,
    changes: Records,
    /// How many requests the tenant had logged when they were looked at last.
    looked: usize,
}

/// A tenant with contacts and devices.
pub async fn tenant() -> Tenant {
    let options = TenantOptions {
        token: Some(TOKEN.to_owned()),
        personality: Personality::Directory,
        request_log: 100_000,
        ..TenantOptions::default()
    };
    Tenant::bind(([127, 0, 0, 1], 0).into(), options).await.unwrap()
}

/// An agent with the rules for Active Directory.
pub fn agent(configuration: &str) -> Agent {
    let agent = Agent::new(configuration);
    for plugin in ["ad-users", "ad-groups", "ad-contacts", "ad-devices"] {
        fs::copy(installed::plugin(plugin).unwrap(), agent.path(&format!("plugins/{plugin}.wasm"))).unwrap();
    }
    agent
}

/// `[source]` for these controllers, as the account that reads.
pub fn source(urls: &[String], samba: &Samba, rights: Rights) -> String {
    let urls: Vec<String> = urls.iter().map(|url| format!("\"{url}\"")).collect();
    format!(
        "[source]\nkind = \"active-directory\"\nurl = [{}]\nca = \"{}\"\nbind-dn = \"{}\"\n\
         password = {{ file = \"password\" }}\n",
        urls.join(", "),
        samba.ca_file().display(),
        rights.principal(samba)
    )
}

/// `[target]` for a tenant.
pub fn target(tenant: &Tenant) -> String {
    format!(
        "[target]\nkind = \"scim\"\nurl = \"{}\"\ntoken = {{ file = \"token\" }}\nmember-chunk = 5000\n",
        tenant.url()
    )
}

/// The rules of all four sorts, with what the oracle expects of them, and what becomes of leavers.
pub fn rules() -> String {
    format!(
        "[[rules]]\nplugin = \"ad-users\"\n[rules.config]\ndisable-expired = true\nextension = \"{EXTENSION}\"\n\
         extension-defaults = false\n[rules.config.extension-attributes]\n\
         onPremisesSamAccountName = \"sAMAccountName\"\nonPremisesDistinguishedName = \"dn\"\n\
         [[rules]]\nplugin = \"ad-groups\"\n[[rules]]\nplugin = \"ad-contacts\"\n[[rules]]\nplugin = \"ad-devices\"\n[leaving.group]\nout-of-scope = \"delete\"\n\
         [leaving.contact]\nout-of-scope = \"delete\"\n\
         [safety]\ndelete-threshold = {{ count = 100000, percent = 100 }}\n\
         member-threshold = {{ count = 100000, percent = 100 }}\n"
    )
}

impl Story {
    /// A domain with an organisation in it, and nothing in the tenant yet.
    pub async fn begin(manner: Manner) -> Self {
        let options = SambaOptions::default();
        let organisation = Organisation::generate(manner.size, &options.domain());
        let samba = Samba::start(&SambaOptions { ldif: organisation.to_ldif(), ..options }).unwrap();
        manner.rights.grant(&samba);
        let tenant = tenant().await;
        let (ids, held, changes) = (Ids::default(), Resources::new(), Records::default());
        let agent = agent("");
        agent.secret("password", manner.rights.password());
        let urls = vec![samba.url()];
        let mut story = Self { manner, samba, urls, tenant, agent, organisation, ids, held, changes, looked: 0 };
        story.configure();
        story.learn_ids();
        story
    }

    /// Writes the configuration, with the units of the scope as they are called now.
    pub fn configure(&self) {
        let units: Vec<String> = SCOPE.iter().map(|unit| format!("\"{}\"", self.organisation.dn(*unit))).collect();
        let configuration = format!(
            "{}{}[scope]\norganizational-units = [{}]\n{}{}",
            source(&self.urls, &self.samba, self.manner.rights),
            self.manner.source,
            units.join(", "),
            target(&self.tenant),
            rules()
        );
        fs::write(self.agent.path("configurations/lab.toml"), configuration).unwrap();
    }

    /// Reads which ids the directory gave to those who are new.
    fn learn_ids(&mut self) {
        let known = |number: &u32| self.ids.guids.contains_key(number);
        let new: Vec<u32> = self.organisation.objects.keys().copied().filter(|number| !known(number)).collect();
        if new.is_empty() {
            return;
        }
        let each: String = new.iter().map(|number| format!("(description=number {number})")).collect();
        let filter = if new.len() > 200 { "(description=number *)".to_owned() } else { format!("(|{each})") };
        let found = self.samba.search(&self.organisation.base, &filter, &["description", "objectGUID", "objectSid"]);
        for entry in ldif::read(&found.unwrap()) {
            let description = String::from_utf8_lossy(&entry["description"]).into_owned();
            let number: u32 = description.trim_start_matches("number ").parse().unwrap();
            self.ids.guids.insert(number, ldif::guid(&entry["objectGUID"]));
            if let Some(octets) = entry.get("objectSid") {
                self.ids.sids.insert(number, ldif::sid(octets));
            }
        }
    }

    /// Makes the changes that were asked for so far.
    pub fn make_changes(&mut self) {
        let changes = std::mem::take(&mut self.changes).finish();
        if !changes.is_empty() {
            self.samba.apply(&changes).unwrap();
        }
        self.learn_ids();
    }

    /// Makes the changes that were asked for and runs a cycle: the tenant holds what the oracle says, there was one
    /// write for each resource that is another, and the cycle behind it asks nothing. Tells the cycle's report.
    pub fn cycle(&mut self, what: &str) -> Value {
        self.make_changes();
        let report = self.agent.json(&["sync", "lab"]);
        self.compare(what, &report);
        self.rest(what);
        report
    }

    /// Looks at what a cycle with this report left behind: the tenant holds what the oracle says, and only what changed
    /// was written.
    pub fn compare(&mut self, what: &str, report: &Value) {
        let held = oracle::held(&self.tenant);
        let expected = self.oracle().resources(&self.held);
        if let Some(difference) = oracle::difference(&held, &expected) {
            panic!("{what}: {difference}\n{report}");
        }
        // Who refers to one another in a circle at first is written twice.
        if !self.held.is_empty() {
            let writes = usize::try_from(report["requests"]["writes"].as_u64().unwrap()).unwrap();
            let (most, least) = (oracle::changed(&self.held, &held), oracle::written(&self.held, &held));
            // Who leaves the scope is disabled for certain, whatever was written of them before.
            let leavers = usize::try_from(report["operations"]["disable"].as_u64().unwrap_or_default()).unwrap();
            let most = most + leavers.saturating_sub(oracle::turned_off(&self.held, &held));
            let fits = least <= writes && writes <= most;
            assert!(fits, "{what}: {least} to {most} were to be written: {report}\n{}", self.writes());
        }
        self.looked = self.tenant.request_log().len();
        self.held = held;
    }

    /// How many resources the tenant held after the last cycle that was looked at.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Compares what the tenant holds with the oracle, however many cycles it took.
    pub fn settle(&mut self, what: &str) {
        if let Some(difference) = self.difference() {
            panic!("{what}: {difference}");
        }
        self.held = oracle::held(&self.tenant);
        self.looked = self.tenant.request_log().len();
        self.rest(what);
    }

    /// What the tenant holds otherwise than the oracle says.
    pub fn difference(&self) -> Option<String> {
        oracle::difference(&oracle::held(&self.tenant), &self.oracle().resources(&self.held))
    }

    fn oracle(&self) -> Oracle<'_> {
        Oracle { organisation: &self.organisation, ids: &self.ids, flat: self.manner.flat }
    }

    /// The writes since the cycle before.
    fn writes(&self) -> String {
        let log = self.tenant.request_log();
        let writes = log.iter().skip(self.looked).filter(|record| record.method != "GET");
        let line = |text: String| text.chars().take(160).collect::<String>();
        let lines = writes.map(|record| line(format!("{} {} {}", record.method, record.target, record.body)));
        lines.take(60).collect::<Vec<String>>().join("\n")
    }

    /// A cycle in which nothing changed asks the tenant nothing.
    pub fn rest(&self, what: &str) {
        let before = self.tenant.counters().total();
        let report = self.agent.json(&["sync", "lab"]);
        assert_eq!(report["requests"], json!({ "reads": 0, "writes": 0 }), "{what}: {report}");
        assert_eq!(self.tenant.counters().total(), before, "{what}: {report}");
    }
}
