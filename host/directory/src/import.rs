//! An import: what is asked for, what comes page by page, and what its end means.

use std::collections::BTreeSet;

use provisor_model::{AttributeName, Dn, SourceId, Value, ValueChange};

pub use provisor_model::ImportItem;

use crate::active_directory::ActiveDirectoryImport;
use crate::error::DirectoryError;
use crate::ldap::OpenLdapImport;
use crate::ldif::LdifImport;
use crate::watermark::{Known, Watermark};

/// The most items that one page holds.
pub(crate) const PAGE_ITEMS: usize = 1000;

/// How much a page holds before it is given out early, in octets of values.
pub(crate) const PAGE_OCTETS: usize = 8 * 1024 * 1024;

/// What a value costs in memory beside its octets, about: many empty ones are much as well.
const VALUE_COST: usize = 64;

/// What so many values count for towards [`PAGE_OCTETS`], beside their octets.
pub(crate) fn cost_of_values(count: usize) -> usize {
    count * VALUE_COST
}

/// What these values count for towards [`PAGE_OCTETS`], by the octets of each.
pub(crate) fn page_octets(values: impl Iterator<Item = usize>) -> usize {
    values.map(|octets| octets + VALUE_COST).sum()
}

/// What an item counts for towards [`PAGE_OCTETS`].
pub(crate) fn item_octets(item: &ImportItem) -> usize {
    match item {
        ImportItem::Upsert(entry) => {
            page_octets(entry.attributes.iter().flat_map(|(_, values)| values).map(|value| value.octets().len()))
        }
        ImportItem::Kept(entry) => entry.attributes.octets().len(),
        ImportItem::Changed(change) => {
            let values = change.attributes.iter().flat_map(|(_, change)| match change {
                ValueChange::Replaced(all) => all.iter().chain(&[]),
                ValueChange::Edited { added, removed } => added.iter().chain(removed),
            });
            page_octets(values.map(|value| value.octets().len()))
        }
        _ => 0,
    }
}

/// What to import.
#[derive(Clone, Debug)]
pub struct ImportRequest {
    /// The attributes that rules and the host read. Neither `*` nor a password may be among them.
    pub attributes: BTreeSet<AttributeName>,
    /// Where the last completed import ended; none to read everything.
    pub watermark: Option<Watermark>,
    /// What the last completed import found out, also where its watermark was given up.
    pub known: Option<Known>,
}

/// Which object to read.
#[derive(Clone, Debug)]
pub enum ObjectQuery {
    /// The object of this name.
    Dn(Dn),
    /// The object that the change feed calls so.
    SourceId(SourceId),
    /// The objects with this value, at most ten.
    Attribute {
        /// The attribute.
        name: AttributeName,
        /// The value it has.
        value: Value,
    },
}

/// The most objects that a query answers with.
pub(crate) const QUERY_OBJECTS: usize = 10;

/// How an import reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportKind {
    /// Everything.
    Full,
    /// What changed since the watermark.
    Incremental,
}

/// What a completed import means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Where the next import goes on.
    pub watermark: Watermark,
    /// What to hand to every import and query from now on; none where there is nothing to know.
    pub known: Option<Known>,
    /// Whether what this import did not name, as an upsert or as present, is gone from the source.
    pub absent_is_deleted: bool,
}

/// A running import. Pages are pulled; nothing is read ahead but one page.
#[derive(Debug)]
pub struct Import(Feed);

#[derive(Debug)]
enum Feed {
    ActiveDirectory(Box<ActiveDirectoryImport>),
    OpenLdap(Box<OpenLdapImport>),
    Ldif(Box<LdifImport>),
}

impl Import {
    pub(crate) fn from_active_directory(import: ActiveDirectoryImport) -> Self {
        Self(Feed::ActiveDirectory(Box::new(import)))
    }

    pub(crate) fn from_openldap(import: OpenLdapImport) -> Self {
        Self(Feed::OpenLdap(Box::new(import)))
    }

    pub(crate) fn from_ldif(import: LdifImport) -> Self {
        Self(Feed::Ldif(Box::new(import)))
    }

    /// What is really done: an increment that was asked for may have become a full import.
    pub fn kind(&self) -> ImportKind {
        match &self.0 {
            Feed::ActiveDirectory(import) => import.kind(),
            Feed::OpenLdap(import) => import.kind(),
            Feed::Ldif(import) => import.kind(),
        }
    }

    /// Whether entries come in parts, so that what is stored of an import that broke off is no increment's beginning: the
    /// watermark before it does not serve any more.
    pub fn comes_in_parts(&self) -> bool {
        matches!(self.0, Feed::ActiveDirectory(_))
    }

    /// The next items, at most 1,000 and at least one; none when the feed has ended as it should.
    ///
    /// # Errors
    /// When the feed breaks off or brings what is not right. The import is then over, and nothing follows from it.
    pub async fn next_page(&mut self) -> Result<Option<Vec<ImportItem>>, DirectoryError> {
        match &mut self.0 {
            Feed::ActiveDirectory(import) => import.next_page().await,
            Feed::OpenLdap(import) => import.next_page().await,
            Feed::Ldif(import) => import.next_page().await,
        }
    }

    /// Whether what the import has not named may be there all the same, so that it is to be asked after with
    /// [`Self::still_there`] before it counts as deleted. Once [`Self::next_page`] has given none.
    pub fn doubts_absence(&self) -> bool {
        match &self.0 {
            Feed::ActiveDirectory(import) => import.doubts_absence(),
            Feed::OpenLdap(import) => import.doubts_absence(),
            Feed::Ldif(_) => false,
        }
    }

    /// Which of these objects the source still has: [`ImportItem::Present`] where the source is configured to read
    /// it, otherwise [`ImportItem::Excluded`].
    ///
    /// # Errors
    /// When the source cannot be asked.
    pub async fn still_there(&mut self, ids: &[SourceId]) -> Result<Vec<ImportItem>, DirectoryError> {
        match &mut self.0 {
            Feed::ActiveDirectory(import) => import.still_there(ids).await,
            Feed::OpenLdap(import) => import.still_there(ids).await,
            Feed::Ldif(_) => Ok(Vec::new()),
        }
    }

    /// These objects as they stand, whole, where changes were told of objects that the store does not know; one that is not
    /// there is deleted. Where it gives none, everything must be read again.
    ///
    /// # Errors
    /// When the source cannot be asked.
    pub async fn whole(&mut self, ids: &[SourceId]) -> Result<Vec<ImportItem>, DirectoryError> {
        match &mut self.0 {
            Feed::ActiveDirectory(import) => import.whole(ids).await,
            Feed::OpenLdap(_) | Feed::Ldif(_) => Ok(Vec::new()),
        }
    }

    /// What follows from the import, once [`Self::next_page`] has given none.
    ///
    /// # Errors
    /// When the feed was not read to its end.
    pub fn finish(self) -> Result<Completion, DirectoryError> {
        match self.0 {
            Feed::ActiveDirectory(import) => import.finish(),
            Feed::OpenLdap(import) => import.finish(),
            Feed::Ldif(import) => import.finish(),
        }
    }
}
