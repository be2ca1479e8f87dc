//! The LDAP connection: bound, with a deadline on all it waits for. Whatever goes wrong in the LDAP library ends the
//! connection with an error and reaches no further.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::FutureExt;
use ldap3::controls::RawControl;
use ldap3::result::Result as LdapLibraryResult;
use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, ResultEntry, Scope, SearchOptions, SearchStream,
};
use provisor_model::Secret;
use tokio::task::JoinHandle;

use crate::error::{DirectoryError, TlsFault, server_words};
use crate::tls;

/// Where to connect, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub url: String,
    pub start_tls: bool,
    pub secure: bool,
    pub ca: Option<PathBuf>,
    pub bind_dn: String,
    pub password: Secret,
    pub timeout: Duration,
}

/// How often a connection is tried before an error is reported, and the pause after the first failure; it doubles.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// A search to make.
#[derive(Debug)]
pub(crate) struct Search<'a> {
    pub base: &'a str,
    pub scope: Scope,
    pub filter: &'a str,
    pub attributes: &'a [String],
    pub controls: Vec<RawControl>,
    /// The most entries that are wanted; 0 for all.
    pub size_limit: i32,
}

/// A bound connection. It is closed when it is dropped.
pub(crate) struct Connection {
    ldap: Ldap,
    driver: JoinHandle<()>,
    url: String,
    timeout: Duration,
}

impl Connection {
    /// Connects, secures the connection and binds; tries again a few times where the server cannot be reached.
    ///
    /// # Errors
    /// When it does not succeed: each reason apart.
    pub async fn open(endpoint: &Endpoint) -> Result<Self, DirectoryError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            match Self::try_open(endpoint).await {
                Err(error) if error.is_transient() => {
                    tracing::debug!(%error, ?pause, "The directory cannot be reached; trying again.");
                }
                result => return result,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Self::try_open(endpoint).await
    }

    /// Connects and binds, once.
    pub async fn try_open(endpoint: &Endpoint) -> Result<Self, DirectoryError> {
        let mut connection = Self::connect(endpoint).await?;
        connection.bind(endpoint).await?;
        Ok(connection)
    }

    /// Connects and secures the connection, without a bind.
    pub async fn connect(endpoint: &Endpoint) -> Result<Self, DirectoryError> {
        let Endpoint { url, timeout, .. } = endpoint;
        let mut settings = LdapConnSettings::new().set_starttls(endpoint.start_tls);
        if endpoint.secure {
            settings = settings.set_config(tls::client_config(endpoint.ca.as_deref())?);
        }
        let opened = guarded(url, *timeout, LdapConnAsync::with_settings(settings, url)).await;
        let (driver, ldap) = opened?.map_err(|error| connect_error(url, error))?;
        let name = url.clone();
        // A panic of the driver ends its task; whoever waits for an answer then finds the connection closed.
        let driver = tokio::spawn(async move {
            if let Err(error) = driver.drive().await {
                tracing::debug!(url = name, %error, "The LDAP connection ended.");
            }
        });
        Ok(Self { ldap, driver, url: url.clone(), timeout: *timeout })
    }

    /// Binds with name and password; without a name the connection stays anonymous.
    pub async fn bind(&mut self, endpoint: &Endpoint) -> Result<(), DirectoryError> {
        if endpoint.bind_dn.is_empty() {
            return Ok(());
        }
        let bind = self.ldap.simple_bind(&endpoint.bind_dn, endpoint.password.reveal());
        let result = guarded(&self.url, self.timeout, bind).await?.map_err(|error| library_error(&self.url, error))?;
        match result.rc {
            0 => Ok(()),
            7 | 8 | 13 | 32 | 34 | 48 | 49 | 53 => Err(DirectoryError::Credentials {
                url: self.url.clone(),
                bind_dn: endpoint.bind_dn.clone(),
                reason: describe(&result),
            }),
            _ => Err(result_error(&self.url, "the bind", "", &result)),
        }
    }

    /// Sends a search; what it finds is pulled from the results. The library puts no bound on what waits to be
    /// pulled: whoever searches bounds it by a page or a size limit, or pulls without pause.
    pub async fn search(&mut self, search: Search<'_>) -> Result<Results, DirectoryError> {
        let attributes: Vec<String> = search.attributes.to_vec();
        self.ldap.with_controls(search.controls).with_search_options(SearchOptions::new().sizelimit(search.size_limit));
        let stream = self.ldap.streaming_search(search.base, search.scope, search.filter, attributes);
        let stream =
            guarded(&self.url, self.timeout, stream).await?.map_err(|error| library_error(&self.url, error))?;
        Ok(Results { stream, url: self.url.clone(), timeout: self.timeout })
    }

    /// Says good-bye. The connection is closed also where the server does not listen any more.
    pub async fn close(mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), AssertUnwindSafe(self.ldap.unbind()).catch_unwind()).await;
    }

    /// The server, for messages.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connection").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What a search finds, message by message.
pub(crate) struct Results {
    stream: SearchStream<'static, String, Vec<String>>,
    url: String,
    timeout: Duration,
}

