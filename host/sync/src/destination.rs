//! The target of a pipeline: connected when it is needed, and what is remembered of it.

use provisor_model::TargetPath;
use provisor_rules::Chain;
use provisor_space::MetaKey;
use provisor_target::{Mutability, RequestCounts, ScimTarget};

use crate::finalise::{KindFacts, TargetFacts};
use crate::{Pipeline, SyncError};

/// A target in use.
pub(crate) struct Connected {
    target: ScimTarget,
    /// The rules whose attributes the target was found to have.
    checked_for: [u8; 32],
}

impl Pipeline {
    /// Links lead to one target. Under another address, once that has answered, resources are found again by
    /// externalId, so nothing of the old target's is ever sent to the new one.
    pub(crate) async fn adopt_target(&mut self) -> Result<(), SyncError> {
        let url = self.configuration.target.url.clone().into_bytes();
        let known = self.store.with(|space| Ok(space.fact(MetaKey::Target)?)).await?;
        if known.is_none_or(|known| known == url) {
            return Ok(());
        }
        let options = self.configuration.target_options()?;
        ScimTarget::connect(options).await?;
        let name = self.name().to_owned();
        tracing::warn!(configuration = name, "The target's address has changed; its resources are matched anew.");
        self.target = None;
        self.store
            .with(move |space| {
                space.atomically(|space| -> Result<(), SyncError> {
                    space.forget_links()?;
                    space.set_fact(MetaKey::Target, None)?;
                    space.set_fact(MetaKey::TargetFacts, None)?;
                    space.mark_all_dirty()?;
                    Ok(())
                })
            })
            .await
    }

    /// The target, connected, and found to have what these rules set.
    pub(crate) async fn target(&mut self, chain: &Chain) -> Result<ScimTarget, SyncError> {
        if let Some(Connected { target, checked_for }) = &mut self.target {
            let target = target.clone();
            if *checked_for != chain.hash() {
                *checked_for = chain.hash();
                self.check_paths(&target, chain).inspect_err(|_| self.target = None)?;
            }
            return Ok(target);
        }
        let target = ScimTarget::connect(self.configuration.target_options()?).await?;
        self.check_paths(&target, chain)?;
        let facts = target_facts(&target, &self.paths.active);
        let (text, identity) = (
            serde_json::to_vec(&facts).map_err(provisor_space::SpaceError::from)?,
            self.configuration.target.url.clone().into_bytes(),
        );
        self.store
            .with(move |space| {
                space.set_fact(MetaKey::TargetFacts, Some(&text))?;
                Ok(space.set_fact(MetaKey::Target, Some(&identity))?)
            })
            .await?;
        self.target = Some(Connected { target: target.clone(), checked_for: chain.hash() });
        Ok(target)
    }

    /// Every attribute that rules set must be one that the target has.
    fn check_paths(&self, target: &ScimTarget, chain: &Chain) -> Result<(), SyncError> {
        let kinds: Vec<&str> =
            self.configuration.object_classes.words().into_iter().filter_map(|class| chain.kind_of(class)).collect();
        for kind in &kinds {
            if target.abilities().resource_type(kind).is_none() {
                return Err(SyncError::Settings(format!(
                    "{}: the rules make resources of the type \"{kind}\", which {} does not announce. Change the rules, or use \
                     another target",
                    self.configuration.file.display(),
                    self.configuration.target.url
                )));
            }
        }
        for path in chain.write_paths() {
            let refusals: Vec<String> = kinds.iter().filter_map(|kind| target.check_path(kind, path).err()).collect();
            if !kinds.is_empty() && refusals.len() == kinds.len() {
                let reason = refusals.into_iter().next().unwrap_or_default();
                return Err(SyncError::Settings(format!(
                    "{}: the rules set \"{path}\", but {reason}. Switch that field off in the rule's config, or use another rule",
                    self.configuration.file.display()
                )));
            }
        }
        Ok(())
    }

    /// What is known of the target's kinds, without asking it where it was asked before.
    pub(crate) async fn facts(&mut self, chain: &Chain) -> Result<TargetFacts, SyncError> {
        if let Some(facts) = self.known_facts().await? {
            return Ok(facts);
        }
        let target = self.target(chain).await?;
        Ok(target_facts(&target, &self.paths.active))
    }

    /// What was last known of the target's kinds.
    pub(crate) async fn known_facts(&self) -> Result<Option<TargetFacts>, SyncError> {
        let stored = self.store.with(|space| Ok(space.fact(MetaKey::TargetFacts)?)).await?;
        Ok(stored.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    pub(crate) fn requests(&self) -> RequestCounts {
        self.target.as_ref().map_or_else(RequestCounts::default, |connected| connected.target.requests())
    }
}

fn target_facts(target: &ScimTarget, active: &TargetPath) -> TargetFacts {
    let kinds = target
        .abilities()
        .resource_types
        .keys()
        .map(|kind| {
            let announced = target.abilities().announces_schemas();
            let can_be_disabled = if announced {
                target.abilities().attribute(kind, active).is_some_and(|definition| {
                    matches!(definition.mutability, Mutability::ReadWrite | Mutability::WriteOnly)
                })
            } else {
                kind.eq_ignore_ascii_case("User")
            };
            let unique = target.unique_paths(kind);
            let case_ignored = unique.iter().filter(|path| !target.case_exact(kind, path)).cloned().collect();
            (kind.clone(), KindFacts { unique, case_ignored, can_be_disabled, announced })
        })
        .collect();
    TargetFacts { kinds }
}
