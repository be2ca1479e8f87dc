//! The commands as a person runs them, one at a time: what they say, and their exit status.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{Ran, Running, World, built_plugin, wait_until};
use nix::sys::signal::Signal;
use provisor_tenant::{Misbehaviour, TenantOptions};

#[test]
fn the_demo_runs_to_its_end_and_counts_what_it_made() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_provisor"));
    command.args(["demo", "--once", "--json", "--folder"]).arg(folder.path().join("demo"));
    let ran = Ran::of(command);
    assert_eq!(ran.status, 0, "{ran:?}");
    let summary: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&summary["users"], &summary["groups"]), (&840.into(), &27.into()));
    for company in summary["companies"].as_array().unwrap() {
        let made = company["people"].as_u64().unwrap() + company["groups"].as_u64().unwrap();
        assert_eq!(company["cycle"]["operations"], serde_json::json!({ "create": made }), "{company}");
        assert_eq!(company["cycle"]["outcome"], "completed");
    }
    let sample = summary["sample"].as_array().unwrap();
    let text = |user: &serde_json::Value, key: &str| user[key].as_str().unwrap().to_owned();
    assert!(sample.iter().all(|user| text(user, "display_name").contains("(Lab 0")), "{sample:?}");
    // Only the head of each company has no manager.
    assert!(sample.iter().filter(|user| text(user, "manager").is_empty()).count() <= 3, "{sample:?}");
}

#[test]
fn a_cycle_creates_and_the_next_has_nothing_to_do() {
    let world = World::new();
    world.people(1..=30);
    world.configure("hr", "", "");
    let (status, report) = world.json(&["sync", "hr"]);
    assert_eq!((status, &report["outcome"], &report["operations"]["create"]), (0, &"completed".into(), &30.into()));
    assert_eq!(world.user_names().len(), 30);
    let asked = world.tenant.counters().total();
    let (status, report) = world.json(&["sync", "hr"]);
    assert_eq!((status, &report["kind"], &report["requests"]["writes"]), (0, &"incremental".into(), &0.into()));
    assert_eq!(world.tenant.counters().total(), asked, "a cycle without changes asks the target nothing");
    let (status, log) = world.json(&["log", "hr", "--operation", "create", "--limit", "7"]);
    assert_eq!((status, log["records"].as_array().unwrap().len()), (0, 7));
    let (status, all) = world.json(&["status"]);
    assert_eq!(
        (status, &all["host"], &all["configurations"][0]["status"]["links"]["User"]),
        (0, &serde_json::Value::Null, &30.into())
    );
}

#[test]
fn an_object_that_fails_is_told_and_the_others_are_done() {
    let poison = Misbehaviour { poison: BTreeSet::from(["u3".to_owned()]), ..Misbehaviour::default() };
    let world = World::with_tenant(TenantOptions { misbehaviour: Some(poison), ..TenantOptions::default() });
    world.people(1..=5);
    world.configure("hr", "", "");
    let (status, report) = world.json(&["sync", "hr"]);
    assert_eq!((status, &report["outcome"], &report["failed"]), (3, &"completed-with-failures".into(), &1.into()));
    assert_eq!(report["failures"][0]["dn"], "uid=u3,dc=lab");
    assert_eq!(world.user_names(), ["u1", "u2", "u4", "u5"]);
}

#[test]
fn a_cycle_that_would_delete_too_much_stops_and_goes_on_once_when_allowed() {
    let world = World::new();
    world.people(1..=60);
    world.configure("hr", "", "");
    assert_eq!(world.run(&["sync", "hr"]).status, 0);
    world.people(1..=20);
    let (_, preview) = world.json(&["preview", "hr"]);
    assert_eq!(preview["operations"]["delete"], 40);
    assert!(preview["would_stop"].is_string(), "{preview}");
    let (status, refused) = world.json(&["sync", "hr"]);
    assert_eq!((status, &refused["error"]["class"]), (4, &"safety".into()));
    assert_eq!(world.user_names().len(), 60, "nothing was written");
    let (status, report) = world.json(&["sync", "hr", "--allow-deletes", "40"]);
    assert_eq!((status, &report["operations"]["delete"]), (0, &40.into()));
    assert_eq!(world.user_names().len(), 20);
}

