//! References by value: a posixGroup's members are user names.

use provisor_sync::LogFilter;

use crate::lab::{Directory, Lab, RULES, uuid};

fn posix() -> Directory {
    let mut directory = Directory::of(1..=30).with_group(500, 1..=10);
    directory.group(500).posix = true;
    directory
}

fn members(lab: &Lab) -> Vec<u32> {
    let groups = lab.held().1;
    let number = |anchor: &String| anchor.rsplit('-').next().unwrap().parse::<u32>().unwrap();
    groups[&uuid(500)].1.iter().map(number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn members_by_user_name_are_members() {
    let mut lab = Lab::new(posix()).await;
    lab.sync().await;
    lab.assert_in_step();
    lab.directory.group(500).members.remove(&4);
    lab.directory.group(500).members.insert(20);
    let before = lab.writes();
    let report = lab.sync().await;
    lab.assert_in_step();
    assert_eq!(lab.writes() - before, 1, "{report:?}");
    // What does not concern a member's name does not concern the group.
    lab.directory.person(5).title = "Director".into();
    let report = lab.sync().await;
    assert_eq!(report.evaluated, 1, "{report:?}");
    let before = lab.tenant.counters().total();
    lab.sync().await;
    assert_eq!(lab.tenant.counters().total(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_who_is_not_there_yet_is_one_on_arrival() {
    let mut directory = posix();
    directory.people.remove(&9);
    let mut lab = Lab::new(directory).await;
    lab.sync().await;
    assert_eq!(members(&lab), (1..=8).chain([10]).collect::<Vec<_>>());
    lab.directory.people.insert(9, Directory::of([9]).people.remove(&9).unwrap());
    lab.sync().await;
    assert_eq!(members(&lab), (1..=10).collect::<Vec<_>>());
    lab.directory.people.remove(&9);
    lab.sync().await;
    assert_eq!(members(&lab), (1..=8).chain([10]).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_means_who_has_it_now() {
    let mut lab = Lab::new(posix()).await;
    lab.sync().await;
    // The directory's group lists the names that people have: both change at once.
    lab.directory.person(3).uid = "married".into();
    lab.sync().await;
    lab.assert_in_step();
    // Somebody else gets a name that the group lists.
    lab.directory.person(3).uid = "left".into();
    lab.directory.person(30).uid = "married".into();
    lab.directory.group(500).members.remove(&3);
    lab.directory.group(500).members.insert(30);
    lab.sync().await;
    lab.assert_in_step();
    assert!(members(&lab).contains(&30) && !members(&lab).contains(&3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_two_have_means_nobody_and_is_reported() {
    let mut directory = posix();
    directory.person(30).uid = "U2".into();
    directory.person(30).unit = "guests".into();
    let settings = format!(
        "{RULES}[scope]\norganizational-units = [\"ou=people,dc=lab,dc=test\", \"ou=groups,dc=lab,dc=test\"]\n"
    );
    let mut lab = Lab::with_settings(directory, &settings).await;
    lab.sync().await;
    assert!(!members(&lab).contains(&2) && !members(&lab).contains(&30));
    let filter = LogFilter { object: Some(uuid(500)), limit: 10, ..LogFilter::default() };
    let records = lab.pipeline.log(filter).await.unwrap();
    let told = |word: &str| records.iter().any(|record| record.steps.iter().any(|step| step.detail.contains(word)));
    assert!(told("memberUid lists \"u2\""), "{records:?}");
    lab.directory.person(30).uid = "other".into();
    lab.sync().await;
    assert!(members(&lab).contains(&2));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_attribute_may_be_meant_and_none() {
    let mut directory = posix();
    for number in 1..=10 {
        directory.person(number).title = format!("u{number}");
        directory.person(number).uid = format!("name{number}");
    }
    let mut lab = Lab::with_source(directory, "references-by = { memberUid = \"title\" }\n", RULES).await;
    // The lab lists uids; these are what nobody has as a title.
    lab.sync().await;
    assert_eq!(members(&lab), Vec::<u32>::new());
    for number in 1..=10 {
        lab.directory.person(number).title = format!("name{number}");
    }
    lab.sync().await;
    assert_eq!(members(&lab), (1..=10).collect::<Vec<_>>());
}
