//! The lock file: only what stands in it is taken into use, and without it nothing new is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::fs;
use std::path::PathBuf;

use provisor_rules::{Binding, PluginState, Proof, RulesHost, Updates};
use serde_json::json;
use support::{Lab, binding, component, guest, made, no_config, options, user};

/// A host over the lab's folders that goes by a lock file beside them.
fn locked(lab: &Lab) -> (RulesHost, PathBuf) {
    let folder = lab.data().parent().unwrap().to_owned();
    let file = folder.join("plugins.lock");
    let mut options = options(&folder, &[]);
    options.updates = Updates::Locked(file.clone());
    (RulesHost::open(options).unwrap(), file)
}

/// The guest with something behind it: another file that does the same.
fn marked(mark: u8) -> Vec<u8> {
    [component("guest"), vec![0, 2, 1, mark]].concat()
}

fn hash(host: &RulesHost, rules: &[Binding]) -> String {
    host.bind("lab", rules).unwrap().plugins()[0].hash.clone()
}

fn rejected(host: &RulesHost) -> String {
    match host.status().remove(0).state {
        PluginState::Rejected { reason, .. } => reason,
        state => panic!("{state:?}"),
    }
}

#[test]
fn what_the_file_does_not_list_is_not_bound_even_for_the_first_time() {
    let lab = Lab::new(&["guest"]);
    let (host, file) = locked(&lab);
    let rules = [guest(no_config())];
    let missing = host.bind("lab", &rules).unwrap_err().to_string();
    assert!(missing.contains("plugins.lock is missing"), "{missing}");
    let approved = host.approve("lab", &rules, "guest", "ada").unwrap();
    assert!(approved[0].more.contains(&"writes userName".to_owned()), "all is new: {approved:?}");
    host.bind("lab", &rules).unwrap();
    assert_eq!(host.status().remove(0).state, PluginState::Active);
    let text = fs::read_to_string(&file).unwrap();
    for line in ["configuration = \"lab\"", "name = \"guest\"", "approved-by = \"ada\"", "    \"userName\","] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    // In another configuration it is another grant.
    let other = host.bind("other", &rules).unwrap_err().to_string();
    assert!(other.contains("does not list it") && other.contains("plugin approve guest"), "{other}");
}

#[test]
fn another_file_or_a_wider_contract_waits_and_the_last_good_one_goes_on() {
    let lab = Lab::new(&["guest"]);
    let (host, file) = locked(&lab);
    let rules = [guest(no_config())];
    host.approve("lab", &rules, "guest", "ada").unwrap();
    let first = hash(&host, &rules);
    lab.put("guest", &marked(1));
    assert!(host.scan());
    assert_eq!(hash(&host, &rules), first);
    assert!(rejected(&host).contains("lists another file of it"), "{}", rejected(&host));
    // Settings that make it ask for more are no way past the file, though a file in the data folder would grant them.
    let wider = host.bind("lab", &[guest(json!({ "writes": "title" }))]).unwrap_err().to_string();
    assert!(wider.contains("asks for more than was granted: it writes title"), "{wider}");
    let approved = host.approve("lab", &rules, "guest", "bob").unwrap();
    assert_eq!((&approved[0].more, &approved[0].less), (&Vec::new(), &Vec::new()));
    let second = hash(&host, &rules);
    assert_ne!(first, second);
    // What the file lists again after it was put back runs again, though the other one is in the folder.
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(&second, &first)).unwrap();
    assert!(host.scan(), "an edit by hand is noticed");
    assert_eq!(hash(&host, &rules), first);
    assert!(!host.scan(), "once");
}

