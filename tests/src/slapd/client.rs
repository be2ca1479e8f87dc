//! Reading and changing a test's directory, by OpenLDAP's own programs, as the administrator over the server's socket.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Slapd;
use crate::installed;

impl Slapd {
    /// Applies LDIF in order: change records (`changetype: modify` and the like), and entries, which are added.
    pub fn apply(&self, ldif: &str) -> Result<()> {
        let file = self.folder.path().join("changes.ldif");
        fs::write(&file, ldif).with_context(|| format!("cannot write {}", file.display()))?;
        let mut command = self.client("ldapmodify")?;
        run(command.arg("-a").arg("-f").arg(&file)).map(drop)
    }

    /// Deletes an entry without children.
    pub fn delete(&self, dn: &str) -> Result<()> {
        run(self.client("ldapdelete")?.arg(dn)).map(drop)
    }

    /// Renames an entry, dropping the old name's values, and moves it where a new parent is given.
    pub fn rename(&self, dn: &str, new_rdn: &str, new_parent: Option<&str>) -> Result<()> {
        let mut command = self.client("ldapmodrdn")?;
        command.arg("-r");
        if let Some(parent) = new_parent {
            command.args(["-s", parent]);
        }
        run(command.args([dn, new_rdn])).map(drop)
    }

    /// Searches the subtree and returns the entries as LDIF, lines unfolded; without attributes named, all user attributes.
    pub fn search(&self, base: &str, filter: &str, attributes: &[&str]) -> Result<String> {
        let mut command = self.client("ldapsearch")?;
        command.args(["-LLL", "-o", "ldif-wrap=no", "-b", base, filter]).args(attributes);
        run(&mut command)
    }

    /// A program of OpenLDAP's, bound as the administrator by the socket's peer credentials.
    fn client(&self, program: &str) -> Result<Command> {
        let mut command = Command::new(installed::program(program)?);
        // The machine's own LDAP settings have no say in a test.
        command.env("LDAPNOINIT", "1").args(["-Q", "-Y", "EXTERNAL", "-H", &self.socket_url()]);
        Ok(command)
    }
}

/// Runs a program to its end, and returns what it says.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!(
            "{} ended with {}: {}",
            command.get_program().display(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
