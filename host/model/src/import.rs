//! What a change feed delivers, one object at a time.

use crate::{Entry, SourceId};

/// One object of a change feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportItem {
    /// The entry as it now stands, whether new, changed or merely listed.
    Upsert(Entry),
    /// The entry was deleted.
    Delete(SourceId),
    /// The entry is still there and has not changed.
    Present(SourceId),
}
