//! The rules' purity, tried on what is stored: a chain that is new here is asked about the same entries twice before
//! anything is decided by it.

use std::sync::Arc;

use provisor_model::Entry;
use provisor_rules::Chain;
use provisor_space::{MetaKey, Space};

use crate::{Configuration, Pipeline, SyncError, clock};

/// The entries that are asked about, of each object class.
const SAMPLE: usize = 64;
/// More object classes than this are not tried.
const CLASSES: usize = 16;

impl Pipeline {
    /// Whether a chain answers alike, asked twice about entries that are stored; it is asked once, the first time there
    /// are any. Where it does not, the plugin at fault is refused from now on.
    pub(crate) async fn is_pure(&self, chain: &Arc<Chain>) -> Result<bool, SyncError> {
        let (configuration, asked) = (Arc::clone(&self.configuration), Arc::clone(chain));
        let sample = self
            .store
            .with(move |space| {
                let proved = space.fact(MetaKey::ProvedUnder)?.as_deref() == Some(&asked.hash()[..]);
                if proved { Ok(Vec::new()) } else { sample(space, &configuration, &asked) }
            })
            .await?;
        if sample.is_empty() {
            return Ok(true);
        }
        let (rules, name, asked) = (Arc::clone(&self.rules), self.name().to_owned(), Arc::clone(chain));
        let proved = move || rules.prove(&name, &asked, &sample, clock::milliseconds() / 1000);
        let pure = tokio::task::spawn_blocking(proved).await.map_err(|error| SyncError::Internal(error.to_string()))?;
        if pure {
            let hash = chain.hash();
            self.store.with(move |space| Ok(space.set_fact(MetaKey::ProvedUnder, Some(&hash))?)).await?;
        }
        Ok(pure)
    }
}

/// Some entries of each object class that any mapping claims.
pub(crate) fn sample(space: &Space, configuration: &Configuration, chain: &Chain) -> Result<Vec<Entry>, SyncError> {
    let mut entries = Vec::new();
    let words = configuration.object_classes.words();
    for class in words.iter().filter(|class| chain.kind_of(class).is_some()).take(CLASSES) {
        entries.extend(space.live_entries_of(class, SAMPLE)?.into_iter().map(|stored| stored.entry));
    }
    Ok(entries)
}
