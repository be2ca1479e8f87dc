//! The options of a connection to an LDAP directory, and what they must not be.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use provisor_model::Secret;
use url::Url;

use super::endpoint::{Bind, Endpoint, Last, Route, Security, Server};
use crate::error::DirectoryError;
use crate::tls::ClientIdentity;

/// How this host says who it is (RFC 4513).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BindMethod {
    /// By name and password.
    #[default]
    Simple,
    /// By the certificate of this host, or the user it runs as where the server is reached by a socket (SASL EXTERNAL).
    External,
    /// By a Kerberos ticket that a keytab gets (SASL GSSAPI).
    Kerberos,
    /// Not at all.
    Anonymous,
}

/// Where a directory's servers are, and as whom they are asked.
#[derive(Clone, Debug)]
pub struct ConnectionOptions {
    /// The servers that keep the directory, in the order in which they are tried: `ldaps://host[:port]`,
    /// `ldap://host[:port]`, or `ldapi:///path/of/socket`.
    pub urls: Vec<String>,
    /// Secure `ldap://` connections by StartTLS before anything else is sent.
    pub start_tls: bool,
    /// The PEM file of the authorities to trust; none for those of the system.
    pub ca: Option<PathBuf>,
    /// What this host shows where a server asks for a certificate.
    pub client_identity: Option<ClientIdentity>,
    /// How this host says who it is.
    pub bind: BindMethod,
    /// The account of a simple bind, as the server knows it: a DN, or with Active Directory also `user@domain` or
    /// `DOMAIN\user`. Empty for the others.
    pub bind_dn: String,
    /// Its password; empty for the others.
    pub password: Secret,
    /// The file of keys of a Kerberos bind; none for the others.
    pub keytab: Option<PathBuf>,
    /// Its account, `name@REALM`, whose key is in the keytab; empty for the others.
    pub principal: String,
    /// How long the server may stay silent.
    pub timeout: Duration,
    /// Which of the servers answered last, remembered by all that are given a copy of it.
    pub affinity: Affinity,
}

/// Which of several servers answered last, and how long the first has been left alone. All clones know the same.
#[derive(Clone, Debug, Default)]
pub struct Affinity(pub(super) Last);

impl ConnectionOptions {
    /// How long the server may stay silent where nothing is configured.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// One server, asked by name and password.
    pub fn simple(url: impl Into<String>, bind_dn: impl Into<String>, password: Secret) -> Self {
        Self {
            urls: vec![url.into()],
            start_tls: false,
            ca: None,
            client_identity: None,
            bind: BindMethod::Simple,
            bind_dn: bind_dn.into(),
            password,
            keytab: None,
            principal: String::new(),
            timeout: Self::TIMEOUT,
            affinity: Affinity::default(),
        }
    }

