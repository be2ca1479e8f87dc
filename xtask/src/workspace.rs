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

/// The cargo that runs this chore, in the root of the workspace, without what cargo told this chore of its own package: build
/// scripts that look at it would run anew, and what stands on them, whenever cargo is called now from here and now by hand.
pub fn cargo() -> Command {
    let mut command = provisor_plugin_build::cargo(root());
    let names = std::env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| name.to_str().is_some_and(is_of_a_package)) {
        command.env_remove(name);
    }
    command
}

fn is_of_a_package(name: &str) -> bool {
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}
