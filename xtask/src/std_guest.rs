//! The guest whose standard library is made for a system: its target comes from the Rust download site alone.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use provisor_plugin_build::{ensure_target, process, replace_if_changed};

use crate::progress::say;
use crate::workspace;

const TARGET: &str = "wasm32-wasip2";
const NAME: &str = "std-guest";

/// Builds it into a folder; where the target cannot be had, leaves the reason there for its tests.
pub fn build(into: &Path) -> Result<()> {
    let absent = into.join(format!("{NAME}.absent"));
    if let Err(reason) = ensure_target(TARGET) {
        say(format_args!("    {NAME}: left out, with its tests, for want of the target {TARGET}: {reason:#}"));
        return fs::write(&absent, format!("{reason:#}")).with_context(|| format!("cannot write {}", absent.display()));
    }
    let guests = workspace::target("guests");
    let mut cargo = workspace::cargo();
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").env("CARGO_TARGET_DIR", &guests);
    cargo.args(["rustc", "--lib", "--crate-type", "cdylib", "--profile", "guest", "--target", TARGET]);
    // Its sections of debug information are larger than all the rest; names stay.
    cargo.args(["--config", "profile.guest.strip='debuginfo'", "--package", "provisor-test-std-guest"]);
    process::run(&mut cargo)?;
    let built = guests.join(TARGET).join("guest/provisor_test_std_guest.wasm");
    let component = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    let state =
        if replace_if_changed(&into.join(format!("{NAME}.wasm")), &component)? { "written" } else { "unchanged" };
    say(format_args!("    {NAME}: {} KB, {state}", component.len().div_ceil(1024)));
    match fs::remove_file(&absent) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", absent.display()))
        }
        _ => Ok(()),
    }
}
