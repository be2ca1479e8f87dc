//! The attributes by which directories name their entries for ever, and how their values become identifiers and back.

use std::fmt::Write as _;

use provisor_model::{AttributeName, IdError, IdSyntax, SourceId};

use crate::options::ENTRY_UUID;

/// What 389 Directory Server and its relatives call an entry: a UUID in four groups of eight digits.
pub(crate) const NS_UNIQUE_ID: &str = "nsUniqueId";
/// What Active Directory calls an entry.
pub(crate) const OBJECT_GUID: &str = "objectGUID";
/// Where synchronisation from Active Directory keeps what an object is known by, should it move to another forest.
pub(crate) const CONSISTENCY_GUID: &str = "mS-DS-ConsistencyGuid";

/// The attributes of servers that every entry has, whose values are unique and never change, in the order in which
/// they are looked for. nsUniqueId comes first: where both exist, entryUUID may be missing on entries that are older
/// than the plugin that makes it.
pub(crate) const KNOWN: &[&str] = &[NS_UNIQUE_ID, ENTRY_UUID, OBJECT_GUID, "GUID", "ibm-entryUUID", "orclGUID"];

/// Whether the server itself sees to it that no two entries have the same value.
pub(crate) fn is_unique_by_nature(attribute: &AttributeName) -> bool {
    KNOWN.iter().chain(&["ipaUniqueID"]).any(|name| attribute.as_str().eq_ignore_ascii_case(name))
}

/// Whether an attribute is the one of this name.
pub(crate) fn is(attribute: &AttributeName, name: &str) -> bool {
    attribute.as_str().eq_ignore_ascii_case(name)
}

/// An identifier from a value of this attribute: by its own form where it has one, otherwise as the schema has it.
pub(crate) fn read<T>(
    attribute: &AttributeName,
    value: &[u8],
    binary: bool,
    new: fn(IdSyntax, &[u8]) -> Result<T, IdError>,
    parse: fn(IdSyntax, &str) -> Result<T, IdError>,
) -> Result<T, IdError> {
    let text = String::from_utf8_lossy(value);
    if is(attribute, ENTRY_UUID) {
        parse(IdSyntax::Uuid, &text)
    } else if is(attribute, NS_UNIQUE_ID) {
        parse(IdSyntax::Uuid, &text.replace('-', ""))
    } else if (is(attribute, OBJECT_GUID) || is(attribute, CONSISTENCY_GUID)) && value.len() == 16 {
        new(IdSyntax::Guid, value)
    } else {
        new(if binary { IdSyntax::Octets } else { IdSyntax::Text }, value)
    }
}

/// The filter that finds the entry of this id; none where no value of the attribute can have led to it.
pub(crate) fn filter(attribute: &AttributeName, id: &SourceId) -> Option<String> {
    match (id.syntax(), is(attribute, NS_UNIQUE_ID)) {
        (IdSyntax::Uuid, true) => {
            let digits: String = id.octets().iter().map(|octet| format!("{octet:02x}")).collect();
            let groups: Vec<&str> = (0..4).filter_map(|group| digits.get(group * 8..group * 8 + 8)).collect();
            Some(format!("({attribute}={})", groups.join("-")))
        }
        (IdSyntax::Uuid, false) if is(attribute, ENTRY_UUID) => Some(format!("({attribute}={id})")),
        (IdSyntax::Guid | IdSyntax::Text | IdSyntax::Octets, false) if !is(attribute, ENTRY_UUID) => {
            Some(equality(attribute, id.octets()))
        }
        _ => None,
    }
}

/// The filter for entries with this value (RFC 4515); every octet that could mean something is escaped.
pub(crate) fn equality(name: &AttributeName, value: &[u8]) -> String {
    let mut filter = format!("({name}=");
    for octet in value {
        if octet.is_ascii_alphanumeric() {
            filter.push(char::from(*octet));
        } else {
            // Writing into a string does not fail.
            let _ = write!(filter, "\\{octet:02x}");
        }
    }
    filter.push(')');
    filter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_can_change_a_filter() {
        assert_eq!(equality(&"cn".into(), b"a*)(x=\0"), "(cn=a\\2a\\29\\28x\\3d\\00)");
    }

    #[test]
    fn an_id_leads_back_to_the_value_it_was_made_of() {
        let source_id = |attribute: &str, value: &[u8], binary| {
            read(&attribute.into(), value, binary, SourceId::new, SourceId::parse).unwrap()
        };
        for (attribute, value, binary, text, written) in [
            (
                "entryUUID",
                &b"00112233-4455-6677-8899-aabbccddeeff"[..],
                false,
                "00112233-4455-6677-8899-aabbccddeeff",
                "(entryUUID=00112233-4455-6677-8899-aabbccddeeff)",
            ),
            (
                "nsuniqueid",
                b"00112233-44556677-8899aabb-ccddeeff",
                false,
                "00112233-4455-6677-8899-aabbccddeeff",
                "(nsuniqueid=00112233-44556677-8899aabb-ccddeeff)",
            ),
            ("objectGUID", &[0x41; 16], true, "41414141-4141-4141-4141-414141414141", "(objectGUID=AAAAAAAAAAAAAAAA)"),
            ("employeeNumber", b"17", false, "17", "(employeeNumber=17)"),
            ("GUID", &[0, 1], true, "AAE=", "(GUID=\\00\\01)"),
        ] {
            let id = source_id(attribute, value, binary);
            assert_eq!(id.to_string(), text, "{attribute}");
            assert_eq!(filter(&attribute.into(), &id).unwrap(), written);
        }
        let foreign = SourceId::new(IdSyntax::Text, b"17").unwrap();
        assert_eq!(filter(&"entryUUID".into(), &foreign), None);
        assert_eq!(filter(&"nsUniqueId".into(), &foreign), None);
    }
}
