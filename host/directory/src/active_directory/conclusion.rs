//! What follows from an import from Active Directory: whether who is missing is gone, and where the next one goes on.

use super::begin::vector_of;
use super::cookie::Vector;
use super::import::ActiveDirectoryImport;
use super::position::{Mark, Way};
use crate::error::DirectoryError;
use crate::import::{Completion, ImportKind};
use crate::watermark::Position;

impl ActiveDirectoryImport {
    pub(super) fn absent_is_deleted(&self) -> bool {
        let named = self.all_named || (self.kind == ImportKind::Full && self.way != Way::ChangeNumbers);
        named && self.knows_all()
    }

    /// How far the controller that is read has come.
    pub(super) fn vector(&self) -> Vector {
        // Another controller's cookie says nothing of this one.
        let own = self.answered_by.is_some() && self.answered_by == self.controller.invocation;
        vector_of(&self.controller, if own { &self.cookie } else { &[] })
    }

    /// Whether the controller knows all that was known to those that were read before, so that what it lacks is gone. The
    /// only one of a domain is believed: if it is behind, it was restored.
    pub(super) fn knows_all(&self) -> bool {
        self.is_alone() || self.covers_all()
    }

    /// Whether the domain has no other controller, as it says itself; where it does not say, whether none is configured.
    pub(super) fn is_alone(&self) -> bool {
        self.server.is_alone(&self.controller)
    }

    pub(super) fn covers_all(&self) -> bool {
        self.standing.as_ref().is_none_or(|standing| self.vector().covers(&standing.vector()))
    }

    pub fn finish(self) -> Result<Completion, DirectoryError> {
        self.state.ended(&self.url)?;
        let absent_is_deleted = self.absent_is_deleted();
        let lost = self.is_alone() && absent_is_deleted;
        let vector = self.vector();
        // What was lost with the only controller, when it was restored, will never be known again.
        let mut standing = self.standing.filter(|_| !lost).unwrap_or_default();
        standing.learn(&self.url, &vector);
        // A listing from which nothing followed is made again.
        let listed = if absent_is_deleted { self.time } else { self.listed };
        let mark = Mark {
            way: self.way,
            cookie: self.cookie,
            invocation: self.controller.invocation,
            number: self.controller.newest_change,
            deletions_told: self.deletions_told,
            listed,
            whole: self.whole,
        };
        let position = Position::new(self.fingerprint, &self.attributes, Some(mark));
        let known = standing.to_known();
        Ok(Completion { watermark: position.to_watermark(), known: Some(known), absent_is_deleted })
    }
}
