//! The options of an Active Directory source, and what they must not be.

use std::time::Duration;

use provisor_model::{AttributeName, Dn, ObjectClasses};

use crate::connection::{BindMethod, ConnectionOptions, Endpoint};
use crate::error::DirectoryError;
use crate::identity::{CONSISTENCY_GUID, OBJECT_GUID};
use crate::import::PAGE_ITEMS;
use crate::options::SourceOptions;

/// How changes are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DomainChanges {
    /// By DirSync where the account may, otherwise by change numbers.
    #[default]
    Auto,
    /// By DirSync alone.
    DirSync,
    /// By change numbers (uSNChanged).
    ChangeNumbers,
}

/// The ports of the global catalog: it has many domains' objects, of each only some attributes, and tells no changes.
const GLOBAL_CATALOG: [u16; 2] = [3268, 3269];

/// Where a domain's controllers are, and how they are read.
#[derive(Clone, Debug)]
pub struct ActiveDirectoryOptions {
    /// The domain controllers, in the order in which they are preferred, and as whom they are asked.
    pub connection: ConnectionOptions,
    /// The domain; none for the one that the controllers keep.
    pub base: Option<Dn>,
    /// How many entries are asked for at once where pages are asked for, from 1 to 1,000.
    pub page_size: u32,
    /// How entries are identified and classified.
    pub object: SourceOptions,
    /// How changes are to be read.
    pub changes: DomainChanges,
    /// How often all that is there is listed where the controller does not tell of deletions.
    pub listing: Duration,
}

impl ActiveDirectoryOptions {
    /// How often all is listed where nothing is configured.
    pub const LISTING: Duration = Duration::from_secs(600);

    /// How entries are identified and classified where nothing is configured: by objectGUID; to the target by
    /// mS-DS-ConsistencyGuid, else objectGUID.
    pub fn object() -> SourceOptions {
        SourceOptions {
            object_classes: Self::object_classes(),
            source_id_attribute: AttributeName::from(OBJECT_GUID),
            anchor_attribute: Some(AttributeName::from(CONSISTENCY_GUID)),
        }
    }

    /// Which `objectClass` values make an entry what. To the directory a computer is a user too, and a managed service
    /// account is a computer.
    pub fn object_classes() -> ObjectClasses {
        let pairs = [
            ("msDS-GroupManagedServiceAccount", "managed-service-account"),
            ("msDS-ManagedServiceAccount", "managed-service-account"),
            ("computer", "device"),
            ("user", "user"),
            ("inetOrgPerson", "user"),
            ("group", "group"),
            ("contact", "contact"),
            ("organizationalUnit", "organizational-unit"),
        ];
        ObjectClasses::new(pairs.map(|(class, word)| (class.to_owned(), word.to_owned())))
    }

    /// Where to connect, once all is found to be in order.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, DirectoryError> {
        let wrong = |reason: String| Err(DirectoryError::Configuration(reason));
        if !(1..=PAGE_ITEMS).contains(&usize::try_from(self.page_size).unwrap_or(usize::MAX)) {
            return wrong(format!("page-size is {}; it must be from 1 to {PAGE_ITEMS}", self.page_size));
        }
        let endpoint = self.connection.endpoint()?;
        if let Some(server) = endpoint.servers.iter().find(|server| server.is_at_port(GLOBAL_CATALOG)) {
            return wrong(format!(
                "{} is a port of the global catalog, which has only a part of the attributes. Use port 636 (ldaps://) or 389 \
                 (ldap:// with start-tls = true), or leave the port out",
                server.url
            ));
        }
        let plain = endpoint.servers.iter().find(|server| !server.is_secure());
        if let Some(server) = plain.filter(|_| self.connection.bind == BindMethod::Simple) {
            return wrong(format!(
                "{} is plain ldap, over which domain controllers take no password. Use ldaps://, or add start-tls = true",
                server.url
            ));
        }
        Ok(endpoint)
    }
}

#[cfg(test)]
mod tests {
    use provisor_model::Secret;

    use super::*;

    fn options(url: &str) -> ActiveDirectoryOptions {
        ActiveDirectoryOptions {
            connection: ConnectionOptions::simple(url, "sync@corp.example", Secret::new("secret")),
            base: None,
            page_size: 1000,
            object: ActiveDirectoryOptions::object(),
            changes: DomainChanges::Auto,
            listing: ActiveDirectoryOptions::LISTING,
        }
    }

    #[test]
    fn the_global_catalog_is_not_read() {
        for url in ["ldaps://dc1.corp.example", "ldaps://dc1.corp.example:636", "ldaps://dc1.corp.example:33269"] {
            assert!(options(url).endpoint().is_ok(), "{url}");
        }
        let start_tls = |port: u16| {
            let mut options = options(&format!("ldap://dc1.corp.example:{port}"));
            options.connection.start_tls = true;
            options
        };
        assert!(start_tls(389).endpoint().is_ok());
        let mut second = options("ldaps://dc1.corp.example");
        second.connection.urls.push("ldaps://dc2.corp.example:3269".into());
        for wrong in [options("ldaps://dc1.corp.example:3269"), start_tls(3268), second] {
            let error = wrong.endpoint().unwrap_err().to_string();
            assert!(error.contains("global catalog") && error.contains("636"), "{error}");
        }
    }
}
