//! The preview of an updated plugin: what it foretells is what the next cycle does once the plugin is in place, object for
//! object, and foretelling it changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "these are tests")]

mod lab;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use lab::{Directory, Lab, uuid};
use provisor_sync::{
    CycleOutcome, CycleReport, CycleRequest, CycleWatch, LogFilter, PlannedOperation, PluginPreview, ShownChange,
};

/// More than there is of anything here.
const ALL: usize = 10_000;

/// The first edition of the guest, or the second, which behaves as `second` of its settings says.
fn guest(edition: u8) -> Vec<u8> {
    let file = provisor_tests::installed::test_guest().expect("the guest for tests is built");
    let mut octets = fs::read(file).unwrap();
    let mark = b"provisor-test-guest edition ";
    let place = octets.windows(mark.len()).position(|window| window == mark).expect("the guest names its edition");
    octets[place + mark.len()] = edition;
    octets
}

/// A lab in which the guest follows the usual rules, first with these settings and as the second edition with those.
async fn lab(directory: Directory, first: &str, second: &str, more: &str) -> Lab {
    let rules = format!(
        "{}[[rules]]\nplugin = \"guest\"\nconfig = {{ kind = \"\", {first}, second = {{ kind = \"\", {second} }} }}\n{more}",
        lab::RULES
    );
    let mut lab = Lab::with_settings(directory, &rules).await;
    put(&mut lab, "guest", &guest(b'1')).await;
    lab
}

/// Puts a plugin in place, as a host finds it that starts anew.
async fn put(lab: &mut Lab, plugin: &str, octets: &[u8]) {
    fs::write(lab.folder.path().join(format!("plugins/{plugin}.wasm")), octets).unwrap();
    lab.restart().await;
}

async fn foretell(lab: &mut Lab, plugin: &str, octets: Vec<u8>) -> PluginPreview {
    lab.pipeline.preview_plugin(plugin, octets, ALL, &CycleWatch::new()).await.unwrap()
}

/// What is done to an object: the operation, and its changes by attribute, old to new.
type Deed = (String, BTreeMap<String, (Option<String>, Option<String>)>);

fn changes(shown: Vec<ShownChange>) -> BTreeMap<String, (Option<String>, Option<String>)> {
    shown.into_iter().map(|change| (change.path, (change.old, change.new))).collect()
}

fn foretold(planned: &[PlannedOperation]) -> BTreeMap<String, Deed> {
    let deed = |planned: &PlannedOperation| {
        (planned.id.clone(), (planned.operation.clone(), changes(planned.changes.clone())))
    };
    planned.iter().map(deed).collect()
}

/// What a cycle has done, by its log. References that waited for one another belong to the operation before them.
async fn done(lab: &mut Lab, cycle: i64) -> BTreeMap<String, Deed> {
    let filter =
        LogFilter { cycle: Some(cycle), status: Some("success".into()), limit: 10_000, ..LogFilter::default() };
    let records = lab.pipeline.log(filter).await.unwrap();
    let mut done = BTreeMap::<String, Deed>::new();
    for record in records.into_iter().rev() {
        let deed = done.entry(record.source_id).or_insert_with(|| (record.operation.clone(), BTreeMap::new()));
        if record.operation != "references" {
            deed.0 = record.operation;
        }
        deed.1.extend(changes(record.changes));
    }
    done
}

/// Has each object fare as it was foretold.
fn assert_same(foretold: &BTreeMap<String, Deed>, done: &BTreeMap<String, Deed>) {
    let ids: BTreeSet<&String> = foretold.keys().chain(done.keys()).collect();
    for id in ids {
        assert_eq!(foretold.get(id), done.get(id), "{id}");
    }
}

