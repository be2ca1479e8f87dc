//! Services that speak SCIM in a way of their own: replies that show little, odd spellings, lists that go their own way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use provisor_model::{AttributeChange, Change, Plain, ResourceId, TargetPath, TargetValue};
use provisor_target::{Quirk, ScimOptions, ScimTarget, TargetError, Update, Updated};
use serde_json::{Value, json};

use crate::scripted_server::{Answer, ScriptedServer, Seen};
use crate::{create, id, options, path, target};

pub(crate) async fn with_quirks(server: &ScriptedServer, quirks: &[Quirk]) -> ScimTarget {
    let mut options = options(server);
    options.dialect.quirks = quirks.iter().copied().collect();
    ScimTarget::connect(options).await.unwrap()
}

pub(crate) fn ids(names: &[&str]) -> BTreeSet<ResourceId> {
    names.iter().map(|name| ResourceId::new(*name)).collect()
}

pub(crate) fn members(add: &[&str], remove: &[&str]) -> AttributeChange<ResourceId> {
    let change = Change::References { add: ids(add), remove: ids(remove) };
    AttributeChange { path: path("members"), old: None, change }
}

fn set(name: &str, old: Option<Plain>, new: Plain) -> AttributeChange<ResourceId> {
    let change = Change::Set(TargetValue::Plain(new));
    AttributeChange { path: path(name), old: old.map(TargetValue::Plain), change }
}

pub(crate) async fn update(
    target: &ScimTarget,
    kind: &str,
    changes: &[AttributeChange<ResourceId>],
) -> Result<Updated, TargetError> {
    target.update(&Update { kind, id: &id(), present: &BTreeSet::new(), changes }).await
}

/// A group that changes as it is told: the double's one resource.
pub(crate) struct Group(Mutex<BTreeSet<String>>);

impl Group {
    pub(crate) fn of(names: &[&str]) -> Arc<Self> {
        Arc::new(Self(Mutex::new(names.iter().map(|name| (*name).to_owned()).collect())))
    }

    pub(crate) fn members(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().cloned().collect()
    }

    fn shown(&self) -> Answer {
        let members: Vec<Value> = self.members().iter().map(|name| json!({ "value": name })).collect();
        Answer::scim(200, json!({"id": "1", "displayName": "G", "members": members, "meta": {"version": "W/\"1\""}}))
    }

    /// Answers a request as a service does; `empties` is one that reads every removal by value as "remove all".
    pub(crate) fn answer(&self, seen: &Seen, empties: bool) -> Answer {
        if seen.method == "GET" {
            return self.shown();
        }
        let body: Value = serde_json::from_str(&seen.body).unwrap();
        let mut present = self.0.lock().unwrap();
        for operation in body["Operations"].as_array().unwrap() {
            let values = operation["value"].as_array().cloned().unwrap_or_default();
            let values = values.iter().map(|value| value["value"].as_str().unwrap().to_owned());
            match operation["op"].as_str().unwrap() {
                "add" => present.extend(values),
                "replace" => *present = values.collect(),
                "remove" if empties => present.clear(),
                _ => values.for_each(|name| present.retain(|one| *one != name)),
            }
        }
        Answer::scim(204, "")
    }
}

#[tokio::test]
async fn a_create_that_only_says_where_the_resource_is_is_read_from_there() {
    let shown = r#"{"id": "7", "externalId": "a", "userName": "ada"}"#;
    for location in ["https://elsewhere.example/scim/v2/Users/7", "/scim/v2/Users/7", "Users/7"] {
        let created = Answer::scim(201, "").header(format!("Location: {location}"));
        let server = ScriptedServer::answering([created, Answer::scim(200, shown)]).await;
        let created = create(&target(&server).await).await.unwrap();
        assert_eq!((created.resource.id.as_str(), created.resource.external_id.as_deref()), ("7", Some("a")));
        assert_eq!(server.seen()[1].target, "/scim/v2/Users/7", "where our service is, whatever host is named");
    }
}

