//! A private Active Directory: Samba domain controllers, each in a folder and at a loopback address of its own.
//!
//! A new domain is made once and kept below `target/test-servers/samba`; every server begins with a copy of it. Samba
//! differs from Windows in what it leaves out: no limit on a page or on the values of an attribute, one DirSync answer
//! for everything, and access rules that hold for DirSync too.

mod accounts;
mod address;
mod client;
mod config;
mod partner;
mod schema;
mod snapshot;

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::certificates::{Authority, Validity};
use crate::daemon::{Daemon, start_on_free_ports};
use crate::installed;
use crate::slapd::client::run;
use address::Address;

/// The password of the domain's administrator.
pub const ADMIN_PASSWORD: &str = "Passw0rd.Admin1";

/// What answers when the server is up: Kerberos, the port mapper, LDAP, LDAPS.
const PORTS: [u16; 4] = [88, 135, 389, 636];

/// How a domain and its first controller are set up.
#[derive(Debug, Clone)]
pub struct SambaOptions {
    /// The realm, in capitals; in small letters it is the domain's DNS name.
    pub realm: String,
    /// The domain's NetBIOS name.
    pub workgroup: String,
    /// Add the attributes to the schema that Exchange and newer versions of Windows bring: `mailNickname`,
    /// `targetAddress`, `extensionAttribute1` to `15`, `msExchRecipientTypeDetails`, `msDS-ExternalDirectoryObjectId`.
    pub exchange: bool,
    /// Change records and entries that every copy of this domain has from the start. They are loaded once.
    pub ldif: String,
    /// The dates of the server's certificate.
    pub certificate: Validity,
    /// Further lines of smb.conf.
    pub settings: Vec<String>,
}

/// The domain `lab.test` as it is when new, with a valid certificate.
impl Default for SambaOptions {
    fn default() -> Self {
        Self {
            realm: "LAB.TEST".to_owned(),
            workgroup: "LAB".to_owned(),
            exchange: false,
            ldif: String::new(),
            certificate: Validity::Current,
            settings: Vec::new(),
        }
    }
}

impl SambaOptions {
    /// The domain's DNS name.
    #[must_use]
    pub fn domain(&self) -> String {
        self.realm.to_ascii_lowercase()
    }

    /// The root of the domain's naming context, such as `DC=lab,DC=test`.
    #[must_use]
    pub fn base_dn(&self) -> String {
        self.domain().split('.').map(|label| format!("DC={label}")).collect::<Vec<_>>().join(",")
    }
}

/// A domain controller. It is stopped, and its folder removed, when this is dropped.
#[derive(Debug)]
pub struct Samba {
    // Before the folder: fields are dropped in this order, and the server uses the folder.
    daemon: Option<Daemon>,
    folder: TempDir,
    address: Address,
    /// One for all controllers of a domain, as in an enterprise.
    authority: Arc<Authority>,
    options: SambaOptions,
    name: String,
}

impl Samba {
    /// Starts the first controller of a domain and waits until it answers. The ports need root.
    pub fn start(options: &SambaOptions) -> Result<Self> {
        let mut samba = Self::new("dc1", options.clone(), Arc::new(Authority::new("Lab AD CA")?))?;
        snapshot::restore(options, samba.folder.path())?;
        samba.begin()?;
        samba.add_principals()?;
        Ok(samba)
    }

    /// A controller without data, which does not run.
    fn new(name: &str, options: SambaOptions, authority: Arc<Authority>) -> Result<Self> {
        if !nix::unistd::geteuid().is_root() {
            bail!("a domain controller has fixed ports, which are root's: run this test as root");
        }
        let folder = tempfile::Builder::new().prefix("samba-").tempdir().context("cannot make a folder for Samba")?;
        config::make_folders(folder.path())?;
        let samba =
            Self { daemon: None, folder, address: Address::claim()?, authority, options, name: name.to_owned() };
        samba.write_files()?;
        Ok(samba)
    }

    /// The first start: at an address that turns out to be free.
    fn begin(&mut self) -> Result<()> {
        start_on_free_ports(|| {
            self.stop()?;
            self.address = Address::claim()?;
            self.write_files()?;
            self.launch()
        })
    }