/// Foretells what this plugin would lead to, puts it in place, runs a cycle, and has both be the same.
async fn foretold_and_done(lab: &mut Lab, plugin: &str, octets: Vec<u8>) -> (PluginPreview, CycleReport) {
    let requests = lab.tenant.counters().total();
    let foretelling = foretell(lab, plugin, octets.clone()).await;
    let again = foretell(lab, plugin, octets.clone()).await;
    assert_eq!(foretelling, again, "a preview changes nothing for the next");
    assert_eq!(lab.tenant.counters().total(), requests, "nobody is asked");
    assert_eq!(lab.sync().await.evaluated, 0, "and nothing for the rules in force");
    put(lab, plugin, &octets).await;
    let writes = lab.writes();
    let report = lab.sync().await;
    let follows = &foretelling.follows;
    assert_same(&foretold(&follows.first), &done(lab, report.cycle).await);
    let mut operations = report.operations.clone();
    operations.remove("references");
    assert_eq!(follows.operations, operations);
    assert_eq!(follows.out_of_scope.values().sum::<u64>(), report.out_of_scope);
    assert_eq!(follows.held.values().sum::<u64>(), report.held);
    assert_eq!(follows.would_stop, None);
    // References that wait for one another may take requests of their own.
    let (waited, writes) = (report.operations.get("references").copied().unwrap_or_default(), lab.writes() - writes);
    assert!(follows.writes <= writes && writes - follows.writes <= waited, "{} of {writes}", follows.writes);
    let mut counts = BTreeMap::<String, u64>::new();
    for change in follows.first.iter().flat_map(|planned| &planned.changes) {
        *counts.entry(change.path.clone()).or_default() += 1;
    }
    assert_eq!(follows.attributes, counts);
    assert_eq!(lab.sync().await.evaluated, 0);
    (foretelling, report)
}

fn people() -> Directory {
    let mut directory = Directory::of(1..=60).with_group(500, 1..=12).with_group(501, [1, 30, 40]).with_group(502, [3]);
    directory.group(501).groups.insert(500);
    for number in 20..30 {
        directory.person(number).manager = Some(number + 20);
    }
    directory
}

const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";

