//! More rules at work at once than the engine has room for instances of.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use provisor_model::Entry;
use provisor_rules::{Binding, Outcome};
use serde_json::json;
use support::{Lab, binding, no_config, user};

/// Rules of the configuration: there may be as many filters as one likes.
const RULES: usize = 10;

#[test]
fn who_finds_no_room_waits_for_others_and_nobody_is_held_for_it() {
    let lab = Lab::new(&["scoping", "people"]);
    let everybody = json!({ "any": [{ "all": [{ "attribute": "uid", "operator": "is-not-null" }] }] });
    let mut rules: Vec<Binding> = (1..RULES).map(|_| binding("scoping", everybody.clone())).collect();
    rules.push(binding("people", no_config()));
    let chain = lab.bind(&rules);
    // On a machine of any size, more than there is room for.
    let threads = thread::available_parallelism().unwrap().get() * 2 + 14;
    let asked = AtomicUsize::new(0);
    let ask = || {
        let mut evaluator = chain.start_cycle(0, false);
        let person = user("ada");
        let people: Vec<&Entry> = vec![&person; 3];
        let mut begun = false;
        // All are at work until each has been through all rules.
        while asked.load(Ordering::Relaxed) < threads {
            let evaluations = evaluator.evaluate(&people).unwrap();
            if !begun {
                asked.fetch_add(1, Ordering::Relaxed);
                begun = true;
            }
            for evaluation in evaluations {
                assert!(!matches!(evaluation.outcome, Outcome::Held { .. }), "{evaluation:?}");
            }
        }
        assert_eq!(evaluator.faults(), 0);
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
