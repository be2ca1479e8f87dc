//! Which certificates are trusted, and what is wrong with one that is not.

use std::error::Error;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};

use crate::scim::options::ClientIdentity;
use crate::{TargetError, TlsProblem};

/// The TLS settings: the authorities of this file, else the machine's own where TLS is `needed` at all; and who we are,
/// for services that ask.
pub(crate) fn client_config(
    ca: Option<&Path>,
    needed: bool,
    identity: Option<&ClientIdentity>,
) -> Result<ClientConfig, TargetError> {
    let roots = match ca {
        Some(file) => private_roots(file)?,
        None if needed => machine_roots()?,
        None => RootCertStore::empty(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TargetError::Configuration(format!("TLS cannot be set up: {error}")))?;
    let builder = builder.with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = read_identity(identity)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                TargetError::Configuration(format!(
                    "the target's client certificate {} and key {} cannot be used together: {error}",
                    identity.certificate.display(),
                    identity.key.display()
                ))
            })?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The client's certificate with its chain, and its key, which nobody else may read.
fn read_identity(
    identity: &ClientIdentity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TargetError> {
    let wrong = |file: &Path, what: &str, reason: String| {
        Err(TargetError::Configuration(format!("the target's {what} {} {reason}", file.display())))
    };
    let (file, what) = (&identity.certificate, "client-certificate");
    let chain = match CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
        Ok(chain) if chain.is_empty() => {
            return wrong(file, what, "holds no \"-----BEGIN CERTIFICATE-----\" block".into());
        }
        Ok(chain) => chain,
        Err(error) => return wrong(file, what, format!("cannot be read as a PEM file of certificates: {error}")),
    };
    let (file, what) = (&identity.key, "client-key");
    match std::fs::metadata(file) {
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
            return wrong(file, what, format!("may be read by others. Run: chmod 600 {}", file.display()));
        }
        Ok(_) => {}
        Err(error) => return wrong(file, what, format!("cannot be looked at: {error}")),
    }
    match PrivateKeyDer::from_pem_file(file) {
        Ok(key) => Ok((chain, key)),
        Err(error) => wrong(file, what, format!("cannot be read as a PEM file with a private key: {error}")),
    }
}

/// When a certificate's time is over; none where it cannot be read.
pub(crate) fn end_of(certificate: &[u8]) -> Option<SystemTime> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// When the client's own certificate's time is over.
pub(crate) fn end_of_identity(identity: &ClientIdentity) -> Option<SystemTime> {
    end_of(&CertificateDer::from_pem_file(&identity.certificate).ok()?)
}

fn private_roots(file: &Path) -> Result<RootCertStore, TargetError> {
    let wrong =
        |reason: String| TargetError::Configuration(format!("the target's ca file {} {reason}", file.display()));
    let certificates =
        CertificateDer::pem_file_iter(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| wrong(format!("is not a PEM file of certificates: {error}")))?;
        roots.add(certificate).map_err(|error| wrong(format!("holds a certificate that cannot be used: {error}")))?;
    }
    if roots.is_empty() {
        return Err(wrong("holds no certificate. It must have a \"-----BEGIN CERTIFICATE-----\" block".into()));
    }
    Ok(roots)
}

fn machine_roots() -> Result<RootCertStore, TargetError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(TargetError::Configuration(
            "this machine has no trusted certificate authorities. Install the package ca-certificates, or name a file with the \
             target's \"ca\" setting"
                .into(),
        ));
    }
    Ok(roots)
}

/// What is wrong with the TLS connection, where that is why a request failed.
pub(crate) fn tls_problem(error: &(dyn Error + 'static)) -> Option<TlsProblem> {
    find_rustls(error).map(describe)
}

/// Looks for the TLS library's error along the causes; an `io::Error` hides the one it wraps from `source`.
fn find_rustls<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    // Longer chains than this do not occur.
    for _ in 0..16 {
        let error = next?;
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

fn describe(error: &rustls::Error) -> TlsProblem {
    match error {
        rustls::Error::InvalidCertificate(reason) => match reason {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsProblem::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsProblem::NotYetValid,
            // A bad signature is what an authority of the same name, but another key, leads to.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsProblem::UnknownIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsProblem::WrongName
            }
            CertificateError::Revoked => TlsProblem::Revoked,
            // The library has no public name for this one.
            CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
                TlsProblem::SelfSigned
            }
            other => TlsProblem::Other(format!("the service's certificate is not valid: {other}")),
        },
        rustls::Error::InvalidMessage(_) => TlsProblem::NoTls,
        rustls::Error::AlertReceived(alert) if wants_identity(*alert) => TlsProblem::ClientCertificate,
        other => TlsProblem::Other(other.to_string()),
    }
}

/// Whether the service says by this that it does not let us in by the certificate that it was shown, or was not shown.
fn wants_identity(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}
