//! The channel binding `tls-server-end-point` (RFC 5929, section 4): it ties a bind to the certificate of the TLS session,
//! so that whoever sits between, with a session of their own to each side, cannot pass the bind on.

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::signature_algorithm::SignatureAlgorithm;

/// The binding to a server's certificate; none where its signature is of a kind for which none is defined.
pub(in crate::connection) fn channel_binding(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let algorithm = &parsed.signature_algorithm;
    let name = match SignatureAlgorithm::try_from(algorithm) {
        Ok(SignatureAlgorithm::RSASSA_PSS(parameters)) => parameters.hash_algorithm_oid().to_id_string(),
        _ => algorithm.algorithm.to_id_string(),
    };
    let digest = match name.as_str() {
        // Signatures and digests by MD5 and SHA-1 are taken for SHA-256 (section 4.1), which has its own row besides.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.10045.4.1"
        | "1.3.14.3.2.26"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.3.2"
        | "2.16.840.1.101.3.4.2.1" => Sha256::digest(certificate).to_vec(),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" | "2.16.840.1.101.3.4.2.2" => {
            Sha384::digest(certificate).to_vec()
        }
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" | "2.16.840.1.101.3.4.2.3" => {
            Sha512::digest(certificate).to_vec()
        }
        _ => return None,
    };
    Some([b"tls-server-end-point:".as_slice(), &digest].concat())
}

#[cfg(test)]
mod tests {
    use rcgen::SignatureAlgorithm as Signed;
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

    use super::*;

    fn certificate(algorithm: &'static Signed) -> CertificateDer<'static> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        CertificateParams::new(vec!["dc1.lab.test".into()]).unwrap().self_signed(&key).unwrap().into()
    }

    #[test]
    fn the_binding_is_the_certificate_s_digest_by_its_signature_s_hash() {
        let by_sha256 = certificate(&PKCS_ECDSA_P256_SHA256);
        let expected = [b"tls-server-end-point:".as_slice(), &Sha256::digest(&by_sha256)].concat();
        assert_eq!(channel_binding(&by_sha256), Some(expected));
        let by_sha384 = certificate(&PKCS_ECDSA_P384_SHA384);
        let expected = [b"tls-server-end-point:".as_slice(), &Sha384::digest(&by_sha384)].concat();
        assert_eq!(channel_binding(&by_sha384), Some(expected));
        assert_eq!(channel_binding(&certificate(&PKCS_ED25519)), None, "no hash is defined for it");
    }
}
