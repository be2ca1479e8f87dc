//! `[target]`: the service that is kept in step.

use std::path::PathBuf;
use std::time::Duration;

use provisor_target::{DialectOptions, ENTRA_URL, Profile};
use url::Url;

use super::document::Section;
use super::error::ConfigurationError;
use super::secret::SecretSource;
use super::{address, dialect, suggestion};

/// The keys of a SCIM service.
pub(super) const KEYS: &[&str] = &[
    "kind",
    "url",
    "token",
    "ca",
    "proxy",
    "concurrency",
    "timeout",
    "member-chunk",
    dialect::KEYS[0],
    dialect::KEYS[1],
    dialect::KEYS[2],
    dialect::KEYS[3],
];

/// A SCIM 2.0 service and how it is reached.
#[derive(Clone, Debug)]
pub struct TargetSettings {
    /// The base, such as `https://tenant.example/scim/v2`.
    pub url: String,
    /// The bearer token.
    pub token: Option<SecretSource>,
    /// A PEM file with the authorities to trust, in place of the machine's own.
    pub ca: Option<PathBuf>,
    /// An HTTP proxy.
    pub proxy: Option<String>,
    /// How many requests may be under way at once.
    pub concurrency: usize,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How many members are added or removed by one request.
    pub member_chunk: usize,
    /// How the service is spoken to, beyond what it announces.
    pub dialect: DialectOptions,
}

/// Reads `[target]`.
pub(super) fn read(root: &Section<'_>) -> Result<TargetSettings, ConfigurationError> {
    let section = root.required_section("target", KEYS)?;
    let kind = section.require("kind", "\"scim\"")?;
    if kind.text()? != "scim" {
        let advice = suggestion::among(kind.text()?, &["scim"]);
        return Err(kind.error(format!("is \"{}\", which is not a kind of target known here. {advice}", kind.text()?)));
    }
    let example = "https://tenant.example/scim/v2";
    let dialect = dialect::read(&section)?;
    let url = match section.get("url") {
        None if dialect.profile == Profile::Entra => Url::parse(ENTRA_URL).map_err(|_| section.error("has no url"))?,
        _ => address::server(&section.require("url", &format!("\"{example}\""))?, &["https", "http"], example)?,
    };
    let token = section.get("token").map(|item| SecretSource::of(&item, "target.token")).transpose()?;
    let proxy_item = section.get("proxy");
    let proxy = proxy_item.as_ref().map(|item| address::server(item, &["http", "https"], "http://proxy.example:3128"));
    let proxy = proxy.transpose()?;
    let stays_here = address::is_loopback(&url) && proxy.as_ref().is_none_or(address::is_loopback);
    if url.scheme() == "http" && token.is_some() && !stays_here {
        let item = section.require("url", example)?;
        return Err(item.error("is plain http, which would show the token to the network. Use https://"));
    }
    let seconds = Duration::from_secs;
    let number = |key: &str, usual: usize, most: usize| {
        let read = section.get(key).map(|item| item.integer(1, most as u64)).transpose();
        read.map(|number| number.and_then(|number| usize::try_from(number).ok()).unwrap_or(usual))
    };
    Ok(TargetSettings {
        url: url.as_str().trim_end_matches('/').to_owned(),
        token,
        ca: section.get("ca").map(|item| item.path()).transpose()?,
        proxy: proxy.map(|url| url.as_str().trim_end_matches('/').to_owned()),
        concurrency: number("concurrency", 8, 256)?,
        timeout: section.get("timeout").map_or(Ok(seconds(30)), |item| item.duration(seconds(1), seconds(600)))?,
        member_chunk: number("member-chunk", 500, 100_000)?,
        dialect,
    })
}
