//! Plugins are asked only where what they are sent is something else than before, and all comes to the same as if they
//! were always asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use provisor_model::{Entry, Value};
use provisor_rules::{Binding, Chain, Evaluation, Outcome};
use serde_json::json;
use support::{Lab, binding, component, guest, held, no_config, user, user_name};

const KEY: [u8; 16] = *b"the space's own.";

/// Entries, and what is kept of the plugins' answers about them.
struct Kept {
    entries: Vec<Entry>,
    answers: Vec<Vec<u8>>,
}

impl Kept {
    fn new(entries: Vec<Entry>) -> Self {
        let answers = entries.iter().map(|_| Vec::new()).collect();
        Self { entries, answers }
    }

    fn users(number: usize) -> Self {
        Self::new((0..number).map(|number| user(&format!("u{number}"))).collect())
    }

    /// Evaluates all entries in a cycle of this time, and keeps what is to be kept.
    fn evaluate(&mut self, chain: &Arc<Chain>, time: i64) -> Vec<Evaluation> {
        let mut evaluations = self.look(chain, time, KEY);
        for (kept, evaluation) in self.answers.iter_mut().zip(&mut evaluations) {
            if let Some(answers) = evaluation.answers.take() {
                *kept = answers;
            }
        }
        evaluations
    }

    /// Evaluates all entries and keeps nothing.
    fn look(&self, chain: &Arc<Chain>, time: i64, key: [u8; 16]) -> Vec<Evaluation> {
        let entries: Vec<(&Entry, &[u8])> = self.entries.iter().zip(self.answers.iter().map(Vec::as_slice)).collect();
        chain.start_cycle(time, false).remembering(&key).evaluate_again(&entries).unwrap()
    }

    fn set(&mut self, place: usize, attribute: &str, value: &str) {
        self.entries[place].attributes.set(attribute.into(), vec![Value::Text(value.to_owned())]);
    }
}

/// The entries that a plugin was asked about since the last time, and those at which its answer was known.
struct Count<'l> {
    lab: &'l Lab,
    plugin: &'static str,
    before: (u64, u64),
}

impl<'l> Count<'l> {
    fn of(lab: &'l Lab, plugin: &'static str) -> Self {
        let mut count = Self { lab, plugin, before: (0, 0) };
        count.since();
        count
    }

    fn since(&mut self) -> (u64, u64) {
        let usage = self.lab.status(self.plugin).usage;
        let (asked, recalled) = self.before;
        self.before = (usage.asked, usage.recalled);
        (usage.asked - asked, usage.recalled - recalled)
    }
}

/// A lab with two guests, which count apart because they are not the same component.
fn two_guests() -> Lab {
    let lab = Lab::new(&["people", "guest"]);
    lab.put("second", &noted("second"));
    lab.host.scan();
    lab
}

/// The guest with a note : another component that does the same.
fn noted(note: &str) -> Vec<u8> {
    let mut bytes = component("guest");
    let length = u8::try_from(note.len()).unwrap();
    bytes.extend_from_slice(&[0, length + 1, length]);
    bytes.extend_from_slice(note.as_bytes());
    bytes
}

fn second(config: serde_json::Value) -> Binding {
    binding("second", config)
}

#[test]
fn only_who_reads_what_changed_is_asked() {
    let lab = two_guests();
    let chain = lab.bind(&[guest(json!({ "reads": "room" })), second(json!({ "kind": "", "reads": "phone" }))]);
    let mut kept = Kept::users(200);
    let (mut first, mut other) = (Count::of(&lab, "guest"), Count::of(&lab, "second"));
    let before = kept.evaluate(&chain, 0);
    assert_eq!((first.since(), other.since()), ((200, 0), (200, 0)));
    assert_eq!(kept.evaluate(&chain, 0), before);
    assert_eq!((first.since(), other.since()), ((0, 200), (0, 200)), "nothing has changed");
    kept.set(7, "phone", "1");
    kept.set(8, "nobody reads this", "1");
    assert_eq!(kept.evaluate(&chain, 0), before);
    assert_eq!((first.since(), other.since()), ((0, 200), (1, 199)));
}

#[test]
fn another_generation_is_asked_and_the_others_are_not() {
    let lab = two_guests();
    let rules = |suffix: &str| [guest(no_config()), second(json!({ "kind": "", "suffix": suffix }))];
    let mut kept = Kept::users(1000);
    kept.evaluate(&lab.bind(&rules("-1")), 0);
    let (mut first, mut other) = (Count::of(&lab, "guest"), Count::of(&lab, "second"));
    let evaluations = kept.evaluate(&lab.bind(&rules("-2")), 0);
    assert_eq!((first.since(), other.since()), ((0, 1000), (1000, 0)));
    assert!((0..1000).all(|place| user_name(&evaluations[place]) == Some(format!("u{place}-2"))));
    // Another component, that happens to answer the same.
    lab.put("second", &noted("third"));
    assert!(lab.host.scan());
    let chain = lab.bind(&rules("-2"));
    let mut other = Count::of(&lab, "second");
    kept.evaluate(&chain, 0);
    assert_eq!((first.since(), other.since()), ((0, 1000), (1000, 0)));
    // In another order they are the same as before.
    let [one, two] = rules("-2");
    kept.evaluate(&lab.bind(&[two, one]), 0);
    assert_eq!((first.since(), other.since()), ((0, 1000), (0, 1000)));
}

