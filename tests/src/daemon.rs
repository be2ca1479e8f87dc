//! A server process of a test: its output in a file, stopped by its own pid, never outliving its owner.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::wait_until;

/// How often a server is started before it is given up.
const STARTS: usize = 3;
const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Starts a server on ports that were found free, and again on others: something else may have taken one meanwhile.
pub fn start_on_free_ports<T>(mut start: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 1..STARTS {
        if let Ok(started) = start() {
            return Ok(started);
        }
    }
    start()
}

/// A running server process.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts the program with its output in `log` and waits until `ready` says so. Fails early, with the end of the log, when the
    /// program ends by itself.
    pub fn start(command: &mut Command, log: &Path, mut ready: impl FnMut() -> bool) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let mut daemon = Self { name, child, log: log.to_owned() };
        let mut ended = None;
        wait_until(&format!("{} to answer", daemon.name), START_LIMIT, || {
            ended = daemon.child.try_wait().ok().flatten();
            ended.is_some() || ready()
        })
        .with_context(|| daemon.log_end())?;
        match ended {
            Some(status) => bail!("{} ended at once with {status}: {}", daemon.name, daemon.log_end()),
            None => Ok(daemon),
        }
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks the server to end (SIGTERM), waits for it, and kills it when it does not within a deadline.
    pub fn terminate(mut self) -> Result<ExitStatus> {
        self.end(Signal::SIGTERM)
    }

    /// Kills the server (SIGKILL), as a crash or a power cut would, and waits for its end.
    pub fn crash(mut self) -> Result<ExitStatus> {
        self.end(Signal::SIGKILL)
    }

    /// The end of what the server wrote, for messages.
    #[must_use]
    pub fn log_end(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let end = text.get(text.len().saturating_sub(2000)..).unwrap_or_default();
        String::from_utf8_lossy(end).into_owned()
    }

    fn end(&mut self, signal: Signal) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        // Not yet waited for, so the pid is still this child's and nobody else's.
        let pid = i32::try_from(self.child.id()).context("the process id is no pid")?;
        kill(Pid::from_raw(pid), signal).with_context(|| format!("cannot signal {}", self.name))?;
        let mut ended = None;
        let waited = wait_until(&format!("{} to end", self.name), STOP_LIMIT, || {
            ended = self.child.try_wait().ok().flatten();
            ended.is_some()
        });
        if waited.is_err() {
            self.child.kill()?;
            return Ok(self.child.wait()?);
        }
        ended.with_context(|| format!("{} ended without a status", self.name))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_server_that_ends_by_itself_is_reported_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let error =
            Daemon::start(&mut shell("echo port taken; exit 7"), &folder.path().join("log"), || false).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("exit status: 7") && text.contains("port taken"), "{text}");
    }

    #[test]
    fn terminating_lets_the_server_end_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let ready = folder.path().join("ready");
        let script = format!("trap 'exit 5' TERM; : > {}; while :; do sleep 0.05; done", ready.display());
        let daemon = Daemon::start(&mut shell(&script), &folder.path().join("log"), || ready.exists()).unwrap();
        assert_eq!(daemon.terminate().unwrap().code(), Some(5));
    }

    #[test]
    fn a_dropped_server_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let daemon = Daemon::start(Command::new("sleep").arg("60"), &folder.path().join("log"), || true).unwrap();
        let process = format!("/proc/{}", daemon.pid());
        assert!(Path::new(&process).exists());
        drop(daemon);
        assert!(!Path::new(&process).exists());
    }
}
