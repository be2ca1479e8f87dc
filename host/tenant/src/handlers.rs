//! One function for each thing that can be asked for.
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::{ErrorType, Refusal, SCIM_JSON};
use crate::expression::{Expression, Scope};
use crate::filter::parse_filter;
use crate::patch::{self, Body};
use crate::render::{self, Projection};
use crate::resource;
use crate::schema::{self, Kind};
use crate::server::App;
use crate::store::{Record, Written};

/// The most resources in one answer, announced as `filter.maxResults`; also what is sent when no number is asked for.
const MAX_RESULTS: usize = 1000;
const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

type SharedApp = State<Arc<App>>;
type Answer = Result<Response, Refusal>;

/// What a query asks for, in its URL (RFC 7644 section 3.4.2) or in a search request (section 3.4.3).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Parameters {
    filter: Option<String>,
    start_index: Option<i64>,
    count: Option<i64>,
    attributes: Names,
    excluded_attributes: Names,
}

/// Attribute names: a list in JSON, separated by commas in a URL.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    Joined(String),
    List(Vec<String>),
}

impl Default for Names {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Names {
    fn list(&self) -> Vec<String> {
        match self {
            Self::List(list) => list.clone(),
            Self::Joined(text) => {
                text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
            }
        }
    }
}

impl Parameters {
    fn projection(&self, app: &App, kind: Kind) -> Result<Projection, Refusal> {
        Projection::new(app.catalogue, kind, &self.attributes.list(), &self.excluded_attributes.list())
    }

