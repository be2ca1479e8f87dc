//! A plugin written in C against the interface alone: gated, run and limited like any other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use provisor_model::Entry;
use provisor_rules::{Evaluation, Outcome};
use serde_json::json;
use support::{Lab, binding, entry, evaluate, held, no_config};

/// What the C plugin is put behind, since it adds to users and makes none.
fn lab() -> Lab {
    Lab::new(&["people", "sort-name"])
}

fn person(uid: &str, family: &str, given: &str) -> Entry {
    let names = [("uid", [uid]), ("cn", ["as made before"]), ("sn", [family]), ("givenName", [given])];
    let present: Vec<(&str, &[&str])> =
        names.iter().filter(|(_, value)| !value[0].is_empty()).map(|(name, value)| (*name, value.as_slice())).collect();
    entry("user", &format!("uid={uid},dc=lab"), &present)
}

fn display_name(evaluation: &Evaluation) -> String {
    let Outcome::Provision(draft) = &evaluation.outcome else { panic!("{evaluation:?}") };
    match &draft.attributes.get(&"displayName".parse().unwrap()).unwrap().value {
        provisor_model::DraftValue::Plain(plain) => plain.to_string(),
        other => panic!("a display name is text, not {other:?}"),
    }
}

#[test]
fn it_maps_what_it_is_sent_and_leaves_the_rest() {
    let lab = lab();
    let chain = lab.bind(&[binding("people", no_config()), binding("sort-name", json!({ "separator": " – " }))]);
    let entries = [person("ada", "Lovelace", "Ada"), person("x", "", "Xenia"), person("jm", "Müller", "Jörg")];
    let names: Vec<_> = evaluate(&chain, &entries).iter().map(display_name).collect();
    assert_eq!(names, ["Lovelace – Ada", "as made before", "Müller – Jörg"]);
}

#[test]
fn its_settings_are_checked_by_its_schema() {
    let error = lab().bind_error(&[binding("people", no_config()), binding("sort-name", json!({ "separator": "\"" }))]);
    assert!(error.contains("sort-name") && error.contains("separator"), "{error}");
}

#[test]
fn it_gives_memory_back_and_its_answers_are_limited() {
    let lab = lab();
    let chain = lab.bind(&[binding("people", no_config()), binding("sort-name", no_config())]);
    // Much more passes through in all than the 64 MiB that it may have at once.
    let long = "x".repeat(1 << 20);
    for round in 0..3 {
        let entries: Vec<_> = (0..30).map(|number| person(&format!("u{round}-{number}"), &long, "Given")).collect();
        assert!(evaluate(&chain, &entries).iter().all(|evaluation| held(evaluation).is_none()), "round {round}");
    }
    // More than the 4 MiB that a call may answer with in these tests.
    let too_long = person("large", &"x".repeat(5 << 20), "Given");
    let evaluations = evaluate(&chain, &[person("ada", "Lovelace", "Ada"), too_long]);
    assert_eq!(display_name(&evaluations[0]), "Lovelace, Ada");
    let (code, detail) = held(&evaluations[1]).unwrap();
    assert_eq!(code, "plugin-output", "{detail}");
}
