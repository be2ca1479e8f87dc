//! TLS before a plain service on loopback, as a gateway does it.

use std::net::SocketAddr;
use std::sync::Arc;

use provisor_tests::{Authority, Validity};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// The gateway; stopped when dropped.
pub struct Https {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Drop for Https {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Https {
    /// A gateway before the service at this address, with a certificate of this authority's for `localhost`.
    pub async fn before(service: SocketAddr, authority: &Authority) -> Self {
        let issued = authority.issue(Validity::Current).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let settings = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(settings));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut near) = acceptor.accept(stream).await else { return };
                    let Ok(mut far) = TcpStream::connect(service).await else { return };
                    // Whichever side ends first, the other is told by the end of both.
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { address, accepting }
    }

    /// `https://localhost` with its port.
    pub fn base(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }
}
