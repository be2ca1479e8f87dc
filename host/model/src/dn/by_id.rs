//! Names that hold the id of an object in place of its name, as Active Directory lets a name be written: `<GUID=...>`
//! (MS-ADTS, section 3.1.1.3.1.2.4).

use super::DnKey;
use crate::{IdSyntax, SourceId};

/// What the key of such a name begins with, before the id as it is stored. No other key does: the key of a name begins
/// with the letters or digits of an attribute, and a name by value with another mark.
const MARK: u8 = 0xFE;

/// How long a GUID is in its text form, with hyphens. Without them it would be one in another order of octets.
const GUID_CHARACTERS: usize = 36;

impl DnKey {
    /// The key of the names that mean the object with this id, whatever it is called; none where its ids cannot stand in
    /// a name.
    pub fn of_id(id: &SourceId) -> Option<Self> {
        (id.syntax() == IdSyntax::Guid).then(|| {
            let mut octets = vec![MARK];
            octets.extend(id.to_storage());
            Self(octets)
        })
    }

    /// The id of the object that the name means, in the form in which it is stored; none where it is a name by
    /// attributes.
    pub fn stored_id(&self) -> Option<&[u8]> {
        Self::stored_id_in(&self.0)
    }

    /// The same of the octets of a key.
    pub fn stored_id_in(key: &[u8]) -> Option<&[u8]> {
        key.strip_prefix(&[MARK])
    }
}

/// The key of a text, where it is a name by GUID.
pub(super) fn guid_key(text: &str) -> Option<DnKey> {
    let (kind, guid) = text.strip_prefix('<')?.strip_suffix('>')?.split_once('=')?;
    if !kind.eq_ignore_ascii_case("GUID") || guid.len() != GUID_CHARACTERS {
        return None;
    }
    DnKey::of_id(&SourceId::parse(IdSyntax::Guid, guid).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "00112233-4455-6677-8899-aabbccddeeff";

    #[test]
    fn a_name_by_guid_means_the_object_of_this_id() {
        let id = SourceId::parse(IdSyntax::Guid, ID).unwrap();
        let key = DnKey::of(&format!("<GUID={ID}>")).unwrap();
        assert_eq!(Some(&key), DnKey::of_id(&id).as_ref());
        assert_eq!(key.stored_id(), Some(id.to_storage().as_slice()));
        assert_eq!(DnKey::of(&format!("<guid={}>", ID.to_uppercase())).unwrap(), key);
        assert_eq!(DnKey::of("cn=<GUID").ok(), None);
    }

    #[test]
    fn what_only_looks_like_a_name_by_guid_is_no_name() {
        for text in [
            "<GUID=>".to_owned(),
            format!("<GUID={ID}"),
            format!("<SID={ID}>"),
            format!("<GUID={ID}>,dc=lab"),
            format!("<GUID={}>", ID.replace('-', "")),
            format!("<GUID={}>", ID.replace('f', "g")),
            "<>".to_owned(),
        ] {
            assert!(DnKey::of(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_entry_can_stand_under_a_name_by_guid() {
        assert!(DnKey::with_spelling(&format!("<GUID={ID}>")).is_err());
        assert_eq!(DnKey::of("cn=a,dc=lab").unwrap().stored_id(), None);
        assert_eq!(DnKey::of_id(&SourceId::parse(IdSyntax::Uuid, ID).unwrap()), None);
    }
}
