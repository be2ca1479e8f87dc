//! The LDAP connection: bound, with a deadline on all it waits for. The LDAP library stands behind a relay that lets
//! through what is sound and no more than is read; whatever goes wrong ends the connection with an error.

mod ber;
mod check;
mod dial;
mod endpoint;
mod exchange;
mod failover;
mod fault;
mod flow;
mod grammar;
#[cfg(feature = "kerberos")]
mod kerberos;
mod options;
mod reach;
mod refusal;
mod relay;
mod result;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use ldap3::controls::RawControl;
use ldap3::exop::WhoAmI;
use ldap3::result::Result as LibraryResult;
use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Scope, SearchOptions, SearchStream, StdStream,
};
use tokio::task::JoinHandle;

use crate::error::{DirectoryError, server_words};
pub(crate) use check::{check, check_next};
pub(crate) use endpoint::Endpoint;
use endpoint::Server;
use flow::{Flow, Taken};
pub use options::{Affinity, BindMethod, ConnectionOptions};
use reach::Reached;
use relay::Stream;
pub(crate) use result::{describe, result_error};

/// How often a connection is tried before an error is reported, and the pause after the first failure; it doubles.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How long a good-bye may take.
const GOOD_BYE: Duration = Duration::from_secs(1);

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
    relay: JoinHandle<()>,
    flow: Arc<Flow>,
    url: String,
    timeout: Duration,
}

impl Connection {
    /// Connects to the first server that can be used, secures the connection and binds; tries all of them again a few
    /// times where none can be reached.
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

