//! The provisor program as an administrator runs it, with the time and memory that a run took.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use provisor_tests::installed;
use provisor_tests::ldif::SYNC_PASSWORD;
use serde_json::Value;
use tempfile::TempDir;

use crate::source::Source;

/// The token of the target.
pub const TOKEN: &str = "token-of-the-benchmark";

/// How often it is looked at what a program uses: what it uses after the last look is not seen.
const LOOK: Duration = Duration::from_millis(5);

/// Ticks of processor time in a second: Linux tells all programs the same.
const TICKS: f64 = 100.0;

/// What a run has used, as far as it was seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// The most resident memory, in MiB.
    pub memory: f64,
    /// Processor time of all threads, in seconds.
    pub processor: f64,
}

/// A folder with settings, plugins and one configuration, `lab`.
pub struct Program {
    folder: TempDir,
}

/// How one run ended.
pub struct Run {
    /// Wall time of the whole program in seconds.
    pub seconds: f64,
    /// What it used.
    pub used: Used,
    /// What it printed.
    pub report: Value,
    /// Its steps with their time in seconds.
    pub steps: BTreeMap<String, f64>,
}

impl Run {
    /// The time of the cycle itself, without the start of the program, in seconds.
    pub fn cycle(&self) -> f64 {
        let at = |name: &str| self.report[name].as_f64().unwrap_or(f64::NAN);
        (at("ended") - at("started")) / 1000.0
    }

    /// The steps as words.
    pub fn told(&self) -> String {
        self.steps.iter().map(|(step, seconds)| format!("{step} {seconds:.2}")).collect::<Vec<_>>().join(", ")
    }
}

impl Program {
    /// A program that reads this source and writes to this target.
    pub fn new(source: &Source, target: &str, concurrency: usize) -> Result<Self> {
        Self::reading(&source.section(), SYNC_PASSWORD, &["people", "groups"], target, concurrency)
    }

    /// A program with this `[source]`, whose password is in the file `password`, and these rules.
    pub fn reading(source: &str, password: &str, plugins: &[&str], target: &str, concurrency: usize) -> Result<Self> {
        let program = Self { folder: tempfile::Builder::new().prefix("provisor-bench-").tempdir()? };
        for folder in ["plugins", "configurations"] {
            fs::create_dir(program.path(folder))?;
        }
        for plugin in plugins {
            fs::copy(installed::plugin(plugin)?, program.path(&format!("plugins/{plugin}.wasm")))?;
        }
        fs::write(
            program.path("provisor.toml"),
            "data-folder = \"data\"\nplugins-folder = \"plugins\"\nconfigurations-folder = \"configurations\"\n",
        )?;
        program.secret("token", TOKEN)?;
        program.secret("password", password)?;
        let rules: String = plugins.iter().map(|plugin| format!("[[rules]]\nplugin = \"{plugin}\"\n")).collect();
        let configuration = format!(
            "[source]\n{source}password = {{ file = \"password\" }}\n[target]\nkind = \"scim\"\nurl = \"{target}\"\n\
             concurrency = {concurrency}\ntoken = {{ file = \"token\" }}\n{rules}",
        );
        fs::write(program.path("configurations/lab.toml"), configuration)?;
        Ok(program)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn secret(&self, name: &str, text: &str) -> Result<()> {
        let file = self.path("configurations").join(name);
        fs::write(&file, text)?;
        Ok(fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?)
    }

    /// Compiles the rules, which is done once for each file.
    pub fn compile(&self) -> Result<Run> {
        self.run(&["plugin", "list"])
    }

    /// Forgets everything that was read and done, but not what the rules were compiled to.
    pub fn forget(&self) -> Result<()> {
        let data = self.path("data");
        if !data.exists() {
            return Ok(());
        }
        for entry in fs::read_dir(data)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                _ if entry.file_name() == "compiled" => {}
                true => fs::remove_dir_all(entry.path())?,
                false => fs::remove_file(entry.path())?,
            }
        }
        Ok(())
    }

    /// Runs a command to its end, which must be a good one.
    pub fn run(&self, arguments: &[&str]) -> Result<Run> {
        let mut command = Command::new(installed::provisor()?);
        command.arg("--config").arg(self.path("provisor.toml")).args(["--json", "--log-level", "debug"]);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let begin = Instant::now();
        let mut child = command.spawn().context("cannot start provisor")?;
        let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
        let used = watch(&mut child)?;
        let seconds = begin.elapsed().as_secs_f64();
        let status = child.wait()?;
        let (out, err) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
        if !status.success() {
            bail!("provisor {arguments:?} ended with {status}:\n{}\n{out}", err.lines().last().unwrap_or_default());
        }
        let report = serde_json::from_str(&out).context("provisor printed no document")?;
        Ok(Run { seconds, used, report, steps: steps(&err) })
    }
}

fn reader(stream: Option<impl std::io::Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        // A stream that breaks shows as a document that does not parse.
        let _ = stream.map(|mut stream| stream.read_to_string(&mut text));
        text
    })
}

/// Waits for a program's end, and looks meanwhile at what it has used.
#[expect(
    clippy::disallowed_methods,
    reason = "a process tells nobody what it uses: it has to be looked at now and then"
)]
fn watch(child: &mut Child) -> Result<Used> {
    let process = Path::new("/proc").join(child.id().to_string());
    let mut used = Used::default();
    while child.try_wait()?.is_none() {
        used.memory = used.memory.max(peak(&process).unwrap_or(0.0));
        used.processor = used.processor.max(processor(&process).unwrap_or(0.0));
        thread::sleep(LOOK);
    }
    Ok(used)
}

/// The most resident memory so far: MiB.
fn peak(process: &Path) -> Option<f64> {
    let text = fs::read_to_string(process.join("status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<f64>().ok().map(|kibibytes| kibibytes / 1024.0)
}

/// The processor time of all threads so far: seconds.
fn processor(process: &Path) -> Option<f64> {
    let text = fs::read_to_string(process.join("stat")).ok()?;
    // Behind the name of the program, which may hold anything, user and system time are the 12th and 13th.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |place: usize| fields.get(place)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

/// The steps of which the program's log tells, with their time in seconds.
fn steps(log: &str) -> BTreeMap<String, f64> {
    let mut steps = BTreeMap::new();
    for line in log.lines() {
        let Some((_, told)) = line.split_once("A step of the cycle has ended.") else { continue };
        let step = told.split_once("step=\"").and_then(|(_, rest)| rest.split_once('"')).map(|(step, _)| step);
        let milliseconds = told.split_once("milliseconds=").and_then(|(_, rest)| rest.trim().parse::<f64>().ok());
        if let (Some(step), Some(milliseconds)) = (step, milliseconds) {
            *steps.entry(step.to_owned()).or_default() += milliseconds / 1000.0;
        }
    }
    steps
}
