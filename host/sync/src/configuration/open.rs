//! From a configuration to what it names: the directory, the target, and what identifies both to the connector space.

use provisor_directory::{
    ActiveDirectory, ActiveDirectoryOptions, ConnectionOptions, Directory, DirectoryError, Ldif, LdifOptions, OpenLdap,
    OpenLdapOptions, SourceOptions,
};
use provisor_model::Secret;
use provisor_target::{Login, RequestCosts, ScimOptions};
use serde_json::json;
use sha2::{Digest, Sha256};
use url::Url;

use super::error::Place;
use super::{ActiveDirectorySource, Configuration, ConfigurationError, Identity, LdifSource, OpenLdapSource, Source};

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
        let unusable = |error: DirectoryError| ConfigurationError::new(&Place::of_file(&self.file), error.to_string());
        Ok(match &self.source {
            Source::Ldif(ldif) => Directory::Ldif(Ldif::new(ldif_options(ldif, object(&ldif.identity)))),
            Source::OpenLdap(server) => {
                let options = open_ldap_options(server, server.connection.options()?, object(&server.identity));
                OpenLdap::new(options).map_err(unusable)?.into()
            }
            Source::ActiveDirectory(domain) => {
                let options = domain_options(domain, domain.connection.options()?, object(&domain.identity));
                ActiveDirectory::new(options).map_err(unusable)?.into()
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
            "shared": self.shared,
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
                let first = server.connection.urls.first().map_or("", String::as_str);
                format!("ldap {} below {} by {source_id}", place(first), server.base.to_string().to_lowercase())
            }
            Source::ActiveDirectory(domain) => match &domain.base {
                Some(base) => format!("domain {} by {source_id}", base.to_string().to_lowercase()),
                // The controllers' own domain: the first stands for it.
                None => {
                    let first = domain.connection.urls.first().map_or("", String::as_str);
                    format!("domain of {} by {source_id}", place(first))
                }
            },
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
            Self::ActiveDirectory(domain) => &domain.identity,
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

fn open_ldap_options(server: &OpenLdapSource, connection: ConnectionOptions, object: SourceOptions) -> OpenLdapOptions {
    OpenLdapOptions {
        connection,
        base: server.base.clone(),
        page_size: server.page_size,
        object,
        feed: server.feed.clone(),
    }
}

fn domain_options(
    domain: &ActiveDirectorySource,
    connection: ConnectionOptions,
    object: SourceOptions,
) -> ActiveDirectoryOptions {
    ActiveDirectoryOptions {
        connection,
        base: domain.base.clone(),
        page_size: domain.page_size,
        object,
        changes: domain.changes,
        listing: domain.listing,
    }
}
