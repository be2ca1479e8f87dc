//! An LDAP directory as a source: everything by paged results, changes by content synchronisation (RFC 4533) where the
//! server has it, otherwise by comparing.

mod check;
mod csn;
mod doubt;
mod import;
mod leavers;
mod live;
mod lookup;
mod options;
mod plan;
mod position;
mod proof;
mod ready;
mod refresh;
mod root;
mod stamp;
mod way;
mod work;

use std::collections::BTreeSet;
use std::sync::Arc;

use ldap3::Scope;
use provisor_model::{AttributeName, CheckLine, Entry};

pub(crate) use import::OpenLdapImport;
pub use live::Listener;
pub use options::{ChangeReading, Feed, LdapKind, OpenLdapOptions, validate_filter};

use crate::connection::{Connection, Endpoint};
use crate::error::{DirectoryError, server_words};
use crate::identity;
use crate::import::{ImportRequest, ObjectQuery, QUERY_OBJECTS};
use crate::options::SourceOptions;
use crate::reading::{NotText, Raw, ReadError, Reader};
use crate::search::EVERYTHING;
use crate::search::few::FewSearch;
use crate::search::schema::ServerSchema;
use crate::selection::{Aliases, Selection, SourceAttributes};
use crate::watermark::{Known, Watermark};

/// Entries that others are below. They are read whatever the filter says: scopes are made of them, and a renamed one
/// renames all that is below it.
const CONTAINERS: &str = "(objectClass=organizationalUnit)(objectClass=organization)(objectClass=domain)\
                          (objectClass=dcObject)(objectClass=country)(objectClass=locality)(objectClass=container)\
                          (objectClass=nsContainer)";

/// An LDAP server as a source directory.
#[derive(Clone, Debug)]
pub struct OpenLdap {
    options: Box<OpenLdapOptions>,
    endpoint: Arc<Endpoint>,
    base: String,
}

impl OpenLdap {
    /// A source for these options. Nothing is connected yet.
    ///
    /// # Errors
    /// When the options cannot be meant so, among them a password that would travel unprotected.
    pub fn new(options: OpenLdapOptions) -> Result<Self, DirectoryError> {
        let endpoint = Arc::new(options.endpoint()?);
        let base = options.base.to_string();
        Ok(Self { options: Box::new(options), endpoint, base })
    }

    pub(crate) async fn attributes(&self) -> Result<SourceAttributes, DirectoryError> {
        Connection::at_any(&self.endpoint, |connection| self.read_attributes(connection)).await
    }

    async fn read_attributes(&self, mut connection: Connection) -> Result<SourceAttributes, DirectoryError> {
        let server = ServerSchema::read(&mut connection, &self.base).await?;
        connection.close().await;
        Ok(SourceAttributes { schema: server.schema, aliases: server.aliases, untold: &[] })
    }

    pub(crate) async fn check(&self) -> Vec<CheckLine> {
        check::check(self).await
    }

    pub(crate) async fn import(&self, request: ImportRequest) -> Result<OpenLdapImport, DirectoryError> {
        OpenLdapImport::begin(self, request).await
    }

    pub(crate) async fn read_object(
        &self,
        query: ObjectQuery,
        attributes: &BTreeSet<AttributeName>,
        known: Option<&Known>,
    ) -> Result<Vec<Entry>, DirectoryError> {
        Selection::new(attributes, &self.options.object, Aliases::new())?;
        if let ObjectQuery::Attribute { name, .. } = &query {
            Selection::new(&BTreeSet::from([name.clone()]), &self.options.object, Aliases::new())?;
        }
        if let ObjectQuery::Dn(dn) = &query
            && !self.base_dns().any(|base| dn.is_within(base))
        {
            return Ok(Vec::new());
        }
        let read = |connection| self.read_object_at(connection, &query, attributes, known);
        Connection::at_any(&self.endpoint, read).await
    }

