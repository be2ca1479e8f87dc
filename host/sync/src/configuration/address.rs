//! Addresses of servers, and where a secret may not travel.

use std::net::IpAddr;

use url::{Host, Url};

use super::document::Item;
use super::error::ConfigurationError;

/// The URL of a server: one of these schemes, a host, and neither a user nor a question in it.
pub(super) fn server(item: &Item<'_>, schemes: &[&str], example: &str) -> Result<Url, ConfigurationError> {
    let url = endpoint(item, schemes, example)?;
    if url.query().is_some() {
        return Err(item.error(format!("has a query (?). It must look like {example}")));
    }
    Ok(url)
}

/// The URL of one place at a server, where a question may be part of it.
pub(super) fn endpoint(item: &Item<'_>, schemes: &[&str], example: &str) -> Result<Url, ConfigurationError> {
    let text = item.filled_text()?;
    let wrong = |reason: &str| item.error(format!("{reason}. It must look like {example}"));
    let url = Url::parse(text).map_err(|error| wrong(&format!("is not a URL: {error}")))?;
    if !schemes.contains(&url.scheme()) {
        return Err(wrong(&format!("begins with {}:, which cannot be used here", url.scheme())));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("names no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("holds a user name or password, which do not belong there"));
    }
    if url.fragment().is_some() {
        return Err(wrong("has a fragment (#)"));
    }
    Ok(url)
}

/// Whether the server is this machine: a loopback address or the name `localhost`.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        // Schemes that the standard does not know keep an address as a plain name.
        Some(Host::Domain(name)) => {
            name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
        None => false,
    }
}
