//! A value that no attribute can have.
//~ a rule cannot set an attribute to `Duration`
//~ texts, octets, truth values, whole and decimal numbers
use std::time::Duration;

use provisor_sdk::prelude::*;

pub fn set(resource: &mut Resource, target: Target) {
    resource.set(target, Duration::from_secs(1));
}
