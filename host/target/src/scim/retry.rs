//! When a request is tried again, and how long everybody waits before.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// What trying a request again may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Safety {
    /// It changes nothing.
    Read,
    /// A second time changes nothing more.
    Idempotent,
    /// A second time may make a second resource.
    Once,
}

/// The longest wait that a service's `Retry-After` brings about.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// The longest wait between two attempts that nobody asked for.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// Reads a `Retry-After` header (RFC 9110, section 10.2.3): seconds or a date, at most five minutes.
pub(crate) fn retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    let wait = match header.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        // So many digits that they do not fit are seconds all the same.
        Err(_) if !header.is_empty() && header.bytes().all(|octet| octet.is_ascii_digit()) => LONGEST_PAUSE,
        Err(_) => httpdate::parse_http_date(header).ok()?.duration_since(now).unwrap_or(Duration::ZERO),
    };
    Some(wait.min(LONGEST_PAUSE))
}

/// Waits that double, each cut short at random so that clients do not come back all at once ("full jitter").
pub(crate) struct Backoff {
    ceiling: Duration,
}

impl Backoff {
    /// Waits that begin with at most `first`.
    pub(crate) fn new(first: Duration) -> Self {
        Self { ceiling: first.min(LONGEST_BACKOFF) }
    }

    /// The next wait.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let wait = self.ceiling.mul_f64(rand::random::<f64>());
        self.ceiling = (self.ceiling * 2).min(LONGEST_BACKOFF);
        wait
    }
}

/// A pause that all requests to a target keep, because the service asked one of them to slow down.
#[derive(Default)]
pub(crate) struct Pause {
    until: Mutex<Option<Instant>>,
}

impl Pause {
    /// Lets everybody wait for this long from now, unless they wait longer already.
    pub(crate) fn extend(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut present = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *present = Some(present.map_or(until, |present| present.max(until)));
    }

    /// Whether there is a pause now.
    pub(crate) fn holds(&self) -> bool {
        self.until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| until > Instant::now())
    }

    /// Waits for the end of the pause, but not beyond `deadline`; tells whether the pause is over.
    pub(crate) async fn over(&self, deadline: Instant) -> bool {
        loop {
            let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
            match until {
                Some(until) if until > Instant::now() => {
                    if until > deadline {
                        return false;
                    }
                    tokio::time::sleep_until(until).await;
                }
                _ => return true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let seconds = |header| retry_after(header, now).map(|wait| wait.as_secs());
        assert_eq!(seconds("7"), Some(7));
        assert_eq!(seconds(" 0 "), Some(0));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:47 GMT"), Some(10));
        assert_eq!(seconds("Sunday, 06-Nov-94 08:49:47 GMT"), Some(10));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0), "a date that has passed");
        assert_eq!(seconds("86400"), Some(300), "longer than anybody waits");
        assert_eq!(seconds("99999999999999999999999"), Some(300));
        for nonsense in ["", "soon", "-1", "1.5"] {
            assert_eq!(seconds(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn backoff_doubles_up_to_its_ceiling() {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        for ceiling in [1, 2, 4, 8, 16, 30, 30] {
            assert!(backoff.next_wait() <= Duration::from_secs(ceiling));
        }
    }

    #[tokio::test]
    async fn a_pause_holds_everybody_and_the_longest_one_counts() {
        let pause = Pause::default();
        let begin = Instant::now();
        let far = begin + Duration::from_secs(60);
        assert!(pause.over(far).await, "nobody asked for a pause");
        pause.extend(Duration::from_millis(40));
        pause.extend(Duration::from_millis(1));
        assert!(pause.over(far).await);
        assert!(begin.elapsed() >= Duration::from_millis(40));
        pause.extend(Duration::from_secs(120));
        assert!(!pause.over(far).await, "a pause beyond the deadline is not waited for");
    }
}
