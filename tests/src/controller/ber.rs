//! Basic encoding rules for the double: requests are read leniently, answers are written as Windows writes them.

use anyhow::{Context, Result, bail};

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// The bit of a tag that says: made of parts.
const CONSTRUCTED: u8 = 0x20;

/// Parts, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a>(pub &'a [u8]);

impl<'a> Parts<'a> {
    /// The next part: its tag and its content; none at the end.
    pub fn next(&mut self) -> Result<Option<(u8, &'a [u8])>> {
        let [tag, first, rest @ ..] = self.0 else {
            return if self.0.is_empty() { Ok(None) } else { bail!("a part without a length") };
        };
        let (length, rest) = if *first < 0x80 {
            (usize::from(*first), rest)
        } else {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f)).context("a cut length")?;
            (length_of(digits)?, rest)
        };
        let (content, rest) = rest.split_at_checked(length).context("a cut part")?;
        self.0 = rest;
        Ok(Some((*tag, content)))
    }

    /// The content of the next part, which must have this tag.
    pub fn expect(&mut self, tag: u8) -> Result<&'a [u8]> {
        match self.next()? {
            Some((found, content)) if found == tag => Ok(content),
            found => bail!("expected a part {tag:#x}, not {:x?}", found.map(|(tag, _)| tag)),
        }
    }

    /// The content of the next part, if it has this tag.
    pub fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>> {
        if self.0.first() == Some(&tag) { self.expect(tag).map(Some) } else { Ok(None) }
    }

    /// The next part as text.
    pub fn text(&mut self) -> Result<String> {
        self.expect(OCTETS).map(text)
    }

    /// The next part as a whole number.
    pub fn number(&mut self, tag: u8) -> Result<i64> {
        self.expect(tag).map(number)
    }
}

/// Octets as text; what is not UTF-8 is replaced.
pub(super) fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// A whole number in two's complement.
pub(super) fn number(octets: &[u8]) -> i64 {
    let start = if octets.first().is_some_and(|first| *first >= 0x80) { -1 } else { 0 };
    octets.iter().fold(start, |number, octet| (number << 8) | i64::from(*octet))
}

/// The length that these digits say.
pub(super) fn length_of(digits: &[u8]) -> Result<usize> {
    if digits.len() > 4 {
        bail!("a length of {} octets", digits.len());
    }
    Ok(digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit)))
}

/// A part. Windows writes the lengths of what is made of parts in four octets, however short they are.
pub(super) fn part(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(content.len() + 6);
    octets.push(tag);
    match u8::try_from(content.len()) {
        Ok(short @ 0..0x80) if tag & CONSTRUCTED == 0 => octets.push(short),
        _ => {
            octets.push(0x84);
            octets.extend(u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
    octets.extend(content);
    octets
}

/// A part made of parts.
pub(super) fn parts(tag: u8, content: &[Vec<u8>]) -> Vec<u8> {
    part(tag, &content.concat())
}

/// A whole number, in as few octets as it needs.
pub(super) fn whole(tag: u8, number: i64) -> Vec<u8> {
    let octets = number.to_be_bytes();
    let padding = if number < 0 { 0xff } else { 0 };
    let redundant = octets.windows(2).take_while(|pair| pair[0] == padding && (pair[1] ^ padding) < 0x80).count();
    part(tag, octets.get(redundant..).unwrap_or(&octets))
}