    /// Connects to the first server that can be used and binds; tries each server once.
    pub async fn try_open(endpoint: &Endpoint) -> Result<Self, DirectoryError> {
        let mut failed = Vec::new();
        for (place, server) in endpoint.in_order(Instant::now()) {
            match Self::open_one(endpoint, server).await {
                Ok(connection) => {
                    for error in &failed {
                        tracing::warn!(%error, used = server.url, "A directory server cannot be used; another one is.");
                    }
                    endpoint.answered(place);
                    return Ok(connection);
                }
                Err(error) if error.another_server_may_help() => {
                    endpoint.failed(place, Instant::now());
                    failed.push(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(DirectoryError::of_servers(failed))
    }

    async fn open_one(endpoint: &Endpoint, server: &Server) -> Result<Self, DirectoryError> {
        Reached::reach(endpoint, server).await?.bind(endpoint).await
    }

    /// Starts the relay and the library on a connection to a server.
    async fn over(stream: Box<dyn Stream>, url: &str, timeout: Duration) -> Result<Self, DirectoryError> {
        let unavailable = |reason: String| DirectoryError::Unreachable { url: url.to_owned(), reason };
        let flow = Arc::new(Flow::default());
        let (library, relay) =
            relay::start(stream, Arc::clone(&flow)).map_err(|error| unavailable(error.to_string()))?;
        let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(library));
        // The library's own address, for a stream that is there already.
        let opened = LdapConnAsync::with_settings(settings, "ldapi:///").await;
        let (driver, ldap) = opened.map_err(|error| unavailable(error.to_string()))?;
        // The relay lets nothing pass at which the library panics. If it did all the same, this task would end, and
        // whoever waits for an answer find the connection closed.
        let driver = tokio::spawn(async move {
            if let Err(error) = driver.drive().await {
                tracing::debug!(%error, "The LDAP library ended.");
            }
        });
        Ok(Self { ldap, driver, relay, flow, url: url.to_owned(), timeout })
    }

    /// As whom the server takes us (RFC 4532): an authorisation id, empty for nobody; none where it does not say.
    ///
    /// # Errors
    /// When the connection fails.
    async fn who_am_i(&mut self) -> Result<Option<String>, DirectoryError> {
        let answer = self.ldap.extended(WhoAmI);
        let answer = guarded(&self.flow, &self.url, self.timeout, answer).await?;
        let id = answer.0.val.unwrap_or_default();
        Ok(if answer.1.rc == 0 { Some(server_words(&String::from_utf8_lossy(&id))) } else { None })
    }

    /// Sends a search; what it finds is pulled from the results. The server is held back while nobody pulls.
    pub async fn search(&mut self, search: Search<'_>) -> Result<Results, DirectoryError> {
        let attributes: Vec<String> = search.attributes.to_vec();
        self.ldap.with_controls(search.controls).with_search_options(SearchOptions::new().sizelimit(search.size_limit));
        let stream = self.ldap.streaming_search(search.base, search.scope, search.filter, attributes);
        let mut stream = guarded(&self.flow, &self.url, self.timeout, stream).await?;
        let id = stream.ldap_handle().last_id();
        let flow = Arc::clone(&self.flow);
        Ok(Results { stream, id, taken: VecDeque::new(), flow, url: self.url.clone(), timeout: self.timeout })
    }

    /// Says good-bye. The connection is closed also where the server does not listen any more.
    pub async fn close(mut self) {
        let good_bye = async {
            let _ = AssertUnwindSafe(self.ldap.unbind()).catch_unwind().await;
            let _ = (&mut self.relay).await;
        };
        let _ = tokio::time::timeout(GOOD_BYE, good_bye).await;
    }

    /// The server, for messages.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
        self.relay.abort();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connection").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What a search finds, message by message. When it is dropped before its end, what still comes is thrown away.
pub(crate) struct Results {
    stream: SearchStream<'static, String, Vec<String>>,
    id: i32,
    /// Messages that were taken over and not yet given out.
    taken: VecDeque<Box<[u8]>>,
    flow: Arc<Flow>,
    url: String,
    timeout: Duration,
}

impl Results {
    /// The next message as it came, checked to the last octet: an entry, a reference, or an intermediate one; none when
    /// the server has said that the search is over.
    pub async fn next(&mut self) -> Result<Option<Box<[u8]>>, DirectoryError> {
        if let Some(message) = self.taken.pop_front() {
            return Ok(Some(message));
        }
        let next = async {
            match self.flow.next(self.id, &mut self.taken).await {
                Taken::Messages | Taken::Nothing => Ok(()),
                // The library has nothing of the search but its end.
                Taken::Done => match self.stream.next().await {
                    Ok(_) => Ok(()),
                    Err(error) => Err(ended(&self.flow, &self.url, error)),
                },
                Taken::Ended(end) => Err(end.into_error(&self.url)),
            }
        };
        match tokio::time::timeout(self.timeout, next).await {
            Ok(taken) => taken.map(|()| self.taken.pop_front()),
            Err(_) => Err(silent(&self.url, self.timeout)),
        }
    }

    /// How the server says that the search went; only after [`Self::next`] has given none.
    pub async fn finish(mut self) -> LdapResult {
        self.stream.finish().await
    }
}

impl Drop for Results {
    fn drop(&mut self) {
        self.flow.give_up(self.id);
    }
}

impl fmt::Debug for Results {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Results").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Waits for the library no longer than the deadline, and makes an error of its errors and its panics.
async fn guarded<T>(
    flow: &Flow,
    url: &str,
    deadline: Duration,
    operation: impl Future<Output = LibraryResult<T>>,
) -> Result<T, DirectoryError> {
    match tokio::time::timeout(deadline, AssertUnwindSafe(operation).catch_unwind()).await {
        Ok(Ok(result)) => result.map_err(|error| ended(flow, url, error)),
        Ok(Err(_panic)) => {
            Err(DirectoryError::Protocol { url: url.to_owned(), reason: "a malformed reply to an operation".into() })
        }
        Err(_) => Err(silent(url, deadline)),
    }
}

fn silent(url: &str, deadline: Duration) -> DirectoryError {
    let seconds = deadline.as_secs_f32().ceil();
    DirectoryError::Unreachable { url: url.to_owned(), reason: format!("no answer within {seconds} s") }
}

/// What an error of the library means: the connection has ended, for the reason that the relay knows.
fn ended(flow: &Flow, url: &str, error: LdapError) -> DirectoryError {
    match (flow.ended(), error) {
        (_, LdapError::FilterParsing) => DirectoryError::Configuration("The search filter is malformed".into()),
        (Some(end), _) => end.into_error(url),
        (None, error) => DirectoryError::Protocol { url: url.to_owned(), reason: server_words(&error.to_string()) },
    }
}
