//! Distinguished names: parsed by RFC 4514, compared by matching rules, never by cutting strings.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One attribute and its value in a relative distinguished name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ava {
    attribute: String,
    value: AvaValue,
}

/// A value in a name: text, or the BER encoding that a `#` introduces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum AvaValue {
    Text(String),
    Ber(Vec<u8>),
}

/// A relative distinguished name: one or more attributes with a value each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rdn(Vec<Ava>);

/// A distinguished name (RFC 4514), the innermost part first. It keeps its spelling; to compare, use [`Dn::key`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dn(Vec<Rdn>);

/// The normal form of a name: equal for two names exactly when the directory takes them for the same. Attribute names
/// and values are folded to lower case and runs of blanks to one, as `caseIgnoreMatch` does (RFC 4518), which is the
/// matching rule of every common naming attribute. The outermost part stands first, each part ended by a zero octet,
/// so that the names below a base are those that begin with the base's key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DnKey(Vec<u8>);

/// Why a text is no distinguished name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a distinguished name: {reason} at character {position}")]
pub struct DnError {
    text: String,
    reason: &'static str,
    position: usize,
}

/// The longest name that is read, in octets: a bound on what a hostile server can make us parse.
const MAX_OCTETS: usize = 16 * 1024;

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
        let mut octets = Vec::new();
        for rdn in self.0.iter().rev() {
            let mut parts: Vec<Vec<u8>> = rdn.0.iter().map(Ava::normalised).collect();
            parts.sort_unstable();
            octets.extend(parts.join(&1));
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
    /// The octets of the key.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// A key from octets that [`DnKey::octets`] gave.
    pub fn from_octets(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// Whether this is the name of `base` or below it.
    pub fn is_within(&self, base: &Self) -> bool {
        self.0.starts_with(&base.0)
    }
}

impl Rdn {
    /// The value of the first attribute, where it is text: what a person calls the entry.
    pub fn first_value(&self) -> Option<&str> {
        self.0.first().and_then(|ava| match &ava.value {
            AvaValue::Text(text) => Some(text.as_str()),
            AvaValue::Ber(_) => None,
        })
    }
}

impl Ava {
    fn normalised(&self) -> Vec<u8> {
        let mut octets = oid_or_name(&self.attribute);
        octets.push(b'=');
        match &self.value {
            AvaValue::Text(text) => octets.extend(fold(text).into_bytes()),
            AvaValue::Ber(ber) => {
                octets.push(2);
                octets.extend_from_slice(ber);
            }
        }
        // Zero and one part the key; a value that holds them must not look like a border.
        octets.iter().flat_map(|&octet| if octet < 2 { vec![3, octet + 4] } else { vec![octet] }).collect()
    }
}

/// The short name of an attribute in lower case, also where it is given by the OID of RFC 4514, section 3.
fn oid_or_name(attribute: &str) -> Vec<u8> {
    let name = match attribute {
        "2.5.4.3" => "cn",
        "2.5.4.7" => "l",
        "2.5.4.8" => "st",
        "2.5.4.10" => "o",
        "2.5.4.11" => "ou",
        "2.5.4.6" => "c",
        "2.5.4.9" => "street",
        "0.9.2342.19200300.100.1.25" => "dc",
        "0.9.2342.19200300.100.1.1" => "uid",
        _ => return attribute.to_ascii_lowercase().into_bytes(),
    };
    name.as_bytes().to_vec()
}

/// Lower case, outer blanks dropped, inner runs of blanks made one.
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for word in text.split([' ', '\t', '\n', '\r', '\u{a0}']).filter(|word| !word.is_empty()) {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.extend(word.chars().flat_map(char::to_lowercase));
    }
    folded
}

impl FromStr for Dn {
    type Err = DnError;

    fn from_str(text: &str) -> Result<Self, DnError> {
        let mut parser = Parser { text, characters: text.char_indices().peekable() };
        if text.len() > MAX_OCTETS {
            return Err(parser.error("it is longer than 16 KiB"));
        }
        parser.skip_blanks();
        if parser.peek().is_none() {
            return Ok(Self::root());
        }
        let mut rdns = Vec::new();
        loop {
            rdns.push(parser.rdn()?);
            match parser.next() {
                None => return Ok(Self(rdns)),
                Some(',' | ';') => {}
                Some(_) => return Err(parser.error("a comma was expected")),
            }
        }
    }
}

