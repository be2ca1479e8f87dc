//! An import from an LDIF file: nothing where its digest is the same, and otherwise all of it.

use std::fmt;

use super::source::Source;
use super::{Ldif, blocking};
use crate::error::DirectoryError;
use crate::import::{Completion, ImportItem, ImportKind, ImportRequest, PAGE_ITEMS, PAGE_OCTETS, item_octets};
use crate::watermark::Position;

/// A running import.
pub(crate) struct LdifImport {
    ldif: Ldif,
    kind: ImportKind,
    position: Position,
    stage: Stage,
}

enum Stage {
    Reading(Box<Source>),
    /// An error, or a page that is still being read, after which nothing may follow.
    Broken,
    Ended,
}

impl LdifImport {
    /// Digests the file and finds out whether it changed.
    pub async fn begin(ldif: Ldif, request: ImportRequest) -> Result<Self, DirectoryError> {
        let fingerprint = ldif.fingerprint();
        let last = Position::<String>::resume(request.watermark.as_ref(), &fingerprint, &request.attributes);
        blocking(move || {
            let source = Source::open(&ldif, &request.attributes)?;
            let unchanged = last.as_deref() == Some(source.digest());
            let position = Position::new(fingerprint, &request.attributes, Some(source.digest().to_owned()));
            let (kind, stage) = if unchanged {
                (ImportKind::Incremental, Stage::Ended)
            } else {
                (ImportKind::Full, Stage::Reading(Box::new(source)))
            };
            Ok(Self { ldif, kind, position, stage })
        })
        .await
    }

    pub fn kind(&self) -> ImportKind {
        self.kind
    }

    pub async fn next_page(&mut self) -> Result<Option<Vec<ImportItem>>, DirectoryError> {
        let mut source = match std::mem::replace(&mut self.stage, Stage::Broken) {
            Stage::Reading(source) => source,
            Stage::Ended => {
                self.stage = Stage::Ended;
                return Ok(None);
            }
            Stage::Broken => return Err(self.broken()),
        };
        let (source, page) = blocking(move || {
            let (mut page, mut octets) = (Vec::new(), 0);
            while page.len() < PAGE_ITEMS && octets < PAGE_OCTETS {
                let Some(entry) = source.next()? else { return Ok((None, page)) };
                let item = ImportItem::Upsert(entry);
                octets += item_octets(&item);
                page.push(item);
            }
            Ok((Some(source), page))
        })
        .await?;
        self.stage = source.map_or(Stage::Ended, Stage::Reading);
        Ok(if page.is_empty() { None } else { Some(page) })
    }

    pub fn finish(self) -> Result<Completion, DirectoryError> {
        match self.stage {
            Stage::Ended => Ok(Completion {
                known: None,
                watermark: self.position.to_watermark(),
                absent_is_deleted: self.kind == ImportKind::Full,
            }),
            Stage::Reading(_) | Stage::Broken => Err(self.broken()),
        }
    }

    fn broken(&self) -> DirectoryError {
        DirectoryError::EndedEarly {
            url: self.ldif.options.file.display().to_string(),
            reason: "the import was not read to its end".into(),
            transient: true,
        }
    }
}

impl fmt::Debug for LdifImport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LdifImport").field("file", &self.ldif.options.file).field("kind", &self.kind).finish()
    }
}
