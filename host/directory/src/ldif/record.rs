//! The content records of an LDIF file (RFC 2849).

use std::io::BufRead;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::lines::{Line, LineError, Lines, MAX_LINE};
use crate::error::server_words;
use crate::reading::{RawAttribute, RawEntry};
use crate::selection::is_description;

/// The most a record may hold, in octets; a line counts for at least [`LINE_COST`].
const MAX_RECORD: usize = 4 * MAX_LINE;

/// What a line costs in memory beside its octets, about.
const LINE_COST: usize = 64;

/// A record of a file, with the lines that its parts stand on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Where it begins.
    pub line: u64,
    /// What it says.
    pub entry: RawEntry,
    /// The line of each value, in the order of the entry's attributes and values.
    pub value_lines: Vec<Vec<u64>>,
}

/// What is wrong with a file, and where.
#[derive(Debug)]
pub(crate) struct RecordError {
    pub line: Option<u64>,
    pub reason: String,
}

impl RecordError {
    /// What the line says is no part of the reason: it may be a password, or what is left of one.
    fn at(line: u64, reason: impl Into<String>) -> Self {
        Self { line: Some(line), reason: reason.into() }
    }
}

impl From<LineError> for RecordError {
    fn from(error: LineError) -> Self {
        let line = match &error {
            LineError::Io(_) => None,
            LineError::TooLong(line) | LineError::ContinuesNothing(line) | LineError::CutOff(line) => Some(*line),
        };
        Self { line, reason: error.to_string() }
    }
}

/// Reads records one by one.
pub(crate) struct Records<R> {
    lines: Lines<R>,
    begun: bool,
}

impl<R: BufRead> Records<R> {
    /// The records of this input.
    pub fn new(input: R) -> Self {
        Self { lines: Lines::new(input), begun: false }
    }

    /// The next record; none at the end of the file.
    pub fn next(&mut self) -> Result<Option<Record>, RecordError> {
        let Some(first) = self.first_line()? else { return Ok(None) };
        let (name, value) = split(&first)?;
        if !name.eq_ignore_ascii_case("dn") {
            return Err(RecordError::at(
                first.number,
                "a record must begin with \"dn:\", and this line does not. Is an empty line above it where none belongs?",
            ));
        }
        let dn = String::from_utf8(decode(&first, value)?)
            .map_err(|_| RecordError::at(first.number, "the distinguished name is not UTF-8 text"))?;
        let mut record =
            Record { line: first.number, entry: RawEntry { dn, attributes: Vec::new() }, value_lines: Vec::new() };
        let mut size = first.text.len();
        while let Some(line) = self.lines.next()?.filter(|line| !line.text.is_empty()) {
            size += line.text.len() + LINE_COST;
            if size > MAX_RECORD {
                return Err(RecordError::at(record.line, "the record is larger than 64 MiB"));
            }
            add_value(&mut record, &line)?;
        }
        if record.entry.attributes.is_empty() {
            return Err(RecordError::at(
                record.line,
                format!("\"{}\" has no attributes", server_words(&record.entry.dn)),
            ));
        }
        Ok(Some(record))
    }

    /// The input, once the last record has been read.
    pub fn input(&self) -> &R {
        self.lines.input()
    }

    /// The line that begins the next record, with the version in front of the first one read and dropped.
    fn first_line(&mut self) -> Result<Option<Line>, RecordError> {
        while let Some(line) = self.lines.next()? {
            if line.text.is_empty() {
                continue;
            }
            let first_of_file = !std::mem::replace(&mut self.begun, true);
            let (name, value) = split(&line)?;
            if !name.eq_ignore_ascii_case("version") {
                return Ok(Some(line));
            }
            if !first_of_file {
                return Err(RecordError::at(line.number, "the version must stand in front of the first record, once"));
            }
            if decode(&line, value)? != b"1" {
                return Err(RecordError::at(line.number, "only version 1 of LDIF is known (RFC 2849)"));
            }
        }
        Ok(None)
    }
}

