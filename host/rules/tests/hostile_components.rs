//! Hostile components: the host neither crashes, hangs nor grows, and says of each what is wrong with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use provisor_rules::{Limits, PluginLimits, RulesHost};
use support::made::{mapping, mapping_with_lines, written};
use support::{Lab, binding, evaluate, guest, held, no_config, options, resident, user, user_name};

const LOOP: &str = "(loop $again (br $again))";
const TRAP: &str = "(unreachable)";
const GROW: &str = "(loop $again (drop (memory.grow (i32.const 16))) (br $again))";
const GROW_TABLE: &str = "(loop $again (drop (table.grow $table (ref.null func) (i32.const 1000))) (br $again))";
const DEEP: &str = "(func $deep (call $deep) (call $deep))";

/// What a component comes to: refused when it is bound, with these words; or its entries held, with this code and words.
enum Comes {
    Refused(&'static str),
    Held(&'static str, &'static str),
}
use Comes::{Held, Refused};

/// What is changed in the mapping by hand, and what it comes to then.
struct Case {
    name: &'static str,
    changes: Vec<(&'static str, String)>,
    comes: Comes,
}

fn case(name: &'static str, changes: &[(&'static str, &str)], comes: Comes) -> Case {
    Case { name, changes: changes.iter().map(|(mark, change)| (*mark, (*change).to_owned())).collect(), comes }
}

/// Every call that the host makes, with what goes wrong there.
fn in_every_call() -> Vec<Case> {
    let start = |body: &str| format!("(func $first {body}) (start $first)");
    vec![
        case("loop in start", &[("module", &start(LOOP))], Refused("it does not start: it did not answer in time")),
        case(
            "loop in describe",
            &[("describe", LOOP)],
            Refused("it does not describe itself: it did not answer in time"),
        ),
        case("loop in configure", &[("configure", LOOP)], Refused("configuring it failed: it did not answer in time")),
        case("loop in contract", &[("contract", LOOP)], Refused("it did not answer in time")),
        case("loop in summary", &[("summary", LOOP)], Refused("asking what it does failed: it did not answer in time")),
        case("trap in summary", &[("summary", TRAP)], Refused("asking what it does failed: it trapped")),
        case("loop in realloc", &[("realloc", LOOP)], Refused("configuring it failed: it did not answer in time")),
        case("loop in transform", &[("transform", LOOP)], Held("plugin-time", "it did not answer in time")),
        case("trap in start", &[("module", &start(TRAP))], Refused("it does not start: it trapped")),
        case("trap in describe", &[("describe", TRAP)], Refused("it does not describe itself: it trapped")),
        case("trap in configure", &[("configure", TRAP)], Refused("configuring it failed: it trapped")),
        case("trap in contract", &[("contract", TRAP)], Refused("it trapped")),
        case("trap in realloc", &[("realloc", TRAP)], Refused("configuring it failed: it trapped")),
        case("trap in transform", &[("transform", TRAP)], Held("plugin-trap", "unreachable")),
        case("memory in start", &[("module", &start(GROW))], Refused("it wants more than its 64 MiB of memory")),
        case("memory in describe", &[("describe", GROW)], Refused("it wants more than its 64 MiB of memory")),
        case("memory in realloc", &[("realloc", GROW)], Refused("it wants more than its 64 MiB of memory")),
        case("memory in transform", &[("transform", GROW)], Held("plugin-memory", "more than its 64 MiB of memory")),
        case(
            "tables in configure",
            &[("configure", GROW_TABLE)],
            Refused("it wants more than its 100000 table elements"),
        ),
        case("tables in transform", &[("transform", GROW_TABLE)], Held("plugin-memory", "100000 table elements")),
        case("depth in describe", &[("module", DEEP), ("describe", "(call $deep)")], Refused("call stack exhausted")),
        case(
            "depth in transform",
            &[("module", DEEP), ("transform", "(call $deep)")],
            Held("plugin-trap", "stack exhausted"),
        ),
        case(
            "division by zero",
            &[("transform", "(drop (i32.div_u (i32.const 1) (i32.const 0)))")],
            Held("plugin-trap", "divide by zero"),
        ),
        case(
            "outside of memory",
            &[("transform", "(drop (i32.load (i32.const -1)))")],
            Held("plugin-trap", "out of bounds memory access"),
        ),
    ]
}

