//! What is done at the next server where one breaks off after it was reached.

use super::{Connection, Endpoint};
use crate::error::DirectoryError;

impl Connection {
    /// Has something done over a connection. Where a server breaks off, falls silent or is behind, it is begun anew at the next:
    /// at each server once, and at an only one twice.
    ///
    /// # Errors
    /// When none can be reached, or none gets to the end of it: each reason apart. What would go wrong everywhere ends it at
    /// once.
    pub async fn at_any<T, F>(endpoint: &Endpoint, work: impl Fn(Self) -> F) -> Result<T, DirectoryError>
    where
        F: Future<Output = Result<T, DirectoryError>>,
    {
        let mut failed = Vec::new();
        for _ in 0..endpoint.attempts() {
            let connection = match Self::open(endpoint).await {
                Ok(connection) => connection,
                // All were tried, several times.
                Err(error) if error.is_transient() => {
                    failed.push(error);
                    break;
                }
                Err(error) => return Err(error),
            };
            let url = connection.url().to_owned();
            match work(connection).await {
                Ok(done) => {
                    for error in &failed {
                        tracing::warn!(%error, used = url, "A directory server could not be used; another attempt went well.");
                    }
                    return Ok(done);
                }
                Err(error) if error.is_transient() => {
                    endpoint.pass_over(&url);
                    failed.push(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(DirectoryError::of_servers(failed))
    }
}
