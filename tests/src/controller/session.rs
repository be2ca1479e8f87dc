//! A connection: messages in, answers out, encrypted at once or when asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::answer::{BIND, EXTENDED, Outcome};
use super::ber::{SEQUENCE, length_of, part};
use super::fault::harm;
use super::guid::Guid;
use super::replica::{Object, Replica};
use super::request::{DIRSYNC, Operation, PAGED, Request, START_TLS, Scope, Search, WHO_AM_I};
use super::search::Asker;
use super::state::{Asked, RequestKind, State};

/// The longest request: as long as Windows takes one (`MaxReceiveBuffer`).
const MAX_REQUEST: usize = 10 * 1024 * 1024;

/// What all connections need.
pub(super) struct Shared {
    pub state: Mutex<State>,
    pub tls: TlsAcceptor,
}

impl Shared {
    /// The state. A test that failed while it held the state does not keep others from it.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

struct Session {
    shared: Arc<Shared>,
    connection: u64,
    encrypted: bool,
    account: Option<Guid>,
}

/// What follows an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    GoOn,
    Encrypt,
    HangUp,
}

/// Serves a connection to its end. Whatever ends it concerns the client alone.
pub(super) async fn serve(stream: TcpStream, encrypted: bool, shared: Arc<Shared>) {
    let connection = {
        let mut state = shared.state();
        state.connections += 1;
        state.connections
    };
    let session = Session { shared, connection, encrypted, account: None };
    let _ = session.run(stream).await;
}

impl Session {
    async fn run(mut self, stream: TcpStream) -> Result<()> {
        stream.set_nodelay(true)?;
        let mut stream: Box<dyn Stream> =
            if self.encrypted { Box::new(self.shared.tls.accept(stream).await?) } else { Box::new(stream) };
        while let Some(message) = read_message(&mut stream).await? {
            let request = Request::read(&message)?;
            let (messages, then, faults) = {
                let shared = Arc::clone(&self.shared);
                let mut state = shared.state();
                let asked = asked(&request);
                let kind = asked.kind;
                state.asked.push(asked);
                // Changes of the domain among them are made before the answer is.
                let faults = state.due(kind);
                let (messages, then) = self.answer(&state, &request);
                (messages, then, faults)
            };
            let harmed = harm(request.id, messages, faults);
            if harmed.silence {
                continue;
            }
            if !harmed.delay.is_zero() {
                tokio::time::sleep(harmed.delay).await;
            }
            stream.write_all(&harmed.octets).await?;
            stream.flush().await?;
            if harmed.hang_up || then == Then::HangUp {
                return Ok(stream.shutdown().await?);
            }
            if then == Then::Encrypt {
                stream = Box::new(self.shared.tls.accept(stream).await?);
                self.encrypted = true;
            }
        }
        Ok(())
    }

    /// The messages that answer a request; none where it wants none.
    fn answer(&mut self, state: &State, request: &Request) -> (Vec<Vec<u8>>, Then) {
        let done = |tag, outcome: Outcome| (vec![outcome.message(request.id, tag, &[])], Then::GoOn);
        match &request.operation {
            Operation::Bind(name, password) => done(BIND, self.bind(state, name, password)),
            Operation::Sasl(mechanism) => {
                self.account = None;
                done(BIND, Outcome::new(7, format!("the double does not know {mechanism}")))
            }
            Operation::Unbind => (Vec::new(), Then::HangUp),
            Operation::Abandon => (Vec::new(), Then::GoOn),
            Operation::Search(search) => {
                let asker = Asker { connection: self.connection, bound: self.account.is_some() };
                (state.search(request, search, asker), Then::GoOn)
            }
            Operation::Extended(name) if name == WHO_AM_I => {
                let value = part(0x8b, self.who(state).as_bytes());
                (vec![Outcome::success().message_with(request.id, EXTENDED, value, &[])], Then::GoOn)
            }
            Operation::Extended(name) if name == START_TLS && !self.encrypted => {
                let value = part(0x8a, START_TLS.as_bytes());
                (vec![Outcome::success().message_with(request.id, EXTENDED, value, &[])], Then::Encrypt)
            }
            Operation::Extended(_) => done(EXTENDED, Outcome::new(2, "00000057: an unknown extended request")),
            Operation::Write(tag) => done(*tag, Outcome::unwilling()),
        }
    }

