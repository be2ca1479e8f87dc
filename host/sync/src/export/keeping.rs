//! Keeping what requests came to: links, the provisioning log, and objects that are put aside.

use provisor_model::{OperationKind, Plain, Reason, ResourceId, TargetValue};
use provisor_space::{Leftovers, Link, LinkState, LogRow, Retry, Space};
use provisor_target::TargetError;

use crate::SyncError;
use crate::context::{Context, Tally};
use crate::record::{self, Record};
use crate::request::{Prepared, Reply, Request, keep_done};

/// What came of one operation.
pub(super) struct Answered {
    pub prepared: Prepared,
    pub reply: Reply,
    /// The row of the log where it succeeded, made by who sent it.
    pub row: Option<LogRow>,
}

impl Answered {
    pub fn new(context: &Context, prepared: Prepared, reply: Reply) -> Result<Self, SyncError> {
        let row = match &reply {
            Reply::Done { resource_id } => {
                Some(log_row(context, &prepared, "success", resource_id.as_ref().map(ResourceId::as_str), None)?)
            }
            Reply::Unfinished { .. } | Reply::Failed(_) => None,
        };
        Ok(Self { prepared, reply, row })
    }
}

/// Keeps what a group of operations came to.
pub(super) fn keep(space: &mut Space, context: &Context, group: Vec<Answered>) -> Result<Tally, SyncError> {
    let mut tally = Tally::default();
    let leftovers = space.leftovers()?;
    for answered in group {
        keep_one(space, context, answered, leftovers, &mut tally)?;
    }
    Ok(tally)
}

fn keep_one(
    space: &mut Space,
    context: &Context,
    answered: Answered,
    leftovers: Leftovers,
    tally: &mut Tally,
) -> Result<(), SyncError> {
    let Answered { mut prepared, reply, row } = answered;
    match reply {
        Reply::Done { resource_id } => {
            let ends = matches!(prepared.planned.operation, OperationKind::Delete | OperationKind::Release);
            let taken = if ends { taken_meanwhile(space, &prepared, resource_id.as_ref())? } else { None };
            // Somebody may have linked the resource since it was matched; then nothing of ours is overwritten.
            if taken.is_some() || !keep_done(space, &mut prepared, resource_id.as_ref(), leftovers)? {
                let taken =
                    taken.map_or_else(|| taken_meanwhile(space, &prepared, resource_id.as_ref()), |t| Ok(Some(t)))?;
                let words = taken.unwrap_or_else(|| "Another entry has the resource.".to_owned());
                return fail(space, context, &prepared, Failure::of_this(words), tally);
            }
            if let Some(row) = row {
                space.add_log(prepared.head.key, &prepared.head.dn_key, &row)?;
            }
            tally.count(prepared.planned.operation.as_str());
            Ok(())
        }
        Reply::Unfinished { resource_id, error } => {
            if let Some(other) = taken_meanwhile(space, &prepared, Some(&resource_id))? {
                return fail(space, context, &prepared, Failure::of_this(other), tally);
            }
            if prepared.planned.operation == OperationKind::Create {
                // What is known to be there; the rest is found out by reading it before the next attempt.
                let mut exported = prepared.exported.clone();
                exported.retain(|_, value| !matches!(value, TargetValue::References(_)));
                let link = Link {
                    kind: prepared.planned.body.kind.clone(),
                    resource_id,
                    anchor: prepared.head.anchor.clone(),
                    state: LinkState::Active,
                    exported,
                };
                space.set_link(prepared.planned.key, &link)?;
            }
            fail(space, context, &prepared, Failure { unknown: true, ..Failure::from(&error) }, tally)
        }
        Reply::Failed(error) => {
            if matches!(error, TargetError::NotFound { .. }) && prepared.planned.operation != OperationKind::Create {
                space.forget_resource(prepared.planned.key)?;
            }
            fail(space, context, &prepared, Failure::from(&error), tally)
        }
    }
}

fn taken_meanwhile(
    space: &Space,
    prepared: &Prepared,
    resource_id: Option<&ResourceId>,
) -> Result<Option<String>, SyncError> {
    let Some(id) = resource_id else { return Ok(None) };
    let owner = space.owner_of(&prepared.planned.body.kind, id)?;
    Ok(owner
        .filter(|(key, _, _)| *key != prepared.planned.key)
        .map(|(_, _, dn)| format!("The target answered with the resource {id}, which is linked to {dn} already.")))
}

