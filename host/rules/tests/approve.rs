//! Approval: what a person grants is taken, is kept with who and when, and nothing else is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::fs;

use provisor_rules::{PluginState, RulesHost, Updates};
use support::{Lab, binding, component, no_config, options};

#[test]
fn an_update_that_asks_for_more_is_taken_once_it_is_approved() {
    let lab = Lab::new(&["people", "groups"]);
    let rules = [binding("groups", no_config())];
    let before = lab.bind(&rules);
    lab.put("groups", &component("people"));
    lab.host.scan();
    assert_eq!(before.hash(), lab.bind(&rules).hash());
    let PluginState::Rejected { reason, .. } = lab.state("groups") else { panic!() };
    assert!(reason.contains("run `provisor plugin approve groups`"), "{reason}");
    let approved = lab.host.approve("lab", &rules, "groups", "ada").unwrap();
    assert!(approved[0].more.iter().any(|more| more.contains("userName")), "{approved:?}");
    let after = lab.bind(&rules);
    assert_ne!(before.hash(), after.hash());
    assert_eq!(lab.state("groups"), PluginState::Active);
    let grants = fs::read_to_string(lab.data().join("grants/lab.json")).unwrap();
    assert!(grants.contains("\"by\": \"ada\""), "{grants}");
    let lab = lab.restarted();
    assert_eq!(lab.bind(&rules).hash(), after.hash());
    assert!(fs::read_to_string(lab.data().join("grants/lab.json")).unwrap().contains("\"by\": \"ada\""));
}

#[test]
fn where_changes_are_only_by_hand_every_other_file_waits() {
    let lab = Lab::new(&["guest"]);
    let mut options = options(lab.data().parent().unwrap(), &[]);
    options.updates = Updates::Approved;
    let host = RulesHost::open(options).unwrap();
    let rules = [support::guest(no_config())];
    let before = host.bind("lab", &rules).unwrap();
    let mut marked = component("guest");
    marked.extend([0, 2, 1, b'x']);
    lab.put("guest", &marked);
    assert!(host.scan());
    assert_eq!(host.bind("lab", &rules).unwrap().hash(), before.hash());
    let state = host.status().remove(0).state;
    assert!(
        matches!(&state, PluginState::Rejected { reason, .. } if reason.contains("another file than was approved"))
    );
    // Other settings are no way past it, nor is a second rule of the plugin.
    let other = support::guest(serde_json::json!({ "suffix": "@lab.test" }));
    for rules in [vec![other.clone()], vec![other, support::guest(no_config())]] {
        for plugin in host.bind("lab", &rules).unwrap().plugins() {
            assert_eq!(plugin.hash, before.plugins()[0].hash);
        }
    }
    host.bind("lab", &rules).unwrap();
    let approved = host.approve("lab", &rules, "guest", "ada").unwrap();
    assert!(approved[0].more.is_empty());
    assert_ne!(host.bind("lab", &rules).unwrap().hash(), before.hash());
    assert_eq!(host.status().remove(0).state, PluginState::Active);
}

#[test]
fn what_does_not_pass_the_gate_cannot_be_approved() {
    let lab = Lab::new(&["guest"]);
    let rules = [support::guest(no_config())];
    lab.bind(&rules);
    lab.put("guest", b"not wasm");
    lab.host.scan();
    let error = lab.host.approve("lab", &rules, "guest", "ada").unwrap_err().to_string();
    assert!(error.contains("not a WebAssembly component"), "{error}");
    assert_eq!(lab.host.approve("lab", &rules, "people", "ada").unwrap(), []);
}

/// The guest as the second edition, which goes by `second` of its settings.
fn second_edition() -> Vec<u8> {
    let (mut octets, mark) = (component("guest"), b"provisor-test-guest edition 1");
    let place = octets.windows(mark.len()).position(|window| window == mark).expect("the guest names its edition");
    octets[place + mark.len() - 1] = b'2';
    octets
}

#[test]
fn who_asks_for_less_and_then_for_more_again_waits() {
    let lab = Lab::new(&["guest"]);
    let wide = serde_json::json!({ "writes": "title", "reads": "mail", "second": {} });
    let rules = [support::guest(wide)];
    let first = lab.bind(&rules).hash();
    lab.put("guest", &second_edition());
    lab.host.scan();
    let second = lab.bind(&rules);
    assert_ne!(second.hash(), first, "less is taken by itself");
    assert!(!second.reads().contains(&"mail".into()));
    lab.put("guest", &component("guest"));
    lab.host.scan();
    assert_eq!(lab.bind(&rules).hash(), second.hash());
    let PluginState::Rejected { reason, .. } = lab.state("guest") else { panic!() };
    assert!(reason.contains("it reads mail, writes title"), "{reason}");
    let lab = lab.restarted();
    assert_eq!(lab.bind(&rules).hash(), second.hash(), "also after a restart");
    let approved = lab.host.approve("lab", &rules, "guest", "ada").unwrap();
    assert_eq!(approved[0].more, ["reads mail", "writes title"]);
    assert_eq!(lab.bind(&rules).hash(), first);
    // The other way round the approval says what is given up.
    lab.put("guest", &second_edition());
    lab.host.scan();
    assert_eq!(lab.host.approve("lab", &rules, "guest", "ada").unwrap()[0].less, ["reads mail", "writes title"]);
}

#[test]
fn what_the_contract_does_not_read_is_not_sent() {
    // The guest answers for the boolean that it reads; the same attribute of an entry is nothing to it where it does not.
    let entry = support::entry("user", "uid=ada,dc=lab", &[("uid", &["ada"]), ("flag", &["TRUE"])]);
    let lab = Lab::new(&["guest"]);
    let active = "active".parse().unwrap();
    for (settings, sent) in [(serde_json::json!({ "boolean": "flag" }), true), (no_config(), false)] {
        let chain = lab.bind(&[support::guest(settings)]);
        assert_eq!(chain.reads().contains(&"flag".into()), sent);
        let provisor_rules::Outcome::Provision(draft) =
            support::evaluate(&chain, std::slice::from_ref(&entry)).remove(0).outcome
        else {
            panic!("the entry is provisioned")
        };
        assert_eq!(draft.attributes.get(&active).is_some(), sent);
    }
}
