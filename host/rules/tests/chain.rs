//! Entries through the first-party plugins and through chains of several.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use provisor_model::{Draft, DraftValue, Plain};
use provisor_rules::{Decision, OnFault, Outcome, PluginKind, Shape};
use serde_json::json;
use support::{Lab, binding, entry, evaluate, guest, held, no_config, user, user_name};

fn draft(outcome: &Outcome) -> &Draft {
    match outcome {
        Outcome::Provision(draft) => draft,
        other => panic!("nothing is provisioned: {other:?}"),
    }
}

fn values(draft: &Draft) -> BTreeMap<&str, &DraftValue> {
    draft.attributes.iter().map(|(path, attribute)| (path.as_str(), &attribute.value)).collect()
}

fn text(value: &str) -> DraftValue {
    DraftValue::Plain(Plain::Text(value.to_owned()))
}

#[test]
fn people_and_groups_become_users_and_groups() {
    let lab = Lab::new(&["people", "groups"]);
    let chain = lab.bind(&[binding("people", json!({ "domain": "example.com" })), binding("groups", no_config())]);
    let ada = entry(
        "user",
        "uid=ada,dc=lab",
        &[
            ("uid", &["ada"]),
            ("cn", &["Ada Lovelace"]),
            ("sn", &["Lovelace"]),
            ("mail", &["b@example.com", "a@example.com"]),
            ("departmentNumber", &["Engines"]),
            ("manager", &["uid=charles,dc=lab"]),
        ],
    );
    let staff = entry("group", "cn=staff,dc=lab", &[("cn", &["Staff"]), ("member", &["uid=ada,dc=lab"])]);
    let evaluations = evaluate(&chain, &[ada, staff]);
    let user = draft(&evaluations[0].outcome);
    assert_eq!(user.kind, "User");
    let set = values(user);
    assert_eq!(set["userName"], &text("ada@example.com"));
    assert_eq!(set["name.familyName"], &text("Lovelace"));
    assert_eq!(set["displayName"], &text("Ada Lovelace"));
    assert_eq!(set["active"], &DraftValue::Plain(Plain::Boolean(true)));
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    assert_eq!(set[format!("{enterprise}:department").as_str()], &text("Engines"));
    assert_eq!(set[format!("{enterprise}:manager").as_str()], &DraftValue::Reference("uid=charles,dc=lab".to_owned()));
    let DraftValue::Rows(emails) = set["emails"] else { panic!("emails are rows") };
    assert_eq!(emails[0]["value"], Plain::Text("a@example.com".to_owned()), "the lowest is first");
    assert_eq!(emails[0]["primary"], Plain::Boolean(true));
    assert_eq!(emails.len(), 2);
    let group = draft(&evaluations[1].outcome);
    assert_eq!(group.kind, "Group");
    assert_eq!(values(group)["displayName"], &text("Staff"));
    assert_eq!(values(group)["members"], &DraftValue::ReferencesOf("member".into()));
}

#[test]
fn a_chain_tells_what_it_reads_and_makes() {
    let lab = Lab::new(&["people", "groups"]);
    let chain = lab.bind(&[binding("people", no_config()), binding("groups", no_config())]);
    assert!(chain.reads().contains(&"GIVENNAME".into()));
    assert_eq!(chain.reads_with_shapes()[&"member".into()], [Shape::Unsent].into());
    assert!(!chain.reads_dn());
    assert_eq!(
        (chain.kind_of("user"), chain.kind_of("group"), chain.kind_of("device")),
        (Some("User"), Some("Group"), None)
    );
    assert!(chain.warnings().is_empty());
}

#[test]
fn an_entry_that_no_mapping_claims_is_out_of_scope() {
    let lab = Lab::new(&["groups"]);
    let chain = lab.bind(&[binding("groups", no_config())]);
    let evaluations = evaluate(&chain, &[user("ada")]);
    let Outcome::OutOfScope { plugin: None, reason } = &evaluations[0].outcome else { panic!("{evaluations:?}") };
    assert_eq!(reason.code, "no-mapping");
}

