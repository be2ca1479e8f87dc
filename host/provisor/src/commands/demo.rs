//! `provisor demo`: three companies merge into one tenant, all embedded, with a rule to edit while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use provisor_sync::{CycleOutcome, CycleReport, HostSettings, LogLevel, Logging};
use provisor_tenant::{Kind, Storage, Tenant, TenantOptions};
use serde::Serialize;
use serde_json::Value as Json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::preview::show_plugin;
use crate::cli::{Demo, Global};
use crate::data_folder::DataFolder;
use crate::demo::{COMPANIES, DemoFolder};
use crate::failure::{Failure, Status};
use crate::first_party;
use crate::host::{Event, Host};
use crate::logging;
use crate::output::{Output, counts, table};
use crate::process::StopSignals;
use crate::socket;

/// Where the rule stands in the project.
const RULE: &str = "examples/three-labs/rule";

/// How long the three first cycles may take altogether.
const PATIENCE: Duration = Duration::from_secs(300);

/// How many first cycles may fail before the demo gives up.
const ATTEMPTS: usize = 5;

/// What the demo has come to.
#[derive(Serialize)]
struct Summary {
    folder: PathBuf,
    tenant: String,
    companies: Vec<CompanySummary>,
    users: usize,
    groups: usize,
    sample: Vec<Sample>,
}

#[derive(Serialize)]
struct CompanySummary {
    name: String,
    people: usize,
    groups: usize,
    cycle: CycleReport,
}

#[derive(Serialize)]
struct Sample {
    user_name: String,
    display_name: String,
    title: String,
    department: String,
    manager: String,
}

/// Runs the demo: with `--once` until all is provisioned, else until Ctrl-C.
pub async fn run(demo: Demo, global: &Global, output: Output) -> Result<Status, Failure> {
    let level = global.log_level.unwrap_or(LogLevel::Warn);
    logging::start(Logging { level, format: global.log_format.unwrap_or_default() });
    if first_party::DEMO.is_empty() || first_party::FIRST_PARTY.is_empty() {
        return Err(Failure::usage(
            "this provisor was built without the plugins that the demo shows. Run: cargo xtask demo",
        ));
    }
    let mut signals = StopSignals::take_over()?;
    let folder = DemoFolder::make(&demo.folder.map_or_else(usual_folder, Ok)?)?;
    let options =
        TenantOptions { token: Some(folder.token().to_owned()), storage: Storage::Memory, ..TenantOptions::default() };
    let tenant =
        Tenant::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), options).await.map_err(anyhow::Error::from)?;
    folder.configure(&tenant.url())?;
    output.say(&format!("Three companies merge into one tenant. Their files are in {}.\n", folder.shown()));
    let settings = HostSettings::read(&folder.file("provisor.toml"))?;
    let socket = settings.socket();
    let host = Host::start(settings.clone(), DataFolder::take(&settings.data_folder)?, true).await?;
    let mut events = host.events();
    let server = tokio::spawn(socket::serve(&socket, Arc::clone(&host))?);
    let status = tokio::select! {
        () = signals.next() => Ok(Status::Done),
        status = show(&folder, &tenant, &mut events, demo.once, output) => status,
    };
    output.say("\nStopping.");
    tokio::select! {
        () = host.stop() => {}
        () = signals.next() => {}
    }
    server.abort();
    socket::remove(&socket);
    tenant.stop().await;
    status
}

/// The folder where none is named: the project's own, else a new one for temporary files.
fn usual_folder() -> Result<PathBuf, Failure> {
    if Path::new(RULE).is_dir() {
        return Ok(PathBuf::from("target/demo"));
    }
    // Its name is nobody's to guess, and it stays for the user to look at.
    Ok(tempfile::Builder::new().prefix("provisor-demo-").tempdir()?.keep())
}

/// How this program is called from here.
fn program() -> String {
    let shown = |program: PathBuf| {
        let here = std::env::current_dir().ok();
        let relative = here.and_then(|here| program.strip_prefix(here).ok().map(Path::to_owned));
        relative.unwrap_or(program).display().to_string()
    };
    std::env::current_exe().map_or_else(|_| "provisor".into(), shown)
}

/// Waits for the first cycles, prints the summary, and then tells what happens.
async fn show(
    folder: &DemoFolder,
    tenant: &Tenant,
    events: &mut Receiver<Event>,
    once: bool,
    output: Output,
) -> Result<Status, Failure> {
    let first = tokio::time::timeout(PATIENCE, first_cycles(events, output));
    let cycles = first.await.map_err(|_| {
        Failure::failed("the first cycles have not ended in five minutes. Look at the log with --log-level info")
    })??;
    let failed = cycles.values().any(|cycle| cycle.outcome != CycleOutcome::Completed);
    let summary = summary(folder, tenant, cycles)?;
    output.print(&summary, |summary| show_summary(summary, folder, once))?;
    if once {
        return Ok(if failed { Status::ObjectsFailed } else { Status::Done });
    }
    output.say(&what_to_try(folder));
    loop {
        match events.recv().await {
            Ok(event) => tell(event, output),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return Ok(Status::Done),
        }
    }
}

