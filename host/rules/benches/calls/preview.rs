//! A preview of 100,000 stored people by the plugin `people` on all cores, beside its own code compiled natively: stored octets
//! in, drafts out, both on as many threads, in turns.

use std::cmp::Ordering;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::time::ClockId;
use provisor_model::{
    AttributeLanes, AttributeName, Attributes, DnView, Draft, DraftAttribute, DraftAttributes, DraftNames, DraftValue,
    EntryView, IdSyntax, Plain, Row, SourceId, TargetPath, Value, ValueView,
};
use provisor_plugin_people::People;
use provisor_rules::{Evaluator, Outcome};
use provisor_sdk::bindings::{Read, Shape, TargetValue, Value as Said, Values, Write};
use provisor_sdk::runtime::ConfiguredMapping;
use provisor_tests::ldif::{Directory, Person, Size};
use serde_json::json;

use crate::clock::taken;
use crate::entries::Hosted;
use crate::raw;

/// How many people there are.
const PEOPLE: usize = 100_000;
/// As many at a time as the host takes.
const BATCH: usize = 64;
/// How often each is measured.
const ROUNDS: usize = 7;

/// A person as the connector space keeps them.
struct Stored {
    anchor: provisor_model::Anchor,
    dn: String,
    attributes: Vec<u8>,
}

/// Measures, and prints what it took.
pub fn run() {
    let directory = Directory::generate(Size { people: PEOPLE, groups: 0, big: 0 }, 5);
    let people: Vec<Stored> = directory.people.iter().map(|person| stored(&directory, person)).collect();
    let hosted = Hosted::new("people", &raw::component("people"));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (mut plugin, mut native) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        plugin.push(measured(&people, threads, || {
            let mut evaluator = hosted.start(json!({}));
            move |views: &[EntryView<'_>]| by_plugin(&mut evaluator, views)
        }));
        native.push(measured(&people, threads, || {
            let natively = Natively::new();
            move |views: &[EntryView<'_>]| natively.decide(views)
        }));
    }
    println!(
        "\n{PEOPLE} stored people on {threads} threads, stored octets to drafts; medians of {ROUNDS} rounds in turns\n"
    );
    println!("| | seconds | processor seconds | us of a processor for each |\n|---|---|---|---|");
    let told = |name, runs: &mut Vec<(Duration, Duration)>| {
        let (wall, used) = median(runs);
        println!("| {name} | {wall:.3} | {used:.3} | {:.2} |", used * 1e6 / PEOPLE as f64);
        (wall, used)
    };
    let (plugin, native) = (told("`people` by the host", &mut plugin), told("`people` natively", &mut native));
    println!("| ratio | {:.2} | {:.2} | |", plugin.0 / native.0, plugin.1 / native.1);
}

fn median(runs: &mut [(Duration, Duration)]) -> (f64, f64) {
    let middle = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or_default()
    };
    let mut walls = runs.iter().map(|(wall, _)| wall.as_secs_f64()).collect();
    let mut used = runs.iter().map(|(_, used)| used.as_secs_f64()).collect();
    (middle(&mut walls), middle(&mut used))
}

