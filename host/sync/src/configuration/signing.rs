//! How requests to the target are signed: a token, a user and password, or a client of a token endpoint; and further headers.

use provisor_target::{
    ClientAuthentication, Credential, CustomHeader, Login, OAuth, SecretSupply, check_custom_header,
};

use super::address;
use super::document::Section;
use super::error::ConfigurationError;
use super::secret::SecretSource;
use provisor_model::Secret;

/// How requests are signed, with the places of the secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signing {
    /// Not at all.
    None,
    /// By a bearer token.
    Token(SecretSource),
    /// By a user and a password.
    Basic {
        /// The user's name.
        user: String,
        /// The password.
        password: SecretSource,
    },
    /// By tokens of a token endpoint.
    OAuth {
        /// The token endpoint.
        token_url: String,
        /// The client's id.
        client_id: String,
        /// The client's secret.
        client_secret: SecretSource,
        /// The scopes that are asked for.
        scope: Option<String>,
        /// How the client says who it is.
        authentication: ClientAuthentication,
    },
}

/// A header of every request: a text, or the place of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderSetting {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: HeaderText,
}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderText {
    /// This.
    Plain(String),
    /// What is kept there.
    Secret(SecretSource),
}

impl Signing {
    /// Whether anything secret is sent.
    pub(super) fn is_secret(&self) -> bool {
        *self != Self::None
    }

    /// What is secret.
    pub(super) fn secret(&self) -> Option<&SecretSource> {
        match self {
            Self::None => None,
            Self::Token(secret) | Self::Basic { password: secret, .. } | Self::OAuth { client_secret: secret, .. } => {
                Some(secret)
            }
        }
    }

    /// For the target.
    pub(super) fn credential(&self) -> Credential {
        match self {
            Self::None => Credential::None,
            Self::Token(token) => Credential::Token(token.into()),
            Self::Basic { user, password } => {
                Credential::Basic(Login { user: user.clone(), password: password.into() })
            }
            Self::OAuth { token_url, client_id, client_secret, scope, authentication } => Credential::OAuth(OAuth {
                token_url: token_url.clone(),
                client_id: client_id.clone(),
                client_secret: client_secret.into(),
                scope: scope.clone(),
                authentication: *authentication,
            }),
        }
    }
}

impl From<&HeaderSetting> for CustomHeader {
    fn from(setting: &HeaderSetting) -> Self {
        let value = match &setting.value {
            HeaderText::Plain(text) => SecretSupply::from(Secret::new(text.as_str())),
            HeaderText::Secret(source) => source.into(),
        };
        Self { name: setting.name.clone(), value }
    }
}

/// Reads `token`, `[target.basic]` or `[target.oauth]`, of which there may be one.
pub(super) fn read(section: &Section<'_>) -> Result<Signing, ConfigurationError> {
    let mut ways = ["token", "basic", "oauth"].into_iter().filter_map(|key| section.get(key));
    let (first, second) = (ways.next(), ways.next());
    if let (Some(_), Some(second)) = (first, second) {
        return Err(
            second.error("is a second way to sign requests. Keep one of token, [target.basic] and [target.oauth]")
        );
    }
    if let Some(token) = section.get("token") {
        return Ok(Signing::Token(SecretSource::of(&token, "target.token")?));
    }
    if let Some(basic) = section.section("basic", &["user", "password"])? {
        let user_item = basic.require("user", "\"sync\"")?;
        let user = user_item.filled_text()?.to_owned();
        if user.contains(':') {
            return Err(user_item.error("holds a colon, which no user name may that is sent with a password"));
        }
        let password = basic.require("password", "{ file = \"tenant.password\" }")?;
        return Ok(Signing::Basic { user, password: SecretSource::of(&password, "target.basic.password")? });
    }
    let keys = ["token-url", "client-id", "client-secret", "scope", "client-authentication"];
    let Some(oauth) = section.section("oauth", &keys)? else { return Ok(Signing::None) };
    let example = "https://login.example/oauth2/token";
    let url_item = oauth.require("token-url", &format!("\"{example}\""))?;
    let token_url = address::endpoint(&url_item, &["https", "http"], example)?;
    if token_url.scheme() == "http" && !address::is_loopback(&token_url) {
        return Err(url_item.error("is plain http, which would show the client's secret to the network. Use https://"));
    }
    let ways = [("basic", ClientAuthentication::Basic), ("post", ClientAuthentication::Post)];
    let secret = oauth.require("client-secret", "{ file = \"tenant.secret\" }")?;
    Ok(Signing::OAuth {
        token_url: token_url.to_string(),
        client_id: oauth.require("client-id", "\"provisor\"")?.filled_text()?.to_owned(),
        client_secret: SecretSource::of(&secret, "target.oauth.client-secret")?,
        scope: oauth.get("scope").map(|item| item.filled_text().map(str::to_owned)).transpose()?,
        authentication: oauth.get("client-authentication").map_or(Ok(ways[0].1), |item| item.word(&ways))?,
    })
}

/// Reads `[target.headers]`.
pub(super) fn headers(section: &Section<'_>) -> Result<Vec<HeaderSetting>, ConfigurationError> {
    let Some(item) = section.get("headers") else { return Ok(Vec::new()) };
    let mut headers: Vec<HeaderSetting> = Vec::new();
    for (name, item) in item.any_section()?.entries() {
        check_custom_header(name).map_err(|reason| item.error(format!("cannot be used: {reason}")))?;
        if headers.iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
            return Err(item.error("is there twice"));
        }
        let value = if item.is_text() {
            let text = item.text()?;
            if text.chars().any(|one| one.is_control() || !one.is_ascii()) {
                return Err(item.error("must be one line of ASCII"));
            }
            HeaderText::Plain(text.to_owned())
        } else {
            HeaderText::Secret(SecretSource::of(&item, &format!("target.headers.{name}"))?)
        };
        headers.push(HeaderSetting { name: name.to_owned(), value });
    }
    Ok(headers)
}
