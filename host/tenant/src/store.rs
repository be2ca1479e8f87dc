//! The resources in SQLite: the attributes of each as JSON, what is looked up in columns, memberships in a table of their own.
mod members;
mod query;
mod sort;
mod worker;

use std::path::PathBuf;

use axum::http::StatusCode;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde_json::{Map, Value};
use uuid::Uuid;

pub(crate) use query::{Position, Selection};
pub(crate) use worker::Database;

use crate::clock;
use crate::conditions::Conditions;
use crate::error::{ErrorType, Refusal};
use crate::patch::{self, Body, Step};
use crate::resource::Draft;
use crate::schema::{ENTERPRISE, Kind};
use members::{add_members, change_members, has_members, links, set_members};

/// Where the tenant keeps its resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// In memory: gone with the tenant.
    #[default]
    Memory,
    /// In a file that survives the process, but not always a power cut: fast.
    File(PathBuf),
    /// In a file, where each commit reaches the disk in order: a power cut loses at most the last of them.
    DurableFile(PathBuf),
}

/// The layout of the tables; a file of another version is refused.
const VERSION: i64 = 1;

const LAYOUT: &str = "
CREATE TABLE resources (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind INTEGER NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    external_id TEXT,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX resources_by_kind ON resources (kind, seq);
CREATE INDEX resources_by_name ON resources (kind, name_key);
CREATE UNIQUE INDEX users_by_name ON resources (name_key) WHERE kind = 0;
CREATE INDEX resources_by_external_id ON resources (external_id, kind) WHERE external_id IS NOT NULL;
CREATE TABLE members (
    holder INTEGER NOT NULL REFERENCES resources (seq) ON DELETE CASCADE,
    member INTEGER NOT NULL REFERENCES resources (seq) ON DELETE CASCADE,
    PRIMARY KEY (holder, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_member ON members (member, holder);
";

/// The columns that make a [`Record`].
const COLUMNS: &str = "seq, id, kind, created, modified, body";

/// A stored resource.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    seq: i64,
    pub(crate) id: String,
    pub(crate) kind: Kind,
    /// Milliseconds since 1970.
    pub(crate) created: i64,
    /// Milliseconds since 1970.
    pub(crate) modified: i64,
    pub(crate) body: Body,
    /// The members of a group, the groups of a user; empty where they were not asked for.
    pub(crate) links: Vec<Link>,
}

/// The other end of a membership.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Link {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) display: String,
}

/// The result of a write.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) record: Record,
    /// Whether anything is different now.
    pub(crate) changed: bool,
}

/// What a resource is about to become.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) former: &'a Body,
    pub(crate) body: &'a mut Body,
    /// Whether a group that had members has others now.
    pub(crate) other_members: bool,
}

/// The database. All access is serial.
pub(crate) struct Store {
    connection: Connection,
    /// The server's base URL, for filters that look at addresses.
    base: String,
}

impl Record {
    /// The entity tag: every change of a resource moves its date.
    pub(crate) fn version(&self) -> String {
        format!("W/\"{:x}\"", self.modified)
    }

    /// Where it stands in lists of its kind.
    pub(crate) fn position(&self) -> i64 {
        self.seq
    }
}

impl Store {
    /// Opens the storage and makes the tables of a new one.
    pub(crate) fn open(storage: &Storage, base: String) -> Result<Self, OpenError> {
        let connection = match storage {
            Storage::Memory => Connection::open_in_memory()?,
            Storage::File(path) | Storage::DurableFile(path) => Connection::open(path)?,
        };
        // In write-ahead mode NORMAL keeps every commit in order; OFF leaves all flushing to the system.
        let synchronous = if matches!(storage, Storage::DurableFile(_)) { "NORMAL" } else { "OFF" };
        connection.pragma_update(None, "journal_mode", if *storage == Storage::Memory { "MEMORY" } else { "WAL" })?;
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.set_prepared_statement_cache_capacity(64);
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match version {
            0 => {
                let layout = format!("BEGIN; {LAYOUT} PRAGMA user_version = {VERSION}; COMMIT;");
                connection.execute_batch(&layout)?;
            }
            VERSION => {}
            other => return Err(OpenError::Version(other)),
        }
        Ok(Self { connection, base })
    }

