//! Requests per second: evenly spaced within a budget, halved when the service asks to slow down, and slowly won back.

use std::time::Duration;

use tokio::time::Instant;

/// How much may be sent ahead of an even spacing: a fifth of a second's worth.
const BURST: Duration = Duration::from_millis(200);
/// What part of the budget is won back in a second without complaints.
const RECOVERY: f64 = 0.05;
/// The least part of the budget that complaints leave.
const FLOOR: f64 = 0.05;
/// The least rate that complaints leave, per second.
const SLOWEST: f64 = 0.5;

/// A rate by the generic cell rate algorithm. It has no clock: all times are given.
pub(crate) struct Rate {
    /// Requests per second at most; none is no limit at all.
    budget: Option<f64>,
    present: f64,
    reckoned: Instant,
    slowed: Option<Instant>,
    /// When the next request were due, had all before it been spaced evenly.
    due: Instant,
}

impl Rate {
    /// A rate without a limit.
    pub(crate) fn new(now: Instant) -> Self {
        Self { budget: None, present: 0.0, reckoned: now, slowed: None, due: now }
    }

    /// Changes the budget; what complaints have left of the former one is kept, up to the new one.
    pub(crate) fn set_budget(&mut self, budget: Option<f64>, now: Instant) {
        self.recover(now);
        let Some(most) = budget else {
            self.budget = None;
            return;
        };
        let unhindered = self.budget.is_none_or(|former| self.present >= former);
        self.present = if unhindered { most } else { self.present.min(most) };
        self.budget = budget;
    }

    /// The present rate per second; none without a limit.
    pub(crate) fn present(&mut self, now: Instant) -> Option<f64> {
        self.recover(now);
        self.budget.map(|_| self.present)
    }

    /// Takes the next place in line, and says when it comes.
    pub(crate) fn take(&mut self, now: Instant) -> Instant {
        let Some(rate) = self.present(now) else { return now };
        let due = self.due.max(now);
        self.due = due + Duration::from_secs_f64(1.0 / rate);
        due.checked_sub(BURST).map_or(now, |at| at.max(now))
    }

    /// Lets nothing out before this time, and no burst at it.
    pub(crate) fn hold(&mut self, until: Instant) {
        self.due = self.due.max(until + BURST);
    }

    /// The service complained about a request that was sent at this time. Complaints about requests that were sent
    /// before the rate was last halved say nothing new.
    pub(crate) fn slow_down(&mut self, sent: Instant, now: Instant) {
        let Some(budget) = self.budget else { return };
        if self.slowed.is_some_and(|slowed| sent <= slowed) {
            return;
        }
        self.recover(now);
        self.present = (self.present / 2.0).max(budget * FLOOR).max(SLOWEST).min(budget);
        self.slowed = Some(now);
    }

    fn recover(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.reckoned).as_secs_f64();
        self.reckoned = self.reckoned.max(now);
        if let Some(budget) = self.budget {
            self.present = (self.present + passed * budget * RECOVERY).min(budget);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(number: f64) -> Duration {
        Duration::from_secs_f64(number)
    }

    /// How many requests go out in a time, when there is always one that waits.
    fn sent_within(rate: &mut Rate, begin: Instant, length: Duration) -> usize {
        let mut now = begin;
        let mut sent = 0;
        loop {
            now = now.max(rate.take(now));
            if now >= begin + length {
                return sent;
            }
            sent += 1;
        }
    }

    #[test]
    fn a_budget_holds_over_any_time_but_for_a_small_burst() {
        let begin = Instant::now();
        let mut rate = Rate::new(begin);
        rate.set_budget(Some(25.0), begin);
        let sent = sent_within(&mut rate, begin, seconds(10.0));
        assert!((250..=256).contains(&sent), "{sent}");
        let late = begin + seconds(1000.0);
        let burst = (0..100).take_while(|_| rate.take(late) == late).count();
        assert_eq!(burst, 6, "a long rest is not saved up");
    }

    #[test]
    fn without_a_budget_nothing_waits() {
        let now = Instant::now();
        let mut rate = Rate::new(now);
        rate.slow_down(now, now);
        assert!((0..10_000).all(|_| rate.take(now) == now));
    }

    #[test]
    fn a_complaint_halves_the_rate_once_and_it_is_won_back_slowly() {
        let begin = Instant::now();
        let mut rate = Rate::new(begin);
        rate.set_budget(Some(20.0), begin);
        let later = begin + seconds(1.0);
        // Eight requests were under way, and all are refused.
        for _ in 0..8 {
            rate.slow_down(begin + seconds(0.5), later);
        }
        assert_eq!(rate.present(later), Some(10.0));
        assert_eq!(rate.present(later + seconds(5.0)), Some(15.0));
        assert_eq!(rate.present(later + seconds(60.0)), Some(20.0));
        let mut now = later + seconds(60.0);
        for _ in 0..20 {
            now += seconds(0.001);
            rate.slow_down(now, now);
        }
        let least = rate.present(now).unwrap();
        assert!((1.0..1.01).contains(&least), "it never comes to a standstill: {least}");
    }

    #[test]
    fn a_pause_is_followed_by_no_burst() {
        let begin = Instant::now();
        let mut rate = Rate::new(begin);
        rate.set_budget(Some(10.0), begin);
        rate.hold(begin + seconds(30.0));
        assert_eq!(rate.take(begin), begin + seconds(30.0));
        assert_eq!(rate.take(begin), begin + seconds(30.1));
    }
}
