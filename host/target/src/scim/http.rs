//! Sending requests: at the service's pace, with deadlines and retries, and what a failure means.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT, CONTENT_TYPE, IF_MATCH, RETRY_AFTER};
use reqwest::tls::TlsInfo;
use reqwest::{Response, Url, Version};
use serde_json::Value;
use tokio::time::Instant;

use crate::TargetError;
use crate::scim::bulk::Lane;
pub(crate) use crate::scim::call::Call;
use crate::scim::credential::Grant;
use crate::scim::line::Line;
use crate::scim::options::ScimOptions;
use crate::scim::pace::{Claim, Limits, time_for};
use crate::scim::proxy::{tunnel_refusal, words};
use crate::scim::reply::{Broken, Reply, place};
use crate::scim::retry::{Backoff, Safety, retry_after};
use crate::scim::tls;

const SCIM_JSON: &str = "application/scim+json";

/// How many times as often a request may be asked to slow down as it may fail.
const THROTTLINGS_PER_ATTEMPT: u32 = 5;

/// How many requests were sent, each attempt counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// Requests that read.
    pub reads: u64,
    /// Requests that write.
    pub writes: u64,
    /// Those of both that were sent before: the service asked to slow down, or no answer came.
    pub repeated: u64,
}

/// How one attempt ended that was not the last word.
enum Failure {
    /// Every attempt would end so.
    Final(TargetError),
    /// The service does not let us in with these credentials; it has done nothing.
    NotLetIn(Arc<Grant>, TargetError),
    /// The service asks to slow down.
    Throttled {
        sent: Instant,
        /// How long it asks to wait.
        asked: Option<Duration>,
        /// Whether it may have done something all the same.
        lost: bool,
    },
    /// The request never left.
    NotSent(String),
    /// The service may have done something before it failed or the reply was lost.
    Lost(String),
}

/// How replies come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transport {
    pub(crate) version: Version,
    /// When the time of the service's certificate is over.
    pub(crate) certificate_ends: Option<SystemTime>,
}

/// The way to one service, as one configuration uses it.
pub(crate) struct Http {
    line: Arc<Line>,
    /// Our limits hold for the service as long as this lives.
    _claim: Claim,
    base: Url,
    bulk: OnceLock<Lane>,
    transport: Mutex<Option<Transport>>,
    reads: AtomicU64,
    writes: AtomicU64,
    repeated: AtomicU64,
    /// Requests in succession that were given up because the service failed.
    given_up: AtomicU32,
    widespread: u32,
    max_attempts: u32,
    patience: Duration,
    backoff: Duration,
    timeout: Duration,
    idle_timeout: Duration,
}

impl Http {
    /// Checks the settings and makes ready; nothing is sent.
    pub(crate) fn new(options: &ScimOptions) -> Result<Self, TargetError> {
        options.check_numbers()?;
        let base = options.base()?;
        let line = Line::of(options, &base)?;
        let limits = Limits { rate: options.requests_per_second(&base), concurrency: options.concurrency };
        Ok(Self {
            _claim: line.pace.claim(limits),
            line,
            base,
            bulk: OnceLock::new(),
            transport: Mutex::new(None),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            given_up: AtomicU32::new(0),
            widespread: u32::try_from(options.concurrency).unwrap_or(u32::MAX).max(4),
            max_attempts: options.max_attempts,
            patience: options.patience,
            backoff: options.backoff,
            timeout: options.timeout,
            idle_timeout: options.idle_timeout,
        })
    }

    /// The base of the service.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// How many requests were sent so far.
    pub(crate) fn counts(&self) -> RequestCounts {
        RequestCounts {
            reads: self.reads.load(Ordering::Relaxed),
            writes: self.writes.load(Ordering::Relaxed),
            repeated: self.repeated.load(Ordering::Relaxed),
        }
    }

