//! Who we are to a service: how requests are signed, and new credentials where the old ones have run out or were replaced.

mod headers;
mod oauth;
mod supply;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use provisor_model::Secret;
use reqwest::Client;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

pub use self::headers::check_custom_header;
pub(crate) use self::oauth::Times;
pub use self::oauth::{ClientAuthentication, OAuth};
pub use self::supply::SecretSupply;

use self::headers::{basic, bearer};
use crate::TargetError;

/// How long credentials that still hold are used when newer ones could not be had, before that is tried again.
const BETWEEN_TRIES: Duration = Duration::from_secs(10);

/// How requests are signed.
#[derive(Clone, Debug, Default)]
pub enum Credential {
    /// Not at all.
    #[default]
    None,
    /// By a bearer token (RFC 6750).
    Token(SecretSupply),
    /// By a user and a password (RFC 7617).
    Basic(Login),
    /// By a bearer token that the token endpoint gives for a client's secret (RFC 6749, section 4.4).
    OAuth(OAuth),
}

/// A user and a password.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: SecretSupply,
}

/// A header that every request to the service carries.
#[derive(Clone, Debug)]
pub struct CustomHeader {
    /// Its name.
    pub name: String,
    /// Its value, which is treated as a secret.
    pub value: SecretSupply,
}

impl Credential {
    /// A bearer token that stays as it is.
    pub fn token(token: impl Into<Box<str>>) -> Self {
        Self::Token(Secret::new(token).into())
    }

    /// Whether anything secret is sent.
    pub fn is_secret(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// What tells one account from another at the same service, for as long as its secret stays the same.
    pub(crate) fn identity(&self) -> Result<[u8; 32], TargetError> {
        let parts = match self {
            Self::None => vec!["none".to_owned()],
            Self::Token(token) => vec!["token".to_owned(), token.read()?.reveal().to_owned()],
            Self::Basic(login) => vec!["basic".to_owned(), login.user.clone()],
            Self::OAuth(oauth) => vec!["oauth".to_owned(), oauth.token_url.clone(), oauth.client_id.clone()],
        };
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Ok(hash.finalize().into())
    }
}

/// What signs requests for a while.
pub(crate) struct Grant {
    /// The headers of every request.
    pub(crate) headers: HeaderMap,
    /// What may not reach a message, though a service repeats it.
    pub(crate) hidden: Vec<Secret>,
    made: Instant,
    /// When it ends, where that is known.
    pub(crate) ends: Option<Instant>,
    renew: Option<Instant>,
    /// Whether the service has let somebody in with it.
    accepted: AtomicBool,
}

impl Grant {
    /// The service let a request in.
    pub(crate) fn was_accepted(&self) {
        self.accepted.store(true, Ordering::Relaxed);
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.renew.is_none_or(|renew| now < renew)
    }

    fn still_holds(&self, now: Instant) -> bool {
        self.ends.is_none_or(|ends| now < ends)
    }
}

/// The credentials of one account, shared by all its requests.
pub(crate) struct Credentials {
    credential: Credential,
    custom: Vec<CustomHeader>,
    present: Mutex<Option<Arc<Grant>>>,
    /// Held by the one task that gets new credentials, with the time before which it is not tried again.
    renewing: tokio::sync::Mutex<Option<Instant>>,
    times: Times,
}

impl Credentials {
    /// Credentials of this sort; what can be had without asking anybody is had now.
    pub(crate) fn new(credential: Credential, custom: Vec<CustomHeader>, times: Times) -> Result<Self, TargetError> {
        let asks = matches!(credential, Credential::OAuth(_));
        let credentials =
            Self { credential, custom, present: Mutex::new(None), renewing: tokio::sync::Mutex::new(None), times };
        let custom = credentials.custom_headers()?;
        if !asks {
            let grant = credentials.read(custom)?;
            credentials.keep(grant);
        }
        Ok(credentials)
    }

