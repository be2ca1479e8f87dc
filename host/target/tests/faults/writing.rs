//! Writing: refusals, ids that would change the URL, chunks that fail.

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{AttributeChange, Change, ResourceId, TargetValue};
use provisor_target::{NewResource, ScimOptions, ScimTarget, TargetError, Update};

use crate::scripted_server::{Answer, ScriptedServer};
use crate::{create, id, options, path, target};

#[tokio::test]
async fn a_create_that_shows_no_resource_is_uncertain() {
    for body in ["", "{}", r#"{"id": ""}"#, r#"{"id": ".."}"#] {
        let server = ScriptedServer::answering([Answer::scim(201, body)]).await;
        let error = create(&target(&server).await).await.unwrap_err();
        assert!(matches!(error, TargetError::Uncertain { .. }), "{body}: {error}");
    }
}

#[tokio::test]
async fn refusals_of_one_object_say_why() {
    for (status, body, words) in [
        (
            400,
            r#"{"scimType": "invalidValue", "detail": "emails: not an address"}"#,
            "(HTTP 400, invalidValue): emails: not an address",
        ),
        (
            409,
            r#"{"scimType": "uniqueness", "detail": "taken"}"#,
            "conflicts with what the target has (uniqueness): taken",
        ),
        (409, "", "conflicts with what the target has"),
        (400, r#"{"scimType": "uniqueness"}"#, "conflicts"),
        (403, r#"{"message": "not this one"}"#, "(HTTP 403): not this one"),
        (413, "<html><title>Too Large</title>", "an HTML page titled \"Too Large\""),
        (501, "{}", "(HTTP 501)"),
    ] {
        let server = ScriptedServer::answering([Answer::scim(status, body)]).await;
        let error = create(&target(&server).await).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(!error.concerns_whole_target() && !error.outcome_unknown(), "{error}");
        assert_eq!(server.seen().len(), 1, "not tried again: {error}");
    }
}

#[tokio::test]
async fn a_page_for_people_is_no_word_that_a_resource_is_gone() {
    let server = ScriptedServer::answering([Answer::html(404)]).await;
    let target = target(&server).await;
    assert!(matches!(target.read("User", &id()).await, Err(TargetError::Refused { status: 404, .. })));
    assert!(matches!(target.delete("User", &id()).await, Err(TargetError::Refused { status: 404, .. })));
    let server = ScriptedServer::answering([Answer::scim(404, "{}")]).await;
    let target = ScimTarget::connect(options(&server)).await.unwrap();
    assert_eq!(target.read("User", &id()).await.unwrap(), None);
    target.delete("User", &id()).await.unwrap();
}

#[tokio::test]
async fn an_id_cannot_change_which_url_is_asked() {
    let server = ScriptedServer::answering([Answer::scim(204, "")]).await;
    let target = target(&server).await;
    target.delete("User", &ResourceId::new("a/../b?c#d")).await.unwrap();
    assert_eq!(server.seen()[0].target, "/scim/v2/Users/a%2F..%2Fb%3Fc%23d");
    for id in ["", ".", ".."] {
        assert!(target.delete("User", &ResourceId::new(id)).await.is_err());
    }
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_chunk_that_fails_leaves_the_created_group_known() {
    let server = ScriptedServer::answering([
        Answer::scim(201, r#"{"id": "g", "members": [{"value": "0"}, {"value": "1"}]}"#),
        Answer::scim(204, ""),
        Answer::scim(400, r#"{"detail": "no"}"#),
    ])
    .await;
    let target = ScimTarget::connect(ScimOptions { member_chunk: 2, ..options(&server) }).await.unwrap();
    let members = (0..6).map(|number| ResourceId::new(number.to_string())).collect::<BTreeSet<_>>();
    let attributes = BTreeMap::from([(path("members"), TargetValue::References(members))]);
    let created =
        target.create(&NewResource { kind: "Group", external_id: "g", attributes: &attributes }).await.unwrap();
    assert_eq!((created.resource.id.as_str(), created.requests), ("g", 2));
    assert!(matches!(created.unfinished, Some(TargetError::Refused { status: 400, .. })));
    let bodies: Vec<String> = server.seen().into_iter().map(|seen| format!("{} {}", seen.method, seen.body)).collect();
    assert!(bodies[0].contains(r#""members":[{"value":"0"},{"value":"1"}]"#), "{}", bodies[0]);
    assert!(bodies[1].starts_with("PATCH") && bodies[1].contains(r#"[{"value":"2"},{"value":"3"}]"#), "{}", bodies[1]);
}

#[tokio::test]
async fn a_first_chunk_that_fails_is_an_error_of_the_update() {
    let server = ScriptedServer::answering([Answer::scim(400, "{}")]).await;
    let change = Change::References { add: [id()].into(), remove: BTreeSet::new() };
    let changes = [AttributeChange { path: path("members"), old: None, change }];
    let update = Update { kind: "Group", id: &id(), present: &BTreeSet::new(), changes: &changes };
    let error = target(&server).await.update(&update).await.unwrap_err();
    assert!(matches!(error, TargetError::Refused { status: 400, .. }), "{error}");
    assert!(server.seen()[0].headers.contains(&"content-type: application/scim+json".to_owned()));
}
