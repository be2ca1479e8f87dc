//! Where to connect, and as whom.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use provisor_model::Secret;

#[cfg(feature = "kerberos")]
use super::kerberos::Account;
use crate::tls::ClientIdentity;

/// How long a server that failed is left alone, before it is preferred again to those behind it.
const LEFT_ALONE: Duration = Duration::from_secs(10 * 60);

/// The servers of a directory, and how they are spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// In the order in which they are preferred; at least one.
    pub servers: Vec<Server>,
    pub ca: Option<PathBuf>,
    pub client_identity: Option<ClientIdentity>,
    pub bind: Bind,
    pub timeout: Duration,
    /// Which server answered last: it is tried first, so that one server is read for as long as it answers.
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
    /// The name is whatever the server takes for one: a DN, or with Active Directory `user@domain` or `DOMAIN\user`.
    Simple {
        name: String,
        password: Secret,
    },
    /// As whom the client's certificate, or the process on the socket's other end, stands for (SASL EXTERNAL).
    External,
    /// As a principal whose key is in a keytab (SASL GSSAPI).
    #[cfg(feature = "kerberos")]
    Kerberos(Account),
}

/// Which server answered last. All clones know the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Last(Arc<Mutex<Standing>>);

#[derive(Debug, Default)]
struct Standing {
    /// The place of the server that answered last.
    place: usize,
    /// When the first server was last found to be of no use.
    left: Option<Instant>,
}

impl Last {
    fn standing(&self) -> MutexGuard<'_, Standing> {
        // Nothing in here panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Endpoint {
    /// The servers in the order in which they are to be tried now, each with its place in the list: from the one that
    /// answered last, with the first one before it where that has been left alone for long enough.
    pub fn in_order(&self, now: Instant) -> Vec<(usize, &Server)> {
        let standing = self.last.standing();
        let home = standing.left.is_none_or(|left| now.saturating_duration_since(left) >= LEFT_ALONE);
        let places = (0..self.servers.len()).cycle().skip(standing.place).take(self.servers.len());
        let first = home.then_some(0);
        let order = first.into_iter().chain(places.filter(|place| first != Some(*place)));
        order.filter_map(|place| Some((place, self.servers.get(place)?))).collect()
    }

    /// Remembers that this server answered.
    pub fn answered(&self, place: usize) {
        self.last.standing().place = place;
    }

    /// Remembers that this server is of no use now.
    pub fn failed(&self, place: usize, now: Instant) {
        if place == 0 {
            self.last.standing().left = Some(now);
        }
    }

    /// Lets the server behind this one be tried first, where this is the one that answered last; otherwise somebody has moved
    /// on already.
    pub fn pass_over(&self, url: &str) {
        let place = self.last.standing().place;
        if self.servers.get(place).is_some_and(|server| server.url == url) {
            self.failed(place, Instant::now());
            self.answered(if place + 1 < self.servers.len() { place + 1 } else { 0 });
        }
    }

    /// How often something is tried before it counts as failed: at each server, and at an only one twice.
    pub fn attempts(&self) -> usize {
        self.servers.len().max(2)
    }

    /// Whether several servers keep the directory, so that one may be behind another.
    pub fn has_several(&self) -> bool {
        self.servers.len() > 1
    }
}

impl Server {
    /// Whether the server is asked at one of these ports.
    pub fn is_at_port(&self, ports: [u16; 2]) -> bool {
        matches!(&self.route, Route::Network { port, .. } if ports.contains(port))
    }

    /// Whether nobody on the way can read along: TLS, or a socket of this machine.
    pub fn is_secure(&self) -> bool {
        match &self.route {
            Route::Socket(_) => true,
            Route::Network { security, .. } => *security != Security::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::ConnectionOptions;

    fn endpoint() -> Endpoint {
        let urls = ["ldaps://a.example", "ldaps://b.example", "ldaps://c.example"].map(String::from).to_vec();
        let one = ConnectionOptions::simple("ldaps://a.example", "cn=sync", Secret::new("secret"));
        ConnectionOptions { urls, ..one }.endpoint().unwrap()
    }

    fn order(endpoint: &Endpoint, now: Instant) -> Vec<usize> {
        endpoint.in_order(now).into_iter().map(|(place, _)| place).collect()
    }

    #[test]
    fn a_server_is_stayed_with_while_it_answers_and_left_for_the_preferred_one_after_a_while() {
        let endpoint = endpoint();
        let start = Instant::now();
        assert_eq!(order(&endpoint, start), [0, 1, 2]);
        endpoint.failed(0, start);
        endpoint.failed(1, start);
        endpoint.answered(2);
        let soon = start + LEFT_ALONE - Duration::from_secs(1);
        assert_eq!(order(&endpoint, soon), [2, 0, 1], "one that is asked again too soon costs a wait each time");
        let later = start + LEFT_ALONE;
        assert_eq!(order(&endpoint, later), [0, 2, 1]);
        // It is still away: the one that answered is stayed with for another while.
        endpoint.failed(0, later);
        endpoint.answered(2);
        assert_eq!(order(&endpoint, later + LEFT_ALONE - Duration::from_secs(1)), [2, 0, 1]);
        let back = later + LEFT_ALONE;
        assert_eq!(order(&endpoint, back), [0, 2, 1]);
        endpoint.answered(0);
        assert_eq!(order(&endpoint, back), [0, 1, 2]);
    }

    #[test]
    fn a_first_server_that_is_passed_over_is_left_alone_as_well() {
        let endpoint = endpoint();
        endpoint.answered(0);
        endpoint.pass_over("ldaps://a.example");
        let now = Instant::now();
        assert_eq!(order(&endpoint, now), [1, 2, 0]);
        endpoint.pass_over("ldaps://a.example");
        assert_eq!(order(&endpoint, now), [1, 2, 0], "it was passed over already");
        endpoint.pass_over("ldaps://b.example");
        assert_eq!(order(&endpoint, now), [2, 0, 1]);
        assert_eq!(order(&endpoint, now + LEFT_ALONE), [0, 2, 1]);
    }
}
