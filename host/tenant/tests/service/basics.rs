//! The plain service: authorization, discovery, queries, and misbehaviour as a client sees it.
use std::time::{Duration, Instant, SystemTime};

use provisor_tenant::{
    Cut, CutMoment, Failure, Kind, Latency, Method, Misbehaviour, Occasion, RetryAfter, Route, Storage, Tenant,
    TenantError, TenantOptions, Throttle, Victims,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::fixture::{ENTERPRISE, Fixture, GROUP, USER, client, tenant};

#[tokio::test]
async fn only_the_right_token_is_let_in_and_debug_output_hides_it() {
    let options = TenantOptions { token: Some("s3cret".to_owned()), ..TenantOptions::default() };
    assert!(!format!("{options:?}").contains("s3cret"));
    let tenant = tenant(options).await;
    assert!(!format!("{tenant:?}").contains("s3cret"));
    let url = format!("{}/Users", tenant.url());
    for token in [None, Some("wrong!"), Some("s3cre"), Some("")] {
        let mut request = client().get(&url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{token:?}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_eq!(response.json::<Value>().await.unwrap()["status"], "401");
    }
    assert_eq!(client().get(&url).bearer_auth("s3cret").send().await.unwrap().status(), StatusCode::OK);
    let config: Value = client()
        .get(format!("{}/ServiceProviderConfig", tenant.url()))
        .bearer_auth("s3cret")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(config["authenticationSchemes"][0]["type"], "oauthbearertoken");
}

#[tokio::test]
async fn only_loopback_addresses_are_listened_on() {
    let refused = Tenant::bind("0.0.0.0:0".parse().unwrap(), TenantOptions::default()).await;
    assert!(matches!(refused, Err(TenantError::NotLoopback(_))));
}

#[tokio::test]
async fn a_storage_that_is_no_database_is_named_in_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tenant.db");
    std::fs::write(&path, "this is no database, and long enough to be told from an empty file".repeat(20)).unwrap();
    let options = TenantOptions { storage: Storage::File(path), ..TenantOptions::default() };
    let error = Tenant::bind("127.0.0.1:0".parse().unwrap(), options).await.unwrap_err();
    assert!(error.to_string().contains("tenant.db"), "{error}");
}

#[tokio::test]
async fn resources_in_a_file_outlive_the_tenant() {
    let folder = tempfile::tempdir().unwrap();
    let options = || TenantOptions { storage: Storage::File(folder.path().join("tenant.db")), ..Default::default() };
    let first = Fixture { tenant: tenant(options()).await, client: client() };
    first.user("ann").await;
    first.tenant.stop().await;
    let second = tenant(options()).await;
    let resources = second.resources(Kind::User).unwrap();
    assert_eq!(resources[0]["userName"], "ann");
    let location = resources[0]["meta"]["location"].as_str().unwrap();
    assert!(location.starts_with(&second.url()), "{location}");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_as_a_scim_error() {
    let fixture = Fixture::new().await;
    let url = fixture.url("/Users");
    let post = |body: &'static str, media: &'static str| {
        fixture.client.post(&url).header("content-type", media).body(body).send()
    };
    let scim = "application/scim+json; charset=utf-8";
    assert_eq!(post("{", scim).await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        post("a=b", "application/x-www-form-urlencoded").await.unwrap().status(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    let large = fixture.client.post(&url).body(vec![b' '; 5 << 20]).send().await;
    // A server that stops reading may be noticed before its answer is.
    assert!(large.map_or(true, |response| response.status() == StatusCode::PAYLOAD_TOO_LARGE));
    for (path, status, kind) in [
        ("/Users?filter=userName%20zz%20%22x%22", "400", Some("invalidFilter")),
        ("/Users?filter=nonsense%20pr", "400", Some("invalidFilter")),
        ("/Users?startIndex=x", "400", Some("invalidValue")),
        ("/Users/nobody", "404", None),
        ("/Nonsense", "404", None),
    ] {
        let error = fixture.get(path).await;
        assert_eq!((error["status"].as_str(), error["scimType"].as_str()), (Some(status), kind), "{path}: {error}");
    }
    fixture.user("Ann").await;
    let taken: Value = fixture.try_create("aNN").await.unwrap().json().await.unwrap();
    assert_eq!((&taken["status"], &taken["scimType"]), (&json!("409"), &json!("uniqueness")));
}

#[tokio::test]
async fn lists_come_in_pages_and_say_so() {
    let fixture = Fixture::new().await;
    for number in 0..5 {
        fixture.user(&format!("u{number}")).await;
    }
    let page = fixture.get("/Users?startIndex=4&count=10").await;
    assert_eq!((&page["totalResults"], &page["startIndex"], &page["itemsPerPage"]), (&json!(5), &json!(4), &json!(2)));
    assert_eq!(page["Resources"][0]["userName"], "u3");
    assert_eq!(fixture.get("/Users?startIndex=-3&count=1").await["Resources"][0]["userName"], "u0");
    let none = fixture.get("/Users?count=0").await;
    assert_eq!((&none["totalResults"], &none["Resources"]), (&json!(5), &json!([])));
    let config = fixture.get("/ServiceProviderConfig").await;
    assert_eq!(config["filter"]["maxResults"], 1000);
    assert_eq!(config["authenticationSchemes"], json!([]));
}

#[tokio::test]
async fn one_search_goes_over_all_kinds() {
    let fixture = Fixture::new().await;
    let ann = fixture.user("ann").await;
    fixture.user("bob").await;
    fixture.create("/Groups", json!({"schemas": [GROUP], "displayName": "ann", "members": [{"value": ann}]})).await;
    let search = |request: Value| {
        let mut request = request;
        request["schemas"] = json!(["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]);
        fixture.client.post(fixture.url("/.search")).json(&request).send()
    };
    let request = json!({"filter": "userName pr or displayName pr", "startIndex": 2, "attributes": ["displayName"]});
    let found: Value = search(request).await.unwrap().json().await.unwrap();
    assert_eq!(found["totalResults"], 3);
    let resources = found["Resources"].as_array().unwrap();
    assert_eq!(resources.len(), 2);
    assert!(resources[0].get("userName").is_none());
    assert_eq!(resources[1]["displayName"], "ann");
}

#[tokio::test]
async fn links_are_shown_from_both_ends_and_names_of_members_on_request() {
    let fixture = Fixture::new().await;
    let boss = fixture.user("boss").await;
    let ann = fixture
        .create(
            "/Users",
            json!({"schemas": [USER, ENTERPRISE], "userName": "ann", ENTERPRISE: {"manager": {"value": boss}}}),
        )
        .await;
    assert_eq!(ann["schemas"], json!([USER, ENTERPRISE]));
    assert_eq!(ann[ENTERPRISE]["manager"]["$ref"], fixture.url(&format!("/Users/{boss}")));
    let id = ann["id"].as_str().unwrap();
    let group = json!({"schemas": [GROUP], "displayName": "staff", "members": [{"value": id}]});
    let group = fixture.create("/Groups", group).await;
    let path = format!("/Groups/{}", group["id"].as_str().unwrap());
    let location = fixture.url(&format!("/Users/{id}"));
    assert_eq!(group["members"], json!([{"value": id, "$ref": location, "type": "User"}]));
    let names = fixture.get(&format!("{path}?attributes=members.display")).await;
    assert_eq!(names["members"], json!([{"display": "ann"}]));
    assert!(names.get("displayName").is_none());
    assert!(fixture.get(&format!("{path}?excludedAttributes=members")).await.get("members").is_none());
    let parts = fixture.get(&format!("{path}?excludedAttributes=members.$ref,members.type")).await;
    assert_eq!(parts["members"], json!([{"value": id}]));
    let user = fixture.get(&format!("/Users/{id}?attributes=groups,{ENTERPRISE}:manager.value")).await;
    assert_eq!((&user["groups"][0]["display"], &user["groups"][0]["type"]), (&json!("staff"), &json!("direct")));
    assert_eq!(user[ENTERPRISE], json!({"manager": {"value": boss}}));
    assert!(user.get("meta").is_none() && user.get("id").is_some());
}

#[tokio::test]
async fn a_group_takes_thousands_of_members_in_chunks() {
    let fixture = Fixture::new().await;
    let mut ids = Vec::new();
    for number in 0..1200 {
        ids.push(fixture.user(&format!("u{number}")).await);
    }
    let group = fixture.create("/Groups", json!({"schemas": [GROUP], "displayName": "all"})).await;
    let path = format!("/Groups/{}", group["id"].as_str().unwrap());
    for chunk in ids.chunks(500) {
        let members: Vec<Value> = chunk.iter().map(|id| json!({"value": id})).collect();
        let response = fixture.patch(&path, json!([{"op": "Add", "path": "members", "value": members}])).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
    }
    let one = format!("members[value eq \"{}\"]", ids[7]);
    assert_eq!(fixture.patch(&path, json!([{"op": "remove", "path": one}])).await.status(), StatusCode::NO_CONTENT);
    let shown = fixture.patch(&format!("{path}?attributes=displayName"), json!([])).await;
    assert_eq!(shown.status(), StatusCode::OK);
    assert_eq!(fixture.get(&path).await["members"].as_array().unwrap().len(), 1199);
}

#[tokio::test]
async fn counters_tell_requests_writes_and_changes_apart() {
    let fixture = Fixture::new().await;
    let path = format!("/Users/{}", fixture.user("ann").await);
    let title = |text: &str| json!([{"op": "replace", "path": "title", "value": text}]);
    assert_eq!(fixture.patch(&path, title("x")).await.status(), StatusCode::OK);
    assert_eq!(fixture.patch(&path, title("x")).await.status(), StatusCode::OK);
    fixture.get("/Users?count=0").await;
    fixture.try_create("ANN").await.unwrap();
    let counters = fixture.tenant.counters();
    assert_eq!((counters.total(), counters.writes(), counters.changes), (5, 4, 2));
    assert_eq!((counters.of(Method::Patch), counters.at(Method::Post, Route::Users)), (2, 2));
    assert_eq!((fixture.tenant.count(Kind::User).unwrap(), fixture.tenant.counters().total()), (1, 5));
    let log = fixture.tenant.request_log();
    assert_eq!(log.last().unwrap().status, Some(409));
    assert_eq!(log[3].target, "/scim/v2/Users?count=0");
}

#[tokio::test]
async fn throttling_comes_on_every_nth_request_with_the_retry_after_it_was_told() {
    let fixture = Fixture::new().await;
    let statuses = async |retry_after| {
        let throttle = Throttle { when: Occasion::Every(3), retry_after };
        fixture.tenant.misbehave(Misbehaviour { throttle: Some(throttle), ..Misbehaviour::default() });
        let mut responses = Vec::new();
        for _ in 0..6 {
            responses.push(fixture.client.get(fixture.url("/Users")).send().await.unwrap());
        }
        let codes: Vec<u16> = responses.iter().map(|response| response.status().as_u16()).collect();
        assert_eq!(codes, [200, 200, 429, 200, 200, 429]);
        responses[5].headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(statuses(RetryAfter::Absent).await, None);
    assert_eq!(statuses(RetryAfter::Seconds(2)).await.as_deref(), Some("2"));
    let date = statuses(RetryAfter::Date(Duration::from_secs(60))).await.unwrap();
    let ahead = httpdate::parse_http_date(&date).unwrap().duration_since(SystemTime::now()).unwrap();
    assert!(ahead <= Duration::from_secs(60), "{date}");
}

#[tokio::test]
async fn a_cut_before_the_change_leaves_nothing_and_one_after_it_leaves_the_change() {
    let fixture = Fixture::new().await;
    for (moment, expected) in [(CutMoment::BeforeChange, 0), (CutMoment::AfterChange, 1)] {
        let cut = Cut { when: Occasion::Next(1), moment };
        fixture.tenant.misbehave(Misbehaviour {
            cut: Some(cut),
            applies_to: Victims::Creates,
            ..Misbehaviour::default()
        });
        // Warmed up on the same connection: what is not concerned passes.
        fixture.get("/Users").await;
        let error = fixture.try_create("ann").await.unwrap_err();
        assert!(error.is_request() && error.status().is_none(), "{error:?}");
        assert_eq!(fixture.tenant.count(Kind::User).unwrap(), expected, "{moment:?}");
        assert_eq!(fixture.tenant.request_log().last().unwrap().status, None);
    }
    assert_eq!(fixture.try_create("ann").await.unwrap().status(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn failures_and_foreign_pages_change_nothing() {
    let fixture = Fixture::new().await;
    let failure = Failure { when: Occasion::Next(1), status: 503 };
    let html = Some(Occasion::Next(1));
    fixture.tenant.misbehave(Misbehaviour { failure: Some(failure), html, ..Misbehaviour::default() });
    assert_eq!(fixture.try_create("ann").await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    let page = fixture.try_create("ann").await.unwrap();
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert_eq!(fixture.tenant.count(Kind::User).unwrap(), 0);
    assert_eq!(fixture.try_create("ann").await.unwrap().status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_poisoned_user_is_refused_and_the_others_are_not() {
    let fixture = Fixture::new().await;
    let id = fixture.user("ann").await;
    fixture
        .tenant
        .misbehave(Misbehaviour { poison: ["ANN".to_owned(), "eve".to_owned()].into(), ..Misbehaviour::default() });
    let title = json!([{"op": "add", "path": "title", "value": "x"}]);
    assert_eq!(fixture.patch(&format!("/Users/{id}"), title).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(fixture.try_create("Eve").await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert_eq!(fixture.try_create("bob").await.unwrap().status(), StatusCode::CREATED);
    assert!(fixture.tenant.resources(Kind::User).unwrap()[0].get("title").is_none());
}

#[tokio::test]
async fn latency_holds_every_answer_back() {
    let fixture = Fixture::new().await;
    let (fixed, jitter) = (Duration::from_millis(60), Duration::from_millis(20));
    fixture.tenant.misbehave(Misbehaviour { latency: Some(Latency { fixed, jitter }), ..Misbehaviour::default() });
    let start = Instant::now();
    fixture.get("/Users").await;
    assert!(start.elapsed() >= fixed);
}

#[tokio::test]
async fn a_stopped_tenant_no_longer_listens() {
    let fixture = Fixture::new().await;
    fixture.user("ann").await;
    let url = fixture.url("/Users");
    fixture.tenant.stop().await;
    assert!(fixture.client.get(url).send().await.unwrap_err().is_connect());
}
