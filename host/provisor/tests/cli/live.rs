//! The agent beside a real directory: changes that are announced as they happen, and what a filter leaves out.

use std::time::Instant;

use nix::sys::signal::Signal;
use provisor_tenant::Kind;
use provisor_tests::ldif::{Directory as Generated, SUFFIX, SYNC_DN, SYNC_PASSWORD, Size};
use provisor_tests::{ChangeLog, Slapd, SlapdOptions};
use serde_json::Value as Json;

use crate::support::{Running, World, wait_until};

const PEOPLE: usize = 12;

fn generated() -> Generated {
    Generated::generate(Size { people: PEOPLE, groups: 0, big: 0 }, 7)
}

/// A world whose configuration reads a slapd, with these further lines in its `[source]`.
fn world(interval: &str, source: &str) -> (World, Slapd) {
    let options = SlapdOptions {
        ldif: generated().to_ldif(true),
        change_log: ChangeLog::SessionLog(1000),
        ..SlapdOptions::default()
    };
    let slapd = Slapd::start(&options).unwrap();
    let world = World::new();
    world.write("ldap.password", SYNC_PASSWORD);
    let (url, ca, target) = (slapd.tls_url(), slapd.ca_file(), world.tenant.url());
    let document = format!(
        "interval = \"{interval}\"\n[source]\nkind = \"openldap\"\nurl = \"{url}\"\nca = \"{}\"\nbase = \"{SUFFIX}\"\n\
         bind-dn = \"{SYNC_DN}\"\npassword = {{ file = \"../ldap.password\" }}\n{source}\n\n[target]\nkind = \"scim\"\n\
         url = \"{target}\"\ntoken = {{ file = \"../tenant.token\" }}\n\n[[rules]]\nplugin = \"people\"\n\n\
         [leaving]\ndeleted = \"delete\"\nout-of-scope = \"disable\"\n",
        ca.display()
    );
    world.write("configurations/hr.toml", document);
    (world, slapd)
}

fn set(slapd: &Slapd, dn: &str, attribute: &str, value: &str) {
    slapd.apply(&format!("dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{attribute}: {value}\n")).unwrap();
}

fn user(world: &World, user_name: &str) -> Json {
    let users = world.tenant.resources(Kind::User).unwrap();
    users.into_iter().find(|user| user["userName"] == user_name).unwrap_or_default()
}

fn listening(host: &Running, times: usize) {
    wait_until(
        "the source is listened to",
        || host.log().matches("listening to the source").count() >= times,
        || host.log(),
    );
}

#[test]
fn an_announced_change_is_at_the_target_long_before_the_interval() {
    let (world, mut slapd) = world("1d", "live = true");
    let host = world.start();
    wait_until("everybody is there", || world.user_names().len() == PEOPLE, || host.log());
    listening(&host, 1);
    let (dn, name) = (generated().people[3].dn(), generated().people[3].uid.clone());
    let name = world.user_names().into_iter().find(|own| own.starts_with(&name)).unwrap();
    let mut took = Vec::new();
    for title in ["One", "Two", "Three"] {
        let changed = Instant::now();
        set(&slapd, &dn, "title", title);
        wait_until("the title is there", || user(&world, &name)["title"] == title, || host.log());
        took.push(changed.elapsed());
    }
    eprintln!("from the change to the target's having it: {took:?}");

    // A lost connection: what happened meanwhile comes as soon as there is one again.
    slapd.restart().unwrap();
    set(&slapd, &dn, "title", "Four");
    wait_until("the title is there", || user(&world, &name)["title"] == "Four", || host.log());
    listening(&host, 2);
    slapd.delete(&generated().people[4].dn()).unwrap();
    wait_until("the deleted one is gone", || world.user_names().len() == PEOPLE - 1, || host.log());

    let (_, log) = world.json(&["log", "hr", "--operation", "update", "--limit", "1000"]);
    let records = log["records"].as_array().unwrap().iter();
    let titles = records.filter(|record| record["changes"].to_string().contains("title")).count();
    assert_eq!(titles, 4, "each change was written once: {log}");
    assert_eq!(host.end_by(Signal::SIGTERM).0, 0);
}

#[test]
fn who_leaves_the_filter_is_out_of_scope_and_who_is_deleted_is_deleted() {
    let (world, slapd) = world("1d", "filter = \"(departmentNumber=1)\"");
    let people = generated().people;
    // Nobody's manager, so that nobody else changes with them.
    let last = &people[PEOPLE - 1];
    for person in &people {
        set(&slapd, &person.dn(), "departmentNumber", "1");
    }
    assert_eq!(world.json(&["sync", "hr"]).0, 0);
    assert_eq!(world.user_names().len(), PEOPLE);
    set(&slapd, &last.dn(), "departmentNumber", "2");
    slapd.delete(&people[1].dn()).unwrap();
    let (status, report) = world.json(&["sync", "hr"]);
    assert_eq!((status, &report["operations"]["disable"], &report["operations"]["delete"]), (0, &1.into(), &1.into()));
    assert_eq!(world.user_names().len(), PEOPLE - 1);
    set(&slapd, &last.dn(), "departmentNumber", "1");
    let (_, report) = world.json(&["sync", "hr"]);
    assert_eq!(report["operations"], serde_json::json!({ "update": 1 }), "who comes back is enabled again");

    // A filter that nobody meets any more is out of scope for all, and stopped before the first write.
    let file = "configurations/hr.toml";
    let document = std::fs::read_to_string(world.path(file)).unwrap();
    let safety = "\n[safety]\ndelete-threshold = { count = 3 }\n";
    world.write(file, document.replace("departmentNumber=1", "departmentNumbr=1") + safety);
    let stopped = world.run(&["sync", "hr"]);
    assert_eq!(stopped.status, 4, "{stopped:?}");
    assert_eq!(world.user_names().len(), PEOPLE - 1);
}
