//! What concerns the process as a whole: what it may leave behind, and the signals that end it.

use anyhow::Context;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// Keeps secrets in: no core dumps, and no file of ours that others may read.
pub fn harden() -> Result<(), Failure> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0).context("core dumps cannot be switched off")?;
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    Ok(())
}

/// SIGTERM and SIGINT (Ctrl-C), which ask the process to stop.
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Takes the signals over: from here on they no longer end the process by themselves.
    pub fn take_over() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).context("signals cannot be listened for");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Ends when the next of them comes.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
