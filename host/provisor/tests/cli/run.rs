//! The agent at work: what it takes up while it runs, what other commands get from it, and how it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::support::{Running, World, built_plugin, rebuilt_people, wait_until};
use nix::sys::signal::Signal;
use provisor_tenant::{Latency, Misbehaviour, TenantOptions, Victims};
use serde_json::Value as Json;

const SOON: &str = "interval = \"1s\"";
const LATER: &str = "interval = \"1d\"";

/// How a configuration stands.
fn state(world: &World, name: &str) -> Json {
    let (_, status) = world.json(&["status"]);
    let states = status["configurations"].as_array().unwrap().clone();
    states.into_iter().find(|state| state["name"] == name).unwrap_or_default()
}

fn wait_for_users(world: &World, host: &Running, users: usize) {
    wait_until(&format!("there are {users} users"), || world.user_names().len() == users, || host.log());
}

#[test]
fn the_agent_follows_its_source_and_answers_the_other_commands() {
    let world = World::new();
    world.people(1..=10);
    world.configure("hr", SOON, "");
    let host = world.start();
    wait_for_users(&world, &host, 10);
    world.people(1..=12);
    wait_for_users(&world, &host, 12);
    let (status, report) = world.json(&["status"]);
    assert_eq!((status, &report["host"]["process"]), (0, &host.process().into()));
    assert_eq!(world.json(&["log", "hr", "--operation", "create"]).1["records"].as_array().unwrap().len(), 12);
    assert_eq!(world.json(&["provision", "hr", "uid=u2,dc=lab"]).0, 0);
    assert_eq!(world.json(&["preview", "hr", "--stored"]).0, 0);
    assert_eq!(world.json(&["check"]).0, 0);
    assert_eq!(world.json(&["plugin", "list"]).0, 0);
    assert_eq!(world.json(&["sync", "hr", "--initial"]).1["kind"], "initial");
    assert_eq!(world.run(&["sync", "finance"]).status, 2);
    let socket = fs::metadata(world.path("data/provisor.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    let (status, _) = host.end_by(Signal::SIGTERM);
    assert_eq!(status, 0);
    assert!(!world.path("data/provisor.sock").exists());
    assert_eq!(world.json(&["status"]).1["host"], Json::Null);
}

#[test]
fn what_a_rule_says_that_it_does_is_shown_and_logged_once() {
    let world = World::new();
    world.people(1..=3);
    let clause = "{ attribute = \"sn\", operator = \"equals\", value = \"Person\" }";
    world.configure("hr", SOON, &format!("[[rules]]\nplugin = \"scoping\"\nconfig.any = [{{ all = [{clause}] }}]\n"));
    let host = world.start();
    wait_for_users(&world, &host, 3);
    // Another cycle under the same rules.
    world.people(1..=4);
    wait_for_users(&world, &host, 4);
    let words = "An entry is in scope if sn is \"Person\".";
    for command in ["status", "plugin list"] {
        let told = world.run(&command.split(' ').collect::<Vec<_>>()).out;
        assert!(told.contains(&format!("scoping in hr: {words}")), "{command}: {told}");
    }
    let plugins = world.json(&["plugin", "list"]).1["plugins"].as_array().unwrap().clone();
    let scoping = plugins.iter().find(|plugin| plugin["name"] == "scoping").unwrap();
    assert_eq!(scoping["summaries"], serde_json::json!([{ "configuration": "hr", "summary": words }]));
    assert_eq!(host.log().matches(words).count(), 1, "{}", host.log());
}

#[test]
fn a_second_agent_on_the_folder_refuses_to_start() {
    let world = World::new();
    world.people(1..=1);
    world.configure("hr", LATER, "");
    let host = world.start();
    let second = world.run(&["run"]);
    assert_eq!(second.status, 1, "{second:?}");
    assert!(second.err.contains(&format!("the data folder is in use by process {}", host.process())), "{second:?}");
}

#[test]
fn configurations_come_change_and_go_while_the_agent_runs() {
    let world = World::new();
    world.people(1..=4);
    let host = world.start();
    world.configure("hr", LATER, "");
    wait_for_users(&world, &host, 4);

    world.configure("hr", LATER, "config = { domain = \"lab.example\" }\n");
    wait_until(
        "the new domain is in force",
        || world.user_names().iter().all(|name| name.ends_with("@lab.example")),
        || host.log(),
    );

    world.configure("hr", "interval = 7", "");
    wait_until("the wrong document is told", || state(&world, "hr")["document_error"].is_string(), || host.log());
    assert!(state(&world, "hr")["document_error"].as_str().unwrap().contains("hr.toml:1:12: interval must be"));
    assert_eq!(world.json(&["check", "hr"]).0, 2);
    assert_eq!(world.json(&["sync", "hr"]).0, 0, "the last good document is in force");
    assert!(host.log().contains("hr.toml:1:12: interval must be"), "{}", host.log());

    fs::remove_file(world.path("configurations/hr.toml")).unwrap();
    wait_until("the configuration is gone", || state(&world, "hr").is_null(), || host.log());
    assert_eq!(world.user_names().len(), 4, "what it made stays");
}

#[test]
fn a_staged_configuration_writes_nothing_and_shows_what_it_would_do() {
    let world = World::new();
    world.people(1..=4);
    world.configure("hr", &format!("enabled = \"staging\"\n{SOON}"), "");
    let host = world.start();
    wait_until("the preview is there", || state(&world, "hr")["would_do"]["create"] == 4, || host.log());
    assert!(world.user_names().is_empty());
}

#[test]
fn a_document_that_is_switched_off_shows_so_at_once() {
    let world = World::new();
    world.people(1..=4);
    world.configure("hr", &format!("enabled = \"staging\"\n{LATER}"), "");
    let host = world.start();
    wait_until("the preview is there", || state(&world, "hr")["would_do"]["create"] == 4, || host.log());
    assert_eq!(state(&world, "hr")["status"]["mode"], "staging");
    world.configure("hr", &format!("enabled = false\n{LATER}"), "");
    wait_until("it is shown as disabled", || state(&world, "hr")["status"]["mode"] == "disabled", || host.log());
    assert_eq!(state(&world, "hr")["error"], Json::Null);
}

#[test]
fn a_cycle_that_was_asked_for_and_failed_shows_in_the_status() {
    let world = World::new();
    world.people(1..=4);
    world.configure("hr", LATER, "");
    let host = world.start();
    wait_for_users(&world, &host, 4);
    fs::remove_file(world.path("people.ldif")).unwrap();
    assert_ne!(world.json(&["sync", "hr"]).0, 0);
    let shown = state(&world, "hr");
    assert!(shown["error"].as_str().unwrap_or_default().contains("people.ldif"), "{shown}");
    assert_eq!(shown["activity"], "waiting", "the next cycle is due as before: {shown}");
    world.people(1..=5);
    assert_eq!(world.json(&["sync", "hr"]).0, 0);
    assert_eq!(state(&world, "hr")["error"], Json::Null);
}

#[test]
fn a_changed_plugin_is_taken_up_and_a_broken_one_changes_nothing_but_the_status() {
    let world = World::new();
    world.people(1..=4);
    world.write("plugins/extra.wasm", built_plugin("people"));
    world.configure(
        "hr",
        LATER,
        "[[rules]]\nplugin = \"extra\"\nconfig = { object-class = \"group\", domain = \"one.example\" }\n",
    );
    let host = world.start();
    wait_for_users(&world, &host, 4);
    let plugin = |name: &str| {
        let (_, report) = world.json(&["plugin", "list"]);
        report["plugins"].as_array().unwrap().iter().find(|plugin| plugin["name"] == name).cloned().unwrap_or_default()
    };
    assert_eq!(plugin("extra")["state"], "active");
    let whole = built_plugin("people");
    world.write("plugins/extra.wasm", &whole[..whole.len() / 2]);
    wait_until("the half plugin is rejected", || plugin("extra")["state"] == "rejected", || host.log());
    assert!(plugin("extra")["active"].is_string());
    assert_eq!(world.json(&["sync", "hr"]).0, 0, "the last good one is in force");
    world.write("plugins/extra.wasm", &whole);
    wait_until("the whole plugin is back", || plugin("extra")["state"] == "active", || host.log());
}

#[test]
fn a_rule_replaced_in_mid_cycle_decides_from_the_next_cycle_on() {
    const PEOPLE: usize = 60;
    let latency = Latency { fixed: Duration::from_millis(400), jitter: Duration::ZERO };
    let slow = Misbehaviour { applies_to: Victims::Creates, latency: Some(latency), ..Misbehaviour::default() };
    let world = World::with_tenant(TenantOptions { misbehaviour: Some(slow), ..TenantOptions::default() });
    let mut ldif = "version: 1\n".to_owned();
    for number in 1..=PEOPLE {
        ldif += &format!(
            "\ndn: uid=u{number},dc=lab\nobjectClass: inetOrgPerson\nuid: u{number}\ncn: P\nsn: P\nmail: a{number}@lab.test\n\
             mail: b{number}@lab.test\nentryUUID: 00000000-0000-4000-8000-{number:012x}\n"
        );
    }
    world.write("people.ldif", ldif);
    world.write("plugins/people.wasm", built_plugin("people"));
    world.configure("hr", LATER, "");
    let rebuilt = rebuilt_people(1);
    let host = world.start();
    wait_until("the cycle writes", || !world.user_names().is_empty(), || host.log());
    world.write("plugins/people.wasm", &rebuilt);
    assert!(world.user_names().len() < PEOPLE, "the first cycle is still running");
    let types = || {
        let users = world.tenant.resources(provisor_tenant::Kind::User).unwrap();
        let text = |user: &Json| user["emails"].to_string();
        (users.len(), users.iter().filter(|user| text(user).contains("\"00001\"")).count())
    };
    wait_until("the new rule decides about everybody", || types() == (PEOPLE, PEOPLE), || host.log());
    let (_, log) = world.json(&["log", "hr", "--operation", "create", "--limit", "1000"]);
    let records = log["records"].as_array().unwrap();
    assert_eq!(records.len(), PEOPLE);
    for record in records {
        assert_eq!(record["cycle"], records[0]["cycle"], "one cycle made everybody");
        assert!(record["changes"].to_string().contains("type: other"), "by the rule it began with: {record}");
    }
    assert_eq!(host.end_by(Signal::SIGTERM).0, 0);
}

#[test]
fn a_failing_target_makes_the_agent_wait_longer_and_shows_in_its_status() {
    let world = World::new();
    world.people(1..=4);
    world.configure("hr", SOON, "");
    world.write("tenant.token", "wrong");
    let host = world.start();
    wait_until("the failure is told", || state(&world, "hr")["activity"] == "backing-off", || host.log());
    let shown = state(&world, "hr");
    assert!(shown["error"].as_str().unwrap().contains("token"), "{shown}");
    assert!(shown["next_cycle"].is_i64(), "{shown}");
    assert!(!host.log().contains("wrong\""), "{}", host.log());
}

#[test]
fn the_agent_stops_within_seconds_in_the_middle_of_a_cycle_and_goes_on_later() {
    let slow = Latency { fixed: Duration::from_millis(100), ..Latency::default() };
    let misbehaviour = Misbehaviour { latency: Some(slow), ..Misbehaviour::default() };
    let world = World::with_tenant(TenantOptions { misbehaviour: Some(misbehaviour), ..TenantOptions::default() });
    world.people(1..=2000);
    world.configure("hr", LATER, "");
    let host = world.start();
    wait_until("the export is under way", || world.user_names().len() > 20, || host.log());
    let (status, took) = host.end_by(Signal::SIGTERM);
    assert_eq!(status, 0);
    assert!(took < Duration::from_secs(10), "{took:?}");
    let made = world.user_names().len();
    assert!(made < 2000, "it did not wait for the whole cycle");
    world.tenant.misbehave(Misbehaviour::default());
    assert_eq!(world.json(&["sync", "hr"]).0, 0);
    assert_eq!(world.user_names().len(), 2000, "nothing is lost and nothing made twice");
}
