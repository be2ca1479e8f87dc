//! Tokens from a token endpoint, for a client's own id and secret (RFC 6749, section 4.4).

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provisor_model::Secret;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, Url};
use serde_json::Value;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::SecretSupply;
use crate::TargetError;
use crate::scim::json;
use crate::scim::options::is_loopback;
use crate::scim::proxy::{tunnel_refusal, words};
use crate::scim::reply::{clean, concealed, place};
use crate::scim::retry::{Backoff, retry_after};
use crate::scim::tls;

/// How often a token is asked for before that is given up.
const ATTEMPTS: u32 = 4;
/// The longest wait that a token endpoint may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The largest reply of a token endpoint that is read.
const LARGEST_REPLY: usize = 256 << 10;
/// No token is taken to hold for longer.
const LONGEST_LIFETIME: Duration = Duration::from_secs(30 * 86_400);
/// No token is asked for more often.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(10);
/// A token is renewed so long before its end, or at nine tenths of a short life.
const MARGIN: Duration = Duration::from_secs(120);

/// A client of a token endpoint.
#[derive(Clone, Debug)]
pub struct OAuth {
    /// The token endpoint, such as `https://login.example/oauth2/token`.
    pub token_url: String,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: SecretSupply,
    /// The scopes that are asked for, separated by blanks.
    pub scope: Option<String>,
    /// How the client says who it is.
    pub authentication: ClientAuthentication,
}

/// How a client says who it is to the token endpoint (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// In the Authorization header, which every token endpoint must know.
    #[default]
    Basic,
    /// In the form that is sent.
    Post,
}

/// How long asking may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// One attempt.
    pub(crate) attempt: Duration,
    /// The longest first wait between two.
    pub(crate) backoff: Duration,
}

/// A token as it was given.
pub(crate) struct Token {
    pub(crate) token: Secret,
    pub(crate) lifetime: Option<Duration>,
}

impl OAuth {
    /// The token endpoint, checked: where a secret can be sent without giving it away.
    pub(crate) fn url(&self) -> Result<Url, TargetError> {
        let wrong = |reason: &str| Err(TargetError::Configuration(format!("the target's oauth.token-url {reason}")));
        let Ok(url) = Url::parse(self.token_url.trim()) else {
            return wrong("is not a URL. It must look like https://login.example/oauth2/token");
        };
        if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
            return wrong("must begin with https:// and a host name");
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return wrong("holds a user, a password or a fragment (#). Take them out");
        }
        if url.scheme() == "http" && !is_loopback(&url) {
            return wrong("is plain http, which would show the client's secret to the network. Use https");
        }
        Ok(url)
    }

    /// The token endpoint for messages.
    pub(crate) fn place(&self) -> String {
        Url::parse(&self.token_url).map_or_else(|_| "the token endpoint".to_owned(), |url| place(&url))
    }
}

/// How long a token is used before the next one is asked for.
pub(crate) fn worth(lifetime: Duration) -> Duration {
    lifetime.saturating_sub(MARGIN).max(lifetime.mul_f64(0.9).min(lifetime.saturating_sub(Duration::from_secs(5))))
}

/// Why no token came.
enum Failure {
    /// Every attempt would end so.
    Final(TargetError),
    /// Another attempt may fare better, after this wait where the endpoint asked for one.
    Passing(String, Option<Duration>),
}

/// Asks for a token, a few times where it fails in passing.
pub(crate) async fn fetch(client: &Client, oauth: &OAuth, times: &Times) -> Result<Token, TargetError> {
    let url = oauth.url()?;
    let secret = oauth.client_secret.read()?;
    if secret.reveal().is_empty() {
        return Err(TargetError::Configuration("the target's oauth.client-secret is empty".into()));
    }
    let mut backoff = Backoff::new(times.backoff);
    let mut attempt = 1;
    loop {
        let failure = tokio::time::timeout(times.attempt, ask(client, oauth, &url, &secret)).await;
        let failure = failure.unwrap_or_else(|_| {
            Err(Failure::Passing(format!("no whole answer came within {} s", times.attempt.as_secs_f32()), None))
        });
        let (reason, asked) = match failure {
            Ok(token) => return Ok(token),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Passing(reason, asked)) => (reason, asked),
        };
        if attempt >= ATTEMPTS || asked.is_some_and(|asked| asked > LONGEST_WAIT) {
            return Err(TargetError::Unreachable { url: place(&url), reason: format!("no token was given: {reason}") });
        }
        tracing::debug!(reason, "a token could not be had in passing and is asked for again");
        attempt += 1;
        tokio::time::sleep(asked.unwrap_or_default() + backoff.next_wait()).await;
    }
}

