//! The messages of a search (RFC 4511, sections 4.5.2 and 4.13), as they came: nothing is copied out of an entry before
//! somebody reads it.

use ldap3::LdapResult;
use ldap3::controls::Control;

use super::controls::{
    self, Ber, INTEGER, Malformed, OCTET_STRING, SEQUENCE, SET, SYNC_INFO, SYNC_STATE, SyncInfo, SyncState,
};
use crate::reading::Raw;

const ENTRY: u8 = 0x64;
const REFERENCE: u8 = 0x73;
const INTERMEDIATE: u8 = 0x79;
const CONTROLS: u8 = 0xa0;

/// A message of a search.
#[derive(Debug)]
pub(crate) enum Message {
    /// An entry, with what it means for a synchronisation.
    Entry(WireEntry, Option<SyncState>),
    /// A part of the tree that another server keeps.
    Reference,
    /// News of a synchronisation.
    SyncInfo(SyncInfo),
    /// An intermediate message of another kind, which may be ignored (RFC 4511, section 4.13).
    Other,
}

/// An entry as a server sent it: the whole message. The connection has checked it to the last octet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WireEntry(Box<[u8]>);

/// Why a message could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageError {
    #[error(transparent)]
    Control(#[from] Malformed),
    #[error("a malformed search result")]
    Malformed,
}

/// Reads a message of a search, as the connection gives it.
pub(crate) fn read(message: Box<[u8]>) -> Result<Message, MessageError> {
    let broken = |_| MessageError::Malformed;
    let mut envelope = Ber::whole(&message, SEQUENCE).map_err(broken)?;
    envelope.expect(INTEGER).map_err(broken)?;
    let (tag, content) = envelope.next().map_err(broken)?.ok_or(MessageError::Malformed)?;
    match tag {
        ENTRY => {
            let state = match envelope.optional(CONTROLS).map_err(broken)? {
                Some(list) => control_of(list, SYNC_STATE)?.map(controls::sync_state).transpose()?,
                None => None,
            };
            let entry = WireEntry(message);
            if entry.parts().is_some() { Ok(Message::Entry(entry, state)) } else { Err(MessageError::Malformed) }
        }
        REFERENCE => Ok(Message::Reference),
        INTERMEDIATE => intermediate(content),
        _ => Err(MessageError::Malformed),
    }
}

/// The value of the control with this OID that came with a result.
pub(crate) fn result_control<'a>(result: &'a LdapResult, oid: &str) -> Option<&'a [u8]> {
    result.ctrls.iter().find(|Control(_, raw)| raw.ctype == oid).and_then(|Control(_, raw)| raw.val.as_deref())
}

/// The value of the control with this OID.
fn control_of<'a>(list: &'a [u8], oid: &str) -> Result<Option<&'a [u8]>, Malformed> {
    let mut list = Ber(list);
    while let Some((_, control)) = list.next()? {
        let mut parts = Ber(control);
        if parts.expect(OCTET_STRING)? == oid.as_bytes() {
            parts.optional(controls::BOOLEAN)?;
            return parts.optional(OCTET_STRING);
        }
    }
    Ok(None)
}

fn intermediate(content: &[u8]) -> Result<Message, MessageError> {
    let mut parts = Ber(content);
    let name = parts.optional(0x80).map_err(|_| MessageError::Malformed)?;
    let value = parts.optional(0x81).map_err(|_| MessageError::Malformed)?;
    match (name, value) {
        (Some(name), Some(value)) if name == SYNC_INFO.as_bytes() => Ok(Message::SyncInfo(controls::sync_info(value)?)),
        (Some(name), None) if name == SYNC_INFO.as_bytes() => Err(MessageError::Malformed),
        _ => Ok(Message::Other),
    }
}

impl WireEntry {
    /// How long the message is.
    pub fn octets(&self) -> usize {
        self.0.len()
    }

    /// How many values it has.
    pub fn count_values(&self) -> usize {
        let mut list = self.parts().map_or(Ber(&[]), |(_, list)| list);
        let mut count = 0;
        while let Ok(Some((_, attribute))) = list.next() {
            let mut attribute = Ber(attribute);
            if attribute.expect(OCTET_STRING).is_ok()
                && let Ok(values) = attribute.expect(SET)
            {
                let mut values = Ber(values);
                while let Ok(Some(_)) = values.next() {
                    count += 1;
                }
            }
        }
        count
    }

    /// The name, and the list of the attributes.
    fn parts(&self) -> Option<(&str, Ber<'_>)> {
        let mut envelope = Ber::whole(&self.0, SEQUENCE).ok()?;
        envelope.expect(INTEGER).ok()?;
        let mut parts = Ber(envelope.next().ok()??.1);
        let dn = std::str::from_utf8(parts.expect(OCTET_STRING).ok()?).ok()?;
        Some((dn, Ber(parts.expect(SEQUENCE).ok()?)))
    }
}

impl Raw for WireEntry {
    fn dn(&self) -> &str {
        self.parts().map_or("", |(dn, _)| dn)
    }

    fn attributes(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &[u8]> + Clone)> {
        let mut list = self.parts().map_or(Ber(&[]), |(_, list)| list);
        std::iter::from_fn(move || {
            let mut attribute = Ber(list.next().ok()??.1);
            let name = std::str::from_utf8(attribute.expect(OCTET_STRING).ok()?).ok()?;
            let mut values = Ber(attribute.expect(SET).ok()?);
            Some((name, std::iter::from_fn(move || values.next().ok()?.map(|(_, value)| value))))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message with this operation, shorter than 128 octets.
    fn message(operation: &[u8]) -> Result<Message, MessageError> {
        let length = u8::try_from(operation.len() + 3).unwrap();
        read([&[0x30, length, 2, 1, 2][..], operation].concat().into())
    }

    #[test]
    fn an_entry_is_read() {
        // SearchResultEntry { "cn=A", { { "cn", { "A", "" } } } }
        let octets = b"\x64\x15\x04\x04cn=A\x30\x0d\x30\x0b\x04\x02cn\x31\x05\x04\x01A\x04\x00";
        let Ok(Message::Entry(entry, None)) = message(octets) else { panic!("no entry") };
        assert_eq!(entry.dn(), "cn=A");
        let attributes: Vec<(&str, Vec<&[u8]>)> =
            entry.attributes().map(|(name, values)| (name, values.collect())).collect();
        assert_eq!(attributes, [("cn", vec![&b"A"[..], b""])]);
    }

    #[test]
    fn a_reference_is_no_entry() {
        assert!(matches!(message(b"\x73\x06\x04\x04ldap"), Ok(Message::Reference)));
    }

    #[test]
    fn malformed_messages_are_errors() {
        for octets in [&b"\x64\x00"[..], b"\x64\x06\x04\x04cn=A", b"\x64\x05\x04\x01\xff\x30\x00", b"\x44\x01x"] {
            assert!(matches!(message(octets), Err(MessageError::Malformed)), "{octets:?}");
        }
    }

    proptest! {
        #[test]
        fn no_message_makes_it_panic(head in prop::sample::select(vec![0x64u8, 0x73, 0x79]), body in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut octets = vec![head, u8::try_from(body.len()).unwrap()];
            octets.extend(body);
            if let Ok(Message::Entry(entry, _)) = message(&octets) {
                entry.attributes().for_each(|(_, values)| values.for_each(drop));
            }
        }
    }
}
