//! An entry of the source as a rule sees it: borrowed views on the flat values of a batch.

use std::cell::Cell;

use crate::bindings::Values;
use crate::contract::private::Place;
use crate::{Binaries, Binary, Boolean, CycleTime, Decimal, Handle, Integer, Integers, Text, Texts};

/// How many numbers a span has.
const SPAN: usize = 4;

/// The values of a batch, with an index by entry and attribute.
pub(crate) struct Batch<'a> {
    values: &'a Values,
    attributes: usize,
    /// For each cell (entry x attribute) its first span; one more at the end.
    starts: Vec<u32>,
}

impl<'a> Batch<'a> {
    /// Indexes the values, which have this many attributes, and checks that they are well formed.
    #[expect(clippy::cast_possible_truncation, reason = "the interface counts spans in 32 bits")]
    pub(crate) fn new(values: &'a Values, attributes: usize) -> Result<Self, String> {
        let cells = values.count as usize * attributes;
        let mut starts = Vec::with_capacity(cells + 1);
        let mut spans = values.spans.chunks_exact(SPAN);
        for (number, span) in spans.by_ref().enumerate() {
            let &[entry, attribute, start, length] = span else { continue };
            let cell = entry as usize * attributes + attribute as usize;
            let in_place = (attribute as usize) < attributes && cell < cells && cell + 1 >= starts.len();
            if !in_place || u64::from(start) + u64::from(length) > values.octets.len() as u64 {
                return Err(format!("the host sent a malformed batch: span {number} is out of place"));
            }
            while starts.len() <= cell {
                starts.push(number as u32);
            }
        }
        if !spans.remainder().is_empty() {
            return Err("the host sent a malformed batch: a span is cut short".to_owned());
        }
        starts.resize(cells + 1, (values.spans.len() / SPAN) as u32);
        Ok(Self { values, attributes, starts })
    }

    pub(crate) fn len(&self) -> usize {
        self.values.count as usize
    }

    /// The values of one attribute of one entry.
    pub(crate) fn octets(&self, entry: usize, attribute: u32) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let cell = entry * self.attributes + attribute as usize;
        let bounds = (attribute as usize) < self.attributes;
        let (from, to) = match (self.starts.get(cell), self.starts.get(cell + 1)) {
            (Some(from), Some(to)) if bounds => (*from as usize * SPAN, *to as usize * SPAN),
            _ => (0, 0),
        };
        let values = self.values;
        values.spans.get(from..to).unwrap_or_default().chunks_exact(SPAN).map(|span| match span {
            &[_, _, start, length] => {
                values.octets.get(start as usize..).and_then(|rest| rest.get(..length as usize)).unwrap_or_default()
            }
            _ => &[],
        })
    }
}

/// Ends the call: a batch that the host sent against the interface can only be refused as a whole.
#[cold]
#[expect(clippy::panic, reason = "a trap is the only honest answer to a host that breaks the interface")]
fn broken(what: &str) -> ! {
    panic!("the host sent a value that is no {what}, against the contract")
}

pub(crate) fn as_text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap_or_else(|_| broken("text"))
}

pub(crate) fn as_boolean(octets: &[u8]) -> bool {
    match octets {
        b"TRUE" => true,
        b"FALSE" => false,
        _ => broken("truth value"),
    }
}

fn as_integer(octets: &[u8]) -> i64 {
    as_text(octets).parse().unwrap_or_else(|_| broken("whole number"))
}

fn as_decimal(octets: &[u8]) -> f64 {
    as_text(octets).parse().unwrap_or_else(|_| broken("decimal number"))
}

/// An entry: what the contract reads of it, and nothing else.
pub struct Entry<'a> {
    pub(crate) batch: &'a Batch<'a>,
    pub(crate) number: usize,
    pub(crate) cycle_time: i64,
    pub(crate) valid_until: Cell<Option<i64>>,
}

