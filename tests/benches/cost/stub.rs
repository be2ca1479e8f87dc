//! A stub of a SCIM service that does next to nothing, so that what remains is the client's own cost: it takes whatever
//! it is sent, gives ids, and lists nobody. No real service; the tenant is one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use provisor_tenant::{Tenant, TenantOptions};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::program::TOKEN;

/// A request that made a resource: its path and body.
pub type Creation = (String, Bytes);

#[derive(Default)]
struct Shared {
    /// How long it thinks about each write.
    pause: Duration,
    made: AtomicU64,
    requests: AtomicU64,
    keeping: AtomicBool,
    kept: Mutex<Vec<Creation>>,
    /// What the service announces of itself, by path.
    documents: Vec<(String, Bytes)>,
}

/// The running stub.
pub struct Stub {
    shared: Arc<Shared>,
    url: String,
}

impl Stub {
    /// Starts it on a free port. What it announces of itself is what the tenant does.
    pub async fn start() -> Result<Self> {
        Self::thoughtful(Duration::ZERO).await
    }

    /// The same, taking so long to answer each write.
    pub async fn thoughtful(pause: Duration) -> Result<Self> {
        let shared = Arc::new(Shared { pause, documents: announced().await?, ..Shared::default() });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { shared, url })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many requests it has had.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// From now on keeps creations, or no longer.
    pub fn keep(&self, on: bool) {
        self.shared.keeping.store(on, Ordering::Relaxed);
    }

    /// The creations that it has kept, which it then forgets.
    pub async fn take_kept(&self) -> Vec<Creation> {
        std::mem::take(&mut *self.shared.kept.lock().await)
    }
}

async fn announced() -> Result<Vec<(String, Bytes)>> {
    let options = TenantOptions { token: Some(TOKEN.to_owned()), ..TenantOptions::default() };
    let tenant = Tenant::bind(([127, 0, 0, 1], 0).into(), options).await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut documents = Vec::new();
    for path in ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"] {
        let reply = client.get(format!("{}{path}", tenant.url())).bearer_auth(TOKEN).send().await?;
        documents.push((path.to_owned(), reply.error_for_status()?.bytes().await?));
    }
    tenant.stop().await;
    Ok(documents)
}

async fn answer(State(shared): State<Arc<Shared>>, method: Method, uri: Uri, body: Bytes) -> Response {
    shared.requests.fetch_add(1, Ordering::Relaxed);
    let kind = [(header::CONTENT_TYPE, "application/scim+json")];
    if method != Method::GET && !shared.pause.is_zero() {
        think(shared.pause).await;
    }
    match method {
        Method::POST => {
            let number = shared.made.fetch_add(1, Ordering::Relaxed);
            let mut made = format!("{{\"id\":\"r{number}\",").into_bytes();
            made.extend_from_slice(body.get(1..).unwrap_or_default());
            if shared.keeping.load(Ordering::Relaxed) {
                shared.kept.lock().await.push((uri.path().to_owned(), body));
            }
            (StatusCode::CREATED, kind, made).into_response()
        }
        Method::GET => match shared.documents.iter().find(|(path, _)| uri.path() == path) {
            Some((_, document)) => (kind, document.clone()).into_response(),
            None => {
                let nobody = "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:ListResponse\"],\"totalResults\":0,\"Resources\":[]}";
                (kind, nobody).into_response()
            }
        },
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn think(pause: Duration) {
    tokio::time::sleep(pause).await;
}
