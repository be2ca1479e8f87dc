//! A SCIM 2.0 server that others wrote: npm's SCIMMY, lenient, its store a map of our own.

use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::daemon::{Daemon, start_on_free_ports};
use crate::installed;
use crate::wait::{free_port, port_answers};

/// A running server of SCIMMY's routers. It is gone when this is dropped.
#[derive(Debug)]
pub struct Scimmy {
    port: u16,
    daemon: Daemon,
    _folder: TempDir,
}

impl Scimmy {
    /// Starts an empty server that accepts this bearer token alone.
    pub fn start(token: &str) -> Result<Self> {
        let node = installed::program("node")?;
        let packages = installed::npm_folder("scimmy")?;
        let folder = tempfile::tempdir().context("cannot make a folder for SCIMMY")?;
        let log = folder.path().join("scimmy.log");
        let (port, daemon) = start_on_free_ports(|| {
            let port = free_port()?;
            let mut command = Command::new(&node);
            // The packages are looked for from the folder that it is started in.
            command.arg(installed::server_file("scimmy/server.mjs")).current_dir(&packages);
            command.env("PORT", port.to_string()).env("TOKEN", token);
            Ok((port, Daemon::start(&mut command, &log, || port_answers(port))?))
        })?;
        Ok(Self { port, daemon, _folder: folder })
    }

    /// The service's base address, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/scim", self.port)
    }

    /// Ends the server; its port refuses connections from then on.
    pub fn stop(self) -> Result<()> {
        self.daemon.terminate().map(drop)
    }
}
