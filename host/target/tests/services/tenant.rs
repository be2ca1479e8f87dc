//! The SCIM client against the project's own tenant, well-behaved and faulty.

use std::time::Duration;

use crate::scenarios::{self, connect, create, path, state, text};
use provisor_model::CheckOutcome;
use provisor_target::{Credential, NewResource, ScimOptions, ScimTarget, TargetError};
use provisor_tenant::{
    Cut, CutMoment, Failure, Kind, Latency, Method, Misbehaviour, Occasion, RetryAfter, Route, Tenant, TenantOptions,
    Throttle, Victims,
};

const TOKEN: &str = "tenant-t0ken";

async fn tenant() -> Tenant {
    let options = TenantOptions { token: Some(TOKEN.into()), ..TenantOptions::default() };
    Tenant::bind("127.0.0.1:0".parse().unwrap(), options).await.unwrap()
}

async fn small(tenant: &Tenant) -> ScimTarget {
    connect(&tenant.url(), Some(TOKEN), |options| {
        options.member_chunk = 10;
        options.page_size = Some(10);
        options.backoff = Duration::from_millis(2);
    })
    .await
}

#[tokio::test]
async fn a_person_comes_changes_and_goes() {
    let tenant = tenant().await;
    scenarios::a_person_comes_changes_and_goes(&small(&tenant).await).await;
}

#[tokio::test]
async fn a_row_that_was_taken_away_is_made_again() {
    let tenant = tenant().await;
    scenarios::a_row_that_was_taken_away_is_made_again(&small(&tenant).await).await;
}

#[tokio::test]
async fn a_group_of_many_members_changes_in_chunks() {
    let tenant = tenant().await;
    scenarios::a_group_of_many_members_changes_in_chunks(&small(&tenant).await, true).await;
}

#[tokio::test]
async fn a_listing_is_whole() {
    let tenant = tenant().await;
    scenarios::a_listing_is_whole(&small(&tenant).await).await;
}

#[tokio::test]
async fn a_taken_name_is_a_conflict() {
    let tenant = tenant().await;
    scenarios::a_taken_name_is_a_conflict(&small(&tenant).await).await;
}

#[tokio::test]
async fn requests_are_counted_as_the_tenant_counts_them() {
    let tenant = tenant().await;
    let target = small(&tenant).await;
    let made = create(&target, "User", "a", &state(&[("userName", text("a"))])).await;
    target.find("User", &path("externalId"), "a").await.unwrap();
    target.delete("User", &made.id).await.unwrap();
    let (ours, theirs) = (target.requests(), tenant.counters());
    assert_eq!((ours.writes, ours.reads + ours.writes), (theirs.writes(), theirs.total()));
}

#[tokio::test]
async fn a_target_that_throttles_and_fails_gets_every_person_once() {
    let tenant = tenant().await;
    let target = small(&tenant).await;
    tenant.misbehave(Misbehaviour {
        throttle: Some(Throttle { when: Occasion::Every(7), retry_after: RetryAfter::Absent }),
        ..Misbehaviour::default()
    });
    for number in 0..20 {
        let anchor = format!("p{number}");
        create(&target, "User", &anchor, &state(&[("userName", text(&anchor))])).await;
    }
    assert_eq!(tenant.count(Kind::User).unwrap(), 20);
    let sent = tenant.counters().at(Method::Post, Route::Users);
    assert!(sent > 20, "some were refused at first");
    assert_eq!(target.requests().writes - target.requests().repeated, 20, "what is sent again is counted apart");
}

#[tokio::test]
async fn a_create_whose_reply_was_lost_is_reported_as_uncertain_and_not_repeated() {
    for (moment, made) in [(CutMoment::AfterChange, 1), (CutMoment::BeforeChange, 0)] {
        let tenant = tenant().await;
        let target = small(&tenant).await;
        tenant.misbehave(Misbehaviour {
            applies_to: Victims::Creates,
            cut: Some(Cut { when: Occasion::Next(1), moment }),
            ..Misbehaviour::default()
        });
        let attributes = state(&[("userName", text("lost"))]);
        let new = NewResource { kind: "User", external_id: "lost", attributes: &attributes };
        let error = target.create(&new).await.unwrap_err();
        assert!(matches!(error, TargetError::Uncertain { .. }), "{error}");
        assert!(error.outcome_unknown() && !error.concerns_whole_target());
        assert_eq!(tenant.counters().at(Method::Post, Route::Users), 1);
        assert_eq!(target.find("User", &path("externalId"), "lost").await.unwrap().len(), made);
    }
}

