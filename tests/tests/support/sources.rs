//! Directories that a scenario reads from and changes.

use provisor_tests::ldif::{SUFFIX, SYNC_DN, SYNC_PASSWORD};
use provisor_tests::slapd::{ADMIN_DN, ADMIN_PASSWORD};
use provisor_tests::{ChangeLog, Netscape, NetscapeOptions, Slapd, SlapdOptions};

/// A server that holds the directory, and how it is told to the agent.
pub trait Source: Sized {
    /// The attribute by which the agent knows an entry for ever.
    const ID: &str;

    /// A value of that attribute in the form that is sent as externalId.
    fn anchor(id: &str) -> String {
        id.to_owned()
    }

    /// A server with these entries.
    fn start(ldif: String) -> Self;

    /// The `[source]` section of a configuration; the password is in the file `password`.
    fn configuration(&self) -> String;

    /// The password that the section names.
    fn password(&self) -> &str;

    /// Changes the directory by LDIF change records, entries among them, which are added.
    fn apply(&self, ldif: &str);

    /// The entries that a filter finds, as LDIF.
    fn search(&self, filter: &str, attributes: &[&str]) -> String;

    /// Stops the server and starts it again.
    fn restart(&mut self);
}

impl Source for Slapd {
    const ID: &str = "entryUUID";

    fn start(ldif: String) -> Self {
        let options = SlapdOptions { ldif, change_log: ChangeLog::AccessLog, ..SlapdOptions::default() };
        Self::start(&options).unwrap()
    }

    fn configuration(&self) -> String {
        format!(
            "[source]\nkind = \"openldap\"\nurl = \"{}\"\nca = \"{}\"\nbase = \"{SUFFIX}\"\nbind-dn = \"{SYNC_DN}\"\n\
             password = {{ file = \"password\" }}\n",
            self.tls_url(),
            self.ca_file().display()
        )
    }

    fn password(&self) -> &str {
        SYNC_PASSWORD
    }

    fn apply(&self, ldif: &str) {
        self.apply(ldif).unwrap();
    }

    fn search(&self, filter: &str, attributes: &[&str]) -> String {
        self.search(SUFFIX, filter, attributes).unwrap()
    }

    fn restart(&mut self) {
        self.restart().unwrap();
    }
}

/// Without its content synchronisation: changes are found by comparing.
impl Source for Netscape {
    const ID: &str = "nsUniqueId";

    /// The server groups the digits of a UUID in its own way.
    fn anchor(id: &str) -> String {
        let digits = id.replace('-', "").to_lowercase();
        let groups = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
        groups.join("-")
    }

    fn start(ldif: String) -> Self {
        Self::start(&NetscapeOptions { ldif, ..NetscapeOptions::default() }).unwrap()
    }

    fn configuration(&self) -> String {
        format!(
            "[source]\nkind = \"ldap\"\nurl = \"{}\"\nbase = \"{SUFFIX}\"\nbind-dn = \"{ADMIN_DN}\"\n\
             password = {{ file = \"password\" }}\n",
            self.url()
        )
    }

    fn password(&self) -> &str {
        ADMIN_PASSWORD
    }

    fn apply(&self, ldif: &str) {
        self.apply(ldif).unwrap();
    }

    fn search(&self, filter: &str, attributes: &[&str]) -> String {
        self.search(SUFFIX, filter, attributes).unwrap()
    }

    fn restart(&mut self) {
        self.restart().unwrap();
    }
}
