//! A double of a Windows domain controller: an LDAP server within the test, which does what only those do.
//!
//! It keeps a small domain, which the test changes while it serves, and plays `DirSync`, ranges of values, page limits,
//! references, controllers that replicate, and ones that were restored. Tests of what Samba does as well go to Samba.
//!
//! ```
//! use provisor_tests::{Class, ControllerDouble, ControllerOptions, Fault, RequestKind};
//!
//! # fn main() -> anyhow::Result<()> {
//! let first = ControllerDouble::start(&ControllerOptions::default())?;
//! let ann = first.change(|domain| {
//!     let staff = domain.add(domain.domain(), Class::Unit, "Staff", &[])?;
//!     let ann = domain.add(staff, Class::User, "Ann", &[("mail", "ann@lab.test")])?;
//!     let group = domain.add(staff, Class::Group, "All", &[])?;
//!     domain.link(group, "member", ann)?;
//!     anyhow::Ok(ann)
//! })?;
//! // Now read from `first.tls_url()` as `CN=sync,CN=Users,DC=lab,DC=test`, `sync@lab.test` or `LAB\sync`.
//!
//! // A second controller of the same domain learns what is new when the test says so.
//! let second = first.second("dc2")?;
//! first.change(|domain| domain.set(ann, "title", &["Buyer"]))?;
//! second.replicate_from(&first);
//!
//! // The first falls back behind what it has told, without saying so.
//! let before = first.snapshot();
//! first.change(|domain| domain.delete(ann))?;
//! first.roll_back(&before);
//!
//! // Its limits can be set, and what goes wrong can be foretold: the second page of a search breaks off.
//! first.behave(|behaviour| behaviour.max_page_size = 2);
//! first.fault(RequestKind::Page, 1, Fault::HangUpAfter(1));
//! // When a range of values is asked for, the group has changed since.
//! first.fault(RequestKind::Range, 0, Fault::change(move |domain| drop(domain.delete(ann))));
//! # Ok(())
//! # }
//! ```

mod answer;
mod ber;
mod change;
mod cookie;
mod dirsync;
mod dn;
mod fault;
mod filter;
mod founding;
mod guid;
mod read;
mod replica;
mod replicate;
mod request;
mod root;
mod schema;
mod search;
mod session;
mod state;
#[cfg(test)]
mod tests;
mod write;

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

pub use change::Class;
pub use fault::{Change, Fault};
pub use guid::Guid;
pub use read::BehindTheEnd;
pub use replica::Replica;
use session::Shared;
use state::State;
pub use state::{Asked, Behaviour, RequestKind};

use crate::certificates::{Authority, ServerCertificate, Validity};

/// The account that tests bind as: `CN=sync,CN=Users` below the domain.
pub const SYNC_ACCOUNT: &str = "sync";
/// Its password.
pub const SYNC_PASSWORD: &str = "Sync-Passw0rd";

/// How a domain is set up.
#[derive(Debug, Clone)]
pub struct ControllerOptions {
    /// The domain's DNS name, whose first part is also its old name.
    pub domain: String,
    /// The first controller's host name.
    pub host: String,
    /// Whether deleted objects keep what they have.
    pub recycle_bin: bool,
    /// The dates of the server's certificate.
    pub certificate: Validity,
}

/// `lab.test` with its controller `dc1`, no recycle bin, a valid certificate.
impl Default for ControllerOptions {
    fn default() -> Self {
        Self {
            domain: "lab.test".to_owned(),
            host: "dc1".to_owned(),
            recycle_bin: false,
            certificate: Validity::Current,
        }
    }
}

/// A controller. It stops when this is dropped.
pub struct ControllerDouble {
    shared: Arc<Shared>,
    authority: Arc<Authority>,
    folder: TempDir,
    ports: [u16; 2],
    serving: Option<Serving>,
}

/// The thread that serves, and what ends it.
#[derive(Debug)]
struct Serving {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl ControllerDouble {
    /// Founds a domain and starts its first controller.
    pub fn start(options: &ControllerOptions) -> Result<Self> {
        let mut replica = Replica::founded(&options.domain, &options.host, options.recycle_bin)?;
        let upn = format!("{SYNC_ACCOUNT}@{}", options.domain);
        let sync = replica.add(replica.users(), Class::User, SYNC_ACCOUNT, &[("userPrincipalName", &upn)])?;
        replica.set_password(sync, SYNC_PASSWORD)?;
        let authority = Arc::new(Authority::new("Lab Domain CA")?);
        Self::launch(replica, authority, options.certificate)
    }

    /// Starts another controller of the same domain, with a certificate of the same authority. Each has heard of all
    /// that the other knows.
    pub fn second(&self, host: &str) -> Result<Self> {
        let replica = self.change(|first| {
            let second = first.joined(host)?;
            first.pull(&second);
            anyhow::Ok(second)
        })?;
        Self::launch(replica, Arc::clone(&self.authority), Validity::Current)
    }

