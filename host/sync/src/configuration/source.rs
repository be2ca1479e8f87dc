//! `[source]`: the directory that is read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use provisor_directory::{ActiveDirectoryOptions, ChangeReading, Feed, LdapKind, validate_filter};
use provisor_model::{AttributeName, Dn, ObjectClasses};

use super::active_directory::{self, ActiveDirectorySource};
use super::connection::{self, LdapConnection};
use super::document::{Item, Section};
use super::error::ConfigurationError;
use super::suggestion;

/// The kinds of directory, as `source.kind` names them.
const KINDS: &[&str] = &["active-directory", "openldap", "ldap", "ldif"];

/// The keys of an LDAP directory.
pub(super) const OPENLDAP_KEYS: &[&str] = &[
    "kind",
    "base",
    "source-id",
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
    "page-size",
    "timeout",
    "changes",
    "filter",
    "further-bases",
    "live",
];

/// What `source.changes` may be.
const CHANGES: &[(&str, ChangeReading)] =
    &[("auto", ChangeReading::Auto), ("sync", ChangeReading::Sync), ("compare", ChangeReading::Compare)];

/// The keys of an LDIF file.
pub(super) const LDIF_KEYS: &[&str] =
    &["kind", "base", "source-id", "anchor", "object-classes", "references-by", "file", "binary"];

/// The keys of one object class.
pub(super) const OBJECT_CLASS_KEYS: &[&str] = &["ldap", "class"];

/// The directory that is read.
#[derive(Clone, Debug)]
pub enum Source {
    /// An LDIF file of content records.
    Ldif(LdifSource),
    /// An LDAP server.
    OpenLdap(Box<OpenLdapSource>),
    /// An Active Directory domain.
    ActiveDirectory(Box<ActiveDirectorySource>),
}

/// An LDIF file.
#[derive(Clone, Debug)]
pub struct LdifSource {
    /// The file.
    pub file: PathBuf,
    /// Only entries at or below this name; all where there is none.
    pub base: Option<Dn>,
    /// Attributes whose values are octets, besides those of the standard schemas.
    pub binary: Vec<AttributeName>,
    /// What identifies an entry.
    pub identity: Identity,
}

/// An LDAP server.
#[derive(Clone, Debug)]
pub struct OpenLdapSource {
    /// Where its servers are, and as whom they are asked.
    pub connection: LdapConnection,
    /// The entry below which all is read.
    pub base: Dn,
    /// Entries asked for at once.
    pub page_size: u32,
    /// What identifies an entry.
    pub identity: Identity,
    /// What sort of directory it is, what is read of it, and how its changes are found.
    pub feed: Feed,
}

/// What identifies an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The attribute that never changes while the entry lives.
    pub source_id: AttributeName,
    /// The attribute by which the target knows it; the source id where there is none.
    pub anchor: Option<AttributeName>,
}

/// Attributes that refer to entries by a value, each with the attribute that has the value there.
pub(super) type ReferencesBy = BTreeMap<AttributeName, AttributeName>;

/// Reads `[source]`, the object classes in it, and how references by value are followed.
pub(super) fn read(root: &Section<'_>) -> Result<(Source, ObjectClasses, ReferencesBy), ConfigurationError> {
    let missing = || {
        root.error("the section [source] is missing. Add it, with kind = \"active-directory\", \"openldap\", \"ldap\" or \"ldif\"")
    };
    let item = root.get("source").ok_or_else(missing)?;
    let section = item.any_section()?;
    let kind = section.require("kind", "\"openldap\"")?;
    let source = match kind.text()? {
        "openldap" => Source::OpenLdap(Box::new(open_ldap(&item.section(OPENLDAP_KEYS)?, LdapKind::OpenLdap)?)),
        "ldap" => Source::OpenLdap(Box::new(open_ldap(&item.section(OPENLDAP_KEYS)?, LdapKind::Any)?)),
        "active-directory" => {
            Source::ActiveDirectory(Box::new(active_directory::read(&item.section(active_directory::KEYS)?)?))
        }
        "ldif" => Source::Ldif(ldif(&item.section(LDIF_KEYS)?)?),
        other => {
            let advice = suggestion::among(other, KINDS);
            return Err(kind.error(format!("is \"{other}\", which is not a kind of directory known here. {advice}")));
        }
    };
    let usual = match source {
        Source::ActiveDirectory(_) => ActiveDirectoryOptions::object_classes(),
        Source::OpenLdap(_) | Source::Ldif(_) => ObjectClasses::default(),
    };
    Ok((source, object_classes(&section, usual)?, references_by(&section)?))
}

