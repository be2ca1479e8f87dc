//! The plugins folder while a host runs: what is new is taken, what is broken, gone or asks for more is not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::fs;
use std::time::Duration;

use provisor_rules::{PluginState, RulesHost};
use serde_json::json;
use support::{Lab, binding, component, evaluate, guest, no_config, options, user, user_name};

/// A component that is another one by its hash, and behaves the same: with a custom section at its end.
fn marked(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend([0, 2, 1, b'x']);
    bytes
}

fn rejected(state: PluginState) -> String {
    match state {
        PluginState::Rejected { reason, active: Some(_) } => reason,
        other => panic!("the last good one should run on: {other:?}"),
    }
}

#[test]
fn a_new_component_is_taken_at_the_next_bind_and_a_running_chain_keeps_its_own() {
    let lab = Lab::new(&["guest"]);
    let before = lab.bind(&[guest(no_config())]);
    assert!(!lab.host.scan(), "nothing changed");
    lab.put("guest", &marked(component("guest")));
    assert!(lab.host.scan());
    let after = lab.bind(&[guest(no_config())]);
    assert_ne!(before.plugins()[0].hash, after.plugins()[0].hash);
    assert_ne!(before.hash(), after.hash());
    assert_eq!(user_name(&evaluate(&before, &[user("ada")])[0]).as_deref(), Some("ada"));
    assert_eq!(lab.state("guest"), PluginState::Active);
}

#[test]
fn an_unchanged_configuration_keeps_its_chain() {
    let lab = Lab::new(&["guest"]);
    let one = lab.bind(&[guest(no_config())]);
    lab.put("guest", &component("guest"));
    assert!(!lab.host.scan(), "the same content is no change");
    assert!(std::sync::Arc::ptr_eq(&one, &lab.bind(&[guest(no_config())])));
}

#[test]
fn a_truncated_file_changes_nothing_but_the_status() {
    let lab = Lab::new(&["guest"]);
    let before = lab.bind(&[guest(no_config())]);
    let whole = component("guest");
    lab.put("guest", &whole[..whole.len() / 2]);
    assert!(lab.host.scan());
    let after = lab.bind(&[guest(no_config())]);
    assert_eq!(before.hash(), after.hash());
    let reason = rejected(lab.state("guest"));
    assert!(reason.contains("not a valid component, or only a part of one"), "{reason}");
}

#[test]
fn a_deleted_file_loses_nothing_even_over_a_restart() {
    let lab = Lab::new(&["guest"]);
    let before = lab.bind(&[guest(no_config())]);
    lab.remove("guest");
    assert!(lab.host.scan());
    let lab = lab.restarted();
    let after = lab.bind(&[guest(no_config())]);
    assert_eq!(before.hash(), after.hash());
    assert_eq!(lab.state("guest"), PluginState::Missing { active: Some(before.plugins()[0].hash.clone()) });
}

#[test]
fn a_file_that_is_no_plugin_is_refused_by_reason() {
    let lab = Lab::new(&["guest"]);
    lab.bind(&[guest(no_config())]);
    let core = wat::parse_str("(module)").unwrap();
    let clock = r#"(component (import "wasi:http/types@0.2.0" (instance)) (instance $i)
                   (export "provisor:rules/lifecycle@0.1.0-draft.2" (instance $i))
                   (export "provisor:rules/mapping@0.1.0-draft.2" (instance $i)))"#;
    let hollow = clock.replace(r#"(import "wasi:http/types@0.2.0" (instance))"#, "");
    for (bytes, words) in [
        (core, "core WebAssembly module"),
        (wat::parse_str(clock).unwrap(), "it imports wasi:http/types@0.2.0"),
        (wat::parse_str(hollow).unwrap(), "does not fit version 0.1.0-draft.2"),
        (b"not wasm".to_vec(), "not a WebAssembly component"),
    ] {
        lab.put("guest", &bytes);
        lab.host.scan();
        lab.bind(&[guest(no_config())]);
        let reason = rejected(lab.state("guest"));
        assert!(reason.contains(words), "{reason}");
    }
}

