//! A private 389 Directory Server: own folder, own files of configuration and schema, free ports for ldap, and ldapi.

mod config;

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::daemon::{Daemon, start_on_free_ports};
use crate::installed;
use crate::slapd::{ADMIN_DN, ADMIN_PASSWORD, client};
use crate::wait::{free_port, port_answers};

/// How a server is set up.
#[derive(Debug, Clone, Default)]
pub struct NetscapeOptions {
    /// The LDIF that is loaded once it runs, the base entry included.
    pub ldif: String,
    /// Whether it synchronises content (RFC 4533), by its changelog.
    pub synchronises: bool,
    /// Whether its changelog lacks the ids of entries, as where an administrator forgot to ask for them.
    pub forgetful: bool,
}

/// A running 389 Directory Server. The administrator's name and password are those of the other servers.
#[derive(Debug)]
pub struct Netscape {
    // Before the folder: fields are dropped in this order, and the server uses the folder.
    daemon: Option<Daemon>,
    folder: TempDir,
    port: u16,
}

impl Netscape {
    /// Starts the server, waits until it answers, and loads the LDIF.
    pub fn start(options: &NetscapeOptions) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("389ds-")
            .tempdir()
            .context("cannot make a folder for 389 Directory Server")?;
        let mut server = Self { daemon: None, folder, port: 0 };
        start_on_free_ports(|| {
            server.port = free_port()?;
            config::write(server.folder.path(), server.port, options)?;
            server.launch()
        })?;
        server.apply(&options.ldif)?;
        Ok(server)
    }

    /// `ldap://`, unencrypted.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    /// The process id, while the server runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.daemon.as_ref().map(Daemon::pid)
    }

    /// Stops the server in good order, and starts it again on the same port.
    pub fn restart(&mut self) -> Result<()> {
        self.daemon.take().map_or(Ok(()), |daemon| daemon.terminate().map(drop))?;
        self.launch()
    }

    /// Applies LDIF in order: change records, and entries, which are added.
    pub fn apply(&self, ldif: &str) -> Result<()> {
        let file = self.folder.path().join("changes.ldif");
        fs::write(&file, ldif).with_context(|| format!("cannot write {}", file.display()))?;
        client::run(self.client("ldapmodify")?.arg("-a").arg("-f").arg(&file)).map(drop)
    }

    /// Deletes an entry without children.
    pub fn delete(&self, dn: &str) -> Result<()> {
        client::run(self.client("ldapdelete")?.arg(dn)).map(drop)
    }

    /// Renames an entry, dropping the old name's values, and moves it where a new parent is given.
    pub fn rename(&self, dn: &str, new_rdn: &str, new_parent: Option<&str>) -> Result<()> {
        let mut command = self.client("ldapmodrdn")?;
        command.arg("-r");
        if let Some(parent) = new_parent {
            command.args(["-s", parent]);
        }
        client::run(command.args([dn, new_rdn])).map(drop)
    }

    /// Searches the subtree and returns the entries as LDIF, lines unfolded.
    pub fn search(&self, base: &str, filter: &str, attributes: &[&str]) -> Result<String> {
        let mut command = self.client("ldapsearch")?;
        client::run(command.args(["-LLL", "-o", "ldif-wrap=no", "-b", base, filter]).args(attributes))
    }

    fn client(&self, program: &str) -> Result<Command> {
        let mut command = Command::new(installed::program(program)?);
        // The machine's own LDAP settings have no say in a test.
        command.env("LDAPNOINIT", "1").args(["-x", "-D", ADMIN_DN, "-w", ADMIN_PASSWORD, "-H", &self.url()]);
        Ok(command)
    }

    fn launch(&mut self) -> Result<()> {
        let folder = self.folder.path();
        let mut command = Command::new(installed::program("ns-slapd")?);
        // A debug level, even of nothing, keeps it in the foreground, so that its pid is the child's.
        command.arg("-D").arg(folder.join("etc")).arg("-i").arg(folder.join("run/pid")).args(["-d", "0"]);
        let (port, socket) = (self.port, self.socket());
        let ready = || UnixStream::connect(&socket).is_ok() && port_answers(port);
        self.daemon = Some(Daemon::start(&mut command, &folder.join("output.log"), ready)?);
        // It listens somewhat before its databases do.
        let mut looks = self.client("ldapsearch")?;
        looks.args(["-s", "base", "-b", "cn=config", "1.1"]);
        match client::run(&mut looks) {
            Ok(_) => Ok(()),
            Err(error) => bail!("389 Directory Server listens but does not answer: {error:#}"),
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("run/ldapi")
    }
}
