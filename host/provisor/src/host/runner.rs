//! One configuration of a running host: a task that owns its pipeline, runs its cycles, and answers requests between them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use provisor_rules::Binding;
use provisor_sync::{Configuration, CycleOutcome, CycleWatch, Mode, Pipeline, Progress};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::live::Live;
use super::registry::Registry;
use super::{Event, Shared};
use crate::failure::Failure;
use crate::operation::{Activity, Answer, CheckReport, ConfigurationState, Request, check, on_pipeline, open};

/// The longest wait after failed cycles.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(3600);

/// How long news of a change waits for more of it.
const GATHERING: Duration = Duration::from_millis(200);

/// How many requests may wait for a running cycle.
const QUEUE: usize = 16;

/// A configuration that runs. Dropped or stopped, its task ends between two objects.
pub struct Runner {
    requests: mpsc::Sender<Asked>,
    configuration: watch::Sender<Configuration>,
    rules_changed: Arc<Notify>,
    stop: Arc<watch::Sender<bool>>,
    state: Arc<State>,
}

/// A request, and where its answer goes.
struct Asked {
    request: Request,
    watch: CycleWatch,
    reply: oneshot::Sender<Result<Answer, Failure>>,
}

/// What is shown of a runner while its pipeline is busy.
struct State(Mutex<Shown>);

struct Shown {
    state: ConfigurationState,
    progress: Option<watch::Receiver<Progress>>,
    ended: bool,
}

impl State {
    fn shown(&self) -> MutexGuard<'_, Shown> {
        // Plain values that are set one by one: whole after a panic, too.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runner {
    /// Starts the task.
    pub fn start(configuration: Configuration, shared: Arc<Shared>, registry: Arc<Registry>) -> Self {
        let shown = Shown { state: ConfigurationState::new(&configuration), progress: None, ended: false };
        let state = Arc::new(State(Mutex::new(shown)));
        let (requests, asked) = mpsc::channel(QUEUE);
        let (configuration, changed) = watch::channel(configuration);
        let stop = Arc::new(watch::Sender::new(false));
        let rules_changed = Arc::new(Notify::new());
        let runner = Self {
            requests,
            configuration,
            rules_changed: Arc::clone(&rules_changed),
            stop: Arc::clone(&stop),
            state: Arc::clone(&state),
        };
        let task = Task {
            shared,
            configuration: changed,
            pipeline: None,
            state,
            stop,
            due: Some(Instant::now()),
            failures: 0,
            live: Live::default(),
        };
        tokio::spawn(async move {
            let state = Arc::clone(&task.state);
            // In a task of its own, so that a panic ends this configuration alone and is seen.
            if let Err(error) = tokio::spawn(task.run(asked, rules_changed)).await {
                let mut shown = state.shown();
                tracing::error!(configuration = shown.state.name, %error, "the configuration has stopped by a mistake in provisor");
                shown.state.error =
                    Some(format!("it has stopped by a mistake in provisor: {error}. Restart the host, and report it"));
                shown.state.activity = Activity::Idle;
            }
            state.shown().ended = true;
            registry.one_ended();
        });
        runner
    }

    /// Takes up a changed configuration once the running cycle has ended.
    pub fn reconfigure(&self, configuration: Configuration) {
        self.configuration.send_replace(configuration);
    }

    /// Says that plugins have changed.
    pub fn rules_changed(&self) {
        self.rules_changed.notify_one();
    }

    /// Whether the configuration uses a plugin.
    pub fn uses(&self, plugin: &str) -> bool {
        self.configuration.borrow().rules.iter().any(|binding| binding.plugin == plugin)
    }

    /// Which plugins the configuration uses, and how.
    pub fn bindings(&self) -> (String, Vec<Binding>) {
        let configuration = self.configuration.borrow();
        (configuration.name.clone(), configuration.rules.clone())
    }

