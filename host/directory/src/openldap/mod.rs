//! OpenLDAP as a source: everything by paged results, changes by content synchronisation (RFC 4533).

mod check;
mod controls;
mod csn;
mod few;
mod import;
mod message;
mod options;
mod paged;
mod refresh;
mod schema;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ldap3::Scope;
use provisor_model::{AttributeName, CheckLine, Entry, IdSyntax, Schema};

pub(crate) use import::OpenLdapImport;
pub use options::OpenLdapOptions;

use crate::connection::{Connection, Endpoint};
use crate::error::{DirectoryError, server_words};
use crate::import::{ImportRequest, ObjectQuery, QUERY_OBJECTS};
use crate::options::ENTRY_UUID;
use crate::reading::{NotText, ReadError, Reader};
use crate::selection::{Aliases, Selection};
use few::FewSearch;
use schema::ServerSchema;

/// The filter that every entry meets.
const EVERYTHING: &str = "(objectClass=*)";

/// An OpenLDAP server as a source directory.
#[derive(Clone, Debug)]
pub struct OpenLdap {
    options: OpenLdapOptions,
    endpoint: Endpoint,
    base: String,
}

impl OpenLdap {
    /// A source for these options. Nothing is connected yet.
    ///
    /// # Errors
    /// When the options cannot be meant so, among them a password that would travel unprotected.
    pub fn new(options: OpenLdapOptions) -> Result<Self, DirectoryError> {
        let endpoint = options.endpoint()?;
        let base = options.base.to_string();
        Ok(Self { options, endpoint, base })
    }

    pub(crate) async fn schema(&self) -> Result<Schema, DirectoryError> {
        let mut connection = Connection::open(&self.endpoint).await?;
        let server = ServerSchema::read(&mut connection, &self.base).await?;
        connection.close().await;
        Ok(server.schema)
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
    ) -> Result<Vec<Entry>, DirectoryError> {
        Selection::new(attributes, &self.options.object, Aliases::new())?;
        let (base, scope, filter) = match &query {
            ObjectQuery::Dn(dn) if !dn.is_within(&self.options.base) => return Ok(Vec::new()),
            ObjectQuery::Dn(dn) => (dn.to_string(), Scope::Base, EVERYTHING.to_owned()),
            ObjectQuery::SourceId(id) if id.syntax() != IdSyntax::Uuid => return Ok(Vec::new()),
            ObjectQuery::SourceId(id) => (self.base.clone(), Scope::Subtree, format!("({ENTRY_UUID}={id})")),
            ObjectQuery::Attribute { name, value } => {
                Selection::new(&BTreeSet::from([name.clone()]), &self.options.object, Aliases::new())?;
                (self.base.clone(), Scope::Subtree, equality_filter(name, value.octets()))
            }
        };
        let mut connection = Connection::open(&self.endpoint).await?;
        let server = ServerSchema::read(&mut connection, &self.base).await?;
        let mut reader = self.reader(attributes, server)?;
        let search = FewSearch { base: &base, scope, filter: &filter, attributes: reader.wire(), limit: QUERY_OBJECTS };
        let found = search.run(&mut connection).await;
        let url = connection.url().to_owned();
        connection.close().await;
        match found {
            Ok(found) => found.into_iter().map(|raw| read_entry(&mut reader, &url, raw)).collect(),
            Err(DirectoryError::NoSuchBase { .. }) if scope == Scope::Base => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn reader(&self, attributes: &BTreeSet<AttributeName>, server: ServerSchema) -> Result<Reader, DirectoryError> {
        // The server enforces its schema; where it does not, one entry shall not stop the others.
        Reader::new(attributes, server.schema, server.aliases, self.options.object.clone(), NotText::Keep)
    }
}

/// Makes an entry of what a search found.
fn read_entry(reader: &mut Reader, url: &str, raw: crate::reading::RawEntry) -> Result<Entry, DirectoryError> {
    let dn = server_words(&raw.dn);
    reader.entry(raw, None).map_err(|error| unreadable(url, &dn, &error))
}

/// Says why an entry that a server sent cannot be used.
fn unreadable(url: &str, dn: &str, error: &ReadError) -> DirectoryError {
    match error {
        ReadError::NoSourceId(attribute) => DirectoryError::Rights {
            url: url.to_owned(),
            reason: format!("\"{dn}\" has no {attribute}. Grant the account the right to read it, on every entry"),
        },
        error => DirectoryError::Protocol { url: url.to_owned(), reason: format!("\"{dn}\": {error}") },
    }
}

/// The filter for entries with this value (RFC 4515); every octet that could mean something is escaped.
fn equality_filter(name: &AttributeName, value: &[u8]) -> String {
    let mut filter = format!("({name}=");
    for octet in value {
        if octet.is_ascii_alphanumeric() {
            filter.push(char::from(*octet));
        } else {
            // Writing into a string does not fail.
            let _ = write!(filter, "\\{octet:02x}");
        }
    }
    filter.push(')');
    filter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_can_change_a_filter() {
        assert_eq!(equality_filter(&"cn".into(), b"a*)(x=\0"), "(cn=a\\2a\\29\\28x\\3d\\00)");
    }
}
