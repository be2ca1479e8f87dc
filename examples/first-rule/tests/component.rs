//! The component, through the gate and within the limits of a host.

use provisor_harness::Plugin;
use provisor_sdk::testing::Entry;
use serde_json::json;

#[test]
fn the_component_answers_as_the_rule_does() {
    let plugin = Plugin::build().unwrap();
    let rule = plugin.configure(&json!({ "cost-centers": { "Optics": "4200" } })).unwrap();
    let answer = rule.map(&Entry::new("user").with("departmentNumber", "Optics"));
    let cost_center = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter";
    assert_eq!(answer.set(cost_center), Some(&json!("4200")));
}
