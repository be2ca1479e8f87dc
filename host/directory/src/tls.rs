//! TLS towards a directory: whom to trust, and what a failed handshake means.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use crate::error::{DirectoryError, TlsFault, server_words};

/// A configuration that trusts the authorities of this PEM file, or those of the system. It is made for each
/// connection, so that a renewed file is taken up.
///
/// # Errors
/// When the file cannot be read or holds no certificate.
pub(crate) fn client_config(ca: Option<&Path>) -> Result<Arc<ClientConfig>, DirectoryError> {
    let roots = match ca {
        Some(path) => roots_of_file(path)?,
        None => roots_of_system()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| DirectoryError::Configuration(format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
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
        let error = client_config(Some(&path)).unwrap_err().to_string();
        assert!(error.contains("ca.pem") && error.contains("no certificate"), "{error}");
        let error = client_config(Some(&folder.path().join("missing.pem"))).unwrap_err().to_string();
        assert!(error.contains("missing.pem"), "{error}");
    }
}
