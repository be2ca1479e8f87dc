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
pub(super) const MAX_OCTETS: usize = 16 * 1024;

impl FromStr for Dn {
    type Err = DnError;

    fn from_str(text: &str) -> Result<Self, DnError> {
        let mut parser = Parser { text, at: 0 };
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

/// Reads a name character by character, and what is plain at once.
struct Parser<'a> {
    text: &'a str,
    /// How many octets have been read.
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        Some(character)
    }

    /// Reads the octets that are so, which must be characters by themselves, or parts of ones of which all parts are so.
    fn take_while(&mut self, so: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = rest.bytes().position(|octet| !so(octet)).unwrap_or(rest.len());
        self.at += taken;
        rest.get(..taken).unwrap_or_default()
    }

    fn error(&self, reason: &'static str) -> DnError {
        let position = self.text.get(..self.at).map_or(0, |before| before.chars().count()) + 1;
        DnError { text: self.text.chars().take(200).collect(), reason, position }
    }

    fn skip_blanks(&mut self) {
        self.take_while(|octet| octet == b' ');
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
        let mut attribute = self.take_while(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.'));
        if attribute.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("oid.")) {
            attribute = attribute.get(4..).unwrap_or_default();
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
        Ok(Ava { attribute: attribute.to_owned(), value })
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
        let plain = self.take_while(|octet| !matches!(octet, b',' | b';' | b'+' | b'"' | b'<' | b'>' | b'\0' | b'\\'));
        // How long the value is without the unescaped blanks at its end, which do not belong to it.
        let mut significant = plain.trim_end_matches(' ').len();
        if matches!(self.peek(), None | Some(',' | ';' | '+')) {
            return Ok(AvaValue::Text(plain.get(..significant).unwrap_or_default().to_owned()));
        }
        let mut octets = plain.as_bytes().to_vec();
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
