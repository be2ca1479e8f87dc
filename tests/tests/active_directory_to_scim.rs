//! From Samba's domain controllers through the rules for Active Directory into the tenant: what happens over the time,
//! controllers that fail, several forests, and what an administrator is shown. `cargo xtask soak` runs it with 5,000 people.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod domain;
mod support;

use std::time::Duration;

use domain::organisation::{Class, NORTH, Size};
use domain::{FEW, Manner, Rights, Story};
use provisor_tests::wait_until;
use serde_json::Value;

/// A size that shows everything in seconds, or the full one where `PROVISOR_SOAK` says that time is no matter.
fn size() -> Size {
    if std::env::var_os("PROVISOR_SOAK").is_some() {
        Size { people: 5_000, groups: 300, big: 2_000, contacts: 300, computers: 500 }
    } else {
        Size { people: 300, groups: 30, big: 120, contacts: 20, computers: 20 }
    }
}

async fn churn(manner: Manner) {
    let mut story = Story::begin(manner).await;
    let report = story.cycle("at first");
    assert_eq!(report["kind"], "initial", "{report}");
    assert_eq!(report["operations"]["update"], Value::Null, "{report}");
    story.attributes_change();
    story.objects_are_renamed();
    story.units_are_renamed();
    story.the_scope_is_left_and_entered();
    story.a_unit_comes_and_goes();
    story.members_change();
    story.accounts_change();
    story.objects_are_deleted_and_come_again();
    story.samba.restart().unwrap();
    story.rest("the controller was restarted");
    // With a lost data folder everything is found again by its externalId.
    std::fs::remove_dir_all(story.agent.path("data")).unwrap();
    story.configure();
    let report = story.cycle("the data folder was lost");
    assert_eq!(report["operations"]["create"], Value::Null, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tenant_follows_the_domain_by_dirsync() {
    churn(Manner { size: size(), source: "", flat: false, rights: Rights::Granted }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tenant_follows_the_domain_by_change_numbers() {
    churn(Manner { size: size(), source: "changes = \"change-numbers\"\n", flat: false, rights: Rights::Granted })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_in_a_domain_the_tenant_follows() {
    let soak = std::env::var_os("PROVISOR_SOAK").is_some();
    let manner = Manner { size: FEW, source: "", flat: false, rights: Rights::Granted };
    let flat = Manner { source: "nested-groups = \"flat\"\n", flat: true, ..manner };
    let numbered = Manner { source: "changes = \"change-numbers\"\n", ..manner };
    let (manners, rounds) = if soak { (vec![manner, flat, numbered], 40) } else { (vec![flat], 4) };
    for (seed, manner) in (1..).zip(manners) {
        domain::random::rounds(manner, seed, rounds, 25).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_told_of_no_deletions_misses_who_is_deleted() {
    let source = "listing = \"1s\"\n";
    let mut story = Story::begin(Manner { size: FEW, source, flat: false, rights: Rights::None }).await;
    story.cycle("at first");
    story.rename(NORTH, "far north");
    let people = story.organisation.of(Class::User);
    story.set(people[14], "title", Some("Director"));
    story.cycle("changes are told");
    for number in [people[15], people[16], story.organisation.of(Class::Group)[5]] {
        story.delete(number);
    }
    story.make_changes();
    wait_until("all to be listed", Duration::from_secs(30), || {
        story.agent.json(&["sync", "lab"]);
        story.difference().is_none()
    })
    .unwrap();
    story.settle("the deleted were missed");
}
