//! Each quirk as a client meets it.
use std::time::Duration;

use provisor_tenant::{Kind, PageDrift, Quirks, TenantError, WriteLimit, WrongTotal};
use serde_json::{Value, json};

use crate::fixture::{ENTERPRISE, Fixture, GROUP, USER};

const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

fn quirks() -> Quirks {
    Quirks::default()
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

impl Fixture {
    async fn change_one(&self, path: &str, operation: Value) -> (u16, Value) {
        self.send("PATCH", path, json!({"schemas": [PATCH], "Operations": [operation]})).await
    }

    async fn group_of(&self, members: &[&str]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        let group = json!({"schemas": [GROUP], "displayName": "g", "members": members});
        let (_, group) = self.send("POST", "/Groups", group).await;
        format!("/Groups/{}", group["id"].as_str().unwrap())
    }

    fn kept(&self, kind: Kind) -> Value {
        self.tenant.resources(kind).unwrap().remove(0)
    }

    fn quirk(&self, quirks: Quirks) {
        self.tenant.set_quirks(quirks).unwrap();
    }
}

#[tokio::test]
async fn what_is_not_supported_is_announced_and_answered_so() {
    let fixture = Fixture::new().await;
    let path = format!("/Users/{}", fixture.user("ann").await);
    fixture.quirk(Quirks { no_patch: true, no_filter: Some(403), missing_schemas_endpoint: true, ..quirks() });
    let config = fixture.get("/ServiceProviderConfig").await;
    assert_eq!((&config["patch"]["supported"], &config["filter"]["supported"]), (&json!(false), &json!(false)));
    assert_eq!(fixture.change_one(&path, json!({"op": "remove", "path": "title"})).await.0, 501);
    assert_eq!(fixture.look("/Users?filter=userName%20pr").await.0, 403);
    assert_eq!((fixture.look("/Schemas").await.0, fixture.look(&format!("/Schemas/{USER}")).await.0), (404, 404));
    fixture.quirk(Quirks { missing_service_provider_config: true, ..quirks() });
    assert_eq!(fixture.look("/ServiceProviderConfig").await.0, 404);
    assert_eq!(fixture.look("/Schemas").await.0, 200);
}

#[tokio::test]
async fn a_quirk_on_an_attribute_that_is_not_there_is_an_error() {
    let fixture = Fixture::new().await;
    let wrong = fixture.tenant.set_quirks(Quirks { immutable: names(&["nonsense"]), ..quirks() });
    assert!(matches!(wrong, Err(TenantError::UnknownAttribute(name)) if name == "nonsense"));
}

#[tokio::test]
async fn operations_may_have_to_be_capitalized() {
    let fixture = Fixture::quirky(Quirks { patch_only_capitalized_ops: true, ..quirks() }).await;
    let path = format!("/Users/{}", fixture.user("ann").await);
    for (op, status) in [("replace", 400), ("REPLACE", 400), ("Replace", 200), ("Add", 200)] {
        assert_eq!(fixture.change_one(&path, json!({"op": op, "path": "title", "value": op})).await.0, status, "{op}");
    }
}

#[tokio::test]
async fn members_may_go_by_value_alone_or_all_at_once() {
    let fixture = Fixture::quirky(Quirks { remove_by_value_only: true, ..quirks() }).await;
    let (ann, bob) = (fixture.user("ann").await, fixture.user("bob").await);
    let path = fixture.group_of(&[&ann, &bob]).await;
    let by_value = json!({"op": "remove", "path": "members", "value": [{"value": ann}]});
    let by_filter = json!({"op": "remove", "path": format!("members[value eq \"{bob}\"]")});
    assert_eq!(fixture.change_one(&path, by_filter).await.0, 400);
    assert_eq!(fixture.change_one(&path, by_value.clone()).await.0, 204);
    assert_eq!(fixture.kept(Kind::Group)["members"].as_array().unwrap().len(), 1);
    fixture.quirk(Quirks { remove_by_value_empties: true, ..quirks() });
    assert_eq!(fixture.change_one(&path, by_value).await.0, 204);
    assert!(fixture.kept(Kind::Group).get("members").is_none(), "bob is gone as well");
}

#[tokio::test]
async fn half_of_a_patch_may_be_done() {
    let fixture = Fixture::quirky(Quirks { half_patch: Some(2), ..quirks() }).await;
    let mut ids = Vec::new();
    for number in 0..4 {
        ids.push(fixture.user(&format!("u{number}")).await);
    }
    let path = fixture.group_of(&[]).await;
    let rename = json!({"op": "replace", "path": "displayName", "value": "other"});
    assert_eq!(fixture.change_one(&path, rename).await.0, 204, "one part has no half");
    let both = json!({"schemas": [PATCH], "Operations": [
        {"op": "replace", "path": "displayName", "value": "first"}, {"op": "add", "path": "externalId", "value": "second"}]});
    assert_eq!(fixture.send("PATCH", &path, both).await.0, 204);
    let all: Vec<Value> = ids.iter().map(|id| json!({"value": id})).collect();
    let add = json!({"op": "add", "path": "members", "value": all});
    assert_eq!(fixture.change_one(&path, add.clone()).await.0, 500);
    assert_eq!(fixture.kept(Kind::Group)["members"].as_array().unwrap().len(), 2);
    assert_eq!(fixture.change_one(&path, add).await.0, 204);
    assert_eq!(fixture.kept(Kind::Group)["members"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn filters_may_find_everything_or_nothing() {
    let fixture = Fixture::new().await;
    for name in ["ann", "bob"] {
        fixture.create("/Users", json!({"schemas": [USER], "userName": name, "externalId": name})).await;
    }
    let count = async |filter: &str| fixture.filtered("/Users", filter).await.1["totalResults"].as_u64().unwrap();
    fixture.quirk(Quirks { filter_ignored: true, ..quirks() });
    assert_eq!(count("userName eq \"ann\"").await, 2);
    fixture.quirk(Quirks { filter_finds_nothing_on: names(&["externalId", "name"]), ..quirks() });
    assert_eq!(count("externalId eq \"ann\"").await, 0);
    assert_eq!(count("externalId eq \"ann\" or userName eq \"ann\"").await, 1);
    assert_eq!(count("name.givenName eq \"x\" or userName pr").await, 2);
}

#[tokio::test]
async fn lists_may_be_wrong_in_every_way() {
    let fixture = Fixture::new().await;
    for number in 0..5 {
        fixture.user(&format!("u{number}")).await;
    }
    let page = async |quirks: Quirks, query: &str| {
        fixture.quirk(quirks);
        let list = fixture.get(&format!("/Users?{query}")).await;
        let resources = list.get("Resources").or(list.get("resources")).unwrap().as_array().unwrap().clone();
        let names: Vec<String> = resources.iter().map(|one| one["userName"].as_str().unwrap().to_owned()).collect();
        (names.join(" "), list)
    };
    let (seen, list) = page(Quirks { lowercase_resources: true, ..quirks() }, "count=2").await;
    assert_eq!((seen.as_str(), list.get("Resources")), ("u0 u1", None));
    for (drift, seen, total) in [(PageDrift::Removed, "u3 u4", 4), (PageDrift::Inserted, "u1 u2", 6)] {
        let drifting = Quirks { page_drift: Some(drift), ..quirks() };
        let (first, list) = page(drifting.clone(), "count=2").await;
        assert_eq!((first.as_str(), &list["totalResults"]), ("u0 u1", &json!(5)));
        let (next, list) = page(drifting, "startIndex=3&count=2").await;
        assert_eq!((next.as_str(), &list["totalResults"]), (seen, &json!(total)), "{drift:?}");
    }
    assert_eq!(page(Quirks { start_index_ignored: true, ..quirks() }, "startIndex=3&count=2").await.0, "u0 u1");
    assert_eq!(page(Quirks { page_size_cap: Some(3), ..quirks() }, "").await.0, "u0 u1 u2");
    let (seen, list) = page(Quirks { cursor_paging_only: true, ..quirks() }, "startIndex=3&count=2").await;
    assert_eq!((seen.as_str(), list["nextCursor"].is_string()), ("u0 u1", true));
    for (wrong, total) in [(WrongTotal::OfThePage, 2), (WrongTotal::OneMore, 6), (WrongTotal::Zero, 0)] {
        let (_, list) = page(Quirks { wrong_total: Some(wrong), ..quirks() }, "count=2").await;
        assert_eq!(list["totalResults"], total, "{wrong:?}");
    }
}

#[tokio::test]
async fn truth_values_may_be_texts() {
    let fixture = Fixture::quirky(Quirks { string_booleans: true, ..quirks() }).await;
    let user = |active: Value| json!({"schemas": [USER], "userName": "ann", "active": active, "emails": [{"value": "a@x", "primary": active}]});
    let ann = fixture.create("/Users", user(json!(true))).await;
    assert_eq!((&ann["active"], &ann["emails"][0]["primary"]), (&json!("True"), &json!("True")));
    let path = format!("/Users/{}", ann["id"].as_str().unwrap());
    fixture.quirk(Quirks { string_booleans_required: true, ..quirks() });
    let activate = |value: Value| fixture.change_one(&path, json!({"op": "replace", "path": "active", "value": value}));
    assert_eq!(activate(json!(false)).await.0, 400);
    let (status, shown) = activate(json!("False")).await;
    assert_eq!((status, &shown["active"]), (200, &json!(false)));
    assert_eq!(fixture.send("PUT", &path, user(json!(true))).await.0, 400);
    assert_eq!(fixture.send("PUT", &path, user(json!("true"))).await.0, 200);
    assert_eq!(fixture.change_one(&path, json!({"op": "replace", "value": {"active": "False"}})).await.0, 200);
    assert_eq!(fixture.kept(Kind::User)["active"], false);
}

#[tokio::test]
async fn values_may_be_forgotten_changed_fixed_or_hidden() {
    let department = format!("{ENTERPRISE}:department");
    let fixture = Fixture::quirky(Quirks {
        drops_attributes: names(&["title", "name.middleName"]),
        no_external_id: true,
        changes_case_of: names(&["emails.value", "userName"]),
        immutable: names(&["nickName"]),
        never_returns: names(&[department.as_str()]),
        ..quirks()
    })
    .await;
    let ann = json!({"schemas": [USER, ENTERPRISE], "userName": "Ann", "title": "t", "externalId": "x",
        "name": {"middleName": "M", "givenName": "G"}, "nickName": "N", "emails": [{"value": "A@X"}],
        ENTERPRISE: {"department": "d"}});
    let shown = fixture.create("/Users", ann).await;
    assert_eq!((&shown["name"], &shown["emails"][0]["value"]), (&json!({"givenName": "G"}), &json!("a@x")));
    assert!(["title", "externalId", ENTERPRISE].iter().all(|name| shown.get(name).is_none()), "{shown}");
    let path = format!("/Users/{}", shown["id"].as_str().unwrap());
    let set =
        |name: &str, value: &str| fixture.change_one(&path, json!({"op": "replace", "path": name, "value": value}));
    assert_eq!(set("title", "again").await.0, 200);
    assert_eq!(set("nickName", "other").await.1["scimType"], "mutability");
    assert_eq!(set("nickName", "N").await.0, 200);
    let kept = fixture.kept(Kind::User);
    assert_eq!((&kept["userName"], &kept[ENTERPRISE]["department"]), (&json!("ann"), &json!("d")));
    assert!(kept.get("title").is_none());
}

#[tokio::test]
async fn members_may_be_hidden_or_forgotten() {
    let fixture = Fixture::quirky(Quirks { hides_members: true, ..quirks() }).await;
    let ann = fixture.user("ann").await;
    let path = fixture.group_of(&[&ann]).await;
    assert!(fixture.get(&path).await.get("members").is_none());
    assert_eq!(fixture.kept(Kind::Group)["members"][0]["value"], ann.as_str());
    fixture.quirk(Quirks { drops_attributes: names(&["members"]), ..quirks() });
    let removal = json!({"op": "remove", "path": "members"});
    assert_eq!(fixture.change_one(&path, removal).await.0, 204);
    assert!(fixture.get(&path).await.get("members").is_some());
}

#[tokio::test]
async fn answers_may_be_short_and_have_other_statuses() {
    let fixture = Fixture::new().await;
    let post = async |quirks: Quirks, name: &str| {
        fixture.quirk(quirks);
        let body = json!({"schemas": [USER], "userName": name});
        let response = fixture.client.post(fixture.url("/Users")).json(&body).send().await.unwrap();
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let (status, body) = crate::fixture::opened(response).await;
        (status, location, body)
    };
    let (status, _, body) = post(Quirks { create_answers_200: true, ..quirks() }, "a").await;
    assert_eq!((status, body["userName"].as_str()), (200, Some("a")));
    let (status, location, body) = post(Quirks { create_without_body: true, ..quirks() }, "b").await;
    assert_eq!((status, body), (201, Value::Null));
    assert!(location.starts_with(&fixture.tenant.url()));
    let (_, _, body) = post(Quirks { create_without_id: true, ..quirks() }, "c").await;
    assert!(body.get("id").is_none() && body["userName"] == "c");
    let (_, location, body) = post(Quirks { relative_locations: true, ..quirks() }, "d").await;
    assert!(location.starts_with("/Users/"), "{location}");
    assert_eq!(body["meta"]["location"], location.as_str());

    fixture.quirk(Quirks { patch_answers_204: true, put_answers_204: true, delete_answers_200: true, ..quirks() });
    let change = json!({"op": "replace", "path": "title", "value": "t"});
    assert_eq!(fixture.change_one(&location, change).await, (204, Value::Null));
    assert_eq!(fixture.send("PUT", &location, json!({"schemas": [USER], "userName": "d"})).await, (204, Value::Null));
    assert_eq!(fixture.send("DELETE", &location, Value::Null).await, (200, Value::Null));
    fixture.quirk(Quirks { conflict_without_scim_type: true, ..quirks() });
    let conflict: Value = fixture.try_create("a").await.unwrap().json().await.unwrap();
    assert_eq!((&conflict["status"], conflict.get("scimType")), (&json!("409"), None));
}

#[tokio::test]
async fn the_deleted_may_stay_inactive_and_keep_their_name() {
    let fixture = Fixture::quirky(Quirks { soft_delete: true, ..quirks() }).await;
    let path = format!("/Users/{}", fixture.user("ann").await);
    assert_eq!(fixture.send("DELETE", &path, Value::Null).await.0, 204);
    assert_eq!(fixture.get(&path).await["active"], false);
    assert_eq!(fixture.try_create("ann").await.unwrap().status(), 409);
    let group = fixture.group_of(&[]).await;
    assert_eq!(fixture.send("DELETE", &group, Value::Null).await.0, 204);
    assert_eq!(fixture.look(&group).await.0, 404);
}

#[tokio::test]
async fn a_window_takes_so_many_writes_and_the_next_window_more() {
    let window = Duration::from_millis(300);
    let fixture = Fixture::quirky(Quirks { write_limit: Some(WriteLimit { writes: 1, window }), ..quirks() }).await;
    fixture.user("a").await;
    assert_eq!(fixture.try_create("b").await.unwrap().status(), 429);
    assert_eq!(fixture.look("/Users").await.0, 200, "reading is free");
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while fixture.try_create("b").await.unwrap().status() != 201 {
        assert!(std::time::Instant::now() < deadline, "the next window never came");
    }
}

#[tokio::test]
async fn members_may_be_forgotten_or_fixed_however_they_are_sent() {
    let fixture = Fixture::new().await;
    let (ann, bob) = (fixture.user("ann").await, fixture.user("bob").await);
    let put = |ids: &[&str]| {
        let members: Vec<Value> = ids.iter().map(|id| json!({"value": id})).collect();
        json!({"schemas": [GROUP], "displayName": "g", "members": members})
    };
    let members = || fixture.kept(Kind::Group).get("members").map_or(0, |list| list.as_array().unwrap().len());
    let add = |id: &str| json!({"op": "add", "path": "members", "value": [{"value": id}]});

    fixture.quirk(Quirks { drops_attributes: names(&["members"]), ..quirks() });
    let path = fixture.group_of(&[&ann]).await;
    assert_eq!(members(), 0);
    assert_eq!(fixture.send("PUT", &path, put(&[&ann])).await.0, 200);
    assert_eq!(members(), 0);
    assert_eq!(fixture.change_one(&path, add(&ann)).await.0, 204);
    assert_eq!(members(), 0);

    fixture.quirk(Quirks { immutable: names(&["members"]), ..quirks() });
    assert_eq!(fixture.change_one(&path, add(&ann)).await.0, 204, "set once");
    let remove = json!({"op": "remove", "path": "members"});
    let pathless = json!({"op": "replace", "value": {"members": [{"value": bob}]}});
    for operation in [add(&bob), remove, pathless] {
        let (status, answer) = fixture.change_one(&path, operation.clone()).await;
        assert_eq!((status, &answer["scimType"]), (400, &json!("mutability")), "{operation}");
    }
    for other in [put(&[&ann, &bob]), put(&[])] {
        assert_eq!(fixture.send("PUT", &path, other).await.0, 400);
    }
    assert_eq!(fixture.kept(Kind::Group)["members"][0]["value"], json!(ann));
    assert_eq!(fixture.send("PUT", &path, put(&[&ann])).await.0, 200, "the same is no change");
    assert_eq!(fixture.change_one(&path, add(&ann)).await.0, 204);
    assert_eq!(members(), 1);
}
