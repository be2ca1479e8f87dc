//! TLS towards a directory: whom to trust, and what a failed handshake means.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use provisor_model::Secret;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::error::{DirectoryError, TlsFault, server_words};

/// What this host shows of itself where a server asks for a certificate: PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The certificate, and those of the authorities between it and one that the server trusts.
    pub certificate: PathBuf,
    /// Its private key, unencrypted.
    pub key: PathBuf,
}

/// A configuration that trusts the authorities of this PEM file, or those of the system, and shows this certificate if
/// it is asked for one. It is made for each connection, so that renewed files are taken up.
///
/// # Errors
/// When a file cannot be read or does not hold what it should.
pub(crate) fn client_config(
    ca: Option<&Path>,
    identity: Option<&ClientIdentity>,
) -> Result<(Arc<ClientConfig>, Asked), DirectoryError> {
    let roots = match ca {
        Some(path) => roots_of_file(path)?,
        None => roots_of_system()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| DirectoryError::Configuration(format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = read_identity(identity)?;
            config.with_client_auth_cert(chain, key).map_err(|error| {
                let reason = format!(
                    "client-certificate cannot be used with client-key: {error}. Check that they belong together"
                );
                DirectoryError::file(&identity.certificate, reason)
            })?
        }
    };
    let asked = Asked::default();
    let inner = Arc::clone(&config.client_auth_cert_resolver);
    config.client_auth_cert_resolver = Arc::new(Noting { inner, asked: asked.clone() });
    Ok((Arc::new(config), asked))
}

/// Whether the server has asked for a certificate of this host. Some that demand one just hang up without it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked(Arc<AtomicBool>);

impl Asked {
    /// Whether it has, so far.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// What it may mean that a connection broke on which the server has asked: it may as well be the network.
    pub fn hint(&self, identity: Option<&ClientIdentity>) -> String {
        match identity {
            None => {
                "the server had asked for a certificate of this host. If it demands one, set client-certificate and \
                     client-key"
                    .to_owned()
            }
            Some(identity) => format!(
                "the server had asked for a certificate of this host. Check that it trusts the authority of \
                 client-certificate ({}), and its dates",
                identity.certificate.display()
            ),
        }
    }
}

/// Shows what another one shows, and notes that it was asked to.
#[derive(Debug)]
struct Noting {
    inner: Arc<dyn ResolvesClientCert>,
    asked: Asked,
}

impl ResolvesClientCert for Noting {
    fn resolve(&self, authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.0.store(true, Ordering::Relaxed);
        self.inner.resolve(authorities, schemes)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.inner.only_raw_public_keys()
    }

    fn has_certs(&self) -> bool {
        self.inner.has_certs()
    }
}

fn read_identity(
    identity: &ClientIdentity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), DirectoryError> {
    let ClientIdentity { certificate, key } = identity;
    let pem = std::fs::read(certificate).map_err(|error| {
        DirectoryError::file(certificate, format!("client-certificate cannot be read: {error}. Check the path"))
    })?;
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|error| {
            DirectoryError::file(certificate, format!("client-certificate holds what is no certificate: {error}"))
        })?;
    if chain.is_empty() {
        return Err(DirectoryError::file(
            certificate,
            "client-certificate holds no certificate. It must be a PEM file",
        ));
    }
    let pem = Secret::new(std::fs::read_to_string(key).map_err(|error| {
        DirectoryError::file(key, format!("client-key cannot be read: {error}. Check the path, and this user's rights"))
    })?);
    let key = PrivateKeyDer::from_pem_slice(pem.reveal().as_bytes()).map_err(|_| {
        let reason = "client-key holds no private key that can be used. It must be a PEM file with an unencrypted key";
        DirectoryError::file(key, reason)
    })?;
    Ok((chain, key))
}

/// When a certificate expires, where that can be read.
pub(crate) fn expiry(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn roots_of_file(path: &Path) -> Result<RootCertStore, DirectoryError> {
    let pem = std::fs::read(path).map_err(|error| {
        DirectoryError::file(path, format!("the certificates of ca cannot be read: {error}. Check the path"))
    })?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let added = certificate
            .map_err(|error| error.to_string())
            .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
        added.map_err(|error| DirectoryError::file(path, format!("ca holds what is no certificate: {error}")))?;
    }
    if roots.is_empty() {
        return Err(DirectoryError::file(
            path,
            "ca holds no certificate. It must be a PEM file of the issuing authority",
        ));
    }
    Ok(roots)
}

fn roots_of_system() -> Result<RootCertStore, DirectoryError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(DirectoryError::Configuration(
            "This system has no trusted certificate authorities. Install ca-certificates, or set ca".into(),
        ));
    }
    Ok(roots)
}

/// What is wrong with the handshake that this error ended, if it was a handshake.
pub(crate) fn fault(error: &io::Error) -> Option<TlsFault> {
    error.get_ref()?.downcast_ref::<rustls::Error>().map(fault_of_rustls)
}

/// What this error of the TLS library means.
pub(crate) fn fault_of_rustls(error: &rustls::Error) -> TlsFault {
    match error {
        rustls::Error::InvalidCertificate(reason) => match reason {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsFault::NotYetValid,
            // A signature that does not fit: an authority of the same name as the trusted one, with another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFault::UnknownIssuer,
            CertificateError::NotValidForName => TlsFault::WrongName("it does not say which".into()),
            CertificateError::NotValidForNameContext { presented, .. } => {
                TlsFault::WrongName(server_words(&presented.join(", ")))
            }
            other => TlsFault::Other(format!(
                "the server's certificate is not usable: {}. It must be issued for a server by the authority in ca",
                server_words(&other.to_string())
            )),
        },
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => TlsFault::Other(
            "the server demands a certificate of this host. Set client-certificate and client-key".into(),
        ),
        rustls::Error::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied),
        ) => TlsFault::Other(format!(
            "the server does not accept the certificate of this host ({alert:?}). Check client-certificate: its dates, \
             and whether the server trusts its authority"
        )),
        rustls::Error::InvalidMessage(_) => {
            TlsFault::Other("the server does not speak TLS on this port. Check url: ldaps usually is port 636".into())
        }
        other => TlsFault::Other(format!("the TLS handshake failed: {}", server_words(&other.to_string()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_without_certificates_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, "nothing").unwrap();
        let error = client_config(Some(&path), None).unwrap_err().to_string();
        assert!(error.contains("ca.pem") && error.contains("no certificate"), "{error}");
        let error = client_config(Some(&folder.path().join("missing.pem")), None).unwrap_err().to_string();
        assert!(error.contains("missing.pem"), "{error}");
    }
}