#[tokio::test]
async fn a_create_whose_resource_has_no_id_takes_it_from_the_location() {
    let body = r#"{"userName": "ada", "externalId": "a"}"#;
    let answers = [
        Answer::scim(200, body).header("Location: /scim/v2/Users/7"),
        Answer::scim(200, r#"{"userName": "ada", "externalId": "a", "meta": {"location": "/scim/v2/Users/7"}}"#),
    ];
    for answer in answers {
        let server = ScriptedServer::answering([answer]).await;
        assert_eq!(create(&target(&server).await).await.unwrap().resource.id.as_str(), "7");
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_create_that_points_nowhere_is_uncertain() {
    let created = Answer::scim(201, "").header("Location: /scim/v2/Users/7");
    let server = ScriptedServer::answering([created, Answer::scim(404, "{}")]).await;
    let error = create(&target(&server).await).await.unwrap_err();
    assert!(matches!(error, TargetError::Uncertain { .. }), "{error}");
}

#[tokio::test]
async fn operations_and_truth_values_are_spelled_as_the_quirks_say() {
    let server = ScriptedServer::answering([Answer::scim(204, "")]).await;
    let target = with_quirks(&server, &[Quirk::PatchOpCapitalized, Quirk::StringBooleans]).await;
    let changes = [
        set("active", Some(Plain::Boolean(true)), Plain::Boolean(false)),
        set("title", None, Plain::Text("Dr".into())),
    ];
    update(&target, "User", &changes).await.unwrap();
    let body: Value = serde_json::from_str(&server.seen()[0].body).unwrap();
    assert_eq!(
        body["Operations"],
        json!([{"op": "Replace", "path": "active", "value": "False"}, {"op": "Add", "path": "title", "value": "Dr"}])
    );
}

#[tokio::test]
async fn a_change_in_part_that_is_not_implemented_is_made_by_writing_the_whole() {
    for status in [405, 501] {
        let server = ScriptedServer::scim(move |seen, _| match seen.method.as_str() {
            "PATCH" => Answer::scim(status, "{}"),
            "PUT" => Answer::scim(200, seen.body.clone()),
            _ => Answer::scim(200, r#"{"id": "1", "displayName": "G", "members": [{"value": "a"}, {"value": "b"}]}"#),
        })
        .await;
        update(&target(&server).await, "Group", &[members(&["c"], &["a"])]).await.unwrap();
        let seen = server.seen();
        let methods: Vec<&str> = seen.iter().map(|seen| seen.method.as_str()).collect();
        assert_eq!(methods, ["PATCH", "GET", "PUT"]);
        let body: Value = serde_json::from_str(&seen[2].body).unwrap();
        assert_eq!(body["members"], json!([{"value": "b"}, {"value": "c"}]));
    }
}

/// A service that takes lists of members in a PATCH that adds alone, and drops them elsewhere in silence.
#[tokio::test]
async fn members_that_were_dropped_in_silence_are_added_afterwards() {
    let group = Group::of(&[]);
    let kept = Arc::clone(&group);
    let server = ScriptedServer::scim(move |seen, _| match seen.method.as_str() {
        "POST" => Answer::scim(201, r#"{"id": "1", "displayName": "G", "externalId": "g", "members": []}"#),
        "PATCH" if !seen.body.contains(r#""remove""#) => kept.answer(seen, false),
        "PATCH" => Answer::scim(501, "{}"),
        "PUT" => kept.shown(),
        _ => kept.answer(seen, false),
    })
    .await;
    let target = target(&server).await;
    for _ in 0..2 {
        let attributes = group_of_two();
        let new = provisor_target::NewResource { kind: "Group", external_id: "g", attributes: &attributes };
        let created = target.create(&new).await.unwrap();
        assert_eq!((created.requests, created.unfinished), (2, None));
        assert_eq!(group.members(), ["a", "b"]);
    }
    let methods: Vec<String> = server.seen().into_iter().map(|seen| seen.method).collect();
    assert_eq!(methods, ["POST", "PATCH", "GET", "POST", "PATCH"], "what was found out once is known");

    // A removal is dropped too, and that is said; the addition beside it is carried out.
    let updated = update(&target, "Group", &[members(&["c"], &["a"])]).await.unwrap();
    assert!(updated.unfinished.unwrap().to_string().contains("remove-members-by-value"));
    assert_eq!(group.members(), ["a", "b", "c"]);
}

/// What a group is created with.
fn group_of_two() -> BTreeMap<TargetPath, TargetValue<ResourceId>> {
    let name = TargetValue::Plain(Plain::Text("G".into()));
    [(path("displayName"), name), (path("members"), TargetValue::References(ids(&["a", "b"])))].into()
}

/// A service that never shows who is in a group: what was dropped cannot be told from what is hidden.
#[tokio::test]
async fn a_group_that_shows_no_members_is_never_written_whole_for_that() {
    let server = ScriptedServer::scim(|seen, _| match seen.method.as_str() {
        "POST" => Answer::scim(201, r#"{"id": "1", "displayName": "G", "externalId": "g"}"#),
        "PATCH" if seen.body.contains(r#""members""#) => Answer::scim(204, ""),
        "PATCH" => Answer::scim(501, "{}"),
        "PUT" => Answer::scim(200, seen.body.clone()),
        _ => Answer::scim(200, r#"{"id": "1", "displayName": "G", "externalId": "g"}"#),
    })
    .await;
    let target = target(&server).await;
    for _ in 0..2 {
        let attributes = group_of_two();
        let new = provisor_target::NewResource { kind: "Group", external_id: "g", attributes: &attributes };
        assert_eq!(target.create(&new).await.unwrap().unfinished, None);
    }
    let methods: Vec<String> = server.seen().into_iter().map(|seen| seen.method).collect();
    assert_eq!(methods, ["POST", "GET", "PATCH", "GET", "POST"], "that nothing is shown is found out once");

    let error = update(&target, "Group", &[set("displayName", None, Plain::Text("H".into()))]).await.unwrap_err();
    assert!(matches!(error, TargetError::Unsupported(_)), "{error}");
    assert!(server.seen().iter().all(|seen| seen.method != "PUT"), "its members would have been lost");
}

/// A service with versions whose resource is changed by others as often as said, whenever it is read.
async fn contended(changes: usize) -> ScriptedServer {
    let reads = Mutex::new(0);
    ScriptedServer::start(move |seen, _| {
        if seen.target.ends_with("/ServiceProviderConfig") {
            let schema = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
            return Answer::scim(200, json!({"schemas": [schema], "etag": {"supported": true}}));
        }
        let mut reads = reads.lock().unwrap();
        match seen.method.as_str() {
            "GET" if seen.target.contains("/Users/") => {
                *reads += 1;
                Answer::scim(200, r#"{"id": "1", "userName": "u"}"#).header(format!("ETag: W/\"{reads}\""))
            }
            "PUT" if *reads <= changes => Answer::scim(412, "{}"),
            "PUT" => Answer::scim(200, r#"{"id": "1"}"#),
            _ => Answer::scim(404, "{}"),
        }
    })
    .await
}

#[tokio::test]
async fn a_resource_that_others_changed_is_read_and_written_again_but_not_for_ever() {
    let changes = [set("title", None, Plain::Text("Dr".into()))];
    let server = contended(2).await;
    let updated = update(&target(&server).await, "User", &changes).await.unwrap();
    assert_eq!(updated.requests, 3);
    let versions: Vec<String> = server
        .seen()
        .iter()
        .filter(|seen| seen.method == "PUT")
        .flat_map(|seen| seen.headers.iter().find(|line| line.starts_with("if-match")).cloned())
        .collect();
    assert_eq!(versions, ["if-match: w/\"1\"", "if-match: w/\"2\"", "if-match: w/\"3\""]);
    let error = update(&target(&contended(usize::MAX).await).await, "User", &changes).await.unwrap_err();
    assert!(matches!(error, TargetError::Refused { status: 412, .. }), "{error}");
}

#[tokio::test]
async fn a_removal_by_value_that_empties_a_group_is_undone_and_never_repeated() {
    let group = Group::of(&["a", "b", "c"]);
    let kept = Arc::clone(&group);
    let server = ScriptedServer::scim(move |seen, _| kept.answer(seen, true)).await;
    let target = with_quirks(&server, &[Quirk::RemoveMembersByValue]).await;
    let updated = update(&target, "Group", &[members(&[], &["a"])]).await.unwrap();
    let error = updated.unfinished.unwrap().to_string();
    assert!(error.contains("remove-members-by-value") && error.contains("put back"), "{error}");
    assert_eq!(group.members(), ["b", "c"], "who was not meant is a member again");
    let sent = server.seen().len();
    assert!(update(&target, "Group", &[members(&[], &["b"])]).await.is_err());
    assert_eq!(server.seen().len(), sent, "nothing is sent any more");
}

#[tokio::test]
async fn a_removal_by_value_that_works_is_watched_once() {
    let group = Group::of(&["a", "b", "c"]);
    let kept = Arc::clone(&group);
    let server = ScriptedServer::scim(move |seen, _| kept.answer(seen, false)).await;
    let target = with_quirks(&server, &[Quirk::RemoveMembersByValue]).await;
    for name in ["a", "b"] {
        assert_eq!(update(&target, "Group", &[members(&[], &[name])]).await.unwrap().unfinished, None);
    }
    assert_eq!(group.members(), ["c"]);
    let methods: Vec<String> = server.seen().into_iter().map(|seen| seen.method).collect();
    assert_eq!(methods, ["GET", "PATCH", "GET", "PATCH"]);
}

#[tokio::test]
async fn a_list_that_can_only_be_replaced_is_read_before() {
    let group = Group::of(&["a", "b"]);
    let kept = Arc::clone(&group);
    let server = ScriptedServer::scim(move |seen, _| kept.answer(seen, true)).await;
    let target = with_quirks(&server, &[Quirk::ReplaceMembers]).await;
    update(&target, "Group", &[members(&["c"], &["a"])]).await.unwrap();
    assert_eq!(group.members(), ["b", "c"]);
    update(&target, "Group", &[members(&["c"], &["a"])]).await.unwrap();
    let methods: Vec<String> = server.seen().into_iter().map(|seen| seen.method).collect();
    assert_eq!(methods, ["GET", "PATCH", "GET"], "what is as wanted is not written");
}

#[tokio::test]
async fn a_group_whose_members_are_not_shown_is_never_written_whole() {
    let server = ScriptedServer::answering([Answer::scim(200, r#"{"id": "1", "displayName": "G"}"#)]).await;
    let target = with_quirks(&server, &[Quirk::MembersHidden, Quirk::NoPatch]).await;
    let error = update(&target, "Group", &[set("displayName", None, Plain::Text("H".into()))]).await.unwrap_err();
    assert!(matches!(error, TargetError::Unsupported(_)), "{error}");
    assert!(server.seen().is_empty());
}

/// A service whose members are removed already when it is asked to.
#[tokio::test]
async fn a_removal_that_was_carried_out_before_is_left_out() {
    let server = ScriptedServer::scim(|seen, number| match seen.method.as_str() {
        "PATCH" if number == 0 => Answer::scim(400, r#"{"scimType": "noTarget"}"#),
        "PATCH" => Answer::scim(204, ""),
        _ => Answer::scim(200, r#"{"id": "1", "displayName": "G", "members": [{"value": "b"}]}"#),
    })
    .await;
    update(&target(&server).await, "Group", &[members(&[], &["a", "b"])]).await.unwrap();
    let body: Value = serde_json::from_str(&server.seen()[2].body).unwrap();
    assert_eq!(body["Operations"], json!([{"op": "remove", "path": "members[value eq \"b\"]"}]));
}

#[tokio::test]
async fn a_member_that_is_not_there_does_not_make_the_group_look_gone() {
    let server = ScriptedServer::scim(|seen, _| match seen.method.as_str() {
        "PATCH" => Answer::scim(404, "{}"),
        _ => Answer::scim(200, r#"{"id": "1", "displayName": "G"}"#),
    })
    .await;
    let error = update(&target(&server).await, "Group", &[members(&["a"], &[])]).await.unwrap_err();
    assert!(matches!(error, TargetError::Refused { status: 404, .. }), "{error}");
}

#[tokio::test]
async fn what_the_schema_lets_nobody_write_is_not_sent() {
    let server = ScriptedServer::start(|seen, _| {
        let name = seen.target.rsplit('/').next().unwrap();
        match name {
            "Schemas" => Answer::scim(
                200,
                json!([{"id": "urn:ietf:params:scim:schemas:core:2.0:User", "attributes": [
                    {"name": "userName"}, {"name": "badge", "mutability": "immutable"}, {"name": "seen", "mutability": "readOnly"},
                ]}]),
            ),
            "Users" => Answer::scim(201, r#"{"id": "1", "userName": "ada", "externalId": "a"}"#),
            "1" => Answer::scim(204, ""),
            _ => crate::scripted_server::describe(seen).unwrap(),
        }
    })
    .await;
    let target = ScimTarget::connect(options(&server)).await.unwrap();
    let text = |value: &str| Plain::Text(value.into());
    let seen = set("seen", None, text("now"));
    let attributes = [("userName", "ada"), ("badge", "7"), ("seen", "now")]
        .map(|(name, value)| (path(name), TargetValue::Plain(text(value))))
        .into();
    let new = provisor_target::NewResource { kind: "User", external_id: "a", attributes: &attributes };
    target.create(&new).await.unwrap();
    update(&target, "User", &[set("badge", Some(text("7")), text("8")), seen.clone()]).await.unwrap();
    update(&target, "User", &[set("badge", None, text("8")), seen]).await.unwrap();
    let bodies: Vec<String> =
        server.seen().into_iter().filter(|seen| seen.method != "GET").map(|seen| seen.body).collect();
    assert_eq!(bodies.len(), 2, "the first change has nothing that may be written: {bodies:?}");
    assert!(bodies[0].contains("badge") && !bodies[0].contains("seen"), "{}", bodies[0]);
    assert!(bodies[1].contains("badge") && !bodies[1].contains("seen"), "{}", bodies[1]);
}

#[tokio::test]
async fn numbers_that_leave_no_room_are_refused() {
    let server = ScriptedServer::answering([Answer::scim(204, "")]).await;
    let options = ScimOptions { member_chunk: 0, ..options(&server) };
    assert!(matches!(ScimTarget::connect(options).await.err(), Some(TargetError::Configuration(_))));
}

/// A service that refuses changes in part but for additions of members, and empties the list in whatever is written whole.
#[tokio::test]
async fn members_that_went_with_a_whole_write_are_put_back() {
    let group = Group::of(&["a", "b", "c"]);
    let kept = Arc::clone(&group);
    let server = ScriptedServer::scim(move |seen, _| match seen.method.as_str() {
        "PATCH" if seen.body.contains("displayName") || seen.body.contains(r#""remove""#) => Answer::scim(501, "{}"),
        "PUT" => {
            kept.0.lock().unwrap().clear();
            kept.shown()
        }
        _ => kept.answer(seen, false),
    })
    .await;
    let names = ["H", "I"].map(|name| [set("displayName", Some(Plain::Text("G".into())), Plain::Text(name.into()))]);
    let fresh = target(&server).await;
    for name in &names {
        assert_eq!(update(&fresh, "Group", name).await.unwrap().unfinished, None);
        assert_eq!(group.members(), ["a", "b", "c"], "also after it is known that they go");
    }
    let fresh = target(&server).await;
    assert_eq!(update(&fresh, "Group", &[members(&["d"], &["a"])]).await.unwrap().unfinished, None);
    assert_eq!(group.members(), ["b", "c", "d"]);
}

#[tokio::test]
async fn a_list_that_is_left_out_of_what_is_shown_is_never_written_whole() {
    for quirk in [Quirk::NoPatch, Quirk::ReplaceMembers] {
        let server = ScriptedServer::answering([Answer::scim(200, r#"{"id": "1", "displayName": "G"}"#)]).await;
        let target = with_quirks(&server, &[quirk]).await;
        let (present, changes) = ([path("members")].into(), [members(&["c"], &[])]);
        let update = Update { kind: "Group", id: &id(), present: &present, changes: &changes };
        let error = target.update(&update).await.unwrap_err();
        assert!(matches!(error, TargetError::Unsupported(_)), "{error}");
        assert!(server.seen().iter().all(|seen| seen.method == "GET"));
    }
}

#[tokio::test]
async fn a_removal_by_value_that_cannot_be_looked_at_afterwards_is_unfinished() {
    let shown = r#"{"id": "1", "members": [{"value": "a"}, {"value": "b"}]}"#;
    let lost = r#"{"id": "1", "members": []}"#;
    let looked = [Answer::scim(200, shown), Answer::scim(204, ""), Answer::scim(404, "{}")];
    let restored = [Answer::scim(200, shown), Answer::scim(204, ""), Answer::scim(200, lost), Answer::scim(403, "{}")];
    for answers in [looked.to_vec(), restored.to_vec()] {
        let server = ScriptedServer::answering(answers).await;
        let target = with_quirks(&server, &[Quirk::RemoveMembersByValue]).await;
        let updated = update(&target, "Group", &[members(&[], &["a"])]).await.unwrap();
        assert!(updated.requests == 1 && updated.unfinished.is_some(), "{updated:?}");
    }
}

#[tokio::test]
async fn who_cannot_be_disabled_is_not_taken_for_disabled() {
    let off = set("active", Some(Plain::Boolean(true)), Plain::Boolean(false));
    let fixed = Answer::scim(400, r#"{"scimType": "mutability"}"#);
    let server = ScriptedServer::scim(move |seen, _| {
        if seen.body.contains("active") && seen.target.ends_with("/1") { fixed.clone() } else { Answer::scim(204, "") }
    })
    .await;
    let protecting = target(&server).await;
    assert!(update(&protecting, "User", std::slice::from_ref(&off)).await.is_err());
    let both = [off.clone(), set("title", None, Plain::Text("Dr".into()))];
    let updated = update(&protecting, "User", &both).await.unwrap();
    assert!(updated.requests == 1 && updated.unfinished.is_some(), "the rest is written: {updated:?}");
    let (other, present) = (ResourceId::new("2"), BTreeSet::new());
    let update_other = Update { kind: "User", id: &other, present: &present, changes: std::slice::from_ref(&off) };
    assert_eq!(protecting.update(&update_other).await.unwrap().requests, 1, "others are no less disabled for it");

    let server = ScriptedServer::start(|seen, _| match seen.target.ends_with("/Schemas") {
        true => Answer::scim(
            200,
            json!([{"id": "urn:ietf:params:scim:schemas:core:2.0:User", "attributes": [
                {"name": "userName"}, {"name": "active", "type": "boolean", "mutability": "readOnly"},
            ]}]),
        ),
        false => crate::scripted_server::describe(seen).unwrap_or_else(|| Answer::scim(204, "")),
    })
    .await;
    let error = update(&target(&server).await, "User", &[off]).await.unwrap_err();
    assert!(matches!(error, TargetError::Unsupported(_)), "{error}");
    assert!(server.seen().iter().all(|seen| seen.method == "GET"));
}
