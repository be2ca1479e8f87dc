//! Real plugins under the harness: what they answer as components is what they answer natively, and what a host would
//! refuse fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};

use provisor_harness::{HarnessError, Plugin, Shape};
use provisor_sdk::testing::Entry;
use provisor_sdk::{Refusal, Verdict};
use serde_json::json;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// A component that `cargo xtask plugins --tests` built.
fn built(file: &str) -> Plugin {
    Plugin::load(root().join("target").join(file))
        .unwrap_or_else(|error| panic!("{error}: run `cargo xtask plugins --tests` first"))
}

fn guest() -> Plugin {
    built("plugins-test/provisor-test-guest.wasm")
}

fn ada() -> Entry {
    Entry::new("user").dn("uid=ada,dc=test").with("uid", "ada").with("cn", "Ada Lovelace").with("sn", "Lovelace")
}

#[test]
fn a_crate_is_built_gated_and_asked() {
    let plugin = Plugin::build_in(root().join("examples/first-rule")).unwrap();
    assert_eq!(plugin.name(), "cost-center");
    let rule = plugin.configure(&json!({ "cost-centers": { "Optics": "4200" } })).unwrap();
    let path = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter";
    assert_eq!(rule.map(&ada().with("departmentNumber", "Optics")).set(path), Some(&json!("4200")));
    assert_eq!(rule.map(&ada().with("departmentNumber", "Library")).set(path), None);
    let mapping = rule.contracts().unwrap().mapping.as_ref().unwrap();
    assert_eq!((mapping.reads[0].name.as_str(), mapping.reads[0].shape), ("departmentNumber", Shape::Text));
    let error = plugin.configure(&json!({ "cost-centres": {} })).unwrap_err().to_string();
    assert!(error.contains("cost-center") && error.contains("cost-centres"), "{error}");
}

#[test]
fn a_mapping_answers_by_path() {
    let rule = built("plugins/people.wasm").configure(&json!({})).unwrap();
    let answer = rule.map(&ada().with_all("mail", ["a@x.example", "b@x.example"]));
    assert_eq!(answer.set("userName"), Some(&json!("ada")), "{answer:?}");
    assert_eq!(answer.set("name.familyName"), Some(&json!("Lovelace")), "{answer:?}");
    let refused = rule.try_map(&Entry::new("group").with("cn", "optics")).unwrap_err();
    assert!(matches!(&refused, HarnessError::NotCalled(why) if why.contains("does not handle")), "{refused}");
}

#[test]
fn a_mapping_is_put_on_top_of_what_others_built() {
    let rule = built("plugins/branding.wasm").configure(&json!({ "company": "Lab 01" })).unwrap();
    let before = Entry::default().with("displayName", "Ada Lovelace").with_all("emails", ["a", "b"]);
    let answer = rule.map_built(&ada(), &before);
    assert_eq!(answer.set("displayName"), Some(&json!("Ada Lovelace (Lab 01)")));
    assert_eq!(rule.map(&ada()).set("displayName"), None, "nothing was built before");
}

#[test]
fn a_filter_decides_and_says_why() {
    let clause = json!({ "attribute": "employeeType", "operator": "equals", "value": "staff" });
    let rule = built("plugins/scoping.wasm").configure(&json!({ "any": [{ "all": [clause] }] })).unwrap();
    assert_eq!(rule.decide(&ada().with("employeeType", "staff")), Verdict::Keep);
    assert!(matches!(rule.decide(&ada()), Verdict::Drop(reason) if reason.code == "not-in-scope"));
    assert_eq!(rule.summary(), Some("An entry is in scope if employeeType is \"staff\"."));
    assert!(matches!(rule.try_map(&ada()), Err(HarnessError::NotCalled(why)) if why.contains("no mapping")));
}

