//! Where things are: the root of the workspace, the folders below target, and the cargo that started this chore.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the workspace. It was compiled in: xtask is always run from the checkout that it was built in.
pub fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// A folder below target. It is the workspace's own even where CARGO_TARGET_DIR points elsewhere: the binary's build
/// script and the tests look for plugins and servers there.
pub fn target(name: &str) -> PathBuf {
    root().join("target").join(name)
}

/// The cargo that runs this chore, in the root of the workspace.
pub fn cargo() -> Command {
    provisor_plugin_build::cargo(root())
}
