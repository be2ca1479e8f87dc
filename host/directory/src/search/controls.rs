//! The controls of content synchronisation (RFC 4533) and paged results (RFC 2696), read with errors where the LDAP
//! library would panic.

use provisor_model::{IdSyntax, SourceId};

/// The Sync Request control (RFC 4533, section 2.2).
pub(crate) const SYNC_REQUEST: &str = "1.3.6.1.4.1.4203.1.9.1.1";
/// The Sync State control (section 2.3).
pub(crate) const SYNC_STATE: &str = "1.3.6.1.4.1.4203.1.9.1.2";
/// The Sync Done control (section 2.4).
pub(crate) const SYNC_DONE: &str = "1.3.6.1.4.1.4203.1.9.1.3";
/// The Sync Info message (section 2.5).
pub(crate) const SYNC_INFO: &str = "1.3.6.1.4.1.4203.1.9.1.4";
/// The paged results control.
pub(crate) const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";

/// A value that is not as its RFC has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a malformed control: {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

/// An `entryUUID` as the protocol carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SyncId([u8; 16]);

impl SyncId {
    fn read(octets: &[u8]) -> Result<Self, Malformed> {
        octets.try_into().map(Self).map_err(|_| Malformed("an id that is no UUID"))
    }

    /// The entry's source id.
    pub fn source_id(self) -> Result<SourceId, Malformed> {
        SourceId::new(IdSyntax::Uuid, &self.0).map_err(|_| Malformed("an id that is no UUID"))
    }
}

/// What a search result entry means for a synchronisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryState {
    Present,
    Add,
    Modify,
    Delete,
}

/// The value of the Sync State control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyncState {
    pub state: EntryState,
    pub id: SyncId,
    pub cookie: Option<Vec<u8>>,
}

/// The value of the Sync Done control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyncDone {
    pub cookie: Option<Vec<u8>>,
    /// Whether deletions were named, so that what was not named is still there.
    pub refresh_deletes: bool,
}

/// The value of a Sync Info message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SyncInfo {
    NewCookie(Vec<u8>),
    /// A phase that names deletions is over.
    RefreshDelete {
        cookie: Option<Vec<u8>>,
    },
    /// A phase that names what is still there is over.
    RefreshPresent {
        cookie: Option<Vec<u8>>,
    },
    /// Entries that are gone, or that are still there.
    IdSet {
        cookie: Option<Vec<u8>>,
        deleted: bool,
        ids: Vec<SyncId>,
    },
}

/// Reads a Sync State value.
pub(crate) fn sync_state(value: &[u8]) -> Result<SyncState, Malformed> {
    let mut inner = Ber::whole(value, SEQUENCE)?;
    let state = match inner.expect(ENUMERATED)? {
        [0] => EntryState::Present,
        [1] => EntryState::Add,
        [2] => EntryState::Modify,
        [3] => EntryState::Delete,
        _ => return Err(Malformed("an unknown state")),
    };
    let id = SyncId::read(inner.expect(OCTET_STRING)?)?;
    let cookie = inner.optional(OCTET_STRING)?.map(<[u8]>::to_vec);
    Ok(SyncState { state, id, cookie })
}

/// Reads a Sync Done value.
pub(crate) fn sync_done(value: &[u8]) -> Result<SyncDone, Malformed> {
    let mut inner = Ber::whole(value, SEQUENCE)?;
    let cookie = inner.optional(OCTET_STRING)?.map(<[u8]>::to_vec);
    let refresh_deletes = inner.optional_boolean()?.unwrap_or(false);
    Ok(SyncDone { cookie, refresh_deletes })
}

