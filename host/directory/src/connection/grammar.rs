//! The messages a server may send (RFC 4511, section 4), checked to the last octet before the LDAP library sees them:
//! it panics at what this refuses.

use std::cell::Cell;

use super::ber::{BOOLEAN, ENUMERATED, INTEGER, OCTETS, Part, Parts, SEQUENCE, SET};
use super::fault::Fault;

/// The most controls that a message may carry.
const MAX_CONTROLS: usize = 64;
/// The control that asks for a synchronisation (RFC 4533, section 2.2).
const SYNC_REQUEST: &[u8] = b"1.3.6.1.4.1.4203.1.9.1.1";
/// The name of a synchronisation's intermediate messages (section 2.5).
const SYNC_INFO: &str = "1.3.6.1.4.1.4203.1.9.1.4";

/// What kind of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    BindResponse,
    Entry,
    Reference,
    Intermediate,
    SearchDone,
    ExtendedResponse,
}

impl Kind {
    fn of(tag: u8) -> Option<Self> {
        Some(match tag {
            0x61 => Self::BindResponse,
            0x64 => Self::Entry,
            0x65 => Self::SearchDone,
            0x73 => Self::Reference,
            0x78 => Self::ExtendedResponse,
            0x79 => Self::Intermediate,
            _ => return None,
        })
    }

    /// For messages to people.
    pub fn name(self) -> &'static str {
        match self {
            Self::BindResponse => "bind response",
            Self::Entry => "search result entry",
            Self::Reference => "search result reference",
            Self::Intermediate => "intermediate response",
            Self::SearchDone => "end of a search",
            Self::ExtendedResponse => "extended response",
        }
    }
}

/// A message that is as it should be.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    /// The request that it answers; 0 for none.
    pub id: i32,
    pub kind: Kind,
    /// How a request went, where the message says so.
    pub outcome: Option<Outcome<'a>>,
    /// Whether it is an intermediate message of a synchronisation.
    pub sync_info: bool,
}

/// The parts of a result that the connection itself looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome<'a> {
    pub code: u32,
    pub text: &'a str,
    /// The name of an extended response.
    pub name: Option<&'a str>,
    /// What a server answers to a step of a bind (RFC 4511, section 4.2.2).
    #[cfg_attr(not(feature = "kerberos"), allow(dead_code, reason = "only Kerberos binds in several steps"))]
    pub token: Option<&'a [u8]>,
}

/// Checks a whole message.
///
/// # Errors
/// Where it is not as it should be.
pub(crate) fn check(message: &[u8]) -> Result<Message<'_>, Fault> {
    let count = Cell::new(0);
    let mut outer = Parts::new(message, &count);
    let envelope = outer.expect(SEQUENCE)?;
    outer.end()?;
    let mut parts = outer.within(envelope);
    let id = i32::try_from(parts.expect(INTEGER)?.number()?).map_err(|_| Fault::NotLdap)?;
    let operation = parts.next()?.ok_or(Fault::NotLdap)?;
    let kind = Kind::of(operation.tag).ok_or(Fault::NotLdap)?;
    // What is broken within a known message is that message's fault; bounds keep their own words.
    let within = |fault| if fault == Fault::NotLdap { Fault::Malformed(kind.name()) } else { fault };
    let (outcome, sync_info) = body(kind, parts.within(operation)).map_err(within)?;
    if let Some(list) = parts.optional(0xa0)? {
        controls(parts.within(list))?;
    }
    // Active Directory puts the name of a notice of disconnection behind the operation, where it does not belong.
    let misplaced = if id == 0 { parts.optional(0x8a)? } else { None };
    parts.end().map_err(within)?;
    let name = misplaced.map(Part::text).transpose()?;
    let outcome = outcome.map(|outcome| Outcome { name: outcome.name.or(name), ..outcome });
    Ok(Message { id, kind, outcome, sync_info })
}

fn body<'a>(kind: Kind, parts: Parts<'a, '_>) -> Result<(Option<Outcome<'a>>, bool), Fault> {
    match kind {
        Kind::Entry => entry(parts).map(|()| (None, false)),
        Kind::Reference => texts(parts).map(|()| (None, false)),
        Kind::Intermediate => intermediate(parts).map(|name| (None, name == Some(SYNC_INFO))),
        Kind::BindResponse | Kind::SearchDone | Kind::ExtendedResponse => {
            result(parts).map(|outcome| (Some(outcome), false))
        }
    }
}

fn entry(mut parts: Parts<'_, '_>) -> Result<(), Fault> {
    parts.expect(OCTETS)?.text()?;
    let list = parts.expect(SEQUENCE)?;
    parts.end()?;
    let mut list = parts.within(list);
    while let Some(attribute) = list.next()? {
        if attribute.tag != SEQUENCE {
            return Err(Fault::NotLdap);
        }
        let mut attribute = list.within(attribute);
        attribute.expect(OCTETS)?.text()?;
        let values = attribute.expect(SET)?;
        attribute.end()?;
        let mut values = attribute.within(values);
        while let Some(value) = values.next()? {
            if value.tag != OCTETS {
                return Err(Fault::NotLdap);
            }
        }
    }
    Ok(())
}

