//! The purity probe: made-up entries, asked about twice and in another order, must be answered alike.

use crate::bindings::{mapping, types};
use crate::contract::{ContractRead, FilterContract, MappingContract, Shape};
use crate::fault::Fault;
use crate::instance::Instance;

/// The entries that are made up.
const ENTRIES: usize = 4;
/// The cycle's time in the probe, in seconds since 1970.
const TIME: i64 = 1_700_000_000;
/// The object classes that are made up where a contract names none.
const CLASSES: [&str; 2] = ["user", "group"];

/// The contracts of the instances that are probed.
pub(crate) struct Probe<'c> {
    pub(crate) filter: Option<&'c FilterContract>,
    pub(crate) mapping: Option<&'c MappingContract>,
}

impl Probe<'_> {
    /// Asks instances that `instance` makes, all alike. A plugin that fails at what is made up is not judged by it: it may
    /// never be sent such an entry, and will be isolated from it if it is.
    ///
    /// # Errors
    /// A sentence for the operator: which answers differ.
    pub(crate) fn run(&self, mut instance: impl FnMut() -> Result<Instance, Fault>) -> Result<(), String> {
        let forwards: Vec<usize> = (0..ENTRIES).collect();
        let backwards: Vec<usize> = (0..ENTRIES).rev().collect();
        let mut asked = || -> Result<[Answers; 3], Fault> {
            let mut first = instance()?;
            let once = self.ask(&mut first, &forwards)?;
            let again = self.ask(&mut first, &forwards)?;
            drop(first);
            Ok([once, again, self.ask(&mut instance()?, &backwards)?])
        };
        let [once, again, mut otherwise] = match asked() {
            Ok(answers) => answers,
            Err(fault) if fault.is_lack_of_room() => return Err(fault.detail().to_owned()),
            Err(_) => return Ok(()),
        };
        otherwise.filter.reverse();
        otherwise.mapping.reverse();
        let differ = |one: &Answers| once.filter != one.filter || once.mapping != one.mapping;
        let how = match (differ(&again), differ(&otherwise)) {
            (true, _) => "asked twice about the same entries, it answered differently",
            (false, true) => "asked about the same entries in another order, it answered differently",
            (false, false) => return Ok(()),
        };
        Err(format!(
            "{how}: an answer must depend on its entry alone, so keep nothing between entries but the settings"
        ))
    }

    fn ask(&self, instance: &mut Instance, order: &[usize]) -> Result<Answers, Fault> {
        let mut answers = Answers::default();
        if let Some(filter) = self.filter {
            let entries = made_up(&filter.reads, &filter.object_classes, order);
            let given = instance.decide(filter.cycle_time.then_some(TIME), &entries)?;
            answers.filter = given.iter().map(|answer| format!("{answer:?}")).collect();
        }
        if let Some(mapping) = self.mapping {
            let entries = made_up(&mapping.reads, &mapping.object_classes, order);
            let built = made_up(&mapping.resource_reads, &mapping.object_classes, order);
            let batch = mapping::Batch { entries, built };
            let given = instance.transform(mapping.cycle_time.then_some(TIME), &batch)?;
            answers.mapping = given.iter().map(|answer| format!("{answer:?}")).collect();
        }
        Ok(answers)
    }
}

/// The answers as words, by entry.
#[derive(Default)]
struct Answers {
    filter: Vec<String>,
    mapping: Vec<String>,
}

/// Entries by number, with a value or two for what is read; every third attribute of an entry is absent.
fn made_up(reads: &[ContractRead], classes: &[String], order: &[usize]) -> types::Values {
    let mut values = types::Values { count: 0, spans: Vec::new(), octets: Vec::new() };
    for entry in order {
        for (place, read) in reads.iter().enumerate() {
            if *entry > 0 && (entry + place).is_multiple_of(3) && !is_of_every_entry(&read.name) {
                continue;
            }
            for value in value(read, classes, *entry) {
                let start = values.octets.len();
                values.octets.extend(value.as_bytes());
                let span = [values.count as usize, place, start, value.len()];
                values.spans.extend(span.into_iter().map(|number| u32::try_from(number).unwrap_or(u32::MAX)));
            }
        }
        values.count += 1;
    }
    values
}

fn is_of_every_entry(name: &str) -> bool {
    ["dn", "anchor", "object-class"].contains(&name)
}

fn value(read: &ContractRead, classes: &[String], entry: usize) -> Vec<String> {
    let one = |text: String| vec![text];
    match read.name.as_str() {
        "dn" => return one(format!("uid=probe{entry},ou=people,dc=example,dc=com")),
        "object-class" => {
            let known: Vec<&str> = classes.iter().map(String::as_str).collect();
            let known = if known.is_empty() { &CLASSES[..] } else { &known };
            return one(known.get(entry % known.len()).copied().unwrap_or_default().to_owned());
        }
        _ => {}
    }
    match read.shape {
        Shape::Boolean => one(if entry.is_multiple_of(2) { "TRUE" } else { "FALSE" }.to_owned()),
        Shape::Integer => one((entry * 7).to_string()),
        Shape::Integers => (0..2).map(|number| (entry + number).to_string()).collect(),
        Shape::Decimal => one(format!("{entry}.5")),
        Shape::Texts | Shape::Binaries => (0..2).map(|number| format!("probe{entry}-{number}")).collect(),
        Shape::Text | Shape::Binary => one(format!("probe{entry}")),
        Shape::Unsent => one(String::new()),
    }
}
