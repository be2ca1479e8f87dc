//! The lines of an LDIF file: unfolded, without comments, each with its number (RFC 2849, notes 2 to 4).

use std::io::{self, BufRead, Read};

/// The longest line once it is unfolded, in octets: room for a photo, and a bound on memory.
pub(crate) const MAX_LINE: usize = 16 * 1024 * 1024;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Where it begins, counted from 1.
    pub number: u64,
    /// What it says; empty for the line that ends a record.
    pub text: Vec<u8>,
}

/// Why a line could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("the line is longer than 16 MiB")]
    TooLong(u64),
    #[error("the line begins with a space, so it continues a line, but there is none before it")]
    ContinuesNothing(u64),
    #[error(
        "the file ends in the middle of a line: it was cut off. Write it anew, with a line end behind its last line"
    )]
    CutOff(u64),
}

/// Reads lines one by one, in bounded memory.
pub(crate) struct Lines<R> {
    input: R,
    number: u64,
    /// A physical line that was read to see whether it continues the one before.
    next: Option<Line>,
}

impl<R: BufRead> Lines<R> {
    /// The lines of this input.
    pub fn new(input: R) -> Self {
        Self { input, number: 0, next: None }
    }

    /// The input, read as far as the lines given so far, and some more.
    pub fn input(&self) -> &R {
        &self.input
    }

    /// The next line that is no comment; none at the end of the file.
    pub fn next(&mut self) -> Result<Option<Line>, LineError> {
        loop {
            let Some(line) = self.unfolded()? else { return Ok(None) };
            if line.text.first() != Some(&b'#') {
                return Ok(Some(line));
            }
        }
    }

    fn unfolded(&mut self) -> Result<Option<Line>, LineError> {
        let first = match self.next.take() {
            Some(line) => Some(line),
            None => self.physical()?,
        };
        let Some(mut line) = first else { return Ok(None) };
        if line.text.first() == Some(&b' ') {
            return Err(LineError::ContinuesNothing(line.number));
        }
        if line.text.is_empty() {
            return Ok(Some(line));
        }
        while let Some(next) = self.physical()? {
            match next.text.split_first() {
                Some((b' ', rest)) if line.text.len() + rest.len() <= MAX_LINE => line.text.extend_from_slice(rest),
                Some((b' ', _)) => return Err(LineError::TooLong(line.number)),
                _ => {
                    self.next = Some(next);
                    break;
                }
            }
        }
        Ok(Some(line))
    }

    /// One line as it stands in the file, without what ends it.
    fn physical(&mut self) -> Result<Option<Line>, LineError> {
        let mut text = Vec::new();
        self.number += 1;
        let limit = MAX_LINE as u64 + 2;
        if self.input.by_ref().take(limit).read_until(b'\n', &mut text)? == 0 {
            return Ok(None);
        }
        let whole = text.last() == Some(&b'\n');
        if whole {
            text.pop();
            if text.last() == Some(&b'\r') {
                text.pop();
            }
        }
        if text.len() > MAX_LINE {
            return Err(LineError::TooLong(self.number));
        }
        // Who is missing behind the cut would be taken for gone, and half a value for a whole one.
        if !whole {
            return Err(LineError::CutOff(self.number));
        }
        // Editors on Windows put a byte order mark in front, which is no part of the first line.
        if self.number == 1 && text.starts_with(b"\xef\xbb\xbf") {
            text.drain(..3);
        }
        Ok(Some(Line { number: self.number, text }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<(u64, String)> {
        let mut lines = Lines::new(text);
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push((line.number, String::from_utf8(line.text).unwrap()));
        }
        all
    }

    #[test]
    fn folded_lines_are_joined_and_keep_the_number_they_begin_at() {
        let text = b"cn: A\n da\n  Byron\r\nsn: B\r\n\nx: y\n";
        let expected = [(1, "cn: Ada Byron"), (4, "sn: B"), (5, ""), (6, "x: y")];
        assert_eq!(lines(text), expected.map(|(number, text)| (number, text.to_owned())));
    }

    #[test]
    fn comments_are_dropped_with_what_continues_them() {
        assert_eq!(lines(b"# a comment\n  that goes on\ncn: x\n#y\n"), [(3, "cn: x".to_owned())]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        assert_eq!(lines(b"\xef\xbb\xbfversion: 1\n"), [(1, "version: 1".to_owned())]);
    }

    #[test]
    fn a_last_line_without_its_end_is_refused_whatever_it_says() {
        for (text, at) in [(&b"cn: x"[..], 1), (b"cn: x\n # y", 2), (b"cn: x\n\n# half a comm", 3), (b"cn: x\n\r", 2)] {
            let mut lines = Lines::new(text);
            let error = loop {
                match lines.next() {
                    Ok(Some(_)) => {}
                    other => break other.unwrap_err(),
                }
            };
            assert!(matches!(error, LineError::CutOff(line) if line == at), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_continuation_of_nothing_is_refused() {
        assert!(matches!(Lines::new(&b" x\n"[..]).next(), Err(LineError::ContinuesNothing(1))));
        let mut lines = Lines::new(&b"a: b\n\n x\n"[..]);
        assert!(lines.next().is_ok() && lines.next().is_ok());
        assert!(matches!(lines.next(), Err(LineError::ContinuesNothing(3))));
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let endless = io::BufReader::new(io::repeat(b'x'));
        assert!(matches!(Lines::new(endless).next(), Err(LineError::TooLong(1))));
        let folded = b"a: \n".iter().copied().chain(b" xxxxxxxxxxxxxxx\n".iter().copied().cycle());
        let folded: Vec<u8> = folded.take(MAX_LINE * 2).collect();
        assert!(matches!(Lines::new(folded.as_slice()).next(), Err(LineError::TooLong(1))));
    }
}
