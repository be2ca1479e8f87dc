//! OAuth tokens, names and passwords, and a header that is asked for.
use std::time::Duration;

use provisor_tenant::{
    BasicAuth, ClientCredentials, Method, Misbehaviour, OAuth, Occasion, RequiredHeader, RetryAfter, Route,
    TenantOptions, Throttle, Victims,
};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::fixture::{Fixture, opened};

fn oauth() -> OAuth {
    OAuth {
        client_id: "the client".to_owned(),
        client_secret: "s3cret+/".to_owned(),
        expires_in: Duration::from_secs(3600),
        scope: None,
        credentials: ClientCredentials::Any,
    }
}

async fn fixture(oauth: OAuth) -> Fixture {
    Fixture::with(TenantOptions { oauth: Some(oauth), ..TenantOptions::default() }).await
}

impl Fixture {
    fn token_request(&self, form: &str) -> RequestBuilder {
        let request = self.client.post(self.tenant.token_url());
        request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned())
    }

    async fn token(&self) -> String {
        let form = "grant_type=client_credentials&client_id=the+client&client_secret=s3cret%2B%2F";
        let (status, body) = opened(self.token_request(form).send().await.unwrap()).await;
        assert_eq!((status, &body["token_type"]), (200, &json!("Bearer")));
        body["access_token"].as_str().unwrap().to_owned()
    }

    async fn users_with(&self, token: &str) -> StatusCode {
        self.client.get(self.url("/Users")).bearer_auth(token).send().await.unwrap().status()
    }
}

#[tokio::test]
async fn a_token_lets_in_until_it_is_revoked_or_expires() {
    let fixture = fixture(oauth()).await;
    let token = fixture.token().await;
    assert_eq!(fixture.users_with(&token).await, StatusCode::OK);
    assert_eq!(fixture.users_with("another").await, StatusCode::UNAUTHORIZED);
    fixture.tenant.revoke_tokens();
    assert_eq!(fixture.users_with(&token).await, StatusCode::UNAUTHORIZED);
    assert_eq!(fixture.users_with(&fixture.token().await).await, StatusCode::OK);
    let counters = fixture.tenant.counters();
    assert_eq!((counters.at(Method::Post, Route::Token), counters.answered(401), counters.billed()), (2, 2, 2));
    let log = format!("{:?}", fixture.tenant.request_log());
    assert!(!log.contains("s3cret"), "{log}");

    let short = self::fixture(OAuth { expires_in: Duration::ZERO, ..oauth() }).await;
    assert_eq!(short.users_with(&short.token().await).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_refused_token_request_says_why_as_rfc_6749_has_it() {
    let fixture = fixture(OAuth { scope: Some("scim".to_owned()), ..oauth() }).await;
    let right = "client_id=the+client&client_secret=s3cret%2B%2F";
    for (form, status, error) in [
        (format!("grant_type=password&{right}"), 400, "unsupported_grant_type"),
        (right.to_owned(), 400, "invalid_request"),
        (format!("grant_type=client_credentials&{right}"), 400, "invalid_scope"),
        ("grant_type=client_credentials&client_id=the+client&client_secret=x".to_owned(), 401, "invalid_client"),
        ("grant_type=client_credentials".to_owned(), 401, "invalid_client"),
    ] {
        let (code, body) = opened(fixture.token_request(&form).send().await.unwrap()).await;
        assert_eq!((code, body["error"].as_str()), (status, Some(error)), "{form}");
    }
    let scoped = fixture.token_request(&format!("grant_type=client_credentials&scope=scim&{right}"));
    assert_eq!(scoped.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn credentials_are_looked_for_where_they_belong() {
    let grant = "grant_type=client_credentials";
    let in_body = format!("{grant}&client_id=the+client&client_secret=s3cret%2B%2F");
    for (credentials, header, body) in
        [(ClientCredentials::Any, 200, 200), (ClientCredentials::Header, 200, 401), (ClientCredentials::Body, 401, 200)]
    {
        let fixture = fixture(OAuth { credentials, ..oauth() }).await;
        for (id, secret) in [("the client", "s3cret+/"), ("the+client", "s3cret%2B%2F")] {
            let request = fixture.token_request(grant).basic_auth(id, Some(secret));
            assert_eq!(request.send().await.unwrap().status(), header, "{credentials:?} {id}");
        }
        assert_eq!(fixture.token_request(&in_body).send().await.unwrap().status(), body, "{credentials:?}");
    }
}

#[tokio::test]
async fn the_token_endpoint_misbehaves_by_itself() {
    let fixture = fixture(oauth()).await;
    let throttle = Some(Throttle { when: Occasion::Next(1), retry_after: RetryAfter::Seconds(1) });
    let applies_to = Victims::Tokens;
    fixture.tenant.misbehave(Misbehaviour { throttle, applies_to, ..Misbehaviour::default() });
    assert_eq!(fixture.users_with("none").await, StatusCode::UNAUTHORIZED);
    assert_eq!(fixture.token_request("").send().await.unwrap().status(), StatusCode::TOO_MANY_REQUESTS);
    fixture.token().await;
}

#[tokio::test]
async fn a_name_and_password_serve_and_a_required_header_is_asked_for_besides() {
    let basic = Some(BasicAuth { user: "sync".to_owned(), password: "p:w".to_owned() });
    let header = Some(RequiredHeader { name: "x-api-key".to_owned(), value: "k3y".to_owned() });
    let options = TenantOptions { basic, header, ..TenantOptions::default() };
    assert!(!format!("{options:?}").contains("p:w") && !format!("{options:?}").contains("k3y"));
    let fixture = Fixture::with(options).await;
    let get =
        |password: &str| fixture.client.get(fixture.url("/ServiceProviderConfig")).basic_auth("sync", Some(password));
    let refused = get("p:w").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers()["www-authenticate"], "Basic realm=\"tenant\"");
    assert_eq!(get("wrong").header("x-api-key", "k3y").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let config: Value = get("p:w").header("x-api-key", "k3y").send().await.unwrap().json().await.unwrap();
    assert_eq!(config["authenticationSchemes"][0]["type"], "httpbasic");
}
