//! Distinguished names: parsed by RFC 4514, compared by matching rules, never by cutting strings.

mod by_id;
mod parse;
#[cfg(test)]
mod tests;
mod write;

use serde::{Deserialize, Serialize};

use crate::matching::MatchingRule;
use crate::naming;

pub use parse::DnError;

/// One attribute and its value in a relative distinguished name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ava {
    attribute: String,
    value: AvaValue,
}

/// A value in a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum AvaValue {
    /// Text.
    Text(String),
    /// The BER encoding that a `#` introduces.
    Ber(Vec<u8>),
    /// Octets that are no text.
    Octets(Vec<u8>),
}

/// A relative distinguished name: one or more attributes with a value each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rdn(Vec<Ava>);

/// A distinguished name (RFC 4514), the innermost part first. It keeps its spelling; to compare, use [`Dn::key`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dn(Vec<Rdn>);

/// The normal form of a name: equal for two names exactly when the directory takes them for the same. An attribute has
/// one name of its several, the parts of a relative name stand in one order, and values are prepared as the matching
/// rule of their attribute says (RFC 4518): without regard to letter case, runs of blanks and Unicode form, for every
/// common naming attribute. The outermost part stands first, each part ended by a zero octet, so that the names below a
/// base are those that begin with the base's key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DnKey(Vec<u8>);

impl Dn {
    /// The name without parts: the root of the directory.
    pub fn root() -> Self {
        Self(Vec::new())
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The parts, innermost first.
    pub fn rdns(&self) -> &[Rdn] {
        &self.0
    }

    /// The name of the entry above; none for the root.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_first().map(|(_, above)| Self(above.to_vec()))
    }

    /// The name that this one has once its ancestor of `depth` parts is called `ancestor`.
    #[must_use]
    pub fn with_ancestor(&self, depth: usize, ancestor: &Self) -> Self {
        let below = self.0.len().saturating_sub(depth);
        Self(self.0.iter().take(below).chain(&ancestor.0).cloned().collect())
    }

    /// The normal form, for comparing and for looking names up.
    pub fn key(&self) -> DnKey {
        let mut octets = Vec::with_capacity(64);
        for rdn in self.0.iter().rev() {
            if let [ava] = rdn.0.as_slice() {
                ava.normalise_into(&mut octets);
            } else {
                let mut parts: Vec<Vec<u8>> = rdn.0.iter().map(Ava::normalised).collect();
                parts.sort_unstable();
                octets.extend(parts.join(&1));
            }
            octets.push(0);
        }
        DnKey(octets)
    }

    /// Whether this is `base` or below it.
    pub fn is_within(&self, base: &Self) -> bool {
        self.key().is_within(&base.key())
    }
}

impl DnKey {
    /// The key of the name that a text is; the same as [`Dn::key`], without making the name where it is a plain one. Also
    /// of a name by id (`<GUID=...>`), as which no entry stands anywhere but by which one may be referred to.
    ///
    /// # Errors
    /// When the text is no name.
    pub fn of(text: &str) -> Result<Self, DnError> {
        match plain_key(text).map(Self).or_else(|| by_id::guid_key(text)) {
            Some(key) => Ok(key),
            None => text.parse::<Dn>().map(|dn| dn.key()),
        }
    }

    /// The key of the name that a text is, and how [`Dn`] writes that name; without making the name where it is a plain
    /// one.
    ///
    /// # Errors
    /// When the text is no name.
    pub fn with_spelling(text: &str) -> Result<(Self, String), DnError> {
        match plain_key(text) {
            Some(octets) if is_as_written(text) => Ok((Self(octets), text.to_owned())),
            _ => text.parse::<Dn>().map(|dn| (dn.key(), dn.to_string())),
        }
    }

    /// The octets of the key.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// The octets of the key, which is given up.
    pub fn into_octets(self) -> Vec<u8> {
        self.0
    }

    /// A key from octets that [`DnKey::octets`] gave.
    pub fn from_octets(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// Whether this is the name of `base` or below it.
    pub fn is_within(&self, base: &Self) -> bool {
        self.0.starts_with(&base.0)
    }

    /// The key as text, each octet one character.
    pub(crate) fn to_text(&self) -> String {
        self.0.iter().map(|octet| char::from(*octet)).collect()
    }
}

impl Rdn {
    /// The value of the first attribute, where it is text: what a person calls the entry.
    pub fn first_value(&self) -> Option<&str> {
        self.0.first().and_then(|ava| match &ava.value {
            AvaValue::Text(text) => Some(text.as_str()),
            AvaValue::Ber(_) | AvaValue::Octets(_) => None,
        })
    }
}

impl Ava {
    fn normalised(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        self.normalise_into(&mut octets);
        octets
    }

