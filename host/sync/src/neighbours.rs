//! The other configurations of this host that lead to the same target: what they keep is not taken away by this one.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use provisor_model::{Anchor, Reason, ResourceId};
use provisor_space::{Keeper, Neighbour, SpaceError};

use crate::{Configuration, Mode, SyncError};

/// The connector spaces beside this configuration's own. They are opened when there is a question.
pub(crate) struct Neighbours {
    target: Vec<u8>,
    documents: PathBuf,
    /// Their names, and where they are.
    files: Vec<(String, PathBuf)>,
    opened: Mutex<Option<Vec<Opened>>>,
}

/// One of them, that leads to the same target.
struct Opened {
    name: String,
    neighbour: Neighbour,
    standing: Standing,
}

/// What becomes of what a configuration keeps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It runs, or will when its document is mended: what it waits for it will have.
    Runs,
    /// It does not run by itself, or only looks: it keeps what it has.
    Rests,
    /// Its document is no more: it keeps nothing.
    Gone,
}

/// An entry of another configuration that a resource is, or stays, for.
#[derive(Clone, Debug)]
pub(crate) struct Heir {
    configuration: String,
    keeper: Keeper,
}

impl Heir {
    /// The anchor under which it has the resource.
    pub fn anchor(&self) -> &Anchor {
        &self.keeper.anchor
    }

    /// A note for who looks at what was done, and why no more.
    pub fn note(&self) -> String {
        let Self { configuration, keeper } = self;
        format!("The resource stays as it is: the configuration {configuration} has it too, for {}.", keeper.dn)
    }

    /// Why an entry of this configuration may not have the resource.
    pub fn refusal(&self, resource: &str, class: &str) -> Reason {
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
    /// Those whose connector spaces are in the same data folder.
    pub fn of(configuration: &Configuration, data_folder: &Path) -> Self {
        let beside = |path: PathBuf| {
            let name = path.file_stem()?.to_str()?.to_owned();
            let is_space = path.extension().is_some_and(|extension| extension == "space");
            (is_space && name != configuration.name).then_some((name, path))
        };
        let listed = std::fs::read_dir(data_folder).into_iter().flatten().flatten();
        let mut files: Vec<(String, PathBuf)> = listed.filter_map(|entry| beside(entry.path())).collect();
        files.sort();
        let documents = configuration.file.parent().unwrap_or(Path::new("")).to_owned();
        let target = configuration.target.url.clone().into_bytes();
        Self { target, documents, files, opened: Mutex::default() }
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Who in another configuration has this resource, be it about to leave it.
    ///
    /// # Errors
    /// When a connector space cannot be read: then it is not known.
    pub fn holder(&self, kind: &str, resource: &ResourceId) -> Result<Option<Heir>, SyncError> {
        self.first(|opened| match opened.standing {
            Standing::Gone => Ok(None),
            Standing::Runs | Standing::Rests => opened.neighbour.holder(kind, resource),
        })
    }

    /// Who in another configuration keeps this resource, or is to have it under the same anchor.
    ///
    /// # Errors
    /// As for [`Self::holder`].
    pub fn heir(&self, kind: &str, resource: &ResourceId, anchor: &Anchor) -> Result<Option<Heir>, SyncError> {
        self.first(|opened| match opened.standing {
            Standing::Gone => Ok(None),
            standing => opened.neighbour.heir(kind, resource, anchor, standing == Standing::Runs),
        })
    }

    /// Leaves a resource to who keeps it or is to have it, and returns who that is; none where there is none by now.
    ///
    /// # Errors
    /// As for [`Self::holder`]; also where a connector space cannot be written. Then nothing has been left to anybody.
    pub fn leave_to(
        &self,
        kind: &str,
        resource: &ResourceId,
        anchor: &Anchor,
        now: i64,
    ) -> Result<Option<Heir>, SyncError> {
        self.first(|opened| match opened.standing {
            Standing::Gone => Ok(None),
            standing => opened.neighbour.leave_to(kind, resource, anchor, standing == Standing::Runs, now),
        })
    }

    /// Whether a configuration that is no more had this resource under this anchor.
    ///
    /// # Errors
    /// As for [`Self::holder`].
    pub fn was_left_behind(&self, kind: &str, resource: &ResourceId, anchor: &str) -> Result<bool, SyncError> {
        let found = self.first(|opened| match opened.standing {
            Standing::Gone => opened.neighbour.holder(kind, resource),
            Standing::Runs | Standing::Rests => Ok(None),
        })?;
        Ok(found.is_some_and(|heir| heir.keeper.anchor.to_string() == anchor))
    }

    /// The first answer that one of them has.
    fn first(
        &self,
        mut ask: impl FnMut(&mut Opened) -> Result<Option<Keeper>, SpaceError>,
    ) -> Result<Option<Heir>, SyncError> {
        if self.files.is_empty() {
            return Ok(None);
        }
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.is_none() {
            *opened = Some(self.open()?);
        }
        for one in opened.iter_mut().flatten() {
            match ask(one) {
                Ok(None) => {}
                Ok(Some(keeper)) => return Ok(Some(Heir { configuration: one.name.clone(), keeper })),
                Err(error) => return Err(unreadable(&one.name, &error)),
            }
        }
        Ok(None)
    }

    fn open(&self) -> Result<Vec<Opened>, SyncError> {
        let mut opened = Vec::new();
        for (name, path) in &self.files {
            let neighbour = Neighbour::open(path, &self.target).map_err(|error| unreadable(name, &error))?;
            let Some(neighbour) = neighbour else { continue };
            let document = self.documents.join(format!("{name}.toml"));
            let standing = match Configuration::read(&document) {
                Ok(configuration) if configuration.mode != Mode::Enabled => Standing::Rests,
                // One with a mistake in it runs again when that is mended.
                _ if document.exists() => Standing::Runs,
                _ => Standing::Gone,
            };
            opened.push(Opened { name: name.clone(), neighbour, standing });
        }
        Ok(opened)
    }
}

fn unreadable(name: &str, error: &SpaceError) -> SyncError {
    SyncError::Settings(format!(
        "whether the configuration {name} keeps resources that are to be taken, or taken away, by this one could not be found \
         out, so nothing more was written: {error}. The next cycle tries it again. If {name} is not used any more, remove its \
         document and its connector space {name}.space"
    ))
}
