//! The cases of RFC 7644 section 3.5.2, and what clients in the field make of them.
use super::*;
use serde_json::json;

fn patched(before: Value, operations: Value) -> Result<Value, Refusal> {
    let Value::Object(mut body) = before else { panic!("a resource is an object") };
    let message = json!({"schemas": [PATCH_OP], "Operations": operations});
    for step in parse(Catalogue::get().unwrap(), Kind::User, &message, Dialect::default())? {
        match step {
            Step::Edit(edit) => apply(edit, &mut body)?,
            Step::Members(change) => panic!("a user has no members: {change:?}"),
        }
    }
    Ok(Value::Object(body))
}

fn refused(before: Value, operation: Value) -> ErrorType {
    patched(before, json!([operation])).unwrap_err().kind.unwrap()
}

fn member_change(operation: Value) -> Result<MemberChange, Refusal> {
    let message = json!({"schemas": [PATCH_OP], "Operations": [operation]});
    match parse(Catalogue::get().unwrap(), Kind::Group, &message, Dialect::default())?.pop() {
        Some(Step::Members(change)) => Ok(change),
        other => panic!("no change of members: {other:?}"),
    }
}

const DEPARTMENT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
const EXTENSION: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

#[test]
fn add_without_path_merges_each_attribute() {
    let after = patched(
        json!({"userName": "a", "name": {"givenName": "A"}, "emails": [{"value": "1"}]}),
        json!([{"op": "Add", "value": {
            "emails": [{"value": "1"}, {"value": "2"}], "nickname": "Babs", "name": {"familyName": "B"},
            EXTENSION: {"department": "d"}, "id": "ignored", "schemas": ["ignored"]
        }}]),
    );
    let expected = json!({
        "userName": "a", "name": {"givenName": "A", "familyName": "B"}, "emails": [{"value": "1"}, {"value": "2"}],
        "nickName": "Babs", EXTENSION: {"department": "d"}
    });
    assert_eq!(after, Ok(expected));
}

#[test]
fn replace_of_a_complex_attribute_leaves_what_it_does_not_name() {
    let before = json!({"name": {"givenName": "A", "familyName": "B"}});
    let after = patched(before, json!([{"op": "replace", "path": "name", "value": {"givenName": "C"}}]));
    assert_eq!(after, Ok(json!({"name": {"givenName": "C", "familyName": "B"}})));
}

#[test]
fn parts_without_value_take_themselves_away_and_nothing_else() {
    let before = json!({"name": {"givenName": "A", "familyName": "B"}});
    for (value, expected) in [
        (json!({"givenName": null}), json!({"familyName": "B"})),
        (json!({"givenName": null, "familyName": "C"}), json!({"familyName": "C"})),
        (json!({"middleName": null}), json!({"givenName": "A", "familyName": "B"})),
    ] {
        for operation in [
            json!({"op": "replace", "path": "name", "value": value}),
            json!({"op": "replace", "value": {"name": value}}),
        ] {
            assert_eq!(patched(before.clone(), json!([operation])), Ok(json!({"name": expected})), "{operation}");
        }
    }
    let added = json!([{"op": "add", "path": "name", "value": {"givenName": null, "middleName": "M"}}]);
    let expected = json!({"name": {"givenName": "A", "familyName": "B", "middleName": "M"}});
    assert_eq!(patched(before.clone(), added), Ok(expected));
    // All parts without value, or no parts at all, are no value.
    for value in [json!({"givenName": null, "familyName": null}), json!({}), json!(null)] {
        let replaced = json!([{"op": "replace", "path": "name", "value": value}]);
        assert_eq!(patched(before.clone(), replaced), Ok(json!({})), "{value}");
    }
}

