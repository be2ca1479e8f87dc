//! Values of which the first free one is taken: allotted once, kept, and never another's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "these are tests")]

mod lab;

use std::collections::{BTreeMap, BTreeSet};

use lab::{Directory, Lab, uuid};
use provisor_sync::{CycleOutcome, CycleWatch, LogFilter, PreviewRequest};

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

/// Which attributes of whom the cycle of this number has changed, by the provisioning log.
async fn changed(lab: &mut Lab, cycle: i64) -> BTreeSet<(String, String)> {
    let filter = LogFilter { cycle: Some(cycle), status: Some("success".into()), limit: 1_000, ..LogFilter::default() };
    let records = lab.pipeline.log(filter).await.unwrap();
    let changes = |record: provisor_sync::LogRecord| {
        record.changes.into_iter().map(move |change| (record.source_id.clone(), change.path))
    };
    records.into_iter().flat_map(changes).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_counts_leavers_newcomers_circles_and_unique_names_as_the_cycle_does() {
    let units = "[scope]\norganizational-units = [\"ou=people,dc=lab,dc=test\", \"ou=groups,dc=lab,dc=test\"]\n";
    let settings = format!("{RULES}[[rules]]\nplugin = \"groups\"\n{units}");
    let people = namesakes(1..=40).with_group(500, 1..=20).with_group(501, [9, 30]).with_group(502, 20..=25);
    let mut lab = Lab::with_settings(people, &settings).await;
    for round in 0..2 {
        if round == 1 {
            // Leavers by deletion and by scope, whose groups and reports did not change themselves.
            lab.directory.people.remove(&9);
            lab.directory.people.remove(&1);
            lab.directory.person(21).unit = "guests".into();
            // Newcomers who refer to each other, take names that leavers have, and join a group.
            lab.directory.people.extend(namesakes(60..=63).people);
            lab.directory.person(60).manager = Some(61);
            lab.directory.person(61).manager = Some(60);
            lab.directory.group(500).members.extend([60, 61]);
            lab.directory.person(5).title = "Countess".into();
            lab.directory.person(6).manager = None;
        }
        let asked = lab.preview().await;
        let request = PreviewRequest { stored: true, first: 100, ..PreviewRequest::default() };
        let stored = lab.pipeline.preview(request, &CycleWatch::new()).await.unwrap();
        assert_eq!(lab.preview().await.first, asked.first, "a preview changes nothing for the next");
        let report = lab.sync().await;
        assert_eq!(report.outcome, CycleOutcome::Completed, "{report:?}");
        let done = changed(&mut lab, report.cycle).await;
        for preview in [asked, stored] {
            // References that waited for one another are sent behind the operations that they belong to.
            let mut operations = report.operations.clone();
            operations.remove("references");
            assert_eq!(preview.operations, operations);
            assert_eq!(preview.out_of_scope.values().sum::<u64>(), report.out_of_scope);
            let foretold: BTreeSet<(String, String)> = preview
                .first
                .iter()
                .flat_map(|shown| shown.changes.iter().map(|change| (shown.id.clone(), change.path.clone())))
                .collect();
            assert_eq!(foretold, done);
            let mut counts = BTreeMap::<String, u64>::new();
            done.iter().for_each(|(_, path)| *counts.entry(path.clone()).or_default() += 1);
            assert_eq!(preview.attributes, counts);
        }
    }
    assert_eq!(lab.sync().await.evaluated, 0);
}
