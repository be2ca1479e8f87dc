//! The options of an OpenLDAP source, and what they must not be.

use provisor_model::{AttributeName, Dn};

use crate::connection::{ConnectionOptions, Endpoint};
use crate::error::DirectoryError;
use crate::import::PAGE_ITEMS;
use crate::options::{ENTRY_UUID, SourceOptions};

/// Where an OpenLDAP server is, and how it is read.
#[derive(Clone, Debug)]
pub struct OpenLdapOptions {
    /// Where its servers are, and as whom they are asked.
    pub connection: ConnectionOptions,
    /// The entry below which everything is read.
    pub base: Dn,
    /// How many entries are asked for at once, from 1 to 1,000.
    pub page_size: u32,
    /// How entries are identified and classified.
    pub object: SourceOptions,
}

impl OpenLdapOptions {
    /// The page size where none is configured.
    pub const PAGE_SIZE: u32 = 500;

    /// Where to connect, once all is found to be in order.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, DirectoryError> {
        let wrong = |reason: String| Err(DirectoryError::Configuration(reason));
        if !(1..=PAGE_ITEMS).contains(&usize::try_from(self.page_size).unwrap_or(usize::MAX)) {
            return wrong(format!("page-size is {}; it must be from 1 to {PAGE_ITEMS}", self.page_size));
        }
        if self.object.source_id_attribute != AttributeName::from(ENTRY_UUID) {
            return wrong(format!(
                "source-id-attribute is {}; an OpenLDAP server tells its changes by {ENTRY_UUID} only",
                self.object.source_id_attribute
            ));
        }
        self.connection.endpoint()
    }
}

#[cfg(test)]
mod tests {
    use provisor_model::Secret;

    use super::*;

    #[test]
    fn options_that_cannot_be_meant_so_are_refused() {
        let options = || OpenLdapOptions {
            connection: ConnectionOptions::simple("ldaps://ldap.example", "cn=sync", Secret::new("secret")),
            base: "dc=example".parse().unwrap(),
            page_size: OpenLdapOptions::PAGE_SIZE,
            object: SourceOptions::default(),
        };
        assert!(options().endpoint().is_ok());
        assert!(OpenLdapOptions { page_size: 0, ..options() }.endpoint().is_err());
        assert!(OpenLdapOptions { page_size: 1001, ..options() }.endpoint().is_err());
        let object = SourceOptions { source_id_attribute: "uid".into(), ..SourceOptions::default() };
        assert!(OpenLdapOptions { object, ..options() }.endpoint().is_err());
    }
}
