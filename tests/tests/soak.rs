//! What takes long: a large initial cycle, told with its time and memory. Without `PROVISOR_SOAK` a short form runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod support;

use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use provisor_tenant::{Kind, Tenant, TenantOptions};
use provisor_tests::ldif::{Directory, SUFFIX, SYNC_DN, SYNC_PASSWORD, Size};
use provisor_tests::{Slapd, SlapdOptions};
use serde_json::{Value, json};
use support::{Agent, TOKEN};

/// 20,000 people where time is no matter, else 1,000.
fn size() -> Size {
    let people = if std::env::var_os("PROVISOR_SOAK").is_some() { 20_000 } else { 1_000 };
    Size { people, groups: people / 40, big: people / 4 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_initial_cycle_from_openldap_into_the_tenant_is_whole_and_its_cost_is_told() {
    let size = size();
    let ldif = Directory::generate(size, 5).to_ldif(false);
    let slapd = Slapd::start(&SlapdOptions { ldif, ..SlapdOptions::default() }).unwrap();
    let options = TenantOptions { token: Some(TOKEN.to_owned()), ..TenantOptions::default() };
    let tenant = Tenant::bind(([127, 0, 0, 1], 0).into(), options).await.unwrap();
    let agent = Agent::new(&format!(
        "[source]\nkind = \"openldap\"\nurl = \"{}\"\nca = \"{}\"\nbase = \"{SUFFIX}\"\nbind-dn = \"{SYNC_DN}\"\n\
         password = {{ file = \"password\" }}\n[target]\nkind = \"scim\"\nurl = \"{}\"\ntoken = {{ file = \"token\" }}\n\
         [[rules]]\nplugin = \"people\"\n[[rules]]\nplugin = \"groups\"\n",
        slapd.tls_url(),
        slapd.ca_file().display(),
        tenant.url()
    ));
    agent.secret("password", SYNC_PASSWORD);
    let mut told = Vec::new();
    for (name, arguments) in [
        ("first preview", &["preview", "lab", "--first", "0"][..]),
        ("initial cycle", &["sync", "lab"][..]),
        ("cycle without changes", &["sync", "lab"][..]),
        ("stored preview of nothing", &["preview", "lab", "--stored", "--first", "0"][..]),
    ] {
        let begin = Instant::now();
        let output = agent.run(&[&["--json", "--log-level", "debug"], arguments].concat());
        let steps = String::from_utf8_lossy(&output.stderr);
        let steps = steps.lines().filter(|line| line.contains("A step of the cycle has ended."));
        steps.for_each(|line| println!("{name}: {line}"));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        told.push(format!("{name}: {:.2} s", begin.elapsed().as_secs_f64()));
        assert_eq!(report["failed"].as_u64().unwrap_or(0), 0, "{report}");
    }
    // The peak is of the largest of the program's runs so far, in KiB.
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() / 1024;
    let groups = size.groups;
    println!("{} people, {groups} groups: {}; peak memory of all children {peak} MiB", size.people, told.join(", "));
    assert_eq!(tenant.count(Kind::User).unwrap(), size.people);
    let before = tenant.counters().total();
    assert_eq!(agent.json(&["sync", "lab"])["requests"], json!({ "reads": 0, "writes": 0 }));
    assert_eq!(tenant.counters().total(), before);
    tenant.stop().await;
}