/// A list of texts: the addresses of a reference.
fn texts(mut parts: Parts<'_, '_>) -> Result<(), Fault> {
    while let Some(part) = parts.next()? {
        if part.tag != OCTETS {
            return Err(Fault::NotLdap);
        }
        part.text()?;
    }
    Ok(())
}

fn intermediate<'a>(mut parts: Parts<'a, '_>) -> Result<Option<&'a str>, Fault> {
    let name = parts.optional(0x80)?.map(Part::text).transpose()?;
    parts.optional(0x81)?;
    parts.end()?;
    Ok(name)
}

/// The parts that all results have, and those that some have (RFC 4511, sections 4.1.9, 4.2.2 and 4.12). Others of
/// the context's class are left to be ignored, as section 4 has it.
fn result<'a>(mut parts: Parts<'a, '_>) -> Result<Outcome<'a>, Fault> {
    let code = parts.expect(ENUMERATED)?.number()?;
    parts.expect(OCTETS)?.text()?;
    let text = parts.expect(OCTETS)?.text()?;
    let mut name = None;
    let mut token = None;
    while let Some(part) = parts.next()? {
        match part.tag {
            0xa3 => texts(parts.within(part))?,
            0x87 => token = Some(part.content),
            0x8b => {}
            0x8a => name = Some(part.text()?),
            // The same numbers in another form.
            0x83 | 0xa7 | 0xaa | 0xab => return Err(Fault::NotLdap),
            tag if tag & 0xc0 == 0x80 => parts.walk(part)?,
            _ => return Err(Fault::NotLdap),
        }
    }
    Ok(Outcome { code, text, name, token })
}

fn controls(mut list: Parts<'_, '_>) -> Result<(), Fault> {
    let mut count = 0;
    while let Some(control) = list.next().map_err(in_control)? {
        count += 1;
        if count > MAX_CONTROLS {
            return Err(Fault::TooManyControls(MAX_CONTROLS));
        }
        one_control(control, &list).map_err(in_control)?;
    }
    Ok(())
}

fn one_control(control: Part<'_>, list: &Parts<'_, '_>) -> Result<(), Fault> {
    if control.tag != SEQUENCE {
        return Err(Fault::NotLdap);
    }
    let mut parts = list.within(control);
    parts.expect(OCTETS)?.text()?;
    if let Some(critical) = parts.optional(BOOLEAN)?
        && critical.content.len() != 1
    {
        return Err(Fault::NotLdap);
    }
    parts.optional(OCTETS)?;
    parts.end()
}

fn in_control(fault: Fault) -> Fault {
    if fault == Fault::NotLdap { Fault::Control } else { fault }
}

/// A request of ours.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub id: i32,
    pub operation: Part<'a>,
    /// Whether it asks for a synchronisation (RFC 4533).
    pub synchronises: bool,
}

/// Reads a request of ours.
///
/// # Errors
/// Where it is none.
pub(crate) fn request(message: &[u8]) -> Result<Request<'_>, Fault> {
    let count = Cell::new(0);
    let mut outer = Parts::new(message, &count);
    let envelope = outer.expect(SEQUENCE)?;
    let mut parts = outer.within(envelope);
    let id = i32::try_from(parts.expect(INTEGER)?.number()?).map_err(|_| Fault::NotLdap)?;
    let operation = parts.next()?.ok_or(Fault::NotLdap)?;
    let mut synchronises = false;
    if let Some(list) = parts.optional(0xa0)? {
        let mut list = parts.within(list);
        while let Some(control) = list.next()? {
            synchronises |= list.within(control).expect(OCTETS)?.content == SYNC_REQUEST;
        }
    }
    Ok(Request { id, operation, synchronises })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: &[u8] = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00";

    #[test]
    fn each_kind_of_message_is_taken() {
        for (message, kind) in [
            (BOUND, Kind::BindResponse),
            (b"\x30\x12\x02\x01\x02\x64\x0d\x04\x02cn\x30\x07\x30\x05\x04\x01a\x31\x00", Kind::Entry),
            (b"\x30\x08\x02\x01\x02\x73\x03\x04\x01a", Kind::Reference),
            (b"\x30\x0b\x02\x01\x02\x79\x06\x80\x01a\x81\x01b", Kind::Intermediate),
            (
                b"\x30\x15\x02\x01\x02\x65\x07\x0a\x01\x00\x04\x00\x04\x00\xa0\x07\x30\x05\x04\x03\x31.2",
                Kind::SearchDone,
            ),
            (b"\x30\x0f\x02\x01\x02\x78\x0a\x0a\x01\x00\x04\x00\x04\x00\x8b\x01x", Kind::ExtendedResponse),
        ] {
            let checked = check(message);
            assert_eq!(checked.as_ref().map(|message| message.kind), Ok(kind), "{message:?}");
        }
    }

    #[test]
    fn the_notice_of_disconnection_is_understood_in_both_spellings() {
        let right = b"\x30\x24\x02\x01\x00\x78\x1f\x0a\x01\x34\x04\x00\x04\x00\x8a\x161.3.6.1.4.1.1466.20036";
        let misplaced = b"\x30\x24\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00\x8a\x161.3.6.1.4.1.1466.20036";
        for notice in [&right[..], misplaced] {
            let outcome = check(notice).unwrap().outcome.unwrap();
            assert_eq!((outcome.code, outcome.name), (52, Some("1.3.6.1.4.1.1466.20036")));
        }
    }
}
