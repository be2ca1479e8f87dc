//! HTTP/2, and what a connection costs: a double that speaks it over TLS, by a library that others wrote.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use provisor_model::CheckOutcome;
use provisor_target::{Credential, ScimOptions, ScimTarget};
use rcgen::KeyPair;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::id;
use crate::scripted_server::{Answer, Seen, describe};
use crate::tls::Authority;

/// A SCIM service over HTTP/2 only; stopped when dropped.
struct Http2Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Drop for Http2Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Http2Server {
    /// Each connection is told to end after so many requests.
    async fn start(authority: &Authority, requests_per_connection: usize) -> Self {
        let (certificate, key): (_, KeyPair) = authority.certificate("localhost", 2099);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], key)
                .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(acceptor.clone(), stream, requests_per_connection));
            }
        });
        Self { address, connections, accepting }
    }

    fn options(&self, authority: &Authority) -> ScimOptions {
        ScimOptions {
            ca: Some(authority.file.clone()),
            credential: Credential::token("t0ken"),
            backoff: Duration::from_millis(1),
            ..ScimOptions::new(format!("https://localhost:{}/scim/v2", self.address.port()))
        }
    }
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, most: usize) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut served = 0;
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let seen = Seen::of(request.method().as_str(), request.uri().path());
        let answer = describe(&seen).unwrap_or_else(|| Answer::scim(200, r#"{"id": "1", "userName": "ada"}"#));
        let Answer::Send(status, _, body) = answer else { return };
        let head = http::Response::builder().status(status).header("content-type", "application/scim+json");
        if let Ok(mut stream) = respond.send_response(head.body(()).unwrap(), false) {
            let _ = stream.send_data(body.into_bytes().into(), true);
        }
        served += 1;
        if served == most {
            connection.graceful_shutdown();
        }
    }
}

#[tokio::test]
async fn a_service_that_offers_http_2_is_spoken_to_over_one_connection() {
    let authority = Authority::new("Ours");
    let server = Http2Server::start(&authority, usize::MAX).await;
    let target = ScimTarget::connect(server.options(&authority)).await.unwrap();
    let name = id();
    let reads = (0..20).map(|_| target.read("User", &name));
    for resource in futures_util::future::join_all(reads).await {
        assert_eq!(resource.unwrap().unwrap().display(), "ada");
    }
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
    let lines = ScimTarget::check(server.options(&authority)).await;
    let said = |what: &str, words: &str| {
        let line = lines.iter().find(|line| line.what == what).unwrap();
        assert!(matches!(&line.outcome, CheckOutcome::Ok(said) if said.contains(words)), "{line:?}");
    };
    said("connection", "over HTTP/2");
    said("certificate", "days more");
}

#[tokio::test]
async fn a_connection_that_is_told_to_end_costs_no_request() {
    let authority = Authority::new("Ours");
    let server = Http2Server::start(&authority, 7).await;
    let target = ScimTarget::connect(server.options(&authority)).await.unwrap();
    let name = id();
    for _ in 0..10 {
        let reads = (0..5).map(|_| target.read("User", &name));
        for resource in futures_util::future::join_all(reads).await {
            assert!(resource.unwrap().is_some());
        }
    }
    assert!(server.connections.load(Ordering::Relaxed) > 1);
}
