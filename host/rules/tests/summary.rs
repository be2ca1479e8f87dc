//! What a plugin says that it does as configured: one bounded line for the operator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use provisor_rules::PluginSummary;
use serde_json::json;
use support::{Lab, binding, guest, no_config};

fn summaries(lab: &Lab, plugin: &str) -> Vec<PluginSummary> {
    lab.host.status().into_iter().find(|status| status.name == plugin).unwrap().summaries
}

#[test]
fn a_plugin_says_what_it_does_in_the_configuration_that_uses_it() {
    let lab = Lab::new(&["people", "scoping"]);
    let clause = json!({ "attribute": "employeeType", "operator": "equals", "value": "staff" });
    let settings = json!({ "object-classes": ["user"], "any": [{ "all": [clause] }] });
    let words = "An entry of the class user is in scope if employeeType is \"staff\".";
    lab.bind(&[binding("scoping", settings.clone()), binding("people", no_config())]);
    let told = PluginSummary { configuration: "lab".to_owned(), summary: words.to_owned() };
    assert_eq!(summaries(&lab, "scoping"), [told]);
    assert_eq!(summaries(&lab, "people"), [], "its settings say enough");
    assert_eq!(lab.host.inspect("scoping", Some(&settings)).unwrap().summary.as_deref(), Some(words));
    assert_eq!(lab.host.inspect("scoping", None).unwrap().summary, None, "without settings there is nothing to say");
}

#[test]
fn a_summary_is_one_line_of_bounded_length() {
    let lab = Lab::new(&["guest"]);
    lab.bind(&[guest(json!({ "summary": format!(" first\n\u{1b}[31msecond\u{202e} {}", "ä".repeat(5000)) }))]);
    let told = summaries(&lab, "guest").remove(0).summary;
    assert!(told.starts_with("first \u{fffd}[31msecond\u{fffd} ää") && told.ends_with("ä…"), "{told}");
    assert!(told.len() <= 2048 + "…".len(), "{}", told.len());
    lab.bind(&[guest(json!({ "summary": " \n" }))]);
    assert_eq!(summaries(&lab, "guest"), [], "an empty line says nothing");
}

#[test]
fn a_plugin_that_fails_when_asked_what_it_does_is_not_bound() {
    let error = Lab::new(&["guest"]).bind_error(&[guest(json!({ "fault": "trap-in-summary" }))]);
    assert!(error.contains("asking what it does failed") && error.contains("the guest traps in summary"), "{error}");
}
