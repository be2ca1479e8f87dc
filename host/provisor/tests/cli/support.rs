//! A host's folders with a tenant beside them, and the program run over them as a person would.

use std::fs::{self, Permissions};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use provisor_tenant::{Storage, Tenant, TenantOptions};
use serde_json::Value as Json;

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The token of the tenant.
const TOKEN: &str = "t0ken-0123456789";

/// A host's folders and a tenant.
pub struct World {
    folder: tempfile::TempDir,
    pub tenant: Tenant,
    _runtime: tokio::runtime::Runtime,
}

impl World {
    /// A folder with a host's document, and a tenant in memory.
    pub fn new() -> Self {
        Self::with_tenant(TenantOptions::default())
    }

    /// The same, with a tenant of these options.
    pub fn with_tenant(options: TenantOptions) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let options =
            TenantOptions { token: Some(TOKEN.into()), storage: Storage::Memory, request_log: 1000, ..options };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let tenant = runtime.block_on(Tenant::bind(address, options)).unwrap();
        let world = Self { folder: tempfile::tempdir().unwrap(), tenant, _runtime: runtime };
        for folder in ["configurations", "plugins"] {
            fs::create_dir(world.path(folder)).unwrap();
        }
        world.write("provisor.toml", "");
        world.write("tenant.token", TOKEN);
        world
    }

    /// A file of the world.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that only we may read, by renaming a finished one over it.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let unfinished = self.path(&format!("{name}.unfinished"));
        fs::write(&unfinished, text).unwrap();
        fs::set_permissions(&unfinished, Permissions::from_mode(0o600)).unwrap();
        fs::rename(unfinished, self.path(name)).unwrap();
    }

    /// Writes a configuration that brings `people.ldif` into the tenant, with further lines before its sections.
    pub fn configure(&self, name: &str, head: &str, tail: &str) {
        let url = self.tenant.url();
        let text = format!(
            "{head}\n[source]\nkind = \"ldif\"\nfile = \"../people.ldif\"\n\n[target]\nkind = \"scim\"\nurl = \"{url}\"\n\
             token = {{ file = \"../tenant.token\" }}\n\n[[rules]]\nplugin = \"people\"\n{tail}"
        );
        self.write(&format!("configurations/{name}.toml"), text);
    }

    /// Writes `people.ldif` with people of these numbers.
    pub fn people(&self, numbers: impl IntoIterator<Item = u32>) {
        let mut text =
            "version: 1\n\ndn: dc=lab\nobjectClass: domain\ndc: lab\nentryUUID: 00000000-0000-4000-8000-ffffffffffff\n"
                .to_owned();
        for number in numbers {
            text += &format!(
                "\ndn: uid=u{number},dc=lab\nobjectClass: inetOrgPerson\nuid: u{number}\ncn: Person {number}\nsn: Person\n\
                 entryUUID: 00000000-0000-4000-8000-{number:012x}\n"
            );
        }
        self.write("people.ldif", text);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provisor"));
        command.arg("--config").arg(self.path("provisor.toml")).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments))
    }

    /// Runs a command with `--json`, and gives its exit status and document.
    pub fn json(&self, arguments: &[&str]) -> (i32, Json) {
        let ran = self.run(&[arguments, &["--json"]].concat());
        let document = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        (ran.status, document)
    }

    /// Starts `provisor run` and waits until it answers.
    pub fn start(&self) -> Running {
        let log = fs::File::create(self.path("log")).unwrap();
        let child = self.command(&["run"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let running = Running { child, log: self.path("log") };
        wait_until("the host answers", || self.json(&["status"]).1["host"].is_object(), || running.log());
        running
    }

    /// The user names in the tenant.
    pub fn user_names(&self) -> Vec<String> {
        let users = self.tenant.resources(provisor_tenant::Kind::User).unwrap();
        let mut names: Vec<String> = users.iter().map(|user| user["userName"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Runs a command to its end, which must come in time.
    pub fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let read = |mut from: Box<dyn Read + Send>| {
            std::thread::spawn(move || {
                let mut text = String::new();
                from.read_to_string(&mut text).unwrap();
                text
            })
        };
        let out = read(Box::new(child.stdout.take().unwrap()));
        let err = read(Box::new(child.stderr.take().unwrap()));
        let status = end(&mut child);
        let output =
            Output { status, stdout: out.join().unwrap().into_bytes(), stderr: err.join().unwrap().into_bytes() };
        let text = |octets| String::from_utf8(octets).unwrap();
        Self { status: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// A running host. Dropped, it is killed.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// A program that writes its words into this file.
    pub fn new(child: Child, log: PathBuf) -> Self {
        Self { child, log }
    }

    /// Sends a signal, and gives its exit status and how long it took to end.
    pub fn end_by(mut self, signal: Signal) -> (i32, Duration) {
        let started = Instant::now();
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
        (end(&mut self.child).code().unwrap_or(-1), started.elapsed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already ended: nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn end(child: &mut Child) -> std::process::ExitStatus {
    let mut status = None;
    let ended = wait(|| {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    if !ended {
        child.kill().unwrap();
        panic!("the program has not ended in {PATIENCE:?}");
    }
    status.unwrap()
}

/// Waits until something holds, and fails with what `explain` says where it does not in time.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool, explain: impl FnOnce() -> String) {
    if !wait(&mut holds) {
        panic!("in {PATIENCE:?} it has not come about that {what}: {}", explain());
    }
}

/// Looks again and again, with short pauses, whether something holds.
fn wait(mut holds: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        if Instant::now() > until {
            return false;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    true
}

/// The plugin as it was built, for a test that puts it into a folder.
pub fn built_plugin(name: &str) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/plugins/{name}.wasm"));
    fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}. Run: cargo xtask plugins", file.display()))
}

/// The people plugin as if it had been built anew with this number.
pub fn rebuilt_people(number: usize) -> Vec<u8> {
    provisor_tests::rebuilt_people(&built_plugin("people"), number).unwrap()
}
