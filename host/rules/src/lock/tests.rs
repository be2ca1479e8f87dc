//! The lock file as it is read and written.

use super::*;

fn locked(configuration: &str, plugin: &str) -> Locked {
    let read = |name: &str, shape| ContractRead { name: name.to_owned(), shape };
    let write = |path: &str, on_create| ContractWrite { path: path.parse().unwrap(), on_create };
    let filter = FilterContract {
        object_classes: Vec::new(),
        reads: vec![read("sn", Shape::Text), read("photo", Shape::Unsent)],
        cycle_time: true,
    };
    let mapping = MappingContract {
        object_classes: vec!["user".to_owned()],
        reads: vec![read("uid", Shape::Text), read("cn", Shape::Texts), read("cn", Shape::Text)],
        resource_reads: vec![read("title", Shape::Text)],
        resource_kind: Some("User".to_owned()),
        writes: vec![write("userName", false), write("emails[type eq \"work\"].value", false), write("password", true)],
        cycle_time: false,
    };
    let grant = Grant {
        plugin: plugin.to_owned(),
        occurrence: 0,
        config: Json::Null,
        contracts: Contracts { filter: Some(filter), mapping: Some(mapping) },
        component: Hash::of(plugin.as_bytes()),
        from_file: false,
        approved: Some(Approved { by: "ada".to_owned(), at: 1_760_000_000 }),
        before: None,
    };
    Locked { configuration: configuration.to_owned(), version: "0.1.0".to_owned(), grant }
}

#[test]
fn what_is_granted_comes_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plugins.lock");
    let lock = Lock(&path);
    assert!(lock.of("hr").unwrap_err().contains("is missing"));
    let second = Locked { grant: Grant { occurrence: 1, ..locked("hr", "people").grant }, ..locked("hr", "people") };
    lock.put("hr", "people", &[locked("hr", "people"), second]).unwrap();
    let read = lock.of("hr").unwrap();
    assert_eq!(read.iter().map(|grant| grant.occurrence).collect::<Vec<_>>(), [0, 1]);
    let (read, written) = (&read[0], locked("hr", "people").grant);
    assert_eq!((read.component, &read.approved), (written.component, &written.approved));
    assert!(read.contracts.beyond(&written.contracts).is_empty());
    assert!(written.contracts.beyond(&read.contracts).is_empty());
    assert_eq!(lock.of("other").unwrap().len(), 0);
}

#[test]
fn an_approval_changes_its_own_lines_and_keeps_the_order_and_the_comments() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plugins.lock");
    let lock = Lock(&path);
    for (configuration, plugin) in [("hr", "people"), ("lab", "groups"), ("hr", "groups")] {
        lock.put(configuration, plugin, &[locked(configuration, plugin)]).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    let names: Vec<&str> =
        text.lines().filter(|line| line.starts_with("configuration") || line.starts_with("name")).collect();
    let expected = [("hr", "groups"), ("hr", "people"), ("lab", "groups")];
    let expected: Vec<String> = expected
        .iter()
        .flat_map(|(configuration, name)| {
            [format!("configuration = \"{configuration}\""), format!("name = \"{name}\"")]
        })
        .collect();
    assert_eq!(names, expected, "{text}");
    let commented = text
        .replace("[[plugin]]\nconfiguration = \"lab\"", "# Asked for by finance.\n[[plugin]]\nconfiguration = \"lab\"");
    fs::write(&path, &commented).unwrap();
    let mut changed = locked("hr", "people");
    changed.grant.contracts.mapping.as_mut().unwrap().writes.pop();
    lock.put("hr", "people", &[changed]).unwrap();
    let after = fs::read_to_string(&path).unwrap();
    let gone: Vec<&str> = commented.lines().filter(|line| !after.lines().any(|other| other == *line)).collect();
    assert_eq!(gone.len(), 0, "{after}");
    assert!(after.contains("# Asked for by finance.\n[[plugin]]\nconfiguration = \"lab\""), "{after}");
    assert_eq!(after.lines().count() + 3, commented.lines().count(), "one list of one line is gone: {after}");
    lock.put("hr", "people", &[locked("hr", "people")]).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), commented, "and back");
}

#[test]
fn a_damaged_file_is_named_with_its_line_and_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plugins.lock");
    let lock = Lock(&path);
    lock.put("hr", "people", &[locked("hr", "people")]).unwrap();
    let good = fs::read_to_string(&path).unwrap();
    for (from, to, words) in [
        ("name = ", "nam = ", "plugins.lock:6"),
        ("[plugin.mapping]", "<<<<<<< HEAD", "plugins.lock:"),
        ("hash = \"", "hash = \"x", "plugins.lock:"),
        ("object-classes = [\"user\"]", "object-classes = []", "object-classes is empty"),
        ("\"userName\"", "\"user name\"", "user name"),
    ] {
        let damaged = good.replacen(from, to, 1);
        assert_ne!(damaged, good);
        fs::write(&path, &damaged).unwrap();
        let reason = lock.of("hr").unwrap_err();
        assert!(reason.contains(words) && reason.contains("damaged"), "{reason}");
        let refused = lock.put("hr", "people", &[locked("hr", "people")]).unwrap_err().to_string();
        assert!(refused.contains("plugins.lock"), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
    }
    let twice = format!("{good}{}", good.split_once("\n\n").unwrap().1);
    fs::write(&path, twice).unwrap();
    assert!(lock.of("hr").unwrap_err().contains("twice"));
}