    fn launch(replica: Replica, authority: Arc<Authority>, validity: Validity) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder for a controller")?;
        fs::write(folder.path().join("ca.pem"), authority.pem()).context("cannot write the authority's certificate")?;
        let tls = acceptor(&authority.issue(validity)?)?;
        let state =
            State { replica, behaviour: Behaviour::default(), asked: Vec::new(), planned: Vec::new(), connections: 0 };
        let shared = Arc::new(Shared { state: Mutex::new(state), tls });
        let mut double = Self { shared, authority, folder, ports: [0, 0], serving: None };
        double.restart()?;
        Ok(double)
    }

    /// `ldap://`, unencrypted and with StartTLS.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.ports[0])
    }

    /// `ldaps://`, by the name that the certificate carries.
    #[must_use]
    pub fn tls_url(&self) -> String {
        format!("ldaps://localhost:{}", self.ports[1])
    }

    /// The file of the authority that signed the server's certificate.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The name of the domain's root.
    #[must_use]
    pub fn base(&self) -> String {
        self.change(|replica| replica.dn(replica.domain()))
    }

    /// The name of the account that tests bind as.
    #[must_use]
    pub fn account(&self) -> String {
        self.change(|replica| format!("CN={SYNC_ACCOUNT},{}", replica.dn(replica.users())))
    }

    /// Looks at the domain or changes it, at this controller. Nobody is served meanwhile.
    pub fn change<R>(&self, change: impl FnOnce(&mut Replica) -> R) -> R {
        change(&mut self.shared.state().replica)
    }

    /// Sets how this controller behaves, from the next request on.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.shared.state().behaviour);
    }

    /// Foretells a fault: of the requests of this kind that come from now on, so many go unharmed before it.
    pub fn fault(&self, kind: RequestKind, after: usize, fault: Fault) {
        self.shared.state().planned.push(fault::Planned { kind, after, fault });
    }

    /// How many of the faults foretold have not come about.
    #[must_use]
    pub fn faults_left(&self) -> usize {
        self.shared.state().planned.len()
    }

    /// Takes back the faults that have not come about.
    pub fn clear_faults(&self) {
        self.shared.state().planned.clear();
    }

    /// What was asked since the start, or since this was called last.
    #[must_use]
    pub fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.state().asked)
    }

    /// How many connections there have been.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.state().connections
    }

    /// Takes over what another controller of the domain knows and this one has not heard of.
    pub fn replicate_from(&self, other: &Self) {
        // Not both at a time: two tests' threads may replicate towards each other.
        let from = other.snapshot();
        self.change(|replica| replica.pull(&from));
    }

    /// The state of this controller, to go back to.
    #[must_use]
    pub fn snapshot(&self) -> Replica {
        self.change(|replica| replica.clone())
    }

    /// Puts an older state in place without anybody being told, as where a virtual machine's image is restored: the
    /// database keeps its id, and its numbers are given out again.
    pub fn roll_back(&self, older: &Replica) {
        self.change(|replica| replica.clone_from(older));
    }

    /// Restores an older state as a backup's restoration does it: the database gets a new id.
    pub fn restore(&self, older: &Replica) {
        self.change(|replica| replica.restore(older));
    }

    /// Ends the server and all its connections; what it knows stays.
    pub fn stop(&mut self) {
        if let Some(serving) = self.serving.take() {
            let _ = serving.stop.send(());
            let _ = serving.thread.join();
        }
    }

    /// Stops the server if it runs, and starts it again on the same ports.
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // A test may be asynchronous itself, and wait for nothing that is not its own.
        let listen = |port| -> Result<std::net::TcpListener> {
            let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).context("cannot listen")?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let (plain, encrypted) = (listen(self.ports[0])?, listen(self.ports[1])?);
        self.ports = [plain.local_addr()?.port(), encrypted.local_addr()?.port()];
        let shared = Arc::clone(&self.shared);
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async {
                let (Ok(plain), Ok(encrypted)) = (TcpListener::from_std(plain), TcpListener::from_std(encrypted))
                else {
                    return;
                };
                tokio::select! {
                    _ = stopped => {}
                    () = accept(plain, false, Arc::clone(&shared)) => {}
                    () = accept(encrypted, true, shared) => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("controller".to_owned()).spawn(serve)?;
        self.serving = Some(Serving { stop, thread });
        Ok(())
    }
}

/// Without what it holds, which may be tens of thousands of objects.
impl std::fmt::Debug for ControllerDouble {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ControllerDouble").field("ports", &self.ports).finish_non_exhaustive()
    }
}

impl Drop for ControllerDouble {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn accept(listener: TcpListener, encrypted: bool, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(session::serve(stream, encrypted, Arc::clone(&shared)));
    }
}

fn acceptor(certificate: &ServerCertificate) -> Result<TlsAcceptor> {
    let chain = vec![CertificateDer::from_pem_slice(certificate.certificate_pem.as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.as_bytes())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(settings)))
}
