//! What the SCIM client makes of services that misbehave in ways that real ones do not on demand, by a scripted double.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a failing helper fails its test"
)]

mod bulk;
mod connecting;
mod dialects;
mod entra;
mod http2;
mod listing;
mod proxy;
mod scripted_server;
mod sharing;
mod signing;
mod tls;
mod waiting;
mod writing;

use std::collections::BTreeMap;
use std::time::Duration;

use provisor_model::{Plain, ResourceId, TargetPath, TargetValue};
use provisor_target::{Credential, NewResource, ScimOptions, ScimTarget, TargetError};
use scripted_server::{Answer, ScriptedServer};

const TOKEN: &str = "s3cret-t0ken";

pub(crate) fn options(server: &ScriptedServer) -> ScimOptions {
    ScimOptions {
        credential: Credential::token(TOKEN),
        backoff: Duration::from_millis(1),
        ..ScimOptions::new(server.url())
    }
}

pub(crate) async fn target(server: &ScriptedServer) -> ScimTarget {
    ScimTarget::connect(options(server)).await.unwrap()
}

pub(crate) fn id() -> ResourceId {
    ResourceId::new("1")
}

pub(crate) fn path(text: &str) -> TargetPath {
    text.parse().unwrap()
}

pub(crate) async fn create(target: &ScimTarget) -> Result<provisor_target::Created, TargetError> {
    let attributes = BTreeMap::from([(path("userName"), TargetValue::Plain(Plain::Text("ada".into())))]);
    target.create(&NewResource { kind: "User", external_id: "a", attributes: &attributes }).await
}

pub(crate) async fn connect_error(answer: Answer) -> TargetError {
    let server = ScriptedServer::start(move |_, _| answer.clone()).await;
    let outcome = ScimTarget::connect(options(&server)).await;
    outcome.err().expect("no SCIM service was there, and none was missed")
}

pub(crate) fn page(total: usize, start: usize, ids: std::ops::Range<usize>) -> Answer {
    let resources: Vec<String> =
        ids.map(|id| format!(r#"{{"id": "{id}", "userName": "u{id}", "externalId": "x{id}"}}"#)).collect();
    Answer::scim(
        200,
        format!(r#"{{"totalResults": {total}, "startIndex": {start}, "Resources": [{}]}}"#, resources.join(",")),
    )
}