    async fn read_object_at(
        &self,
        mut connection: Connection,
        query: &ObjectQuery,
        attributes: &BTreeSet<AttributeName>,
        known: Option<&Known>,
    ) -> Result<Vec<Entry>, DirectoryError> {
        let known = self.standing(known);
        let earlier = known.as_ref().map(|known| known.source_id.as_str());
        let object = self.identification(&mut connection, earlier).await?;
        let (bases, scope, part) = match query {
            ObjectQuery::Dn(dn) => (vec![dn.to_string()], Scope::Base, Some(String::new())),
            ObjectQuery::SourceId(id) => {
                (self.bases(), Scope::Subtree, identity::filter(&object.source_id_attribute, id))
            }
            ObjectQuery::Attribute { name, value } => {
                (self.bases(), Scope::Subtree, Some(identity::equality(name, value.octets())))
            }
        };
        let Some(part) = part else { return Ok(Vec::new()) };
        let filter = format!("(&{}{part})", self.filter());
        let server = ServerSchema::read(&mut connection, &self.base).await?;
        let mut reader = Self::reader(attributes, server, object)?;
        let url = connection.url().to_owned();
        let mut entries = Vec::new();
        for base in &bases {
            let limit = QUERY_OBJECTS - entries.len();
            if limit == 0 {
                break;
            }
            let search = FewSearch { base, scope, filter: &filter, attributes: reader.wire(), limit };
            match search.run(&mut connection).await {
                Ok(found) => {
                    for raw in found {
                        entries.push(read_entry(&mut reader, &url, &raw)?);
                    }
                }
                Err(DirectoryError::NoSuchBase { .. }) if scope == Scope::Base => {}
                Err(error) => return Err(error),
            }
        }
        connection.close().await;
        Ok(entries)
    }

    /// Has the server announce that something changed below the bases since the watermark; none where it cannot.
    pub(crate) async fn listen(&self, watermark: Option<&Watermark>) -> Result<Option<Listener>, DirectoryError> {
        live::listen(self, watermark).await
    }

    /// The entries below which everything is read, as they are written in searches.
    fn bases(&self) -> Vec<String> {
        self.base_dns().map(ToString::to_string).collect()
    }

    /// Which entries are read: those that meet the filter, and what they are in.
    fn filter(&self) -> String {
        match &self.options.feed.filter {
            None => EVERYTHING.to_owned(),
            Some(filter) => format!("(|{filter}{CONTAINERS})"),
        }
    }

    fn reader(
        attributes: &BTreeSet<AttributeName>,
        server: ServerSchema,
        object: SourceOptions,
    ) -> Result<Reader, DirectoryError> {
        // The server enforces its schema; where it does not, one entry shall not stop the others.
        Reader::new(attributes, server.schema, server.aliases, object, NotText::Keep)
    }
}

/// Makes an entry of what a search found.
fn read_entry(reader: &mut Reader, url: &str, raw: &impl Raw) -> Result<Entry, DirectoryError> {
    reader.entry(raw, None).map_err(|error| unreadable(url, &server_words(raw.dn()), &error))
}

/// Says why an entry that a server sent cannot be used.
fn unreadable(url: &str, dn: &str, error: &ReadError) -> DirectoryError {
    match error {
        ReadError::NoSourceId(attribute) => DirectoryError::Rights {
            url: url.to_owned(),
            reason: format!(
                "\"{dn}\" has no {attribute}. Grant the account the right to read it, on every entry; or set source-id to what \
                 every entry has"
            ),
        },
        error @ (ReadError::ManySourceIds { .. } | ReadError::BadSourceId { .. }) => DirectoryError::Rights {
            url: url.to_owned(),
            reason: format!("\"{dn}\": {error}. Set source-id to an attribute with one short value for each entry"),
        },
        error => DirectoryError::Protocol { url: url.to_owned(), reason: format!("\"{dn}\": {error}") },
    }
}
