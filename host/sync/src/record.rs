//! Records of the provisioning log: what was decided or done for an object, and why.

use std::collections::BTreeMap;
use std::fmt::Display;

use provisor_model::{AttributeChange, Change, Reason, TargetPath, TargetValue};
use provisor_space::{EntryHead, LogRow, Space, StoredEntry};
use serde::Serialize;

use crate::SyncError;
use crate::context::Context;
use crate::report::ShownChange;

/// The longest value that is kept in the log, in characters.
const SHOWN_VALUE: usize = 500;

/// What is put on record for one object.
pub(crate) struct Record<'a> {
    pub operation: &'a str,
    pub status: &'a str,
    pub kind: Option<&'a str>,
    pub resource_id: Option<&'a str>,
    pub steps: Vec<(&'a str, String)>,
    pub changes: Vec<ShownChange>,
    pub reason: Option<&'a Reason>,
    pub error: Option<String>,
}

/// Puts a decision on record that leads to no request.
pub(crate) fn decided(
    space: &mut Space,
    context: &Context,
    stored: &StoredEntry,
    status: &str,
    reason: &Reason,
) -> Result<(), SyncError> {
    let link = stored.link.as_ref();
    let record = Record {
        operation: "none",
        status,
        kind: link.map(|link| link.kind.as_str()),
        resource_id: link.map(|link| link.resource_id.as_str()),
        steps: vec![("scope", reason.detail.clone())],
        changes: Vec::new(),
        reason: Some(reason),
        error: None,
    };
    put(space, context, &EntryHead::from(stored), record)
}

/// Puts a record into the log.
pub(crate) fn put(
    space: &mut Space,
    context: &Context,
    head: &EntryHead,
    record: Record<'_>,
) -> Result<(), SyncError> {
    let row = row(context, head, record)?;
    Ok(space.add_log(head.key, &head.dn_key, &row)?)
}

/// The row of the log for a record. It takes no store, so it is made where there is time for it.
pub(crate) fn row(context: &Context, head: &EntryHead, record: Record<'_>) -> Result<LogRow, SyncError> {
    let now = crate::clock::milliseconds();
    let source_id = head.source_id.to_string();
    let document = Document {
        id: 0,
        cycle: context.cycle.0,
        time: now,
        operation: record.operation,
        status: record.status,
        dn: &head.dn,
        source_id: &source_id,
        anchor: head.anchor.to_string(),
        kind: record.kind,
        resource_id: record.resource_id,
        steps: record.steps.iter().map(|(step, detail)| Detailed { step, detail }).collect(),
        changes: &record.changes,
        reason: record.reason,
        error: record.error.as_deref(),
    };
    let text = serde_json::to_string(&document).map_err(provisor_space::SpaceError::from)?;
    Ok(LogRow {
        id: 0,
        cycle: context.cycle,
        time: now,
        operation: record.operation.to_owned(),
        status: record.status.to_owned(),
        dn: head.dn.clone(),
        source_id,
        resource_id: record.resource_id.map(str::to_owned),
        record: text,
    })
}

/// A [`LogRecord`](crate::report::LogRecord) that borrows what it shows.
#[derive(Serialize)]
struct Document<'a> {
    id: i64,
    cycle: i64,
    time: i64,
    operation: &'a str,
    status: &'a str,
    dn: &'a str,
    source_id: &'a str,
    anchor: String,
    kind: Option<&'a str>,
    resource_id: Option<&'a str>,
    steps: Vec<Detailed<'a>>,
    changes: &'a [ShownChange],
    reason: Option<&'a Reason>,
    error: Option<&'a str>,
}

/// A [`LogStep`](crate::report::LogStep) that borrows its words.
#[derive(Serialize)]
struct Detailed<'a> {
    step: &'a str,
    detail: &'a str,
}

/// When an object is tried again, for people; both times in milliseconds since 1970.
pub(crate) fn retry_words(next: i64, now: i64) -> String {
    let minutes = (next - now) / 60_000;
    let pause = match minutes {
        ..1 => return "It is tried again in the next cycle.".to_owned(),
        1..120 => format!("{minutes} minutes"),
        _ => format!("{} hours", minutes / 60),
    };
    format!(
        "It is tried again in {pause}; before that when the entry or the rules change, or by \"provisor provision\"."
    )
}

/// Changes as they are shown, with the plugin that set each.
pub(crate) fn shown<R: Ord + Display>(
    changes: &[AttributeChange<R>],
    contributions: &BTreeMap<TargetPath, String>,
) -> Vec<ShownChange> {
    changes
        .iter()
        .map(|change| {
            let by = contributions.get(&change.path).cloned();
            let path = change.path.to_string();
            match &change.change {
                Change::References { add, remove } => ShownChange {
                    path,
                    old: (!remove.is_empty()).then(|| references("without", remove.iter())),
                    new: (!add.is_empty()).then(|| references("with", add.iter())),
                    by,
                },
                Change::Set(value) => {
                    ShownChange { path, old: change.old.as_ref().map(value_text), new: Some(value_text(value)), by }
                }
                Change::Remove => ShownChange { path, old: change.old.as_ref().map(value_text), new: None, by },
            }
        })
        .collect()
}

fn references<R: Display>(word: &str, references: impl ExactSizeIterator<Item = R>) -> String {
    let count = references.len();
    let mut names: Vec<String> = references.take(5).map(|reference| reference.to_string()).collect();
    if count > names.len() {
        names.push(format!("{} more", count - names.len()));
    }
    format!("{word} {}", names.join(", "))
}

fn value_text<R: Ord + Display>(value: &TargetValue<R>) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN_VALUE {
        return text;
    }
    let cut: String = text.chars().take(SHOWN_VALUE).collect();
    format!("{cut}… ({} characters)", text.chars().count())
}
