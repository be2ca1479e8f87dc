//! Values of which the first free one is taken: allotted once, kept, and never another's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "these are tests")]

mod lab;

use std::collections::BTreeMap;

use lab::{Directory, Lab, uuid};
use provisor_sync::CycleOutcome;

const RULES: &str = "[[rules]]\nplugin = \"people\"\n[[rules]]\nplugin = \"unique-user-names\"\n";

fn namesakes(numbers: impl IntoIterator<Item = u32>) -> Directory {
    let mut directory = Directory::of(numbers);
    directory.people.values_mut().for_each(|person| person.name = "Lovelace".into());
    directory
}

/// The user names in the target, by anchor.
fn names(lab: &Lab) -> BTreeMap<String, String> {
    lab.held().0.into_iter().map(|(anchor, user)| (anchor, user.0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn namesakes_get_the_names_in_order_and_keep_them() {
    let mut lab = Lab::with_settings(namesakes(1..=3), RULES).await;
    lab.sync().await;
    let expected =
        [(1, "lovelace"), (2, "lovelace2"), (3, "lovelace3")].map(|(number, name)| (uuid(number), name.to_owned()));
    assert_eq!(names(&lab), expected.into());
    // The first leaves: the others keep their names, and a newcomer gets the one that is free.
    lab.directory.people.remove(&1);
    lab.directory.person(2).title = "Countess".into();
    lab.sync().await;
    lab.directory.people.extend(namesakes([4]).people);
    lab.sync().await;
    let expected =
        [(2, "lovelace2"), (3, "lovelace3"), (4, "lovelace")].map(|(number, name)| (uuid(number), name.to_owned()));
    assert_eq!(names(&lab), expected.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_data_folder_changes_nobodys_name() {
    let mut lab = Lab::with_settings(namesakes(2..=4), RULES).await;
    lab.sync().await;
    // Somebody with a lower id comes last, and so has the last name.
    lab.directory.people.extend(namesakes([1]).people);
    lab.sync().await;
    let before = names(&lab);
    assert_eq!(before[&uuid(1)], "lovelace4");
    lab.lose_data_folder().await;
    let writes = lab.writes();
    lab.sync().await;
    assert_eq!(names(&lab), before);
    assert_eq!(lab.writes(), writes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_a_stranger_has_is_passed_over() {
    let mut lab = Lab::with_settings(namesakes(1..=2), RULES).await;
    let stranger =
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"lovelace","externalId":"x"}"#;
    lab.elsewhere("POST", "/Users", stranger);
    let report = lab.sync().await;
    assert_eq!(report.outcome, CycleOutcome::Completed, "{report:?}");
    let names = names(&lab);
    assert_eq!(names["x"], "lovelace");
    let mut own: Vec<&str> = [1, 2].map(|number| names[&uuid(number)].as_str()).into();
    own.sort_unstable();
    assert_eq!(own, ["lovelace2", "lovelace3"]);
    let before = lab.tenant.counters().total();
    lab.sync().await;
    assert_eq!(lab.tenant.counters().total(), before);
}
