//! The manners of Microsoft Entra's inbound SCIM API.
use std::time::Duration;

use provisor_tenant::{Entra, Kind, Method, Personality, Quirks, Route, TenantOptions, WriteLimit};
use serde_json::{Value, json};

use crate::fixture::{Fixture, GROUP, USER, opened};

const EXTENSION: &str = "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:User";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

async fn entra() -> Fixture {
    with(Entra::default()).await
}

async fn with(entra: Entra) -> Fixture {
    Fixture::with(TenantOptions { personality: Personality::Entra(entra), ..TenantOptions::default() }).await
}

fn user(name: &str) -> Value {
    json!({"schemas": [USER, EXTENSION], "userName": format!("{name}@example.com"), "externalId": name,
        "password": "Corr3ct-horse", "active": true, "displayName": name,
        "name": {"givenName": name, "familyName": "Other"}, EXTENSION: {"mailNickname": name}})
}

impl Fixture {
    async fn entra_user(&self, name: &str) -> String {
        let (status, created) = self.send("POST", "/users", user(name)).await;
        assert_eq!(status, 201, "{created}");
        created["id"].as_str().unwrap().to_owned()
    }

    async fn change(&self, path: &str, operations: Value) -> u16 {
        self.send("PATCH", path, json!({"schemas": [PATCH], "Operations": operations})).await.0
    }
}

fn members(ids: &[String]) -> Value {
    ids.iter().map(|id| json!({"value": id})).collect()
}

#[tokio::test]
async fn a_user_needs_everything_that_the_service_asks_for_and_its_password_is_never_shown() {
    let fixture = entra().await;
    for missing in ["password", "active", "displayName", "name", EXTENSION] {
        let mut incomplete = user("ann");
        incomplete.as_object_mut().unwrap().remove(missing);
        assert_eq!(fixture.send("POST", "/Users", incomplete).await.0, 400, "{missing}");
    }
    let id = fixture.entra_user("ann").await;
    let (_, shown) = fixture.look(&format!("/users/{id}?attributes=password,{EXTENSION}:mailNickname")).await;
    assert_eq!(shown[EXTENSION]["mailNickname"], "ann");
    let (_, whole) = fixture.look(&format!("/users/{id}")).await;
    assert_eq!(
        (&whole["meta"]["location"], &whole["meta"]["resourceType"]),
        (&json!(format!("/users/{id}")), &json!("user"))
    );
    assert_eq!(whole["schemas"], json!([USER, EXTENSION]));
    for text in [whole.to_string(), shown.to_string(), format!("{:?}", fixture.tenant.request_log())] {
        assert!(!text.contains("Corr3ct"), "{text}");
    }
    assert!(!fixture.tenant.resources(Kind::User).unwrap()[0].to_string().contains("Corr3ct"));
    let path = format!("/users/{id}");
    assert_eq!(fixture.change(&path, json!([{"op": "replace", "path": "password", "value": "Corr3ct"}])).await, 400);
    let nickname = format!("{EXTENSION}:mailNickname");
    assert_eq!(fixture.change(&path, json!([{"op": "remove", "path": nickname}])).await, 400);
    assert_eq!(fixture.change(&path, json!([{"op": "replace", "path": "displayName", "value": "A"}])).await, 204);
    assert_eq!(fixture.send("PUT", &path, user("ann")).await.0, 405);
}

#[tokio::test]
async fn a_missing_nickname_is_derived_where_the_service_does_so_and_accept_may_be_needed() {
    let fixture = with(Entra { derives_mail_nickname: true, needs_accept: true }).await;
    let mut plain = user("ann");
    plain.as_object_mut().unwrap().remove(EXTENSION);
    assert_eq!(fixture.send("POST", "/users", plain.clone()).await.0, 400);
    let request = fixture.client.post(fixture.url("/users")).header("accept", "application/json").json(&plain);
    let (status, created) = opened(request.send().await.unwrap()).await;
    assert_eq!((status, &created[EXTENSION]["mailNickname"]), (201, &json!("ann")));
}

