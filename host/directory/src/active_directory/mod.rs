//! Active Directory as a source: changes by DirSync where the account may, otherwise by change numbers; links by GUID;
//! large groups whole.

mod begin;
mod check;
mod conclusion;
mod controls;
mod cookie;
mod dirsync;
mod domain;
mod entries;
mod import;
mod names;
mod objects;
mod options;
mod position;
mod resume;
mod rights;
mod skipped;
mod views;
mod whole;
mod work;

use std::collections::BTreeSet;
use std::sync::Arc;

use ldap3::Scope;
use provisor_model::{AttributeName, CheckLine, Entry};

pub(crate) use import::ActiveDirectoryImport;
pub use options::{ActiveDirectoryOptions, DomainChanges};

use crate::connection::{Connection, Endpoint};
use crate::error::{DirectoryError, server_words};
use crate::identity;
use crate::import::{ImportRequest, ObjectQuery, QUERY_OBJECTS};
use crate::reading::ReadError;
use crate::search::schema::ServerSchema;
use crate::selection::{Aliases, Selection, SourceAttributes, Untold, untold};
use domain::Controller;
use entries::Entries;

/// Objects that others are below, whose names are parts of theirs.
const CONTAINERS: &[&str] = &["organizationalUnit", "container", "builtinDomain", "domainDNS"];

/// What a controller works out when it is asked, or keeps for itself, so that no change of it is ever told, with what to
/// read instead.
const UNTOLD: Untold = &[
    ("memberOf", "Read member-of, which this host works out, with the primary group"),
    ("tokenGroups", "Read member-of;nested, which this host works out"),
    ("canonicalName", "Read dn"),
    ("directReports", "Read manager on those who report"),
    ("managedObjects", "Read managedBy on what is managed"),
    ("msDS-User-Account-Control-Computed", "Read lockoutTime and pwdLastSet"),
    ("msDS-UserPasswordExpiryTimeComputed", "Read pwdLastSet"),
    ("msDS-PrincipalName", "Read sAMAccountName"),
    ("distinguishedName", "Read dn"),
    ("whenChanged", EACH),
    ("uSNChanged", EACH),
    ("uSNCreated", EACH),
    ("modifyTimeStamp", EACH),
    ("lastLogon", "Each controller keeps its own. Read lastLogonTimestamp, which all share"),
    ("badPasswordTime", EACH),
    ("badPwdCount", EACH),
    ("logonCount", EACH),
];

/// Of what is not replicated.
const EACH: &str = "Each controller keeps its own. Take it out of what the rules read";

/// An Active Directory domain as a source directory.
#[derive(Clone, Debug)]
pub struct ActiveDirectory {
    options: Box<ActiveDirectoryOptions>,
    endpoint: Arc<Endpoint>,
}

impl ActiveDirectory {
    /// A source for these options. Nothing is connected yet.
    ///
    /// # Errors
    /// When the options cannot be meant so, among them a password that would travel unprotected.
    pub fn new(options: ActiveDirectoryOptions) -> Result<Self, DirectoryError> {
        let endpoint = Arc::new(options.endpoint()?);
        Ok(Self { options: Box::new(options), endpoint })
    }

    pub(crate) async fn attributes(&self) -> Result<SourceAttributes, DirectoryError> {
        Connection::at_any(&self.endpoint, |connection| self.read_attributes(connection)).await
    }

    async fn read_attributes(&self, mut connection: Connection) -> Result<SourceAttributes, DirectoryError> {
        let controller = Controller::read(&mut connection, self.options.base.as_ref()).await?;
        let server = read_schema(&mut connection, &controller.domain).await?;
        connection.close().await;
        Ok(SourceAttributes { schema: server.schema, aliases: server.aliases, untold: UNTOLD })
    }

    pub(crate) async fn check(&self) -> Vec<CheckLine> {
        check::check(self).await
    }

    pub(crate) async fn import(&self, request: ImportRequest) -> Result<ActiveDirectoryImport, DirectoryError> {
        ActiveDirectoryImport::begin(self, request).await
    }

    pub(crate) async fn read_object(
        &self,
        query: ObjectQuery,
        attributes: &BTreeSet<AttributeName>,
    ) -> Result<Vec<Entry>, DirectoryError> {
        self.allow(attributes)?;
        Connection::at_any(&self.endpoint, |connection| self.read_object_at(connection, &query, attributes)).await
    }

    async fn read_object_at(
        &self,
        mut connection: Connection,
        query: &ObjectQuery,
        attributes: &BTreeSet<AttributeName>,
    ) -> Result<Vec<Entry>, DirectoryError> {
        let controller = Controller::read(&mut connection, self.options.base.as_ref()).await?;
        let schema = read_schema(&mut connection, &controller.domain).await?;
        let mut entries = Entries::new(attributes, schema, self.options.object.clone())?;
        let classes = self.class_filter();
        let whole = |part: String| format!("(&{classes}{part})");
        let (base, scope, filter) = match query {
            ObjectQuery::Dn(dn) => (dn.to_string(), Scope::Base, classes.clone()),
            ObjectQuery::SourceId(id) => (names::by_id(id), Scope::Base, classes.clone()),
            ObjectQuery::Attribute { name, value } => {
                self.allow(&BTreeSet::from([name.clone()]))?;
                (controller.domain.clone(), Scope::Subtree, whole(identity::equality(name, value.octets())))
            }
        };
        let found = whole::find(&mut connection, &base, scope, &filter, entries.wire(), QUERY_OBJECTS).await;
        let found = match found {
            Err(DirectoryError::NoSuchBase { .. }) if scope == Scope::Base => Vec::new(),
            found => found?,
        };
        let url = connection.url().to_owned();
        connection.close().await;
        found.iter().map(|object| entries.entry(object).map_err(|error| unreadable(&url, &object.dn, &error))).collect()
    }

    /// Finds an attribute that may not be asked for.
    fn allow(&self, attributes: &BTreeSet<AttributeName>) -> Result<(), DirectoryError> {
        Selection::new(attributes, &self.options.object, Aliases::new())?;
        attributes.iter().find_map(|name| untold(name, UNTOLD)).map_or(Ok(()), Err)
    }

    /// Which objects are read: those of the classes that are told apart, and what they are in. Never fewer: a change by
    /// which an object left a filter would not be told.
    fn class_filter(&self) -> String {
        let own = self.options.object.object_classes.names();
        let all: BTreeSet<String> = own.chain(CONTAINERS.iter().copied()).map(str::to_ascii_lowercase).collect();
        let parts: String =
            all.iter().map(|class| identity::equality(&"objectClass".into(), class.as_bytes())).collect();
        format!("(|{parts})")
    }
}

/// Whether an object of these classes is one that others are below.
fn is_container(classes: &[&str]) -> bool {
    classes.iter().any(|class| CONTAINERS.iter().any(|own| own.eq_ignore_ascii_case(class)))
}

/// The domain's schema, with what this host adds to it.
async fn read_schema(connection: &mut Connection, domain: &str) -> Result<ServerSchema, DirectoryError> {
    let mut server = ServerSchema::read(connection, domain).await?;
    views::add_to(&mut server.schema);
    Ok(server)
}

/// Says why an object cannot be used.
fn unreadable(url: &str, dn: &str, error: &ReadError) -> DirectoryError {
    DirectoryError::Protocol { url: url.to_owned(), reason: format!("\"{}\": {error}", server_words(dn)) }
}
