//! Writes that go out together (RFC 7644, section 3.7): collected from callers that wait, each of which gets its own result.

mod message;

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use provisor_model::Secret;
use reqwest::Url;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;

use self::message::{Operation, Outcome};
use crate::TargetError;
use crate::scim::abilities::BulkLimits;
use crate::scim::http::{Call, Http};
use crate::scim::reply::{concealed, refusal};
use crate::scim::retry::Safety;

/// A request goes out when nothing has been added to it for so long.
const QUIET: Duration = Duration::from_millis(20);
/// No operation waits longer for others.
const LONGEST_WAIT: Duration = Duration::from_millis(250);
/// No request holds more operations, whatever the service takes: a lost reply makes all of them uncertain.
const MOST_OPERATIONS: usize = 500;
/// No request holds more octets.
const MOST_OCTETS: usize = 8 << 20;
/// After so many refused requests in succession nothing is sent together any more.
const MOST_REFUSALS: u32 = 3;

/// Collects writes into bulk requests.
pub(crate) struct Lane {
    base: Url,
    shared: Arc<Shared>,
}

struct Shared {
    endpoint: Url,
    state: Mutex<State>,
}

struct State {
    /// What one request may hold; less where the service has refused more.
    limits: BulkLimits,
    off: bool,
    refusals: u32,
    forming: Batch,
    /// How many batches there were before the one that is forming.
    sent: u64,
}

/// Operations for one request.
#[derive(Default)]
struct Batch {
    waiting: Vec<Waiting>,
    octets: usize,
    /// The resources concerned: a service may carry operations out in any order, so each is there once.
    resources: HashSet<String>,
    times: Option<(Instant, Instant)>,
}

struct Waiting {
    operation: Operation,
    answer: oneshot::Sender<Verdict>,
}

/// What a caller is told.
enum Verdict {
    /// Its operation has this result.
    Done(Result<Option<Value>, TargetError>),
    /// It is to send its request by itself.
    Alone,
}

impl Lane {
    /// A lane to the service at this base.
    pub(crate) fn new(base: &Url, announced: BulkLimits) -> Self {
        let mut endpoint = base.clone();
        endpoint.set_path(&format!("{}/Bulk", base.path().trim_end_matches('/')));
        let limits = BulkLimits {
            operations: announced.operations.min(MOST_OPERATIONS),
            octets: announced.octets.min(MOST_OCTETS),
        };
        let state = State { limits, off: limits.operations < 2, refusals: 0, forming: Batch::default(), sent: 0 };
        Self { base: base.clone(), shared: Arc::new(Shared { endpoint, state: Mutex::new(state) }) }
    }

    /// How many operations go into one request; none where nothing is sent together any more.
    pub(crate) fn capacity(&self) -> Option<usize> {
        let state = self.shared.state();
        (!state.off).then_some(state.limits.operations)
    }

    /// Sends a write together with others and gives its own result; none where it is to be sent by itself.
    pub(crate) async fn send(&self, http: &Arc<Http>, call: &Call) -> Option<Result<Option<Value>, TargetError>> {
        let operation = Operation::of(call, &self.base)?;
        let once = operation.once.then(|| operation.name.clone());
        match self.join(http, operation)?.await {
            Ok(Verdict::Done(outcome)) => Some(outcome),
            Ok(Verdict::Alone) => None,
            Err(_) => once.map(|operation| {
                Err(TargetError::Uncertain { operation, reason: "the request that it was part of was given up".into() })
            }),
        }
    }

