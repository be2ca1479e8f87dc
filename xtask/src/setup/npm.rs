//! What comes from npm, each in a folder below target: SCIM servers that others wrote, and what makes guests of JavaScript.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::progress::say;
use crate::{process, workspace};

const INSTALL_LIMIT: Duration = Duration::from_secs(600);

/// Installs what the lock file in a folder names, unless just that is there. Returns where.
pub fn ensure(source: &Path, name: &str) -> Result<PathBuf> {
    let folder = workspace::target("test-servers").join(name);
    let lock = source.join("package-lock.json");
    let wanted = fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    // A copy of the lock file, written last: a folder without it was never finished, another one is of other versions.
    let installed = folder.join("installed");
    if fs::read_to_string(&installed).is_ok_and(|present| present == wanted) {
        return Ok(folder);
    }
    say(format_args!("    installing {name} from npm"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(source.join(file), folder.join(file)).with_context(|| format!("cannot copy {name}'s {file}"))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
    process::quietly(&mut npm, INSTALL_LIMIT).with_context(|| format!("cannot install {name} from npm"))?;
    fs::write(&installed, wanted).with_context(|| format!("cannot write {}", installed.display()))?;
    Ok(folder)
}
