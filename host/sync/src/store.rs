//! The connector space as asynchronous code uses it: every call on a thread that may wait.

use std::sync::{Arc, Mutex, PoisonError};

use provisor_space::Space;

use crate::SyncError;

/// The connector space of a configuration, shared by the steps of a cycle.
#[derive(Clone)]
pub(crate) struct Store(Arc<Mutex<Space>>);

impl Store {
    pub(crate) fn new(space: Space) -> Self {
        Self(Arc::new(Mutex::new(space)))
    }

    /// Runs `work` with the space on a thread that may wait.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Space) -> Result<T, SyncError> + Send + 'static,
    ) -> Result<T, SyncError> {
        let space = Arc::clone(&self.0);
        // A panic in an earlier call rolled its transaction back when the process of unwinding dropped it; the space
        // itself is whole, so a poisoned lock is no reason to give up.
        tokio::task::spawn_blocking(move || {
            let mut space = space.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut space).map_err(|error| match error {
                SyncError::Space(error) => SyncError::Space(error.at(space.path())),
                other => other,
            })
        })
        .await
        .map_err(|error| SyncError::Internal(error.to_string()))?
    }
}