    /// `ldaps://`, by the address, which the certificate carries: no test needs to resolve the controller's name.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ldaps://{}", self.address())
    }

    /// `ldap://`, for StartTLS, and for Kerberos with its own encryption. A password is refused there.
    #[must_use]
    pub fn plain_url(&self) -> String {
        format!("ldap://{}", self.address())
    }

    /// The loopback address of this controller.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address.ip()
    }

    /// The controller's name, such as `dc1`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The controller's full name, which its certificate carries too, and which no name server knows.
    #[must_use]
    pub fn host_name(&self) -> String {
        format!("{}.{}", self.name, self.options.domain())
    }

    /// The realm, in capitals.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.options.realm
    }

    /// The root of the domain's naming context.
    #[must_use]
    pub fn base_dn(&self) -> String {
        self.options.base_dn()
    }

    /// The administrator, as a user principal name.
    #[must_use]
    pub fn admin(&self) -> String {
        self.principal("Administrator")
    }

    /// The user principal name of an account.
    #[must_use]
    pub fn principal(&self, account: &str) -> String {
        format!("{account}@{}", self.options.realm)
    }

    /// The file of the authority that signed the certificates of the domain's controllers.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("tls/ca.pem")
    }

    /// The authority that signed the certificates of the domain's controllers.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What Kerberos clients are given as `KRB5_CONFIG`: it names this controller's address for the realm.
    #[must_use]
    pub fn krb5_conf(&self) -> PathBuf {
        self.folder.path().join("etc/krb5.conf")
    }

    /// The process id, while the server runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.daemon.as_ref().map(Daemon::pid)
    }

    /// Ends the server in good order; its data stays. `restart` brings it back at the same address.
    pub fn stop(&mut self) -> Result<()> {
        self.daemon.take().map_or(Ok(()), |daemon| daemon.terminate().map(drop))
    }

    /// Kills the server as a crash would; its data stays as it was on disk.
    pub fn crash(&mut self) -> Result<()> {
        self.daemon.take().map_or(Ok(()), |daemon| daemon.crash().map(drop))
    }

    /// Stops the server if it runs, and starts it again at the same address.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.launch()
    }

    /// Everything but the data: the configuration, and a certificate for this name and address.
    fn write_files(&self) -> Result<()> {
        let names = [self.host_name(), self.options.domain(), self.address().to_string()];
        let server = self.authority.issue_for(&names, self.options.certificate)?;
        let files = [
            ("etc/smb.conf", config::smb_conf(self.folder.path(), &self.name, self.address(), &self.options)),
            ("etc/krb5.conf", config::krb5_conf(&self.options, self.address())),
            ("tls/ca.pem", self.authority.pem().to_owned()),
            ("tls/server.pem", server.certificate_pem.clone()),
        ];
        for (name, content) in files {
            fs::write(self.folder.path().join(name), content)
                .with_context(|| format!("cannot write Samba's {name}"))?;
        }
        config::write_key(&self.folder.path().join("tls/server.key"), &server.key_pem)
    }

    fn launch(&mut self) -> Result<()> {
        let mut command = Command::new(installed::program("samba")?);
        command.arg("--configfile").arg(self.smb_conf()).env("KRB5_CONFIG", self.krb5_conf());
        // In the foreground and as a single process, so that its pid is the child's and nothing outlives it.
        command.args(["--foreground", "--no-process-group", "--model=single", "--debug-stdout", "--debuglevel=1"]);
        let ready = || PORTS.iter().all(|port| self.address.answers(*port));
        let daemon = Daemon::start(&mut command, &self.folder.path().join("log/samba.log"), ready)?;
        self.daemon = Some(daemon);
        // Open ports do not say yet that somebody answers.
        self.search(&self.base_dn(), "(objectClass=domain)", &["1.1"]).context("Samba listens but does not answer")?;
        Ok(())
    }

    fn smb_conf(&self) -> PathBuf {
        self.folder.path().join("etc/smb.conf")
    }

    /// The database, for Samba's own programs.
    fn database(&self) -> PathBuf {
        self.folder.path().join("private/sam.ldb")
    }

    /// A program of Samba's that works on this controller's own files, whether the server runs or not.
    fn local(&self, program: &str) -> Result<Command> {
        let mut command = Command::new(installed::program(program)?);
        // The machine's own Samba and Kerberos settings have no say in a test.
        command.env("SMB_CONF_PATH", self.smb_conf()).env("KRB5_CONFIG", self.krb5_conf());
        Ok(command)
    }

    /// One of Samba's database programs on this controller's database.
    fn on_database(&self, program: &str) -> Result<Command> {
        let mut command = self.local(program)?;
        command.arg("-H").arg(self.database());
        Ok(command)
    }

    /// Samba's administrative tool with these words, on this controller's own files.
    fn tool(&self, words: &[&str]) -> Result<String> {
        run(self.local("samba-tool")?.args(words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_names_its_domain_and_its_root() {
        let options = SambaOptions { realm: "EU.CORP.TEST".to_owned(), ..SambaOptions::default() };
        assert_eq!(options.domain(), "eu.corp.test");
        assert_eq!(options.base_dn(), "DC=eu,DC=corp,DC=test");
    }
}
