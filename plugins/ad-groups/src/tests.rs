//! Groups of an Active Directory, natively.

use provisor_sdk::testing::{self, Entry, MappingTest};
use serde_json::{Value, json};

use crate::Groups;

const EXTENSION: &str = "urn:provisor:scim:schemas:extension:1.0:Group";

fn groups(config: Value) -> MappingTest<Groups> {
    testing::mapping(&config).unwrap()
}

fn staff() -> Entry {
    Entry::new("group").dn("CN=Staff,DC=corp,DC=local").with("cn", "Staff")
}

fn typed(flags: &[&str]) -> Entry {
    staff().with_all("groupType;flags", flags)
}

#[test]
fn a_group_has_its_name_and_refers_to_its_members() {
    let members = ["<GUID=00000000-0000-0000-0000-000000000001>", "<GUID=00000000-0000-0000-0000-000000000002>"];
    let answer = groups(json!({})).map(&staff().with_all("member", members));
    assert_eq!(answer.set("displayName"), Some(&json!("Staff")));
    assert_eq!(answer.set("members"), Some(&json!({ "references": members })));
    // Whose primary group it is, only the host knows.
    assert_eq!(groups(json!({})).map(&staff()).set("members"), Some(&json!({ "references": [] })));
}

#[test]
fn the_display_name_is_preferred_and_a_group_without_a_name_is_not_provisioned() {
    let named = staff().with("displayName", " All staff ");
    assert_eq!(groups(json!({})).map(&named).set("displayName"), Some(&json!("All staff")));
    assert_eq!(groups(json!({})).map(&Entry::new("group").with("cn", " ")).refused(), Some("no-group-name"));
}

#[test]
fn groups_are_told_apart_by_kind_and_scope() {
    let security = || groups(json!({ "kinds": ["security"] }));
    assert!(security().map(&typed(&["ACCOUNT_GROUP", "SECURITY_ENABLED"])).outcome.is_ok());
    assert_eq!(security().map(&typed(&["ACCOUNT_GROUP"])).refused(), Some("other-group-kind"));
    let distribution = groups(json!({ "kinds": ["distribution"] }));
    assert!(distribution.map(&typed(&["UNIVERSAL_GROUP"])).outcome.is_ok());
    let scopes = groups(json!({ "scopes": ["global", "universal"] }));
    assert!(scopes.map(&typed(&["UNIVERSAL_GROUP"])).outcome.is_ok());
    let local = typed(&["BUILTIN_LOCAL_GROUP", "RESOURCE_GROUP", "SECURITY_ENABLED"]);
    assert_eq!(scopes.map(&local).refused(), Some("other-group-scope"));
}

#[test]
fn a_group_whose_type_is_hidden_is_held_where_types_matter_and_passes_where_they_do_not() {
    let hidden = groups(json!({ "kinds": ["security"] })).map(&staff()).outcome.unwrap_err();
    assert!(matches!(hidden, provisor_sdk::Refusal::Fail(reason) if reason.code == "no-group-type"));
    assert!(groups(json!({ "kinds": ["distribution", "security"] })).map(&staff()).outcome.is_ok());
}

#[test]
fn a_group_that_was_made_from_the_cloud_is_not_sent_back() {
    assert_eq!(groups(json!({})).map(&staff().with("adminDescription", "Group_1")).refused(), Some("made-from-cloud"));
}

#[test]
fn role_groups_of_exchange_are_left_out() {
    let group = staff().with("msExchRecipientTypeDetails", "1073741824");
    assert_eq!(groups(json!({ "exchange": true })).map(&group).refused(), Some("role-group"));
    assert!(groups(json!({})).map(&group).outcome.is_ok());
}

#[test]
fn the_extension_says_what_a_group_is_for() {
    let entry = typed(&["UNIVERSAL_GROUP", "SECURITY_ENABLED"])
        .with("sAMAccountName", "staff")
        .with("objectSid;text", "S-1-5-21-1-2-3-1104")
        .with("description", "x".repeat(449))
        .with("mail", "staff@example.com");
    let answer = groups(json!({ "extension": EXTENSION })).map(&entry);
    let set = |name: &str| answer.set(&format!("{EXTENSION}:{name}")).cloned();
    assert_eq!(set("securityEnabled"), Some(json!(true)));
    assert_eq!(set("mailEnabled"), Some(json!(true)));
    assert_eq!(set("mail"), Some(json!("staff@example.com")));
    assert_eq!(set("onPremisesSamAccountName"), Some(json!("staff")));
    assert_eq!(set("onPremisesSecurityIdentifier"), Some(json!("S-1-5-21-1-2-3-1104")));
    assert_eq!(set("onPremisesDomainName"), Some(json!("corp.local")));
    assert_eq!(set("description"), Some(json!("x".repeat(448))));
    let plain = groups(json!({ "extension": EXTENSION })).map(&typed(&["UNIVERSAL_GROUP"]));
    assert_eq!(plain.set(&format!("{EXTENSION}:securityEnabled")), Some(&json!(false)));
    assert_eq!(plain.set(&format!("{EXTENSION}:mailEnabled")), Some(&json!(false)));
}

#[test]
fn a_group_refers_to_its_manager_where_the_target_has_a_place_for_it() {
    let entry = staff().with("managedBy", "<GUID=00000000-0000-0000-0000-000000000001>");
    let answer = groups(json!({ "managed-by": "urn:x:y:Group:owner" })).map(&entry);
    let manager = json!({ "reference": "<GUID=00000000-0000-0000-0000-000000000001>" });
    assert_eq!(answer.set("urn:x:y:Group:owner"), Some(&manager));
}

#[test]
fn settings_that_make_no_sense_are_an_error() {
    for (config, word) in [
        (json!({ "kinds": [] }), "kinds"),
        (json!({ "scopes": ["worldwide"] }), "worldwide"),
        (json!({ "display-name": [] }), "display-name"),
        (json!({ "extension": "x" }), "no URN"),
    ] {
        let error = testing::mapping::<Groups>(&config).err().unwrap();
        assert!(error.contains(word), "{config}: {error}");
    }
}
