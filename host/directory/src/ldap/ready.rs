//! A server to import from: connected, known, and not behind what was read before.

use super::csn::Csns;
use super::doubt::{Doubt, Pending};
use super::position::{Mark, Marks, Standing};
use super::root::RootDse;
use super::way::{Dialect, Way};
use super::{ChangeReading, OpenLdap};
use crate::connection::Connection;
use crate::error::DirectoryError;
use crate::import::ImportRequest;
use crate::options::SourceOptions;
use crate::search::schema::ServerSchema;
use crate::watermark::{Known, Position};
use provisor_model::AttributeName;

/// A server, and what was found out about it.
pub(crate) struct Ready {
    pub connection: Connection,
    pub schema: ServerSchema,
    /// How its entries are identified.
    pub object: SourceOptions,
    /// How its changes are read.
    pub way: Way,
    /// What is known of the last complete import.
    pub known: Option<Standing>,
    /// Whether every server was asked, and none has come as far as what is known.
    pub fell_back: bool,
}

/// What to do about a server that is behind others. One alone is believed.
const RESTORED: &str = "It is tried again; if the directory was restored from a backup, make the restored server the only \
                        one in url for one cycle";

async fn close_all(servers: Vec<Ready>) {
    for ready in servers {
        ready.connection.close().await;
    }
}

impl OpenLdap {
    /// Connects to a server that has come as far as what is known already. One server alone may fall back: it was
    /// restored then, and everything is read. Of several, one that has fallen back may be a replica that has not caught
    /// up; to read everything from it would delete what it has yet to learn. Where all of them can be asked and none has
    /// come so far, the one that had has lost it (a slapd that crashes may fall back behind its last deletion, and others
    /// never learn of that): everything is read then, and nobody taken for deleted.
    pub(super) async fn ready(&self, request: &ImportRequest) -> Result<Ready, DirectoryError> {
        let mut behind: Vec<Ready> = Vec::new();
        let mut failed = Vec::new();
        for _ in &self.endpoint.servers {
            let connection = match Connection::open(&self.endpoint).await {
                Ok(connection) => connection,
                Err(error) => {
                    close_all(behind).await;
                    return Err(error);
                }
            };
            let url = connection.url().to_owned();
            let ready = match self.look(connection, request).await {
                Ok(ready) => ready,
                // It broke off after it was reached.
                Err(error) if error.is_transient() => {
                    self.endpoint.pass_over(&url);
                    failed.push(error);
                    continue;
                }
                Err(error) => {
                    close_all(behind).await;
                    return Err(error);
                }
            };
            if !self.endpoint.has_several() || !self.is_behind(&ready) {
                close_all(behind).await;
                return Ok(ready);
            }
            behind.push(ready);
            self.endpoint.pass_over(&url);
        }
        let asked = |url: &String| behind.iter().any(|ready| ready.connection.url() == url);
        if !self.options.connection.urls.iter().all(asked) {
            let url = |ready: &Ready| ready.connection.url().to_owned();
            failed.extend(behind.iter().map(|ready| DirectoryError::Behind { url: url(ready), advice: RESTORED }));
            let error = DirectoryError::of_servers(failed);
            close_all(behind).await;
            return Err(error);
        }
        // The one that was read last is the likeliest to know the most.
        let last = |ready: &Ready| ready.known.as_ref().is_some_and(|known| known.server == ready.connection.url());
        let chosen = behind.iter().position(last).unwrap_or_default();
        let mut ready = behind.swap_remove(chosen);
        close_all(behind).await;
        ready.fell_back = true;
        Ok(ready)
    }

    async fn look(&self, mut connection: Connection, request: &ImportRequest) -> Result<Ready, DirectoryError> {
        let schema = ServerSchema::read(&mut connection, &self.base).await?;
        let root = RootDse::read(&mut connection).await?;
        // A watermark of a time in which nothing was kept beside it says the same.
        let by_watermark = || {
            let earlier = Position::<Marks>::read(request.watermark.as_ref())?;
            let marks = earlier.mark.as_ref()?;
            let source_id_attribute = AttributeName::from(marks.source_id.as_str());
            let object = SourceOptions { source_id_attribute, ..self.options.object.clone() };
            earlier.was_made_with(&self.fingerprint(&object)).then(|| Standing {
                source_id: marks.source_id.clone(),
                server: marks.server.clone(),
                urls: Vec::new(),
                bases: marks.bases.iter().map(|(base, mark)| (base.clone(), Some(mark.clone()))).collect(),
                newest: None,
                pending: None,
            })
        };
        let known = self.standing(request.known.as_ref()).or_else(by_watermark);
        let earlier = known.as_ref().map(|known| known.source_id.as_str());
        let object = self.identification(&mut connection, earlier).await?;
        let way = Way::choose(self, &mut connection, &root, &object.source_id_attribute).await?;
        Ok(Ready { connection, schema, object, way, known, fell_back: false })
    }

    /// What is known of this directory from the last complete import.
    pub(super) fn standing(&self, known: Option<&Known>) -> Option<Standing> {
        Standing::read(known, &self.options.connection.urls)
    }

    /// What speaks against taking who is missing on this server for deleted: nothing may show that it is as far as
    /// another was, from which the last complete import was made, and what it lacks may be what it has yet to learn.
    pub(super) fn doubt(&self, url: &str, way: &Way, known: Option<&Standing>, now: u64) -> Doubt {
        let Some(known) = known else { return Doubt::None };
        if !self.endpoint.has_several() || known.server.is_empty() {
            return Doubt::None;
        }
        // Numbers were compared before; a base that is new has nothing to lose.
        let numbered = |base: &String| match known.bases.get(base) {
            None => true,
            Some(Some(Mark::Cookie(cookie))) => Csns::from_cookie(cookie).is_some(),
            Some(_) => false,
        };
        if matches!(way, Way::Sync(Dialect::OpenLdap(_))) && self.bases().iter().all(numbered) {
            return Doubt::None;
        }
        if known.server != url {
            return Doubt::Unshown(Pending::begin(known.newest.clone(), now));
        }
        known.pending.clone().map_or(Doubt::None, |pending| Doubt::Unshown(pending.go_on(now)))
    }

    /// Whether a server does not show that it knows all that is known already. Only OpenLDAP's cookies tell; one who
    /// keeps how far it has come to itself may be behind as well.
    fn is_behind(&self, ready: &Ready) -> bool {
        let Some(earlier) = &ready.known else { return false };
        let known = |base| match earlier.bases.get(base) {
            Some(Some(Mark::Cookie(cookie))) => Csns::from_cookie(cookie),
            _ => None,
        };
        let bases = self.bases();
        match &ready.way {
            Way::Sync(Dialect::OpenLdap(numbers)) => {
                bases.iter().zip(numbers).any(|(base, now)| known(base).is_some_and(|known| !now.cover(&known)))
            }
            // Asked to compare, nobody goes by cookies any more.
            Way::Compare(_) if self.options.feed.changes == ChangeReading::Compare => false,
            _ => bases.iter().any(|base| known(base).is_some()),
        }
    }
}
