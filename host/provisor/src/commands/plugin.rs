//! `provisor plugin`: the plugins and their state; a plugin through the load gate.

use std::path::Path;

use provisor_rules::{Inspection, Limits, PluginLimits, RulesError, Updates};
use serde_json::Value as Json;

use super::{Context, mismatch, settings, start_logging};
use crate::cli::Global;
use crate::failure::{Failure, Status};
use crate::first_party;
use crate::operation::{Answer, ApprovalLine, ApprovalReport, PluginLine, PluginReport, Request, Unbound, open_rules};
use crate::output::{Output, table};
use crate::user;

/// `provisor plugin list`.
pub async fn list(context: Context) -> Result<Status, Failure> {
    let Answer::Plugins(report) = context.perform(Request::Plugins).await? else { return Err(mismatch()) };
    context.output.print(&report, |report: &PluginReport| plugins_table(&report.plugins))?;
    Ok(Status::Done)
}

/// `provisor plugin approve`.
pub async fn approve(context: Context, plugin: String, configuration: Option<String>) -> Result<Status, Failure> {
    let by = user::name(nix::unistd::getuid());
    let request = Request::Approve { plugin, configuration, by };
    let Answer::Approved(report) = context.perform(request).await? else { return Err(mismatch()) };
    context.output.print(&report, approvals)?;
    Ok(Status::Done)
}

fn approvals(report: &ApprovalReport) -> String {
    let line = |approval: &ApprovalLine| {
        let ApprovalLine { configuration, plugin, version, hash, more, less } = approval;
        let hash: String = hash.chars().take(12).collect();
        let more = match more.as_slice() {
            [] => "it asks for no more than before".to_owned(),
            more => format!("it {}", more.join(", ")),
        };
        let less = match less.as_slice() {
            [] => String::new(),
            less => format!("; no longer it {}", less.join(", ")),
        };
        format!("{configuration}: {plugin} {version} ({hash}) is approved: {more}{less}\n")
    };
    let unbound =
        |unbound: &Unbound| format!("{} cannot use its rules yet: {}\n", unbound.configuration, unbound.reason);
    report.approvals.iter().map(line).chain(report.unbound.iter().map(unbound)).collect()
}

/// The plugins, a row each, and beneath why some are rejected and what they say that they do.
pub fn plugins_table(plugins: &[PluginLine]) -> String {
    if plugins.is_empty() {
        return format!(
            "there are no plugins. {}\n",
            first_party::missing_advice().unwrap_or("Put one into the plugins folder")
        );
    }
    let short = |hash: &Option<String>| hash.as_deref().map(|hash| hash.chars().take(12).collect()).unwrap_or_default();
    let row = |plugin: &PluginLine| {
        let from = match (&plugin.file, plugin.embedded) {
            (Some(file), _) => file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            (None, true) => "in the program".into(),
            (None, false) => "gone".into(),
        };
        let state = match (plugin.state.as_str(), &plugin.active) {
            (state @ ("rejected" | "missing"), Some(_)) => format!("{state}; the last good one is in force"),
            (state, _) => state.to_owned(),
        };
        [
            plugin.name.clone(),
            plugin.version.clone().unwrap_or_default(),
            short(&plugin.hash),
            plugin.kinds.join(", "),
            state,
            from,
            plugin.bound_by.join(", "),
            plugin.usage.asked.to_string(),
            plugin.usage.recalled.to_string(),
            plugin.faults.to_string(),
        ]
    };
    let header = ["plugin", "version", "hash", "kinds", "state", "from", "used by", "asked", "known", "faults"];
    let mut text = table(header, plugins.iter().map(row));
    text.push('\n');
    for plugin in plugins {
        if let Some(reason) = &plugin.reason {
            text += &format!("{} is rejected: {reason}\n", plugin.name);
        }
        for told in &plugin.summaries {
            text += &format!("{} in {}: {}\n", plugin.name, told.configuration, told.summary);
        }
    }
    let mut by_limits: Vec<(&PluginLine, Vec<&str>)> = Vec::new();
    for plugin in plugins {
        match by_limits.iter_mut().find(|(known, _)| known.limits == plugin.limits) {
            Some((_, names)) => names.push(&plugin.name),
            None => by_limits.push((plugin, vec![&plugin.name])),
        }
    }
    for (PluginLine { limits, stack, .. }, names) in by_limits {
        let stack = stack >> 10;
        text += &format!("limits of {}: {}; stack {stack} KiB\n", names.join(", "), limits_in_words(limits));
    }
    text
}

/// How far a plugin may go, in one line.
fn limits_in_words(limits: &Limits) -> String {
    let mib = |octets: u64| octets.div_ceil(1 << 20);
    format!(
        "memory {} MiB, {} table elements, {} instances, {} handles; {:?} a call and {:?} an entry; output {} MiB; log {} \
         lines, {} octets a call and {} lines, {} octets a cycle; file {} MiB, {} functions, {:?} to compile; {} faults a cycle",
        mib(limits.memory as u64),
        limits.table_elements,
        limits.instances,
        limits.handles,
        limits.call_time,
        limits.entry_time,
        mib(limits.output_octets as u64),
        limits.log_lines,
        limits.log_octets,
        limits.log_lines_per_cycle,
        limits.log_octets_per_cycle,
        mib(limits.component_octets),
        limits.functions,
        limits.compile_time,
        limits.faults_per_cycle,
    )
}

