//! Certificates made on the spot: an authority of one's own, server certificates for loopback, expired ones among them.

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

/// An authority that signs server certificates. A second one stands for a foreign authority, which a client must refuse.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// Whether a certificate is within its dates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Validity {
    /// Valid now, and for longer than any test runs.
    #[default]
    Current,
    /// Valid for a year that is long past.
    Expired,
}

/// A certificate, for localhost and 127.0.0.1 or for a client, with its key, as PEM texts.
#[derive(Clone)]
pub struct ServerCertificate {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key, in PKCS #8.
    pub key_pem: String,
}

impl Authority {
    /// Makes an authority of this name.
    pub fn new(common_name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().context("cannot make a key")?;
        let pem = params.self_signed(&key).context("cannot make a CA certificate")?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// The authority's own certificate, which clients are told to trust.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Signs a certificate that a client of this name shows.
    pub fn issue_client(&self, common_name: &str) -> Result<ServerCertificate> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    /// Signs a certificate for servers on loopback.
    pub fn issue(&self, validity: Validity) -> Result<ServerCertificate> {
        self.issue_for(&["localhost".to_owned(), "127.0.0.1".to_owned()], validity)
    }

    /// Signs a certificate for a server with these names and addresses; the first one is its common name.
    pub fn issue_for(&self, names: &[String], validity: Validity) -> Result<ServerCertificate> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, names.first().map_or("", String::as_str));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        if validity == Validity::Expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Result<ServerCertificate> {
        let key = KeyPair::generate().context("cannot make a key")?;
        let certificate = params.signed_by(&key, &self.issuer).context("cannot sign a certificate")?;
        Ok(ServerCertificate { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

/// Without the key: even a test's key has no business in a log.
impl std::fmt::Debug for ServerCertificate {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ServerCertificate").field("certificate_pem", &self.certificate_pem).finish_non_exhaustive()
    }
}
