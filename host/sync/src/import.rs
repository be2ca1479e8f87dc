//! Step one: the change feed into the connector space.

use std::sync::Arc;

use provisor_directory::{ActiveDirectoryOptions, Directory, Import, ImportKind, ImportRequest, Known, Watermark};
use provisor_model::{AttributeName, ImportItem, Schema, SourceId};
use provisor_rules::Chain;
use provisor_space::{ImportEnd, MetaKey, Page, PageCounts, Preparation};
use tokio::task::JoinHandle;

use crate::configuration::Source;
use crate::reads::{Reads, reads, unknown};
use crate::report::{CycleKind, ImportCounts};
use crate::store::Store;
use crate::watch::{CycleWatch, Step};
use crate::{Configuration, SyncError};

/// What an import came to.
pub(crate) struct Imported {
    pub kind: CycleKind,
    pub counts: ImportCounts,
}

/// Imports what changed, or everything.
///
/// # Errors
/// When the source cannot be read as a whole; then nothing follows from what was read.
pub(crate) async fn import(
    store: &Store,
    configuration: &Configuration,
    chain: &Chain,
    initial: bool,
    watch: &CycleWatch,
) -> Result<Imported, SyncError> {
    let directory = configuration.directory()?;
    let schema = directory.schema().await?;
    check_reads(configuration, chain, &schema)?;
    check_anchor(configuration, &schema)?;
    let identity = configuration.source_identity().into_bytes();
    let (watermark, known) = {
        let identity = identity.clone();
        store
            .with(move |space| {
                let same = space.fact(MetaKey::Source)?.is_none_or(|known| known == identity);
                let watermark = space.fact(MetaKey::Watermark)?.filter(|_| same && !initial);
                // Also where everything is read: a server that lags behind must not delete what it has yet to learn.
                let known = space.fact(MetaKey::Known)?.map(Known::from_octets);
                Ok((watermark.map(Watermark::from_octets), known))
            })
            .await?
    };
    let incremental = watermark.is_some();
    let reads = Arc::new(reads(configuration, chain, &schema));
    let imported = attempt(store, &directory, &reads, &schema, (watermark, known.clone()), watch).await;
    match given_up(store, imported).await {
        Ok(Some(imported)) => finish(store, imported, identity).await,
        // The watermark was not this store's, or the server has lost track of it.
        Ok(None) => again(store, &directory, &reads, &schema, known, watch, identity).await,
        Err(SyncError::Directory(error)) if incremental && error.needs_full_import() => {
            tracing::warn!(configuration = configuration.name, %error, "Everything is read once.");
            again(store, &directory, &reads, &schema, known, watch, identity).await
        }
        Err(error) => Err(error),
    }
}

async fn again(
    store: &Store,
    directory: &Directory,
    reads: &Arc<Reads>,
    schema: &Schema,
    known: Option<Known>,
    watch: &CycleWatch,
    identity: Vec<u8>,
) -> Result<Imported, SyncError> {
    let imported = attempt(store, directory, reads, schema, (None, known), watch).await;
    match given_up(store, imported).await? {
        Some(imported) => finish(store, imported, identity).await,
        None => Err(SyncError::Internal("a full import spoke of entries that it did not bring".into())),
    }
}

async fn finish(store: &Store, imported: Imported, identity: Vec<u8>) -> Result<Imported, SyncError> {
    store.with(move |space| Ok(space.set_fact(MetaKey::Source, Some(&identity))?)).await?;
    Ok(imported)
}

/// Gives the import up in the space too, where it came to nothing.
async fn given_up(store: &Store, imported: Result<Option<Imported>, SyncError>) -> Result<Option<Imported>, SyncError> {
    if !matches!(imported, Ok(Some(_))) {
        store
            .with(|space| {
                space.abandon_import();
                Ok(())
            })
            .await?;
    }
    imported
}

/// A rule that reads an attribute which the directory does not have would see it as absent everywhere, and take it
/// from every resource.
fn check_reads(configuration: &Configuration, chain: &Chain, schema: &Schema) -> Result<(), SyncError> {
    if matches!(configuration.source, Source::Ldif(_)) {
        // A file has no schema of its own: any attribute may be in it.
        return Ok(());
    }
    match unknown(configuration, chain, schema).into_iter().next() {
        None => Ok(()),
        Some(name) => Err(SyncError::Settings(format!(
            "{}: the rules, or a cross-reference, read the attribute \"{name}\", which the directory's schema does not have. Nothing was changed at \
             the target. Correct the name in the rule's config, or switch off the field that it is for",
            configuration.file.display()
        ))),
    }
}

/// With an anchor that the directory does not have, every entry would be known by its source id, and sent as another one.
fn check_anchor(configuration: &Configuration, schema: &Schema) -> Result<(), SyncError> {
    match unknown_anchor(&configuration.source, schema) {
        None => Ok(()),
        Some(name) => Err(SyncError::Settings(format!(
            "{}: source.anchor is \"{name}\", which the directory's schema does not have. Nothing was changed at the target. \
             Correct the name",
            configuration.file.display()
        ))),
    }
}

