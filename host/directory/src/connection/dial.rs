//! From a server's address to a secured stream: every address of its name, TLS, StartTLS, and sockets of this machine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::BufReader;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::endpoint::{Endpoint, Route, Security, Server};
use super::exchange::exchange;
use super::fault::{End, Fault};
use super::grammar;
use super::relay::Stream;
use super::result::describe_code;
use crate::error::{DirectoryError, TlsFault, server_words};
use crate::tls::{self, Asked};

/// A request to start TLS (RFC 4511, section 4.14), as message 1.
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
/// How much is read from the network at once.
const READ_AT_ONCE: usize = 64 * 1024;

/// How a connection is secured.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsSession {
    /// For people: `TLS 1.3`.
    pub version: &'static str,
    /// When the server's certificate expires, where that can be read.
    pub expires: Option<SystemTime>,
    /// Whether the server has asked for a certificate of this host.
    pub asked: Asked,
    /// What ties a Kerberos bind to this session, where the server's certificate allows for it.
    #[cfg(feature = "kerberos")]
    pub binding: Option<Vec<u8>>,
}

/// Connects to a server and secures the connection as its address asks for.
///
/// # Errors
/// When it does not succeed: each reason apart.
pub(crate) async fn dial(
    endpoint: &Endpoint,
    server: &Server,
) -> Result<(Box<dyn Stream>, Option<TlsSession>), DirectoryError> {
    let url = &server.url;
    let (host, port, security) = match &server.route {
        Route::Socket(path) => {
            let stream = UnixStream::connect(path).await.map_err(|error| unreachable(url, error.to_string()))?;
            return Ok((Box::new(stream), None));
        }
        Route::Network { host, port, security } => (host, *port, *security),
    };
    if security == Security::None {
        return Ok((Box::new(connect(url, host, port, endpoint.timeout).await?), None));
    }
    // Before anything is sent: a file that cannot be read is told as such, whether the server answers or not.
    let (config, asked) = tls::client_config(endpoint.ca.as_deref(), endpoint.client_identity.as_ref())?;
    let mut stream = connect(url, host, port, endpoint.timeout).await?;
    if security == Security::StartTls {
        start_tls(url, &mut stream).await?;
    }
    // TLS reads in small pieces: the system is asked for larger ones.
    let stream = BufReader::with_capacity(READ_AT_ONCE, stream);
    match secure(url, host, stream, config, asked.clone()).await {
        Ok((stream, session)) => Ok((Box::new(stream), Some(session))),
        // With TLS 1.2 a certificate that is missed ends the handshake, as a broken connection does.
        Err(DirectoryError::Unreachable { url, reason }) if asked.get() => {
            let reason = format!("{reason}; {}", asked.hint(endpoint.client_identity.as_ref()));
            Err(DirectoryError::Unreachable { url, reason })
        }
        // A server that is greeted by TLS on a port for plain LDAP takes it for garbage, and hangs up.
        Err(DirectoryError::Unreachable { url, reason }) if security == Security::Tls => {
            let reason = format!(
                "{reason} while TLS was being set up; perhaps the port does not speak TLS: ldaps:// usually is port 636, and a \
                 port for plain LDAP is reached by ldap:// with start-tls = true"
            );
            Err(DirectoryError::Unreachable { url, reason })
        }
        Err(error) => Err(error),
    }
}

fn unreachable(url: &str, reason: impl Into<String>) -> DirectoryError {
    DirectoryError::Unreachable { url: url.to_owned(), reason: reason.into() }
}

/// Connects to the first of the name's addresses that answers. Each gets its share of the time.
async fn connect(url: &str, host: &str, port: u16, timeout: Duration) -> Result<TcpStream, DirectoryError> {
    let addresses: Vec<SocketAddr> = match tokio::net::lookup_host((host, port)).await {
        Ok(addresses) => addresses.collect(),
        Err(error) => return Err(unreachable(url, format!("the name {host} cannot be resolved: {error}"))),
    };
    let share = timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut reason = format!("the name {host} has no address");
    for address in addresses {
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Requests are small, and each is waited for.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => reason = format!("{address}: {error}"),
            Err(_) => reason = format!("{address}: no answer within {} s", share.as_secs_f32().ceil()),
        }
    }
    Err(unreachable(url, reason))
}

/// Asks for TLS.
async fn start_tls(url: &str, stream: &mut TcpStream) -> Result<(), DirectoryError> {
    let end = |end: End| end.into_error(url);
    let what = "StartTLS, before the connection was secured";
    let buffer = exchange(stream, START_TLS, what).await.map_err(end)?;
    let answer = grammar::check(&buffer).map_err(|fault| end(fault.into()))?;
    match answer.outcome {
        Some(outcome) if answer.id == 1 && answer.kind == grammar::Kind::ExtendedResponse => match outcome.code {
            0 => Ok(()),
            code => {
                let reason = describe_code(code, outcome.text);
                let fault = format!("the server refuses StartTLS: {reason}. Set up TLS on the server, or use ldaps");
                Err(DirectoryError::Tls { url: url.to_owned(), fault: TlsFault::Other(fault) })
            }
        },
        Some(outcome) if answer.id == 0 => Err(end(End::Notice { code: outcome.code, text: outcome.text.to_owned() })),
        _ => Err(end(Fault::OutOfPlace(answer.kind.name(), "request to start TLS").into())),
    }
}

async fn secure(
    url: &str,
    host: &str,
    stream: BufReader<TcpStream>,
    config: Arc<ClientConfig>,
    asked: Asked,
) -> Result<(tokio_rustls::client::TlsStream<BufReader<TcpStream>>, TlsSession), DirectoryError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| {
        DirectoryError::Configuration(format!(
            "The host in {} is no name that a certificate can be for",
            server_words(url)
        ))
    })?;
    let stream =
        TlsConnector::from(config).connect(name, stream).await.map_err(|error| End::of_io(&error).into_error(url))?;
    let (_, connection) = stream.get_ref();
    let certificate = connection.peer_certificates().and_then(|chain| chain.first());
    let session = TlsSession {
        version: match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "TLS",
        },
        expires: certificate.and_then(tls::expiry),
        asked,
        #[cfg(feature = "kerberos")]
        binding: certificate.and_then(super::kerberos::channel_binding),
    };
    Ok((stream, session))
}
