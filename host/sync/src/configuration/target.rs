//! `[target]`: the service that is kept in step.

use std::path::PathBuf;
use std::time::Duration;

use provisor_target::{ClientIdentity, DialectOptions, ENTRA_URL, Profile, RequestRate};
use url::Url;

use super::document::{Item, Section};
use super::error::ConfigurationError;
use super::secret::SecretSource;
use super::signing::{self, HeaderSetting, Signing};
use super::{address, dialect, suggestion};

/// The keys of a SCIM service.
pub(super) const KEYS: &[&str] = &[
    "kind",
    "url",
    "token",
    "basic",
    "oauth",
    "headers",
    "client-certificate",
    "client-key",
    "ca",
    "proxy",
    "proxy-user",
    "proxy-password",
    "requests-per-second",
    "concurrency",
    "bulk",
    "timeout",
    "connect-timeout",
    "idle-timeout",
    "member-chunk",
    "page-size",
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
    /// How requests are signed.
    pub signing: Signing,
    /// Headers of every request.
    pub headers: Vec<HeaderSetting>,
    /// The client certificate, for services that ask for one.
    pub client_identity: Option<ClientIdentity>,
    /// A PEM file with the authorities to trust, in place of the machine's own.
    pub ca: Option<PathBuf>,
    /// An HTTP proxy.
    pub proxy: Option<String>,
    /// Who we are to the proxy: a user and a password.
    pub proxy_login: Option<(String, SecretSource)>,
    /// How many requests are sent in a second.
    pub rate: RequestRate,
    /// How many resources are asked for in one page of a listing.
    pub page_size: Option<usize>,
    /// How many requests may be under way at once.
    pub concurrency: usize,
    /// Whether writes are sent together, where the service can take them so.
    pub bulk: bool,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long the service may be silent in the middle of a reply.
    pub idle_timeout: Duration,
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
    let signing = signing::read(&section)?;
    let headers = signing::headers(&section)?;
    let proxy_item = section.get("proxy");
    let proxy = proxy_item.as_ref().map(|item| address::server(item, &["http", "https"], "http://proxy.example:3128"));
    let proxy = proxy.transpose()?;
    let stays_here = address::is_loopback(&url) && proxy.as_ref().is_none_or(address::is_loopback);
    if url.scheme() == "http" && (signing.is_secret() || !headers.is_empty()) && !stays_here {
        let item = section.require("url", example)?;
        return Err(item.error("is plain http, which would show the token or password to the network. Use https://"));
    }
    let seconds = Duration::from_secs;
    let number = |key: &str, usual: usize, most: usize| {
        let read = section.get(key).map(|item| item.integer(1, most as u64)).transpose();
        read.map(|number| number.and_then(|number| usize::try_from(number).ok()).unwrap_or(usual))
    };
    let time = |key: &str, usual: u64, most: u64| {
        section.get(key).map_or(Ok(seconds(usual)), |item| item.duration(seconds(1), seconds(most)))
    };
    Ok(TargetSettings {
        url: url.as_str().trim_end_matches('/').to_owned(),
        signing,
        headers,
        client_identity: client_identity(&section)?,
        ca: section.get("ca").map(|item| item.path()).transpose()?,
        proxy_login: proxy_login(&section, proxy.is_some())?,
        proxy: proxy.map(|url| url.as_str().trim_end_matches('/').to_owned()),
        rate: section.get("requests-per-second").map_or(Ok(RequestRate::Usual), |item| rate(&item))?,
        concurrency: number("concurrency", 8, 256)?,
        bulk: section.get("bulk").map_or(Ok(false), |item| item.boolean())?,
        timeout: time("timeout", 30, 600)?,
        connect_timeout: time("connect-timeout", 10, 120)?,
        idle_timeout: time("idle-timeout", 30, 600)?,
        page_size: section.get("page-size").is_some().then(|| number("page-size", 200, 10_000)).transpose()?,
        member_chunk: number("member-chunk", 500, 100_000)?,
        dialect,
    })
}

/// A number, where 0 is none at all, or the word for it.
fn rate(item: &Item<'_>) -> Result<RequestRate, ConfigurationError> {
    if item.is_text() {
        return item.word(&[("unlimited", RequestRate::Unlimited)]);
    }
    let number = u32::try_from(item.integer(0, 10_000)?).unwrap_or(u32::MAX);
    Ok(number.try_into().map_or(RequestRate::Unlimited, RequestRate::PerSecond))
}

fn client_identity(section: &Section<'_>) -> Result<Option<ClientIdentity>, ConfigurationError> {
    match (section.get("client-certificate"), section.get("client-key")) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            Ok(Some(ClientIdentity { certificate: certificate.path()?, key: key.path()? }))
        }
        (Some(one), None) => Err(one.error("needs its key besides it. Add client-key = \"FILE\"")),
        (None, Some(one)) => Err(one.error("needs its certificate besides it. Add client-certificate = \"FILE\"")),
    }
}

fn proxy_login(section: &Section<'_>, has_proxy: bool) -> Result<Option<(String, SecretSource)>, ConfigurationError> {
    match (section.get("proxy-user"), section.get("proxy-password")) {
        (None, None) => Ok(None),
        (Some(user), Some(_)) if !has_proxy => Err(user.error("is of no use without proxy = \"http://...\"")),
        (Some(user), Some(password)) => {
            Ok(Some((user.filled_text()?.to_owned(), SecretSource::of(&password, "target.proxy-password")?)))
        }
        (Some(one), None) => Err(one.error("needs a password. Add proxy-password = { file = \"NAME\" }")),
        (None, Some(one)) => Err(one.error("needs a user. Add proxy-user = \"NAME\"")),
    }
}
