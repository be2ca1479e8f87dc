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
    assert_equal("at first", &before.resources, &expected);

    model.change(&source);
    let expected = target.expected(model.oracle());
    let report = agent.json(&["sync", "lab"]);
    let after = target.held().await;
    assert_equal("after the changes", &after.resources, &expected);
    let anchors = expected.keys().chain(before.resources.keys());
    let written: BTreeSet<&String> =
        anchors.filter(|anchor| before.resources.get(*anchor) != expected.get(*anchor)).collect();
    if target.changes_at_first_try() {
        // What a busy service closed its connection on was sent again.
        let requests = &report["requests"];
        let answered = requests["writes"].as_u64().unwrap() - requests["repeated"].as_u64().unwrap_or(0);
        assert_eq!(answered, u64::try_from(written.len()).unwrap(), "{report}");
    }
    let touched = after.changed.iter().filter(|(anchor, time)| before.changed.get(*anchor) != Some(*time));
    let touched: BTreeSet<&String> = touched.map(|(anchor, _)| anchor).collect();
    assert!(touched.is_subset(&written), "only what changed was written");

    model.bring_back(&source);
    agent.json(&["sync", "lab"]);
    assert_equal("when they are back", &target.held().await.resources, &target.expected(model.oracle()));

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
    assert_equal("after the loss of the data folder", &target.held().await.resources, &target.expected(model.oracle()));
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

fn assert_equal(when: &str, held: &BTreeMap<String, Value>, expected: &BTreeMap<String, Value>) {
    for (anchor, value) in expected {
        let Some(own) = held.get(anchor) else { panic!("{when}: {anchor} is not there") };
        assert!(own == value, "{when}: {anchor}: {}", difference(own, value));
    }
    let surplus: Vec<&String> = held.keys().filter(|anchor| !expected.contains_key(*anchor)).collect();
    assert!(surplus.is_empty(), "{when}: the target holds more: {surplus:?}");
}

/// What is not as it should be, at bearable length: a group may have thousands of members.
fn difference(held: &Value, expected: &Value) -> String {
    let (Value::Object(held), Value::Object(expected)) = (held, expected) else { return format!("{held}") };
    let names: BTreeSet<&String> = held.keys().chain(expected.keys()).collect();
    let other = names.into_iter().filter(|name| held.get(*name) != expected.get(*name));
    let told = other.map(|name| match (held.get(name), expected.get(name)) {
        (Some(Value::Array(held)), Some(Value::Array(expected))) => {
            let lacking = |list: &[Value], from: &[Value]| -> (usize, Vec<Value>) {
                let lacking: Vec<Value> = list.iter().filter(|one| !from.contains(one)).cloned().collect();
                (lacking.len(), lacking.into_iter().take(5).collect())
            };
            format!("{name}: missing {:?}, surplus {:?}", lacking(expected, held), lacking(held, expected))
        }
        (held, expected) => format!("{name}: {held:?}, not {expected:?}"),
    });
    told.collect::<Vec<String>>().join("; ")
}