    fn join(&self, http: &Arc<Http>, operation: Operation) -> Option<oneshot::Receiver<Verdict>> {
        let mut state = self.shared.state();
        let size = operation.size();
        if state.off || message::ENVELOPE + size > state.limits.octets {
            return None;
        }
        let is_repeated = !operation.once && state.forming.resources.contains(&operation.path);
        if is_repeated || message::ENVELOPE + state.forming.octets + size > state.limits.octets {
            self.shared.depart(&mut state, http);
        }
        let (answer, receiver) = oneshot::channel();
        let now = Instant::now();
        state.forming.octets += size;
        state.forming.times = Some((state.forming.times.map_or(now, |(first, _)| first), now));
        if !operation.once {
            state.forming.resources.insert(operation.path.clone());
        }
        state.forming.waiting.push(Waiting { operation, answer });
        if state.forming.waiting.len() >= state.limits.operations {
            self.shared.depart(&mut state, http);
        } else if state.forming.waiting.len() == 1 {
            let (shared, http, number) = (Arc::clone(&self.shared), Arc::clone(http), state.sent);
            tokio::spawn(async move { shared.depart_when_quiet(&http, number).await });
        }
        Some(receiver)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what has been collected.
    fn depart(self: &Arc<Self>, state: &mut State, http: &Arc<Http>) {
        let batch = std::mem::take(&mut state.forming);
        state.sent += 1;
        let (shared, http) = (Arc::clone(self), Arc::clone(http));
        tokio::spawn(async move { shared.carry(&http, batch.waiting).await });
    }

    async fn depart_when_quiet(self: &Arc<Self>, http: &Arc<Http>, number: u64) {
        loop {
            tokio::time::sleep(QUIET).await;
            let mut state = self.state();
            if state.sent != number {
                return;
            }
            if state
                .forming
                .times
                .is_none_or(|(first, last)| last.elapsed() >= QUIET || first.elapsed() >= LONGEST_WAIT)
            {
                self.depart(&mut state, http);
                return;
            }
        }
    }

    /// Sends operations, in smaller requests where the service finds them too large, and tells every caller its result.
    async fn carry(&self, http: &Arc<Http>, waiting: Vec<Waiting>) {
        let mut batches = VecDeque::from([waiting]);
        while let Some(mut batch) = batches.pop_front() {
            batch.retain(|one| !one.answer.is_closed());
            if batch.len() < 2 || self.state().off {
                alone(batch);
                continue;
            }
            let once = batch.iter().any(|one| one.operation.once);
            let body = message::request(batch.iter().map(|one| &one.operation));
            let octets = batch.iter().map(|one| one.operation.size()).sum();
            let safety = if once { Safety::Once } else { Safety::Idempotent };
            let call = Call::bulk(self.endpoint.clone(), body, batch.len(), safety);
            match http.send_alone(&call).await {
                Ok(document) => {
                    self.state().refusals = 0;
                    match document.as_ref().and_then(message::results) {
                        Some(results) => distribute(batch, results, &http.line().credentials.hidden()),
                        None => unknown(batch, "the service answered the bulk request with something else"),
                    }
                }
                Err(TargetError::Refused { status: 413, .. }) => {
                    self.shrink(batch.len(), octets);
                    let rest = batch.split_off(batch.len() / 2);
                    batches.extend([batch, rest]);
                }
                Err(error) => self.failed(batch, error),
            }
        }
    }

    fn failed(&self, batch: Vec<Waiting>, error: TargetError) {
        match error {
            TargetError::Uncertain { reason, .. } => unknown(batch, &reason),
            TargetError::NotScim { found, .. } => unknown(batch, &found),
            TargetError::NotFound { .. } | TargetError::Refused { status: 404 | 405 | 501, .. } => {
                self.switch_off("the service has no bulk requests after all");
                alone(batch);
            }
            TargetError::Refused { .. } | TargetError::Conflict { .. } => {
                let refusals = {
                    let mut state = self.state();
                    state.refusals += 1;
                    state.refusals
                };
                tracing::debug!(%error, "a bulk request was refused; its operations are sent one by one");
                if refusals >= MOST_REFUSALS {
                    self.switch_off(&error.to_string());
                }
                alone(batch);
            }
            error => {
                for one in batch {
                    one.tell(Verdict::Done(Err(error.clone())));
                }
            }
        }
    }

    fn switch_off(&self, reason: &str) {
        let mut state = self.state();
        if !state.off {
            state.off = true;
            tracing::warn!(reason, "The target refuses bulk requests; everything is sent one by one.");
        }
    }

    /// A request of so many operations was too large, which were reckoned with so many octets.
    fn shrink(&self, operations: usize, octets: usize) {
        let mut state = self.state();
        state.limits.operations = state.limits.operations.min(operations / 2).max(1);
        state.limits.octets = state.limits.octets.min(message::ENVELOPE + octets.div_ceil(2));
        tracing::debug!(limits = ?state.limits, "a bulk request was too large for the target");
        if state.limits.operations < 2 {
            state.off = true;
        }
    }
}

/// Tells every caller what the service says of its operation.
fn distribute(batch: Vec<Waiting>, results: Vec<Outcome>, hidden: &[Secret]) {
    let operations: Vec<&Operation> = batch.iter().map(|one| &one.operation).collect();
    let assigned = message::assign(&operations, results);
    for (one, outcome) in batch.into_iter().zip(assigned) {
        let verdict = match outcome {
            Some(outcome) => verdict(&one.operation, outcome, hidden),
            None => one.operation.unknown("the answer to the bulk request does not speak of it"),
        };
        one.tell(verdict);
    }
}

impl Waiting {
    fn tell(self, verdict: Verdict) {
        // Nobody may be there to hear it.
        let _ = self.answer.send(verdict);
    }
}

impl Operation {
    /// What to do where it is not known whether it was carried out: what may be repeated is sent by itself.
    fn unknown(&self, reason: &str) -> Verdict {
        if self.once {
            let error = TargetError::Uncertain { operation: self.name.clone(), reason: reason.to_owned() };
            Verdict::Done(Err(error))
        } else {
            Verdict::Alone
        }
    }
}

fn alone(batch: Vec<Waiting>) {
    for one in batch {
        one.tell(Verdict::Alone);
    }
}

fn unknown(batch: Vec<Waiting>, reason: &str) {
    for one in batch {
        let verdict = one.operation.unknown(reason);
        one.tell(verdict);
    }
}

/// What one result means for its operation, as if its reply had come by itself.
fn verdict(operation: &Operation, outcome: Outcome, hidden: &[Secret]) -> Verdict {
    match outcome.status {
        200..300 => Verdict::Done(Ok(outcome.into_document(operation))),
        // Not carried out for now, or not in this way.
        429 | 501 => Verdict::Alone,
        408 | 425 | 500..600 => {
            operation.unknown(&format!("HTTP {} in the answer to the bulk request", outcome.status))
        }
        status => {
            let words = outcome.response.map(|response| concealed(response.to_string(), hidden));
            let words: Option<Value> = words.and_then(|words| serde_json::from_str(&words).ok());
            let error = refusal(status, words.as_ref(), None, &operation.name, &operation.url);
            Verdict::Done(Err(error))
        }
    }
}