/// Answers that are none, at the edge where they are read.
fn at_the_edge() -> Vec<Case> {
    let store = |at: u32, value: i64| format!("(i32.store (i32.const {at}) (i32.const {value}))");
    let octet = |at: u32, value: u32| format!("(i32.store8 (i32.const {at}) (i32.const {value}))");
    let answers = |count: u32| format!("(i32.store (i32.const 408) (i32.const {count}))");
    let many = "(drop (memory.grow (i32.const 600))) (i32.store (i32.const 408) (i32.const 900000))";
    let edits = "(i32.store (i32.const 4100) (i32.const 8192)) (i32.store (i32.const 4104) (i32.const 1))";
    vec![
        case(
            "too few answers",
            &[("transform", &answers(0))],
            Held("plugin-contract", "it gave 0 answers for 1 entries"),
        ),
        case(
            "too many answers",
            &[("transform", &answers(7))],
            Held("plugin-contract", "it gave 7 answers for 1 entries"),
        ),
        case("a giant answer", &[("transform", many)], Held("plugin-output", "more octets than one answer may have")),
        case("answers outside of memory", &[("transform", &store(404, -8))], Held("plugin-trap", "out of bounds")),
        case("answers at an odd place", &[("transform", &store(404, 4097))], Held("plugin-trap", "not aligned")),
        case("no such outcome", &[("transform", &octet(4096, 9))], Held("plugin-trap", "discriminant")),
        case("no such result", &[("transform", &octet(400, 7))], Held("plugin-trap", "discriminant")),
        case(
            "an edit that is none",
            &[("transform", &format!("{edits} {}", octet(8200, 99)))],
            Held("plugin-trap", "discriminant"),
        ),
        case(
            "an edit outside the contract",
            &[(
                "transform",
                &format!(
                    "(if (i32.eq (local.get $count) (i32.const 1)) (then {edits} {} {}))",
                    store(8192, 77),
                    octet(8200, 9)
                ),
            )],
            Held("plugin-contract", "it set place 77"),
        ),
        case("text that is none", &[("describe", &octet(1024, 0xff))], Refused("invalid utf-8")),
        case("text outside of memory", &[("describe", &store(68, 1 << 24))], Refused("out of bounds")),
        case("a list outside of memory", &[("describe", &store(92, 1 << 28))], Refused("out of bounds")),
        case("no such boolean", &[("contract", &octet(240, 2))], Held("", "")),
        case("no such shape", &[("contract", &octet(328, 50))], Refused("discriminant")),
        case("no such option", &[("contract", &octet(192, 3))], Refused("discriminant")),
        case(
            "memory that is not its own",
            &[("realloc", "(return (i32.const -16))")],
            Refused("realloc return: beyond end of memory"),
        ),
        case(
            "memory at an odd place",
            &[("realloc", "(if (i32.gt_u (local.get $align) (i32.const 1)) (then (return (i32.const 32769))))")],
            Held("plugin-trap", "realloc return: result not aligned"),
        ),
    ]
}

/// What it says of itself, or how it is made.
fn in_its_making() -> Vec<Case> {
    let octet = |at: u32, value: u32| format!("(i32.store8 (i32.const {at}) (i32.const {value}))");
    let length = |at: u32, value: u32| format!("(i32.store (i32.const {at}) (i32.const {value}))");
    let flood = "(global.set $left (i32.const 20000)) (loop $again (call $emit (i32.const 1) (i32.const 0) (i32.const 0) \
                 (i32.const 1024) (i32.const 28)) (global.set $left (i32.sub (global.get $left) (i32.const 1))) \
                 (br_if $again (global.get $left)))";
    let giant_line = "(drop (memory.grow (i32.const 500))) (call $emit (i32.const 1) (i32.const 0) (i32.const 0) (i32.const \
                      4096) (i32.const 30000000))";
    let many_functions: String = "(func)".repeat(100_001);
    let mut long_function = "(func".to_owned();
    (0..600_000).for_each(|_| long_function.push_str(" nop nop"));
    long_function.push(')');
    let many_locals = format!("(func (local{}))", " i64".repeat(10_001));
    let big_table = "(table 2000000 funcref)";
    let twenty_tables: String = "(table 1 funcref)".repeat(20);
    vec![
        case(
            "control characters in its version",
            &[("describe", &octet(1031, 27))],
            Refused("control character \\u{1b}"),
        ),
        case("no version", &[("describe", &length(76, 0))], Refused("its manifest names no version")),
        case(
            "a schema that is none",
            &[("describe", &octet(1036, 33))],
            Refused("the schema of its configuration is wrong"),
        ),
        case(
            "a log flood",
            &[("module", "(global $left (mut i32) (i32.const 0))"), ("transform", flood)],
            Held("", ""),
        ),
        case(
            "a giant log line",
            &[("transform", giant_line)],
            Held("plugin-output", "more octets than one answer may have"),
        ),
        case("too many functions", &[("module", &many_functions)], Refused("100007 functions, and 100000 are allowed")),
        case(
            "a giant function",
            &[("module", &long_function)],
            Refused("octets in one function, and 1048576 are allowed"),
        ),
        case(
            "too many locals",
            &[("module", &many_locals)],
            Refused("10001 locals in one function, and 10000 are allowed"),
        ),
        case("a giant table", &[("module", big_table)], Refused("table elements at its start, and 100000 are allowed")),
        case("too many tables", &[("module", &twenty_tables)], Refused("21 tables, and 8 are allowed")),
        case(
            "a giant memory",
            &[("memory", "9999")],
            Refused("octets of memory at its start, and 67108864 are allowed"),
        ),
        case(
            "a function whose name would steer the terminal",
            &[("module", "(func $f (@name \"red\\1b[31m\") (unreachable))"), ("transform", "(call $f)")],
            Held("plugin-trap", "red\u{fffd}[31m"),
        ),
    ]
}

