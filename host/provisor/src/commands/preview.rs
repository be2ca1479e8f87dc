//! `provisor preview`: what a cycle, or an updated plugin, would change.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::fcntl::OFlag;
use provisor_sync::{Follows, PlannedOperation, PluginPreview, PreviewReport};

use super::sync::requests;
use super::{Context, mismatch, plugin_name, show};
use crate::cli;
use crate::failure::{Failure, Status};
use crate::operation::{Answer, Request};
use crate::output::{counts, plain, table};

/// The largest plugin that is read, in octets.
const MAX_PLUGIN: u64 = 64 * 1024 * 1024;

/// Works out what would change, and shows it.
pub async fn run(context: Context, preview: cli::Preview) -> Result<Status, Failure> {
    let cli::Preview { name, stored, plugin, first } = preview;
    let first = usize::from(first);
    let request = match plugin {
        Some(file) => Request::PreviewPlugin {
            name,
            plugin: plugin_name(&file)?,
            component: STANDARD.encode(read(&file)?),
            first,
        },
        None => Request::Preview { name, stored, first },
    };
    match context.perform(request).await? {
        Answer::Preview(report) => context.output.print(&report, show_cycle)?,
        Answer::PluginPreview(report) => context.output.print(&*report, show_plugin)?,
        _ => return Err(mismatch()),
    }
    Ok(Status::Done)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let wrong = |reason: String| Failure::usage(format!("the plugin {} {reason}", file.display()));
    // Opening a pipe would wait for somebody to write to it.
    let opened = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(file);
    let opened = opened.map_err(|error| wrong(format!("cannot be opened: {error}")))?;
    if !opened.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err(wrong("is no regular file".into()));
    }
    let mut octets = Vec::new();
    opened.take(MAX_PLUGIN + 1).read_to_end(&mut octets).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if octets.len() as u64 > MAX_PLUGIN { Err(wrong("is larger than 64 MiB".into())) } else { Ok(octets) }
}

fn show_cycle(report: &PreviewReport) -> String {
    let mut text = format!(
        "{}: a cycle would carry out {}; {} of {} evaluated entries stay as they are\n",
        report.configuration,
        counts(&report.operations),
        report.unchanged,
        report.evaluated
    );
    if !report.asked_target && report.operations.contains_key("create") {
        text += "  the target was not asked: what it has already would be joined, not created\n";
    }
    for (what, numbers) in
        [("attributes", &report.attributes), ("out of scope", &report.out_of_scope), ("held", &report.held)]
    {
        if !numbers.is_empty() {
            text += &format!("  {what:<13}{}\n", counts(numbers));
        }
    }
    if report.requests.reads + report.requests.writes > 0 {
        text += &format!("  {:<13}about {}\n", "requests", requests(&report.requests));
    }
    for warning in &report.warnings {
        text += &format!("  warning: {warning}\n");
    }
    text += &operations(&report.first);
    if let Some(reason) = &report.would_stop {
        text += &format!("\na cycle would stop before its first write: {reason}\n");
    }
    text
}

/// Operations in full.
fn operations(first: &[PlannedOperation]) -> String {
    let operation = |planned: &PlannedOperation| {
        let reason = planned.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
        let PlannedOperation { operation, kind, dn, changes, .. } = planned;
        format!("\n{operation} {kind} {}{}\n{}", plain(dn), plain(&reason), show::changes(changes, "  "))
    };
    first.iter().map(operation).collect()
}

/// What an updated plugin would change, for a person.
pub fn show_plugin(preview: &PluginPreview) -> String {
    let short = |hash: &str| hash.chars().take(12).collect::<String>();
    let old = match (&preview.old_version, &preview.old_hash) {
        (Some(version), Some(hash)) => format!("{version} ({})", short(hash)),
        _ => "none".into(),
    };
    let mut text = format!(
        "{}: {} {} ({}) in place of {old}: {} of {} entries would come out differently\n",
        preview.configuration,
        preview.plugin,
        preview.new_version,
        short(&preview.new_hash),
        preview.evaluated.saturating_sub(preview.unchanged),
        preview.evaluated
    );
    for warning in &preview.warnings {
        text += &format!("  warning: {warning}\n");
    }
    if let Some(reason) = &preview.waits {
        text += &format!("  it would not be taken by itself: {reason}\n");
    }
    if !preview.unread.is_empty() {
        text += &format!(
            "  it reads {}, which was never read from the directory and counts as absent here; a cycle would read it first\n",
            preview.unread.join(", ")
        );
    }
    for (what, numbers) in
        [("decision", &preview.decisions), ("attribute", &preview.attributes), ("reason", &preview.reasons)]
    {
        text += &numbers_table([what, "entries"], numbers);
    }
    for difference in &preview.first {
        text += &format!("{}\n", plain(&difference.dn));
        if difference.before != difference.after {
            text += &format!("  {} -> {}\n", difference.before, difference.after);
        }
        text += &show::changes(&difference.changes, "  ");
    }
    text + &show_follows(&preview.follows)
}

/// What a cycle under the new rules would do.
fn show_follows(follows: &Follows) -> String {
    let Follows { operations: planned, attributes, held, would_stop, writes, first, .. } = follows;
    let mut text = if planned.is_empty() {
        "\nA cycle would have nothing to carry out.\n".to_owned()
    } else {
        format!("\nA cycle would carry out, by about {writes} requests:\n")
    };
    for (header, numbers) in
        [(["operation", "objects"], planned), (["of attribute", "objects"], attributes), (["held", "objects"], held)]
    {
        text += &numbers_table(header, numbers);
    }
    if planned.contains_key("create") {
        text += "The target was not asked: what it has already would be joined, not created.\n";
    }
    text += &operations(first);
    if let Some(reason) = would_stop {
        text += &format!("\nThat cycle would stop before its first write: {reason}\n");
    }
    text
}

fn numbers_table(header: [&'static str; 2], numbers: &BTreeMap<String, u64>) -> String {
    if numbers.is_empty() {
        return String::new();
    }
    table(header, numbers.iter().map(|(word, number)| [word.clone(), number.to_string()])) + "\n"
}
