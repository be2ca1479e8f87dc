//! Cycles into services that keep, show and count in ways of their own: nothing is lost, and nothing is written again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod lab;

use std::collections::BTreeSet;

use lab::{Directory, Lab, RULES, uuid};
use provisor_sync::CycleOutcome;
use provisor_tenant::{Entra, Kind, Personality, Quirks, Tenant, TenantOptions};
use serde_json::Value;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A second cycle asks and writes nothing.
async fn assert_silent(lab: &mut Lab) {
    let report = lab.sync().await;
    assert_eq!((report.requests.reads, report.requests.writes), (0, 0), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_target_drops_changes_or_never_returns_is_not_written_again() {
    let mut lab = Lab::new(Directory::of(1..=30).with_group(100, 1..=30)).await;
    let habits = Quirks {
        drops_attributes: names(&["title"]),
        changes_case_of: names(&["displayName"]),
        never_returns: names(&["name.familyName"]),
        ..Quirks::default()
    };
    lab.tenant.set_quirks(habits).unwrap();
    let report = lab.sync().await;
    assert_eq!((report.outcome, report.requests.writes), (CycleOutcome::Completed, 31));
    assert_silent(&mut lab).await;
    lab.directory.person(3).name = "Another Name".into();
    assert_eq!(lab.sync().await.requests.writes, 1);
    assert_silent(&mut lab).await;
    // Who finds everything again sees the differences, and writes once.
    lab.lose_data_folder().await;
    let report = lab.sync().await;
    assert_eq!(report.operations.get("create"), None, "{report:?}");
    assert_silent(&mut lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_are_never_shown_come_and_go() {
    let settings = format!("quirks = [\"members-hidden\"]\n{RULES}");
    let mut lab = Lab::with_settings(Directory::of(1..=20).with_group(100, 1..=12), &settings).await;
    lab.tenant.set_quirks(Quirks { hides_members: true, ..Quirks::default() }).unwrap();
    lab.sync().await;
    lab.directory.group(100).members = (5..=20).collect();
    assert_eq!(lab.sync().await.requests.writes, 1);
    assert_silent(&mut lab).await;
    // Found again, all are added once more, which does no harm.
    lab.lose_data_folder().await;
    lab.sync().await;
    assert_silent(&mut lab).await;
    lab.tenant.set_quirks(Quirks::default()).unwrap();
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_deleted_softly_is_activated_on_return() {
    let settings = format!("quirks = [\"soft-delete\"]\n{RULES}");
    let mut lab = Lab::with_settings(Directory::of(1..=20), &settings).await;
    lab.tenant.set_quirks(Quirks { soft_delete: true, ..Quirks::default() }).unwrap();
    lab.sync().await;
    let gone = lab.directory.people.remove(&7).unwrap();
    lab.sync().await;
    let (users, _) = lab.held();
    assert!(!users[&uuid(7)].3, "it is there, inactive");
    lab.directory.people.insert(7, gone);
    let report = lab.sync().await;
    assert_eq!(report.operations.get("join"), Some(&1), "{report:?}");
    lab.assert_in_step();
    assert_silent(&mut lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_finds_nothing_makes_no_duplicates() {
    let mut lab = Lab::new(Directory::of(1..=5).with_group(100, 1..=5)).await;
    let habits = Quirks { filter_finds_nothing_on: names(&["externalId"]), ..Quirks::default() };
    lab.tenant.set_quirks(habits).unwrap();
    lab.sync().await;
    lab.lose_data_folder().await;
    let report = lab.sync().await;
    assert_eq!((report.operations.get("create"), report.requests.writes), (None, 0), "{report:?}");
    lab.assert_in_step();
}

/// A lab whose tenant is Entra ID.
async fn entra(directory: Directory) -> Lab {
    let nickname = "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:User:mailNickname";
    let people = format!(
        "[[rules]]\nplugin = \"people\"\n[rules.config]\ngiven-name = \"cn\"\nformatted-name = \"\"\ndisplay-name = \"cn\"\n\
         home-phone = \"\"\npager = \"\"\n[rules.config.also]\n\"{nickname}\" = \"uid\"\n"
    );
    let settings = format!(
        "profile = \"entra\"\ninitial-password = \"random\"\n{people}[[rules]]\nplugin = \"groups\"\n\
         [leaving.group]\nout-of-scope = \"delete\"\n"
    );
    let mut lab = Lab::with_settings(directory, &settings).await;
    let personality = Personality::Entra(Entra { needs_accept: true, derives_mail_nickname: false });
    let options = TenantOptions { token: Some("t0ken".into()), personality, ..TenantOptions::default() };
    lab.tenant = Tenant::bind(([127, 0, 0, 1], 0).into(), options).await.unwrap();
    lab.change_settings(&settings).await;
    lab
}

/// The anchors of the only group's members.
fn members(lab: &Lab) -> BTreeSet<String> {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap().to_owned();
    let users = lab.tenant.resources(Kind::User).unwrap();
    let anchor =
        |id: &str| users.iter().find(|user| text(user, "id") == id).map(|user| text(user, "externalId")).unwrap();
    let groups = lab.tenant.resources(Kind::Group).unwrap();
    assert_eq!(groups.len(), 1);
    let listed = groups[0]["members"].as_array().cloned().unwrap_or_default();
    listed.iter().map(|member| anchor(&text(member, "value"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn entra_is_kept_in_step_for_what_the_preview_foretold() {
    let mut lab = entra(Directory::of(1..=50).with_group(100, 1..=45)).await;
    let preview = lab.preview().await;
    // One for each person and the group, and three for members by twenties.
    assert_eq!(preview.requests.writes, 50 + 1 + 3);
    assert!(preview.requests.milli_dollars.unwrap() >= 2 * preview.requests.writes);
    let before = lab.tenant.counters().total();
    let report = lab.sync().await;
    assert_eq!(
        (report.outcome, report.requests.writes),
        (CycleOutcome::Completed, preview.requests.writes),
        "{report:?}"
    );
    let sent = lab.tenant.counters().total() - before;
    assert_eq!(report.requests.milli_dollars, Some(2 * sent));
    assert_eq!(members(&lab), (1..=45).map(uuid).collect());
    assert_silent(&mut lab).await;

    lab.directory.group(100).members = (3..=48).collect();
    lab.directory.group(100).name = "renamed".into();
    let preview = lab.preview().await;
    let report = lab.sync().await;
    assert_eq!((report.requests.writes, preview.requests.writes), (4, 4), "the name, who comes, and two who go");
    assert_eq!(members(&lab), (3..=48).map(uuid).collect());
    assert_silent(&mut lab).await;

    // A lost data folder finds people by their filter or the listing, and the group by its anchor.
    lab.lose_data_folder().await;
    let report = lab.sync().await;
    assert_eq!(report.operations.get("create"), None, "{report:?}");
    assert_eq!(members(&lab), (3..=48).map(uuid).collect());
    assert_silent(&mut lab).await;
}