#[test]
fn who_reads_the_resource_is_asked_where_an_earlier_rule_made_something_else_of_it() {
    let lab = two_guests();
    let rules = |first: serde_json::Value| [guest(first), second(json!({ "kind": "", "follows": "userName" }))];
    let mut kept = Kept::users(100);
    kept.evaluate(&lab.bind(&rules(no_config())), 0);
    let (mut first, mut other) = (Count::of(&lab, "guest"), Count::of(&lab, "second"));
    // Another generation with the same answers.
    kept.evaluate(&lab.bind(&rules(json!({ "summary": "the same" }))), 0);
    assert_eq!((first.since(), other.since()), ((100, 0), (0, 100)));
    let evaluations = kept.evaluate(&lab.bind(&rules(json!({ "suffix": "!" }))), 0);
    assert_eq!((first.since(), other.since()), ((100, 0), (100, 0)));
    assert_eq!(user_name(&evaluations[3]).as_deref(), Some("u3!"));
}

#[test]
fn an_answer_holds_as_long_as_the_plugin_says() {
    let lab = two_guests();
    let chain = lab.bind(&[guest(no_config()), second(json!({ "kind": "", "holds": 100 }))]);
    let mut kept = Kept::users(10);
    let (mut first, mut other) = (Count::of(&lab, "guest"), Count::of(&lab, "second"));
    assert_eq!(kept.evaluate(&chain, 1000)[0].valid_until, Some(1100));
    // One that came later holds for longer.
    kept.set(4, "uid", "new");
    assert_eq!(kept.evaluate(&chain, 1050)[4].valid_until, Some(1150));
    assert_eq!((first.since(), other.since()), ((11, 9), (11, 9)));
    assert_eq!(kept.evaluate(&chain, 1099)[0].valid_until, Some(1100), "until then it is the old answer");
    assert_eq!((first.since(), other.since()), ((0, 10), (0, 10)));
    assert_eq!(kept.evaluate(&chain, 1100)[0].valid_until, Some(1200));
    assert_eq!((first.since(), other.since()), ((0, 10), (9, 1)), "only those whose time has passed");
    // Under a clock that was set back, what was answered later does not hold.
    assert_eq!(kept.evaluate(&chain, 1090)[0].valid_until, Some(1190));
    assert_eq!((first.since(), other.since()), ((0, 10), (9, 1)));
}

#[test]
fn a_fault_is_never_kept_and_a_refusal_is() {
    for fault in ["trap", "loop", "outside-contract", "not-a-number"] {
        let lab = two_guests();
        let chain = lab.bind(&[guest(no_config()), second(json!({ "kind": "", "fault": fault, "only": "u1" }))]);
        let mut kept = Kept::users(3);
        let before = kept.evaluate(&chain, 0);
        assert!(held(&before[1]).unwrap().0.starts_with("plugin-"), "{before:?}");
        let mut other = Count::of(&lab, "second");
        assert_eq!(kept.evaluate(&chain, 0), before);
        assert_eq!(other.since(), (1, 2), "{fault}: it is asked once more, and only about that entry");
    }
    let lab = two_guests();
    let chain = lab.bind(&[guest(no_config())]);
    let mut kept = Kept::new(vec![support::entry("user", "cn=x,dc=lab", &[("cn", &["x"])])]);
    let before = kept.evaluate(&chain, 0);
    assert_eq!(held(&before[0]).unwrap().0, "no-uid");
    let mut first = Count::of(&lab, "guest");
    assert_eq!(kept.evaluate(&chain, 0), before);
    assert_eq!(first.since(), (0, 1), "that it cannot tell is an answer too");
}

#[test]
fn a_plugin_that_is_called_no_more_in_the_cycle_still_has_its_earlier_answers() {
    let lab = two_guests();
    let rules = |fault: &str| [guest(json!({ "reads": "room" })), second(json!({ "kind": "", "fault": fault }))];
    let mut kept = Kept::users(40);
    kept.evaluate(&lab.bind(&rules("none")), 0);
    let chain = lab.bind(&rules("trap"));
    let all = kept.evaluate(&chain, 0);
    assert!(all.iter().any(|evaluation| held(evaluation).unwrap().0 == "plugin-given-up"));
    // The good generation again: its answers are gone by no fault of the other.
    let mut other = Count::of(&lab, "second");
    assert!(kept.evaluate(&lab.bind(&rules("none")), 0).iter().all(|evaluation| held(evaluation).is_none()));
    assert_eq!(other.since(), (0, 40));
}

