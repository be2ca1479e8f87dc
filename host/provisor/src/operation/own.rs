//! Carrying requests out on a data folder that no host runs on.

use std::sync::Arc;

use provisor_model::CheckLine;
use provisor_rules::RulesHost;
use provisor_sync::{Configuration, CycleWatch, HostSettings};

use super::Request;
use super::answers::{
    Activity, Answer, CheckReport, CheckSection, ConfigurationState, PluginReport, StatusReport, plugin_lines,
    wrong_document,
};
use super::approve::approve;
use super::perform::{check, on_pipeline, open, open_own_rules};
use crate::configurations;
use crate::data_folder::DataFolder;
use crate::failure::Failure;

/// A data folder that is ours for one command.
pub struct Own {
    settings: HostSettings,
    rules: Arc<RulesHost>,
    data_folder: DataFolder,
}

impl Own {
    /// Takes the folder's plugins into use.
    pub async fn open(settings: HostSettings, data_folder: DataFolder) -> Result<Self, Failure> {
        let rules = open_own_rules(&settings, data_folder.path()).await?;
        Ok(Self { settings, rules, data_folder })
    }

    /// Carries a request out.
    pub async fn perform(&self, request: Request, watch: &CycleWatch) -> Result<Answer, Failure> {
        let folder = &self.settings.configurations_folder;
        match request {
            Request::Status => Ok(Answer::Status(self.status().await?)),
            Request::Plugins => {
                // A plugin counts as in use once a configuration has bound it, which opening its pipeline does.
                self.status().await?;
                Ok(Answer::Plugins(PluginReport { plugins: plugin_lines(&self.rules) }))
            }
            Request::Approve { plugin, configuration, by } => {
                let mut uses = Vec::new();
                for file in configurations::documents(folder)? {
                    // One whose document is wrong binds nothing now; what it is granted can wait until it is right.
                    let Ok(document) = Configuration::read(&file) else { continue };
                    uses.push((document.name, document.rules));
                }
                Ok(Answer::Approved(approve(&self.rules, uses, plugin, configuration, by).await?))
            }
            Request::Check { name } => Ok(Answer::Check(self.check(name.as_deref()).await?)),
            request => {
                let configuration = configurations::read(folder, request.configuration().unwrap_or_default())?;
                let mut pipeline = open(configuration, self.data_folder.path(), &self.rules).await?;
                on_pipeline(&mut pipeline, request, watch).await
            }
        }
    }

    /// Waits for the plugins that are at the gate: a command ends with what it has found out.
    async fn settle(&self) -> Result<(), Failure> {
        let rules = self.rules.clone();
        Ok(tokio::task::spawn_blocking(move || rules.settle()).await.map_err(anyhow::Error::from)?)
    }

    async fn status(&self) -> Result<StatusReport, Failure> {
        self.settle().await?;
        let mut states = Vec::new();
        for file in configurations::documents(&self.settings.configurations_folder)? {
            states.push(match Configuration::read(&file) {
                Ok(configuration) => self.state(configuration).await,
                Err(error) => ConfigurationState::broken(&file, &error),
            });
        }
        Ok(StatusReport { host: None, configurations: states, plugins: plugin_lines(&self.rules) })
    }

    async fn state(&self, configuration: Configuration) -> ConfigurationState {
        let mut state = ConfigurationState { activity: Activity::Idle, ..ConfigurationState::new(&configuration) };
        match open(configuration, self.data_folder.path(), &self.rules).await {
            Ok(mut pipeline) => match pipeline.status().await {
                Ok(status) => {
                    state.error.clone_from(&status.last_error);
                    state.status = Some(status);
                }
                Err(error) => state.error = Some(error.to_string()),
            },
            Err(failure) => state.error = Some(failure.to_string()),
        }
        state
    }

    async fn check(&self, name: Option<&str>) -> Result<CheckReport, Failure> {
        self.settle().await?;
        let mut sections = vec![host_section(&self.settings, &self.rules)];
        let files = configurations::documents(&self.settings.configurations_folder)?;
        let wanted: Vec<_> =
            files.iter().filter(|file| name.is_none_or(|name| configurations::name(file) == name)).collect();
        if let Some(name) = name.filter(|_| wanted.is_empty()) {
            let known = files.iter().map(|file| configurations::name(file));
            return Err(configurations::unknown(name, &self.settings.configurations_folder, known));
        }
        for file in wanted {
            sections.push(match Configuration::read(file) {
                Ok(configuration) => {
                    let mut opened = open(configuration.clone(), self.data_folder.path(), &self.rules).await;
                    check(opened.as_mut().map_err(|failure| &*failure), &configuration).await
                }
                Err(error) => wrong_document(file, &error),
            });
        }
        Ok(CheckReport { sections })
    }
}

/// What is to be said of the host itself.
pub fn host_section(settings: &HostSettings, rules: &RulesHost) -> CheckSection {
    let mut lines = vec![
        CheckLine::ok("data folder", settings.data_folder.display().to_string()),
        CheckLine::ok("configurations", settings.configurations_folder.display().to_string()),
    ];
    let plugins = plugin_lines(rules);
    let rejected = plugins.iter().filter(|plugin| plugin.state == "rejected");
    lines.extend(rejected.map(|plugin| {
        let reason = plugin.reason.as_deref().unwrap_or("no reason is known");
        match &plugin.active {
            Some(_) => {
                CheckLine::warning("plugin", format!("{}: {reason}. The last good one is in force", plugin.name))
            }
            None => CheckLine::failed("plugin", format!("{}: {reason}", plugin.name)),
        }
    }));
    let usable = plugins.iter().filter(|plugin| plugin.state != "rejected").map(|plugin| plugin.name.as_str());
    lines.push(match usable.collect::<Vec<_>>() {
        names if names.is_empty() => {
            CheckLine::failed("plugins", format!("there is none in {}", settings.plugins_folder.display()))
        }
        names => CheckLine::ok("plugins", names.join(", ")),
    });
    let known: Vec<&str> = plugins.iter().map(|plugin| plugin.name.as_str()).collect();
    let unknown = settings.plugin_limits.own.keys().filter(|name| !known.contains(&name.as_str()));
    lines.extend(unknown.map(|name| {
        let folder = settings.plugins_folder.display();
        let advice =
            if known.is_empty() { "There is none".to_owned() } else { format!("There are: {}", known.join(", ")) };
        CheckLine::warning(
            "plugin-limits",
            format!("[plugin-limits.{name}] is for no plugin in {folder} or in the program. {advice}"),
        )
    }));
    lines.extend(crate::first_party::missing_advice().map(|advice| CheckLine::warning("plugins", advice)));
    CheckSection { name: "host".into(), invalid: false, lines }
}
