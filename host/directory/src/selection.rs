//! Which attributes are read: what was asked for by name, and never a password.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use provisor_model::{AttributeName, Schema};

use crate::error::DirectoryError;
use crate::options::SourceOptions;

/// Attributes that hold passwords, their hashes or private keys. They are never read, whoever asks.
const SECRETS: &[&str] = &[
    "authPassword",
    "currentPassword",
    "dBCSPwd",
    "goSSHPrivateKey",
    "ipaNTHash",
    "krbPrincipalKey",
    "krbPwdHistory",
    "lmPwdHistory",
    "msDS-ManagedPassword",
    "ms-Mcs-AdmPwd",
    "ntPwdHistory",
    "oathSecret",
    "olcRootPW",
    "pwdHistory",
    "radiusTunnelPassword",
    "sambaClearTextPassword",
    "sambaLMPassword",
    "sambaNTPassword",
    "sambaPasswordHistory",
    "sambaPreviousClearTextPassword",
    "supplementalCredentials",
    "totpSecret",
    "unicodePwd",
    "userPKCS12",
    "userPassword",
];

/// The same by the OIDs of those that have one, for what has no schema to tell their names.
const SECRET_OIDS: &[&str] = &[
    "1.2.840.113556.1.4.55",
    "1.2.840.113556.1.4.90",
    "1.2.840.113556.1.4.94",
    "1.2.840.113556.1.4.125",
    "1.2.840.113556.1.4.160",
    "1.3.6.1.4.1.42.2.27.8.1.20",
    "1.3.6.1.4.1.4203.1.3.4",
    "2.16.840.1.113730.3.1.216",
    "2.5.4.35",
];

/// Whether an attribute of this name, without options, holds passwords or keys.
fn is_secret(name: &str) -> bool {
    SECRETS.iter().any(|secret| secret.eq_ignore_ascii_case(name)) || SECRET_OIDS.contains(&name)
}

/// The names that a server's schema has for the same attribute: from each, in lower case, to the first.
pub(crate) type Aliases = HashMap<String, String>;

/// What a source knows of attributes, and which of them are never read.
#[derive(Clone, Debug)]
pub struct SourceAttributes {
    /// What is known of them.
    pub schema: Schema,
    pub(crate) aliases: Aliases,
    pub(crate) untold: Untold,
}

/// Attributes that a server works out when it is asked, so that no change of them is told, each with what to read instead.
pub(crate) type Untold = &'static [(&'static str, &'static str)];

/// Why an attribute cannot be read though the schema has it: it is among these.
pub(crate) fn untold(attribute: &AttributeName, known: Untold) -> Option<DirectoryError> {
    let (base, _) = split(attribute.as_str());
    let (name, instead) = known.iter().find(|(name, _)| name.eq_ignore_ascii_case(base))?;
    Some(DirectoryError::Configuration(format!(
        "{name} is worked out by each server, or kept by each for itself: its changes are never told. {instead}"
    )))
}

impl SourceAttributes {
    /// Why an attribute is never read, whoever asks; none where it may be.
    pub fn refusal(&self, attribute: &AttributeName) -> Option<DirectoryError> {
        refusal(attribute, &self.aliases).or_else(|| untold(attribute, self.untold))
    }
}

/// What is kept of an entry, and under which name.
#[derive(Debug)]
pub(crate) struct Selection {
    /// By the first name of the attribute in lower case: the forms in which it was asked for.
    wanted: BTreeMap<String, Vec<Requested>>,
    aliases: Aliases,
    wire: Vec<String>,
}

/// An attribute as it was asked for: its name, and options such as `lang-de`.
#[derive(Debug)]
struct Requested {
    name: String,
    options: Vec<String>,
}

impl Selection {
    /// A selection of these attributes.
    ///
    /// # Errors
    /// When one of them is a password, or no attribute's name.
    pub fn new(
        attributes: &BTreeSet<AttributeName>,
        object: &SourceOptions,
        aliases: Aliases,
    ) -> Result<Self, DirectoryError> {
        let mut selection = Self { wanted: BTreeMap::new(), aliases, wire: Vec::new() };
        for attribute in attributes {
            if let Some(refusal) = refusal(attribute, &selection.aliases) {
                return Err(refusal);
            }
            let (name, options) = split(attribute.as_str());
            let canonical = selection.canonical(name);
            selection.wanted.entry(canonical).or_default().push(Requested { name: name.to_owned(), options });
        }
        let mut all = attributes.clone();
        all.extend([AttributeName::from("objectClass"), object.source_id_attribute.clone()]);
        all.extend(object.anchor_attribute.clone());
        selection.wire = all.iter().map(ToString::to_string).collect();
        Ok(selection)
    }

    /// What to ask a server for: the selection, and what the host needs to identify and classify.
    pub fn wire(&self) -> &[String] {
        &self.wire
    }

    /// Whether an attribute that came is the one of this name: by any of its names, without options but `;binary`.
    pub fn is(&self, returned: &str, name: &AttributeName) -> bool {
        let ((returned, options), (name, wanted)) = (split(returned), split(name.as_str()));
        options == wanted && self.canonical(returned) == self.canonical(name)
    }