#[test]
fn an_update_that_asks_for_more_waits_and_one_that_asks_for_the_same_does_not() {
    let lab = Lab::new(&["people", "groups"]);
    let before = lab.bind(&[binding("groups", no_config())]);
    // The other plugin under this name reads and writes what was never granted to it.
    lab.put("groups", &component("people"));
    lab.host.scan();
    let after = lab.bind(&[binding("groups", no_config())]);
    assert_eq!(before.hash(), after.hash());
    let reason = rejected(lab.state("groups"));
    assert!(reason.contains("asks for more than was granted") && reason.contains("writes userName"), "{reason}");
    lab.put("groups", &marked(component("groups")));
    lab.host.scan();
    assert_ne!(before.hash(), lab.bind(&[binding("groups", no_config())]).hash());
    assert_eq!(lab.state("groups"), PluginState::Active);
}

#[test]
fn a_changed_configuration_grants_anew() {
    let lab = Lab::new(&["guest"]);
    lab.bind(&[guest(no_config())]);
    let more = lab.bind(&[guest(json!({ "reads": "mail", "writes": "title" }))]);
    assert!(more.reads().contains(&"mail".into()));
    assert_eq!(lab.state("guest"), PluginState::Active);
}

#[test]
fn without_a_last_good_one_the_error_says_what_to_do() {
    let lab = Lab::new(&["guest"]);
    let missing = lab.bind_error(&[binding("absent", no_config())]);
    assert!(missing.contains("there is no plugin \"absent\"") && missing.contains("there are: guest"), "{missing}");
    let refused = lab.bind_error(&[guest(json!({ "fault": "refuse" }))]);
    assert!(refused.contains("it refuses its configuration: the guest refuses"), "{refused}");
    let trapped = lab.bind_error(&[guest(json!({ "fault": "trap-in-configure" }))]);
    assert!(trapped.contains("configuring it failed") && trapped.contains("the guest traps in configure"), "{trapped}");
    let path = lab.bind_error(&[guest(json!({ "writes": "a b" }))]);
    assert!(path.contains("\"a b\" is not an attribute path"), "{path}");
}

#[test]
fn every_wrong_key_of_a_configuration_is_named_with_its_place() {
    let lab = Lab::new(&["guest"]);
    let error = lab.bind_error(&[guest(json!({ "falt": "trap", "suffix": 7 }))]);
    assert!(error.contains("falt") && error.contains("config.suffix") && error.contains("guest"), "{error}");
}

#[test]
fn a_preview_uses_the_other_component_and_grants_nothing() {
    let lab = Lab::new(&["people", "groups"]);
    let before = lab.bind(&[binding("groups", no_config())]);
    let bindings = [binding("groups", no_config())];
    let preview = lab.host.chain_with("lab", &bindings, ("groups", component("people"))).unwrap();
    assert_eq!(preview.chain.kind_of("user"), Some("User"));
    assert!(preview.more.contains(&"writes userName".to_owned()), "{:?}", preview.more);
    assert!(preview.waits.is_some_and(|waits| waits.contains("plugin approve groups")));
    assert!(preview.chain.warnings().iter().any(|warning| warning.contains("asks for more")));
    assert_eq!(lab.bind(&bindings).hash(), before.hash());
    assert_eq!(lab.state("groups"), PluginState::Active);
    let other = lab.host.chain_with("lab", &bindings, ("people", component("people"))).unwrap_err().to_string();
    assert!(other.contains("no plugin \"people\"") && other.contains("It uses groups"), "{other}");
    let same = lab.host.chain_with("lab", &bindings, ("groups", marked(component("groups")))).unwrap();
    assert_eq!((same.more, same.waits), (Vec::new(), None));
}