    pub(crate) fn create(&mut self, kind: Kind, draft: Draft) -> Result<Written, Refusal> {
        let transaction = self.connection.transaction()?;
        let now = clock::now();
        let keys = Keys::of(kind, &draft.body);
        check_manager(&transaction, kind, None, &draft.body)?;
        let id = Uuid::new_v4().to_string();
        transaction
            .prepare_cached(
                "INSERT INTO resources (id, kind, name, name_key, external_id, created, modified, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7)",
            )?
            .execute(params![id, code(kind), keys.name, keys.name_key, keys.external_id, now, to_text(&draft.body)?])
            .map_err(|error| taken(error, keys.name))?;
        let seq = transaction.last_insert_rowid();
        add_members(&transaction, seq, &draft.members)?;
        transaction.commit()?;
        let record = Record { seq, id, kind, created: now, modified: now, body: draft.body, links: Vec::new() };
        Ok(Written { record, changed: true })
    }

    pub(crate) fn read(&self, kind: Kind, id: &str) -> Result<Record, Refusal> {
        find(&self.connection, kind, id)
    }

    /// Replaces what a client writes of a resource. `judge` may bend the new attributes, or refuse them.
    pub(crate) fn replace(
        &mut self,
        kind: Kind,
        id: &str,
        conditions: &Conditions,
        mut draft: Draft,
        judge: impl FnOnce(Change<'_>) -> Result<(), Refusal>,
    ) -> Result<Written, Refusal> {
        let transaction = self.connection.transaction()?;
        let former = find(&transaction, kind, id)?;
        conditions.check(&former.version())?;
        let had_members = has_members(&transaction, former.seq)?;
        let members = kind == Kind::Group && set_members(&transaction, former.seq, &draft.members)?;
        let other_members = had_members && members;
        judge(Change { former: &former.body, body: &mut draft.body, other_members })?;
        let written = update(&transaction, former, draft.body, members)?;
        transaction.commit()?;
        Ok(written)
    }

    /// Takes the steps of a PATCH, all of them or none. `judge` may bend the result, or refuse it.
    pub(crate) fn patch(
        &mut self,
        kind: Kind,
        id: &str,
        conditions: &Conditions,
        steps: Vec<Step>,
        judge: impl FnOnce(Change<'_>) -> Result<(), Refusal>,
    ) -> Result<Written, Refusal> {
        let transaction = self.connection.transaction()?;
        let former = find(&transaction, kind, id)?;
        conditions.check(&former.version())?;
        let mut body = former.body.clone();
        let (had_members, mut members) = (has_members(&transaction, former.seq)?, false);
        for step in steps {
            match step {
                Step::Edit(edit) => patch::apply(edit, &mut body)?,
                Step::Members(change) => members |= change_members(&transaction, former.seq, change, &self.base)?,
            }
        }
        let other_members = had_members && members;
        judge(Change { former: &former.body, body: &mut body, other_members })?;
        let written = update(&transaction, former, body, members)?;
        transaction.commit()?;
        Ok(written)
    }

    /// Deletes a resource, and with it its memberships.
    pub(crate) fn delete(&mut self, kind: Kind, id: &str, conditions: &Conditions) -> Result<(), Refusal> {
        let transaction = self.connection.transaction()?;
        let former = find(&transaction, kind, id)?;
        conditions.check(&former.version())?;
        // The groups that lose a member are others than before.
        transaction
            .prepare_cached(
                "UPDATE resources SET modified = max(modified + 1, ?2)
                 WHERE seq IN (SELECT holder FROM members WHERE member = ?1)",
            )?
            .execute([former.seq, clock::now()])?;
        transaction.prepare_cached("DELETE FROM resources WHERE seq = ?1")?.execute([former.seq])?;
        transaction.commit()?;
        Ok(())
    }

    /// Puts the members or groups of a resource beside it.
    pub(crate) fn load_links(&self, record: &mut Record) -> Result<(), Refusal> {
        record.links = links(&self.connection, record.kind, record.seq)?;
        Ok(())
    }

    /// How many resources of a kind there are.
    pub(crate) fn count(&self, kind: Kind) -> Result<usize, Refusal> {
        Ok(self.list(kind, None, 0, 0, false)?.0)
    }
}

/// Why a storage cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("its thread does not start: {0}")]
    Thread(std::io::Error),
    #[error("its layout has the version {0}, and this program knows {VERSION}")]
    Version(i64),
}

/// What a resource is looked up by.
struct Keys<'a> {
    name: &'a str,
    name_key: String,
    external_id: Option<&'a str>,
}

