//! Writing LDIF: entries and changes, in base64 where a text is not plain; and reading what a search printed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Records under construction.
#[derive(Default)]
pub struct Records(String);

impl Records {
    pub fn begin(&mut self, dn: &str) {
        self.value("dn", dn);
    }

    pub fn value(&mut self, name: &str, value: &str) {
        if value.is_ascii() && !value.starts_with([' ', ':', '<']) && !value.ends_with(' ') {
            writeln!(self.0, "{name}: {value}").unwrap();
        } else {
            writeln!(self.0, "{name}:: {}", STANDARD.encode(value)).unwrap();
        }
    }

    pub fn end(&mut self) {
        self.0.push('\n');
    }

    fn modify(&mut self, dn: &str, how: &str, name: &str, values: &[String]) {
        self.begin(dn);
        self.value("changetype", "modify");
        self.value(how, name);
        values.iter().for_each(|value| self.value(name, value));
        self.end();
    }

    /// Values come to an attribute.
    pub fn add(&mut self, dn: &str, name: &str, values: &[String]) {
        self.modify(dn, "add", name, values);
    }

    /// Values go from an attribute.
    pub fn remove(&mut self, dn: &str, name: &str, values: &[String]) {
        self.modify(dn, "delete", name, values);
    }

    /// An attribute has these values; none takes it away.
    pub fn replace(&mut self, dn: &str, name: &str, values: &[String]) {
        self.modify(dn, "replace", name, values);
    }

    pub fn delete(&mut self, dn: &str) {
        self.begin(dn);
        self.value("changetype", "delete");
        self.end();
    }

    /// Another name, and another place where one is given.
    pub fn rename(&mut self, dn: &str, rdn: &str, above: Option<&str>) {
        self.begin(dn);
        self.value("changetype", "modrdn");
        self.value("newrdn", rdn);
        self.value("deleteoldrdn", "1");
        if let Some(above) = above {
            self.value("newsuperior", above);
        }
        self.end();
    }

    pub fn finish(self) -> String {
        self.0
    }
}

/// The entries of what a search printed, each with the octets of its attributes' first values.
pub fn read(text: &str) -> Vec<BTreeMap<String, Vec<u8>>> {
    let value = |line: &str| -> Option<(String, Vec<u8>)> {
        let (name, value) = line.split_once(':')?;
        let octets = match value.strip_prefix(": ") {
            Some(encoded) => STANDARD.decode(encoded).unwrap(),
            None => value.trim_start().as_bytes().to_vec(),
        };
        Some((name.to_owned(), octets))
    };
    let records = text.split("\n\n").filter(|record| record.starts_with("dn:"));
    records.map(|record| record.lines().rev().filter_map(value).collect()).collect()
}

/// A GUID in its text form: the first three groups are little-endian (MS-DTYP, section 2.3.4.2).
pub fn guid(octets: &[u8]) -> String {
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let digits: Vec<String> = order.iter().map(|place| format!("{:02x}", octets[*place])).collect();
    let groups = [&digits[..4], &digits[4..6], &digits[6..8], &digits[8..10], &digits[10..]];
    groups.map(<[String]>::concat).join("-")
}

/// A security identifier in its text form (MS-DTYP, section 2.4.2.2).
pub fn sid(octets: &[u8]) -> String {
    let parts = octets[8..].chunks_exact(4).map(|part| u32::from_le_bytes(part.try_into().unwrap()).to_string());
    format!("S-{}-{}-{}", octets[0], octets[7], parts.collect::<Vec<_>>().join("-"))
}
