//! The one thread that owns the database: requests send it jobs and wait for their results.
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use axum::http::StatusCode;
use tokio::sync::oneshot;

use super::{OpenError, Storage, Store};
use crate::error::Refusal;

type Job = Box<dyn FnOnce(&mut Store) + Send>;

/// A handle of the database. The thread ends, and closes the database, with the last handle.
///
/// The queue needs no bound of its own: each connection waits for the result of its one job, and connections are
/// bounded.
#[derive(Clone)]
pub(crate) struct Database {
    jobs: Sender<Job>,
}

impl Database {
    /// Opens the storage on a thread of its own.
    pub(crate) fn open(storage: &Storage, base: String) -> Result<Self, OpenError> {
        let mut store = Store::open(storage, base)?;
        let (jobs, queue): (Sender<Job>, Receiver<Job>) = channel();
        thread::Builder::new()
            .name("tenant-store".to_owned())
            .spawn(move || queue.iter().for_each(|job| job(&mut store)))
            .map_err(OpenError::Thread)?;
        Ok(Self { jobs })
    }

    /// Runs a job and waits for its result without blocking the runtime.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Store) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (sender, result) = oneshot::channel();
        // A client that has gone does not stop its job: nobody listens to the result then.
        self.send(Box::new(move |store| drop(sender.send(job(store)))))?;
        result.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Runs a job and blocks until it is done.
    pub(crate) fn run_blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Store) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (sender, result) = channel();
        self.send(Box::new(move |store| drop(sender.send(job(store)))))?;
        result.recv().unwrap_or_else(|_| Err(stopped()))
    }

    fn send(&self, job: Job) -> Result<(), Refusal> {
        self.jobs.send(job).map_err(|_| stopped())
    }
}

fn stopped() -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "The tenant's database has stopped; its log says why.")
}