#[tokio::test]
async fn other_requests_are_repeated_when_their_reply_was_lost() {
    let tenant = tenant().await;
    let target = small(&tenant).await;
    let made = create(&target, "User", "a", &state(&[("userName", text("a"))])).await;
    tenant.misbehave(Misbehaviour {
        cut: Some(Cut { when: Occasion::Next(2), moment: CutMoment::AfterChange }),
        ..Misbehaviour::default()
    });
    assert_eq!(target.read("User", &made.id).await.unwrap().unwrap().id, made.id);
    tenant.misbehave(Misbehaviour {
        cut: Some(Cut { when: Occasion::Next(2), moment: CutMoment::AfterChange }),
        ..Misbehaviour::default()
    });
    target.delete("User", &made.id).await.unwrap();
    assert_eq!(tenant.count(Kind::User).unwrap(), 0);
}

#[tokio::test]
async fn a_server_error_is_retried_for_what_may_be_repeated_and_else_uncertain() {
    let tenant = tenant().await;
    let target = small(&tenant).await;
    let made = create(&target, "User", "a", &state(&[("userName", text("a"))])).await;
    let failing = |when| Misbehaviour { failure: Some(Failure { when, status: 502 }), ..Misbehaviour::default() };
    tenant.misbehave(failing(Occasion::Next(3)));
    assert!(target.read("User", &made.id).await.unwrap().is_some());
    tenant.misbehave(failing(Occasion::Next(1)));
    let attributes = state(&[("userName", text("b"))]);
    let error =
        target.create(&NewResource { kind: "User", external_id: "b", attributes: &attributes }).await.unwrap_err();
    assert!(matches!(error, TargetError::Uncertain { .. }), "{error}");
    tenant.misbehave(failing(Occasion::Every(1)));
    let error = target.read("User", &made.id).await.unwrap_err();
    assert!(matches!(error, TargetError::Unavailable { attempts: 6, .. }), "{error}");
}

#[tokio::test]
async fn one_failing_object_is_not_the_whole_target_but_many_are() {
    let tenant = tenant().await;
    let target = connect(&tenant.url(), Some(TOKEN), |options| {
        options.backoff = Duration::from_millis(1);
        options.max_attempts = 2;
        options.concurrency = 4;
    })
    .await;
    tenant.misbehave(Misbehaviour {
        failure: Some(Failure { when: Occasion::Every(1), status: 500 }),
        ..Misbehaviour::default()
    });
    let id = provisor_model::ResourceId::new("x");
    let mut verdicts = Vec::new();
    for _ in 0..4 {
        verdicts.push(target.delete("User", &id).await.unwrap_err().concerns_whole_target());
    }
    assert_eq!(verdicts, [false, false, false, true]);
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_allowed() {
    let tenant = tenant().await;
    let target = connect(&tenant.url(), Some(TOKEN), |options| options.concurrency = 2).await;
    let latency = Latency { fixed: Duration::from_millis(30), jitter: Duration::ZERO };
    tenant.misbehave(Misbehaviour { latency: Some(latency), ..Misbehaviour::default() });
    let begin = std::time::Instant::now();
    let finding = (0..8).map(|_| {
        let target = target.clone();
        tokio::spawn(async move { target.find("User", &path("externalId"), "x").await.unwrap() })
    });
    for one in finding.collect::<Vec<_>>() {
        one.await.unwrap();
    }
    assert!(begin.elapsed() >= Duration::from_millis(4 * 30), "eight requests of 30 ms, two at a time");
}

#[tokio::test]
async fn a_page_of_html_is_no_success() {
    let tenant = tenant().await;
    let target = small(&tenant).await;
    tenant.misbehave(Misbehaviour { html: Some(Occasion::Every(1)), ..Misbehaviour::default() });
    let error = target.find("User", &path("externalId"), "x").await.unwrap_err();
    assert!(matches!(error, TargetError::NotScim { .. }), "{error}");
    assert!(error.to_string().contains("an HTML page"), "{error}");
}

#[tokio::test]
async fn a_wrong_token_is_told_at_once() {
    let tenant = tenant().await;
    let options = ScimOptions { credential: Credential::token("wrong-t0ken"), ..ScimOptions::new(tenant.url()) };
    let lines = ScimTarget::check(options).await;
    let failed: Vec<String> = lines
        .iter()
        .filter_map(|line| match &line.outcome {
            CheckOutcome::Failed(reason) => Some(reason.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(failed.len(), 1, "{lines:?}");
    assert!(
        failed[0].contains("refused the token or password (HTTP 401") && !failed[0].contains("wrong-t0ken"),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_check_of_a_good_target_finds_nothing_wrong() {
    let tenant = tenant().await;
    let options = ScimOptions { credential: Credential::token(TOKEN), ..ScimOptions::new(tenant.url()) };
    let lines = ScimTarget::check(options).await;
    let poor: Vec<_> = lines
        .iter()
        .filter(|line| !matches!(line.outcome, CheckOutcome::Ok(_)))
        .map(|line| line.what.as_str())
        .collect();
    assert_eq!(poor, ["certificate"], "plain http is all there is to say: {lines:?}");
}
