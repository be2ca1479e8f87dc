//! By what entries are identified stays, also where a cycle was stopped and everything is read anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod support;

use provisor_tests::ldif::{Directory, SUFFIX, SYNC_DN, SYNC_PASSWORD, Size};
use provisor_tests::{Slapd, SlapdOptions};
use serde_json::{Value, json};
use support::Agent;
use support::targets::Target;

/// An attribute that is looked for before entryUUID where nothing is known yet.
const SCHEMA: [&str; 2] = [
    "attributetype ( 1.3.6.1.4.1.4203.666.11.99.1 NAME 'nsUniqueId' EQUALITY caseIgnoreMatch \
     SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )",
    "objectclass ( 1.3.6.1.4.1.4203.666.11.99.2 NAME 'migrated' SUP top AUXILIARY MAY nsUniqueId )",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_detected_id_outlives_a_cycle_that_safety_stopped() {
    let people = Directory::generate(Size { people: 60, groups: 3, big: 0 }, 7);
    let global_directives = SCHEMA.map(str::to_owned).to_vec();
    let options = SlapdOptions { ldif: people.to_ldif(false), global_directives, ..SlapdOptions::default() };
    let slapd = Slapd::start(&options).unwrap();
    let target = Target::tenant().await;
    let agent = Agent::new(&format!(
        "[source]\nkind = \"ldap\"\nurl = \"{}\"\nca = \"{}\"\nbase = \"{SUFFIX}\"\nbind-dn = \"{SYNC_DN}\"\n\
         password = {{ file = \"password\" }}\n{}",
        slapd.tls_url(),
        slapd.ca_file().display(),
        target.configuration()
    ));
    agent.secret("password", SYNC_PASSWORD);
    let report = agent.json(&["sync", "lab"]);
    assert_eq!(report["operations"]["create"], json!(63), "{report}");

    // More leave than safety lets go, so that everything is read anew; and the base gets what looks like a better id.
    for person in &people.people[40..55] {
        slapd.delete(&person.dn()).unwrap();
    }
    let stopped = agent.run(&["sync", "lab"]);
    assert_eq!(stopped.status.code(), Some(4), "{}", String::from_utf8_lossy(&stopped.stderr));
    let id =
        "add: objectClass\nobjectClass: migrated\n-\nadd: nsUniqueId\nnsUniqueId: 11111111-22222222-33333333-44444444";
    slapd.apply(&format!("dn: {SUFFIX}\nchangetype: modify\n{id}\n")).unwrap();

    let report = agent.json(&["sync", "lab", "--allow-deletes", "15"]);
    assert_eq!(report["kind"], json!("initial"), "{report}");
    assert_eq!(
        (&report["operations"]["delete"], &report["operations"]["create"]),
        (&json!(15), &Value::Null),
        "{report}"
    );
    assert_eq!(agent.json(&["sync", "lab"])["requests"], json!({ "reads": 0, "writes": 0 }));
}
