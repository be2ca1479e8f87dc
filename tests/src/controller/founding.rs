//! A domain as it is on its first day: the naming contexts and the containers, and a controller's own objects.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;

use super::guid::{Guid, sid};
use super::replica::{Names, Places, Replica};

impl Replica {
    /// A new domain with its first controller.
    pub(super) fn founded(domain: &str, host: &str, recycle_bin: bool) -> Result<Self> {
        let first = domain.split('.').next().unwrap_or(domain);
        let root = domain.split('.').map(|part| format!("DC={part}")).collect::<Vec<_>>().join(",");
        let invocation = Guid::fresh();
        let [a, b, c, d, ..] = invocation.octets();
        let names = Names {
            dns: domain.to_owned(),
            netbios: first.to_uppercase(),
            host: host.to_owned(),
            sid: [u32::from_be_bytes([a, b, c, d]), 1_004_336_348, 1_177_238_915],
        };
        let mut replica = Self::empty(names, Places::unknown(), recycle_bin, invocation);
        replica.found_contexts(&root, first);
        replica.found_containers()?;
        replica.found_controller()?;
        Ok(replica)
    }

    /// Another controller of the same domain, to which everything has been replicated.
    pub(super) fn joined(&self, host: &str) -> Result<Self> {
        let names = Names { host: host.to_owned(), ..self.names.clone() };
        let mut replica = Self::empty(names, self.places.clone(), self.recycle_bin, Guid::fresh());
        // Each controller has a pool of account numbers of its own.
        replica.next_rid = self.next_rid + 50_000;
        replica.pull(self);
        replica.found_controller()?;
        Ok(replica)
    }

    fn empty(names: Names, places: Places, recycle_bin: bool, invocation: Guid) -> Self {
        Self {
            names,
            places,
            recycle_bin,
            invocation,
            usn: 12_000,
            vector: BTreeMap::new(),
            seconds: 0,
            next_rid: 1103,
            objects: HashMap::new(),
            order: BTreeMap::new(),
            changed: BTreeMap::new(),
            links_changed: BTreeMap::new(),
            children: HashMap::new(),
            back: HashMap::new(),
        }
    }

    fn found_contexts(&mut self, root: &str, first: &str) {
        let configuration = format!("CN=Configuration,{root}");
        let schema = format!("CN=Schema,{configuration}");
        self.places.domain = self.found_root(root.to_owned(), "DC", first, &["top", "domain", "domainDNS"], "5");
        let classes = ["top", "configuration"];
        self.places.configuration = self.found_root(configuration, "CN", "Configuration", &classes, "13");
        self.places.schema = self.found_root(schema, "CN", "Schema", &["top", "dMD"], "13");
        let domain = self.places.domain;
        self.write(domain, "objectSid", vec![sid(self.names.sid, None)], self.usn_changed(domain));
    }

    fn found_root(&mut self, dn: String, naming: &'static str, name: &str, classes: &[&str], kind: &str) -> Guid {
        let guid = Guid::fresh();
        let usn = self.next_usn();
        self.put_in(guid, None, naming, usn);
        if let Some(object) = self.objects.get_mut(&guid) {
            object.root = Some(dn);
        }
        self.write(guid, "objectClass", classes.iter().map(|class| class.as_bytes().to_vec()).collect(), usn);
        self.write_text(guid, "instanceType", kind, usn);
        self.write_text(guid, "whenCreated", &super::read::time(self.seconds), usn);
        self.write_name(guid, None, name, usn);
        guid
    }

    fn found_containers(&mut self) -> Result<()> {
        let container = ["top", "container"];
        let domain = self.places.domain;
        self.places.users = self.make(domain, "CN", &container, "Users")?;
        self.places.computers = self.make(domain, "CN", &container, "Computers")?;
        self.places.controllers = self.make(domain, "OU", &["top", "organizationalUnit"], "Domain Controllers")?;
        self.places.deleted = self.make(domain, "CN", &container, "Deleted Objects")?;
        // The container of what is deleted is marked as if it were deleted itself.
        let usn = self.usn;
        self.write_text(self.places.deleted, "isDeleted", "TRUE", usn);
        self.places.aggregate = self.make(self.places.schema, "CN", &["top", "subSchema"], "Aggregate")?;
        let sites = self.make(self.places.configuration, "CN", &["top", "sitesContainer"], "Sites")?;
        let site = self.make(sites, "CN", &["top", "site"], "Default-First-Site-Name")?;
        self.places.servers = self.make(site, "CN", &["top", "serversContainer"], "Servers")?;
        Ok(())
    }

    /// The objects that stand for this controller.
    fn found_controller(&mut self) -> Result<()> {
        let host = self.names.host.to_uppercase();
        let server = self.make(self.places.servers, "CN", &["top", "server"], &host)?;
        let dns_host = format!("{}.{}", self.names.host, self.names.dns);
        self.write_known(server, "dNSHostName", &dns_host, self.usn)?;
        let classes = ["top", "applicationSettings", "nTDSDSA"];
        self.places.settings = self.make(server, "CN", &classes, "NTDS Settings")?;
        self.write(self.places.settings, "invocationId", vec![self.invocation.octets().to_vec()], self.usn);
        Ok(())
    }
}

impl Places {
    /// Before anything is there.
    fn unknown() -> Self {
        let none = Guid::fresh();
        Self {
            domain: none,
            configuration: none,
            schema: none,
            users: none,
            computers: none,
            controllers: none,
            deleted: none,
            aggregate: none,
            servers: none,
            settings: none,
        }
    }
}
