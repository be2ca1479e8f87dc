//! The other configurations of this host that lead to the same target: what they keep is not taken away by this one.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use provisor_model::{Anchor, Reason, ResourceId};
use provisor_space::{Keeper, Neighbour};

use crate::{Configuration, SyncError, clock};

/// The connector spaces beside this configuration's own. They are opened when there is a question.
pub(crate) struct Neighbours {
    target: Vec<u8>,
    files: Vec<(String, PathBuf)>,
    opened: Mutex<Option<Vec<(String, Neighbour)>>>,
    /// For whom resources are let go of, to be told once that is done.
    heirs: Mutex<Vec<(Heir, String, ResourceId)>>,
}

/// An entry of another configuration that a resource stays for.
#[derive(Clone, Debug)]
pub(crate) struct Heir {
    configuration: String,
    keeper: Keeper,
}

impl Heir {
    /// A note for who looks at what was done, and why no more.
    pub fn note(&self) -> String {
        let Self { configuration, keeper } = self;
        format!("The resource stays as it is: the configuration {configuration} has it too, for {}.", keeper.dn)
    }

    /// Why an entry of this configuration may not have the resource.
    pub fn refusal(&self, resource: &ResourceId, class: &str) -> Reason {
        let Self { configuration, keeper } = self;
        let detail = format!(
            "The resource {resource} belongs to another object already: the configuration {configuration} keeps it, for {}. \
             Nothing was written. Take one of the two out of scope; or, if both are the same and both configurations may write \
             to the resource, add shared = [\"{class}\"] to this one.",
            keeper.dn
        );
        Reason::new("belongs-to-another", detail)
    }
}

impl Neighbours {
    /// Those that are configured beside this one, in whose data folder they have their connector spaces.
    pub fn of(configuration: &Configuration, data_folder: &Path) -> Self {
        let documents = configuration.file.parent().unwrap_or(Path::new(""));
        let beside = |path: PathBuf| {
            let name = path.file_stem()?.to_str()?.to_owned();
            let is_space = path.extension().is_some_and(|extension| extension == "space");
            // What was left behind by a configuration that is no more keeps nothing.
            let is_other = name != configuration.name && documents.join(format!("{name}.toml")).exists();
            (is_space && is_other).then_some((name, path))
        };
        let listed = std::fs::read_dir(data_folder).into_iter().flatten().flatten();
        let mut files: Vec<(String, PathBuf)> = listed.filter_map(|entry| beside(entry.path())).collect();
        files.sort();
        let target = configuration.target.url.clone().into_bytes();
        Self { target, files, opened: Mutex::default(), heirs: Mutex::default() }
    }

    /// Who in another configuration has this resource in use.
    ///
    /// # Errors
    /// When a connector space cannot be read: then it is not known.
    pub fn keeper(&self, kind: &str, resource: &ResourceId) -> Result<Option<Heir>, SyncError> {
        self.first(|neighbour| neighbour.keeper(kind, resource))
    }

    /// The same; or who waits for it there, with the same anchor.
    ///
    /// # Errors
    /// As for [`Self::keeper`].
    pub fn heir(&self, kind: &str, resource: &ResourceId, anchor: &Anchor) -> Result<Option<Heir>, SyncError> {
        self.first(|neighbour| match neighbour.keeper(kind, resource)? {
            Some(keeper) => Ok(Some(keeper)),
            None => neighbour.claimant(anchor),
        })
    }

    fn first(
        &self,
        ask: impl Fn(&Neighbour) -> Result<Option<Keeper>, provisor_space::SpaceError>,
    ) -> Result<Option<Heir>, SyncError> {
        if self.files.is_empty() {
            return Ok(None);
        }
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.is_none() {
            *opened = Some(self.open()?);
        }
        for (name, neighbour) in opened.iter().flatten() {
            let path = |error: provisor_space::SpaceError| unreadable(name, &error);
            if let Some(keeper) = ask(neighbour).map_err(path)? {
                return Ok(Some(Heir { configuration: name.clone(), keeper }));
            }
        }
        Ok(None)
    }

    fn open(&self) -> Result<Vec<(String, Neighbour)>, SyncError> {
        let mut opened = Vec::new();
        for (name, path) in &self.files {
            let neighbour = Neighbour::open(path, &self.target).map_err(|error| unreadable(name, &error))?;
            opened.extend(neighbour.map(|neighbour| (name.clone(), neighbour)));
        }
        Ok(opened)
    }

    /// Notes that a resource is let go of for this one.
    pub fn leave_to(&self, heir: Heir, kind: &str, resource: &ResourceId) {
        let left = (heir, kind.to_owned(), resource.clone());
        self.heirs.lock().unwrap_or_else(PoisonError::into_inner).push(left);
    }

    /// Tells those for whom resources were let go of. Who cannot be told goes on with what they exported last.
    pub fn hand_over(&self) {
        let heirs = std::mem::take(&mut *self.heirs.lock().unwrap_or_else(PoisonError::into_inner));
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        for (Heir { configuration, keeper }, kind, resource) in heirs {
            let neighbour = opened.iter().flatten().find(|(name, _)| *name == configuration);
            let told =
                neighbour.map(|(_, neighbour)| neighbour.hand_over(&keeper, &kind, &resource, clock::milliseconds()));
            if let Some(Ok(false)) = told {
                tracing::warn!(
                    "The {kind} {resource} was left to the configuration {configuration}, which in the meantime let \
                     go of it too: nobody keeps it. Look at it at the target, and disable or delete it there."
                );
            }
            if let Some(Err(error)) = told {
                tracing::warn!(
                    %error,
                    "{} stays with the configuration {configuration}, which could not be told: what it has at the target is made \
                     right with its next change. \"provisor provision {configuration}\" does it now.",
                    keeper.dn
                );
            }
        }
    }
}

fn unreadable(name: &str, error: &provisor_space::SpaceError) -> SyncError {
    SyncError::Settings(format!(
        "whether the configuration {name} keeps resources that are to be taken here, or taken away, could not be found out, so \
         nothing was written: {error}. Mend that, or remove the configuration if it is no longer needed"
    ))
}
