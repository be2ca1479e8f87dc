//! Connecting: what is no SCIM service, does not let us in, or is not where it says.

use std::time::Duration;

use provisor_model::Secret;
use provisor_target::{ScimOptions, ScimTarget, TargetError};

use crate::scripted_server::{Answer, ScriptedServer, describe};
use crate::{TOKEN, connect_error, id, options, target};

#[tokio::test]
async fn what_is_no_scim_service_is_told_without_its_text() {
    for (answer, words) in [
        (Answer::html(200), "an HTML page titled \"Sign in here\" (HTTP 200)"),
        (Answer::html(404), "(HTTP 404)"),
        (Answer::Send(200, vec!["Content-Type: text/plain".into()], "hello".into()), "content of type text/plain"),
        (Answer::scim(200, r#"{"hello": "world"}"#), "no ServiceProviderConfig"),
        (Answer::scim(200, r#"{"schemas": ["urn:scim:schemas:core:1.0"]}"#), "SCIM 1"),
        (Answer::scim(200, "[1, 2"), "JSON that is broken"),
        (Answer::scim(200, ""), "an empty reply"),
        (Answer::scim(404, "{}"), "nothing is there (HTTP 404)"),
        (Answer::scim(405, r#"{"detail": "no"}"#), "refused (HTTP 405): no"),
        (
            Answer::Send(302, vec!["Location: https://login.example/x?state=y".into()], String::new()),
            "a redirect to https://login.example/x (HTTP 302)",
        ),
    ] {
        let error = connect_error(answer).await;
        assert!(matches!(error, TargetError::NotScim { .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains(words), "{message}");
        assert!(!message.contains("page text") && !message.contains(TOKEN), "{message}");
        assert!(message.contains("Check that the URL"), "the next step: {message}");
    }
}

#[tokio::test]
async fn a_refused_token_is_told_and_never_shown() {
    for status in [401, 403] {
        let error = connect_error(Answer::scim(status, format!(r#"{{"detail": "bad token {TOKEN}"}}"#))).await;
        assert!(matches!(error, TargetError::Unauthorized { .. }), "{error}");
        assert!(error.concerns_whole_target());
        let message = format!("{error} {error:?}");
        assert!(message.contains("bad token [token]") && !message.contains(TOKEN), "{message}");
    }
}

#[tokio::test]
async fn a_token_is_not_sent_on_by_a_redirect() {
    let other = ScriptedServer::start(|_, _| Answer::scim(200, "{}")).await;
    let location = format!("Location: {}/Users/1", other.url());
    let server = ScriptedServer::answering([Answer::scim(307, "").header(location)]).await;
    let error = target(&server).await.read("User", &id()).await.unwrap_err();
    assert!(matches!(error, TargetError::NotScim { .. }), "{error}");
    assert!(other.seen().is_empty(), "nothing reaches the other server");
    assert!(server.seen()[0].headers.contains(&format!("authorization: bearer {TOKEN}")));
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options =
        ScimOptions { backoff: Duration::from_millis(1), ..ScimOptions::new(format!("http://127.0.0.1:{port}/scim")) };
    let error = ScimTarget::connect(options).await.err().unwrap();
    assert!(matches!(error, TargetError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(error.concerns_whole_target() && !error.outcome_unknown());
}

#[tokio::test]
async fn endpoints_at_another_host_are_refused() {
    let server = ScriptedServer::start(|seen, _| match seen.target.ends_with("/ResourceTypes") {
        true => {
            Answer::scim(200, r#"[{"name": "User", "endpoint": "https://evil.example/Users", "schema": "urn:x:y:z"}]"#)
        }
        false => describe(seen).unwrap(),
    })
    .await;
    let error = ScimTarget::connect(options(&server)).await.err().unwrap();
    assert!(error.to_string().contains("https://evil.example/Users"), "{error}");
}

#[tokio::test]
async fn requests_go_through_the_configured_proxy() {
    // The double is the proxy: over plain http it is sent the whole URL.
    let proxy = ScriptedServer::start(|seen, _| describe(seen).unwrap_or_else(|| Answer::scim(404, "{}"))).await;
    let options = ScimOptions {
        proxy: Some(Secret::new(format!("http://user:pass@{}", proxy.address))),
        ..ScimOptions::new("http://tenant.example/scim/v2")
    };
    let target = ScimTarget::connect(options).await.unwrap();
    assert_eq!(target.read("User", &id()).await.unwrap(), None);
    let seen = &proxy.seen()[0];
    assert_eq!(seen.target, "http://tenant.example/scim/v2/Users/1");
    assert!(seen.headers.iter().any(|line| line.starts_with("proxy-authorization: basic ")), "{seen:?}");
}
