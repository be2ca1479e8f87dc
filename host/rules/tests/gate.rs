//! The load gate: what was compiled is kept, what takes too long holds nobody up, what was refused stays refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use provisor_rules::{Limits, PluginLimits, PluginState, RulesHost};
use support::{Lab, binding, component, evaluate, guest, no_config, options, user, user_name};

fn compiled(lab: &Lab) -> Vec<PathBuf> {
    fs::read_dir(lab.data().join("compiled")).unwrap().map(|file| file.unwrap().path()).collect()
}

#[test]
fn what_was_compiled_once_serves_the_next_start() {
    let lab = Lab::new(&["people", "groups", "guest"]);
    let all = [guest(no_config()), binding("people", no_config()), binding("groups", no_config())];
    let before = lab.bind(&all);
    let kept = || compiled(&lab).iter().map(|file| fs::metadata(file).unwrap().ino()).collect::<Vec<_>>();
    let files = kept();
    assert_eq!(files.len(), 3);
    let host = RulesHost::open(options(lab.data().parent().unwrap(), &[])).unwrap();
    let after = host.bind("lab", &all).unwrap();
    assert_eq!(before.hash(), after.hash());
    assert_eq!(files, kept(), "nothing was compiled and written again");
    assert_eq!(user_name(&evaluate(&after, &[user("ada")])[0]).as_deref(), Some("ada"));
}

#[test]
fn damaged_machine_code_is_compiled_again() {
    let lab = Lab::new(&["guest"]);
    lab.bind(&[guest(no_config())]);
    let file = compiled(&lab).remove(0);
    let whole = fs::read(&file).unwrap();
    for damaged in [&whole[..whole.len() / 2], &[0; 100][..], b""] {
        fs::write(&file, damaged).unwrap();
        let lab = RulesHost::open(options(lab.data().parent().unwrap(), &[])).unwrap();
        let chain = lab.bind("lab", &[guest(no_config())]).unwrap();
        assert_eq!(user_name(&evaluate(&chain, &[user("ada")])[0]).as_deref(), Some("ada"));
        assert_eq!(fs::read(&file).unwrap().len(), whole.len());
    }
}

#[test]
fn a_plugin_that_takes_too_long_to_compile_is_refused_and_holds_no_other_up() {
    let lab = Lab::new(&["guest"]);
    lab.put("slow", &component("people"));
    let mut options = options(lab.data().parent().unwrap(), &[]);
    let hasty = Limits { compile_time: Duration::from_micros(1), ..options.limits.usual };
    options.limits = PluginLimits { own: BTreeMap::from([("slow".to_owned(), hasty)]), ..options.limits };
    let host = RulesHost::open(options).unwrap();
    let chain = host.bind("lab", &[guest(no_config())]).unwrap();
    assert_eq!(user_name(&evaluate(&chain, &[user("ada")])[0]).as_deref(), Some("ada"));
    let error = host.bind("other", &[binding("slow", no_config())]).unwrap_err().to_string();
    assert!(error.contains("to compile: make it smaller, or raise compile-time"), "{error}");
    let status = host.status();
    let slow = status.iter().find(|status| status.name == "slow").unwrap();
    assert!(matches!(&slow.state, PluginState::Rejected { reason, .. } if reason.contains("to compile")), "{slow:?}");
    assert_eq!(slow.limits.compile_time, Duration::from_micros(1));
}

#[test]
fn to_ask_how_plugins_stand_waits_for_none() {
    let lab = Lab::new(&[]);
    lab.put("asking", &component("asking-in-javascript"));
    let host = RulesHost::open(options(lab.data().parent().unwrap(), &[])).unwrap();
    let state = || host.status().remove(0).state;
    assert!(matches!(state(), PluginState::Loading { .. }), "it takes the compiler long");
    while matches!(state(), PluginState::Loading { .. }) {
        host.settle();
    }
    assert_eq!(state(), PluginState::Discovered);
}

#[test]
fn what_is_no_regular_file_is_not_waited_for() {
    let lab = Lab::new(&[]);
    let pipe = lab.data().parent().unwrap().join("pipe.wasm");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    for path in [pipe.to_str().unwrap(), "/dev/zero", "/"] {
        let error = lab.host.inspect(path, None).unwrap_err().to_string();
        assert!(error.contains("it is no regular file"), "{error}");
    }
}

#[test]
fn each_plugin_has_limits_of_its_own() {
    let lab = Lab::new(&["guest"]);
    lab.put("small", &component("guest"));
    let mut options = options(lab.data().parent().unwrap(), &[]);
    let small = Limits { memory: 1 << 20, ..options.limits.usual };
    options.limits.own.insert("small".to_owned(), small);
    let host = RulesHost::open(options).unwrap();
    host.bind("lab", &[guest(no_config())]).unwrap();
    let error = host.bind("other", &[binding("small", no_config())]).unwrap_err().to_string();
    assert!(error.contains("octets of memory at its start, and 1048576 are allowed"), "{error}");
}