/// The configured anchor, where the directory's schema does not have it. A file has no schema of its own; the usual anchor of
/// Active Directory may be missing in an old one, where objectGUID does for it.
pub(crate) fn unknown_anchor<'a>(source: &'a Source, schema: &Schema) -> Option<&'a AttributeName> {
    let usual = match source {
        Source::Ldif(_) => return None,
        Source::OpenLdap(_) => None,
        Source::ActiveDirectory(_) => ActiveDirectoryOptions::object().anchor_attribute,
    };
    let anchor = source.identity().anchor.as_ref();
    anchor.filter(|anchor| usual.as_ref() != Some(*anchor) && !schema.knows(anchor))
}

/// One attempt; none where it turned out that everything must be read.
async fn attempt(
    store: &Store,
    directory: &Directory,
    reads: &Arc<Reads>,
    schema: &Schema,
    (watermark, known): (Option<Watermark>, Option<Known>),
    watch: &CycleWatch,
) -> Result<Option<Imported>, SyncError> {
    let mut import = directory.import(ImportRequest { attributes: reads.attributes.clone(), watermark, known }).await?;
    let kind = import.kind();
    let given = Arc::clone(reads);
    let shared = Arc::new(schema.clone());
    let preparation = store
        .with(move |space| {
            space.abandon_import();
            space.adopt_references_by(&given.references_by)?;
            space.adopt_memberships(&given.memberships)?;
            space.begin_import()?;
            Ok(Arc::new(space.preparation(shared)))
        })
        .await?;
    // Not before something has come: who cannot be asked at all leaves everything as it is.
    let first = import.next_page().await?;
    if first.is_some() && import.comes_in_parts() {
        store.with(|space| Ok(space.set_fact(MetaKey::Watermark, None)?)).await?;
    }
    let mut counts = read_pages(store, &mut import, first, &preparation, watch).await?;
    counts += complete_changed(store, &mut import, &preparation, watch).await?;
    if counts.unknown > 0 || store.with(|space| Ok(space.settle_listed()?)).await? > 0 {
        return Ok(None);
    }
    if import.doubts_absence() {
        counts += verify_absent(store, &mut import, &preparation, watch).await?;
    }
    let completion = import.finish()?;
    if kind == ImportKind::Full && completion.absent_is_deleted && counts.read == 0 {
        return Err(SyncError::Safety(
            "the source returned no entries at all. Nothing was taken for deleted, and nothing was changed at the target. Check \
             the base, the filter and the rights of the account, or the file"
                .into(),
        ));
    }
    let (schema, reads) = (schema.clone(), Arc::clone(reads));
    let gone = store
        .with(move |space| {
            let end = ImportEnd {
                watermark: completion.watermark.octets(),
                absent_is_deleted: completion.absent_is_deleted,
                reads: &reads.held,
            };
            space.atomically(|space| -> Result<u64, SyncError> {
                let stored = serde_json::to_vec(&schema).map_err(provisor_space::SpaceError::from)?;
                space.set_fact(MetaKey::Schema, Some(&stored))?;
                space.set_fact(MetaKey::Known, completion.known.as_ref().map(Known::octets))?;
                Ok(space.complete_import(&end)?)
            })
        })
        .await?;
    let kind = if kind == ImportKind::Full { CycleKind::Initial } else { CycleKind::Incremental };
    let counts = ImportCounts {
        read: counts.read,
        added: counts.added,
        changed: counts.changed,
        deleted: counts.deleted + gone,
        unchanged: counts.unchanged,
    };
    Ok(Some(Imported { kind, counts }))
}

/// How many objects are read whole at once.
const COMPLETED: usize = 500;

/// Reads the objects whole of which only changes came, though the store does not know them.
async fn complete_changed(
    store: &Store,
    import: &mut Import,
    preparation: &Preparation,
    watch: &CycleWatch,
) -> Result<PageCounts, SyncError> {
    let mut counts = PageCounts::default();
    loop {
        if watch.stopping() {
            return Err(SyncError::Interrupted);
        }
        let ids = store.with(|space| Ok(space.take_incomplete(COMPLETED)?)).await?;
        if ids.is_empty() {
            return Ok(counts);
        }
        let page = preparation.page(import.whole(&ids).await?)?;
        let taken = store.with(move |space| Ok(space.store_page(&page)?)).await?;
        counts += PageCounts { read: 0, ..taken };
    }
}

/// How many entries are asked after at once.
const VERIFIED: usize = 500;

/// Asks the source after the entries that the import has not named: what only left the filter, or was on its way from
/// one base to another, was not deleted.
async fn verify_absent(
    store: &Store,
    import: &mut Import,
    preparation: &Preparation,
    watch: &CycleWatch,
) -> Result<PageCounts, SyncError> {
    let mut counts = PageCounts::default();
    let mut after: Option<SourceId> = None;
    loop {
        if watch.stopping() {
            return Err(SyncError::Interrupted);
        }
        let from = after.clone();
        let unseen = store.with(move |space| Ok(space.unseen(from.as_ref(), VERIFIED)?)).await?;
        let Some(last) = unseen.last() else { return Ok(counts) };
        after = Some(last.clone());
        let found = import.still_there(&unseen).await?;
        let page = preparation.page(found)?;
        let taken = store.with(move |space| Ok(space.store_page(&page)?)).await?;
        counts += PageCounts { read: 0, unknown: 0, ..taken };
    }
}

