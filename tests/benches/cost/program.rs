//! The provisor program as an administrator runs it, with the time and memory that a run took.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use provisor_tests::installed;
use provisor_tests::ldif::{SUFFIX, SYNC_DN, SYNC_PASSWORD};
use serde_json::Value;
use tempfile::TempDir;

use crate::source::Source;

/// The token of the target.
pub const TOKEN: &str = "token-of-the-benchmark";

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// A folder with settings, plugins and one configuration, `lab`.
pub struct Program {
    folder: TempDir,
}

/// How one run ended.
pub struct Run {
    /// Wall time of the whole program in seconds.
    pub seconds: f64,
    /// The most resident memory, in MiB, as far as it was seen.
    pub memory: f64,
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
        let program = Self { folder: tempfile::Builder::new().prefix("provisor-bench-").tempdir()? };
        for folder in ["plugins", "configurations"] {
            fs::create_dir(program.path(folder))?;
        }
        for plugin in ["people", "groups"] {
            fs::copy(installed::plugin(plugin)?, program.path(&format!("plugins/{plugin}.wasm")))?;
        }
        fs::write(
            program.path("provisor.toml"),
            "data-folder = \"data\"\nplugins-folder = \"plugins\"\nconfigurations-folder = \"configurations\"\n",
        )?;
        program.secret("token", TOKEN)?;
        program.secret("password", SYNC_PASSWORD)?;
        let configuration = format!(
            "[source]\nkind = \"openldap\"\nurl = \"{}\"\nca = \"{}\"\nbase = \"{SUFFIX}\"\nbind-dn = \"{SYNC_DN}\"\n\
             password = {{ file = \"password\" }}\n[target]\nkind = \"scim\"\nurl = \"{target}\"\n\
             concurrency = {concurrency}\ntoken = {{ file = \"token\" }}\n\
             [[rules]]\nplugin = \"people\"\n[[rules]]\nplugin = \"groups\"\n",
            source.url(),
            source.ca_file().display(),
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

    /// Forgets everything that was read and done.
    pub fn forget(&self) -> Result<()> {
        let data = self.path("data");
        if data.exists() {
            fs::remove_dir_all(data)?;
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
        let memory = watch(&mut child)?;
        let seconds = begin.elapsed().as_secs_f64();
        let status = child.wait()?;
        let (out, err) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
        if !status.success() {
            bail!("provisor {arguments:?} ended with {status}:\n{}\n{out}", err.lines().last().unwrap_or_default());
        }
        let report = serde_json::from_str(&out).context("provisor printed no document")?;
        Ok(Run { seconds, memory, report, steps: steps(&err) })
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

/// Waits for a program's end, and looks meanwhile at the most memory that it had: MiB.
fn watch(child: &mut Child) -> Result<f64> {
    let status = Path::new("/proc").join(child.id().to_string()).join("status");
    let mut most = 0.0_f64;
    while child.try_wait()?.is_none() {
        most = most.max(peak(&status).unwrap_or(0.0));
        thread::sleep(LOOK);
    }
    Ok(most)
}

fn peak(status: &Path) -> Option<f64> {
    let mut text = String::new();
    fs::File::open(status).ok()?.read_to_string(&mut text).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<f64>().ok().map(|kibibytes| kibibytes / 1024.0)
}

/// The steps of which the program's log tells, with their time in seconds.
fn steps(log: &str) -> BTreeMap<String, f64> {
    let mut steps = BTreeMap::new();
    for line in log.lines().filter(|line| line.contains("A step of the cycle has ended.")) {
        let field = |name: &str| {
            let rest = line.split_once(name)?.1.trim_start_matches(['=', ':', '"']);
            Some(rest.trim_start_matches('"').split(['"', ',', '}']).next()?.to_owned())
        };
        let words = field("step").unwrap_or_default();
        let number = line.split_once("milliseconds").and_then(|(_, rest)| {
            let digits: String =
                rest.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
            digits.parse::<f64>().ok()
        });
        *steps.entry(words).or_default() += number.unwrap_or(f64::NAN) / 1000.0;
    }
    steps
}
