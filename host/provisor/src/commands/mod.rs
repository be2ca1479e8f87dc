//! The commands, one file each: what they ask for, and how the answer is shown.

mod check;
mod demo;
mod inspect;
mod log;
mod plugin;
mod preview;
mod provision;
mod run;
mod show;
mod status;
mod sync;

use std::path::{Path, PathBuf};

use provisor_sync::{HostSettings, Logging};

use crate::cli::{Cli, Command, Global, Plugin};
use crate::failure::{Failure, Status};
use crate::logging;
use crate::operation::{Answer, Request, perform_anywhere};
use crate::output::Output;

/// Where `provisor.toml` is looked for.
const PLACES: [&str; 2] = ["provisor.toml", "/etc/provisor/provisor.toml"];

/// Runs the command.
pub async fn run(cli: Cli, output: Output) -> Result<Status, Failure> {
    let global = cli.global;
    match cli.command {
        Command::Demo(demo) => demo::run(demo, &global, output).await,
        Command::Plugin(Plugin::Check { plugin, plugin_config }) => {
            plugin::check(&plugin, plugin_config.as_deref(), &global, output).await
        }
        command => {
            let settings = settings(&global)?;
            start_logging(&global, settings.logging);
            let context = Context { settings, output };
            match command {
                Command::Run => run::run(context).await,
                Command::Check { name } => check::run(context, name).await,
                Command::Sync(sync) => sync::run(context, sync).await,
                Command::Preview(preview) => preview::run(context, preview).await,
                Command::Provision { name, object } => provision::run(context, name, object).await,
                Command::Inspect(inspect) => inspect::run(context, inspect, global.json).await,
                Command::Log(log) => log::run(context, log).await,
                Command::Status => status::run(context).await,
                Command::Plugin(Plugin::Approve { plugin, configuration }) => {
                    plugin::approve(context, plugin, configuration).await
                }
                Command::Plugin(_) => plugin::list(context).await,
                Command::Demo(_) => Ok(Status::Done),
            }
        }
    }
}

/// What a command works with.
struct Context {
    settings: HostSettings,
    output: Output,
}

impl Context {
    /// Has a request carried out, with a progress line.
    async fn perform(&self, request: Request) -> Result<Answer, Failure> {
        let mut line = self.output.progress();
        perform_anywhere(&self.settings, request, &mut |progress| line.show(progress)).await
    }
}

/// An answer that is none to what was asked.
fn mismatch() -> Failure {
    Failure::failed("the running host answered something else than was asked. Is it of another version? Restart it")
}

/// Reads `provisor.toml`.
fn settings(global: &Global) -> Result<HostSettings, Failure> {
    let file = match &global.config {
        Some(file) => file.clone(),
        None => PLACES.iter().map(PathBuf::from).find(|file| file.exists()).ok_or_else(|| {
            Failure::usage(format!(
                "there is no {}. Name the host's document with --config, or make one: docs/install.md shows how, and \
                 provisor demo writes an example",
                PLACES.join(" and no ")
            ))
        })?,
    };
    // A bare name would leave relative paths in it without a folder to start from.
    let file = std::path::absolute(&file).unwrap_or(file);
    Ok(HostSettings::read(&file)?)
}

/// Starts the log as the document says, where the command line does not say otherwise.
fn start_logging(global: &Global, configured: Logging) {
    logging::start(Logging {
        format: global.log_format.unwrap_or(configured.format),
        level: global.log_level.unwrap_or(configured.level),
    });
}

/// The name of a plugin in a file: the file's name without `.wasm`.
fn plugin_name(file: &Path) -> Result<String, Failure> {
    let name =
        file.file_stem().and_then(|stem| stem.to_str()).filter(|_| file.extension().is_some_and(|end| end == "wasm"));
    let wrong = || Failure::usage(format!("{} is no plugin file: its name must end in .wasm", file.display()));
    name.map(str::to_owned).ok_or_else(wrong)
}