impl<'a> Entry<'a> {
    pub(crate) fn new(batch: &'a Batch<'a>, number: usize, cycle_time: Option<i64>) -> Self {
        Self { batch, number, cycle_time: cycle_time.unwrap_or_default(), valid_until: Cell::new(None) }
    }

    fn octets<P: Place>(&self, handle: P) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a, P> {
        self.batch.octets(self.number, handle.place())
    }

    /// Whether the attribute has a value.
    pub fn has(&self, handle: impl Handle) -> bool {
        self.octets(handle).len() > 0
    }

    /// The text; none where the entry has none.
    pub fn text(&self, handle: Text) -> Option<&'a str> {
        self.octets(handle).next().map(as_text)
    }

    /// All texts.
    pub fn texts(&self, handle: Texts) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        self.octets(handle).map(as_text)
    }

    /// The octets.
    pub fn binary(&self, handle: Binary) -> Option<&'a [u8]> {
        self.octets(handle).next()
    }

    /// All strings of octets.
    pub fn binaries(&self, handle: Binaries) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        self.octets(handle)
    }

    /// True or false.
    pub fn boolean(&self, handle: Boolean) -> Option<bool> {
        self.octets(handle).next().map(as_boolean)
    }

    /// The whole number.
    pub fn integer(&self, handle: Integer) -> Option<i64> {
        self.octets(handle).next().map(as_integer)
    }

    /// All whole numbers.
    pub fn integers(&self, handle: Integers) -> impl ExactSizeIterator<Item = i64> + use<'a> {
        self.octets(handle).map(as_integer)
    }

    /// The decimal number.
    pub fn decimal(&self, handle: Decimal) -> Option<f64> {
        self.octets(handle).next().map(as_decimal)
    }

    /// The cycle's time, in seconds since 1970. A rule that depends on it says with [`Self::valid_until`] when its answer
    /// may change.
    pub fn now(&self, _right: CycleTime) -> i64 {
        self.cycle_time
    }

    /// Says that the answer may change at this time (seconds since 1970) though the entry does not; the earliest counts.
    ///
    /// ```
    /// use provisor_sdk::prelude::*;
    ///
    /// fn employed(entry: &Entry, end: Integer, now: CycleTime) -> Verdict {
    ///     match entry.integer(end) {
    ///         Some(end) if end <= entry.now(now) => Verdict::drop("left", format!("the contract ended at {end}")),
    ///         Some(end) => {
    ///             entry.valid_until(end);
    ///             Verdict::Keep
    ///         }
    ///         None => Verdict::Keep,
    ///     }
    /// }
    /// ```
    pub fn valid_until(&self, time: i64) {
        self.valid_until.set(Some(self.valid_until.get().map_or(time, |earlier| earlier.min(time))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: u32, spans: &[u32], octets: &[u8]) -> Values {
        Values { count, spans: spans.to_vec(), octets: octets.to_vec() }
    }

    #[test]
    fn values_are_found_by_entry_and_attribute() {
        let flat = values(2, &[0, 1, 0, 1, 0, 1, 1, 1, 1, 0, 2, 2], b"abcd");
        let batch = Batch::new(&flat, 2).unwrap();
        assert_eq!(batch.octets(0, 0).len(), 0);
        assert_eq!(batch.octets(0, 1).collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(batch.octets(1, 0).collect::<Vec<_>>(), [b"cd"]);
        assert_eq!(batch.octets(1, 1).len(), 0);
        assert_eq!(batch.octets(0, 9).len(), 0, "a place of another contract");
    }

    #[test]
    fn a_malformed_batch_is_refused() {
        for spans in [&[0, 0, 0][..], &[0, 0, 0, 9], &[2, 0, 0, 0], &[0, 2, 0, 0], &[1, 0, 0, 0, 0, 0, 0, 0]] {
            assert!(Batch::new(&values(2, spans, b"x"), 2).is_err(), "{spans:?}");
        }
        assert!(Batch::new(&values(1, &[0, 0, u32::MAX, u32::MAX], b"x"), 1).is_err());
    }
}
