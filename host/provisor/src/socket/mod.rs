//! The Unix socket in the data folder, on which a running host answers the other commands: one request to a connection,
//! as a line of JSON; then lines of progress, and one with the answer.

mod client;
mod server;

use provisor_sync::Progress;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::operation::Answer;

pub use client::Client;
pub use server::{remove, serve};

/// The longest line in either direction, in octets: a plugin of 64 MiB in base64 fits.
const MAX_LINE: usize = 96 * 1024 * 1024;

/// How often a host that works on an answer says so.
const HEARTBEAT: std::time::Duration = std::time::Duration::from_millis(500);

/// How long a line may be in coming: a host that is silent for so long is stuck.
const SILENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// A line from the host.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    /// Still at it.
    Progress(Progress),
    /// Done.
    Answer(Box<Answer>),
    /// It came to no good end.
    Failure(Failure),
}
