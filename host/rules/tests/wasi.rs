//! A plugin that uses a standard library made for a system: everything answers, and always alike.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod support;

use std::fs;
use std::path::Path;

use provisor_model::DraftValue;
use provisor_rules::{Evaluation, Outcome};
use support::{Lab, binding, evaluate, held, no_config, user};

/// Whether the guest could be built; where its target could not be had, these tests say so and show nothing.
fn is_built() -> bool {
    let absent = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins-test/std-guest.absent");
    let reason = fs::read_to_string(absent).ok();
    if let Some(reason) = &reason {
        eprintln!("not shown here, for want of the target wasm32-wasip2: {reason}");
    }
    reason.is_none()
}

/// What the guest was told for this question, by a fresh host.
fn asked(what: &str) -> Evaluation {
    let lab = Lab::new(&["std-guest"]);
    let chain = lab.bind(&[binding("std-guest", no_config())]);
    evaluate(&chain, &[user(what)]).remove(0)
}

fn told(what: &str) -> String {
    let Outcome::Provision(draft) = asked(what).outcome else { panic!("{what}: {:?}", asked(what)) };
    match &draft.attributes.get(&"title".parse().unwrap()).unwrap().value {
        DraftValue::Plain(plain) => plain.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn hash_maps_work_and_have_the_same_order_in_every_host() {
    if !is_built() {
        return;
    }
    let order = told("random");
    assert_eq!(order.split(' ').count(), 50);
    assert_eq!(order, told("random"));
}

#[test]
fn the_clocks_stand_still_and_waiting_takes_no_time() {
    if !is_built() {
        return;
    }
    assert_eq!(told("clock"), "0 0");
    assert_eq!(told("sleep"), "slept");
}

#[test]
fn there_are_no_files_sockets_variables_arguments_and_input() {
    if !is_built() {
        return;
    }
    assert_eq!(told("system"), "entity not found; permission denied; 0 0 0");
}

#[test]
fn what_is_printed_is_no_part_of_the_answer() {
    if !is_built() {
        return;
    }
    assert_eq!(told("print"), "printed");
    assert_eq!(told("flood"), "flooded");
}

#[test]
fn a_panic_is_told_in_its_own_words_though_it_was_only_printed() {
    if !is_built() {
        return;
    }
    let evaluation = asked("panic");
    let (code, detail) = held(&evaluation).unwrap();
    assert_eq!(code, "plugin-trap");
    assert!(detail.contains("the guest panics"), "{detail}");
}

#[test]
fn an_exit_is_a_fault_of_the_plugin() {
    if !is_built() {
        return;
    }
    let evaluation = asked("exit");
    let (code, detail) = held(&evaluation).unwrap();
    assert_eq!(code, "plugin-trap");
    assert!(detail.contains("it ended itself by exit"), "{detail}");
}
