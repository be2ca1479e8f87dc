//! What all configurations of one service share in this process: its connections, its credentials and its pace.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use provisor_model::Secret;
use reqwest::{Client, Proxy, Url};
use sha2::{Digest, Sha256};

use crate::TargetError;
use crate::scim::credential::{Credentials, Times};
use crate::scim::options::ScimOptions;
use crate::scim::pace::Pace;
use crate::scim::proxy::ProxyInUse;
use crate::scim::tls;

/// Services close idle connections after a while, Node.js after five seconds: one that they are about to close would cost
/// a lost reply, and a write its certainty. A service that is busy for some seconds looks at its clock before it looks at
/// what has been sent to it meanwhile, so there are some seconds between.
const IDLE_CONNECTION: Duration = Duration::from_secs(2);
/// How often an HTTP/2 connection under way is asked whether it still lives, and how long it may take to say so.
const PING: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(10));

type Key = [u8; 32];

/// Things that are shared as long as somebody uses them.
struct Shared<T>(Mutex<HashMap<Key, Weak<T>>>);

impl<T> Shared<T> {
    fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    fn get_or_make(&self, key: Key, make: impl FnOnce() -> Result<T, TargetError>) -> Result<Arc<T>, TargetError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&key).and_then(Weak::upgrade) {
            return Ok(found);
        }
        let made = Arc::new(make()?);
        known.retain(|_, other| other.strong_count() > 0);
        known.insert(key, Arc::downgrade(&made));
        Ok(made)
    }
}

/// By service and account: a service counts the requests of all that sign alike.
static PACES: LazyLock<Shared<Pace>> = LazyLock::new(Shared::new);
/// By everything that a connection depends on.
static LINES: LazyLock<Shared<Line>> = LazyLock::new(Shared::new);

/// The way to a service.
pub(crate) struct Line {
    pub(crate) client: Client,
    pub(crate) credentials: Credentials,
    pub(crate) pace: Arc<Pace>,
    /// What requests go through.
    pub(crate) proxy: Option<ProxyInUse>,
}

impl Line {
    /// The line for these settings: the one that others with the same settings use already, else a new one.
    pub(crate) fn of(options: &ScimOptions, base: &Url) -> Result<Arc<Self>, TargetError> {
        let account = options.credential.identity()?;
        let service = key(&[base.as_str().as_bytes(), &account]);
        let all = key_of_settings(options, &service)?;
        LINES.get_or_make(all, || {
            let proxy = options.proxy_url()?.map(|proxy| ProxyInUse::new(&proxy, base));
            Ok(Self {
                client: client(options, base, proxy.as_ref())?,
                credentials: Credentials::new(
                    options.credential.clone(),
                    options.headers.clone(),
                    Times { attempt: options.timeout, backoff: options.backoff },
                )?,
                pace: PACES.get_or_make(service, || Ok(Pace::new()))?,
                proxy,
            })
        })
    }
}

fn key(parts: &[&[u8]]) -> Key {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// A hash over everything that connections and credentials depend on, so that a changed file or secret makes a new line.
fn key_of_settings(options: &ScimOptions, service: &Key) -> Result<Key, TargetError> {
    // What cannot be read is told when the line is made.
    let content = |file: Option<&Path>| file.map(|file| std::fs::read(file).unwrap_or_default()).unwrap_or_default();
    let identity = options.client_identity.as_ref();
    let mut parts = vec![
        service.to_vec(),
        content(options.ca.as_deref()),
        content(identity.map(|identity| identity.certificate.as_path())),
        content(identity.map(|identity| identity.key.as_path())),
        options.proxy.as_ref().map(Secret::reveal).unwrap_or_default().as_bytes().to_vec(),
        format!("{:?} {:?} {:?}", options.connect_timeout, options.timeout, options.credential).into_bytes(),
        // Connections are looked after by the runtime that they were made on.
        format!("{:?}", tokio::runtime::Handle::try_current().map(|handle| handle.id()).ok()).into_bytes(),
    ];
    if let Some(login) = &options.proxy_login {
        parts.push(login.user.clone().into_bytes());
        parts.push(login.password.read()?.reveal().as_bytes().to_vec());
    }
    if let crate::Credential::OAuth(oauth) = &options.credential {
        parts.push(oauth.client_secret.read()?.reveal().as_bytes().to_vec());
    }
    if let crate::Credential::Basic(login) = &options.credential {
        parts.push(login.password.read()?.reveal().as_bytes().to_vec());
    }
    for header in &options.headers {
        parts.push(header.name.clone().into_bytes());
        parts.push(header.value.read()?.reveal().as_bytes().to_vec());
    }
    Ok(key(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>()))
}

fn client(options: &ScimOptions, base: &Url, in_use: Option<&ProxyInUse>) -> Result<Client, TargetError> {
    let proxy = options.proxy_url()?;
    let token_url = match &options.credential {
        crate::Credential::OAuth(oauth) => Some(oauth.url()?),
        _ => None,
    };
    let needs_tls =
        [Some(base), proxy.as_ref(), token_url.as_ref()].into_iter().flatten().any(|url| url.scheme() == "https");
    let kept = if in_use.is_some_and(ProxyInUse::ends_connections) { 0 } else { options.concurrency };
    let unusable = |error: reqwest::Error| {
        TargetError::Configuration(format!("the HTTP client cannot be set up: {}", error.without_url()))
    };
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls::client_config(
            options.ca.as_deref(),
            needs_tls,
            options.client_identity.as_ref(),
        )?)
        .tls_info(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("provisor/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(kept)
        .tcp_nodelay(true)
        .http2_adaptive_window(true)
        .http2_keep_alive_interval(PING.0)
        .http2_keep_alive_timeout(PING.1);
    if let Some(url) = proxy {
        let mut proxy = Proxy::all(url).map_err(unusable)?;
        if let Some(login) = &options.proxy_login {
            proxy = proxy.basic_auth(&login.user, login.password.read()?.reveal());
        }
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(unusable)
}
