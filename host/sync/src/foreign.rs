//! Whom references to objects of other directories mean: those that are due are looked for at the target.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _};
use provisor_model::{ResourceId, TargetPath};
use provisor_space::Question;
use provisor_target::{RemoteResource, ScimTarget, TargetError};

use crate::context::Context;
use crate::store::Store;
use crate::watch::Step;
use crate::{Pipeline, SyncError};

/// How many questions are in memory at once.
const PAGE: usize = 2_000;

/// How many are asked again in one cycle at most.
const AGAIN: usize = 500;

/// What came of a question.
enum Answer {
    /// The resource has the value.
    Found(ResourceId),
    /// None has it, or more than one.
    Nobody,
    /// The one that had it is no longer there.
    Gone(ResourceId),
    /// It could not be found out; what was known holds.
    Unknown,
}

impl Pipeline {
    /// Finds out whom entries that stand for somebody else mean, before anything is evaluated: who refers to them is
    /// evaluated again where that has changed.
    ///
    /// # Errors
    /// When the space or the target as a whole cannot be used, or the settings do not go with the target.
    pub(crate) async fn look_across(&mut self, context: &Context) -> Result<(), SyncError> {
        if self.configuration.cross_references.is_empty() {
            return Ok(());
        }
        self.store.with(|space| Ok(space.note_stand_ins()?)).await?;
        self.look_up(context).await.map(drop)
    }

    /// Asks the target what is due. Returns whether anybody is meant by now who was not before, or the other way round.
    ///
    /// # Errors
    /// As for [`Self::look_across`].
    pub(crate) async fn look_up(&mut self, context: &Context) -> Result<bool, SyncError> {
        if self.configuration.cross_references.is_empty() || !context.asks_target {
            return Ok(false);
        }
        let (now, watch) = (context.now, &context.watch);
        let due = |new: bool, most: usize| self.store.with(move |space| Ok(space.questions_due(now, new, most)?));
        // Those that were asked before come a part at a time, so that no cycle waits for all of them.
        let (mut page, again) = (due(true, PAGE).await?, due(false, AGAIN).await?);
        if page.is_empty() && again.is_empty() {
            return Ok(false);
        }
        let target = self.target(&context.chain).await?;
        self.check_cross_references(&target)?;
        let (mut changed, mut done) = (false, again.len() as u64);
        changed |= ask(&self.store, &target, context, again).await?;
        while !page.is_empty() {
            if watch.stopping() {
                return Err(SyncError::Interrupted);
            }
            done += page.len() as u64;
            changed |= ask(&self.store, &target, context, page).await?;
            watch.report(Step::Match, done, None);
            page = self.store.with(move |space| Ok(space.questions_due(now, true, PAGE)?)).await?;
        }
        Ok(changed)
    }

    /// What is looked for must be something that the target has.
    fn check_cross_references(&self, target: &ScimTarget) -> Result<(), SyncError> {
        for rule in &self.configuration.cross_references {
            let wrong = |reason: String| {
                let file = self.configuration.file.display();
                Err(SyncError::Settings(format!("{file}: [[cross-reference]] for \"{}\": {reason}", rule.attribute)))
            };
            if target.abilities().resource_type(&rule.kind).is_none() {
                return wrong(format!(
                    "{} announces no resources of the type \"{}\"",
                    self.configuration.target.url, rule.kind
                ));
            }
            if let Err(reason) = target.check_path(&rule.kind, &rule.path) {
                return wrong(format!("\"{}\" cannot be looked for, because {reason}", rule.path));
            }
        }
        Ok(())
    }
}

/// Asks some questions, and keeps what came of them.
async fn ask(store: &Store, target: &ScimTarget, context: &Context, page: Vec<Question>) -> Result<bool, SyncError> {
    let mut sorts: BTreeMap<(String, TargetPath), Vec<Question>> = BTreeMap::new();
    for question in page {
        sorts.entry((question.kind.clone(), question.path.clone())).or_default().push(question);
    }
    let mut changed = false;
    for ((kind, path), questions) in sorts {
        let (confirmed, questions) = confirm(target, context, questions).await?;
        changed |= keep(store, confirmed, context).await?;
        if questions.is_empty() {
            continue;
        }
        let found = find(target, context, &kind, &path, &questions).await?;
        let mut answers = Vec::with_capacity(questions.len());
        for (question, found) in questions.into_iter().zip(found) {
            let answer = match found {
                Ok(ids) => judge(target, &question, ids).await?,
                Err(error) if error.concerns_whole_target() => return Err(error.into()),
                Err(error) => unknown(&question, &error),
            };
            answers.push((question, answer));
        }
        changed |= keep(store, answers, context).await?;
    }
    Ok(changed)
}

