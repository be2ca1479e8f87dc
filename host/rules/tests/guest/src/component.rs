//! The component's glue, by hand where the SDK's own could not answer so wrongly.
#![allow(unsafe_code, missing_docs, reason = "the component's entry points are generated")]

use std::cell::Cell;

use exports::mapping::{Answer, Batch, Contract, Outcome};
use provisor_sdk::{Refusal, runtime};
use world::exports::provisor::rules as exports;

use crate::{Config, Fault, Keep, Misbehave};

mod world {
    provisor_sdk::__bindings!("filter-and-mapping-plugin");
}

struct Plugin;

provisor_sdk::__slots!(filter: Keep, mapping: Misbehave);

thread_local! {
    static FAULT: Cell<Fault> = const { Cell::new(Fault::None) };
}

impl exports::lifecycle::Guest for Plugin {
    fn describe() -> provisor_sdk::bindings::Manifest {
        runtime::manifest::<Config>("test-guest", env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_DESCRIPTION"))
    }

    fn configure(document: String) -> Result<(), String> {
        runtime::report_panics();
        FAULT.set(runtime::settings::<Config>(&document)?.fault);
        provisor_sdk::__configure!(filter, Keep, document);
        provisor_sdk::__configure!(mapping, Misbehave, document);
        Ok(())
    }

    fn summary() -> Option<String> {
        MAPPING.with(|slot| slot.get()?.summary())
    }
}

provisor_sdk::__implement!(filter, Keep);

impl exports::mapping::Guest for Plugin {
    fn describe_contract() -> Option<Contract> {
        MAPPING.with(|slot| {
            let (object_classes, reads, resource_reads, resource_kind, writes, cycle_time) =
                slot.get()?.contract()?.parts();
            Some(Contract { object_classes, reads, resource_reads, resource_kind, writes, cycle_time })
        })
    }

    fn transform(cycle_time: Option<i64>, batch: Batch) -> Result<Vec<Answer>, String> {
        let answers = MAPPING.with(|slot| {
            let rule = slot.get().ok_or_else(|| runtime::NOT_CONFIGURED.to_owned())?;
            rule.run(cycle_time, &batch.entries, &batch.built)
        })?;
        let answer = |answer: runtime::MappingAnswer| Answer {
            outcome: match answer.outcome {
                Ok(edits) if FAULT.get() == Fault::Twice => {
                    Outcome::Edits(edits.iter().take(1).chain(edits.iter().take(1)).cloned().collect())
                }
                Ok(edits) => Outcome::Edits(edits),
                Err(Refusal::Exclude(reason)) => Outcome::Exclude(reason),
                Err(Refusal::Fail(reason)) => Outcome::Failed(reason),
            },
            valid_until: answer.valid_until,
        };
        match FAULT.get() {
            Fault::Error => Err("the guest answers with an error".to_owned()),
            Fault::TooFew => Ok(answers.into_iter().skip(1).map(answer).collect()),
            _ => Ok(answers.into_iter().map(answer).collect()),
        }
    }
}

world::export!(Plugin with_types_in world);
