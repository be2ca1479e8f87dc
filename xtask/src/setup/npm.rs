//! The SCIM servers that others wrote, from npm, each in a folder below target.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::progress::say;
use crate::{process, workspace};

const INSTALL_LIMIT: Duration = Duration::from_secs(600);

/// Installs what the server of this name below tests/servers locks, unless just that is there.
pub fn ensure(server: &str) -> Result<()> {
    let source = workspace::root().join("tests/servers").join(server);
    let folder = workspace::target("test-servers").join(server);
    let lock = source.join("package-lock.json");
    let wanted = fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    // A copy of the lock file, written last: a folder without it was never finished, another one is of other versions.
    let installed = folder.join("installed");
    if fs::read_to_string(&installed).is_ok_and(|present| present == wanted) {
        return Ok(());
    }
    say(format_args!("    installing {server} from npm"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(source.join(name), folder.join(name)).with_context(|| format!("cannot copy {server}'s {name}"))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
    process::quietly(&mut npm, INSTALL_LIMIT).with_context(|| format!("cannot install {server} from npm"))?;
    fs::write(&installed, wanted).with_context(|| format!("cannot write {}", installed.display()))
}