#[tokio::test]
async fn filters_are_few() {
    let fixture = entra().await;
    let ann = fixture.entra_user("ann").await;
    let group = json!({"schemas": [GROUP], "displayName": "g", "members": [{"value": ann}]});
    let (_, group) = fixture.send("POST", "/groups", group).await;
    let of_group = format!("groups.value eq {}", group["id"]);
    let of_member = format!("members.value eq \"{ann}\"");
    let nickname = format!("{EXTENSION}:mailNickname");
    for (path, filter, found) in [
        ("/users", "userName eq \"ann@example.com\"", true),
        ("/users", "externalId eq \"ann\"", true),
        ("/users", of_group.as_str(), true),
        ("/users", &format!("{nickname} eq \"ann\" and active eq true"), true),
        ("/users", &format!("not ({nickname} ew \"x\") and userName ew \"example.com\""), true),
        ("/users", "externalId eq \"ann\" and active eq true", false),
        ("/users", "userName sw \"a\"", false),
        ("/users", "userName eq \"a\" or userName eq \"b\"", false),
        ("/users", "displayName eq \"ann\"", false),
        ("/users", "userName pr", false),
        ("/groups", "displayName eq \"g\"", true),
        ("/groups", &of_member, true),
        ("/groups", "externalId eq \"g\"", false),
    ] {
        let (status, list) = fixture.filtered(path, filter).await;
        let expected = if found { (200, Some(1)) } else { (400, None) };
        assert_eq!((status, list["resources"].as_array().map(Vec::len)), expected, "{filter}: {list}");
    }
}

#[tokio::test]
async fn pages_come_by_cursor_and_only_the_last_tells_a_total() {
    let fixture = entra().await;
    for number in 0..102 {
        fixture.entra_user(&format!("u{number}")).await;
    }
    let (_, first) = fixture.look("/users?startIndex=50&count=500").await;
    assert_eq!(first["resources"].as_array().unwrap().len(), 100, "more than 100 only with a projection");
    assert!(first.get("totalResults").is_none() && first.get("startIndex").is_none());
    let next = first["nextCursor"].as_str().unwrap();
    let (_, last) = fixture.look(&format!("/users?startIndex=50&count=500&cursor={next}")).await;
    assert_eq!((last["resources"].as_array().unwrap().len(), last.get("nextCursor")), (2, None));
    let (_, projected) = fixture.look("/users?count=500&attributes=userName").await;
    assert_eq!(projected["resources"].as_array().unwrap().len(), 102);
    let (_, config) = fixture.look("/serviceproviderconfig").await;
    assert_eq!(config["pagination"]["index"], false);
    assert_eq!((&config["bulk"]["supported"], &config["etag"]["supported"]), (&json!(false), &json!(false)));
}

#[tokio::test]
async fn members_come_twenty_at_a_time_go_one_at_a_time_and_are_never_shown() {
    let fixture = entra().await;
    let mut ids = Vec::new();
    for number in 0..21 {
        ids.push(fixture.entra_user(&format!("u{number}")).await);
    }
    let (_, group) = fixture.send("POST", "/groups", json!({"schemas": [GROUP], "displayName": "g"})).await;
    let path = format!("/groups/{}", group["id"].as_str().unwrap());
    let add = |ids: &[String]| json!({"op": "add", "path": "members", "value": members(ids)});
    let remove = |id: &str| json!({"op": "remove", "path": format!("members[value eq \"{id}\"]")});
    let rename = json!({"op": "replace", "path": "displayName", "value": "other"});
    for refused in [
        json!([add(&ids)]),
        json!([add(&ids[..1]), add(&ids[1..2])]),
        json!([add(&ids[..1]), rename]),
        json!([remove(&ids[0]), remove(&ids[1])]),
        json!([{"op": "replace", "path": "members", "value": members(&ids[..1])}]),
        json!([{"op": "remove", "path": "members"}]),
        json!([add(&["nobody".to_owned()])]),
    ] {
        assert_eq!(fixture.change(&path, refused.clone()).await, 400, "{refused}");
    }
    assert_eq!(fixture.change(&path, json!([add(&ids[..20])])).await, 204);
    assert_eq!(fixture.change(&path, json!([add(&ids[..20])])).await, 204, "adding is idempotent");
    assert_eq!(fixture.change(&path, json!([remove(&ids[0])])).await, 204);
    assert!(fixture.look(&format!("{path}?attributes=members")).await.1.get("members").is_none());
    let kept = &fixture.tenant.resources(Kind::Group).unwrap()[0];
    assert_eq!(kept["members"].as_array().unwrap().len(), 19);
}

#[tokio::test]
async fn writes_over_the_limit_are_throttled_and_not_billed() {
    let fixture = entra().await;
    let write_limit = Some(WriteLimit { writes: 2, window: Duration::from_secs(60) });
    fixture.tenant.set_quirks(Quirks { write_limit, ..Quirks::default() }).unwrap();
    fixture.entra_user("a").await;
    fixture.entra_user("b").await;
    let throttled = fixture.client.post(fixture.url("/users")).json(&user("c")).send().await.unwrap();
    assert_eq!(throttled.status(), 429);
    let seconds: u64 = throttled.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(fixture.look("/users/nobody").await.0, 404);
    let counters = fixture.tenant.counters();
    assert_eq!((counters.at(Method::Post, Route::Users), counters.answered(429), counters.billed()), (3, 1, 3));
}
