//! A mapping that is exported as a filter.
//~ `Title` is no filter
//~ `export_mapping!`
use provisor_sdk::prelude::*;

pub struct Title(Text, Target);

impl Mapping for Title {
    type Config = NoConfig;

    fn configure(_: NoConfig, contract: &mut MappingContract) -> Result<Self, String> {
        Ok(Self(contract.text("title"), contract.write("title")))
    }

    fn map(&self, entry: &Entry, resource: &mut Resource) -> Result<(), Refusal> {
        entry.has(self.0).then(|| resource.copy(self.1, self.0));
        Ok(())
    }
}

provisor_sdk::export_filter!(Title);
