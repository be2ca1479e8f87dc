//! The running host: a task for each configuration, the folders that are watched, and the requests of other commands.

mod documents;
mod event;
mod live;
mod plugins;
mod registry;
mod runner;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use provisor_rules::RulesHost;
use provisor_sync::{CycleWatch, HostSettings};
use tokio::sync::{Semaphore, broadcast, watch};

pub use event::Event;

use crate::data_folder::DataFolder;
use crate::failure::Failure;
use crate::operation::{
    Answer, CheckReport, HostState, PluginReport, Request, StatusReport, approve, host_section, open_own_rules,
    plugin_lines,
};
use registry::Registry;

/// How long a stopping host waits for its cycles to pause.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// How many events a slow listener may be behind before it loses some.
const EVENTS: usize = 1024;

/// What the tasks of the host share.
pub struct Shared {
    pub settings: HostSettings,
    pub rules: Arc<RulesHost>,
    /// A permit for each cycle that may run at once.
    pub cycles: Semaphore,
    pub events: broadcast::Sender<Event>,
    /// Becomes true when the host stops.
    pub stop: watch::Sender<bool>,
}

/// A running host. It holds its data folder until it is dropped.
pub struct Host {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    started: Timestamp,
    _data_folder: DataFolder,
}

impl Host {
    /// Starts every configuration of the folder. With `preview_updates`, what a changed plugin would change is worked
    /// out and told before it is taken up.
    pub async fn start(
        settings: HostSettings,
        data_folder: DataFolder,
        preview_updates: bool,
    ) -> Result<Arc<Self>, Failure> {
        // A folder that is wrong from the start is a mistake to be told at once, not one to wait out.
        crate::configurations::documents(&settings.configurations_folder)?;
        let rules = open_own_rules(&settings, data_folder.path()).await?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let shared = Arc::new(Shared {
            settings,
            rules,
            cycles: Semaphore::new(cores),
            events: broadcast::Sender::new(EVENTS),
            stop: watch::Sender::new(false),
        });
        let registry = Arc::new(Registry::default());
        documents::start(Arc::clone(&shared), Arc::clone(&registry));
        plugins::start(Arc::clone(&shared), Arc::clone(&registry), preview_updates);
        Ok(Arc::new(Self { shared, registry, started: Timestamp::now(), _data_folder: data_folder }))
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// Carries out a request of another command.
    pub async fn perform(&self, request: Request, watch: &CycleWatch) -> Result<Answer, Failure> {
        match request {
            Request::Status => Ok(Answer::Status(StatusReport {
                host: Some(HostState {
                    process: std::process::id(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    started: self.started.as_millisecond(),
                }),
                configurations: self.registry.states(),
                plugins: plugin_lines(&self.shared.rules),
            })),
            Request::Plugins => Ok(Answer::Plugins(PluginReport { plugins: plugin_lines(&self.shared.rules) })),
            Request::Approve { plugin, configuration, by } => {
                let runners = self.registry.runners();
                let uses = runners.iter().map(|runner| runner.bindings()).collect();
                let report = approve(&self.shared.rules, uses, plugin, configuration, by).await?;
                runners.iter().for_each(|runner| runner.rules_changed());
                Ok(Answer::Approved(report))
            }
            Request::Check { name: None } => {
                let mut sections = vec![host_section(&self.shared.settings, &self.shared.rules)];
                for name in self.registry.names() {
                    sections.extend(self.check(&name, watch).await?.sections);
                }
                Ok(Answer::Check(CheckReport { sections }))
            }
            Request::Check { name: Some(name) } => Ok(Answer::Check(self.check(&name, watch).await?)),
            request => {
                let name = request.configuration().unwrap_or_default().to_owned();
                self.runner(&name)?.perform(request, watch).await
            }
        }
    }

    async fn check(&self, name: &str, watch: &CycleWatch) -> Result<CheckReport, Failure> {
        if let Some(section) = self.registry.wrong_document(name) {
            return Ok(CheckReport { sections: vec![section] });
        }
        match self.runner(name)?.perform(Request::Check { name: Some(name.to_owned()) }, watch).await? {
            Answer::Check(report) => Ok(report),
            _ => Err(Failure::failed(
                "a check was answered by something else. This is a mistake in provisor; please report it",
            )),
        }
    }

    fn runner(&self, name: &str) -> Result<Arc<runner::Runner>, Failure> {
        let folder = &self.shared.settings.configurations_folder;
        self.registry.runner(name, folder)
    }

    /// Asks every cycle to pause, and waits until they have, but no longer than some seconds.
    pub async fn stop(&self) {
        self.shared.stop.send_replace(true);
        if tokio::time::timeout(STOP_PATIENCE, self.registry.ended()).await.is_err() {
            tracing::warn!(
                "a cycle has not paused in time; it is left to end where it stands, and the next start goes on from there"
            );
        }
    }
}

impl Shared {
    /// Ends when the host stops.
    pub async fn stopped(&self) {
        // The sender is part of this, so that it cannot be gone.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }

    /// Tells whoever listens.
    pub fn tell(&self, event: Event) {
        // Without a listener there is nobody to tell.
        let _ = self.events.send(event);
    }
}
