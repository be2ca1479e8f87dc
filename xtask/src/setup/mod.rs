//! `cargo xtask setup`: what the tests need beside cargo. Idempotent, quiet when all is there, and never skipped.

mod apt;
pub mod npm;
pub mod venv;

use anyhow::Result;

use crate::progress::Progress;
use crate::workspace;

/// Installs what is missing, or fails with the command that would.
pub fn run(progress: &mut Progress) -> Result<()> {
    progress.step("set-up of the test servers", || {
        apt::ensure_programs()?;
        venv::ensure()?;
        npm::ensure(&workspace::root().join("tests/servers/scimmy"), "scimmy")?;
        npm::ensure(&workspace::root().join("xtask/javascript"), "javascript").map(drop)
    })
}