    /// Appends the normal form.
    fn normalise_into(&self, octets: &mut Vec<u8>) {
        let attribute = naming::canonical(&self.attribute);
        octets.extend_from_slice(attribute.as_bytes());
        octets.push(b'=');
        let start = octets.len();
        // What is no text has a mark, so that it is never taken for one.
        match &self.value {
            AvaValue::Text(text) => octets.extend(naming::rule(&attribute).key(text.as_bytes())),
            AvaValue::Octets(plain) => {
                octets.extend([2, b'o']);
                octets.extend_from_slice(plain);
            }
            AvaValue::Ber(ber) => match ber_text(ber) {
                Some(text) => octets.extend(naming::rule(&attribute).key(text.as_bytes())),
                None => {
                    octets.extend([2, b'b']);
                    octets.extend_from_slice(ber);
                }
            },
        }
        // Zero and one part the key; a value that holds them must not look like a border, nor what stands for them.
        if octets.iter().skip(start).any(|octet| matches!(octet, 0 | 1 | 3)) {
            for octet in octets.split_off(start) {
                match octet {
                    0 | 1 | 3 => octets.extend([3, octet + 4]),
                    _ => octets.push(octet),
                }
            }
        }
    }
}

/// The key of a name of printable ASCII without anything that is escaped, quoted or joined, of attributes that are
/// compared without regard to letter case; none where it is another, or no name.
fn plain_key(text: &str) -> Option<Vec<u8>> {
    let plain =
        |octet| matches!(octet, b' '..=b'~') && !matches!(octet, b'"' | b'#' | b'+' | b';' | b'<' | b'>' | b'\\');
    if text.len() > parse::MAX_OCTETS || !text.bytes().all(plain) {
        return None;
    }
    let mut octets = Vec::with_capacity(text.len() + 1);
    for part in text.rsplit(',') {
        let (attribute, value) = part.split_once('=')?;
        let attribute = attribute.trim_matches(' ');
        let named = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
        // An OID may be written in ways that are better left to the parser.
        if attribute.is_empty() || !attribute.bytes().all(named) {
            return None;
        }
        let start = octets.len();
        octets.extend(attribute.bytes().map(|octet| octet.to_ascii_lowercase()));
        let lower = octets.get(start..).and_then(|lower| std::str::from_utf8(lower).ok())?;
        let one = naming::one_name(lower);
        if naming::rule(one.unwrap_or(lower)) != MatchingRule::CaseIgnore {
            return None;
        }
        if let Some(one) = one {
            octets.truncate(start);
            octets.extend_from_slice(one.as_bytes());
        }
        octets.push(b'=');
        let start = octets.len();
        for word in value.split(' ').filter(|word| !word.is_empty()) {
            if octets.len() > start {
                octets.push(b' ');
            }
            octets.extend(word.bytes().map(|octet| octet.to_ascii_lowercase()));
        }
        octets.push(0);
    }
    Some(octets)
}

/// Whether a name that has a plain key is spelt as names are written: without blanks around its parts.
fn is_as_written(text: &str) -> bool {
    let bare = |part: &str| !part.starts_with(' ') && !part.ends_with(' ');
    text.split(',').all(|part| part.split_once('=').is_some_and(|(attribute, value)| bare(attribute) && bare(value)))
}

/// The text of a BER encoding that is a string of UTF-8 or of characters that mean the same there: UTF8String,
/// PrintableString, IA5String, and OCTET STRING, as which LDAP itself encodes values.
fn ber_text(ber: &[u8]) -> Option<&str> {
    let (tag, rest) = ber.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, content) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81..=0x83 => {
            let (length, content) = rest.split_at_checked(usize::from(length - 0x80))?;
            (length.iter().fold(0, |sum, octet| sum * 256 + usize::from(*octet)), content)
        }
        _ => return None,
    };
    let text = matches!(tag, 0x04 | 0x0c | 0x13 | 0x16) && content.len() == length;
    text.then(|| std::str::from_utf8(content).ok()).flatten()
}
