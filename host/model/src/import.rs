//! What a change feed delivers, one object at a time.

use crate::{Entry, SourceId};

/// One object of a change feed. The same object may come more than once; what comes later counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportItem {
    /// The entry as it now stands, whether new, changed or merely listed. It is whole: an attribute that is missing is
    /// gone.
    Upsert(Entry),
    /// The entry was deleted.
    Delete(SourceId),
    /// The entry is still there and has not changed. Where the store does not know it, the watermark was not this
    /// store's, and everything must be read again.
    Present(SourceId),
}
