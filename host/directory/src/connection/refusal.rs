//! What it means that a server refuses a bind, in words, and what to do about it; Active Directory's own codes too.

use ldap3::LdapResult;

use super::endpoint::Bind;
use super::result::{describe, result_error};
use crate::error::{DirectoryError, server_words};

/// The error of a bind that a server refuses; `secured` says whether nobody on the way can read along.
pub(super) fn refusal(url: &str, who: String, bind: &Bind, secured: bool, result: &LdapResult) -> DirectoryError {
    if !matches!(result.rc, 7 | 8 | 13 | 32 | 34 | 48 | 49 | 53) {
        return result_error(url, "the bind", "", result);
    }
    let (reason, advice) = match active_directory(&result.text) {
        Some((words, advice)) if result.rc == 49 => (format!("{words} ({})", server_words(&result.text)), advice),
        _ => (describe(result), advice(bind, secured, result.rc)),
    };
    DirectoryError::Credentials { url: url.to_owned(), who, reason, advice }
}

/// What to look at where the server says no more than a result code.
fn advice(bind: &Bind, secured: bool, code: u32) -> &'static str {
    match (bind, code) {
        (_, 8 | 13) if !secured => "The server takes binds over secured connections only. Use ldaps:// or start-tls",
        (Bind::External, _) => {
            "Check that the server offers EXTERNAL, trusts the authority of client-certificate, and maps \
             its subject (or the socket's user) to an account"
        }
        #[cfg(feature = "kerberos")]
        (Bind::Kerberos(_), 8) => {
            "The server demands signed messages even over TLS. Samba takes TLS instead where smb.conf has \
             \"ldap server require strong auth = allow_sasl_over_tls\""
        }
        #[cfg(feature = "kerberos")]
        (Bind::Kerberos(_), 7) => "The server does not offer GSSAPI. Set it up there, or use another bind",
        #[cfg(feature = "kerberos")]
        (Bind::Kerberos(_), _) => {
            "The server does not accept the ticket. Check the clocks, that url holds the server's own host name, and \
             that principal is an account of its domain or of one that it trusts"
        }
        _ => "Check bind-dn and password, and that the account is not locked",
    }
}

/// What Active Directory says of the logon besides the result, and what to do: its text holds `data`, and a Windows
/// error code as a hexadecimal number. Samba writes the same.
fn active_directory(text: &str) -> Option<(&'static str, &'static str)> {
    let (_, data) = text.split_once("LdapErr:")?.1.split_once(", data ")?;
    let digits = data.split(|character: char| !character.is_ascii_hexdigit()).next()?;
    Some(match u32::from_str_radix(digits, 16).ok()? {
        0x525 => ("there is no such account", "Check bind-dn: a DN, user@domain or DOMAIN\\user"),
        0x52e => {
            ("the name or the password is wrong", "Check bind-dn (a DN, user@domain or DOMAIN\\user) and password")
        }
        0x530 => ("the account may not log on at this time", "Allow all hours in the account's Logon Hours"),
        0x531 => ("the account may not log on from this machine", "Allow the controller in the account's Log On To"),
        0x532 => (
            "the account's password has expired",
            "Set a new one in Active Directory and here, and let it never expire or renew it in time",
        ),
        0x533 => ("the account is disabled", "Enable it in Active Directory"),
        0x568 => ("the account is in too many groups", "Take it out of groups; a sign-on bears about a thousand"),
        0x701 => ("the account has expired", "Set a later date, or none, under Account expires"),
        0x773 => (
            "the account's password must be changed first",
            "Clear \"User must change password at next logon\", or change the password and set it here",
        ),
        0x775 => (
            "the account is locked after wrong passwords",
            "Unlock it in Active Directory, and look for who still uses an old password of it",
        ),
        0x8009_0346 => (
            "the bind is not tied to the TLS connection as the server demands (channel binding)",
            "See that no load balancer or proxy on the way ends TLS itself",
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use provisor_model::Secret;

    use super::*;

    fn refused(secured: bool, rc: u32, text: &str) -> String {
        let bind = Bind::Simple { name: "LAB\\sync".into(), password: Secret::new("hunter2") };
        let result = LdapResult { rc, matched: String::new(), text: text.into(), refs: Vec::new(), ctrls: Vec::new() };
        let error = refusal("ldaps://dc1.lab.test", "\"LAB\\sync\"".into(), &bind, secured, &result);
        assert!(matches!(error, DirectoryError::Credentials { .. }), "{error}");
        error.to_string()
    }

    fn windows(data: &str) -> String {
        let text =
            format!("80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data {data}, v4563\0");
        refused(true, 49, &text)
    }

    #[test]
    fn each_code_of_active_directory_says_what_to_do() {
        for (data, words, advice) in [
            ("525", "no such account", "Check bind-dn"),
            ("52e", "name or the password is wrong", "password"),
            ("530", "at this time", "Logon Hours"),
            ("531", "from this machine", "Log On To"),
            ("532", "password has expired", "Set a new one"),
            ("533", "disabled", "Enable it"),
            ("568", "too many groups", "Take it out"),
            ("701", "account has expired", "Account expires"),
            ("773", "must be changed first", "next logon"),
            ("775", "locked", "Unlock it"),
            ("80090346", "channel binding", "proxy"),
        ] {
            let error = windows(data);
            assert!(error.contains(words) && error.contains(advice), "{data}: {error}");
            assert!(error.contains(&format!("data {data}, v4563")), "the server's own words: {error}");
            assert!(error.contains("\"LAB\\sync\""), "{error}");
        }
    }

    #[test]
    fn samba_s_texts_are_understood_as_well() {
        let text = "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 533, v1db1";
        assert!(refused(true, 49, text).contains("the account is disabled"));
        let text = refused(false, 8, "BindSimple: Transport encryption required.");
        assert!(text.contains("ldaps://") && text.contains("Transport encryption"), "{text}");
    }

    #[test]
    fn a_server_that_demands_signing_without_tls_is_told_to_be_reached_by_tls() {
        let text = "00002028: LdapErr: DSID-0C090259, comment: The server requires binds to turn on integrity checking \
                    if SSL\\TLS are not already active on the connection, data 0, v4563";
        assert!(refused(false, 8, text).ends_with("Use ldaps:// or start-tls"));
    }

    #[test]
    fn what_is_not_active_directory_s_keeps_its_own_words() {
        for text in ["", "data 533", "LdapErr: DSID, data", "LdapErr: DSID, data zz", "LdapErr: x, data 99999999999"] {
            let error = refused(true, 49, text);
            assert!(error.contains("invalid credentials") && error.contains("Check bind-dn and password"), "{error}");
        }
        assert!(windows("57").contains("invalid credentials (80090308"), "a code that is not known");
    }
}
