//! Where the servers of an LDAP directory are, and as whom they are asked: the same keys for every kind of it.

use std::path::PathBuf;
use std::time::Duration;

use provisor_directory::{Affinity, BindMethod, ClientIdentity, ConnectionOptions};
use provisor_model::Secret;

use super::address;
use super::document::{Item, Section};
use super::error::ConfigurationError;
use super::secret::{KeyFile, SecretSource};

/// What `source.bind` may be.
pub(super) const METHODS: &[(&str, BindMethod)] =
    &[("simple", BindMethod::Simple), ("external", BindMethod::External), ("anonymous", BindMethod::Anonymous)];

/// The same for Active Directory, which shows nothing to nobody.
pub(super) const DOMAIN_METHODS: &[(&str, BindMethod)] =
    &[("simple", BindMethod::Simple), ("kerberos", BindMethod::Kerberos), ("external", BindMethod::External)];

/// How a directory's servers are reached.
#[derive(Clone, Debug)]
pub struct LdapConnection {
    /// The servers that keep the directory, in the order in which they are tried: `ldaps://host:port`,
    /// `ldap://host:port` or `ldapi:///path/of/socket`; at least one.
    pub urls: Vec<String>,
    /// Whether a plain connection is turned into a protected one before anything is sent.
    pub start_tls: bool,
    /// A PEM file with the authorities to trust, in place of the machine's own.
    pub ca: Option<PathBuf>,
    /// What this host shows where a server asks for a certificate.
    pub client_identity: Option<ClientIdentity>,
    /// How this host says who it is.
    pub bind: BindMethod,
    /// Who reads; none where the bind needs no name.
    pub bind_dn: Option<String>,
    /// Its password; none where the bind needs none.
    pub password: Option<SecretSource>,
    /// The file with the keys of `principal`; none where the bind is not by Kerberos.
    pub keytab: Option<KeyFile>,
    /// Whom Kerberos knows the account as.
    pub principal: Option<String>,
    /// The longest wait for an answer.
    pub timeout: Duration,
    /// Which of the servers answered last, in all cycles since this was read.
    pub affinity: Affinity,
}

impl LdapConnection {
    /// The options of the connection, with the password read from where it is kept.
    ///
    /// # Errors
    /// Where the password cannot be had, or others may read the keytab.
    pub(super) fn options(&self) -> Result<ConnectionOptions, ConfigurationError> {
        let password = self.password.as_ref().map(SecretSource::read).transpose()?;
        Ok(ConnectionOptions {
            urls: self.urls.clone(),
            start_tls: self.start_tls,
            ca: self.ca.clone(),
            client_identity: self.client_identity.clone(),
            bind: self.bind,
            bind_dn: self.bind_dn.clone().unwrap_or_default(),
            password: password.unwrap_or_else(|| Secret::new("")),
            keytab: self.keytab.as_ref().map(KeyFile::path).transpose()?,
            principal: self.principal.clone().unwrap_or_default(),
            timeout: self.timeout,
            affinity: self.affinity.clone(),
        })
    }
}

/// Reads the keys of a connection.
pub(super) fn read(
    section: &Section<'_>,
    methods: &[(&str, BindMethod)],
) -> Result<LdapConnection, ConfigurationError> {
    let start_tls = section.get("start-tls").map_or(Ok(false), |item| item.boolean())?;
    let bind = section.get("bind").map_or(Ok(BindMethod::Simple), |item| item.word(methods))?;
    let urls = server_urls(section, start_tls, bind)?;
    let (bind_dn, password) = account(section, bind)?;
    let (keytab, principal) = ticket(section, bind)?;
    let seconds = Duration::from_secs;
    Ok(LdapConnection {
        urls,
        start_tls,
        ca: section.get("ca").map(|item| item.path()).transpose()?,
        client_identity: client_identity(section)?,
        bind,
        bind_dn,
        password,
        keytab,
        principal,
        affinity: Affinity::default(),
        timeout: section.get("timeout").map_or(Ok(seconds(30)), |item| item.duration(seconds(1), seconds(600)))?,
    })
}