/// Reads a name character by character.
struct Parser<'a> {
    text: &'a str,
    characters: std::iter::Peekable<std::str::CharIndices<'a>>,
}

impl Parser<'_> {
    fn peek(&mut self) -> Option<char> {
        self.characters.peek().map(|(_, character)| *character)
    }

    fn next(&mut self) -> Option<char> {
        self.characters.next().map(|(_, character)| character)
    }

    fn error(&mut self, reason: &'static str) -> DnError {
        let octet = self.characters.peek().map_or(self.text.len(), |(position, _)| *position);
        let position = self.text.get(..octet).map_or(0, |before| before.chars().count()) + 1;
        DnError { text: self.text.chars().take(200).collect(), reason, position }
    }

    fn skip_blanks(&mut self) {
        while self.peek() == Some(' ') {
            self.next();
        }
    }

    fn rdn(&mut self) -> Result<Rdn, DnError> {
        let mut avas = vec![self.ava()?];
        while self.peek() == Some('+') {
            self.next();
            avas.push(self.ava()?);
        }
        Ok(Rdn(avas))
    }

    fn ava(&mut self) -> Result<Ava, DnError> {
        self.skip_blanks();
        let mut attribute = String::new();
        while let Some(character) = self.peek().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')) {
            attribute.push(character);
            self.next();
        }
        if attribute.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("oid.")) {
            attribute.drain(..4);
        }
        if attribute.is_empty() {
            return Err(self.error("an attribute name was expected"));
        }
        self.skip_blanks();
        if self.peek() != Some('=') {
            return Err(self.error("an equals sign was expected"));
        }
        self.next();
        self.skip_blanks();
        let value = if self.peek() == Some('#') { self.ber()? } else { AvaValue::Text(self.string()?) };
        Ok(Ava { attribute, value })
    }

    fn ber(&mut self) -> Result<AvaValue, DnError> {
        self.next();
        let mut octets = Vec::new();
        while let Some(high) = self.peek().and_then(|character| character.to_digit(16)) {
            self.next();
            let low = self.peek().and_then(|character| character.to_digit(16));
            let low = low.ok_or_else(|| self.error("a second hexadecimal digit was expected"))?;
            self.next();
            octets.push(digits(high, low));
        }
        self.skip_blanks();
        if octets.is_empty() { Err(self.error("hexadecimal digits were expected")) } else { Ok(AvaValue::Ber(octets)) }
    }

    /// A value as text. Octets given by `\xx` pairs are put together before they are read as UTF-8.
    fn string(&mut self) -> Result<String, DnError> {
        let mut octets: Vec<u8> = Vec::new();
        // How long the value is without the unescaped blanks at its end, which do not belong to it.
        let mut significant = 0;
        while let Some(character) = self.peek() {
            match character {
                ',' | ';' | '+' => break,
                '"' | '<' | '>' | '\0' => return Err(self.error("a character that must be escaped stands here")),
                '\\' => {
                    self.next();
                    octets.extend(self.escaped()?);
                    significant = octets.len();
                }
                _ => {
                    self.next();
                    octets.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
                    if character != ' ' {
                        significant = octets.len();
                    }
                }
            }
        }
        octets.truncate(significant);
        String::from_utf8(octets).map_err(|_| self.error("the value is not UTF-8"))
    }

    fn escaped(&mut self) -> Result<Vec<u8>, DnError> {
        let character = self.next().ok_or_else(|| self.error("an escaped character was expected"))?;
        if let Some(high) = character.to_digit(16) {
            let low = self.peek().and_then(|low| low.to_digit(16));
            let low = low.ok_or_else(|| self.error("a second hexadecimal digit was expected"))?;
            self.next();
            return Ok(vec![digits(high, low)]);
        }
        if matches!(character, ' ' | '"' | '#' | '+' | ',' | ';' | '<' | '=' | '>' | '\\') {
            Ok(vec![u8::try_from(character).unwrap_or(b'?')])
        } else {
            Err(self.error("this character cannot be escaped"))
        }
    }
}