    /// The names under which an attribute that came is kept; none where nobody asked for it, also where it is a subtype
    /// of what somebody asked for, which servers send along: `cn` where `name` was asked for. The transfer option
    /// `;binary` (RFC 4522) is no part of a name; other options are.
    pub fn names(&self, returned: &str) -> Vec<AttributeName> {
        let (name, options) = split(returned);
        let Some(requested) = self.wanted.get(&self.canonical(name)) else { return Vec::new() };
        requested
            .iter()
            .filter(|requested| requested.options.iter().all(|option| options.contains(option)))
            .map(|requested| {
                let mut name = requested.name.clone();
                for option in &options {
                    name.push(';');
                    name.push_str(option);
                }
                AttributeName::new(name)
            })
            .collect()
    }

    fn canonical(&self, name: &str) -> String {
        canonical(name, &self.aliases)
    }
}

/// The first name of an attribute, in lower case.
fn canonical(name: &str, aliases: &Aliases) -> String {
    let key = name.to_ascii_lowercase();
    aliases.get(&key).cloned().unwrap_or(key)
}

/// Why an attribute is never read: it is a password, or no attribute's name.
fn refusal(attribute: &AttributeName, aliases: &Aliases) -> Option<DirectoryError> {
    if !is_description(attribute.as_str()) {
        return Some(DirectoryError::Configuration(format!(
            "\"{attribute}\" is not the name of an attribute. Attributes are read by their names only, never by * or +"
        )));
    }
    let (name, _) = split(attribute.as_str());
    (is_secret(name) || is_secret(&canonical(name, aliases))).then(|| {
        DirectoryError::Configuration(format!(
            "{attribute} holds passwords or keys, which are never read. Take it out of what the rules read"
        ))
    })
}

/// The name of an attribute, and its options in lower case without `binary`.
fn split(description: &str) -> (&str, Vec<String>) {
    let mut parts = description.split(';');
    let name = parts.next().unwrap_or_default();
    (name, parts.map(str::to_ascii_lowercase).filter(|option| option != "binary").collect())
}

/// Whether this is an attribute description (RFC 4512, section 2.5). Underscores, which the RFC forbids and real
/// directories have, are let through.
pub(crate) fn is_description(text: &str) -> bool {
    let mut parts = text.split(';');
    let name = parts.next().unwrap_or_default();
    let word = |word: &str| {
        !word.is_empty() && word.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'))
    };
    let descriptor = name.starts_with(|first: char| first.is_ascii_alphabetic()) && word(name);
    let numeric =
        name.contains('.') && name.split('.').all(|arc| !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit()));
    text.len() <= 512 && (descriptor || numeric) && parts.all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(names: &[&str]) -> Result<Selection, DirectoryError> {
        let aliases = [("surname", "sn"), ("2.5.4.4", "sn"), ("secret-word", "userpassword")]
            .map(|(name, first)| (name.to_owned(), first.to_owned()))
            .into();
        Selection::new(
            &names.iter().map(|name| AttributeName::from(*name)).collect(),
            &SourceOptions::default(),
            aliases,
        )
    }

    fn kept(asked: &[&str], returned: &str) -> Vec<String> {
        selection(asked).unwrap().names(returned).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn options_are_kept_in_the_name_apart_from_binary() {
        assert_eq!(kept(&["description"], "Description;lang-DE"), ["description;lang-de"]);
        assert_eq!(kept(&["userCertificate"], "userCertificate;binary"), ["userCertificate"]);
        assert_eq!(kept(&["cn;lang-de"], "cn"), [""; 0]);
        assert_eq!(kept(&["cn;lang-de"], "cn;lang-de;phonetic"), ["cn;lang-de;phonetic"]);
    }

    #[test]
    fn what_nobody_asked_for_is_dropped() {
        assert_eq!(kept(&["cn"], "sn"), [""; 0]);
        assert_eq!(kept(&["name"], "cn;lang-de"), [""; 0], "a subtype");
    }

    #[test]
    fn an_attribute_is_known_by_all_its_names() {
        assert_eq!(kept(&["surname"], "sn"), ["surname"]);
        assert_eq!(kept(&["sn", "surname"], "sn"), ["sn", "surname"]);
        assert_eq!(kept(&["2.5.4.4"], "SN;lang-de"), ["2.5.4.4;lang-de"]);
        let selection = selection(&["cn"]).unwrap();
        assert!(selection.is("SN;binary", &"surname".into()) && selection.is("2.5.4.4", &"sn".into()));
        assert!(!selection.is("sn;lang-de", &"sn".into()) && !selection.is("cn", &"sn".into()));
    }

    #[test]
    fn passwords_and_wildcards_are_refused() {
        let secrets = ["userPassword", "USERPASSWORD;lang-de", "unicodePwd", "2.5.4.35;x-old", "secret-word"];
        for name in secrets.into_iter().chain(["*", "+", "1.1.*", "@person", "", "a b", ";x"]) {
            assert!(matches!(selection(&[name]), Err(DirectoryError::Configuration(_))), "{name}");
        }
    }

    #[test]
    fn the_host_asks_for_what_it_needs_itself() {
        assert_eq!(selection(&["CN"]).unwrap().wire(), ["CN", "entryUUID", "objectClass"]);
    }
}
