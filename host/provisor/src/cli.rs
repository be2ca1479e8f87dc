//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use provisor_sync::{LogFormat, LogLevel, RuleSet};

/// Keeps a cloud directory in step with a source directory, by rules.
///
/// Exit status: 0 done; 1 failed; 2 wrong use or configuration; 3 done, but objects failed or are wrong; 4 stopped by a safety threshold.
#[derive(Debug, Parser)]
#[command(name = "provisor", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// The host's document; else ./provisor.toml, else /etc/provisor/provisor.toml.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print one JSON document (docs/commands.md) in place of text for a person.
    #[arg(long, global = true)]
    pub json: bool,
    /// The least grave lines of the log: error, warn, info, debug, trace.
    #[arg(long, global = true, value_name = "LEVEL", value_parser = log_level)]
    pub log_level: Option<LogLevel>,
    /// How a line of the log looks: text, json.
    #[arg(long, global = true, value_name = "FORMAT", value_parser = log_format)]
    pub log_format: Option<LogFormat>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Three companies merge into one tenant: all embedded, with a rule to edit while it runs.
    Demo(Demo),
    /// The agent: every enabled configuration on its interval, taking up changed rules and configurations.
    Run,
    /// Look at everything that cycles depend on, and say line by line what is right and what to do.
    Check {
        /// The configuration; all where it is left out.
        name: Option<String>,
    },
    /// One cycle, now.
    Sync(Sync),
    /// What a cycle, or an updated plugin, would change.
    Preview(Preview),
    /// One object, now, step by step.
    Provision {
        /// The configuration.
        name: String,
        /// The object: its distinguished name, source id or user name.
        object: String,
    },
    /// Look the whole directory over for what the target's service would refuse; nothing is written.
    Inspect(Inspect),
    /// The provisioning log, the newest first.
    Log(Log),
    /// How each configuration and plugin stands.
    Status,
    /// Rules plugins.
    #[command(subcommand)]
    Plugin(Plugin),
}

#[derive(Debug, Args)]
pub struct Demo {
    /// Run to completion, print the summary and exit.
    #[arg(long)]
    pub once: bool,
    /// Where the demo's files are put; else target/demo in the project, else a folder for temporary files.
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Sync {
    /// The configuration.
    pub name: String,
    /// Read everything, not only what changed.
    #[arg(long)]
    pub initial: bool,
    /// Go on once although so many objects would be deleted or disabled.
    #[arg(long, value_name = "N", value_parser = whole::<u64>)]
    pub allow_deletes: Option<u64>,
}

#[derive(Debug, Args)]
pub struct Preview {
    /// The configuration.
    pub name: String,
    /// Ask neither the directory nor the target: what is stored is evaluated.
    #[arg(long)]
    pub stored: bool,
    /// Compare this plugin with the one of the same name that is in force; asks no server.
    #[arg(long, value_name = "FILE")]
    pub plugin: Option<PathBuf>,
    /// How many differences are shown in full.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub first: u16,
}

#[derive(Debug, Args)]
pub struct Inspect {
    /// The configuration.
    pub name: String,
    /// Whose rules: multi-tenant, of a service that many share; dedicated, of one that a customer has for itself.
    #[arg(long, value_name = "RULES", default_value = "multi-tenant", value_parser = rule_set)]
    pub rules: RuleSet,
    /// People sign in by another attribute than userPrincipalName, which is not looked at then.
    #[arg(long)]
    pub alternate_id: bool,
    /// How many members a group may have.
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub member_limit: u64,
    /// Do not compare with the users that the target has.
    #[arg(long)]
    pub no_target: bool,
    /// Write the findings as CSV into this file; "-" prints them in place of the tables.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// How many findings are shown.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub first: u16,
}

#[derive(Debug, Args)]
pub struct Log {
    /// The configuration.
    pub name: String,
    /// Only of this object: its distinguished name, source id or resource id.
    #[arg(long, value_name = "OBJECT")]
    pub object: Option<String>,
    /// Only this operation; "none" is for what was only decided.
    #[arg(long, value_name = "OPERATION", value_parser = ["create", "join", "update", "disable", "delete", "release", "references", "none"])]
    pub operation: Option<String>,
    /// Only this status.
    #[arg(long, value_name = "STATUS", value_parser = ["success", "failure", "held", "skipped"])]
    pub status: Option<String>,
    /// Only of this cycle.
    #[arg(long, value_name = "NUMBER", value_parser = whole::<i64>)]
    pub cycle: Option<i64>,
    /// Only from this time on: 2026-01-31T12:00:00Z, or so long ago: 30m, 2h.
    #[arg(long, value_name = "TIME", value_parser = crate::output::since)]
    pub since: Option<i64>,
    /// At most so many records.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
}

#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// The plugins of the folder and of the program: their state, and who uses them.
    List,
    /// Pass a plugin through the load gate: what it is, what it reads and writes, or why it is refused.
    Check {
        /// The plugin: a file, or a name from the plugins folder.
        plugin: String,
        /// A JSON or TOML file with the plugin's configuration, to see the contract it leads to.
        #[arg(long, value_name = "FILE")]
        plugin_config: Option<PathBuf>,
    },
    /// Grant what a plugin, as it is in the folder now, asks for, in the configurations that use it.
    Approve {
        /// The plugin's name.
        plugin: String,
        /// Only in this configuration.
        #[arg(long, value_name = "NAME")]
        configuration: Option<String>,
    },
}

fn whole<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| "it must be a whole number, such as 40".to_owned())
}

fn rule_set(word: &str) -> Result<RuleSet, String> {
    match word {
        "multi-tenant" => Ok(RuleSet::MultiTenant),
        "dedicated" => Ok(RuleSet::Dedicated),
        _ => Err("it must be multi-tenant or dedicated".to_owned()),
    }
}

fn log_level(word: &str) -> Result<LogLevel, String> {
    let found = LogLevel::WORDS.iter().find(|(known, _)| *known == word);
    found.map(|(_, level)| *level).ok_or_else(|| "it must be error, warn, info, debug or trace".to_owned())
}

fn log_format(word: &str) -> Result<LogFormat, String> {
    match word {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("it must be text or json".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn the_operators_reference_names_every_command_and_option() {
        let reference = include_str!("../../../docs/commands.md");
        let mut missing = Vec::new();
        let mut waiting = vec![super::Cli::command()];
        while let Some(command) = waiting.pop() {
            let options =
                command.get_arguments().filter_map(|argument| argument.get_long().map(|long| format!("--{long}")));
            let name = command.get_name().to_owned();
            missing.extend(options.chain([name]).filter(|word| !reference.contains(word.as_str())));
            waiting.extend(command.get_subcommands().cloned());
        }
        assert!(missing.is_empty(), "docs/commands.md does not explain: {missing:?}");
    }
}
