//! A plugin's own test cases at the gate: each in an instance of its own, then again, then together in another order.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use provisor_model::{AttributeLanes, DraftValue, Entry, EntryView, Plain, Reason, TargetPath, ValueView};
use serde_json::{Value as Json, json};

use crate::answer::{Answer, RawAnswer};
use crate::bindings::mapping::Batch;
use crate::bindings::types;
use crate::cases::{Case, Expected};
use crate::chain::{FilterPlan, Link, MappingPlan, generation, handles};
use crate::contract::ContractRead;
use crate::decode;
use crate::encode::{ReadPlan, no_values, push_built};
use crate::engine::Ticking;
use crate::fault::shorten;
use crate::instance::Instance;
use crate::load::{Configured, Loaded};
use crate::options::{Limits, OnFault};
use crate::surface::PluginKind;

/// What all cases of a plugin may take together; each call keeps to the plugin's limits besides.
const TIME: Duration = Duration::from_secs(60);
/// The most differences that are told of one case.
const TOLD: usize = 5;
/// The longest value that is told, in octets.
const TOLD_OCTETS: usize = 300;
/// The most cases that are asked about together.
const TOGETHER: usize = 64;

/// Asks the plugin about its cases.
///
/// # Errors
/// A sentence for the operator: which case fails, what was expected and what came.
pub(crate) fn run(ticking: &Ticking, loaded: &Arc<Loaded>, limits: &Limits, cases: &[Case]) -> Result<(), String> {
    let trial = Trial { ticking, until: Instant::now() + TIME };
    let mut configured: Vec<(&Json, Arc<Configured>)> = Vec::new();
    let mut tried: Vec<Tried<'_>> = Vec::with_capacity(cases.len());
    for case in cases {
        let failed = |reason: String| format!("its test case \"{}\" fails: {reason}", case.name);
        let known = configured.iter().position(|(config, _)| **config == case.config);
        let place = match known {
            Some(place) => place,
            None => {
                let under = Configured::new(ticking, loaded, &case.config, limits).map_err(failed)?;
                configured.push((&case.config, Arc::new(under)));
                configured.len() - 1
            }
        };
        let Some((_, under)) = configured.get(place) else { continue };
        let case = Asked::new(case, under).map_err(failed)?;
        let answer = trial.alone(&case, under).map_err(failed)?;
        answer.meets(case.case).map_err(failed)?;
        tried.push(Tried { case, place, answer });
    }
    for (place, (_, under)) in configured.iter().enumerate() {
        let of_this = || tried.iter().rev().filter(|tried| tried.place == place);
        let mut batches: BTreeMap<(PluginKind, i64), Vec<&Tried<'_>>> = BTreeMap::new();
        for tried in of_this() {
            batches.entry((tried.case.kind, tried.case.case.time)).or_default().push(tried);
        }
        for batch in batches.values().flat_map(|batch| batch.chunks(TOGETHER)) {
            trial.together(batch, under)?;
        }
    }
    Ok(())
}

struct Trial<'t> {
    ticking: &'t Ticking,
    until: Instant,
}

/// A case under its settings, with its answer.
struct Tried<'c> {
    case: Asked<'c>,
    /// Which of the settings.
    place: usize,
    answer: Answered,
}

/// A case, ready to be asked.
struct Asked<'c> {
    case: &'c Case,
    kind: PluginKind,
    entry: Entry,
    built: BTreeMap<TargetPath, Vec<Plain>>,
}

/// What the plugin answered.
#[derive(Debug, PartialEq)]
struct Answered {
    decision: Decided,
    valid_until: Option<i64>,
}

#[derive(Debug, PartialEq)]
enum Decided {
    Keep,
    Drop(Reason),
    Exclude(Reason),
    Failed(Reason),
    Edits(BTreeMap<TargetPath, Option<DraftValue>>),
}

