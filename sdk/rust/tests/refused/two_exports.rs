//! Two plugins in one crate.
//~ the name `this_crate_exports_a_plugin_already` is defined multiple times
use provisor_sdk::prelude::*;

pub struct All;

impl Filter for All {
    type Config = NoConfig;

    fn configure(_: NoConfig, _: &mut FilterContract) -> Result<Self, String> {
        Ok(Self)
    }

    fn decide(&self, _: &Entry) -> Verdict {
        Verdict::Keep
    }
}

provisor_sdk::export_filter!(All);
provisor_sdk::export_filter!(All);
