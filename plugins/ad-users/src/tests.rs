//! Accounts as users, natively.

use provisor_sdk::testing::{self, Answer, Entry, MappingTest};
use serde_json::{Value, json};

use crate::Users;

const EXTENSION: &str = "urn:provisor:scim:schemas:extension:1.0:User";

fn users(config: Value) -> MappingTest<Users> {
    testing::mapping(&config).unwrap()
}

fn ada() -> Entry {
    Entry::new("user")
        .dn("CN=Ada Lovelace,OU=Staff,DC=corp,DC=local")
        .with("cn", "Ada Lovelace")
        .with("sAMAccountName", "ada")
        .with("userAccountControl;flags", "NORMAL_ACCOUNT")
}

fn enterprise(name: &str) -> String {
    format!("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:{name}")
}

fn extension<'a>(answer: &'a Answer, name: &str) -> Option<&'a Value> {
    answer.set(&format!("{EXTENSION}:{name}"))
}

#[test]
fn the_user_name_is_the_principal_name_or_else_the_account_name_at_the_domain() {
    let name = |config: Value, entry: &Entry| users(config).map(entry).set("userName").cloned();
    assert_eq!(name(json!({}), &ada()), Some(json!("ada@corp.local")));
    assert_eq!(name(json!({ "domain": "@example.com" }), &ada()), Some(json!("ada@example.com")));
    let with_principal = ada().with("userPrincipalName", " Ada.Lovelace@corp.local ");
    assert_eq!(name(json!({}), &with_principal), Some(json!("Ada.Lovelace@corp.local")));
    assert_eq!(name(json!({ "user-name": "mail" }), &with_principal), Some(json!("ada@corp.local")));
}

#[test]
fn suffixes_are_replaced_in_both_sorts_of_names_and_others_stay() {
    let users = users(json!({ "upn-suffixes": { "Corp.Local": "example.com" } }));
    assert_eq!(users.map(&ada()).set("userName"), Some(&json!("ada@example.com")));
    let of = |name: &str| users.map(&ada().with("userPrincipalName", name)).set("userName").cloned();
    assert_eq!(of("a@b@CORP.local"), Some(json!("a@b@example.com")));
    assert_eq!(of("ada@sub.corp.local"), Some(json!("ada@sub.corp.local")));
    assert_eq!(of("ada"), Some(json!("ada")));
}

#[test]
fn who_has_nothing_to_make_a_user_name_from_is_not_provisioned() {
    let no_name = Entry::new("user").dn("CN=x,DC=corp").with("userAccountControl;flags", "NORMAL_ACCOUNT");
    assert_eq!(users(json!({})).map(&no_name).refused(), Some("no-user-name"));
    let elsewhere = Entry::new("user").dn("CN=x,O=y").with("sAMAccountName", "x");
    assert_eq!(users(json!({})).map(&elsewhere).refused(), Some("no-user-name"));
}

#[test]
fn a_disabled_account_is_inactive_and_one_whose_flags_are_hidden_is_held() {
    let flags = |flags: &[&str]| {
        let entry = Entry::new("user").with("userPrincipalName", "a@x").with_all("userAccountControl;flags", flags);
        users(json!({})).map(&entry)
    };
    assert_eq!(flags(&["NORMAL_ACCOUNT", "DONT_EXPIRE_PASSWORD"]).set("active"), Some(&json!(true)));
    assert_eq!(flags(&["ACCOUNTDISABLE", "NORMAL_ACCOUNT"]).set("active"), Some(&json!(false)));
    let hidden = flags(&[]).outcome.unwrap_err();
    assert!(matches!(hidden, provisor_sdk::Refusal::Fail(reason) if reason.code == "no-account-control"));
}

#[test]
fn an_expired_account_is_disabled_where_that_is_asked_for_and_the_answer_holds_until_then() {
    let entry = ada().with("accountExpires;time", "1970-01-01T00:01:40Z");
    let plain = users(json!({})).at(200).map(&entry);
    assert_eq!((plain.set("active"), plain.valid_until), (Some(&json!(true)), None));
    let at = |time: i64| users(json!({ "disable-expired": true })).at(time).map(&entry);
    assert_eq!((at(99).set("active"), at(99).valid_until), (Some(&json!(true)), Some(100)));
    assert_eq!((at(100).set("active"), at(100).valid_until), (Some(&json!(false)), None));
    let never = users(json!({ "disable-expired": true })).at(200).map(&ada());
    assert_eq!((never.set("active"), never.valid_until), (Some(&json!(true)), None));
    let unfit = ada().with("accountExpires;time", "soon");
    assert_eq!(users(json!({ "disable-expired": true })).map(&unfit).refused(), Some("unfit-time"));
}

