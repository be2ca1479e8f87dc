//! The pace of one service: its rate, the requests under way, and its pauses, shared by all that call it.

mod load;
mod rate;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

pub(crate) use load::{Sort, time_for};

use load::Load;
use rate::Rate;

use crate::scim::retry::Pause;

/// What one configuration allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limits {
    /// Requests per second; none is no limit.
    pub(crate) rate: Option<u32>,
    /// Requests under way at once.
    pub(crate) concurrency: usize,
}

/// The pace of one service. Where configurations of one service allow different numbers, the lowest hold for all.
pub(crate) struct Pace {
    state: Mutex<State>,
    turns: Semaphore,
    pause: Pause,
}

struct State {
    rate: Rate,
    load: Load,
    /// How many turns there are, taken ones among them.
    turns: usize,
    /// Turns that are not given back when they end, because fewer are allowed now.
    excess: usize,
    claims: Vec<(u64, Limits)>,
    next_claim: u64,
}

/// A configuration's limits, which hold as long as it lives.
pub(crate) struct Claim {
    pace: Arc<Pace>,
    number: u64,
}

/// The right to have one request under way.
pub(crate) struct Turn<'p> {
    pace: &'p Pace,
    permit: Option<SemaphorePermit<'p>>,
}

impl Pace {
    /// Nothing is allowed before somebody claims.
    pub(crate) fn new() -> Self {
        let state = State {
            rate: Rate::new(Instant::now()),
            load: Load::new(1),
            turns: 0,
            excess: 0,
            claims: Vec::new(),
            next_claim: 0,
        };
        Self { state: Mutex::new(state), turns: Semaphore::new(0), pause: Pause::default() }
    }

    /// Adds a configuration's limits.
    pub(crate) fn claim(self: &Arc<Self>, limits: Limits) -> Claim {
        let mut state = self.state();
        let number = state.next_claim;
        state.next_claim += 1;
        state.claims.push((number, limits));
        self.apply_claims(&mut state);
        drop(state);
        Claim { pace: Arc::clone(self), number }
    }

    /// Waits until one more request may be under way.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        // The semaphore is never closed.
        Turn { pace: self, permit: self.turns.acquire().await.ok() }
    }

    /// Waits for the end of a pause and for the next place in line. None where the pause goes beyond the deadline; else
    /// how long was waited for the line alone, which is nobody's fault.
    pub(crate) async fn admitted(&self, deadline: Instant) -> Option<Duration> {
        let mut waited = Duration::ZERO;
        loop {
            if !self.pause.over(deadline + waited).await {
                return None;
            }
            let now = Instant::now();
            let at = self.state().rate.take(now);
            if at <= now {
                return Some(waited);
            }
            tokio::time::sleep_until(at).await;
            waited += at - now;
            if !self.pause.holds() {
                return Some(waited);
            }
        }
    }

    /// The service answered a request that was sent at this time.
    pub(crate) fn answered(&self, sort: Sort, sent: Instant) {
        let mut state = self.state();
        state.load.answered(sort, sent, Instant::now());
        self.apply_load(&mut state);
    }

    /// The service asked to slow down: everybody waits, and goes on at half the rate and with half the requests at once.
    pub(crate) fn slow_down(&self, sent: Instant, wait: Duration) {
        let now = Instant::now();
        let mut state = self.state();
        state.rate.slow_down(sent, now);
        state.rate.hold(now + wait);
        state.load.slow_down(sent, now);
        self.apply_load(&mut state);
        drop(state);
        self.pause.extend(wait);
    }

    /// The limits that hold now.
    pub(crate) fn limits(&self) -> Limits {
        Self::lowest(&self.state().claims)
    }

    fn lowest(claims: &[(u64, Limits)]) -> Limits {
        let rate = claims.iter().filter_map(|(_, limits)| limits.rate).min();
        Limits { rate, concurrency: claims.iter().map(|(_, limits)| limits.concurrency).min().unwrap_or(1) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply_claims(&self, state: &mut State) {
        let limits = Self::lowest(&state.claims);
        state.rate.set_budget(limits.rate.map(f64::from), Instant::now());
        state.load.set_most(limits.concurrency);
        self.apply_load(state);
    }

    fn apply_load(&self, state: &mut State) {
        let allowed = state.load.allowed();
        if allowed > state.turns {
            let more = allowed - state.turns;
            let kept = more.min(state.excess);
            state.excess -= kept;
            self.turns.add_permits(more - kept);
        } else {
            let fewer = state.turns - allowed;
            state.excess += fewer - self.turns.forget_permits(fewer);
        }
        state.turns = allowed;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut state = self.pace.state();
        state.claims.retain(|(number, _)| *number != self.number);
        if !state.claims.is_empty() {
            self.pace.apply_claims(&mut state);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.pace.state();
        if state.excess > 0
            && let Some(permit) = self.permit.take()
        {
            state.excess -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(pace: &Pace) -> usize {
        pace.turns.available_permits()
    }

    #[tokio::test]
    async fn the_lowest_limits_of_all_configurations_hold() {
        let pace = Arc::new(Pace::new());
        let one = pace.claim(Limits { rate: None, concurrency: 8 });
        assert_eq!((pace.limits(), free(&pace)), (Limits { rate: None, concurrency: 8 }, 8));
        let other = pace.claim(Limits { rate: Some(5), concurrency: 3 });
        assert_eq!((pace.limits(), free(&pace)), (Limits { rate: Some(5), concurrency: 3 }, 3));
        drop(one);
        assert_eq!(pace.limits(), Limits { rate: Some(5), concurrency: 3 });
        let _third = pace.claim(Limits { rate: None, concurrency: 9 });
        drop(other);
        assert_eq!((pace.limits(), free(&pace)), (Limits { rate: None, concurrency: 9 }, 9));
    }

    #[tokio::test]
    async fn turns_that_are_taken_are_not_given_back_where_fewer_are_allowed() {
        let pace = Arc::new(Pace::new());
        let _claim = pace.claim(Limits { rate: None, concurrency: 4 });
        let mut taken = Vec::new();
        for _ in 0..4 {
            taken.push(pace.turn().await);
        }
        let sent = Instant::now();
        pace.slow_down(sent, Duration::ZERO);
        taken.truncate(2);
        assert_eq!(free(&pace), 0, "two are allowed, and two are under way");
        taken.truncate(1);
        assert_eq!(free(&pace), 1);
        for _ in 0..20 {
            pace.answered(Sort::Read, Instant::now());
        }
        drop(taken);
        assert_eq!(free(&pace), 4, "all are back in the end");
    }
}
