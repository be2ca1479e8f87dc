//! A provisor program with a configuration of its own, run as an administrator runs it.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod circle;
pub mod https;
pub mod model;
pub mod scenario;
pub mod sources;
pub mod targets;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use provisor_tests::installed;
use serde_json::Value;
use tempfile::TempDir;

/// The token of every target here.
pub const TOKEN: &str = "lab-token-of-the-tests";

/// A folder with `provisor.toml`, one configuration and the first-party plugins.
pub struct Agent {
    folder: TempDir,
}

impl Agent {
    /// An agent whose one configuration, `lab`, reads this.
    pub fn new(configuration: &str) -> Self {
        let agent = Self { folder: TempDir::new().unwrap() };
        for folder in ["plugins", "configurations"] {
            fs::create_dir(agent.path(folder)).unwrap();
        }
        for plugin in ["people", "groups"] {
            fs::copy(installed::plugin(plugin).unwrap(), agent.path(&format!("plugins/{plugin}.wasm"))).unwrap();
        }
        let settings =
            "data-folder = \"data\"\nplugins-folder = \"plugins\"\nconfigurations-folder = \"configurations\"\n";
        fs::write(agent.path("provisor.toml"), settings).unwrap();
        agent.secret("token", TOKEN);
        fs::write(agent.path("configurations/lab.toml"), configuration).unwrap();
        agent
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file beside the configuration that only its owner may read.
    pub fn secret(&self, name: &str, text: &str) {
        let file = self.path("configurations").join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(installed::provisor().unwrap());
        command.arg("--config").arg(self.path("provisor.toml")).args(arguments).stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command with `--json` that must end well, and gives what it printed.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[&["--json"], arguments].concat());
        let words = String::from_utf8_lossy(&output.stderr);
        let report = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{arguments:?} ended with {}: {words}{report}", output.status);
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// All resources of a kind, over as many pages as it takes. A page behind the last is never asked for: there are
/// services that answer it with the first.
pub async fn listed(base: &str, kind: &str) -> Vec<Value> {
    let client = client();
    let mut resources: Vec<Value> = Vec::new();
    loop {
        let url = format!("{base}/{kind}?startIndex={}&count=2000", resources.len() + 1);
        let reply = client.get(url).bearer_auth(TOKEN).send().await.unwrap().error_for_status().unwrap();
        let mut page: Value = reply.json().await.unwrap();
        let Value::Array(rows) = page["Resources"].take() else { return resources };
        let none = rows.is_empty();
        resources.extend(rows);
        if none || page["totalResults"].as_u64().is_some_and(|total| resources.len() as u64 >= total) {
            return resources;
        }
    }
}

/// A client for looking at targets.
pub fn client() -> reqwest::Client {
    let provider = rustls::crypto::ring::default_provider();
    // A second call finds it installed already.
    let _already = provider.install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}