impl Trial<'_> {
    /// Asks about one case, twice.
    fn alone(&self, case: &Asked<'_>, under: &Arc<Configured>) -> Result<Answered, String> {
        let link = alone(under);
        let mut instance = under.instance(self.ticking).map_err(|fault| fault.detail().to_owned())?;
        let mut ask = || self.ask(&link, &mut instance, &[case])?.pop().ok_or_else(|| "it has no answer".to_owned());
        let (once, again) = (ask()?, ask()?);
        if once != again {
            return Err("asked again, it answered differently: an answer must depend on its entry alone, so keep \
                        nothing between calls but the settings"
                .to_owned());
        }
        Ok(once)
    }

    /// Asks about several, in an instance that knows none of them.
    fn together(&self, batch: &[&Tried<'_>], under: &Arc<Configured>) -> Result<(), String> {
        let failed = |reason: String| format!("its test cases fail when they are asked together: {reason}");
        let mut instance = under.instance(self.ticking).map_err(|fault| failed(fault.detail().to_owned()))?;
        let cases: Vec<&Asked<'_>> = batch.iter().map(|tried| &tried.case).collect();
        let answers = self.ask(&alone(under), &mut instance, &cases).map_err(failed)?;
        match batch.iter().zip(&answers).find(|(tried, answer)| tried.answer != **answer) {
            None => Ok(()),
            Some((tried, _)) => Err(format!(
                "its test case \"{}\" fails: asked together with others, it answered differently: an answer must depend \
                 on its entry alone, so keep nothing between entries but the settings",
                tried.case.case.name
            )),
        }
    }

    /// Asks about cases of one kind and time in one call.
    fn ask(&self, link: &Link, instance: &mut Instance, cases: &[&Asked<'_>]) -> Result<Vec<Answered>, String> {
        if Instant::now() >= self.until {
            return Err(format!("all cases together take longer than {} s: make them fewer", TIME.as_secs()));
        }
        let Some(first) = cases.first() else { return Ok(Vec::new()) };
        let mut lanes = AttributeLanes::new();
        cases.iter().for_each(|case| lanes.push(&case.entry.attributes));
        let views: Vec<EntryView<'_>> =
            cases.iter().enumerate().map(|(place, case)| EntryView::of(&case.entry, lanes.get(place))).collect();
        let mut batch = Batch { entries: no_values(), built: no_values() };
        let mut found = Vec::new();
        for (case, view) in cases.iter().zip(&views) {
            let pushed = case.push(link, view, &mut found, &mut batch);
            pushed.map_err(|reason| format!("{}, so it would not be asked", reason.detail))?;
        }
        let time = Some(first.case.time);
        let given: Vec<RawAnswer> = match first.kind {
            PluginKind::Filter => {
                let time = time.filter(|_| link.filter.as_ref().is_some_and(|filter| filter.cycle_time));
                let answers = instance.decide(time, &batch.entries).map_err(|fault| fault.detail().to_owned())?;
                answers.into_iter().map(RawAnswer::Filter).collect()
            }
            PluginKind::Mapping => {
                let time = time.filter(|_| link.mapping.as_ref().is_some_and(|mapping| mapping.cycle_time));
                let answers = instance.transform(time, &batch).map_err(|fault| fault.detail().to_owned())?;
                answers.into_iter().map(RawAnswer::Mapping).collect()
            }
        };
        let reads = found.len() / cases.len();
        let mut answers = Vec::with_capacity(given.len());
        for (number, (answer, view)) in given.into_iter().zip(&views).enumerate() {
            let found = found.get(number * reads..(number + 1) * reads).unwrap_or_default();
            let (answer, valid_until) = answer.check(link);
            answers.push(Answered { decision: decided(link, answer, view, found)?, valid_until });
        }
        Ok(answers)
    }
}

impl<'c> Asked<'c> {
    fn new(case: &'c Case, under: &Configured) -> Result<Self, String> {
        let (filter, mapping) = (under.contracts.filter.as_ref(), under.contracts.mapping.as_ref());
        let kind = match (case.kind, filter, mapping) {
            (Some(kind), ..) => kind,
            (None, Some(_), None) => PluginKind::Filter,
            (None, None, Some(_)) => PluginKind::Mapping,
            (None, ..) => return Err("it is a filter and a mapping: the case must name its kind".to_owned()),
        };
        let classes = match kind {
            PluginKind::Filter => filter.map(|filter| &filter.object_classes),
            PluginKind::Mapping => mapping.map(|mapping| &mapping.object_classes),
        };
        let classes = classes.ok_or_else(|| format!("under these settings it is no {kind}"))?;
        let entry = case.entry(classes.first().map_or("user", String::as_str))?;
        if !handles(classes, &entry.object_class) {
            return Err(format!("it is not asked about entries of the object class \"{}\"", entry.object_class));
        }
        Ok(Self { case, kind, entry, built: case.built()? })
    }

    fn push<'e>(
        &self,
        link: &Link,
        view: &EntryView<'e>,
        found: &mut Vec<&'e [ValueView<'e>]>,
        batch: &mut Batch,
    ) -> Result<(), Reason> {
        match (self.kind, &link.filter, &link.mapping) {
            (PluginKind::Filter, Some(filter), _) => filter.reads.push(view, found, &mut batch.entries),
            (PluginKind::Mapping, _, Some(mapping)) => {
                let number = batch.built.count;
                for (place, (read, _)) in mapping.built.iter().enumerate() {
                    let path = read.name.parse::<TargetPath>().ok();
                    let held = path.and_then(|path| self.built.get(&path)).map_or(&[][..], Vec::as_slice);
                    push_built(read, place, held, &mut batch.built, number)?;
                }
                batch.built.count += 1;
                mapping.reads.push(view, found, &mut batch.entries)
            }
            _ => Err(Reason::new("no-such-kind", format!("it is no {}", self.kind))),
        }
    }
}

