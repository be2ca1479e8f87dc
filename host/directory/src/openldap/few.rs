//! Small searches, whose few results are wanted at once: single entries, the root DSE.

use ldap3::Scope;

use super::EVERYTHING;
use super::message::{self, Message};
use crate::connection::{Connection, Search, result_error};
use crate::error::DirectoryError;
use crate::reading::{RawAttribute, RawEntry};

/// A search for a few entries.
pub(crate) struct FewSearch<'a> {
    pub base: &'a str,
    pub scope: Scope,
    pub filter: &'a str,
    pub attributes: &'a [String],
    /// How many are wanted; more are left where they are.
    pub limit: usize,
}

impl FewSearch<'_> {
    /// Makes the search.
    pub async fn run(self, connection: &mut Connection) -> Result<Vec<RawEntry>, DirectoryError> {
        let Self { base, scope, filter, attributes, limit } = self;
        let size_limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let search = Search { base, scope, filter, attributes, controls: Vec::new(), size_limit };
        let mut results = connection.search(search).await?;
        let mut found = Vec::new();
        while let Some(message) = results.next().await? {
            let message = message::read(message).map_err(|error| malformed(connection.url(), &error))?;
            if let Message::Entry(entry, _) = message {
                // A server that pays no heed to the size limit could go on for ever.
                if found.len() >= limit {
                    return Ok(found);
                }
                found.push(entry);
            }
        }
        let result = results.finish().await;
        match result.rc {
            0 => Ok(found),
            // The limit that was asked for.
            4 if found.len() >= limit => Ok(found),
            _ => Err(result_error(connection.url(), "a search", base, &result)),
        }
    }
}

/// The one entry of this name.
pub(crate) async fn read_one(
    connection: &mut Connection,
    dn: &str,
    filter: &str,
    attributes: &[&str],
) -> Result<Option<RawEntry>, DirectoryError> {
    let attributes: Vec<String> = attributes.iter().map(|name| (*name).to_owned()).collect();
    let search = FewSearch { base: dn, scope: Scope::Base, filter, attributes: &attributes, limit: 1 };
    Ok(search.run(connection).await?.into_iter().next())
}

/// The values of an attribute, as text.
pub(crate) fn texts<'a>(entry: &'a RawEntry, name: &str) -> impl Iterator<Item = &'a str> {
    let same = |attribute: &&RawAttribute| attribute.name.eq_ignore_ascii_case(name);
    let attribute = entry.attributes.iter().find(same);
    attribute.into_iter().flat_map(|attribute| &attribute.values).filter_map(|value| std::str::from_utf8(value).ok())
}

/// What a message that cannot be read means.
pub(crate) fn malformed(url: &str, error: &message::MessageError) -> DirectoryError {
    DirectoryError::Protocol { url: url.to_owned(), reason: error.to_string() }
}

/// What the server says of itself (RFC 4512, section 5.1).
#[derive(Debug)]
pub(crate) struct RootDse {
    /// Whether changes can be asked for.
    pub synchronises: bool,
    /// Whether results come in pages.
    pub pages: bool,
    /// The suffixes of its databases.
    contexts: Vec<String>,
}

impl RootDse {
    /// Reads it. A server that hides it from the account is one that announces nothing.
    pub async fn read(connection: &mut Connection) -> Result<Self, DirectoryError> {
        let entry = read_one(connection, "", EVERYTHING, &["supportedControl", "namingContexts"]).await;
        let entry = match entry {
            Ok(entry) => entry,
            Err(DirectoryError::NoSuchBase { .. } | DirectoryError::Rights { .. }) => None,
            Err(error) => return Err(error),
        };
        let announces =
            |oid| entry.as_ref().is_some_and(|entry| texts(entry, "supportedControl").any(|own| own == oid));
        Ok(Self {
            synchronises: announces(super::controls::SYNC_REQUEST),
            pages: announces(super::controls::PAGED_RESULTS),
            contexts: entry.iter().flat_map(|entry| texts(entry, "namingContexts")).map(str::to_owned).collect(),
        })
    }

    /// The suffix of the database that keeps the base: the longest that holds it.
    pub fn suffix(&self, base: &provisor_model::Dn) -> Option<&str> {
        let holding = self.contexts.iter().filter_map(|text| {
            let suffix: provisor_model::Dn = text.parse().ok()?;
            base.is_within(&suffix).then_some((suffix.rdns().len(), text.as_str()))
        });
        holding.max_by_key(|(length, _)| *length).map(|(_, text)| text)
    }
}
