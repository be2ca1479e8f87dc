//! Controllers that crash between two cycles and in the middle of one, and controllers that lag.

use serde_json::json;

use super::organisation::{Class, NORTH, Size};
use super::relay::Relay;
use super::{FEW, Manner, Rights, Samba, Story, agent};
use crate::support::Agent;

/// A story of two controllers. The administrator reads them: of a deletion that was replicated Samba tells nobody else.
async fn two(size: Size, source: &'static str) -> (Story, Samba) {
    let mut story = Story::begin(Manner { size, source, flat: false, rights: Rights::Administrator }).await;
    let second = story.samba.join("dc2").unwrap();
    story.urls = vec![story.samba.url(), second.url()];
    (story, second)
}

/// Some changes of each sort, at the controller of the story.
fn change(story: &mut Story, title: &str) {
    let people = story.organisation.of(Class::User);
    let groups = story.organisation.of(Class::Group);
    for number in &people[20..24] {
        story.set(*number, "title", Some(title));
    }
    story.delete(people[30]);
    let new = story.organisation.hire_into(NORTH);
    story.create(new);
    story.make_changes();
    story.join(groups[3], &[new]);
    story.make_changes();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_controller_goes_on_where_the_preferred_one_crashed() {
    let (mut story, mut other) = two(FEW, "").await;
    story.configure();
    story.cycle("at first");

    change(&mut story, "before the crash");
    other.replicate_from(&story.samba).unwrap();
    story.samba.crash().unwrap();
    let report = story.cycle("the preferred controller crashed");
    assert_eq!(report["kind"], "incremental", "{report}");
    std::mem::swap(&mut story.samba, &mut other);
    change(&mut story, "after the crash");
    story.cycle("changes at the other one");

    // The first is back, and knows nothing of what happened meanwhile; the other is away.
    other.restart().unwrap();
    story.samba.crash().unwrap();
    story.rest("the controller lags");
    let requests = story.tenant.counters().changes;
    let output = story.agent.run(&["sync", "lab", "--initial"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("is behind"), "{said}");
    assert_eq!(story.tenant.counters().changes, requests, "nothing follows from what a controller does not know yet");

    story.samba.restart().unwrap();
    other.replicate_from(&story.samba).unwrap();
    story.agent.json(&["sync", "lab", "--initial"]);
    story.settle("it has caught up");
}

/// How many octets a controller sends for a first import.
async fn octets_of_an_import(story: &Story) -> u64 {
    let relay = Relay::before(&story.samba, u64::MAX).await;
    let text = std::fs::read_to_string(story.agent.path("configurations/lab.toml")).unwrap();
    let measured: Agent = agent(&text.replace(&story.urls[0], &relay.url()));
    measured.secret("password", Rights::Administrator.password());
    measured.json(&["preview", "lab"]);
    assert!(!relay.is_broken());
    relay.passed()
}

/// A story whose preferred controller breaks down when all but this many octets of an import have come.
async fn breaking(size: Size, source: &'static str, left: u64) -> (Story, Samba, Relay) {
    let (mut story, other) = two(size, source).await;
    story.configure();
    let octets = octets_of_an_import(&story).await;
    let relay = Relay::before(&story.samba, octets - left).await;
    story.urls[0] = relay.url();
    story.configure();
    (story, other, relay)
}

/// The cycle ends right, and says so.
fn goes_on(story: &mut Story, relay: &Relay, words: &str) {
    let output = story.agent.run(&["--json", "sync", "lab"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains(words), "{said}");
    assert!(relay.is_broken());
    let report = serde_json::from_slice(&output.stdout).unwrap();
    story.compare("the import went on", &report);
    assert_eq!(report["operations"]["create"], json!(story.held()), "{report}");
    story.rest("the import went on");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_by_dirsync_goes_on_at_the_other_controller_where_it_broke_off() {
    // More than are read before the import counts as begun.
    let size = Size { people: 1_100, ..FEW };
    let (mut story, _other, relay) = breaking(size, "", 15_000).await;
    goes_on(&mut story, &relay, "was lost in mid-import");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_begins_at_the_other_controller_where_the_first_answer_broke_off() {
    let (mut story, _other, relay) = breaking(FEW, "", 15_000).await;
    goes_on(&mut story, &relay, "another attempt went well");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_by_change_numbers_begins_anew_at_the_other_controller_where_it_broke_off() {
    let (mut story, _other, relay) = breaking(FEW, "changes = \"change-numbers\"\npage-size = 20\n", 30_000).await;
    let output = story.agent.run(&["--json", "sync", "lab"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && relay.is_broken(), "{said}");
    assert!(super::oracle::held(&story.tenant).is_empty(), "nothing is written of what was read in part");
    let report = story.agent.json(&["sync", "lab"]);
    story.compare("the import began anew", &report);
    assert_eq!(report["operations"]["create"], json!(story.held()), "{report}");
    story.rest("the import began anew");
}
