//! Who is let in: a fixed bearer token, tokens of the tenant's own OAuth endpoint, a name and password, a header.
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::form_urlencoded;
use uuid::Uuid;

use crate::error::Refusal;

/// Where tokens are given out.
pub(crate) const TOKEN_PATH: &str = "/oauth2/token";
/// The most tokens that are valid at a time; the oldest goes for a new one.
const MAX_TOKENS: usize = 1000;

/// An OAuth 2.0 token endpoint at `/oauth2/token` with the client credentials grant (RFC 6749 section 4.4).
#[derive(Clone, PartialEq, Eq)]
pub struct OAuth {
    /// The client's name.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: String,
    /// How long a token is valid.
    pub expires_in: Duration,
    /// The scope that a token request must name; none: any, or none at all.
    pub scope: Option<String>,
    /// Where the credentials are looked for.
    pub credentials: ClientCredentials,
}

/// Where a token request has its credentials (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCredentials {
    /// In either place.
    #[default]
    Any,
    /// In the Authorization header alone.
    Header,
    /// In the body alone.
    Body,
}

/// A name and its password (RFC 7617).
#[derive(Clone, PartialEq, Eq)]
pub struct BasicAuth {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

/// A header that every request must carry.
#[derive(Clone, PartialEq, Eq)]
pub struct RequiredHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl fmt::Debug for OAuth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client_id, expires_in, scope, credentials, .. } = self;
        write!(formatter, "OAuth({client_id:?}, {expires_in:?}, {scope:?}, {credentials:?})")
    }
}

impl fmt::Debug for BasicAuth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BasicAuth({:?})", self.user)
    }
}

impl fmt::Debug for RequiredHeader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RequiredHeader({:?})", self.name)
    }
}

/// All ways in; any one of the first three serves, and the header is asked for besides.
#[derive(Default)]
pub(crate) struct Access {
    pub(crate) token: Option<String>,
    pub(crate) oauth: Option<OAuth>,
    pub(crate) basic: Option<BasicAuth>,
    pub(crate) header: Option<RequiredHeader>,
    issued: Mutex<VecDeque<(String, Instant)>>,
}

/// A refused token request (RFC 6749 section 5.2).
pub(crate) struct TokenError {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Access {
    pub(crate) fn new(
        token: Option<String>,
        oauth: Option<OAuth>,
        basic: Option<BasicAuth>,
        header: Option<RequiredHeader>,
    ) -> Self {
        Self { token, oauth, basic, header, issued: Mutex::default() }
    }

    /// # Errors
    /// 401: no credentials, or the wrong ones.
    pub(crate) fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let unauthorized = |detail: String| Err(Refusal::new(StatusCode::UNAUTHORIZED, detail));
        if let Some(RequiredHeader { name, value }) = &self.header {
            let sent = headers.get(name.as_str()).map(|sent| sent.as_bytes());
            if !sent.is_some_and(|sent| same_secret(sent, value.as_bytes())) {
                return unauthorized(format!("Send the header {name} with its right value."));
            }
        }
        if self.token.is_none() && self.oauth.is_none() && self.basic.is_none() {
            return Ok(());
        }
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((scheme, credentials)) = sent.and_then(|sent| sent.split_once(' ')) else {
            let wanted = if self.wants_bearer() { "a bearer token" } else { "a name and password" };
            return unauthorized(format!("Send {wanted} in the Authorization header."));
        };
        let credentials = credentials.trim();
        let right = if scheme.eq_ignore_ascii_case("Bearer") {
            self.is_token(credentials)
        } else {
            scheme.eq_ignore_ascii_case("Basic") && self.is_password(credentials)
        };
        if right {
            Ok(())
        } else {
            unauthorized(format!("The {scheme} credentials are not the right ones, or no longer."))
        }
    }

    fn wants_bearer(&self) -> bool {
        self.token.is_some() || self.oauth.is_some()
    }

