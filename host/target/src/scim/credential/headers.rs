//! The headers that sign requests, and those that a configuration may not set.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provisor_model::Secret;
use reqwest::header::{HeaderName, HeaderValue};

use crate::TargetError;

/// The header of a bearer token.
pub(super) fn bearer(token: &Secret) -> Result<HeaderValue, TargetError> {
    if token.reveal().is_empty() || token.reveal().contains(char::is_whitespace) {
        return Err(TargetError::Configuration(
            "the target's token is empty or holds blanks or line ends; check the file or variable that holds it".into(),
        ));
    }
    let mut header = HeaderValue::from_str(&format!("Bearer {}", token.reveal())).map_err(|_| {
        TargetError::Configuration(
            "the target's token holds characters that cannot be sent; it must be one line of ASCII".into(),
        )
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// The header of a user and password, and its encoded part, which is as secret as the password.
pub(super) fn basic(user: &str, password: &Secret) -> Result<(HeaderValue, Secret), TargetError> {
    let wrong = |what: &str| Err(TargetError::Configuration(format!("the target's basic.{what}")));
    if user.contains(':') || user.contains(char::is_control) {
        return wrong("user holds a colon or control characters, which cannot be sent");
    }
    if password.reveal().is_empty() {
        return wrong("password is empty; check the file or variable that holds it");
    }
    let encoded = STANDARD.encode(format!("{user}:{}", password.reveal()));
    let Ok(mut header) = HeaderValue::from_str(&format!("Basic {encoded}")) else {
        return wrong("user or password cannot be sent");
    };
    header.set_sensitive(true);
    Ok((header, Secret::new(encoded)))
}

/// What a configuration may not set: what belongs to the connection, to the message, or to the credentials.
const RESERVED: [&str; 24] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "if-match",
    "if-none-match",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "http2-settings",
];

/// Whether a header of this name may be set by a configuration.
///
/// # Errors
/// A sentence that says why not.
pub fn check_custom_header(name: &str) -> Result<(), String> {
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(format!("\"{name}\" cannot be the name of a header"));
    }
    if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return Err(format!(
            "the header {name} is set by the host itself and cannot be configured. Credentials go into token, [target.basic] or \
             [target.oauth]"
        ));
    }
    Ok(())
}
