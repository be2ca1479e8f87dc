//! Cycles in which two things go wrong at once, or somebody else had a hand in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "these are tests")]

mod lab;

use std::collections::BTreeMap;

use lab::{Directory, Lab, RULES, uuid};
use provisor_model::{IdSyntax, SourceId, TargetPath, TargetValue};
use provisor_space::{Space, Waiting};
use provisor_sync::{CycleOutcome, CycleRequest, CycleWatch, LogFilter, Step, SyncError};
use provisor_tenant::{Cut, CutMoment, Kind, Latency, Misbehaviour, Occasion, Victims};

#[tokio::test(flavor = "multi_thread")]
async fn who_was_deleted_at_the_target_is_made_anew_with_their_memberships() {
    let mut lab = Lab::new(Directory::of(1..=5).with_group(500, [2, 3, 4])).await;
    lab.sync().await;
    let id = lab.user_id("u3").unwrap();
    lab.elsewhere("DELETE", &format!("/Users/{id}"), "");
    lab.directory.person(3).title = "Director".into();
    // One cycle may find out that the resource is gone, the next ones put everything right.
    for _ in 0..3 {
        lab.sync().await;
    }
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anchor_that_passes_to_a_new_entry_keeps_its_resource() {
    let mut lab = Lab::with_source(Directory::of(1..=20), "anchor = \"uid\"\n", RULES).await;
    lab.sync().await;
    let id = lab.user_id("u7").unwrap();
    // The directory was migrated: the same person, by the anchor, is a new object.
    let person = lab.directory.people.remove(&7).unwrap();
    lab.directory.people.insert(700, person);
    for _ in 0..2 {
        lab.sync().await;
    }
    assert_eq!(lab.user_id("u7"), Some(id), "the account was neither deleted nor made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn references_that_a_crash_left_waiting_are_sent_by_the_next_cycle() {
    let mut lab = Lab::new(Directory::of(1..=3)).await;
    lab.sync().await;
    // As a crash leaves it between the creation of the manager and the references that waited for it.
    let manager: TargetPath = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager".parse().unwrap();
    {
        let mut space = Space::open(&lab.folder.path().join("data/lab.space")).unwrap();
        let id = |number| SourceId::parse(IdSyntax::Uuid, &uuid(number)).unwrap();
        let stored = space.entry_by_source_id(&id(2)).unwrap().unwrap();
        let target = space.entry_by_source_id(&id(1)).unwrap().unwrap().key;
        let mut link = stored.link.unwrap();
        let path =
            link.exported.iter().find(|(_, value)| matches!(value, TargetValue::Reference(_))).unwrap().0.clone();
        assert!(path.as_str().starts_with(manager.as_str()), "{path}");
        link.exported.remove(&path);
        space.set_link(stored.key, &link).unwrap();
        space.set_waiting(stored.key, &[Waiting { path, target, single: true }]).unwrap();
    }
    let report = lab.sync().await;
    assert_eq!(report.waiting_references, 0, "{report:?}");
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_on_demand_loses_no_more_members_than_a_cycle_may_take() {
    let mut lab = Lab::new(Directory::of(1..=120).with_group(500, 1..=120)).await;
    lab.sync().await;
    let before = lab.writes();
    lab.directory.group(500).members.retain(|number| *number <= 20);
    std::fs::write(lab.folder.path().join("lab.ldif"), lab.directory.to_ldif()).unwrap();
    let outcome = lab.pipeline.provision(&uuid(500), &CycleWatch::new()).await;
    assert!(matches!(&outcome, Err(SyncError::Safety(words)) if words.contains("100")), "{outcome:?}");
    assert_eq!(lab.writes(), before);
}

/// Two entries of one user name, and a resource of that name which somebody else made.
async fn contested() -> Lab {
    let mut directory = Directory::of(1..=2);
    directory.person(1).manager = None;
    directory.person(2).manager = None;
    directory.person(2).uid = "u1".into();
    directory.person(2).unit = "guests".into();
    let settings = format!("{RULES}[match]\nuser = [\"externalId\", \"userName\"]\n");
    let lab = Lab::with_settings(directory, &settings).await;
    let body = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"u1"}"#;
    lab.elsewhere("POST", "/Users", body);
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn two_entries_never_take_the_same_resource() {
    let mut lab = contested().await;
    let before = lab.writes();
    let report = lab.sync().await;
    assert_eq!(report.outcome, CycleOutcome::CompletedWithFailures, "{report:?}");
    assert_eq!(lab.tenant.count(Kind::User).unwrap(), 1);
    assert_eq!(lab.writes() - before, 1, "only one of the two may write to it: {report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_held_for_the_same_reason_again_is_logged_once() {
    let settings = format!("{RULES}[scope]\norganizational-units = [\"ou=people,dc=lab,dc=test\"]\n");
    let all = "[scope]\norganizational-units = [\"ou=people,dc=lab,dc=test\", \"ou=groups,dc=lab,dc=test\"]\n";
    let mut lab = Lab::with_settings(Directory::of(1..=3).with_group(500, [1]), &format!("{RULES}{all}")).await;
    lab.sync().await;
    // A group cannot be disabled, and nothing else was chosen for it.
    lab.change_settings(&settings).await;
    for _ in 0..4 {
        let report = lab.sync().await;
        assert_eq!(report.held, 1, "{report:?}");
    }
    let filter = LogFilter { status: Some("held".into()), limit: 100, ..LogFilter::default() };
    assert_eq!(lab.pipeline.log(filter).await.unwrap().len(), 1);
    // Asked for alone, it says why, and which setting decides.
    let report = lab.pipeline.provision(&uuid(500), &CycleWatch::new()).await.unwrap();
    assert_eq!((report.outcome.as_str(), report.succeeded), ("held", false), "{report:?}");
    let plan = report.steps.iter().find(|step| step.step == "plan").unwrap();
    assert_eq!(plan.status, "failed", "{report:?}");
    assert!(plan.description.contains("[leaving.group] out-of-scope"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_cannot_be_disabled_stays_a_member_and_nothing_is_sent_for_it() {
    let mut directory = Directory::of(1..=3).with_group(500, [1]).with_group(501, [2]);
    directory.group(500).groups.insert(501);
    let mut lab = Lab::with_settings(directory, RULES).await;
    let scoping = provisor_tests::installed::plugin("scoping").unwrap();
    std::fs::copy(scoping, lab.folder.path().join("plugins/scoping.wasm")).unwrap();
    lab.restart().await;
    lab.sync().await;
    let filter = "[[rules]]\nplugin = \"scoping\"\nconfig = { any = [{ all = [{ attribute = \"cn\", \
                  operator = \"not-equals\", value = \"group 501\" }] }] }\n";
    lab.change_settings(&format!("{filter}{RULES}")).await;
    let foretold = lab.preview().await;
    let writes = lab.writes();
    let report = lab.sync().await;
    assert_eq!((report.held, lab.writes()), (1, writes), "{report:?}");
    assert_eq!((&report.operations, &foretold.operations), (&BTreeMap::new(), &BTreeMap::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_groups_are_not_deleted_for_being_few_among_all_objects() {
    let directory = (500..510).fold(Directory::of(1..=60), |directory, number| directory.with_group(number, [1]));
    let scope = |units: &str| {
        format!("{RULES}[leaving.group]\nout-of-scope = \"delete\"\n[scope]\norganizational-units = [{units}]\n")
    };
    let people = "\"ou=people,dc=lab,dc=test\"";
    let mut lab = Lab::with_settings(directory, &scope(&format!("{people}, \"ou=groups,dc=lab,dc=test\""))).await;
    lab.sync().await;
    lab.change_settings(&scope(people)).await;
    let foretold = lab.preview().await.would_stop.unwrap();
    let writes = lab.writes();
    let stopped = lab.try_sync(CycleRequest::default()).await.unwrap_err().to_string();
    assert!(stopped.contains("10 of its 10 of the kind Group; from 10 on"), "{stopped}");
    assert_eq!((foretold, lab.writes()), (stopped, writes));
}

#[tokio::test(flavor = "multi_thread")]
async fn previews_do_not_put_off_an_object_that_is_held() {
    let mut lab = contested().await;
    for _ in 0..4 {
        lab.preview().await;
    }
    let status = lab.pipeline.status().await.unwrap();
    assert!(status.escrowed.iter().all(|held| held.attempts == 0), "{:?}", status.escrowed);
    lab.sync().await;
    let status = lab.pipeline.status().await.unwrap();
    let [held] = status.escrowed.as_slice() else { panic!("{:?}", status.escrowed) };
    assert_eq!(held.attempts, 1, "the cycle's own attempt is the first: {held:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_disabled_by_a_lost_request_is_enabled_though_the_repair_was_put_off() {
    // One at a time, so that the last of three is in hand and not sent when the cycle is asked to pause.
    let settings = format!("concurrency = 1\n{RULES}[scope]\norganizational-units = [\"ou=people,dc=lab,dc=test\"]\n");
    let mut lab = Lab::with_settings(Directory::of(1..=40), &settings).await;
    lab.sync().await;
    let writes = |latency, cut| Misbehaviour { applies_to: Victims::Writes, latency, cut, ..Misbehaviour::default() };
    for number in 12..=14 {
        lab.directory.person(number).unit = "guests".into();
    }
    lab.tenant.misbehave(writes(None, Some(Cut { when: Occasion::Every(1), moment: CutMoment::AfterChange })));
    let report = lab.sync().await;
    assert_eq!(report.failed, 3, "{report:?}");
    let active = |lab: &Lab| [12, 13, 14].map(|number| lab.held().0[&uuid(number)].3);
    assert_eq!(active(&lab), [false; 3]);
    for number in 12..=14 {
        lab.directory.person(number).unit = "people".into();
    }
    let fixed = std::time::Duration::from_millis(500);
    lab.tenant.misbehave(writes(Some(Latency { fixed, jitter: std::time::Duration::ZERO }), None));
    std::fs::write(lab.folder.path().join("lab.ldif"), lab.directory.to_ldif()).unwrap();
    let watch = CycleWatch::new();
    let (mut progress, stopper) = (watch.progress(), watch.clone());
    let stop = tokio::spawn(async move {
        progress.wait_for(|progress| progress.step == Step::Export && progress.done > 0).await.unwrap();
        stopper.stop();
    });
    let report = lab.pipeline.sync(CycleRequest::default(), &watch).await.unwrap();
    stop.await.unwrap();
    assert_eq!(report.outcome, CycleOutcome::Paused);
    assert!(active(&lab).contains(&false), "one is put off");
    lab.tenant.misbehave(Misbehaviour::default());
    lab.restart().await;
    lab.sync().await;
    assert_eq!(active(&lab), [true; 3]);
    lab.assert_in_step();
}
