//! From a configuration to what it names: the directory, the target, and what identifies both to the connector space.

use provisor_directory::{ConnectionOptions, Directory, Ldif, LdifOptions, OpenLdap, OpenLdapOptions, SourceOptions};
use provisor_model::Secret;
use provisor_target::{Login, RequestCosts, ScimOptions};
use serde_json::json;
use sha2::{Digest, Sha256};
use url::Url;

use super::error::Place;
use super::{Configuration, ConfigurationError, Identity, LdifSource, OpenLdapSource, Source};

impl Configuration {
    /// The source directory. Nothing is asked of it yet, but its secret is read.
    ///
    /// # Errors
    /// Where the secret cannot be had, or the settings cannot work.
    pub fn directory(&self) -> Result<Directory, ConfigurationError> {
        let object = |identity: &Identity| SourceOptions {
            object_classes: self.object_classes.clone(),
            source_id_attribute: identity.source_id.clone(),
            anchor_attribute: identity.anchor.clone(),
        };
        Ok(match &self.source {
            Source::Ldif(ldif) => Directory::Ldif(Ldif::new(ldif_options(ldif, object(&ldif.identity)))),
            Source::OpenLdap(server) => {
                let password = server.password.as_ref().map(super::SecretSource::read).transpose()?;
                let password = password.unwrap_or_else(|| Secret::new(""));
                let options = open_ldap_options(server, password, object(&server.identity));
                let server = OpenLdap::new(options)
                    .map_err(|error| ConfigurationError::new(&Place::of_file(&self.file), error.to_string()))?;
                Directory::OpenLdap(server)
            }
        })
    }

    /// How the target is reached. Its secrets are read again when they are needed.
    ///
    /// # Errors
    /// Where a secret cannot be had.
    pub fn target_options(&self) -> Result<ScimOptions, ConfigurationError> {
        let target = &self.target;
        target.signing.secret().map(super::SecretSource::read).transpose()?;
        let proxy_login = target.proxy_login.as_ref();
        let proxy_login = proxy_login.map(|(user, password)| Login { user: user.clone(), password: password.into() });
        Ok(ScimOptions {
            credential: target.signing.credential(),
            headers: target.headers.iter().map(Into::into).collect(),
            client_identity: target.client_identity.clone(),
            ca: target.ca.clone(),
            proxy: target.proxy.as_deref().map(Secret::new),
            proxy_login,
            rate: target.rate,
            concurrency: target.concurrency,
            bulk: target.bulk,
            timeout: target.timeout,
            connect_timeout: target.connect_timeout,
            idle_timeout: target.idle_timeout,
            member_chunk: target.member_chunk,
            page_size: target.page_size,
            dialect: target.dialect.clone(),
            ..ScimOptions::new(&target.url)
        })
    }

    /// How many requests operations take at the target, told without asking it.
    pub fn request_costs(&self) -> RequestCosts {
        let target = &self.target;
        let options = ScimOptions::new(&target.url);
        RequestCosts::new(&ScimOptions {
            member_chunk: target.member_chunk,
            dialect: target.dialect.clone(),
            ..options
        })
    }

    /// A hash over what the evaluation of an entry depends on besides the rules: when it changes, all are evaluated anew.
    pub fn fingerprint(&self) -> [u8; 32] {
        let anchor = self.source.identity().anchor.as_ref().map(ToString::to_string);
        let considered = json!({
            "scope": self.scope,
            "object-classes": self.object_classes,
            "leaving": self.leaving,
            "match": self.matching,
            "source-id": self.source.identity().source_id.as_str(),
            "anchor": anchor,
        });
        Sha256::digest(considered.to_string().as_bytes()).into()
    }

    /// What tells this source from every other, for people to read: a connector space belongs to one source, because
    /// against another everything in it would look deleted.
    pub fn source_identity(&self) -> String {
        let source_id = match &self.source {
            // What the server offers: the change feed notices where that is another than before.
            Source::OpenLdap(server) if server.feed.detect_source_id => "its own id".to_owned(),
            source => source.identity().source_id.to_key(),
        };
        match &self.source {
            Source::Ldif(ldif) => {
                let file = std::path::absolute(&ldif.file).unwrap_or_else(|_| ldif.file.clone());
                let base = ldif
                    .base
                    .as_ref()
                    .map_or_else(String::new, |base| format!(" below {}", base.to_string().to_lowercase()));
                format!("{}{base} by {source_id}", file.display())
            }
            Source::OpenLdap(server) => {
                // The first server stands for the directory: others keep the same.
                let first = server.urls.first().map_or("", String::as_str);
                format!("ldap {} below {} by {source_id}", place(first), server.base.to_string().to_lowercase())
            }
        }
    }
}

impl Source {
    /// Whether its changes are to be announced as they happen.
    pub fn live(&self) -> bool {
        matches!(self, Self::OpenLdap(server) if server.feed.live)
    }

    /// What identifies an entry.
    pub fn identity(&self) -> &Identity {
        match self {
            Self::Ldif(ldif) => &ldif.identity,
            Self::OpenLdap(server) => &server.identity,
        }
    }
}

/// Host and port of a server, or the path of its socket.
fn place(url: &str) -> String {
    let parsed = Url::parse(url).ok();
    match parsed.as_ref().and_then(|url| Some((url.scheme(), url.host_str()?, url.port()))) {
        Some(("ldap", host, port)) => format!("{}:{}", host.to_lowercase(), port.unwrap_or(389)),
        Some(("ldaps", host, port)) => format!("{}:{}", host.to_lowercase(), port.unwrap_or(636)),
        _ => url.to_owned(),
    }
}

fn ldif_options(ldif: &LdifSource, object: SourceOptions) -> LdifOptions {
    LdifOptions { file: ldif.file.clone(), base: ldif.base.clone(), binary: ldif.binary.clone(), object }
}

fn open_ldap_options(server: &OpenLdapSource, password: Secret, object: SourceOptions) -> OpenLdapOptions {
    OpenLdapOptions {
        connection: ConnectionOptions {
            urls: server.urls.clone(),
            start_tls: server.start_tls,
            ca: server.ca.clone(),
            client_identity: server.client_identity.clone(),
            bind: server.bind,
            bind_dn: server.bind_dn.as_ref().map(ToString::to_string).unwrap_or_default(),
            password,
            timeout: server.timeout,
        },
        base: server.base.clone(),
        page_size: server.page_size,
        object,
        feed: server.feed.clone(),
    }
}
