//! The directory that is read: a slapd of its own with generated people and groups, over TLS.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use provisor_tests::ldif::{Directory, SUFFIX, SYNC_DN, SYNC_PASSWORD, Size};
use provisor_tests::{Slapd, SlapdOptions, installed};

/// What the default `people` and `groups` rules read, and what the host itself needs.
const READ: &[&str] = &[
    "uid",
    "givenName",
    "sn",
    "cn",
    "displayName",
    "title",
    "preferredLanguage",
    "mail",
    "telephoneNumber",
    "mobile",
    "homePhone",
    "facsimileTelephoneNumber",
    "pager",
    "street",
    "l",
    "st",
    "postalCode",
    "c",
    "employeeNumber",
    "departmentNumber",
    "o",
    "manager",
    "member",
    "uniqueMember",
    "entryUUID",
    "objectClass",
];

/// A running directory.
pub struct Source {
    slapd: Slapd,
    people: usize,
    changed: usize,
}

impl Source {
    /// Starts a directory of so many people, a group for each fifty, the first of which has a twentieth of all.
    pub fn start(people: usize) -> Result<Self> {
        let size = Size { people, groups: people / 50, big: people / 20 };
        let ldif = Directory::generate(size, 5).to_ldif(false);
        let slapd = Slapd::start(&SlapdOptions { ldif, ..SlapdOptions::default() })?;
        Ok(Self { slapd, people, changed: 0 })
    }

    /// How many people and groups there are.
    pub fn objects(&self) -> usize {
        self.people + self.people / 50
    }

    /// What a configuration says of it, but for the password.
    pub fn section(&self) -> String {
        let (url, ca) = (self.slapd.tls_url(), self.slapd.ca_file());
        let ca = ca.display();
        format!("kind = \"openldap\"\nurl = \"{url}\"\nca = \"{ca}\"\nbase = \"{SUFFIX}\"\nbind-dn = \"{SYNC_DN}\"\n")
    }

    /// Reads the same by `ldapsearch` in pages, to nowhere; the wall time in seconds.
    pub fn searched(&self) -> Result<f64> {
        let mut command = Command::new(installed::program("ldapsearch")?);
        // Encrypted, as ours is, but unverified: the library takes "localhost" for the machine's own name.
        command.env_remove("LDAPNOINIT").env("LDAPCONF", "/dev/null").env("LDAPTLS_REQCERT", "never");
        command.args(["-LLL", "-o", "ldif-wrap=no", "-E", "pr=1000/noprompt", "-x", "-H", &self.slapd.tls_url()]);
        command.args(["-D", SYNC_DN, "-w", SYNC_PASSWORD, "-b", SUFFIX, "(objectClass=*)"]).args(READ);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let begin = Instant::now();
        let status = command.status().context("cannot start ldapsearch")?;
        if !status.success() {
            bail!("ldapsearch ended with {status}");
        }
        Ok(begin.elapsed().as_secs_f64())
    }

    /// Gives so many people another title.
    pub fn change(&mut self, count: usize) -> Result<()> {
        self.changed += 1;
        let title = format!("Title {}", self.changed);
        let step = (self.people / count).max(1);
        let records = (0..count).map(|number| {
            let uid = (number * step) % self.people;
            format!(
                "dn: uid=u{uid:06},ou=people,{SUFFIX}\nchangetype: modify\nreplace: title\ntitle: {title} {number}\n\n"
            )
        });
        self.slapd.apply(&records.collect::<String>())
    }
}
