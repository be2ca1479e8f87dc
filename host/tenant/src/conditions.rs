//! Entity tags (RFC 7644 section 3.14): what a request demands of the version that a resource has.
use std::borrow::Cow;

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
            // A tag that is no text is a tag all the same, of a version that no resource has.
            let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
            let values: Vec<Cow<'_, str>> = values.collect();
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

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_tag_that_is_no_text_matches_nothing() {
        let of = |tags: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for tag in tags {
                headers.append(header::IF_MATCH, HeaderValue::from_bytes(tag).unwrap());
            }
            Conditions::of(&headers).check("W/\"1\"")
        };
        for tags in [&[&b"W/\"\xff\""[..]][..], &[b"\xff"], &["\"\u{e4}\"".as_bytes()], &[b"W/\"2\"", b"\"\x80\""]] {
            assert_eq!(of(tags).unwrap_err().status, StatusCode::PRECONDITION_FAILED, "{tags:?}");
        }
        assert_eq!(of(&[b"\"\xff\"", b"W/\"1\""]), Ok(()), "another tag of the list may");
        assert_eq!(of(&[]), Ok(()));
    }
}
