//! The wasm target of the toolchain that builds the host.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;

/// How long the download of the target may take: without a network, rustup retries for much longer.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(120);

/// Makes sure that the active toolchain has the standard library for the target.
///
/// # Errors
/// When rustup does not have it, or cannot fetch it.
pub fn ensure_target(target: &str) -> Result<()> {
    if has_target(target)? {
        return Ok(());
    }
    process::quietly(Command::new("rustup").args(["target", "add", target]), DOWNLOAD_LIMIT)?;
    if !has_target(target)? {
        bail!("rustup added {target} to another toolchain than the active one");
    }
    Ok(())
}

/// The folder of the active toolchain.
pub fn sysroot() -> Result<PathBuf> {
    let output = process::quietly(Command::new("rustc").args(["--print", "sysroot"]), Duration::from_secs(60))?;
    Ok(PathBuf::from(output.trim_end()))
}

/// The triple of this machine.
pub fn host() -> Result<String> {
    let output = process::quietly(Command::new("rustc").arg("-vV"), Duration::from_secs(60))?;
    let host = output.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}

fn has_target(target: &str) -> Result<bool> {
    let libraries = sysroot()?.join("lib/rustlib").join(target).join("lib");
    Ok(libraries.is_dir())
}