#[test]
fn without_the_file_or_with_a_damaged_one_nothing_new_is_taken() {
    let lab = Lab::new(&["guest"]);
    let (host, file) = locked(&lab);
    let rules = [guest(no_config())];
    host.approve("lab", &rules, "guest", "ada").unwrap();
    let (first, good) = (hash(&host, &rules), fs::read(&file).unwrap());
    for (content, words) in [(None, "is missing"), (Some("[[plugin]\n"), "plugins.lock:1 is damaged")] {
        match content {
            Some(content) => fs::write(&file, content).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        lab.put("guest", &marked(2));
        host.scan();
        assert_eq!(hash(&host, &rules), first, "what ran goes on");
        assert!(rejected(&host).contains(words), "{}", rejected(&host));
        // Also after a restart, and where the very file that ran is back in its place.
        let (again, _) = locked(&lab);
        assert_eq!(hash(&again, &rules), first);
        lab.put("guest", &component("guest"));
        again.scan();
        assert_eq!(hash(&again, &rules), first);
        assert!(rejected(&again).contains(words), "{}", rejected(&again));
        assert!(again.bind("lab", &[guest(json!({ "writes": "title" }))]).is_err(), "no more than it had");
        assert!(again.bind("other", &rules).is_err(), "nothing new");
    }
    assert!(host.approve("lab", &rules, "guest", "ada").unwrap_err().to_string().contains("nothing was approved"));
    fs::write(&file, good).unwrap();
    host.scan();
    hash(&host, &rules);
    assert_eq!(host.status().remove(0).state, PluginState::Active);
}

#[test]
fn a_damaged_record_in_the_data_folder_stops_nothing_that_the_file_lists() {
    let lab = Lab::new(&["guest"]);
    let (host, file) = locked(&lab);
    let rules = [guest(no_config())];
    host.approve("lab", &rules, "guest", "ada").unwrap();
    let first = hash(&host, &rules);
    let record = lab.data().join("grants/lab.json");
    fs::write(&record, "[{").unwrap();
    let (again, _) = locked(&lab);
    assert_eq!(hash(&again, &rules), first);
    assert!(fs::read_to_string(&record).unwrap().contains(&first), "it is made anew");
    // Where neither can be read, nobody knows what may run.
    fs::write(&record, "[{").unwrap();
    fs::write(&file, "[[plugin]\n").unwrap();
    let (again, _) = locked(&lab);
    let error = again.bind("lab", &rules).unwrap_err().to_string();
    assert!(error.contains("lab.json"), "{error}");
}

#[test]
fn what_was_taken_out_of_the_file_does_not_come_back_for_one_that_is_not_pure() {
    let lab = Lab::new(&[]);
    lab.put("rule", &made::mapping(&[]));
    let (host, file) = locked(&lab);
    let rules = [binding("rule", no_config())];
    host.approve("lab", &rules, "rule", "ada").unwrap();
    let first = hash(&host, &rules);
    let earlier = fs::read(&file).unwrap();
    lab.put("rule", &made::counting());
    host.scan();
    host.approve("lab", &rules, "rule", "ada").unwrap();
    let chain = host.bind("lab", &rules).unwrap();
    assert_ne!(chain.plugins()[0].hash, first);
    assert_eq!(host.prove("lab", &chain, &[user("ada"), user("bob")], 0), Proof::Impure);
    let error = host.bind("lab", &rules).unwrap_err().to_string();
    assert!(error.contains("answered differently"), "{error}");
    fs::write(&file, earlier).unwrap();
    host.scan();
    assert_eq!(hash(&host, &rules), first, "it is listed again");
}

#[test]
fn a_grant_that_is_widened_by_hand_is_followed() {
    let lab = Lab::new(&["guest"]);
    let (host, file) = locked(&lab);
    host.approve("lab", &[guest(no_config())], "guest", "ada").unwrap();
    let wider = [guest(json!({ "writes": "title", "reads": "mail" }))];
    assert!(host.bind("lab", &wider).is_err());
    let text = fs::read_to_string(&file).unwrap();
    let text = text
        .replace("    \"userName\",", "    \"title\",\n    \"userName\",")
        .replace("    \"uid\",", "    \"mail\",\n    \"uid\",");
    fs::write(&file, text).unwrap();
    assert!(host.scan());
    let chain = host.bind("lab", &wider).unwrap();
    assert!(chain.reads().contains(&"mail".into()));
}

#[test]
fn a_preview_says_what_the_file_is_missing() {
    let lab = Lab::new(&["guest"]);
    let (host, file) = locked(&lab);
    let rules = [guest(no_config())];
    host.approve("lab", &rules, "guest", "ada").unwrap();
    hash(&host, &rules);
    let before = fs::read(&file).unwrap();
    let candidate = host.chain_with("lab", &rules, ("guest", marked(3))).unwrap();
    assert!(candidate.more.is_empty());
    assert!(candidate.waits.unwrap().contains("lists another file of it"));
    assert_eq!(fs::read(&file).unwrap(), before);
}
