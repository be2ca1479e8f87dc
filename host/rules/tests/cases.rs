//! A plugin's own test cases at the load gate: it is used only if it answers as its author says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use serde_json::{Value as Json, json};
use support::{Lab, component, made};

const SECTION: &str = "provisor:cases";

/// What the gate says of the test guest with these cases: how many it passed, or the reason.
fn judged(cases: &Json) -> Result<usize, String> {
    judged_text(cases.to_string().as_bytes())
}

fn judged_text(text: &[u8]) -> Result<usize, String> {
    passed(&made::with_section(&component("guest"), SECTION, text))
}

fn passed(component: &[u8]) -> Result<usize, String> {
    let lab = Lab::new(&[]);
    lab.put("guest", component);
    let path = lab.path("guest").display().to_string();
    lab.host.inspect(&path, None).map(|inspection| inspection.cases).map_err(|error| error.to_string())
}

#[test]
fn plugins_that_answer_as_their_cases_say_are_used() {
    for (plugin, cases) in [("people", 5), ("groups", 4), ("scoping", 3), ("sort-name", 3)] {
        assert_eq!(passed(&component(plugin)), Ok(cases), "{plugin}");
    }
    let both = json!([
        { "name": "kept", "kind": "filter", "config": { "drops": "eve" }, "entry": { "uid": "ada" }, "expected": "keep" },
        { "name": "dropped", "kind": "filter", "config": { "drops": "eve" }, "entry": { "uid": ["eve"] },
          "expected": { "drop": "unwanted" } },
        { "name": "mapped", "kind": "mapping", "config": { "drops": "eve" }, "entry": { "uid": { "base64": "ZXZl" } },
          "expected": { "edits": { "USERNAME": "eve" } } },
        { "name": "held", "entry": {}, "expected": { "failed": "no-uid" } },
        { "name": "for a while", "config": { "holds": 60 }, "time": 1000, "entry": { "uid": "ada" },
          "expected": { "edits": { "userName": "ada" } }, "valid-until": 1060 },
    ]);
    assert_eq!(judged(&both), Ok(5));
    assert_eq!(passed(&component("guest")), Ok(0), "a plugin need not have any");
}

#[test]
fn a_case_that_is_answered_otherwise_is_named_with_what_was_expected_and_what_came() {
    let one = |config: Json, expected: Json| {
        judged(&json!([{ "name": "the case", "config": config, "entry": { "uid": "ada" }, "expected": expected }]))
            .unwrap_err()
    };
    let edits = one(json!({}), json!({ "edits": { "userName": "eve", "title": "x" } }));
    assert!(edits.contains("its test case \"the case\" fails: "), "{edits}");
    assert!(edits.contains("title is null, and \"x\" was expected"), "{edits}");
    assert!(edits.contains("userName is \"ada\", and \"eve\" was expected"), "{edits}");
    let extra = one(json!({ "writes": "title" }), json!({ "edits": { "userName": "ada" } }));
    assert!(extra.contains("title is \"x\", and null was expected"), "{extra}");
    let kind = one(json!({}), json!({ "exclude": "no-uid" }));
    assert!(kind.contains("it answered the edits {userName: \"ada\"}, and exclude \"no-uid\" was expected"), "{kind}");
    let time =
        judged(&json!([{ "name": "the case", "config": { "holds": 60 }, "time": 1000, "entry": { "uid": "ada" },
        "expected": { "edits": { "userName": "ada" } }, "valid-until": 1000 }]));
    assert!(time.as_ref().unwrap_err().contains("holds until 1060, and until 1000 was expected"), "{time:?}");
}

