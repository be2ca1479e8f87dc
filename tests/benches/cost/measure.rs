//! What is measured: previews, exports and cycles, each beside what a bare tool takes for the same.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::json;

use crate::domain::Domain;
use crate::figures::{Figure, Samples};
use crate::program::{Program, Run, TOKEN};
use crate::source::Source;
use crate::stub::{Creation, Stub};

/// As many requests under way as the default configuration has.
const CONCURRENCY: usize = 8;

/// How long realistic services take for a write at least, and how many requests are under way.
const THOUGHTS: [(Duration, usize); 4] = [
    (Duration::from_millis(1), CONCURRENCY),
    (Duration::from_millis(2), CONCURRENCY),
    (Duration::from_millis(5), CONCURRENCY),
    (Duration::from_millis(5), 4 * CONCURRENCY),
];

/// The first preview of a directory, and one of what is stored.
pub async fn previews(source: &Source, runs: usize) -> Result<Vec<Figure>> {
    let stub = Stub::start().await?;
    let program = Program::new(source, stub.url(), CONCURRENCY)?;
    let objects = source.objects();
    let (mut search, mut first, mut stored) = (Samples::default(), Samples::default(), Samples::default());
    let (mut first_used, mut stored_used) = (None, None);
    let (mut first_steps, mut stored_steps) = (String::new(), String::new());
    source.searched()?;
    let compiling = program.compile()?;
    for _ in 0..runs {
        search.push(source.searched()?);
        program.forget()?;
        let run = program.run(&["preview", "lab", "--first", "0"])?;
        ensure!(run.report["operations"]["create"] == json!(objects), "the preview is not whole: {}", run.report);
        first.push(run.seconds);
        first_used = Some(run.used);
        first_steps = run.told();
        let run = program.run(&["preview", "lab", "--stored", "--first", "0"])?;
        ensure!(run.report["operations"]["create"] == json!(objects), "the preview is not whole: {}", run.report);
        stored.push(run.seconds);
        stored_used = Some(run.used);
        stored_steps = run.told();
    }
    let ratio = first.over(&search);
    let mut compiled = Samples::default();
    compiled.push(compiling.seconds);
    Ok(vec![
        Figure {
            what: format!("ldapsearch in pages, {objects} objects"),
            seconds: search,
            ratio: None,
            used: None,
            note: "over TLS, to nowhere".to_owned(),
        },
        Figure {
            what: "the rules compiled, once for each file".to_owned(),
            seconds: compiled,
            ratio: None,
            used: Some(compiling.used),
            note: "two plugins".to_owned(),
        },
        Figure {
            what: format!("first preview, {objects} objects"),
            seconds: first,
            ratio: Some(("of ldapsearch".to_owned(), ratio)),
            used: first_used,
            note: first_steps,
        },
        Figure {
            what: format!("preview --stored, {objects} objects, all evaluated"),
            seconds: stored,
            ratio: None,
            used: stored_used,
            note: stored_steps,
        },
    ])
}

/// The export of everything, beside a bare client that sends the same bodies: to a stub that only counts, and to one that
/// takes as long for each write as a service does.
pub async fn exports(source: &Source, runs: usize) -> Result<Vec<Figure>> {
    let mut figures = export(source, Duration::ZERO, CONCURRENCY, runs).await?;
    for (thought, concurrency) in THOUGHTS {
        figures.extend(export(source, thought, concurrency, 1).await?);
    }
    Ok(figures)
}

