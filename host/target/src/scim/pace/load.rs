//! How many requests may be under way at once: fewer while the service answers more slowly than it can, or complains.

use std::time::Duration;

use tokio::time::Instant;

/// So many times its quickest answers is a service slower when it has too much to do.
const SLOWER: f64 = 3.0;
/// Differences below this say nothing, in seconds.
const NOTICEABLE: f64 = 0.1;
/// The weight of the newest answer in the mean of the recent ones.
const WEIGHT: f64 = 0.1;

/// Requests whose answers take alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A page of a listing, or a search.
    Search,
    /// One resource.
    Read,
    /// A new resource.
    Create,
    /// A change of one.
    Change,
    /// The end of one.
    Delete,
}

/// How long the answers of one sort take, in seconds.
#[derive(Clone, Copy, Default)]
struct Answers {
    quickest: Option<f64>,
    recent: f64,
}

/// Additive increase and multiplicative decrease of the requests under way. It has no clock: all times are given.
pub(crate) struct Load {
    most: usize,
    allowed: f64,
    lowered: Option<Instant>,
    answers: [Answers; 5],
}

impl Load {
    /// At most so many at once.
    pub(crate) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self { most, allowed: as_real(most), lowered: None, answers: [Answers::default(); 5] }
    }

    /// Changes the most.
    pub(crate) fn set_most(&mut self, most: usize) {
        let unhindered = self.allowed >= as_real(self.most);
        self.most = most.max(1);
        self.allowed = if unhindered { as_real(self.most) } else { self.allowed.min(as_real(self.most)) };
    }

    /// How many at once now.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies between 1 and the most")]
    pub(crate) fn allowed(&self) -> usize {
        (self.allowed as usize).clamp(1, self.most)
    }

    /// An answer to a request that was sent at this time.
    pub(crate) fn answered(&mut self, sort: Sort, sent: Instant, now: Instant) {
        let took = now.saturating_duration_since(sent).as_secs_f64();
        let alone = self.allowed() == 1;
        if self.answers.get_mut(sort as usize).is_some_and(|answers| answers.note(took, alone)) {
            self.lower(0.75, sent, now);
        } else {
            // One more for each time that all of them have been answered.
            self.allowed = (self.allowed + 1.0 / self.allowed).min(as_real(self.most));
        }
    }

    /// The service complained about a request that was sent at this time.
    pub(crate) fn slow_down(&mut self, sent: Instant, now: Instant) {
        self.lower(0.5, sent, now);
    }

    /// Only what was sent since the last time tells whether that was enough.
    fn lower(&mut self, factor: f64, sent: Instant, now: Instant) {
        if self.lowered.is_none_or(|lowered| sent > lowered) {
            self.allowed = (self.allowed * factor).max(1.0);
            self.lowered = Some(now);
        }
    }
}

impl Answers {
    /// Notes how long an answer took; whether they have become too slow. Where a request was `alone`, that is not our
    /// doing: a service that has become slower for good is taken as it is.
    fn note(&mut self, took: f64, alone: bool) -> bool {
        let Some(quickest) = self.quickest else {
            *self = Self { quickest: Some(took), recent: took };
            return false;
        };
        self.recent += (took - self.recent) * WEIGHT;
        let forgotten = if alone { (self.recent - quickest).max(0.0) * WEIGHT } else { 0.0 };
        let quickest = (quickest + forgotten).min(took);
        self.quickest = Some(quickest);
        self.recent > quickest * SLOWER && self.recent > quickest + NOTICEABLE
    }
}

#[allow(clippy::cast_precision_loss, reason = "concurrency is 256 at most")]
fn as_real(number: usize) -> f64 {
    number as f64
}

/// How long a reply may take whose length depends on how many operations it answers.
pub(crate) fn time_for(operations: usize, one: Duration) -> Duration {
    let more = Duration::from_millis(100).saturating_mul(u32::try_from(operations).unwrap_or(u32::MAX));
    one.saturating_add(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service that works at so many requests at once and lets the rest queue: how many are under way in the end.
    fn settled(most: usize, capacity: f64, one: f64) -> usize {
        let mut load = Load::new(most);
        let mut now = Instant::now();
        load.answered(Sort::Create, now, now + Duration::from_secs_f64(one));
        for _ in 0..2000 {
            let queueing = (as_real(load.allowed()) / capacity).max(1.0);
            let sent = now;
            now += Duration::from_secs_f64(one * queueing);
            load.answered(Sort::Create, sent, now);
        }
        load.allowed()
    }

    #[test]
    fn a_service_that_keeps_up_is_left_all() {
        assert_eq!(settled(32, 64.0, 0.3), 32);
        assert_eq!(settled(64, 1.0, 0.0005), 64, "thousandths of a second tell nothing");
    }

    #[test]
    fn a_service_that_lets_requests_queue_is_sent_fewer() {
        let settled = settled(64, 4.0, 0.2);
        assert!((4..=24).contains(&settled), "{settled}");
    }

    #[test]
    fn a_service_that_has_become_slower_for_good_is_left_all_in_the_end() {
        let mut load = Load::new(8);
        let mut now = Instant::now();
        let mut least = 8;
        for number in 0..2000 {
            let sent = now;
            now += Duration::from_secs_f64(if number < 100 { 0.1 } else { 1.5 });
            load.answered(Sort::Create, sent, now);
            least = least.min(load.allowed());
        }
        assert_eq!((least, load.allowed()), (1, 8));
    }

    #[test]
    fn complaints_about_one_burst_count_once() {
        let begin = Instant::now();
        let mut load = Load::new(16);
        let later = begin + Duration::from_secs(1);
        for _ in 0..16 {
            load.slow_down(begin, later);
        }
        assert_eq!(load.allowed(), 8);
        for _ in 0..10 {
            load.slow_down(later + Duration::from_secs(1), later + Duration::from_secs(1));
        }
        assert_eq!(load.allowed(), 4);
        for step in 2..200 {
            let sent = later + Duration::from_secs(step);
            load.answered(Sort::Read, sent, sent + Duration::from_millis(5));
        }
        assert_eq!(load.allowed(), 16, "it is won back");
    }

    #[test]
    fn sorts_of_requests_are_compared_with_their_own() {
        let mut load = Load::new(8);
        let mut now = Instant::now();
        for _ in 0..200 {
            for (sort, took) in [(Sort::Read, 0.02), (Sort::Search, 2.0), (Sort::Change, 0.5)] {
                let sent = now;
                now += Duration::from_secs_f64(took);
                load.answered(sort, sent, now);
            }
        }
        assert_eq!(load.allowed(), 8);
    }
}
