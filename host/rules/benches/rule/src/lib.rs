//! A mapping of so many attributes, for measuring what an entry costs.

pub mod shape;

use provisor_sdk::prelude::*;

use crate::shape::{Edit, Kind};

/// The settings of the rule.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How many attributes it reads.
    attributes: usize,
}

/// Reads all attributes, and sets three fifths as many.
pub struct Rule(Vec<(Step, Target)>);

/// An attribute in the shape that it is read in.
#[derive(Clone, Copy)]
enum Read {
    Text(Text),
    Texts(Texts),
    Binary(Binary),
    Boolean(Boolean),
    Integer(Integer),
}

enum Step {
    Lower(Text),
    Join(Text, Text),
    Same(Read),
}

impl Mapping for Rule {
    type Config = Config;

    fn configure(config: Config, contract: &mut MappingContract) -> Result<Self, String> {
        contract.object_class("user").resource_kind("User");
        let read = |place: usize| {
            let name = shape::name(place);
            match shape::kind(place) {
                Kind::Text => Read::Text(contract.text(&name)),
                Kind::Texts => Read::Texts(contract.texts(&name)),
                Kind::Binary => Read::Binary(contract.binary(&name)),
                Kind::Boolean => Read::Boolean(contract.boolean(&name)),
                Kind::Integer => Read::Integer(contract.integer(&name)),
            }
        };
        let reads: Vec<Read> = (0..config.attributes).map(read).collect();
        let text = |place: usize| match reads.get(place) {
            Some(Read::Text(text)) => Ok(*text),
            _ => Err(format!("place {place} is no text")),
        };
        let step = |(number, edit)| {
            let step = match edit {
                Edit::Lower(place) => Step::Lower(text(place)?),
                Edit::Join(one, two) => Step::Join(text(one)?, text(two)?),
                Edit::Same(place) => Step::Same(*reads.get(place).ok_or("there is no such place")?),
            };
            Ok((step, contract.write(&shape::path(number))))
        };
        Ok(Self(shape::edits(config.attributes).into_iter().enumerate().map(step).collect::<Result<_, String>>()?))
    }

    fn map(&self, entry: &Entry, user: &mut Resource) -> Result<(), Refusal> {
        let needed = |handle| entry.text(handle).ok_or_else(|| exclude("no-text", "the entry lacks a text"));
        for (step, target) in &self.0 {
            match step {
                Step::Lower(text) => user.set(*target, needed(*text)?.to_lowercase()),
                Step::Join(one, two) => user.set(*target, format!("{} {}", needed(*one)?, needed(*two)?)),
                Step::Same(read) => match *read {
                    Read::Text(read) => copy(entry, user, *target, read),
                    Read::Texts(read) => copy(entry, user, *target, read),
                    Read::Binary(read) => copy(entry, user, *target, read),
                    Read::Boolean(read) => copy(entry, user, *target, read),
                    Read::Integer(read) => copy(entry, user, *target, read),
                },
            }
        }
        Ok(())
    }
}

fn copy(entry: &Entry, user: &mut Resource, target: Target, handle: impl Handle) {
    if entry.has(handle) {
        user.copy(target, handle);
    }
}

provisor_sdk::export_mapping!(Rule);
