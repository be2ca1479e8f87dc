//! Configurations of one service share its pace and its connections.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use provisor_target::{Credential, RequestRate, ScimOptions, ScimTarget};

use crate::scripted_server::{Answer, ScriptedServer};
use crate::{create, id, options};

fn found() -> Answer {
    Answer::scim(200, r#"{"id": "1"}"#)
}

#[tokio::test]
async fn a_budget_is_one_for_all_configurations_of_a_service() {
    let server = ScriptedServer::answering([found()]).await;
    let rate = RequestRate::PerSecond(NonZeroU32::new(40).unwrap());
    let options = || ScimOptions { rate, ..options(&server) };
    let (one, other) = tokio::join!(ScimTarget::connect(options()), ScimTarget::connect(options()));
    let (one, other) = (one.unwrap(), other.unwrap());
    for _ in 0..15 {
        let name = id();
        let (first, second) = tokio::join!(one.read("User", &name), other.read("User", &name));
        assert!(first.unwrap().is_some() && second.unwrap().is_some());
    }
    let seen = server.seen();
    let took = seen[29].at - seen[0].at;
    // Of 30 requests at 40 a second, nine may go ahead; a budget for each would take half of it.
    assert!(took >= Duration::from_millis(500), "{took:?}");
}

#[tokio::test]
async fn another_account_of_the_service_has_a_budget_of_its_own() {
    let server = ScriptedServer::answering([Answer::scim(429, "{}").header("Retry-After: 300")]).await;
    let patience = Duration::from_millis(500);
    let throttled = ScimTarget::connect(ScimOptions { patience, ..options(&server) }).await.unwrap();
    create(&throttled).await.unwrap_err();
    let same = ScimTarget::connect(ScimOptions { patience, ..options(&server) }).await;
    assert!(same.is_err(), "the pause holds for everybody who signs alike");
    let another = ScimOptions { credential: Credential::token("another"), ..options(&server) };
    assert!(ScimTarget::connect(another).await.is_ok());
}

#[tokio::test]
async fn a_pause_that_one_configuration_is_asked_for_holds_for_all() {
    let refused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refused);
    let server = ScriptedServer::scim(move |_, number| match number {
        0 => {
            count.fetch_add(1, Ordering::Relaxed);
            Answer::scim(429, "{}").header("Retry-After: 1")
        }
        _ => found(),
    })
    .await;
    let one = ScimTarget::connect(options(&server)).await.unwrap();
    let other = ScimTarget::connect(options(&server)).await.unwrap();
    let name = id();
    let reading = async {
        while refused.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        // The refusal has been sent; once it has come, everything waits. One request may cross it.
        for _ in 0..3 {
            other.read("User", &name).await.unwrap();
        }
    };
    let (first, ()) = tokio::join!(one.read("User", &name), reading);
    first.unwrap();
    let seen = server.seen();
    let waited = seen.last().unwrap().at - seen[0].at;
    assert!(waited >= Duration::from_secs(1), "{waited:?}");
    let early = seen.iter().filter(|one| one.at - seen[0].at < Duration::from_millis(900)).count();
    assert!(early <= 3, "{early} requests did not wait");
}

#[tokio::test]
async fn a_connection_is_used_again_also_by_another_configuration() {
    let server = ScriptedServer::answering([found()]).await;
    let one = ScimTarget::connect(ScimOptions { concurrency: 1, ..options(&server) }).await.unwrap();
    for _ in 0..5 {
        one.read("User", &id()).await.unwrap();
    }
    let before = server.connections();
    let other = ScimTarget::connect(ScimOptions { concurrency: 1, ..options(&server) }).await.unwrap();
    other.read("User", &id()).await.unwrap();
    assert_eq!(server.connections(), before);
    assert!(before <= 2, "{before} connections for requests one after another");
}
