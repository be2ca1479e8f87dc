//! Objects as Active Directory sends them, taken apart: who it is, what of it came, and what of that is a part or a change.

use provisor_model::{AttributeName, IdSyntax, SourceId};

use super::names::ExtendedName;
use crate::reading::Raw;

/// What of an attribute's values came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of them.
    All,
    /// Those that came to it (`;range=1-1` in DirSync).
    Added,
    /// Those that went (`;range=0-0`).
    Removed,
    /// Some; the others are to be asked for from this number on (MS-ADTS, section 3.1.1.3.1.3.3).
    Until(u64),
    /// The last of them, behind others.
    Last,
}

/// A part of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// The attribute, without options.
    pub name: String,
    pub extent: Extent,
    pub values: Vec<Vec<u8>>,
}

/// An object as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub id: SourceId,
    /// Its name, without GUID and SID.
    pub dn: String,
    pub parts: Vec<Part>,
}

/// Why something that came is no object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ObjectError {
    #[error("an object without objectGUID")]
    NoId,
    #[error("an attribute with the options \"{0}\", which nobody asked for")]
    Options(String),
}

impl Object {
    /// Takes apart what came; in answers of DirSync (`changes`) ranges are what came and went.
    pub fn read(raw: &impl Raw, changes: bool) -> Result<Self, ObjectError> {
        let name = ExtendedName::read(raw.dn());
        let mut parts = Vec::new();
        for (description, values) in raw.attributes() {
            let (name, extent) = extent(description, changes)?;
            let values = values.map(<[u8]>::to_vec).collect();
            parts.push(Part { name: name.to_owned(), extent, values });
        }
        let own = parts.iter().find(|part| part.name.eq_ignore_ascii_case("objectGUID"));
        let own = own.and_then(|part| SourceId::new(IdSyntax::Guid, part.values.first()?).ok());
        let dn = name.dn.to_owned();
        Ok(Self { id: own.or(name.id).ok_or(ObjectError::NoId)?, dn, parts })
    }

    /// Takes over what else came of the same object.
    pub fn absorb(&mut self, other: Self) {
        for mut part in other.parts {
            let same = |own: &&mut Part| own.extent == part.extent && own.name.eq_ignore_ascii_case(&part.name);
            match self.parts.iter_mut().find(same) {
                Some(own) if part.extent == Extent::All => own.values = part.values,
                Some(own) => own.values.append(&mut part.values),
                None => self.parts.push(part),
            }
        }
        self.dn = other.dn;
    }

    /// Whether it was deleted, and is a tombstone or in the recycle bin.
    pub fn is_deleted(&self) -> bool {
        let says = |part: &Part| part.values.iter().any(|value| value.eq_ignore_ascii_case(b"TRUE"));
        // Its name says so too, where the attribute is hidden from the account.
        self.part("isDeleted").is_some_and(says) || self.dn.contains("\\0ADEL:")
    }

    /// The same, and not the container of deleted objects, which counts as deleted and which everybody sees.
    pub fn is_tombstone(&self) -> bool {
        self.is_deleted() && !self.dn.starts_with("CN=Deleted Objects,")
    }

    /// Whether it was deleted, and is not any more.
    pub fn came_back(&self) -> bool {
        self.has("isDeleted") && !self.is_deleted()
    }

    /// Whether any of an attribute came, be it that it is gone.
    pub fn has(&self, name: &str) -> bool {
        self.part(name).is_some()
    }

    /// The first value of an attribute, as a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.texts(name).first()?.parse().ok()
    }

    /// The values of an attribute, as text.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        let values = self.part(name).into_iter().flat_map(|part| &part.values);
        values.filter_map(|value| std::str::from_utf8(value).ok()).collect()
    }

    fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name.eq_ignore_ascii_case(name))
    }

    /// The attributes that came in part.
    pub fn cut(&self) -> impl Iterator<Item = AttributeName> {
        let cut = self.parts.iter().filter(|part| matches!(part.extent, Extent::Until(_) | Extent::Last));
        cut.map(|part| AttributeName::new(part.name.as_str()))
    }
}

