//! Faults on purpose: what a tenant can be told to do wrong, so that a client's manners can be tested.
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::counters::{Request, Route};
use crate::error::Refusal;

/// What the tenant does wrong; by default nothing. For tests only.
///
/// The faults are tried in the order of the fields, and each counts the requests that reach it, so that the number of
/// faults in a number of requests is always the same.
#[derive(Clone, Debug, Default)]
pub struct Misbehaviour {
    /// Which requests are treated so.
    pub applies_to: Victims,
    /// How long requests wait before anything else happens to them.
    pub latency: Option<Latency>,
    /// Answers 429.
    pub throttle: Option<Throttle>,
    /// Answers an error of the server's.
    pub failure: Option<Failure>,
    /// Answers a page of HTML with status 200, as a proxy or a login page in the way does.
    pub html: Option<Occasion>,
    /// Breaks the connection instead of answering.
    pub cut: Option<Cut>,
    /// Users of these names (compared without regard to case) are refused with 400 whenever they are created or updated.
    pub poison: BTreeSet<String>,
    /// The seed of what is random (the jitter).
    pub seed: u64,
    /// Others that go on beside this one, each for requests of its own choice. They are asked after it, in this order,
    /// about what it lets pass, and count only that; latencies add up.
    pub further: Vec<Self>,
}

/// Which requests a misbehaviour applies to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Victims {
    /// Every request.
    #[default]
    All,
    /// POST, PUT, PATCH and DELETE of resources.
    Writes,
    /// POST of new resources.
    Creates,
    /// Requests for an OAuth token.
    Tokens,
}

/// When a fault occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// On every Nth request; never for 0.
    Every(u64),
    /// On the next N requests.
    Next(u64),
}

/// A delay: `fixed`, and up to `jitter` more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// What every request waits.
    pub fixed: Duration,
    /// What it may wait in addition, evenly distributed.
    pub jitter: Duration,
}

/// Too many requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// When.
    pub when: Occasion,
    /// The Retry-After header (RFC 9110 section 10.2.3).
    pub retry_after: RetryAfter,
}

/// The forms of a Retry-After header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// There is none.
    Absent,
    /// A number of seconds.
    Seconds(u64),
    /// A date, this far in the future.
    Date(Duration),
}

/// An error of the server's; nothing has been changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When.
    pub when: Occasion,
    /// 500 to 599; anything else is sent as 500.
    pub status: u16,
}

/// A broken connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// When.
    pub when: Occasion,
    /// On which side of the change.
    pub moment: CutMoment,
}

/// The moment at which a connection breaks; the client sees the same in both cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutMoment {
    /// Nothing has been changed.
    BeforeChange,
    /// The change is made, and its answer lost.
    AfterChange,
}

/// What becomes of one request.
pub(crate) enum Fate {
    /// It is served.
    Serve,
    /// It is answered with this instead.
    Answer(Box<Response>),
    /// The connection breaks instead.
    CutBefore,
    /// It is served, and the connection breaks before the answer.
    CutAfter,
}

/// A misbehaviour at work.
pub(crate) struct Faults {
    plan: Misbehaviour,
    poison: BTreeSet<String>,
    throttled: AtomicU64,
    failed: AtomicU64,
    html: AtomicU64,
    cut: AtomicU64,
    jitter: Mutex<StdRng>,
    further: Vec<Self>,
}

impl Faults {
    pub(crate) fn new(mut plan: Misbehaviour) -> Self {
        let further = std::mem::take(&mut plan.further).into_iter().map(Self::new).collect();
        let poison = plan.poison.iter().map(|name| name.to_lowercase()).collect();
        let jitter = Mutex::new(StdRng::seed_from_u64(plan.seed));
        let [throttled, failed, html, cut] = [const { AtomicU64::new(0) }; 4];
        Self { plan, poison, throttled, failed, html, cut, jitter, further }
    }

    /// How long this request waits.
    pub(crate) fn delay(&self, request: Request) -> Duration {
        self.own_delay(request) + self.further.iter().map(|faults| faults.delay(request)).sum::<Duration>()
    }

    fn own_delay(&self, request: Request) -> Duration {
        let Some(Latency { fixed, jitter }) = self.plan.latency.filter(|_| self.concerns(request)) else {
            return Duration::ZERO;
        };
        let share: f64 = self.jitter.lock().unwrap_or_else(PoisonError::into_inner).random();
        fixed + jitter.mul_f64(share)
    }

    /// What becomes of this request.
    pub(crate) fn fate(&self, request: Request) -> Fate {
        match self.own_fate(request) {
            Fate::Serve => {
                let mut fates = self.further.iter().map(|faults| faults.fate(request));
                fates.find(|fate| !matches!(fate, Fate::Serve)).unwrap_or(Fate::Serve)
            }
            fate => fate,
        }
    }

    fn own_fate(&self, request: Request) -> Fate {
        if !self.concerns(request) {
            return Fate::Serve;
        }
        if let Some(throttle) = self.plan.throttle.filter(|one| due(one.when, &self.throttled)) {
            return Fate::Answer(Box::new(too_many_requests(throttle.retry_after)));
        }
        if let Some(failure) = self.plan.failure.filter(|one| due(one.when, &self.failed)) {
            let status = StatusCode::from_u16(failure.status).ok().filter(StatusCode::is_server_error);
            let refusal = Refusal::new(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), "Told to fail.");
            return Fate::Answer(Box::new(refusal.into_response()));
        }
        if self.plan.html.is_some_and(|when| due(when, &self.html)) {
            let page = Html("<!doctype html><title>Sign in</title><p>Please sign in to continue.</p>");
            return Fate::Answer(Box::new(page.into_response()));
        }
        match self.plan.cut.filter(|one| due(one.when, &self.cut)).map(|cut| cut.moment) {
            Some(CutMoment::BeforeChange) => Fate::CutBefore,
            Some(CutMoment::AfterChange) => Fate::CutAfter,
            None => Fate::Serve,
        }
    }

    /// Whether the user of this name is refused.
    pub(crate) fn is_poison(&self, user_name: &str) -> bool {
        (!self.poison.is_empty() && self.poison.contains(&user_name.to_lowercase()))
            || self.further.iter().any(|faults| faults.is_poison(user_name))
    }

    fn concerns(&self, request: Request) -> bool {
        match self.plan.applies_to {
            Victims::All => true,
            Victims::Writes => request.is_write(),
            Victims::Creates => request.is_create(),
            Victims::Tokens => request.route == Route::Token,
        }
    }
}

fn due(when: Occasion, count: &AtomicU64) -> bool {
    let number = count.fetch_add(1, Ordering::Relaxed) + 1;
    match when {
        Occasion::Every(step) => number.is_multiple_of(step),
        Occasion::Next(many) => number <= many,
    }
}

pub(crate) fn too_many_requests(retry_after: RetryAfter) -> Response {
    let mut response =
        Refusal::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests: told to throttle.").into_response();
    let value = match retry_after {
        RetryAfter::Absent => None,
        RetryAfter::Seconds(seconds) => Some(HeaderValue::from(seconds)),
        RetryAfter::Date(ahead) => {
            SystemTime::now().checked_add(ahead).and_then(|at| HeaderValue::try_from(httpdate::fmt_http_date(at)).ok())
        }
    };
    if let Some(value) = value {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}