    /// The challenge of a 401 (RFC 9110 section 11.6.1).
    pub(crate) fn challenge(&self) -> &'static str {
        if self.wants_bearer() || self.basic.is_none() { "Bearer" } else { "Basic realm=\"tenant\"" }
    }

    fn is_token(&self, sent: &str) -> bool {
        let is = |token: &str| same_secret(sent.as_bytes(), token.as_bytes());
        let now = Instant::now();
        self.token.as_deref().is_some_and(is)
            || self.issued().iter().any(|(token, expires)| now < *expires && is(token))
    }

    fn is_password(&self, sent: &str) -> bool {
        let Some(BasicAuth { user, password }) = &self.basic else { return false };
        decoded(sent).is_some_and(|(name, sent)| {
            same_secret(name.as_bytes(), user.as_bytes()) && same_secret(sent.as_bytes(), password.as_bytes())
        })
    }

    /// Gives out a token.
    pub(crate) fn token(&self, headers: &HeaderMap, body: &[u8]) -> Result<Value, TokenError> {
        let Some(oauth) = &self.oauth else { return Err(token_error("invalid_request", "There are no tokens here.")) };
        let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let in_header = sent
            .and_then(|sent| sent.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Basic"))
            .and_then(|(_, credentials)| decoded(credentials.trim()))
            .filter(|_| oauth.credentials != ClientCredentials::Body);
        let in_body = field("client_id")
            .zip(field("client_secret"))
            .map(|(id, secret)| (id.to_owned(), secret.to_owned()))
            .filter(|_| oauth.credentials != ClientCredentials::Header);
        let right = |(id, secret): &(String, String)| {
            same_secret(id.as_bytes(), oauth.client_id.as_bytes())
                && same_secret(secret.as_bytes(), oauth.client_secret.as_bytes())
        };
        // RFC 6749 section 2.3.1 has both encoded as in a form, and many clients do not encode.
        let plain =
            |text: &str| form_urlencoded::parse(format!("x={text}").as_bytes()).next().map(|(_, it)| it.into_owned());
        let encoded = in_header.as_ref().and_then(|(id, secret)| Some((plain(id)?, plain(secret)?)));
        if ![&in_header, &in_body, &encoded].into_iter().flatten().any(right) {
            return Err(TokenError {
                status: StatusCode::UNAUTHORIZED,
                ..token_error("invalid_client", "The client is unknown, or its secret is wrong.")
            });
        }
        match field("grant_type") {
            Some("client_credentials") => {}
            Some(_) => return Err(token_error("unsupported_grant_type", "Only client_credentials is supported.")),
            None => return Err(token_error("invalid_request", "There is no grant_type.")),
        }
        if oauth.scope.as_deref().is_some_and(|scope| field("scope") != Some(scope)) {
            return Err(token_error("invalid_scope", "The scope is not the one that is needed."));
        }
        let token = Uuid::new_v4().simple().to_string();
        let mut issued = self.issued();
        if issued.len() >= MAX_TOKENS {
            issued.pop_front();
        }
        issued.push_back((token.clone(), Instant::now() + oauth.expires_in));
        Ok(json!({"access_token": token, "token_type": "Bearer", "expires_in": oauth.expires_in.as_secs()}))
    }

    /// Takes all tokens back that were given out.
    pub(crate) fn revoke(&self) {
        self.issued().clear();
    }

    fn issued(&self) -> std::sync::MutexGuard<'_, VecDeque<(String, Instant)>> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The schemes that are announced (RFC 7643 section 5).
    pub(crate) fn schemes(&self) -> Vec<Value> {
        let mut schemes = Vec::new();
        let mut add = |kind: &str, name: &str, description: &str, rfc: &str| {
            let uri = format!("https://www.rfc-editor.org/info/{rfc}");
            let primary = schemes.is_empty();
            let scheme =
                json!({"type": kind, "name": name, "description": description, "specUri": uri, "primary": primary});
            schemes.push(scheme);
        };
        if self.token.is_some() {
            let description = "A fixed token in the Authorization header (RFC 6750).";
            add("oauthbearertoken", "Bearer token", description, "rfc6750");
        }
        if self.oauth.is_some() {
            add("oauth2", "OAuth 2.0", "A token of /oauth2/token, by client credentials (RFC 6749).", "rfc6749");
        }
        if self.basic.is_some() {
            add(
                "httpbasic",
                "Name and password",
                "A name and password in the Authorization header (RFC 7617).",
                "rfc7617",
            );
        }
        schemes
    }
}

fn token_error(error: &str, description: &str) -> TokenError {
    TokenError { status: StatusCode::BAD_REQUEST, body: json!({"error": error, "error_description": description}) }
}

/// The name and the password of Basic credentials.
fn decoded(credentials: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
    text.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()))
}

/// Compares in a time that does not tell how much of the secret was right.
fn same_secret(sent: &[u8], secret: &[u8]) -> bool {
    sent.len() == secret.len() && sent.iter().zip(secret).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