#[tokio::test(flavor = "multi_thread")]
async fn changed_values_are_foretold() {
    let mut lab =
        lab(people(), "suffix = \"@old\", writes = \"title\"", "suffix = \"@new\", writes = \"title\"", "").await;
    lab.sync().await;
    let (foretelling, _) = foretold_and_done(&mut lab, "guest", guest(b'2')).await;
    assert_eq!(foretelling.attributes, [("userName".to_owned(), 60)].into());
    assert_eq!((foretelling.evaluated, foretelling.unchanged), (67, 7), "groups and units stay as they are");
    assert_eq!(foretelling.follows.operations, [("update".to_owned(), 60)].into());
    assert!(foretelling.decisions.is_empty() && foretelling.reasons.is_empty(), "{foretelling:?}");
    let ids: BTreeSet<&str> = foretelling.first.iter().map(|difference| difference.id.as_str()).collect();
    assert_eq!(ids.len(), 60);
    assert_eq!(lab.held().0[&uuid(7)].0, "u7@new");
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_filter_drops_leaves_and_is_taken_out_of_groups_and_from_reports() {
    // u1, who is everybody's manager, and u10 to u19.
    for (more, operation, left) in [
        ("[safety]\ndelete-threshold = { count = 12 }\n", "disable", 60),
        ("[leaving]\nout-of-scope = \"delete\"\n[safety]\ndelete-threshold = { count = 12 }\n", "delete", 49),
        ("[leaving]\nout-of-scope = \"keep\"\n", "release", 60),
    ] {
        let mut lab = lab(people(), "drops-all = \"nobody\"", "drops-all = \"u1\"", more).await;
        lab.sync().await;
        let (foretelling, _) = foretold_and_done(&mut lab, "guest", guest(b'2')).await;
        let follows = &foretelling.follows;
        assert_eq!(follows.operations[operation], 11, "{more}");
        assert_eq!(foretelling.decisions, [("provisioned to out of scope".to_owned(), 11)].into());
        assert_eq!(foretelling.reasons, [("unwanted".to_owned(), 11)].into());
        assert_eq!(follows.attributes["members"], 2, "the groups that had them, though nothing differs for them");
        assert!(follows.attributes[MANAGER] > 30, "{follows:?}");
        assert_eq!(lab.held().0.len(), left);
        if operation == "release" {
            continue;
        }
        // Back again: those that were dropped are created, or enabled, and referred to.
        let (foretelling, _) = foretold_and_done(&mut lab, "guest", guest(b'1')).await;
        assert_eq!(foretelling.decisions, [("out of scope to provisioned".to_owned(), 11)].into());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn references_that_a_rule_makes_and_takes_are_foretold() {
    // Without the rule for people no manager is sent but by the guest.
    let guest_alone = |first: &str, second: &str| {
        format!(
            "[[rules]]\nplugin = \"guest\"\nconfig = {{ {first}, second = {{ {second} }} }}\n[[rules]]\nplugin = \"groups\"\n"
        )
    };
    let rules = guest_alone("manager = true", "manager = true, excludes = \"u4\"");
    let mut lab = Lab::with_settings(people(), &rules).await;
    put(&mut lab, "guest", &guest(b'1')).await;
    lab.sync().await;
    // u4 and u40 to u49, the managers of u20 to u29 among them, leave and come back.
    let (foretelling, _) = foretold_and_done(&mut lab, "guest", guest(b'2')).await;
    assert_eq!(foretelling.follows.operations, [("disable".to_owned(), 11), ("update".to_owned(), 12)].into());
    assert_eq!(foretelling.follows.attributes[MANAGER], 10);
    foretold_and_done(&mut lab, "guest", guest(b'1')).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn references_by_a_value_that_nobody_was_looked_for_by_before_are_foretold() {
    let first = "manager = true, reads = \"title\"";
    let rules =
        format!("[[rules]]\nplugin = \"guest\"\nconfig = {{ {first}, second = {{ manager-by-title = true }} }}\n");
    let mut directory = Directory::of(1..=300);
    for number in 1..=300 {
        directory.person(number).title = format!("U{}", number % 300 + 1);
    }
    let mut lab = Lab::with_settings(directory, &rules).await;
    put(&mut lab, "guest", &guest(b'1')).await;
    lab.sync().await;
    let (foretelling, _) = foretold_and_done(&mut lab, "guest", guest(b'2')).await;
    // The manager of the last one is the first one, as before.
    assert_eq!(foretelling.follows.attributes, [(MANAGER.to_owned(), 299)].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn unique_names_are_foretold_and_given_so() {
    let rules = "[[rules]]\nplugin = \"guest\"\nconfig = { second = { unique = \"user\" } }\n";
    let mut lab = Lab::with_settings(Directory::of(1..=40), rules).await;
    put(&mut lab, "guest", &guest(b'1')).await;
    lab.sync().await;
    let (foretelling, _) = foretold_and_done(&mut lab, "guest", guest(b'2')).await;
    assert_eq!(foretelling.follows.operations, [("update".to_owned(), 40)].into());
    assert!(
        foretelling.first[0].changes[0].new.as_ref().unwrap().ends_with("(provisional)"),
        "{:?}",
        foretelling.first[0]
    );
    let names: BTreeSet<String> = lab.held().0.into_values().map(|user| user.0).collect();
    assert_eq!(names, (0..40).map(|number| format!("user{number}")).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_included_again_is_created_or_joined() {
    let mut lab = lab(people(), "excludes = \"u5\"", "excludes = \"nobody\"", "").await;
    lab.sync().await;
    // The target has one of them by our anchor, of which the host does not know.
    let known = format!(
        r#"{{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"u55","externalId":"{}"}}"#,
        uuid(55)
    );
    lab.elsewhere("POST", "/Users", &known);
    let foretelling = foretell(&mut lab, "guest", guest(b'2')).await;
    put(&mut lab, "guest", &guest(b'2')).await;
    let report = lab.sync().await;
    assert_eq!(foretelling.follows.operations["create"], 11);
    assert_eq!((report.operations["create"], report.operations["join"]), (10, 1));
    let (mut foretold, done) = (foretold(&foretelling.follows.first), done(&mut lab, report.cycle).await);
    // What is joined gets what it does not have yet; the others get all.
    let (joined, created) = (&done[&uuid(55)], foretold.remove(&uuid(55)).unwrap());
    assert_eq!(joined.0, "join");
    assert!(joined.1.keys().all(|path| created.1.contains_key(path)), "{joined:?}");
    foretold.insert(uuid(55), joined.clone());
    assert_same(&foretold, &done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_threshold_that_would_stop_the_cycle_is_told_and_does() {
    let mut lab = lab(people(), "drops-all = \"nobody\"", "drops-all = \"u\"", "").await;
    lab.sync().await;
    let foretelling = foretell(&mut lab, "guest", guest(b'2')).await;
    let words = foretelling.follows.would_stop.unwrap();
    assert!(!words.contains("provisor preview") && words.contains("put the plugin in place"), "{words}");
    assert!(words.contains("disable 60"), "{words}");
    put(&mut lab, "guest", &guest(b'2')).await;
    let writes = lab.writes();
    let stopped = lab.try_sync(CycleRequest::default()).await.unwrap_err().to_string();
    let (what, _) = words.split_once(" If it is meant").unwrap();
    assert!(stopped.starts_with(what), "{stopped}");
    assert_eq!(lab.writes(), writes);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_or_pending_is_foretold_with_the_rest() {
    let settings = ("suffix = \"\"", "suffix = \"\", fault = \"outside-contract\", only = \"u7\"");
    let mut lab = lab(people(), settings.0, settings.1, "").await;
    lab.sync().await;
    let foretelling = foretell(&mut lab, "guest", guest(b'2')).await;
    assert_eq!(foretelling.decisions, [("provisioned to held".to_owned(), 1)].into());
    assert_eq!(foretelling.follows.held, [("plugin-contract".to_owned(), 1)].into());
    assert!(foretelling.follows.operations.is_empty(), "{foretelling:?}");
    put(&mut lab, "guest", &guest(b'2')).await;
    let report = lab.sync().await;
    assert_eq!((report.outcome, report.held), (CycleOutcome::CompletedWithFailures, 1));
    assert!(report.operations.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_for_more_is_previewed_and_said_to_wait() {
    let mut lab = lab(people(), "suffix = \"\"", "writes = \"nickName\", reads = \"employeeType\"", "").await;
    lab.sync().await;
    let foretelling = foretell(&mut lab, "guest", guest(b'2')).await;
    assert_eq!(foretelling.more, ["reads employeeType", "writes nickName"]);
    assert!(foretelling.waits.as_ref().unwrap().contains("plugin approve guest"), "{foretelling:?}");
    assert_eq!(foretelling.unread, ["employeeType"]);
    assert_eq!(foretelling.follows.attributes, [("nickName".to_owned(), 60)].into());
    put(&mut lab, "guest", &guest(b'2')).await;
    let writes = lab.writes();
    assert_eq!(lab.sync().await.evaluated, 0, "it waits, as was said");
    assert_eq!(lab.writes(), writes);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gate_refuses_or_the_configuration_does_not_use_is_not_previewed() {
    let mut lab = lab(people(), "suffix = \"\"", "suffix = \"\"", "").await;
    lab.sync().await;
    let mut refused = async |plugin: &str, octets: Vec<u8>| {
        lab.pipeline.preview_plugin(plugin, octets, ALL, &CycleWatch::new()).await.unwrap_err().to_string()
    };
    let words = refused("guest", b"not wasm".to_vec()).await;
    assert!(words.contains("not a WebAssembly component"), "{words}");
    let words = refused("people-2", guest(b'2')).await;
    assert!(words.contains("no plugin \"people-2\"") && words.contains("people, groups, guest"), "{words}");
    let words = refused("guest", fs::read(provisor_tests::installed::plugin("people").unwrap()).unwrap()).await;
    assert!(words.contains("config"), "{words}");
}
