//! An import from OpenLDAP: an increment where the watermark serves, and otherwise everything.

use std::collections::BTreeSet;
use std::fmt;

use provisor_model::AttributeName;

use super::OpenLdap;
use super::csn::Csns;
use super::few::RootDse;
use super::paged::Paged;
use super::refresh::{End, Refresh};
use super::schema::ServerSchema;
use crate::connection::Connection;
use crate::error::DirectoryError;
use crate::import::{Completion, ImportItem, ImportKind, ImportRequest};
use crate::reading::Reader;
use crate::selection::{Aliases, Selection};
use crate::watermark::{Position, fingerprint};

/// A running import.
pub(crate) struct OpenLdapImport {
    url: String,
    /// Open until the feed has ended.
    connection: Option<Connection>,
    reader: Reader,
    attributes: BTreeSet<AttributeName>,
    fingerprint: String,
    /// The cookie to go on from when this import is complete; none where the server has no numbers.
    mark: Option<String>,
    kind: ImportKind,
    stage: Stage,
    /// The first page of an increment, read beforehand: by it the server says whether it knows the cookie.
    first: Option<Vec<ImportItem>>,
}

enum Stage {
    Full(Paged),
    Increment(Refresh),
    /// An error, after which nothing may follow.
    Broken,
    Ended {
        absent_is_deleted: bool,
    },
}

impl OpenLdapImport {
    /// Connects, finds out what can be read, and asks for it.
    pub async fn begin(server: &OpenLdap, request: ImportRequest) -> Result<Self, DirectoryError> {
        // What may not be asked for is refused before anything is connected.
        Selection::new(&request.attributes, &server.options.object, Aliases::new())?;
        let fingerprint = server.fingerprint();
        let cookie = Position::resume(request.watermark.as_ref(), &fingerprint, &request.attributes);

        let known = cookie.as_deref().and_then(Csns::from_cookie);
        // The numbers are read before the first entry: what changes while everything is being read comes once more.
        let (mut connection, now) = server.up_to_date(known.as_ref()).await?;
        let schema = ServerSchema::read(&mut connection, &server.base).await?;
        let reader = server.reader(&request.attributes, schema)?;
        let base = &server.base;
        let resumable = cookie.filter(|_| covers(now.as_ref(), known.as_ref()));
        let had_watermark = request.watermark.is_some();
        let mut import = Self {
            url: connection.url().to_owned(),
            connection: None,
            reader,
            attributes: request.attributes,
            fingerprint,
            mark: now.as_ref().map(Csns::to_cookie),
            kind: ImportKind::Full,
            stage: Stage::Broken,
            first: None,
        };
        if let Some(cookie) = resumable {
            match import.begin_increment(&mut connection, base, &cookie).await {
                Ok(()) => {
                    import.connection = Some(connection);
                    return Ok(import);
                }
                Err(error) if error.needs_full_import() => {
                    tracing::info!(%error, "The increment is answered by a full import.");
                }
                Err(error) => return Err(error),
            }
        } else if had_watermark {
            tracing::info!(url = import.url, "The watermark does not serve any more; everything is read.");
        }
        let paged = Paged::begin(&mut connection, &import.reader, base, server.options.page_size).await?;
        import.kind = ImportKind::Full;
        import.stage = Stage::Full(paged);
        import.connection = Some(connection);
        Ok(import)
    }

    async fn begin_increment(
        &mut self,
        connection: &mut Connection,
        base: &str,
        cookie: &str,
    ) -> Result<(), DirectoryError> {
        let mut refresh = Refresh::begin(connection, &self.reader, base, cookie).await?;
        self.first = refresh.next_page(&self.url, &mut self.reader).await?;
        self.kind = ImportKind::Incremental;
        self.mark = Some(cookie.to_owned());
        self.stage = Stage::Increment(refresh);
        Ok(())
    }

    pub fn kind(&self) -> ImportKind {
        self.kind
    }