/// `url`: one server, or several in the order in which they are tried.
fn server_urls(section: &Section<'_>, start_tls: bool, bind: BindMethod) -> Result<Vec<String>, ConfigurationError> {
    url_items(section)?.iter().map(|item| server_url(section, item, start_tls, bind)).collect()
}

/// What stands under `url`, one by one.
pub(super) fn url_items<'a>(section: &Section<'a>) -> Result<Vec<Item<'a>>, ConfigurationError> {
    let item = section.require("url", "\"ldaps://ldap.example.com\"")?;
    let items = if item.is_text() { vec![item.clone()] } else { item.list()? };
    if items.is_empty() {
        return Err(item.error("is empty. Name a server"));
    }
    Ok(items)
}

fn server_url(
    section: &Section<'_>,
    item: &Item<'_>,
    start_tls: bool,
    bind: BindMethod,
) -> Result<String, ConfigurationError> {
    // A socket's path is looked at by whoever connects: what is a host to other URLs may be the path here.
    if item.filled_text()?.starts_with("ldapi:") {
        return Ok(item.filled_text()?.to_owned());
    }
    let url = address::server(item, &["ldap", "ldaps"], "ldaps://ldap.example.com")?;
    if !matches!(url.path(), "" | "/") {
        return Err(item.error("has a path behind the host. Put the base into \"base\" and leave host and port here"));
    }
    if let Some(item) = section.get("start-tls").filter(|_| start_tls && url.scheme() == "ldaps") {
        return Err(item.error("is for ldap:// only: ldaps:// is protected from the start. Take the line out"));
    }
    if url.scheme() == "ldap" && !start_tls && !address::is_loopback(&url) {
        // Who binds otherwise has no password that could be seen.
        let shown = if bind == BindMethod::Simple { "the password" } else { "what is read" };
        return Err(item.error(format!(
            "is plain ldap, which would show {shown} to the network. Use ldaps://, or add start-tls = true"
        )));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// `bind-dn` and `password`: both for a simple bind, neither for the others.
fn account(
    section: &Section<'_>,
    bind: BindMethod,
) -> Result<(Option<String>, Option<SecretSource>), ConfigurationError> {
    if bind == BindMethod::Simple {
        let dn = section.require("bind-dn", "\"cn=sync,ou=svc,dc=example,dc=com\"")?.filled_text()?.to_owned();
        let password = section.require("password", "{ file = \"ldap.password\" }")?;
        return Ok((Some(dn), Some(SecretSource::of(&password, "source.password")?)));
    }
    match section.get("bind-dn").or_else(|| section.get("password")) {
        Some(item) => Err(item.error("is for bind = \"simple\" only. Take the line out")),
        None => Ok((None, None)),
    }
}

/// `keytab` and `principal`: both for Kerberos, neither for the others.
fn ticket(section: &Section<'_>, bind: BindMethod) -> Result<(Option<KeyFile>, Option<String>), ConfigurationError> {
    if bind == BindMethod::Kerberos {
        let keytab = KeyFile::of(&section.require("keytab", "\"provisor.keytab\"")?, "source.keytab")?;
        let principal = section.require("principal", "\"provisor@CORP.EXAMPLE.COM\"")?.filled_text()?.to_owned();
        return Ok((Some(keytab), Some(principal)));
    }
    match section.get("keytab").or_else(|| section.get("principal")) {
        Some(item) => Err(item.error("is for bind = \"kerberos\" only. Take the line out, or set bind")),
        None => Ok((None, None)),
    }
}

/// `client-certificate` and `client-key`: both or neither.
fn client_identity(section: &Section<'_>) -> Result<Option<ClientIdentity>, ConfigurationError> {
    match (section.get("client-certificate"), section.get("client-key")) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            Ok(Some(ClientIdentity { certificate: certificate.path()?, key: key.path()? }))
        }
        (Some(item), None) => {
            Err(item.error("needs client-key beside it: the file with the certificate's private key"))
        }
        (None, Some(item)) => {
            Err(item.error("needs client-certificate beside it: the file with the key's certificate"))
        }
    }
}
