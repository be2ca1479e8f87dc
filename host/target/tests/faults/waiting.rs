//! Waiting and trying again: throttling, lost replies, replies without end.

use std::time::{Duration, Instant, SystemTime};

use provisor_target::{ScimOptions, ScimTarget, TargetError};

use crate::scripted_server::{Answer, ScriptedServer};
use crate::{create, id, options, page, path, target};

/// A status, its `Retry-After` header, and how many seconds that is at least.
type Refusal = (u16, fn() -> String, u64);

#[tokio::test]
async fn a_request_waits_as_long_as_the_service_asks() {
    // A date has no parts of a second, so that two seconds may be one and a bit.
    let date = || format!("Retry-After: {}", httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2)));
    let seconds = || "Retry-After: 1".to_owned();
    let absent = || "X-Nothing: 1".to_owned();
    let cases: [Refusal; 3] = [(429, seconds, 1), (429, date, 1), (429, absent, 0)];
    for (status, retry_after, least) in cases {
        let server = ScriptedServer::scim(move |_, number| match number {
            0 => Answer::scim(status, "{}").header(retry_after()),
            _ => Answer::scim(201, r#"{"id": "1"}"#),
        })
        .await;
        let target = target(&server).await;
        let begin = Instant::now();
        assert_eq!(create(&target).await.unwrap().requests, 1);
        assert!(begin.elapsed() >= Duration::from_secs(least), "{status} {}: {:?}", retry_after(), begin.elapsed());
        assert_eq!(server.seen().len(), 2);
    }
}

#[tokio::test]
async fn a_creation_is_not_repeated_after_503_and_what_follows_waits() {
    let server = ScriptedServer::scim(|seen, _| match seen.method.as_str() {
        "POST" => Answer::scim(503, "{}").header("Retry-After: 1"),
        _ => Answer::scim(204, ""),
    })
    .await;
    let target = target(&server).await;
    let error = create(&target).await.unwrap_err();
    assert!(matches!(error, TargetError::Uncertain { .. }), "{error}");
    target.delete("User", &id()).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 2, "one creation, one deletion: {seen:?}");
    assert!(seen[1].at - seen[0].at >= Duration::from_secs(1), "{:?}", seen[1].at - seen[0].at);
}

#[tokio::test]
async fn a_write_whose_reply_was_lost_stays_uncertain_whatever_hinders_the_next_attempt() {
    let throttled = || Answer::scim(429, "{}").header("Retry-After: 0");
    let busy = || Answer::scim(503, "{}").header("Retry-After: 0");
    let not_let_in = || Answer::scim(401, "{}");
    for answers in [[Answer::Cut, throttled()], [Answer::Cut, not_let_in()], [busy(), not_let_in()]] {
        let server = ScriptedServer::answering(answers).await;
        let target = ScimTarget::connect(ScimOptions { max_attempts: 2, ..options(&server) }).await.unwrap();
        let error = target.delete("User", &id()).await.unwrap_err();
        assert!(error.outcome_unknown() && error.concerns_whole_target(), "{error}");
    }
    // What never may have been carried out is told as before, and so is the service's own word on the request.
    let server = ScriptedServer::answering([throttled(), not_let_in()]).await;
    let error = target(&server).await.delete("User", &id()).await.unwrap_err();
    assert!(matches!(error, TargetError::Unauthorized { .. }), "{error}");
    let server = ScriptedServer::answering([Answer::Cut, Answer::scim(400, "{}")]).await;
    let error = target(&server).await.delete("User", &id()).await.unwrap_err();
    assert!(matches!(error, TargetError::Refused { status: 400, .. }), "{error}");
}

#[tokio::test]
async fn one_request_that_is_asked_to_wait_makes_all_wait() {
    let server = ScriptedServer::scim(|_, number| match number {
        0 => Answer::scim(429, "{}").header("Retry-After: 1"),
        _ => page(0, 1, 0..0),
    })
    .await;
    // The second request has its turn as soon as the first has been refused.
    let target = ScimTarget::connect(ScimOptions { concurrency: 1, ..options(&server) }).await.unwrap();
    let (anchor, name) = (path("externalId"), path("userName"));
    let (one, other) = tokio::join!(target.find("User", &anchor, "a"), target.find("User", &name, "b"));
    assert!(one.unwrap().is_empty() && other.unwrap().is_empty());
    let seen = server.seen();
    assert_eq!(seen.len(), 5, "one again, and both look for something to try their filter by");
    assert!(seen[1].at - seen[0].at >= Duration::from_secs(1), "{:?}", seen[1].at - seen[0].at);
}

