//! A server that is reached and secured, and how it is bound to: then there is a connection.

use std::time::Duration;

use super::dial::{self, TlsSession};
use super::endpoint::{Bind, Endpoint, Server};
use super::fault::End;
use super::refusal::refusal;
use super::relay::Stream;
use super::{Connection, guarded, silent};
use crate::error::DirectoryError;

/// A server that is reached and secured, and not yet bound to.
pub(crate) struct Reached {
    pub(super) stream: Box<dyn Stream>,
    pub(super) tls: Option<TlsSession>,
    pub(super) server: Server,
    pub(super) timeout: Duration,
}

impl Reached {
    /// Connects to one server and secures the connection.
    ///
    /// # Errors
    /// When it does not succeed: each reason apart.
    pub async fn reach(endpoint: &Endpoint, server: &Server) -> Result<Self, DirectoryError> {
        let timeout = endpoint.timeout;
        let dialled = tokio::time::timeout(timeout, dial::dial(endpoint, server)).await;
        let (stream, tls) = dialled.unwrap_or_else(|_| Err(silent(&server.url, timeout)))?;
        Ok(Self { stream, tls, server: server.clone(), timeout })
    }

    /// How the connection is secured, if by TLS.
    pub fn tls(&self) -> Option<&TlsSession> {
        self.tls.as_ref()
    }

    /// Binds as the endpoint says.
    ///
    /// # Errors
    /// When the connection fails, or the server does not accept us.
    pub async fn bind(self, endpoint: &Endpoint) -> Result<Connection, DirectoryError> {
        // What the LDAP library does not know goes before it.
        #[cfg(feature = "kerberos")]
        let reached = match &endpoint.bind {
            Bind::Kerberos(account) => super::kerberos::bind(self, endpoint, account).await?,
            _ => self,
        };
        #[cfg(not(feature = "kerberos"))]
        let reached = self;
        let Self { stream, tls, server, timeout } = reached;
        let mut connection = Connection::over(stream, &server.url, timeout).await?;
        match connection.bind(endpoint, server.is_secure()).await {
            Ok(()) => Ok(connection),
            Err(error) => Err(hinted(error, connection.flow.ended().as_ref(), tls.as_ref(), endpoint)),
        }
    }
}

impl Connection {
    /// Binds by what the LDAP library knows.
    async fn bind(&mut self, endpoint: &Endpoint, secured: bool) -> Result<(), DirectoryError> {
        let (result, who) = match &endpoint.bind {
            Bind::Anonymous => return Ok(()),
            // It is done.
            #[cfg(feature = "kerberos")]
            Bind::Kerberos(_) => return Ok(()),
            Bind::Simple { name, password } => {
                let bind = self.ldap.simple_bind(name, password.reveal());
                (guarded(&self.flow, &self.url, self.timeout, bind).await?, format!("\"{name}\""))
            }
            Bind::External => {
                let bind = self.ldap.sasl_external_bind();
                (guarded(&self.flow, &self.url, self.timeout, bind).await?, "EXTERNAL".to_owned())
            }
        };
        if result.rc == 0 { Ok(()) } else { Err(refusal(&self.url, who, &endpoint.bind, secured, &result)) }
    }
}

/// What it may mean besides that the connection ended during the bind. With TLS 1.3 a server misses our certificate only
/// after we think that all is well, and may hang up without a word, as a broken connection does.
pub(super) fn hinted(
    error: DirectoryError,
    end: Option<&End>,
    tls: Option<&TlsSession>,
    endpoint: &Endpoint,
) -> DirectoryError {
    match (error, end, tls) {
        (
            DirectoryError::Unreachable { url, reason },
            Some(End::HungUp { .. } | End::Network(_)),
            Some(TlsSession { asked, .. }),
        ) if asked.get() => {
            let reason = format!("{reason}; {}", asked.hint(endpoint.client_identity.as_ref()));
            DirectoryError::Unreachable { url, reason }
        }
        (error, ..) => error,
    }
}
