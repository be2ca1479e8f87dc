//! Plugins that misbehave: each fault is the plugin's, isolated to the entry it happens at.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use provisor_rules::{OnFault, Outcome};
use serde_json::json;
use support::{Lab, binding, evaluate, guest, held, no_config, user, user_name};

/// Runs three entries through the guest, which fails at the second; gives the code and words of why that is held.
fn fail_at_bob(fault: &str) -> (String, String) {
    let lab = Lab::new(&["guest"]);
    let chain = lab.bind(&[guest(json!({ "fault": fault, "only": "bob" }))]);
    let mut evaluator = chain.start_cycle(0, false);
    let (ada, bob, eve) = (user("ada"), user("bob"), user("eve"));
    let evaluations = evaluator.evaluate(&[&ada, &bob, &eve]).unwrap();
    assert_eq!(user_name(&evaluations[0]).as_deref(), Some("ada"), "the others are not concerned");
    assert_eq!(user_name(&evaluations[2]).as_deref(), Some("eve"), "the others are not concerned");
    assert_eq!(evaluator.faults(), 1);
    let status = lab.host.status();
    assert_eq!(status.iter().find(|status| status.name == "guest").unwrap().faults, 1);
    let Outcome::Held { plugin, version, reason } = &evaluations[1].outcome else { panic!("{evaluations:?}") };
    assert_eq!((plugin.as_str(), version.as_str()), ("guest", env!("CARGO_PKG_VERSION")));
    (reason.code.clone(), reason.detail.clone())
}

#[test]
fn a_trap_holds_its_entry_and_names_message_and_functions() {
    let (code, detail) = fail_at_bob("trap");
    assert_eq!(code, "plugin-trap");
    assert!(detail.contains("the guest traps") && detail.contains("mapping@0.1.0-draft.2#transform"), "{detail}");
}

#[test]
fn an_endless_loop_is_stopped() {
    let (code, detail) = fail_at_bob("loop");
    assert_eq!(code, "plugin-time");
    assert!(detail.contains("did not answer in time"), "{detail}");
}

#[test]
fn memory_without_end_is_refused() {
    let (code, detail) = fail_at_bob("grow");
    assert_eq!(code, "plugin-memory");
    assert!(detail.contains("64 MiB"), "{detail}");
}

#[test]
fn an_answer_that_is_too_large_is_refused() {
    assert_eq!(fail_at_bob("oversize").0, "plugin-output");
}

#[test]
fn an_edit_outside_the_contract_is_a_fault() {
    let (code, detail) = fail_at_bob("outside-contract");
    assert_eq!(code, "plugin-contract");
    assert!(detail.contains("it set place 98"), "{detail}");
}

#[test]
fn a_decimal_that_is_no_number_is_a_fault() {
    assert_eq!(fail_at_bob("not-a-number").0, "plugin-contract");
}

#[test]
fn log_lines_are_limited_and_harmless() {
    let lab = Lab::new(&["guest"]);
    let chain = lab.bind(&[guest(json!({ "fault": "chatter" }))]);
    assert_eq!(user_name(&evaluate(&chain, &[user("ada")])[0]).as_deref(), Some("ada"));
}

#[test]
fn wrong_answers_for_the_whole_batch_hold_every_entry_by_name() {
    for (fault, code, words) in [
        ("too-few", "plugin-contract", "it gave 0 answers for 1 entries"),
        ("error", "plugin-error", "the guest answers with an error"),
        ("twice", "plugin-contract", "twice in one answer"),
    ] {
        let lab = Lab::new(&["guest"]);
        let chain = lab.bind(&[guest(json!({ "fault": fault }))]);
        for evaluation in evaluate(&chain, &[user("ada"), user("bob")]) {
            let (found, detail) = held(&evaluation).unwrap();
            assert_eq!(found, code, "{detail}");
            assert!(detail.contains(words), "{detail}");
        }
    }
}

#[test]
fn after_too_many_faults_the_plugin_is_called_no_more_in_the_cycle() {
    let lab = Lab::new(&["guest"]);
    let chain = lab.bind(&[guest(json!({ "fault": "trap" }))]);
    let entries: Vec<_> = (0..600).map(|number| user(&format!("u{number}"))).collect();
    let entries: Vec<_> = entries.iter().collect();
    let mut evaluator = chain.start_cycle(0, false);
    let evaluations = evaluator.evaluate(&entries).unwrap();
    assert_eq!(evaluator.faults(), 5, "the limit of these tests");
    let codes: Vec<_> = evaluations.iter().map(|evaluation| held(evaluation).unwrap().0).collect();
    assert_eq!(codes.iter().filter(|code| **code == "plugin-trap").count(), 5);
    assert_eq!(codes.iter().filter(|code| **code == "plugin-given-up").count(), 595);
}

#[test]
fn faults_are_counted_over_all_threads_of_a_cycle() {
    let lab = Lab::new(&["guest"]);
    let chain = lab.bind(&[guest(json!({ "fault": "trap" }))]);
    let first = chain.start_cycle(0, false);
    let people: Vec<_> = (0..8).map(|number| user(&format!("u{number}"))).collect();
    let all: Vec<_> = people.iter().collect();
    let codes = |mut evaluator: provisor_rules::Evaluator| -> Vec<String> {
        evaluator.evaluate(&all).unwrap().iter().map(|evaluation| held(evaluation).unwrap().0.to_owned()).collect()
    };
    let beside = [first.beside(), first.beside()];
    let mut faults = codes(first);
    faults.extend(beside.into_iter().flat_map(codes));
    assert_eq!(faults.iter().filter(|code| *code == "plugin-trap").count(), 5, "the limit of these tests");
    assert_eq!(faults.iter().filter(|code| *code == "plugin-given-up").count(), 19);
}

#[test]
fn a_plugin_may_stop_the_cycle() {
    let lab = Lab::new(&["guest"]);
    let mut binding = guest(json!({ "fault": "trap", "only": "bob" }));
    binding.on_fault = OnFault::Stop;
    let chain = lab.bind(&[binding]);
    let (ada, bob) = (user("ada"), user("bob"));
    let stopped = chain.start_cycle(0, false).evaluate(&[&ada, &bob]).unwrap_err();
    assert_eq!((stopped.plugin.as_str(), stopped.reason.code.as_str()), ("guest", "plugin-trap"));
    assert!(stopped.to_string().contains("stopped the cycle at uid=bob,dc=lab"), "{stopped}");
}

#[test]
fn a_mapping_that_adds_may_be_skipped() {
    let lab = Lab::new(&["people", "guest"]);
    let mut adding = guest(json!({ "fault": "trap", "only": "bob", "kind": "", "suffix": "@guest" }));
    adding.on_fault = OnFault::Skip;
    let chain = lab.bind(&[binding("people", no_config()), adding]);
    let names: Vec<_> = evaluate(&chain, &[user("ada"), user("bob")]).iter().map(user_name).collect();
    assert_eq!(names, [Some("ada@guest".to_owned()), Some("bob".to_owned())]);
}
