//! Cycles that ask each plugin only about entries of which something that it reads has changed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "these are tests")]

mod lab;

use std::fs;

use lab::{Directory, Lab};
use provisor_sync::{CycleRequest, CycleWatch, PreviewRequest};

/// The usual rules and the test guest, which reads user names.
fn rules(guest: &str) -> String {
    format!(
        "[[rules]]\nplugin = \"people\"\n[[rules]]\nplugin = \"groups\"\n[[rules]]\nplugin = \"guest\"\n\
         config = {{ kind = \"\"{guest} }}\n"
    )
}

/// A lab after its first cycle, of so many people and one group with half of them.
async fn begun(people: u32, guest: &str) -> Lab {
    let directory = Directory::of(1..=people).with_group(5000, 1..=people / 2);
    let mut lab = Lab::with_settings(directory, &rules(guest)).await;
    let built = provisor_tests::installed::example("provisor-test-guest").expect("the plugins for tests are built");
    fs::copy(built, lab.folder.path().join("plugins/guest.wasm")).unwrap();
    lab.rules.scan();
    lab.sync().await;
    assert_eq!(asked(&lab), [u64::from(people), 1, u64::from(people)], "a first cycle asks about all");
    lab.assert_in_step();
    lab
}

/// Settings under which everything is evaluated, and comes to the same.
fn in_units() -> String {
    let units = "\"ou=people,dc=lab,dc=test\", \"ou=groups,dc=lab,dc=test\"";
    format!("{}[scope]\norganizational-units = [{units}]\n", rules(""))
}

/// How many entries each plugin was asked about since the host started: people, groups, guest.
fn asked(lab: &Lab) -> [u64; 3] {
    let status = lab.rules.status();
    ["people", "groups", "guest"].map(|name| status.iter().find(|plugin| plugin.name == name).unwrap().usage.asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_asked_only_where_what_it_reads_has_changed() {
    let mut lab = begun(40, "").await;
    lab.directory.person(7).title = "Director".into();
    lab.sync().await;
    assert_eq!(asked(&lab), [41, 1, 40], "the guest does not read the title");
    lab.assert_in_step();
    // Who is in a group, the host sees to itself.
    lab.directory.group(5000).members.remove(&3);
    lab.directory.group(5000).members.insert(33);
    let report = lab.sync().await;
    assert_eq!(report.operations.get("update"), Some(&1), "{report:?}");
    assert_eq!(asked(&lab), [41, 1, 40]);
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_nobody_is_asked() {
    let mut lab = begun(40, "").await;
    lab.restart().await;
    lab.sync().await;
    assert_eq!(asked(&lab), [0; 3]);
    lab.change_settings(&in_units()).await;
    let report = lab.sync().await;
    assert_eq!((report.evaluated, asked(&lab)), (45, [0; 3]), "though everything is evaluated");
    lab.assert_in_step();
    let report = lab.try_sync(CycleRequest { initial: true, ..CycleRequest::default() }).await.unwrap();
    assert_eq!((report.evaluated, asked(&lab)), (45, [40, 1, 40]), "who reads everything has the rules asked");
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_generation_of_one_plugin_asks_that_one_alone() {
    let mut lab = begun(1000, "").await;
    lab.change_settings(&rules(", writes = \"nickName\"")).await;
    let report = lab.sync().await;
    assert_eq!(report.operations.get("update"), Some(&1000), "{report:?}");
    assert_eq!(asked(&lab), [1000, 1, 2000]);
    // A scope is none of the plugins' business.
    let settings = format!("{}[scope]\norganizational-units = [\"ou=guests,dc=lab,dc=test\"]\n[safety]\n", rules(""));
    lab.change_settings(&settings).await;
    assert!(lab.try_sync(CycleRequest::default()).await.is_err(), "so many are not disabled");
    lab.change_settings(&rules(", writes = \"nickName\"")).await;
    lab.sync().await;
    assert_eq!(asked(&lab), [1000, 1, 2000]);
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_answer_holds_no_longer_is_asked_again_and_the_others_are_not() {
    let mut lab = begun(40, ", holds = 0").await;
    let report = lab.sync().await;
    assert_eq!((report.evaluated, asked(&lab)), (40, [40, 1, 80]));
    lab.change_settings(&rules(", holds = 100000")).await;
    lab.sync().await;
    assert_eq!(asked(&lab), [40, 1, 120]);
    let report = lab.sync().await;
    assert_eq!((report.evaluated, asked(&lab)), (0, [40, 1, 120]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_fails_is_asked_again_in_each_cycle_and_only_about_whom_it_failed_at() {
    let mut lab = begun(40, "").await;
    lab.change_settings(&rules(", fault = \"trap\", only = \"u9\"")).await;
    lab.sync().await;
    let [people, groups, before] = asked(&lab);
    assert_eq!((people, groups), (40, 1));
    let report = lab.sync().await;
    assert_eq!((report.held, asked(&lab)), (1, [40, 1, before + 1]), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_keeps_nothing() {
    let mut lab = begun(40, "").await;
    lab.directory.person(7).title = "Director".into();
    lab.preview().await;
    let [before, ..] = asked(&lab);
    lab.sync().await;
    assert_eq!(asked(&lab)[0], before + 1);
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_one_object_has_the_rules_asked() {
    let mut lab = begun(40, "").await;
    let report = lab.pipeline.provision("u7", &CycleWatch::new()).await.unwrap();
    assert_eq!(report.outcome, "nothing to do");
    assert_eq!(asked(&lab), [41, 1, 41]);
    lab.change_settings(&in_units()).await;
    assert_eq!(lab.sync().await.evaluated, 45);
    assert_eq!(asked(&lab), [41, 1, 41], "what they answered is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_takes_the_answers_of_a_slow_plugin_as_they_are_kept() {
    let mut lab = begun(600, ", fault = \"slow\"").await;
    lab.restart().await;
    let everything = PreviewRequest { stored: true, initial: true, ..PreviewRequest::default() };
    let report = lab.pipeline.preview(everything, &CycleWatch::new()).await.unwrap();
    assert_eq!((report.evaluated, report.operations.len()), (605, 0), "{report:?}");
    let [people, _, guest] = asked(&lab);
    assert!((64..300).contains(&guest) && people == guest, "until it is known to be slow: {people} {guest}");
    // The same of an updated plugin beside it, which is asked about all.
    let mut update = fs::read(lab.folder.path().join("plugins/people.wasm")).unwrap();
    update.extend_from_slice(&[0, 5, 4, b'n', b'o', b't', b'e']);
    let report = lab.pipeline.preview_plugin("people", update, 0, &CycleWatch::new()).await.unwrap();
    assert_eq!(report.evaluated, report.unchanged, "{report:?}");
    assert_eq!(asked(&lab)[2], guest, "it has been known to be slow before");
}
