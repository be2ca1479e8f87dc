//! What can be done with a resource, whether a request asks for it by itself or within a bulk request.
use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use crate::conditions::Conditions;
use crate::entra;
use crate::error::{ErrorType, Refusal, SCIM_JSON};
use crate::listing::Parameters;
use crate::manners::Manners;
use crate::patch::{self, Body};
use crate::render::{self, Projection};
use crate::resource;
use crate::schema::Kind;
use crate::server::App;
use crate::store::{Change, Record, Store, Written};

/// One request about resources of one kind.
pub(crate) struct Call {
    pub(crate) app: Arc<App>,
    pub(crate) manners: Arc<Manners>,
    pub(crate) kind: Kind,
}

/// What is answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) body: Option<Value>,
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = match &self.body {
            Some(body) => (self.status, [(header::CONTENT_TYPE, SCIM_JSON)], Json(body)).into_response(),
            None => self.status.into_response(),
        };
        for (name, value) in [(header::LOCATION, self.location), (header::ETAG, self.version)] {
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

impl Call {
    pub(crate) fn new(app: Arc<App>, kind: Kind) -> Self {
        Self { manners: app.manners(), app, kind }
    }

    /// POST of a new resource.
    pub(crate) async fn create(&self, parameters: &Parameters, mut body: Value) -> Result<Reply, Refusal> {
        let kind = self.kind;
        let projection = parameters.projection(&self.app, kind)?;
        self.manners.read_booleans(&mut body)?;
        let mut draft = resource::accept(self.app.catalogue, kind, body)?;
        self.manners.settle_new(kind, &mut draft)?;
        check_poison(&self.app, kind, &draft.body)?;
        // A new user is in no group yet.
        let links = kind == Kind::Group && projection.shows_links();
        let job = move |store: &mut Store| with_links(store, links, |store| store.create(kind, draft));
        let record = self.changed(self.app.database.run(job).await?);
        let location = render::location(kind, &record.id, &self.app.base);
        let quirks = &self.manners.quirks;
        let status = if quirks.create_answers_200 { StatusCode::OK } else { StatusCode::CREATED };
        let mut reply = self.reply(status, &projection, record);
        reply.location = Some(self.manners.location(location, &self.app.base));
        if quirks.create_without_body {
            reply.body = None;
        }
        if let (true, Some(Value::Object(body))) = (quirks.create_without_id, &mut reply.body) {
            body.remove("id");
        }
        Ok(reply)
    }

    /// GET of one resource.
    pub(crate) async fn read(
        &self,
        id: String,
        parameters: &Parameters,
        conditions: Conditions,
    ) -> Result<Reply, Refusal> {
        let kind = self.kind;
        let projection = parameters.projection(&self.app, kind)?;
        let links = projection.shows_links();
        let record = self.app.database.run(move |store| {
            let mut record = store.read(kind, &id)?;
            if links {
                store.load_links(&mut record)?;
            }
            Ok(record)
        });
        let record = record.await?;
        let known = self.conditions(conditions).is_known(&record.version());
        let reply = self.reply(StatusCode::OK, &projection, record);
        Ok(if known { Reply { status: StatusCode::NOT_MODIFIED, body: None, ..reply } } else { reply })
    }

    /// PUT.
    pub(crate) async fn replace(
        &self,
        id: String,
        parameters: &Parameters,
        conditions: Conditions,
        mut body: Value,
    ) -> Result<Reply, Refusal> {
        if self.manners.entra.is_some() {
            return Err(entra::no_put());
        }
        let kind = self.kind;
        let projection = parameters.projection(&self.app, kind)?;
        self.manners.read_booleans(&mut body)?;
        let mut draft = resource::accept(self.app.catalogue, kind, body)?;
        self.manners.drop_members(&mut draft);
        let links = projection.shows_links();
        let (judge, conditions) = (self.judge(), self.conditions(conditions));
        let job = move |store: &mut Store| {
            with_links(store, links, |store| store.replace(kind, &id, &conditions, draft, |change| judge.judge(change)))
        };
        let record = self.changed(self.app.database.run(job).await?);
        let silent = self.manners.quirks.put_answers_204;
        Ok(self.reply(StatusCode::OK, &projection, record).silenced(silent))
    }

    /// PATCH.
    pub(crate) async fn patch(
        &self,
        id: String,
        parameters: &Parameters,
        conditions: Conditions,
        mut body: Value,
    ) -> Result<Reply, Refusal> {
        let kind = self.kind;
        let quirks = &self.manners.quirks;
        if quirks.no_patch {
            return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "PATCH is not supported: use PUT."));
        }
        let projection = parameters.projection(&self.app, kind)?;
        self.manners.read_booleans(&mut body)?;
        let mut steps = patch::parse(self.app.catalogue, kind, &body, self.manners.dialect())?;
        let half = self.manners.bend(kind, &mut steps)?;
        // RFC 7644 section 3.5.2 allows an empty answer unless attributes are asked for. A group's members may be
        // thousands, so that to send them all back would cost far more than the change.
        let silent = (kind == Kind::Group || quirks.patch_answers_204) && !parameters.wants_attributes();
        let links = !silent && projection.shows_links();
        let (judge, conditions) = (self.judge(), self.conditions(conditions));
        let job = move |store: &mut Store| {
            with_links(store, links, |store| {
                store.patch(kind, &id, &conditions, steps, |change| {
                    resource::check(judge.catalogue(), kind, change.body)?;
                    judge.judge(change)
                })
            })
        };
        let record = self.changed(self.app.database.run(job).await?);
        if half {
            let detail = "Told to fail after the first half of the operations.";
            return Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, detail));
        }
        Ok(self.reply(StatusCode::OK, &projection, record).silenced(silent))
    }

    /// DELETE.
    pub(crate) async fn delete(&self, id: String, conditions: Conditions) -> Result<Reply, Refusal> {
        let kind = self.kind;
        let soft = self.manners.quirks.soft_delete && kind == Kind::User;
        let conditions = self.conditions(conditions);
        let job = move |store: &mut Store| {
            if !soft {
                return store.delete(kind, &id, &conditions).map(|()| true);
            }
            let written = store.patch(kind, &id, &conditions, Vec::new(), |change| {
                change.body.insert("active".to_owned(), false.into());
                Ok(())
            })?;
            Ok(written.changed)
        };
        if self.app.database.run(job).await? {
            self.app.ledger.changed();
        }
        let status = if self.manners.quirks.delete_answers_200 { StatusCode::OK } else { StatusCode::NO_CONTENT };
        Ok(Reply { status, location: None, version: None, body: None })
    }

    fn reply(&self, status: StatusCode, projection: &Projection, record: Record) -> Reply {
        let version = (!self.manners.quirks.no_etag).then(|| record.version());
        let mut body = projection.render(record, &self.app.base);
        self.manners.present(self.kind, &mut body, &self.app.base);
        Reply { status, location: None, version, body: Some(Value::Object(body)) }
    }

    fn changed(&self, written: Written) -> Record {
        if written.changed {
            self.app.ledger.changed();
        }
        written.record
    }

    fn conditions(&self, conditions: Conditions) -> Conditions {
        let quirks = &self.manners.quirks;
        if quirks.no_etag || quirks.ignores_if_match { Conditions::default() } else { conditions }
    }

    fn judge(&self) -> Judge {
        Judge { app: Arc::clone(&self.app), manners: Arc::clone(&self.manners), kind: self.kind }
    }
}

