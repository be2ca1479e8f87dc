//! What one call into a plugin sends.

use provisor_model::{DraftValue, EntryView, Plain, Reason, ValueView};

use crate::bindings::mapping;
use crate::bindings::types::Values;
use crate::chain::{Link, MappingPlan};
use crate::contract::ContractRead;
use crate::encode::{no_values, push_built};
use crate::surface::PluginKind;
use crate::work::Work;

/// The most octets of one entry.
const ENTRY_OCTETS: usize = 16 << 20;

/// The most room that is kept from one call to the next, in numbers and in octets.
const KEPT_ROOM: usize = 256 << 10;

/// What one call sends.
pub(crate) struct Request<'c, 'e> {
    link: &'c Link,
    pub(crate) kind: PluginKind,
    pub(crate) cycle_time: bool,
    pub(crate) batch: mapping::Batch,
    /// The entries sent, for naming them in log lines.
    entries: Vec<EntryView<'e>>,
    /// For each entry sent, where the values of each read are.
    pub(crate) found: Vec<&'e [ValueView<'e>]>,
    /// How far it was filled before the entry that came last.
    before: Filled,
}

/// How far a request was filled.
#[derive(Clone, Copy, Default)]
struct Filled {
    entries: Extent,
    built: Extent,
    found: usize,
}

impl<'c, 'e> Request<'c, 'e> {
    /// A request without entries, in the place of one that is done with.
    pub(crate) fn new(link: &'c Link, kind: PluginKind, mut batch: mapping::Batch) -> Self {
        clear(&mut batch.entries);
        clear(&mut batch.built);
        let cycle_time = match kind {
            PluginKind::Filter => link.filter.as_ref().is_some_and(|filter| filter.cycle_time),
            PluginKind::Mapping => link.mapping.as_ref().is_some_and(|mapping| mapping.cycle_time),
        };
        Self { link, kind, cycle_time, batch, entries: Vec::new(), found: Vec::new(), before: Filled::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The name of an entry sent, by its place in the batch.
    pub(crate) fn name(&self, item: u32) -> Option<String> {
        self.entries.get(item as usize).map(|entry| entry.dn.to_string())
    }

    pub(crate) fn octets(&self) -> usize {
        self.batch.entries.octets.len() + self.batch.built.octets.len()
    }

    /// Adds an entry; the reason why it cannot be sent leaves the request as it was.
    pub(crate) fn push(&mut self, work: &Work<'e>) -> Result<(), Reason> {
        let (octets, before) = (self.octets(), self.filled());
        let pushed = self.push_values(work).and_then(|()| match self.octets() - octets {
            octets if octets > ENTRY_OCTETS => {
                let detail = format!(
                    "what {} reads of the entry has {octets} octets, more than the {ENTRY_OCTETS} allowed",
                    self.link.name
                );
                Err(Reason::new("too-large", detail))
            }
            _ => Ok(()),
        });
        match pushed {
            Ok(()) => {
                self.entries.push(work.entry);
                self.before = before;
            }
            Err(_) => self.cut_back(before),
        }
        pushed
    }

    /// What is sent of the entry that came last: spans and octets of itself, and of the resource so far.
    pub(crate) fn last_sent(&self) -> [(&[u32], &[u8]); 2] {
        [self.before.entries.behind(&self.batch.entries), self.before.built.behind(&self.batch.built)]
    }

    /// Where the values of each read are, of the entry that came last.
    pub(crate) fn last_found(&self) -> &[&'e [ValueView<'e>]] {
        self.found.get(self.before.found..).unwrap_or_default()
    }

    /// Takes the entry that came last out again.
    pub(crate) fn take_back(&mut self) {
        self.entries.pop();
        self.cut_back(self.before);
    }

    fn filled(&self) -> Filled {
        let Self { batch, found, .. } = self;
        Filled { entries: Extent::of(&batch.entries), built: Extent::of(&batch.built), found: found.len() }
    }

    fn cut_back(&mut self, to: Filled) {
        to.entries.restore(&mut self.batch.entries);
        to.built.restore(&mut self.batch.built);
        self.found.truncate(to.found);
    }

    fn push_values(&mut self, work: &Work<'e>) -> Result<(), Reason> {
        match self.kind {
            PluginKind::Filter => match &self.link.filter {
                Some(filter) => filter.reads.push(&work.entry, &mut self.found, &mut self.batch.entries),
                None => Ok(()),
            },
            PluginKind::Mapping => match &self.link.mapping {
                Some(mapping) => {
                    mapping.push_built(work, &mut self.batch.built)?;
                    mapping.reads.push(&work.entry, &mut self.found, &mut self.batch.entries)
                }
                None => Ok(()),
            },
        }
    }
}

/// A batch without entries.
pub(crate) fn no_batch() -> mapping::Batch {
    mapping::Batch { entries: no_values(), built: no_values() }
}

/// Empties values but keeps their room, unless that is far more than is usual.
fn clear(values: &mut Values) {
    values.count = 0;
    values.spans.clear();
    values.octets.clear();
    values.spans.shrink_to(KEPT_ROOM);
    values.octets.shrink_to(KEPT_ROOM);
}

/// How far the values of a batch were filled.
#[derive(Clone, Copy, Default)]
struct Extent {
    count: u32,
    spans: usize,
    octets: usize,
}

impl Extent {
    fn of(values: &Values) -> Self {
        Self { count: values.count, spans: values.spans.len(), octets: values.octets.len() }
    }

    /// The spans and octets that came since.
    fn behind(self, values: &Values) -> (&[u32], &[u8]) {
        (values.spans.get(self.spans..).unwrap_or_default(), values.octets.get(self.octets..).unwrap_or_default())
    }

    fn restore(self, values: &mut Values) {
        values.count = self.count;
        values.spans.truncate(self.spans);
        values.octets.truncate(self.octets);
    }
}

impl MappingPlan {
    /// Appends what the contract reads of the resource so far.
    fn push_built(&self, work: &Work<'_>, values: &mut Values) -> Result<(), Reason> {
        let number = values.count;
        for (place, (read, held)) in self.built.iter().enumerate() {
            let held = held.and_then(|held| work.built.place(held));
            if let Some(built) = held {
                push_built(read, place, &plain_values(read, &built.value)?, values, number)?;
            }
        }
        values.count += 1;
        Ok(())
    }
}

/// The values that can be read of a resource under construction: those that need not be resolved first.
fn plain_values(read: &ContractRead, value: &DraftValue) -> Result<Vec<Plain>, Reason> {
    match value {
        DraftValue::Plain(plain) => Ok(vec![plain.clone()]),
        DraftValue::List(list) => Ok(list.clone()),
        DraftValue::Rows(_)
        | DraftValue::Reference(_)
        | DraftValue::ReferenceBy { .. }
        | DraftValue::ReferencesOf(_)
        | DraftValue::FirstUnique(_) => {
            let detail = format!(
                "{} of the resource holds references, rows or a unique value, which a rule cannot read",
                read.name
            );
            Err(Reason::new("unfit-value", detail))
        }
    }
}
