//! Rules are replaced again and again while cycles run: no cycle fails, and each has its entries decided by one
//! generation. With `PROVISOR_SOAK` 1,000 times over 20,000 entries, else in a short form.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use provisor_model::Entry;
use provisor_rules::{Chain, RulesHost};
use support::made::Generations;
use support::{binding, generation, handles, lay_as_kubernetes, no_config, options, resident, user};

/// Entries that a cycle takes in hand at a time.
const PORTION: usize = 1000;
/// The most that the process may grow, in octets: what the allocator keeps, and far less than what was compiled.
const GROWTH: usize = 48 << 20;

/// How often rules are replaced, and over how many entries.
fn extent() -> (usize, usize) {
    if std::env::var_os("PROVISOR_SOAK").is_some() { (1000, 20_000) } else { (100, 5000) }
}

/// Two rules, each of which writes its generation into an attribute of its own; they are replaced together.
struct Pair([Generations; 2]);

impl Pair {
    fn new() -> Self {
        Self([Generations::of("title", true), Generations::of("displayName", false)])
    }

    /// Puts this generation of both into the folder, and takes the one before away.
    fn put(&self, folder: &Path, number: usize) {
        let [one, two] = &self.0;
        let files = [("one.wasm", one.component(number)), ("two.wasm", two.component(number))];
        lay_as_kubernetes(folder, &format!("..{number}"), &files);
        if let Some(before) = number.checked_sub(1) {
            fs::remove_dir_all(folder.join(format!("..{before}"))).unwrap();
        }
    }
}

/// Runs a cycle over these entries and gives the generation that decided about every one of them.
fn cycle(chain: &Arc<Chain>, entries: &[Entry]) -> usize {
    let mut evaluator = chain.start_cycle(0, false);
    let mut decided = None;
    for portion in entries.chunks(PORTION) {
        let portion: Vec<&Entry> = portion.iter().collect();
        for evaluation in evaluator.evaluate(&portion).unwrap() {
            let pair = (generation(&evaluation, "title"), generation(&evaluation, "displayName"));
            assert_eq!(pair.0, pair.1, "rules of two generations decided about one entry");
            assert_eq!(*decided.get_or_insert(pair.0), pair.0, "two generations decided in one cycle");
        }
    }
    assert_eq!(evaluator.faults(), 0);
    decided.unwrap()
}

#[test]
fn rules_replaced_while_cycles_run_decide_one_cycle_each_and_leave_nothing_behind() {
    let (replacements, people) = extent();
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    fs::create_dir(&plugins).unwrap();
    let pair = Pair::new();
    pair.put(&plugins, 0);
    let host = RulesHost::open(options(folder.path(), &[])).unwrap();
    let bindings = [binding("one", no_config()), binding("two", no_config())];
    let bind = || host.bind("lab", &bindings).unwrap();
    let entries: Vec<Entry> = (0..people).map(|number| user(&format!("u{number}"))).collect();
    assert_eq!(cycle(&bind(), &entries), 0);

    let put = AtomicUsize::new(0);
    let warm = Mutex::new(None);
    let (mut cycles, mut disturbed, mut last) = (0, 0, 0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let replacing = scope.spawn(|| {
            for number in 1..=replacements {
                pair.put(&plugins, number);
                put.store(number, Ordering::SeqCst);
                host.scan();
                if number == replacements / 5 {
                    *warm.lock().unwrap() = Some((resident(), handles()));
                }
            }
        });
        while !replacing.is_finished() {
            let before = put.load(Ordering::SeqCst);
            let decided = cycle(&bind(), &entries);
            assert!(decided >= last, "generation {decided} after {last}");
            last = decided;
            cycles += 1;
            disturbed += usize::from(put.load(Ordering::SeqCst) > before);
        }
        replacing.join().unwrap();
    });
    assert!(disturbed > 0, "no rule was replaced while a cycle ran");
    assert_eq!(cycle(&bind(), &entries), replacements, "the last generation is in force");
    host.scan();

    let (memory, held) = warm.into_inner().unwrap().unwrap();
    let (grown, now_held) = (resident().saturating_sub(memory), handles());
    println!(
        "{replacements} replacements in {:.1} s, {cycles} cycles over {people} entries, {disturbed} of them disturbed; \
         memory {} MiB, {} MiB more than after a fifth of them; handles {held}, then {now_held}",
        began.elapsed().as_secs_f64(),
        resident() >> 20,
        grown >> 20,
    );
    assert!(grown < GROWTH, "the host grew by {grown} octets");
    assert!(now_held <= held, "{held} handles became {now_held}");
}