/// `provisor plugin check`: needs no host and no data folder.
pub async fn check(plugin: &str, config: Option<&Path>, global: &Global, output: Output) -> Result<Status, Failure> {
    start_logging(global, provisor_sync::Logging::default());
    let config = config.map(read_config).transpose()?;
    let scratch = tempfile::tempdir()?;
    let is_file = plugin.contains('/') || Path::new(plugin).extension().is_some_and(|end| end == "wasm");
    let settings = settings(global);
    let folder = settings.as_ref().map_or_else(|_| "plugins".into(), |settings| settings.plugins_folder.clone());
    let limits = settings.as_ref().map_or_else(|_| PluginLimits::default(), |settings| settings.plugin_limits.clone());
    let what = match settings {
        // A name is that of a file in the configured folder, else of a plugin that the program carries.
        Ok(settings) if !is_file => {
            Some(settings.plugins_folder.join(format!("{plugin}.wasm"))).filter(|file| file.is_file())
        }
        _ => None,
    };
    let what = what.map_or_else(|| plugin.to_owned(), |file| file.display().to_string());
    let empty = scratch.path().join("plugins");
    std::fs::create_dir(&empty)?;
    let rules = open_rules(&empty, scratch.path(), limits, Updates::default()).await?;
    let inspected = tokio::task::spawn_blocking(move || match config {
        Some(config) => rules.inspect(&what, Some(&config)),
        // Many plugins do without settings; for the others the contract stays open.
        None => {
            rules.inspect(&what, Some(&Json::Object(serde_json::Map::new()))).or_else(|_| rules.inspect(&what, None))
        }
    });
    let inspected = inspected.await.map_err(anyhow::Error::from)?;
    match inspected {
        Ok(inspection) => {
            output.print(&inspection, show)?;
            Ok(Status::Done)
        }
        // It was looked for in a folder of this command's own.
        Err(RulesError::NoSuchPlugin { plugin, known, .. }) => Err(Failure::usage(format!(
            "there is no plugin \"{plugin}\": neither {} nor one that the program carries ({known}). Give the path of its file",
            folder.join(format!("{plugin}.wasm")).display()
        ))),
        // The command was used rightly: it is the plugin that failed.
        Err(error) => Err(Failure::failed(error.to_string())),
    }
}

/// A plugin's configuration from a TOML or JSON file.
fn read_config(file: &Path) -> Result<Json, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    if file.extension().is_some_and(|end| end == "json") {
        serde_json::from_str(&text).map_err(|error| wrong(&error))
    } else {
        toml::from_str(&text).map_err(|error| wrong(&error))
    }
}

fn show(inspection: &Inspection) -> String {
    let kinds: Vec<String> = inspection.kinds.iter().map(ToString::to_string).collect();
    let mut text = format!("{} {} ({})\n", inspection.name, inspection.version, kinds.join(", "));
    text += &format!("hash     {}\nimports  {}\n\n", inspection.hash, inspection.imports.join(", "));
    if inspection.cases > 0 {
        text += &format!("It passed the {} test cases that it carries.\n\n", inspection.cases);
    }
    text += &settings_table(&inspection.schema);
    let Some(contracts) = &inspection.contracts else {
        return text + "Its contract depends on its settings: give them with --plugin-config to see it.\n";
    };
    if let Some(filter) = &contracts.filter {
        text += &format!("As a filter of {} it reads {}.\n", classes(&filter.object_classes), reads(&filter.reads));
    }
    if let Some(mapping) = &contracts.mapping {
        let kind = mapping.resource_kind.as_ref().map_or_else(String::new, |kind| format!(" to {kind}"));
        text += &format!("As a mapping of {}{kind}\n", classes(&mapping.object_classes));
        text += &format!("  it reads             {}\n", reads(&mapping.reads));
        text += &format!("  of the resource      {}\n", reads(&mapping.resource_reads));
        let writes: Vec<&str> = mapping.writes.iter().map(|write| write.path.as_str()).collect();
        text += &format!("  it sets              {}\n", writes.join(", "));
    }
    if let Some(summary) = &inspection.summary {
        text += &format!("In its own words: {summary}\n");
    }
    text
}

/// The settings of a plugin, as its schema has them.
fn settings_table(schema: &Json) -> String {
    let Some(properties) = schema.get("properties").and_then(Json::as_object) else {
        return "It has no settings.\n".to_owned();
    };
    let required: Vec<&str> =
        schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
    let row = |(name, property): (&String, &Json)| {
        let default = match property.get("default") {
            _ if required.contains(&name.as_str()) => "required".to_owned(),
            Some(default) => default.to_string(),
            None => String::new(),
        };
        let description = property.get("description").and_then(Json::as_str).unwrap_or_default();
        // As many lines as the table has room for, not as many as its author wrote.
        let description: Vec<&str> = description.split_whitespace().collect();
        [name.clone(), default, description.join(" ")]
    };
    table(["setting", "default", "meaning"], properties.iter().map(row)) + "\n"
}

fn classes(classes: &[String]) -> String {
    if classes.is_empty() { "every object class".to_owned() } else { classes.join(", ") }
}

fn reads(reads: &[provisor_rules::ContractRead]) -> String {
    let names: Vec<&str> = reads.iter().map(|read| read.name.as_str()).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