#[test]
fn an_entry_that_the_directory_set_aside_says_so() {
    let lab = Lab::new(&["people"]);
    let chain = lab.bind(&[binding("people", no_config())]);
    let loser = entry("", "CN=twin\\0ACNF:00e0ed2e-4a0e-4c12-8d5e-0f8f8a0c6b1e,DC=lab", &[]);
    let container = entry("", "CN=Users,DC=lab", &[]);
    let reasons: Vec<_> = evaluate(&chain, &[loser, container])
        .into_iter()
        .map(|evaluation| match evaluation.outcome {
            Outcome::OutOfScope { plugin: None, reason } => reason,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(reasons[0].code == "set-aside" && reasons[0].detail.contains("name conflict"), "{reasons:?}");
    assert!(reasons[1].code == "no-mapping" && reasons[1].detail.contains("object-classes"), "{reasons:?}");
}

#[test]
fn a_filter_drops_and_a_mapping_excludes() {
    let lab = Lab::new(&["people", "guest"]);
    let chain = lab.bind(&[binding("people", no_config()), guest(json!({ "drops": "bob", "kind": "" }))]);
    let evaluations = evaluate(&chain, &[user("bob"), entry("user", "cn=x,dc=lab", &[("cn", &["x"])]), user("ada")]);
    let reasons: Vec<_> = evaluations
        .iter()
        .map(|evaluation| match &evaluation.outcome {
            Outcome::OutOfScope { plugin: Some(plugin), reason } => format!("{plugin}: {}", reason.code),
            Outcome::Provision(_) => "provisioned".to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(reasons, ["guest: unwanted", "people: no-user-name", "provisioned"]);
}

#[test]
fn the_last_edit_wins_and_the_overridden_is_named() {
    let lab = Lab::new(&["people", "guest"]);
    let chain = lab.bind(&[binding("people", no_config()), guest(json!({ "suffix": "@guest", "kind": "" }))]);
    assert!(chain.warnings().iter().any(|warning| warning.contains("userName is set by people and by guest")));
    let evaluations = evaluate(&chain, &[user("ada")]);
    let attributes = &draft(&evaluations[0].outcome).attributes;
    let attribute = attributes.get(&"userName".parse().unwrap()).unwrap();
    assert_eq!(attribute.value, text("ada@guest"));
    assert_eq!(attributes.winner(attribute), "guest");
    assert_eq!(attribute.overridden.iter().map(|by| attributes.names().plugin(*by)).collect::<Vec<_>>(), ["people"]);
}

#[test]
fn every_step_is_traced_where_asked() {
    let lab = Lab::new(&["people", "guest"]);
    let chain = lab.bind(&[binding("people", no_config()), guest(json!({ "drops": "x", "kind": "" }))]);
    let ada = user("ada");
    let evaluations = chain.start_cycle(0, true).evaluate(&[&ada]).unwrap();
    let steps: Vec<_> = evaluations[0].steps.iter().map(|step| (step.plugin.as_str(), step.kind)).collect();
    assert_eq!(steps, [("guest", PluginKind::Filter), ("people", PluginKind::Mapping), ("guest", PluginKind::Mapping)]);
    let Decision::Edited(edits) = &evaluations[0].steps[1].decision else { panic!("{evaluations:?}") };
    assert!(edits.iter().any(|(path, value)| path.as_str() == "userName" && *value == Some(text("ada"))));
}

#[test]
fn a_value_that_does_not_fit_its_shape_holds_the_entry_and_is_no_fault() {
    let lab = Lab::new(&["guest"]);
    let chain = lab.bind(&[guest(json!({ "boolean": "flag" }))]);
    let flagged =
        |flag: &'static str| entry("user", &format!("uid={flag},dc=lab"), &[("uid", &[flag]), ("flag", &[flag])]);
    let entries = [flagged("TRUE"), flagged("maybe"), flagged("FALSE")];
    let mut evaluator = chain.start_cycle(0, false);
    let evaluations = evaluator.evaluate(&entries.iter().collect::<Vec<_>>()).unwrap();
    let active = |number: usize| values(draft(&evaluations[number].outcome))["active"].clone();
    assert_eq!(active(0), DraftValue::Plain(Plain::Boolean(true)));
    assert_eq!(active(2), DraftValue::Plain(Plain::Boolean(false)));
    let (code, detail) = held(&evaluations[1]).unwrap();
    assert_eq!(code, "unfit-value");
    assert!(detail.contains("flag has a value that is not TRUE or FALSE"), "{detail}");
    assert_eq!(evaluator.faults(), 0);
}

#[test]
fn many_entries_keep_their_order_over_batches_and_stores() {
    let lab = Lab::new(&["people"]);
    let chain = lab.bind(&[binding("people", no_config())]);
    let entries: Vec<_> = (0..20_000).map(|number| user(&format!("u{number}"))).collect();
    let evaluations = evaluate(&chain, &entries);
    assert_eq!(evaluations.len(), entries.len());
    for (number, evaluation) in evaluations.iter().enumerate() {
        assert_eq!(user_name(evaluation), Some(format!("u{number}")));
    }
}

#[test]
fn plugins_that_do_not_go_together_are_a_configuration_error() {
    let lab = Lab::new(&["people", "guest"]);
    let people = || binding("people", no_config());
    let whole = lab.bind_error(&[people(), guest(json!({ "kind": "", "writes": "name" }))]);
    assert!(whole.contains("guest sets name") && whole.contains("one of them holds the other"), "{whole}");
    let kinds = lab.bind_error(&[people(), guest(json!({ "kind": "Account" }))]);
    assert!(kinds.contains("people makes the object class user a User, guest a Account"), "{kinds}");
    let none = lab.bind_error(&[guest(json!({ "kind": "" }))]);
    assert!(none.contains("no mapping says what entries become"), "{none}");
    let mut skipped = people();
    skipped.on_fault = OnFault::Skip;
    let skip = lab.bind_error(&[skipped]);
    assert!(skip.contains("people cannot have on-fault = \"skip\""), "{skip}");
}

#[test]
fn the_hash_changes_with_configuration_and_order_alone() {
    let lab = Lab::new(&["people", "groups"]);
    let (people, groups) = (binding("people", no_config()), binding("groups", no_config()));
    let one = lab.bind(&[people.clone(), groups.clone()]);
    assert_eq!(one.hash(), lab.bind(&[people.clone(), groups.clone()]).hash());
    assert_ne!(one.hash(), lab.bind(&[groups, people]).hash());
    assert_ne!(one.hash(), lab.bind(&[binding("people", json!({ "domain": "x.example" }))]).hash());
}
