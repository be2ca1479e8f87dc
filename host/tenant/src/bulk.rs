//! Bulk requests (RFC 7644 section 3.7): many operations in one request, which may refer to what others of them create.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::conditions::Conditions;
use crate::discovery;
use crate::error::{ErrorType, Refusal};
use crate::listing::Parameters;
use crate::render;
use crate::resource;
use crate::schema::Kind;
use crate::server::App;
use crate::service::{Call, Reply};

const BULK_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const BULK_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
/// What a reference to another operation begins with.
const REFERENCE: &str = "bulkId:";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BulkRequest {
    #[serde(default)]
    fail_on_errors: Option<usize>,
    #[serde(rename = "Operations")]
    operations: Vec<Operation>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    method: String,
    #[serde(default)]
    bulk_id: Option<String>,
    path: String,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    version: Option<String>,
}

impl Operation {
    /// The id by which others refer to what this operation creates.
    fn creates(&self) -> Option<&str> {
        self.bulk_id.as_deref().filter(|_| self.method.eq_ignore_ascii_case("POST"))
    }
}

/// Carries out a bulk request.
///
/// # Errors
/// 501: there is none here; 413: it is too large; 400: it is none, or two operations have one `bulkId`. What is wrong
/// with a single operation is said in its own result.
pub(crate) async fn run(app: &Arc<App>, body: &[u8]) -> Result<Value, Refusal> {
    let manners = app.manners();
    let (operations, payload) = discovery::bulk_limits(&manners);
    if manners.quirks.no_bulk {
        return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "Bulk requests are not supported."));
    }
    let too_large = |what: String| Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, what);
    if body.len() > payload {
        return Err(too_large(format!("The bulk request exceeds the maxPayloadSize ({payload}).")));
    }
    let syntax = |error| Refusal::bad(ErrorType::InvalidSyntax, format!("This is no bulk request: {error}."));
    let message: Value = serde_json::from_slice(body).map_err(syntax)?;
    resource::check_schemas(message.get("schemas"), BULK_REQUEST)?;
    let request: BulkRequest = serde_json::from_value(message).map_err(syntax)?;
    if request.operations.len() > operations {
        return Err(too_large(format!("The bulk request exceeds the maxOperations ({operations}).")));
    }
    let mut run = Run::new(app, &request)?;
    run.all().await;
    let results: Vec<Value> = run.results.into_values().collect();
    Ok(json!({"schemas": [BULK_RESPONSE], "Operations": results}))
}

/// A bulk request under way.
struct Run<'a> {
    app: &'a Arc<App>,
    request: &'a BulkRequest,
    /// The ids of what was created, by `bulkId`.
    created: BTreeMap<&'a str, String>,
    /// The `bulkId`s whose operation has not been tried yet.
    waiting: BTreeSet<&'a str>,
    /// What was created without its references, which were not there yet.
    incomplete: Vec<(usize, &'a Operation)>,
    results: BTreeMap<usize, Value>,
    errors: usize,
}