fn add_value(record: &mut Record, line: &Line) -> Result<(), RecordError> {
    let (name, value) = split(line)?;
    if name.eq_ignore_ascii_case("changetype") || name.eq_ignore_ascii_case("control") {
        return Err(RecordError::at(
            line.number,
            "\"changetype:\" or \"control:\" makes this a change record. Export the content of the directory, not its changes",
        ));
    }
    if name.eq_ignore_ascii_case("dn") {
        return Err(RecordError::at(
            line.number,
            "a second \"dn:\" in one record. Is the empty line between two missing?",
        ));
    }
    if !is_description(name) {
        return Err(RecordError::at(
            line.number,
            "what stands in front of the colon is not the name of an attribute. Is the line before it broken where it \
             should be folded?",
        ));
    }
    let value = decode(line, value)?;
    // Values of an attribute usually stand together: looking at the last one keeps large groups quick.
    match (record.entry.attributes.last_mut(), record.value_lines.last_mut()) {
        (Some(last), Some(lines)) if last.name == name => {
            last.values.push(value);
            lines.push(line.number);
        }
        _ => {
            record.entry.attributes.push(RawAttribute { name: name.to_owned(), values: vec![value] });
            record.value_lines.push(vec![line.number]);
        }
    }
    Ok(())
}

/// The name in front of the colon, and all that stands behind it.
fn split(line: &Line) -> Result<(&str, &[u8]), RecordError> {
    let no_name = || {
        let reason = "\"name: value\" was expected, and this line is something else. Where it goes on with the line before \
                      it, it must begin with a space";
        RecordError::at(line.number, reason)
    };
    let colon = line.text.iter().position(|octet| *octet == b':').ok_or_else(no_name)?;
    let (name, value) = line.text.split_at_checked(colon).ok_or_else(no_name)?;
    let name = std::str::from_utf8(name).map_err(|_| no_name())?;
    Ok((name, value.get(1..).unwrap_or_default()))
}