#[test]
fn a_plugin_of_both_kinds_says_when_its_own_filter_keeps_an_entry_from_its_mapping() {
    let rule = guest().configure(&json!({ "drops": "ada" })).unwrap();
    assert!(matches!(rule.decide(&ada()), Verdict::Drop(reason) if reason.code == "unwanted"));
    let error = rule.try_map(&ada()).unwrap_err();
    assert!(error.to_string().contains("its own filter drops the entry (unwanted)"), "{error}");
    let bob = Entry::new("user").with("uid", "bob");
    assert_eq!(rule.decide(&bob), Verdict::Keep);
    assert_eq!(rule.map(&bob).set("userName"), Some(&json!("bob")));
}

#[test]
fn a_rule_is_told_the_time_and_until_when_it_holds_is_told() {
    let rule = guest().configure(&json!({ "holds": 60 })).unwrap().at(1000);
    assert_eq!(rule.map(&ada()).valid_until, Some(1060));
    assert_eq!(guest().configure(&json!({})).unwrap().map(&ada()).valid_until, None);
}

#[test]
fn an_entry_that_the_host_would_not_send_is_told_from_a_fault() {
    let too_large = Entry::new("user").with("uid", vec![b'x'; 17 << 20]);
    let error = guest().configure(&json!({})).unwrap().try_map(&too_large).unwrap_err();
    assert!(matches!(&error, HarnessError::NotCalled(why) if why.contains("too-large")), "{error}");
}

#[test]
fn a_plugin_without_an_sdk_is_asked_alike() {
    let rule = built("plugins-test/sort-name.wasm").configure(&json!({})).unwrap();
    assert_eq!(rule.map(&ada().with("givenName", "Ada")).set("displayName"), Some(&json!("Lovelace, Ada")));
}

#[test]
fn what_the_host_counts_as_a_fault_fails() {
    let fault = |kind: &str| guest().configure(&json!({ "fault": kind })).unwrap().try_map(&ada()).unwrap_err();
    let trap = fault("trap");
    assert!(matches!(&trap, HarnessError::Fault { code, .. } if code == "plugin-trap"), "{trap}");
    assert!(trap.to_string().contains("the guest traps"), "{trap}");
    assert!(matches!(fault("outside-contract"), HarnessError::Fault { code, .. } if code == "plugin-contract"));
    assert!(matches!(fault("grow"), HarnessError::Fault { code, .. } if code == "plugin-memory"));
    let refused = guest().configure(&json!({ "fault": "refuse" })).unwrap_err().to_string();
    assert!(refused.contains("the guest refuses this configuration"), "{refused}");
}

#[test]
fn what_an_entry_lacks_is_a_refusal_and_no_fault() {
    let rule = guest().configure(&json!({})).unwrap();
    let answer = rule.map(&Entry::new("user"));
    assert!(matches!(&answer.outcome, Err(Refusal::Fail(reason)) if reason.code == "no-uid"), "{answer:?}");
    assert_eq!(answer.refused(), Some("no-uid"));
}

#[test]
fn a_rule_that_remembers_is_told_from_a_pure_one() {
    let refused = guest().configure(&json!({ "fault": "remembers" })).unwrap_err();
    assert!(
        matches!(refused, HarnessError::Refused(_)),
        "the gate's own probe finds what shows at any entry: {refused}"
    );
    let rule = guest().configure(&json!({ "fault": "remembers", "only": "ada" })).unwrap();
    let error = rule.try_map(&ada()).unwrap_err();
    assert!(matches!(&error, HarnessError::Impure(_)), "{error}");
    assert!(error.to_string().contains("uid=ada,dc=test"), "{error}");
}

#[test]
fn a_rule_that_looks_at_its_neighbours_is_told_from_a_pure_one() {
    let rule = guest().configure(&json!({ "fault": "compares", "only": "bob" })).unwrap();
    rule.map(&ada());
    let error = rule.try_map(&Entry::new("user").with("uid", "bob")).unwrap_err();
    assert!(matches!(&error, HarnessError::Impure(_)), "{error}");
}

#[test]
fn a_file_that_is_no_component_is_refused_as_an_operator_would_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("module.wasm");
    std::fs::write(&file, b"\0asm\x01\0\0\0").unwrap();
    let error = Plugin::load(&file).unwrap_err().to_string();
    assert!(error.contains("core WebAssembly module"), "{error}");
}