#[test]
fn one_object_is_provisioned_step_by_step() {
    let world = World::new();
    world.people(1..=3);
    world.configure("hr", "", "");
    let (status, report) = world.json(&["provision", "hr", "uid=u2,dc=lab"]);
    assert_eq!((status, &report["outcome"]), (0, &"created".into()), "{report}");
    assert_eq!(world.user_names(), ["u2"]);
    assert!(report["steps"].as_array().unwrap().iter().any(|step| step["step"] == "map"), "{report}");
    let (status, refused) = world.json(&["provision", "hr", "uid=nobody,dc=lab"]);
    assert_eq!(status, 1, "{refused}");
}

#[test]
fn a_check_finds_all_well_or_says_what_is_not() {
    let world = World::new();
    world.people(1..=3);
    world.configure("hr", "", "");
    let (status, report) = world.json(&["check"]);
    assert_eq!(status, 0, "{report}");
    assert_eq!(report["sections"][1]["name"], "hr");
    world.write("tenant.token", "another");
    let ran = world.run(&["check", "hr"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.out.contains("FAILED") && ran.out.contains("token"), "{ran:?}");
    world.configure("hr", "intervall = \"1m\"", "");
    let ran = world.run(&["check", "hr"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.out.contains("hr.toml:1:1: intervall is not a known setting. Did you mean \"interval\"?"), "{ran:?}");
}

/// What a section of a check says of this: outcomes and details.
fn found(report: &serde_json::Value, section: &str, what: &str) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let sections = report["sections"].as_array().unwrap().iter().filter(|found| found["name"] == section);
    let lines = sections.flat_map(|section| section["lines"].as_array().unwrap());
    lines.filter(|line| line["what"] == what).map(|line| (text(&line["outcome"]), text(&line["detail"]))).collect()
}

#[test]
fn a_check_fails_where_every_cycle_would() {
    let world = World::new();
    world.people(1..=3);
    let scope = "[scope]\norganizational-units = [\"ou=nowhere,dc=lab\"]\n";
    world.configure("hr", "", &format!("config = {{ title = \"userPassword\" }}\n{scope}"));
    let words = "userPassword holds passwords or keys, which are never read. Take it out of what the rules read";
    let (status, report) = world.json(&["check", "hr"]);
    assert_eq!(status, 1, "{report}");
    let attributes = found(&report, "hr", "attributes");
    let [(outcome, detail)] = &attributes[..] else { panic!("{report}") };
    assert!(outcome == "failed" && detail.contains(words) && detail.contains("hr.toml"), "{report}");
    assert!(matches!(&found(&report, "hr", "scope")[..], [(outcome, _)] if outcome == "failed"), "{report}");
    let ran = world.run(&["sync", "hr"]);
    assert!(ran.status == 1 && ran.err.contains(words), "{ran:?}");
    // Once something was imported, a unit may have been renamed since.
    world.configure("hr", "", "");
    assert_eq!(world.json(&["sync", "hr"]).0, 0);
    world.configure("hr", "", scope);
    let (status, report) = world.json(&["check", "hr"]);
    assert_eq!(status, 0, "{report}");
    assert!(matches!(&found(&report, "hr", "scope")[..], [(outcome, _)] if outcome == "warning"), "{report}");
}

#[test]
fn a_check_warns_of_limits_for_a_plugin_that_is_not_there() {
    let world = World::new();
    world.people(1..=3);
    world.configure("hr", "", "");
    world.write("provisor.toml", "[plugin-limits.poeple]\nmemory-mib = 32\n[plugin-limits.people]\nmemory-mib = 32\n");
    let (status, report) = world.json(&["check"]);
    assert_eq!(status, 0, "{report}");
    let limits = found(&report, "host", "plugin-limits");
    let [(outcome, detail)] = &limits[..] else { panic!("{report}") };
    assert!(outcome == "warning" && detail.contains("poeple") && detail.contains("people"), "{report}");
}

/// An LDAP server that refuses every password: its address, and how often it was asked.
fn refusing_directory() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ldap://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 512];
            if stream.read(&mut request).unwrap() == 0 {
                continue;
            }
            counter.fetch_add(1, Ordering::SeqCst);
            // A bind response to the message of this number: invalidCredentials, no name, no words.
            let answer = [0x30, 0x0c, 0x02, 0x01, request[4], 0x61, 0x07, 0x0a, 0x01, 49, 0x04, 0x00, 0x04, 0x00];
            stream.write_all(&answer).unwrap();
            // Until the other side has hung up.
            while stream.read(&mut request).is_ok_and(|octets| octets > 0) {}
        }
    });
    (url, asked)
}

