//! Reading and changing a test's directory, by OpenLDAP's own programs over LDAPS.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{ADMIN_PASSWORD, Samba};
use crate::installed;
use crate::slapd::client::run;

/// The control that shows deleted objects (MS-ADTS 3.1.1.3.4.1.14).
const SHOW_DELETED: &str = "!1.2.840.113556.1.4.417";

impl Samba {
    /// Applies LDIF in order: change records (`changetype: modify` and the like), and entries, which are added.
    ///
    /// Some 300 additions and 1,500 changes a second; fewer additions as the directory grows to many thousands.
    pub fn apply(&self, ldif: &str) -> Result<()> {
        let file = self.folder.path().join("changes.ldif");
        fs::write(&file, ldif).with_context(|| format!("cannot write {}", file.display()))?;
        run(self.client("ldapmodify")?.arg("-a").arg("-f").arg(&file)).map(drop)
    }

    /// Deletes an entry without children. A tombstone remains.
    pub fn delete(&self, dn: &str) -> Result<()> {
        run(self.client("ldapdelete")?.arg(dn)).map(drop)
    }

    /// Renames an entry, and moves it where a new parent is given.
    pub fn rename(&self, dn: &str, new_rdn: &str, new_parent: Option<&str>) -> Result<()> {
        let mut command = self.client("ldapmodrdn")?;
        command.arg("-r");
        if let Some(parent) = new_parent {
            command.args(["-s", parent]);
        }
        run(command.args([dn, new_rdn])).map(drop)
    }

    /// Brings a deleted account back to this name, with what its tombstone kept.
    pub fn undelete(&self, account: &str, dn: &str) -> Result<()> {
        let mut search = self.client("ldapsearch")?;
        search.args(["-LLL", "-o", "ldif-wrap=no", "-E", SHOW_DELETED, "-b", &self.base_dn()]);
        let filter = format!("(&(isDeleted=TRUE)(sAMAccountName={account}))");
        let found = run(search.args([&filter, "1.1"]))?;
        let tombstone = value(&found, "dn: ").with_context(|| format!("{account} is not among the deleted"))?;
        let file = self.folder.path().join("undelete.ldif");
        let change = "changetype: modify\ndelete: isDeleted\n-\nreplace: distinguishedName\ndistinguishedName:";
        fs::write(&file, format!("dn: {tombstone}\n{change} {dn}\n"))?;
        run(self.client("ldapmodify")?.args(["-e", SHOW_DELETED, "-f"]).arg(&file)).map(drop)
    }

    /// Searches the subtree as the administrator and returns the entries as LDIF, lines unfolded; without attributes
    /// named, all user attributes. At the domain's root it ends with a referral, as a comment.
    pub fn search(&self, base: &str, filter: &str, attributes: &[&str]) -> Result<String> {
        self.search_as(&self.admin(), ADMIN_PASSWORD, base, filter, attributes)
    }

    /// The same as somebody else, named by a user principal name or a DN.
    pub fn search_as(
        &self,
        who: &str,
        password: &str,
        base: &str,
        filter: &str,
        attributes: &[&str],
    ) -> Result<String> {
        let mut command = self.client_as("ldapsearch", who, password)?;
        command.args(["-LLL", "-o", "ldif-wrap=no", "-b", base, filter]).args(attributes);
        run(&mut command)
    }

    /// Gives an account another password, as an administrator resets it.
    pub fn set_password(&self, dn: &str, password: &str) -> Result<()> {
        let password = quoted(password);
        self.apply(&format!("dn: {dn}\nchangetype: modify\nreplace: unicodePwd\nunicodePwd:: {password}\n"))
    }

    fn client(&self, program: &str) -> Result<Command> {
        self.client_as(program, &self.admin(), ADMIN_PASSWORD)
    }

    /// A program of OpenLDAP's with this controller, an account and its password set, for what the others leave out.
    pub fn client_as(&self, program: &str, who: &str, password: &str) -> Result<Command> {
        let mut command = Command::new(installed::program(program)?);
        // The machine's own LDAP settings have no say in a test. LDAPNOINIT would keep the authority out, too.
        command.env("LDAPCONF", "/dev/null").env("LDAPRC", "none").env("HOME", self.folder.path());
        command.env("LDAPTLS_CACERT", self.ca_file()).env("LDAPTLS_REQCERT", "demand");
        command.args(["-x", "-H", &self.url(), "-D", who, "-w", password]);
        Ok(command)
    }
}

/// A password as `unicodePwd` takes it: in quotation marks, UTF-16, and base64 for LDIF.
pub fn quoted(password: &str) -> String {
    let octets: Vec<u8> = format!("\"{password}\"").encode_utf16().flat_map(u16::to_le_bytes).collect();
    STANDARD.encode(octets)
}

/// What follows this beginning of a line, in LDIF.
pub fn value<'a>(ldif: &'a str, beginning: &str) -> Option<&'a str> {
    ldif.lines().find_map(|line| line.strip_prefix(beginning))
}
