//! A SCIM 2.0 server that others wrote: PyPI's scim2-server, strict to the RFCs, its store in memory.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::daemon::{Daemon, start_on_free_ports};
use crate::installed;
use crate::wait::{free_port, port_answers};

/// A running scim2-server. It is gone when this is dropped.
#[derive(Debug)]
pub struct Scim2Server {
    port: u16,
    daemon: Daemon,
    _folder: TempDir,
}

impl Scim2Server {
    /// Starts an empty server that accepts this bearer token alone.
    pub fn start(token: &str) -> Result<Self> {
        Self::start_announcing(token, None)
    }

    /// The same, with this ServiceProviderConfig, a JSON document, in place of its own.
    pub fn start_announcing(token: &str, provider: Option<&str>) -> Result<Self> {
        let program = installed::venv_program("scim2-server")?;
        let folder = tempfile::tempdir().context("cannot make a folder for scim2-server")?;
        let log = folder.path().join("scim2-server.log");
        let announced = folder.path().join("provider.json");
        if let Some(provider) = provider {
            fs::write(&announced, provider).context("cannot write what scim2-server announces")?;
        }
        let (port, daemon) = start_on_free_ports(|| {
            let port = free_port()?;
            let mut command = Command::new(&program);
            command.args(["--hostname", "127.0.0.1", "--port", &port.to_string(), "--bearer-token", token]);
            if provider.is_some() {
                command.arg("--service-provider-config").arg(&announced);
            }
            Ok((port, Daemon::start(&mut command, &log, || port_answers(port))?))
        })?;
        Ok(Self { port, daemon, _folder: folder })
    }

    /// The service's base address, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v2", self.port)
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Ends the server; its port refuses connections from then on.
    pub fn stop(self) -> Result<()> {
        self.daemon.terminate().map(drop)
    }
}
