//! The authors' pages: the example rule is quoted word for word, builds and passes the load gate; the first-party settings are complete.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "helpers of tests end them with the reason"
)]

use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Output};

use provisor_tests::installed;

const EXAMPLE: &str = "examples/first-rule";

fn read(file: &str) -> String {
    fs::read_to_string(installed::workspace_root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn tutorial() -> String {
    read("docs/plugins/first-rule.md")
}

/// The code blocks of the tutorial that begin with this fence, in order.
fn blocks(text: &str, fence: &str) -> Vec<String> {
    let opening = format!("```{fence}\n");
    text.split(&opening).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    assert!(output.status.success(), "{command:?}: {}{}", text(&output.stdout), text(&output.stderr));
    output
}

#[test]
fn the_tutorial_quotes_the_rule_word_for_word() {
    let (of_component, of_rule): (Vec<String>, Vec<String>) =
        blocks(&tutorial(), "rust").into_iter().partition(|block| block.starts_with("//! The component"));
    assert_eq!(of_rule.join("\n"), read(&format!("{EXAMPLE}/src/lib.rs")));
    assert_eq!(of_component.join("\n"), read(&format!("{EXAMPLE}/tests/component.rs")));
}

#[test]
fn the_tutorial_quotes_the_cases_word_for_word() {
    let cases = read(&format!("{EXAMPLE}/cases/cost-center.json"));
    assert!(blocks(&tutorial(), "json").contains(&cases));
}

#[test]
fn the_tutorial_quotes_the_manifest() {
    let quoted = blocks(&tutorial(), "toml").into_iter().find(|block| block.starts_with("[package]")).unwrap();
    let manifest = read(&format!("{EXAMPLE}/Cargo.toml"));
    // The author's crate lies beside the checkout, the example in it.
    let quoted = quoted.replace("../provisor/sdk/rust", "../../sdk/rust");
    let missing: Vec<&str> = quoted.lines().filter(|line| !manifest.lines().any(|known| known == *line)).collect();
    assert!(missing.is_empty(), "{EXAMPLE}/Cargo.toml does not have: {missing:?}");
}

#[test]
fn the_rule_of_the_tutorial_passes_the_load_gate() {
    let folder = tempfile::tempdir().unwrap();
    let root = installed::workspace_root();
    run(Command::new(env!("CARGO"))
        .current_dir(root)
        .args(["xtask", "plugins", "--path", EXAMPLE, "--into"])
        .arg(folder.path()));
    let settings = folder.path().join("settings.toml");
    let quoted = blocks(&tutorial(), "toml").into_iter().find(|block| block.starts_with("[cost-centers]")).unwrap();
    fs::write(&settings, quoted).unwrap();
    let component = folder.path().join("cost-center.wasm");
    let told = told(&[component.as_os_str(), OsStr::new("--plugin-config"), settings.as_os_str()]);
    let mapping = &told["contracts"]["mapping"];
    assert_eq!(mapping["object_classes"], serde_json::json!(["user"]), "{told}");
    assert_eq!(mapping["reads"][0]["name"], "departmentNumber", "{told}");
    assert_eq!(told["cases"], 2, "{told}");
}

#[test]
fn a_new_plugin_from_the_template_passes_the_load_gate() {
    let folder = tempfile::tempdir().unwrap();
    let (plugin, into) = (folder.path().join("greeting"), folder.path().join("plugins"));
    let root = installed::workspace_root();
    run(Command::new(env!("CARGO")).current_dir(root).args(["xtask", "new-plugin"]).arg(&plugin));
    // The versions of this workspace, so that nothing is asked of the network.
    fs::copy(root.join("Cargo.lock"), plugin.join("Cargo.lock")).unwrap();
    let mut build = Command::new(env!("CARGO"));
    build.current_dir(root).env("CARGO_NET_OFFLINE", "true").args(["xtask", "plugins", "--path"]);
    run(build.arg(&plugin).arg("--into").arg(&into));
    let told = told(&[into.join("greeting.wasm").as_os_str()]);
    assert_eq!(told["contracts"]["mapping"]["writes"][0]["path"], "nickName", "{told}");
    assert!(told["summary"].as_str().is_some_and(|summary| summary.contains("12 letters")), "{told}");
}

#[test]
fn a_plugin_without_an_sdk_is_built_and_checked_as_its_page_says() {
    let page = read("docs/plugins/without-an-sdk.md");
    let commands = blocks(&page, "sh").into_iter().find(|block| block.starts_with("cargo xtask")).unwrap();
    let mut commands = commands.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let (build, check) = (commands.next().unwrap(), commands.next().unwrap());
    let ["cargo", build @ .., "plugins"] = build.as_slice() else { panic!("{build:?}") };
    let ["provisor", "plugin", "check", component] = check.as_slice() else { panic!("{check:?}") };
    let folder = tempfile::tempdir().unwrap();
    run(Command::new(env!("CARGO"))
        .current_dir(installed::workspace_root())
        .args(build)
        .arg(folder.path().join("plugins")));
    let told = told(&[folder.path().join(component).as_os_str()]);
    assert_eq!(told["contracts"]["mapping"]["writes"][0]["path"], "displayName", "{told}");
}

#[test]
fn the_scope_of_the_reference_passes_the_plugins_schema_and_contract() {
    let page = read("docs/plugins/scoping.md");
    let document = blocks(&page, "toml").into_iter().find(|block| block.starts_with("[[rules]]")).unwrap();
    let document: toml::Table = document.parse().unwrap();
    let rule = &document["rules"][0];
    assert_eq!(rule["plugin"].as_str(), Some("scoping"));
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("settings.toml");
    fs::write(&settings, toml::to_string(&rule["config"]).unwrap()).unwrap();
    let plugin = installed::plugin("scoping").unwrap();
    let told = told(&[plugin.as_os_str(), OsStr::new("--plugin-config"), settings.as_os_str()]);
    let filter = &told["contracts"]["filter"];
    assert_eq!(filter["object_classes"], serde_json::json!(["user"]), "{told}");
    let read: Vec<_> = filter["reads"].as_array().unwrap().iter().map(|read| read["name"].as_str().unwrap()).collect();
    assert_eq!(read, ["employeeType", "c", "extensionAttribute1"], "{told}");
    let summary = told["summary"].as_str().unwrap();
    assert!(
        summary.contains("employeeType is \"staff\" in any letter case and c is one of \"DE\", \"FR\""),
        "{summary}"
    );
}

#[test]
fn the_first_party_reference_has_every_setting_with_its_default() {
    let reference = read("docs/plugins/people-and-groups.md");
    for plugin in ["people", "groups"] {
        let told = told(&[installed::plugin(plugin).unwrap().as_os_str()]);
        let settings = told["schema"]["properties"].as_object().unwrap();
        assert!(!settings.is_empty(), "{told}");
        for (name, setting) in settings {
            let row = format!("| `{name}` | `{}` |", setting["default"]);
            assert!(reference.contains(&row), "the reference of {plugin} does not have: {row}");
        }
    }
}

fn told(arguments: &[&OsStr]) -> serde_json::Value {
    let mut provisor = Command::new(installed::provisor().unwrap());
    let output = run(provisor.args(["plugin", "check", "--json"]).args(arguments));
    serde_json::from_slice(&output.stdout).unwrap()
}
