//! The inspection of a source, as a person runs it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::World;
use provisor_tenant::Kind;
use serde_json::Value as Json;

/// Writes `people.ldif` with these entries below the domain: a name, object class, and lines of attributes. Their ids begin
/// with a word, so that the same people can come as others.
fn entries(world: &World, word: &str, entries: &[(&str, &str, &str)]) {
    let mut text = format!(
        "version: 1\n\ndn: dc=lab\nobjectClass: domain\ndc: lab\nentryUUID: {word}0000-0000-4000-8000-ffffffffffff\n"
    );
    for (number, (name, class, lines)) in entries.iter().enumerate() {
        text += &format!(
            "\ndn: {name},dc=lab\nobjectClass: {class}\nentryUUID: {word}0000-0000-4000-8000-{number:012x}\n{}\n",
            lines.replace("; ", "\n")
        );
    }
    world.write("people.ldif", text);
}

/// Three people and a group with a mistake each.
fn mistaken(world: &World) {
    entries(
        world,
        "0000",
        &[
            ("uid=ada", "inetOrgPerson", "uid: ada; cn: Ada; sn: L; mail: ada@lab.org"),
            ("uid=bob", "inetOrgPerson", "uid: bob; cn: Bob; sn: L; mail: ADA@lab.org"),
            // A single blank, in base64.
            ("uid=cy", "inetOrgPerson", "uid: cy; cn: Cy; sn: L; mail: cy@corp.local; displayName:: IA=="),
            ("cn=staff", "groupOfNames", "cn: staff; member: uid=ada,dc=lab; member: uid=gone,dc=lab"),
        ],
    );
}

/// What was found: for each object the attributes and errors.
fn found(report: &Json) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for finding in report["findings"].as_array().unwrap() {
        let text = |key: &str| finding[key].as_str().unwrap();
        found.entry(text("dn").to_owned()).or_default().push(format!("{} {}", text("attribute"), text("error")));
    }
    found
}

#[test]
fn what_is_wrong_in_the_source_is_told_and_nothing_is_touched() {
    let world = World::new();
    mistaken(&world);
    world.configure("hr", "", "");
    let (status, report) = world.json(&["inspect", "hr"]);
    assert_eq!((status, &report["found"], &report["read"]), (3, &5.into(), &5.into()), "{report}");
    let expected = [
        ("cn=staff,dc=lab", vec!["member unreachable"]),
        ("uid=ada,dc=lab", vec!["mail duplicate"]),
        ("uid=bob,dc=lab", vec!["mail duplicate"]),
        ("uid=cy,dc=lab", vec!["displayName blank", "mail top-level-domain"]),
    ];
    let expected =
        expected.map(|(dn, what)| (dn.to_owned(), what.into_iter().map(str::to_owned).collect::<Vec<String>>()));
    assert_eq!(found(&report), BTreeMap::from(expected));
    assert_eq!(
        report["findings"].as_array().unwrap().iter().find(|one| one["error"] == "blank").unwrap()["suggestion"],
        "Cy"
    );
    assert_eq!(report["target_users"], 0);
    assert_eq!(world.tenant.count(Kind::User).unwrap(), 0);
    let (_, all) = world.json(&["status"]);
    let stands = &all["configurations"][0]["status"];
    assert_eq!((&stands["imported"], &stands["entries"]), (&false.into(), &0.into()), "the source was stored: {all}");
}

#[test]
fn a_source_without_mistakes_is_told_to_be_so() {
    let world = World::new();
    world.people(1..=3);
    world.configure("hr", "", "");
    let ran = world.run(&["inspect", "hr", "--no-target"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.out.contains("4 objects read, 3 inspected") && ran.out.contains("nothing is wrong"), "{ran:?}");
    assert_eq!(world.tenant.counters().total(), 0, "the target was asked");
}

#[test]
fn users_of_the_target_that_are_somebody_elses_are_conflicts_and_own_ones_are_not() {
    let world = World::new();
    let ada = ("uid=ada", "inetOrgPerson", "uid: ada; cn: Ada; sn: L; mail: ada@lab.org");
    entries(&world, "0000", &[ada]);
    world.configure("hr", "", "");
    assert_eq!(world.json(&["sync", "hr"]).0, 0);
    let (status, report) = world.json(&["inspect", "hr"]);
    assert_eq!((status, &report["target_users"]), (0, &1.into()), "{report}");
    // The same person under another id, in a configuration that has no links.
    entries(&world, "1111", &[ada]);
    world.configure("merged", "", "");
    let (status, report) = world.json(&["inspect", "merged"]);
    assert_eq!((status, &report["found"]), (3, &1.into()), "{report}");
    let finding = &report["findings"][0];
    assert_eq!((&finding["error"], &finding["dn"]), (&"conflict".into(), &"uid=ada,dc=lab".into()));
    assert!(finding["explanation"].as_str().unwrap().contains("externalId is nobody's here"), "{finding}");
}

#[test]
fn a_target_that_cannot_be_asked_is_told_and_the_source_is_inspected_all_the_same() {
    let world = World::new();
    mistaken(&world);
    world.configure("hr", "", "");
    world.write("tenant.token", "another");
    let (status, report) = world.json(&["inspect", "hr"]);
    assert_eq!((status, &report["found"]), (3, &5.into()), "{report}");
    assert!(report["target_error"].as_str().unwrap().contains("token"), "{report}");
    assert_eq!(report["target_users"], Json::Null);
    world.people(1..=3);
    assert_eq!(world.json(&["inspect", "hr"]).0, 1, "less was looked at than was asked");
}

#[test]
fn findings_are_written_as_csv_for_their_owner_alone() {
    let world = World::new();
    mistaken(&world);
    world.configure("hr", "", "");
    let (file, arguments) = (world.path("findings.csv"), ["inspect", "hr", "--no-target", "--csv"]);
    let name = file.to_str().unwrap();
    let ran = world.run(&[&arguments[..], &[name, "--first", "1"]].concat());
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(ran.out.contains("1 of 5 are shown") && ran.out.contains(name), "{ran:?}");
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 6, "{text}");
    assert!(text.starts_with("\"object\",\"id\",\"class\",\"attribute\",\"error\",\"value\""), "{text}");
    assert!(text.contains("\"uid=bob,dc=lab\""), "{text}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let printed = world.run(&[&arguments[..], &["-"]].concat());
    assert_eq!(printed.out.replace("\r\n", "\n").trim_end(), text.replace("\r\n", "\n").trim_end());
    assert_eq!(world.run(&[&arguments[..], &["-", "--json"]].concat()).status, 2);
    let nowhere = world.path("no/such.csv");
    assert_eq!(world.run(&[&arguments[..], &[nowhere.to_str().unwrap()]].concat()).status, 2);
}

#[test]
fn a_running_host_inspects_as_a_command_does() {
    let world = World::new();
    mistaken(&world);
    world.configure("hr", "enabled = false", "");
    let (_, own) = world.json(&["inspect", "hr"]);
    let host = world.start();
    let (status, of_host) = world.json(&["inspect", "hr"]);
    assert_eq!(status, 3, "{}", host.log());
    assert_eq!(own, of_host);
}
