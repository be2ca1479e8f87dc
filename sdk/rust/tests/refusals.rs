//! What does not compile says why and what to do. Only words are compared that the compiler takes from this crate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn mistakes_of_authors_are_refused_with_what_to_do() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("refusals");
    let examples = scratch.join("examples");
    let _ = fs::remove_dir_all(&examples);
    fs::create_dir_all(&examples).unwrap();
    fs::create_dir_all(scratch.join("src")).unwrap();
    fs::write(scratch.join("src/lib.rs"), "//! Only its examples matter.\n").unwrap();
    // The versions of this workspace, so that nothing is asked of the network.
    fs::copy(own.join("../../Cargo.lock"), scratch.join("Cargo.lock")).unwrap();
    let manifest = format!(
        "[workspace]\n[package]\nname = \"refusals\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[dependencies]\n\
         provisor-sdk = {{ path = {own:?} }}\nschemars = \"1\"\nserde = {{ version = \"1\", features = [\"derive\"] }}\n"
    );
    fs::write(scratch.join("Cargo.toml"), manifest).unwrap();

    let mut cases = 0;
    for case in fs::read_dir(own.join("tests/refused")).unwrap() {
        let case = case.unwrap().path();
        let name = case.file_stem().unwrap().to_str().unwrap();
        let source = fs::read_to_string(&case).unwrap();
        let expected: Vec<&str> = source.lines().filter_map(|line| line.strip_prefix("//~ ")).collect();
        assert!(!expected.is_empty(), "{name} expects nothing");
        fs::write(examples.join(format!("{name}.rs")), format!("{source}\nfn main() {{}}\n")).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["check", "--quiet", "--offline", "--example", name]).current_dir(&scratch);
        let output = cargo.env("CARGO_TARGET_DIR", scratch.join("target")).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{name} compiles");
        for words in expected {
            assert!(told.contains(words), "{name} does not say {words:?}:\n{told}");
        }
        cases += 1;
    }
    assert!(cases >= 6, "only {cases} cases were found");
}
