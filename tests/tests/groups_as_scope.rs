//! Scopes made of groups, direct and nested, and members by user name (posixGroup), from real directories into the tenant.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod support;

use provisor_tests::{Netscape, Slapd};
use support::circle::{Circle, Group};
use support::sources::Source;

#[tokio::test(flavor = "multi_thread")]
async fn direct_members_of_openldap_groups_are_the_scope() {
    story::<Slapd>(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_members_of_openldap_groups_are_the_scope() {
    story::<Slapd>(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_members_of_389_directory_server_groups_are_the_scope() {
    story::<Netscape>(true).await;
}

/// The groups: two make the scope, one of names and one of user names; three more come and go below the first.
const CLOUD: u32 = 1_000;
const LOGINS: u32 = 1_001;
const TEAM: u32 = 1_002;
const SHIFT: u32 = 1_003;
const CREW: u32 = 1_004;

/// What happens to people and groups of a scope, each followed by a cycle that writes what the oracle sees changed.
async fn story<S: Source>(nested: bool) {
    let groups = [
        (CLOUD, Group::names((1..=10).chain([TEAM]))),
        (LOGINS, Group::logins(8..=16)),
        (TEAM, Group::names((20..=24).chain([CREW]))),
        (SHIFT, Group::logins(22..=28)),
        (CREW, Group::names(30..=32)),
    ];
    let mut circle = Circle::<S>::start(1..=40, groups, [CLOUD, LOGINS], nested).await;
    circle.cycle("first").await;
    circle.rest();
    assert_eq!(circle.in_scope().contains(&30), nested);

    circle.join(CLOUD, 17);
    circle.leave(CLOUD, 2);
    circle.join(LOGINS, 18);
    circle.leave(LOGINS, 15);
    circle.cycle("members of both sorts changed").await;

    circle.retitle(9);
    circle.retitle(40);
    let evaluated = circle.cycle("a member changed").await;
    assert_eq!(evaluated, 2, "groups have nothing to do with it");

    circle.rename(12, "married");
    circle.cycle("a login was renamed, and the group lists the old one").await;
    assert!(!circle.in_scope().contains(&12));
    circle.leave_as(LOGINS, "u12");
    circle.join(LOGINS, 12);
    circle.cycle("the group lists the new login").await;
    circle.rename(8, "promoted");
    circle.cycle("a member by name and by login keeps the scope by name").await;
    assert!(circle.in_scope().contains(&8));
    circle.rename(13, "swapped");
    circle.rename(35, "u13");
    circle.cycle("another has the login that the group lists").await;
    assert!(circle.in_scope().contains(&35) && !circle.in_scope().contains(&13));

    circle.join(CLOUD, SHIFT);
    circle.cycle("a group of logins comes into the scope").await;
    assert_eq!(circle.in_scope().contains(&26), nested);
    circle.join(SHIFT, 36);
    circle.cycle("a login joins it").await;
    circle.rename_group(CLOUD, "the cloud");
    circle.rename_group(SHIFT, "night shift");
    circle.cycle("groups of the scope are renamed").await;
    circle.leave(CLOUD, TEAM);
    circle.cycle("a group leaves the scope, and those below it").await;
    circle.leave(CLOUD, SHIFT);
    circle.join(CLOUD, CREW);
    circle.cycle("one leaves while another comes").await;
    circle.delete(CREW);
    circle.cycle("a nested group is deleted").await;
    circle.delete(9);
    circle.delete(16);
    circle.cycle("members are deleted, and listed on").await;
    circle.rest();
    circle.source.restart();
    circle.rest();
}