#[test]
fn an_inspection_tells_manifest_schema_and_contract() {
    let lab = Lab::new(&["people"]);
    let by_name = lab.host.inspect("people", Some(&no_config())).unwrap();
    let by_path = lab.host.inspect(lab.path("people").to_str().unwrap(), None).unwrap();
    assert_eq!((&by_name.hash, &by_name.version), (&by_path.hash, &by_path.version));
    assert!(by_name.schema["properties"]["user-name"].is_object(), "{}", by_name.schema);
    let mapping = by_name.contracts.unwrap().mapping.unwrap();
    assert_eq!(mapping.resource_kind.as_deref(), Some("User"));
    assert_eq!(by_path.contracts, None);
    assert!(lab.host.inspect("absent", None).is_err());
}

#[test]
fn a_plugin_that_the_binary_carries_needs_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let carried: &'static [u8] = component("people").leak();
    let embedded: &'static [(&'static str, &'static [u8])] = vec![("people", carried)].leak();
    let host = RulesHost::open(options(folder.path(), embedded)).unwrap();
    let chain = host.bind("lab", &[binding("people", no_config())]).unwrap();
    assert_eq!(user_name(&evaluate(&chain, &[user("ada")])[0]).as_deref(), Some("ada"));
    let status = host.status();
    assert!(status[0].embedded && status[0].bound_by == ["lab"], "{status:?}");
    host.release("lab");
    assert_eq!(host.status()[0].state, PluginState::Discovered);
}

#[test]
fn what_the_binary_carries_does_not_slip_into_the_place_of_a_deleted_file() {
    let folder = tempfile::tempdir().unwrap();
    let carried = ["people", "groups"].map(|name| (name, &*component(name).leak()));
    let embedded: &'static [(&'static str, &'static [u8])] = carried.to_vec().leak();
    let both = [binding("people", no_config()), binding("groups", no_config())];
    let state = |host: &RulesHost| {
        let statuses = host.status();
        statuses.into_iter().find(|status| status.name == "people").map(|status| status.state).unwrap()
    };
    let host = RulesHost::open(options(folder.path(), embedded)).unwrap();
    let file = options(folder.path(), embedded).plugins_folder.join("people.wasm");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, marked(component("people"))).unwrap();
    host.scan();
    let own = host.bind("lab", &both).unwrap().hash();
    fs::remove_file(&file).unwrap();
    host.scan();
    assert_eq!(host.bind("lab", &both).unwrap().hash(), own, "the last good one stays");
    assert!(matches!(state(&host), PluginState::Rejected { reason, .. } if reason.contains("gone")));
    drop(host);
    let host = RulesHost::open(options(folder.path(), embedded)).unwrap();
    assert_eq!(host.bind("lab", &both).unwrap().hash(), own, "also after a restart");
    // Taken out and put in again, the rule is the one that the program carries.
    host.bind("lab", &both[1..]).unwrap();
    assert_ne!(host.bind("lab", &both).unwrap().hash(), own);
    assert_eq!(state(&host), PluginState::Active);
}

#[test]
fn a_rename_over_a_plugin_is_seen_and_ready() {
    let lab = Lab::new(&["guest"]);
    let before = lab.bind(&[guest(no_config())]);
    let mut watch = lab.host.watch().unwrap();
    lab.put("guest", &marked(component("guest")));
    assert!(watch.changed(Duration::from_secs(30)));
    assert!(lab.host.scan());
    assert_ne!(before.hash(), lab.bind(&[guest(no_config())]).hash());
}

#[test]
fn a_damaged_grant_is_an_error_that_names_the_file() {
    let lab = Lab::new(&["guest"]);
    lab.bind(&[guest(no_config())]);
    let grants = lab.path("guest").with_file_name("../data/grants/lab.json");
    fs::write(&grants, "{").unwrap();
    let error = lab.bind_error(&[guest(no_config())]);
    assert!(error.contains("lab.json") && error.contains("damaged"), "{error}");
}
