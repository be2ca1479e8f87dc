//! `[source]` of kind "active-directory": a domain, its controllers, and how they are read.

use std::time::Duration;

use provisor_directory::{ActiveDirectoryOptions, DomainChanges};
use provisor_model::Dn;
use url::Url;

use super::connection::{self, LdapConnection};
use super::document::Section;
use super::error::ConfigurationError;
use super::source::{Identity, attribute_name, page_size};

/// The keys of an Active Directory domain.
pub(super) const KEYS: &[&str] = &[
    "kind",
    "base",
    "anchor",
    "object-classes",
    "references-by",
    "url",
    "start-tls",
    "ca",
    "client-certificate",
    "client-key",
    "bind",
    "bind-dn",
    "password",
    "keytab",
    "principal",
    "page-size",
    "timeout",
    "changes",
    "listing",
    "nested-groups",
];

/// What `source.changes` may be.
const CHANGES: &[(&str, DomainChanges)] = &[
    ("auto", DomainChanges::Auto),
    ("dirsync", DomainChanges::DirSync),
    ("change-numbers", DomainChanges::ChangeNumbers),
];

/// What `source.nested-groups` may be.
const NESTED: &[(&str, NestedGroups)] = &[("as-is", NestedGroups::AsIs), ("flat", NestedGroups::Flat)];

/// What becomes of groups within groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum NestedGroups {
    /// A group within a group is a member of it.
    #[default]
    AsIs,
    /// The members of a group within a group are members of the outer one, which has no groups as members.
    Flat,
}

/// The ports of the global catalog, which has many domains' objects, of each only some attributes, and tells no changes.
const GLOBAL_CATALOG: [u16; 2] = [3268, 3269];

/// An Active Directory domain.
#[derive(Clone, Debug)]
pub struct ActiveDirectorySource {
    /// Where its controllers are, in the order of preference, and as whom they are asked.
    pub connection: LdapConnection,
    /// The domain's name; none for the one that the controllers keep.
    pub base: Option<Dn>,
    /// Entries asked for at once.
    pub page_size: u32,
    /// What identifies an entry.
    pub identity: Identity,
    /// How changes are read.
    pub changes: DomainChanges,
    /// How often all that is there is listed where the controllers do not tell of deletions.
    pub listing: Duration,
    /// What becomes of groups within groups.
    pub nested_groups: NestedGroups,
}

/// Reads the section.
pub(super) fn read(section: &Section<'_>) -> Result<ActiveDirectorySource, ConfigurationError> {
    let usual = ActiveDirectoryOptions::object();
    let anchor = section.get("anchor").map(|item| attribute_name(&item)).transpose()?;
    let (second, day) = (Duration::from_secs(1), Duration::from_secs(86_400));
    let listing = section.get("listing").map(|item| item.duration(second, day)).transpose()?;
    let connection = connection::read(section, connection::DOMAIN_METHODS)?;
    refuse_global_catalog(section)?;
    Ok(ActiveDirectorySource {
        connection,
        base: section.get("base").map(|item| item.parsed()).transpose()?,
        page_size: page_size(section, 1_000)?,
        identity: Identity { source_id: usual.source_id_attribute, anchor: anchor.or(usual.anchor_attribute) },
        changes: section.get("changes").map_or(Ok(DomainChanges::Auto), |item| item.word(CHANGES))?,
        listing: listing.unwrap_or(ActiveDirectoryOptions::LISTING),
        nested_groups: section.get("nested-groups").map_or(Ok(NestedGroups::AsIs), |item| item.word(NESTED))?,
    })
}

/// A `url` that names the global catalog: what is missing there would be taken from every resource.
fn refuse_global_catalog(section: &Section<'_>) -> Result<(), ConfigurationError> {
    for item in connection::url_items(section)? {
        let port = Url::parse(item.filled_text()?).ok().and_then(|url| url.port());
        if let Some(port) = port.filter(|port| GLOBAL_CATALOG.contains(port)) {
            return Err(item.error(format!(
                "has port {port}, the global catalog's, which has only a part of the attributes. Use port 636 (ldaps://) or 389 \
                 (ldap:// with start-tls = true), or leave the port out"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::super::document::Document;
    use super::*;

    /// Reads a document with these lines under `[source]`.
    fn source(folder: &Path, lines: &str) -> Result<ActiveDirectorySource, ConfigurationError> {
        let file = folder.join("corp.toml");
        fs::write(&file, format!("[source]\nkind = \"active-directory\"\n{lines}")).unwrap();
        let document = Document::read(&file)?;
        let table = document.parse()?;
        read(&document.root(&table, &["source"])?.required_section("source", KEYS)?)
    }

    const SIMPLE: &str = "bind-dn = \"sync@corp.example\"\npassword = { file = \"corp.password\" }\n";
    const KERBEROS: &str = "bind = \"kerberos\"\nprincipal = \"sync@CORP.EXAMPLE\"\nkeytab = \"corp.keytab\"\n";

    #[test]
    fn a_url_of_the_global_catalog_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let with = |url: &str| source(folder.path(), &format!("url = {url}\n{SIMPLE}"));
        for url in
            ["\"ldaps://dc1.corp.example\"", "\"ldaps://dc1.corp.example:636\"", "\"ldaps://dc1.corp.example:3636\""]
        {
            assert!(with(url).is_ok(), "{url}");
        }
        let alone = with("\"ldaps://dc1.corp.example:3269\"").unwrap_err();
        assert!(alone.message().starts_with("source.url has port 3269, the global catalog's"), "{alone}");
        assert_eq!(alone.line_and_column(), Some((3, 7)));
        let second = with("[\"ldaps://dc1.corp.example\", \"ldaps://dc2.corp.example:3269\"]").unwrap_err();
        assert!(second.message().starts_with("source.url[1] has port 3269"), "{second}");
        let plain = with("\"ldap://dc1.corp.example:3268\"\nstart-tls = true").unwrap_err();
        assert!(plain.message().contains("389"), "{plain}");
    }

    #[test]
    fn plain_ldap_is_refused_with_what_it_would_show() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |account: &str| {
            source(folder.path(), &format!("url = \"ldap://dc1.corp.example\"\n{account}"))
                .unwrap_err()
                .message()
                .to_owned()
        };
        assert!(refused(SIMPLE).contains("show the password"));
        let by_ticket = refused(KERBEROS);
        assert!(by_ticket.contains("show what is read") && !by_ticket.contains("password"), "{by_ticket}");
    }

    #[test]
    fn a_keytab_must_be_ours_alone() {
        let folder = tempfile::tempdir().unwrap();
        let source = source(folder.path(), &format!("url = \"ldaps://dc1.corp.example\"\n{KERBEROS}")).unwrap();
        let keytab = folder.path().join("corp.keytab");
        let missing = source.connection.options().unwrap_err();
        let shown = keytab.display();
        assert!(
            missing.message().starts_with(&format!("source.keytab: the file {shown} cannot be opened")),
            "{missing}"
        );
        fs::write(&keytab, "keys").unwrap();
        for mode in [0o644, 0o640, 0o604] {
            fs::set_permissions(&keytab, fs::Permissions::from_mode(mode)).unwrap();
            let error = source.connection.options().unwrap_err();
            let told = format!("may be read by others (mode {mode:04o}). Run: chmod 600 {shown}");
            assert!(error.message().ends_with(&told), "{error}");
            assert_eq!(error.line_and_column(), Some((6, 10)));
        }
        for mode in [0o600, 0o400] {
            fs::set_permissions(&keytab, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(source.connection.options().unwrap().keytab, Some(keytab.clone()));
        }
    }
}