impl Answered {
    /// Whether it is what the case expects.
    fn meets(&self, case: &Case) -> Result<(), String> {
        let met = match (&self.decision, &case.expected) {
            (Decided::Keep, Expected::Keep) => true,
            (Decided::Drop(reason), Expected::Drop(code))
            | (Decided::Exclude(reason), Expected::Exclude(code))
            | (Decided::Failed(reason), Expected::Failed(code)) => reason.code == *code,
            (Decided::Edits(edits), Expected::Edits(expected)) => {
                differences(edits, expected)?;
                true
            }
            _ => false,
        };
        if !met {
            return Err(format!("it answered {}, and {} was expected", self.words(), expected_words(&case.expected)));
        }
        match case.valid_until {
            Some(time) if self.valid_until != Some(time) => {
                let until = self.valid_until.map_or_else(|| "for good".to_owned(), |until| format!("until {until}"));
                Err(format!("its answer holds {until}, and until {time} was expected"))
            }
            _ => Ok(()),
        }
    }

    fn words(&self) -> String {
        match &self.decision {
            Decided::Keep => "keep".to_owned(),
            Decided::Drop(reason) => format!("drop \"{}\" ({})", reason.code, reason.detail),
            Decided::Exclude(reason) => format!("exclude \"{}\" ({})", reason.code, reason.detail),
            Decided::Failed(reason) => format!("failed \"{}\" ({})", reason.code, reason.detail),
            Decided::Edits(edits) => {
                let edits: Vec<String> =
                    edits.iter().map(|(path, value)| format!("{path}: {}", told(&shown(value.as_ref())))).collect();
                let mut words = edits.join(", ");
                shorten(&mut words, TOLD_OCTETS);
                format!("the edits {{{words}}}")
            }
        }
    }
}

fn expected_words(expected: &Expected) -> String {
    match expected {
        Expected::Keep => "keep".to_owned(),
        Expected::Drop(code) => format!("drop \"{code}\""),
        Expected::Exclude(code) => format!("exclude \"{code}\""),
        Expected::Failed(code) => format!("failed \"{code}\""),
        Expected::Edits(edits) => format!("edits of {} attributes", edits.len()),
    }
}

/// What is set otherwise than expected. To take away what is not there is the same as to leave it.
fn differences(
    edits: &BTreeMap<TargetPath, Option<DraftValue>>,
    expected: &BTreeMap<String, Json>,
) -> Result<(), String> {
    let mut wanted: BTreeMap<TargetPath, &Json> = BTreeMap::new();
    for (path, value) in expected {
        wanted.insert(path.parse().map_err(|error| format!("expected: {error}"))?, value);
    }
    let paths: std::collections::BTreeSet<&TargetPath> = edits.keys().chain(wanted.keys()).collect();
    let (mut words, mut count) = (String::new(), 0_usize);
    for path in paths {
        let is = shown(edits.get(path).and_then(Option::as_ref));
        let should = wanted.get(path).copied().unwrap_or(&Json::Null);
        if same(&is, should) {
            continue;
        }
        count += 1;
        if count <= TOLD {
            let between = if words.is_empty() { "" } else { "; " };
            let _ = write!(words, "{between}{path} is {}, and {} was expected", told(&is), told(should));
        }
    }
    match count {
        0 => Ok(()),
        count if count > TOLD => Err(format!("{words}; and {} more", count - TOLD)),
        _ => Err(words),
    }
}

