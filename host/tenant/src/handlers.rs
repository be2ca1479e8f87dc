//! From HTTP to what is asked for, and back.
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::bulk;
use crate::conditions::Conditions;
use crate::error::{ErrorType, Refusal, SCIM_JSON};
use crate::listing::{self, Parameters};
use crate::resource;
use crate::schema::Kind;
use crate::server::App;
use crate::service::{Call, Reply};

const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

type SharedApp = State<Arc<App>>;
type UrlParameters = Result<Query<Parameters>, QueryRejection>;
type RequestBody = Result<Bytes, BytesRejection>;

fn parameters(query: UrlParameters) -> Result<Parameters, Refusal> {
    match query {
        Ok(Query(parameters)) => Ok(parameters),
        Err(error) => Err(Refusal::bad(ErrorType::InvalidValue, error.body_text())),
    }
}

fn checked_body(headers: &HeaderMap, body: RequestBody) -> Result<Bytes, Refusal> {
    let media_type = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let essence = media_type.map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    if essence.is_some_and(|essence| essence != SCIM_JSON && essence != "application/json") {
        let detail = format!("A body must be {SCIM_JSON}.");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    body.map_err(|error| Refusal::new(error.status(), error.body_text()))
}

fn json_body(headers: &HeaderMap, body: RequestBody) -> Result<Value, Refusal> {
    serde_json::from_slice(&checked_body(headers, body)?)
        .map_err(|error| Refusal::bad(ErrorType::InvalidSyntax, format!("The body is not JSON: {error}.")))
}

/// An answer with a SCIM body.
pub(crate) fn scim(status: StatusCode, body: &impl serde::Serialize) -> Response {
    (status, [(header::CONTENT_TYPE, SCIM_JSON)], Json(body)).into_response()
}

/// The answer of a call, or its refusal in the tenant's manners.
fn answer(app: &App, result: Result<Reply, Refusal>) -> Response {
    match result {
        Ok(reply) => reply.into_response(),
        Err(refusal) => app.manners().refuse(refusal).into_response(),
    }
}

pub(crate) async fn list(
    State(app): SharedApp,
    Extension(kind): Extension<Kind>,
    query: UrlParameters,
) -> Result<Response, Refusal> {
    find(&app, &[kind], parameters(query)?).await
}

pub(crate) async fn search(
    State(app): SharedApp,
    Extension(kind): Extension<Kind>,
    headers: HeaderMap,
    body: RequestBody,
) -> Result<Response, Refusal> {
    find(&app, &[kind], search_request(json_body(&headers, body)?)?).await
}

pub(crate) async fn search_all(
    State(app): SharedApp,
    headers: HeaderMap,
    body: RequestBody,
) -> Result<Response, Refusal> {
    find(&app, app.catalogue.kinds(), search_request(json_body(&headers, body)?)?).await
}

fn search_request(body: Value) -> Result<Parameters, Refusal> {
    resource::check_schemas(body.get("schemas"), SEARCH_REQUEST)?;
    serde_json::from_value(body)
        .map_err(|error| Refusal::bad(ErrorType::InvalidSyntax, format!("This is no search request: {error}.")))
}

async fn find(app: &App, kinds: &[Kind], parameters: Parameters) -> Result<Response, Refusal> {
    let list = listing::find(app, &app.manners(), kinds, &parameters).await?;
    Ok(scim(StatusCode::OK, &list))
}

pub(crate) async fn create(
    State(app): SharedApp,
    Extension(kind): Extension<Kind>,
    query: UrlParameters,
    headers: HeaderMap,
    body: RequestBody,
) -> Response {
    let call = Call::new(Arc::clone(&app), kind);
    let done = async { call.create(&parameters(query)?, json_body(&headers, body)?).await };
    answer(&app, done.await)
}

pub(crate) async fn read(
    State(app): SharedApp,
    Extension(kind): Extension<Kind>,
    Path(id): Path<String>,
    query: UrlParameters,
    headers: HeaderMap,
) -> Response {
    let call = Call::new(Arc::clone(&app), kind);
    let done = async { call.read(id, &parameters(query)?, Conditions::of(&headers)).await };
    answer(&app, done.await)
}

pub(crate) async fn replace(
    State(app): SharedApp,
    Extension(kind): Extension<Kind>,
    Path(id): Path<String>,
    query: UrlParameters,
    headers: HeaderMap,
    body: RequestBody,
) -> Response {
    let call = Call::new(Arc::clone(&app), kind);
    let done = async {
        let conditions = Conditions::of(&headers);
        call.replace(id, &parameters(query)?, conditions, json_body(&headers, body)?).await
    };
    answer(&app, done.await)
}

pub(crate) async fn patch(
    State(app): SharedApp,
    Extension(kind): Extension<Kind>,
    Path(id): Path<String>,
    query: UrlParameters,
    headers: HeaderMap,
    body: RequestBody,
) -> Response {
    let call = Call::new(Arc::clone(&app), kind);
    let done = async {
        let conditions = Conditions::of(&headers);
        call.patch(id, &parameters(query)?, conditions, json_body(&headers, body)?).await
    };
    answer(&app, done.await)
}

pub(crate) async fn delete(
    State(app): SharedApp,
    Extension(kind): Extension<Kind>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let call = Call::new(Arc::clone(&app), kind);
    answer(&app, call.delete(id, Conditions::of(&headers)).await)
}

pub(crate) async fn bulk(State(app): SharedApp, headers: HeaderMap, body: RequestBody) -> Result<Response, Refusal> {
    let body = checked_body(&headers, body)?;
    Ok(scim(StatusCode::OK, &bulk::run(&app, &body).await?))
}