    /// Where to connect, once all is found to be in order.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, DirectoryError> {
        let wrong = |reason: String| Err(DirectoryError::Configuration(reason));
        if self.urls.is_empty() {
            return wrong("url names no server".into());
        }
        let servers = self.urls.iter().map(|url| self.server(url)).collect::<Result<Vec<_>, _>>()?;
        let bind = self.bind(&servers)?;
        if self.client_identity.is_some() && !servers.iter().any(uses_tls) {
            return wrong("client-certificate is shown over TLS only. Use ldaps:// or start-tls".into());
        }
        if self.timeout.is_zero() {
            return wrong("timeout is 0; the server needs some time".into());
        }
        Ok(Endpoint {
            servers,
            ca: self.ca.clone(),
            client_identity: self.client_identity.clone(),
            bind,
            timeout: self.timeout,
            last: self.affinity.0.clone(),
        })
    }

    /// How one server is reached.
    fn server(&self, text: &str) -> Result<Server, DirectoryError> {
        let wrong = |reason: String| Err(DirectoryError::Configuration(reason));
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => return wrong(format!("url is \"{text}\", which is no URL: {error}")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return wrong("url holds a user name or password. Set bind-dn and password instead".into());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return wrong(format!("url is \"{text}\"; nothing may follow host and port"));
        }
        let host = url.host_str().unwrap_or_default();
        let security = match url.scheme() {
            "ldapi" => return socket(text, &url),
            "ldaps" if self.start_tls => {
                return wrong("start-tls is for ldap:// only; ldaps:// is secured from the beginning".into());
            }
            "ldaps" => Security::Tls,
            "ldap" if self.start_tls => Security::StartTls,
            "ldap" => Security::None,
            _ => return wrong(format!("url is \"{text}\"; {FORMS}")),
        };
        if host.is_empty() {
            return wrong(format!("url is \"{text}\"; {FORMS}"));
        }
        if !matches!(url.path(), "" | "/") {
            return wrong(format!("url is \"{text}\"; nothing may follow host and port. Set base instead"));
        }
        if security == Security::None && self.bind == BindMethod::Simple && !is_loopback(host) {
            return wrong(format!(
                "The password would travel unprotected to {text}. Use ldaps://, or set start-tls = true"
            ));
        }
        let port = url.port().unwrap_or(if security == Security::Tls { 636 } else { 389 });
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Server { url: text.to_owned(), route: Route::Network { host, port, security } })
    }

    /// As whom.
    fn bind(&self, servers: &[Server]) -> Result<Bind, DirectoryError> {
        let wrong = |reason: &str| Err(DirectoryError::Configuration(reason.into()));
        let named = !self.bind_dn.is_empty() || !self.password.reveal().is_empty();
        let keyed = self.keytab.is_some() || !self.principal.is_empty();
        match self.bind {
            method if keyed && method != BindMethod::Kerberos => {
                wrong("keytab and principal are for bind = \"kerberos\" only. Take them out")
            }
            BindMethod::Simple if self.bind_dn.is_empty() => {
                wrong("a simple bind needs bind-dn. Without an account, set bind = \"anonymous\"")
            }
            // A name without a password binds as nobody and succeeds (RFC 4513, section 5.1.2).
            BindMethod::Simple if self.password.reveal().is_empty() => {
                wrong("bind-dn is set, but the password is empty")
            }
            BindMethod::Simple => Ok(Bind::Simple { name: self.bind_dn.clone(), password: self.password.clone() }),
            _ if named => wrong("bind-dn and password are for bind = \"simple\" only. Take them out"),
            BindMethod::External if servers.iter().any(|server| !server.is_secure()) => {
                wrong("bind = \"external\" needs TLS or a socket: use ldaps://, start-tls or ldapi://")
            }
            BindMethod::External if self.client_identity.is_none() && servers.iter().any(uses_tls) => {
                wrong("bind = \"external\" over TLS needs client-certificate and client-key")
            }
            BindMethod::External => Ok(Bind::External),
            BindMethod::Kerberos => self.kerberos(servers),
            BindMethod::Anonymous => Ok(Bind::Anonymous),
        }
    }
}

#[cfg(feature = "kerberos")]
impl ConnectionOptions {
    /// As whom with Kerberos.
    fn kerberos(&self, servers: &[Server]) -> Result<Bind, DirectoryError> {
        let wrong = |reason: String| Err(DirectoryError::Configuration(reason));
        let Some(keytab) = &self.keytab else {
            return wrong("bind = \"kerberos\" needs keytab and principal".into());
        };
        if !servers.iter().all(uses_tls) {
            return wrong("bind = \"kerberos\" needs TLS: use ldaps:// or start-tls".into());
        }
        match super::kerberos::Account::new(keytab.clone(), self.principal.clone()) {
            Ok(account) => Ok(Bind::Kerberos(account)),
            Err(reason) => wrong(reason),
        }
    }
}

#[cfg(not(feature = "kerberos"))]
impl ConnectionOptions {
    #[expect(clippy::unused_self, reason = "as with Kerberos")]
    fn kerberos(&self, _servers: &[Server]) -> Result<Bind, DirectoryError> {
        let reason = "bind = \"kerberos\" is not in this build of Provisor. Use one that was built with the feature \
                      kerberos, or another bind";
        Err(DirectoryError::Configuration(reason.into()))
    }
}

/// What a URL must look like.
const FORMS: &str = "it must be ldaps://host or ldap://host, with a port if need be, or ldapi:///path/of/socket";

