//! Listing the target once, where that is cheaper than a query for each object.

use provisor_model::{TargetPath, fold_case};
use provisor_space::{RemoteRow, Space};
use provisor_target::{RemoteResource, ScimTarget, TargetError};

use crate::SyncError;
use crate::context::Context;
use crate::store::Store;
use crate::watch::Step;

/// How often a listing is begun anew because others wrote while it was read.
const MOST_LISTINGS: usize = 3;

/// Lists the target where that is cheaper than a query for each of `count` objects, or the only way (`must_list`).
/// Returns whether it was listed.
pub(super) async fn list(
    store: &Store,
    target: &ScimTarget,
    context: &Context,
    kind: &str,
    count: u64,
    must_list: bool,
) -> Result<bool, SyncError> {
    let mut listing = target.list(kind).without_members();
    let mut tried = 1;
    let paths: Vec<TargetPath> = match_paths(context, kind);
    let mut listed = 0;
    let mut pages: u64 = 0;
    loop {
        let page = match listing.next_page().await {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(true),
            // Somebody else wrote in the meantime: what was listed is not to be relied on, so each object is queried.
            Err(TargetError::ListingIncomplete { .. }) if !must_list || tried < MOST_LISTINGS => {
                store.with(|space| Ok(space.clear_remote()?)).await?;
                if !must_list {
                    return Ok(false);
                }
                tried += 1;
                (listing, listed, pages) = (target.list(kind).without_members(), 0, 0);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        pages += 1;
        listed += page.len() as u64;
        if !must_list && !page.is_empty() {
            let all = listing.total().map_or(0, |total| (total as u64).div_ceil(page.len() as u64));
            // Where nobody says how many there are, it shows only as the pages come.
            if (pages == 1 && all > count) || (listing.total().is_none() && pages > count) {
                store.with(|space| Ok(space.clear_remote()?)).await?;
                return Ok(false);
            }
        }
        if context.watch.stopping() {
            return Err(SyncError::Interrupted);
        }
        context.watch.report(Step::Match, listed, listing.total().map(|total| total as u64));
        let (kind, paths, external_id) = (kind.to_owned(), paths.clone(), context.paths.external_id.clone());
        store.with(move |space| keep_listed(space, &kind, &paths, &external_id, page)).await?;
    }
}

fn keep_listed(
    space: &mut Space,
    kind: &str,
    paths: &[TargetPath],
    external_id: &TargetPath,
    page: Vec<RemoteResource>,
) -> Result<(), SyncError> {
    space.atomically(|space| {
        for resource in page {
            let of = |path: &TargetPath| -> Vec<(String, String)> {
                let name = path.as_str().to_ascii_lowercase();
                let texts = resource.texts(path).into_iter();
                texts.map(|text| (name.clone(), comparable(path, external_id, &text))).collect()
            };
            let values: Vec<(String, String)> = paths.iter().flat_map(of).collect();
            let row = RemoteRow {
                resource_id: resource.id.clone(),
                external_id: resource.external_id.clone(),
                document: resource.document.to_string(),
            };
            space.add_remote(kind, &row, &values)?;
        }
        Ok(())
    })
}

/// Anchors are compared exactly, names without regard to case.
pub(super) fn comparable(path: &TargetPath, external_id: &TargetPath, text: &str) -> String {
    if path == external_id { text.to_owned() } else { fold_case(text) }
}

/// The attributes by which resources of this kind may be matched.
fn match_paths(context: &Context, kind: &str) -> Vec<TargetPath> {
    let mut paths = vec![context.paths.external_id.clone()];
    for (class, listed) in &context.configuration.matching {
        if context.chain.kind_of(class) == Some(kind) {
            paths.extend(listed.iter().filter(|path| **path != context.paths.external_id).cloned());
        }
    }
    paths
}
