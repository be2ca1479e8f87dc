//! An HTTP proxy that others wrote: Debian's tinyproxy, for those who know its password.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::daemon::{Daemon, start_on_free_ports};
use crate::installed;
use crate::wait::{free_port, port_answers};

/// Who may go through.
pub const PROXY_USER: &str = "agent";
/// Their password.
pub const PROXY_PASSWORD: &str = "through-the-wall";

/// A running proxy. It is gone when this is dropped.
#[derive(Debug)]
pub struct Tinyproxy {
    port: u16,
    daemon: Daemon,
    folder: TempDir,
}

impl Tinyproxy {
    /// Starts a proxy that lets [`PROXY_USER`] through to anywhere.
    pub fn start() -> Result<Self> {
        let program = installed::program("tinyproxy")?;
        let folder = tempfile::tempdir().context("cannot make a folder for tinyproxy")?;
        let settings = folder.path().join("tinyproxy.conf");
        let log = folder.path().join("tinyproxy.log");
        let (port, daemon) = start_on_free_ports(|| {
            let port = free_port()?;
            let text = format!(
                "Listen 127.0.0.1\nPort {port}\nTimeout 60\nMaxClients 100\nLogLevel Connect\nAllow 127.0.0.1\n\
                 BasicAuth {PROXY_USER} {PROXY_PASSWORD}\n"
            );
            fs::write(&settings, text).context("cannot write tinyproxy's settings")?;
            let mut command = Command::new(&program);
            // In the foreground, so that its pid is the child's; its log goes to the standard output then.
            command.arg("-d").arg("-c").arg(&settings);
            Ok((port, Daemon::start(&mut command, &log, || port_answers(port))?))
        })?;
        Ok(Self { port, daemon, folder })
    }

    /// `http://`, with its port.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it wrote about the requests that came.
    pub fn log(&self) -> Result<String> {
        let file = self.folder.path().join("tinyproxy.log");
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    }

    /// Ends the proxy; its port refuses connections from then on.
    pub fn stop(self) -> Result<()> {
        self.daemon.terminate().map(drop)
    }
}