#[test]
fn a_case_that_cannot_be_asked_is_named() {
    let one = |case: Json| {
        let mut case = case;
        case["name"] = json!("the case");
        if case.get("expected").is_none() {
            case["expected"] = json!({ "edits": { "userName": "ada" } });
        }
        let error = judged(&json!([case])).unwrap_err();
        assert!(error.contains("\"the case\""), "{error}");
        error
    };
    let uid = json!({ "uid": "ada" });
    for (case, words) in [
        (json!({ "entry": uid, "config": { "fault": "trap" } }), "it trapped"),
        (json!({ "entry": uid, "config": { "fault": "loop" } }), "it did not answer in time"),
        (json!({ "entry": uid, "config": { "fault": "grow" } }), "memory"),
        (json!({ "entry": uid, "config": { "fault": "outside-contract" } }), "its contract has 1 places"),
        (json!({ "entry": uid, "config": { "fault": "too-few" } }), "0 answers for 1 entries"),
        (json!({ "entry": uid, "config": { "fault": "refuse" } }), "the guest refuses this configuration"),
        (json!({ "entry": uid, "config": { "falt": "trap" } }), "falt"),
        (json!({ "entry": uid, "config": { "fault": "remembers" } }), "asked twice about the same entries"),
        (
            json!({ "entry": uid, "config": { "fault": "remembers", "only": "ada" } }),
            "asked again, it answered differently",
        ),
        (json!({ "entry": uid, "kind": "filter" }), "under these settings it is no filter"),
        (json!({ "entry": uid, "config": { "drops": "eve" } }), "the case must name its kind"),
        (json!({ "entry": { "uid": "ada", "object-class": "group" } }), "object class \"group\""),
        (json!({ "entry": { "uid": 7 } }), "entry.uid is neither text"),
        (json!({ "entry": { "uid": "ada", "dn": "no name" } }), "entry.dn"),
        (json!({ "entry": { "uid": "ada", "flag": "yes" }, "config": { "boolean": "flag" } }), "flag has a value"),
        (json!({ "entry": uid, "built": { "title": null } }), "built.title"),
        (json!({ "entry": uid, "expected": { "edits": { "user name": "ada" } } }), "user name"),
    ] {
        let error = one(case);
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn an_answer_that_depends_on_the_case_before_is_found() {
    let cases = json!([
        { "name": "one", "config": { "fault": "compares", "only": "a" }, "entry": { "uid": "a" }, "expected": { "edits": { "userName": "a" } } },
        { "name": "two", "config": { "fault": "compares", "only": "a" }, "entry": { "uid": "b" }, "expected": { "edits": { "userName": "b" } } },
    ]);
    let error = judged(&cases).unwrap_err();
    assert!(
        error.contains("its test case \"one\" fails: asked together with others, it answered differently"),
        "{error}"
    );
}

#[test]
fn cases_that_are_none_are_refused_and_so_are_too_many() {
    let case = |name: &str| json!({ "name": name, "entry": {}, "expected": { "failed": "no-uid" } });
    let mut with_more = case("more");
    with_more["expcted"] = json!(1);
    let many: Json = (0..257).map(|number| case(&number.to_string())).collect();
    for (cases, words) in [
        (json!({}), "are wrong"),
        (json!([with_more]), "expcted"),
        (json!([{ "name": "x" }]), "expected"),
        (json!([case("one"), case("one")]), "two of its test cases are named \"one\""),
        (json!([case(" ")]), "no name that a person can read"),
        (json!([case("\u{1b}[31m")]), "no name that a person can read"),
        (many, "it has 257 test cases, and 256 are allowed"),
    ] {
        let error = judged(&cases).unwrap_err();
        assert!(error.contains(words), "{words}: {error}");
        assert!(!error.contains('\u{1b}'), "{error:?}");
    }
    for text in [&b"[{"[..], b"\xff", b""] {
        assert!(judged_text(text).unwrap_err().contains("its test cases (the section provisor:cases) are wrong"));
    }
    let large = [b"[".as_slice(), &[b' '; 1 << 20], b"]"].concat();
    assert!(judged_text(&large).unwrap_err().contains("more than the 1048576 octets allowed"));
}

#[test]
fn cases_are_found_where_linkers_put_them() {
    // In the core module that the component is made of, by the annotation of the text format.
    let annotated = |expected: &str| {
        let cases = format!(r#"[{{"name":"inside","entry":{{}},"expected":{expected}}}]"#).replace('"', "\\\"");
        made::mapping(&[("module", &format!(r#"(@custom "{SECTION}" "{cases}")"#))])
    };
    let error = passed(&annotated(r#""keep""#)).unwrap_err();
    assert!(error.contains("its test case \"inside\" fails"), "{error}");
    let came = error.split("it answered ").nth(1).unwrap_or_default();
    assert!(came.starts_with("the edits {"), "{error}");
}
