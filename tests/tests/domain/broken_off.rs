//! Imports that break off, wherever they stand: nothing follows from what came, and nobody loses a membership by it.

use std::collections::BTreeSet;
use std::fs;
use std::process::Output;

use provisor_tenant::Tenant;
use provisor_tests::controller::SYNC_PASSWORD;
use provisor_tests::{Class, ControllerDouble, ControllerOptions, Fault, Guid, Replica, RequestKind};
use serde_json::json;

use super::{agent, oracle, target, tenant};
use crate::support::Agent;

/// How a controller answers here: with a few results each time, and a few members in each.
const RESULTS: usize = 5;
const MEMBERS: usize = 3;

/// The rules, without what the double's schema does not have. No threshold is to stop what a test looks for.
const RULES: &str = "[[rules]]\nplugin = \"ad-users\"\n[rules.config]\nmade-from-cloud = \"\"\ndivision = \"\"\n\
                     name = { middle = \"\" }\nphones = { work = [], mobile = [], home = [], fax = [], pager = [] }\n\
                     [[rules]]\nplugin = \"ad-groups\"\n[rules.config]\nmade-from-cloud = \"\"\n\
                     [safety]\nmember-threshold = { count = 100000, percent = 100 }\n";

/// A domain, the tenant, and the agent between them.
struct Lab {
    controller: ControllerDouble,
    tenant: Tenant,
    agent: Agent,
    people: Vec<Guid>,
    groups: Vec<Guid>,
    /// In how many answers all came: the objects first, and behind them who is a member of which.
    answers: usize,
}

impl Lab {
    /// A domain that was read to its end once.
    async fn begin() -> Self {
        let controller = ControllerDouble::start(&ControllerOptions::default()).unwrap();
        controller.behave(|behaviour| (behaviour.dirsync_page, behaviour.dirsync_values) = (RESULTS, MEMBERS));
        let (people, groups) = controller.change(fill).unwrap();
        let tenant = tenant().await;
        let agent = agent(&format!(
            "[source]\nkind = \"active-directory\"\nurl = \"{}\"\nca = \"{}\"\nbind-dn = \"{}\"\n\
             password = {{ file = \"password\" }}\n[scope]\norganizational-units = [\"OU=staff,{}\"]\n{}{RULES}",
            controller.tls_url(),
            controller.ca_file().display(),
            controller.account(),
            controller.base(),
            target(&tenant)
        ));
        agent.secret("password", SYNC_PASSWORD);
        let report = agent.json(&["sync", "lab"]);
        assert_eq!(report["operations"]["create"], json!(people.len() + groups.len()), "{report}");
        let asked = controller.take_asked();
        let answers = asked.iter().filter(|asked| asked.kind == RequestKind::DirSync).count();
        let lab = Self { controller, tenant, agent, people, groups, answers };
        lab.compare("at first");
        lab.rest("at first");
        lab
    }

    /// From this answer on the controller hangs up instead, however often it is asked.
    fn break_off_at(&self, answer: usize) {
        (answer..answer + 10)
            .for_each(|answer| self.controller.fault(RequestKind::DirSync, answer, Fault::HangUpAfter(0)));
    }

    /// Each group of the tenant's has precisely the members that the domain's has.
    fn compare(&self, what: &str) {
        let held = oracle::held(&self.tenant);
        assert_eq!(held.len(), self.people.len() + self.groups.len(), "{what}");
        for group in &self.groups {
            let listed = |domain: &mut Replica| -> BTreeSet<String> {
                domain.linked(*group, "member").map(|member| member.to_string()).collect()
            };
            let members = self.controller.change(listed);
            assert_eq!(held[&group.to_string()]["members"], json!(members), "{what}");
        }
    }

    /// A cycle in which nothing changed asks the tenant nothing.
    fn rest(&self, what: &str) {
        let before = self.tenant.counters().total();
        let report = self.agent.json(&["sync", "lab"]);
        assert_eq!(report["requests"], json!({ "reads": 0, "writes": 0 }), "{what}: {report}");
        assert_eq!(self.tenant.counters().total(), before, "{what}: {report}");
    }
}

/// People, groups of them, and a group within another.
fn fill(domain: &mut Replica) -> anyhow::Result<(Vec<Guid>, Vec<Guid>)> {
    let staff = domain.add(domain.domain(), Class::Unit, "staff", &[])?;
    let person = |number: usize| domain.add(staff, Class::User, &format!("u{number}"), &[]);
    let people: Vec<Guid> = (0..12).map(person).collect::<anyhow::Result<_>>()?;
    let group = |number: usize| domain.add(staff, Class::Group, &format!("g{number}"), &[]);
    let groups: Vec<Guid> = (0..4).map(group).collect::<anyhow::Result<_>>()?;
    for (place, group) in groups.iter().enumerate() {
        domain.link_all(*group, "member", &people[place..place + 5])?;
    }
    domain.link(groups[0], "member", groups[1])?;
    Ok((people, groups))
}

/// Somebody becomes a member, and an import of everything breaks off: at each of its answers in turn.
async fn breaks_off(import: impl Fn(&Agent) -> Output) {
    let lab = Lab::begin().await;
    let least = (lab.people.len() + lab.groups.len()).div_ceil(RESULTS);
    assert!(lab.answers > least + 1, "members come behind the objects: {}", lab.answers);
    // The last first: by then the groups have come, and not all of their members.
    for answer in (0..lab.answers).rev() {
        let what = format!("it broke off at answer {answer}");
        let (group, person) = (lab.groups[answer % 3], lab.people[11 - answer / 3]);
        lab.controller.change(|domain| domain.link(group, "member", person)).unwrap();
        let (held, changes) = (oracle::held(&lab.tenant), lab.tenant.counters().changes);

        lab.break_off_at(answer);
        let output = import(&lab.agent);
        let said = String::from_utf8_lossy(&output.stderr);
        let clear =
            [&lab.controller.tls_url(), "the server closed the connection"].iter().all(|word| said.contains(*word));
        assert!(output.status.code() == Some(1) && clear, "{what}: {said}");
        assert!(lab.tenant.counters().changes == changes && oracle::held(&lab.tenant) == held, "{what}");

        lab.controller.clear_faults();
        let report = lab.agent.json(&["sync", "lab"]);
        lab.compare(&what);
        assert_eq!(report["requests"]["writes"], json!(1), "the new member alone; {what}: {report}");
        // Where nothing came, the watermark is as good as before.
        assert_eq!(report["kind"], if answer == 0 { "incremental" } else { "initial" }, "{what}: {report}");
        lab.rest(&what);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_full_import_that_broke_off_nobody_loses_a_membership() {
    breaks_off(|agent| agent.run(&["sync", "lab", "--initial"])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_preview_of_other_rules_that_broke_off_nobody_loses_a_membership() {
    breaks_off(|agent| {
        // They read an attribute that was not read so far, and are taken back.
        let file = agent.path("configurations/lab.toml");
        let before = fs::read_to_string(&file).unwrap();
        fs::write(&file, before.replace("division = \"\"", "division = \"info\"")).unwrap();
        let output = agent.run(&["preview", "lab"]);
        fs::write(&file, before).unwrap();
        output
    })
    .await;
}
