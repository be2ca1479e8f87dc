//! Source directories, LDIF files and LDAP servers, behind one change feed that is pulled page by page.

mod active_directory;
mod clock;
mod connection;
mod error;
mod identity;
mod import;
mod ldap;
mod ldif;
mod options;
mod reading;
mod search;
mod selection;
mod state;
mod tls;
mod watermark;

use std::collections::{BTreeSet, HashMap};

use provisor_model::{AttributeName, CheckLine, Entry, Schema};

pub use active_directory::{ActiveDirectory, ActiveDirectoryOptions, DomainChanges};
pub use connection::{Affinity, BindMethod, ConnectionOptions};
pub use error::{DirectoryError, TlsFault};
pub use import::{Completion, Import, ImportItem, ImportKind, ImportRequest, ObjectQuery};
pub use ldap::{ChangeReading, Feed, LdapKind, Listener, OpenLdap, OpenLdapOptions, validate_filter};
pub use ldif::{Ldif, LdifOptions};
pub use options::SourceOptions;
pub use selection::SourceAttributes;
pub use tls::ClientIdentity;
pub use watermark::{Known, Watermark};

/// A source directory of one configuration.
#[derive(Clone, Debug)]
pub enum Directory {
    /// An Active Directory domain.
    ActiveDirectory(ActiveDirectory),
    /// An LDAP server.
    OpenLdap(OpenLdap),
    /// A file of LDIF content records.
    Ldif(Ldif),
}

impl Directory {
    /// What is known of the attributes: the server's own schema, or the standard schemas for a file.
    ///
    /// # Errors
    /// When the server cannot be reached or its schema cannot be read.
    pub async fn schema(&self) -> Result<Schema, DirectoryError> {
        Ok(self.attributes().await?.schema)
    }

    /// The same, and which attributes are never read.
    ///
    /// # Errors
    /// As for [`Self::schema`].
    pub async fn attributes(&self) -> Result<SourceAttributes, DirectoryError> {
        match self {
            Self::ActiveDirectory(domain) => domain.attributes().await,
            Self::OpenLdap(server) => server.attributes().await,
            Self::Ldif(file) => Ok(SourceAttributes { schema: file.schema(), aliases: HashMap::new(), untold: &[] }),
        }
    }

    /// Looks at everything an import depends on, and says what it found, one line for each thing.
    pub async fn check(&self) -> Vec<CheckLine> {
        match self {
            Self::ActiveDirectory(domain) => domain.check().await,
            Self::OpenLdap(server) => server.check().await,
            Self::Ldif(file) => file.check().await,
        }
    }

    /// Begins an import: what changed since the watermark, or everything. A watermark that does not serve, because
    /// more is asked for than it covers or the server has lost track of it, leads to a full import by itself.
    ///
    /// # Errors
    /// When the source cannot be read, or the request asks for passwords or for unnamed attributes.
    pub async fn import(&self, request: ImportRequest) -> Result<Import, DirectoryError> {
        match self {
            Self::ActiveDirectory(domain) => domain.import(request).await.map(Import::from_active_directory),
            Self::OpenLdap(server) => server.import(request).await.map(Import::from_openldap),
            Self::Ldif(file) => file.import(request).await.map(Import::from_ldif),
        }
    }

    /// Has the source announce that something changed since the watermark, as it happens; none where it cannot.
    ///
    /// # Errors
    /// When the source cannot be reached or does not let itself be listened to.
    pub async fn listen(&self, watermark: Option<&Watermark>) -> Result<Option<Listener>, DirectoryError> {
        match self {
            Self::OpenLdap(server) => server.listen(watermark).await,
            Self::ActiveDirectory(_) | Self::Ldif(_) => Ok(None),
        }
    }

    /// Reads one object, or the first few that meet the query, identified as the last import `known` did; what does not
    /// exist is no error.
    ///
    /// # Errors
    /// As for [`Self::import`].
    pub async fn read_object(
        &self,
        query: ObjectQuery,
        attributes: &BTreeSet<AttributeName>,
        known: Option<&Known>,
    ) -> Result<Vec<Entry>, DirectoryError> {
        match self {
            Self::ActiveDirectory(domain) => domain.read_object(query, attributes).await,
            Self::OpenLdap(server) => server.read_object(query, attributes, known).await,
            Self::Ldif(file) => file.read_object(query, attributes).await,
        }
    }
}

impl From<ActiveDirectory> for Directory {
    fn from(domain: ActiveDirectory) -> Self {
        Self::ActiveDirectory(domain)
    }
}

impl From<OpenLdap> for Directory {
    fn from(server: OpenLdap) -> Self {
        Self::OpenLdap(server)
    }
}

impl From<Ldif> for Directory {
    fn from(file: Ldif) -> Self {
        Self::Ldif(file)
    }
}
