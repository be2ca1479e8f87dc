//! Updated plugins as a person meets them: previewed, waiting, approved; with a host that runs and with none.

use std::fs;
use std::path::Path;

use crate::support::{Running, World, built_plugin, wait_until};
use serde_json::{Value as Json, json};

/// A rule for the guest of the tests; as its second edition it drops those of these numbers, and writes titles.
const RULE: &str = "[[rules]]\nplugin = \"guest\"\nconfig = { kind = \"\", drops-all = \"nobody\", second = { kind = \"\", \
                    drops-all = \"u1\", writes = \"title\" } }\n";

/// The guest of the tests, as this edition, with something behind it: other files that do the same.
fn guest(edition: u8, mark: &[u8]) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins-test/provisor-test-guest.wasm");
    let mut octets =
        fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}. Run: cargo xtask plugins --tests", file.display()));
    let name = b"provisor-test-guest edition ";
    let place = octets.windows(name.len()).position(|window| window == name).expect("the guest names its edition");
    octets[place + name.len()] = edition;
    octets.extend_from_slice(mark);
    octets
}

/// An empty custom section.
const MARK: &[u8] = &[0, 2, 1, b'x'];

/// A world of twelve people whose rules end with the guest, by a host's document such as this.
fn world(document: &str) -> World {
    let world = World::new();
    world.people(1..=12);
    world.write("provisor.toml", document);
    world.configure("hr", "interval = \"1s\"\n", RULE);
    world.write("plugins/guest.wasm", guest(b'1', &[]));
    world
}

fn plugin(world: &World) -> Json {
    let (_, list) = world.json(&["plugin", "list"]);
    list["plugins"].as_array().unwrap().iter().find(|plugin| plugin["name"] == "guest").cloned().unwrap_or_default()
}

fn wait_for_state(world: &World, host: &Running, state: &str) {
    wait_until(&format!("the guest is {state}"), || plugin(world)["state"] == state, || host.log());
}

/// Who runs these tests.
fn me() -> String {
    nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name
}