/// Reads a Sync Info value.
pub(crate) fn sync_info(value: &[u8]) -> Result<SyncInfo, Malformed> {
    let mut outer = Ber(value);
    let (tag, content) = outer.next()?.ok_or(Malformed("an empty value"))?;
    let mut inner = Ber(content);
    match tag {
        0x80 => Ok(SyncInfo::NewCookie(content.to_vec())),
        0xa1 => Ok(SyncInfo::RefreshDelete { cookie: inner.optional(OCTET_STRING)?.map(<[u8]>::to_vec) }),
        0xa2 => Ok(SyncInfo::RefreshPresent { cookie: inner.optional(OCTET_STRING)?.map(<[u8]>::to_vec) }),
        0xa3 => {
            let cookie = inner.optional(OCTET_STRING)?.map(<[u8]>::to_vec);
            let deleted = inner.optional_boolean()?.unwrap_or(false);
            let mut set = Ber(inner.expect(SET)?);
            let mut ids = Vec::new();
            while let Some((tag, octets)) = set.next()? {
                if tag != OCTET_STRING {
                    return Err(Malformed("a set of something else than ids"));
                }
                ids.push(SyncId::read(octets)?);
            }
            Ok(SyncInfo::IdSet { cookie, deleted, ids })
        }
        _ => Err(Malformed("an unknown kind of sync info")),
    }
}

/// Reads the cookie of a paged results value; empty after the last page.
pub(crate) fn paged_cookie(value: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut inner = Ber::whole(value, SEQUENCE)?;
    inner.expect(INTEGER)?;
    Ok(inner.expect(OCTET_STRING)?.to_vec())
}

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// Elements in BER, as LDAP restricts it: definite lengths, one octet of tag (RFC 4511, section 5.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ber<'a>(pub &'a [u8]);

impl<'a> Ber<'a> {
    /// The elements inside the one element that the value is.
    pub fn whole(value: &'a [u8], tag: u8) -> Result<Self, Malformed> {
        Ber(value).expect(tag).map(Ber)
    }