/// The first cycle of each company. One that fails in passing, as when another company's cycle changes the tenant under
/// its hands, is tried again by the host itself.
async fn first_cycles(events: &mut Receiver<Event>, output: Output) -> Result<BTreeMap<String, CycleReport>, Failure> {
    let mut waiting: BTreeSet<&str> = COMPANIES.iter().map(|company| company.name).collect();
    let mut cycles = BTreeMap::new();
    let mut attempts = 0;
    while !waiting.is_empty() {
        match events.recv().await {
            Ok(Event::Cycle(report)) if waiting.remove(report.configuration.as_str()) => {
                cycles.insert(report.configuration.clone(), *report);
            }
            Ok(Event::Failed { configuration, error }) => {
                attempts += 1;
                if attempts == ATTEMPTS {
                    return Err(Failure::failed(format!("{configuration}: {error}")));
                }
                output.say(&format!("{configuration}: {error}. The host tries again by itself."));
            }
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return Err(Failure::failed("the host has ended before its first cycles")),
        }
    }
    Ok(cycles)
}

fn summary(
    folder: &DemoFolder,
    tenant: &Tenant,
    mut cycles: BTreeMap<String, CycleReport>,
) -> Result<Summary, Failure> {
    let users = tenant.resources(Kind::User).map_err(anyhow::Error::from)?;
    let companies = COMPANIES.iter().filter_map(|company| {
        let cycle = cycles.remove(company.name)?;
        Some(CompanySummary { name: company.title.to_owned(), people: company.people, groups: company.groups(), cycle })
    });
    Ok(Summary {
        folder: folder.file(""),
        tenant: tenant.url(),
        companies: companies.collect(),
        users: users.len(),
        groups: tenant.count(Kind::Group).map_err(anyhow::Error::from)?,
        sample: sample(&users),
    })
}

/// Some users from all over the listing.
fn sample(users: &[Json]) -> Vec<Sample> {
    const ROWS: usize = 9;
    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let text = |value: Option<&Json>| value.and_then(Json::as_str).unwrap_or_default().to_owned();
    let names: BTreeMap<&str, &Json> =
        users.iter().filter_map(|user| Some((user.get("id")?.as_str()?, user))).collect();
    let row = |user: &Json| {
        let enterprise = user.get(ENTERPRISE);
        let manager =
            enterprise.and_then(|part| part.get("manager")?.get("value")?.as_str()).and_then(|id| names.get(id));
        Sample {
            user_name: text(user.get("userName")),
            display_name: text(user.get("displayName")),
            title: text(user.get("title")),
            department: text(enterprise.and_then(|part| part.get("department"))),
            manager: text(manager.and_then(|manager| manager.get("displayName"))),
        }
    };
    users.iter().step_by((users.len() / ROWS).max(1)).take(ROWS).map(row).collect()
}

/// The summary, and what to look at: with `once` the tenant is stopped behind it, and only the files stay.
fn show_summary(summary: &Summary, folder: &DemoFolder, once: bool) -> String {
    let companies = summary.companies.iter().map(|company| {
        let seconds = (company.cycle.ended - company.cycle.started) as f64 / 1000.0;
        let failed = company.cycle.failed + company.cycle.held;
        [
            company.name.clone(),
            company.people.to_string(),
            company.groups.to_string(),
            counts(&company.cycle.operations),
            failed.to_string(),
            format!("{seconds:.1} s"),
        ]
    });
    let mut text = table(["company", "people", "groups", "first cycle", "failed or held", "took"], companies);
    text += &format!("\n\nThe tenant now has {} users and {} groups. Some of them:\n\n", summary.users, summary.groups);
    let sample = summary.sample.iter().map(|user| {
        [&user.user_name, &user.display_name, &user.title, &user.department, &user.manager].map(String::clone)
    });
    text += &table(["userName", "displayName", "title", "department", "manager"], sample);
    let shown = folder.shown();
    text += "\n\nLook at it yourself:\n";
    let follows = if once { "" } else { "; change it, and the next cycle follows" };
    if !once {
        text += &format!("  curl --config {shown}/curl.conf '{}/Users?count=3'\n", summary.tenant);
    }
    text += &format!(
        "  {shown}/lab01.ldif                  a directory{follows}\n  \
         {shown}/configurations/lab01.toml   its configuration\n"
    );
    text
}

fn what_to_try(folder: &DemoFolder) -> String {
    let (shown, program) = (folder.shown(), program());
    format!(
        "\nNow change a rule. Edit the marked line of\n  {RULE}/src/lib.rs\nand rebuild it, in another terminal, into the running demo:\n  \
         cargo xtask plugins --path {RULE} --into {shown}/plugins\n\n\
         Other commands work while it runs:\n  \
         {program} --config {shown}/provisor.toml status\n  \
         {program} --config {shown}/provisor.toml log lab01 --limit 5\n\n\
         Ctrl-C ends the demo.\n"
    )
}

/// What happened, where something did.
fn tell(event: Event, output: Output) {
    match event {
        Event::Update(preview) => {
            output.say(&format!("\nThe rule has changed. What the new one would do:\n{}", show_plugin(&preview)))
        }
        Event::PluginsChanged(plugins) => {
            for plugin in plugins {
                output.say(&match plugin.reason {
                    Some(reason) => {
                        format!("\nThe new {} is refused, and the last good one stays in force: {reason}", plugin.name)
                    }
                    None => format!("\nThe new {} is in force.", plugin.name),
                });
            }
        }
        Event::Cycle(report) if !report.operations.is_empty() || report.failed + report.held > 0 => {
            let failed = report.failed + report.held;
            let failures = if failed > 0 { format!("; {failed} failed or held") } else { String::new() };
            output.say(&format!("{}: done: {}{failures}", report.configuration, counts(&report.operations)));
        }
        Event::Failed { configuration, error } => output.say(&format!("{configuration}: {error}")),
        Event::Cycle(_) => {}
    }
}
