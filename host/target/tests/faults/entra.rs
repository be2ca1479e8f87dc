//! Microsoft Entra ID's rules, as far as a scripted double shows them: what is sent, and in which portions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use provisor_model::{Plain, ResourceId, TargetValue};
use provisor_target::{NewResource, Profile, ScimTarget};
use serde_json::{Value, json};

use crate::dialects::{members, update};
use crate::scripted_server::{Answer, ScriptedServer, Seen};
use crate::{options, path};

const GROUP: &str = "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:Group";

async fn entra(server: &ScriptedServer) -> ScimTarget {
    let mut options = options(server);
    options.dialect.profile = Profile::Entra;
    options.dialect.initial_password = true;
    ScimTarget::connect(options).await.unwrap()
}

fn body(seen: &Seen) -> Value {
    serde_json::from_str(&seen.body).unwrap()
}

fn text(value: &str) -> TargetValue<ResourceId> {
    TargetValue::Plain(Plain::Text(value.into()))
}

#[tokio::test]
async fn a_new_user_gets_a_password_that_no_other_request_repeats() {
    let server =
        ScriptedServer::answering([Answer::scim(201, r#"{"id": "1", "userName": "ada", "externalId": "a"}"#)]).await;
    let target = entra(&server).await;
    for _ in 0..2 {
        let attributes = BTreeMap::from([(path("userName"), text("ada"))]);
        target.create(&NewResource { kind: "User", external_id: "a", attributes: &attributes }).await.unwrap();
    }
    let passwords: BTreeSet<String> =
        server.seen().iter().map(|seen| body(seen)["password"].as_str().unwrap().to_owned()).collect();
    assert_eq!(passwords.len(), 2);
    assert!(passwords.iter().all(|password| password.len() == 32));
}

#[tokio::test]
async fn a_new_group_has_its_anchor_as_nickname_and_gets_its_members_by_twenties() {
    let made = json!({"id": "1", "displayName": "G", GROUP: {"mailNickname": "provisor-g-1"}});
    let server = ScriptedServer::scim(move |seen, _| match seen.method.as_str() {
        "POST" => Answer::scim(201, made.clone()),
        _ => Answer::scim(204, ""),
    })
    .await;
    let people = (0..41).map(|number| ResourceId::new(format!("u{number}"))).collect();
    let attributes =
        BTreeMap::from([(path("displayName"), text("G")), (path("members"), TargetValue::References(people))]);
    let target = entra(&server).await;
    let created =
        target.create(&NewResource { kind: "Group", external_id: "g-1", attributes: &attributes }).await.unwrap();
    assert_eq!((created.requests, created.unfinished), (4, None));
    assert_eq!(created.resource.external_id.as_deref(), Some("g-1"), "the nickname is shown as the anchor that it is");
    let seen = server.seen();
    let first = body(&seen[0]);
    assert_eq!(
        (&first[GROUP]["mailNickname"], first.get("externalId"), first.get("members")),
        (&json!("provisor-g-1"), None, None)
    );
    assert_eq!(first["schemas"], json!(["urn:ietf:params:scim:schemas:core:2.0:Group", GROUP]));
    let sizes: Vec<usize> =
        seen[1..].iter().map(|seen| body(seen)["Operations"][0]["value"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [20, 20, 1]);
}

#[tokio::test]
async fn members_go_one_by_one_and_one_who_is_gone_already_is_no_error() {
    // The second is refused, and is no member when asked for.
    let removals = Mutex::new(0);
    let server = ScriptedServer::scim(move |seen, _| match seen.method.as_str() {
        "PATCH" => {
            let mut removals = removals.lock().unwrap();
            *removals += 1;
            let words = json!({"detail": "Resource 'u1' does not exist or one of its queried reference-property objects are not present."});
            if *removals == 2 { Answer::scim(404, words) } else { Answer::scim(204, "") }
        }
        _ if seen.target.contains("/Groups/1") => Answer::scim(200, r#"{"id": "1", "displayName": "G"}"#),
        _ => Answer::scim(200, json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "resources": []})),
    })
    .await;
    let updated = update(&entra(&server).await, "Group", &[members(&[], &["u0", "u1", "u2"])]).await.unwrap();
    assert_eq!(updated.unfinished, None);
    let seen = server.seen();
    let patches: Vec<Value> = seen.iter().filter(|seen| seen.method == "PATCH").map(body).collect();
    let paths: Vec<&str> = patches.iter().map(|patch| patch["Operations"][0]["path"].as_str().unwrap()).collect();
    assert_eq!(paths, [r#"members[value eq "u0"]"#, r#"members[value eq "u1"]"#, r#"members[value eq "u2"]"#]);
    let asked = seen.iter().find(|seen| seen.target.contains("filter=")).unwrap();
    assert!(asked.target.contains("groups.value%20eq%20%221%22%20and%20id%20eq%20%22u1%22"), "{}", asked.target);
}

#[tokio::test]
async fn a_group_is_looked_for_in_the_listing_by_cursors_and_a_user_by_its_filter() {
    let server = ScriptedServer::scim(|seen, _| {
        let group = |number: usize| json!({"id": format!("{number}"), "displayName": "G", GROUP: {"mailNickname": format!("provisor-g-{number}")}});
        let schemas = json!(["urn:ietf:params:scim:api:messages:2.0:ListResponse"]);
        match seen.target.as_str() {
            target if target.contains("/Users") => Answer::scim(200, json!({"schemas": schemas, "totalResults": 0})),
            target if target.contains("cursor=next") => Answer::scim(200, json!({"schemas": schemas, "resources": [group(3)]})),
            _ => Answer::scim(200, json!({"schemas": schemas, "itemsPerPage": 2, "nextCursor": "next", "resources": [group(1), group(2)]})),
        }
    })
    .await;
    let target = entra(&server).await;
    let found = target.find("Group", &path("externalId"), "g-3").await.unwrap();
    assert_eq!(found.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["3"]);
    assert!(target.find("User", &path("externalId"), "x").await.unwrap().is_empty());
    let asked: Vec<String> = server.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(
        asked,
        [
            "/scim/v2/Groups?count=100",
            "/scim/v2/Groups?cursor=next&count=100",
            "/scim/v2/Users?filter=externalId%20eq%20%22x%22&count=20",
        ],
        "nothing is asked to try the filter"
    );
}

#[tokio::test]
async fn rules_may_set_members_and_not_where_the_anchor_is() {
    let server = ScriptedServer::answering([Answer::scim(204, "")]).await;
    let target = entra(&server).await;
    assert_eq!(target.check_path("Group", &path("members")), Ok(()));
    let reason = target.check_path("Group", &path(&format!("{GROUP}:mailNickname"))).unwrap_err();
    assert!(reason.contains("anchor"), "{reason}");
    assert!(!target.shows("Group", &path("members")) && target.shows("User", &path("userName")));
}