/// Wall and processor time of all people through deciders, one for each thread.
fn measured<D: FnMut(&[EntryView<'_>]) -> usize>(
    people: &[Stored],
    threads: usize,
    decider: impl Fn() -> D + Sync,
) -> (Duration, Duration) {
    let (begin, used) = (Instant::now(), taken(ClockId::CLOCK_PROCESS_CPUTIME_ID));
    let decided: usize = thread::scope(|scope| {
        let share = people.len().div_ceil(threads);
        let work = |part| {
            let decider = &decider;
            scope.spawn(move || {
                let mut decide = decider();
                <[Stored]>::chunks(part, BATCH).map(|batch| viewed(batch, &mut decide)).sum::<usize>()
            })
        };
        let threads: Vec<_> = people.chunks(share).map(work).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(decided, people.len(), "every person becomes a user");
    (begin.elapsed(), taken(ClockId::CLOCK_PROCESS_CPUTIME_ID).saturating_sub(used))
}

fn viewed(batch: &[Stored], decide: &mut impl FnMut(&[EntryView<'_>]) -> usize) -> usize {
    let mut lanes = AttributeLanes::new();
    for person in batch {
        lanes.push_stored(&mut postcard::Deserializer::from_bytes(&person.attributes)).unwrap();
    }
    let views: Vec<EntryView<'_>> = batch
        .iter()
        .enumerate()
        .map(|(place, person)| EntryView {
            anchor: &person.anchor,
            dn: DnView::Text(&person.dn),
            object_class: "user",
            attributes: lanes.get(place),
        })
        .collect();
    decide(&views)
}

fn by_plugin(evaluator: &mut Evaluator, views: &[EntryView<'_>]) -> usize {
    let evaluations = evaluator.evaluate_views(views).unwrap();
    evaluations.iter().filter(|evaluation| matches!(evaluation.outcome, Outcome::Provision(_))).count()
}

/// The rule compiled into this program, between the same ends.
struct Natively {
    rule: ConfiguredMapping<People>,
    /// How each place is read, and the places by their names.
    shapes: Vec<Shape>,
    by_name: Vec<(AttributeName, usize)>,
    /// The place in the draft of each place of the contract.
    writes: Vec<usize>,
    names: Arc<DraftNames>,
}

impl Natively {
    fn new() -> Self {
        let rule = ConfiguredMapping::<People>::new("{}").unwrap();
        let (_, reads, _, _, writes, _) = rule.contract().unwrap().parts();
        let named = |(place, read): (usize, &Read)| (AttributeName::new(read.name.as_str()), place);
        let mut by_name: Vec<_> = reads.iter().enumerate().map(named).collect();
        by_name.sort();
        let written: Vec<TargetPath> = writes.iter().map(|write: &Write| write.name.parse().unwrap()).collect();
        let mut paths = written.clone();
        paths.sort();
        let place = |path: &TargetPath| paths.binary_search(path).unwrap();
        Self {
            shapes: reads.iter().map(|read| read.shape).collect(),
            by_name,
            writes: written.iter().map(place).collect(),
            names: Arc::new(DraftNames { plugins: vec!["people".into()], paths }),
            rule,
        }
    }

    fn decide(&self, views: &[EntryView<'_>]) -> usize {
        let mut entries = Values { count: views.len() as u32, spans: Vec::new(), octets: Vec::new() };
        let mut found = Vec::with_capacity(views.len() * self.shapes.len());
        for (number, view) in views.iter().enumerate() {
            self.flatten(number as u32, view, &mut entries, &mut found);
        }
        let built = Values { count: views.len() as u32, spans: Vec::new(), octets: Vec::new() };
        let answers = self.rule.run(None, &entries, &built).unwrap();
        let drafts: Vec<Draft> = answers
            .into_iter()
            .zip(found.chunks(self.shapes.len()))
            .filter_map(|(answer, found)| {
                let mut attributes = DraftAttributes::new(Arc::clone(&self.names));
                for edit in answer.outcome.ok()? {
                    let place = attributes.place_mut(*self.writes.get(edit.attribute as usize)?)?;
                    let attribute = |value| DraftAttribute { value, on_create: false, by: 0, overridden: Vec::new() };
                    *place = self.value(edit.value, found).map(attribute);
                }
                Some(Draft { kind: "User".to_owned(), attributes })
            })
            .collect();
        std::hint::black_box(drafts).len()
    }

    /// As the host does it, but for all that it checks.
    fn flatten<'v>(
        &self,
        number: u32,
        view: &EntryView<'v>,
        entries: &mut Values,
        found: &mut Vec<&'v [ValueView<'v>]>,
    ) {
        let first = found.len();
        found.resize(first + self.shapes.len(), &[]);
        // Both are in the order of names.
        let mut attributes = view.attributes.iter().peekable();
        for (name, place) in &self.by_name {
            while attributes.next_if(|(known, _)| name.compare(known) == Ordering::Greater).is_some() {}
            if let Some((known, values)) = attributes.peek()
                && name.compare(known) == Ordering::Equal
                && let Some(found) = found.get_mut(first + place)
            {
                *found = values;
            }
        }
        for (place, (shape, values)) in self.shapes.iter().zip(found.iter().skip(first)).enumerate() {
            let most = if *shape == Shape::Texts { usize::MAX } else { 1 };
            for value in values.iter().take(most) {
                let octets = value.octets();
                entries.spans.extend([number, place as u32, entries.octets.len() as u32, octets.len() as u32]);
                entries.octets.extend_from_slice(octets);
            }
        }
    }

    fn value(&self, said: TargetValue, found: &[&[ValueView<'_>]]) -> Option<DraftValue> {
        Some(match said {
            TargetValue::Plain(value) => DraftValue::Plain(plain(value)),
            TargetValue::Rows(rows) => {
                let row = |cells: Vec<provisor_sdk::bindings::Cell>| {
                    cells.into_iter().map(|cell| (cell.sub_attribute, plain(cell.value))).collect::<Row>()
                };
                DraftValue::Rows(rows.into_iter().map(row).collect())
            }
            TargetValue::Same(place) => match found.get(place as usize)?.first()? {
                ValueView::Text(text) => DraftValue::Plain(Plain::Text((*text).to_owned())),
                ValueView::Binary(octets) => DraftValue::Plain(Plain::Binary(octets.to_vec())),
            },
            TargetValue::Reference(dn) => DraftValue::Reference(dn),
            other => panic!("people says nothing such: {other:?}"),
        })
    }
}

fn plain(value: Said) -> Plain {
    match value {
        Said::Text(text) => Plain::Text(text),
        Said::Binary(octets) => Plain::Binary(octets),
        Said::Boolean(flag) => Plain::Boolean(flag),
        Said::Integer(number) => Plain::Integer(number),
        Said::Decimal(number) => Plain::Decimal(number),
    }
}

fn stored(directory: &Directory, person: &Person) -> Stored {
    let manager = person.manager.and_then(|number| directory.people.get(number)).map(Person::dn);
    let single = [
        ("uid", Some(&person.uid)),
        ("cn", Some(&person.common_name)),
        ("sn", Some(&person.surname)),
        ("givenName", Some(&person.given_name)),
        ("displayName", Some(&person.display_name)),
        ("employeeNumber", Some(&person.employee_number)),
        ("telephoneNumber", Some(&person.telephone_number)),
        ("title", Some(&person.title)),
        ("departmentNumber", Some(&person.department_number)),
        ("street", Some(&person.street)),
        ("l", Some(&person.locality)),
        ("st", Some(&person.state)),
        ("postalCode", Some(&person.postal_code)),
        ("preferredLanguage", Some(&person.preferred_language)),
        ("manager", manager.as_ref()),
    ];
    let text = |value: &String| Value::Text(value.clone());
    let attributes: Attributes = single
        .iter()
        .filter_map(|(name, value)| Some((*name, vec![text((*value)?)])))
        .chain([
            ("mail", person.mail.iter().map(text).collect()),
            ("objectClass", vec![text(&"inetOrgPerson".to_owned())]),
        ])
        .collect();
    Stored {
        anchor: SourceId::new(IdSyntax::Text, person.entry_uuid.as_bytes()).unwrap().into(),
        dn: person.dn(),
        attributes: postcard::to_stdvec(&attributes).unwrap(),
    }
}
