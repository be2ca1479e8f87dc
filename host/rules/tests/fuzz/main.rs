//! The load gate and the reading of answers, given what nobody has thought of: each component is refused with a reason or
//! is bound and answers, within its limits; nothing panics, hangs or grows.
//!
//! Every component is made from a seed. The first ones are the same in every run, the others are new; a seed that fails is
//! told and kept with its component below `target/tmp`, and runs again alone with `PROVISOR_FUZZ_SEED`.
//! `PROVISOR_FUZZ_SECONDS` says how long it goes on; 20 s, and ten minutes with `PROVISOR_SOAK`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(
    clippy::cast_possible_wrap,
    clippy::print_stderr,
    reason = "a number as its octets; a test that aborts tells why"
)]

mod damage;
mod invent;
mod random;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use provisor_model::Entry;
use provisor_rules::{Limits, Outcome, PluginLimits, RulesError, RulesHost, RulesOptions};
use random::Random;
use support::made::{mapping, written};
use support::{binding, component, entry, evaluate, guest, no_config, options, resident, user, user_name};

/// The seeds of every run.
const ALWAYS: u64 = 400;
/// How often the host looks at its folder, and so lets go of what nobody uses.
const LOOK: u64 = 50;
/// The longest that one component may keep the host: many times what its limits come to.
const HANG: Duration = Duration::from_secs(120);
/// The most that the process may grow after the seeds of every run, in octets: the engine keeps a hundred memories warm, of
/// 1 MiB at most under these limits.
const GROWTH: usize = 128 << 20;
/// The longest text that anything may be told in, in octets.
const WORDS: usize = 10_000;

/// What the components are made of.
struct Makings {
    /// Those that are damaged.
    whole: Vec<Vec<u8>>,
    answering: invent::Answering,
}

/// What a component came to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Came {
    Refused,
    Held,
    Answered,
}

impl Makings {
    fn new() -> Self {
        let text = ["nested", "hollow", "unknown-import", "unknown-import-of-ours"].map(written);
        let whole =
            [mapping(&[]), mapping(&[]), mapping(&[]), component("sort-name")].into_iter().chain(text).collect();
        Self { whole, answering: invent::Answering::new() }
    }

    /// The component of a seed, and how it is made.
    fn component(&self, seed: u64) -> (&'static str, Vec<u8>) {
        let mut random = Random::new(seed);
        let made = random.below(10);
        let whole = random.one_of(&self.whole).clone();
        match made {
            0 => ("damaged octets", damage::octets(&mut random, &whole)),
            1..4 => ("damaged sections", damage::sections(&mut random, &whole)),
            4..6 => ("functions at random", invent::code(&mut random)),
            _ => ("answers at random", self.answering.one(&mut random)),
        }
    }
}

/// Limits under which an endless loop costs little.
fn tight(folder: &Path) -> RulesOptions {
    let limits = Limits {
        memory: 1 << 20,
        table_elements: 10_000,
        call_time: Duration::from_millis(20),
        output_octets: 1 << 20,
        compile_time: Duration::from_secs(20),
        faults_per_cycle: 2,
        ..Limits::default()
    };
    let usual = Limits::default();
    let limits = PluginLimits { own: [("made".to_owned(), limits)].into(), ..PluginLimits::from(usual) };
    RulesOptions { limits, ..options(folder, &[]) }
}

/// Has a component pass the gate and answer; panics at what must not be.
fn try_out(host: &RulesHost, bytes: Vec<u8>, entries: &[Entry]) -> Came {
    let bindings = [binding("made", no_config())];
    let chain = match host.chain_with("lab", &bindings, ("made", bytes)) {
        Ok(candidate) => candidate.chain,
        Err(error @ (RulesError::Plugin { .. } | RulesError::Chain { .. })) => {
            let told = error.to_string();
            is_fit_for_a_person(&told);
            for mistake in ["fault of this program", "the compiler failed", "no thread"] {
                assert!(!told.contains(mistake), "{told}");
            }
            return Came::Refused;
        }
        Err(error) => panic!("another kind of error: {error}"),
    };
    let evaluations = evaluate(&chain, entries);
    assert_eq!(evaluations.len(), entries.len());
    let mut came = Came::Held;
    for evaluation in evaluations {
        match evaluation.outcome {
            Outcome::Held { reason, .. } => {
                assert!(!reason.code.is_empty());
                is_fit_for_a_person(&(reason.code + &reason.detail));
            }
            Outcome::OutOfScope { reason, .. } => {
                is_fit_for_a_person(&(reason.code + &reason.detail));
                came = Came::Answered;
            }
            Outcome::Provision(_) => came = Came::Answered,
        }
    }
    came
}