#[test]
fn a_lockout_lasts_as_long_as_the_settings_say() {
    let entry = ada().with("lockoutTime;time", "1970-01-01T00:01:40Z");
    assert_eq!(users(json!({})).at(101).map(&entry).set("active"), Some(&json!(true)));
    let until_unlocked = users(json!({ "disable-locked": true })).at(1_000_000).map(&entry);
    assert_eq!((until_unlocked.set("active"), until_unlocked.valid_until), (Some(&json!(false)), None));
    let at = |time: i64| users(json!({ "disable-locked": true, "lockout-minutes": 30 })).at(time).map(&entry);
    assert_eq!((at(1_899).set("active"), at(1_899).valid_until), (Some(&json!(false)), Some(1_900)));
    assert_eq!((at(1_900).set("active"), at(1_900).valid_until), (Some(&json!(true)), None));
}

#[test]
fn the_display_name_falls_back_to_the_common_name() {
    let display = |entry: &Entry| users(json!({})).map(entry).set("displayName").cloned();
    assert_eq!(display(&ada()), Some(json!("Ada Lovelace")));
    assert_eq!(display(&ada().with("displayName", "  ")), Some(json!("Ada Lovelace")));
    assert_eq!(display(&ada().with("displayName", " Countess ")), Some(json!("Countess")));
}

#[test]
fn texts_are_trimmed_and_those_that_are_empty_are_not_set() {
    let entry = ada().with("givenName", " Ada ").with("sn", "   ").with("title", "\tCountess").with("company", " ");
    let answer = users(json!({})).map(&entry);
    assert_eq!(answer.set("name.givenName"), Some(&json!("Ada")));
    assert_eq!(answer.set("title"), Some(&json!("Countess")));
    assert_eq!((answer.set("name.familyName"), answer.set(&enterprise("organization"))), (None, None));
}

#[test]
fn the_primary_proxy_address_comes_first_and_each_address_once() {
    let entry = ada()
        .with("mail", "ADA@example.com")
        .with("proxyAddresses;primary-smtp", "ada@Example.com")
        .with_all("proxyAddresses;smtp", ["ada@Example.com", "lovelace@example.com", "LOVELACE@example.com", "none"]);
    let rows = json!([
        { "value": "ada@Example.com", "type": "work", "primary": true },
        { "value": "LOVELACE@example.com", "type": "other" },
    ]);
    assert_eq!(users(json!({})).map(&entry).set("emails"), Some(&rows));
    let mail_alone = json!([{ "value": "a@x", "type": "work", "primary": true }]);
    assert_eq!(users(json!({})).map(&ada().with("mail", "a@x")).set("emails"), Some(&mail_alone));
    assert_eq!(users(json!({})).map(&ada()).set("emails"), None);
}

#[test]
fn phones_have_their_type_and_an_address_its_parts() {
    let entry = ada()
        .with("telephoneNumber", "+44 1")
        .with_all("otherTelephone", ["+44 3", "+44 1"])
        .with("mobile", " ")
        .with("l", "London")
        .with("c", "GB");
    let answer = users(json!({})).map(&entry);
    let phones = json!([{ "value": "+44 1", "type": "work" }, { "value": "+44 3", "type": "work" }]);
    assert_eq!(answer.set("phoneNumbers"), Some(&phones));
    assert_eq!(answer.set("addresses"), Some(&json!([{ "type": "work", "locality": "London", "country": "GB" }])));
    let one =
        users(json!({ "phones": { "one-each": true }, "address": { "locality": "", "country": "" } })).map(&entry);
    assert_eq!(one.set("phoneNumbers"), Some(&json!([{ "value": "+44 1", "type": "work" }])));
    assert_eq!(one.set("addresses"), None);
}

#[test]
fn the_enterprise_extension_has_number_company_and_manager() {
    let entry = ada()
        .with("employeeID", "17")
        .with("department", "Engines")
        .with("company", "Babbage & Co")
        .with("manager", "<GUID=00112233-4455-6677-8899-aabbccddeeff>");
    let answer = users(json!({})).map(&entry);
    assert_eq!(answer.set(&enterprise("employeeNumber")), Some(&json!("17")));
    assert_eq!(answer.set(&enterprise("department")), Some(&json!("Engines")));
    assert_eq!(answer.set(&enterprise("organization")), Some(&json!("Babbage & Co")));
    let manager = json!({ "reference": "<GUID=00112233-4455-6677-8899-aabbccddeeff>" });
    assert_eq!(answer.set(&enterprise("manager")), Some(&manager));
    let both = users(json!({})).map(&entry.with("employeeNumber", "18"));
    assert_eq!(both.set(&enterprise("employeeNumber")), Some(&json!("18")));
}

#[test]
fn an_account_that_was_made_from_the_cloud_is_not_sent_back() {
    let made = ada().with("adminDescription", "user_0123");
    assert_eq!(users(json!({})).map(&made).refused(), Some("made-from-cloud"));
    assert!(users(json!({})).map(&ada().with("adminDescription", "see User_1")).outcome.is_ok());
    assert!(users(json!({ "made-from-cloud": "" })).map(&made).outcome.is_ok());
}

