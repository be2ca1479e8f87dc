//! The messages that a controller answers with (RFC 4511, section 4), and the words that Windows says with its results.

use super::ber::{ENUMERATED, INTEGER, OCTETS, SEQUENCE, SET, part, parts, whole};
use super::read::Given;

pub(super) const BIND: u8 = 0x61;
pub(super) const SEARCH_DONE: u8 = 0x65;
pub(super) const EXTENDED: u8 = 0x78;

/// How a request went.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub code: u32,
    pub matched: String,
    pub text: String,
    pub referrals: Vec<String>,
}

impl Outcome {
    pub fn success() -> Self {
        Self::default()
    }

    pub fn new(code: u32, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), ..Self::default() }
    }

    /// A refused bind. The hexadecimal number says why: 52e a wrong password, 525 nobody of that name, 775 locked.
    pub fn bind_refused(data: &str) -> Self {
        Self::new(
            49,
            format!("80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data {data}, v4563\0"),
        )
    }

    pub fn not_encrypted() -> Self {
        Self::new(
            8,
            "00002028: LdapErr: DSID-0C090259, comment: The server requires binds to turn on integrity checking if \
             SSL\\TLS are not already active on the connection, data 0, v4563\0",
        )
    }

    pub fn not_bound() -> Self {
        Self::new(
            1,
            "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a successful bind must be \
             completed on the connection., data 0, v4563\0",
        )
    }

    pub fn no_object(matched: &str) -> Self {
        let text = format!(
            "0000208D: NameErr: DSID-0310028B, problem 2001 (NO_OBJECT), data 0, best match of:\n\t'{matched}'\n\0"
        );
        Self { matched: matched.to_owned(), ..Self::new(32, text) }
    }

    pub fn bad_name() -> Self {
        Self::new(34, "0000208F: NameErr: DSID-031001F7, problem 2006 (BAD_NAME), data 8350, best match of:\n\t''\n\0")
    }

    /// The base is in no naming context of this controller.
    pub fn referral(domain: &str, base: &str) -> Self {
        let text = format!("0000202B: RefErr: DSID-0310082F, data 0, 1 access points\n\tref 1: '{domain}'\n\0");
        Self { referrals: vec![format!("ldap://{domain}/{base}")], ..Self::new(10, text) }
    }

    /// A control that cannot be obeyed. Windows says the same for a cookie that it does not take.
    pub fn bad_control(code: u32) -> Self {
        Self::new(code, "00000057: LdapErr: DSID-0C090A2F, comment: Error processing control, data 0, v4563\0")
    }

    pub fn unknown_control() -> Self {
        Self::new(12, "00002040: SvcErr: DSID-031401E7, problem 5010 (UNAVAIL_EXTENSION), data 0\n\0")
    }

    /// The account has no right to replicate.
    pub fn no_right() -> Self {
        Self::new(50, "00002105: LdapErr: DSID-0C090A3C, comment: Error processing control, data 0, v4563\0")
    }

    pub fn not_a_context() -> Self {
        Self::new(53, "000020F7: LdapErr: DSID-0C090A44, comment: Error processing control, data 0, v4563\0")
    }

    pub fn size_limit() -> Self {
        Self::new(4, "")
    }

    pub fn no_such_range() -> Self {
        Self::new(1, "00002020: SvcErr: DSID-03190C2A, problem 5012 (DIR_ERROR), data 0\n\0")
    }

    pub fn busy() -> Self {
        Self::new(51, "000020D9: SvcErr: DSID-0315028A, problem 5001 (BUSY), data 0\n\0")
    }

    pub fn unwilling() -> Self {
        Self::new(53, "0000209A: SvcErr: DSID-031A1236, problem 5003 (WILL_NOT_PERFORM), data 0\n\0")
    }

    /// The message that says it, with these controls.
    pub fn message(&self, id: i64, tag: u8, controls: &[Vec<u8>]) -> Vec<u8> {
        self.message_with(id, tag, Vec::new(), controls)
    }

    /// The same with what an extended response has besides.
    pub fn message_with(&self, id: i64, tag: u8, further: Vec<u8>, controls: &[Vec<u8>]) -> Vec<u8> {
        let referrals: Vec<Vec<u8>> = self.referrals.iter().map(|url| part(OCTETS, url.as_bytes())).collect();
        let operation = parts(
            tag,
            &[
                whole(ENUMERATED, i64::from(self.code)),
                part(OCTETS, self.matched.as_bytes()),
                part(OCTETS, self.text.as_bytes()),
                if referrals.is_empty() { Vec::new() } else { parts(0xa3, &referrals) },
                further,
            ],
        );
        message(id, operation, controls)
    }
}

fn message(id: i64, operation: Vec<u8>, controls: &[Vec<u8>]) -> Vec<u8> {
    let controls = if controls.is_empty() { Vec::new() } else { parts(0xa0, controls) };
    parts(SEQUENCE, &[whole(INTEGER, id), operation, controls])
}

/// A control of an answer.
pub(super) fn control(oid: &str, value: &[u8]) -> Vec<u8> {
    parts(SEQUENCE, &[part(OCTETS, oid.as_bytes()), part(OCTETS, value)])
}

/// An entry.
pub(super) fn entry(id: i64, dn: &str, given: &[Given]) -> Vec<u8> {
    let attribute = |(name, values): &Given| {
        let values: Vec<Vec<u8>> = values.iter().map(|value| part(OCTETS, value)).collect();
        parts(SEQUENCE, &[part(OCTETS, name.as_bytes()), parts(SET, &values)])
    };
    let attributes: Vec<Vec<u8>> = given.iter().map(attribute).collect();
    message(id, parts(0x64, &[part(OCTETS, dn.as_bytes()), parts(SEQUENCE, &attributes)]), &[])
}

/// A reference to another naming context.
pub(super) fn reference(id: i64, url: &str) -> Vec<u8> {
    message(id, part(0x73, &part(OCTETS, url.as_bytes())), &[])
}

/// The notice of disconnection, with its name where Windows puts it: behind the operation, where it does not belong.
pub(super) fn notice(code: u32, text: &str) -> Vec<u8> {
    let operation = Outcome::new(code, text);
    let body = parts(
        EXTENDED,
        &[whole(ENUMERATED, i64::from(operation.code)), part(OCTETS, b""), part(OCTETS, operation.text.as_bytes())],
    );
    parts(SEQUENCE, &[whole(INTEGER, 0), body, part(0x8a, b"1.3.6.1.4.1.1466.20036")])
}