/// The value behind a colon: as it stands, or decoded where a second colon says base64. UTF-8 that stands there as it
/// is, which the RFC forbids and many tools write, is let through.
fn decode(line: &Line, value: &[u8]) -> Result<Vec<u8>, RecordError> {
    match value.split_first() {
        Some((b':', encoded)) => STANDARD
            .decode(encoded.trim_ascii())
            .map_err(|_| RecordError::at(line.number, "what stands behind \"::\" is not base64")),
        Some((b'<', _)) => Err(RecordError::at(
            line.number,
            "\":<\" names a file or URL that holds the value, which is not read. Put the value itself there, in base64",
        )),
        _ => Ok(value.get(value.iter().take_while(|octet| **octet == b' ').count()..).unwrap_or_default().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(text: &[u8]) -> Result<Vec<Record>, RecordError> {
        let mut records = Records::new(text);
        let mut all = Vec::new();
        while let Some(record) = records.next()? {
            all.push(record);
        }
        Ok(all)
    }

    fn failure(text: &str) -> (Option<u64>, String) {
        let error = records(text.as_bytes()).unwrap_err();
        (error.line, error.reason)
    }

    #[test]
    fn the_first_example_of_the_rfc_is_read() {
        let text = "version: 1\n\
            dn: cn=Barbara Jensen, ou=Product Development, dc=airius, dc=com\n\
            objectclass: top\nobjectclass: person\nobjectclass: organizationalPerson\n\
            cn: Barbara Jensen\ncn: Barbara J Jensen\ncn: Babs Jensen\nsn: Jensen\nuid: bjensen\n\
            telephonenumber: +1 408 555 1212\ndescription: A big sailing fan.\n\n\
            dn: cn=Bjorn Jensen, ou=Accounting, dc=airius, dc=com\n\
            objectclass: top\nobjectclass: person\nobjectclass: organizationalPerson\n\
            cn: Bjorn Jensen\nsn: Jensen\ntelephonenumber: +1 408 555 1212\n";
        let records = records(text.as_bytes()).unwrap();
        assert_eq!(records.iter().map(|record| record.line).collect::<Vec<_>>(), [2, 14]);
        let cn = &records[0].entry.attributes[1];
        assert_eq!((cn.name.as_str(), cn.values.len()), ("cn", 3));
        assert_eq!(records[0].value_lines[1], [6, 7, 8]);
    }

    #[test]
    fn the_second_example_of_the_rfc_is_read() {
        let text = "version: 1\ndn:cn=Barbara Jensen, ou=Product Development, dc=airius, dc=com\nobjectclass:top\n\
            description:Babs is a big sailing fan, and travels extensively in sea\n rch of perfect sailing conditions.\n\
            title:Product Manager, Rod and Reel Division\n";
        let records = records(text.as_bytes()).unwrap();
        let description = &records[0].entry.attributes[1].values[0];
        assert!(description.ends_with(b"travels extensively in search of perfect sailing conditions."));
        assert_eq!(records[0].entry.attributes[2].values[0], b"Product Manager, Rod and Reel Division");
    }

    #[test]
    fn the_third_and_fourth_examples_of_the_rfc_are_read() {
        let text = "version: 1\ndn: cn=Gern Jensen, ou=Product Testing, dc=airius, dc=com\n\
            description:: V2hhdCBhIGNhcmVmdWwgcmVhZGVyIHlvdSBhcmUhICBUaGlzIHZhbHVl\n \
            IGlzIGJhc2UtNjQtZW5jb2RlZCBiZWNhdXNlIGl0IGhhcyBhIGNvbnRyb2wgY2hhcmFjdGVyIGlu\n IGl0IChhIENSKS4NICBCeSB0aGUgd2F5LCB5\n \
            b3Ugc2hvdWxkIHJlYWxseSBnZXQgb3V0IG1vcmUu\n\n\
            dn:: b3U95Za25qWt6YOoLG89QWlyaXVz\n# dn:: ou=<JapaneseOU>,o=Airius\n\
            ou:: 5Za25qWt6YOo\nou;lang-ja:: 5Za25qWt6YOo\nou;lang-ja;phonetic:: 44GI44GE44GO44KH44GG44G2\n\
            ou;lang-en: Sales\ndescription: Japanese office\n";
        let records = records(text.as_bytes()).unwrap();
        assert!(
            records[0].entry.attributes[0].values[0]
                .ends_with(b"(a CR).\r  By the way, you should really get out more.")
        );
        assert_eq!(records[1].entry.dn, "ou=営業部,o=Airius");
        let names: Vec<&str> = records[1].entry.attributes.iter().map(|attribute| attribute.name.as_str()).collect();
        assert_eq!(names, ["ou", "ou;lang-ja", "ou;lang-ja;phonetic", "ou;lang-en", "description"]);
    }

    #[test]
    fn the_examples_with_urls_and_changes_are_refused_with_their_line() {
        let (line, reason) =
            failure("version: 1\ndn: cn=H\njpegphoto:< file:///usr/local/directory/photos/hjensen.jpg\n");
        assert_eq!(line, Some(3));
        assert!(reason.contains(":<"), "{reason}");
        for (text, at) in [
            ("version: 1\n# Add a new entry\ndn: cn=F\nchangetype: add\nobjectclass: top\n", 4),
            ("dn: cn=R\nchangetype: delete\n", 2),
            ("dn: ou=P\ncontrol: 1.2.840.113556.1.4.805 true\nchangetype: delete\n", 2),
        ] {
            let (line, reason) = failure(text);
            assert_eq!(line, Some(at));
            assert!(reason.contains("change record"), "{reason}");
        }
    }

    #[test]
    fn a_broken_line_is_named() {
        for (text, at) in [
            ("dn: cn=A\ncn A\n", 2),
            ("dn: cn=A\ncn:: ***\n", 2),
            ("dn: cn=A\nc n: A\n", 2),
            ("dn: cn=A\n\ncn: A\n", 1),
            ("dn: cn=A\ncn: A\n\nsn: B\n", 4),
            ("dn: cn=A\ncn: A\ndn: cn=B\n", 3),
            ("dn:: /w==\ncn: A\n", 1),
            ("version: 2\n", 1),
            ("dn: cn=A\ncn: A\n\nversion: 1\n", 4),
            ("just text\n", 1),
            ("dn: cn=A\n\u{e4}: x\n", 2),
        ] {
            assert_eq!(failure(text).0, Some(at), "{text}");
        }
    }

    #[test]
    fn an_error_repeats_nothing_that_may_be_a_password() {
        for (text, at) in [
            // A hash that was broken in two, before and behind a colon, by an empty line, or spoilt.
            ("dn: cn=A\nuserPassword: {SSHA}\nhunter2hunter2\n", 3),
            ("dn: cn=A\nuserPassword: {SSHA}\n{X}hunter2: hunter2\n", 3),
            ("dn: cn=A\nuserPassword: {SSHA}\n\nhunter2: hunter2\n", 4),
            ("dn: cn=A\nuserPassword:: hunter2!\n", 2),
            ("hunter2: hunter2\n", 1),
        ] {
            let (line, reason) = failure(text);
            assert_eq!(line, Some(at), "{text}");
            assert!(!reason.contains("hunter2"), "{reason}");
        }
    }

    #[test]
    fn a_file_may_begin_with_empty_lines_and_hold_nothing_but_comments() {
        assert_eq!(records(b"\n\r\ndn: cn=A\r\ncn: A\r\n").unwrap().len(), 1);
        assert_eq!(records(b"# nothing but a comment\n").unwrap(), []);
        assert_eq!(records(b"version: 1\n").unwrap(), []);
    }

    #[test]
    fn a_file_that_is_cut_off_anywhere_within_a_line_is_refused() {
        let whole = "dn: cn=A\nmember: cn=Byron, ou=People\n\ndn: cn=B\ncn: B\n";
        for cut in (1..whole.len()).filter(|cut| !whole[..*cut].ends_with('\n')) {
            let (line, reason) = failure(&whole[..cut]);
            assert_eq!(line, Some(whole[..cut].lines().count() as u64));
            assert!(reason.contains("cut off"), "{cut}: {reason}");
        }
    }

    /// Writes a record: all in base64 or as it stands, folded after so many octets.
    fn write(record: &RawEntry, base64: bool, fold: usize) -> Vec<u8> {
        let mut text = Vec::new();
        let mut line = |name: &str, value: &[u8]| {
            let mut line = name.as_bytes().to_vec();
            if base64 {
                line.extend(b":: ");
                line.extend(STANDARD.encode(value).into_bytes());
            } else {
                line.extend(b": ");
                line.extend(value);
            }
            for (index, part) in line.chunks(fold).enumerate() {
                text.extend(if index > 0 { &b"\n "[..] } else { b"" });
                text.extend(part);
            }
            text.push(b'\n');
        };
        line("dn", record.dn.as_bytes());
        for attribute in &record.attributes {
            for value in &attribute.values {
                line(&attribute.name, value);
            }
        }
        text
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            dn in "cn=\\PC{0,40}",
            attributes in proptest::collection::vec(("[a-z]{3,8}", proptest::collection::vec("[!-~][ -~]{0,90}", 1..4)), 1..6),
            base64: bool,
            fold in 2usize..90,
        ) {
            let mut entry = RawEntry { dn, attributes: Vec::new() };
            for (index, (name, values)) in attributes.into_iter().enumerate() {
                // A value that begins with a colon or a less-than sign must be in base64, as the RFC says.
                let values = values.into_iter().map(|value| value.trim_start_matches([':', '<', ' ']).to_owned().into_bytes());
                entry.attributes.push(RawAttribute { name: format!("{name}{index}"), values: values.collect() });
            }
            let text = write(&entry, base64, fold);
            let read = records(&text).map_err(|error| TestCaseError::fail(error.reason))?;
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(&read[0].entry, &entry);
        }

        #[test]
        fn no_octets_whatever_make_it_panic(octets: Vec<u8>, lines in "(dn:|version:|cn::|\n| |#|:<|[ -~]{0,5}){0,30}") {
            let _ = records(&octets);
            let _ = records(lines.as_bytes());
        }
    }
}
