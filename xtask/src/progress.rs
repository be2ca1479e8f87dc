//! One line for each step, with the time it took: what a person or a CI log needs to see where the minutes go.

use std::fmt::{self, Display};
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Writes a line to standard error. A closed standard error is no reason to stop a chore.
pub fn say(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The steps of one chore.
pub struct Progress {
    started: Instant,
}

impl Progress {
    /// Starts the clock of the whole chore.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Runs one step between two lines: its name when it begins, its time when it ends. An error names the step.
    pub fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        say(format_args!("==> [{}] {name}", Clock(self.started.elapsed())));
        let began = Instant::now();
        let outcome = work().with_context(|| format!("{name} failed"));
        if outcome.is_ok() {
            say(format_args!("<== [{}] {name}: done in {}", Clock(self.started.elapsed()), Clock(began.elapsed())));
        }
        outcome
    }
}

/// A duration as minutes and seconds.
struct Clock(Duration);

impl Display for Clock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        write!(out, "{}:{:02}.{}", seconds / 60, seconds % 60, self.0.subsec_millis() / 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_named_in_its_error() {
        let mut progress = Progress::start();
        let error = progress.step("format", || -> Result<()> { anyhow::bail!("3 files differ") }).unwrap_err();
        assert_eq!(format!("{error:#}"), "format failed: 3 files differ");
    }

    #[test]
    fn a_clock_shows_minutes_seconds_and_tenths() {
        assert_eq!(Clock(Duration::from_millis(125_340)).to_string(), "2:05.3");
    }
}