/// The attribute's name, and what of it came.
fn extent(description: &str, changes: bool) -> Result<(&str, Extent), ObjectError> {
    let Some((name, option)) = description.split_once(';') else { return Ok((description, Extent::All)) };
    let range = option.get(..6).filter(|head| head.eq_ignore_ascii_case("range=")).and_then(|_| option.get(6..));
    let Some((from, to)) = range.and_then(|range| range.split_once('-')) else {
        // A certificate, as some ask for it (RFC 4522).
        if option.eq_ignore_ascii_case("binary") {
            return Ok((name, Extent::All));
        }
        return Err(ObjectError::Options(crate::error::server_words(option)));
    };
    let wrong = || ObjectError::Options(crate::error::server_words(option));
    match (changes, from, to) {
        (true, "1", "1") => Ok((name, Extent::Added)),
        (true, "0", "0") => Ok((name, Extent::Removed)),
        (_, "0", "*") => Ok((name, Extent::All)),
        (_, _, "*") => Ok((name, Extent::Last)),
        (_, from, to) => {
            let (from, to) = (from.parse::<u64>().map_err(|_| wrong())?, to.parse::<u64>().map_err(|_| wrong())?);
            let next = to.checked_add(1).filter(|_| from <= to).ok_or_else(wrong)?;
            Ok((name, Extent::Until(next)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{RawAttribute, RawEntry};

    fn raw(attributes: &[(&str, &[&[u8]])]) -> RawEntry {
        let attribute = |(name, values): &(&str, &[&[u8]])| RawAttribute {
            name: (*name).to_owned(),
            values: values.iter().map(|value| value.to_vec()).collect(),
        };
        RawEntry {
            dn: "<GUID=63374e0e-62be-40e3-8213-7d7abbc1afac>;CN=Staff,DC=lab".into(),
            attributes: attributes.iter().map(attribute).collect(),
        }
    }

    fn extent_of(name: &str, changes: bool) -> Result<Extent, ObjectError> {
        Object::read(&raw(&[(name, &[b"x"])]), changes).map(|object| object.parts[0].extent)
    }

    #[test]
    fn ranges_are_what_came_and_went_in_changes_and_parts_elsewhere() {
        assert_eq!(extent_of("member", true), Ok(Extent::All));
        assert_eq!(extent_of("member;range=1-1", true), Ok(Extent::Added));
        assert_eq!(extent_of("member;Range=0-0", true), Ok(Extent::Removed));
        assert_eq!(extent_of("member;range=0-0", false), Ok(Extent::Until(1)));
        assert_eq!(extent_of("member;range=0-1499", false), Ok(Extent::Until(1500)));
        assert_eq!(extent_of("member;range=1500-*", false), Ok(Extent::Last));
        assert_eq!(extent_of("member;range=0-*", false), Ok(Extent::All));
        assert_eq!(extent_of("userCertificate;binary", false), Ok(Extent::All));
        for name in ["member;range=5-1", "member;range=a-b", "member;range=0-18446744073709551615", "cn;lang-de", "x;é"]
        {
            assert!(extent_of(name, false).is_err(), "{name}");
        }
    }

    #[test]
    fn an_object_is_known_by_its_guid_wherever_that_stands() {
        let guid: &[u8] =
            &[0x0e, 0x4e, 0x37, 0x63, 0xbe, 0x62, 0xe3, 0x40, 0x82, 0x13, 0x7d, 0x7a, 0xbb, 0xc1, 0xaf, 0xac];
        let by_name = Object::read(&raw(&[]), true).unwrap();
        let by_attribute =
            Object::read(&RawEntry { dn: "CN=Staff,DC=lab".into(), ..raw(&[("objectGUID", &[guid])]) }, true);
        let by_attribute = by_attribute.unwrap();
        assert_eq!((&by_name.id, &by_name.dn), (&by_attribute.id, &by_attribute.dn));
        assert_eq!(Object::read(&RawEntry { dn: "CN=x".into(), ..raw(&[]) }, true), Err(ObjectError::NoId));
    }

    #[test]
    fn a_deleted_object_says_so_and_one_that_came_back_does_not() {
        let deleted = |values| Object::read(&raw(&[("isDeleted", values)]), true).unwrap();
        assert!(deleted(&[b"TRUE"]).is_deleted());
        assert!(!deleted(&[]).is_deleted() && deleted(&[]).came_back() && !deleted(&[b"TRUE"]).came_back());
    }
}
