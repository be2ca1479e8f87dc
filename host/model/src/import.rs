//! What a change feed delivers, one object at a time.

use crate::{Anchor, AttributeName, Dn, Entry, KeptEntry, SourceId, Value};

/// One object of a change feed. The same object may come more than once; what comes later counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportItem {
    /// The entry as it now stands, whether new, changed or merely listed. It is whole: an attribute that is missing is
    /// gone.
    Upsert(Entry),
    /// The same, in the form in which it is kept: what many entries come as.
    Kept(KeptEntry),
    /// What changed of an entry; all else is as it was. Where the store does not know the entry, or knows it as gone, it
    /// has to be read whole.
    Changed(EntryChange),
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

/// What a change feed tells of an entry that is known already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryChange {
    /// What the change feed calls it.
    pub source_id: SourceId,
    /// Where it stands now; none where it has not moved.
    pub dn: Option<Dn>,
    /// What the target knows it by now; none where that has not changed.
    pub anchor: Option<Anchor>,
    /// Its object class by now; none where that has not changed.
    pub object_class: Option<String>,
    /// The attributes that changed, each once.
    pub attributes: Vec<(AttributeName, ValueChange)>,
}

/// What became of the values of one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueChange {
    /// These are all of them now; none means that the attribute is gone.
    Replaced(Vec<Value>),
    /// Some came and some went; the others are as they were. To add what is there, or to remove what is not, changes
    /// nothing.
    Edited {
        /// Those that came.
        added: Vec<Value>,
        /// Those that went.
        removed: Vec<Value>,
    },
}

impl ImportItem {
    /// Whose entry it brings, where it brings one.
    pub fn brings(&self) -> Option<&SourceId> {
        match self {
            Self::Upsert(entry) => Some(&entry.source_id),
            Self::Kept(entry) => Some(&entry.source_id),
            Self::Changed(change) => Some(&change.source_id),
            Self::Delete(_) | Self::Present(_) | Self::Listed(..) | Self::Excluded(_) => None,
        }
    }
}
