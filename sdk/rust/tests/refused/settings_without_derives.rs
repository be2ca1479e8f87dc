//! Settings that forget what they have to derive.
//~ `Config` cannot be the settings of a rule
//~ #[derive(serde::Deserialize, schemars::JsonSchema)]
use provisor_sdk::prelude::*;

pub struct Config {
    pub domain: String,
}

pub struct All;

impl Filter for All {
    type Config = Config;

    fn configure(_: Config, _: &mut FilterContract) -> Result<Self, String> {
        Ok(Self)
    }

    fn decide(&self, _: &Entry) -> Verdict {
        Verdict::Keep
    }
}
