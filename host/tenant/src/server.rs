//! The HTTP side: routes, the bearer token, counting, and the place where misbehaviour takes hold.
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::{ConnectInfo, DefaultBodyLimit, Request as HttpRequest, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, http};

use crate::counters::{Ledger, Request, RequestRecord};
use crate::door::Line;
use crate::error::Refusal;
use crate::handlers;
use crate::misbehave::{Fate, Faults};
use crate::schema::{Catalogue, Kind};
use crate::store::Database;

/// Where the API lives.
pub(crate) const ROOT: &str = "/scim/v2";
/// The largest request body, in bytes.
const MAX_BODY: usize = 4 << 20;
/// How long a request may take from its head to its answer, told latency apart.
const DEADLINE: Duration = Duration::from_secs(60);

/// What all requests share.
pub(crate) struct App {
    pub(crate) catalogue: &'static Catalogue,
    pub(crate) database: Database,
    /// The base URL.
    pub(crate) base: String,
    pub(crate) token: Option<String>,
    pub(crate) ledger: Ledger,
    pub(crate) faults: RwLock<Arc<Faults>>,
}

impl App {
    pub(crate) fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.faults.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(token) = &self.token else { return Ok(()) };
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credentials =
            sent.and_then(|sent| sent.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"));
        match credentials {
            Some((_, sent)) if same_secret(sent.trim().as_bytes(), token.as_bytes()) => Ok(()),
            Some(_) => Err(Refusal::new(StatusCode::UNAUTHORIZED, "The bearer token is not the right one.")),
            None => Err(Refusal::new(StatusCode::UNAUTHORIZED, "Send a bearer token in the Authorization header.")),
        }
    }
}

/// Compares in a time that does not tell how much of the secret was right.
fn same_secret(sent: &[u8], secret: &[u8]) -> bool {
    sent.len() == secret.len() && sent.iter().zip(secret).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// The routes of the whole server.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut api = Router::new()
        .route("/ServiceProviderConfig", get(handlers::service_provider_config))
        .route("/ResourceTypes", get(handlers::resource_types))
        .route("/ResourceTypes/{id}", get(handlers::resource_type))
        .route("/Schemas", get(handlers::schemas))
        .route("/Schemas/{id}", get(handlers::schema))
        .route("/.search", post(handlers::search_all));
    for kind in Kind::ALL {
        let resources = Router::new()
            .route("/", get(handlers::list).post(handlers::create))
            .route("/.search", post(handlers::search))
            .route("/{id}", get(handlers::read).put(handlers::replace).patch(handlers::patch).delete(handlers::delete))
            .layer(axum::Extension(kind));
        api = api.nest(kind.endpoint(), resources);
    }
    Router::new()
        .nest(ROOT, api)
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(Arc::clone(&app), gate))
        .with_state(app)
}

async fn nothing_here(uri: http::Uri) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, format!("There is nothing at {}: the API is below {ROOT}.", uri.path()))
}

async fn not_allowed(method: http::Method, uri: http::Uri) -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not possible at {}.", uri.path()))
}

/// What every request passes through first.
async fn gate(
    State(app): State<Arc<App>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: HttpRequest,
    next: Next,
) -> Response {
    let kind = Request::new(request.method(), request.uri().path());
    app.ledger.count(kind);
    let logged = app.ledger.logs().then(|| RequestRecord {
        method: request.method().to_string(),
        target: request.uri().path_and_query().map_or_else(String::new, ToString::to_string),
        status: None,
    });
    let faults = app.faults();
    let delay = faults.delay(kind);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let (response, arrives) = match faults.fate(kind) {
        Fate::Serve => (serve(&app, request, next).await, true),
        Fate::Answer(response) => (*response, true),
        Fate::CutBefore => (StatusCode::INTERNAL_SERVER_ERROR.into_response(), false),
        Fate::CutAfter => (serve(&app, request, next).await, false),
    };
    if !arrives {
        line.cut();
    }
    if let Some(mut record) = logged {
        record.status = arrives.then(|| response.status().as_u16());
        app.ledger.log(record);
    }
    response
}

async fn serve(app: &App, request: HttpRequest, next: Next) -> Response {
    if let Err(refusal) = app.authorize(request.headers()) {
        let mut response = refusal.into_response();
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return response;
    }
    match tokio::time::timeout(DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("The request was not complete after {} seconds.", DEADLINE.as_secs());
            Refusal::new(StatusCode::REQUEST_TIMEOUT, detail).into_response()
        }
    }
}