/// A socket of this machine: its path behind the empty host, or, as OpenLDAP writes it, escaped in place of the host.
fn socket(text: &str, url: &Url) -> Result<Server, DirectoryError> {
    let (host, path) = (url.host_str().unwrap_or_default(), url.path());
    let escaped = match (host, path) {
        ("", path) => path,
        (host, "" | "/") => host,
        _ => "",
    };
    let path = percent_decode_str(escaped).decode_utf8().unwrap_or_default();
    if url.port().is_some() || !path.starts_with('/') || path.len() < 2 || path.contains('\0') {
        let reason = format!("url is \"{text}\"; a socket is ldapi:///path/of/socket, and nothing else");
        return Err(DirectoryError::Configuration(reason));
    }
    Ok(Server { url: text.to_owned(), route: Route::Socket(PathBuf::from(path.into_owned())) })
}

fn uses_tls(server: &Server) -> bool {
    matches!(server.route, Route::Network { security: Security::Tls | Security::StartTls, .. })
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> ConnectionOptions {
        ConnectionOptions::simple(url, "cn=sync", Secret::new("hunter2"))
    }

    fn nobody(url: &str, bind: BindMethod) -> ConnectionOptions {
        ConnectionOptions { bind, bind_dn: String::new(), password: Secret::new(""), ..options(url) }
    }

    #[test]
    fn a_password_travels_unprotected_on_loopback_only() {
        for url in ["ldap://127.0.0.1:3890", "ldap://localhost", "ldap://[::1]:389", "ldaps://ldap.example"] {
            assert!(options(url).endpoint().is_ok(), "{url}");
        }
        for url in ["ldap://ldap.example", "ldap://10.0.0.1", "ldap://localhost.example", "ldap://127.0.0.1.example"] {
            assert!(options(url).endpoint().is_err(), "{url}");
            let mixed = ConnectionOptions { urls: vec!["ldap://localhost".into(), url.into()], ..options(url) };
            assert!(mixed.endpoint().is_err(), "{url} behind another one");
        }
        assert!(ConnectionOptions { start_tls: true, ..options("ldap://ldap.example") }.endpoint().is_ok());
        assert!(nobody("ldap://ldap.example", BindMethod::Anonymous).endpoint().is_ok());
    }

    #[test]
    fn addresses_are_taken_apart_rightly() {
        let route = |url: &str| options(url).endpoint().unwrap().servers.remove(0).route;
        let network = |host: &str, port, security| Route::Network { host: host.into(), port, security };
        assert_eq!(route("ldaps://ldap.example"), network("ldap.example", 636, Security::Tls));
        assert_eq!(route("ldaps://[2001:db8::1]:1636/"), network("2001:db8::1", 1636, Security::Tls));
        assert_eq!(route("ldap://[::1]"), network("::1", 389, Security::None));
        for url in ["ldapi:///run/slapd/ldapi", "ldapi://%2Frun%2Fslapd%2Fldapi", "ldapi://%2frun%2Fslapd%2fldapi/"] {
            assert_eq!(route(url), Route::Socket("/run/slapd/ldapi".into()), "{url}");
        }
        assert_eq!(route("ldapi:///run/with%20blank"), Route::Socket("/run/with blank".into()));
    }

    #[test]
    fn options_that_cannot_be_meant_so_are_refused() {
        for (url, part) in [
            ("ldap.example", "no URL"),
            ("http://ldap.example", "ldaps://host"),
            ("ldaps:///dc=example", "ldaps://host"),
            ("ldaps://ldap.example/dc=example", "base"),
            ("ldaps://cn@ldap.example", "bind-dn"),
            ("ldapi://", "ldapi:///path"),
            ("ldapi://host/path", "ldapi:///path"),
            ("ldapi://%2Frun%2Fldapi:389", "ldapi:///path"),
        ] {
            let error = options(url).endpoint().unwrap_err().to_string();
            assert!(error.contains(part), "{url}: {error}");
        }
        let ldaps = || options("ldaps://ldap.example");
        assert!(ConnectionOptions { urls: Vec::new(), ..ldaps() }.endpoint().is_err());
        assert!(ConnectionOptions { start_tls: true, ..ldaps() }.endpoint().is_err());
        assert!(ConnectionOptions { password: Secret::new(""), ..ldaps() }.endpoint().is_err());
        assert!(ConnectionOptions { bind_dn: String::new(), ..ldaps() }.endpoint().is_err());
    }

    #[test]
    fn external_needs_somebody_to_be() {
        let identity = Some(ClientIdentity { certificate: "client.pem".into(), key: "client.key".into() });
        let external = |url: &str| nobody(url, BindMethod::External);
        assert!(external("ldapi:///run/slapd/ldapi").endpoint().is_ok());
        assert!(external("ldaps://ldap.example").endpoint().is_err());
        let shown = ConnectionOptions { client_identity: identity.clone(), ..external("ldaps://ldap.example") };
        assert!(shown.endpoint().is_ok());
        assert!(external("ldap://localhost").endpoint().is_err(), "without TLS there is no certificate");
        let named = ConnectionOptions { bind: BindMethod::External, ..options("ldapi:///run/slapd/ldapi") };
        assert!(named.endpoint().is_err(), "a password that is not used");
        let never_shown = ConnectionOptions { client_identity: identity, ..options("ldap://localhost") };
        assert!(never_shown.endpoint().is_err());
    }

    #[test]
    fn a_bind_name_is_taken_as_it_is() {
        for name in ["cn=sync,dc=example", "sync@corp.example", "CORP\\sync", "S-1-5-21-1-2-3-1104"] {
            let options = ConnectionOptions { bind_dn: name.into(), ..options("ldaps://ldap.example") };
            assert!(matches!(options.endpoint().unwrap().bind, Bind::Simple { name: taken, .. } if taken == name));
        }
    }

    fn kerberos(url: &str) -> ConnectionOptions {
        let (keytab, principal) = (Some("/etc/sync.keytab".into()), "sync@CORP.EXAMPLE".into());
        ConnectionOptions { keytab, principal, ..nobody(url, BindMethod::Kerberos) }
    }

    #[cfg(feature = "kerberos")]
    #[test]
    fn kerberos_needs_a_keytab_a_principal_and_tls() {
        let ldaps = || kerberos("ldaps://dc1.corp.example");
        assert!(matches!(ldaps().endpoint().unwrap().bind, Bind::Kerberos(_)));
        let start_tls = ConnectionOptions { start_tls: true, ..kerberos("ldap://dc1.corp.example") };
        assert!(start_tls.endpoint().is_ok());
        for (wrong, part) in [
            (ConnectionOptions { keytab: None, ..ldaps() }, "keytab"),
            (ConnectionOptions { principal: String::new(), ..ldaps() }, "principal"),
            (ConnectionOptions { principal: "sync".into(), ..ldaps() }, "principal"),
            (ConnectionOptions { principal: "sync@".into(), ..ldaps() }, "principal"),
            (ConnectionOptions { principal: "sync@A@B".into(), ..ldaps() }, "principal"),
            (ConnectionOptions { password: Secret::new("hunter2"), ..ldaps() }, "password"),
            (kerberos("ldap://localhost"), "TLS"),
            (kerberos("ldapi:///run/ldapi"), "TLS"),
        ] {
            let error = wrong.endpoint().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[cfg(not(feature = "kerberos"))]
    #[test]
    fn kerberos_is_said_to_be_missing_where_it_was_left_out() {
        let error = kerberos("ldaps://dc1.corp.example").endpoint().unwrap_err().to_string();
        assert!(error.contains("not in this build"), "{error}");
    }

    #[test]
    fn a_keytab_is_for_kerberos_alone() {
        for bind in [BindMethod::Simple, BindMethod::External, BindMethod::Anonymous] {
            let keyed = ConnectionOptions { bind, ..kerberos("ldaps://dc1.corp.example") };
            assert!(keyed.endpoint().unwrap_err().to_string().contains("keytab and principal are for"), "{bind:?}");
        }
    }

    #[test]
    fn the_password_is_not_printed() {
        assert!(!format!("{:?}", options("ldaps://ldap.example")).contains("hunter2"));
    }
}
