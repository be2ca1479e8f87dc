//! A number that is read as a text.
//~ mismatched types
//~ expected `Text`, found `Integer`
use provisor_sdk::prelude::*;

pub struct Numbered(Integer);

impl Filter for Numbered {
    type Config = NoConfig;

    fn configure(_: NoConfig, contract: &mut FilterContract) -> Result<Self, String> {
        Ok(Self(contract.integer("employeeNumber")))
    }

    fn decide(&self, entry: &Entry) -> Verdict {
        match entry.text(self.0) {
            Some(_) => Verdict::Keep,
            None => Verdict::drop("no-number", "the entry has no number"),
        }
    }
}
