//! A private OpenLDAP server: own folder, own authority, free ports for ldap, ldaps and ldapi.

pub(crate) mod client;
mod config;

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::certificates::{Authority, Validity};
use crate::daemon::{Daemon, start_on_free_ports};
use crate::installed;
use crate::ldif::Directory;
use crate::wait::{free_port, port_answers};

/// The administrator's account, for whom no limit and no access rule holds.
pub const ADMIN_DN: &str = "cn=admin,dc=lab,dc=test";
/// The administrator's password.
pub const ADMIN_PASSWORD: &str = "adminpw";

/// What the server remembers of changes, and so what a client with an old sync cookie is told (RFC 4533).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeLog {
    /// No syncprov overlay: the sync control is not supported.
    None,
    /// This many changes in memory. After a restart an old cookie gets a present phase.
    SessionLog(usize),
    /// An accesslog database: only the real changes, after a restart too.
    AccessLog,
}

/// How a server is set up.
#[derive(Debug, Clone)]
pub struct SlapdOptions {
    /// The LDIF that is loaded before the start, the base entry included.
    pub ldif: String,
    /// What the server remembers of changes.
    pub change_log: ChangeLog,
    /// The dates of the server's certificate.
    pub certificate: Validity,
    /// The size limits for everybody but the administrator and the sync account, in slapd.conf's words.
    pub size_limit: String,
    /// Keep `member` and `manager` in step when an entry is renamed or deleted (the refint overlay).
    pub refint: bool,
    /// Maintain `memberOf` (the memberof overlay).
    pub member_of: bool,
    /// Lines of access control that come before the usual ones, such as `access to attrs=mail by * none`.
    pub access: Vec<String>,
    /// Further lines of slapd.conf for the database.
    pub directives: Vec<String>,
    /// Further lines of slapd.conf for the whole server.
    pub global_directives: Vec<String>,
    /// The number by which this server's changes are told from another's; 1 for one that stands alone.
    pub server_id: u16,
}

/// The base entries alone, a session log of 1,000 changes, a valid certificate, no overlay beyond syncprov.
impl Default for SlapdOptions {
    fn default() -> Self {
        Self {
            ldif: Directory::default().to_ldif(false),
            change_log: ChangeLog::SessionLog(1000),
            certificate: Validity::Current,
            size_limit: "size.soft=500 size.hard=2000 size.prtotal=unlimited size.pr=1000".to_owned(),
            refint: false,
            member_of: false,
            access: Vec::new(),
            directives: Vec::new(),
            global_directives: Vec::new(),
            server_id: 1,
        }
    }
}

/// A server. It is stopped, and its folder removed, when this is dropped.
#[derive(Debug)]
pub struct Slapd {
    // Before the folder: fields are dropped in this order, and the server uses the folder.
    daemon: Option<Daemon>,
    folder: TempDir,
    authority: Authority,
    ports: Ports,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    ldap: u16,
    ldaps: u16,
}

impl Ports {
    fn free() -> Result<Self> {
        Ok(Self { ldap: free_port()?, ldaps: free_port()? })
    }
}

impl Slapd {
    /// Loads the LDIF, starts the server and waits until it answers.
    pub fn start(options: &SlapdOptions) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("slapd-").tempdir().context("cannot make a folder for slapd")?;
        let authority = Authority::new("Lab LDAP CA")?;
        write_files(folder.path(), options, &authority)?;
        // A replica begins with nothing and reads it all from its provider.
        if !options.ldif.is_empty() {
            load(folder.path(), options.server_id)?;
        }
        let mut slapd = Self { daemon: None, folder, authority, ports: Ports::free()? };
        start_on_free_ports(|| {
            slapd.ports = Ports::free()?;
            slapd.launch()
        })?;
        Ok(slapd)
    }

    /// `ldap://`, unencrypted and with StartTLS.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.ports.ldap)
    }

    /// `ldaps://`, by the name that the certificate carries.
    #[must_use]
    pub fn tls_url(&self) -> String {
        format!("ldaps://localhost:{}", self.ports.ldaps)
    }

    /// The file of the authority that signed the server's certificate.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The authority that signed the server's certificate.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The process id, while the server runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.daemon.as_ref().map(Daemon::pid)
    }

    /// Ends the server in good order; its data stays. `restart` brings it back on the same ports.
    pub fn stop(&mut self) -> Result<()> {
        self.daemon.take().map_or(Ok(()), |daemon| daemon.terminate().map(drop))
    }

    /// Kills the server as a crash would; its data stays as it was on disk.
    pub fn crash(&mut self) -> Result<()> {
        self.daemon.take().map_or(Ok(()), |daemon| daemon.crash().map(drop))
    }

    /// Stops the server if it runs, and starts it again on the same ports. What it held in memory is gone.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.launch()
    }

    fn launch(&mut self) -> Result<()> {
        let socket = self.socket();
        let listeners = format!(
            "ldap://127.0.0.1:{} ldaps://127.0.0.1:{} {}",
            self.ports.ldap,
            self.ports.ldaps,
            self.socket_url()
        );
        let mut command = Command::new(installed::program("slapd")?);
        // A debug level, even of nothing, keeps slapd in the foreground, so that its pid is the child's.
        command.arg("-f").arg(self.folder.path().join("slapd.conf")).args(["-h", &listeners, "-d", "0"]);
        let Ports { ldap, ldaps } = self.ports;
        // The socket is in a folder of ours: nothing else can answer there.
        let ready = || UnixStream::connect(&socket).is_ok() && port_answers(ldap) && port_answers(ldaps);
        self.daemon = Some(Daemon::start(&mut command, &self.folder.path().join("slapd.log"), ready)?);
        Ok(())
    }

    /// The socket, on which whoever runs the test is the administrator.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("ldapi")
    }

    /// `ldapi://` with the socket as OpenLDAP writes it: every character of the path that is neither letter nor digit is
    /// escaped.
    #[must_use]
    pub fn socket_url(&self) -> String {
        use std::fmt::Write;
        let path = self.socket();
        let mut url = "ldapi://".to_owned();
        for &byte in path.as_os_str().as_encoded_bytes() {
            if byte.is_ascii_alphanumeric() {
                url.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(url, "%{byte:02X}");
            }
        }
        url
    }
}

fn write_files(folder: &Path, options: &SlapdOptions, authority: &Authority) -> Result<()> {
    let server = authority.issue(options.certificate)?;
    for database in ["data", "accesslog"] {
        fs::create_dir(folder.join(database))?;
    }
    let config = config::render(folder, options);
    let files = [
        ("ca.pem", authority.pem()),
        ("server.pem", &server.certificate_pem),
        ("server.key", &server.key_pem),
        ("data.ldif", &options.ldif),
        ("slapd.conf", &config),
    ];
    for (name, content) in files {
        fs::write(folder.join(name), content).with_context(|| format!("cannot write slapd's {name}"))?;
    }
    Ok(())
}

/// Loads the LDIF into the database files: many times faster than adding each entry over LDAP.
fn load(folder: &Path, server_id: u16) -> Result<()> {
    let mut slapadd = Command::new(installed::program("slapadd")?);
    // Quick, and with the context CSN that syncprov would otherwise have to search for; as the server of slapd.conf.
    slapadd.args(["-q", "-w", "-S", &server_id.to_string(), "-b", crate::ldif::SUFFIX]);
    slapadd.arg("-f").arg(folder.join("slapd.conf")).arg("-l").arg(folder.join("data.ldif"));
    let output = slapadd.output().context("cannot start slapadd")?;
    if !output.status.success() {
        bail!("slapadd ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
