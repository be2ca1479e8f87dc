//! Cycles from an LDIF file into the tenant: what is written, and what is not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "these are tests")]

mod lab;

use std::collections::{BTreeMap, BTreeSet};

use lab::{Directory, Lab, RULES, uuid};
use provisor_sync::{CycleKind, CycleOutcome, CycleRequest, SyncError};
use provisor_tenant::{Cut, CutMoment, Kind, Latency, Misbehaviour, Occasion, RetryAfter, Throttle, Victims};

fn staff() -> Directory {
    Directory::of(1..=60).with_group(500, 1..=20).with_group(501, 10..=40)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_initial_cycle_makes_everything_and_the_second_is_silent() {
    let mut lab = Lab::new(staff()).await;
    let report = lab.sync().await;
    assert_eq!(report.outcome, CycleOutcome::Completed, "{report:?}");
    assert_eq!(report.operations.get("create"), Some(&62), "{report:?}");
    lab.assert_in_step();
    let before = lab.tenant.counters().total();
    let report = lab.sync().await;
    assert_eq!(lab.tenant.counters().total(), before, "a cycle without changes asks the target nothing");
    assert_eq!(report.evaluated, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_one_request_for_the_resource_concerned() {
    let mut lab = Lab::new(staff()).await;
    lab.sync().await;
    let before = lab.writes();
    lab.directory.person(7).title = "Director".into();
    lab.directory.person(8).title = String::new();
    lab.directory.group(500).members.remove(&3);
    lab.directory.group(500).members.insert(55);
    let report = lab.sync().await;
    lab.assert_in_step();
    assert_eq!(lab.writes() - before, 3, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_person_is_updated_and_stays_a_member() {
    let mut lab = Lab::new(staff()).await;
    lab.sync().await;
    let before = lab.writes();
    lab.directory.person(7).uid = "renamed".into();
    lab.sync().await;
    lab.assert_in_step();
    assert_eq!(lab.writes() - before, 1, "the groups that list the person did not change");
}

#[tokio::test(flavor = "multi_thread")]
async fn leavers_are_deleted_and_newcomers_made() {
    let mut lab = Lab::new(staff()).await;
    lab.sync().await;
    lab.directory.people.remove(&9);
    lab.directory.people.remove(&10);
    let newcomer = lab.directory.people[&11].clone();
    lab.directory.people.insert(100, lab::Person { uid: "u100".into(), ..newcomer });
    lab.directory.group(501).members.insert(100);
    let report = lab.sync().await;
    assert_eq!(report.operations.get("delete"), Some(&2), "{report:?}");
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_the_scope_is_disabled_and_enabled_on_return() {
    let settings = format!(
        "{RULES}[scope]\norganizational-units = [\"ou=people,dc=lab,dc=test\", \"ou=groups,dc=lab,dc=test\"]\n[leaving.group]\nout-of-scope = \"delete\"\n"
    );
    let mut lab = Lab::with_settings(staff(), &settings).await;
    lab.sync().await;
    let everybody: BTreeSet<u32> = (1..=60).collect();
    let was = lab.held().0[&uuid(12)].clone();
    lab.directory.person(12).unit = "guests".into();
    let report = lab.sync().await;
    assert_eq!(report.operations.get("disable"), Some(&1), "{report:?}");
    let disabled = BTreeMap::from([(12, (was.0, was.1, was.2, false, was.4))]);
    lab.assert_in_step_with(&everybody.iter().copied().filter(|number| *number != 12).collect(), &disabled);
    let before = lab.tenant.counters().total();
    lab.sync().await;
    assert_eq!(lab.tenant.counters().total(), before);
    lab.directory.person(12).unit = "people".into();
    lab.sync().await;
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn references_settle_when_their_object_comes_into_scope() {
    let settings = format!(
        "{RULES}[scope]\norganizational-units = [\"ou=people,dc=lab,dc=test\", \"ou=groups,dc=lab,dc=test\"]\n"
    );
    let mut directory = staff();
    directory.person(1).unit = "guests".into();
    directory.person(15).unit = "guests".into();
    directory.person(15).listed_in = Some("guests".into());
    let mut lab = Lab::with_settings(directory, &settings).await;
    let report = lab.sync().await;
    assert!(report.waiting_references > 0, "{report:?}");
    let all_but = |absent: &[u32]| (1..=60).filter(|number| !absent.contains(number)).collect::<BTreeSet<u32>>();
    lab.assert_in_step_with(&all_but(&[1, 15]), &BTreeMap::new());
    lab.directory.person(15).unit = "people".into();
    let report = lab.sync().await;
    lab.assert_in_step_with(&all_but(&[1]), &BTreeMap::new());
    assert_eq!(report.evaluated, 1, "the groups themselves did not change: {report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_data_folder_makes_nothing_twice_and_writes_nothing() {
    let mut lab = Lab::new(staff()).await;
    lab.sync().await;
    let before = lab.writes();
    lab.lose_data_folder().await;
    let report = lab.sync().await;
    assert_eq!(report.operations.get("join"), Some(&62), "{report:?}");
    assert_eq!(lab.writes(), before, "{report:?}");
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_goes_to_its_new_holder_in_one_cycle() {
    let mut lab = Lab::new(staff()).await;
    lab.sync().await;
    // The same person comes back as a new object, with the same name.
    let person = lab.directory.people.remove(&20).unwrap();
    lab.directory.people.insert(200, person);
    for group in [500, 501] {
        lab.directory.group(group).members.remove(&20);
        lab.directory.group(group).members.insert(200);
    }
    // Two people swap their names, three others pass theirs on.
    let (one, two) = (lab.directory.people[&30].uid.clone(), lab.directory.people[&31].uid.clone());
    lab.directory.person(30).uid = two;
    lab.directory.person(31).uid = one;
    let names: Vec<String> = [40, 41, 42].iter().map(|number| lab.directory.people[number].uid.clone()).collect();
    lab.directory.person(40).uid = names[1].clone();
    lab.directory.person(41).uid = names[2].clone();
    lab.directory.person(42).uid = "fresh".into();
    let report = lab.sync().await;
    assert_eq!(report.failed, 0, "{report:?}");
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mass_deletion_stops_before_the_first_write() {
    let mut lab = Lab::new(staff()).await;
    lab.sync().await;
    let before = lab.writes();
    lab.directory.people.retain(|number, _| *number <= 40);
    lab.directory.person(5).title = "Changed".into();
    let error = lab.try_sync(CycleRequest::default()).await.unwrap_err();
    assert!(matches!(&error, SyncError::Safety(words) if words.contains("delete 20")), "{error}");
    assert_eq!(lab.writes(), before);
    let error = lab.try_sync(CycleRequest { allow_deletes: Some(19), ..CycleRequest::default() }).await.unwrap_err();
    assert!(matches!(error, SyncError::Safety(_)));
    lab.try_sync(CycleRequest { allow_deletes: Some(20), ..CycleRequest::default() }).await.unwrap();
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_safety_stop_everything_is_read_before_anything_is_deleted() {
    let mut lab = Lab::new(staff()).await;
    lab.sync().await;
    lab.directory.people.retain(|number, _| *number <= 40);
    lab.try_sync(CycleRequest::default()).await.unwrap_err();
    // The file is as it was at the stop; an increment would find nothing in it.
    let report = lab.try_sync(CycleRequest { allow_deletes: Some(20), ..CycleRequest::default() }).await.unwrap();
    assert_eq!((report.kind, report.imported.read), (CycleKind::Initial, 46), "{report:?}");
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn staging_never_writes() {
    let mut lab = Lab::new(staff()).await;
    lab.change_settings(RULES).await;
    let file = lab.folder.path().join("lab.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("enabled = \"staging\"\n{text}")).unwrap();
    lab.pipeline.reconfigure(provisor_sync::Configuration::read(&file).unwrap());
    assert!(matches!(lab.try_sync(CycleRequest::default()).await, Err(SyncError::Settings(_))));
    assert_eq!(lab.preview().await.operations.get("create"), Some(&62));
    let report = lab.pipeline.provision("u7", &provisor_sync::CycleWatch::new()).await.unwrap();
    assert_eq!(report.outcome, "not written: staging");
    assert_eq!(lab.writes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_source_deletes_nobody_even_when_deletions_are_allowed() {
    let mut lab = Lab::new(staff()).await;
    lab.sync().await;
    std::fs::write(lab.folder.path().join("lab.ldif"), "version: 1\n").unwrap();
    let request = CycleRequest { allow_deletes: Some(1_000_000), ..CycleRequest::default() };
    let outcome = lab.pipeline.sync(request, &provisor_sync::CycleWatch::new()).await;
    assert!(outcome.is_err(), "{outcome:?}");
    lab.assert_in_step();
    lab.sync().await;
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_poison_object_stops_nobody_else_and_is_tried_again() {
    let mut lab = Lab::new(staff()).await;
    lab.tenant.misbehave(Misbehaviour { poison: ["u13".to_owned()].into(), ..Misbehaviour::default() });
    let report = lab.sync().await;
    assert_eq!((report.failed, report.outcome), (1, CycleOutcome::CompletedWithFailures), "{report:?}");
    assert_eq!(lab.tenant.count(Kind::User).unwrap(), 59);
    lab.tenant.misbehave(Misbehaviour::default());
    let report = lab.sync().await;
    assert_eq!(report.outcome, CycleOutcome::Completed, "{report:?}");
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_replies_and_throttling_make_no_duplicates() {
    let mut lab = Lab::new(staff()).await;
    lab.tenant.misbehave(Misbehaviour {
        applies_to: Victims::Writes,
        throttle: Some(Throttle { when: Occasion::Every(7), retry_after: RetryAfter::Absent }),
        cut: Some(Cut { when: Occasion::Every(10), moment: CutMoment::AfterChange }),
        ..Misbehaviour::default()
    });
    for _ in 0..5 {
        lab.sync().await;
    }
    lab.tenant.misbehave(Misbehaviour::default());
    lab.sync().await;
    lab.assert_in_step();
    let before = lab.tenant.counters().total();
    lab.sync().await;
    assert_eq!(lab.tenant.counters().total(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_that_is_asked_to_pause_goes_on_in_the_next() {
    let mut lab = Lab::new(staff()).await;
    lab.tenant.misbehave(Misbehaviour {
        applies_to: Victims::Creates,
        latency: Some(Latency { fixed: std::time::Duration::from_millis(20), jitter: std::time::Duration::ZERO }),
        ..Misbehaviour::default()
    });
    std::fs::write(lab.folder.path().join("lab.ldif"), lab.directory.to_ldif()).unwrap();
    let watch = provisor_sync::CycleWatch::new();
    let mut progress = watch.progress();
    let stopper = watch.clone();
    let stop = tokio::spawn(async move {
        progress.wait_for(|progress| progress.step == provisor_sync::Step::Export && progress.done > 0).await.unwrap();
        stopper.stop();
    });
    let report = lab.pipeline.sync(CycleRequest::default(), &watch).await.unwrap();
    stop.await.unwrap();
    assert_eq!(report.outcome, CycleOutcome::Paused);
    assert!(lab.tenant.count(Kind::User).unwrap() < 60);
    lab.restart().await;
    lab.sync().await;
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_tells_what_the_cycle_then_does_and_writes_nothing() {
    let mut lab = Lab::new(staff()).await;
    let preview = lab.preview().await;
    assert_eq!(preview.operations.get("create"), Some(&62), "{preview:?}");
    assert_eq!(lab.writes(), 0);
    assert_eq!(lab.sync().await.operations.get("create"), Some(&62));
    lab.directory.person(7).title = "Director".into();
    lab.directory.people.remove(&9);
    let preview = lab.preview().await;
    let report = lab.sync().await;
    assert_eq!(preview.operations, report.operations);
    assert_eq!(preview.attributes.get("title"), Some(&1), "{preview:?}");
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_rules_are_evaluated_from_what_is_stored() {
    let mut lab = Lab::new(staff()).await;
    lab.sync().await;
    lab.change_settings("[[rules]]\nplugin = \"people\"\nconfig = { title = \"\" }\n[[rules]]\nplugin = \"groups\"\n")
        .await;
    let report = lab.sync().await;
    assert_eq!(report.operations.get("update"), Some(&60), "{report:?}");
    for number in 1..=60 {
        lab.directory.person(number).title = String::new();
    }
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_groups_and_circles_settle() {
    let mut directory = staff().with_group(502, [1]).with_group(503, [2]);
    directory.group(502).groups = [503, 500].into();
    directory.group(503).groups = [502].into();
    directory.person(1).manager = Some(2);
    let mut lab = Lab::new(directory).await;
    lab.sync().await;
    lab.assert_in_step();
    let before = lab.tenant.counters().total();
    lab.sync().await;
    assert_eq!(lab.tenant.counters().total(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_object_is_provisioned_on_demand_step_by_step() {
    let mut lab = Lab::new(staff()).await;
    lab.sync().await;
    lab.directory.person(7).title = "Director".into();
    lab.directory.person(8).title = "Not yet".into();
    std::fs::write(lab.folder.path().join("lab.ldif"), lab.directory.to_ldif()).unwrap();
    for object in ["u7", "uid=u7,ou=people,dc=lab,dc=test", &uuid(7)] {
        let report = lab.pipeline.provision(object, &provisor_sync::CycleWatch::new()).await.unwrap();
        assert!(report.succeeded, "{report:?}");
        assert_eq!(report.id, uuid(7));
    }
    assert_eq!(lab.held().0[&uuid(7)].2.as_deref(), Some("Director"));
    assert_eq!(lab.held().0[&uuid(8)].2.as_deref(), Some("Engineer"));
    let error = lab.pipeline.provision("nobody", &provisor_sync::CycleWatch::new()).await.unwrap_err();
    assert!(matches!(error, SyncError::Object(_)), "{error}");
    lab.sync().await;
    lab.assert_in_step();
}
