//! References last: what waited for a resource that is there by now is sent, without its entry having changed.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _};
use provisor_model::{AttributeChange, Change, OperationKind, ResourceId, SourceId, TargetPath, TargetValue};
use provisor_space::{EntryHead, EntryKey, Link, Space, StoredEntry, Waiting};
use provisor_target::{ScimTarget, TargetError, Update, Updated};

use crate::context::{Context, Tally};
use crate::export::retry_after;
use crate::record::{self, Record, retry_words, shown};
use crate::request::{present_in, sent_in};
use crate::store::Store;
use crate::watch::Step;
use crate::{SyncError, clock};

/// How many resources are in memory at once.
const PAGE: usize = 200;

/// How many references are in memory at once, but for those of one resource.
const MOST_REFERENCES: usize = 50_000;

/// One resource whose waiting references can be sent.
struct Settling {
    stored: StoredEntry,
    link: Link,
    settled: Vec<Waiting>,
    changes: Vec<AttributeChange<ResourceId>>,
    /// The same changes by source ids, for the log.
    shown: Vec<AttributeChange<SourceId>>,
}

/// What came of one resource's references.
type Answered = (Settling, Result<Updated, TargetError>);

/// Sends all references that can be sent by now. While those of one page are under way, the results of the page before are
/// stored, and with them the intents of the page that follows.
pub(crate) async fn settle_references(
    store: &Store,
    target: &ScimTarget,
    context: &Context,
) -> Result<Tally, SyncError> {
    let concurrency = target.in_flight().max(1);
    let mut tally = Tally::default();
    let mut next = store.with(|space| page(space, None)).await?;
    let (mut back, mut done, mut fatal) = (Vec::new(), 0, None);
    while fatal.is_none() && !context.watch.stopping() {
        let Some(last) = next.last().map(|settling| settling.stored.key) else { break };
        done += next.len() as u64;
        context.watch.report(Step::References, done, None);
        let (given, results) = (context.clone(), std::mem::take(&mut back));
        let turn = store
            .with(move |space| space.atomically(|space| Ok((keep(space, &given, results)?, page(space, Some(last))?))));
        let (answered, turn) = tokio::join!(sent(target, next, concurrency), turn);
        let (kept, following) = turn?;
        tally.merge(kept);
        let mut replies = answered.iter().filter_map(|(_, reply)| reply.as_ref().err());
        fatal = replies.find(|error| error.concerns_whole_target()).cloned();
        (back, next) = (answered, following);
    }
    if !back.is_empty() || !next.is_empty() {
        let given = context.clone();
        let kept = store.with(move |space| {
            space.atomically(|space| {
                // Their requests have not gone out.
                for unsent in next.iter().filter(|settling| !settling.stored.uncertain) {
                    space.clear_intent(unsent.stored.key)?;
                }
                keep(space, &given, back)
            })
        });
        tally.merge(kept.await?);
    }
    fatal.map_or(Ok(tally), |error| Err(error.into()))
}

/// Sends the references of some resources, side by side.
async fn sent(target: &ScimTarget, page: Vec<Settling>, concurrency: usize) -> Vec<Answered> {
    stream::iter(page)
        .map(|settling| async move {
            let present = present_in(&settling.link.exported);
            let update = Update {
                kind: &settling.link.kind,
                id: &settling.link.resource_id,
                present: &present,
                changes: &settling.changes,
            };
            let reply = target.update(&update).await;
            (settling, reply)
        })
        .buffer_unordered(concurrency)
        .collect()
        .await
}

