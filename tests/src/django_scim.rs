//! A SCIM 2.0 server that others wrote: PyPI's django-scim2 in a small Django site, which keeps little and can do little.

use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::daemon::{Daemon, start_on_free_ports};
use crate::installed;
use crate::wait::{free_port, port_answers};

/// A running site, its database in a folder of its own. It is gone when this is dropped.
#[derive(Debug)]
pub struct DjangoScim {
    port: u16,
    daemon: Daemon,
    _folder: TempDir,
}

impl DjangoScim {
    /// Starts an empty server that accepts this bearer token alone.
    pub fn start(token: &str) -> Result<Self> {
        let python = installed::venv_program("python")?;
        let folder = tempfile::tempdir().context("cannot make a folder for Django")?;
        let log = folder.path().join("django.log");
        let (port, daemon) = start_on_free_ports(|| {
            let port = free_port()?;
            let mut command = Command::new(&python);
            command.arg(installed::server_file("django/serve.py")).current_dir(folder.path());
            command.env("PORT", port.to_string()).env("TOKEN", token);
            command.env("DATABASE", folder.path().join("site.sqlite"));
            Ok((port, Daemon::start(&mut command, &log, || port_answers(port))?))
        })?;
        Ok(Self { port, daemon, _folder: folder })
    }

    /// The service's base address, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/scim/v2", self.port)
    }

    /// Ends the server; its port refuses connections from then on.
    pub fn stop(self) -> Result<()> {
        self.daemon.terminate().map(drop)
    }
}