/// The request for a token.
fn request(client: &Client, oauth: &OAuth, url: &Url, secret: &Secret) -> Result<RequestBuilder, TargetError> {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if let Some(scope) = &oauth.scope {
        form.append_pair("scope", scope);
    }
    let mut request = client.post(url.clone()).header(ACCEPT, "application/json");
    match oauth.authentication {
        ClientAuthentication::Basic => {
            let mut header = HeaderValue::from_str(&format!("Basic {}", pair(oauth, secret)))
                .map_err(|_| TargetError::Configuration("the target's oauth.client-id cannot be sent".into()))?;
            header.set_sensitive(true);
            request = request.header(AUTHORIZATION, header);
        }
        ClientAuthentication::Post => {
            form.append_pair("client_id", &oauth.client_id).append_pair("client_secret", secret.reveal());
        }
    }
    Ok(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.finish()))
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

/// What the Authorization header says of the client, which is as secret as the secret.
fn pair(oauth: &OAuth, secret: &Secret) -> String {
    STANDARD.encode(format!("{}:{}", encoded(&oauth.client_id), encoded(secret.reveal())))
}

/// The secret in every form that it is sent in, those that hold another before it.
fn forms(oauth: &OAuth, secret: &Secret) -> [Secret; 3] {
    [Secret::new(pair(oauth, secret)), Secret::new(encoded(secret.reveal())), secret.clone()]
}

async fn ask(client: &Client, oauth: &OAuth, url: &Url, secret: &Secret) -> Result<Token, Failure> {
    let request = request(client, oauth, url, secret).map_err(Failure::Final)?;
    let unsent = |error: reqwest::Error| match tls::tls_problem(&error) {
        Some(problem) => Failure::Final(TargetError::Tls { url: place(url), problem }),
        None => match tunnel_refusal(&error, url) {
            Some(refusal) => Failure::Final(refusal),
            None => Failure::Passing(words(&error), None),
        },
    };
    let response = request.send().await.map_err(unsent)?;
    let status = response.status().as_u16();
    let asked = response.headers().get(RETRY_AFTER).and_then(|header| header.to_str().ok());
    let asked = asked.and_then(|header| retry_after(header, SystemTime::now()));
    let body = read(response).await.map_err(unsent)?;
    if matches!(status, 408 | 425 | 429) || status >= 500 {
        return Err(Failure::Passing(format!("it answered HTTP {status}"), asked));
    }
    let document: Option<Value> = serde_json::from_slice(&body).ok();
    if status != 200 {
        return Err(Failure::Final(refusal(url, status, document.as_ref(), &forms(oauth, secret))));
    }
    document.as_ref().and_then(token).ok_or_else(|| {
        let found = "its answer holds no bearer token (RFC 6749, section 5.1). Check target.oauth.token-url";
        Failure::Final(TargetError::TokenRefused { url: place(url), reason: "HTTP 200".into(), advice: found.into() })
    })
}