#[test]
fn a_check_offers_a_wrong_password_once() {
    let world = World::new();
    let (url, asked) = refusing_directory();
    world.write("ldap.password", "wr0ng");
    let target = world.tenant.url();
    let text = format!(
        "[source]\nkind = \"openldap\"\nurl = \"{url}\"\nbase = \"dc=lab\"\nbind-dn = \"cn=sync,dc=lab\"\n\
         password = {{ file = \"../ldap.password\" }}\n\n[scope]\norganizational-units = [\"ou=a,dc=lab\", \"ou=b,dc=lab\"]\n\n\
         [target]\nkind = \"scim\"\nurl = \"{target}\"\ntoken = {{ file = \"../tenant.token\" }}\n\n[[rules]]\nplugin = \"people\"\n"
    );
    world.write("configurations/hr.toml", text);
    let (status, report) = world.json(&["check", "hr"]);
    assert_eq!(status, 1, "{report}");
    assert_eq!(asked.load(Ordering::SeqCst), 1, "each refused bind brings the account nearer to its lock: {report}");
    assert!(matches!(&found(&report, "hr", "source: bind")[..], [(outcome, _)] if outcome == "failed"), "{report}");
    let scope = found(&report, "hr", "scope");
    let [(outcome, detail)] = &scope[..] else { panic!("{report}") };
    assert!(outcome == "warning" && detail.contains("not looked at"), "{report}");
}

#[test]
fn wrong_use_and_wrong_configurations_have_a_status_of_their_own() {
    let world = World::new();
    world.people(1..=3);
    world.configure("hr", "", "");
    let missing = world.run(&["sync", "finance"]);
    assert_eq!(missing.status, 2);
    assert!(
        missing.err.contains("there is no configuration \"finance\"") && missing.err.contains("There are: hr"),
        "{missing:?}"
    );
    assert_eq!(world.run(&["sync"]).status, 2);
    assert_eq!(world.run(&["snyc", "hr"]).status, 2);
    fs::set_permissions(world.path("tenant.token"), Permissions::from_mode(0o644)).unwrap();
    let readable = world.run(&["sync", "hr"]);
    assert_eq!(readable.status, 2, "{readable:?}");
    assert!(readable.err.contains("hr.toml:9:9: target.token") && readable.err.contains("chmod 600"), "{readable:?}");
    assert_eq!(world.tenant.counters().total(), 0);
}

