//! Rules that do not go with a configuration, refused before anything is read.

use provisor_model::TargetPath;
use provisor_rules::Chain;

use crate::matching::may_give;
use crate::{Pipeline, SyncError};

impl Pipeline {
    /// Refuses rules that do not go with the configuration.
    pub(crate) fn refuse_misfits(&self, chain: &Chain) -> Result<(), SyncError> {
        self.refuse_external_id(chain)?;
        self.refuse_unknown_classes(chain)?;
        self.refuse_unset_matching(chain)
    }

    /// By an attribute that no rule sets nobody would ever be found, and a second resource made of who is there.
    fn refuse_unset_matching(&self, chain: &Chain) -> Result<(), SyncError> {
        let set = |path: &&TargetPath| {
            **path == self.paths.external_id || chain.write_paths().iter().any(|place| may_give(place, path))
        };
        let mut listed = self
            .configuration
            .matching
            .iter()
            .flat_map(|(class, paths)| paths.iter().filter(|path| !set(path)).map(move |path| (class, path)));
        match listed.next() {
            None => Ok(()),
            Some((class, path)) => Err(SyncError::Settings(format!(
                "{}: match.{class} lists \"{path}\", which no rule sets, so that nobody would be found by it. Correct it, or take \
                 it out",
                self.configuration.file.display()
            ))),
        }
    }

    /// A filter of a class that does not exist would let everybody through.
    fn refuse_unknown_classes(&self, chain: &Chain) -> Result<(), SyncError> {
        let known = self.configuration.object_classes.words();
        match chain.filtered_classes().find(|(_, class)| !known.iter().any(|word| word == class)) {
            None => Ok(()),
            Some((plugin, class)) => Err(SyncError::Settings(format!(
                "{}: {plugin} is set to filter the object class \"{class}\", which entries here never are. They are: {}",
                self.configuration.file.display(),
                known.join(", ")
            ))),
        }
    }

    /// The anchor is the host's to send: rules that set it could give one person's resource to another.
    fn refuse_external_id(&self, chain: &Chain) -> Result<(), SyncError> {
        if chain.write_paths().contains(&self.paths.external_id) {
            return Err(SyncError::Settings(format!(
                "{}: a rule sets externalId, which the host itself sends: it is the anchor. Take it out of the rule; what the \
                 anchor is made of is set by \"anchor\" under [source]",
                self.configuration.file.display()
            )));
        }
        Ok(())
    }
}
