//! Entity tags (RFC 7644 section 3.14): what a request demands of the version that a resource has.
use axum::http::{HeaderMap, StatusCode, header};

use crate::error::Refusal;

/// The preconditions of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    if_match: Option<String>,
    if_none_match: Option<String>,
}

impl Conditions {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |name| {
            let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
            (!values.is_empty()).then(|| values.join(","))
        };
        Self { if_match: text(header::IF_MATCH), if_none_match: text(header::IF_NONE_MATCH) }
    }

    /// The `version` of an operation in a bulk request.
    pub(crate) fn version(version: Option<&str>) -> Self {
        Self { if_match: version.map(str::to_owned), if_none_match: None }
    }

    /// # Errors
    /// 412: the resource has another version than If-Match demands, or the one that If-None-Match excludes.
    pub(crate) fn check(&self, version: &str) -> Result<(), Refusal> {
        let matches = self.if_match.as_deref().is_none_or(|tags| lists(tags, version));
        if matches && !self.is_known(version) {
            return Ok(());
        }
        let detail = format!("The resource has the version {version} by now: read it again.");
        Err(Refusal::new(StatusCode::PRECONDITION_FAILED, detail))
    }

    /// Whether the client has this version already.
    pub(crate) fn is_known(&self, version: &str) -> bool {
        self.if_none_match.as_deref().is_some_and(|tags| lists(tags, version))
    }
}

/// Compared weakly (RFC 9110 section 8.8.3.2), since all versions here are weak.
fn lists(tags: &str, version: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let version = opaque(version);
    tags.split(',').any(|tag| tag.trim() == "*" || opaque(tag) == version)
}