async fn export(source: &Source, pause: Duration, concurrency: usize, runs: usize) -> Result<Vec<Figure>> {
    let stub = Stub::thoughtful(pause).await?;
    let program = Program::new(source, stub.url(), concurrency)?;
    program.compile()?;
    let (mut bare, mut ours) = (Samples::default(), Samples::default());
    let mut used = None;
    let mut creations = Vec::new();
    for _ in 0..runs {
        program.forget()?;
        stub.keep(creations.is_empty());
        let run = program.run(&["sync", "lab"])?;
        stub.keep(false);
        if creations.is_empty() {
            creations = stub.take_kept().await;
        }
        ours.push(run.steps.get("export").copied().unwrap_or(f64::NAN));
        used = Some(run.used);
        bare.push(replay(stub.url(), &creations, concurrency).await?);
    }
    let objects = source.objects();
    let ratio = bare.over(&ours);
    let service = match pause.as_millis() {
        0 => String::new(),
        pause => format!(", {pause} ms for each"),
    };
    Ok(vec![
        Figure {
            what: format!("a bare client makes {objects} resources{service}"),
            seconds: bare,
            ratio: None,
            used: None,
            note: format!("{concurrency} requests under way"),
        },
        Figure {
            what: format!("export of {objects} new objects{service}"),
            seconds: ours,
            ratio: Some(("of the bare client's speed".to_owned(), ratio)),
            used,
            note: "the step alone; memory of the whole initial cycle".to_owned(),
        },
    ])
}

/// Sends the same creations without anything else; the wall time in seconds.
async fn replay(url: &str, creations: &[Creation], concurrency: usize) -> Result<f64> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let begin = Instant::now();
    stream::iter(creations.iter().map(|(path, body)| {
        let request = client.post(format!("{url}{path}")).bearer_auth(TOKEN);
        let request = request.header(reqwest::header::CONTENT_TYPE, "application/scim+json").body(body.clone());
        async move {
            request.send().await?.error_for_status()?.bytes().await?;
            anyhow::Ok(())
        }
    }))
    .buffer_unordered(concurrency)
    .try_collect::<Vec<()>>()
    .await?;
    Ok(begin.elapsed().as_secs_f64())
}

/// Cycles with few changes, many, and none, at one size.
pub async fn cycles(source: &mut Source, runs: usize) -> Result<Vec<(usize, Figure)>> {
    let stub = Stub::start().await?;
    let program = Program::new(source, stub.url(), CONCURRENCY)?;
    let what = format!("{} objects", source.objects());
    incremental(&program, &stub, &what, &[0, 10, 1_000], runs, |changes| source.change(changes)).await
}

/// The same of a domain of Active Directory.
pub async fn domain_cycles(domain: &mut Domain, runs: usize) -> Result<Vec<(usize, Figure)>> {
    let stub = Stub::start().await?;
    let program =
        Program::reading(&domain.section(), domain.password(), &["ad-users", "ad-groups"], stub.url(), CONCURRENCY)?;
    let what = format!("{} objects of a domain", domain.objects());
    incremental(&program, &stub, &what, &[0, 10, 100], runs, |changes| domain.change(changes)).await
}

/// An initial cycle, then cycles with so many changes.
async fn incremental(
    program: &Program,
    stub: &Stub,
    of: &str,
    sizes: &[usize],
    runs: usize,
    mut change: impl FnMut(usize) -> Result<()>,
) -> Result<Vec<(usize, Figure)>> {
    program.compile()?;
    let initial = program.run(&["sync", "lab"])?;
    let mut seconds = Samples::default();
    seconds.push(initial.cycle());
    let mut figures = vec![(usize::MAX, figure(format!("initial cycle, {of}"), seconds, &initial))];
    for &changes in sizes {
        let mut seconds = Samples::default();
        let mut last = None;
        for _ in 0..runs {
            if changes > 0 {
                change(changes)?;
            }
            let before = stub.requests();
            let run = program.run(&["sync", "lab"])?;
            if changes == 0 {
                ensure!(stub.requests() == before, "a cycle without changes asked the target something");
            } else {
                ensure!(run.report["operations"]["update"] == json!(changes), "changes were lost: {}", run.report);
            }
            seconds.push(run.cycle());
            last = Some(run);
        }
        if let Some(run) = last {
            figures.push((changes, figure(format!("cycle of {changes} changes, {of}"), seconds, &run)));
        }
    }
    Ok(figures)
}

fn figure(what: String, seconds: Samples, run: &Run) -> Figure {
    Figure { what, seconds, ratio: None, used: Some(run.used), note: run.told() }
}
