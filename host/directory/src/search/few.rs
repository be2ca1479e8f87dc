//! Small searches, whose few results are wanted at once: single entries, and entries by their ids.

use ldap3::Scope;
use ldap3::controls::RawControl;

use super::message::{self, Message, WireEntry};
use super::paged::manage_dsa_it;
use crate::connection::{Connection, Search, result_error};
use crate::error::DirectoryError;
use crate::reading::Raw;

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
    pub async fn run(self, connection: &mut Connection) -> Result<Vec<WireEntry>, DirectoryError> {
        self.run_with(connection, vec![manage_dsa_it()]).await
    }

    /// Makes the search with these controls.
    pub async fn run_with(
        self,
        connection: &mut Connection,
        controls: Vec<RawControl>,
    ) -> Result<Vec<WireEntry>, DirectoryError> {
        let Self { base, scope, filter, attributes, limit } = self;
        let size_limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let search = Search { base, scope, filter, attributes, controls, size_limit };
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
) -> Result<Option<WireEntry>, DirectoryError> {
    let attributes: Vec<String> = attributes.iter().map(|name| (*name).to_owned()).collect();
    let search = FewSearch { base: dn, scope: Scope::Base, filter, attributes: &attributes, limit: 1 };
    Ok(search.run(connection).await?.into_iter().next())
}

/// The values of an attribute, as text.
pub(crate) fn texts<'a>(entry: &'a impl Raw, name: &str) -> impl Iterator<Item = &'a str> {
    let attribute = entry.attributes().find(|(own, _)| own.eq_ignore_ascii_case(name));
    attribute.into_iter().flat_map(|(_, values)| values).filter_map(|value| std::str::from_utf8(value).ok())
}

/// What a message that cannot be read means.
pub(crate) fn malformed(url: &str, error: &message::MessageError) -> DirectoryError {
    DirectoryError::Protocol { url: url.to_owned(), reason: error.to_string() }
}