/// `references-by = { memberUid = "uid" }`, which is also the default: a posixGroup lists user names (RFC 2307).
fn references_by(section: &Section<'_>) -> Result<ReferencesBy, ConfigurationError> {
    let Some(item) = section.get("references-by") else {
        return Ok(BTreeMap::from([(AttributeName::from("memberUid"), AttributeName::from("uid"))]));
    };
    let mut references_by = BTreeMap::new();
    for (name, by) in item.any_section()?.entries() {
        references_by.insert(checked_name(name, &by)?, attribute_name(&by)?);
    }
    Ok(references_by)
}

fn open_ldap(section: &Section<'_>, kind: LdapKind) -> Result<OpenLdapSource, ConfigurationError> {
    let connection = connection::read(section, connection::METHODS)?;
    if let Some(item) = section.get("bind-dn") {
        item.parsed::<Dn>()?;
    }
    let base: Dn = section.require("base", "\"dc=example,dc=com\"")?.parsed()?;
    Ok(OpenLdapSource {
        connection,
        feed: feed(section, kind, &base)?,
        base,
        page_size: page_size(section, 500)?,
        identity: identity(section)?,
    })
}

/// What is read of an LDAP directory, and how its changes are found.
fn feed(section: &Section<'_>, kind: LdapKind, base: &Dn) -> Result<Feed, ConfigurationError> {
    let changes = section.get("changes").map_or(Ok(ChangeReading::Auto), |item| item.word(CHANGES))?;
    let filter = match section.get("filter") {
        None => None,
        Some(item) => {
            let filter = item.filled_text()?;
            validate_filter(filter).map_err(|reason| item.error(format!("is wrong: {reason}")))?;
            Some(filter.to_owned())
        }
    };
    let mut further_bases: Vec<Dn> = Vec::new();
    for item in section.get("further-bases").map(|item| item.list()).transpose()?.unwrap_or_default() {
        let further: Dn = item.parsed()?;
        let nested =
            further_bases.iter().chain([base]).find(|other| further.is_within(other) || other.is_within(&further));
        if let Some(other) = nested {
            return Err(item.error(format!(
                "is \"{further}\", and \"{other}\" is read as well: one holds the other. Name the upper one alone"
            )));
        }
        further_bases.push(further);
    }
    let live = section.get("live").map_or(Ok(false), |item| item.boolean())?;
    let detect_source_id = kind == LdapKind::Any && section.get("source-id").is_none();
    Ok(Feed { kind, changes, filter, further_bases, detect_source_id, live })
}

fn ldif(section: &Section<'_>) -> Result<LdifSource, ConfigurationError> {
    let binary = section.get("binary").map(|item| item.list()).transpose()?.unwrap_or_default();
    Ok(LdifSource {
        file: section.require("file", "\"people.ldif\"")?.path()?,
        base: section.get("base").map(|item| item.parsed()).transpose()?,
        binary: binary.iter().map(attribute_name).collect::<Result<_, _>>()?,
        identity: identity(section)?,
    })
}

/// `page-size`: how many entries are asked for at once.
pub(super) fn page_size(section: &Section<'_>, usual: u64) -> Result<u32, ConfigurationError> {
    section.get("page-size").map_or(Ok(usual), |item| item.integer(1, 1_000)).map(small)
}

/// A number that [`Item::integer`] has found to fit.
fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn identity(section: &Section<'_>) -> Result<Identity, ConfigurationError> {
    let source_id = section.get("source-id").map(|item| attribute_name(&item)).transpose()?;
    let anchor = section.get("anchor").map(|item| attribute_name(&item)).transpose()?;
    Ok(Identity { source_id: source_id.unwrap_or_else(|| AttributeName::from("entryUUID")), anchor })
}

/// The name or OID of an attribute (RFC 4512, section 2.5), with options.
pub(super) fn attribute_name(item: &Item<'_>) -> Result<AttributeName, ConfigurationError> {
    checked_name(item.filled_text()?, item)
}

fn checked_name(text: &str, item: &Item<'_>) -> Result<AttributeName, ConfigurationError> {
    let is_name = text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.len() <= 256
        && text
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | ';' | '_'));
    if is_name {
        Ok(AttributeName::from(text))
    } else {
        Err(item.error(format!("is \"{text}\", which is no attribute name")))
    }
}

/// `object-classes = [{ ldap = "inetOrgPerson", class = "user" }]`: a list, because the first that fits wins.
fn object_classes(section: &Section<'_>, usual: ObjectClasses) -> Result<ObjectClasses, ConfigurationError> {
    let Some(item) = section.get("object-classes") else { return Ok(usual) };
    let mut pairs = Vec::new();
    for class in item.list()? {
        let section = class.section(OBJECT_CLASS_KEYS)?;
        let ldap = attribute_name(&section.require("ldap", "\"inetOrgPerson\"")?)?;
        let word = section.require("class", "\"user\"")?;
        pairs.push((ldap.as_str().to_owned(), word.filled_text()?.to_owned()));
    }
    if pairs.is_empty() {
        Err(item.error("is empty. List a class, or take the line out"))
    } else {
        Ok(ObjectClasses::new(pairs))
    }
}
