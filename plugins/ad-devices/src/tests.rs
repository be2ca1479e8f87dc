//! Computers as devices, natively.

use provisor_sdk::testing::{self, Entry, MappingTest};
use serde_json::{Value, json};

use crate::Devices;

fn devices(config: Value) -> MappingTest<Devices> {
    testing::mapping(&config).unwrap()
}

fn engine() -> Entry {
    Entry::new("device")
        .dn("CN=ENGINE,CN=Computers,DC=corp,DC=local")
        .with_all("objectClass", ["top", "person", "user", "computer"])
        .with("cn", "ENGINE")
        .with("userAccountControl;flags", "WORKSTATION_TRUST_ACCOUNT")
}

#[test]
fn a_computer_becomes_a_device_with_its_system_and_its_ids() {
    let entry = engine()
        .with("dNSHostName", "engine.corp.local")
        .with("operatingSystem", "Windows 11 Enterprise")
        .with("operatingSystemVersion", "10.0 (26100)")
        .with("objectSid;text", "S-1-5-21-1-2-3-1105")
        .with("objectGUID;text", "00112233-4455-6677-8899-aabbccddeeff")
        .with("mS-DS-CreatorSID;text", "S-1-5-21-1-2-3-1103");
    let answer = devices(json!({ "creator": "mS-DS-CreatorSID;text" })).map(&entry);
    for (path, value) in [
        ("displayName", json!("engine.corp.local")),
        ("active", json!(true)),
        ("dnsHostName", json!("engine.corp.local")),
        ("operatingSystem", json!("Windows 11 Enterprise")),
        ("operatingSystemVersion", json!("10.0 (26100)")),
        ("securityIdentifier", json!("S-1-5-21-1-2-3-1105")),
        ("deviceId", json!("00112233-4455-6677-8899-aabbccddeeff")),
        ("creatorSecurityIdentifier", json!("S-1-5-21-1-2-3-1103")),
    ] {
        assert_eq!(answer.set(path), Some(&value), "{path}");
    }
    assert_eq!(devices(json!({})).map(&entry).set("creatorSecurityIdentifier"), None);
}

#[test]
fn the_name_is_the_display_name_the_host_name_or_the_common_name() {
    let name = |entry: &Entry| devices(json!({})).map(entry).set("displayName").cloned();
    assert_eq!(name(&engine()), Some(json!("ENGINE")));
    assert_eq!(name(&engine().with("displayName", "Difference engine")), Some(json!("Difference engine")));
    let nameless = Entry::new("device").with("userAccountControl;flags", "WORKSTATION_TRUST_ACCOUNT");
    assert_eq!(devices(json!({})).map(&nameless).refused(), Some("no-device-name"));
}

#[test]
fn a_disabled_computer_is_inactive_and_one_whose_flags_are_hidden_is_held() {
    let flags = ["ACCOUNTDISABLE", "WORKSTATION_TRUST_ACCOUNT"];
    let disabled = Entry::new("device").with("cn", "E").with_all("userAccountControl;flags", flags);
    assert_eq!(devices(json!({})).map(&disabled).set("active"), Some(&json!(false)));
    let hidden = devices(json!({})).map(&Entry::new("device").with("cn", "E")).outcome.unwrap_err();
    assert!(matches!(hidden, provisor_sdk::Refusal::Fail(reason) if reason.code == "no-account-control"));
}

#[test]
fn a_managed_service_account_is_no_device_unless_the_settings_say_so() {
    let account = Entry::new("device")
        .with_all("objectClass", ["computer", "msDS-GroupManagedServiceAccount"])
        .with("cn", "svc")
        .with("userAccountControl;flags", "WORKSTATION_TRUST_ACCOUNT");
    assert_eq!(devices(json!({})).map(&account).refused(), Some("service-account"));
    assert!(devices(json!({ "service-accounts": true })).map(&account).outcome.is_ok());
}

#[test]
fn certificates_are_passed_on_or_required_where_the_settings_say_so() {
    let with_certificate = engine().with("userCertificate", [0x30, 0x82]);
    assert_eq!(devices(json!({})).map(&with_certificate).set("x509Certificates"), None);
    let passed_on = devices(json!({ "certificates": true }));
    assert_eq!(passed_on.map(&with_certificate).set("x509Certificates"), Some(&json!([{ "value": [0x30, 0x82] }])));
    assert_eq!(passed_on.map(&engine()).set("x509Certificates"), None);
    let required = devices(json!({ "certificate-required": true }));
    assert_eq!(required.map(&engine()).refused(), Some("no-certificate"));
    assert!(required.map(&with_certificate).outcome.is_ok());
}

#[test]
fn an_extension_of_the_target_has_the_facts_of_the_directory() {
    let config = json!({ "extension": "urn:example:device:1.0", "netbios-domain": "CORP" });
    let answer = devices(config).map(&engine().with("sAMAccountName", "ENGINE$"));
    let set = |name: &str| answer.set(&format!("urn:example:device:1.0:{name}")).cloned();
    assert_eq!(set("onPremisesSamAccountName"), Some(json!("ENGINE$")));
    assert_eq!(set("onPremisesDomainName"), Some(json!("corp.local")));
    assert_eq!(set("onPremisesNetBiosName"), Some(json!("CORP")));
}

#[test]
fn an_empty_list_of_names_is_an_error() {
    let error = testing::mapping::<Devices>(&json!({ "display-name": [] })).err().unwrap();
    assert!(error.contains("display-name"), "{error}");
}