#[test]
fn who_was_dropped_and_comes_back_is_known() {
    let lab = two_guests();
    let rules = |drops: &str| [guest(json!({ "drops": drops })), second(json!({ "kind": "" }))];
    let mut kept = Kept::users(3);
    kept.evaluate(&lab.bind(&rules("nobody")), 0);
    let dropped = kept.evaluate(&lab.bind(&rules("u1")), 0);
    assert!(matches!(dropped[1].outcome, Outcome::OutOfScope { .. }));
    let mut other = Count::of(&lab, "second");
    kept.evaluate(&lab.bind(&rules("nobody")), 0);
    assert_eq!(other.since(), (0, 3));
}

#[test]
fn what_is_damaged_or_of_another_space_is_asked_again() {
    let lab = two_guests();
    let chain = lab.bind(&[guest(no_config())]);
    let mut kept = Kept::users(1);
    let before = kept.evaluate(&chain, 0);
    let mut first = Count::of(&lab, "guest");
    let same = |one: &Evaluation| assert_eq!((&one.outcome, one.valid_until), (&before[0].outcome, None));
    same(&kept.look(&chain, 0, [0; 16])[0]);
    assert_eq!(first.since(), (1, 0));
    let whole = kept.answers[0].clone();
    for end in 0..whole.len() {
        kept.answers[0] = whole[..end].to_vec();
        same(&kept.look(&chain, 0, KEY)[0]);
    }
    assert_eq!(first.since(), (whole.len() as u64, 0));
}

#[test]
fn a_large_answer_is_not_kept() {
    let lab = two_guests();
    let long = "x".repeat(70_000);
    let chain = lab.bind(&[guest(json!({ "suffix": long }))]);
    let mut kept = Kept::users(1);
    kept.evaluate(&chain, 0);
    assert!(kept.answers[0].len() < 1000);
    let mut first = Count::of(&lab, "guest");
    kept.evaluate(&chain, 0);
    assert_eq!(first.since(), (1, 0));
}

/// What may happen between two evaluations.
#[derive(Clone, Debug)]
enum Event {
    /// An attribute of an entry has another value.
    Set(usize, &'static str, u8),
    /// Other rules, in this order, behind the one that decides.
    Rules(Vec<usize>),
    /// The clock goes on, or back.
    Time(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let attribute = prop::sample::select(vec!["uid", "cn", "mail", "title", "room", "flag"]);
    prop_oneof![
        4 => (0..ENTRIES, attribute, 0..4_u8).prop_map(|(place, name, value)| Event::Set(place, name, value)),
        2 => prop::sample::subsequence((0..OTHERS).collect::<Vec<_>>(), 0..=3).prop_shuffle().prop_map(Event::Rules),
        1 => (-40..60_i64).prop_map(Event::Time),
    ]
}

const ENTRIES: usize = 12;
const OTHERS: usize = 7;

fn other(number: usize) -> Binding {
    match number {
        0 => guest(json!({ "kind": "", "suffix": "-a", "reads": "room" })),
        1 => guest(json!({ "kind": "", "drops": "v1", "suffix": "-b" })),
        2 => guest(json!({ "kind": "", "fault": "trap", "only": "v2" })),
        3 => second(json!({ "kind": "", "follows": "userName", "suffix": "-c" })),
        4 => second(json!({ "kind": "", "follows": "displayName", "holds": 30 })),
        5 => second(json!({ "kind": "", "boolean": "flag" })),
        _ => binding("sort-name", no_config()),
    }
}

#[test]
fn with_what_was_answered_before_all_comes_to_the_same() {
    let lab = two_guests();
    lab.put("sort-name", &component("sort-name"));
    lab.host.scan();
    let rules = |others: &[usize]| {
        let people = binding("people", no_config());
        lab.bind(&std::iter::once(people).chain(others.iter().map(|number| other(*number))).collect::<Vec<_>>())
    };
    let mut runner = TestRunner::new(Config { cases: 48, ..Config::default() });
    let outcome = runner.run(&prop::collection::vec(event(), 1..24), |events| {
        let (mut kept, mut time, mut chain) = (Kept::users(ENTRIES), 1000, rules(&[]));
        for event in events {
            match event {
                Event::Set(place, "flag", value) => {
                    kept.set(place, "flag", ["TRUE", "FALSE", "maybe"][usize::from(value) % 3]);
                }
                Event::Set(place, name, value) => kept.set(place, name, &format!("v{value}")),
                Event::Rules(others) => chain = rules(&others),
                Event::Time(more) => time += more,
            }
            let entries: Vec<&Entry> = kept.entries.iter().collect();
            let anew = chain.start_cycle(time, false).evaluate(&entries).unwrap();
            let recalled = kept.evaluate(&chain, time);
            for (anew, recalled) in anew.iter().zip(&recalled) {
                prop_assert_eq!(&anew.outcome, &recalled.outcome);
                // What holds for longer the later it is asked for may have been answered earlier.
                prop_assert_eq!(recalled.valid_until.is_some(), anew.valid_until.is_some());
                prop_assert!(
                    recalled.valid_until.is_none_or(|end| time < end) && recalled.valid_until <= anew.valid_until
                );
            }
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