impl Results {
    /// The next message; none when the server has said that the search is over.
    pub async fn next(&mut self) -> Result<Option<ResultEntry>, DirectoryError> {
        match tokio::time::timeout(self.timeout, self.stream.next()).await {
            Ok(next) => next.map_err(|error| library_error(&self.url, error)),
            Err(_) => Err(silent(&self.url, self.timeout)),
        }
    }

    /// How the server says that the search went; only after [`Self::next`] has given none.
    pub async fn finish(mut self) -> LdapResult {
        self.stream.finish().await
    }
}

impl fmt::Debug for Results {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Results").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Waits for the library no longer than the deadline, and makes an error of its panics.
async fn guarded<T>(
    url: &str,
    deadline: Duration,
    operation: impl Future<Output = LdapLibraryResult<T>>,
) -> Result<LdapLibraryResult<T>, DirectoryError> {
    match tokio::time::timeout(deadline, AssertUnwindSafe(operation).catch_unwind()).await {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(_panic)) => {
            Err(DirectoryError::Protocol { url: url.to_owned(), reason: "a malformed reply to an operation".into() })
        }
        Err(_) => Err(silent(url, deadline)),
    }
}

fn silent(url: &str, deadline: Duration) -> DirectoryError {
    DirectoryError::Unreachable { url: url.to_owned(), reason: format!("no answer within {} s", deadline.as_secs()) }
}

/// What a failure to connect means.
fn connect_error(url: &str, error: LdapError) -> DirectoryError {
    let url = url.to_owned();
    match error {
        LdapError::Io { source } => match tls::fault(&source) {
            Some(fault) => DirectoryError::Tls { url, fault },
            None => DirectoryError::Unreachable { url, reason: source.to_string() },
        },
        LdapError::Rustls { source } => DirectoryError::Tls { url, fault: tls::fault_of_rustls(&source) },
        LdapError::DNSName { .. } => {
            DirectoryError::Configuration(format!("The host in {url} is no name that a certificate can be for"))
        }
        LdapError::LdapResult { result } => DirectoryError::Tls {
            url,
            fault: TlsFault::Other(format!(
                "the server refuses StartTLS: {}. Set up TLS on the server, or use ldaps",
                describe(&result)
            )),
        },
        error => library_error(&url, error),
    }
}

/// What an error of the library on an open connection means.
fn library_error(url: &str, error: LdapError) -> DirectoryError {
    let url = url.to_owned();
    match error {
        LdapError::Io { source } => DirectoryError::Unreachable { url, reason: source.to_string() },
        LdapError::Timeout { .. } => DirectoryError::Unreachable { url, reason: "no answer in time".into() },
        LdapError::EndOfStream
        | LdapError::OpSend { .. }
        | LdapError::ResultRecv { .. }
        | LdapError::IdScrubSend { .. } => DirectoryError::Unreachable { url, reason: "the connection broke".into() },
        LdapError::UrlParsing { .. } | LdapError::UnknownScheme(_) => {
            DirectoryError::Configuration(format!("{url} is no LDAP URL"))
        }
        LdapError::FilterParsing => DirectoryError::Configuration("The search filter is malformed".into()),
        error => DirectoryError::Protocol { url, reason: server_words(&error.to_string()) },
    }
}

/// What a search result other than success means (RFC 4511, appendix A).
pub(crate) fn result_error(url: &str, operation: &'static str, base: &str, result: &LdapResult) -> DirectoryError {
    let early = |advice: &str, transient| DirectoryError::EndedEarly {
        url: url.to_owned(),
        reason: format!("{}. {advice}", describe(result)),
        transient,
    };
    match result.rc {
        3 => early("Raise the server's time limit for the account", true),
        4 => early("Raise the server's size limit for the account; OpenLDAP: size.prtotal=unlimited", false),
        11 => early("Lower page-size, or raise the server's limits for the account; OpenLDAP: size.pr", false),
        10 => early("The base is kept by another server. Set url to that server", false),
        51 | 52 => early("The server is busy or shutting down; it is tried again", true),
        32 => DirectoryError::NoSuchBase { url: url.to_owned(), base: base.to_owned() },
        50 => DirectoryError::Rights {
            url: url.to_owned(),
            reason: format!("{}. Grant the account read access below the base", describe(result)),
        },
        code => DirectoryError::Refused { url: url.to_owned(), operation, code, reason: describe(result) },
    }
}

/// A result in words.
pub(crate) fn describe(result: &LdapResult) -> String {
    let name = match result.rc {
        1 => "operations error",
        2 => "protocol error",
        3 => "time limit exceeded",
        4 => "size limit exceeded",
        7 => "authentication method not supported",
        8 => "stronger authentication required",
        10 => "referral",
        11 => "administrative limit exceeded",
        12 => "unavailable critical extension",
        13 => "confidentiality required",
        32 => "no such object",
        34 => "invalid name",
        48 => "inappropriate authentication",
        49 => "invalid credentials",
        50 => "insufficient access rights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwilling to perform",
        4096 => "refresh required",
        _ => "",
    };
    let text = server_words(&result.text);
    match (name, text.as_str()) {
        ("", "") => format!("result {}", result.rc),
        ("", text) => format!("result {}: {text}", result.rc),
        (name, "") => name.to_owned(),
        (name, text) => format!("{name} ({text})"),
    }
}
