//! What a change feed delivers, one object at a time.

use crate::{Dn, Entry, KeptEntry, SourceId};

/// One object of a change feed. The same object may come more than once; what comes later counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportItem {
    /// The entry as it now stands, whether new, changed or merely listed. It is whole: an attribute that is missing is
    /// gone.
    Upsert(Entry),
    /// The same, in the form in which it is kept: what many entries come as.
    Kept(KeptEntry),
    /// The entry was deleted.
    Delete(SourceId),
    /// The entry is still there and has not changed. Where the store does not know it, the watermark was not this
    /// store's, and everything must be read again.
    Present(SourceId),
    /// The entry is still there under this name; whether it changed, the feed says apart. Where the store does not know
    /// it, or has it under another name, and the feed does not bring it either, everything must be read again.
    Listed(SourceId, Dn),
    /// The entry is still in the directory, but no longer among what the source is configured to read: it has left the
    /// scope, and was not deleted.
    Excluded(SourceId),
}

impl ImportItem {
    /// Whose entry it brings, where it brings one.
    pub fn brings(&self) -> Option<&SourceId> {
        match self {
            Self::Upsert(entry) => Some(&entry.source_id),
            Self::Kept(entry) => Some(&entry.source_id),
            Self::Delete(_) | Self::Present(_) | Self::Listed(..) | Self::Excluded(_) => None,
        }
    }
}
