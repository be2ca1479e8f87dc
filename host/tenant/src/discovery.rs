//! The documents that tell a client what it meets (RFC 7644 section 4).
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use crate::entra;
use crate::error::Refusal;
use crate::handlers::scim;
use crate::listing::{self, MAX_RESULTS};
use crate::manners::Manners;
use crate::schema;
use crate::server::App;

/// The most operations in a bulk request.
pub(crate) const MAX_OPERATIONS: usize = 1000;
/// The largest bulk request, in bytes.
pub(crate) const MAX_PAYLOAD: usize = 1 << 20;

type SharedApp = State<Arc<App>>;
type Answer = Result<Response, Refusal>;

pub(crate) async fn service_provider_config(State(app): SharedApp) -> Answer {
    let manners = app.manners();
    if manners.quirks.missing_service_provider_config {
        return Err(Refusal::not_found("document", "ServiceProviderConfig"));
    }
    Ok(scim(StatusCode::OK, &config(&app, &manners)))
}

/// What this server supports (RFC 7643 section 5).
fn config(app: &App, manners: &Manners) -> Value {
    let quirks = &manners.quirks;
    let (page, max_page, max_results) = match manners.entra {
        Some(_) => (entra::PAGE, entra::MAX_PAGE, entra::MAX_RESULTS),
        None => (MAX_RESULTS, MAX_RESULTS, MAX_RESULTS),
    };
    let (operations, payload) = bulk_limits(manners);
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": !quirks.no_patch},
        "bulk": {"supported": !quirks.no_bulk, "maxOperations": operations, "maxPayloadSize": payload},
        "filter": {"supported": quirks.no_filter.is_none(), "maxResults": max_results},
        "changePassword": {"supported": false},
        "sort": {"supported": !quirks.no_sort},
        "etag": {"supported": !quirks.no_etag},
        "pagination": {
            "cursor": true,
            "index": !quirks.cursor_paging_only,
            "defaultPaginationMethod": if quirks.cursor_paging_only { "cursor" } else { "index" },
            "defaultPageSize": page,
            "maxPageSize": max_page,
        },
        "authenticationSchemes": app.access.schemes(),
        "meta": {"resourceType": "ServiceProviderConfig", "location": format!("{}/ServiceProviderConfig", app.base)},
    })
}

/// How many operations and bytes a bulk request may have.
pub(crate) fn bulk_limits(manners: &Manners) -> (usize, usize) {
    let quirks = &manners.quirks;
    if quirks.no_bulk {
        return (0, 0);
    }
    (quirks.bulk_max_operations.unwrap_or(MAX_OPERATIONS), quirks.bulk_max_payload.unwrap_or(MAX_PAYLOAD))
}

pub(crate) async fn resource_types(State(app): SharedApp) -> Response {
    let types =
        app.catalogue.kinds().iter().map(|kind| schema::resource_type(app.catalogue, *kind, &app.base)).collect();
    scim(StatusCode::OK, &listing::all_of(types, &app.manners()))
}

pub(crate) async fn resource_type(State(app): SharedApp, Path(id): Path<String>) -> Answer {
    let kind = app.catalogue.kinds().iter().copied().find(|kind| kind.name() == id);
    let kind = kind.ok_or_else(|| Refusal::not_found("resource type", &id))?;
    Ok(scim(StatusCode::OK, &schema::resource_type(app.catalogue, kind, &app.base)))
}

pub(crate) async fn schemas(State(app): SharedApp) -> Answer {
    let manners = app.manners();
    if manners.quirks.missing_schemas_endpoint {
        return Err(Refusal::not_found("document", "Schemas"));
    }
    Ok(scim(StatusCode::OK, &listing::all_of(app.catalogue.schema_documents(&app.base), &manners)))
}

pub(crate) async fn schema(State(app): SharedApp, Path(id): Path<String>) -> Answer {
    let shown = !app.manners().quirks.missing_schemas_endpoint;
    let document = app.catalogue.schema_document(&id, &app.base).filter(|_| shown);
    Ok(scim(StatusCode::OK, &document.ok_or_else(|| Refusal::not_found("schema", &id))?))
}
