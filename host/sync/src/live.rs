//! Hearing from the source that something changed, as it happens.

use provisor_directory::{Directory, DirectoryError, Listener, Watermark};
use provisor_space::MetaKey;

use crate::{Pipeline, SyncError};

/// A source that is to announce its changes, and where the last cycle left it.
#[derive(Clone, Debug)]
pub struct LiveSource {
    directory: Directory,
    watermark: Option<Watermark>,
}

impl LiveSource {
    /// Listens to what changes after the last cycle; none where the source does not announce it.
    ///
    /// # Errors
    /// When the source cannot be reached.
    pub async fn listen(&self) -> Result<Option<Listener>, DirectoryError> {
        self.directory.listen(self.watermark.as_ref()).await
    }
}

impl Pipeline {
    /// The source, where the configuration wants its changes to be announced. After a cycle, so that there is a
    /// watermark.
    ///
    /// # Errors
    /// Where the secret cannot be had or the space fails.
    pub async fn live_source(&self) -> Result<Option<LiveSource>, SyncError> {
        if !self.configuration.source.live() {
            return Ok(None);
        }
        let directory = self.configuration.directory()?;
        let watermark = self.store.with(|space| Ok(space.fact(MetaKey::Watermark)?)).await?;
        Ok(Some(LiveSource { directory, watermark: watermark.map(Watermark::from_octets) }))
    }
}
