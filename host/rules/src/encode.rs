//! Entries and drafts as the flat values of a batch.

use std::borrow::Cow;
use std::cmp::Ordering;

use provisor_model::{AttributeName, DnView, EntryView, Plain, Reason, ValueView};

use crate::bindings::types::Values;
use crate::contract::{ContractRead, Shape, Virtual};

/// The reads of a contract, prepared for being looked up in many entries.
#[derive(Debug)]
pub(crate) struct ReadPlan {
    reads: Vec<Planned>,
    /// The attributes among them with their places, in the order of names, which is that of an entry's attributes.
    by_name: Vec<(AttributeName, usize)>,
}

#[derive(Debug)]
struct Planned {
    name: String,
    shape: Shape,
    source: Option<Virtual>,
}

impl ReadPlan {
    pub(crate) fn new(reads: &[ContractRead]) -> Self {
        let planned = |read: &ContractRead| Planned {
            name: read.name.clone(),
            shape: read.shape,
            source: read.virtual_attribute(),
        };
        let named = |(place, read): (usize, &ContractRead)| Some((read.attribute()?, place));
        let mut by_name: Vec<_> = reads.iter().enumerate().filter_map(named).collect();
        by_name.sort();
        Self { reads: reads.iter().map(planned).collect(), by_name }
    }

    /// The attribute of the source at this place; none for what every entry has, and for places there are not.
    pub(crate) fn attribute(&self, place: u32) -> Option<AttributeName> {
        let read = self.reads.get(place as usize)?;
        read.source.is_none().then(|| AttributeName::new(read.name.as_str()))
    }

    /// Whether there is an attribute of the source at this place.
    pub(crate) fn is_attribute(&self, place: u32) -> bool {
        self.reads.get(place as usize).is_some_and(|read| read.source.is_none())
    }

    pub(crate) fn shape(&self, place: u32) -> Option<Shape> {
        self.reads.get(place as usize).map(|read| read.shape)
    }

    /// How many attributes are read.
    pub(crate) fn len(&self) -> usize {
        self.reads.len()
    }

    /// All values of this read in an entry, as typed by its shape; empty where it has none. `found` is what
    /// [`Self::push`] found of the entry; it fitted then.
    pub(crate) fn typed(&self, entry: &EntryView<'_>, found: &[&[ValueView<'_>]], place: u32) -> Vec<Plain> {
        let Some((read, present)) = self.at(found, place) else { return Vec::new() };
        match read.source {
            Some(source) => read.shape.typed(virtual_value(entry, source, read.shape).view()).into_iter().collect(),
            None => present.iter().filter_map(|value| read.shape.typed(*value)).collect(),
        }
    }

    /// The first of them, for a shape that has one value.
    pub(crate) fn first_typed(&self, entry: &EntryView<'_>, found: &[&[ValueView<'_>]], place: u32) -> Option<Plain> {
        let (read, present) = self.at(found, place)?;
        match read.source {
            Some(source) => read.shape.typed(virtual_value(entry, source, read.shape).view()),
            None => read.shape.typed(*present.first()?),
        }
    }

    fn at<'f, 'v>(&self, found: &[&'f [ValueView<'v>]], place: u32) -> Option<(&Planned, &'f [ValueView<'v>])> {
        Some((self.reads.get(place as usize)?, *found.get(place as usize)?))
    }

    /// Appends what the contract reads of an entry, and to `found` where its values are. After an error, which is a value
    /// that does not fit its shape, both are to be cut back.
    pub(crate) fn push<'e>(
        &self,
        entry: &EntryView<'e>,
        found: &mut Vec<&'e [ValueView<'e>]>,
        values: &mut Values,
    ) -> Result<(), Reason> {
        let first = found.len();
        self.look_up(entry, found);
        let number = values.count;
        for (place, (read, present)) in self.reads.iter().zip(found.get(first..).unwrap_or_default()).enumerate() {
            let pushed = match read.source {
                Some(source) => {
                    push_value(values, number, place, read.shape, virtual_value(entry, source, read.shape).view())
                }
                None => {
                    let sent = if read.shape.is_single() { present.get(..1).unwrap_or_default() } else { present };
                    sent.iter().try_for_each(|value| push_value(values, number, place, read.shape, *value))
                }
            };
            pushed.map_err(|expected| unfit(&read.name, expected))?;
        }
        values.count += 1;
        Ok(())
    }

    /// Walks along the attributes of the entry, both being in the order of names.
    fn look_up<'e>(&self, entry: &EntryView<'e>, found: &mut Vec<&'e [ValueView<'e>]>) {
        let first = found.len();
        found.resize(first + self.reads.len(), &[]);
        let mut attributes = entry.attributes.iter();
        let mut current = attributes.next();
        for (name, place) in &self.by_name {
            while let Some((known, values)) = current {
                // Mostly they are spelt alike: that is told at once.
                let order = if known == name.as_str() { Ordering::Equal } else { name.compare(known).reverse() };
                match order {
                    Ordering::Less => current = attributes.next(),
                    Ordering::Equal => {
                        if let Some(found) = found.get_mut(first + *place) {
                            *found = values;
                        }
                        break;
                    }
                    Ordering::Greater => break,
                }
            }
        }
    }
}

