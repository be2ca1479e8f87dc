//! Contacts, natively.

use provisor_sdk::testing::{self, Entry, MappingTest};
use serde_json::{Value, json};

use crate::Contacts;

const EXTENSION: &str = "urn:example:contact:1.0";

fn contacts(config: Value) -> MappingTest<Contacts> {
    testing::mapping(&config).unwrap()
}

fn eve() -> Entry {
    Entry::new("contact").with("cn", "Eve").with("mail", "eve@partner.example")
}

#[test]
fn a_contact_has_a_name_and_an_address() {
    let entry = eve()
        .with("displayName", " Eve (Partner) ")
        .with("givenName", "Eve")
        .with("company", "Partner")
        .with("telephoneNumber", "+1 2")
        .with("manager", "<GUID=00000000-0000-0000-0000-000000000001>");
    let answer = contacts(json!({})).map(&entry);
    assert_eq!(answer.set("displayName"), Some(&json!("Eve (Partner)")));
    assert_eq!(answer.set("name.givenName"), Some(&json!("Eve")));
    assert_eq!(answer.set("name.formatted"), Some(&json!("Eve")));
    assert_eq!(answer.set("organization"), Some(&json!("Partner")));
    let emails = json!([{ "value": "eve@partner.example", "type": "work", "primary": true }]);
    assert_eq!(answer.set("emails"), Some(&emails));
    assert_eq!(answer.set("phoneNumbers"), Some(&json!([{ "value": "+1 2", "type": "work" }])));
    let manager = json!({ "reference": "<GUID=00000000-0000-0000-0000-000000000001>" });
    assert_eq!(answer.set("manager"), Some(&manager));
    assert_eq!(answer.set("active"), None, "a contact cannot sign in");
}

#[test]
fn the_display_name_falls_back_to_the_common_name() {
    assert_eq!(contacts(json!({})).map(&eve()).set("displayName"), Some(&json!("Eve")));
    let nameless = Entry::new("contact").with("mail", "eve@partner.example");
    assert_eq!(contacts(json!({})).map(&nameless).refused(), Some("no-contact-name"));
}

#[test]
fn who_has_no_address_of_any_sort_is_not_provisioned() {
    let without = Entry::new("contact").with("cn", "Eve");
    let refused = |entry: &Entry| contacts(json!({})).map(entry).refused().map(str::to_owned);
    assert_eq!(refused(&without).as_deref(), Some("no-mail"));
    assert_eq!(refused(&without.clone().with("mail", "eve")).as_deref(), Some("no-mail"));
    assert_eq!(refused(&without.with("proxyAddresses;smtp", "eve@partner.example")), None);
}

#[test]
fn an_extension_of_the_target_has_what_the_settings_name() {
    let entry =
        eve().with("proxyAddresses", "SMTP:eve@partner.example").with("targetAddress", "SMTP:eve@partner.example");
    let answer = contacts(json!({ "extension": EXTENSION, "exchange": true })).map(&entry);
    assert_eq!(answer.set(&format!("{EXTENSION}:targetAddress")), Some(&json!("SMTP:eve@partner.example")));
    assert_eq!(answer.set(&format!("{EXTENSION}:proxyAddresses")), Some(&json!(["SMTP:eve@partner.example"])));
    assert!(contacts(json!({})).map(&entry).outcome.unwrap().keys().all(|path| !path.starts_with("urn:")));
}

#[test]
fn settings_that_make_no_sense_are_an_error() {
    for (config, word) in [
        (json!({ "display-name": [""] }), "display-name"),
        (json!({ "mail": "", "proxy-addresses": "" }), "proxy-addresses"),
        (json!({ "phone": {} }), "phone"),
    ] {
        let error = testing::mapping::<Contacts>(&config).err().unwrap();
        assert!(error.contains(word), "{config}: {error}");
    }
}
