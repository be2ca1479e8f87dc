//! Queries (RFC 7644 section 3.4.2): filters, order, and pages by index or by cursor (RFC 9865).
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::entra;
use crate::error::{ErrorType, Refusal};
use crate::expression::{Expression, Scope};
use crate::filter::{Filter, parse_filter};
use crate::manners::Manners;
use crate::render::Projection;
use crate::schema::{At, Kind, Named};
use crate::server::App;
use crate::store::{Position, Record, Selection};

/// The most resources in one answer, announced as `filter.maxResults`; also what is sent when no number is asked for.
pub(crate) const MAX_RESULTS: usize = 1000;
const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// What a query asks for, in its URL (RFC 7644 section 3.4.2) or in a search request (section 3.4.3).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Parameters {
    filter: Option<String>,
    sort_by: Option<String>,
    sort_order: Option<String>,
    start_index: Option<i64>,
    count: Option<i64>,
    cursor: Option<String>,
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
    pub(crate) fn projection(&self, app: &App, kind: Kind) -> Result<Projection, Refusal> {
        Projection::new(app.catalogue, kind, &self.attributes.list(), &self.excluded_attributes.list())
    }

    /// Whether attributes are asked for by name.
    pub(crate) fn wants_attributes(&self) -> bool {
        !self.attributes.list().is_empty()
    }

    /// A page's size. RFC 7644 section 3.4.2.4: a negative count means 0.
    fn size(&self, manners: &Manners, kinds: &[Kind]) -> usize {
        let size = match (manners.entra, kinds) {
            (Some(_), [kind]) => entra::page_size(*kind, self.count, &self.attributes.list()),
            _ => self.count.map_or(MAX_RESULTS, |count| usize::try_from(count).unwrap_or(0).min(MAX_RESULTS)),
        };
        manners.quirks.page_size_cap.map_or(size, |cap| size.min(cap))
    }

    /// What a cursor belongs to: it is of no use for another query.
    fn fingerprint(&self, kinds: &[Kind]) -> u64 {
        let mut hasher = DefaultHasher::new();
        (kinds, &self.filter, &self.sort_by, &self.sort_order).hash(&mut hasher);
        hasher.finish()
    }
}

/// A list of discovery documents.
pub(crate) fn all_of(resources: Vec<Value>, manners: &Manners) -> Value {
    list_response(manners, Some(resources.len()), Some(1), None, resources)
}

fn list_response(
    manners: &Manners,
    total: Option<usize>,
    start: Option<usize>,
    next: Option<String>,
    resources: Vec<Value>,
) -> Value {
    let mut list = Map::new();
    list.insert("schemas".to_owned(), json!([LIST_RESPONSE]));
    list.extend(total.map(|total| ("totalResults".to_owned(), total.into())));
    list.extend(start.map(|start| ("startIndex".to_owned(), start.into())));
    list.insert("itemsPerPage".to_owned(), resources.len().into());
    list.extend(next.map(|next| ("nextCursor".to_owned(), next.into())));
    let name = if manners.quirks.lowercase_resources { "resources" } else { "Resources" };
    list.insert(name.to_owned(), resources.into());
    Value::Object(list)
}

/// Answers a query over some kinds, one after the other, as if they were one list.
pub(crate) async fn find(
    app: &App,
    manners: &Manners,
    kinds: &[Kind],
    parameters: &Parameters,
) -> Result<Value, Refusal> {
    let selections = selections(app, manners, kinds, parameters)?;
    let size = parameters.size(manners, kinds);
    if manners.quirks.cursor_paging_only || parameters.cursor.is_some() {
        return by_cursor(app, manners, kinds, parameters, selections, size).await;
    }
    // RFC 7644 section 3.4.2.4: less than 1 means 1.
    let start = usize::try_from(parameters.start_index.unwrap_or(1)).unwrap_or(1).max(1);
    let start = if manners.quirks.start_index_ignored { 1 } else { start };
    let (skip, _) = manners.drifted(start - 1, 0);
    let (total, records) = fetch(app, parameters, selections, skip.into(), size).await?;
    let (_, total) = manners.drifted(start - 1, total);
    let resources = rendered(app, manners, parameters, records)?;
    let total = manners.total(total, resources.len());
    Ok(list_response(manners, Some(total), Some(start), None, resources))
}

async fn by_cursor(
    app: &App,
    manners: &Manners,
    kinds: &[Kind],
    parameters: &Parameters,
    selections: Vec<Selection>,
    size: usize,
) -> Result<Value, Refusal> {
    let fingerprint = parameters.fingerprint(kinds);
    let generation = app.cursors();
    let cursor = match parameters.cursor.as_deref() {
        None | Some("") => Cursor::default(),
        Some(text) => Cursor::read(text, generation, fingerprint)?,
    };
    // A list of one kind in its own order goes on after the last resource sent, whatever else comes or goes.
    let stands = selections.len() == 1 && selections.iter().all(|one| one.key.is_none());
    let from = if stands { Position::After(cursor.after) } else { Position::Skip(cursor.sent) };
    let (total, mut records) = fetch(app, parameters, selections, from, size.saturating_add(1)).await?;
    let more = size > 0 && records.len() > size;
    records.truncate(size);
    let after = records.last().map_or(cursor.after, Record::position);
    let sent = cursor.sent.saturating_add(records.len());
    let next = more.then(|| Cursor { sent, after }.write(generation, fingerprint));
    let resources = rendered(app, manners, parameters, records)?;
    let total = manners.total(total, resources.len());
    // Entra counts only what fits one page.
    let total = Some(total).filter(|_| manners.entra.is_none() || next.is_none());
    Ok(list_response(manners, total, None, next, resources))
}

