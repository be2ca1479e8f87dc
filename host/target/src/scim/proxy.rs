//! What goes wrong on the way through a proxy, told apart from what goes wrong at the service.

use reqwest::Url;

use crate::TargetError;
use crate::scim::reply::{innermost, place};

/// What to look at where a proxy refuses.
const LOGIN: &str =
    "Check the target's \"proxy-user\" and \"proxy-password\", and whether the proxy allows the address";

/// The proxy that requests to a service go through.
#[derive(Clone, Debug)]
pub(crate) struct ProxyInUse {
    /// Its address, fit for messages.
    place: String,
    /// Whether requests pass through it as they are, not in a tunnel: it reads them, and may answer in the service's place.
    reads: bool,
}

impl ProxyInUse {
    /// The proxy at `proxy` on the way to the service at `base`.
    pub(crate) fn new(proxy: &Url, base: &Url) -> Self {
        Self { place: place(proxy), reads: base.scheme() == "http" }
    }

    /// Whether it may close a connection without having said so (tinyproxy does after each request), so that no
    /// connection is to be used twice: what is sent on one that is being closed has an unknown outcome.
    pub(crate) fn ends_connections(&self) -> bool {
        self.reads
    }

    /// What it means that no connection came about, in the system's words: the connection was to the proxy.
    pub(crate) fn unconnected(&self, words: &str) -> String {
        format!("by way of the proxy {}: {words}", self.place)
    }

    /// The error for a refusal that is the proxy's own: 407 always is, and 401 where it comes with a page for people,
    /// which no SCIM service answers with.
    pub(crate) fn refusal(&self, status: u16, is_page: bool, url: &Url) -> Option<TargetError> {
        let own = status == 407 || self.reads && status == 401 && is_page;
        own.then(|| refused(&format!("the proxy {}", self.place), status, url))
    }
}

/// The error where the proxy was asked for a tunnel and wants to know who asks.
pub(crate) fn tunnel_refusal(error: &reqwest::Error, url: &Url) -> Option<TargetError> {
    innermost(error).contains("proxy authorization required").then(|| refused("the proxy", 407, url))
}

/// The network's words for an error, or what they mean where a proxy makes no tunnel: some do so for a wrong password as
/// well as for a service that is away, so it is tried again.
pub(crate) fn words(error: &reqwest::Error) -> String {
    let words = innermost(error);
    if words.contains("tunnel error") {
        return format!("the proxy makes no tunnel to the service. {LOGIN}; its log says more");
    }
    words
}

fn refused(who: &str, status: u16, url: &Url) -> TargetError {
    let reason =
        format!("{who} lets nobody through without a user and password that it knows (HTTP {status}). {LOGIN}");
    TargetError::Unreachable { url: place(url), reason }
}
