//! `[source]`: the directory that is read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use provisor_directory::{BindMethod, ChangeReading, ClientIdentity, Feed, LdapKind, validate_filter};
use provisor_model::{AttributeName, Dn, ObjectClasses};

use super::document::{Item, Section};
use super::error::ConfigurationError;
use super::secret::SecretSource;
use super::{address, suggestion};

/// The kinds of directory, as `source.kind` names them.
const KINDS: &[&str] = &["openldap", "ldap", "ldif"];

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

/// What `source.bind` may be.
const BIND_METHODS: &[(&str, BindMethod)] =
    &[("simple", BindMethod::Simple), ("external", BindMethod::External), ("anonymous", BindMethod::Anonymous)];

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
    /// The servers that keep the directory, in the order in which they are tried: `ldaps://host:port`,
    /// `ldap://host:port` or `ldapi:///path/of/socket`; at least one.
    pub urls: Vec<String>,
    /// Whether a plain connection is turned into a protected one before anything is sent.
    pub start_tls: bool,
    /// A PEM file with the authorities to trust, in place of the machine's own.
    pub ca: Option<PathBuf>,
    /// What this host shows where a server asks for a certificate.
    pub client_identity: Option<ClientIdentity>,
    /// The entry below which all is read.
    pub base: Dn,
    /// How this host says who it is.
    pub bind: BindMethod,
    /// Who reads; none where the bind needs no name.
    pub bind_dn: Option<Dn>,
    /// Its password; none where the bind needs none.
    pub password: Option<SecretSource>,
    /// Entries asked for at once.
    pub page_size: u32,
    /// The longest wait for an answer.
    pub timeout: Duration,
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
    let missing =
        || root.error("the section [source] is missing. Add it, with kind = \"openldap\", \"ldap\" or \"ldif\"");
    let item = root.get("source").ok_or_else(missing)?;
    let section = item.any_section()?;
    let kind = section.require("kind", "\"openldap\"")?;
    let source = match kind.text()? {
        "openldap" => Source::OpenLdap(Box::new(open_ldap(&item.section(OPENLDAP_KEYS)?, LdapKind::OpenLdap)?)),
        "ldap" => Source::OpenLdap(Box::new(open_ldap(&item.section(OPENLDAP_KEYS)?, LdapKind::Any)?)),
        "ldif" => Source::Ldif(ldif(&item.section(LDIF_KEYS)?)?),
        other => {
            let advice = suggestion::among(other, KINDS);
            return Err(kind.error(format!("is \"{other}\", which is not a kind of directory known here. {advice}")));
        }
    };
    Ok((source, object_classes(&section)?, references_by(&section)?))
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
    let start_tls = section.get("start-tls").map_or(Ok(false), |item| item.boolean())?;
    let urls = server_urls(section, start_tls)?;
    let bind = section.get("bind").map_or(Ok(BindMethod::Simple), |item| item.word(BIND_METHODS))?;
    let (bind_dn, password) = account(section, bind)?;
    let seconds = Duration::from_secs;
    let base: Dn = section.require("base", "\"dc=example,dc=com\"")?.parsed()?;
    Ok(OpenLdapSource {
        urls,
        start_tls,
        ca: section.get("ca").map(|item| item.path()).transpose()?,
        client_identity: client_identity(section)?,
        feed: feed(section, kind, &base)?,
        base,
        bind,
        bind_dn,
        password,
        page_size: section.get("page-size").map_or(Ok(500), |item| item.integer(1, 1_000)).map(small)?,
        timeout: section.get("timeout").map_or(Ok(seconds(30)), |item| item.duration(seconds(1), seconds(600)))?,
        identity: identity(section)?,
    })
}

/// `url`: one server, or several in the order in which they are tried.
fn server_urls(section: &Section<'_>, start_tls: bool) -> Result<Vec<String>, ConfigurationError> {
    let item = section.require("url", "\"ldaps://ldap.example.com\"")?;
    let items = if item.is_text() { vec![item.clone()] } else { item.list()? };
    if items.is_empty() {
        return Err(item.error("is empty. Name a server"));
    }
    items.iter().map(|item| server_url(section, item, start_tls)).collect()
}

fn server_url(section: &Section<'_>, item: &Item<'_>, start_tls: bool) -> Result<String, ConfigurationError> {
    // A socket's path is looked at by whoever connects: what is a host to other URLs may be the path here.
    if item.filled_text()?.starts_with("ldapi:") {
        return Ok(item.filled_text()?.to_owned());
    }
    let url = address::server(item, &["ldap", "ldaps"], "ldaps://ldap.example.com")?;
    if !matches!(url.path(), "" | "/") {
        return Err(item.error("has a path behind the host. Put the base into \"base\" and leave host and port here"));
    }
    if let Some(item) = section.get("start-tls").filter(|_| start_tls && url.scheme() == "ldaps") {
        return Err(item.error("is for ldap:// only: ldaps:// is protected from the start. Take the line out"));
    }
    if url.scheme() == "ldap" && !start_tls && !address::is_loopback(&url) {
        return Err(item.error(
            "is plain ldap, which would show the password to the network. Use ldaps://, or add start-tls = true",
        ));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// `bind-dn` and `password`: both for a simple bind, neither for the others.
fn account(section: &Section<'_>, bind: BindMethod) -> Result<(Option<Dn>, Option<SecretSource>), ConfigurationError> {
    if bind == BindMethod::Simple {
        let dn = section.require("bind-dn", "\"cn=sync,ou=svc,dc=example,dc=com\"")?.parsed()?;
        let password = section.require("password", "{ file = \"ldap.password\" }")?;
        return Ok((Some(dn), Some(SecretSource::of(&password, "source.password")?)));
    }
    match section.get("bind-dn").or_else(|| section.get("password")) {
        Some(item) => Err(item.error("is for bind = \"simple\" only. Take the line out")),
        None => Ok((None, None)),
    }
}

/// `client-certificate` and `client-key`: both or neither.
fn client_identity(section: &Section<'_>) -> Result<Option<ClientIdentity>, ConfigurationError> {
    match (section.get("client-certificate"), section.get("client-key")) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            Ok(Some(ClientIdentity { certificate: certificate.path()?, key: key.path()? }))
        }
        (Some(item), None) => {
            Err(item.error("needs client-key beside it: the file with the certificate's private key"))
        }
        (None, Some(item)) => {
            Err(item.error("needs client-certificate beside it: the file with the key's certificate"))
        }
    }
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
fn attribute_name(item: &Item<'_>) -> Result<AttributeName, ConfigurationError> {
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
fn object_classes(section: &Section<'_>) -> Result<ObjectClasses, ConfigurationError> {
    let Some(item) = section.get("object-classes") else { return Ok(ObjectClasses::default()) };
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
