//! Where to connect, and as whom.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use provisor_model::Secret;

use crate::tls::ClientIdentity;

/// The servers of a directory, and how they are spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// In the order in which they are tried; at least one.
    pub servers: Vec<Server>,
    pub ca: Option<PathBuf>,
    pub client_identity: Option<ClientIdentity>,
    pub bind: Bind,
    pub timeout: Duration,
    /// Which server answered last: it is tried first, so that one cycle reads one server where it can.
    pub last: Last,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// As configured, for messages.
    pub url: String,
    pub route: Route,
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `ldapi://`: a socket of this machine.
    Socket(PathBuf),
    /// `ldap://` and `ldaps://`: a host, without brackets, and a port.
    Network { host: String, port: u16, security: Security },
}

/// How a connection over the network is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    None,
    StartTls,
    Tls,
}

/// As whom.
#[derive(Clone, Debug)]
pub(crate) enum Bind {
    Anonymous,
    Simple {
        dn: String,
        password: Secret,
    },
    /// As whom the client's certificate, or the process on the socket's other end, stands for (SASL EXTERNAL).
    External,
}

/// The place of the server that answered last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Last(Arc<AtomicUsize>);

impl Endpoint {
    /// The servers in the order in which they are to be tried now, each with its place in the list.
    pub fn in_order(&self) -> impl Iterator<Item = (usize, &Server)> {
        let first = self.last.0.load(Ordering::Relaxed);
        self.servers.iter().enumerate().cycle().skip(first).take(self.servers.len())
    }

    /// Remembers that this server answered.
    pub fn answered(&self, place: usize) {
        self.last.0.store(place, Ordering::Relaxed);
    }

    /// Lets the server behind the one that answered last be tried first.
    pub fn pass_over(&self) {
        let next = self.last.0.load(Ordering::Relaxed) + 1;
        self.answered(if next < self.servers.len() { next } else { 0 });
    }

    /// Whether several servers keep the directory, so that one may be behind another.
    pub fn has_several(&self) -> bool {
        self.servers.len() > 1
    }
}

impl Server {
    /// Whether nobody on the way can read along: TLS, or a socket of this machine.
    pub fn is_secure(&self) -> bool {
        match &self.route {
            Route::Socket(_) => true,
            Route::Network { security, .. } => *security != Security::None,
        }
    }
}
