//! Hostile components: the host neither crashes, hangs nor grows, and says of each what is wrong with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::fmt::Write as _;
use std::fs;

use provisor_rules::RulesHost;
use support::hostile::{Comes, harmless, holds, judge, refused};
use support::made::{filter, mapping, mapping_with_lines, mapping_with_wasi};
use support::{Lab, binding, evaluate, guest, held, no_config, options, resident, user, user_name};

/// What is changed in the mapping or the filter by hand, and what it comes to then.
struct Case {
    name: String,
    kind: Kind,
    changes: Vec<(&'static str, String)>,
    comes: Comes,
}

#[derive(Clone, Copy)]
enum Kind {
    Filter,
    Mapping,
    MappingWithWasi,
}

fn case(name: &str, changes: &[(&'static str, &str)], comes: Comes) -> Case {
    let changes = changes.iter().map(|(mark, change)| (*mark, (*change).to_owned())).collect();
    Case { name: name.to_owned(), kind: Kind::Mapping, changes, comes }
}

fn of_filter(name: &str, changes: &[(&'static str, &str)], comes: Comes) -> Case {
    Case { kind: Kind::Filter, ..case(name, changes, comes) }
}

/// What goes wrong: what a person calls it, how it is written, and the code and words of the fault.
struct Evil {
    name: &'static str,
    /// What it needs beside it.
    module: &'static str,
    body: &'static str,
    code: &'static str,
    words: &'static str,
}

const EVILS: [Evil; 6] = [
    Evil {
        name: "loop",
        module: "",
        body: "(loop $again (br $again))",
        code: "plugin-time",
        words: "it did not answer in time",
    },
    Evil { name: "trap", module: "", body: "(unreachable)", code: "plugin-trap", words: "it trapped: wasm trap" },
    Evil {
        name: "memory",
        module: "",
        body: "(loop $again (drop (memory.grow (i32.const 16))) (br $again))",
        code: "plugin-memory",
        words: "it wants more than its 64 MiB of memory",
    },
    Evil {
        name: "tables",
        module: "",
        body: "(loop $again (drop (table.grow $table (ref.null func) (i32.const 1000))) (br $again))",
        code: "plugin-memory",
        words: "it wants more than its 100000 table elements",
    },
    Evil {
        name: "depth",
        module: "(func $deep (call $deep) (call $deep))",
        body: "(call $deep)",
        code: "plugin-trap",
        words: "it trapped: wasm trap: call stack exhausted",
    },
    Evil {
        name: "depth through a table",
        module: "(func $turn (call_indirect $table (i32.const 0))) (elem (table $table) (i32.const 0) func $turn)",
        body: "(call $turn)",
        code: "plugin-trap",
        words: "it trapped: wasm trap: call stack exhausted",
    },
];

/// Every call that the host makes into a component, and its start, with everything that can go wrong there.
fn in_every_call() -> Vec<Case> {
    // Where it is, the marks to put it at, and the words before those of the fault; none where entries are held.
    let post = |call: &str| format!("(func (export \"cabi_post_provisor:rules/{call}\") (param i32) @@)");
    let mapping_contract = post("mapping@0.1.0-draft.2#describe-contract");
    let places: [(&str, Kind, &str, String, Option<&str>); 13] = [
        ("start", Kind::Mapping, "module", "(func $first @@) (start $first)".to_owned(), Some("it does not start: ")),
        ("describe", Kind::Mapping, "describe", "@@".to_owned(), Some("it does not describe itself: ")),
        ("configure", Kind::Mapping, "configure", "@@".to_owned(), Some("configuring it failed: ")),
        ("contract", Kind::Mapping, "contract", "@@".to_owned(), Some("")),
        ("summary", Kind::Mapping, "summary", "@@".to_owned(), Some("asking what it does failed: ")),
        ("realloc", Kind::Mapping, "realloc", "@@".to_owned(), Some("configuring it failed: ")),
        ("transform", Kind::Mapping, "transform", "@@".to_owned(), None),
        ("end of describe", Kind::Mapping, "module", post("lifecycle@0.1.0-draft.2#describe"), Some("")),
        ("end of configure", Kind::Mapping, "module", post("lifecycle@0.1.0-draft.2#configure"), Some("")),
        ("end of contract", Kind::Mapping, "module", mapping_contract, Some("")),
        ("end of transform", Kind::Mapping, "module", post("mapping@0.1.0-draft.2#transform"), None),
        ("contract of a filter", Kind::Filter, "contract", "@@".to_owned(), Some("")),
        ("decide", Kind::Filter, "decide", "@@".to_owned(), None),
    ];
    let all = places.iter().flat_map(|place| EVILS.iter().map(move |evil| (place, evil)));
    let case =
        |((place, kind, mark, text, before), evil): (&(&str, Kind, &'static str, String, Option<&str>), &Evil)| {
            let text = text.replace("@@", evil.body);
            let changes = match *mark {
                "module" => vec![("module", format!("{} {text}", evil.module))],
                mark => vec![("module", evil.module.to_owned()), (mark, text)],
            };
            let comes = match before {
                Some(before) => refused(format!("{before}{}", evil.words)),
                None => holds(evil.code, evil.words),
            };
            Case { name: format!("{} in {place}", evil.name), kind: *kind, changes, comes }
        };
    all.map(case).collect()
}

/// Answers that are none, at the edge where they are read.
fn at_the_edge() -> Vec<Case> {
    let store = |at: u32, value: i64| format!("(i32.store (i32.const {at}) (i32.const {value}))");
    let octet = |at: u32, value: u32| format!("(i32.store8 (i32.const {at}) (i32.const {value}))");
    let answers = |count: u32| format!("(i32.store (i32.const 408) (i32.const {count}))");
    let memory = |octets: &str| {
        // Written octet by octet: a mark is within a function.
        let octets = octets.split('\\').filter(|octet| !octet.is_empty()).flat_map(|octet| {
            let (code, rest) = octet.split_at(2);
            std::iter::once(u8::from_str_radix(code, 16).unwrap()).chain(rest.bytes())
        });
        octets.enumerate().fold(String::new(), |mut text, (place, octet)| {
            write!(text, "(i32.store8 (i32.const {}) (i32.const {octet}))", 12288 + place).unwrap();
            text
        })
    };
    // Code and words alike, of the first answer.
    let reason = |octets: &str| {
        let length = octets.split('\\').filter(|octet| !octet.is_empty()).map(|octet| octet.len() - 1).sum::<usize>();
        let length = i64::try_from(length).unwrap();
        let places = [(4100, 12288), (4104, length), (4108, 12288), (4112, length)].map(|(at, value)| store(at, value));
        format!("{} {}", memory(octets), places.concat())
    };
    let emit = |level: u32, at: i64, length: u32| {
        format!("(call $emit (i32.const {level}) (i32.const 0) (i32.const 0) (i32.const {at}) (i32.const {length}))")
    };
    // In the place of a result.
    let error = |result: &str, length: u32| {
        format!(
            "(i32.store8 (i32.const {result}) (i32.const 1)) (i32.store (i32.add (i32.const {result}) (i32.const 4)) \
             (i32.const 12288)) (i32.store (i32.add (i32.const {result}) (i32.const 8)) (i32.const {length}))"
        )
    };
    let many = "(drop (memory.grow (i32.const 600))) (i32.store (i32.const 408) (i32.const 900000))";
    let edits = "(i32.store (i32.const 4100) (i32.const 8192)) (i32.store (i32.const 4104) (i32.const 1))";
    vec![
        case(
            "too few answers",
            &[("transform", &answers(0))],
            holds("plugin-contract", "it gave 0 answers for 1 entries"),
        ),
        case(
            "too many answers",
            &[("transform", &answers(7))],
            holds("plugin-contract", "it gave 7 answers for 1 entries"),
        ),
        case("a giant answer", &[("transform", many)], holds("plugin-output", "more octets than one answer may have")),
        case("answers outside of memory", &[("transform", &store(404, -8))], holds("plugin-trap", "out of bounds")),
        case("answers at an odd place", &[("transform", &store(404, 4097))], holds("plugin-trap", "not aligned")),
        case("no such outcome", &[("transform", &octet(4096, 9))], holds("plugin-trap", "discriminant")),
        case("no such result", &[("transform", &octet(400, 7))], holds("plugin-trap", "discriminant")),
        case(
            "an edit that is none",
            &[("transform", &format!("{edits} {}", octet(8200, 99)))],
            holds("plugin-trap", "discriminant"),
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
            holds("plugin-contract", "it set place 77"),
        ),
        case(
            "division by zero",
            &[("transform", "(drop (i32.div_u (i32.const 1) (i32.const 0)))")],
            holds("plugin-trap", "divide by zero"),
        ),
        case(
            "outside of memory",
            &[("transform", "(drop (i32.load (i32.const -1)))")],
            holds("plugin-trap", "out of bounds memory access"),
        ),
        case(
            "no such function",
            &[("transform", "(call_indirect $table (i32.const 0))")],
            holds("plugin-trap", "uninitialized element"),
        ),
        of_filter("too few verdicts", &[("decide", &answers(0))], holds("plugin-contract", "it gave 0 answers for 1")),
        of_filter("no such verdict", &[("decide", &octet(4096, 3))], holds("plugin-trap", "discriminant")),
        of_filter(
            "a reason that is no text",
            &[("decide", &format!("{} {}", octet(4096, 1), reason("\\ff\\fe")))],
            holds("plugin-trap", "invalid utf-8"),
        ),
        of_filter(
            "a reason outside of memory",
            &[("decide", &format!("{} {}", octet(4096, 1), store(4100, -8)))],
            holds("plugin-trap", "out of bounds"),
        ),
        case(
            "a reason that would steer the terminal",
            &[(
                "transform",
                &format!(
                    "(if (i32.eq (local.get $count) (i32.const 1)) (then {} {}))",
                    octet(4096, 2),
                    reason("\\1b[31m")
                ),
            )],
            holds("\u{fffd}[31m", "\u{fffd}[31m"),
        ),
        case(
            "a log line that is no text",
            &[("transform", &format!("{} {}", memory("\\ff\\fe"), emit(1, 12288, 2)))],
            holds("plugin-trap", "invalid utf-8"),
        ),
        case(
            "a log line outside of memory",
            &[("transform", &emit(1, -8, 100))],
            holds("plugin-trap", "out of bounds"),
        ),
        case("no such level of a log line", &[("transform", &emit(9, 0, 0))], holds("plugin-trap", "discriminant")),
        case(
            "an error that is no text",
            &[("configure", &format!("{} {}", memory("\\ff\\fe"), error("128", 2)))],
            refused("invalid utf-8"),
        ),
        case(
            "a giant error",
            &[("configure", &format!("(drop (memory.grow (i32.const 100))) {}", error("128", 5_000_000)))],
            refused("configuring it failed: it gave back more octets than one answer may have"),
        ),
        case(
            "a long error",
            &[(
                "configure",
                &format!("(memory.fill (i32.const 12288) (i32.const 27) (i32.const 40000)) {}", error("128", 40_000)),
            )],
            refused("it refuses its configuration: \u{fffd}\u{fffd}"),
        ),
        case(
            "a long error for the whole batch",
            &[(
                "transform",
                &format!("(memory.fill (i32.const 12288) (i32.const 27) (i32.const 40000)) {}", error("400", 40_000)),
            )],
            holds("plugin-error", "it answered with an error: \u{fffd}\u{fffd}"),
        ),
        case("text that is none", &[("describe", &octet(1024, 0xff))], refused("invalid utf-8")),
        case("text outside of memory", &[("describe", &store(68, 1 << 24))], refused("out of bounds")),
        case("a list outside of memory", &[("describe", &store(92, 1 << 28))], refused("out of bounds")),
        case("no such boolean", &[("contract", &octet(240, 2))], harmless()),
        case("no such shape", &[("contract", &octet(328, 50))], refused("discriminant")),
        case("no such option", &[("contract", &octet(192, 3))], refused("discriminant")),
        case(
            "memory that is not its own",
            &[("realloc", "(return (i32.const -16))")],
            refused("realloc return: beyond end of memory"),
        ),
        case(
            "memory at an odd place",
            &[("realloc", "(if (i32.gt_u (local.get $align) (i32.const 1)) (then (return (i32.const 32769))))")],
            holds("plugin-trap", "realloc return: result not aligned"),
        ),
    ]
}

/// What it asks of the host, without end.
fn of_the_host() -> Vec<Case> {
    let handle = r#"(import "wasi:cli/stdout@0.2.6" "get-stdout" (func $handle (result i32)))"#;
    let random = r#"(import "wasi:random/random@0.2.6" "get-random-bytes" (func $random (param i64 i32)))"#;
    let hoard = "(loop $again (drop (call $handle)) (br $again))";
    let with_wasi = |name: &str, changes: &[(&'static str, &str)], comes| Case {
        kind: Kind::MappingWithWasi,
        ..case(name, changes, comes)
    };
    let handles = "it holds more handles than it may have";
    vec![
        with_wasi("handles in describe", &[("import", handle), ("describe", hoard)], refused(handles)),
        with_wasi("handles in transform", &[("import", handle), ("transform", hoard)], holds("plugin-memory", handles)),
        with_wasi(
            "all numbers at once",
            &[("import", random), ("transform", "(call $random (i64.const -1) (i32.const 16384))")],
            holds("plugin-trap", "random"),
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
            refused("control character \\u{1b}"),
        ),
        case(
            "a giant name",
            &[("describe", &format!("(drop (memory.grow (i32.const 100))) {}", length(68, 5_000_000)))],
            refused("it does not describe itself: it gave back more octets than one answer may have"),
        ),
        case("a long name", &[("describe", &length(68, 200))], refused("a name or version of more than 128 octets")),
        case(
            "a long schema",
            &[("describe", &format!("(drop (memory.grow (i32.const 40))) {}", length(84, 2_000_000)))],
            refused("the schema of its configuration is too long"),
        ),
        case(
            "many notes",
            &[("describe", &format!("{} {}", length(88, 16384), length(92, 100)))],
            refused("its manifest has more than 64 annotations"),
        ),
        case(
            "a summary that would steer the terminal",
            &[(
                "summary",
                "(i32.store8 (i32.const 512) (i32.const 1)) (i32.store (i32.const 516) (i32.const 600)) \
                           (i32.store (i32.const 520) (i32.const 40)) (memory.fill (i32.const 600) (i32.const 27) \
                           (i32.const 40))",
            )],
            harmless(),
        ),
        case("no version", &[("describe", &length(76, 0))], refused("its manifest names no version")),
        case(
            "a schema that is none",
            &[("describe", &octet(1036, 33))],
            refused("the schema of its configuration is wrong"),
        ),
        case("a log flood", &[("module", "(global $left (mut i32) (i32.const 0))"), ("transform", flood)], harmless()),
        case(
            "a giant log line",
            &[("transform", giant_line)],
            holds("plugin-output", "more octets than one answer may have"),
        ),
        case("too many functions", &[("module", &many_functions)], refused("100007 functions, and 100000 are allowed")),
        case(
            "a giant function",
            &[("module", &long_function)],
            refused("octets in one function, and 1048576 are allowed"),
        ),
        case(
            "too many locals",
            &[("module", &many_locals)],
            refused("10001 locals in one function, and 10000 are allowed"),
        ),
        case("a giant table", &[("module", big_table)], refused("table elements at its start, and 100000 are allowed")),
        case("too many tables", &[("module", &twenty_tables)], refused("21 tables, and 8 are allowed")),
        case(
            "a giant memory",
            &[("memory", "9999")],
            refused("octets of memory at its start, and 67108864 are allowed"),
        ),
        case(
            "a function whose name would steer the terminal",
            &[("module", "(func $f (@name \"red\\1b[31m\") (unreachable))"), ("transform", "(call $f)")],
            holds("plugin-trap", "red\u{fffd}[31m"),
        ),
    ]
}

#[test]
fn whatever_a_component_does_the_host_says_what_it_was_and_goes_on() {
    let lab = Lab::new(&["guest"]);
    let cases: Vec<(Case, Vec<u8>)> = in_every_call()
        .into_iter()
        .chain(at_the_edge())
        .chain(of_the_host())
        .chain(in_its_making())
        .map(|case| {
            let changes: Vec<(&str, &str)> =
                case.changes.iter().map(|(mark, change)| (*mark, change.as_str())).collect();
            let bytes = match case.kind {
                Kind::Filter => filter(&changes),
                Kind::Mapping => mapping(&changes),
                Kind::MappingWithWasi => mapping_with_wasi(&changes),
            };
            (case, bytes)
        })
        .collect();
    let mut wrong = String::new();
    let mut after_first = 0;
    for round in 0..3 {
        let host = RulesHost::open(options(lab.data().parent().unwrap(), &[])).unwrap();
        for (number, (case, bytes)) in cases.iter().enumerate() {
            // A filter alone makes no rules.
            let beside = match case.kind {
                Kind::Filter => &[guest(no_config())][..],
                Kind::Mapping | Kind::MappingWithWasi => &[],
            };
            if let Err(told) = judge(&lab, &host, &format!("case{round}-{number}"), (bytes, beside), &case.comes) {
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
fn a_fault_names_file_and_line_where_the_component_carries_them() {
    let lab = Lab::new(&[]);
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hostile/mapping.wat")).unwrap();
    let line = text.lines().position(|line| line.contains("@@transform")).unwrap() + 1;
    lab.put("hostile", &mapping_with_lines("transform", "(unreachable)"));
    lab.host.scan();
    let chain = lab.bind(&[binding("hostile", no_config())]);
    let evaluation = evaluate(&chain, &[user("ada")]).remove(0);
    let (_, detail) = held(&evaluation).unwrap();
    // The text format's own tool gives an instruction the line after it.
    let places = [line, line + 1].map(|line| format!("(rules/mapping.wat:{line})"));
    assert!(places.iter().any(|place| detail.contains(place)) && !detail.contains("eve"), "{detail}");
}

#[test]
fn what_remembers_between_entries_is_not_pure() {
    let lab = Lab::new(&[]);
    // Excludes every second entry that it is asked about.
    let counts = "(global.set $seen (i32.add (global.get $seen) (local.get $count))) \
                  (i32.store8 (i32.const 4096) (i32.and (i32.shr_u (global.get $seen) (i32.const 2)) (i32.const 1)))";
    let remembers = mapping(&[("module", "(global $seen (mut i32) (i32.const 0))"), ("transform", counts)]);
    let words = "asked twice about the same entries, it answered differently";
    judge(&lab, &lab.host, "counts", (&remembers, &[]), &refused(words)).unwrap();
    // Excludes whoever comes first.
    let first = mapping(&[("transform", "(i32.store8 (i32.const 4096) (i32.const 1))")]);
    let words = "asked about the same entries in another order, it answered differently";
    judge(&lab, &lab.host, "first", (&first, &[]), &refused(words)).unwrap();
}
