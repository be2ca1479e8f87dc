//! Objects that fail: pauses that grow, what ends them at once, and names that are neither burnt nor lost.

use std::collections::BTreeMap;

use provisor_model::{IdSyntax, SourceId, TargetPath, TargetValue};
use provisor_space::Space;
use provisor_sync::{CycleOutcome, CycleRequest, CycleWatch, LogFilter};
use provisor_tenant::{Cut, CutMoment, Kind, Misbehaviour, Occasion, Victims};

use crate::lab::{Directory, Lab, RULES, uuid};

fn poisoned() -> Misbehaviour {
    Misbehaviour { poison: ["u13".to_owned()].into(), ..Misbehaviour::default() }
}

async fn with_poison() -> Lab {
    let mut lab = Lab::new(Directory::of(1..=20)).await;
    lab.tenant.misbehave(poisoned());
    // The first attempt, and a second one at once.
    for _ in 0..2 {
        assert_eq!(lab.sync().await.failed, 1);
    }
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_fails_again_waits_and_is_seen_to_wait() {
    let mut lab = with_poison().await;
    let before = lab.tenant.counters().total();
    for _ in 0..3 {
        let report = lab.sync().await;
        assert_eq!((report.failed, report.escrow), (0, 1), "{report:?}");
        assert_eq!(report.outcome, CycleOutcome::CompletedWithFailures, "it is not forgotten: {report:?}");
    }
    assert_eq!(lab.tenant.counters().total(), before, "nobody is asked while it waits");
    let status = lab.pipeline.status().await.unwrap();
    let [waiting] = status.escrowed.as_slice() else { panic!("{status:?}") };
    assert_eq!((waiting.id.as_str(), waiting.attempts), (uuid(13).as_str(), 2));
    assert!(waiting.next > waiting.since && waiting.error.contains("400"), "{waiting:?}");
    let filter = LogFilter { status: Some("failure".into()), limit: 10, ..LogFilter::default() };
    let records = lab.pipeline.log(filter).await.unwrap();
    assert_eq!(records.len(), 2);
    assert!(
        records[0].steps.iter().any(|step| step.step == "retry" && step.detail.contains("2 minutes")),
        "{records:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_entry_is_tried_at_once() {
    let mut lab = with_poison().await;
    lab.directory.person(13).uid = "u113".into();
    let report = lab.sync().await;
    assert_eq!((report.outcome, report.escrow), (CycleOutcome::Completed, 0), "{report:?}");
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_rules_provisioning_on_demand_and_an_initial_cycle_try_at_once() {
    let mut lab = with_poison().await;
    lab.tenant.misbehave(Misbehaviour::default());
    lab.change_settings(&format!("{RULES}[match]\nuser = [\"externalId\", \"userName\"]\n")).await;
    assert_eq!(lab.sync().await.escrow, 0);
    lab.assert_in_step();

    let mut lab = with_poison().await;
    lab.tenant.misbehave(Misbehaviour::default());
    let report = lab.pipeline.provision(&uuid(13), &CycleWatch::new()).await.unwrap();
    assert!(report.succeeded, "{report:?}");
    lab.assert_in_step();

    let mut lab = with_poison().await;
    lab.tenant.misbehave(Misbehaviour::default());
    lab.try_sync(CycleRequest { initial: true, ..CycleRequest::default() }).await.unwrap();
    lab.assert_in_step();
}

const UNIQUE: &str = "[[rules]]\nplugin = \"people\"\n[[rules]]\nplugin = \"unique-user-names\"\n";

fn namesakes(numbers: impl IntoIterator<Item = u32>, name: &str) -> Directory {
    let mut directory = Directory::of(numbers);
    directory.people.values_mut().for_each(|person| person.name = name.into());
    directory
}

fn names(lab: &Lab) -> BTreeMap<String, String> {
    lab.held().0.into_iter().map(|(anchor, user)| (anchor, user.0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_a_stranger_has_is_passed_over_in_an_update_too() {
    let mut lab = Lab::with_settings(namesakes(1..=2, "Byron"), UNIQUE).await;
    lab.sync().await;
    let stranger =
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"lovelace","externalId":"x"}"#;
    lab.elsewhere("POST", "/Users", stranger);
    lab.directory.person(2).name = "Lovelace".into();
    let report = lab.sync().await;
    assert_eq!(report.outcome, CycleOutcome::Completed, "{report:?}");
    assert_eq!(names(&lab)[&uuid(2)], "lovelace2");
    let before = lab.tenant.counters().total();
    lab.sync().await;
    assert_eq!(lab.tenant.counters().total(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_failed_gives_its_name_to_the_next() {
    let mut lab = Lab::with_settings(namesakes(1..=1, "Lovelace"), UNIQUE).await;
    lab.tenant.misbehave(Misbehaviour { poison: ["lovelace".to_owned()].into(), ..Misbehaviour::default() });
    assert_eq!(lab.sync().await.failed, 1);
    assert_eq!(lab.sync().await.failed, 1);
    lab.tenant.misbehave(Misbehaviour::default());
    lab.directory.people.extend(namesakes(2..=2, "Lovelace").people);
    lab.sync().await;
    assert_eq!(names(&lab), BTreeMap::from([(uuid(2), "lovelace".to_owned())]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_unconfirmed_request_set_and_the_source_took_away_does_not_stay() {
    let mut directory = Directory::of(1..=5).with_group(500, [1]);
    directory.person(3).title = String::new();
    let mut lab = Lab::new(directory).await;
    lab.sync().await;
    // As a crash leaves it: the requests were carried out, and their replies never came.
    let (user, member) = (lab.user_id("u3").unwrap(), lab.user_id("u4").unwrap());
    let schemas = r#""schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]"#;
    let title = r#""Operations":[{"op":"add","path":"title","value":"Sent"}]"#;
    lab.elsewhere("PATCH", &format!("/Users/{user}"), &format!("{{{schemas},{title}}}"));
    let group = lab.tenant.resources(Kind::Group).unwrap()[0]["id"].as_str().unwrap().to_owned();
    let added = format!(r#""Operations":[{{"op":"add","path":"members","value":[{{"value":"{member}"}}]}}]"#);
    lab.elsewhere("PATCH", &format!("/Groups/{group}"), &format!("{{{schemas},{added}}}"));
    {
        let mut space = Space::open(&lab.folder.path().join("data/lab.space")).unwrap();
        let id = |number| SourceId::parse(IdSyntax::Uuid, &uuid(number)).unwrap();
        let key = |space: &Space, number| space.entry_by_source_id(&id(number)).unwrap().unwrap().key;
        let path = |text: &str| text.parse::<TargetPath>().unwrap();
        let text = TargetValue::Plain(provisor_model::Plain::Text("Sent".into()));
        for (number, path, value) in
            [(3, path("title"), text), (500, path("members"), TargetValue::References([id(4)].into()))]
        {
            let key = key(&space, number);
            space.set_intent(key, provisor_model::OperationKind::Update, 0).unwrap();
            space.note_sent(key, [(path, value)].into()).unwrap();
        }
    }
    lab.sync().await;
    lab.assert_in_step();
    assert_eq!(lab.held().0[&uuid(3)].2, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_disabled_before_the_data_folder_was_lost_is_enabled_on_return() {
    let scope = format!("{RULES}[scope]\norganizational-units = [\"ou=people,dc=lab,dc=test\"]\n");
    let mut lab = Lab::with_settings(Directory::of(1..=20), &scope).await;
    lab.sync().await;
    lab.directory.person(5).unit = "guests".into();
    lab.sync().await;
    assert!(!lab.held().0[&uuid(5)].3);
    lab.lose_data_folder().await;
    lab.directory.person(5).unit = "people".into();
    lab.sync().await;
    lab.assert_in_step();
    let before = lab.writes();
    lab.directory.person(5).title = "Director".into();
    lab.sync().await;
    assert_eq!(lab.writes() - before, 1);
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inactive_account_that_is_joined_is_active_as_the_rules_have_it() {
    let settings = format!("{RULES}[match]\nuser = [\"externalId\", \"userName\"]\n");
    let mut lab = Lab::with_settings(Directory::of(1..=1), &settings).await;
    let body = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"u1","active":false}"#;
    lab.elsewhere("POST", "/Users", body);
    let report = lab.sync().await;
    assert_eq!(report.operations.get("join"), Some(&1), "{report:?}");
    assert!(lab.held().0[&uuid(1)].3);
    let before = lab.tenant.counters().total();
    lab.sync().await;
    assert_eq!(lab.tenant.counters().total(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_away_makes_no_object_wait_longer() {
    let mut lab = Lab::new(Directory::of(1..=20)).await;
    lab.sync().await;
    for number in 1..=20 {
        lab.directory.person(number).title = "Director".into();
    }
    lab.tenant.misbehave(Misbehaviour {
        applies_to: Victims::Writes,
        cut: Some(Cut { when: Occasion::Every(1), moment: CutMoment::BeforeChange }),
        ..Misbehaviour::default()
    });
    for _ in 0..2 {
        let outcome = lab.try_sync(CycleRequest::default()).await;
        assert!(outcome.as_ref().map_or(true, |report| report.failed > 0), "{outcome:?}");
    }
    lab.tenant.misbehave(Misbehaviour::default());
    lab.sync().await;
    lab.assert_in_step();
}
