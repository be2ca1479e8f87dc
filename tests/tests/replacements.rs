//! A running agent whose rule is replaced again and again while its cycles run. With `PROVISOR_SOAK` 1,000 times over
//! 20,000 people, else in a short form.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use provisor_tenant::{Kind, Tenant, TenantOptions};
use provisor_tests::daemon::Daemon;
use provisor_tests::{installed, rebuilt_people, wait_until_async};
use support::{Agent, TOKEN};

/// How long anything here is waited for.
const LIMIT: Duration = Duration::from_secs(300);
/// The most that the agent may grow, in octets: the engine keeps some memories of ended instances, of 2 MiB at most each.
const GROWTH: usize = 96 << 20;
/// Handles that come and go: connections to the target, files of the store.
const COMING_AND_GOING: usize = 16;

/// How often the rule is replaced, over how many people, and after how many writes each.
fn extent() -> (usize, usize, u64) {
    if std::env::var_os("PROVISOR_SOAK").is_some() { (1000, 20_000, 400) } else { (30, 200, 60) }
}

/// The numbers in a text, as the rule writes them.
fn numbers(text: &str) -> impl Iterator<Item = usize> + '_ {
    text.split(|character: char| !character.is_ascii_digit())
        .filter(|word| word.len() == 5)
        .map(|word| word.parse().unwrap())
}

/// The generations that decided about who is in the tenant.
fn generations(tenant: &Tenant) -> BTreeSet<usize> {
    let users = tenant.resources(Kind::User).unwrap();
    users.iter().flat_map(|user| numbers(&user["emails"].to_string()).collect::<Vec<_>>()).collect()
}

/// The memory of a process that is in use, in octets, and its handles.
fn held_by(process: u32) -> (usize, usize) {
    let pages = fs::read_to_string(format!("/proc/{process}/statm")).unwrap();
    let resident = pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096;
    (resident, fs::read_dir(format!("/proc/{process}/fd")).unwrap().count())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_replaced_while_cycles_run_decides_whole_cycles_and_leaves_nothing_behind() {
    let (replacements, people, writes) = extent();
    let options = TenantOptions { token: Some(TOKEN.to_owned()), ..TenantOptions::default() };
    let tenant = Tenant::bind(([127, 0, 0, 1], 0).into(), options).await.unwrap();
    let agent = Agent::new(&format!(
        "interval = \"1d\"\n[source]\nkind = \"ldif\"\nfile = \"lab.ldif\"\n[target]\nkind = \"scim\"\nurl = \"{}\"\n\
         token = {{ file = \"token\" }}\n[[rules]]\nplugin = \"people\"\n",
        tenant.url()
    ));
    let mut ldif = "version: 1\n".to_owned();
    for number in 0..people {
        write!(
            ldif,
            "\ndn: uid=p{number},dc=lab\nobjectClass: inetOrgPerson\nuid: p{number}\ncn: P\nsn: P\nmail: a@lab.test\n\
             mail: b@lab.test\nentryUUID: 00000000-0000-4000-8000-{number:012x}\n"
        )
        .unwrap();
    }
    fs::write(agent.path("configurations/lab.ldif"), ldif).unwrap();
    let whole = fs::read(installed::plugin("people").unwrap()).unwrap();
    let put = |number: usize| {
        fs::write(agent.path("plugins/people.next"), rebuilt_people(&whole, number).unwrap()).unwrap();
        fs::rename(agent.path("plugins/people.next"), agent.path("plugins/people.wasm")).unwrap();
    };
    put(0);
    let log = agent.path("log");
    let answers = || agent.run(&["status"]).status.success();
    let host = Daemon::start(&mut agent.command(&["run"]), &log, answers).unwrap();

    let (began, mut warm, mut most) = (Instant::now(), None, 0);
    for number in 1..=replacements {
        let before = tenant.counters().changes;
        put(number);
        wait_until_async("writes of a cycle", LIMIT, async || tenant.counters().changes >= before + writes)
            .await
            .unwrap();
        // To look at everybody takes as long as to write to many.
        if number % (replacements / 30) == 0 {
            most = most.max(generations(&tenant).len());
        }
        if number == replacements / 5 {
            warm = Some(held_by(host.pid()));
        }
    }
    let last = BTreeSet::from([replacements]);
    wait_until_async("the last one to decide about everybody", LIMIT, async || generations(&tenant) == last)
        .await
        .unwrap();
    assert_eq!(tenant.count(Kind::User).unwrap(), people);
    // Who is being written to has the one before or the present one: no cycle began before the last had ended.
    assert!(most <= 2, "{most} generations at a time");

    let (memory, handles) = warm.unwrap();
    let (memory_now, handles_now) = held_by(host.pid());
    let said = fs::read_to_string(&log).unwrap();
    let cycles = said.matches("cycle completed").count();
    println!(
        "{replacements} replacements in {:.1} s, {cycles} cycles over {people} people; memory {} MiB, then {} MiB; handles \
         {handles}, then {handles_now}",
        began.elapsed().as_secs_f64(),
        memory >> 20,
        memory_now >> 20,
    );
    assert!(!said.contains("ERROR") && !said.contains("WARN"), "{said}");
    assert!(cycles > 2, "{said}");
    assert!(memory_now < memory + GROWTH, "{memory} octets became {memory_now}");
    assert!(handles_now <= handles + COMING_AND_GOING, "{handles} handles became {handles_now}");

    if people < 1000 {
        let updates = agent.json(&["log", "lab", "--operation", "update", "--limit", "10000"]);
        let mut by_cycle: BTreeMap<i64, BTreeSet<usize>> = BTreeMap::new();
        for record in updates["records"].as_array().unwrap() {
            let new = record["changes"].as_array().unwrap().iter().filter_map(|change| change["new"].as_str());
            by_cycle.entry(record["cycle"].as_i64().unwrap()).or_default().extend(new.flat_map(numbers));
        }
        assert!(by_cycle.len() > 2, "{by_cycle:?}");
        assert!(by_cycle.values().all(|decided| decided.len() == 1), "{by_cycle:?}");
    }
    assert!(host.terminate().unwrap().success());
    tenant.stop().await;
}
