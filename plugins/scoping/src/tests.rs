//! Clauses and groups, natively.

use provisor_sdk::Verdict;
use provisor_sdk::testing::{self, Entry, FilterTest};
use serde_json::{Value, json};

use crate::config::Config;
use crate::{Scoping, words};

fn scoping(config: &Value) -> FilterTest<Scoping> {
    testing::filter(config).unwrap()
}

/// What comes of an entry: "keep", or the code of the reason.
fn outcome(scoping: &FilterTest<Scoping>, entry: &Entry) -> String {
    match scoping.decide(entry) {
        Verdict::Keep => "keep".to_owned(),
        Verdict::Drop(reason) | Verdict::Fail(reason) => reason.code,
    }
}

/// The same for a single clause and an entry that has these values of `a`.
fn tested(mut clause: Value, values: &[&str]) -> String {
    clause["attribute"] = json!("a");
    let entry = if values.is_empty() { Entry::new("user") } else { Entry::new("user").with_all("a", values) };
    outcome(&scoping(&json!({ "any": [{ "all": [clause] }] })), &entry)
}

fn refused(config: &Value) -> String {
    testing::filter::<Scoping>(config).err().unwrap_or_else(|| panic!("accepted: {config}"))
}

#[test]
fn each_operator_tells_values_apart() {
    let met_and_unmet = [
        (json!({ "operator": "equals", "value": "staff" }), "staff", "Staff"),
        (json!({ "operator": "equals", "value": "STAFF", "ignore-case": true }), "Staff", "guest"),
        (json!({ "operator": "equals", "value": 7 }), "7", "07"),
        (json!({ "operator": "not-equals", "value": "guest" }), "staff", "guest"),
        (json!({ "operator": "in", "values": ["DE", "FR"] }), "FR", "IT"),
        (json!({ "operator": "not-in", "values": ["DE", "FR"] }), "IT", "DE"),
        (json!({ "operator": "includes", "value": "art" }), "Martha", "Marc"),
        (json!({ "operator": "not-includes", "value": "test" }), "anna", "test-anna"),
        (json!({ "operator": "starts-with", "value": "adm-" }), "adm-x", "x-adm-"),
        (json!({ "operator": "not-starts-with", "value": "svc" }), "ada", "svc1"),
        (json!({ "operator": "ends-with", "value": "@lab.example" }), "ada@lab.example", "ada@lab.example.org"),
        (json!({ "operator": "not-ends-with", "value": "$" }), "pc", "pc$"),
        (json!({ "operator": "regex-match", "value": "^[A-Z]{2}[0-9]+$" }), "AB12", "ab12"),
        (json!({ "operator": "regex-match", "value": "müller", "ignore-case": true }), "MÜLLER", "MULLER"),
        (json!({ "operator": "not-regex-match", "value": "^ext-" }), "int-1", "ext-1"),
        (json!({ "operator": "greater-than", "value": 10 }), "11", "10"),
        (json!({ "operator": "greater-than-or-equals", "value": "10" }), "10", "9"),
        (json!({ "operator": "less-than", "value": 0 }), "-1", "0"),
        (json!({ "operator": "less-than-or-equals", "value": 0 }), "0", "1"),
        (json!({ "operator": "has-bits", "value": 0x202 }), "514", "512"),
        (json!({ "operator": "has-bits", "value": -2147483648i64 }), "-2147483646", "2"),
        (json!({ "operator": "lacks-bits", "value": 2 }), "512", "514"),
        (json!({ "operator": "is-true" }), "TRUE", "FALSE"),
        (json!({ "operator": "is-false" }), "false", "TRUE"),
    ];
    for (clause, met, unmet) in met_and_unmet {
        assert_eq!(tested(clause.clone(), &[met]), "keep", "{clause} {met}");
        assert_eq!(tested(clause.clone(), &[unmet]), "not-in-scope", "{clause} {unmet}");
    }
}

#[test]
fn absence_meets_a_clause_only_where_that_is_asked_for() {
    assert_eq!(tested(json!({ "operator": "is-null" }), &[]), "keep");
    assert_eq!(tested(json!({ "operator": "is-null" }), &["x"]), "not-in-scope");
    assert_eq!(tested(json!({ "operator": "is-not-null" }), &["x"]), "keep");
    assert_eq!(tested(json!({ "operator": "is-not-null" }), &[]), "not-in-scope");
    for operator in ["equals", "not-equals", "regex-match", "not-regex-match"] {
        assert_eq!(tested(json!({ "operator": operator, "value": "x" }), &[]), "not-in-scope", "{operator}");
        assert_eq!(tested(json!({ "operator": operator, "value": "x", "absent": "met" }), &[]), "keep", "{operator}");
    }
}

#[test]
fn of_several_values_one_is_enough_unless_all_are_asked_for() {
    let ends = json!({ "operator": "ends-with", "value": "@x" });
    let all = json!({ "operator": "ends-with", "value": "@x", "each": "all" });
    assert_eq!(tested(ends, &["a@x", "a@y"]), "keep");
    assert_eq!(tested(all.clone(), &["a@x", "a@y"]), "not-in-scope");
    assert_eq!(tested(all, &["a@x", "b@x"]), "keep");
}

