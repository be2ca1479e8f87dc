//! Sending requests: bounded concurrency, deadlines, retries, the shared pause, and what a failure means.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use provisor_model::Secret;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, IF_MATCH, RETRY_AFTER};
use reqwest::{Client, Method, Proxy, Url};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::TargetError;
use crate::scim::options::ScimOptions;
use crate::scim::reply::{Reply, place};
use crate::scim::retry::{Backoff, Pause, Safety, retry_after};
use crate::scim::tls;

const SCIM_JSON: &str = "application/scim+json";

/// How many times as often a request may be asked to slow down as it may fail.
const THROTTLINGS_PER_ATTEMPT: u32 = 5;

/// One request, as often as it may be sent.
pub(crate) struct Call {
    method: Method,
    url: Url,
    body: Option<Vec<u8>>,
    safety: Safety,
    if_match: Option<String>,
    /// The most attempts, where they are fewer than the settings'.
    most_attempts: u32,
}

impl Call {
    /// A request that reads.
    pub(crate) fn get(url: Url) -> Self {
        Self { method: Method::GET, url, body: None, safety: Safety::Read, if_match: None, most_attempts: u32::MAX }
    }

    /// A request that makes a resource.
    pub(crate) fn post(url: Url, body: &Value) -> Self {
        Self { method: Method::POST, body: Some(body.to_string().into_bytes()), safety: Safety::Once, ..Self::get(url) }
    }

    /// A request that changes a resource by operations, each of which may be repeated.
    pub(crate) fn patch(url: Url, body: &Value) -> Self {
        Self { method: Method::PATCH, safety: Safety::Idempotent, ..Self::post(url, body) }
    }

    /// A request that replaces a resource, in this version where one is given.
    pub(crate) fn put(url: Url, body: &Value, version: Option<String>) -> Self {
        Self { method: Method::PUT, safety: Safety::Idempotent, if_match: version, ..Self::post(url, body) }
    }

    /// A request that deletes a resource.
    pub(crate) fn delete(url: Url) -> Self {
        Self { method: Method::DELETE, safety: Safety::Idempotent, ..Self::get(url) }
    }

    /// The same request with at most so many attempts.
    pub(crate) fn tried(self, most_attempts: u32) -> Self {
        Self { most_attempts, ..self }
    }

    /// The same request, to be carried out on this version alone.
    pub(crate) fn in_version(self, version: Option<String>) -> Self {
        Self { if_match: version, ..self }
    }

    /// The request in words, for messages.
    pub(crate) fn operation(&self) -> String {
        format!("{} {}", self.method, place(&self.url))
    }
}

/// How many requests were sent, each attempt counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// Requests that read.
    pub reads: u64,
    /// Requests that write.
    pub writes: u64,
}

/// How one attempt ended that was not the last word.
enum Failure {
    /// Every attempt would end so.
    Final(TargetError),
    /// The service asks to slow down; it has done nothing.
    Throttled(Option<Duration>),
    /// The request never left.
    NotSent(String),
    /// The service may have done something before it failed or the reply was lost.
    Lost(String),
}

/// The way to one service.
pub(crate) struct Http {
    client: Client,
    base: Url,
    token: Option<Secret>,
    authorization: Option<HeaderValue>,
    permits: Semaphore,
    pause: Pause,
    reads: AtomicU64,
    writes: AtomicU64,
    /// Requests in succession that were given up because the service failed.
    given_up: AtomicU32,
    widespread: u32,
    max_attempts: u32,
    patience: Duration,
    backoff: Duration,
    timeout: Duration,
}

