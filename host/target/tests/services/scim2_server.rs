//! The SCIM client against a strict service that others wrote: scim2-server from PyPI, in a venv below target.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::scenarios::{self, connect};
use provisor_target::ScimTarget;

const TOKEN: &str = "scim2-t0ken";

/// A running scim2-server; killed when dropped.
struct Server {
    process: Child,
    url: String,
    // Holds the announced configuration while the server runs.
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    async fn start(patch: bool) -> Self {
        let build = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let program = build.parent().unwrap().join("test-servers/venv/bin/scim2-server");
        assert!(program.exists(), "{} is missing: run `cargo xtask test`, which installs it", program.display());
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command.args(["--hostname", "127.0.0.1", "--port", &port.to_string(), "--bearer-token", TOKEN]);
        if !patch {
            let file = folder.path().join("provider.json");
            std::fs::write(&file, PROVIDER_WITHOUT_PATCH).unwrap();
            command.arg("--service-provider-config").arg(file);
        }
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut server = Self { process, url: format!("http://127.0.0.1:{port}"), _folder: folder };
        let listening = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                assert_eq!(server.process.try_wait().unwrap(), None, "scim2-server ended");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), listening).await.expect("scim2-server does not listen");
        server
    }

    async fn target(&self) -> ScimTarget {
        connect(&self.url, Some(TOKEN), |options| {
            options.member_chunk = 10;
            options.page_size = 10;
        })
        .await
    }
}

const PROVIDER_WITHOUT_PATCH: &str = r#"{
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
    "patch": {"supported": false},
    "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
    "filter": {"supported": true, "maxResults": 1000},
    "changePassword": {"supported": false},
    "sort": {"supported": false},
    "etag": {"supported": true},
    "authenticationSchemes": []
}"#;

#[tokio::test]
async fn a_person_comes_changes_and_goes() {
    let server = Server::start(true).await;
    scenarios::a_person_comes_changes_and_goes(&server.target().await).await;
}

#[tokio::test]
async fn a_row_that_was_taken_away_is_made_again() {
    let server = Server::start(true).await;
    scenarios::a_row_that_was_taken_away_is_made_again(&server.target().await).await;
}

#[tokio::test]
async fn a_group_of_many_members_changes_in_chunks() {
    let server = Server::start(true).await;
    scenarios::a_group_of_many_members_changes_in_chunks(&server.target().await, true).await;
}

#[tokio::test]
async fn a_listing_is_whole() {
    let server = Server::start(true).await;
    scenarios::a_listing_is_whole(&server.target().await).await;
}

#[tokio::test]
async fn a_taken_name_is_a_conflict() {
    let server = Server::start(true).await;
    scenarios::a_taken_name_is_a_conflict(&server.target().await).await;
}

#[tokio::test]
async fn a_service_without_patch_is_sent_whole_resources() {
    let server = Server::start(false).await;
    let target = server.target().await;
    assert!(!target.abilities().patch);
    scenarios::a_person_comes_changes_and_goes(&target).await;
    scenarios::a_group_of_many_members_changes_in_chunks(&target, false).await;
}