    /// The next element: its tag and its content.
    pub fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, Malformed> {
        const CUT: Malformed = Malformed("it is cut short");
        let Some((&tag, rest)) = self.0.split_first() else { return Ok(None) };
        let (&first, rest) = rest.split_first().ok_or(CUT)?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let count = usize::from(first & 0x7f);
            if !(1..=8).contains(&count) {
                return Err(Malformed("a length that is indefinite or too large"));
            }
            let (digits, rest) = rest.split_at_checked(count).ok_or(CUT)?;
            (digits.iter().fold(0usize, |length, digit| (length << 8) | usize::from(*digit)), rest)
        };
        let (content, rest) = rest.split_at_checked(length).ok_or(CUT)?;
        self.0 = rest;
        Ok(Some((tag, content)))
    }

    pub fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        match self.next()? {
            Some((found, content)) if found == tag => Ok(content),
            _ => Err(Malformed("another element was expected")),
        }
    }

    pub fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Malformed> {
        if self.0.first() == Some(&tag) { self.expect(tag).map(Some) } else { Ok(None) }
    }

    fn optional_boolean(&mut self) -> Result<Option<bool>, Malformed> {
        match self.optional(BOOLEAN)? {
            None => Ok(None),
            Some([octet]) => Ok(Some(*octet != 0)),
            Some(_) => Err(Malformed("a truth value of another length than one")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: [u8; 16] = [7; 16];

    /// Writes an element, with a long length where asked, which BER allows.
    fn element(tag: u8, content: &[u8], long: bool) -> Vec<u8> {
        let mut octets = vec![tag];
        match u8::try_from(content.len()) {
            Ok(length) if length < 0x80 && !long => octets.push(length),
            _ => {
                octets.push(0x84);
                octets.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
            }
        }
        octets.extend(content);
        octets
    }

    fn id() -> SyncId {
        SyncId(ID)
    }

    #[test]
    fn a_sync_state_is_read() {
        for (octet, state) in
            [(0, EntryState::Present), (1, EntryState::Add), (2, EntryState::Modify), (3, EntryState::Delete)]
        {
            let content = [element(ENUMERATED, &[octet], false), element(OCTET_STRING, &ID, true)].concat();
            let read = sync_state(&element(SEQUENCE, &content, true)).unwrap();
            assert_eq!(read, SyncState { state, id: id(), cookie: None });
        }
        let unknown = [element(ENUMERATED, &[4], false), element(OCTET_STRING, &ID, false)].concat();
        assert!(sync_state(&element(SEQUENCE, &unknown, false)).is_err());
        let short = [element(ENUMERATED, &[1], false), element(OCTET_STRING, &ID[..15], false)].concat();
        assert!(sync_state(&element(SEQUENCE, &short, false)).is_err());
    }

    #[test]
    fn a_sync_done_without_its_flag_means_that_deletions_were_not_named() {
        let done = sync_done(&element(SEQUENCE, &[], false)).unwrap();
        assert_eq!(done, SyncDone { cookie: None, refresh_deletes: false });
        let content = [element(OCTET_STRING, b"cookie", false), element(BOOLEAN, &[0xff], false)].concat();
        let done = sync_done(&element(SEQUENCE, &content, false)).unwrap();
        assert_eq!(done, SyncDone { cookie: Some(b"cookie".to_vec()), refresh_deletes: true });
        assert!(sync_done(&element(SEQUENCE, &element(BOOLEAN, &[], false), false)).is_err());
    }

    #[test]
    fn every_kind_of_sync_info_is_read() {
        assert_eq!(sync_info(&element(0x80, b"c", false)).unwrap(), SyncInfo::NewCookie(b"c".to_vec()));
        assert_eq!(sync_info(&element(0xa1, &[], false)).unwrap(), SyncInfo::RefreshDelete { cookie: None });
        let cookie = element(OCTET_STRING, b"c", false);
        assert_eq!(
            sync_info(&element(0xa2, &cookie, false)).unwrap(),
            SyncInfo::RefreshPresent { cookie: Some(b"c".to_vec()) }
        );
        let set = element(SET, &element(OCTET_STRING, &ID, false), false);
        let expected = SyncInfo::IdSet { cookie: None, deleted: false, ids: vec![id()] };
        assert_eq!(sync_info(&element(0xa3, &set, false)).unwrap(), expected);
        let deletes = [element(BOOLEAN, &[1], false), set].concat();
        assert!(matches!(sync_info(&element(0xa3, &deletes, true)).unwrap(), SyncInfo::IdSet { deleted: true, .. }));
        assert!(sync_info(&element(0xa4, &[], false)).is_err());
    }

    #[test]
    fn a_length_beyond_the_value_is_refused() {
        for value in [&[0x30, 0x05, 0x04][..], &[0x30], &[0x30, 0x80, 0, 0], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[]]
        {
            assert!(sync_done(value).is_err(), "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_whatever_make_it_panic(octets: Vec<u8>) {
            let _ = (sync_state(&octets), sync_done(&octets), sync_info(&octets), paged_cookie(&octets));
        }

        #[test]
        fn a_damaged_value_is_read_or_refused_but_never_panics(position: usize, octet: u8, cut: usize) {
            let ids = [element(OCTET_STRING, &ID, false), element(OCTET_STRING, &ID, false)].concat();
            let content = [element(OCTET_STRING, b"rid=000", false), element(SET, &ids, false)].concat();
            let mut value = element(0xa3, &content, true);
            let position = position % value.len();
            value[position] = octet;
            value.truncate(value.len() - cut % 4);
            if let Ok(SyncInfo::IdSet { ids, .. }) = sync_info(&value) {
                prop_assert!(ids.len() <= 2);
            }
        }

        #[test]
        fn a_page_s_cookie_is_read(cookie: Vec<u8>, size in proptest::collection::vec(any::<u8>(), 1..5), long: bool) {
            let content = [element(INTEGER, &size, long), element(OCTET_STRING, &cookie, long)].concat();
            prop_assert_eq!(paged_cookie(&element(SEQUENCE, &content, long)).unwrap(), cookie);
        }
    }
}
