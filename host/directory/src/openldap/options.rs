//! The options of an OpenLDAP source, and what they must not be.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use provisor_model::{AttributeName, Dn, Secret};
use url::Url;

use crate::connection::Endpoint;
use crate::error::DirectoryError;
use crate::import::PAGE_ITEMS;
use crate::options::{ENTRY_UUID, SourceOptions};

/// Where an OpenLDAP server is, and how it is read.
#[derive(Clone, Debug)]
pub struct OpenLdapOptions {
    /// `ldaps://host[:port]` or `ldap://host[:port]`.
    pub url: String,
    /// Secure an `ldap://` connection by StartTLS before anything else is sent.
    pub start_tls: bool,
    /// The PEM file of the authorities to trust; none for those of the system.
    pub ca: Option<PathBuf>,
    /// The entry below which everything is read.
    pub base: Dn,
    /// The account to bind as; empty to stay anonymous.
    pub bind_dn: String,
    /// Its password.
    pub password: Secret,
    /// How many entries are asked for at once, from 1 to 1,000.
    pub page_size: u32,
    /// How long the server may stay silent.
    pub timeout: Duration,
    /// How entries are identified and classified.
    pub object: SourceOptions,
}

impl OpenLdapOptions {
    /// The page size where none is configured.
    pub const PAGE_SIZE: u32 = 500;
    /// How long the server may stay silent where nothing is configured.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// Where to connect, once all is found to be in order.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, DirectoryError> {
        let wrong = |reason: String| Err(DirectoryError::Configuration(reason));
        let url = match Url::parse(&self.url) {
            Ok(url) => url,
            Err(error) => return wrong(format!("url is \"{}\", which is no URL: {error}", self.url)),
        };
        let host = url.host_str().unwrap_or_default();
        if !matches!(url.scheme(), "ldap" | "ldaps") || host.is_empty() {
            return wrong(format!(
                "url is \"{}\"; it must be ldaps://host or ldap://host, with a port if need be",
                self.url
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return wrong("url holds a user name or password. Set bind-dn and password instead".into());
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return wrong(format!("url is \"{}\"; nothing may follow host and port. Set base instead", self.url));
        }
        let ldaps = url.scheme() == "ldaps";
        if ldaps && self.start_tls {
            return wrong("start-tls is for ldap:// only; ldaps:// is secured from the beginning".into());
        }
        let secure = ldaps || self.start_tls;
        if secure && host.starts_with('[') {
            return wrong(format!("url is \"{}\"; a secured connection needs a name or an IPv4 address", self.url));
        }
        match (self.bind_dn.is_empty(), self.password.reveal().is_empty()) {
            // A name without a password binds as nobody and succeeds (RFC 4513, section 5.1.2).
            (false, true) => return wrong("bind-dn is set, but the password is empty".into()),
            (true, false) => return wrong("a password is set, but no bind-dn".into()),
            _ => {}
        }
        if !secure && !self.bind_dn.is_empty() && !is_loopback(host) {
            return wrong(format!(
                "The password would travel unprotected to {}. Use ldaps://, or set start-tls = true",
                self.url
            ));
        }
        if !(1..=PAGE_ITEMS).contains(&usize::try_from(self.page_size).unwrap_or(usize::MAX)) {
            return wrong(format!("page-size is {}; it must be from 1 to {PAGE_ITEMS}", self.page_size));
        }
        if self.timeout.is_zero() {
            return wrong("timeout is 0; the server needs some time".into());
        }
        if self.object.source_id_attribute != AttributeName::from(ENTRY_UUID) {
            return wrong(format!(
                "source-id-attribute is {}; an OpenLDAP server tells its changes by {ENTRY_UUID} only",
                self.object.source_id_attribute
            ));
        }
        Ok(Endpoint {
            url: self.url.clone(),
            start_tls: self.start_tls,
            secure,
            ca: self.ca.clone(),
            bind_dn: self.bind_dn.clone(),
            password: self.password.clone(),
            timeout: self.timeout,
        })
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> OpenLdapOptions {
        OpenLdapOptions {
            url: url.into(),
            start_tls: false,
            ca: None,
            base: "dc=example".parse().unwrap(),
            bind_dn: "cn=sync".into(),
            password: Secret::new("hunter2"),
            page_size: OpenLdapOptions::PAGE_SIZE,
            timeout: OpenLdapOptions::TIMEOUT,
            object: SourceOptions::default(),
        }
    }

    #[test]
    fn a_password_travels_unprotected_on_loopback_only() {
        for url in ["ldap://127.0.0.1:3890", "ldap://localhost", "ldap://[::1]:389", "ldaps://ldap.example"] {
            assert!(options(url).endpoint().is_ok(), "{url}");
        }
        for url in ["ldap://ldap.example", "ldap://10.0.0.1", "ldap://localhost.example", "ldap://127.0.0.1.example"] {
            assert!(options(url).endpoint().is_err(), "{url}");
        }
        assert!(OpenLdapOptions { start_tls: true, ..options("ldap://ldap.example") }.endpoint().is_ok());
        let anonymous =
            OpenLdapOptions { bind_dn: String::new(), password: Secret::new(""), ..options("ldap://ldap.example") };
        assert!(anonymous.endpoint().is_ok());
    }

    #[test]
    fn options_that_cannot_be_meant_so_are_refused() {
        for (url, part) in [
            ("ldap.example", "no URL"),
            ("http://ldap.example", "ldaps://host"),
            ("ldaps:///dc=example", "ldaps://host"),
            ("ldaps://ldap.example/dc=example", "base"),
            ("ldaps://cn@ldap.example", "bind-dn"),
            ("ldaps://[2001:db8::1]", "IPv4"),
        ] {
            let error = options(url).endpoint().unwrap_err().to_string();
            assert!(error.contains(part), "{url}: {error}");
        }
        let ldaps = || options("ldaps://ldap.example");
        assert!(OpenLdapOptions { start_tls: true, ..ldaps() }.endpoint().is_err());
        assert!(OpenLdapOptions { password: Secret::new(""), ..ldaps() }.endpoint().is_err());
        assert!(OpenLdapOptions { page_size: 0, ..ldaps() }.endpoint().is_err());
        assert!(OpenLdapOptions { page_size: 1001, ..ldaps() }.endpoint().is_err());
        let object = SourceOptions { source_id_attribute: "uid".into(), ..SourceOptions::default() };
        assert!(OpenLdapOptions { object, ..ldaps() }.endpoint().is_err());
    }

    #[test]
    fn the_password_is_not_printed() {
        assert!(!format!("{:?}", options("ldaps://ldap.example")).contains("hunter2"));
    }
}
