//! Carrying requests out on a pipeline.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provisor_model::CheckLine;
use provisor_rules::{PluginLimits, RulesHost, RulesOptions, Updates};
use provisor_sync::{Configuration, CycleRequest, CycleWatch, HostSettings, Pipeline, PipelineOptions, PreviewRequest};

use super::{Answer, CheckSection, LogReport, Request};
use crate::failure::Failure;
use crate::first_party;

/// Opens the plugin host of a host with these settings.
pub async fn open_own_rules(settings: &HostSettings, data_folder: &Path) -> Result<Arc<RulesHost>, Failure> {
    open_rules(&settings.plugins_folder, data_folder, settings.plugin_limits.clone(), settings.plugin_updates.clone())
        .await
}

/// Opens the plugin host, on a thread that may wait: plugins are compiled.
pub async fn open_rules(
    plugins_folder: &Path,
    data_folder: &Path,
    limits: PluginLimits,
    updates: Updates,
) -> Result<Arc<RulesHost>, Failure> {
    let options = RulesOptions {
        plugins_folder: plugins_folder.to_owned(),
        data_folder: data_folder.to_owned(),
        limits,
        updates,
        embedded: first_party::FIRST_PARTY,
    };
    let opened = tokio::task::spawn_blocking(move || RulesHost::open(options)).await;
    let rules = opened.map_err(|error| Failure::failed(format!("the plugin host did not start: {error}")))??;
    Ok(Arc::new(rules))
}

/// Carries out a request about one configuration. Requests about the host are not for here.
pub async fn on_pipeline(pipeline: &mut Pipeline, request: Request, watch: &CycleWatch) -> Result<Answer, Failure> {
    Ok(match request {
        Request::Sync { initial, allow_deletes, .. } => {
            Answer::Cycle(pipeline.sync(CycleRequest { initial, allow_deletes }, watch).await?)
        }
        Request::Preview { stored, first, .. } => {
            let request = PreviewRequest { stored, first, ..PreviewRequest::default() };
            Answer::Preview(pipeline.preview(request, watch).await?)
        }
        Request::PreviewPlugin { plugin, component, first, .. } => {
            let octets = STANDARD
                .decode(component)
                .map_err(|error| Failure::usage(format!("the plugin is garbled: {error}")))?;
            Answer::PluginPreview(Box::new(pipeline.preview_plugin(&plugin, octets, first, watch).await?))
        }
        Request::Provision { object, .. } => Answer::Provision(pipeline.provision(&object, watch).await?),
        Request::Inspect { request, .. } => Answer::Inspect(Box::new(pipeline.hygiene(request, watch).await?)),
        Request::Log { name, filter } => {
            Answer::Log(LogReport { configuration: name, records: pipeline.log(filter).await? })
        }
        Request::Check { .. } | Request::Status | Request::Plugins | Request::Approve { .. } => {
            return Err(Failure::failed(
                "a request about the host reached a configuration. This is a mistake in provisor; please report it",
            ));
        }
    })
}

/// Looks at everything that a configuration depends on. What keeps it from being opened is a line like the others.
pub async fn check(pipeline: Result<&mut Pipeline, &Failure>, configuration: &Configuration) -> CheckSection {
    let document = format!("{} is valid", configuration.file.display());
    let mut lines = vec![CheckLine::ok("configuration", document)];
    let mut invalid = false;
    match pipeline {
        Ok(pipeline) => lines.extend(pipeline.check().await),
        Err(failure) => {
            invalid = failure.status() == crate::failure::Status::Usage;
            lines.push(CheckLine::failed("configuration", failure.to_string()));
            lines.extend(first_party::missing_advice().map(|advice| CheckLine::failed("plugins", advice)));
        }
    }
    CheckSection { name: configuration.name.clone(), invalid, lines }
}

/// Opens the pipeline of a configuration.
pub async fn open(
    configuration: Configuration,
    data_folder: &Path,
    rules: &Arc<RulesHost>,
) -> Result<Pipeline, Failure> {
    let options = PipelineOptions { data_folder: data_folder.to_owned(), rules: Arc::clone(rules) };
    Ok(Pipeline::open(configuration, options).await?)
}
