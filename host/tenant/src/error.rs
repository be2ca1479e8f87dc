//! What a request is refused with: an HTTP status, a SCIM error type and a sentence for the administrator.
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// The media type of every SCIM body (RFC 7644 section 8.1).
pub(crate) const SCIM_JSON: &str = "application/scim+json";

/// The error types of RFC 7644 section 3.12 and RFC 9865 section 4 that this server answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorType {
    ExpiredCursor,
    InvalidCursor,
    InvalidFilter,
    InvalidPath,
    InvalidSyntax,
    InvalidValue,
    Mutability,
    NoTarget,
    Uniqueness,
}

impl ErrorType {
    fn name(self) -> &'static str {
        match self {
            Self::ExpiredCursor => "expiredCursor",
            Self::InvalidCursor => "invalidCursor",
            Self::InvalidFilter => "invalidFilter",
            Self::InvalidPath => "invalidPath",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidValue => "invalidValue",
            Self::Mutability => "mutability",
            Self::NoTarget => "noTarget",
            Self::Uniqueness => "uniqueness",
        }
    }
}

/// A refused request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {detail}")]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) kind: Option<ErrorType>,
    pub(crate) detail: String,
}

impl Refusal {
    /// An answer of `status` without a SCIM error type.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, kind: None, detail: detail.into() }
    }

    /// The request itself is at fault: 400 with its type.
    pub(crate) fn bad(kind: ErrorType, detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: Some(kind), detail: detail.into() }
    }

    /// There is no such resource.
    pub(crate) fn not_found(what: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("There is no {what} with the id {id:?}."))
    }

    /// Another resource has the value already: 409.
    pub(crate) fn taken(attribute: &str, value: &str) -> Self {
        Self {
            status: StatusCode::CONFLICT,
            kind: Some(ErrorType::Uniqueness),
            detail: format!("Another user has the {attribute} {value:?} already."),
        }
    }
}

impl Refusal {
    /// The body of the answer (RFC 7644 section 3.12).
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": self.status.as_str(),
            "detail": self.detail,
        });
        if let (Some(kind), Some(body)) = (self.kind, body.as_object_mut()) {
            body.insert("scimType".to_owned(), kind.name().into());
        }
        body
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, [(header::CONTENT_TYPE, SCIM_JSON)], Json(self.body())).into_response()
    }
}

/// A fault of the store is the server's: the client learns that it happened, the log learns what.
impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        tracing::error!(%error, "the tenant's database refused a statement");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The tenant's database refused a statement; its log says why.")
    }
}