#[tokio::test]
async fn a_service_that_never_stops_throttling_is_given_up() {
    let server = ScriptedServer::answering([Answer::scim(429, "{}").header("Retry-After: 0")]).await;
    let target = ScimTarget::connect(ScimOptions { max_attempts: 2, ..options(&server) }).await.unwrap();
    let error = target.read("User", &id()).await.unwrap_err();
    assert!(matches!(error, TargetError::Throttled { .. }) && error.concerns_whole_target(), "{error}");
    assert_eq!(server.seen().len(), 11, "two attempts, five times each, and the last");
    // A pause that is longer than anybody is ready to wait is not waited for.
    let server = ScriptedServer::answering([Answer::scim(429, "{}").header("Retry-After: 3600")]).await;
    let target =
        ScimTarget::connect(ScimOptions { patience: Duration::from_secs(60), ..options(&server) }).await.unwrap();
    let begin = Instant::now();
    assert!(matches!(target.read("User", &id()).await, Err(TargetError::Throttled { .. })));
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn a_reply_that_breaks_off_is_asked_for_again() {
    let found = Answer::scim(200, r#"{"id": "1", "userName": "ada"}"#);
    let server = ScriptedServer::answering([Answer::Cut, Answer::CutInBody, Answer::Cut, found]).await;
    let resource = target(&server).await.read("User", &id()).await.unwrap().unwrap();
    assert_eq!(resource.display(), "ada");
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn a_stalled_reply_ends_at_the_deadline() {
    let server = ScriptedServer::answering([Answer::Stall]).await;
    let options = ScimOptions { timeout: Duration::from_millis(100), max_attempts: 2, ..options(&server) };
    let target = ScimTarget::connect(options).await.unwrap();
    let error = target.read("User", &id()).await.unwrap_err();
    assert!(
        matches!(&error, TargetError::Unavailable { attempts: 2, reason, .. } if reason.contains("within 0.1 s")),
        "{error}"
    );
    let error = create(&target).await.unwrap_err();
    assert!(matches!(error, TargetError::Uncertain { .. }), "{error}");
    assert_eq!(server.seen().iter().filter(|seen| seen.method == "POST").count(), 1);
}

#[tokio::test]
async fn a_reply_without_end_is_cut() {
    let server = ScriptedServer::answering([Answer::Flood(1 << 40)]).await;
    let error = target(&server).await.read("User", &id()).await.unwrap_err();
    assert!(error.to_string().contains("larger than 32 MiB"), "{error}");
}

#[tokio::test]
async fn silence_in_the_middle_of_a_reply_ends_before_the_whole_time_is_over() {
    let server = ScriptedServer::answering([Answer::StallInBody]).await;
    let idle_timeout = Duration::from_millis(100);
    let options = ScimOptions { idle_timeout, max_attempts: 2, ..options(&server) };
    let target = ScimTarget::connect(options).await.unwrap();
    let begin = Instant::now();
    let error = create(&target).await.unwrap_err();
    assert!(matches!(&error, TargetError::Uncertain { reason, .. } if reason.contains("silent for 0.1 s")), "{error}");
    let error = target.read("User", &id()).await.unwrap_err();
    assert!(matches!(&error, TargetError::Unavailable { attempts: 2, .. }), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(20), "the whole time is 30 s");
}

/// A reply that is sent in fewer octets than it has.
fn compressed(octets: impl std::io::Read) -> Answer {
    let mut packed = Vec::new();
    let mut packer = flate2::read::GzEncoder::new(octets, flate2::Compression::fast());
    std::io::Read::read_to_end(&mut packer, &mut packed).unwrap();
    let headers = ["Content-Type: application/scim+json", "Content-Encoding: gzip"];
    Answer::Octets(headers.map(str::to_owned).into(), packed)
}

#[tokio::test]
async fn compressed_replies_are_asked_for_and_their_length_is_bounded_as_that_of_others() {
    let found: &[u8] = br#"{"id": "1", "userName": "ada"}"#;
    let bomb = std::io::Read::take(std::io::repeat(b' '), 1 << 30);
    let server = ScriptedServer::answering([compressed(found), compressed(bomb)]).await;
    let target = target(&server).await;
    assert_eq!(target.read("User", &id()).await.unwrap().unwrap().display(), "ada");
    assert!(server.seen()[0].headers.contains(&"accept-encoding: gzip".to_owned()), "{:?}", server.seen()[0]);
    let error = target.read("User", &id()).await.unwrap_err();
    assert!(error.to_string().contains("larger than 32 MiB"), "{error}");
}