/// Those of whom the resource that had the value still has it, and the others: to look at one resource costs a target
/// less than a search, and much less where it has to be listed.
async fn confirm(
    target: &ScimTarget,
    context: &Context,
    questions: Vec<Question>,
) -> Result<(Vec<(Question, Answer)>, Vec<Question>), SyncError> {
    let look = |question: Question| async move {
        let Some(known) = question.known.clone() else { return Ok((question, None)) };
        match target.read(&question.kind, &known).await {
            Ok(Some(resource)) if target.has_value(&question.kind, &resource, &question.path, &question.value) => {
                Ok((question, Some(Answer::Found(known))))
            }
            Err(error) if error.concerns_whole_target() => Err(error),
            // What else it is, the search and what follows it find out.
            Ok(_) | Err(_) => Ok((question, None)),
        }
    };
    let concurrency = context.configuration.target.concurrency.max(1);
    let looked: Vec<_> = stream::iter(questions).map(look).buffered(concurrency).collect().await;
    let (mut confirmed, mut left) = (Vec::new(), Vec::new());
    for outcome in looked {
        match outcome? {
            (question, Some(answer)) => confirmed.push((question, answer)),
            (question, None) => left.push(question),
        }
    }
    Ok((confirmed, left))
}

/// Who has the values that are asked for, in their order.
async fn find(
    target: &ScimTarget,
    context: &Context,
    kind: &str,
    path: &TargetPath,
    questions: &[Question],
) -> Result<Vec<Result<Vec<ResourceId>, TargetError>>, SyncError> {
    let values: Vec<String> = questions.iter().map(|question| question.value.clone()).collect();
    if values.len() > 1 && !target.can_find(kind, path).await? {
        return Ok(target.find_in_listing(kind, path, &values).await?.into_iter().map(Ok).collect());
    }
    let ids = |found: Vec<RemoteResource>| found.into_iter().map(|resource| resource.id).collect();
    let asked = stream::iter(values).map(|value| async move { target.find(kind, path, &value).await.map(ids) });
    Ok(asked.buffered(context.configuration.target.concurrency.max(1)).collect().await)
}

/// What is made of the resources that have the value. Who was found before is not given up for an empty answer alone.
async fn judge(target: &ScimTarget, question: &Question, mut found: Vec<ResourceId>) -> Result<Answer, SyncError> {
    let Question { kind, path, value, known, .. } = question;
    if found.len() == 1 {
        return Ok(found.pop().map_or(Answer::Nobody, Answer::Found));
    }
    if found.len() > 1 {
        let among = known.as_ref().filter(|known| found.contains(known));
        tracing::warn!(
            count = found.len(),
            "Several resources of the target have {path} \"{value}\". References to this value mean {}.",
            among.map_or("nobody", |_| "the one they meant before")
        );
        return Ok(among.cloned().map_or(Answer::Nobody, Answer::Found));
    }
    let Some(known) = known else { return Ok(Answer::Nobody) };
    match target.read(kind, known).await {
        Ok(None) => Ok(Answer::Gone(known.clone())),
        Ok(Some(resource)) if target.has_value(kind, &resource, path, value) => Ok(Answer::Found(known.clone())),
        Ok(Some(_)) => Ok(Answer::Nobody),
        Err(error) if error.concerns_whole_target() => Err(error.into()),
        Err(error) => Ok(unknown(question, &error)),
    }
}

fn unknown(question: &Question, error: &dyn std::error::Error) -> Answer {
    let Question { path, value, .. } = question;
    tracing::warn!(%error, "Who has {path} \"{value}\" at the target could not be found out; it is tried again later.");
    Answer::Unknown
}

async fn keep(store: &Store, answers: Vec<(Question, Answer)>, context: &Context) -> Result<bool, SyncError> {
    let (now, looks) = (context.now, context.preview);
    store
        .with(move |space| {
            space.atomically(|space| {
                let mut changed = false;
                for (question, answer) in answers {
                    match answer {
                        Answer::Found(resource) => changed |= space.answer(&question, Some(&resource), now, looks)?,
                        Answer::Nobody => changed |= space.answer(&question, None, now, looks)?,
                        Answer::Gone(resource) => {
                            changed |= space.answer(&question, None, now, looks)?;
                            space.forget_foreign(&question.kind, &resource)?;
                        }
                        Answer::Unknown => space.postpone(&question, now, looks)?,
                    }
                }
                Ok(changed)
            })
        })
        .await
}