    /// What signs a request now. New credentials are had before the old ones end, by one task at a time, while the
    /// others go on with the old ones.
    pub(crate) async fn grant(&self, client: &Client) -> Result<Arc<Grant>, TargetError> {
        let now = Instant::now();
        let present = self.present();
        if let Some(grant) = &present {
            if grant.is_fresh(now) {
                return Ok(Arc::clone(grant));
            }
            if grant.still_holds(now) {
                let Ok(mut not_before) = self.renewing.try_lock() else { return Ok(Arc::clone(grant)) };
                if not_before.is_some_and(|time| now < time) {
                    return Ok(Arc::clone(grant));
                }
                return match self.obtain(client).await {
                    Ok(newer) => Ok(newer),
                    Err(error) => {
                        *not_before = Some(Instant::now() + BETWEEN_TRIES);
                        tracing::warn!(%error, "The target's token could not be renewed; the present one still holds.");
                        Ok(Arc::clone(grant))
                    }
                };
            }
        }
        let _one_at_a_time = self.renewing.lock().await;
        match self.present().filter(|grant| grant.is_fresh(Instant::now())) {
            Some(grant) => Ok(grant),
            None => self.obtain(client).await,
        }
    }

    /// After a request was refused that these credentials signed: whether there are others now. Secrets are read anew,
    /// so that a changed one is taken up at once.
    pub(crate) async fn renewed(&self, client: &Client, refused: &Arc<Grant>) -> Result<bool, TargetError> {
        let _one_at_a_time = self.renewing.lock().await;
        if self.present().is_some_and(|present| !Arc::ptr_eq(&present, refused)) {
            return Ok(true);
        }
        if matches!(self.credential, Credential::OAuth(_)) {
            // A token that never let anybody in is no worse than the next one.
            if !refused.accepted.load(Ordering::Relaxed) {
                return Ok(false);
            }
            self.obtain(client).await?;
            return Ok(true);
        }
        let newer = self.read(self.custom_headers()?)?;
        if newer.headers == refused.headers {
            return Ok(false);
        }
        tracing::info!(
            "The target refused its credentials; they have changed since they were read, and are read anew."
        );
        self.keep(newer);
        Ok(true)
    }

    /// What may not reach a message at present.
    pub(crate) fn hidden(&self) -> Vec<Secret> {
        self.present().map(|grant| grant.hidden.clone()).unwrap_or_default()
    }

    /// How requests are signed, and until when that holds, for people.
    pub(crate) fn describe(&self) -> String {
        let custom = match self.custom.len() {
            0 => String::new(),
            1 => format!(
                ", and the header {}",
                self.custom.iter().map(|header| header.name.as_str()).collect::<String>()
            ),
            number => format!(", and {number} headers of the configuration"),
        };
        let ends = self.present().and_then(|grant| grant.ends);
        let left = ends.map(|ends| ends.saturating_duration_since(Instant::now()).as_secs());
        let how = match &self.credential {
            Credential::None => "requests are not signed".to_owned(),
            Credential::Token(_) => "a bearer token; when it ends is not known".to_owned(),
            Credential::Basic(login) => format!("the user {} with a password", login.user),
            Credential::OAuth(oauth) => {
                let until = match left {
                    Some(seconds) if seconds >= 120 => format!("it holds for {} minutes more", seconds / 60),
                    Some(seconds) => format!("it holds for {seconds} seconds more"),
                    None => "when it ends is not known".to_owned(),
                };
                format!(
                    "a token from {} for the client {}; {until}, and is renewed by itself",
                    oauth.place(),
                    oauth.client_id
                )
            }
        };
        how + &custom
    }

    /// A word for what the service lets in; none where requests are not signed.
    pub(crate) fn noun(&self) -> Option<&'static str> {
        match self.credential {
            Credential::None => None,
            Credential::Token(_) | Credential::OAuth(_) => Some("the token"),
            Credential::Basic(_) => Some("the password"),
        }
    }