#[test]
fn who_is_named_by_an_address_alone_is_refused_and_nobody_is_taken_away() {
    let before = json!({EXTENSION: {"manager": {"value": "m"}}});
    let address = "https://tenant.example/scim/v2/Users/n";
    let path = format!("{EXTENSION}:manager");
    for operation in [
        json!({"op": "replace", "path": path, "value": {"$ref": address}}),
        json!({"op": "add", "value": {EXTENSION: {"manager": {"$ref": address}}}}),
        json!({"op": "replace", "path": format!("{path}.$ref"), "value": address}),
    ] {
        assert_eq!(refused(before.clone(), operation.clone()), ErrorType::InvalidValue, "{operation}");
    }
    let both = json!([{"op": "replace", "path": path, "value": {"value": "n", "$ref": address}}]);
    assert_eq!(patched(before, both), Ok(json!({EXTENSION: {"manager": {"value": "n"}}})));
    for op in ["add", "replace", "remove"] {
        let member = json!({"op": op, "path": "members", "value": [{"$ref": address}]});
        assert_eq!(member_change(member).unwrap_err().kind, Some(ErrorType::InvalidValue), "{op}");
    }
}

#[test]
fn replace_of_a_list_replaces_all_of_it() {
    let before = json!({"emails": [{"value": "1"}, {"value": "2"}]});
    let after = patched(before, json!([{"op": "REPLACE", "path": "emails", "value": [{"value": "3"}]}]));
    assert_eq!(after, Ok(json!({"emails": [{"value": "3"}]})));
}

#[test]
fn a_selection_changes_the_elements_that_meet_it() {
    let before = json!({"addresses": [{"type": "work", "locality": "x"}, {"type": "home", "locality": "y"}]});
    let path = r#"addresses[type eq "work"]"#;
    let replaced = json!([{"op": "replace", "path": path, "value": {"type": "work", "country": "NO"}}]);
    assert_eq!(
        patched(before.clone(), replaced),
        Ok(json!({"addresses": [{"type": "work", "country": "NO"}, {"type": "home", "locality": "y"}]}))
    );
    let street = json!([{"op": "replace", "path": format!("{path}.streetAddress"), "value": "1 Way"}]);
    assert_eq!(
        patched(before.clone(), street),
        Ok(
            json!({"addresses": [{"type": "work", "locality": "x", "streetAddress": "1 Way"}, {"type": "home", "locality": "y"}]})
        )
    );
    let removed = json!([{"op": "remove", "path": path}]);
    assert_eq!(patched(before, removed), Ok(json!({"addresses": [{"type": "home", "locality": "y"}]})));
}

#[test]
fn a_selection_that_matches_nothing_is_made_by_add_missed_by_replace_and_fine_for_remove() {
    let path = r#"emails[type eq "Work" and primary eq true].value"#;
    let added = patched(json!({}), json!([{"op": "add", "path": path, "value": "a@b"}]));
    assert_eq!(added, Ok(json!({"emails": [{"type": "Work", "primary": true, "value": "a@b"}]})));
    assert_eq!(refused(json!({}), json!({"op": "replace", "path": path, "value": "a@b"})), ErrorType::NoTarget);
    assert_eq!(patched(json!({}), json!([{"op": "remove", "path": path}])), Ok(json!({})));
}

#[test]
fn a_new_primary_value_takes_the_mark_from_the_old_one() {
    let before = json!({"emails": [{"value": "1", "primary": true}]});
    let after = patched(before, json!([{"op": "add", "path": "emails", "value": [{"value": "2", "primary": true}]}]));
    assert_eq!(after, Ok(json!({"emails": [{"value": "1", "primary": false}, {"value": "2", "primary": true}]})));
}

#[test]
fn remove_takes_away_what_the_path_names() {
    let before = json!({"nickName": "x", "name": {"givenName": "A"}, EXTENSION: {"department": "d"}});
    let removed = json!([
        {"op": "remove", "path": "nickName"},
        {"op": "remove", "path": "name.givenName"},
        {"op": "remove", "path": DEPARTMENT},
    ]);
    assert_eq!(patched(before.clone(), removed), Ok(json!({})));
    let emptied = json!([{"op": "replace", "value": {"nickName": null, "name.givenName": null, EXTENSION: null}}]);
    assert_eq!(patched(before, emptied), Ok(json!({})));
}