async fn read(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LARGEST_REPLY {
            return Ok(Vec::new());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn token(document: &Value) -> Option<Token> {
    let sort = json::get(document, "token_type").and_then(Value::as_str);
    let token = json::get(document, "access_token").and_then(Value::as_str).filter(|token| !token.is_empty())?;
    if sort.is_some_and(|sort| !sort.eq_ignore_ascii_case("bearer")) {
        return None;
    }
    let lifetime = json::get(document, "expires_in")
        .and_then(|number| number.as_u64().or_else(|| number.as_str()?.trim().parse().ok()))
        .map(|seconds| Duration::from_secs(seconds).clamp(SHORTEST_LIFETIME, LONGEST_LIFETIME));
    Some(Token { token: Secret::new(token), lifetime })
}

/// What a refusal means, and what to do about it (RFC 6749, section 5.2).
fn refusal(url: &Url, status: u16, document: Option<&Value>, hidden: &[Secret]) -> TargetError {
    let text = |name: &str| {
        let text = document.and_then(|document| json::get(document, name)).and_then(Value::as_str).unwrap_or_default();
        clean(&concealed(text.to_owned(), hidden))
    };
    let (word, words) = (text("error"), text("error_description"));
    let advice = match (word.as_str(), status) {
        ("invalid_client", _) | ("", 401) => {
            "Check target.oauth.client-id and client-secret: the secret may be wrong or have expired. Where the endpoint wants \
             them in the form, set client-authentication = \"post\""
        }
        ("invalid_scope", _) => {
            "Check target.oauth.scope: the scope is unknown there, or this client may not ask for it"
        }
        ("unauthorized_client" | "unsupported_grant_type", _) => {
            "The client may not use the grant \"client_credentials\". Have its operator allow it"
        }
        ("invalid_request", _) => {
            "Check target.oauth.scope and client-authentication against what the endpoint documents"
        }
        ("", _) => "Check target.oauth.token-url: what answers there does not speak OAuth 2.0",
        _ => "See what the endpoint's operator documents about this error",
    };
    let reason = match (word.is_empty(), words.is_empty()) {
        (true, _) => format!("HTTP {status}"),
        (false, true) => format!("HTTP {status}, {word}"),
        (false, false) => format!("HTTP {status}, {word}: {words}"),
    };
    TargetError::TokenRefused { url: place(url), reason, advice: advice.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_renewed_before_they_end() {
        let seconds = |number| worth(Duration::from_secs(number)).as_secs();
        assert_eq!(seconds(3600), 3480);
        assert_eq!(seconds(300), 270);
        assert_eq!(seconds(10), 5);
        assert_eq!(seconds(60), 54);
    }

    #[test]
    fn a_lifetime_is_read_as_number_and_as_text_and_has_bounds() {
        let lifetime = |value: Value| {
            let document = serde_json::json!({"access_token": "a", "token_type": "bearer", "expires_in": value});
            token(&document).unwrap().lifetime.map(|lifetime| lifetime.as_secs())
        };
        assert_eq!(lifetime(3599.into()), Some(3599));
        assert_eq!(lifetime("3599".into()), Some(3599));
        assert_eq!(lifetime(0.into()), Some(10));
        assert_eq!(lifetime(u64::MAX.into()), Some(30 * 86_400));
        assert_eq!(lifetime(Value::Null), None);
        assert!(token(&serde_json::json!({"access_token": "a", "token_type": "mac"})).is_none());
        assert!(token(&serde_json::json!({"access_token": "", "token_type": "Bearer"})).is_none());
    }

    #[test]
    fn a_refusal_repeats_the_secret_in_no_form_that_it_is_sent_in() {
        let secret = Secret::new("s3 cret/\u{fc}");
        let oauth = OAuth {
            token_url: "https://login.example/token".into(),
            client_id: "a".into(),
            client_secret: secret.clone().into(),
            scope: None,
            authentication: ClientAuthentication::Basic,
        };
        let sent = ["s3 cret/\u{fc}", "s3+cret%2F%C3%BC", "YTpzMytjcmV0JTJGJUMzJUJD"];
        let document = serde_json::json!({"error": "invalid_client", "error_description": sent.join(" is not ")});
        let error = refusal(&oauth.url().unwrap(), 401, Some(&document), &forms(&oauth, &secret)).to_string();
        assert!(sent.iter().all(|form| !error.contains(form)) && error.contains(" is not "), "{error}");
    }

    #[test]
    fn the_client_secret_travels_over_plain_http_on_loopback_only() {
        let url = |text: &str| {
            OAuth {
                token_url: text.into(),
                client_id: "a".into(),
                client_secret: Secret::new("s").into(),
                scope: None,
                authentication: ClientAuthentication::Basic,
            }
            .url()
        };
        assert!(url("https://login.example/token?tenant=a").is_ok() && url("http://127.0.0.1:1/token").is_ok());
        for wrong in ["http://login.example/token", "https://a:b@login.example/", "ftp://x/", "https://x/#a", ""] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }
}