    /// Has a request carried out once the running cycle has ended.
    pub async fn perform(&self, request: Request, watch: &CycleWatch) -> Result<Answer, Failure> {
        let stopped = || Failure::failed("the configuration is stopping; nothing was done. Try again");
        let (reply, answer) = oneshot::channel();
        let asked = Asked { request, watch: watch.clone(), reply };
        self.requests.send(asked).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// How it stands.
    pub fn state(&self) -> ConfigurationState {
        let shown = self.state.shown();
        let progress = shown.progress.as_ref().map(|progress| *progress.borrow());
        ConfigurationState { progress, ..shown.state.clone() }
    }

    /// Asks the task to end.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Whether the task has ended.
    pub fn has_ended(&self) -> bool {
        self.state.shown().ended
    }
}

/// What the task owns.
struct Task {
    shared: Arc<Shared>,
    configuration: watch::Receiver<Configuration>,
    pipeline: Option<Pipeline>,
    state: Arc<State>,
    stop: Arc<watch::Sender<bool>>,
    /// When the next cycle is due; none: never by itself.
    due: Option<Instant>,
    failures: u32,
    /// What brings the next cycle forward.
    live: Live,
}

impl Task {
    async fn run(mut self, mut asked: mpsc::Receiver<Asked>, rules_changed: Arc<Notify>) {
        let mut stop = self.stop.subscribe();
        let shared = Arc::clone(&self.shared);
        let news = self.live.news();
        self.plan_next(Duration::ZERO);
        if self.due.is_none() {
            self.show_status().await;
        }
        loop {
            let due = self.due;
            tokio::select! {
                biased;
                () = shared.stopped() => break,
                () = stopped(&mut stop) => break,
                Ok(()) = self.configuration.changed() => self.take_up().await,
                Some(asked) = asked.recv() => self.answer(asked).await,
                () = rules_changed.notified() => self.look_at_rules().await,
                // After failures the back-off has the say.
                () = news.notified(), if due.is_some() && self.failures == 0 => self.bring_forward(),
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.cycle().await,
            }
        }
        let name = self.configuration.borrow().name.clone();
        self.shared.rules.release(&name);
    }

    /// Lets the next cycle begin soon, because something has changed.
    fn bring_forward(&mut self) {
        let soon = Instant::now() + GATHERING;
        if self.due.is_some_and(|due| due > soon) {
            self.plan_next(GATHERING);
        }
    }

    /// Listens to the source from where the cycle has left it, where that is configured.
    async fn listen(&mut self) {
        let Some(pipeline) = &self.pipeline else { return };
        match pipeline.live_source().await {
            Ok(source) => self.live.follow(pipeline.name(), source),
            Err(error) => tracing::warn!(configuration = pipeline.name(), %error, "the source cannot be listened to"),
        }
    }