impl<'a> Run<'a> {
    fn new(app: &'a Arc<App>, request: &'a BulkRequest) -> Result<Self, Refusal> {
        let mut waiting = BTreeSet::new();
        for id in request.operations.iter().filter_map(Operation::creates) {
            if !waiting.insert(id) {
                let detail = format!("Two operations have the bulkId {id:?}.");
                return Err(Refusal::bad(ErrorType::InvalidValue, detail));
            }
        }
        let (created, results) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { app, request, created, waiting, incomplete: Vec::new(), results, errors: 0 })
    }

    /// Takes the operations in their order, except that one which refers to what another creates waits for that. Where
    /// they refer to one another in a circle, one is created without its references and gets them as soon as they are
    /// there, before anything else is done with it.
    async fn all(&mut self) {
        let mut pending: Vec<(usize, &'a Operation)> = self.request.operations.iter().enumerate().collect();
        while !pending.is_empty() && !self.has_failed() {
            let mut later = Vec::new();
            let before = pending.len();
            for (index, operation) in pending {
                if self.has_failed() {
                    break;
                }
                if self.waits(operation) {
                    later.push((index, operation));
                } else {
                    self.one(index, operation, operation.data.clone()).await;
                    self.complete().await;
                }
            }
            if later.len() == before {
                let Some(place) = later.iter().position(|(_, one)| one.creates().is_some()) else { break };
                let (index, operation) = later.remove(place);
                let data = without(&operation.data, &self.waiting).unwrap_or_default();
                self.one(index, operation, data).await;
                if operation.creates().is_some_and(|id| self.created.contains_key(id)) {
                    self.incomplete.push((index, operation));
                }
                self.complete().await;
            }
            pending = later;
        }
        // What is not tried any more is not waited for either.
        self.waiting.clear();
        self.complete().await;
    }

    fn has_failed(&self) -> bool {
        self.request.fail_on_errors.is_some_and(|most| most > 0 && self.errors >= most)
    }

    fn waits(&self, operation: &Operation) -> bool {
        let concerned = operation.path.rsplit('/').next().and_then(|last| last.strip_prefix(REFERENCE));
        let unfinished = |id| self.incomplete.iter().any(|(_, one)| one.creates() == Some(id));
        mentions(&operation.data, &self.waiting)
            || concerned.is_some_and(|id| self.waiting.contains(id) || unfinished(id))
    }

    async fn one(&mut self, index: usize, operation: &'a Operation, data: Value) {
        self.app.ledger.bulk_operation();
        let done = self.perform(operation, data).await;
        if let Some(id) = operation.creates() {
            self.waiting.remove(id);
            if let Ok(reply) = &done
                && let Some(new) = reply.location.as_deref().and_then(|location| location.rsplit('/').next())
            {
                self.created.insert(id, new.to_owned());
            }
        }
        let location = match self.place(operation) {
            Ok((kind, Some(id))) => Some(render::location(kind, &id, &self.app.base)),
            _ => done.as_ref().ok().and_then(|reply| reply.location.clone()),
        };
        self.tell(index, operation, done, location);
    }

    /// Gives those that were created without their references these, where none is waited for any more.
    async fn complete(&mut self) {
        let (waiting, ready): (Vec<_>, Vec<_>) = std::mem::take(&mut self.incomplete)
            .into_iter()
            .partition(|(_, operation)| mentions(&operation.data, &self.waiting));
        self.incomplete = waiting;
        for (index, operation) in ready {
            let Some(id) = operation.creates().and_then(|id| self.created.get(id)).cloned() else { continue };
            let Ok((kind, _)) = self.place(operation) else { continue };
            let location = render::location(kind, &id, &self.app.base);
            let done = match self.resolved(&operation.data) {
                Ok(data) => {
                    let call = Call::new(Arc::clone(self.app), kind);
                    call.replace(id, &Parameters::default(), Conditions::default(), data).await
                }
                // RFC 7644 section 3.7.1: what a circle answers that cannot be closed.
                Err(refusal) => {
                    let detail = format!("It was created, but without its references. {}", refusal.detail);
                    Err(Refusal::new(StatusCode::CONFLICT, detail))
                }
            };
            let done = done.map(|reply| Reply { status: StatusCode::CREATED, ..reply });
            self.tell(index, operation, done, Some(location));
        }
    }

    /// Carries out one operation.
    async fn perform(&self, operation: &Operation, data: Value) -> Result<Reply, Refusal> {
        let (kind, id) = self.place(operation)?;
        let data = self.resolved(&data)?;
        let call = Call::new(Arc::clone(self.app), kind);
        let conditions = Conditions::version(operation.version.as_deref());
        let parameters = Parameters::default();
        match (operation.method.to_ascii_uppercase().as_str(), id) {
            ("POST", None) if operation.bulk_id.is_none() => {
                Err(Refusal::bad(ErrorType::InvalidValue, "A POST needs a \"bulkId\"."))
            }
            ("POST", None) => call.create(&parameters, data).await,
            ("PUT", Some(id)) => call.replace(id, &parameters, conditions, data).await,
            ("PATCH", Some(id)) => call.patch(id, &parameters, conditions, data).await,
            ("DELETE", Some(id)) => call.delete(id, conditions).await,
            (method, _) => {
                let detail = format!("{method} is not possible at {:?}.", operation.path);
                Err(Refusal::bad(ErrorType::InvalidValue, detail))
            }
        }
    }

    fn place(&self, operation: &Operation) -> Result<(Kind, Option<String>), Refusal> {
        let invalid = || Refusal::bad(ErrorType::InvalidPath, format!("{:?} is no path here.", operation.path));
        let path = operation.path.trim_start_matches('/');
        let (endpoint, id) = path.split_once('/').map_or((path, None), |(endpoint, id)| (endpoint, Some(id)));
        let kinds = self.app.catalogue.kinds();
        let kind = kinds.iter().copied().find(|kind| kind.endpoint().trim_start_matches('/') == endpoint);
        let kind = kind.ok_or_else(invalid)?;
        let Some(id) = id else { return Ok((kind, None)) };
        match self.resolved(&id.into())? {
            Value::String(id) if !id.is_empty() && !id.contains('/') => Ok((kind, Some(id))),
            _ => Err(invalid()),
        }
    }

    /// The value with references to operations replaced by the ids of what these created.
    fn resolved(&self, value: &Value) -> Result<Value, Refusal> {
        Ok(match value {
            Value::String(text) => match text.strip_prefix(REFERENCE) {
                Some(id) => self.created.get(id).cloned().map(Value::String).ok_or_else(|| {
                    Refusal::bad(ErrorType::InvalidValue, format!("No operation has created the bulkId {id:?}."))
                })?,
                None => value.clone(),
            },
            Value::Array(list) => list.iter().map(|one| self.resolved(one)).collect::<Result<_, _>>()?,
            Value::Object(object) => Value::Object(
                object
                    .iter()
                    .map(|(name, one)| Ok((name.clone(), self.resolved(one)?)))
                    .collect::<Result<Map<_, _>, Refusal>>()?,
            ),
            other => other.clone(),
        })
    }

    /// Writes an operation's result down; `location` is the place of what it concerns.
    fn tell(&mut self, index: usize, operation: &Operation, done: Result<Reply, Refusal>, location: Option<String>) {
        let mut result = Map::new();
        result.insert("method".to_owned(), operation.method.clone().into());
        result.extend(operation.bulk_id.clone().map(|id| ("bulkId".to_owned(), id.into())));
        let manners = self.app.manners();
        let location = location.map(|location| manners.location(location, &self.app.base));
        result.extend(location.map(|location| ("location".to_owned(), location.into())));
        let status = match done {
            Ok(reply) => {
                result.extend(reply.version.map(|version| ("version".to_owned(), version.into())));
                reply.status
            }
            Err(refusal) => {
                let refusal = manners.refuse(refusal);
                self.errors += 1;
                result.insert("response".to_owned(), refusal.body());
                refusal.status
            }
        };
        result.insert("status".to_owned(), status.as_str().into());
        self.results.insert(index, Value::Object(result));
    }
}

/// Whether a value refers to one of these operations.
fn mentions(value: &Value, ids: &BTreeSet<&str>) -> bool {
    match value {
        Value::String(text) => text.strip_prefix(REFERENCE).is_some_and(|id| ids.contains(id)),
        Value::Array(list) => list.iter().any(|one| mentions(one, ids)),
        Value::Object(object) => object.values().any(|one| mentions(one, ids)),
        _ => false,
    }
}

/// The value without what refers to these operations: an object goes with the reference that it holds.
fn without(value: &Value, ids: &BTreeSet<&str>) -> Option<Value> {
    match value {
        Value::Array(list) => Some(list.iter().filter_map(|one| without(one, ids)).collect()),
        Value::Object(object) => {
            if object.values().any(|one| one.is_string() && mentions(one, ids)) {
                return None;
            }
            let kept = object.iter().filter_map(|(name, one)| Some((name.clone(), without(one, ids)?)));
            Some(Value::Object(kept.collect()))
        }
        value => (!mentions(value, ids)).then(|| value.clone()),
    }
}
