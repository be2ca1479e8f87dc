//! Bulk messages: building requests and reading which result belongs to which operation (RFC 7644, section 3.7).

use std::collections::HashMap;

use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::scim::call::Call;
use crate::scim::json;
use crate::scim::retry::Safety;

const REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// The octets of a request around its operations.
pub(super) const ENVELOPE: usize = REQUEST.len() + 64;

/// One write within a bulk request.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) url: Url,
    /// From the service's base.
    pub(super) path: String,
    body: Option<Vec<u8>>,
    /// The request in words, for messages.
    pub(super) name: String,
    /// Whether it may not be repeated.
    pub(super) once: bool,
}

impl Operation {
    /// The operation that stands for a call; none for reads, for what is guarded by a version, and for paths whose
    /// escapes services might read differently within a message.
    pub(super) fn of(call: &Call, base: &Url) -> Option<Self> {
        if call.safety == Safety::Read || call.if_match.is_some() || call.url.query().is_some() {
            return None;
        }
        let same = call.url.origin() == base.origin();
        let path = call
            .url
            .path()
            .strip_prefix(base.path().trim_end_matches('/'))
            .filter(|path| same && path.len() > 1 && path.starts_with('/') && !path.contains(['%', '"', '\\']))?;
        Some(Self {
            method: call.method.clone(),
            url: call.url.clone(),
            path: path.to_owned(),
            body: call.body.clone(),
            name: call.operation(),
            once: call.safety == Safety::Once,
        })
    }

    /// At most so many octets does it add to a request.
    pub(super) fn size(&self) -> usize {
        self.path.len() + self.body.as_ref().map_or(0, Vec::len) + 96
    }
}

/// The request for these operations.
pub(super) fn request<'o>(operations: impl Iterator<Item = &'o Operation>) -> Vec<u8> {
    let mut text = format!("{{\"schemas\":[\"{REQUEST}\"],\"Operations\":[").into_bytes();
    for (number, operation) in operations.enumerate() {
        let comma = if number == 0 { "" } else { "," };
        let head = format!(
            "{comma}{{\"method\":\"{}\",\"path\":\"{}\",\"bulkId\":\"{}\"",
            operation.method,
            operation.path,
            bulk_id(number)
        );
        text.extend_from_slice(head.as_bytes());
        if let Some(body) = &operation.body {
            // Bodies are JSON that was written here.
            text.extend_from_slice(b",\"data\":");
            text.extend_from_slice(body);
        }
        text.push(b'}');
    }
    text.extend_from_slice(b"]}");
    text
}

fn bulk_id(number: usize) -> String {
    format!("operation-{number}")
}

/// What a service says of one operation.
pub(super) struct Outcome {
    bulk_id: Option<String>,
    method: Option<String>,
    location: Option<String>,
    version: Option<String>,
    pub(super) status: u16,
    pub(super) response: Option<Value>,
}

/// The results in a reply; none where it is no answer to a bulk request. Results without a status say nothing.
pub(super) fn results(document: &Value) -> Option<Vec<Outcome>> {
    let listed = json::get(document, "Operations")?.as_array()?;
    Some(listed.iter().filter_map(Outcome::parse).collect())
}

impl Outcome {
    fn parse(result: &Value) -> Option<Self> {
        let text = |name: &str| json::get(result, name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            bulk_id: text("bulkId"),
            method: text("method"),
            location: text("location"),
            version: text("version"),
            status: status(json::get(result, "status")?)?,
            response: json::get(result, "response").filter(|response| response.is_object()).cloned(),
        })
    }

    /// The document that the reply to the operation would have had: the resource where it is shown, else what is known
    /// of it.
    pub(super) fn into_document(self, operation: &Operation) -> Option<Value> {
        let has_id = |document: &Value| json::get(document, "id").and_then(Value::as_str).is_some();
        if let Some(shown) = self.response.filter(|shown| operation.method != Method::POST || has_id(shown)) {
            return Some(shown);
        }
        if operation.method != Method::POST {
            return None;
        }
        let location = self.location?;
        let id = last_of(&location, operation)?;
        let mut meta = json!({"location": location});
        if let (Some(version), Some(meta)) = (self.version, meta.as_object_mut()) {
            meta.insert("version".into(), version.into());
        }
        Some(json!({"id": id, "meta": meta}))
    }
}

