//! One story for every source and target: an organisation comes, changes, rests, and is found again.

use std::collections::{BTreeMap, BTreeSet};

use provisor_tests::ldif::{SUFFIX, Size};
use serde_json::{Value, json};

use super::Agent;
use super::model::Model;
use super::sources::Source;
use super::targets::Target;

/// A size that shows everything in seconds, or the full one where `PROVISOR_SOAK` says that time is no matter.
pub fn size() -> Size {
    if std::env::var_os("PROVISOR_SOAK").is_some() {
        Size { people: 20_000, groups: 500, big: 5_000 }
    } else {
        Size { people: 500, groups: 40, big: 300 }
    }
}

/// Provisions an organisation, changes some of it, and compares the target with the oracle after each cycle. What
/// was not changed is not written, and where nothing changed the target is asked nothing.
pub async fn the_target_equals_the_oracle_and_only_what_changed_is_written<S: Source>(target: Target) {
    let mut model = Model::generate(size(), 11);
    let mut source = S::start(model.initial_ldif());
    let agent = Agent::new(&configuration(&source, &target));
    agent.secret("password", source.password());
    model.learn_ids(&source);

    let report = agent.json(&["sync", "lab"]);
    let expected = target.expected(model.oracle());
    assert_eq!(report["operations"]["create"], json!(expected.len()), "{report}");
    let before = target.held().await;
    assert_equal(&before.resources, &expected);

    model.change(&source);
    let expected = target.expected(model.oracle());
    let report = agent.json(&["sync", "lab"]);
    let after = target.held().await;
    assert_equal(&after.resources, &expected);
    let anchors = expected.keys().chain(before.resources.keys());
    let written: BTreeSet<&String> =
        anchors.filter(|anchor| before.resources.get(*anchor) != expected.get(*anchor)).collect();
    if target.changes_at_first_try() {
        assert_eq!(report["requests"]["writes"], json!(written.len()), "{report}");
    }
    let touched = after.changed.iter().filter(|(anchor, time)| before.changed.get(*anchor) != Some(*time));
    let touched: BTreeSet<&String> = touched.map(|(anchor, _)| anchor).collect();
    assert!(touched.is_subset(&written), "only what changed was written");

    model.bring_back(&source);
    agent.json(&["sync", "lab"]);
    assert_equal(&target.held().await.resources, &target.expected(model.oracle()));

    // What means the same is read, and written nowhere.
    model.respell(&source);
    let report = agent.json(&["sync", "lab"]);
    assert!(report["imported"]["changed"].as_u64().unwrap() > 10, "{report}");
    assert_eq!(report["requests"], json!({ "reads": 0, "writes": 0 }), "{report}");

    // Also when the directory was restarted.
    source.restart();
    assert_nothing_is_asked(&agent);

    // With a lost data folder everything is found again by its externalId.
    std::fs::remove_dir_all(agent.path("data")).unwrap();
    let report = agent.json(&["sync", "lab"]);
    assert_eq!(report["operations"]["create"], Value::Null, "{report}");
    if target.shows_what_was_written() {
        assert_eq!(report["requests"]["writes"], json!(0), "{report}");
    }
    assert_equal(&target.held().await.resources, &target.expected(model.oracle()));
    assert_nothing_is_asked(&agent);
}

/// Nothing has changed, so the target is asked nothing.
fn assert_nothing_is_asked(agent: &Agent) {
    let report = agent.json(&["sync", "lab"]);
    assert_eq!(report["requests"], json!({ "reads": 0, "writes": 0 }), "{report}");
}

fn configuration<S: Source>(source: &S, target: &Target) -> String {
    let (source, target) = (source.configuration(), target.configuration());
    format!(
        "{source}[scope]\norganizational-units = [\"ou=people,{SUFFIX}\", \"ou=groups,{SUFFIX}\"]\n{target}\
         [leaving.group]\nout-of-scope = \"delete\"\n"
    )
}

fn assert_equal(held: &BTreeMap<String, Value>, expected: &BTreeMap<String, Value>) {
    for (anchor, value) in expected {
        assert_eq!(held.get(anchor), Some(value), "{anchor}");
    }
    let surplus: Vec<&String> = held.keys().filter(|anchor| !expected.contains_key(*anchor)).collect();
    assert!(surplus.is_empty(), "the target holds more: {surplus:?}");
}
