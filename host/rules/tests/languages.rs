//! Plugins in other languages, each with what its toolchain puts beneath it: they are gated, run and limited like any other,
//! and what they ask of a system is answered alike always.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use provisor_model::DraftValue;
use provisor_rules::{Evaluation, Outcome};
use serde_json::json;
use support::{Lab, binding, entry, evaluate, held, no_config, user};

fn value(evaluation: &Evaluation, path: &str) -> String {
    let Outcome::Provision(draft) = &evaluation.outcome else { panic!("{evaluation:?}") };
    match &draft.attributes.get(&path.parse().unwrap()).unwrap().value {
        DraftValue::Plain(plain) => plain.to_string(),
        other => panic!("{path} is text, not {other:?}"),
    }
}

/// What a plugin is told when it asks its system for this.
fn asked(lab: &Lab, plugin: &str, what: &str) -> Evaluation {
    let chain = lab.bind(&[binding(plugin, no_config())]);
    evaluate(&chain, &[user(what)]).remove(0)
}

fn told(lab: &Lab, plugin: &str, what: &str) -> String {
    value(&asked(lab, plugin, what), "title")
}

/// How the plugin fails when it asks for this.
fn fails(lab: &Lab, plugin: &str, what: &str) -> String {
    held(&asked(lab, plugin, what)).map(|(code, detail)| format!("{code}: {detail}")).unwrap()
}

#[test]
fn a_rule_in_javascript_answers_as_the_one_in_c_does() {
    let lab = Lab::new(&["people", "sort-name", "sort-name-in-javascript"]);
    let people: Vec<_> = (0..200)
        .map(|number| {
            let uid = format!("u{number}");
            let names =
                [("uid", [uid.as_str()]), ("cn", ["as before"]), ("sn", ["Müller 😀"]), ("givenName", ["Jörg"])];
            let names: Vec<(&str, &[&str])> = names.iter().map(|(name, value)| (*name, value.as_slice())).collect();
            // Some have no given name.
            let count = if number % 3 == 0 { 3 } else { 4 };
            entry("user", &format!("uid={uid},dc=lab"), &names[..count])
        })
        .collect();
    let names = |plugin: &str| {
        let rule = binding(plugin, json!({ "separator": " – " }));
        let chain = lab.bind(&[binding("people", no_config()), rule]);
        evaluate(&chain, &people).iter().map(|evaluation| value(evaluation, "displayName")).collect::<Vec<_>>()
    };
    let in_javascript = names("sort-name-in-javascript");
    assert_eq!(in_javascript[..2], ["as before", "Müller 😀 – Jörg"]);
    assert_eq!(in_javascript, names("sort-name"));
    let cases = |plugin: &str| lab.host.inspect(plugin, None).unwrap().cases;
    assert_eq!((cases("sort-name-in-javascript"), cases("sort-name")), (3, 3));
}

#[test]
fn javascript_has_a_clock_that_stands_and_one_random_number() {
    let (lab, plugin) = (Lab::new(&["asking-in-javascript"]), "asking-in-javascript");
    assert_eq!(told(&lab, plugin, "clock"), "0 0");
    assert_eq!(told(&lab, plugin, "flood"), "flooded");
    let thrown = fails(&lab, plugin, "panic");
    assert!(thrown.starts_with("plugin-error") && thrown.contains("the guest panics"), "{thrown}");
    let random = told(&lab, plugin, "random");
    assert_eq!(random, told(&lab.restarted(), plugin, "random"));
}

#[test]
fn the_library_of_c_has_clocks_that_stand_no_files_and_one_random_number() {
    let (lab, plugin) = (Lab::new(&["asking-in-c"]), "asking-in-c");
    assert_eq!(told(&lab, plugin, "clock"), "0 0");
    assert_eq!(told(&lab, plugin, "sleep"), "slept 0");
    assert_eq!(told(&lab, plugin, "system"), "No such file or directory; 0; -1");
    assert_eq!(told(&lab, plugin, "print"), "printed");
    assert_eq!(told(&lab, plugin, "flood"), "flooded");
    for (what, words) in [("panic", "the guest panics"), ("exit", "it ended itself by exit")] {
        let fault = fails(&lab, plugin, what);
        assert!(fault.starts_with("plugin-trap") && fault.contains(words), "{fault}");
    }
    let random = told(&lab, plugin, "random");
    assert!(random.starts_with("0 "), "{random}");
    assert_eq!(random, told(&lab.restarted(), plugin, "random"));
}
