//! Out through a proxy program (tinyproxy): to a service by https and by http, and what is said where it does not go.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod support;

use std::fs;
use std::process::Output;

use provisor_tenant::{Kind, Tenant};
use provisor_tests::ldif::{Directory, Size};
use provisor_tests::tinyproxy::{PROXY_PASSWORD, PROXY_USER};
use provisor_tests::{Authority, Tinyproxy};
use serde_json::json;
use support::Agent;
use support::https::Https;
use support::targets::Target;

const SIZE: Size = Size { people: 60, groups: 4, big: 30 };

/// A service, by https where there is an authority, and an agent whose way to it is the proxy at this address.
async fn lab(proxy: &str, authority: Option<&Authority>) -> (Tenant, Option<Https>, Agent) {
    let Target::Tenant(tenant) = Target::tenant().await else { panic!("it is a tenant") };
    let https = match authority {
        Some(authority) => Some(Https::before(tenant.address(), authority).await),
        None => None,
    };
    let plain = format!("http://{}", tenant.address());
    let url = tenant.url().replace(&plain, &https.as_ref().map_or(plain.clone(), Https::base));
    let agent = Agent::new(&format!(
        "[source]\nkind = \"ldif\"\nfile = \"lab.ldif\"\n[target]\nkind = \"scim\"\nurl = \"{url}\"\n\
         token = {{ file = \"token\" }}\n{}proxy = \"{proxy}\"\nproxy-user = \"{PROXY_USER}\"\n\
         proxy-password = {{ file = \"proxy-password\" }}\n[[rules]]\nplugin = \"people\"\n[[rules]]\nplugin = \"groups\"\n",
        if authority.is_some() { "ca = \"ca.pem\"\n" } else { "" }
    ));
    agent.secret("proxy-password", PROXY_PASSWORD);
    if let Some(authority) = authority {
        fs::write(agent.path("configurations/ca.pem"), authority.pem()).unwrap();
    }
    fs::write(agent.path("configurations/lab.ldif"), Directory::generate(SIZE, 3).to_ldif(true)).unwrap();
    (tenant, https, agent)
}

/// What a command said, after it ended with a failure.
fn words(output: &Output) -> String {
    assert!(!output.status.success());
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_groups_go_through_a_proxy_by_https_and_by_http() {
    let authority = Authority::new("Lab Cloud CA").unwrap();
    for (authority, method) in [(Some(&authority), "CONNECT"), (None, "POST")] {
        let proxy = Tinyproxy::start().unwrap();
        let (tenant, _https, agent) = lab(&proxy.url(), authority).await;
        let report = agent.json(&["sync", "lab"]);
        assert_eq!(report["operations"]["create"], json!(SIZE.people + SIZE.groups), "{report}");
        assert_eq!(tenant.count(Kind::User).unwrap(), SIZE.people);
        let log = proxy.log().unwrap();
        assert!(log.lines().any(|line| line.contains("Request") && line.contains(method)), "{log}");
        let rest = agent.json(&["sync", "lab"]);
        assert_eq!(rest["requests"], json!({ "reads": 0, "writes": 0 }), "{rest}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_a_dead_proxy_are_said_plainly() {
    let authority = Authority::new("Lab Cloud CA").unwrap();
    for authority in [Some(&authority), None] {
        let proxy = Tinyproxy::start().unwrap();
        let (tenant, _https, agent) = lab(&proxy.url(), authority).await;
        agent.secret("proxy-password", "not-the-password");
        for command in ["check", "sync"] {
            let words = words(&agent.run(&[command, "lab"]));
            assert!(words.contains("the proxy") && words.contains("\"proxy-password\""), "{command}: {words}");
            assert!(!words.contains("not-the-password"), "{command}: {words}");
        }
        agent.secret("proxy-password", PROXY_PASSWORD);
        let address = proxy.url().trim_start_matches("http://").to_owned();
        proxy.stop().unwrap();
        for command in ["check", "sync"] {
            let words = words(&agent.run(&[command, "lab"]));
            assert!(words.contains(&address) && words.contains("proxy"), "{command}: {words}");
            assert!(!words.contains(PROXY_PASSWORD), "{command}: {words}");
        }
        assert_eq!(tenant.counters().total(), 0, "nothing came past the proxy");
    }
}