/// The id at the end of a location, below the endpoint that was written to.
fn last_of(location: &str, operation: &Operation) -> Option<String> {
    let url = operation.url.join(location).ok()?;
    let endpoint = operation.url.path_segments()?.next_back()?;
    let mut segments = url.path_segments()?.rev();
    let id = segments.next().filter(|id| !id.is_empty() && !id.contains('%'))?;
    segments.next().filter(|parent| parent.eq_ignore_ascii_case(endpoint))?;
    Some(id.to_owned())
}

/// A status as text, as number, or as SCIM 1 had it.
fn status(value: &Value) -> Option<u16> {
    let number = match value {
        Value::Number(number) => u16::try_from(number.as_u64()?).ok()?,
        Value::String(text) => text.trim().parse().ok()?,
        Value::Object(_) => return status(json::get(value, "code")?),
        _ => return None,
    };
    (100..600).contains(&number).then_some(number)
}

/// Which result belongs to which operation: by bulkId; else by the resource it was about; else by its place, where there
/// is a result for each and none contradicts. What fits none of these is nobody's. A creation has its result by bulkId
/// alone: nothing else tells it from those beside it, and one in another's place would link an entry to a stranger.
pub(super) fn assign(operations: &[&Operation], results: Vec<Outcome>) -> Vec<Option<Outcome>> {
    let mut assigned: Vec<Option<Outcome>> = operations.iter().map(|_| None).collect();
    let numbers: HashMap<String, usize> = (0..operations.len()).map(|number| (bulk_id(number), number)).collect();
    let same_method = |operation: &Operation, outcome: &Outcome| {
        outcome.method.as_ref().is_none_or(|method| operation.method.as_str().eq_ignore_ascii_case(method))
    };
    let in_order = results.len() == operations.len()
        && results.iter().zip(operations).enumerate().all(|(number, (outcome, operation))| {
            same_method(operation, outcome)
                && outcome.bulk_id.as_ref().is_none_or(|id| numbers.get(id) == Some(&number))
                && (operation.once || outcome.location.as_ref().is_none_or(|location| is_about(location, operation)))
        });
    for (place, outcome) in results.into_iter().enumerate() {
        let number = match &outcome.bulk_id {
            Some(id) => numbers.get(id).copied(),
            None if in_order => Some(place).filter(|place| operations.get(*place).is_some_and(|one| !one.once)),
            None => outcome.location.as_ref().and_then(|location| {
                operations.iter().position(|operation| {
                    !operation.once
                        && outcome.method.is_some()
                        && same_method(operation, &outcome)
                        && is_about(location, operation)
                })
            }),
        };
        if let Some(slot) = number.and_then(|number| assigned.get_mut(number))
            && slot.is_none()
        {
            *slot = Some(outcome);
        }
    }
    assigned
}

