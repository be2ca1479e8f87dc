//! A small real SCIM 2.0 directory (RFC 7643, RFC 7644): the demo's cloud, and the tests' faulty one.
//!
//! Users with the enterprise extension, groups, filters, PATCH, paging and bearer tokens, on SQLite. What it does not
//! have (bulk, sorting, entity tags, passwords) it does not announce. It is strict: an attribute that no schema lists, a
//! value of the wrong type or a reference to nobody is refused, so that a client's mistake is seen where it is made.
//!
//! It speaks plain HTTP and therefore listens on loopback addresses only.
mod clock;
mod counters;
mod door;
mod error;
mod expression;
mod filter;
mod handlers;
mod misbehave;
mod patch;
mod render;
mod resource;
mod schema;
mod server;
mod store;

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use counters::{Counters, Method, Request, RequestRecord, Route};
pub use misbehave::{Cut, CutMoment, Failure, Latency, Misbehaviour, Occasion, RetryAfter, Throttle, Victims};
pub use schema::Kind;
pub use store::Storage;

use counters::Ledger;
use door::{Door, Line};
use misbehave::Faults;
use schema::Catalogue;
use server::App;
use store::Database;

/// How long [`Tenant::stop`] waits for requests that are being served.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// How a tenant is set up. The default is in memory, open to everybody, and well-behaved.
#[derive(Clone, Default)]
pub struct TenantOptions {
    /// The bearer token that every request must carry; none: no token is asked for.
    pub token: Option<String>,
    /// Where the resources are kept.
    pub storage: Storage,
    /// What it does wrong from the start.
    pub misbehaviour: Option<Misbehaviour>,
    /// How many of the last requests are kept for [`Tenant::request_log`]; 0: none.
    pub request_log: usize,
}

impl fmt::Debug for TenantOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TenantOptions")
            .field("token", &self.token.as_ref().map(|_| "(hidden)"))
            .field("storage", &self.storage)
            .field("misbehaviour", &self.misbehaviour)
            .field("request_log", &self.request_log)
            .finish()
    }
}

/// Why a tenant does not start, or cannot be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TenantError {
    /// The address is already used, or not this machine's.
    #[error("cannot listen: {0}; choose another address, or port 0 for a free one")]
    Listen(#[source] std::io::Error),
    /// Tokens and personal data would cross a network in the clear.
    #[error("{0} is not a loopback address: the tenant speaks plain HTTP and listens on loopback only")]
    NotLoopback(SocketAddr),
    /// The file is no database of this program's, or cannot be written.
    #[error("cannot open the storage {storage:?}: {reason}")]
    Storage {
        /// Which storage.
        storage: Storage,
        /// What is wrong with it.
        reason: String,
    },
    /// The database no longer answers.
    #[error("the database does not answer: {0}")]
    Database(String),
    /// The program itself is broken.
    #[error("the built-in schemas do not parse: {0}")]
    Schemas(&'static str),
}

/// A running tenant. Dropped, it stops at once; [`Tenant::stop`] lets it finish what it is doing.
pub struct Tenant {
    app: Arc<App>,
    address: SocketAddr,
    shutdown: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

impl fmt::Debug for Tenant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tenant").field("url", &self.app.base).finish_non_exhaustive()
    }
}

impl Tenant {
    /// Listens on an address (port 0: any free one) and serves.
    ///
    /// # Errors
    /// The address is not a loopback address or not free; the storage cannot be opened.
    pub async fn bind(address: SocketAddr, options: TenantOptions) -> Result<Self, TenantError> {
        let listener = TcpListener::bind(address).map_err(TenantError::Listen)?;
        Self::start(listener, options).await
    }

    /// Serves on a listener.
    ///
    /// # Errors
    /// As [`Tenant::bind`].
    pub async fn start(listener: TcpListener, options: TenantOptions) -> Result<Self, TenantError> {
        let address = listener.local_addr().map_err(TenantError::Listen)?;
        if !address.ip().is_loopback() {
            return Err(TenantError::NotLoopback(address));
        }
        listener.set_nonblocking(true).map_err(TenantError::Listen)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(TenantError::Listen)?;
        let catalogue = Catalogue::get().map_err(TenantError::Schemas)?;
        let base = format!("http://{address}{}", server::ROOT);
        let TenantOptions { token, storage, misbehaviour, request_log } = options;
        let opened = {
            let (storage, base) = (storage.clone(), base.clone());
            tokio::task::spawn_blocking(move || Database::open(&storage, base).map_err(|error| error.to_string())).await
        };
        let database = opened
            .unwrap_or_else(|error| Err(error.to_string()))
            .map_err(|reason| TenantError::Storage { storage, reason })?;
        let app = Arc::new(App {
            catalogue,
            database,
            base,
            token,
            ledger: Ledger::new(request_log),
            faults: RwLock::new(Arc::new(Faults::new(misbehaviour.unwrap_or_default()))),
        });
        let (shutdown, stopping) = oneshot::channel();
        let service = server::router(Arc::clone(&app)).into_make_service_with_connect_info::<Line>();
        let server = tokio::spawn(async move {
            let signal = async move {
                // Told to stop, or the handle is gone: the same.
                let _ = stopping.await;
            };
            if let Err(error) = axum::serve(Door::new(listener), service).with_graceful_shutdown(signal).await {
                tracing::error!(%error, "the tenant's server has ended");
            }
        });
        Ok(Self { app, address, shutdown: Some(shutdown), server })
    }

    /// The base URL, `http://127.0.0.1:PORT/scim/v2`.
    pub fn url(&self) -> String {
        self.app.base.clone()
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops: takes no more requests, and waits up to five seconds for those being served.
    pub async fn stop(mut self) {
        if let Some(shutdown) = self.shutdown.take() {
            // Refused only by a server that has ended already.
            let _ = shutdown.send(());
        }
        if tokio::time::timeout(STOP_PATIENCE, &mut self.server).await.is_err() {
            tracing::warn!("requests are still being served: stopping without them");
        }
    }

    /// The requests since the start.
    pub fn counters(&self) -> Counters {
        self.app.ledger.snapshot()
    }

    /// The last requests, the oldest first; empty unless [`TenantOptions::request_log`] asked for them.
    pub fn request_log(&self) -> Vec<RequestRecord> {
        self.app.ledger.logged()
    }

    /// Changes what the tenant does wrong, and starts its counting anew.
    pub fn misbehave(&self, misbehaviour: Misbehaviour) {
        *self.app.faults.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Faults::new(misbehaviour));
    }

    /// How many resources of a kind there are. Blocks shortly; asks the database, not the server, so nothing is counted.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn count(&self, kind: Kind) -> Result<usize, TenantError> {
        let count = self.app.database.run_blocking(move |store| store.count(kind));
        count.map_err(|refusal| TenantError::Database(refusal.detail))
    }

    /// All resources of a kind as a client would read them, in the order of their creation. Blocks like
    /// [`Tenant::count`].
    ///
    /// # Errors
    /// The database does not answer.
    pub fn resources(&self, kind: Kind) -> Result<Vec<Value>, TenantError> {
        let resources = handlers::everything(&self.app, kind);
        Ok(resources.map_err(|refusal| TenantError::Database(refusal.detail))?.into_iter().map(Value::Object).collect())
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        self.server.abort();
    }
}