    pub async fn next_page(&mut self) -> Result<Option<Vec<ImportItem>>, DirectoryError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        match std::mem::replace(&mut self.stage, Stage::Broken) {
            Stage::Full(mut paged) => {
                let Some(connection) = &mut self.connection else { return Err(self.broken()) };
                let page = paged.next_page(connection, &mut self.reader).await?;
                self.stage = match &page {
                    Some(_) => Stage::Full(paged),
                    None => Stage::Ended { absent_is_deleted: true },
                };
                self.close_at_end(page).await
            }
            Stage::Increment(mut refresh) => {
                let page = refresh.next_page(&self.url, &mut self.reader).await?;
                self.stage = match (&page, refresh.end()) {
                    (Some(_), _) => Stage::Increment(refresh),
                    (None, Some(End { cookie, absent_is_deleted })) => {
                        // A cookie that is no text is none of OpenLDAP's: the next import then reads everything.
                        if let Some(cookie) = cookie {
                            self.mark = String::from_utf8(cookie.clone()).ok();
                        }
                        Stage::Ended { absent_is_deleted: *absent_is_deleted }
                    }
                    (None, None) => return Err(self.broken()),
                };
                self.close_at_end(page).await
            }
            Stage::Ended { absent_is_deleted } => {
                self.stage = Stage::Ended { absent_is_deleted };
                Ok(None)
            }
            Stage::Broken => Err(self.broken()),
        }
    }

    async fn close_at_end(&mut self, page: Option<Vec<ImportItem>>) -> Result<Option<Vec<ImportItem>>, DirectoryError> {
        if page.is_none()
            && let Some(connection) = self.connection.take()
        {
            connection.close().await;
        }
        Ok(page)
    }

    pub fn finish(self) -> Result<Completion, DirectoryError> {
        match self.stage {
            Stage::Ended { absent_is_deleted } => {
                let position = Position::new(self.fingerprint, &self.attributes, self.mark);
                Ok(Completion { watermark: position.to_watermark(), absent_is_deleted })
            }
            Stage::Full(_) | Stage::Increment(_) | Stage::Broken => Err(self.broken()),
        }
    }

    fn broken(&self) -> DirectoryError {
        DirectoryError::EndedEarly {
            url: self.url.clone(),
            reason: "the import was not read to its end".into(),
            transient: true,
        }
    }
}

/// Whether who has come this far knows all that is known already.
fn covers(now: Option<&Csns>, known: Option<&Csns>) -> bool {
    now.zip(known).is_some_and(|(now, known)| now.cover(known))
}

impl OpenLdap {
    /// Connects to a server that has come as far as what is known already, and says how far it has come. One server
    /// alone may fall back: it was restored then, and everything is read. Of several, one that has fallen back may be a
    /// replica that has not caught up; to read everything from it would delete what it has yet to learn.
    async fn up_to_date(&self, known: Option<&Csns>) -> Result<(Connection, Option<Csns>), DirectoryError> {
        let mut behind = Vec::new();
        for _ in &self.endpoint.servers {
            let mut connection = Connection::open(&self.endpoint).await?;
            let now = self.numbers(&mut connection).await?;
            if !self.endpoint.has_several() || known.is_none() || covers(now.as_ref(), known) {
                return Ok((connection, now));
            }
            behind.push(DirectoryError::Behind { url: connection.url().to_owned() });
            connection.close().await;
            self.endpoint.pass_over();
        }
        Err(DirectoryError::of_servers(behind))
    }

    /// How far the directory has come; none where it does not synchronise or does not show it.
    async fn numbers(&self, connection: &mut Connection) -> Result<Option<Csns>, DirectoryError> {
        let root = RootDse::read(connection).await?;
        match root.suffix(&self.options.base) {
            Some(suffix) if root.synchronises => Csns::read(connection, suffix).await,
            _ => Ok(None),
        }
    }

    /// A digest over what decides which entries are read and how they look once they are.
    fn fingerprint(&self) -> String {
        // The first server stands for the directory: others keep the same.
        let url = self.options.connection.urls.first().map_or("", String::as_str);
        fingerprint(["openldap", url, &self.base, &self.options.object.to_text()])
    }
}

impl fmt::Debug for OpenLdapImport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OpenLdapImport")
            .field("url", &self.url)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
