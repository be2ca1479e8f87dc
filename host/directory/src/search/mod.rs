//! Searches, for every kind of LDAP directory: a few entries, whole subtrees by pages, the messages they come in, and the schema.

pub(crate) mod controls;
pub(crate) mod few;
pub(crate) mod message;
pub(crate) mod paged;
pub(crate) mod schema;

/// The filter that every entry meets.
pub(crate) const EVERYTHING: &str = "(objectClass=*)";