    /// Shows how a configuration stands while no cycle has run.
    async fn show_status(&mut self) {
        let status = match self.pipeline().await {
            Ok(pipeline) => pipeline.status().await.map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        let mut shown = self.state.shown();
        match status {
            Ok(status) => {
                shown.state.error.clone_from(&status.last_error);
                shown.state.status = Some(status);
            }
            Err(failure) => shown.state.error = Some(failure.to_string()),
        }
    }

    /// The open pipeline.
    async fn pipeline(&mut self) -> Result<&mut Pipeline, Failure> {
        if self.pipeline.is_none() {
            let configuration = self.configuration.borrow().clone();
            let data_folder = self.shared.settings.data_folder.clone();
            self.pipeline = Some(open(configuration, &data_folder, &self.shared.rules).await?);
        }
        self.pipeline.as_mut().ok_or_else(|| Failure::failed("the pipeline is not open"))
    }

    /// Takes up a changed configuration, and runs a cycle with it soon.
    async fn take_up(&mut self) {
        let configuration = self.configuration.borrow_and_update().clone();
        {
            let mut shown = self.state.shown();
            shown.state.file.clone_from(&configuration.file);
            shown.state.would_do = None;
        }
        if let Some(pipeline) = &mut self.pipeline {
            pipeline.reconfigure(configuration);
        }
        // The source may be another.
        self.live.stop();
        self.failures = 0;
        self.plan_next(Duration::ZERO);
        // What was shown is of the document before, and no cycle may follow that would show another.
        self.show_status().await;
    }

    /// Starts a cycle at once where changed rules would decide otherwise.
    async fn look_at_rules(&mut self) {
        let changed = match &mut self.pipeline {
            // Rules that cannot be loaded are for the cycle to report.
            Some(pipeline) => pipeline.rules_changed().await.unwrap_or(true),
            // It could not be opened, perhaps for want of what has just come.
            None => true,
        };
        if changed && self.due.is_some() {
            self.cycle().await;
        }
    }

    /// A cycle, or in staging a preview.
    async fn cycle(&mut self) {
        let staging = self.configuration.borrow().mode == Mode::Staging;
        let name = self.configuration.borrow().name.clone();
        let request = if staging {
            Request::Preview { name, stored: false, first: 0 }
        } else {
            Request::Sync { name, initial: false, allow_deletes: None }
        };
        let outcome = self.work(request, CycleWatch::new()).await;
        match outcome {
            Ok(answer) => {
                self.failures = 0;
                self.done(answer);
                let interval = self.configuration.borrow().interval;
                self.plan_next(interval);
                self.listen().await;
            }
            Err(failure) => self.failed(&failure),
        }
    }

    /// Answers a request. A cycle that somebody asked for counts as one.
    async fn answer(&mut self, asked: Asked) {
        let is_cycle = matches!(asked.request, Request::Sync { .. });
        let outcome = match asked.request {
            Request::Check { .. } => Ok(Answer::Check(CheckReport { sections: vec![self.check().await] })),
            request => self.work(request, asked.watch).await,
        };
        match &outcome {
            Ok(Answer::Cycle(report)) if is_cycle => {
                self.failures = 0;
                self.done(Answer::Cycle(report.clone()));
                let interval = self.configuration.borrow().interval;
                self.plan_next(interval);
                self.listen().await;
            }
            Err(failure) if is_cycle => self.show_failure(failure),
            _ => {}
        }
        // The command may have gone away; what it asked for is done all the same.
        let _ = asked.reply.send(outcome);
    }

    /// Shows why a cycle failed that somebody asked for. The next one stays planned as it was.
    fn show_failure(&self, failure: &Failure) {
        let mut shown = self.state.shown();
        shown.state.error = match (&self.pipeline, &shown.state.status) {
            // One that was refused or paused is no failure; the store knows how the last one ended.
            (Some(_), Some(status)) => status.last_error.clone(),
            _ => Some(failure.to_string()),
        };
    }

    async fn check(&mut self) -> crate::operation::CheckSection {
        let configuration = self.configuration.borrow().clone();
        match self.pipeline().await {
            Ok(pipeline) => check(Ok(pipeline), &configuration).await,
            Err(failure) => check(Err(&failure), &configuration).await,
        }
    }

    /// Works on the pipeline while its progress is shown. When the host stops, the work is asked to pause and awaited.
    async fn work(&mut self, request: Request, watch: CycleWatch) -> Result<Answer, Failure> {
        let shared = Arc::clone(&self.shared);
        let mut stop = self.stop.subscribe();
        let writes = matches!(request, Request::Sync { .. } | Request::Preview { .. } | Request::Provision { .. });
        let _permit = if writes {
            tokio::select! {
                permit = shared.cycles.acquire() => permit.ok(),
                () = shared.stopped() => return Err(Failure::failed("the host is stopping; nothing was done")),
            }
        } else {
            None
        };
        let before = {
            let mut shown = self.state.shown();
            shown.progress = Some(watch.progress());
            std::mem::replace(&mut shown.state.activity, Activity::Running)
        };
        let outcome = match self.pipeline().await {
            Ok(pipeline) => {
                let mut work = std::pin::pin!(on_pipeline(pipeline, request, &watch));
                tokio::select! {
                    outcome = &mut work => outcome,
                    () = async { tokio::select! { () = shared.stopped() => {}, () = stopped(&mut stop) => {} } } => {
                        watch.stop();
                        work.await
                    }
                }
            }
            Err(failure) => Err(failure),
        };
        let status = match &mut self.pipeline {
            Some(pipeline) => pipeline.status().await.ok(),
            None => None,
        };
        let mut shown = self.state.shown();
        shown.progress = None;
        shown.state.activity = before;
        if status.is_some() {
            shown.state.status = status;
        }
        outcome
    }

    /// Shows and tells what a cycle did.
    fn done(&self, answer: Answer) {
        let mut shown = self.state.shown();
        shown.state.error = None;
        match answer {
            Answer::Cycle(report) => {
                let took = Duration::from_millis(u64::try_from(report.ended - report.started).unwrap_or(0));
                let operations = serde_json::to_string(&report.operations).unwrap_or_default();
                let (configuration, cycle, failed, held) =
                    (&report.configuration, report.cycle, report.failed, report.held);
                match report.outcome {
                    CycleOutcome::Completed if report.operations.is_empty() && report.imported.read == 0 => {
                        tracing::debug!(configuration, cycle, ?took, "cycle completed, nothing has changed");
                    }
                    CycleOutcome::Completed => {
                        tracing::info!(configuration, cycle, ?took, operations, "cycle completed")
                    }
                    CycleOutcome::CompletedWithFailures => {
                        let left_over = match (failed, held) {
                            (0, 0) => "objects of earlier cycles are tried again later",
                            (0, _) => "objects are held",
                            _ => "objects failed",
                        };
                        tracing::warn!(
                            configuration,
                            cycle,
                            ?took,
                            operations,
                            failed,
                            held,
                            "cycle completed, but {left_over}"
                        );
                    }
                    CycleOutcome::Paused => tracing::info!(configuration, cycle, ?took, operations, "cycle paused"),
                }
                self.shared.tell(Event::Cycle(Box::new(report)));
            }
            Answer::Preview(report) => {
                let operations = serde_json::to_string(&report.operations).unwrap_or_default();
                tracing::info!(configuration = report.configuration, operations, "staging: a cycle would do this");
                shown.state.would_do = Some(report.operations);
            }
            _ => {}
        }
    }

    /// Shows and tells that a cycle failed, and waits longer before the next.
    fn failed(&mut self, failure: &Failure) {
        self.failures = self.failures.saturating_add(1);
        let interval = self.configuration.borrow().interval;
        let wait = back_off(interval, self.failures);
        let name = self.configuration.borrow().name.clone();
        tracing::error!(configuration = name, next_try = ?wait, "{failure}");
        self.plan_next(wait);
        let mut shown = self.state.shown();
        shown.state.error = Some(failure.to_string());
        if self.due.is_some() {
            shown.state.activity = Activity::BackingOff;
        }
        drop(shown);
        self.shared.tell(Event::Failed { configuration: name, error: failure.to_string() });
    }

    /// Plans the next cycle, where the configuration runs by itself.
    fn plan_next(&mut self, wait: Duration) {
        let runs = self.configuration.borrow().mode != Mode::Disabled;
        self.due = runs.then(|| Instant::now() + wait);
        let mut shown = self.state.shown();
        shown.state.failures = self.failures;
        shown.state.activity = if runs { Activity::Waiting } else { Activity::Idle };
        shown.state.next_cycle =
            runs.then(|| Timestamp::now().as_millisecond() + i64::try_from(wait.as_millis()).unwrap_or(i64::MAX / 2));
    }
}

/// Ends when the configuration is asked to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone asks for the same.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The wait after some failed cycles: the interval, doubled with each, up to an hour or one interval that is longer.
fn back_off(interval: Duration, failures: u32) -> Duration {
    let doubled = interval.saturating_mul(2u32.saturating_pow(failures.min(20)));
    doubled.min(LONGEST_BACK_OFF.max(interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_cycles_wait_longer_and_longer_up_to_an_hour() {
        let seconds = |interval, failures| back_off(Duration::from_secs(interval), failures).as_secs();
        assert_eq!((1..=4).map(|failures| seconds(120, failures)).collect::<Vec<_>>(), [240, 480, 960, 1920]);
        assert_eq!(seconds(120, 5), 3600);
        assert_eq!(seconds(120, u32::MAX), 3600);
        assert_eq!(seconds(7200, 3), 7200);
    }
}
