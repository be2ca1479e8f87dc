//! What was asked of the tenant: counters of every request, and on demand the last requests themselves.
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use axum::http;
use serde_json::Value;

use crate::access::TOKEN_PATH;
use crate::resource::field;

/// The methods that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// Any other.
    Other,
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    /// The collection of users.
    Users,
    /// One user.
    User,
    /// The collection of groups.
    Groups,
    /// One group.
    Group,
    /// The collection of contacts.
    Contacts,
    /// One contact.
    Contact,
    /// The collection of devices.
    Devices,
    /// One device.
    Device,
    /// A search by POST.
    Search,
    /// Many operations in one request.
    Bulk,
    /// The OAuth token endpoint.
    Token,
    /// ServiceProviderConfig, ResourceTypes, Schemas.
    Discovery,
    /// Anything else.
    Other,
}

const METHODS: [Method; 6] = [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete, Method::Other];
const ROUTES: [Route; 13] = [
    Route::Users,
    Route::User,
    Route::Groups,
    Route::Group,
    Route::Contacts,
    Route::Contact,
    Route::Devices,
    Route::Device,
    Route::Search,
    Route::Bulk,
    Route::Token,
    Route::Discovery,
    Route::Other,
];

/// A request as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Request {
    /// How.
    pub method: Method,
    /// What.
    pub route: Route,
}

impl Request {
    /// Classifies a request by its method and its whole path.
    pub(crate) fn new(method: &http::Method, path: &str) -> Self {
        let method = match *method {
            http::Method::GET => Method::Get,
            http::Method::POST => Method::Post,
            http::Method::PUT => Method::Put,
            http::Method::PATCH => Method::Patch,
            http::Method::DELETE => Method::Delete,
            _ => Method::Other,
        };
        if path == TOKEN_PATH {
            return Self { method, route: Route::Token };
        }
        let mut parts = path.strip_prefix(crate::server::ROOT).unwrap_or_default().trim_matches('/').split('/');
        let first = parts.next().unwrap_or_default().to_ascii_lowercase();
        let route = match (first.as_str(), parts.next(), parts.next()) {
            (".search", None, None) | ("users" | "groups" | "contacts" | "devices", Some(".search"), None) => {
                Route::Search
            }
            ("users", None, None) => Route::Users,
            ("users", Some(_), None) => Route::User,
            ("groups", None, None) => Route::Groups,
            ("groups", Some(_), None) => Route::Group,
            ("contacts", None, None) => Route::Contacts,
            ("contacts", Some(_), None) => Route::Contact,
            ("devices", None, None) => Route::Devices,
            ("devices", Some(_), None) => Route::Device,
            ("bulk", None, None) => Route::Bulk,
            ("serviceproviderconfig" | "resourcetypes" | "schemas", _, None) => Route::Discovery,
            _ => Route::Other,
        };
        Self { method, route }
    }

    /// Whether the request means to change a resource.
    pub fn is_write(self) -> bool {
        self.is_create()
            || (self.method == Method::Post && self.route == Route::Bulk)
            || (matches!(self.method, Method::Put | Method::Patch | Method::Delete)
                && matches!(self.route, Route::User | Route::Group | Route::Contact | Route::Device))
    }

    /// Whether the request means to create a resource.
    pub fn is_create(self) -> bool {
        self.method == Method::Post
            && matches!(self.route, Route::Users | Route::Groups | Route::Contacts | Route::Devices)
    }
}

/// The requests since the start, however they were answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// By method and path; what was never asked is not listed.
    pub requests: BTreeMap<Request, u64>,
    /// How many requests were answered with which status; those whose connection was cut are not among them.
    pub answers: BTreeMap<(Request, u16), u64>,
    /// The operations within bulk requests.
    pub bulk_operations: u64,
    /// The writes that made a difference: an update to what is there already makes none.
    pub changes: u64,
}

impl Counters {
    /// All requests.
    pub fn total(&self) -> u64 {
        self.requests.values().sum()
    }

    /// The requests that meant to change a resource.
    pub fn writes(&self) -> u64 {
        self.requests.iter().filter(|(request, _)| request.is_write()).map(|(_, count)| count).sum()
    }

    /// The requests that were answered with a status.
    pub fn answered(&self, status: u16) -> u64 {
        self.sum(|_, one| one == status)
    }

    /// The requests that Microsoft Entra puts on its bill: those answered with 2xx or 404.
    pub fn billed(&self) -> u64 {
        self.sum(|request, status| request.route != Route::Token && (status / 100 == 2 || status == 404))
    }

    fn sum(&self, counts: impl Fn(Request, u16) -> bool) -> u64 {
        self.answers.iter().filter(|((request, status), _)| counts(*request, *status)).map(|(_, count)| count).sum()
    }

    /// The requests of a method.
    pub fn of(&self, method: Method) -> u64 {
        self.requests.iter().filter(|(request, _)| request.method == method).map(|(_, count)| count).sum()
    }

    /// The requests of a method for a kind of path.
    pub fn at(&self, method: Method, route: Route) -> u64 {
        self.requests.get(&Request { method, route }).copied().unwrap_or_default()
    }
}

/// One request of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// The method as it was sent.
    pub method: String,
    /// Path and query; a query that speaks of passwords is left out.
    pub target: String,
    /// When it came.
    pub at: Instant,
    /// Its If-Match header.
    pub if_match: Option<String>,
    /// The beginning of its body, up to 4096 bytes, with passwords left out; of one that is no JSON, its length alone;
    /// empty for a request for a token.
    pub body: String,
    /// The status of the answer; none where the connection was cut.
    pub status: Option<u16>,
}

