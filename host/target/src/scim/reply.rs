//! Reading replies: bounded bodies, SCIM's errors (RFC 7644, section 3.12), and a summary of what is no SCIM at all.

use std::error::Error;
use std::time::Duration;

use provisor_model::Secret;
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap, LOCATION};
use reqwest::{Response, StatusCode, Url};
use serde_json::Value;

use crate::TargetError;
use crate::scim::{brief, json};

/// The largest reply that is read.
const LARGEST_REPLY: usize = 32 << 20;
/// As much of an error's reply as is looked at.
const LARGEST_ERROR: usize = 64 << 10;
/// The most characters of a service's own words that reach a message.
const LONGEST_DETAIL: usize = 300;

/// The body of a reply and what its head said of it.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Vec<u8>,
    cut: bool,
}

/// Why a reply was not read to its end.
pub(crate) enum Broken {
    /// It broke off.
    Lost(reqwest::Error),
    /// The service fell silent for so long.
    Silent(Duration),
}

impl Reply {
    /// Reads a reply to its end, or to the bound: what is longer is marked as cut. A service that repeats the token in its
    /// complaint does not get it into a message.
    pub(crate) async fn read(mut response: Response, hidden: &[Secret], idle: Duration) -> Result<Self, Broken> {
        let (status, headers) = (response.status(), response.headers().clone());
        let most = if status.is_success() { LARGEST_REPLY } else { LARGEST_ERROR };
        let mut body = Vec::new();
        let mut cut = false;
        while let Some(chunk) = tokio::time::timeout(idle, response.chunk())
            .await
            .map_err(|_| Broken::Silent(idle))?
            .map_err(Broken::Lost)?
        {
            let room = most.saturating_sub(body.len());
            if chunk.len() > room {
                cut = true;
                break;
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() && !hidden.is_empty() {
            body = concealed(String::from_utf8_lossy(&body).into_owned(), hidden).into_bytes();
        }
        Ok(Self { status, headers, body, cut })
    }

    /// The text of a header, where there is one.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The JSON document of a reply that says success; none where it has no body and its head names no resource. Where
    /// `brief` will do, only what names the resource.
    pub(crate) fn into_document(self, url: &Url, brief: bool) -> Result<Option<Value>, TargetError> {
        if self.cut {
            let found = format!("its reply is larger than {} MiB", LARGEST_REPLY >> 20);
            return Err(TargetError::NotScim { url: place(url), found });
        }
        if self.body.iter().all(u8::is_ascii_whitespace) {
            let names_resource = self.headers.contains_key(LOCATION);
            return Ok(names_resource.then(|| self.with_head(Value::Object(serde_json::Map::new()))));
        }
        if brief && let Some(named) = brief::read(&self.body) {
            return Ok(Some(self.with_head(named)));
        }
        let document = serde_json::from_slice(&self.body).map_err(|_| self.not_scim(url))?;
        Ok(Some(self.with_head(document)))
    }

    /// The document, with what only the head says of the resource in its `meta`: where it is, and its version (RFC 7644,
    /// sections 3.3 and 3.14).
    fn with_head(&self, mut document: Value) -> Value {
        let said = [("location", self.header(LOCATION.as_str())), ("version", self.header(ETAG.as_str()))];
        if let Value::Object(members) = &mut document
            && !members.keys().any(|name| name.eq_ignore_ascii_case("Resources"))
        {
            for (name, text) in said {
                let Some(text) = text else { continue };
                if let Some(meta) = json::as_object(json::slot(members, "meta"))
                    && !meta.keys().any(|present| present.eq_ignore_ascii_case(name))
                {
                    meta.insert(name.to_owned(), Value::from(text));
                }
            }
        }
        document
    }

    /// The error for a reply of another sort than SCIM's.
    pub(crate) fn not_scim(&self, url: &Url) -> TargetError {
        TargetError::NotScim { url: place(url), found: self.summary() }
    }

    /// What came, in a few words: never a page's text.
    fn summary(&self) -> String {
        let status = self.status.as_u16();
        if self.status.is_redirection() {
            let to = self.headers.get(LOCATION).and_then(|to| to.to_str().ok()).and_then(|to| Url::parse(to).ok());
            return match to {
                Some(to) => format!("a redirect to {} (HTTP {status}), which is not followed", place(&to)),
                None => format!("a redirect (HTTP {status}), which is not followed"),
            };
        }
        let content_type = self.headers.get(CONTENT_TYPE).and_then(|text| text.to_str().ok()).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if self.is_html() {
            return match self.title() {
                Some(title) => format!("an HTML page titled \"{title}\" (HTTP {status})"),
                None => format!("an HTML page (HTTP {status})"),
            };
        }
        match media_type.as_str() {
            "" => format!("content of an unnamed type (HTTP {status})"),
            json if json.contains("json") => format!("JSON that is broken or no SCIM message (HTTP {status})"),
            other => format!("content of type {} (HTTP {status})", clean(other)),
        }
    }

    /// Whether a page for people came.
    pub(crate) fn is_html(&self) -> bool {
        let declared = self.headers.get(CONTENT_TYPE).is_some_and(|text| text.as_bytes().starts_with(b"text/html"));
        let head = self.body.get(..self.body.len().min(256)).unwrap_or_default();
        let head = String::from_utf8_lossy(head).trim_start().to_ascii_lowercase();
        declared || head.starts_with("<!doctype html") || head.starts_with("<html")
    }

    fn title(&self) -> Option<String> {
        let page = String::from_utf8_lossy(&self.body);
        // ASCII case folding keeps octet positions, so that those of the folded text hold for the page.
        let folded = page.to_ascii_lowercase();
        let begin = folded.find("<title>")? + "<title>".len();
        let end = folded.get(begin..)?.find("</title>")? + begin;
        let title = clean(page.get(begin..end)?.trim());
        (!title.is_empty()).then_some(title)
    }

    /// The error for a reply that says that the request was not carried out.
    pub(crate) fn into_error(self, operation: &str, url: &Url) -> TargetError {
        let status = self.status.as_u16();
        if self.status.is_redirection() || self.status.is_success() || self.status.is_informational() {
            return self.not_scim(url);
        }
        let document: Option<Value> = serde_json::from_slice(&self.body).ok();
        // A page for people is no SCIM service's word, not even that a resource is gone.
        let page = self.is_html().then(|| self.summary());
        refusal(status, document.as_ref(), page, operation, url)
    }

    /// Why an attempt failed that may be made again.
    pub(crate) fn failure(&self) -> String {
        let reason = self.status.canonical_reason().unwrap_or("a server error");
        format!("HTTP {} ({reason})", self.status.as_u16())
    }
}

/// The error for a status that says that a request was not carried out, with SCIM's document about it or what came in
/// its place: a page for people, in a few words.
pub(crate) fn refusal(
    status: u16,
    document: Option<&Value>,
    page: Option<String>,
    operation: &str,
    url: &Url,
) -> TargetError {
    let text = |name: &str| {
        let value = document.and_then(|document| json::get(document, name)).and_then(Value::as_str);
        value.map(clean).filter(|text| !text.is_empty())
    };
    let scim_type = text("scimType");
    let words =
        text("detail").or_else(|| text("message")).or_else(|| text("error_description")).or_else(|| text("error"));
    let is_page = page.is_some();
    let detail = words.or(page).unwrap_or_default();
    let operation = operation.to_owned();
    match status {
        401 => TargetError::Unauthorized { url: place(url), status, detail },
        404 if !is_page => TargetError::NotFound { operation },
        409 => TargetError::Conflict { operation, scim_type, detail },
        400 if scim_type.as_deref() == Some("uniqueness") => TargetError::Conflict { operation, scim_type, detail },
        _ => TargetError::Refused { operation, status, scim_type, detail },
    }
}

/// A text without the secrets that it may repeat.
pub(crate) fn concealed(text: String, hidden: &[Secret]) -> String {
    let secrets = hidden.iter().map(Secret::reveal).filter(|secret| !secret.is_empty());
    secrets.fold(text, |text, secret| text.replace(secret, "[token]"))
}

/// The innermost of an error's causes: the outer ones say little ("error sending request"), the last is the system's.
pub(crate) fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// A URL without what does not belong into messages: user, query (filters name people) and fragment.
pub(crate) fn place(url: &Url) -> String {
    let mut place = url.clone();
    place.set_query(None);
    place.set_fragment(None);
    // Both fail only for URLs that cannot have a user.
    let _ = place.set_username("");
    let _ = place.set_password(None);
    place.to_string()
}

/// Another's words, cut to a readable length and on one line.
pub(crate) fn clean(words: &str) -> String {
    let mut text: String =
        words.chars().take(LONGEST_DETAIL).map(|one| if one.is_control() { ' ' } else { one }).collect();
    if words.chars().nth(LONGEST_DETAIL).is_some() {
        text.push('…');
    }
    text
}
