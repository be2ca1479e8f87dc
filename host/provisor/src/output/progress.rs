//! A progress line on the terminal, for work that takes more than two seconds.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use provisor_sync::{Progress, Step};

/// How long work may take before it is worth a line.
const PATIENCE: Duration = Duration::from_secs(2);

/// The line. Dropped, it is gone.
pub struct ProgressLine {
    enabled: bool,
    started: Instant,
    bar: Option<ProgressBar>,
}

impl ProgressLine {
    /// A line that shows itself only where it is enabled.
    pub fn new(enabled: bool) -> Self {
        Self { enabled, started: Instant::now(), bar: None }
    }

    /// Shows how far the work is.
    pub fn show(&mut self, progress: Progress) {
        if !self.enabled || self.started.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()));
        let template = match progress.total {
            Some(_) => "{msg:<12} {wide_bar} {human_pos} of {human_len}, {eta} to go",
            None => "{msg:<12} {spinner} {human_pos}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        match progress.total {
            Some(total) => bar.set_length(total),
            None => bar.unset_length(),
        }
        bar.set_message(word(progress.step));
        bar.set_position(progress.done);
        bar.tick();
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The step's word.
pub fn word(step: Step) -> &'static str {
    match step {
        Step::Import => "importing",
        Step::Evaluate => "evaluating",
        Step::Match => "matching",
        Step::Plan => "planning",
        Step::Export => "exporting",
        Step::References => "references",
    }
}