impl Http {
    /// Checks the settings and makes ready; nothing is sent.
    pub(crate) fn new(options: &ScimOptions) -> Result<Self, TargetError> {
        options.check_numbers()?;
        let base = options.base()?;
        let proxy = options.proxy_url()?;
        let needs_tls = base.scheme() == "https" || proxy.as_ref().is_some_and(|proxy| proxy.scheme() == "https");
        let unusable = |error: reqwest::Error| {
            TargetError::Configuration(format!("the HTTP client cannot be set up: {}", error.without_url()))
        };
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls::client_config(options.ca.as_deref(), needs_tls)?)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("provisor/", env!("CARGO_PKG_VERSION")))
            .timeout(options.timeout)
            .connect_timeout(options.connect_timeout)
            // Services close idle connections after a while: one that they are about to close would cost a lost reply.
            .pool_idle_timeout(Duration::from_secs(4))
            .pool_max_idle_per_host(options.concurrency);
        if let Some(proxy) = proxy {
            builder = builder.proxy(Proxy::all(proxy).map_err(unusable)?);
        }
        let authorization = options.token.as_ref().map(bearer).transpose()?;
        Ok(Self {
            client: builder.build().map_err(unusable)?,
            base,
            token: options.token.clone(),
            authorization,
            permits: Semaphore::new(options.concurrency),
            pause: Pause::default(),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            given_up: AtomicU32::new(0),
            widespread: u32::try_from(options.concurrency).unwrap_or(u32::MAX).max(4),
            max_attempts: options.max_attempts,
            patience: options.patience,
            backoff: options.backoff,
            timeout: options.timeout,
        })
    }

    /// The base of the service.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// How many requests were sent so far.
    pub(crate) fn counts(&self) -> RequestCounts {
        RequestCounts { reads: self.reads.load(Ordering::Relaxed), writes: self.writes.load(Ordering::Relaxed) }
    }

    /// Sends a request until it has an answer; gives the document of a success, if it has one.
    pub(crate) async fn send(&self, call: &Call) -> Result<Option<Value>, TargetError> {
        let mut trial = Trial::new(self.backoff);
        loop {
            let failure = {
                // The semaphore is never closed.
                let _permit = self.permits.acquire().await.ok();
                // Waiting for other requests to end is no fault of the service's: the time counts from here.
                let begin = *trial.begin.get_or_insert_with(Instant::now);
                if !self.pause.over(begin + self.patience).await {
                    return Err(trial.throttled(call));
                }
                match self.attempt(call).await {
                    Ok(document) => return Ok(document),
                    Err(failure) => failure,
                }
            };
            match failure {
                Failure::Final(error) => return Err(error),
                Failure::Throttled(asked) => {
                    trial.throttlings += 1;
                    if trial.throttlings > self.max_attempts.saturating_mul(THROTTLINGS_PER_ATTEMPT) {
                        return Err(trial.throttled(call));
                    }
                    let wait = asked.unwrap_or_default() + trial.backoff.next_wait();
                    tracing::debug!(operation = call.operation(), ?wait, "the target asks to slow down");
                    self.pause.extend(wait);
                }
                Failure::Lost(reason) if call.safety == Safety::Once => {
                    self.given_up.fetch_add(1, Ordering::Relaxed);
                    return Err(TargetError::Uncertain { operation: call.operation(), reason });
                }
                Failure::NotSent(reason) => self.again(call, &mut trial, reason).await?,
                Failure::Lost(reason) => {
                    trial.lost = true;
                    self.again(call, &mut trial, reason).await?;
                }
            }
        }
    }

    /// Waits for the next attempt, or gives up where there is none.
    async fn again(&self, call: &Call, trial: &mut Trial, reason: String) -> Result<(), TargetError> {
        trial.attempts += 1;
        let wait = trial.backoff.next_wait();
        if trial.attempts < self.max_attempts.min(call.most_attempts) && trial.elapsed() + wait < self.patience {
            tracing::debug!(
                operation = call.operation(),
                reason,
                ?wait,
                "a request failed in passing and is tried again"
            );
            tokio::time::sleep(wait).await;
            return Ok(());
        }
        let widespread = self.given_up.fetch_add(1, Ordering::Relaxed).saturating_add(1) >= self.widespread;
        Err(if trial.lost {
            TargetError::Unavailable { operation: call.operation(), attempts: trial.attempts, reason, widespread }
        } else {
            TargetError::Unreachable { url: place(&call.url), reason }
        })
    }

    async fn attempt(&self, call: &Call) -> Result<Option<Value>, Failure> {
        let counter = if call.safety == Safety::Read { &self.reads } else { &self.writes };
        counter.fetch_add(1, Ordering::Relaxed);
        let mut request = self.client.request(call.method.clone(), call.url.clone());
        request = request.header(ACCEPT, "application/scim+json, application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(version) = &call.if_match {
            request = request.header(IF_MATCH, version.as_str());
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, SCIM_JSON).body(body.clone());
        }
        let response = request.send().await.map_err(|error| self.failed(call, error))?;
        let reply = Reply::read(response, self.token.as_ref()).await.map_err(|error| self.failed(call, error))?;
        self.judge(call, reply)
    }

    /// What a reply means for the request.
    fn judge(&self, call: &Call, reply: Reply) -> Result<Option<Value>, Failure> {
        let asked = || reply.header(RETRY_AFTER.as_str()).and_then(|header| retry_after(header, SystemTime::now()));
        match reply.status.as_u16() {
            429 => return Err(Failure::Throttled(asked())),
            // With a time to come back, 503 is the service's own refusal; without, it may be a gateway that lost the reply.
            503 => {
                return Err(match asked() {
                    Some(wait) => Failure::Throttled(Some(wait)),
                    None => Failure::Lost(reply.failure()),
                });
            }
            408 | 425 | 500 | 502 | 504 => return Err(Failure::Lost(reply.failure())),
            _ => self.given_up.store(0, Ordering::Relaxed),
        }
        if reply.status.is_success() {
            reply.into_document(&call.url).map_err(Failure::Final)
        } else {
            Err(Failure::Final(reply.into_error(&call.operation(), &call.url)))
        }
    }

    /// What it means that no reply came.
    fn failed(&self, call: &Call, error: reqwest::Error) -> Failure {
        if let Some(problem) = tls::tls_problem(&error) {
            return Failure::Final(TargetError::Tls { url: place(&call.url), problem });
        }
        let reason = self.reason(&error);
        if error.is_builder() {
            Failure::Final(TargetError::Configuration(format!("{} cannot be sent: {reason}", call.operation())))
        } else if error.is_connect() {
            Failure::NotSent(reason)
        } else {
            Failure::Lost(reason)
        }
    }

    fn reason(&self, error: &reqwest::Error) -> String {
        if error.is_timeout() {
            let what = if error.is_connect() { "no connection came about in time" } else { "no whole answer came" };
            return if error.is_connect() {
                what.to_owned()
            } else {
                format!("{what} within {} s", self.timeout.as_secs_f32())
            };
        }
        if error.is_dns() {
            return "its name cannot be resolved".to_owned();
        }
        // The outer errors say little ("error sending request"); the innermost is the system's.
        let mut innermost: &dyn std::error::Error = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        innermost.to_string()
    }
}