#[test]
fn a_plugin_that_is_not_there_is_named() {
    let world = World::new();
    world.people(1..=3);
    world.configure("hr", "", "[[rules]]\nplugin = \"nowhere\"\n");
    let ran = world.run(&["sync", "hr"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.err.contains("nowhere"), "{ran:?}");
    assert!(world.user_names().is_empty());
}

#[test]
fn a_target_that_cannot_be_reached_is_a_failure_with_its_address() {
    let world = World::new();
    world.people(1..=3);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.configure("hr", "", "");
    let file = world.path("configurations/hr.toml");
    let text = fs::read_to_string(&file).unwrap().replace(&world.tenant.url(), &format!("http://{closed}/scim/v2"));
    world.write("configurations/hr.toml", text);
    let (status, refused) = world.json(&["sync", "hr"]);
    assert_eq!((status, &refused["error"]["class"]), (1, &"failed".into()));
    assert!(refused["error"]["message"].as_str().unwrap().contains(&closed.to_string()), "{refused}");
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named_with_what_to_do() {
    let world = World::new();
    world.people(1..=3);
    world.configure("hr", "", "");
    // Not even root can make a folder there.
    world.write("provisor.toml", "data-folder = \"/proc/provisor\"\n");
    let ran = world.run(&["sync", "hr"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.err.contains("the data folder /proc/provisor cannot be written"), "{ran:?}");
}

#[test]
fn an_updated_plugin_is_previewed_without_asking_any_server() {
    let world = World::new();
    world.people(1..=12);
    world.configure("hr", "", "");
    world.write("plugins/people.wasm", built_plugin("people"));
    assert_eq!(world.run(&["sync", "hr"]).status, 0);
    let asked = world.tenant.counters().total();
    let plugin = world.path("plugins/people.wasm");
    let (status, report) = world.json(&["preview", "hr", "--plugin", plugin.to_str().unwrap()]);
    assert_eq!((status, &report["plugin"]), (0, &"people".into()), "{report}");
    assert_eq!(report["evaluated"], report["unchanged"], "the same plugin changes nothing: {report}");
    assert_eq!(world.tenant.counters().total(), asked);
    assert_eq!(world.run(&["preview", "hr", "--plugin", "people.txt"]).status, 2);
}

#[test]
fn a_plugin_is_checked_without_a_host() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provisor"));
    command.args(["plugin", "check", "people", "--json"]).current_dir("/");
    let ran = Ran::of(command);
    assert_eq!(ran.status, 0, "{ran:?}");
    let inspection: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(inspection["contracts"]["mapping"]["resource_kind"], "User");
    let folder = tempfile::tempdir().unwrap();
    let half = folder.path().join("half.wasm");
    let whole = built_plugin("people");
    fs::write(&half, &whole[..whole.len() / 2]).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_provisor"));
    command.args(["plugin", "check"]).arg(&half).current_dir("/");
    let ran = Ran::of(command);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.err.contains("component"), "{ran:?}");
}

#[test]
fn the_demo_shows_what_a_changed_rule_would_do_and_ends_with_ctrl_c() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut command = Command::new(env!("CARGO_BIN_EXE_provisor"));
    command.args(["demo", "--folder"]).arg(folder.path().join("demo")).stdin(Stdio::null());
    let child = command.stdout(fs::File::create(&out).unwrap()).stderr(Stdio::null()).spawn().unwrap();
    let demo = Running::new(child, out);
    wait_until("the demo is up", || demo.log().contains("Ctrl-C ends the demo."), || demo.log());
    // The same rule with a custom section behind it: another plugin by its content, and the same by what it does.
    let plugin = folder.path().join("demo/plugins/branding.wasm");
    let changed = [fs::read(&plugin).unwrap(), vec![0, 5, 4, b't', b'e', b's', b't']].concat();
    let unfinished = plugin.with_extension("unfinished");
    fs::write(&unfinished, changed).unwrap();
    fs::rename(unfinished, &plugin).unwrap();
    wait_until("the new rule is in force", || demo.log().contains("The new branding is in force."), || demo.log());
    let log = demo.log();
    for (company, entries) in [("lab01", 252), ("lab02", 333), ("lab03", 291)] {
        let line = log
            .lines()
            .find(|line| line.starts_with(&format!("{company}: branding 0.1.0")))
            .unwrap_or_else(|| panic!("{log}"));
        assert!(line.ends_with(&format!("0 of {entries} entries would come out differently")), "{line}");
    }
    let (status, took) = demo.end_by(Signal::SIGINT);
    assert_eq!(status, 0);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_left_as_it_is() {
    let world = World::new();
    world.people(1..=3);
    world.configure("hr", "", "");
    assert_eq!(world.json(&["sync", "hr"]).0, 0);
    let file = world.path("data/hr.space");
    let mut octets = fs::read(&file).unwrap();
    // The format stands in the header of the file, as SQLite's user version.
    octets[60..64].copy_from_slice(&999_u32.to_be_bytes());
    fs::write(&file, &octets).unwrap();
    for command in [["sync", "hr"], ["preview", "hr"], ["log", "hr"]] {
        let ran = world.run(&command);
        assert_eq!(ran.status, 1, "{ran:?}");
        assert!(ran.err.contains("newer Provisor (format 999") && ran.err.contains("hr.space"), "{ran:?}");
    }
    assert!(fs::read(&file).unwrap() == octets, "the file was touched");
}

#[test]
fn a_damaged_store_is_told_with_its_place_and_what_to_do() {
    let world = World::new();
    world.people(1..=200);
    world.configure("hr", "", "");
    assert_eq!(world.json(&["sync", "hr"]).0, 0);
    let file = world.path("data/hr.space");
    let whole = fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    damaged[4096..].fill(0x5a);
    fs::write(&file, &damaged).unwrap();
    let ran = world.run(&["sync", "hr"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(
        ran.err.contains("is damaged") && ran.err.contains("hr.space") && ran.err.contains("move the file away"),
        "{ran:?}"
    );
    fs::write(&file, vec![0x5a; 8192]).unwrap();
    let ran = world.run(&["sync", "hr"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.err.contains("no connector space") && ran.err.contains("hr.space"), "{ran:?}");
    // What the words advise: everything is found again, and nothing is there twice.
    fs::rename(&file, world.path("hr.damaged")).unwrap();
    let (status, report) = world.json(&["sync", "hr"]);
    assert_eq!((status, &report["operations"]["join"]), (0, &200.into()), "{report}");
    assert_eq!(world.user_names().len(), 200);
}
