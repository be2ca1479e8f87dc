//! PATCH requests, from changes to operations.

use super::*;
use crate::scim::ScimOptions;
use provisor_model::Plain;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn text(value: &str) -> TargetValue<ResourceId> {
    TargetValue::Plain(Plain::Text(value.into()))
}

fn ids(range: std::ops::Range<u32>) -> BTreeSet<ResourceId> {
    range.map(|number| ResourceId::new(format!("m{number}"))).collect()
}

fn set(path: &str, old: Option<&str>, new: &str) -> AttributeChange<ResourceId> {
    AttributeChange { path: path.parse().unwrap(), old: old.map(text), change: Change::Set(text(new)) }
}

fn remove(path: &str, old: &str) -> AttributeChange<ResourceId> {
    AttributeChange { path: path.parse().unwrap(), old: Some(text(old)), change: Change::Remove }
}

fn requests(present: &[&str], changes: &[AttributeChange<ResourceId>], chunk: usize) -> Vec<Value> {
    let options = ScimOptions { member_chunk: chunk, ..ScimOptions::new("https://x/") };
    requests_by(ReferenceRules::new(&options), present, changes)
}

fn requests_by(rules: ReferenceRules, present: &[&str], changes: &[AttributeChange<ResourceId>]) -> Vec<Value> {
    let abilities = Abilities::parse(&json!({"patch": {"supported": true}}), None, None);
    let present = present.iter().map(|path| path.parse().unwrap()).collect();
    let kind = abilities.resource_type("User").unwrap();
    let patch = Patch { abilities: &abilities, kind, present: &present, changes, rules };
    patch.requests().unwrap().iter().map(PatchRequest::body).collect()
}

fn operations(present: &[&str], changes: &[AttributeChange<ResourceId>]) -> Value {
    let requests = requests(present, changes, 100);
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!(requests[0]["schemas"], json!([PATCH_OP]));
    requests[0]["Operations"].clone()
}

#[test]
fn single_values_are_added_replaced_and_removed() {
    let boolean = AttributeChange {
        path: "active".parse().unwrap(),
        old: Some(TargetValue::Plain(Plain::Boolean(true))),
        change: Change::Set(TargetValue::Plain(Plain::Boolean(false))),
    };
    let department = format!("{ENTERPRISE}:department");
    let changes = [
        set("title", None, "Dr"),
        set("name.givenName", Some("A"), "Ada"),
        remove("locale", "en"),
        boolean,
        set(&department, None, "X"),
    ];
    assert_eq!(
        operations(&["name.givenName", "locale"], &changes),
        json!([
            {"op": "add", "path": "title", "value": "Dr"},
            {"op": "replace", "path": "name.givenName", "value": "Ada"},
            {"op": "remove", "path": "locale"},
            {"op": "replace", "path": "active", "value": false},
            {"op": "add", "path": department, "value": "X"},
        ])
    );
}