/// How much of a body the log keeps, in bytes.
const SAMPLE: usize = 4096;

/// What stands in place of a password.
const HIDDEN: &str = "(hidden)";

/// Path and query, without a query that speaks of passwords.
pub(crate) fn target(target: &http::uri::PathAndQuery) -> String {
    match target.query() {
        Some(query) if url::form_urlencoded::parse(query.as_bytes()).any(|(_, value)| speaks_of_passwords(&value)) => {
            format!("{}?{HIDDEN}", target.path())
        }
        _ => target.to_string(),
    }
}

/// The beginning of a body, with passwords left out. In one that cannot be read none would be found.
pub(crate) fn sample(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(mut value) => {
            hide_passwords(&mut value);
            value.to_string()
        }
        Err(_) if body.is_empty() => String::new(),
        Err(_) => format!("({} bytes that are no JSON)", body.len()),
    };
    let end = text.floor_char_boundary(SAMPLE);
    text.get(..end).unwrap_or_default().to_owned()
}

/// Names, paths and filters are read without regard to case, and a name may have its schema in front of it.
fn speaks_of_passwords(text: &str) -> bool {
    text.to_ascii_lowercase().contains("password")
}

fn hide_passwords(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(hide_passwords),
        Value::Object(object) => {
            let of_path = field(object, "path").and_then(Value::as_str).is_some_and(speaks_of_passwords);
            for (name, value) in object {
                let filters = ["filter", "path"].iter().any(|one| name.eq_ignore_ascii_case(one));
                // The path alone says no more than that there is a password, unless it compares it with one.
                let compares =
                    filters && value.as_str().is_some_and(|text| speaks_of_passwords(text) && text.contains(' '));
                if speaks_of_passwords(name) || compares || (of_path && name.eq_ignore_ascii_case("value")) {
                    *value = HIDDEN.into();
                } else {
                    hide_passwords(value);
                }
            }
        }
        _ => {}
    }
}

/// The counters at work.
pub(crate) struct Ledger {
    cells: [[AtomicU64; ROUTES.len()]; METHODS.len()],
    changes: AtomicU64,
    bulk_operations: AtomicU64,
    answers: Mutex<BTreeMap<(Request, u16), u64>>,
    log: Mutex<VecDeque<RequestRecord>>,
    log_size: usize,
}

impl Ledger {
    /// `log_size`: how many requests the log keeps; none for 0.
    pub(crate) fn new(log_size: usize) -> Self {
        Self {
            cells: [const { [const { AtomicU64::new(0) }; ROUTES.len()] }; METHODS.len()],
            changes: AtomicU64::new(0),
            bulk_operations: AtomicU64::new(0),
            answers: Mutex::default(),
            log: Mutex::default(),
            log_size,
        }
    }

    pub(crate) fn count(&self, request: Request) {
        if let Some(cell) = self.cells.get(request.method as usize).and_then(|row| row.get(request.route as usize)) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn bulk_operation(&self) {
        self.bulk_operations.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, request: Request, status: u16) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry((request, status)).or_default() += 1;
    }

    pub(crate) fn logs(&self) -> bool {
        self.log_size > 0
    }

    pub(crate) fn log(&self, record: RequestRecord) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() >= self.log_size {
            log.pop_front();
        }
        log.push_back(record);
    }

    pub(crate) fn logged(&self) -> Vec<RequestRecord> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(crate) fn snapshot(&self) -> Counters {
        let mut requests = BTreeMap::new();
        for (method, row) in METHODS.into_iter().zip(&self.cells) {
            for (route, cell) in ROUTES.into_iter().zip(row) {
                let count = cell.load(Ordering::Relaxed);
                if count > 0 {
                    requests.insert(Request { method, route }, count);
                }
            }
        }
        Counters {
            requests,
            answers: self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            bulk_operations: self.bulk_operations.load(Ordering::Relaxed),
            changes: self.changes.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_of_a_password_brings_it_into_the_log() {
        for body in [
            r#"{"password": "s3cret"}"#,
            r#"{"PassWord": "s3cret"}"#,
            r#"{"pass\u0077ord": "s3cret"}"#,
            r#"{"urn:ietf:params:scim:schemas:core:2.0:User:password": "s3cret"}"#,
            r#"{"Operations": [{"op": "add", "path": "Password", "value": "s3cret"}]}"#,
            r#"{"Operations": [{"op": "add", "PATH": "PASSWORD", "Value": "s3cret"}]}"#,
            r#"{"Operations": [{"op": "add", "path": " urn:x:User:password ", "value": ["s3cret"]}]}"#,
            r#"{"Operations": [{"op": "add", "value": {"password": "s3cret"}}]}"#,
            r#"{"Operations": [{"data": {"Operations": [{"path": "PASSWORD", "value": "s3cret"}]}}]}"#,
            r#"{"filter": "passWord eq \"s3cret\""}"#,
            r#"{"path": "emails[password eq \"s3cret\"]"}"#,
            r#"{"password": "s3cret""#,
        ] {
            let sample = sample(body.as_bytes());
            assert!(!sample.contains("s3cret"), "{sample}");
        }
        assert_eq!(sample(br#"{"path": "password", "op": "remove"}"#), r#"{"op":"remove","path":"password"}"#);
        assert_eq!(sample(b""), "");
        let shown = |text: &'static str| target(&http::uri::PathAndQuery::from_static(text));
        assert_eq!(shown("/Users?filter=pass%77ord%20eq%20%22s3cret%22&count=1"), "/Users?(hidden)");
        assert_eq!(shown("/Users?count=1"), "/Users?count=1");
    }
}
