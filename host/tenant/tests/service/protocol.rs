//! Entity tags, sorting, cursors and bulk requests.
use provisor_tenant::{Kind, Quirks};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::fixture::{ENTERPRISE, Fixture, GROUP, PATCH, USER};

const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";

fn names(list: &Value) -> Vec<&str> {
    list["Resources"].as_array().unwrap().iter().map(|one| one["userName"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_version_moves_with_every_change_and_guards_against_lost_updates() {
    let fixture = Fixture::new().await;
    let created = fixture.create("/Users", json!({"schemas": [USER], "userName": "ann"})).await;
    let path = format!("/Users/{}", created["id"].as_str().unwrap());
    let first = created["meta"]["version"].as_str().unwrap().to_owned();
    assert!(first.starts_with("W/\""), "{first}");
    let get = |tag: &str| fixture.client.get(fixture.url(&path)).header("if-none-match", tag).send();
    let known = get(&first).await.unwrap();
    assert_eq!((known.status(), known.headers()["etag"].to_str().unwrap()), (StatusCode::NOT_MODIFIED, &*first));
    let put = |tag: &str, title: &str| {
        let body = json!({"schemas": [USER], "userName": "ann", "title": title});
        fixture.client.put(fixture.url(&path)).header("if-match", tag).json(&body).send()
    };
    let second = put(&first, "one").await.unwrap().headers()["etag"].to_str().unwrap().to_owned();
    assert_ne!(first, second);
    assert_eq!(put(&first, "two").await.unwrap().status(), StatusCode::PRECONDITION_FAILED);
    assert_eq!(get(&first).await.unwrap().status(), StatusCode::OK);
    assert_eq!(put("*", "two").await.unwrap().status(), StatusCode::OK);
    let delete = fixture.client.delete(fixture.url(&path)).header("if-match", &second).send().await.unwrap();
    assert_eq!(delete.status(), StatusCode::PRECONDITION_FAILED);
    assert_eq!(fixture.get(&path).await["title"], "two");
    assert_eq!(fixture.tenant.request_log()[2].if_match.as_deref(), Some(first.as_str()));
}

#[tokio::test]
async fn a_group_that_loses_a_deleted_member_has_another_version() {
    let fixture = Fixture::new().await;
    let ann = fixture.user("ann").await;
    let group = json!({"schemas": [GROUP], "displayName": "g", "members": [{"value": ann}]});
    let group = fixture.create("/Groups", group).await;
    fixture.client.delete(fixture.url(&format!("/Users/{ann}"))).send().await.unwrap();
    let after = fixture.get(&format!("/Groups/{}", group["id"].as_str().unwrap())).await;
    assert_ne!(after["meta"]["version"], group["meta"]["version"]);
}

#[tokio::test]
async fn a_service_may_ignore_versions_or_have_none() {
    let fixture = Fixture::quirky(Quirks { ignores_if_match: true, ..Quirks::default() }).await;
    let path = format!("/Users/{}", fixture.user("ann").await);
    let delete = || fixture.client.delete(fixture.url(&path)).header("if-match", "W/\"0\"").send();
    assert_eq!(fixture.get("/ServiceProviderConfig").await["etag"]["supported"], true);
    fixture.tenant.set_quirks(Quirks { no_etag: true, ..Quirks::default() }).unwrap();
    assert_eq!(fixture.get("/ServiceProviderConfig").await["etag"]["supported"], false);
    assert!(fixture.get(&path).await["meta"].get("version").is_none());
    assert_eq!(delete().await.unwrap().status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn lists_are_sorted_by_any_attribute_and_who_lacks_it_comes_last() {
    let fixture = Fixture::new().await;
    for (name, family, department) in [("a", Some("zeta"), "x"), ("b", None, "y"), ("c", Some("Alpha"), "z")] {
        let user = json!({"schemas": [USER, ENTERPRISE], "userName": name, "name": {"familyName": family},
            "emails": [{"value": "z@x"}, {"value": format!("{department}@x"), "primary": true}],
            ENTERPRISE: {"department": department}});
        fixture.create("/Users", user).await;
    }
    assert_eq!(names(&fixture.get("/Users?sortBy=name.familyName").await), ["c", "a", "b"]);
    assert_eq!(names(&fixture.get("/Users?sortBy=name.familyName&sortOrder=descending").await), ["b", "a", "c"]);
    let by_mail = "/Users?sortBy=emails&sortOrder=descending&startIndex=2&count=1";
    assert_eq!(names(&fixture.get(by_mail).await), ["b"]);
    let filtered = format!("/Users?sortBy={ENTERPRISE}:department&sortOrder=descending&filter=userName%20ne%20%22c%22");
    assert_eq!(names(&fixture.get(&filtered).await), ["b", "a"]);
    assert_eq!(fixture.get("/Users?sortBy=nonsense").await["status"], "400");
    fixture.tenant.set_quirks(Quirks { no_sort: true, ..Quirks::default() }).unwrap();
    assert_eq!(names(&fixture.get("/Users?sortBy=name.familyName").await), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_cursor_goes_on_where_the_page_ended_whatever_came_and_went() {
    let fixture = Fixture::new().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(fixture.user(&format!("u{number}")).await);
    }
    let first = fixture.get("/Users?cursor&count=2").await;
    assert_eq!((names(&first), first.get("startIndex")), (vec!["u0", "u1"], None));
    fixture.client.delete(fixture.url(&format!("/Users/{}", ids[0]))).send().await.unwrap();
    let next = first["nextCursor"].as_str().unwrap();
    let second = fixture.get(&format!("/Users?cursor={next}&count=2")).await;
    assert_eq!(names(&second), ["u2", "u3"]);
    let next = second["nextCursor"].as_str().unwrap();
    let last = fixture.get(&format!("/Users?cursor={next}&count=2")).await;
    assert_eq!((names(&last), last.get("nextCursor")), (vec!["u4"], None));
    // By an order of the client's own the place is a number.
    let sorted = fixture.get("/Users?cursor&count=3&sortBy=userName&sortOrder=descending").await;
    let more = sorted["nextCursor"].as_str().unwrap();
    let rest = fixture.get(&format!("/Users?cursor={more}&count=3&sortBy=userName&sortOrder=descending")).await;
    assert_eq!((names(&sorted), names(&rest)), (vec!["u4", "u3", "u2"], vec!["u1"]));
    // A number that no place has is one behind the end.
    let early = first["nextCursor"].as_str().unwrap();
    for (cursor, order) in [(early, ""), (more, "&sortBy=userName&sortOrder=descending")] {
        let mut parts: Vec<&str> = cursor.split('-').collect();
        for huge in ["ffffffffffffffff", "7fffffffffffffff"] {
            parts[1] = huge;
            let list = fixture.get(&format!("/Users?cursor={}&count=0{order}", parts.join("-"))).await;
            assert_eq!(names(&list), [""; 0], "{list}");
            fixture.get(&format!("/Users?cursor={}&count=1{order}", parts.join("-"))).await;
        }
    }
    let foreign = fixture.get(&format!("/Users?cursor={next}&filter=active%20pr")).await;
    assert_eq!(foreign["scimType"], "invalidCursor");
    fixture.tenant.expire_cursors();
    assert_eq!(fixture.get(&format!("/Users?cursor={next}")).await["scimType"], "expiredCursor");
    assert_eq!(fixture.get("/ServiceProviderConfig").await["pagination"]["cursor"], true);
}

#[tokio::test]
async fn operations_of_a_bulk_request_refer_to_what_others_create() {
    let fixture = Fixture::new().await;
    let request = json!({"schemas": [BULK], "Operations": [
        {"method": "POST", "path": "/Groups", "bulkId": "g",
         "data": {"schemas": [GROUP], "displayName": "g", "members": [{"value": "bulkId:u"}]}},
        {"method": "POST", "path": "/Users", "bulkId": "u", "data": {"schemas": [USER], "userName": "ann"}},
        {"method": "PATCH", "path": "/Groups/bulkId:g", "data": {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "displayName", "value": "renamed"}]}},
        {"method": "POST", "path": "/Users", "bulkId": "again", "data": {"schemas": [USER], "userName": "ANN"}},
        {"method": "DELETE", "path": "/Users/nobody"},
    ]});
    let (status, answer) = fixture.send("POST", "/Bulk", request).await;
    assert_eq!(status, 200, "{answer}");
    let results = answer["Operations"].as_array().unwrap();
    let statuses: Vec<&str> = results.iter().map(|one| one["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["201", "201", "204", "409", "404"]);
    assert_eq!((&results[1]["bulkId"], &results[3]["response"]["scimType"]), (&json!("u"), &json!("uniqueness")));
    assert!(results[0]["version"].is_string() && results[3].get("location").is_none());
    let group = &fixture.tenant.resources(Kind::Group).unwrap()[0];
    assert_eq!((&group["displayName"], &group["meta"]["location"]), (&json!("renamed"), &results[0]["location"]));
    assert_eq!(results[1]["location"], group["members"][0]["$ref"]);
    assert_eq!(fixture.tenant.counters().bulk_operations, 5);
}

#[tokio::test]
async fn a_circle_of_references_in_a_bulk_request_is_closed() {
    let fixture = Fixture::new().await;
    let request = json!({"schemas": [BULK], "Operations": [group_of("a", "b"), group_of("b", "a")]});
    let (_, answer) = fixture.send("POST", "/Bulk", request).await;
    assert_eq!(
        (&answer["Operations"][0]["status"], &answer["Operations"][1]["status"]),
        (&json!("201"), &json!("201"))
    );
    let groups = fixture.tenant.resources(Kind::Group).unwrap();
    assert_eq!(groups[0]["members"][0]["value"], groups[1]["id"]);
    assert_eq!(groups[1]["members"][0]["value"], groups[0]["id"]);
}

fn group_of(id: &str, other: &str) -> Value {
    json!({"method": "POST", "path": "/Groups", "bulkId": id,
        "data": {"schemas": [GROUP], "displayName": id, "members": [{"value": format!("bulkId:{other}")}]}})
}

/// The results of a bulk request with these operations.
async fn bulk(fixture: &Fixture, fail_on_errors: usize, operations: Value) -> Vec<Value> {
    let request = json!({"schemas": [BULK], "failOnErrors": fail_on_errors, "Operations": operations});
    let (status, answer) = fixture.send("POST", "/Bulk", request).await;
    assert_eq!(status, 200, "{answer}");
    answer["Operations"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_is_done_with_a_part_of_a_circle_comes_after_its_references() {
    let rename = json!({"method": "PATCH", "path": "/Groups/bulkId:a", "data": {
        "schemas": [PATCH], "Operations": [{"op": "replace", "path": "displayName", "value": "renamed"}]}});
    let emptied = json!({"method": "PATCH", "path": "/Groups/bulkId:a", "data": {
        "schemas": [PATCH], "Operations": [{"op": "remove", "path": "members"}]}});
    for operations in [
        json!([group_of("a", "b"), group_of("b", "a"), rename, emptied]),
        json!([rename, group_of("a", "b"), emptied, group_of("b", "a")]),
    ] {
        let fixture = Fixture::new().await;
        let results = bulk(&fixture, 0, operations).await;
        assert!(results.iter().all(|one| one["status"].as_str().unwrap().starts_with('2')), "{results:?}");
        let groups = fixture.tenant.resources(Kind::Group).unwrap();
        let renamed = groups.iter().find(|one| one["displayName"] == "renamed").unwrap();
        let other = groups.iter().find(|one| one["displayName"] == "b").unwrap();
        assert_eq!(renamed.get("members"), None);
        assert_eq!(other["members"][0]["value"], renamed["id"]);
    }
}

#[tokio::test]
async fn a_circle_that_is_closed_before_too_many_errors_is_closed_whatever_follows() {
    let fixture = Fixture::new().await;
    let nobody = |id: &str| json!({"method": "DELETE", "path": format!("/Users/bulkId:{id}")});
    let operations = json!([group_of("a", "b"), group_of("b", "a"), nobody("a"), nobody("b")]);
    let results = bulk(&fixture, 1, operations).await;
    assert_eq!(results.iter().filter(|one| one["status"] == "404").count(), 1, "{results:?}");
    let groups = fixture.tenant.resources(Kind::Group).unwrap();
    assert_eq!(groups[0]["members"][0]["value"], groups[1]["id"], "{results:?}");
    assert_eq!(groups[1]["members"][0]["value"], groups[0]["id"]);
}

#[tokio::test]
async fn what_was_created_and_did_not_get_its_references_says_so_and_where_it_is() {
    let broken = |id: &str| json!({"method": "POST", "path": "/Groups", "bulkId": id, "data": {"schemas": [GROUP], "members": [{"value": "bulkId:a"}]}});
    // The other one fails; or it is not tried any more, since something else failed.
    let nobody = json!({"method": "POST", "path": "/Users", "bulkId": "u",
        "data": {"schemas": [USER], "externalId": "bulkId:a"}});
    for (most, operations, told) in [
        (0, json!([group_of("a", "b"), broken("b")]), 2),
        (1, json!([group_of("a", "b"), nobody, group_of("b", "a")]), 2),
    ] {
        let fixture = Fixture::new().await;
        let results = bulk(&fixture, most, operations).await;
        assert_eq!(results.len(), told, "{results:?}");
        let group = &fixture.tenant.resources(Kind::Group).unwrap()[0];
        let first = &results[0];
        assert_eq!((&first["status"], &first["location"]), (&json!("409"), &group["meta"]["location"]), "{results:?}");
        assert!(first["response"]["detail"].as_str().unwrap().contains("without its references"), "{first}");
    }
}

#[tokio::test]
async fn a_bulk_request_stops_at_its_limits() {
    let limits = Quirks { bulk_max_operations: Some(3), bulk_max_payload: Some(2000), ..Quirks::default() };
    let fixture = Fixture::quirky(limits).await;
    let bulk = &fixture.get("/ServiceProviderConfig").await["bulk"];
    assert_eq!((&bulk["maxOperations"], &bulk["maxPayloadSize"]), (&json!(3), &json!(2000)));
    let delete = json!({"method": "DELETE", "path": "/Users/nobody"});
    let send = |more: Value| {
        let mut request = json!({"schemas": [BULK], "Operations": []});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fixture.send("POST", "/Bulk", request)
    };
    let three = json!([delete, delete, delete]);
    let (_, answer) = send(json!({"failOnErrors": 2, "Operations": three})).await;
    assert_eq!(answer["Operations"].as_array().unwrap().len(), 2);
    assert_eq!(send(json!({"Operations": [delete, delete, delete, delete]})).await.0, 413);
    assert_eq!(send(json!({"Operations": [], "padding": "x".repeat(2000)})).await.0, 413);
    let twice = json!({"method": "POST", "path": "/Users", "bulkId": "x", "data": {}});
    assert_eq!(send(json!({"Operations": [twice, twice]})).await.0, 400);
    let lost = json!({"method": "POST", "path": "/Groups", "bulkId": "g",
        "data": {"schemas": [GROUP], "displayName": "g", "members": [{"value": "bulkId:nobody"}]}});
    assert_eq!(send(json!({"Operations": [lost]})).await.1["Operations"][0]["status"], "400");
    fixture.tenant.set_quirks(Quirks { no_bulk: true, ..Quirks::default() }).unwrap();
    assert_eq!(send(json!({"Operations": []})).await.0, 501);
    assert_eq!(fixture.get("/ServiceProviderConfig").await["bulk"]["supported"], false);
}