#[test]
fn a_negated_operator_is_about_every_value() {
    assert_eq!(tested(json!({ "operator": "not-equals", "value": "guest" }), &["guest", "staff"]), "not-in-scope");
    assert_eq!(tested(json!({ "operator": "lacks-bits", "value": 2 }), &["1", "2"]), "not-in-scope");
}

#[test]
fn a_value_that_cannot_be_compared_holds_the_entry() {
    assert_eq!(tested(json!({ "operator": "greater-than", "value": 1 }), &["many"]), "not-a-number");
    assert_eq!(tested(json!({ "operator": "is-true" }), &["perhaps"]), "not-a-truth-value");
}

#[test]
fn clauses_of_a_group_count_together_and_any_group_is_enough() {
    let scoping = scoping(&json!({ "any": [
        { "name": "Staff in Europe", "all": [
            { "attribute": "employeeType", "operator": "equals", "value": "staff" },
            { "attribute": "c", "operator": "in", "values": ["DE", "FR"] },
        ] },
        { "all": [{ "attribute": "title", "operator": "is-not-null" }] },
    ] }));
    let staff = Entry::new("user").with("employeeType", "staff");
    assert_eq!(outcome(&scoping, &staff.clone().with("c", "DE")), "keep");
    assert_eq!(outcome(&scoping, &staff.clone().with("c", "US").with("title", "Dr")), "keep");
    let Verdict::Drop(reason) = scoping.decide(&staff.with("c", "US")) else { panic!("kept") };
    assert_eq!(
        reason.detail,
        "Staff in Europe: not met: c is one of \"DE\", \"FR\"; group 2: not met: title is present"
    );
}

#[test]
fn what_cannot_be_compared_matters_only_where_it_decides() {
    let scoping = scoping(&json!({ "any": [
        { "all": [
            { "attribute": "level", "operator": "greater-than", "value": 3 },
            { "attribute": "employeeType", "operator": "equals", "value": "staff" },
        ] },
        { "all": [{ "attribute": "title", "operator": "is-not-null" }] },
    ] }));
    let odd = Entry::new("user").with("level", "high");
    assert_eq!(outcome(&scoping, &odd.clone().with("title", "Dr")), "keep");
    assert_eq!(outcome(&scoping, &odd.clone().with("employeeType", "guest")), "not-in-scope");
    assert_eq!(outcome(&scoping, &odd.with("employeeType", "staff")), "not-a-number");
}

#[test]
fn a_scope_that_makes_no_sense_is_refused_with_its_place() {
    let clause = |clause: Value| json!({ "any": [{ "name": "g", "all": [clause] }] });
    for (config, expected) in [
        (json!({ "any": [] }), "nothing could be in scope"),
        (json!({ "any": [{ "all": [] }] }), "group 1 has no clauses"),
        (clause(json!({ "attribute": "", "operator": "is-true" })), "names no attribute"),
        (clause(json!({ "attribute": "a", "operator": "equals" })), "g: a is: give one value"),
        (clause(json!({ "attribute": "a", "operator": "in", "value": "x" })), "values = [...]"),
        (clause(json!({ "attribute": "a", "operator": "equals", "value": "" })), "is-null"),
        (clause(json!({ "attribute": "a", "operator": "is-null", "value": "x" })), "compares with nothing"),
        (clause(json!({ "attribute": "a", "operator": "is-null", "absent": "met" })), "absent has no meaning"),
        (
            clause(json!({ "attribute": "a", "operator": "not-in", "values": ["x"], "each": "all" })),
            "each has no meaning",
        ),
        (clause(json!({ "attribute": "a", "operator": "less-than", "value": "x" })), "whole number"),
        (clause(json!({ "attribute": "a", "operator": "has-bits", "value": 0 })), "no bits"),
        (clause(json!({ "attribute": "a", "operator": "regex-match", "value": "(" })), "regular expression"),
        (clause(json!({ "attribute": "a", "operator": "not-regex-match", "value": "" })), "found in everything"),
        (
            clause(json!({ "attribute": "a", "operator": "regex-match", "value": "(\\w{100}){100}" })),
            "regular expression",
        ),
        (clause(json!({ "attribute": "a", "operator": "like", "value": "x" })), "like"),
    ] {
        let error = refused(&config);
        assert!(error.contains(expected), "{config}: {error}");
    }
}

#[test]
fn a_pattern_that_backtracks_elsewhere_takes_linear_time_here() {
    let value = "a".repeat(100_000);
    assert_eq!(
        tested(json!({ "operator": "regex-match", "value": "^(a+)+$" }), &[&format!("{value}b")]),
        "not-in-scope"
    );
}

#[test]
fn the_scope_reads_in_plain_words() {
    let config: Config = serde_json::from_value(json!({ "object-classes": ["user"], "any": [
        { "all": [
            { "attribute": "employeeType", "operator": "equals", "value": "staff", "ignore-case": true },
            { "attribute": "userAccountControl", "operator": "lacks-bits", "value": 2, "absent": "met" },
        ] },
        { "all": [{ "attribute": "mail", "operator": "ends-with", "value": "@x.example", "each": "all" }] },
    ] }))
    .unwrap();
    assert_eq!(
        words::scope(&config),
        "An entry of the class user is in scope if (employeeType is \"staff\" in any letter case and userAccountControl lacks the bits \
         2 or is absent) or (every value of mail ends with \"@x.example\")."
    );
}
