//! A test beside a domain controller. The Kerberos library reads its settings from the environment of the process, so a
//! test runs again in a process of its own, with an environment that names the controller.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use provisor_directory::{
    BindMethod, ConnectionOptions, Directory, DirectoryError, Feed, OpenLdap, OpenLdapOptions, SourceOptions,
};
use provisor_model::{CheckLine, CheckOutcome, Secret};
use provisor_tests::{Samba, SambaOptions};

/// What a test finds in its environment.
const URL: &str = "LAB_URL";
const PLAIN_URL: &str = "LAB_PLAIN_URL";
const CA: &str = "LAB_CA";

/// The controller beside which a test runs.
pub struct Lab {
    pub url: String,
    pub plain_url: String,
    pub ca: PathBuf,
}

/// What a test's process is given besides.
pub type Environment = Vec<(&'static str, OsString)>;

/// Runs a test beside a controller: first here, where the controller is started and prepared, then in a process of its own,
/// where `test` runs.
pub fn beside_a_controller(name: &str, prepare: impl FnOnce(&Samba) -> Environment, test: impl AsyncFnOnce(Lab)) {
    if let Ok(url) = std::env::var(URL) {
        let lab = Lab { url, plain_url: given(PLAIN_URL), ca: given(CA).into() };
        tokio::runtime::Runtime::new().unwrap().block_on(test(lab));
        return;
    }
    let samba = Samba::start(&SambaOptions::default()).unwrap();
    let further = prepare(&samba);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture"]);
    command.env("KRB5_CONFIG", samba.krb5_conf()).env(CA, samba.ca_file());
    command.env(URL, samba.url()).env(PLAIN_URL, samba.plain_url()).envs(further);
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// What the environment has under this name.
pub fn given(name: &str) -> String {
    std::env::var(name).unwrap()
}

/// An account whose key is in a keytab.
pub fn keyed(samba: &Samba, name: &str) -> OsString {
    samba.add_account(name, "Sync.Passw0rd1").unwrap();
    samba.keytab(name).unwrap().into()
}

impl Lab {
    /// A bind by this keytab.
    pub fn connection(&self, keytab: impl AsRef<OsStr>, principal: &str) -> ConnectionOptions {
        ConnectionOptions {
            bind: BindMethod::Kerberos,
            keytab: Some(Path::new(&keytab).to_owned()),
            principal: principal.to_owned(),
            ca: Some(self.ca.clone()),
            timeout: Duration::from_secs(20),
            ..ConnectionOptions::simple(&self.url, "", Secret::new(""))
        }
    }
}

fn directory(connection: ConnectionOptions) -> Directory {
    let (base, object, feed) = ("DC=lab,DC=test".parse().unwrap(), SourceOptions::default(), Feed::default());
    OpenLdap::new(OpenLdapOptions { connection, base, page_size: 100, object, feed }).unwrap().into()
}

/// What the check says of this connection.
pub async fn checked(connection: ConnectionOptions) -> Vec<CheckLine> {
    directory(connection).check().await
}

/// What comes of reading by this connection, which must go wrong.
pub async fn failure(connection: ConnectionOptions) -> DirectoryError {
    directory(connection).schema().await.unwrap_err()
}

/// What the check says is in order about something.
pub fn in_order<'a>(lines: &'a [CheckLine], what: &str) -> &'a str {
    match &lines.iter().find(|line| line.what == what).unwrap_or_else(|| panic!("{what} in {lines:?}")).outcome {
        CheckOutcome::Ok(text) => text,
        _ => panic!("{what} in {lines:?}"),
    }
}
