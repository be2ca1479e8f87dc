//! What a registry would be given is whole: the interface lies outside of the crates, behind a link.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::process::Command;

#[test]
fn the_packages_have_the_interface() {
    for package in ["provisor-sdk", "provisor-sdk-macros"] {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["package", "--list", "--allow-dirty", "--offline", "--package", package]);
        let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        let (files, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{package}: {errors}");
        for file in ["types", "lifecycle", "filter", "mapping", "write-back", "log", "worlds"] {
            assert!(
                files.lines().any(|line| line == format!("wit/{file}.wit")),
                "{package} has no {file}.wit:\n{files}"
            );
        }
    }
}
