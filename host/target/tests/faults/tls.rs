//! What the SCIM client makes of certificates: the private authority's pass, all others are told apart.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::scripted_server::{Answer, ScriptedServer, describe};
use provisor_model::CheckOutcome;
use provisor_target::{ClientIdentity, Credential, ScimOptions, ScimTarget, TargetError, TlsProblem};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

/// An authority of the test's own, and its certificate in a file.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) file: PathBuf,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::new(Vec::<String>::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, certificate.pem()).unwrap();
        Self { issuer: Issuer::new(parameters, key), file, folder }
    }

    /// A service with a certificate for this name, which ends with the beginning of this year.
    pub(crate) async fn service(&self, name: &str, until: i32) -> ScriptedServer {
        let (certificate, key) = self.certificate(name, until);
        serve(certificate, &key).await
    }

    /// A certificate for this name, which ends with the beginning of this year, and its key.
    pub(crate) fn certificate(&self, name: &str, until: i32) -> (Certificate, KeyPair) {
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(2000, 1, 1);
        parameters.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        (parameters.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A client certificate and its key, in files.
    fn identity(&self, name: &str) -> ClientIdentity {
        let (certificate, key) = self.certificate(name, 2099);
        let file = |ending: &str, text: String| {
            let file = self.folder.path().join(format!("{name}.{ending}"));
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            file
        };
        ClientIdentity { certificate: file("pem", certificate.pem()), key: file("key", key.serialize_pem()) }
    }
}

/// TLS as a server of this name speaks it.
pub(crate) fn acceptor(authority: &Authority, name: &str) -> TlsAcceptor {
    let (certificate, key) = authority.certificate(name, 2099);
    TlsAcceptor::from(Arc::new(server_config(None, &certificate, &key)))
}

/// Where there is an authority for clients, they must show a certificate of its.
fn server_config(clients: Option<&Authority>, certificate: &Certificate, key: &KeyPair) -> rustls::ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        rustls::ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(&authority.file).unwrap()).unwrap();
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    builder.with_single_cert(vec![certificate.der().clone()], key).unwrap()
}

async fn serve(certificate: Certificate, key: &KeyPair) -> ScriptedServer {
    serve_with(server_config(None, &certificate, key)).await
}

async fn serve_with(config: rustls::ServerConfig) -> ScriptedServer {
    ScriptedServer::start_with_tls(Some(TlsAcceptor::from(Arc::new(config))), |seen, _| {
        describe(seen).unwrap_or_else(|| Answer::scim(200, r#"{"totalResults": 0}"#))
    })
    .await
}

fn options(server: &ScriptedServer, ca: &Authority) -> ScimOptions {
    ScimOptions {
        ca: Some(ca.file.clone()),
        credential: Credential::token("t0ken"),
        backoff: Duration::from_millis(1),
        ..ScimOptions::new(format!("https://localhost:{}/scim/v2", server.address.port()))
    }
}

async fn problem(server: &ScriptedServer, ca: &Authority) -> TlsProblem {
    match ScimTarget::connect(options(server, ca)).await.err() {
        Some(error @ TargetError::Tls { .. }) if error.concerns_whole_target() => {
            let TargetError::Tls { problem, .. } = error else { unreachable!() };
            problem
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_certificate_of_the_private_authority_passes() {
    let authority = Authority::new("Ours");
    let server = authority.service("localhost", 2099).await;
    let lines = ScimTarget::check(options(&server, &authority)).await;
    let failed = lines.iter().any(|line| matches!(line.outcome, CheckOutcome::Failed(_)));
    assert!(
        !failed && lines.iter().any(|line| line.what == "certificate" && matches!(line.outcome, CheckOutcome::Ok(_))),
        "{lines:?}"
    );
}

#[tokio::test]
async fn bad_certificates_are_told_apart() {
    let authority = Authority::new("Ours");
    assert_eq!(problem(&authority.service("localhost", 2001).await, &authority).await, TlsProblem::Expired);
    assert_eq!(problem(&authority.service("other.example", 2099).await, &authority).await, TlsProblem::WrongName);
    for name in ["Theirs", "Ours"] {
        let foreign = Authority::new(name).service("localhost", 2099).await;
        assert_eq!(problem(&foreign, &authority).await, TlsProblem::UnknownIssuer, "{name}");
    }
    let mut parameters = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let self_signed = serve(parameters.self_signed(&key).unwrap(), &key).await;
    assert_eq!(problem(&self_signed, &authority).await, TlsProblem::SelfSigned);
    let plain = ScriptedServer::start(|_, _| Answer::scim(400, "{}")).await;
    assert_eq!(problem(&plain, &authority).await, TlsProblem::NoTls);
}

#[tokio::test]
async fn a_bad_authority_file_is_told_before_anything_is_sent() {
    let authority = Authority::new("Ours");
    let server = authority.service("localhost", 2099).await;
    let folder = tempfile::tempdir().unwrap();
    let (missing, empty, broken) =
        (folder.path().join("missing.pem"), folder.path().join("empty.pem"), folder.path().join("broken.pem"));
    std::fs::write(&empty, "nothing").unwrap();
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    for file in [missing, empty, broken] {
        let options = ScimOptions { ca: Some(file.clone()), ..options(&server, &authority) };
        let error = ScimTarget::connect(options).await.err().unwrap();
        assert!(matches!(error, TargetError::Configuration(_)), "{error}");
        assert!(error.to_string().contains(&file.display().to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_client_certificate_lets_in_and_its_absence_is_told() {
    let (authority, clients) = (Authority::new("Ours"), Authority::new("Clients"));
    let (certificate, key) = authority.certificate("localhost", 2099);
    let server = serve_with(server_config(Some(&clients), &certificate, &key)).await;
    let identity = clients.identity("agent");
    let options = |client_identity| ScimOptions { client_identity, ..options(&server, &authority) };
    assert!(ScimTarget::connect(options(Some(identity.clone()))).await.is_ok());
    for wrong in [None, Some(Authority::new("Strangers").identity("stranger"))] {
        let error = ScimTarget::connect(options(wrong)).await.err().unwrap();
        assert!(matches!(error, TargetError::Tls { problem: TlsProblem::ClientCertificate, .. }), "{error}");
        assert!(error.to_string().contains("client-certificate"), "{error}");
    }
    let lines = ScimTarget::check(options(Some(identity.clone()))).await;
    let line = lines.iter().find(|line| line.what == "client certificate").unwrap();
    assert!(matches!(&line.outcome, CheckOutcome::Ok(words) if words.contains("days more")), "{line:?}");
    std::fs::set_permissions(&identity.key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = ScimTarget::connect(options(Some(identity))).await.err().unwrap();
    assert!(error.to_string().contains("chmod 600"), "{error}");
}
