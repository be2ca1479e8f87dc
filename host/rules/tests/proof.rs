//! The purity probe on stored entries: who answers differently when asked twice is not used.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::fs;
use std::time::{Duration, SystemTime};

use provisor_rules::{PluginState, Proof};
use serde_json::{Value as Json, json};
use support::{Lab, binding, entry, guest, made, no_config, user};

fn active(lab: &Lab) -> String {
    lab.bind(&[binding("rule", no_config())]).plugins().remove(0).hash
}

#[test]
fn the_one_that_ran_well_before_takes_the_place_of_an_update_that_is_not_pure() {
    let lab = Lab::new(&[]);
    lab.put("rule", &made::mapping(&[]));
    lab.host.scan();
    let good = active(&lab);
    lab.put("rule", &made::counting());
    lab.host.scan();
    let chain = lab.bind(&[binding("rule", no_config())]);
    assert_ne!(chain.plugins()[0].hash, good, "what is made up does not show it");
    assert_eq!(lab.host.prove("lab", &chain, &[user("ada"), user("bob")], 0), Proof::Impure);
    assert_eq!(active(&lab), good);
    let PluginState::Rejected { reason, active: in_force } = lab.state("rule") else {
        panic!("{:?}", lab.state("rule"))
    };
    assert_eq!(in_force, Some(good.clone()));
    let words = "asked twice about the same stored entries, it answered differently for uid=ada,dc=lab (it mapped it, and \
                 then it excluded it as hostile)";
    assert!(reason.contains(words), "{reason}");
    lab.host.scan();
    assert_eq!(active(&lab), good, "it is remembered");
    lab.put("rule", &made::mapping(&[("module", "(global i32 (i32.const 1))")]));
    lab.host.scan();
    assert_ne!(active(&lab), good, "another file is another plugin");
}

#[test]
fn what_ran_for_long_before_an_update_that_is_not_pure_is_still_there_also_after_a_restart() {
    let lab = Lab::new(&[]);
    lab.put("rule", &made::mapping(&[]));
    lab.host.scan();
    let good = active(&lab);
    for file in fs::read_dir(lab.data().join("components")).unwrap() {
        let long_ago = SystemTime::now() - Duration::from_secs(7200);
        fs::File::options().write(true).open(file.unwrap().path()).unwrap().set_modified(long_ago).unwrap();
    }
    lab.put("rule", &made::counting());
    lab.host.scan();
    let rule = [binding("rule", no_config())];
    assert_ne!(lab.bind(&rule).plugins()[0].hash, good);
    let lab = lab.restarted();
    let proof = lab.host.prove("lab", &lab.bind(&rule), &[user("ada"), user("bob")], 0);
    assert_eq!((proof, active(&lab)), (Proof::Impure, good));
}

#[test]
fn a_first_plugin_that_is_not_pure_binds_no_more() {
    let lab = Lab::new(&[]);
    lab.put("rule", &made::counting());
    lab.host.scan();
    let rule = [binding("rule", no_config())];
    assert_eq!(lab.host.prove("lab", &lab.bind(&rule), &[user("ada")], 0), Proof::Impure);
    assert!(lab.bind_error(&rule).contains("about the same stored entries"), "{}", lab.bind_error(&rule));
}

/// What is found out about the test guest under these settings with ada and bob.
fn impurity(config: Json) -> Option<String> {
    let chain = Lab::new(&["guest"]).bind(&[guest(config)]);
    let flagged = entry("user", "uid=eve,dc=lab", &[("uid", &["eve"]), ("flag", &["perhaps"])]);
    chain.impurity(&[user("ada"), user("bob"), flagged], 0).unwrap()
}

#[test]
fn the_attribute_and_the_entry_are_named_and_no_value() {
    let told = impurity(json!({ "fault": "remembers", "only": "bob" })).unwrap();
    assert!(told.starts_with("guest: asked twice"), "{told}");
    assert!(told.contains("differently for uid=bob,dc=lab (in userName)"), "{told}");
    let told = impurity(json!({ "fault": "compares", "only": "ada" })).unwrap();
    assert!(told.contains("for uid=ada,dc=lab (in userName)"), "{told}");
}

#[test]
fn who_answers_alike_or_fails_alike_is_no_suspect() {
    assert_eq!(impurity(no_config()), None);
    assert_eq!(impurity(json!({ "boolean": "flag" })), None, "a value that does not fit is no answer");
    assert_eq!(impurity(json!({ "fault": "trap", "only": "bob" })), None);
    let lab = Lab::new(&["people", "groups", "scoping"]);
    let chain = lab.bind(&[binding("people", no_config()), binding("groups", no_config())]);
    assert_eq!(
        lab.host.prove("lab", &chain, &[user("ada"), entry("group", "cn=a,dc=lab", &[("cn", &["a"])])], 0),
        Proof::Pure
    );
}

#[test]
fn a_proof_in_which_a_plugin_failed_stays_open() {
    let lab = Lab::new(&["guest"]);
    let chain = lab.bind(&[guest(json!({ "fault": "trap", "only": "bob" }))]);
    assert_eq!(lab.host.prove("lab", &chain, &[user("ada"), user("bob")], 0), Proof::Open);
    assert_eq!(lab.host.prove("lab", &chain, &[user("ada")], 0), Proof::Pure);
}

#[test]
fn of_one_plugin_for_two_classes_the_settings_at_fault_are_refused() {
    let lab = Lab::new(&["guest"]);
    let good = guest(json!({ "object-class": "guest" }));
    let bad = guest(json!({ "fault": "remembers", "only": "bob" }));
    let both = [good.clone(), bad.clone()];
    let entries = [user("bob"), entry("guest", "uid=eve,dc=lab", &[("uid", &["eve"])])];
    assert_eq!(lab.host.prove("lab", &lab.bind(&both), &entries, 0), Proof::Impure);
    lab.bind(&[good]);
    assert!(lab.host.bind("other", &[bad]).unwrap_err().to_string().contains("answered differently"));
}

#[test]
fn of_several_plugins_the_one_at_fault_is_refused() {
    let lab = Lab::new(&["people", "guest"]);
    let adding = guest(json!({ "fault": "remembers", "only": "bob", "kind": "" }));
    let all = [binding("people", no_config()), adding];
    assert_eq!(lab.host.prove("lab", &lab.bind(&all), &[user("ada"), user("bob")], 0), Proof::Impure);
    assert!(lab.bind_error(&all).contains("plugin \"guest\""), "{}", lab.bind_error(&all));
}
