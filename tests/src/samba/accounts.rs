//! Accounts for what reads the directory: their rights and their Kerberos keys.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::Samba;
use super::client::{quoted, value};
use crate::slapd::client::run;

impl Samba {
    /// Adds an account that may sign in, as any member of Domain Users, and returns its DN.
    pub fn add_account(&self, name: &str, password: &str) -> Result<String> {
        let dn = format!("CN={name},CN=Users,{}", self.base_dn());
        let (principal, password) = (self.principal(name), quoted(password));
        // A normal account whose password does not expire.
        self.apply(&format!(
            "dn: {dn}\nobjectClass: user\nsAMAccountName: {name}\nuserPrincipalName: {principal}\n\
             unicodePwd:: {password}\nuserAccountControl: 66048\n"
        ))?;
        Ok(dn)
    }

    /// Grants "Replicating Directory Changes" on the domain, by which DirSync answers without regard to an object's
    /// rights. On Windows: `dsacls "DC=lab,DC=test" /G "LAB\name:CA;Replicating Directory Changes"`.
    ///
    /// Unlike Windows, Samba still hides what the account may not read; the deleted objects are the case that matters.
    pub fn allow_replicating_changes(&self, dn: &str) -> Result<()> {
        let mut command = self.local("samba-tool")?;
        command.args(["dsacl", "set", "--action=allow", "--car=get-changes", "-H"]).arg(self.database());
        run(command.args([format!("--trusteedn={dn}"), format!("--objectdn={}", self.base_dn())])).map(drop)
    }

    /// Lets an account list the deleted objects. On Windows: `dsacls "CN=Deleted Objects,DC=lab,DC=test"` with
    /// `/takeownership`, then with `/G LAB\name:LCRP`.
    pub fn allow_reading_deleted(&self, dn: &str) -> Result<()> {
        let account = run(self.on_database("ldbsearch")?.args(["-b", dn, "-s", "base", "objectSid"]))?;
        let sid = value(&account, "objectSid: ").with_context(|| format!("{dn} has no security identifier"))?;
        let container = format!("CN=Deleted Objects,{}", self.base_dn());
        let mut command = self.on_database("ldbsearch")?;
        command.args(["--show-deleted", "-b", &container, "-s", "base", "nTSecurityDescriptor"]);
        // A long value goes on in lines that begin with a space.
        let found = run(&mut command)?.replace("\n ", "");
        let rules = value(&found, "nTSecurityDescriptor: ").context("the deleted objects have no access rules")?;
        // Before the audit rules, which stand last.
        let (access, audit) = rules.find(")S:").map_or((rules, ""), |end| rules.split_at(end + 1));
        let file = self.folder.path().join("deleted.ldif");
        let change = "changetype: modify\nreplace: nTSecurityDescriptor\nnTSecurityDescriptor:";
        fs::write(&file, format!("dn: {container}\n{change} {access}(A;;RPLC;;;{sid}){audit}\n"))?;
        run(self.on_database("ldbmodify")?.arg("--show-deleted").arg(&file)).map(drop)
    }

    /// Writes the keys of an account, such as `sync` or `dc1$`, to a file for Kerberos clients. Another password makes
    /// them worthless.
    pub fn keytab(&self, account: &str) -> Result<PathBuf> {
        let file = self.folder.path().join(format!("{account}.keytab"));
        if file.exists() {
            // Keys would be added to those of an older password.
            fs::remove_file(&file)?;
        }
        let mut command = self.local("samba-tool")?;
        command.args(["domain", "exportkeytab"]).arg(&file);
        run(command.arg(format!("--principal={}", self.principal(account))))?;
        Ok(file)
    }

    /// The names by which Kerberos finds this controller's LDAP service: on Windows they are there, but for the
    /// address.
    pub(super) fn add_principals(&self) -> Result<()> {
        let (name, host, base) = (self.name().to_ascii_uppercase(), self.host_name(), self.base_dn());
        let domain = self.options.domain();
        let services = [host.clone(), format!("{host}/{domain}"), self.address().to_string()];
        let values: String = services.iter().map(|name| format!("servicePrincipalName: ldap/{name}\n")).collect();
        self.apply(&format!(
            "dn: CN={name},OU=Domain Controllers,{base}\nchangetype: modify\nadd: servicePrincipalName\n{values}"
        ))
    }
}