fn made(case: &Case) -> Vec<u8> {
    let changes: Vec<(&str, &str)> = case.changes.iter().map(|(mark, change)| (*mark, change.as_str())).collect();
    mapping(&changes)
}

/// Binds and runs a component under a fresh name; tells what differs from what it should come to.
fn judge(lab: &Lab, host: &RulesHost, name: &str, bytes: &[u8], comes: &Comes) -> Result<(), String> {
    lab.put("hostile", bytes);
    host.scan();
    let bound = host.bind(name, &[binding("hostile", no_config())]);
    let told = match (comes, bound) {
        (Refused(words), Err(error)) if error.to_string().contains(words) => {
            let status = host.status().into_iter().find(|status| status.name == "hostile").unwrap();
            assert!(!format!("{status:?}").contains('\u{1b}'));
            Ok(())
        }
        (Refused(words), Err(error)) => Err(format!("should say {words:?}: {error}")),
        (Refused(words), Ok(_)) => Err(format!("should be refused: {words}")),
        (Held(..), Err(error)) => Err(format!("should be bound: {error}")),
        (Held("", _), Ok(chain)) => match held(&evaluate(&chain, &[user("ada")])[0]) {
            None => Ok(()),
            Some(held) => Err(format!("should be harmless: {held:?}")),
        },
        (Held(code, words), Ok(chain)) => match held(&evaluate(&chain, &[user("ada")])[0]) {
            Some((found, detail)) if found == *code && detail.contains(words) && !detail.contains('\u{1b}') => Ok(()),
            other => Err(format!("should be held by {code} {words:?}: {other:?}")),
        },
    };
    host.release(name);
    told
}

#[test]
fn whatever_a_component_does_the_host_says_what_it_was_and_goes_on() {
    let lab = Lab::new(&["guest"]);
    let cases: Vec<(Case, Vec<u8>)> = in_every_call()
        .into_iter()
        .chain(at_the_edge())
        .chain(in_its_making())
        .map(|case| {
            let bytes = made(&case);
            (case, bytes)
        })
        .collect();
    let mut wrong = String::new();
    let mut after_first = 0;
    for round in 0..3 {
        let host = RulesHost::open(options(lab.data().parent().unwrap(), &[])).unwrap();
        for (number, (case, bytes)) in cases.iter().enumerate() {
            if let Err(told) = judge(&lab, &host, &format!("case{round}-{number}"), bytes, &case.comes) {
                let _ = writeln!(wrong, "{}: {told}", case.name);
            }
        }
        let chain = host.bind("lab", &[guest(no_config())]).unwrap();
        assert_eq!(user_name(&evaluate(&chain, &[user("ada")])[0]).as_deref(), Some("ada"), "the others go on");
        assert!(wrong.is_empty(), "{wrong}");
        if round == 0 {
            after_first = resident();
        }
    }
    let grown = resident().saturating_sub(after_first);
    assert!(grown < 64 << 20, "the host grew by {grown} octets");
}

