//! The HTTP side: routes, who is let in, counting, and the place where misbehaviour takes hold.
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request as HttpRequest, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, http};

use crate::access::{Access, TOKEN_PATH, TokenError};
use crate::counters::{Ledger, Request, RequestRecord, Route, sample, target};
use crate::door::Line;
use crate::error::Refusal;
use crate::manners::Manners;
use crate::misbehave::{Fate, Faults, RetryAfter, too_many_requests};
use crate::personality::Personality;
use crate::schema::{Catalogue, Kind};
use crate::store::Database;
use crate::{discovery, handlers};

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
    pub(crate) access: Access,
    pub(crate) personality: Personality,
    pub(crate) ledger: Ledger,
    pub(crate) faults: RwLock<Arc<Faults>>,
    pub(crate) manners: RwLock<Arc<Manners>>,
    /// Moves when all cursors expire.
    pub(crate) cursors: AtomicU64,
}

impl App {
    pub(crate) fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.faults.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn manners(&self) -> Arc<Manners> {
        Arc::clone(&self.manners.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The generation of the cursors that are valid.
    pub(crate) fn cursors(&self) -> u64 {
        self.cursors.load(Ordering::Relaxed)
    }
}

/// The routes of the whole server.
pub(crate) fn router(app: Arc<App>) -> Router {
    let kinds = app.catalogue.kinds();
    let mut root = Router::new().nest(ROOT, api(kinds, str::to_owned));
    if app.personality.entra().is_some() {
        root = root.nest(ROOT, api(kinds, str::to_lowercase));
    }
    if app.access.oauth.is_some() {
        root = root.route(TOKEN_PATH, post(token));
    }
    root.fallback(nothing_here)
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(Arc::clone(&app), gate))
        .with_state(app)
}

/// The routes of the API for these kinds, with the names of collections as `spelt`.
fn api(kinds: &[Kind], spelt: impl Fn(&str) -> String) -> Router<Arc<App>> {
    let mut api = Router::new()
        .route(&spelt("/ServiceProviderConfig"), get(discovery::service_provider_config))
        .route(&spelt("/ResourceTypes"), get(discovery::resource_types))
        .route(&spelt("/ResourceTypes/{id}"), get(discovery::resource_type))
        .route(&spelt("/Schemas"), get(discovery::schemas))
        .route(&spelt("/Schemas/{id}"), get(discovery::schema))
        .route(&spelt("/Bulk"), post(handlers::bulk));
    if spelt("A") == "A" {
        api = api.route("/.search", post(handlers::search_all));
    }
    for kind in kinds.iter().copied() {
        let resources = Router::new()
            .route("/", get(handlers::list).post(handlers::create))
            .route("/.search", post(handlers::search))
            .route("/{id}", get(handlers::read).put(handlers::replace).patch(handlers::patch).delete(handlers::delete))
            .layer(axum::Extension(kind));
        api = api.nest(&spelt(kind.endpoint()), resources);
    }
    api
}

async fn nothing_here(uri: http::Uri) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, format!("There is nothing at {}: the API is below {ROOT}.", uri.path()))
}

async fn not_allowed(method: http::Method, uri: http::Uri) -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not possible at {}.", uri.path()))
}

/// Gives out OAuth tokens (RFC 6749 section 5).
async fn token(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let (status, body) = match app.access.token(&headers, &body) {
        Ok(body) => (StatusCode::OK, body),
        Err(TokenError { status, body }) => (status, body),
    };
    let mut response = (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"tokens\""));
    }
    response
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
    let (request, logged) = match app.ledger.logs() {
        false => (Ok(request), None),
        true => {
            let (request, record) = recorded(kind, request).await;
            (request, Some(record))
        }
    };
    let faults = app.faults();
    let delay = faults.delay(kind);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let (response, arrives) = match (faults.fate(kind), request) {
        (Fate::Answer(response), _) => (*response, true),
        (Fate::CutBefore, _) => (StatusCode::INTERNAL_SERVER_ERROR.into_response(), false),
        (Fate::CutAfter, Ok(request)) => (serve(&app, kind, request, next).await, false),
        (Fate::Serve, Ok(request)) => (serve(&app, kind, request, next).await, true),
        (_, Err(refusal)) => (refusal.into_response(), true),
    };
    if arrives {
        app.ledger.answered(kind, response.status().as_u16());
    } else {
        line.cut();
    }
    if let Some(mut record) = logged {
        record.status = arrives.then(|| response.status().as_u16());
        app.ledger.log(record);
    }
    response
}

/// Reads the body for the log, and puts it back.
async fn recorded(kind: Request, request: HttpRequest) -> (Result<HttpRequest, Refusal>, RequestRecord) {
    let at = Instant::now();
    let (head, body) = request.into_parts();
    let read = to_bytes(body, MAX_BODY).await;
    let record = RequestRecord {
        method: head.method.to_string(),
        target: head.uri.path_and_query().map_or_else(String::new, target),
        at,
        if_match: head.headers.get(header::IF_MATCH).and_then(|tag| tag.to_str().ok()).map(str::to_owned),
        body: match &read {
            Ok(body) if kind.route != Route::Token => sample(body),
            _ => String::new(),
        },
        status: None,
    };
    let request = match read {
        Ok(body) => Ok(HttpRequest::from_parts(head, Body::from(body))),
        Err(_) => Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("A body has at most {MAX_BODY} bytes."))),
    };
    (request, record)
}

async fn serve(app: &App, kind: Request, request: HttpRequest, next: Next) -> Response {
    if kind.route != Route::Token
        && let Err(refusal) = app.access.authorize(request.headers())
    {
        let mut response = refusal.into_response();
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(app.access.challenge()));
        return response;
    }
    let manners = app.manners();
    if kind.is_write()
        && let Some(wait) = manners.write_must_wait()
    {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        return too_many_requests(RetryAfter::Seconds(seconds));
    }
    let accepts_json = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("application/json"));
    if manners.entra.is_some_and(|entra| entra.needs_accept)
        && kind.route != Route::Token
        && !request.headers().get_all(header::ACCEPT).iter().any(accepts_json)
    {
        return Refusal::new(StatusCode::BAD_REQUEST, "The Accept header must name application/json.").into_response();
    }
    match tokio::time::timeout(DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("The request was not complete after {} seconds.", DEADLINE.as_secs());
            Refusal::new(StatusCode::REQUEST_TIMEOUT, detail).into_response()
        }
    }
}