    /// What is shared with other configurations of the service.
    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    /// How the last reply came.
    pub(crate) fn transport(&self) -> Option<Transport> {
        self.transport.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on writes are sent together where they can be.
    pub(crate) fn send_together(&self, lane: Lane) {
        // A second lane would be no better than the first.
        let _ = self.bulk.set(lane);
    }

    /// How many writes go into one request, where they are sent together now.
    pub(crate) fn together(&self) -> Option<usize> {
        self.bulk.get().and_then(Lane::capacity)
    }

    /// Sends a request until it has an answer, with others in one where that can be; gives the document of a success, if
    /// it has one.
    pub(crate) async fn send(self: &Arc<Self>, call: &Call) -> Result<Option<Value>, TargetError> {
        if let Some(lane) = self.bulk.get()
            && let Some(outcome) = lane.send(self, call).await
        {
            return outcome;
        }
        self.send_alone(call).await
    }

    /// Sends a request by itself until it has an answer; gives the document of a success, if it has one.
    pub(crate) async fn send_alone(&self, call: &Call) -> Result<Option<Value>, TargetError> {
        let mut trial = Trial::new(self.backoff);
        match self.answer(call, &mut trial).await {
            // The last attempt did nothing, but an earlier one may have: only a verdict on the request itself settles that.
            Err(error) if trial.lost && call.safety != Safety::Read && !is_verdict(&error) => {
                Err(TargetError::Unavailable {
                    operation: call.operation(),
                    attempts: trial.attempts.saturating_add(1),
                    reason: error.to_string(),
                    widespread: error.concerns_whole_target(),
                })
            }
            outcome => outcome,
        }
    }

    /// Makes attempts until one is the last word.
    async fn answer(&self, call: &Call, trial: &mut Trial) -> Result<Option<Value>, TargetError> {
        loop {
            let failure = {
                let _turn = self.line.pace.turn().await;
                // Waiting for other requests to end is no fault of the service's: the time counts from here.
                let begin = *trial.begin.get_or_insert_with(Instant::now);
                let Some(waited) = self.line.pace.admitted(begin + self.patience).await else {
                    return Err(trial.throttled(call));
                };
                trial.begin = Some(begin + waited);
                if std::mem::replace(&mut trial.sent, true) {
                    self.repeated.fetch_add(1, Ordering::Relaxed);
                }
                match self.attempt(call).await {
                    Ok(document) => return Ok(document),
                    Err(failure) => failure,
                }
            };
            match failure {
                Failure::Final(error) => return Err(error),
                Failure::NotLetIn(grant, error) => {
                    if trial.renewed || !self.line.credentials.renewed(&self.line.client, &grant).await? {
                        return Err(error);
                    }
                    trial.renewed = true;
                }
                Failure::Throttled { sent, asked, lost } => {
                    trial.lost |= lost;
                    trial.throttlings += 1;
                    if trial.throttlings > self.max_attempts.saturating_mul(THROTTLINGS_PER_ATTEMPT) {
                        return Err(trial.throttled(call));
                    }
                    let wait = asked.unwrap_or_default() + trial.backoff.next_wait();
                    tracing::debug!(operation = call.operation(), ?wait, "the target asks to slow down");
                    self.line.pace.slow_down(sent, wait);
                }
                Failure::Lost(reason) if call.safety == Safety::Once => {
                    self.given_up.fetch_add(1, Ordering::Relaxed);
                    return Err(TargetError::Uncertain { operation: call.operation(), reason });
                }
                Failure::NotSent(reason) => self.again(call, trial, reason).await?,
                Failure::Lost(reason) => {
                    trial.lost = true;
                    self.again(call, trial, reason).await?;
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
        let client = &self.line.client;
        let grant = self.line.credentials.grant(client).await.map_err(Failure::Final)?;
        let counter = if call.safety == Safety::Read { &self.reads } else { &self.writes };
        counter.fetch_add(1, Ordering::Relaxed);
        let timeout = if call.operations > 1 { time_for(call.operations, self.timeout) } else { self.timeout };
        let mut request = client.request(call.method.clone(), call.url.clone()).timeout(timeout);
        request = request.headers(grant.headers.clone()).header(ACCEPT, "application/scim+json, application/json");
        if let Some(version) = &call.if_match {
            request = request.header(IF_MATCH, version.as_str());
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, SCIM_JSON).body(body.clone());
        }
        let sent = Instant::now();
        let response = request.send().await.map_err(|error| self.failed(call, timeout, error))?;
        self.note_transport(&response);
        let reply = Reply::read(response, &grant.hidden, self.idle_timeout).await.map_err(|broken| match broken {
            Broken::Lost(error) => self.failed(call, timeout, error),
            Broken::Silent(idle) => Failure::Lost(format!(
                "the service fell silent for {} s in the middle of its answer",
                idle.as_secs_f32()
            )),
        })?;
        let status = reply.status.as_u16();
        if let Some(refusal) =
            self.line.proxy.as_ref().and_then(|proxy| proxy.refusal(status, reply.is_html(), &call.url))
        {
            return Err(Failure::Final(refusal));
        }
        if status == 401 {
            return Err(Failure::NotLetIn(grant, reply.into_error(&call.operation(), &call.url)));
        }
        if reply.status.is_success() {
            grant.was_accepted();
        }
        self.judge(call, reply, sent)
    }

    /// Keeps how replies come, for whoever asks; the certificate is looked at once.
    fn note_transport(&self, response: &Response) {
        let version = response.version();
        let mut transport = self.transport.lock().unwrap_or_else(PoisonError::into_inner);
        if transport.as_ref().is_some_and(|known| known.version == version) {
            return;
        }
        let certificate = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        *transport = Some(Transport { version, certificate_ends: certificate.and_then(tls::end_of) });
    }

    /// What a reply means for the request.
    fn judge(&self, call: &Call, reply: Reply, sent: Instant) -> Result<Option<Value>, Failure> {
        let asked = || reply.header(RETRY_AFTER.as_str()).and_then(|header| retry_after(header, SystemTime::now()));
        match reply.status.as_u16() {
            429 => return Err(Failure::Throttled { sent, asked: asked(), lost: false }),
            // It may come from a gateway that lost the reply; those name a time to come back as well.
            503 => {
                return Err(match asked() {
                    Some(wait) if call.safety == Safety::Once => {
                        self.line.pace.slow_down(sent, wait);
                        Failure::Lost(reply.failure())
                    }
                    Some(wait) => Failure::Throttled { sent, asked: Some(wait), lost: true },
                    None => Failure::Lost(reply.failure()),
                });
            }
            408 | 425 | 500 | 502 | 504 => return Err(Failure::Lost(reply.failure())),
            _ => self.given_up.store(0, Ordering::Relaxed),
        }
        if let Some(sort) = call.sort() {
            self.line.pace.answered(sort, sent);
        }
        if reply.status.is_success() {
            reply.into_document(&call.url, call.brief).map_err(Failure::Final)
        } else {
            Err(Failure::Final(reply.into_error(&call.operation(), &call.url)))
        }
    }

    /// What it means that no reply came.
    fn failed(&self, call: &Call, timeout: Duration, error: reqwest::Error) -> Failure {
        if let Some(problem) = tls::tls_problem(&error) {
            return Failure::Final(TargetError::Tls { url: place(&call.url), problem });
        }
        let reason = reason(&error, timeout);
        if error.is_builder() {
            Failure::Final(TargetError::Configuration(format!("{} cannot be sent: {reason}", call.operation())))
        } else if error.is_connect() {
            if let Some(refusal) = tunnel_refusal(&error, &call.url) {
                return Failure::Final(refusal);
            }
            let proxy = self.line.proxy.as_ref();
            Failure::NotSent(proxy.map_or_else(|| reason.clone(), |proxy| proxy.unconnected(&reason)))
        } else {
            Failure::Lost(reason)
        }
    }
}

/// Whether an error says what came of the request, whichever attempt did it: it was judged, or is already told as unknown.
fn is_verdict(error: &TargetError) -> bool {
    let judged =
        matches!(error, TargetError::Refused { .. } | TargetError::Conflict { .. } | TargetError::NotFound { .. });
    judged || error.outcome_unknown()
}

fn reason(error: &reqwest::Error, timeout: Duration) -> String {
    if error.is_timeout() {
        return if error.is_connect() {
            "no connection came about in time".to_owned()
        } else {
            format!("no whole answer came within {} s", timeout.as_secs_f32())
        };
    }
    if error.is_dns() { "its name cannot be resolved".to_owned() } else { words(error) }
}

/// The attempts of one request.
struct Trial {
    begin: Option<Instant>,
    /// Whether an attempt was made.
    sent: bool,
    attempts: u32,
    throttlings: u32,
    /// Whether it is tried with other credentials already.
    renewed: bool,
    /// Whether the service may have done something at one of the attempts.
    lost: bool,
    backoff: Backoff,
}

impl Trial {
    fn new(first_wait: Duration) -> Self {
        Self {
            begin: None,
            sent: false,
            attempts: 0,
            throttlings: 0,
            renewed: false,
            lost: false,
            backoff: Backoff::new(first_wait),
        }
    }

    fn elapsed(&self) -> Duration {
        self.begin.map_or(Duration::ZERO, |begin| begin.elapsed())
    }

    fn throttled(&self, call: &Call) -> TargetError {
        TargetError::Throttled { url: place(&call.url), waited: self.elapsed() }
    }
}
