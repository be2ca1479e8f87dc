//! Going out through a proxy: by a scripted one, which makes tunnels to this machine only.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use provisor_model::{CheckOutcome, Secret};
use provisor_target::{Credential, Login, ScimOptions, ScimTarget, TargetError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::id;
use crate::tls::{Authority, acceptor};

/// A proxy that makes tunnels for those who know its password; stopped when dropped.
struct Proxy {
    address: SocketAddr,
    /// The heads of the requests that came.
    heads: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Proxy {
    async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, seen) = (tls.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    match tls {
                        None => tunnel(stream, seen).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                tunnel(stream, seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, heads, accepting }
    }
}

async fn tunnel(mut stream: impl AsyncRead + AsyncWrite + Unpin, seen: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(octet) = stream.read_u8().await else { return };
        head.push(octet);
    }
    let head = String::from_utf8(head).unwrap();
    seen.lock().unwrap().push(head.clone());
    let known = base64::engine::general_purpose::STANDARD.encode("agent:pr0xy pass");
    if !head.contains(&format!("Basic {known}\r\n")) {
        let refusal =
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n";
        let _ = stream.write_all(refusal.as_bytes()).await;
        return;
    }
    let port = head.split_whitespace().nth(1).and_then(|to| to.rsplit(':').next()).unwrap().to_owned();
    let Ok(mut onward) = TcpStream::connect(format!("127.0.0.1:{port}")).await else { return };
    if stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.is_ok() {
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
    }
}

fn login(password: &str) -> Option<Login> {
    Some(Login { user: "agent".into(), password: Secret::new(password).into() })
}

#[tokio::test]
async fn a_tunnel_is_made_through_a_proxy_with_a_password() {
    let authority = Authority::new("Ours");
    let server = authority.service("localhost", 2099).await;
    for (scheme, tls) in [("http", None), ("https", Some(acceptor(&authority, "localhost")))] {
        let proxy = Proxy::start(tls).await;
        let options = ScimOptions {
            ca: Some(authority.file.clone()),
            credential: Credential::token("t0ken"),
            proxy: Some(Secret::new(format!("{scheme}://localhost:{}", proxy.address.port()))),
            proxy_login: login("pr0xy pass"),
            backoff: Duration::from_millis(1),
            ..ScimOptions::new(format!("https://localhost:{}/scim/v2", server.address.port()))
        };
        let target = ScimTarget::connect(options.clone()).await.unwrap();
        // What is no resource is an answer all the same: it came through the tunnel.
        assert!(matches!(target.read("User", &id()).await, Err(TargetError::NotScim { .. })));
        for head in proxy.heads.lock().unwrap().iter() {
            assert!(head.starts_with("CONNECT localhost:") && !head.contains("t0ken"), "{head}");
        }
        let lines = ScimTarget::check(options).await;
        let line = lines.iter().find(|line| line.what == "proxy").unwrap();
        assert!(matches!(&line.outcome, CheckOutcome::Ok(words) if words.contains("as agent")), "{line:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_the_password_is_told_apart_from_a_service_that_does() {
    let authority = Authority::new("Ours");
    let server = authority.service("localhost", 2099).await;
    let proxy = Proxy::start(None).await;
    for proxy_login in [None, login("wrong")] {
        for base in [format!("https://localhost:{}/scim/v2", server.address.port()), "http://tenant.example/v2".into()]
        {
            let options = ScimOptions {
                ca: Some(authority.file.clone()),
                proxy: Some(Secret::new(format!("http://{}", proxy.address))),
                proxy_login: proxy_login.clone(),
                backoff: Duration::from_millis(1),
                ..ScimOptions::new(base)
            };
            let error = ScimTarget::connect(options).await.err().unwrap();
            let words = error.to_string();
            assert!(
                words.contains("HTTP 407") && words.contains("proxy-password") && !words.contains("wrong"),
                "{words}"
            );
            assert!(matches!(error, TargetError::Unreachable { .. }), "{error:?}");
        }
    }
}