async fn read_pages(
    store: &Store,
    import: &mut Import,
    mut first: Option<Vec<ImportItem>>,
    preparation: &Arc<Preparation>,
    watch: &CycleWatch,
) -> Result<PageCounts, SyncError> {
    let mut pages = Pages { store, preparing: None, storing: None, counts: PageCounts::default() };
    loop {
        if watch.stopping() {
            // What is given up is not to be stored behind.
            pages.drain().await?;
            return Err(SyncError::Interrupted);
        }
        // While this page is read, the last one is made ready, and the one before it stored.
        let next = match first.take() {
            Some(first) => Ok(Some(first)),
            None => import.next_page().await,
        };
        let items = match next {
            Ok(Some(items)) => items,
            ended => {
                let counts = pages.drain().await?;
                watch.report(Step::Import, counts.read, None);
                return ended.map(|_| counts).map_err(SyncError::from);
            }
        };
        let preparation = Arc::clone(preparation);
        let prepared = tokio::task::spawn_blocking(move || Ok(preparation.page(items)?));
        pages.push(prepared).await?;
        watch.report(Step::Import, pages.counts.read, None);
    }
}

/// Pages on their way into the store, in their order: one is made ready, one is stored.
struct Pages<'a> {
    store: &'a Store,
    preparing: Option<JoinHandle<Result<Page, SyncError>>>,
    storing: Option<JoinHandle<Result<PageCounts, SyncError>>>,
    counts: PageCounts,
}

impl Pages<'_> {
    /// Takes the next one that is being made ready, once the one before it can be stored.
    async fn push(&mut self, next: JoinHandle<Result<Page, SyncError>>) -> Result<(), SyncError> {
        let before = self.preparing.replace(next);
        self.advance(before).await
    }

    /// Waits until all are stored, and tells what came of them.
    async fn drain(&mut self) -> Result<PageCounts, SyncError> {
        let last = self.preparing.take();
        self.advance(last).await?;
        self.advance(None).await?;
        Ok(self.counts)
    }

    /// Waits for the page that is being stored, and has the next one stored.
    async fn advance(&mut self, next: Option<JoinHandle<Result<Page, SyncError>>>) -> Result<(), SyncError> {
        let next = joined(next).await;
        if let Some(stored) = joined(self.storing.take()).await? {
            self.counts += stored;
        }
        if let Some(page) = next? {
            let store = self.store.clone();
            self.storing =
                Some(tokio::spawn(async move { store.with(move |space| Ok(space.store_page(&page)?)).await }));
        }
        Ok(())
    }
}

/// What a task came to, where there is one.
async fn joined<T>(task: Option<JoinHandle<Result<T, SyncError>>>) -> Result<Option<T>, SyncError> {
    let Some(task) = task else { return Ok(None) };
    task.await.map_err(|error| SyncError::Internal(error.to_string()))?.map(Some)
}

#[cfg(test)]
mod tests {
    use provisor_model::AttributeSyntax;

    use super::*;

    /// A source of this kind, where entries are known by this attribute.
    fn source(kind: &str, anchor: &str) -> Source {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("corp.toml");
        let place = if kind == "ldif" {
            "file = \"people.ldif\""
        } else {
            "url = \"ldaps://dc1.corp.example\"\nbase = \"dc=corp,dc=example\"\nbind-dn = \"cn=sync,dc=corp,dc=example\"\n\
             password = { env = \"PASSWORD\" }"
        };
        let text = format!(
            "[source]\nkind = \"{kind}\"\n{place}\n{anchor}\n[target]\nkind = \"scim\"\nurl = \"http://127.0.0.1:1/v2\"\n\
             [[rules]]\nplugin = \"people\"\n"
        );
        std::fs::write(&file, text).unwrap();
        Configuration::read(&file).unwrap().source
    }

    #[test]
    fn an_anchor_that_the_schema_does_not_have_is_found() {
        let mut schema = Schema::default();
        schema.set(AttributeName::from("employeeID"), AttributeSyntax::Text);
        for kind in ["active-directory", "openldap", "ldap"] {
            let unknown = |anchor: &str| unknown_anchor(&source(kind, anchor), &schema).map(ToString::to_string);
            assert_eq!(unknown("anchor = \"employeeIDx\"").as_deref(), Some("employeeIDx"), "{kind}");
            assert_eq!(unknown("anchor = \"EmployeeId\""), None, "{kind}");
            assert_eq!(unknown(""), None, "{kind}: the usual one stands back for the source id");
        }
        assert_eq!(unknown_anchor(&source("ldif", "anchor = \"employeeIDx\""), &schema), None, "a file has no schema");
    }
}