fn is_about(location: &str, operation: &Operation) -> bool {
    operation.url.join(location).is_ok_and(|url| url.path().ends_with(operation.path.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Url {
        Url::parse("https://tenant.example/scim/v2").unwrap()
    }

    fn url(path: &str) -> Url {
        Url::parse(&format!("{}{path}", base())).unwrap()
    }

    fn post() -> Operation {
        Operation::of(&Call::post(url("/Users"), &json!({"userName": "ada \"x\""})), &base()).unwrap()
    }

    fn delete(id: &str) -> Operation {
        Operation::of(&Call::delete(url(&format!("/Users/{id}"))), &base()).unwrap()
    }

    fn assigned(operations: &[Operation], results: Value) -> Vec<Option<u16>> {
        let found = super::results(&json!({"Operations": results})).unwrap();
        let operations: Vec<&Operation> = operations.iter().collect();
        assign(&operations, found).into_iter().map(|outcome| outcome.map(|outcome| outcome.status)).collect()
    }

    #[test]
    fn a_request_is_json_and_no_longer_than_reckoned() {
        let operations = [post(), delete("7")];
        let text = request(operations.iter());
        assert!(text.len() <= ENVELOPE + operations.iter().map(Operation::size).sum::<usize>());
        let document: Value = serde_json::from_slice(&text).unwrap();
        let expected = json!([
            {"method": "POST", "path": "/Users", "bulkId": "operation-0", "data": {"userName": "ada \"x\""}},
            {"method": "DELETE", "path": "/Users/7", "bulkId": "operation-1"},
        ]);
        assert_eq!(document["Operations"], expected);
    }

    #[test]
    fn what_cannot_be_said_in_a_bulk_request_is_left_out_of_it() {
        let versioned = Call::put(url("/Users/1"), &json!({}), Some("W/\"1\"".into()));
        let elsewhere = Call::delete(Url::parse("https://tenant.example/other/Users/1").unwrap());
        for call in [Call::get(url("/Users/1")), versioned, elsewhere, Call::delete(url("/Users/a%2Fb"))] {
            assert!(Operation::of(&call, &base()).is_none(), "{}", call.operation());
        }
    }

    #[test]
    fn results_find_their_operations_in_any_order_and_strangers_none() {
        let operations = [post(), delete("1"), post(), delete("2")];
        let by_id = json!([
            {"method": "DELETE", "location": "https://tenant.example/scim/v2/Users/2", "status": "204"},
            {"bulkId": "operation-2", "method": "POST", "status": {"code": 409}},
            {"bulkId": "operation-0", "method": "POST", "status": 201},
            {"bulkId": "operation-0", "method": "POST", "status": 500},
            {"bulkId": "stranger", "method": "POST", "status": "201"},
        ]);
        assert_eq!(assigned(&operations, by_id), [Some(201), None, Some(409), Some(204)]);
        let in_order = json!([
            {"method": "POST", "status": "201"}, {"method": "DELETE", "status": "404"},
            {"method": "POST", "status": "409"}, {"method": "DELETE", "status": "204"},
        ]);
        assert_eq!(
            assigned(&operations, in_order),
            [None, Some(404), None, Some(204)],
            "creations are never told by place"
        );
        let too_few = json!([{"method": "POST", "status": "201"}, {"status": "204"}, {"method": "POST"}]);
        assert_eq!(assigned(&operations, too_few), [None, None, None, None]);
        let out_of_order = json!([
            {"method": "DELETE", "status": "204"}, {"method": "POST", "status": "201"},
            {"method": "POST", "status": "409"}, {"method": "DELETE", "status": "204"},
        ]);
        assert_eq!(assigned(&operations, out_of_order), [None, None, None, None]);
    }

    #[test]
    fn the_id_of_what_was_made_is_read_from_the_resource_or_its_location() {
        let document = |result: Value| {
            let outcome = Outcome::parse(&result).unwrap();
            outcome.into_document(&post()).map(|document| document["id"].as_str().unwrap().to_owned())
        };
        assert_eq!(document(json!({"status": "201", "response": {"id": "a"}})), Some("a".into()));
        let location = "https://other.example/Users/b";
        assert_eq!(document(json!({"status": "201", "location": location})), Some("b".into()));
        assert_eq!(document(json!({"status": "201", "location": "/scim/v2/Users/c"})), Some("c".into()));
        for unclear in ["https://tenant.example/scim/v2/Users/", "/scim/v2/Users/a%20b", "/Things/d"] {
            assert_eq!(document(json!({"status": "201", "location": unclear})), None, "{unclear}");
        }
    }
}