#[test]
fn what_is_no_component_for_this_host_is_refused_by_what_it_is() {
    let lab = Lab::new(&[]);
    for (name, words) in [
        ("core-module", "it is a core WebAssembly module, not a component"),
        ("unknown-import", "it imports acme:database/query@1.0.0, which this host does not offer"),
        ("unknown-import-of-ours", "does not fit version 0.1.0-draft.2 of the rules interface"),
        ("hollow", "does not fit version 0.1.0-draft.2 of the rules interface"),
        ("imports-a-module", "it imports code, which this host does not offer"),
        ("nested", "components within each other, and 8 are allowed"),
        ("threads", "threads must be enabled"),
        ("wide-memory", "memory64 must be enabled"),
    ] {
        judge(&lab, &lab.host, name, &written(name), &Refused(words)).unwrap_or_else(|told| panic!("{name}: {told}"));
    }
}

#[test]
fn a_component_that_ends_anywhere_is_refused() {
    let lab = Lab::new(&[]);
    let whole = mapping(&[]);
    judge(&lab, &lab.host, "whole", &whole, &Held("", "")).unwrap();
    let payloads = wasmparser::Parser::new(0).parse_all(&whole).map(Result::unwrap);
    let sections: Vec<_> = payloads.map(|payload| (payload.as_section(), payload)).collect();
    // What comes after the exports is names and notes, without which it is whole.
    let exported = |(range, payload): &(Option<(u8, std::ops::Range<usize>)>, wasmparser::Payload<'_>)| {
        matches!(payload, wasmparser::Payload::ComponentExportSection(_))
            .then(|| range.as_ref().map(|(_, range)| range.end))
    };
    let last = sections.iter().filter_map(exported).flatten().max().unwrap();
    let ends: Vec<usize> = sections
        .iter()
        .filter_map(|(range, _)| range.as_ref())
        .flat_map(|(_, range)| [range.start, range.start + 1, range.end - 1, range.end])
        .filter(|end| *end < last)
        .collect();
    assert!(ends.len() > 30, "{ends:?}");
    for end in ends {
        lab.put("hostile", &whole[..end]);
        lab.host.scan();
        let error = lab.bind_error(&[binding("hostile", no_config())]);
        let words = [
            "it is not a WebAssembly component",
            "or only a part of one",
            "it is no rules plugin",
            "it is no filter and no mapping",
        ];
        assert!(words.iter().any(|words| error.contains(words)), "at {end}: {error}");
    }
}

#[test]
fn a_giant_custom_section_is_refused() {
    let lab = Lab::new(&[]);
    let mut bytes = mapping(&[]);
    let content = 33_usize << 20;
    bytes.push(0);
    let mut length = content;
    while length > 0 {
        let more = if length > 0x7f { 0x80 } else { 0 };
        bytes.push(u8::try_from(length & 0x7f).unwrap() | more);
        length >>= 7;
    }
    bytes.extend([1, b'x']);
    bytes.resize(bytes.len() + content - 2, 0);
    judge(&lab, &lab.host, "custom", &bytes, &Refused("octets of custom sections, and 33554432 are allowed")).unwrap();
}

#[test]
fn a_component_that_is_slow_to_compile_is_given_up_and_the_others_are_not() {
    let lab = Lab::new(&["guest"]);
    // Each function has many values that live across many branches, which is the compiler's hardest work.
    let mut function = "(func (param $x i32) (result i32)".to_owned();
    (0..400).for_each(|local| write!(function, "(local $l{local} i32)").unwrap());
    for turn in 0..3000 {
        let (one, other) = (turn % 400, (turn * 7 + 3) % 400);
        write!(
            function,
            "(if (i32.and (local.get $x) (i32.const {turn})) (then (local.set $l{one} (i32.add (local.get $l{other}) \
             (local.get $x)))) (else (local.set $l{other} (i32.mul (local.get $l{one}) (i32.const {turn})))))"
        )
        .unwrap();
    }
    function.push_str("(local.get $l1))");
    let slow = mapping(&[("module", &function.repeat(12))]);
    let mut options = options(lab.data().parent().unwrap(), &[]);
    let hasty = Limits { compile_time: Duration::from_millis(50), ..options.limits.usual };
    options.limits = PluginLimits { own: [("hostile".to_owned(), hasty)].into(), ..options.limits };
    let host = RulesHost::open(options).unwrap();
    judge(&lab, &host, "slow", &slow, &Refused("it takes longer than 0.05 s to compile")).unwrap();
    let chain = host.bind("lab", &[guest(no_config())]).unwrap();
    assert_eq!(user_name(&evaluate(&chain, &[user("ada")])[0]).as_deref(), Some("ada"));
}

