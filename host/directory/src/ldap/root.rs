//! The root DSE: what a server says of itself (RFC 4512, section 5.1).

use crate::connection::Connection;
use crate::error::DirectoryError;
use crate::search::EVERYTHING;
use crate::search::controls;
use crate::search::few::{read_one, texts};

/// What the server says of itself.
#[derive(Debug)]
pub(crate) struct RootDse {
    /// Whether it announces content synchronisation (RFC 4533).
    pub synchronises: bool,
    /// Whether results come in pages.
    pub pages: bool,
    /// Whether it is OpenLDAP's slapd.
    pub open_ldap: bool,
    /// The suffixes of its databases.
    contexts: Vec<String>,
}

impl RootDse {
    /// Reads it. A server that hides it from the account is one that announces nothing.
    pub async fn read(connection: &mut Connection) -> Result<Self, DirectoryError> {
        let entry = read_one(connection, "", EVERYTHING, &["objectClass", "supportedControl", "namingContexts"]).await;
        let entry = match entry {
            Ok(entry) => entry,
            Err(DirectoryError::NoSuchBase { .. } | DirectoryError::Rights { .. }) => None,
            Err(error) => return Err(error),
        };
        let has = |attribute, value: &str| {
            entry.as_ref().is_some_and(|entry| texts(entry, attribute).any(|own| own.eq_ignore_ascii_case(value)))
        };
        Ok(Self {
            synchronises: has("supportedControl", controls::SYNC_REQUEST),
            pages: has("supportedControl", controls::PAGED_RESULTS),
            open_ldap: has("objectClass", "OpenLDAProotDSE"),
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
