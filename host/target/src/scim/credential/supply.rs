//! A secret that can be read again, where it has changed since.

use std::fmt;
use std::sync::Arc;

use provisor_model::Secret;

use crate::TargetError;

type Reader = dyn Fn() -> Result<Secret, String> + Send + Sync;

/// Where a secret comes from. It is read when credentials are made, and again when they are refused, so that a changed
/// secret is taken up in the middle of a cycle.
#[derive(Clone)]
pub struct SecretSupply(Arc<Reader>);

impl SecretSupply {
    /// A secret that is read by this; the error is a sentence that says what is wrong with its file or variable.
    pub fn new(read: impl Fn() -> Result<Secret, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The secret as it is kept now.
    ///
    /// # Errors
    /// Where it cannot be had.
    pub fn read(&self) -> Result<Secret, TargetError> {
        (self.0)().map_err(TargetError::Configuration)
    }
}

impl From<Secret> for SecretSupply {
    /// A secret that stays as it is.
    fn from(secret: Secret) -> Self {
        Self::new(move || Ok(secret.clone()))
    }
}

impl fmt::Debug for SecretSupply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}
