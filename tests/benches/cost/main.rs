//! What cycles, previews and exports cost, each as a ratio to what a bare tool takes for the same. `cargo xtask bench`.
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

mod domain;
mod figures;
mod measure;
mod program;
mod source;
mod stub;

use std::thread;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use comfy_table::{Table, presets};
use serde_json::json;

use crate::domain::Domain;
use crate::figures::Figure;
use crate::source::Source;

/// Measures provisor.
#[derive(Parser)]
struct Cli {
    /// A tenth of the size, and one run.
    #[arg(long)]
    quick: bool,
    /// Ten times the size, one run: a million people.
    #[arg(long, conflicts_with = "quick")]
    million: bool,
    /// Only these.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// A document in place of the table.
    #[arg(long)]
    json: bool,
    /// How often each is measured.
    #[arg(long)]
    runs: Option<usize>,
    /// Given by cargo, without a meaning here.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The first preview and a stored one.
    Preview,
    /// The export.
    Export,
    /// Cycles with few changes, many and none.
    Cycles,
    /// The same of a domain of Active Directory.
    Domain,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    // The second call of two finds it installed already.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let figures = runtime.block_on(measured(&cli))?;
    let machine = json!({ "cores": thread::available_parallelism()?.get(), "memory-mib": memory() });
    if cli.json {
        let rows: Vec<_> = figures.iter().map(Figure::json).collect();
        println!("{:#}", json!({ "machine": machine, "figures": rows }));
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["what", "seconds", "ratio", "processor seconds", "peak memory", "steps in seconds"]);
    table.add_rows(figures.iter().map(Figure::row));
    println!("{table}\n\n{machine}");
    Ok(())
}

async fn measured(cli: &Cli) -> Result<Vec<Figure>> {
    let wanted = |part| cli.only.is_empty() || cli.only.contains(&part);
    let (people, usual) = if cli.quick {
        (10_000, 1)
    } else if cli.million {
        (1_000_000, 1)
    } else {
        (100_000, 5)
    };
    let runs = cli.runs.unwrap_or(usual).max(1);
    let mut figures = Vec::new();
    if wanted(Part::Domain) {
        figures.extend(domains(runs).await?);
    }
    if !cli.only.is_empty() && cli.only.iter().all(|part| *part == Part::Domain) {
        return Ok(figures);
    }
    let mut source = Source::start(people)?;
    if wanted(Part::Preview) {
        figures.extend(measure::previews(&source, runs).await?);
    }
    if wanted(Part::Export) {
        figures.extend(measure::exports(&source, runs.min(3)).await?);
    }
    if wanted(Part::Cycles) {
        figures.extend(sizes(&mut source, people, runs).await?);
    }
    Ok(figures)
}

/// How many accounts the domains have. Samba takes minutes to be filled with more.
const ACCOUNTS: [usize; 2] = [500, 5_000];

/// Cycles of domains, with the ratios of the larger to the smaller.
async fn domains(runs: usize) -> Result<Vec<Figure>> {
    let small = measure::domain_cycles(&mut Domain::start(ACCOUNTS[0])?, runs).await?;
    let large = measure::domain_cycles(&mut Domain::start(ACCOUNTS[1])?, runs).await?;
    Ok(compared(small, large))
}

/// Cycles at a tenth of the size and at the whole, with the ratios between the two.
async fn sizes(source: &mut Source, people: usize, runs: usize) -> Result<Vec<Figure>> {
    let small = {
        let mut source = Source::start(people / 10)?;
        measure::cycles(&mut source, runs).await?
    };
    let large = measure::cycles(source, runs).await?;
    Ok(compared(small, large))
}

/// Both, the larger with the ratios to the smaller.
fn compared(small: Vec<(usize, Figure)>, large: Vec<(usize, Figure)>) -> Vec<Figure> {
    let mut figures: Vec<Figure> = small.iter().map(|(_, figure)| figure.clone()).collect();
    for ((_, before), (changes, mut figure)) in small.iter().zip(large) {
        if changes != usize::MAX {
            figure.ratio = Some(("of a tenth of the size".to_owned(), figure.seconds.over(&before.seconds)));
        }
        figures.push(figure);
    }
    figures
}

/// The machine's memory in MiB.
fn memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kibibytes = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().trim_end_matches("kB").trim();
    kibibytes.parse::<u64>().ok().map(|kibibytes| kibibytes / 1024)
}