impl<'a> Keys<'a> {
    fn of(kind: Kind, body: &'a Body) -> Self {
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let name = text(kind.name_attribute()).unwrap_or_default();
        Self { name, name_key: name.to_lowercase(), external_id: text("externalId") }
    }
}

/// A kind as the column holds it.
fn code(kind: Kind) -> i64 {
    match kind {
        Kind::User => 0,
        Kind::Group => 1,
        Kind::Contact => 2,
        Kind::Device => 3,
    }
}

fn kind_of(code: i64) -> Kind {
    match code {
        0 => Kind::User,
        2 => Kind::Contact,
        3 => Kind::Device,
        _ => Kind::Group,
    }
}

fn to_text(body: &Body) -> Result<String, Refusal> {
    serde_json::to_string(body).map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// A row of [`COLUMNS`].
fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let body: Map<String, Value> = serde_json::from_str(row.get_ref(5)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(5, rusqlite::types::Type::Text, Box::new(error)))?;
    Ok(Record {
        seq: row.get(0)?,
        id: row.get(1)?,
        kind: kind_of(row.get(2)?),
        created: row.get(3)?,
        modified: row.get(4)?,
        body,
        links: Vec::new(),
    })
}

fn find(connection: &Connection, kind: Kind, id: &str) -> Result<Record, Refusal> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM resources WHERE id = ?1 AND kind = ?2"))?
        .query_row(params![id, code(kind)], record)
        .optional()?
        .ok_or_else(|| Refusal::not_found(kind.name(), id))
}

/// Writes a resource's new attributes, if anything changed at all: an unchanged resource keeps its date.
fn update(transaction: &Transaction<'_>, former: Record, body: Body, members: bool) -> Result<Written, Refusal> {
    let changed = members || body != former.body;
    if !changed {
        return Ok(Written { record: former, changed });
    }
    check_manager(transaction, former.kind, Some(&former.body), &body)?;
    let keys = Keys::of(former.kind, &body);
    // Two changes within one millisecond still have their order.
    let modified = clock::now().max(former.modified + 1);
    transaction
        .prepare_cached(
            "UPDATE resources SET name = ?2, name_key = ?3, external_id = ?4, modified = ?5, body = ?6 WHERE seq = ?1",
        )?
        .execute(params![former.seq, keys.name, keys.name_key, keys.external_id, modified, to_text(&body)?])
        .map_err(|error| taken(error, keys.name))?;
    Ok(Written { record: Record { modified, body, ..former }, changed })
}

/// Only the index on user names can be violated by what a client sends.
fn taken(error: rusqlite::Error, name: &str) -> Refusal {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation) => Refusal::taken("userName", name),
        _ => error.into(),
    }
}

/// A manager that is newly set must be a user of this tenant. One that was valid when it was set may be gone by now.
fn check_manager(connection: &Connection, kind: Kind, former: Option<&Body>, body: &Body) -> Result<(), Refusal> {
    let manager = |body: &Body| match kind {
        Kind::Contact => body.get("manager").cloned(),
        _ => body.get(ENTERPRISE).and_then(|extension| extension.get("manager")).cloned(),
    };
    let Some(new) = manager(body) else { return Ok(()) };
    if former.and_then(manager).as_ref() == Some(&new) {
        return Ok(());
    }
    let Some(id) = new.get("value").and_then(Value::as_str) else {
        return Err(Refusal::bad(ErrorType::InvalidValue, "A manager needs a \"value\": the id of a user."));
    };
    match seq_of(connection, id)? {
        Some((_, Kind::User)) => Ok(()),
        _ => Err(Refusal::bad(ErrorType::InvalidValue, format!("The manager {id:?} is not the id of a user."))),
    }
}

fn seq_of(connection: &Connection, id: &str) -> Result<Option<(i64, Kind)>, Refusal> {
    let mut statement = connection.prepare_cached("SELECT seq, kind FROM resources WHERE id = ?1")?;
    Ok(statement.query_row([id], |row| Ok((row.get(0)?, kind_of(row.get(1)?)))).optional()?)
}

#[cfg(test)]
mod tests;