/// When an object is tried again whose request failed so. What is not the object's own fault, or needs another operation
/// now, does not make it wait.
pub(crate) fn retry_after(error: &TargetError) -> Retry {
    if error.concerns_whole_target() || matches!(error, TargetError::NotFound { .. }) {
        Retry::NextCycle
    } else {
        Retry::Paused
    }
}

/// How a request failed.
struct Failure {
    words: String,
    /// Whether it may have been carried out.
    unknown: bool,
    retry: Retry,
}

impl Failure {
    /// A failure of this object alone, that changed nothing.
    fn of_this(words: String) -> Self {
        Self { words, unknown: false, retry: Retry::Paused }
    }
}

impl From<&TargetError> for Failure {
    fn from(error: &TargetError) -> Self {
        Self { words: error.to_string(), unknown: error.outcome_unknown(), retry: retry_after(error) }
    }
}

/// Puts an object aside whose request failed; it is evaluated and tried again after its pause.
fn fail(
    space: &mut Space,
    context: &Context,
    prepared: &Prepared,
    failure: Failure,
    tally: &mut Tally,
) -> Result<(), SyncError> {
    let Prepared { planned, head, .. } = prepared;
    let Failure { words, unknown, retry } = failure;
    let key = planned.key;
    space.remove_plan(key)?;
    let next = space.set_escrow(key, &words, context.now, retry)?;
    // What an earlier request of unknown outcome did was read for this attempt alone, so it is read again.
    if !unknown && !head.uncertain {
        space.clear_intent(key)?;
        give_back(space, prepared)?;
    }
    tally.fail(head.dn.clone(), head.source_id.to_string(), &words);
    let row = log_row(context, prepared, "failure", None, Some((words, record::retry_words(next, context.now))))?;
    Ok(space.add_log(key, &head.dn_key, &row)?)
}

/// Gives back the values of `first-unique` that did not come to the target, so that others may have them.
fn give_back(space: &mut Space, prepared: &Prepared) -> Result<(), SyncError> {
    let body = &prepared.planned.body;
    let creates = prepared.planned.operation == OperationKind::Create;
    for path in body.alternatives.keys().filter(|path| creates || body.desired.contains_key(*path)) {
        let kept = match body.baseline.get(path) {
            Some(TargetValue::Plain(Plain::Text(text))) => Some(text.as_str()),
            _ => None,
        };
        space.give_back_unique(prepared.planned.key, path, kept)?;
    }
    Ok(())
}

fn log_row(
    context: &Context,
    prepared: &Prepared,
    status: &str,
    resource_id: Option<&str>,
    failure: Option<(String, String)>,
) -> Result<LogRow, SyncError> {
    let Prepared { planned, head, .. } = prepared;
    let changes = prepared.shown();
    let body = &planned.body;
    let mut steps = vec![("scope", scope_words(body.reason.as_ref()))];
    steps.extend(body.notes.iter().map(|note| ("match", note.clone())));
    if planned.operation == OperationKind::Join {
        steps.push(("match", "An existing resource was found and linked.".to_owned()));
    }
    steps.push(("plan", format!("{} with {} changed attributes.", planned.operation, changes.len())));
    let done =
        if matches!(prepared.request, Request::None) { "Nothing had to be sent." } else { "The target accepted it." };
    let (error, retry) = failure.unzip();
    steps.push(("export", error.clone().unwrap_or_else(|| done.to_owned())));
    let sets_password = context.configuration.target.dialect.initial_password && body.kind.eq_ignore_ascii_case("User");
    if planned.operation == OperationKind::Create && error.is_none() && sets_password {
        steps.push(("export", "An initial password was set, at random; it was kept nowhere.".to_owned()));
    }
    steps.extend(retry.map(|words| ("retry", words)));
    let operation = planned.operation.as_str();
    let resource_id = resource_id.or(body.resource_id.as_ref().map(|id| id.as_str()));
    let record = Record {
        operation,
        status,
        kind: Some(&body.kind),
        resource_id,
        steps,
        changes,
        reason: body.reason.as_ref(),
        error,
    };
    record::row(context, head, record)
}

fn scope_words(reason: Option<&Reason>) -> String {
    reason.map_or_else(|| "The entry is in scope.".to_owned(), |reason| reason.detail.clone())
}
