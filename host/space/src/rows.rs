//! Reading the columns that several tables share.

use provisor_model::{Anchor, Dn, Entry, SourceId};
use rusqlite::Row;
use serde::Serialize;

use crate::SpaceError;

/// How many octets of stored values are read at once: a page with large groups has fewer rows.
pub(crate) const PAGE_OCTETS: usize = 16 << 20;

/// A value as it is stored. Most take several hundred octets, and to grow there step by step costs more than to write them.
pub(crate) fn encoded<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, SpaceError> {
    Ok(postcard::to_extend(value, Vec::with_capacity(1024))?)
}

/// The size of a blob column; zero where it is null.
pub(crate) fn octets(row: &Row<'_>, column: usize) -> Result<usize, SpaceError> {
    Ok(row.get_ref(column)?.as_blob_or_null().map_err(rusqlite::Error::from)?.map_or(0, <[u8]>::len))
}

/// Whether an entry is in the source, as the column `gone` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is in the source.
    Present,
    /// It is no longer there.
    Gone,
    /// It is in the directory, but no longer among what is read.
    Excluded,
    /// It never was in the source: it stands for a resource of the target that no entry here has.
    Foreign,
}

impl Standing {
    pub fn from_column(number: i64) -> Self {
        match number {
            0 => Self::Present,
            2 => Self::Excluded,
            3 => Self::Foreign,
            _ => Self::Gone,
        }
    }

    pub fn to_column(self) -> i64 {
        match self {
            Self::Present => 0,
            Self::Gone => 1,
            Self::Excluded => 2,
            Self::Foreign => 3,
        }
    }
}

/// The columns of an entry, in the order in which [`entry`] reads them.
pub(crate) const ENTRY_COLUMNS: &str = "e.id, e.source_id, e.anchor, e.dn, e.object_class, e.attributes";

/// Reads [`ENTRY_COLUMNS`] from the first six columns.
pub(crate) fn entry(row: &Row<'_>) -> Result<Entry, SpaceError> {
    let dn: String = row.get(3)?;
    Ok(Entry {
        source_id: SourceId::from_storage(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?,
        anchor: Anchor::from_storage(row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?)?,
        dn: dn.parse::<Dn>().map_err(|error| SpaceError::Damaged(error.to_string()))?,
        object_class: row.get(4)?,
        attributes: postcard::from_bytes(row.get_ref(5)?.as_blob().map_err(rusqlite::Error::from)?)?,
    })
}
