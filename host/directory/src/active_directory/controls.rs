//! The LDAP controls of Active Directory (MS-ADTS, section 3.1.1.3.4.1).

use ldap3::controls::RawControl;

use crate::search::controls::{Ber, INTEGER, Malformed, OCTET_STRING, SEQUENCE};

/// Changes since a cookie (section 3.1.1.3.4.1.3, LDAP_SERVER_DIRSYNC_OID).
pub(crate) const DIR_SYNC: &str = "1.2.840.113556.1.4.841";
/// Names with GUID and SID (LDAP_SERVER_EXTENDED_DN_OID).
const EXTENDED_DN: &str = "1.2.840.113556.1.4.529";
/// Deleted objects too (LDAP_SERVER_SHOW_DELETED_OID).
const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";
/// No word of other domains (LDAP_SERVER_DOMAIN_SCOPE_OID).
const DOMAIN_SCOPE: &str = "1.2.840.113556.1.4.1339";

/// What a server that is Active Directory announces (section 3.1.1.3.4.3, LDAP_CAP_ACTIVE_DIRECTORY_OID).
pub(crate) const ACTIVE_DIRECTORY: &str = "1.2.840.113556.1.4.800";

/// Only what the account may see; needs no right to replicate (LDAP_DIRSYNC_OBJECT_SECURITY).
pub(crate) const OBJECT_SECURITY: u32 = 0x0000_0001;
/// Linked values as what came and went (LDAP_DIRSYNC_INCREMENTAL_VALUES).
pub(crate) const INCREMENTAL_VALUES: u32 = 0x8000_0000;

/// How much one answer may hold, in octets, where the server pays heed to it.
const ANSWER_OCTETS: u32 = 4 * 1024 * 1024;

/// Asks for what changed behind the cookie; everything where it is empty.
pub(crate) fn dir_sync(flags: u32, cookie: &[u8]) -> RawControl {
    // The flags are a signed number of 32 bits.
    let content = [integer(flags.to_be_bytes()), integer(ANSWER_OCTETS.to_be_bytes()), element(OCTET_STRING, cookie)];
    RawControl { ctype: DIR_SYNC.into(), crit: true, val: Some(element(SEQUENCE, &content.concat())) }
}

/// How an answer to [`dir_sync`] ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DirSyncEnd {
    /// Whether there is more behind the cookie by now.
    pub more: bool,
    /// Where to go on.
    pub cookie: Vec<u8>,
}

/// Reads the control that ends an answer.
pub(crate) fn dir_sync_end(value: &[u8]) -> Result<DirSyncEnd, Malformed> {
    let mut inner = Ber::whole(value, SEQUENCE)?;
    let more = inner.expect(INTEGER)?.iter().any(|octet| *octet != 0);
    inner.expect(INTEGER)?;
    Ok(DirSyncEnd { more, cookie: inner.expect(OCTET_STRING)?.to_vec() })
}

/// Asks for names with GUID and SID as text.
pub(crate) fn extended_dn() -> RawControl {
    let val = element(SEQUENCE, &integer(1u32.to_be_bytes()));
    RawControl { ctype: EXTENDED_DN.into(), crit: true, val: Some(val) }
}

/// Asks for deleted objects too.
pub(crate) fn show_deleted() -> RawControl {
    RawControl { ctype: SHOW_DELETED.into(), crit: true, val: None }
}

/// Asks the server to be silent about other domains.
pub(crate) fn domain_scope() -> RawControl {
    RawControl { ctype: DOMAIN_SCOPE.into(), crit: false, val: None }
}

/// A number of 32 bits as an element, with no more octets than it needs.
fn integer(octets: [u8; 4]) -> Vec<u8> {
    let mut content = octets.as_slice();
    while let [first, second, ..] = content
        && matches!((first, second), (0x00, 0x00..=0x7f) | (0xff, 0x80..=0xff))
    {
        content = content.get(1..).unwrap_or_default();
    }
    element(INTEGER, content)
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut octets = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => octets.push(short),
        _ => {
            let digits = length.to_be_bytes();
            let digits: Vec<u8> = digits.into_iter().skip_while(|digit| *digit == 0).collect();
            octets.push(0x80 | u8::try_from(digits.len()).unwrap_or(8));
            octets.extend(digits);
        }
    }
    octets.extend_from_slice(content);
    octets
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn flags_are_a_signed_number_of_32_bits() {
        assert_eq!(integer(INCREMENTAL_VALUES.to_be_bytes()), [2, 4, 0x80, 0, 0, 0]);
        assert_eq!(integer((INCREMENTAL_VALUES | 1).to_be_bytes()), [2, 4, 0x80, 0, 0, 1]);
        assert_eq!(integer(1u32.to_be_bytes()), [2, 1, 1]);
        assert_eq!(integer(0u32.to_be_bytes()), [2, 1, 0]);
        assert_eq!(integer(0x80u32.to_be_bytes()), [2, 2, 0, 0x80]);
    }

    #[test]
    fn the_end_of_an_answer_is_read() {
        let end = |more: u8| [0x30, 10, 2, 1, more, 2, 1, 0, 4, 2, 7, 8];
        assert_eq!(dir_sync_end(&end(0)).unwrap(), DirSyncEnd { more: false, cookie: vec![7, 8] });
        assert!(dir_sync_end(&end(1)).unwrap().more);
        assert!(dir_sync_end(&[0x30, 3, 2, 1, 0]).is_err());
    }

    proptest! {
        #[test]
        fn a_cookie_of_any_length_is_sent_whole(cookie in prop::collection::vec(any::<u8>(), 0..70_000)) {
            let sent = dir_sync(0, &cookie).val.unwrap();
            prop_assert_eq!(dir_sync_end(&sent).unwrap().cookie, cookie);
        }

        #[test]
        fn no_octets_make_it_panic(octets: Vec<u8>) {
            let _ = dir_sync_end(&octets);
        }
    }
}
