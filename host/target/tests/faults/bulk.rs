//! Writes that go out together, at a scripted service whose answers are partial, odd, cut or refused.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use provisor_model::{AttributeChange, Change, Plain, ResourceId, TargetValue};
use provisor_target::{Created, NewResource, ScimOptions, ScimTarget, TargetError, Update};
use serde_json::{Value, json};

use crate::scripted_server::{Answer, ScriptedServer, Seen, describe};
use crate::{TOKEN, options, path};

/// A service that announces bulk requests of so many operations and octets; the script answers everything else.
async fn service(
    operations: usize,
    octets: usize,
    script: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
) -> (ScriptedServer, ScimTarget) {
    let server = ScriptedServer::start(move |seen, _| {
        if seen.target.ends_with("/ServiceProviderConfig") {
            let announced = json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
                "patch": {"supported": true}, "filter": {"supported": true, "maxResults": 100},
                "bulk": {"supported": true, "maxOperations": operations, "maxPayloadSize": octets}
            });
            return Answer::scim(200, announced);
        }
        describe(seen).unwrap_or_else(|| script(seen))
    })
    .await;
    let target = ScimTarget::connect(ScimOptions { bulk: true, ..options(&server) }).await.unwrap();
    (server, target)
}

/// The operations of a bulk request, each with its bulkId; none of any other request.
fn operations(seen: &Seen) -> Vec<Value> {
    if !seen.target.ends_with("/Bulk") {
        return Vec::new();
    }
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(body["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:BulkRequest");
    assert!(body.get("failOnErrors").is_none(), "one that fails must not keep the others from being carried out");
    body["Operations"].as_array().unwrap().clone()
}

/// What a service that carries everything out says of an operation.
fn done(operation: &Value) -> Value {
    let (method, name) = (operation["method"].as_str().unwrap(), operation["data"]["userName"].as_str());
    match method {
        "POST" => json!({"method": method, "bulkId": operation["bulkId"], "status": "201",
            "location": format!("https://tenant.example/scim/v2/Users/id-of-{}", name.unwrap())}),
        _ => json!({"method": method, "bulkId": operation["bulkId"], "location": operation["path"], "status": "204"}),
    }
}

fn answer(results: impl IntoIterator<Item = Value>) -> Answer {
    let results: Vec<Value> = results.into_iter().collect();
    let schema = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
    Answer::scim(200, json!({"schemas": [schema], "Operations": results}))
}

fn all_done(seen: &Seen) -> Answer {
    match seen.method.as_str() {
        "POST" if seen.target.ends_with("/Bulk") => answer(operations(seen).iter().map(done)),
        "POST" => Answer::scim(201, r#"{"id": "alone"}"#),
        "GET" => Answer::scim(404, "{}"),
        _ => Answer::scim(204, ""),
    }
}

async fn create(target: &ScimTarget, name: &str) -> Result<Created, TargetError> {
    let attributes = BTreeMap::from([(path("userName"), TargetValue::Plain(Plain::Text(name.into())))]);
    target.create(&NewResource { kind: "User", external_id: name, attributes: &attributes }).await
}

async fn create_all(target: &ScimTarget, number: usize) -> Vec<Result<String, TargetError>> {
    let names: Vec<String> = (0..number).map(|number| format!("u{number}")).collect();
    let made = join_all(names.iter().map(|name| create(target, name))).await;
    made.into_iter().map(|made| made.map(|made| made.resource.id.to_string())).collect()
}

async fn rename(target: &ScimTarget, id: &str) -> Result<(), TargetError> {
    let change = Change::Set(TargetValue::Plain(Plain::Text("new".into())));
    let changes = [AttributeChange { path: path("title"), old: None, change }];
    let id = ResourceId::new(id);
    let update = Update { kind: "User", id: &id, present: &[path("title")].into(), changes: &changes };
    target.update(&update).await.map(|updated| assert_eq!(updated.unfinished, None))
}

/// How many operations each request had, in the order in which they came; 0 for a write by itself.
fn sizes(server: &ScriptedServer) -> Vec<usize> {
    server.seen().iter().filter(|seen| seen.method != "GET").map(|seen| operations(seen).len()).collect()
}

#[tokio::test]
async fn writes_of_many_callers_go_out_in_one_request_and_each_gets_its_own_result() {
    let (server, target) = service(100, 1 << 20, |seen| {
        answer(operations(seen).iter().rev().map(|operation| match operation["data"]["userName"].as_str() {
            Some("u2") => json!({"method": "POST", "bulkId": operation["bulkId"], "status": "409",
                "response": {"scimType": "uniqueness", "detail": format!("u2 is taken, {TOKEN}")}}),
            Some("u3") => json!({"method": "POST", "bulkId": operation["bulkId"], "status": "400",
                "response": {"scimType": "invalidValue"}}),
            _ if operation["path"] == "/Users/gone" => {
                json!({"method": "DELETE", "bulkId": operation["bulkId"], "status": "404"})
            }
            _ => done(operation),
        }))
    })
    .await;
    let gone = ResourceId::new("gone");
    let (created, updated, deleted) =
        tokio::join!(create_all(&target, 5), rename(&target, "7"), target.delete("User", &gone));
    assert_eq!(sizes(&server), [7]);
    assert_eq!(target.requests().writes, 1);
    for number in [0, 1, 4] {
        assert_eq!(created[number], Ok(format!("id-of-u{number}")));
    }
    assert!(
        matches!(&created[2], Err(TargetError::Conflict { detail, .. }) if detail == "u2 is taken, [token]"),
        "{created:?}"
    );
    assert!(matches!(&created[3], Err(TargetError::Refused { status: 400, .. })), "{created:?}");
    assert_eq!((updated, deleted), (Ok(()), Ok(())));
}

#[tokio::test]
async fn what_the_service_announces_bounds_a_request() {
    let (server, target) = service(3, 1 << 20, all_done).await;
    assert!(create_all(&target, 8).await.iter().all(Result::is_ok));
    assert_eq!(sizes(&server), [3, 3, 2]);
    let (server, target) = service(100, 1500, all_done).await;
    assert!(create_all(&target, 12).await.iter().all(Result::is_ok));
    let bodies: Vec<usize> = server.seen().iter().map(|seen| seen.body.len()).collect();
    assert!(bodies.len() > 1 && bodies.iter().all(|octets| *octets <= 1500), "{bodies:?}");
}

#[tokio::test]
async fn a_single_write_goes_by_itself_and_soon() {
    let (server, target) = service(100, 1 << 20, all_done).await;
    let begin = std::time::Instant::now();
    assert_eq!(create(&target, "ada").await.unwrap().resource.id.as_str(), "alone");
    assert!(begin.elapsed() < Duration::from_secs(1));
    assert_eq!(sizes(&server), [0]);
}

#[tokio::test]
async fn two_changes_of_one_resource_are_never_in_one_request() {
    let (server, target) = service(100, 1 << 20, all_done).await;
    let (one, other, more, most) =
        tokio::join!(rename(&target, "1"), rename(&target, "2"), rename(&target, "1"), rename(&target, "3"));
    assert!(one.is_ok() && other.is_ok() && more.is_ok() && most.is_ok());
    for seen in server.seen() {
        let paths: Vec<Value> = operations(&seen).iter().map(|operation| operation["path"].clone()).collect();
        assert_eq!(paths.iter().filter(|path| **path == "/Users/1").count(), 1, "{paths:?}");
    }
}

#[tokio::test]
async fn after_a_cut_every_creation_is_uncertain_and_everything_else_is_sent_again() {
    let (server, target) = service(100, 1 << 20, |seen| match seen.target.ends_with("/Bulk") {
        true => Answer::Cut,
        false => all_done(seen),
    })
    .await;
    let (created, updated) = tokio::join!(create_all(&target, 3), rename(&target, "7"));
    for outcome in created {
        assert!(
            matches!(&outcome, Err(error @ TargetError::Uncertain { .. }) if error.outcome_unknown()),
            "{outcome:?}"
        );
    }
    assert_eq!(updated, Ok(()));
    assert_eq!(sizes(&server), [4, 0], "nothing is made twice");
}

#[tokio::test]
async fn a_result_that_is_missing_or_unclear_makes_its_creation_uncertain() {
    let (server, target) = service(100, 1 << 20, |seen| match seen.target.ends_with("/Bulk") {
        true => answer(operations(seen).iter().filter_map(|operation| match operation["data"]["userName"].as_str() {
            Some("u1") => None,
            Some("u2") => Some(json!({"method": "POST", "bulkId": operation["bulkId"], "status": "201"})),
            Some("u3") => Some(json!({"method": "POST", "bulkId": operation["bulkId"], "status": "500"})),
            None => None,
            _ => Some(done(operation)),
        })),
        false => all_done(seen),
    })
    .await;
    let (created, updated) = tokio::join!(create_all(&target, 4), rename(&target, "7"));
    assert_eq!(created[0], Ok("id-of-u0".into()));
    for outcome in &created[1..] {
        assert!(matches!(outcome, Err(TargetError::Uncertain { .. })), "{outcome:?}");
    }
    assert_eq!((updated, sizes(&server)), (Ok(()), vec![5, 0]), "a change may be sent again");
}

#[tokio::test]
async fn an_answer_of_another_kind_says_nothing() {
    for odd in [Answer::scim(200, "[]"), Answer::html(200), Answer::scim(200, r#"{"id": "1"}"#), Answer::scim(204, "")]
    {
        let (_server, target) = service(100, 1 << 20, move |seen| match seen.target.ends_with("/Bulk") {
            true => odd.clone(),
            false => all_done(seen),
        })
        .await;
        for outcome in create_all(&target, 2).await {
            assert!(matches!(outcome, Err(TargetError::Uncertain { .. })), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_is_halved_until_it_is_taken() {
    let (server, target) = service(100, 1 << 20, |seen| match operations(seen).len() {
        0..=2 => all_done(seen),
        _ => Answer::scim(413, r#"{"detail": "too many"}"#),
    })
    .await;
    let created = create_all(&target, 8).await;
    assert!(created.iter().all(Result::is_ok), "{created:?}");
    assert_eq!(sizes(&server), [8, 4, 4, 2, 2, 2, 2]);
    assert!(create_all(&target, 4).await.iter().all(Result::is_ok));
    assert_eq!(sizes(&server)[7..], [2, 2], "what was learnt is kept");
}

#[tokio::test]
async fn a_service_that_has_no_bulk_requests_after_all_is_not_asked_again() {
    for status in [501, 404, 405] {
        let (server, target) = service(100, 1 << 20, move |seen| match seen.target.ends_with("/Bulk") {
            true => Answer::scim(status, "{}"),
            false => all_done(seen),
        })
        .await;
        assert!(target.in_flight() >= 100);
        assert!(create_all(&target, 3).await.iter().all(Result::is_ok));
        assert_eq!(target.in_flight(), 8);
        assert!(create_all(&target, 3).await.iter().all(Result::is_ok));
        assert_eq!(sizes(&server), [3, 0, 0, 0, 0, 0, 0], "{status}");
    }
}

#[tokio::test]
async fn a_throttled_request_is_sent_again_and_a_throttled_operation_by_itself() {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let (server, target) = service(100, 1 << 20, move |seen| {
        if !seen.target.ends_with("/Bulk") {
            return all_done(seen);
        }
        match asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Answer::scim(429, "{}").header("Retry-After: 0"),
            _ => answer(operations(seen).iter().map(|operation| match operation["data"]["userName"].as_str() {
                Some("u1") => json!({"method": "POST", "bulkId": operation["bulkId"], "status": 429}),
                _ => done(operation),
            })),
        }
    })
    .await;
    let created = create_all(&target, 3).await;
    assert_eq!(created, [Ok("id-of-u0".into()), Ok("alone".into()), Ok("id-of-u2".into())]);
    assert_eq!(sizes(&server), [3, 3, 0]);
}

#[tokio::test]
async fn a_service_that_does_not_announce_bulk_requests_is_not_sent_any() {
    let server = ScriptedServer::scim(|seen, _| all_done(seen)).await;
    let target = ScimTarget::connect(ScimOptions { bulk: true, ..options(&server) }).await.unwrap();
    assert!(create_all(&target, 3).await.iter().all(Result::is_ok));
    assert_eq!(sizes(&server), [0, 0, 0]);
    assert_eq!(target.in_flight(), 8);
}
