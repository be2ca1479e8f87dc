//! How changes are read from a server, and why so.

use provisor_model::{AttributeName, Dn};

use super::OpenLdap;
use super::csn::Csns;
use super::options::{ChangeReading, LdapKind};
use super::refresh::{Asked, Refresh, Taking};
use super::root::RootDse;
use crate::connection::Connection;
use crate::error::DirectoryError;
use crate::identity::{self, KNOWN, NS_UNIQUE_ID};
use crate::options::{ENTRY_UUID, SourceOptions};
use crate::reading::Raw as _;
use crate::search::few::read_one;

/// How changes are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By content synchronisation (RFC 4533).
    Sync(Dialect),
    /// By comparing, for this reason.
    Compare(String),
}

/// What a server makes of RFC 4533.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// OpenLDAP: cookies can be made of numbers that were read before, one for each base, and entries come as asked for.
    OpenLdap(Vec<Csns>),
    /// 389 Directory Server: deletions are named although the end of a refresh denies it, entries come with other
    /// attributes than were asked for, and silence may mean a changelog that is not set up.
    NetscapeChangelog,
    /// As the RFC has it; which attributes entries come with is not relied on.
    Standard,
}

impl Way {
    /// The way where content synchronisation cannot be used.
    pub fn without(server: &OpenLdap, reason: String) -> Result<Self, DirectoryError> {
        if server.options.feed.changes == ChangeReading::Sync {
            return Err(DirectoryError::Configuration(format!(
                "changes = \"sync\" is set, but {reason}. Mend that, or set changes = \"auto\""
            )));
        }
        Ok(Self::Compare(reason))
    }

    /// Finds out how the changes of this server are to be read.
    pub async fn choose(
        server: &OpenLdap,
        connection: &mut Connection,
        root: &RootDse,
        source_id: &AttributeName,
    ) -> Result<Self, DirectoryError> {
        let forced = server.options.feed.changes;
        if forced == ChangeReading::Compare {
            return Ok(Self::Compare("changes = \"compare\" is set".into()));
        }
        let without = |reason: String| Self::without(server, reason);
        let open_ldap = root.open_ldap || server.options.feed.kind == LdapKind::OpenLdap;
        if !root.synchronises {
            let remedy = if open_ldap { "; the overlay syncprov would" } else { "" };
            return without(format!("the server does not announce content synchronisation{remedy}"));
        }
        if open_ldap {
            if !identity::is(source_id, ENTRY_UUID) {
                return without(format!("the server tells its changes by {ENTRY_UUID}, and source-id is {source_id}"));
            }
            let mut numbers = Vec::new();
            for base in server.base_dns() {
                let own = match root.suffix(base) {
                    Some(suffix) => Csns::read(connection, suffix).await?,
                    None => None,
                };
                let Some(own) = own else {
                    return without(format!(
                        "contextCSN cannot be read at the suffix of \"{base}\": the overlay syncprov must be loaded for this \
                         database, and the account be allowed to read contextCSN"
                    ));
                };
                numbers.push(own);
            }
            return Ok(Self::Sync(Dialect::OpenLdap(numbers)));
        }
        if identity::is(source_id, NS_UNIQUE_ID) {
            if forced == ChangeReading::Sync {
                return Ok(Self::Sync(Dialect::NetscapeChangelog));
            }
            return Ok(Self::Compare(
                "the content synchronisation of 389 Directory Server is used only with changes = \"sync\": where its \
                 changelog does not record nsUniqueId, or was trimmed, it leaves changes out without a word"
                    .into(),
            ));
        }
        if !identity::is(source_id, ENTRY_UUID) {
            return without(format!("the server tells its changes by {ENTRY_UUID}, and source-id is {source_id}"));
        }
        Ok(Self::Sync(Dialect::Standard))
    }
}

impl OpenLdap {
    /// Whether the databases really synchronise: the announcement is the whole server's, and shows nothing of them. None
    /// where they do; else the reason why not.
    pub(crate) async fn silence(
        &self,
        connection: &mut Connection,
        way: &Way,
    ) -> Result<Option<String>, DirectoryError> {
        let Way::Sync(Dialect::OpenLdap(numbers)) = way else { return Ok(None) };
        for (base, numbers) in self.bases().into_iter().zip(numbers) {
            let asked = Asked {
                base: base.clone(),
                filter: self.filter(),
                attributes: Vec::new(),
                cookie: Some(numbers.to_cookie().into_bytes()),
                taking: Taking::Cookie,
                deletes_named: false,
            };
            match Refresh::begin(connection, asked).await?.drain(connection.url()).await {
                Ok(()) => {}
                Err(DirectoryError::WatermarkLost { reason, .. }) => {
                    return Ok(Some(format!(
                        "the database of \"{base}\" does not synchronise; with the overlay syncprov it would ({reason})"
                    )));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The entries below which everything is read.
    pub(crate) fn base_dns(&self) -> impl Iterator<Item = &Dn> {
        std::iter::once(&self.options.base).chain(&self.options.feed.further_bases)
    }

    /// How entries are identified: as configured, or by what every entry of this server has. What an earlier import
    /// went by stays in force, because other ids would make other entries of all.
    pub(crate) async fn identification(
        &self,
        connection: &mut Connection,
        earlier: Option<&str>,
    ) -> Result<SourceOptions, DirectoryError> {
        let configured = self.options.object.clone();
        if !self.options.feed.detect_source_id {
            return Ok(configured);
        }
        let base = read_one(connection, &self.base, super::EVERYTHING, KNOWN).await?;
        let has = |name: &str| {
            base.as_ref().is_some_and(|base| base.attributes().any(|(own, _)| own.eq_ignore_ascii_case(name)))
        };
        let found = match earlier {
            Some(source_id) if has(source_id) => Some(source_id),
            Some(source_id) => {
                return Err(DirectoryError::Rights {
                    url: connection.url().to_owned(),
                    reason: format!(
                        "entries were known by {source_id}, and \"{}\" has none now. Grant the account the right to read it, or set \
                         source-id to what is to identify entries from now on",
                        self.base
                    ),
                });
            }
            None => KNOWN.iter().copied().find(|name| has(name)),
        };
        match found {
            Some(name) => Ok(SourceOptions { source_id_attribute: AttributeName::from(name), ..configured }),
            None => Err(DirectoryError::Rights {
                url: connection.url().to_owned(),
                reason: format!(
                    "\"{}\" has none of {}. Grant the account the right to read one of them, or set source-id to the attribute that \
                     names every entry and never changes",
                    self.base,
                    KNOWN.join(", ")
                ),
            }),
        }
    }
}