/// The next resources; their intents are stored with them.
fn page(space: &mut Space, after: Option<EntryKey>) -> Result<Vec<Settling>, SyncError> {
    space.atomically(|space| {
        let (mut page, mut references) = (Vec::new(), 0);
        for key in space.settleable(after, PAGE)? {
            let (Some(stored), Some(link)) = (space.entry(key)?, space.link(key)?) else { continue };
            references += exported_references(&link);
            let mut by_path: BTreeMap<TargetPath, Vec<(Waiting, SourceId, ResourceId)>> = BTreeMap::new();
            for found in space.settled_references(key)? {
                by_path.entry(found.0.path.clone()).or_default().push(found);
            }
            let (mut settled, mut changes, mut shown) = (Vec::new(), Vec::new(), Vec::new());
            for (path, found) in by_path {
                let (change, own) = change_of(&found);
                changes.push(AttributeChange { path: path.clone(), old: None, change });
                shown.push(AttributeChange { path, old: None, change: own });
                settled.extend(found.into_iter().map(|(waiting, _, _)| waiting));
            }
            space.set_intent(key, OperationKind::Update, clock::milliseconds())?;
            space.note_sent(key, sent_in(&shown))?;
            references += settled.len();
            page.push(Settling { stored, link, settled, changes, shown });
            if references > MOST_REFERENCES {
                break;
            }
        }
        Ok(page)
    })
}

fn exported_references(link: &Link) -> usize {
    let count = |value: &TargetValue<SourceId>| if let TargetValue::References(ids) = value { ids.len() } else { 0 };
    link.exported.values().map(count).sum()
}

fn change_of(found: &[(Waiting, SourceId, ResourceId)]) -> (Change<ResourceId>, Change<SourceId>) {
    match found {
        [(waiting, source, resource)] if waiting.single => {
            (Change::Set(TargetValue::Reference(resource.clone())), Change::Set(TargetValue::Reference(source.clone())))
        }
        _ => (
            Change::References { add: found.iter().map(|found| found.2.clone()).collect(), remove: Default::default() },
            Change::References { add: found.iter().map(|found| found.1.clone()).collect(), remove: Default::default() },
        ),
    }
}

fn keep(space: &mut Space, context: &Context, results: Vec<Answered>) -> Result<Tally, SyncError> {
    let nobody = BTreeMap::new();
    space.atomically(|space| {
        let mut tally = Tally::default();
        for (settling, reply) in results {
            let key = settling.stored.key;
            let error = match reply {
                Ok(Updated { unfinished: None, .. }) => None,
                Ok(Updated { unfinished: Some(error), .. }) => Some((error, true)),
                Err(error) => {
                    let unknown = error.outcome_unknown();
                    Some((error, unknown))
                }
            };
            let mut steps = vec![("export", "References were sent whose objects have a resource by now.".to_owned())];
            match &error {
                None => {
                    keep_settled(space, &settling)?;
                    *tally.operations.entry("references".to_owned()).or_default() += 1;
                }
                Some((error, unknown)) => {
                    if !unknown && !settling.stored.uncertain {
                        space.clear_intent(key)?;
                    }
                    let next = space.set_escrow(key, &error.to_string(), context.now, retry_after(error))?;
                    steps.push(("retry", retry_words(next, context.now)));
                    let entry = &settling.stored.entry;
                    tally.fail(entry.dn.to_string(), entry.source_id.to_string(), &error.to_string());
                }
            }
            let record = Record {
                operation: "references",
                status: if error.is_none() { "success" } else { "failure" },
                kind: Some(&settling.link.kind),
                resource_id: Some(settling.link.resource_id.as_str()),
                steps,
                changes: shown(&settling.shown, &nobody),
                reason: None,
                error: error.map(|(error, _)| error.to_string()),
            };
            record::put(space, context, &EntryHead::from(&settling.stored), record)?;
        }
        Ok(tally)
    })
}

fn keep_settled(space: &mut Space, settling: &Settling) -> Result<(), SyncError> {
    let key = settling.stored.key;
    let mut link = settling.link.clone();
    for change in &settling.shown {
        match &change.change {
            Change::Set(value) => {
                link.exported.insert(change.path.clone(), value.clone());
            }
            Change::References { add, .. } => {
                let value = link
                    .exported
                    .entry(change.path.clone())
                    .or_insert_with(|| TargetValue::References(Default::default()));
                if let TargetValue::References(ids) = value {
                    ids.extend(add.iter().cloned());
                }
            }
            Change::Remove => {}
        }
    }
    space.set_link(key, &link)?;
    for waiting in &settling.settled {
        space.remove_waiting(key, waiting)?;
    }
    // What an earlier request of unknown outcome did is still to be read.
    if !settling.stored.uncertain {
        space.clear_intent(key)?;
    }
    Ok(())
}
