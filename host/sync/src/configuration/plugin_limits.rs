//! `[plugin-limits]` of `provisor.toml`: how far plugins may go, and `[plugin-limits.NAME]` for those that fare otherwise.

use std::time::Duration;

use provisor_rules::{Limits, PluginLimits};

use super::document::Section;
use super::error::ConfigurationError;

pub(super) const KEYS: &[&str] = &[
    "memory-mib",
    "table-elements",
    "instances",
    "handles",
    "call-time",
    "entry-time",
    "output-mib",
    "log-lines",
    "log-octets",
    "log-lines-per-cycle",
    "log-octets-per-cycle",
    "component-mib",
    "functions",
    "compile-time",
    "faults-per-cycle",
];
/// What the whole engine has.
pub(super) const ENGINE_KEYS: &[&str] = &["stack-kib"];

const MINUTE: Duration = Duration::from_secs(60);

/// Reads the section. A table in it is a plugin's own, by the plugin's name.
pub(super) fn read(root: &Section<'_>) -> Result<PluginLimits, ConfigurationError> {
    let mut limits = PluginLimits::default();
    let Some(item) = root.get("plugin-limits") else { return Ok(limits) };
    let section = item.any_section()?;
    let tables: Vec<_> = section.entries().into_iter().filter(|(_, item)| item.is_table()).collect();
    let known: Vec<&str> =
        KEYS.iter().chain(ENGINE_KEYS).copied().chain(tables.iter().map(|(plugin, _)| *plugin)).collect();
    section.check_keys(&known)?;
    limits.usual = over(limits.usual, &section)?;
    if let Some(stack) = section.get("stack-kib") {
        limits.stack = size(stack.integer(64, 1024)?) << 10;
    }
    for (plugin, own) in tables {
        limits.own.insert(plugin.to_owned(), over(limits.usual, &own.section(KEYS)?)?);
    }
    Ok(limits)
}

/// What the section sets, over what holds without it.
fn over(usual: Limits, section: &Section<'_>) -> Result<Limits, ConfigurationError> {
    let get = |key: &str| section.get(key).filter(|item| !item.is_table());
    let number =
        |key: &str, usual: usize, most: u64| get(key).map_or(Ok(usual), |item| item.integer(1, most).map(size));
    let mib = |key: &str, usual: usize, most: u64| {
        get(key).map_or(Ok(usual), |item| item.integer(1, most).map(|mib| size(mib) << 20))
    };
    let time = |key: &str, usual: Duration, most: Duration| {
        get(key).map_or(Ok(usual), |item| item.duration(Duration::from_millis(1), most))
    };
    let small = |key: &str, usual: u32, most: u32| {
        get(key).map_or(Ok(usual), |item| item.integer(1, most.into()).map(|it| u32::try_from(it).unwrap_or(most)))
    };
    Ok(Limits {
        memory: mib("memory-mib", usual.memory, 2048)?,
        table_elements: number("table-elements", usual.table_elements, 10_000_000)?,
        instances: number("instances", usual.instances, 64)?,
        handles: number("handles", usual.handles, 1_000_000)?,
        call_time: time("call-time", usual.call_time, 10 * MINUTE)?,
        entry_time: time("entry-time", usual.entry_time, MINUTE)?,
        output_octets: mib("output-mib", usual.output_octets, 1024)?,
        log_lines: number("log-lines", usual.log_lines, 1000)?,
        log_octets: number("log-octets", usual.log_octets, 1_000_000)?,
        log_lines_per_cycle: number("log-lines-per-cycle", usual.log_lines_per_cycle, 1_000_000)?,
        log_octets_per_cycle: number("log-octets-per-cycle", usual.log_octets_per_cycle, 1 << 30)?,
        component_octets: mib("component-mib", size(usual.component_octets), 256)? as u64,
        functions: small("functions", usual.functions, 1_000_000)?,
        compile_time: time("compile-time", usual.compile_time, 60 * MINUTE)?,
        faults_per_cycle: small("faults-per-cycle", usual.faults_per_cycle, 100_000)?,
    })
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
