//! The options of an OpenLDAP source, and what they must not be.

use provisor_model::Dn;

use crate::connection::{ConnectionOptions, Endpoint};
use crate::error::DirectoryError;
use crate::import::PAGE_ITEMS;
use crate::options::SourceOptions;

/// What sort of LDAP directory it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LdapKind {
    /// OpenLDAP's slapd.
    #[default]
    OpenLdap,
    /// Any directory, whose ways are found out by what it announces.
    Any,
}

/// How changes are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ChangeReading {
    /// As the server allows.
    #[default]
    Auto,
    /// By content synchronisation (RFC 4533) alone.
    Sync,
    /// By comparing what is there with what was there.
    Compare,
}

/// What is read of a directory, and how its changes are found.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    /// What sort of directory it is.
    pub kind: LdapKind,
    /// How changes are to be read.
    pub changes: ChangeReading,
    /// Only entries that meet this filter (RFC 4515) are read, besides the containers they are in.
    pub filter: Option<String>,
    /// Further entries below which everything is read.
    pub further_bases: Vec<Dn>,
    /// Find out by which attribute the directory names its entries for ever, instead of taking the one that is set.
    pub detect_source_id: bool,
    /// Whether changes are to be announced by the server as they happen.
    pub live: bool,
}

impl Feed {
    /// Finds what cannot be meant so.
    fn validate(&self, base: &Dn) -> Result<(), DirectoryError> {
        if let Some(filter) = &self.filter {
            validate_filter(filter).map_err(DirectoryError::Configuration)?;
        }
        let mut bases = vec![base];
        for further in &self.further_bases {
            if let Some(other) = bases.iter().find(|other| further.is_within(other) || other.is_within(further)) {
                return Err(DirectoryError::Configuration(format!(
                    "further-bases has \"{further}\", and \"{other}\" is read as well: one holds the other. Name the upper one \
                     alone"
                )));
            }
            bases.push(further);
        }
        Ok(())
    }
}

/// Whether a text is a search filter (RFC 4515).
///
/// # Errors
/// In words that say what to do.
pub fn validate_filter(filter: &str) -> Result<(), String> {
    if filter.len() > 8192 {
        return Err("The filter has more than 8,192 characters".into());
    }
    if !filter.starts_with('(') || ldap3::parse_filter(filter).is_err() {
        return Err(format!(
            "\"{}\" is no LDAP filter. It is written like (&(objectClass=inetOrgPerson)(employeeType=staff)), every part in \
             parentheses",
            filter.chars().take(200).collect::<String>()
        ));
    }
    Ok(())
}

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
    /// What is read, and how changes are found.
    pub feed: Feed,
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
        self.feed.validate(&self.base)?;
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
            feed: Feed::default(),
        };
        assert!(options().endpoint().is_ok());
        assert!(OpenLdapOptions { page_size: 0, ..options() }.endpoint().is_err());
        assert!(OpenLdapOptions { page_size: 1001, ..options() }.endpoint().is_err());
        let further = |base: &str| Feed { further_bases: vec![base.parse().unwrap()], ..Feed::default() };
        for base in ["ou=people,dc=example", "dc=example", "DC=Example"] {
            assert!(OpenLdapOptions { feed: further(base), ..options() }.endpoint().is_err(), "{base}");
        }
        assert!(OpenLdapOptions { feed: further("dc=elsewhere"), ..options() }.endpoint().is_ok());
    }

    #[test]
    fn a_filter_is_found_to_be_none_before_it_is_sent() {
        for filter in ["(uid=a*)", "(&(objectClass=person)(!(employeeType=guest)))", "(cn:caseExactMatch:=A)"] {
            assert_eq!(validate_filter(filter), Ok(()), "{filter}");
        }
        for filter in ["", "uid=a", "(uid=a", "(uid=a))", "(&(uid=a)", "(uid)", "()"] {
            assert!(validate_filter(filter).is_err(), "{filter}");
        }
    }
}