/// Whether two are the same, the order of a list's values aside: they are a set.
fn same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Array(one), Json::Array(other)) => {
            let mut left: Vec<&Json> = other.iter().collect();
            one.len() == other.len()
                && one.iter().all(|value| match left.iter().position(|other| *other == value) {
                    Some(place) => {
                        left.swap_remove(place);
                        true
                    }
                    None => false,
                })
        }
        _ => one == other,
    }
}

/// A value in the form that cases are written in.
fn shown(value: Option<&DraftValue>) -> Json {
    match value {
        None => Json::Null,
        Some(DraftValue::Plain(value)) => plain(value),
        Some(DraftValue::List(values)) => values.iter().map(plain).collect(),
        Some(DraftValue::Rows(rows)) => {
            let row =
                |row: &provisor_model::Row| row.iter().map(|(name, value)| (name.clone(), plain(value))).collect();
            rows.iter().map(|cells| Json::Object(row(cells))).collect()
        }
        Some(DraftValue::Reference(dn)) => json!({ "reference": dn }),
        Some(DraftValue::ReferenceBy { attribute, value }) => json!({ "reference-by": { attribute.as_str(): value } }),
        Some(DraftValue::ReferencesOf(attribute)) => json!({ "references-of": attribute.as_str() }),
        Some(DraftValue::FirstUnique(candidates)) => json!({ "first-unique": candidates }),
    }
}

fn plain(value: &Plain) -> Json {
    match value {
        Plain::Text(text) => json!(text),
        Plain::Boolean(flag) => json!(flag),
        Plain::Integer(number) => json!(number),
        Plain::Decimal(number) => json!(number),
        Plain::Binary(octets) => json!({ "base64": BASE64_STANDARD.encode(octets) }),
    }
}

fn told(value: &Json) -> String {
    let mut words = value.to_string();
    shorten(&mut words, TOLD_OCTETS);
    words
}

fn decided(link: &Link, answer: Answer, entry: &EntryView<'_>, found: &[&[ValueView<'_>]]) -> Result<Decided, String> {
    Ok(match answer {
        Answer::Keep => Decided::Keep,
        Answer::Drop(reason) => Decided::Drop(reason),
        Answer::Exclude(reason) => Decided::Exclude(reason),
        Answer::Failed(reason) => Decided::Failed(reason),
        Answer::Fault(fault) => return Err(fault.detail().to_owned()),
        Answer::Edits(edits) => {
            let writes = link.configured.contracts.mapping.as_ref().map_or(&[][..], |mapping| &mapping.writes);
            let path = |place: u32| writes.get(place as usize).map(|write| write.path.clone());
            let edit = |edit: types::Edit| {
                let plan = link.mapping.as_ref()?;
                Some((path(edit.attribute)?, decode::value(edit.value, entry, &plan.reads, found)))
            };
            Decided::Edits(edits.into_iter().filter_map(edit).collect())
        }
    })
}

/// The plugin in a chain that has no other: its places are those of its contract.
fn alone(under: &Arc<Configured>) -> Link {
    let contracts = &under.contracts;
    let built = |read: &ContractRead| (read.clone(), None);
    Link {
        name: "plugin".into(),
        version: under.loaded.version.as_str().into(),
        on_fault: OnFault::Hold,
        generation: generation(under, &[]),
        filter: contracts.filter.as_ref().map(|filter| FilterPlan {
            object_classes: filter.object_classes.clone(),
            reads: ReadPlan::new(&filter.reads),
            cycle_time: filter.cycle_time,
        }),
        mapping: contracts.mapping.as_ref().map(|mapping| MappingPlan {
            object_classes: mapping.object_classes.clone(),
            reads: ReadPlan::new(&mapping.reads),
            built: mapping.resource_reads.iter().map(built).collect(),
            writes: mapping.writes.iter().enumerate().map(|(place, write)| (place, write.on_create)).collect(),
            resource_kind: mapping.resource_kind.clone(),
            cycle_time: mapping.cycle_time,
        }),
        configured: Arc::clone(under),
    }
}
