//! A server to import from: connected, known, and not behind what was read before.

use super::csn::Csns;
use super::position::{Mark, Marks, Standing};
use super::root::RootDse;
use super::schema::ServerSchema;
use super::way::{Dialect, Way};
use super::{ChangeReading, OpenLdap};
use crate::connection::Connection;
use crate::error::DirectoryError;
use crate::import::ImportRequest;
use crate::options::SourceOptions;
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
}

impl OpenLdap {
    /// Connects to a server that has come as far as what is known already. One server alone may fall back: it was
    /// restored then, and everything is read. Of several, one that has fallen back may be a replica that has not caught
    /// up; to read everything from it would delete what it has yet to learn.
    pub(super) async fn ready(&self, request: &ImportRequest) -> Result<Ready, DirectoryError> {
        let mut behind = Vec::new();
        for _ in &self.endpoint.servers {
            let ready = self.look(request).await?;
            if !self.endpoint.has_several() || !self.is_behind(&ready) {
                return Ok(ready);
            }
            behind.push(DirectoryError::Behind { url: ready.connection.url().to_owned() });
            ready.connection.close().await;
            self.endpoint.pass_over();
        }
        Err(DirectoryError::of_servers(behind))
    }

    async fn look(&self, request: &ImportRequest) -> Result<Ready, DirectoryError> {
        let mut connection = Connection::open(&self.endpoint).await?;
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
            })
        };
        let known = self.standing(request.known.as_ref()).or_else(by_watermark);
        let earlier = known.as_ref().map(|known| known.source_id.as_str());
        let object = self.identification(&mut connection, earlier).await?;
        let way = Way::choose(self, &mut connection, &root, &object.source_id_attribute).await?;
        Ok(Ready { connection, schema, object, way, known })
    }

    /// What is known of this directory from the last complete import.
    pub(super) fn standing(&self, known: Option<&Known>) -> Option<Standing> {
        Standing::read(known, &self.options.connection.urls)
    }

    /// Whether nothing shows that a server is as far as another was, from which the last complete import was made: what
    /// it lacks may be what it has yet to learn.
    pub(super) fn may_lag(&self, url: &str, way: &Way, known: Option<&Standing>) -> bool {
        let Some(known) = known else { return false };
        if !self.endpoint.has_several() || known.server.is_empty() || known.server == url {
            return false;
        }
        // Numbers were compared before; a base that is new has nothing to lose.
        let numbered = |base: &String| match known.bases.get(base) {
            None => true,
            Some(Some(Mark::Cookie(cookie))) => Csns::from_cookie(cookie).is_some(),
            Some(_) => false,
        };
        !(matches!(way, Way::Sync(Dialect::OpenLdap(_))) && self.bases().iter().all(numbered))
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
