//! Records of the provisioning log: what was decided or done for an object, and why.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;

use provisor_model::{AttributeChange, Change, Plain, Reason, TargetPath, TargetValue};
use provisor_space::{EntryHead, LogRow, Space, StoredEntry};
use serde::Serialize;

use crate::SyncError;
use crate::context::Context;
use crate::report::ShownChange;

/// The longest value that is kept in the log, in characters.
const SHOWN_VALUE: usize = 500;

/// How many octets most records take at most.
const USUAL_RECORD: usize = 3072;

/// What is put on record for one object.
pub(crate) struct Record<'a> {
    pub operation: &'a str,
    pub status: &'a str,
    pub kind: Option<&'a str>,
    pub resource_id: Option<&'a str>,
    pub steps: Vec<(&'a str, String)>,
    pub changes: Vec<Shown<'a>>,
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
pub(crate) fn put(space: &mut Space, context: &Context, head: &EntryHead, record: Record<'_>) -> Result<(), SyncError> {
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
    let mut text = Vec::with_capacity(USUAL_RECORD);
    serde_json::to_writer(&mut text, &document).map_err(provisor_space::SpaceError::from)?;
    let text = String::from_utf8(text).map_err(|error| SyncError::Internal(error.to_string()))?;
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
    changes: &'a [Shown<'a>],
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

/// A [`ShownChange`] that borrows what it can.
#[derive(Serialize)]
pub(crate) struct Shown<'a> {
    path: &'a str,
    old: Option<Cow<'a, str>>,
    new: Option<Cow<'a, str>>,
    by: Option<&'a str>,
}

impl From<Shown<'_>> for ShownChange {
    fn from(shown: Shown<'_>) -> Self {
        Self {
            path: shown.path.to_owned(),
            old: shown.old.map(Cow::into_owned),
            new: shown.new.map(Cow::into_owned),
            by: shown.by.map(str::to_owned),
        }
    }
}

/// Changes as they are shown, with the plugin that set each.
pub(crate) fn shown<'a, R: Ord + Display>(
    changes: &'a [AttributeChange<R>],
    contributions: &'a BTreeMap<TargetPath, String>,
) -> Vec<Shown<'a>> {
    changes
        .iter()
        .map(|change| {
            let (path, by) = (change.path.as_str(), contributions.get(&change.path).map(String::as_str));
            let old = change.old.as_ref();
            match &change.change {
                Change::References { add, remove } => Shown {
                    path,
                    old: (!remove.is_empty()).then(|| references("without", remove.iter()).into()),
                    new: (!add.is_empty()).then(|| references("with", add.iter()).into()),
                    by,
                },
                Change::Set(value) => Shown { path, old: old.map(value_text), new: Some(value_text(value)), by },
                Change::Remove => Shown { path, old: old.map(value_text), new: None, by },
            }
        })
        .collect()
}

/// All that a new resource gets, as it is shown; an empty list is nothing.
pub(crate) fn shown_as_new<'a, R: Ord + Display + 'a>(
    attributes: impl Iterator<Item = (&'a TargetPath, &'a TargetValue<R>)>,
    contributions: &'a BTreeMap<TargetPath, String>,
) -> Vec<Shown<'a>> {
    attributes
        .filter_map(|(path, value)| {
            let new = match value {
                TargetValue::References(ids) if ids.is_empty() => return None,
                TargetValue::References(ids) => references("with", ids.iter()).into(),
                value => value_text(value),
            };
            let by = contributions.get(path).map(String::as_str);
            Some(Shown { path: path.as_str(), old: None, new: Some(new), by })
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

fn value_text<R: Ord + Display>(value: &TargetValue<R>) -> Cow<'_, str> {
    let text = match value {
        TargetValue::Plain(Plain::Text(text)) => Cow::Borrowed(text.as_str()),
        value => Cow::Owned(value.to_string()),
    };
    if text.len() <= SHOWN_VALUE || text.chars().count() <= SHOWN_VALUE {
        return text;
    }
    let cut: String = text.chars().take(SHOWN_VALUE).collect();
    format!("{cut}… ({} characters)", text.chars().count()).into()
}
