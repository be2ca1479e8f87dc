//! Whether a component may be taken into use: what it asks for, against what was granted. There is one list of grants, kept
//! in the data folder or, where changes are made only by hand, in the lock file.

use std::path::Path;

use crate::grants::Grant;
use crate::hash::Hash;
use crate::host::Inner;
use crate::load::Configured;
use crate::lock::Lock;
use crate::meet::grant_of;
use crate::options::{Binding, Updates};

/// Why a component may not be taken into use as it is.
pub(crate) struct Objection {
    /// What it asks for beyond what was granted, as words.
    pub(crate) more: Vec<String>,
    /// What is wrong, and what to do.
    pub(crate) reason: String,
}

/// What components are held against in one configuration.
pub(crate) enum Permits<'a> {
    /// What was granted when they were bound or approved; with `by_hand`, of another file nothing is.
    Kept { by_hand: bool },
    /// What stands in the lock file; or why it cannot be used.
    Listed { file: &'a Path, grants: Result<Vec<Grant>, String> },
}

impl Permits<'_> {
    /// What the lock file has of a rule.
    pub(crate) fn listed(&self, plugin: &str, occurrence: usize) -> Option<&Grant> {
        match self {
            Self::Listed { grants: Ok(grants), .. } => grant_of(grants, plugin, occurrence),
            Self::Kept { .. } | Self::Listed { .. } => None,
        }
    }

    /// Whether it is a lock file that decides.
    pub(crate) fn are_listed(&self) -> bool {
        matches!(self, Self::Listed { .. })
    }

    /// Whether it is a lock file that decides, and it says what may run.
    pub(crate) fn can_be_read(&self) -> bool {
        matches!(self, Self::Listed { grants: Ok(_), .. })
    }

    /// Whether the lock file names this component for a rule.
    pub(crate) fn name(&self, plugin: &str, occurrence: usize, component: Option<Hash>) -> bool {
        self.listed(plugin, occurrence).is_some_and(|listed| Some(listed.component) == component)
    }

    /// What stands in the way of a component for this binding, the so-manieth of its plugin; none where it may be taken.
    /// `kept` is what the data folder has of it.
    pub(crate) fn objection(
        &self,
        binding: &Binding,
        occurrence: usize,
        kept: Option<&Grant>,
        configured: &Configured,
    ) -> Option<Objection> {
        let (plugin, hash) = (&binding.plugin, configured.loaded.hash);
        let object = |more: Vec<String>, reason: String| Some(Objection { more, reason });
        match self {
            Self::Kept { by_hand } => {
                let grant = kept?;
                // Other settings grant anew: whoever changes the configuration answers for them.
                let same_settings = grant.config == binding.config;
                let more = if same_settings { configured.contracts.beyond(&grant.contracts) } else { Vec::new() };
                if !more.is_empty() {
                    let reason = format!("{}; {}", asks_for_more(&more), how_to_approve(plugin, None));
                    return object(more, reason);
                }
                let another = *by_hand && grant.component != hash;
                let reason = || format!("it is another file than was approved; {}", how_to_approve(plugin, None));
                another.then(|| object(more, reason())).flatten()
            }
            Self::Listed { grants: Err(reason), .. } => {
                object(Vec::new(), format!("{reason}. Until then only what runs already does"))
            }
            Self::Listed { file, grants: Ok(grants) } => {
                let how = how_to_approve(plugin, Some(file));
                let Some(grant) = grant_of(grants, plugin, occurrence) else {
                    return object(Vec::new(), format!("{} does not list it; {how}", file.display()));
                };
                // Whatever the settings: what stands in the file is all that is granted.
                let more = configured.contracts.beyond(&grant.contracts);
                if !more.is_empty() {
                    let reason = format!("{}; {how}", asks_for_more(&more));
                    return object(more, reason);
                }
                if grant.component == hash {
                    return None;
                }
                let listed = grant.component.short();
                object(more, format!("{} lists another file of it ({listed}); {how}", file.display()))
            }
        }
    }
}

impl Inner {
    /// What components are held against in a configuration.
    pub(crate) fn permits(&self, configuration: &str) -> Permits<'_> {
        match self.updates() {
            Updates::Granted => Permits::Kept { by_hand: false },
            Updates::Approved => Permits::Kept { by_hand: true },
            Updates::Locked(file) => Permits::Listed { file, grants: Lock(file).of(configuration) },
        }
    }
}

pub(crate) fn asks_for_more(more: &[String]) -> String {
    format!("asks for more than was granted: it {}", more.join(", "))
}

fn how_to_approve(plugin: &str, lock: Option<&Path>) -> String {
    let into = lock.map_or_else(String::new, |lock| format!(", which writes it into {}", lock.display()));
    format!("run `provisor plugin approve {plugin}`{into}, or put the earlier file back")
}
