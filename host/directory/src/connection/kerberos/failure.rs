//! What the Kerberos library says went wrong, in plain words and with what to do.

use std::fs::File;
use std::io::Read as _;

use libgssapi::error::Error;

use super::Attempt;
use crate::error::{DirectoryError, server_words};

/// Where the library's numbers begin: those of a Kerberos server's errors (RFC 4120, section 7.5.9) first, its own behind
/// them.
const BASE: i32 = -1_765_328_384;

/// What a keytab begins with: its version, the second one or the first.
const KEYTAB: u8 = 5;

/// What went wrong.
pub(super) struct Failure {
    /// The library's number.
    code: i32,
    /// Its words.
    pub words: String,
}

impl From<Error> for Failure {
    /// Must be asked on the thread of the call that failed: the library keeps the words for that one.
    fn from(error: Error) -> Self {
        let text = error.to_string();
        // The mechanism's own words stand in brackets, behind those that all mechanisms have in common.
        let own = text.split_once(" (").and_then(|(_, own)| own.strip_suffix(')')).unwrap_or(&text);
        Self { code: error.minor.cast_signed(), words: server_words(own) }
    }
}

impl Failure {
    /// The error for whoever wants to bind.
    pub fn into_error(self, attempt: &Attempt) -> DirectoryError {
        let Self { code, words } = self;
        let url = attempt.url.clone();
        match code.wrapping_sub(BASE) {
            // The server is away, the realm has none that is known, none can be reached, their names cannot be resolved.
            29 | 154 | 156 | 220 => {
                let reason = format!(
                    "no Kerberos server (KDC) of {} gives a ticket: {words}; krb5.conf or the domain's DNS must name one",
                    attempt.account.realm()
                );
                return DirectoryError::Unreachable { url, reason };
            }
            // It cannot be opened, is malformed, names no realm.
            135 | 136 | 224 => {
                let reason =
                    format!("krb5.conf cannot be used: {words}. Check the file, and KRB5_CONFIG if that is set");
                return DirectoryError::Configuration(reason);
            }
            _ => {}
        }
        let (reason, advice) = explained(code, &words, &attempt.host);
        DirectoryError::Ticket { url, who: attempt.account.who(), reason, advice }
    }
}

/// An error in plain words, the library's own behind them where they say more, and what to look at.
fn explained(code: i32, words: &str, host: &str) -> (String, &'static str) {
    let said = |plain: &str| format!("{plain} ({words})");
    match code.wrapping_sub(BASE) {
        // Of the account: its end, that it is unknown, that the policy forbids it, that it is revoked or not yet valid.
        1 => (said("the account has expired"), "Set a later date, or none, under Account expires"),
        6 => (said("the domain has no such account"), "Check principal: name@REALM, the realm in capitals"),
        12 | 21 => (said("the account may not sign on here and now"), "Check its logon hours and policies"),
        18 => (said("the account is disabled, locked or expired"), "Look at it in Active Directory"),
        // Of its key: its end, another one, a kind of encryption that is not there.
        23 => (said("the account's password has expired"), "Renew it, and make a new keytab"),
        24 | 31 | 210 | 213 => (
            said("the key in keytab is not the account's"),
            "If the password was changed after the keytab was made, make a new one",
        ),
        14 | 150 | 152 | 188 => (
            said("keytab and domain have no encryption in common"),
            "Make the keytab with AES256 keys, and allow AES for the account",
        ),
        // The library says of both only that it found no tickets.
        181 | 195 => ("keytab has no key of it".into(), "Compare principal with what klist -k says of the keytab"),
        // Of the service.
        7 | 216 | 217 => (
            said(&format!("the domain knows no service ldap/{host}")),
            "url must hold the controller's own host name, which its servicePrincipalName has: no address and no alias",
        ),
        // Of the clocks.
        37 | 148 => (said("the clocks differ by too much"), "Set this host's clock by the domain's (NTP)"),
        _ => (words.to_owned(), "Try the keytab by hand: kinit -k -t KEYTAB PRINCIPAL"),
    }
}

/// Says what is wrong with a keytab that cannot be read: the library only says that it has no tickets.
pub(super) fn readable(attempt: &Attempt) -> Result<(), DirectoryError> {
    let keytab = &attempt.account.keytab;
    let wrong = |reason: String| Err(DirectoryError::file(keytab, reason));
    let mut head = [0; 2];
    match File::open(keytab).and_then(|mut file| file.read_exact(&mut head)) {
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            wrong(format!("keytab cannot be read: {error}. Check the path, and this user's rights"))
        }
        Ok(()) if head[0] == KEYTAB => Ok(()),
        _ => wrong("keytab holds no Kerberos keys. It must be made by ktpass, ktutil or the like".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::kerberos::Account;

    fn told(number: i32) -> DirectoryError {
        let account = Account::new("/etc/sync.keytab".into(), "sync@LAB.TEST".into()).unwrap();
        let (url, host) = ("ldaps://ad.lab.test".into(), "ad.lab.test".into());
        let attempt = Attempt { account, url, host, binding: None };
        Failure { code: BASE + number, words: "as the library has it".into() }.into_error(&attempt)
    }

    #[test]
    fn what_goes_by_itself_is_told_from_what_somebody_must_do() {
        for number in [29, 154, 156, 220] {
            let error = told(number);
            assert!(error.is_transient() && error.to_string().contains("LAB.TEST"), "{number}: {error}");
        }
        for number in [1, 6, 7, 12, 14, 18, 23, 24, 37, 181, 195, 60] {
            let error = told(number);
            assert!(!error.is_transient() && !error.another_server_may_help(), "{number}: {error}");
            assert!(error.to_string().contains("sync@LAB.TEST"), "{error}");
        }
        assert!(matches!(told(224), DirectoryError::Configuration(text) if text.contains("krb5.conf")));
    }

    #[test]
    fn a_service_that_the_domain_does_not_know_is_named() {
        let error = told(7).to_string();
        assert!(error.contains("ldap/ad.lab.test") && error.contains("own host name"), "{error}");
        assert!(told(37).to_string().contains("clock"), "{}", told(37));
    }
}
