//! The messages of a search, read with errors where the LDAP library would panic (RFC 4511, sections 4.5.2 and 4.13).

use ldap3::asn1::{PL, StructureTag};
use ldap3::controls::Control;
use ldap3::{LdapResult, ResultEntry};

use super::controls::{self, Malformed, SYNC_INFO, SYNC_STATE, SyncInfo, SyncState};
use crate::reading::{RawAttribute, RawEntry};

/// The most that an entry may hold, in octets of values.
const MAX_ENTRY: usize = 64 * 1024 * 1024;

/// A message of a search.
#[derive(Debug)]
pub(crate) enum Message {
    /// An entry, with what it means for a synchronisation.
    Entry(RawEntry, Option<SyncState>),
    /// A part of the tree that another server keeps.
    Reference,
    /// News of a synchronisation.
    SyncInfo(SyncInfo),
    /// An intermediate message of another kind, which may be ignored (RFC 4511, section 4.13).
    Other,
}

/// Why a message could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageError {
    #[error(transparent)]
    Control(#[from] Malformed),
    #[error("a malformed search result")]
    Malformed,
    #[error("an entry of more than 64 MiB")]
    TooLarge,
}

/// Reads a message.
pub(crate) fn read(message: ResultEntry) -> Result<Message, MessageError> {
    let (reference, intermediate) = (message.is_ref(), message.is_intermediate());
    let (tag, message_controls) = (message.0, message.1);
    if reference {
        return Ok(Message::Reference);
    }
    if intermediate {
        return intermediate_message(tag);
    }
    let state = control(&message_controls, SYNC_STATE).map(controls::sync_state).transpose()?;
    Ok(Message::Entry(entry(tag)?, state))
}

/// The value of the control with this OID.
pub(crate) fn control<'a>(controls: &'a [Control], oid: &str) -> Option<&'a [u8]> {
    controls.iter().find(|Control(_, raw)| raw.ctype == oid).and_then(|Control(_, raw)| raw.val.as_deref())
}

/// The value of the control with this OID that came with a result.
pub(crate) fn result_control<'a>(result: &'a LdapResult, oid: &str) -> Option<&'a [u8]> {
    control(&result.ctrls, oid)
}

fn intermediate_message(tag: StructureTag) -> Result<Message, MessageError> {
    let (mut name, mut value) = (None, None);
    for part in constructed(tag)? {
        match part.id {
            0 => name = Some(primitive(part)?),
            1 => value = Some(primitive(part)?),
            _ => {}
        }
    }
    match (name, value) {
        (Some(name), Some(value)) if name == SYNC_INFO.as_bytes() => {
            Ok(Message::SyncInfo(controls::sync_info(&value)?))
        }
        (Some(name), None) if name == SYNC_INFO.as_bytes() => Err(MessageError::Malformed),
        _ => Ok(Message::Other),
    }
}

fn entry(tag: StructureTag) -> Result<RawEntry, MessageError> {
    let mut parts = constructed(tag)?.into_iter();
    let dn = text(parts.next())?;
    let list = constructed(parts.next().ok_or(MessageError::Malformed)?)?;
    let mut size = dn.len();
    let mut attributes = Vec::with_capacity(list.len());
    for attribute in list {
        let mut parts = constructed(attribute)?.into_iter();
        let name = text(parts.next())?;
        let values = constructed(parts.next().ok_or(MessageError::Malformed)?)?;
        let values = values.into_iter().map(primitive).collect::<Result<Vec<_>, _>>()?;
        size += name.len() + values.iter().map(Vec::len).sum::<usize>();
        if size > MAX_ENTRY {
            return Err(MessageError::TooLarge);
        }
        attributes.push(RawAttribute { name, values });
    }
    Ok(RawEntry { dn, attributes })
}

fn constructed(tag: StructureTag) -> Result<Vec<StructureTag>, MessageError> {
    match tag.payload {
        PL::C(parts) => Ok(parts),
        PL::P(_) => Err(MessageError::Malformed),
    }
}

fn primitive(tag: StructureTag) -> Result<Vec<u8>, MessageError> {
    match tag.payload {
        PL::P(octets) => Ok(octets),
        PL::C(_) => Err(MessageError::Malformed),
    }
}

fn text(tag: Option<StructureTag>) -> Result<String, MessageError> {
    String::from_utf8(primitive(tag.ok_or(MessageError::Malformed)?)?).map_err(|_| MessageError::Malformed)
}

#[cfg(test)]
mod tests {
    use ldap3::asn1::parse_tag;
    use proptest::prelude::*;

    use super::*;

    fn message(octets: &[u8]) -> Option<Result<Message, MessageError>> {
        let (_, tag) = parse_tag(octets).ok()?;
        let mut message = ResultEntry::new(tag);
        message.1 = Vec::new();
        Some(read(message))
    }

    #[test]
    fn an_entry_is_read() {
        // SearchResultEntry { "cn=A", { { "cn", { "A", "B" } } } }
        let octets = b"\x64\x14\x04\x04cn=A\x30\x0c\x30\x0a\x04\x02cn\x31\x04\x04\x00\x04\x00";
        let Some(Ok(Message::Entry(entry, None))) = message(octets) else { panic!("no entry") };
        assert_eq!(entry.dn, "cn=A");
        assert_eq!(entry.attributes, [RawAttribute { name: "cn".into(), values: vec![vec![], vec![]] }]);
    }

    #[test]
    fn a_reference_is_no_entry() {
        assert!(matches!(message(b"\x73\x06\x04\x04ldap"), Some(Ok(Message::Reference))));
    }

    #[test]
    fn malformed_messages_are_errors() {
        for octets in [&b"\x64\x00"[..], b"\x64\x06\x04\x04cn=A", b"\x64\x05\x04\x01\xff\x30\x00", b"\x44\x01x"] {
            assert!(matches!(message(octets), Some(Err(MessageError::Malformed))), "{octets:?}");
        }
    }

    proptest! {
        #[test]
        fn no_message_makes_it_panic(head in prop::sample::select(vec![0x64u8, 0x73, 0x79]), body in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut octets = vec![head, u8::try_from(body.len()).unwrap()];
            octets.extend(body);
            let _ = message(&octets);
        }
    }
}
