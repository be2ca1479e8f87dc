//! A tenant, a client of it, and what to do with both.
use provisor_tenant::{Quirks, Tenant, TenantOptions};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub(crate) const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

pub(crate) async fn tenant(options: TenantOptions) -> Tenant {
    Tenant::bind("127.0.0.1:0".parse().unwrap(), options).await.unwrap()
}

pub(crate) fn client() -> Client {
    // Fails when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

/// A tenant, a client of it, and what to do with both.
pub(crate) struct Fixture {
    pub(crate) tenant: Tenant,
    pub(crate) client: Client,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(TenantOptions::default()).await
    }

    pub(crate) async fn with(options: TenantOptions) -> Self {
        Self { tenant: tenant(TenantOptions { request_log: 100, ..options }).await, client: client() }
    }

    pub(crate) async fn quirky(quirks: Quirks) -> Self {
        Self::with(TenantOptions { quirks, ..TenantOptions::default() }).await
    }

    /// GET: the status and the body, which is null where there is none.
    pub(crate) async fn look(&self, path: &str) -> (u16, Value) {
        opened(self.client.get(self.url(path)).send().await.unwrap()).await
    }

    /// GET of a list by a filter.
    pub(crate) async fn filtered(&self, path: &str, filter: &str) -> (u16, Value) {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("filter", filter).finish();
        self.look(&format!("{path}?{query}")).await
    }

    /// A request with a body.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        opened(self.client.request(method, self.url(path)).json(&body).send().await.unwrap()).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.tenant.url())
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.client.get(self.url(path)).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/scim+json");
        response.json().await.unwrap()
    }

    pub(crate) async fn try_create(&self, name: &str) -> reqwest::Result<Response> {
        self.client.post(self.url("/Users")).json(&json!({"schemas": [USER], "userName": name})).send().await
    }

    pub(crate) async fn create(&self, path: &str, resource: Value) -> Value {
        let response = self.client.post(self.url(path)).json(&resource).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let created: Value = response.json().await.unwrap();
        assert_eq!(created["meta"]["location"], location.as_str());
        created
    }

    pub(crate) async fn user(&self, name: &str) -> String {
        let created = self.create("/Users", json!({"schemas": [USER], "userName": name})).await;
        created["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn patch(&self, path: &str, operations: Value) -> Response {
        let message = json!({"schemas": [PATCH], "Operations": operations});
        self.client.patch(self.url(path)).json(&message).send().await.unwrap()
    }
}

/// A response's status and body.
pub(crate) async fn opened(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() })
}
