//! What a server says of how an operation went (RFC 4511, appendix A), in words.

use ldap3::LdapResult;

use crate::error::{DirectoryError, server_words};

/// What a search result other than success means (RFC 4511, appendix A).
pub(crate) fn result_error(url: &str, operation: &'static str, base: &str, result: &LdapResult) -> DirectoryError {
    let early = |advice: &str, transient| DirectoryError::EndedEarly {
        url: url.to_owned(),
        reason: format!("{}. {advice}", describe(result)),
        transient,
    };
    match result.rc {
        3 => early("Raise the server's time limit for the account", true),
        4 => early("Raise the server's size limit for the account; OpenLDAP: size.prtotal=unlimited", false),
        11 => early("Lower page-size, or raise the server's limits for the account; OpenLDAP: size.pr", false),
        10 => early("The base is kept by another server. Set url to that server", false),
        51 | 52 => early("The server is busy or shutting down; it is tried again", true),
        32 => DirectoryError::NoSuchBase { url: url.to_owned(), base: base.to_owned() },
        50 => DirectoryError::Rights {
            url: url.to_owned(),
            reason: format!("{}. Grant the account read access below the base", describe(result)),
        },
        code => DirectoryError::Refused { url: url.to_owned(), operation, code, reason: describe(result) },
    }
}

/// A result in words.
pub(crate) fn describe(result: &LdapResult) -> String {
    describe_code(result.rc, &result.text)
}

/// A result code and the server's text in words.
pub(super) fn describe_code(code: u32, text: &str) -> String {
    let name = match code {
        1 => "operations error",
        2 => "protocol error",
        3 => "time limit exceeded",
        4 => "size limit exceeded",
        7 => "authentication method not supported",
        8 => "stronger authentication required",
        10 => "referral",
        11 => "administrative limit exceeded",
        12 => "unavailable critical extension",
        13 => "confidentiality required",
        32 => "no such object",
        34 => "invalid name",
        48 => "inappropriate authentication",
        49 => "invalid credentials",
        50 => "insufficient access rights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwilling to perform",
        4096 => "refresh required",
        _ => "",
    };
    let text = server_words(text);
    match (name, text.as_str()) {
        ("", "") => format!("result {code}"),
        ("", text) => format!("result {code}: {text}"),
        (name, "") => name.to_owned(),
        (name, text) => format!("{name} ({text})"),
    }
}
