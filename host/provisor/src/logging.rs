//! The log: to standard error, for people or as JSON.

use std::io::{IsTerminal, stderr};

use provisor_sync::{LogFormat, LogLevel, Logging};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// The crates whose lines are the project's own.
const ROOMS: [&str; 7] = [
    "provisor",
    "provisor_sync",
    "provisor_directory",
    "provisor_space",
    "provisor_rules",
    "provisor_target",
    "provisor_tenant",
];

/// Starts logging. Called once; a second call changes nothing.
pub fn start(logging: Logging) {
    let level = match logging.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // Libraries write what they send and receive at lower levels, credentials included: never more than their warnings.
    let filter =
        Targets::new().with_default(level.min(LevelFilter::WARN)).with_targets(ROOMS.map(|room| (room, level)));
    let lines = fmt::layer().with_writer(stderr).with_target(false);
    let layer = match logging.format {
        LogFormat::Text => lines
            .with_ansi(stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
            .with_filter(filter)
            .boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
    };
    if let Err(error) = tracing_subscriber::registry().with(layer).try_init() {
        tracing::debug!(%error, "logging has been started before");
    }
}