/// How far a client has come.
#[derive(Default)]
struct Cursor {
    sent: usize,
    after: i64,
}

impl Cursor {
    fn write(&self, generation: u64, fingerprint: u64) -> String {
        format!("{generation:x}-{:x}-{:x}-{fingerprint:x}", self.sent, self.after)
    }

    fn read(text: &str, generation: u64, fingerprint: u64) -> Result<Self, Refusal> {
        let invalid = || Refusal::bad(ErrorType::InvalidCursor, "The cursor is not one of this query's.");
        let parts: Result<Vec<u64>, _> = text.split('-').map(|part| u64::from_str_radix(part, 16)).collect();
        let &[born, sent, after, query] = parts.map_err(|_| invalid())?.as_slice() else { return Err(invalid()) };
        if query != fingerprint {
            return Err(invalid());
        }
        if born != generation {
            return Err(Refusal::bad(ErrorType::ExpiredCursor, "The cursor has expired: begin anew."));
        }
        let (Ok(sent), Ok(after)) = (usize::try_from(sent), i64::try_from(after)) else { return Err(invalid()) };
        Ok(Self { sent, after })
    }
}

fn selections(
    app: &App,
    manners: &Manners,
    kinds: &[Kind],
    parameters: &Parameters,
) -> Result<Vec<Selection>, Refusal> {
    let filter = filter(manners, kinds, parameters)?;
    let sort = parameters.sort_by.as_deref().filter(|_| !manners.quirks.no_sort);
    let several = kinds.len() > 1;
    let mut sorted = false;
    let mut selections = Vec::with_capacity(kinds.len());
    for kind in kinds.iter().copied() {
        let scope = Scope::Resource(app.catalogue, kind);
        let filter = filter.as_ref().map(|one| Expression::compile(one, scope, several)).transpose()?;
        let filter = filter.map(|filter| filter.blind(manners.blind(kind)));
        let key = sort.and_then(|name| key(app, kind, name));
        sorted |= key.is_some();
        selections.push(Selection { kind, filter, key });
    }
    match sort {
        Some(name) if !sorted => {
            let detail = format!("{name:?} is no attribute that a list can be sorted by.");
            Err(Refusal::bad(ErrorType::InvalidValue, detail))
        }
        _ => Ok(selections),
    }
}

fn filter(manners: &Manners, kinds: &[Kind], parameters: &Parameters) -> Result<Option<Filter>, Refusal> {
    let Some(text) = &parameters.filter else { return Ok(None) };
    if let Some(status) = manners.quirks.no_filter {
        let status = StatusCode::from_u16(status).ok().filter(|status| status.is_client_error() || *status == 501);
        let status = status.unwrap_or(StatusCode::NOT_IMPLEMENTED);
        return Err(Refusal::new(status, "Filters are not supported."));
    }
    if manners.quirks.filter_ignored {
        return Ok(None);
    }
    let filter = parse_filter(text)
        .map_err(|error| Refusal::bad(ErrorType::InvalidFilter, format!("{text:?} is no filter: {error}.")))?;
    if manners.entra.is_some() {
        kinds.iter().try_for_each(|kind| entra::check_filter(*kind, &filter))?;
    }
    Ok(Some(filter))
}

fn key(app: &App, kind: Kind, name: &str) -> Option<At> {
    match app.catalogue.resolve(kind, name)? {
        Named::Attribute(at) if at.definition().is_complex() && at.attribute.sub("value").is_none() => None,
        Named::Attribute(at) => Some(at),
        Named::Extension(_) => None,
    }
}

async fn fetch(
    app: &App,
    parameters: &Parameters,
    selections: Vec<Selection>,
    from: Position,
    take: usize,
) -> Result<(usize, Vec<Record>), Refusal> {
    let mut links = Vec::with_capacity(selections.len());
    for selection in &selections {
        links.push(parameters.projection(app, selection.kind)?.shows_links());
    }
    let descending = parameters.sort_order.as_deref().is_some_and(|order| order.eq_ignore_ascii_case("descending"));
    let job = move |store: &mut crate::store::Store| {
        if selections.iter().any(|one| one.key.is_some()) {
            let Position::Skip(skip) = from else { return Ok((0, Vec::new())) };
            return store.sorted(&selections, descending, skip, take, links.contains(&true));
        }
        if let (Position::After(_), [Selection { kind, filter, .. }], [links]) =
            (from, selections.as_slice(), links.as_slice())
        {
            return store.list(*kind, filter.as_ref(), from, take, *links);
        }
        let Position::Skip(skip) = from else { return Ok((0, Vec::new())) };
        let (mut total, mut records) = (0, Vec::new());
        for (Selection { kind, filter, .. }, links) in selections.iter().zip(links) {
            let (before, wanted) = (skip.saturating_sub(total), take - records.len());
            let found = store.list(*kind, filter.as_ref(), before, wanted, links)?;
            total += found.0;
            records.extend(found.1);
        }
        Ok((total, records))
    };
    app.database.run(job).await
}

fn rendered(
    app: &App,
    manners: &Manners,
    parameters: &Parameters,
    records: Vec<Record>,
) -> Result<Vec<Value>, Refusal> {
    let mut projections = HashMap::new();
    for kind in app.catalogue.kinds().iter().copied() {
        projections.insert(kind, parameters.projection(app, kind)?);
    }
    let one = |record: Record| {
        let kind = record.kind;
        let mut resource = projections.get(&kind)?.render(record, &app.base);
        manners.present(kind, &mut resource, &app.base);
        Some(Value::Object(resource))
    };
    Ok(records.into_iter().filter_map(one).collect())
}
