//! Reading names (RFC 4514, section 3), character by character.

use std::str::FromStr;

use super::{Ava, AvaValue, Dn, Rdn};

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
        let value = match self.peek() {
            Some('#') => self.ber()?,
            Some('"') => self.quoted()?,
            _ => self.string()?,
        };
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

    /// A value in quotes, as RFC 1779 had it and some programs still write it.
    fn quoted(&mut self) -> Result<AvaValue, DnError> {
        self.next();
        let mut octets: Vec<u8> = Vec::new();
        loop {
            match self.next() {
                None => return Err(self.error("a closing quotation mark was expected")),
                Some('"') => break,
                Some('\\') => octets.extend(self.escaped()?),
                Some(character) => octets.extend(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        self.skip_blanks();
        Ok(value(octets))
    }

    /// A value. Octets given by `\xx` pairs are put together before they are read as UTF-8.
    fn string(&mut self) -> Result<AvaValue, DnError> {
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
        Ok(value(octets))
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

/// Text where the octets are text, else the octets.
fn value(octets: Vec<u8>) -> AvaValue {
    String::from_utf8(octets).map_or_else(|error| AvaValue::Octets(error.into_bytes()), AvaValue::Text)
}

fn digits(high: u32, low: u32) -> u8 {
    u8::try_from(high * 16 + low).unwrap_or(u8::MAX)
}
