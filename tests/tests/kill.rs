//! The program is killed in the middle of an initial cycle, again and again: the end is the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Duration;

use provisor_tenant::{Kind, Latency, Misbehaviour, Tenant, TenantOptions};
use provisor_tests::ldif::{Directory, Size};
use provisor_tests::wait_until_async;
use serde_json::Value;
use support::{Agent, TOKEN};

const SIZE: Size = Size { people: 600, groups: 30, big: 300 };
const KILLS: usize = 10;

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_killed_ten_times_ends_without_loss_or_duplicate() {
    let directory = Directory::generate(SIZE, 3);
    let options = TenantOptions { token: Some(TOKEN.to_owned()), ..TenantOptions::default() };
    let tenant = Tenant::bind(([127, 0, 0, 1], 0).into(), options).await.unwrap();
    tenant.misbehave(Misbehaviour {
        latency: Some(Latency { fixed: Duration::from_millis(5), jitter: Duration::from_millis(10) }),
        ..Misbehaviour::default()
    });
    let agent = Agent::new(&format!(
        "[source]\nkind = \"ldif\"\nfile = \"lab.ldif\"\n[target]\nkind = \"scim\"\nurl = \"{}\"\ntoken = {{ file = \"token\" }}\n\
         [[rules]]\nplugin = \"people\"\n[[rules]]\nplugin = \"groups\"\n",
        tenant.url()
    ));
    std::fs::write(agent.path("configurations/lab.ldif"), directory.to_ldif(true)).unwrap();
    for round in 0..KILLS {
        // Moments spread over the whole cycle, the last ones among groups and references.
        let moment = u64::try_from((SIZE.people + SIZE.groups) * round / KILLS + round * 7 % 50).unwrap();
        let mut child = agent.command(&["sync", "lab"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until_async("the moment to kill", Duration::from_secs(60), async || {
            tenant.counters().changes >= moment || child.try_wait().unwrap().is_some()
        })
        .await
        .unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
    agent.json(&["sync", "lab"]);
    assert_whole(&tenant, &directory);
    let before = tenant.counters().total();
    agent.json(&["sync", "lab"]);
    assert_eq!(tenant.counters().total(), before, "nothing was left to do");
    tenant.stop().await;
}

/// Everybody is there once, with the right manager, and every group has its members.
fn assert_whole(tenant: &Tenant, directory: &Directory) {
    let users = tenant.resources(Kind::User).unwrap();
    let groups = tenant.resources(Kind::Group).unwrap();
    let anchors: BTreeMap<String, String> =
        users.iter().map(|user| (text(user, "id"), text(user, "externalId"))).collect();
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let held: BTreeMap<String, (String, Option<String>)> = users
        .iter()
        .map(|user| {
            let manager = user[enterprise]["manager"]["value"].as_str().map(|id| anchors[id].clone());
            (text(user, "externalId"), (text(user, "userName"), manager))
        })
        .collect();
    let expected: BTreeMap<String, (String, Option<String>)> = directory
        .people
        .iter()
        .map(|person| {
            let manager = person.manager.map(|manager| directory.people[manager].entry_uuid.clone());
            (person.entry_uuid.clone(), (person.uid.clone(), manager))
        })
        .collect();
    assert_eq!(users.len(), SIZE.people, "nobody is there twice");
    assert_eq!(held, expected);
    assert_eq!(groups.len(), SIZE.groups);
    for group in &directory.groups {
        let members: BTreeSet<String> =
            group.members.iter().map(|member| directory.people[*member].entry_uuid.clone()).collect();
        let found = groups.iter().find(|held| text(held, "externalId") == group.entry_uuid).unwrap();
        let held: BTreeSet<String> =
            found["members"].as_array().unwrap().iter().map(|member| anchors[&text(member, "value")].clone()).collect();
        assert_eq!(held, members, "{}", group.common_name);
    }
}
