//! One request to a service, and what repeating it may do.

use reqwest::{Method, Url};
use serde_json::Value;

use crate::scim::pace::Sort;
use crate::scim::reply::place;
use crate::scim::retry::Safety;

/// One request, as often as it may be sent.
pub(crate) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Option<Vec<u8>>,
    pub(super) safety: Safety,
    pub(super) if_match: Option<String>,
    /// The most attempts, where they are fewer than the settings'.
    pub(super) most_attempts: u32,
    /// How many operations it carries.
    pub(super) operations: usize,
    /// Whether only what names the resource is read of the reply, where it has it.
    pub(super) brief: bool,
}

impl Call {
    /// A request that reads.
    pub(crate) fn get(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            body: None,
            safety: Safety::Read,
            if_match: None,
            most_attempts: u32::MAX,
            operations: 1,
            brief: false,
        }
    }

    /// A request that makes a resource.
    pub(crate) fn post(url: Url, body: &Value) -> Self {
        Self { method: Method::POST, body: Some(octets(body)), safety: Safety::Once, ..Self::get(url) }
    }

    /// A request that changes a resource by operations, each of which may be repeated.
    pub(crate) fn patch(url: Url, body: &Value) -> Self {
        Self { method: Method::PATCH, safety: Safety::Idempotent, ..Self::post(url, body) }
    }

    /// A request that replaces a resource, in this version where one is given.
    pub(crate) fn put(url: Url, body: &Value, version: Option<String>) -> Self {
        Self { method: Method::PUT, safety: Safety::Idempotent, if_match: version, ..Self::post(url, body) }
    }

    /// A request that deletes a resource.
    pub(crate) fn delete(url: Url) -> Self {
        Self { method: Method::DELETE, safety: Safety::Idempotent, ..Self::get(url) }
    }

    /// A request that carries so many others (RFC 7644, section 3.7); each of them may be repeated, or not.
    pub(crate) fn bulk(url: Url, body: Vec<u8>, operations: usize, safety: Safety) -> Self {
        Self { method: Method::POST, body: Some(body), safety, operations, ..Self::get(url) }
    }

    /// Which answers take alike; none for those that differ too much.
    pub(super) fn sort(&self) -> Option<Sort> {
        Some(match self.method {
            _ if self.operations > 1 => return None,
            Method::GET if self.url.query().is_some() => Sort::Search,
            Method::GET => Sort::Read,
            Method::POST => Sort::Create,
            Method::DELETE => Sort::Delete,
            _ => Sort::Change,
        })
    }

    /// The same request, of whose reply only what names the resource is needed.
    pub(crate) fn briefly(self, brief: bool) -> Self {
        Self { brief, ..self }
    }

    /// The same request with at most so many attempts.
    pub(crate) fn tried(self, most_attempts: u32) -> Self {
        Self { most_attempts, ..self }
    }

    /// The same request, to be carried out on this version alone.
    pub(crate) fn in_version(self, version: Option<String>) -> Self {
        Self { if_match: version, ..self }
    }

    /// The request in words, for messages.
    pub(crate) fn operation(&self) -> String {
        format!("{} {}", self.method, place(&self.url))
    }
}

fn octets(body: &Value) -> Vec<u8> {
    // A document in memory can always be written.
    serde_json::to_vec(body).unwrap_or_else(|_| body.to_string().into_bytes())
}
