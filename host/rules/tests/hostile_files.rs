//! Files that are no component for this host, or more of one than it takes: refused by what they are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::fmt::Write as _;
use std::time::Duration;

use provisor_rules::{Limits, PluginLimits, RulesHost};
use support::hostile::{harmless, judge, refused};
use support::made::{mapping, written};
use support::{Lab, binding, evaluate, guest, no_config, options, user, user_name};

#[test]
fn what_is_no_component_for_this_host_is_refused_by_what_it_is() {
    let lab = Lab::new(&[]);
    for (name, words) in [
        ("core-module", "it is a core WebAssembly module, not a component"),
        ("unknown-import", "it imports acme:database/query@1.0.0, which this host does not offer"),
        ("unknown-import-of-ours", "does not fit version 0.1.0-draft.2 of the rules interface"),
        ("hollow", "does not fit version 0.1.0-draft.2 of the rules interface"),
        ("odd-import", "or only a part of one: import name `acme:data/\u{fffd}[31mquery@1.0.0` is not a valid"),
        ("imports-a-module", "it imports code, which this host does not offer"),
        ("nested", "components within each other, and 8 are allowed"),
        ("threads", "threads must be enabled"),
        ("two-memories", "multiple memories"),
        ("wide-memory", "memory64 must be enabled"),
    ] {
        judge(&lab, &lab.host, name, (&written(name), &[]), &refused(words))
            .unwrap_or_else(|told| panic!("{name}: {told}"));
    }
}

#[test]
fn a_component_that_ends_anywhere_is_refused() {
    let lab = Lab::new(&[]);
    let whole = mapping(&[]);
    judge(&lab, &lab.host, "whole", (&whole, &[]), &harmless()).unwrap();
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
fn what_is_made_of_too_many_instances_is_refused() {
    let lab = Lab::new(&[]);
    let mut bytes = mapping(&[]);
    let (mut depth, mut modules) = (0, 0);
    for payload in wasmparser::Parser::new(0).parse_all(&bytes).map(Result::unwrap) {
        match payload {
            wasmparser::Payload::ModuleSection { .. } => {
                modules += u8::from(depth == 0);
                depth += 1;
            }
            wasmparser::Payload::ComponentSection { .. } => depth += 1,
            wasmparser::Payload::End(_) => depth -= 1,
            _ => {}
        }
    }
    // A module without anything, and a hundred instances of it.
    bytes.extend([1, 8]);
    bytes.extend(b"\0asm\x01\0\0\0");
    bytes.extend([2, 0xad, 0x02, 100]);
    (0..100).for_each(|_| bytes.extend([0, modules, 0]));
    judge(&lab, &lab.host, "instances", (&bytes, &[]), &refused("103 core module instances, which exceeds")).unwrap();
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
    judge(&lab, &lab.host, "custom", (&bytes, &[]), &refused("octets of custom sections, and 33554432 are allowed"))
        .unwrap();
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
    judge(&lab, &host, "slow", (&slow, &[]), &refused("it takes longer than 0.05 s to compile")).unwrap();
    let chain = host.bind("lab", &[guest(no_config())]).unwrap();
    assert_eq!(user_name(&evaluate(&chain, &[user("ada")])[0]).as_deref(), Some("ada"));
}

/// A schema of which each part refers twice to the next: whoever follows them all never ends.
#[test]
fn a_schema_that_unfolds_without_end_is_refused() {
    let lab = Lab::new(&["guest"]);
    let parts: Vec<String> = (0..60)
        .map(|part| {
            let next = format!("{{\"$ref\":\"#/$defs/p{}\"}}", part + 1);
            format!("\"p{part}\":{{\"allOf\":[{next},{next}]}}")
        })
        .collect();
    let schema = format!("{{\"$ref\":\"#/$defs/p0\",\"$defs\":{{{},\"p60\":{{}}}}}}", parts.join(","));
    let bytes = with_schema(&schema);
    judge(&lab, &lab.host, "unfolds", (&bytes, &[]), &refused("the schema of its configuration")).unwrap();
    let chain = lab.bind(&[guest(no_config())]);
    assert_eq!(user_name(&evaluate(&chain, &[user("ada")])[0]).as_deref(), Some("ada"));
}

/// The mapping by hand with this schema of its configuration.
fn with_schema(schema: &str) -> Vec<u8> {
    let data = format!("(data (i32.const 8192) {schema:?})");
    let point =
        format!("(i32.store (i32.const 80) (i32.const 8192)) (i32.store (i32.const 84) (i32.const {}))", schema.len());
    mapping(&[("module", &data), ("describe", &point)])
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
        lab.put("hostile", &with_schema(schema));
        lab.host.scan();
        if let Err(error) = lab.host.bind("other", &[binding("hostile", no_config())]) {
            assert!(error.to_string().contains("the schema of its configuration is wrong"), "{error}");
        }
    }
}