/// The attempts of one request.
struct Trial {
    begin: Option<Instant>,
    attempts: u32,
    throttlings: u32,
    /// Whether the service may have done something at one of the attempts.
    lost: bool,
    backoff: Backoff,
}

impl Trial {
    fn new(first_wait: Duration) -> Self {
        Self { begin: None, attempts: 0, throttlings: 0, lost: false, backoff: Backoff::new(first_wait) }
    }

    fn elapsed(&self) -> Duration {
        self.begin.map_or(Duration::ZERO, |begin| begin.elapsed())
    }

    fn throttled(&self, call: &Call) -> TargetError {
        TargetError::Throttled { url: place(&call.url), waited: self.elapsed() }
    }
}

fn bearer(token: &Secret) -> Result<HeaderValue, TargetError> {
    let unusable = || {
        TargetError::Configuration(
            "the target's token holds characters that cannot be sent; it must be one line of ASCII".into(),
        )
    };
    if token.reveal().is_empty() || token.reveal().contains(char::is_whitespace) {
        return Err(TargetError::Configuration(
            "the target's token is empty or holds blanks or line ends; check the file or variable that holds it".into(),
        ));
    }
    let mut header = HeaderValue::from_str(&format!("Bearer {}", token.reveal())).map_err(|_| unusable())?;
    header.set_sensitive(true);
    Ok(header)
}
