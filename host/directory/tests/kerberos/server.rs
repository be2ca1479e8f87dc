//! A double of a hardened controller: it accepts tickets for the real one, and only over the TLS session for which the bind
//! is meant (LdapEnforceChannelBinding = 2).

use std::path::PathBuf;
use std::sync::Arc;

use libgssapi::context::{SecurityContext, ServerCtx};
use provisor_tests::{Authority, Validity};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::lab::Lab;

/// For whom the double takes whoever is bound.
const NAME: &str = "u:LAB\\sync";

/// How the double treats a bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// As Windows does.
    Windows,
    /// It knows another certificate as its own than it shows: somebody stands in between.
    OfAnotherSession,
    /// It says that all is well before it has shown that it could read the ticket.
    WithoutProof,
    /// It offers to sign or to seal, and nothing else.
    LayersAlone,
    /// It answers each step with what it said first.
    Endless,
}

/// A double, on the controller's address.
pub struct Server {
    pub url: String,
    folder: tempfile::TempDir,
}

impl Server {
    pub async fn start(lab: &Lab, behaviour: Behaviour) -> Self {
        let host = lab.url.strip_prefix("ldaps://").unwrap().to_owned();
        let authority = Authority::new("Double CA").unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let issue = || authority.issue_for(std::slice::from_ref(&host), Validity::Current).unwrap();
        let issued = issue();
        let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let shown = certificate(&issued.certificate_pem);
        let known = if behaviour == Behaviour::OfAnotherSession {
            certificate(&issue().certificate_pem)
        } else {
            shown.clone()
        };
        let binding = [b"tls-server-end-point:".as_slice(), &Sha256::digest(&known)].concat();
        let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![shown], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((host.as_str(), 0)).await.unwrap();
        let url = format!("ldaps://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                tokio::spawn(serve(stream, behaviour, binding.clone()));
            }
        });
        Self { url, folder }
    }

    /// The file of the authority that issued its certificate.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

/// Answers a bind, and who was bound.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, behaviour: Behaviour, binding: Vec<u8>) {
    let mut context = ServerCtx::new(None);
    let Some(ticket) = token(&mut stream).await else { return };
    let accepted = context.step(&ticket, Some(&binding));
    let proof = match accepted {
        Ok(proof) => proof.map(|proof| proof.to_vec()).unwrap_or_default(),
        Err(error) => {
            let text = "80090346: LdapErr: DSID-0C090597, comment: AcceptSecurityContext error, data 80090346, v4563\0";
            assert_eq!(behaviour, Behaviour::OfAnotherSession, "{error}");
            return answer(&mut stream, 49, text, b"").await;
        }
    };
    if behaviour == Behaviour::WithoutProof {
        return answer(&mut stream, 0, "", &proof).await;
    }
    answer(&mut stream, 14, "", &proof).await;
    let Some(nothing) = token(&mut stream).await else { return };
    assert_eq!(nothing, b"", "the context is complete on both sides");
    let layers = if behaviour == Behaviour::LayersAlone { 6 } else { 7 };
    let offer = match behaviour {
        Behaviour::Endless => proof,
        _ => context.wrap(false, &[layers, 0, 255, 255]).unwrap().to_vec(),
    };
    answer(&mut stream, 14, "", &offer).await;
    let Some(choice) = token(&mut stream).await else { return };
    let choice = context.unwrap(&choice).unwrap();
    let chosen = if *choice == [1, 0, 0, 0] { 0 } else { 53 };
    answer(&mut stream, chosen, "no layer, and nothing to be sent in one", b"").await;
    // What comes now comes as it is: the question for whom we are taken. Then the double hangs up.
    let mut question = [0; 1024];
    let length = stream.read(&mut question).await.unwrap();
    assert!(question[..length].ends_with(b"1.3.6.1.4.1.4203.1.11.3"), "{:x?}", &question[..length]);
    respond(&mut stream, 0x78, &[result(0, ""), part(0x8b, NAME.as_bytes())].concat()).await;
}

/// The token of the next bind request, which stands at its end.
async fn token(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let request = message(stream).await?;
    let mechanism = request.windows(6).position(|window| window == b"GSSAPI").unwrap();
    // A tag and a length in five octets.
    Some(request[mechanism + 6 + 6..].to_vec())
}

/// A whole message; its length stands in five octets, as this client writes binds. None when the client hangs up.
async fn message(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut head = [0; 6];
    stream.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes(head[2..].try_into().unwrap());
    let mut body = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    Some([&head[..], &body].concat())
}

/// A bind response.
async fn answer(stream: &mut (impl AsyncWrite + Unpin), code: u8, text: &str, token: &[u8]) {
    respond(stream, 0x61, &[result(code, text), part(0x87, token)].concat()).await;
}

/// A response to message 1: each question of a test is.
async fn respond(stream: &mut (impl AsyncWrite + Unpin), tag: u8, content: &[u8]) {
    let message = part(0x30, &[part(0x02, &[1]), part(tag, content)].concat());
    stream.write_all(&message).await.unwrap();
    stream.flush().await.unwrap();
}

fn result(code: u8, text: &str) -> Vec<u8> {
    [part(0x0a, &[code]), part(0x04, b""), part(0x04, text.as_bytes())].concat()
}

fn part(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x84], length.as_slice(), content].concat()
}