#[test]
fn paths_with_uris_reach_into_the_extension() {
    let after = patched(
        json!({}),
        json!([
            {"op": "add", "path": DEPARTMENT, "value": "d"},
            {"op": "add", "path": EXTENSION, "value": {"division": "v"}},
            {"op": "replace", "path": format!("{EXTENSION}:manager.value"), "value": "m"},
            {"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:title", "value": "t"},
        ]),
    );
    let expected = json!({"title": "t", EXTENSION: {"department": "d", "division": "v", "manager": {"value": "m"}}});
    assert_eq!(after, Ok(expected));
}

#[test]
fn what_cannot_be_carried_out_has_its_error_type() {
    let user = || json!({"userName": "a"});
    for (operation, expected) in [
        (json!({"op": "remove"}), ErrorType::NoTarget),
        (json!({"op": "move", "path": "title"}), ErrorType::InvalidSyntax),
        (json!({"op": "add", "path": "title"}), ErrorType::InvalidSyntax),
        (json!({"op": "add", "path": "nonsense", "value": 1}), ErrorType::InvalidPath),
        (json!({"op": "add", "path": "emails[", "value": 1}), ErrorType::InvalidPath),
        (json!({"op": "add", "path": "name[givenName pr]", "value": {}}), ErrorType::InvalidPath),
        (json!({"op": "add", "path": "emails[x eq 1]", "value": {}}), ErrorType::InvalidFilter),
        (json!({"op": "replace", "path": "id", "value": "x"}), ErrorType::Mutability),
        (json!({"op": "replace", "path": "meta.created", "value": "x"}), ErrorType::Mutability),
        (json!({"op": "remove", "path": "userName"}), ErrorType::Mutability),
        (json!({"op": "replace", "path": "active", "value": "False"}), ErrorType::InvalidValue),
    ] {
        assert_eq!(refused(user(), operation.clone()), expected, "{operation}");
    }
}

#[test]
fn members_are_added_and_removed_by_id() {
    let added = member_change(json!({"op": "add", "path": "members", "value": [{"value": "1", "display": "x"}]}));
    assert!(matches!(added, Ok(MemberChange::Add(ids)) if ids == ["1"]));
    let without_path = member_change(json!({"op": "add", "value": {"members": [{"value": "1"}]}}));
    assert!(matches!(without_path, Ok(MemberChange::Add(ids)) if ids == ["1"]));
    let path = r#"members[value eq "1" or value eq "2"]"#;
    let removed = member_change(json!({"op": "remove", "path": path}));
    assert!(matches!(removed, Ok(MemberChange::Remove(ids)) if ids == ["1", "2"]));
    let by_type = member_change(json!({"op": "remove", "path": r#"members[type eq "Group"]"#}));
    assert!(matches!(by_type, Ok(MemberChange::RemoveWhere(_))));
    let emptied = member_change(json!({"op": "remove", "path": "members"}));
    assert!(matches!(emptied, Ok(MemberChange::Replace(ids)) if ids.is_empty()));
}

#[test]
fn a_remove_that_lists_members_does_not_empty_the_group() {
    let removed = member_change(json!({"op": "Remove", "path": "members", "value": [{"value": "1"}]}));
    assert!(matches!(removed, Ok(MemberChange::Remove(ids)) if ids == ["1"]));
}

#[test]
fn a_member_cannot_be_turned_into_another() {
    for path in [r#"members[value eq "1"].value"#, r#"members[value eq "1"]"#, "members.value"] {
        let refused = member_change(json!({"op": "replace", "path": path, "value": "2"})).unwrap_err();
        assert_eq!(refused.kind, Some(ErrorType::Mutability), "{path}");
    }
}