    /// RFC 7644 section 3.4.2.4: less than 1 means 1, a negative count means 0.
    fn page(&self) -> (usize, usize) {
        let start = usize::try_from(self.start_index.unwrap_or(1)).unwrap_or(1).max(1);
        let count = self.count.map_or(MAX_RESULTS, |count| usize::try_from(count).unwrap_or(0).min(MAX_RESULTS));
        (start, count)
    }
}

type UrlParameters = Result<Query<Parameters>, QueryRejection>;

fn parameters(query: UrlParameters) -> Result<Parameters, Refusal> {
    match query {
        Ok(Query(parameters)) => Ok(parameters),
        Err(error) => Err(Refusal::bad(ErrorType::InvalidValue, error.body_text())),
    }
}

type RequestBody = Result<Bytes, BytesRejection>;

fn json_body(headers: &HeaderMap, body: RequestBody) -> Result<Value, Refusal> {
    let media_type = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let essence = media_type.map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    if essence.is_some_and(|essence| essence != SCIM_JSON && essence != "application/json") {
        let detail = format!("A body must be {SCIM_JSON}.");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let bytes = body.map_err(|error| Refusal::new(error.status(), error.body_text()))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Refusal::bad(ErrorType::InvalidSyntax, format!("The body is not JSON: {error}.")))
}

fn scim(status: StatusCode, body: &impl serde::Serialize) -> Response {
    (status, [(header::CONTENT_TYPE, SCIM_JSON)], Json(body)).into_response()
}

fn all_of(resources: Vec<Value>) -> Response {
    let total = resources.len();
    scim(StatusCode::OK, &list_response(total, 1, resources))
}

fn list_response(total: usize, start: usize, resources: Vec<Value>) -> Value {
    json!({
        "schemas": [LIST_RESPONSE],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}

pub(crate) async fn service_provider_config(State(app): SharedApp) -> Response {
    scim(StatusCode::OK, &schema::service_provider_config(&app.base, MAX_RESULTS, app.token.is_some()))
}

pub(crate) async fn resource_types(State(app): SharedApp) -> Response {
    all_of(Kind::ALL.iter().map(|kind| schema::resource_type(*kind, &app.base)).collect())
}

pub(crate) async fn resource_type(State(app): SharedApp, Path(id): Path<String>) -> Answer {
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == id);
    let kind = kind.ok_or_else(|| Refusal::not_found("resource type", &id))?;
    Ok(scim(StatusCode::OK, &schema::resource_type(kind, &app.base)))
}

pub(crate) async fn schemas(State(app): SharedApp) -> Response {
    all_of(app.catalogue.schema_documents(&app.base))
}

pub(crate) async fn schema(State(app): SharedApp, Path(id): Path<String>) -> Answer {
    let document = app.catalogue.schema_document(&id, &app.base);
    Ok(scim(StatusCode::OK, &document.ok_or_else(|| Refusal::not_found("schema", &id))?))
}

pub(crate) async fn list(State(app): SharedApp, Extension(kind): Extension<Kind>, query: UrlParameters) -> Answer {
    find(&app, &[kind], parameters(query)?).await
}

pub(crate) async fn search(
    State(app): SharedApp,
    Extension(kind): Extension<Kind>,
    headers: HeaderMap,
    body: RequestBody,
) -> Answer {
    find(&app, &[kind], search_request(json_body(&headers, body)?)?).await
}

pub(crate) async fn search_all(State(app): SharedApp, headers: HeaderMap, body: RequestBody) -> Answer {
    find(&app, &Kind::ALL, search_request(json_body(&headers, body)?)?).await
}

fn search_request(body: Value) -> Result<Parameters, Refusal> {
    resource::check_schemas(body.get("schemas"), SEARCH_REQUEST)?;
    serde_json::from_value(body)
        .map_err(|error| Refusal::bad(ErrorType::InvalidSyntax, format!("This is no search request: {error}.")))
}

/// Answers a query over some kinds, one after the other, as if they were one list.
async fn find(app: &App, kinds: &[Kind], parameters: Parameters) -> Answer {
    let filter = match &parameters.filter {
        Some(text) => Some(
            parse_filter(text)
                .map_err(|error| Refusal::bad(ErrorType::InvalidFilter, format!("{text:?} is no filter: {error}.")))?,
        ),
        None => None,
    };
    let (start, count) = parameters.page();
    let (mut total, mut resources) = (0, Vec::new());
    for kind in kinds.iter().copied() {
        let scope = Scope::Resource(app.catalogue, kind);
        let filter = filter.as_ref().map(|one| Expression::compile(one, scope, kinds.len() > 1)).transpose()?;
        let projection = parameters.projection(app, kind)?;
        let (skip, take) = ((start - 1).saturating_sub(total), count - resources.len());
        let links = projection.shows_links();
        let found = app.database.run(move |store| store.list(kind, filter.as_ref(), skip, take, links)).await?;
        total += found.0;
        resources.extend(found.1.into_iter().map(|record| Value::Object(projection.render(record, &app.base))));
    }
    Ok(scim(StatusCode::OK, &list_response(total, start, resources)))
}

pub(crate) async fn create(
    State(app): SharedApp,
    Extension(kind): Extension<Kind>,
    query: UrlParameters,
    headers: HeaderMap,
    body: RequestBody,
) -> Answer {
    let projection = parameters(query)?.projection(&app, kind)?;
    let draft = resource::accept(app.catalogue, kind, json_body(&headers, body)?)?;
    check_poison(&app, kind, &draft.body)?;
    // A new user is in no group yet.
    let links = kind == Kind::Group && projection.shows_links();
    let job = move |store: &mut crate::store::Store| {
        let mut written = store.create(kind, draft)?;
        if links {
            store.load_links(&mut written.record)?;
        }
        Ok(written)
    };
    let record = changed(&app, app.database.run(job).await?);
    let location = HeaderValue::try_from(render::location(kind, &record.id, &app.base));
    let mut response = scim(StatusCode::CREATED, &projection.render(record, &app.base));
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

pub(crate) async fn read(
    State(app): SharedApp,
    Extension(kind): Extension<Kind>,
    Path(id): Path<String>,
    query: UrlParameters,
) -> Answer {
    let projection = parameters(query)?.projection(&app, kind)?;
    let links = projection.shows_links();
    let record = app.database.run(move |store| {
        let mut record = store.read(kind, &id)?;
        if links {
            store.load_links(&mut record)?;
        }
        Ok(record)
    });
    Ok(scim(StatusCode::OK, &projection.render(record.await?, &app.base)))
}

pub(crate) async fn replace(
    State(app): SharedApp,
    Extension(kind): Extension<Kind>,
    Path(id): Path<String>,
    query: UrlParameters,
    headers: HeaderMap,
    body: RequestBody,
) -> Answer {
    let projection = parameters(query)?.projection(&app, kind)?;
    let draft = resource::accept(app.catalogue, kind, json_body(&headers, body)?)?;
    check_poison(&app, kind, &draft.body)?;
    let links = projection.shows_links();
    let job = move |store: &mut crate::store::Store| {
        let mut written = store.replace(kind, &id, draft)?;
        if links {
            store.load_links(&mut written.record)?;
        }
        Ok(written)
    };
    let record = changed(&app, app.database.run(job).await?);
    Ok(scim(StatusCode::OK, &projection.render(record, &app.base)))
}

pub(crate) async fn patch(
    State(app): SharedApp,
    Extension(kind): Extension<Kind>,
    Path(id): Path<String>,
    query: UrlParameters,
    headers: HeaderMap,
    body: RequestBody,
) -> Answer {
    let parameters = parameters(query)?;
    let projection = parameters.projection(&app, kind)?;
    let steps = patch::parse(app.catalogue, kind, &json_body(&headers, body)?)?;
    // RFC 7644 section 3.5.2 allows an empty answer unless attributes are asked for. A group's members may be thousands,
    // so that to send them all back would cost far more than the change.
    let silent = kind == Kind::Group && parameters.attributes.list().is_empty();
    let links = !silent && projection.shows_links();
    let judge = Arc::clone(&app);
    let job = move |store: &mut crate::store::Store| {
        let mut written = store.patch(kind, &id, steps, |body| {
            resource::check(judge.catalogue, kind, body)?;
            check_poison(&judge, kind, body)
        })?;
        if links {
            store.load_links(&mut written.record)?;
        }
        Ok(written)
    };
    let record = changed(&app, app.database.run(job).await?);
    if silent {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(scim(StatusCode::OK, &projection.render(record, &app.base)))
}

pub(crate) async fn delete(State(app): SharedApp, Extension(kind): Extension<Kind>, Path(id): Path<String>) -> Answer {
    app.database.run(move |store| store.delete(kind, &id)).await?;
    app.ledger.changed();
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn changed(app: &App, written: Written) -> Record {
    if written.changed {
        app.ledger.changed();
    }
    written.record
}

fn check_poison(app: &App, kind: Kind, body: &Body) -> Result<(), Refusal> {
    let name = body.get("userName").and_then(Value::as_str);
    match name {
        Some(name) if kind == Kind::User && app.faults().is_poison(name) => {
            Err(Refusal::bad(ErrorType::InvalidValue, format!("Told to refuse the user {name:?}.")))
        }
        _ => Ok(()),
    }
}

/// All resources of a kind, in full.
pub(crate) fn everything(app: &App, kind: Kind) -> Result<Vec<Map<String, Value>>, Refusal> {
    let projection = Projection::full(app.catalogue, kind);
    let (_, records) = app.database.run_blocking(move |store| store.list(kind, None, 0, usize::MAX, true))?;
    Ok(records.into_iter().map(|record| projection.render(record, &app.base)).collect())
}
