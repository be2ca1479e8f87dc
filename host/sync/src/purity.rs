//! The rules' purity, tried on what is stored: a chain that is new here is asked about the same entries twice before
//! anything is decided by it.

use std::sync::Arc;

use provisor_model::Entry;
use provisor_rules::{Chain, Proof};
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
        let proof = self.asked_twice(chain, sample).await?;
        if proof == Proof::Pure {
            let hash = chain.hash();
            // For good only where everything has been read: before, it may have been one entry.
            self.store
                .with(move |space| match space.fact(MetaKey::Reads)? {
                    Some(_) => Ok(space.set_fact(MetaKey::ProvedUnder, Some(&hash))?),
                    None => Ok(()),
                })
                .await?;
        }
        Ok(proof != Proof::Impure)
    }

    /// What comes of asking a chain twice about these entries.
    pub(crate) async fn asked_twice(&self, chain: &Arc<Chain>, entries: Vec<Entry>) -> Result<Proof, SyncError> {
        let (rules, name, chain) = (Arc::clone(&self.rules), self.name().to_owned(), Arc::clone(chain));
        let asked = move || rules.prove(&name, &chain, &entries, clock::milliseconds() / 1000);
        tokio::task::spawn_blocking(asked).await.map_err(|error| SyncError::Internal(error.to_string()))
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
