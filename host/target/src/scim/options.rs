//! How a SCIM service is reached: the settings and what is refused of them.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use provisor_model::Secret;
use reqwest::Url;

use crate::TargetError;
use crate::scim::credential::{Credential, CustomHeader, Login};
use crate::scim::dialect::{DialectOptions, Profile};
use crate::scim::entra::ENTRA_REQUESTS_PER_SECOND;

/// How a SCIM service is reached, and how hard it is worked.
#[derive(Clone, Debug)]
pub struct ScimOptions {
    /// The base of the service, such as `https://tenant.example/scim/v2`.
    pub url: String,
    /// How requests are signed.
    pub credential: Credential,
    /// Headers that every request to the service carries; not those to a token endpoint.
    pub headers: Vec<CustomHeader>,
    /// Who we are in TLS, for services that ask for a client certificate.
    pub client_identity: Option<ClientIdentity>,
    /// A PEM file with the authorities to trust, in place of the machine's own.
    pub ca: Option<PathBuf>,
    /// An HTTP proxy. The environment's proxy variables are never used.
    pub proxy: Option<Secret>,
    /// Who we are to the proxy.
    pub proxy_login: Option<Login>,
    /// How many requests are sent in a second.
    pub rate: RequestRate,
    /// How many requests may be under way at once.
    pub concurrency: usize,
    /// Whether writes are sent together, where the service announces bulk requests (RFC 7644, section 3.7).
    pub bulk: bool,
    /// How long one attempt may take, from its connection to the last octet of the reply.
    pub timeout: Duration,
    /// How long the service may be silent in the middle of a reply.
    pub idle_timeout: Duration,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How often a request is tried that failed in passing; requests to slow down count apart.
    pub max_attempts: u32,
    /// How long one request may go on altogether, waits between attempts included.
    pub patience: Duration,
    /// The longest first wait between two attempts; it doubles with each.
    pub backoff: Duration,
    /// How many references (members) are added or removed by one request.
    pub member_chunk: usize,
    /// How many resources are asked for in one page of a listing, whatever the service announces; it may give fewer.
    /// None: 200, or fewer where it announces a smaller largest page.
    pub page_size: Option<usize>,
    /// How the service is spoken to, beyond what it announces.
    pub dialect: DialectOptions,
}

/// How many requests are sent in a second, over all configurations of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestRate {
    /// What the service's profile says, else 25, which services bear that nothing is known of; no limit on loopback,
    /// where nobody else is kept waiting.
    #[default]
    Usual,
    /// So many.
    PerSecond(NonZeroU32),
    /// As many as the service answers.
    Unlimited,
}

impl RequestRate {
    /// The usual rate.
    pub const USUAL: u32 = 25;
}

/// A client certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// A PEM file with the certificate, and its chain behind it.
    pub certificate: PathBuf,
    /// A PEM file with its key, which nobody else may read.
    pub key: PathBuf,
}

impl ScimOptions {
    /// How many resources are asked for in one page of a listing, usually.
    pub(crate) const PAGE_SIZE: usize = 200;