impl Shape {
    pub(crate) fn is_single(self) -> bool {
        !matches!(self, Self::Texts | Self::Binaries | Self::Integers | Self::Unsent)
    }

    /// A source value as this shape types it; none where it does not fit.
    fn typed(self, value: ValueView<'_>) -> Option<Plain> {
        let text = || text_of(value);
        match self {
            Self::Text | Self::Texts => text().map(|text| Plain::Text(text.to_owned())),
            Self::Binary | Self::Binaries => Some(Plain::Binary(value.octets().to_vec())),
            Self::Boolean => boolean(value.octets()).map(Plain::Boolean),
            Self::Integer | Self::Integers => text()?.parse().ok().map(Plain::Integer),
            Self::Decimal => text()?.parse().ok().filter(|number: &f64| number.is_finite()).map(Plain::Decimal),
            Self::Unsent => Some(match value {
                ValueView::Text(text) => Plain::Text(text.to_owned()),
                ValueView::Binary(octets) => Plain::Binary(octets.to_vec()),
            }),
        }
    }
}

/// A value as text, where it is that.
fn text_of(value: ValueView<'_>) -> Option<&str> {
    match value {
        ValueView::Text(text) => Some(text),
        ValueView::Binary(octets) => std::str::from_utf8(octets).ok(),
    }
}

fn boolean(octets: &[u8]) -> Option<bool> {
    match octets {
        b"TRUE" => Some(true),
        b"FALSE" => Some(false),
        _ => None,
    }
}

/// A value that every entry has, made for being sent.
enum Made<'e> {
    Text(Cow<'e, str>),
    Binary(&'e [u8]),
}

impl Made<'_> {
    fn view(&self) -> ValueView<'_> {
        match self {
            Self::Text(text) => ValueView::Text(text),
            Self::Binary(octets) => ValueView::Binary(octets),
        }
    }
}

fn virtual_value<'e>(entry: &EntryView<'e>, source: Virtual, shape: Shape) -> Made<'e> {
    match source {
        Virtual::Dn => Made::Text(match entry.dn {
            DnView::Text(text) => text.into(),
            DnView::Parsed(dn) => dn.to_string().into(),
        }),
        Virtual::Anchor if matches!(shape, Shape::Binary | Shape::Binaries) => Made::Binary(entry.anchor.octets()),
        Virtual::Anchor => Made::Text(entry.anchor.to_string().into()),
        Virtual::ObjectClass => Made::Text(entry.object_class.into()),
    }
}

/// Appends one value; an error names what it should have been.
fn push_value(
    values: &mut Values,
    entry: u32,
    place: usize,
    shape: Shape,
    value: ValueView<'_>,
) -> Result<(), &'static str> {
    let octets = value.octets();
    let text = || text_of(value);
    match shape {
        Shape::Binary | Shape::Binaries => {}
        Shape::Text | Shape::Texts => {
            text().ok_or("text")?;
        }
        Shape::Boolean => {
            boolean(octets).ok_or("TRUE or FALSE")?;
        }
        Shape::Integer | Shape::Integers => {
            text().and_then(|text| text.parse::<i64>().ok()).ok_or("a whole number")?;
        }
        Shape::Decimal => {
            text()
                .and_then(|text| text.parse::<f64>().ok())
                .filter(|number| number.is_finite())
                .ok_or("a decimal number")?;
        }
        // Only that there is one: a second span would tell how many.
        Shape::Unsent => {
            let told =
                values.spans.rchunks_exact(4).next().is_some_and(|span| span.get(..2) == Some(&[entry, number(place)]));
            if !told {
                push_span(values, entry, place, &[]);
            }
            return Ok(());
        }
    }
    push_span(values, entry, place, octets);
    Ok(())
}

fn push_span(values: &mut Values, entry: u32, place: usize, octets: &[u8]) {
    let start = number(values.octets.len());
    values.spans.extend_from_slice(&[entry, number(place), start, number(octets.len())]);
    values.octets.extend_from_slice(octets);
}

/// Places and lengths of a batch, which is far smaller than 4 GiB.
fn number(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

fn unfit(name: &str, expected: &str) -> Reason {
    Reason::new("unfit-value", format!("{name} has a value that is not {expected}, as the rule reads it"))
}

/// Appends the values that one attribute of the resource holds so far.
pub(crate) fn push_built(
    read: &ContractRead,
    place: usize,
    held: &[Plain],
    values: &mut Values,
    entry: u32,
) -> Result<(), Reason> {
    let sent = if read.shape.is_single() { held.get(..1).unwrap_or_default() } else { held };
    for plain in sent {
        let value = match plain {
            Plain::Text(text) => Made::Text(text.into()),
            Plain::Binary(octets) => Made::Binary(octets),
            Plain::Boolean(flag) => Made::Text(if *flag { "TRUE" } else { "FALSE" }.into()),
            Plain::Integer(number) => Made::Text(number.to_string().into()),
            Plain::Decimal(number) => Made::Text(number.to_string().into()),
        };
        push_value(values, entry, place, read.shape, value.view()).map_err(|expected| unfit(&read.name, expected))?;
    }
    Ok(())
}

/// No values yet.
pub(crate) fn no_values() -> Values {
    Values { count: 0, spans: Vec::new(), octets: Vec::new() }
}
