//! The component, through the gate and within the limits of a host.

use provisor_harness::Plugin;
use provisor_sdk::testing::Entry;
use serde_json::json;

#[test]
fn the_component_answers_as_the_rule_does() {
    let rule = Plugin::build().unwrap().configure(&json!({ "most-letters": 4 })).unwrap();
    let ada = Entry::new("user").with("givenName", "Augusta");
    assert_eq!(rule.map(&ada).set("nickName"), Some(&json!("Augu")));
    assert_eq!(rule.map_built(&ada, &Entry::default().with("nickName", "Ada")).set("nickName"), None);
}

#[test]
fn an_operator_reads_what_is_wrong_with_the_settings() {
    let error = Plugin::build().unwrap().configure(&json!({ "most-letter": 4 })).unwrap_err().to_string();
    assert!(error.contains("most-letter"), "{error}");
}