#[test]
fn a_preview_tells_what_would_differ_and_what_would_follow() {
    let world = world("");
    assert_eq!(world.run(&["sync", "hr"]).status, 0);
    world.write("guest.wasm", guest(b'2', &[]));
    let file = world.path("guest.wasm");
    let preview = ["preview", "hr", "--plugin", file.to_str().unwrap()];
    let asked = world.tenant.counters().total();
    let (status, report) = world.json(&preview);
    assert_eq!(status, 0, "{report}");
    // u1, u10, u11 and u12 are dropped, and the others get a title.
    assert_eq!(report["decisions"], json!({ "provisioned to out of scope": 4 }));
    assert_eq!(report["attributes"], json!({ "title": 8 }));
    assert_eq!((&report["evaluated"], &report["unchanged"]), (&json!(13), &json!(1)));
    let follows = &report["follows"];
    assert_eq!(follows["operations"], json!({ "disable": 4, "update": 8 }));
    assert_eq!(follows["attributes"], json!({ "active": 4, "title": 8 }));
    assert_eq!((&follows["would_stop"], &follows["writes"]), (&Json::Null, &json!(12)));
    assert_eq!(follows["first"].as_array().unwrap().len(), 10, "as many as are shown unless it is said");
    assert_eq!((&report["more"], &report["unread"]), (&json!(["writes title"]), &json!([])));
    let ran = world.run(&preview);
    for words in
        ["would not be taken by itself: asks for more", "│ disable", "A cycle would carry out, by about 12 requests"]
    {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    assert_eq!(world.tenant.counters().total(), asked, "nobody was asked");
    // A running host says the same.
    let host = world.start();
    assert_eq!(world.json(&preview), (0, report), "{}", host.log());
}

#[test]
fn what_cannot_be_previewed_says_why() {
    let world = world("");
    assert_eq!(world.run(&["sync", "hr"]).status, 0);
    let tried = |name: &str, octets: Option<&[u8]>| {
        if let Some(octets) = octets {
            world.write(name, octets);
        }
        let ran = world.run(&["preview", "hr", "--plugin", world.path(name).to_str().unwrap()]);
        assert_eq!(ran.status, 2, "{ran:?}");
        ran.err
    };
    assert!(tried("absent.wasm", None).contains("cannot be opened"));
    assert!(tried("guest.wasm", Some(b"no plugin")).contains("not a WebAssembly component"));
    let other = tried("payroll.wasm", Some(&guest(b'2', &[])));
    assert!(other.contains("no plugin \"payroll\"") && other.contains("people, guest"), "{other}");
}

#[test]
fn an_update_that_asks_for_more_waits_for_its_approval_without_a_host() {
    let world = world("");
    assert_eq!(world.run(&["sync", "hr"]).status, 0);
    world.write("plugins/guest.wasm", guest(b'2', &[]));
    let writes = world.tenant.counters().writes();
    assert_eq!(world.run(&["sync", "hr"]).status, 0);
    assert_eq!(world.tenant.counters().writes(), writes, "it waits");
    assert!(plugin(&world)["reason"].as_str().unwrap().contains("provisor plugin approve guest"));
    let (status, approved) = world.json(&["plugin", "approve", "guest"]);
    assert_eq!((status, &approved["approvals"][0]["more"]), (0, &json!(["writes title"])), "{approved}");
    assert_eq!(plugin(&world)["state"], "active");
    let grants = fs::read_to_string(world.path("data/grants/hr.json")).unwrap();
    assert!(grants.contains(&format!("\"by\": \"{}\"", me())), "{grants}");
    assert_eq!(world.json(&["sync", "hr"]).1["operations"], json!({ "disable": 4, "update": 8 }));
    for wrong in [&["plugin", "approve", "payroll"][..], &["plugin", "approve", "guest", "--configuration", "it"][..]] {
        let ran = world.run(wrong);
        assert_eq!(ran.status, 2, "{ran:?}");
        assert!(ran.err.contains("nothing to approve"), "{ran:?}");
    }
}

#[test]
fn a_running_host_has_every_other_file_wait_and_takes_what_is_approved() {
    let world = world("plugin-updates = \"approved\"\n");
    let host = world.start();
    wait_until("there are users", || world.user_names().len() == 12, || host.log());
    world.write("plugins/guest.wasm", guest(b'1', MARK));
    wait_for_state(&world, &host, "rejected");
    assert!(plugin(&world)["reason"].as_str().unwrap().contains("another file than was approved"));
    let hash = plugin(&world)["hash"].as_str().unwrap().to_owned();
    let approved = world.run(&["plugin", "approve", "guest", "--configuration", "hr"]);
    assert!(approved.out.contains("it asks for no more than before"), "{approved:?}");
    assert_eq!(plugin(&world)["state"], "active");
    let log = host.log();
    let line = log.lines().find(|line| line.contains("the plugin was approved")).unwrap_or_else(|| panic!("{log}"));
    for words in ["configuration=\"hr\"", &hash, &format!("by=\"{}\"", me())] {
        assert!(line.contains(words), "{words}: {line}");
    }
    world.write("plugins/guest.wasm", guest(b'2', &[]));
    wait_for_state(&world, &host, "rejected");
    assert_eq!(world.run(&["plugin", "approve", "guest"]).status, 0);
    let disabled = || {
        let users = world.tenant.resources(provisor_tenant::Kind::User).unwrap();
        users.iter().filter(|user| user["active"] == false).count() == 4
    };
    wait_until("the approved rule has acted", disabled, || host.log());
}

#[test]
fn what_a_lock_file_lists_is_all_that_runs_and_an_edit_is_followed_by_the_running_host() {
    let world = world("plugins-lock = \"plugins.lock\"\n");
    world.write("plugins/people.wasm", built_plugin("people"));
    let refused = world.run(&["sync", "hr"]);
    assert_eq!(refused.status, 2, "{refused:?}");
    assert!(refused.err.contains("plugins.lock is missing"), "{refused:?}");
    // A configuration of which one plugin is approved waits for the other.
    let (status, approved) = world.json(&["plugin", "approve", "people"]);
    assert_eq!((status, &approved["unbound"][0]["configuration"]), (0, &json!("hr")), "{approved}");
    assert!(world.run(&["sync", "hr"]).err.contains("does not list it"));
    let (_, approved) = world.json(&["plugin", "approve", "guest"]);
    assert_eq!((&approved["approvals"][0]["less"], &approved["unbound"]), (&json!([]), &json!([])), "{approved}");
    assert_eq!(world.run(&["sync", "hr"]).status, 0);
    let first = fs::read_to_string(world.path("plugins.lock")).unwrap();
    let host = world.start();
    let other = guest(b'1', MARK);
    world.write("plugins/guest.wasm", &other);
    wait_for_state(&world, &host, "rejected");
    // What an approval writes, put in place by hand.
    let (old, new) = (approved["approvals"][0]["hash"].as_str().unwrap(), plugin(&world)["hash"].clone());
    world.write("plugins.lock", first.replace(old, new.as_str().unwrap()));
    wait_for_state(&world, &host, "active");
    world.write("plugins.lock", "[[plugin]]\nname = 7\n");
    wait_for_state(&world, &host, "rejected");
    assert!(plugin(&world)["reason"].as_str().unwrap().contains("plugins.lock:"), "{}", plugin(&world));
    assert_eq!(world.json(&["sync", "hr"]).0, 0, "what ran goes on");
    let damaged = world.run(&["plugin", "approve", "guest"]);
    assert_eq!(damaged.status, 1, "{damaged:?}");
    fs::remove_file(world.path("plugins.lock")).unwrap();
    wait_until("it is missing", || plugin(&world)["reason"].to_string().contains("is missing"), || host.log());
    assert_eq!(world.json(&["sync", "hr"]).0, 0, "what ran goes on");
    for name in ["guest", "people"] {
        assert_eq!(world.run(&["plugin", "approve", name]).status, 0);
    }
    wait_for_state(&world, &host, "active");
    let anew = fs::read_to_string(world.path("plugins.lock")).unwrap();
    let lines = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with("approved-at")).map(str::to_owned).collect()
    };
    assert_eq!(lines(&anew), lines(&first.replace(old, new.as_str().unwrap())), "the same grants are the same file");
}

#[test]
fn a_lock_file_does_not_go_with_updates_that_are_taken_by_themselves() {
    let world = world("plugins-lock = \"plugins.lock\"\nplugin-updates = \"granted\"\n");
    let ran = world.run(&["sync", "hr"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.err.contains("provisor.toml:2:") && ran.err.contains("plugins-lock"), "{ran:?}");
}
