//! Where the things that tests find rather than build are: programs, the venv, the binary, the plugins.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The root of the workspace.
#[must_use]
pub fn workspace_root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// A program of the system, looked up in PATH and in the administrator's folders, where servers live.
pub fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .with_context(|| format!("{name} is not installed: run `cargo xtask setup`"))
}

/// A program of the Python venv that holds the SCIM software.
pub fn venv_program(name: &str) -> Result<PathBuf> {
    let file = workspace_root().join("target/test-servers/venv/bin").join(name);
    existing(file, "run `cargo xtask setup`")
}

/// The folder into which npm installed the packages of a server below tests/servers, such as `scimmy`.
pub fn npm_folder(server: &str) -> Result<PathBuf> {
    let folder = workspace_root().join("target/test-servers").join(server);
    existing(folder.join("installed"), "run `cargo xtask setup`")?;
    Ok(folder)
}

/// A file of a server below tests/servers.
#[must_use]
pub fn server_file(name: &str) -> PathBuf {
    workspace_root().join("tests/servers").join(name)
}

/// A first-party plugin's component, such as `people`.
pub fn plugin(name: &str) -> Result<PathBuf> {
    let file = workspace_root().join("target/plugins").join(format!("{name}.wasm"));
    existing(file, "run `cargo xtask plugins`")
}

/// An example's component, such as `unique-user-names`.
pub fn example(name: &str) -> Result<PathBuf> {
    let file = workspace_root().join("target/plugins-test").join(format!("{name}.wasm"));
    existing(file, "run `cargo xtask plugins --tests`")
}

/// The plugin that misbehaves as its configuration says.
pub fn test_guest() -> Result<PathBuf> {
    example("provisor-test-guest")
}

/// The `provisor` program that was built with the running test.
pub fn provisor() -> Result<PathBuf> {
    let test = std::env::current_exe().context("cannot tell where this test program is")?;
    // Cargo puts test programs into PROFILE/deps and binaries into PROFILE.
    let profile = test.parent().and_then(Path::parent).context("this test program is in no target folder")?;
    existing(profile.join("provisor"), "run the tests by `cargo xtask test`, or `cargo build --package provisor` first")
}

fn existing(file: PathBuf, remedy: &str) -> Result<PathBuf> {
    if !file.is_file() {
        anyhow::bail!("{} is missing: {remedy}", file.display());
    }
    Ok(file)
}
