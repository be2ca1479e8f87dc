//! Scope by groups: direct, nested, renamed, emptied; and that a change costs what changed.

use std::collections::{BTreeMap, BTreeSet};

use provisor_sync::{CycleRequest, SyncError};

use crate::lab::{Directory, Lab, RULES, uuid};

const LEAVING: &str = "[leaving]\nout-of-scope = \"delete\"\n";

fn settings(scope: &str) -> String {
    format!("{RULES}{LEAVING}[scope]\n{scope}")
}

/// The anchors of the users and groups in the target.
fn held(lab: &Lab) -> BTreeSet<String> {
    let (users, groups) = lab.held();
    users.into_keys().chain(groups.into_keys()).collect()
}

fn anchors(numbers: impl IntoIterator<Item = u32>) -> BTreeSet<String> {
    numbers.into_iter().map(uuid).collect()
}

fn staff() -> Directory {
    Directory::of(1..=60).with_group(500, 1..=20).with_group(501, 30..=34)
}

const DIRECT: &str = "groups = [\"cn=group 500,ou=groups,dc=lab,dc=test\"]\n";
const NESTED: &str = "groups = [\"cn=group 500,ou=groups,dc=lab,dc=test\"]\ngroup-members = \"nested\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_members_of_a_group_and_the_group_itself_are_in_scope() {
    let mut lab = Lab::with_settings(staff(), &settings(DIRECT)).await;
    lab.sync().await;
    assert_eq!(held(&lab), anchors((1..=20).chain([500])));
    // Two come, one goes: these are evaluated, and the group that lists them.
    lab.directory.group(500).members.extend([40, 41]);
    lab.directory.group(500).members.remove(&7);
    let report = lab.sync().await;
    assert_eq!(report.evaluated, 4, "{report:?}");
    assert_eq!(held(&lab), anchors((1..=20).chain([40, 41, 500]).filter(|number| *number != 7)));
    let before = lab.tenant.counters().total();
    let report = lab.sync().await;
    assert_eq!((report.evaluated, lab.tenant.counters().total()), (0, before));
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_groups_count_where_it_says_so_and_circles_end() {
    let mut directory = staff().with_group(502, [50]);
    directory.group(500).groups = [501].into();
    directory.group(501).groups = [502].into();
    directory.group(502).groups = [500].into();
    let mut lab = Lab::with_settings(directory, &settings(DIRECT)).await;
    lab.sync().await;
    assert_eq!(held(&lab), anchors((1..=20).chain([500, 501])), "the group is a member, its members are not");
    lab.change_settings(&settings(NESTED)).await;
    lab.sync().await;
    assert_eq!(held(&lab), anchors((1..=20).chain(30..=34).chain([50, 500, 501, 502])));
    // A member of a group two levels down.
    lab.directory.group(502).members.insert(51);
    let report = lab.sync().await;
    assert_eq!(report.evaluated, 2, "{report:?}");
    assert!(held(&lab).contains(&uuid(51)));
    // The middle of the chain is taken out: who was in by it leaves.
    lab.directory.group(500).groups.clear();
    let request = CycleRequest { allow_deletes: Some(100), ..CycleRequest::default() };
    lab.try_sync(request).await.unwrap();
    assert_eq!(held(&lab), anchors((1..=20).chain([500])));
    // A group that was empty gets a member, and counts once it is listed again.
    lab.directory.group(500).groups = [502].into();
    lab.sync().await;
    assert_eq!(held(&lab), anchors((1..=20).chain([50, 51, 500, 502])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_gets_its_first_members_brings_them_into_scope() {
    let mut directory = staff().with_group(502, []);
    directory.group(500).groups = [502].into();
    let mut lab = Lab::with_settings(directory, &settings(NESTED)).await;
    lab.sync().await;
    assert_eq!(held(&lab), anchors((1..=20).chain([500, 502])));
    lab.directory.group(502).members.insert(44);
    lab.sync().await;
    assert!(held(&lab).contains(&uuid(44)));
    lab.directory.groups.remove(&502);
    lab.sync().await;
    assert_eq!(
        held(&lab),
        anchors((1..=20).chain([500])),
        "a nested group that is gone takes its members out of scope"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_and_a_group_together_are_either_of_the_two() {
    let mut directory = staff();
    for number in 1..=10 {
        directory.person(number).unit = "guests".into();
    }
    let scope = format!("organizational-units = [\"ou=guests,dc=lab,dc=test\"]\n{}", DIRECT.replace("500", "501"));
    let mut lab = Lab::with_settings(directory, &settings(&scope)).await;
    lab.sync().await;
    assert_eq!(held(&lab), anchors((1..=10).chain(30..=34).chain([501])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_group_is_followed_and_a_missing_one_stops_the_cycle() {
    let mut lab = Lab::with_settings(staff(), &settings(DIRECT)).await;
    lab.sync().await;
    lab.directory.group(500).name = "the staff".into();
    let report = lab.sync().await;
    assert_eq!(report.evaluated, 1, "{report:?}");
    assert_eq!(held(&lab), anchors((1..=20).chain([500])));
    let before = lab.writes();
    let group = lab.directory.groups.remove(&500).unwrap();
    let outcome = lab.try_sync(CycleRequest::default()).await;
    assert!(matches!(&outcome, Err(SyncError::Scope(words)) if words.contains("cn=group 500")), "{outcome:?}");
    assert_eq!(lab.writes(), before);
    lab.directory.groups.insert(500, group);
    lab.sync().await;
    assert_eq!(held(&lab), anchors((1..=20).chain([500])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_emptied_meets_the_safety_threshold() {
    let mut lab = Lab::with_settings(staff(), &settings(DIRECT)).await;
    lab.sync().await;
    let before = lab.writes();
    lab.directory.group(500).members.clear();
    let outcome = lab.try_sync(CycleRequest::default()).await;
    assert!(matches!(&outcome, Err(SyncError::Safety(words)) if words.contains("delete 20")), "{outcome:?}");
    assert_eq!(lab.writes(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn posix_groups_make_a_scope_and_no_rule_has_to_read_their_members() {
    let mut directory = staff();
    directory.group(500).posix = true;
    let people = format!("[[rules]]\nplugin = \"people\"\n{LEAVING}[scope]\n{DIRECT}");
    let mut lab = Lab::with_settings(directory, &people).await;
    lab.sync().await;
    assert_eq!(held(&lab), anchors(1..=20));
    lab.directory.group(500).members.insert(33);
    lab.directory.group(500).members.remove(&3);
    let report = lab.sync().await;
    assert_eq!(report.evaluated, 3, "{report:?}");
    let in_scope: BTreeSet<u32> = (1..=20).chain([33]).filter(|number| *number != 3).collect();
    assert_eq!(held(&lab), anchors(in_scope.clone()));
    let (users, _) = lab.held();
    assert_eq!(users.values().filter(|user| user.3).count(), in_scope.len());
    assert_eq!(lab.held().1, BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_the_group_and_the_directory_at_once_is_in_scope() {
    let mut lab = Lab::with_settings(staff(), &settings(NESTED)).await;
    lab.sync().await;
    let newcomer = lab.directory.people[&11].clone();
    lab.directory.people.insert(100, crate::lab::Person { uid: "u100".into(), ..newcomer });
    lab.directory.group(500).members.insert(100);
    let report = lab.sync().await;
    assert_eq!(report.evaluated, 2, "{report:?}");
    assert!(held(&lab).contains(&uuid(100)));
}