fn digits(high: u32, low: u32) -> u8 {
    u8::try_from(high * 16 + low).unwrap_or(u8::MAX)
}

impl fmt::Display for Dn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rdn) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(",")?;
            }
            write!(formatter, "{rdn}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Rdn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, ava) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("+")?;
            }
            write!(formatter, "{}=", ava.attribute)?;
            match &ava.value {
                AvaValue::Text(text) => escape(text, formatter)?,
                AvaValue::Ber(octets) => {
                    formatter.write_str("#")?;
                    for octet in octets {
                        write!(formatter, "{octet:02x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Writes a value with the escapes of RFC 4514, section 2.4.
fn escape(text: &str, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let last = text.chars().count().saturating_sub(1);
    for (index, character) in text.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(formatter, "\\{character}")?,
            '#' | ' ' if index == 0 => write!(formatter, "\\{character}")?,
            ' ' if index == last => formatter.write_str("\\ ")?,
            '\0' => formatter.write_str("\\00")?,
            _ => write!(formatter, "{character}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dn(text: &str) -> Dn {
        text.parse().unwrap()
    }

    #[test]
    fn the_examples_of_rfc_4514_are_read() {
        for text in [
            "UID=jsmith,DC=example,DC=net",
            "OU=Sales+CN=J.  Smith,DC=example,DC=net",
            r#"CN=James \"Jim\" Smith\, III,DC=example,DC=net"#,
            r"CN=Before\0dAfter,DC=example,DC=net",
            "1.3.6.1.4.1.1466.0=#04024869",
            r"CN=Lu\C4\8Di\C4\87",
            "",
        ] {
            let read = dn(text);
            assert_eq!(dn(&read.to_string()), read, "{text}");
        }
        assert_eq!(dn(r"CN=Lu\C4\8Di\C4\87").rdns()[0].first_value(), Some("Lučić"));
    }

    #[test]
    fn names_are_compared_as_the_directory_does() {
        assert_eq!(dn("CN=Ada  Lovelace, OU=People,dc=lab").key(), dn("cn=ada lovelace,ou=people,DC=LAB").key());
        assert_eq!(dn("OU=Sales+CN=Jim").key(), dn("cn=jim+ou=sales").key());
        assert_eq!(dn("2.5.4.3=x").key(), dn("cn=x").key());
        assert_ne!(dn(r"cn=a\,b").key(), dn("cn=a,cn=b").key());
        assert_eq!(dn(r"cn=\20a\20").rdns()[0].first_value(), Some(" a "));
    }

    #[test]
    fn within_is_decided_by_parts_not_by_letters() {
        assert!(dn("uid=a,ou=people,dc=lab").is_within(&dn("OU=People,dc=lab")));
        assert!(!dn("uid=a,ou=morepeople,dc=lab").is_within(&dn("ou=people,dc=lab")));
        assert!(!dn(r"uid=a\,ou=people,dc=lab").is_within(&dn("ou=people,dc=lab")));
        assert!(dn("dc=lab").is_within(&Dn::root()));
    }

    #[test]
    fn what_is_no_name_is_refused_with_its_place() {
        for text in ["cn", "cn=a,", "=a", r"cn=\zz", r"cn=\C3", "cn=#0", "cn=a<b", "cn=a,,dc=b"] {
            assert!(text.parse::<Dn>().is_err(), "{text}");
        }
        assert_eq!(
            "dc".parse::<Dn>().unwrap_err().to_string(),
            "\"dc\" is not a distinguished name: an equals sign was expected at character 3"
        );
    }

    proptest! {
        #[test]
        fn any_value_survives_writing_and_reading(value in "\\PC{0,20}|[ #+,;<>\\\\\"=\u{0}]{0,8}") {
            let name = Dn(vec![Rdn(vec![Ava { attribute: "cn".into(), value: AvaValue::Text(value) }])]);
            prop_assert_eq!(dn(&name.to_string()), name);
        }

        #[test]
        fn no_text_makes_the_parser_fail_hard(text in "\\PC{0,40}") {
            let _outcome = text.parse::<Dn>();
        }
    }
}