#[test]
fn a_new_row_is_added_whole_by_one_operation() {
    let changes =
        [set(r#"emails[type eq "work"].value"#, None, "a@x"), set(r#"emails[type eq "Work"].display"#, None, "A")];
    assert_eq!(
        operations(&[], &changes),
        json!([
            {"op": "add", "path": "emails", "value": [{"type": "work", "value": "a@x", "display": "A"}]},
        ])
    );
}

#[test]
fn a_new_part_of_a_row_that_is_there_makes_no_second_row() {
    let street = r#"addresses[type eq "work"].streetAddress"#;
    let locality = r#"addresses[type eq "work"].locality"#;
    assert_eq!(
        operations(&[street], &[set(locality, None, "London")]),
        json!([
            {"op": "replace", "path": locality, "value": "London"},
        ])
    );
}

#[test]
fn the_last_part_of_ours_takes_the_row_with_it() {
    let (value, display) = (r#"emails[type eq "work"].value"#, r#"emails[type eq "work"].display"#);
    let whole = json!([{"op": "remove", "path": r#"emails[type eq "work"]"#}]);
    assert_eq!(operations(&[value], &[remove(value, "a@x")]), whole);
    assert_eq!(operations(&[value, display], &[remove(value, "a@x"), remove(display, "A")]), whole);
    assert_eq!(operations(&[value, display], &[remove(display, "A")]), json!([{"op": "remove", "path": display}]));
}

#[test]
fn a_manager_goes_whole() {
    let path = format!("{ENTERPRISE}:manager.value");
    let manager = Some(TargetValue::Reference(ResourceId::new("7")));
    let change = AttributeChange { path: path.parse().unwrap(), old: manager, change: Change::Remove };
    assert_eq!(operations(&[&path], &[change]), json!([{"op": "remove", "path": format!("{ENTERPRISE}:manager")}]));
    let path = format!("{ENTERPRISE}:manager");
    let set = Change::Set(TargetValue::Reference(ResourceId::new("8")));
    let change = AttributeChange { path: path.parse().unwrap(), old: None, change: set };
    assert_eq!(operations(&[], &[change]), json!([{"op": "add", "path": path, "value": {"value": "8"}}]));
}

#[test]
fn a_list_is_replaced_as_a_whole() {
    let list = TargetValue::List([Plain::Text("a".into())].into());
    let change = AttributeChange { path: "roles".parse().unwrap(), old: None, change: Change::Set(list) };
    assert_eq!(operations(&[], &[change]), json!([{"op": "replace", "path": "roles", "value": [{"value": "a"}]}]));
}

#[test]
fn members_go_one_by_one_and_never_by_value() {
    let remove = [ResourceId::new("a"), ResourceId::new(r#"b"]"#)].into();
    let change = Change::References { add: ids(0..2), remove };
    let change = AttributeChange { path: "members".parse().unwrap(), old: None, change };
    assert_eq!(
        operations(&["members"], &[change]),
        json!([
            {"op": "add", "path": "members", "value": [{"value": "m0"}, {"value": "m1"}]},
            {"op": "remove", "path": r#"members[value eq "a"]"#},
            {"op": "remove", "path": r#"members[value eq "b\"]"]"#},
        ])
    );
}

#[test]
fn many_members_take_several_requests_and_the_rest_comes_with_the_first() {
    let change = Change::References { add: ids(0..7), remove: ids(7..9) };
    let members = AttributeChange { path: "members".parse().unwrap(), old: None, change };
    let requests = requests(&["members"], &[set("displayName", Some("a"), "b"), members], 4);
    let operations: Vec<usize> =
        requests.iter().map(|request| request["Operations"].as_array().unwrap().len()).collect();
    assert_eq!(operations, [2, 2, 1], "name and 4 members; 3 members and a removal; the last removal");
    assert_eq!(requests[0]["Operations"][0]["path"], "displayName");
    assert_eq!(requests[1]["Operations"][0]["value"].as_array().unwrap().len(), 3);
}

fn members(add: std::ops::Range<u32>, remove: std::ops::Range<u32>) -> AttributeChange<ResourceId> {
    let change = Change::References { add: ids(add), remove: ids(remove) };
    AttributeChange { path: "members".parse().unwrap(), old: None, change }
}

#[test]
fn changes_that_must_go_apart_have_requests_of_their_own() {
    let rules = ReferenceRules { chunk: 20, removals: 1, apart: true, removal: Removal::ByFilter };
    let changes = [set("displayName", Some("a"), "b"), members(0..25, 25..27)];
    let requests = requests_by(rules, &["members"], &changes);
    let shape = |request: &Value| {
        let operations = request["Operations"].as_array().unwrap();
        let values = operations[0]["value"].as_array().map(Vec::len);
        (operations.len(), operations[0]["op"].as_str().unwrap().to_owned(), values)
    };
    let shapes: Vec<_> = requests.iter().map(shape).collect();
    let expected = [("replace", None), ("add", Some(20)), ("add", Some(5)), ("remove", None), ("remove", None)];
    assert_eq!(shapes, expected.map(|(op, values)| (1, op.to_owned(), values)));
}

#[test]
fn removals_are_bounded_apart_from_additions() {
    let rules = ReferenceRules { chunk: 4, removals: 2, apart: false, removal: Removal::ByFilter };
    let requests = requests_by(rules, &["members"], &[members(0..3, 3..8)]);
    let operations: Vec<usize> = requests.iter().map(|one| one["Operations"].as_array().unwrap().len()).collect();
    assert_eq!(operations, [2, 2, 2], "three come and one goes; two go; two go");
}

#[test]
fn members_go_by_value_where_the_service_wants_nothing_else() {
    let rules = ReferenceRules { chunk: 10, removals: 10, apart: false, removal: Removal::ByValue };
    let requests = requests_by(rules, &["members"], &[members(0..0, 0..2)]);
    let expected = json!([{"op": "remove", "path": "members", "value": [{"value": "m0"}, {"value": "m1"}]}]);
    assert_eq!(requests[0]["Operations"], expected);
}

#[test]
fn members_that_are_there_or_gone_already_are_not_sent_again() {
    let shown = |_: &TargetPath, _: &TargetValue<ResourceId>| Some(TargetValue::References(ids(1..4)));
    assert_eq!(refreshed(&[members(0..2, 3..5)], shown), [members(0..1, 3..4)]);
    assert!(refreshed(&[members(1..2, 4..5)], shown).is_empty());
}

#[test]
fn nothing_to_change_is_nothing_to_send() {
    assert!(requests(&["title"], &[], 4).is_empty());
}

#[test]
fn what_is_as_wanted_already_is_not_written_again() {
    let changes = [set("title", Some("a"), "b"), remove("locale", "en"), set("nickName", Some("x"), "y")];
    let shown = |path: &TargetPath, _: &TargetValue<ResourceId>| match path.as_str() {
        "title" => Some(text("b")),
        "nickName" => Some(text("z")),
        _ => None,
    };
    assert_eq!(refreshed(&changes, shown), [set("nickName", Some("z"), "y")]);
}