impl Reply {
    fn silenced(self, silent: bool) -> Self {
        if silent { Self { status: StatusCode::NO_CONTENT, body: None, ..self } } else { self }
    }
}

/// Bends or refuses what a resource is about to become, on the database's thread.
struct Judge {
    app: Arc<App>,
    manners: Arc<Manners>,
    kind: Kind,
}

impl Judge {
    fn catalogue(&self) -> &'static crate::schema::Catalogue {
        self.app.catalogue
    }

    fn judge(&self, Change { former, body, other_members }: Change<'_>) -> Result<(), Refusal> {
        self.manners.settle(self.kind, Some(former), body)?;
        self.manners.check_members(other_members)?;
        check_poison(&self.app, self.kind, body)
    }
}

fn with_links(
    store: &mut Store,
    links: bool,
    write: impl FnOnce(&mut Store) -> Result<Written, Refusal>,
) -> Result<Written, Refusal> {
    let mut written = write(store)?;
    if links {
        store.load_links(&mut written.record)?;
    }
    Ok(written)
}

fn check_poison(app: &App, kind: Kind, body: &Body) -> Result<(), Refusal> {
    let name = body.get("userName").and_then(Value::as_str);
    match name {
        Some(name) if kind == Kind::User && app.faults().is_poison(name) => {
            Err(Refusal::bad(ErrorType::InvalidValue, format!("Told to refuse the user {name:?}.")))
        }
        _ => Ok(()),
    }
}

/// All resources of a kind, in full.
pub(crate) fn everything(app: &App, kind: Kind) -> Result<Vec<Map<String, Value>>, Refusal> {
    let projection = Projection::full(app.catalogue, kind);
    let (_, records) = app.database.run_blocking(move |store| store.list(kind, None, 0, usize::MAX, true))?;
    Ok(records.into_iter().map(|record| projection.render(record, &app.base)).collect())
}
