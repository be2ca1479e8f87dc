//! What an entry costs on its way through a plugin, by its size, the size of the batch, the shape of the interface and the
//! engine's settings; beside a native clone of the entry and the rule in native Rust. `cargo xtask bench --calls`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a program that measures: it has its own inputs and its table is what it is for"
)]

mod clock;
mod entries;
mod native;
mod preview;
mod raw;
mod table;

use std::time::Duration;

use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use provisor_model::Entry;
use serde_json::json;

use crate::clock::ProcessorTime;
use crate::entries::{Hosted, Stored};
use crate::native::NativeRule;
use crate::raw::{Flat, Raw, Settings, Typed};

/// The sizes of entries; the third is that of the figure we aim at.
const ATTRIBUTES: [usize; 4] = [4, 12, 20, 40];
/// The entries of a call.
const BATCHES: [usize; 3] = [1, 16, 256];
/// What the engine's settings are compared at: the host's own batch.
const SETTINGS: (usize, usize) = (20, 64);

fn main() {
    if std::env::args().any(|argument| argument == "--preview") {
        return preview::run();
    }
    let mut criterion = Criterion::default()
        .with_measurement(ProcessorTime)
        .without_plots()
        .output_directory(&table::folder())
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .configure_from_args();
    let table = table::Table::begin();
    sizes(&mut criterion);
    settings(&mut criterion);
    criterion.final_summary();
    table.print();
}

/// An entry by its size, the batch and the shape.
fn sizes(criterion: &mut Criterion<ProcessorTime>) {
    let mut group = criterion.benchmark_group("entry");
    let component = raw::component("provisor-bench-rule");
    let hosted = Hosted::new("rule", &component);
    let flat = Raw::new(&component, &Settings::default());
    let typed = Raw::new(&raw::component("provisor-bench-typed"), &Settings::default());
    for attributes in ATTRIBUTES {
        for batch in BATCHES {
            let entries = entries::entries(attributes, batch);
            let mut measure = Measured { group: &mut group, attributes, batch };
            measure.natively(&entries);
            measure.in_host(&hosted, &entries);
            measure.by_shape(&flat, &typed, &entries);
        }
    }
    group.finish();
}

/// One size of entry and batch.
struct Measured<'g, 'c> {
    group: &'g mut BenchmarkGroup<'c, ProcessorTime>,
    attributes: usize,
    batch: usize,
}

impl Measured<'_, '_> {
    fn of(&mut self, what: &str, mut once: impl FnMut()) {
        self.group.throughput(Throughput::Elements(self.batch as u64));
        let id = BenchmarkId::new(what, table::at(self.attributes, self.batch));
        self.group.bench_function(id, |bencher| bencher.iter(&mut once));
    }

    fn natively(&mut self, entries: &[Entry]) {
        self.of("clone", || drop(std::hint::black_box(entries.to_vec())));
        let rule = NativeRule::new(self.attributes);
        self.of("native", || drop(std::hint::black_box(rule.map(entries))));
    }

    /// From stored octets to drafts by the host's public functions; and the same from views of entries.
    fn in_host(&mut self, hosted: &Hosted, entries: &[Entry]) {
        let stored = Stored::of(entries);
        let mut evaluator = hosted.start(json!({ "attributes": self.attributes }));
        self.of("host", || drop(std::hint::black_box(stored.evaluate(&mut evaluator))));
        stored.viewed(|views| {
            self.of("host-rules", || drop(std::hint::black_box(evaluator.evaluate_views(views).unwrap())));
        });
    }

    /// The call alone, with values that are ready to be sent.
    fn by_shape(&mut self, flat: &Raw, typed: &Raw, entries: &[Entry]) {
        let values = entries::flat(self.attributes, entries);
        let mut flat = Flat::new(flat, self.attributes);
        self.of("flat", || drop(std::hint::black_box(flat.call(&values))));
        let records = entries::typed(self.attributes, entries);
        let mut typed = Typed::new(typed, self.attributes);
        self.of("typed", || drop(std::hint::black_box(typed.call(&records))));
    }
}

/// One size of entry and batch under other settings of the engine and of the guest, by the call alone.
fn settings(criterion: &mut Criterion<ProcessorTime>) {
    let mut group = criterion.benchmark_group("settings");
    let (attributes, batch) = SETTINGS;
    let values = entries::flat(attributes, &entries::entries(attributes, batch));
    group.throughput(Throughput::Elements(batch as u64));
    for (name, guest, settings, calls) in raw::settings() {
        let Some(component) = raw::find(guest) else {
            println!("{name}: left out, {guest} is not built: run `cargo xtask bench --calls`");
            continue;
        };
        group.bench_function(BenchmarkId::new(name, table::at(attributes, batch)), |bencher| {
            let raw = Raw::new(&component, &settings);
            let mut flat = Flat::new(&raw, attributes);
            let mut left = calls;
            bencher.iter(|| {
                if left == 0 {
                    // The old one first, as the host does, so that its memory can be taken again.
                    flat.renew(&raw, attributes);
                    left = calls;
                }
                left -= 1;
                flat.call(&values)
            });
        });
    }
    group.finish();
}
