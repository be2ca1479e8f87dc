//! People as users, natively.

use provisor_sdk::testing::{self, Entry, MappingTest};
use serde_json::{Value, json};

use crate::People;

fn people(config: Value) -> MappingTest<People> {
    testing::mapping(&config).unwrap()
}

fn ada() -> Entry {
    Entry::new("user").with("uid", "ada").with("cn", "Ada Lovelace").with("sn", "Lovelace").with("givenName", "Ada")
}

fn enterprise(name: &str) -> String {
    format!("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:{name}")
}

#[test]
fn a_person_becomes_an_active_user() {
    let answer = people(json!({})).map(&ada());
    assert_eq!(answer.set("userName"), Some(&json!("ada")));
    assert_eq!(answer.set("active"), Some(&json!(true)));
    assert_eq!(answer.set("name.givenName"), Some(&json!("Ada")));
    assert_eq!(answer.set("name.familyName"), Some(&json!("Lovelace")));
    assert_eq!(answer.set("name.formatted"), Some(&json!("Ada Lovelace")));
}

#[test]
fn a_user_name_gets_the_domain_unless_it_has_one() {
    let people = people(json!({ "domain": "example.com" }));
    assert_eq!(people.map(&ada()).set("userName"), Some(&json!("ada@example.com")));
    let with_domain = Entry::new("user").with("uid", "ada@lab.example");
    assert_eq!(people.map(&with_domain).set("userName"), Some(&json!("ada@lab.example")));
}

#[test]
fn the_display_name_falls_back_to_the_formatted_name() {
    assert_eq!(people(json!({})).map(&ada()).set("displayName"), Some(&json!("Ada Lovelace")));
    let named = ada().with("displayName", "Countess");
    assert_eq!(people(json!({})).map(&named).set("displayName"), Some(&json!("Countess")));
}

#[test]
fn the_first_mail_is_primary() {
    let answer = people(json!({})).map(&ada().with_all("mail", ["ada@example.com", "lovelace@example.com"]));
    let rows = json!([
        { "value": "ada@example.com", "type": "work", "primary": true },
        { "value": "lovelace@example.com", "type": "other" },
    ]);
    assert_eq!(answer.set("emails"), Some(&rows));
}

#[test]
fn phones_have_their_type_and_an_address_its_parts() {
    let entry = ada().with("telephoneNumber", "+44 1").with("mobile", "+44 2").with("l", "London").with("c", "GB");
    let answer = people(json!({})).map(&entry);
    let phones = json!([{ "value": "+44 1", "type": "work" }, { "value": "+44 2", "type": "mobile" }]);
    assert_eq!(answer.set("phoneNumbers"), Some(&phones));
    assert_eq!(answer.set("addresses"), Some(&json!([{ "type": "work", "locality": "London", "country": "GB" }])));
}

#[test]
fn a_person_without_phones_or_address_has_neither() {
    let answer = people(json!({})).map(&ada());
    assert_eq!(answer.set("phoneNumbers"), None);
    assert_eq!(answer.set("addresses"), None);
}

#[test]
fn the_enterprise_extension_has_number_department_and_manager() {
    let entry = ada().with("employeeNumber", "17").with("departmentNumber", "R&D").with("manager", "uid=b,dc=x");
    let answer = people(json!({})).map(&entry);
    assert_eq!(answer.set(&enterprise("employeeNumber")), Some(&json!("17")));
    assert_eq!(answer.set(&enterprise("department")), Some(&json!("R&D")));
    assert_eq!(answer.set(&enterprise("manager")), Some(&json!({ "reference": "uid=b,dc=x" })));
}

#[test]
fn source_names_are_configurable_and_an_empty_one_switches_a_field_off() {
    let people = people(json!({ "user-name": "mail", "department": "ou", "title": "" }));
    let entry = ada().with("mail", "ada@example.com").with("ou", "Engines").with("title", "Countess");
    let answer = people.map(&entry);
    assert_eq!(answer.set("userName"), Some(&json!("ada@example.com")));
    assert_eq!(answer.set(&enterprise("department")), Some(&json!("Engines")));
    assert_eq!(answer.set("title"), None);
}

#[test]
fn further_fields_are_copied_or_fixed_by_their_paths() {
    let nickname = "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:User:mailNickname";
    let config = json!({ "also": { nickname: "uid", "nickName": "displayName" }, "fixed": { "userType": "Member" } });
    let answer = people(config).map(&ada());
    assert_eq!(answer.set(nickname), Some(&json!("ada")));
    assert_eq!(answer.set("userType"), Some(&json!("Member")));
    assert_eq!(answer.set("nickName"), None, "what the entry does not have");
}

#[test]
fn one_phone_of_each_type_is_passed_on_where_there_is_room_for_one() {
    let entry = ada().with_all("telephoneNumber", ["+44 1", "+44 2"]).with("mobile", "+44 3");
    let phones = json!([{ "value": "+44 1", "type": "work" }, { "value": "+44 3", "type": "mobile" }]);
    assert_eq!(people(json!({ "one-phone-each": true })).map(&entry).set("phoneNumbers"), Some(&phones));
}

#[test]
fn a_person_without_a_user_name_is_not_provisioned() {
    assert_eq!(people(json!({})).map(&Entry::new("user").with("cn", "Ada")).refused(), Some("no-user-name"));
}

#[test]
fn a_wrong_key_or_an_empty_user_name_is_an_error() {
    assert!(testing::mapping::<People>(&json!({ "doman": "x" })).is_err());
    assert!(testing::mapping::<People>(&json!({ "user-name": "" })).is_err());
}