#[test]
fn a_fault_names_file_and_line_where_the_component_carries_them() {
    let lab = Lab::new(&[]);
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hostile/mapping.wat")).unwrap();
    let line = text.lines().position(|line| line.contains("@@transform")).unwrap() + 1;
    lab.put("hostile", &mapping_with_lines("transform", TRAP));
    lab.host.scan();
    let chain = lab.bind(&[binding("hostile", no_config())]);
    let evaluation = evaluate(&chain, &[user("ada")]).remove(0);
    let (_, detail) = held(&evaluation).unwrap();
    // The text format's own tool gives an instruction the line after it.
    let places = [line, line + 1].map(|line| format!("(rules/mapping.wat:{line})"));
    assert!(places.iter().any(|place| detail.contains(place)) && !detail.contains("eve"), "{detail}");
}

#[test]
fn a_schema_that_refers_to_itself_without_end_is_survived() {
    let lab = Lab::new(&["guest"]);
    for schema in [
        r##"{"$ref":"#"}"##,
        r##"{"allOf":[{"$ref":"#"}]}"##,
        r##"{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"anyOf":[{"$ref":"#/$defs/a"}]}}}"##,
        r##"{"$ref":"https://example.com/schema.json"}"##,
    ] {
        let data = format!("(data (i32.const 2048) {:?})", schema);
        let point = format!(
            "(i32.store (i32.const 80) (i32.const 2048)) (i32.store (i32.const 84) (i32.const {}))",
            schema.len()
        );
        lab.put("hostile", &mapping(&[("module", &data), ("describe", &point)]));
        lab.host.scan();
        if let Err(error) = lab.host.bind("other", &[binding("hostile", no_config())]) {
            assert!(error.to_string().contains("the schema of its configuration is wrong"), "{error}");
        }
    }
}

#[test]
fn what_remembers_between_entries_is_not_pure() {
    let lab = Lab::new(&[]);
    // Excludes every second entry that it is asked about.
    let counts = "(global.set $seen (i32.add (global.get $seen) (local.get $count))) \
                  (i32.store8 (i32.const 4096) (i32.and (i32.shr_u (global.get $seen) (i32.const 2)) (i32.const 1)))";
    let remembers = mapping(&[("module", "(global $seen (mut i32) (i32.const 0))"), ("transform", counts)]);
    let words = "asked twice about the same entries, it answered differently";
    judge(&lab, &lab.host, "counts", &remembers, &Refused(words)).unwrap();
    // Excludes whoever comes first.
    let first = mapping(&[("transform", "(i32.store8 (i32.const 4096) (i32.const 1))")]);
    let words = "asked about the same entries in another order, it answered differently";
    judge(&lab, &lab.host, "first", &first, &Refused(words)).unwrap();
}

#[test]
fn a_damaged_component_never_brings_the_host_down() {
    let lab = Lab::new(&["guest"]);
    let whole = mapping(&[]);
    // The same damages in every run: xorshift from a fixed seed.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let (mut refused, mut bound) = (0, 0);
    for turn in 0..600 {
        let mut bytes = whole.clone();
        for _ in 0..=random(3) {
            let place = random(bytes.len());
            match random(5) {
                0 => bytes[place] = u8::try_from(random(256)).unwrap(),
                1 => bytes[place] ^= 1 << random(8),
                2 => drop(bytes.remove(place)),
                3 => bytes.insert(place, u8::try_from(random(256)).unwrap()),
                _ => {
                    let end = (place + random(40)).min(bytes.len());
                    let piece = bytes[place..end].to_vec();
                    let at = random(bytes.len());
                    bytes.splice(at..at, piece);
                }
            }
        }
        lab.put("hostile", &bytes);
        lab.host.scan();
        match lab.host.bind(&format!("turn{turn}"), &[binding("hostile", no_config())]) {
            Ok(chain) => {
                bound += 1;
                // Whatever it answers.
                evaluate(&chain, &[user("ada"), user("bob")]);
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
            }
        }
        lab.host.release(&format!("turn{turn}"));
    }
    assert!(refused > 100 && bound > 10, "{refused} refused, {bound} bound");
    let chain = lab.bind(&[guest(no_config())]);
    assert_eq!(user_name(&evaluate(&chain, &[user("ada")])[0]).as_deref(), Some("ada"));
}
