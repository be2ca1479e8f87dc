//! A small real SCIM 2.0 directory (RFC 7643, RFC 7644): the demo's cloud, and the tests' faulty one.
//!
//! Users with the enterprise extension, groups, filters, sorting, PATCH, bulk, entity tags, paging by index and by cursor
//! (RFC 9865), bearer tokens, OAuth and Basic, on SQLite. What it does not have (passwords) it does not announce. It is
//! strict: an attribute that no schema lists, a value of the wrong type or a reference to nobody is refused, so that a
//! client's mistake is seen where it is made.
//!
//! Told to, it is another service: [`Quirks`] are what services in the field do otherwise than the standard says, a
//! [`Personality`] is one of them as a whole, and [`Misbehaviour`] is what goes wrong for a while.
//!
//! It speaks plain HTTP and therefore listens on loopback addresses only.
mod access;
mod bulk;
mod clock;
mod conditions;
mod counters;
mod discovery;
mod door;
mod entra;
mod error;
mod expression;
mod filter;
mod handlers;
mod kind;
mod listing;
mod manners;
mod misbehave;
mod options;
mod patch;
mod personality;
mod quirks;
mod render;
mod resource;
mod schema;
mod server;
mod service;
mod store;

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use access::{BasicAuth, ClientCredentials, OAuth, RequiredHeader};
pub use counters::{Counters, Method, Request, RequestRecord, Route};
pub use kind::Kind;
pub use misbehave::{Cut, CutMoment, Failure, Latency, Misbehaviour, Occasion, RetryAfter, Throttle, Victims};
pub use options::TenantOptions;
pub use personality::{Entra, Personality};
pub use quirks::{PageDrift, Quirks, WriteLimit, WrongTotal};
pub use store::Storage;

use access::Access;
use counters::Ledger;
use door::{Door, Line};
use manners::Manners;
use misbehave::Faults;
use schema::Catalogue;
use server::App;
use store::Database;

/// How long [`Tenant::stop`] waits for requests that are being served.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

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
    /// A quirk names an attribute that no kind of resource has.
    #[error("no resource here has the attribute {0:?}, which a quirk names")]
    UnknownAttribute(String),
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
        let base = format!("http://{address}{}", server::ROOT);
        let TenantOptions { token, oauth, basic, header, storage, personality, quirks, misbehaviour, request_log } =
            options;
        let catalogue = match personality {
            Personality::Standard => Catalogue::get(),
            Personality::Entra(_) => Catalogue::entra(),
            Personality::Directory => Catalogue::directory(),
        };
        let catalogue = catalogue.map_err(TenantError::Schemas)?;
        let manners = Manners::new(catalogue, &personality, quirks).map_err(TenantError::UnknownAttribute)?;
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
            access: Access::new(token, oauth, basic, header),
            personality,
            ledger: Ledger::new(request_log),
            faults: RwLock::new(Arc::new(Faults::new(misbehaviour.unwrap_or_default()))),
            manners: RwLock::new(Arc::new(manners)),
            cursors: AtomicU64::new(0),
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

    /// Changes how the tenant differs from the standard, beside what its personality does, from the next request on.
    ///
    /// # Errors
    /// A quirk names an attribute that no kind of resource has.
    pub fn set_quirks(&self, quirks: Quirks) -> Result<(), TenantError> {
        let manners = Manners::new(self.app.catalogue, &self.app.personality, quirks);
        let manners = manners.map_err(TenantError::UnknownAttribute)?;
        *self.app.manners.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(manners);
        Ok(())
    }

    /// The address of the OAuth token endpoint, which is there if [`TenantOptions::oauth`] asked for it.
    pub fn token_url(&self) -> String {
        format!("http://{}{}", self.address, access::TOKEN_PATH)
    }

    /// Makes every token that was given out so far worthless.
    pub fn revoke_tokens(&self) {
        self.app.access.revoke();
    }

    /// Makes every cursor that was given out so far worthless: it answers 400 with `expiredCursor`.
    pub fn expire_cursors(&self) {
        self.app.cursors.fetch_add(1, Ordering::Relaxed);
    }

    /// How many resources of a kind there are. Blocks shortly; asks the database, not the server, so nothing is counted.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn count(&self, kind: Kind) -> Result<usize, TenantError> {
        let count = self.app.database.run_blocking(move |store| store.count(kind));
        count.map_err(|refusal| TenantError::Database(refusal.detail))
    }

    /// All resources of a kind in full, without quirks, in the order of their creation. Blocks like
    /// [`Tenant::count`].
    ///
    /// # Errors
    /// The database does not answer.
    pub fn resources(&self, kind: Kind) -> Result<Vec<Value>, TenantError> {
        let resources = service::everything(&self.app, kind);
        Ok(resources.map_err(|refusal| TenantError::Database(refusal.detail))?.into_iter().map(Value::Object).collect())
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        self.server.abort();
    }
}