    fn bind(&mut self, state: &State, name: &str, password: &str) -> Outcome {
        self.account = None;
        // Without a password nobody is bound, whatever the name.
        if password.is_empty() {
            return Outcome::success();
        }
        let behaviour = &state.behaviour;
        if behaviour.require_encryption && !self.encrypted {
            return Outcome::not_encrypted();
        }
        if let Some(data) = &behaviour.refuse_binds {
            return Outcome::bind_refused(data);
        }
        let account = account(&state.replica, name);
        let is_right = |guid: &Guid| {
            let account = state.replica.objects.get(guid);
            account.and_then(|account| account.password.as_deref()) == Some(password)
        };
        self.account = account.filter(is_right);
        if self.account.is_some() { Outcome::success() } else { Outcome::bind_refused(&behaviour.wrong_password) }
    }

    /// Who has bound, as Windows says it: by the account's old name.
    fn who(&self, state: &State) -> String {
        let object = self.account.and_then(|account| state.replica.objects.get(&account));
        let name = object.and_then(|object| object.text("sAMAccountName"));
        name.map(|name| format!("u:{}\\{name}", state.replica.names.netbios)).unwrap_or_default()
    }
}

/// The account that a bind means: by its name, its user principal name, or its old name with the domain's before it.
fn account(replica: &Replica, name: &str) -> Option<Guid> {
    let by = |attribute: &str, value: &str| {
        let is = |object: &&Object| {
            !object.is_deleted() && object.text(attribute).is_some_and(|text| text.eq_ignore_ascii_case(value))
        };
        replica.objects.values().find(is).map(|object| object.guid)
    };
    if let Some((domain, account)) = name.split_once('\\').filter(|(domain, _)| !domain.contains('=')) {
        let ours = [&replica.names.netbios, &replica.names.dns].iter().any(|ours| ours.eq_ignore_ascii_case(domain));
        return if ours { by("sAMAccountName", account) } else { None };
    }
    if let Some((account, domain)) = name.split_once('@').filter(|(account, _)| !account.contains('=')) {
        let implied =
            || domain.eq_ignore_ascii_case(&replica.names.dns).then(|| by("sAMAccountName", account)).flatten();
        return by("userPrincipalName", name).or_else(implied);
    }
    replica.find(name).filter(|guid| replica.is_alive(*guid))
}

/// What is kept of a request, for tests to look at. Passwords are not.
fn asked(request: &Request) -> Asked {
    let controls: Vec<String> = request.controls.iter().map(|control| control.oid.clone()).collect();
    let flags = request.control(DIRSYNC).and_then(|control| control.dirsync().ok()).map_or(0, |asked| asked.flags);
    let (kind, base, attributes) = match &request.operation {
        Operation::Bind(name, _) => (RequestKind::Bind, name.clone(), Vec::new()),
        Operation::Sasl(mechanism) => (RequestKind::Bind, mechanism.clone(), Vec::new()),
        Operation::Extended(name) if name == START_TLS => (RequestKind::StartTls, String::new(), Vec::new()),
        Operation::Search(search) => (search_kind(request, search), search.base.clone(), search.attributes.clone()),
        _ => (RequestKind::Other, String::new(), Vec::new()),
    };
    Asked { kind, base, attributes, controls, flags }
}

fn search_kind(request: &Request, search: &Search) -> RequestKind {
    let ranges = search.attributes.iter().any(|name| name.to_ascii_lowercase().contains(";range="));
    if request.control(DIRSYNC).is_some() {
        RequestKind::DirSync
    } else if ranges {
        RequestKind::Range
    } else if request.control(PAGED).is_some() {
        RequestKind::Page
    } else if search.scope == Scope::Base {
        RequestKind::Base
    } else {
        RequestKind::Search
    }
}

/// The next message; none where the client has hung up between two.
async fn read_message(stream: &mut Box<dyn Stream>) -> Result<Option<Vec<u8>>> {
    let mut message = vec![0; 2];
    if stream.read_exact(&mut message).await.is_err() {
        return Ok(None);
    }
    let [SEQUENCE, first] = *message.as_slice() else { bail!("no LDAP message") };
    let mut length = usize::from(first);
    if first >= 0x80 {
        let mut digits = vec![0; usize::from(first & 0x7f)];
        stream.read_exact(&mut digits).await?;
        length = length_of(&digits)?;
        message.extend(digits);
    }
    if length > MAX_REQUEST {
        bail!("a request of {length} octets");
    }
    let head = message.len();
    message.resize(head + length, 0);
    stream.read_exact(message.get_mut(head..).context("no room for a message")?).await?;
    Ok(Some(message))
}