    async fn obtain(&self, client: &Client) -> Result<Arc<Grant>, TargetError> {
        let custom = self.custom_headers()?;
        let grant = match &self.credential {
            Credential::OAuth(oauth) => {
                let token = oauth::fetch(client, oauth, &self.times).await?;
                let mut grant = signed(bearer(&token.token)?, vec![token.token], custom);
                if let Some(lifetime) = token.lifetime {
                    grant.ends = Some(grant.made + lifetime);
                    grant.renew = Some(grant.made + oauth::worth(lifetime));
                }
                grant
            }
            _ => self.read(custom)?,
        };
        Ok(self.keep(grant))
    }

    /// Credentials that need nobody's help.
    fn read(&self, custom: (HeaderMap, Vec<Secret>)) -> Result<Grant, TargetError> {
        match &self.credential {
            Credential::Token(token) => {
                let token = token.read()?;
                Ok(signed(bearer(&token)?, vec![token], custom))
            }
            Credential::Basic(login) => {
                let password = login.password.read()?;
                let (header, encoded) = basic(&login.user, &password)?;
                Ok(signed(header, vec![encoded, password], custom))
            }
            Credential::None | Credential::OAuth(_) => Ok(unsigned(custom)),
        }
    }

    fn custom_headers(&self) -> Result<(HeaderMap, Vec<Secret>), TargetError> {
        let (mut headers, mut hidden) = (HeaderMap::new(), Vec::new());
        for CustomHeader { name, value } in &self.custom {
            check_custom_header(name).map_err(TargetError::Configuration)?;
            let wrong = || TargetError::Configuration(format!("the target's header {name} cannot be sent"));
            let value = value.read()?;
            let mut sent = HeaderValue::from_str(value.reveal()).map_err(|_| wrong())?;
            sent.set_sensitive(true);
            headers.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?, sent);
            hidden.push(value);
        }
        Ok((headers, hidden))
    }

    fn present(&self) -> Option<Arc<Grant>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, grant: Grant) -> Arc<Grant> {
        let grant = Arc::new(grant);
        *self.present.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&grant));
        grant
    }
}

fn unsigned((headers, hidden): (HeaderMap, Vec<Secret>)) -> Grant {
    Grant { headers, hidden, made: Instant::now(), ends: None, renew: None, accepted: AtomicBool::new(false) }
}

fn signed(authorization: HeaderValue, hidden: Vec<Secret>, custom: (HeaderMap, Vec<Secret>)) -> Grant {
    let mut grant = unsigned(custom);
    grant.headers.insert(AUTHORIZATION, authorization);
    grant.hidden.extend(hidden);
    grant
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        let tls = crate::scim::tls::client_config(None, false, None).unwrap();
        Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap()
    }

    fn times() -> Times {
        Times { attempt: Duration::from_secs(1), backoff: Duration::from_millis(1) }
    }

    #[tokio::test]
    async fn a_user_and_password_are_sent_as_rfc_7617_says() {
        let login = Login { user: "Aladdin".into(), password: Secret::new("open sesame").into() };
        let credentials = Credentials::new(Credential::Basic(login), Vec::new(), times()).unwrap();
        let grant = credentials.grant(&client()).await.unwrap();
        assert_eq!(grant.headers[AUTHORIZATION], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(!format!("{:?}", grant.headers).contains("QWxh"));
        let hidden: Vec<&str> = grant.hidden.iter().map(Secret::reveal).collect();
        assert_eq!(hidden, ["QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "open sesame"]);
    }

    #[test]
    fn headers_of_the_connection_and_the_credentials_are_refused() {
        for name in ["Authorization", "HOST", "Transfer-Encoding", "Connection", "Proxy-Authorization", "a b", ""] {
            assert!(check_custom_header(name).is_err(), "{name}");
        }
        assert_eq!(check_custom_header("X-Api-Key"), Ok(()));
        let header = |value: &str| CustomHeader { name: "X-Key".into(), value: Secret::new(value).into() };
        assert!(Credentials::new(Credential::None, vec![header("a\r\nHost: evil")], times()).is_err());
        let credentials = Credentials::new(Credential::None, vec![header("k3y")], times()).unwrap();
        assert!(!format!("{:?}", credentials.custom).contains("k3y"));
    }
}