fn is_fit_for_a_person(words: &str) {
    assert!(words.len() < WORDS, "{} octets: {words}", words.len());
    assert!(!words.chars().any(char::is_control), "{words:?}");
}

/// Ends the process where a seed takes for ever: that the gate hangs is what could not be told otherwise.
struct Watchman(Option<mpsc::Sender<u64>>);

impl Watchman {
    fn start() -> Self {
        let (begins, seeds) = mpsc::channel();
        std::thread::spawn(move || {
            let mut last = None;
            loop {
                match seeds.recv_timeout(HANG) {
                    Ok(seed) => last = Some(seed),
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        eprintln!("seed {last:?} has not ended in {HANG:?}: run it alone with PROVISOR_FUZZ_SEED");
                        std::process::abort();
                    }
                }
            }
        });
        Self(Some(begins))
    }

    fn begins(&self, seed: u64) {
        if let Some(begins) = &self.0 {
            begins.send(seed).unwrap();
        }
    }
}

/// A number from the environment.
fn wanted(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Where the component of a seed is kept while it runs, so that it is there whatever becomes of the process.
fn kept() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}.wasm", std::process::id()))
}

#[test]
fn whatever_comes_to_the_gate_is_refused_with_a_reason_or_answers_within_its_limits() {
    let makings = Makings::new();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("plugins")).unwrap();
    fs::write(folder.path().join("plugins/guest.wasm"), component("guest")).unwrap();
    let host = RulesHost::open(tight(folder.path())).unwrap();
    let entries = [
        user("ada"),
        entry("user", "uid=bob,dc=lab", &[("uid", &["bob"]), ("mail", &["b@lab", "a@lab"]), ("member", &["uid=ada"])]),
        entry("group", "cn=all,dc=lab", &[("member", &["uid=ada,dc=lab", "uid=bob,dc=lab"])]),
    ];
    let run = |seed: u64| {
        let (how, bytes) = makings.component(seed);
        fs::write(kept(), &bytes).unwrap();
        let tried = std::panic::catch_unwind(AssertUnwindSafe(|| try_out(&host, bytes, &entries)));
        let came = tried.unwrap_or_else(|_| {
            let failed = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{seed}.wasm"));
            fs::rename(kept(), &failed).unwrap();
            panic!(
                "seed {seed} ({how}) failed; PROVISOR_FUZZ_SEED={seed} runs it again, and it is {}",
                failed.display()
            )
        });
        (how, came)
    };
    if let Some(seed) = wanted("PROVISOR_FUZZ_SEED") {
        println!("seed {seed}: {:?}", run(seed));
        return;
    }

    let usual = if std::env::var_os("PROVISOR_SOAK").is_some() { 600 } else { 20 };
    let time = Duration::from_secs(wanted("PROVISOR_FUZZ_SECONDS").unwrap_or(usual));
    let new = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let new = u64::try_from(new).unwrap() << 20;
    let (began, watchman) = (Instant::now(), Watchman::start());
    let (mut came_to, mut memory, mut longest) = (BTreeMap::new(), 0, (Duration::ZERO, 0));
    for turn in 0.. {
        if turn == ALWAYS {
            memory = resident();
        }
        if turn >= ALWAYS && began.elapsed() >= time {
            break;
        }
        let seed = if turn < ALWAYS { turn } else { new + turn };
        watchman.begins(seed);
        let begins = Instant::now();
        *came_to.entry(run(seed)).or_insert(0) += 1;
        longest = longest.max((begins.elapsed(), seed));
        if turn % LOOK == 0 {
            host.scan();
            // What was compiled is not needed again, and would only fill the disk.
            let compiled = fs::read_dir(folder.path().join("data/compiled")).unwrap();
            compiled.for_each(|file| drop(fs::remove_file(file.unwrap().path())));
        }
        if turn + 1 == ALWAYS {
            // No way of making them is for nothing.
            for how in ["damaged octets", "damaged sections", "functions at random", "answers at random"] {
                for came in [Came::Refused, Came::Answered] {
                    assert!(came_to.contains_key(&(how, came)), "{how} never came to {came:?}: {came_to:?}");
                }
            }
        }
    }
    let _ = fs::remove_file(kept());
    let grown = resident().saturating_sub(memory);
    let count: u64 = came_to.values().sum();
    println!(
        "{count} components in {:.0} s, the longest {:.1} s (seed {}), {} MiB more memory; {came_to:?}",
        began.elapsed().as_secs_f64(),
        longest.0.as_secs_f64(),
        longest.1,
        grown >> 20,
    );
    assert!(grown < GROWTH, "the host grew by {grown} octets");
    let chain = host.bind("lab", &[guest(no_config())]).unwrap();
    assert_eq!(user_name(&evaluate(&chain, &[user("ada")])[0]).as_deref(), Some("ada"), "the others go on");
}
