//! What plugins say in a whole cycle is bounded, and what was left out is told once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use provisor_model::Entry;
use provisor_rules::{Limits, RulesHost};
use serde_json::json;
use support::{Lab, guest, options, user};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// The log lines of plugins, and what was told of those left out.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<(Vec<String>, Vec<u64>)>>);

impl Subscriber for Heard {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "provisor::plugin"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Fields(String, Option<u64>);
        impl Visit for Fields {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }

            fn record_u64(&mut self, field: &Field, value: u64) {
                if field.name() == "dropped" {
                    self.1 = Some(value);
                }
            }
        }
        let mut fields = Fields(String::new(), None);
        event.record(&mut fields);
        let mut heard = self.0.lock().unwrap();
        match fields.1 {
            Some(dropped) => heard.1.push(dropped),
            None => heard.0.push(fields.0),
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A cycle of two evaluators in which a plugin says a thousand lines about each of ten entries, a call for each.
fn cycle(limits: Limits) -> (Vec<String>, Vec<u64>) {
    let lab = Lab::new(&["guest"]);
    let mut options = options(lab.data().parent().unwrap(), &[]);
    options.limits = limits.into();
    let chain = RulesHost::open(options).unwrap().bind("lab", &[guest(json!({ "fault": "chatter" }))]).unwrap();
    let heard = Heard::default();
    tracing::subscriber::with_default(heard.clone(), || {
        let mut first = chain.start_cycle(0, false);
        let mut second = first.beside();
        let entries: Vec<Entry> = (0..10).map(|number| user(&format!("u{number}"))).collect();
        for pair in entries.chunks(2) {
            first.evaluate(&[&pair[0]]).unwrap();
            second.evaluate(&[&pair[1]]).unwrap();
        }
        drop(first);
        assert_eq!(heard.0.lock().unwrap().1, Vec::<u64>::new(), "the cycle goes on");
        drop(second);
    });
    let heard = heard.0.lock().unwrap();
    heard.clone()
}

#[test]
fn a_call_and_a_cycle_may_say_so_many_lines() {
    let (lines, dropped) = cycle(Limits { log_lines: 10, log_lines_per_cycle: 25, ..Limits::default() });
    assert_eq!(lines.len(), 25);
    assert_eq!(lines.first().map(String::as_str), Some("line 990"), "the last ones of a call");
    assert_eq!(dropped, [10_000 - 25]);
}

#[test]
fn a_cycle_may_say_so_many_octets() {
    let (lines, dropped) = cycle(Limits { log_lines: 10, log_octets_per_cycle: 100, ..Limits::default() });
    assert_eq!(lines.len(), 12, "of eight octets each");
    assert_eq!(dropped, [10_000 - 12]);
}

#[test]
fn who_keeps_within_the_limits_is_not_told_of() {
    let lines = Limits { log_lines: 1000, log_octets: 1 << 20, log_lines_per_cycle: 10_000, ..Limits::default() };
    let (lines, dropped) = cycle(lines);
    assert_eq!((lines.len(), dropped), (10_000, Vec::new()));
}
