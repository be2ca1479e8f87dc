//! A type that is exported as a mapping and is none.
//~ `Nothing` is no mapping
//~ implement `provisor_sdk::Mapping` for it
//~ `export_filter!`
pub struct Nothing;

provisor_sdk::export_mapping!(Nothing);