#[test]
fn mailboxes_that_are_nobodys_account_are_left_out_where_there_is_exchange() {
    let of = |config: Value, details: &str| {
        users(config).map(&ada().with("msExchRecipientTypeDetails", details)).refused().map(str::to_owned)
    };
    let exchange = || json!({ "exchange": true });
    assert_eq!(of(exchange(), "2").as_deref(), Some("linked-mailbox"));
    assert_eq!(of(exchange(), "8388608").as_deref(), Some("system-mailbox"));
    assert_eq!(of(exchange(), "536870912").as_deref(), Some("system-mailbox"));
    assert_eq!(of(exchange(), "2147483648"), None, "a mailbox in the cloud");
    assert_eq!(of(exchange(), "1"), None);
    assert_eq!(of(json!({}), "2"), None);
}

#[test]
fn the_extension_has_the_facts_of_the_directory() {
    let entry = ada()
        .with("objectSid;text", "S-1-5-21-1-2-3-1103")
        .with("pwdLastSet;time", "2026-01-31T23:59:59Z")
        .with_all("proxyAddresses", ["SMTP:a@x", "smtp:A@x", "x500:/o=1"]);
    let config = json!({ "extension": EXTENSION, "netbios-domain": "CORP" });
    let answer = users(config).map(&entry);
    for (name, value) in [
        ("onPremisesSamAccountName", json!("ada")),
        ("onPremisesDistinguishedName", json!("CN=Ada Lovelace,OU=Staff,DC=corp,DC=local")),
        ("onPremisesSecurityIdentifier", json!("S-1-5-21-1-2-3-1103")),
        ("onPremisesDomainName", json!("corp.local")),
        ("onPremisesNetBiosName", json!("CORP")),
        ("lastPasswordChangeTimestamp", json!("2026-01-31T23:59:59Z")),
        ("proxyAddresses", json!(["SMTP:a@x", "x500:/o=1"])),
    ] {
        assert_eq!(extension(&answer, name), Some(&value), "{name}");
    }
    assert_eq!(extension(&answer, "onPremisesUserPrincipalName"), None);
    let without = users(json!({})).map(&entry).outcome.unwrap();
    assert!(without.keys().all(|path| !path.starts_with(EXTENSION)), "{without:?}");
}

#[test]
fn attributes_of_exchange_and_of_the_cloud_are_passed_on_where_the_settings_say_that_they_exist() {
    let entry = ada()
        .with("mailNickname", "ada")
        .with("extensionAttribute15", " E5 ")
        .with("msDS-cloudExtensionAttribute20", "twenty");
    let plain = users(json!({ "extension": EXTENSION })).map(&entry);
    assert_eq!(extension(&plain, "mailNickname"), None);
    let all =
        users(json!({ "extension": EXTENSION, "exchange": true, "cloud-extension-attributes": true })).map(&entry);
    assert_eq!(extension(&all, "mailNickname"), Some(&json!("ada")));
    assert_eq!(extension(&all, "extensionAttribute15"), Some(&json!("E5")));
    assert_eq!(extension(&all, "msDS-cloudExtensionAttribute20"), Some(&json!("twenty")));
}

#[test]
fn attributes_of_the_extension_are_renamed_removed_and_added_by_the_settings() {
    let config = json!({ "extension": EXTENSION, "extension-attributes": {
        "onpremisesSamAccountName": "", "login": "sAMAccountName", "notes": "info", "suffixes": "otherMailbox[]",
    } });
    let entry = ada().with("info", "x".repeat(500)).with_all("otherMailbox", ["b", "a"]);
    let answer = users(config).map(&entry);
    assert_eq!(extension(&answer, "onPremisesSamAccountName"), None);
    assert_eq!(extension(&answer, "login"), Some(&json!("ada")));
    assert_eq!(extension(&answer, "notes").and_then(Value::as_str).map(str::len), Some(448), "long texts are cut");
    assert_eq!(extension(&answer, "suffixes"), Some(&json!(["a", "b"])));
    let attributes = json!({ "sam": "sAMAccountName" });
    let bare = json!({ "extension": EXTENSION, "extension-defaults": false, "extension-attributes": attributes });
    let bare = users(bare).map(&ada()).outcome.unwrap();
    assert_eq!(bare.keys().filter(|path| path.starts_with(EXTENSION)).count(), 1);
}

#[test]
fn further_fields_are_copied_or_fixed_by_their_paths() {
    let config = json!({ "also": { "nickName": "sAMAccountName" }, "fixed": { "userType": "Member" } });
    let answer = users(config).map(&ada());
    assert_eq!(answer.set("nickName"), Some(&json!("ada")));
    assert_eq!(answer.set("userType"), Some(&json!("Member")));
}

#[test]
fn settings_that_make_no_sense_are_an_error() {
    for (config, word) in [
        (json!({ "doman": "x" }), "doman"),
        (json!({ "phones": { "wrok": [] } }), "wrok"),
        (json!({ "user-name": "", "account-name": "" }), "user-name"),
        (json!({ "upn-suffixes": { "corp.local": "" } }), "upn-suffixes"),
        (json!({ "extension": "Directory" }), "no URN"),
        (json!({ "extension-attributes": { "login": "sAMAccountName" } }), "extension-attributes"),
    ] {
        let error = testing::mapping::<Users>(&config).err().unwrap();
        assert!(error.contains(word), "{config}: {error}");
    }
}