    /// The usual settings for the service at this base.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            credential: Credential::None,
            headers: Vec::new(),
            client_identity: None,
            ca: None,
            proxy: None,
            proxy_login: None,
            rate: RequestRate::Usual,
            concurrency: 8,
            bulk: false,
            timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            max_attempts: 6,
            patience: Duration::from_secs(600),
            backoff: Duration::from_millis(250),
            member_chunk: 500,
            page_size: None,
            dialect: DialectOptions::default(),
        }
    }

    /// The base, checked: what can be called with a token without giving it away.
    pub(crate) fn base(&self) -> Result<Url, TargetError> {
        let wrong = |reason: &str| Err(TargetError::Configuration(format!("the target's url {reason}")));
        let Ok(mut base) = Url::parse(self.url.trim()) else {
            return wrong("is not a URL. It must look like https://tenant.example/scim/v2");
        };
        if !matches!(base.scheme(), "https" | "http") || base.host_str().is_none_or(str::is_empty) {
            return wrong("must begin with https:// and a host name");
        }
        if !base.username().is_empty() || base.password().is_some() {
            return wrong(
                "holds a user name or password. Take them out: the service is called with the \"token\" setting",
            );
        }
        if base.query().is_some() || base.fragment().is_some() {
            return wrong(
                "has a query (?) or fragment (#). It must be the SCIM base alone, such as https://tenant.example/scim/v2",
            );
        }
        let proxy = self.proxy_url()?;
        let stays_here = is_loopback(&base) && proxy.as_ref().is_none_or(is_loopback);
        if base.scheme() == "http" && (self.credential.is_secret() || !self.headers.is_empty()) && !stays_here {
            return wrong("is plain http, which would show the token or password to the network. Use https");
        }
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&path);
        Ok(base)
    }

    /// The proxy, checked.
    pub(crate) fn proxy_url(&self) -> Result<Option<Url>, TargetError> {
        let Some(proxy) = &self.proxy else { return Ok(None) };
        match Url::parse(proxy.reveal()) {
            Ok(url)
                if matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty()) =>
            {
                Ok(Some(url))
            }
            _ => Err(TargetError::Configuration(
                "the target's proxy is not a URL of an HTTP proxy. It must look like http://proxy.example:3128".into(),
            )),
        }
    }

    /// How many requests are sent in a second to this base; none without a limit.
    pub(crate) fn requests_per_second(&self, base: &Url) -> Option<u32> {
        let usual = match self.dialect.profile {
            Profile::Entra => ENTRA_REQUESTS_PER_SECOND,
            Profile::Standard => RequestRate::USUAL,
        };
        match self.rate {
            RequestRate::Usual => (!is_loopback(base)).then_some(usual),
            RequestRate::PerSecond(number) => Some(number.get()),
            RequestRate::Unlimited => None,
        }
    }

    /// Numbers that leave no room to work are refused.
    pub(crate) fn check_numbers(&self) -> Result<(), TargetError> {
        let numbers = [
            ("concurrency", self.concurrency, 256),
            ("max-attempts", usize::try_from(self.max_attempts).unwrap_or(usize::MAX), 100),
            ("member-chunk", self.member_chunk, 100_000),
            ("page-size", self.page_size.unwrap_or(Self::PAGE_SIZE), 10_000),
        ];
        for (name, number, most) in numbers {
            if number == 0 || number > most {
                return Err(TargetError::Configuration(format!(
                    "the target's {name} is {number}; it must be 1 to {most}"
                )));
            }
        }
        let times = [
            ("timeout", self.timeout),
            ("connect-timeout", self.connect_timeout),
            ("idle-timeout", self.idle_timeout),
            ("patience", self.patience),
        ];
        match times.into_iter().find(|(_, time)| time.is_zero()) {
            Some((name, _)) => Err(TargetError::Configuration(format!("the target's {name} is 0; it must be longer"))),
            None => Ok(()),
        }
    }
}

/// Whether the URL stays on this machine: a loopback address or the name `localhost`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || literal.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_token(url: &str) -> ScimOptions {
        ScimOptions { credential: Credential::token("t0ken"), ..ScimOptions::new(url) }
    }

    #[test]
    fn a_token_travels_over_plain_http_on_loopback_only() {
        for url in
            ["https://tenant.example/scim/v2/", "http://127.0.0.1:8080/v2", "http://[::1]:1", "http://localhost/"]
        {
            assert!(with_token(url).base().is_ok(), "{url}");
        }
        for url in
            ["http://tenant.example/scim", "http://127.0.0.1.example/", "http://10.0.0.1/", "http://localhost.example"]
        {
            let error = with_token(url).base().unwrap_err().to_string();
            assert!(error.contains("https"), "{error}");
            assert!(!error.contains("t0ken"));
        }
        let through_proxy =
            ScimOptions { proxy: Some(Secret::new("http://proxy.example:3128")), ..with_token("http://127.0.0.1/") };
        assert!(through_proxy.base().is_err());
    }

    #[test]
    fn a_rate_is_kept_without_being_asked_for_except_on_loopback() {
        let rate = |url: &str, rate| {
            let options = ScimOptions { rate, ..ScimOptions::new(url) };
            options.requests_per_second(&options.base().unwrap())
        };
        let (here, there) = ("http://127.0.0.1:8080/v2", "https://tenant.example/scim/v2");
        assert_eq!((rate(here, RequestRate::Usual), rate(there, RequestRate::Usual)), (None, Some(25)));
        let seven = RequestRate::PerSecond(NonZeroU32::new(7).unwrap());
        assert_eq!((rate(here, seven), rate(there, seven)), (Some(7), Some(7)));
        assert_eq!(rate(there, RequestRate::Unlimited), None);
    }

    #[test]
    fn a_url_that_is_no_scim_base_is_refused() {
        for url in
            ["", "tenant.example", "ldap://x", "https://user:pass@x/", "https://x/?a=b", "https://x/#a", "https://"]
        {
            assert!(ScimOptions::new(url).base().is_err(), "{url}");
        }
    }

    #[test]
    fn a_proxy_with_a_password_is_not_shown() {
        let options =
            ScimOptions { proxy: Some(Secret::new("socks5://u:hunter2@x")), ..ScimOptions::new("https://x/") };
        assert!(!format!("{options:?} {:?}", options.base()).contains("hunter2"));
        assert!(options.base().is_err());
    }
}
