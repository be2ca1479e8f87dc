//! A server that is broken or hostile, played by a scripted double: whatever it sends, the answer is an error, and soon.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a failure here ends a test")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use provisor_directory::DirectoryError;
use support::Store;
use support::double::{BOUND, Double, Step, entry, message, part, result};

/// Nothing may take longer, however often it is tried again.
const SOON: Duration = Duration::from_secs(20);

async fn failure(double: Double) -> DirectoryError {
    let directory = double.directory();
    let import = async { Store::default().import(&directory, &["cn"]).await };
    tokio::time::timeout(SOON, import).await.expect("an end").unwrap_err()
}

async fn failure_by(steps: Vec<Step>) -> DirectoryError {
    failure(Double::start(steps).await).await
}

fn bound() -> Step {
    Step::Answer(BOUND.to_vec())
}

/// The words with which the connection refuses what the server sent.
async fn refusal(answers: &[&[u8]]) -> String {
    match failure(Double::answering(answers).await).await {
        DirectoryError::Protocol { reason, .. } => reason,
        other => panic!("taken for something else: {other}"),
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_unreachable() {
    for answers in [&[][..], &[BOUND]] {
        let error = failure(Double::answering(answers).await).await;
        assert!(matches!(error, DirectoryError::Unreachable { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_is_unreachable() {
    let half = message(2, &entry("dc=example", "cn", b"x"), b"");
    let half = half[..half.len() / 2].to_vec();
    for steps in [
        vec![Step::HangUp],
        vec![bound(), Step::HangUp],
        vec![bound(), Step::Answer(half.clone()), Step::HangUp],
        vec![Step::Answer(BOUND[..5].to_vec()), Step::HangUp],
    ] {
        let error = failure_by(steps).await;
        assert!(matches!(error, DirectoryError::Unreachable { .. }), "{error}");
    }
}

#[tokio::test]
async fn malformed_answers_to_a_bind_are_refused() {
    for answer in [
        // No LDAP at all.
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        // An empty sequence, a message without id, a result without code.
        b"\x30\x00",
        b"\x30\x02\x61\x00",
        b"\x30\x05\x02\x01\x01\x61\x00",
        // A diagnostic message that is not UTF-8.
        b"\x30\x0d\x02\x01\x01\x61\x08\x0a\x01\x00\x04\x00\x04\x01\xff",
        // Controls that are none: without a name, with a criticality of no octets, of another class.
        b"\x30\x10\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00\xa0\x02\x30\x00",
        b"\x30\x15\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00\xa0\x07\x30\x05\x04\x01\x31\x01\x00",
        b"\x30\x12\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00\xa0\x04\x30\x02\x84\x00",
        // A message id that is negative, too long, or of no octets.
        b"\x30\x0c\x02\x01\xff\x61\x07\x0a\x01\x00\x04\x00\x04\x00",
        b"\x30\x10\x02\x05\x01\x00\x00\x00\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00",
        b"\x30\x0b\x02\x00\x61\x07\x0a\x01\x00\x04\x00\x04\x00",
        // A referral that is no list, one that is not UTF-8; credentials that are a list.
        b"\x30\x0f\x02\x01\x01\x61\x0a\x0a\x01\x0a\x04\x00\x04\x00\x83\x01x",
        b"\x30\x11\x02\x01\x01\x61\x0c\x0a\x01\x0a\x04\x00\x04\x00\xa3\x03\x04\x01\xff",
        b"\x30\x0e\x02\x01\x01\x61\x09\x0a\x01\x00\x04\x00\x04\x00\xa7\x00",
        // A length without an end.
        b"\x30\x80\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00\x00\x00",
    ] {
        let reason = refusal(&[answer]).await;
        assert!(!reason.contains("library"), "{answer:?}: {reason}");
    }
}

#[tokio::test]
async fn malformed_answers_to_a_search_are_refused() {
    for answer in [
        // An entry without a name, one whose attributes are no list, one whose values are.
        &b"\x30\x05\x02\x01\x02\x64\x00"[..],
        b"\x30\x0b\x02\x01\x02\x64\x06\x04\x02cn\x04\x00",
        b"\x30\x16\x02\x01\x02\x64\x11\x04\x02cn\x30\x0b\x30\x09\x04\x01a\x31\x04\x30\x02\x04\x00",
        // A name that is not UTF-8.
        b"\x30\x0a\x02\x01\x02\x64\x05\x04\x01\xff\x30\x00",
        // A reference that is none, an intermediate message with something else in it.
        b"\x30\x07\x02\x01\x02\x73\x02\x30\x00",
        b"\x30\x07\x02\x01\x02\x79\x02\x04\x00",
        // The end of a search whose result cannot be read.
        b"\x30\x05\x02\x01\x02\x65\x00",
    ] {
        let reason = refusal(&[BOUND, answer]).await;
        assert!(reason.contains("malformed"), "{answer:?}: {reason}");
    }
    // Operations that no server sends: a search request, an extended request, a number nobody has given away.
    for tag in [0x63, 0x77, 0x7e] {
        refusal(&[BOUND, &message(2, &part(tag, b""), b"")]).await;
    }
}

#[tokio::test]
async fn answers_that_nobody_asked_for_are_refused() {
    // To a message that is not out, and to one that is over.
    for answer in [message(9, &result(0x65, 0), b""), message(1, &result(0x61, 0), b"")] {
        assert!(refusal(&[BOUND, &answer]).await.contains("nobody asked for"));
    }
    // A bind that is answered by an entry, a search that is answered by a bind or by an extended response.
    let reason = refusal(&[&message(1, &entry("dc=example", "cn", b"x"), b"")]).await;
    assert!(reason.contains("search result entry in answer to a bind"), "{reason}");
    for tag in [0x61, 0x78] {
        let reason = refusal(&[BOUND, &message(2, &result(tag, 0), b"")]).await;
        assert!(reason.contains("in answer to a search"), "{reason}");
    }
    let out_of_place = message(1, &part(0x79, b""), b"");
    assert!(refusal(&[&out_of_place]).await.contains("intermediate response in answer to a bind"));
}

#[tokio::test]
async fn lengths_nests_and_numbers_without_bounds_are_refused_at_once() {
    // A gigabyte is announced, and nothing of it sent: the refusal does not wait for it.
    for announced in [&b"\x30\x84\x40\x00\x00\x00"[..], b"\x30\x88\xff\xff\xff\xff\xff\xff\xff\xff"] {
        assert!(refusal(&[BOUND, announced]).await.contains("the most"));
    }
    // The same within a small message.
    assert!(refusal(&[BOUND, b"\x30\x0b\x02\x01\x02\x64\x84\x40\x00\x00\x00\x00\x00"]).await.contains("the most"));
    // A list in a list in a list ..., where a result may have parts that nobody knows.
    let mut nest = Vec::new();
    for _ in 0..100_000 {
        nest = if nest.len() < 4_000 { part(0xa9, &nest) } else { break };
    }
    let done = part(0x65, &[part(10, &[0]), part(4, b""), part(4, b""), nest].concat());
    assert!(refusal(&[BOUND, &message(2, &done, b"")]).await.contains("nested"));
    // Thousands of controls.
    let controls = part(0xa0, &part(0x30, &part(4, b"1.2.3")).repeat(5_000));
    assert!(refusal(&[BOUND, &message(2, &result(0x65, 0), &controls)]).await.contains("controls"));
    // Values without number.
    let values = part(0x30, &[part(4, b"cn"), part(0x31, &part(4, b"").repeat(600_000))].concat());
    let crowded = part(0x64, &[part(4, b"dc=example"), part(0x30, &values)].concat());
    assert!(refusal(&[BOUND, &message(2, &crowded, b"")]).await.contains("parts"));
}

#[tokio::test]
async fn a_farewell_is_passed_on_in_the_server_s_words() {
    let farewell = |name: &[u8]| {
        let parts = [part(10, &[52]), part(4, b""), part(4, b"maintenance until nine"), part(0x8a, name)];
        message(0, &part(0x78, &parts.concat()), b"")
    };
    let error = failure(Double::answering(&[BOUND, &farewell(b"1.3.6.1.4.1.1466.20036")]).await).await;
    assert!(matches!(error, DirectoryError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("maintenance until nine"), "{error}");
    // A notification of another kind is nobody's business: what follows it is what counts.
    let other = [farewell(b"1.2.3.4"), message(2, &result(0x65, 50), b"")].concat();
    let error = failure(Double::answering(&[BOUND, &other]).await).await;
    assert!(matches!(error, DirectoryError::Rights { .. }), "{error}");
}

#[tokio::test]
async fn a_reference_in_place_of_entries_is_an_end_before_its_time() {
    let reference = part(0x73, &part(4, b"ldap://elsewhere/dc=example"));
    // What is asked for first is the schema; a server that is not asked for the whole subtree has no business there.
    let referral =
        part(0x65, &[part(10, &[10]), part(4, b""), part(4, b""), part(0xa3, &part(4, b"ldap://x/"))].concat());
    let error = failure(Double::answering(&[BOUND, &message(2, &referral, b"")]).await).await;
    assert!(matches!(error, DirectoryError::EndedEarly { .. }), "{error}");
    let all = [message(2, &reference, b""), message(2, &referral, b"")].concat();
    let error = failure(Double::answering(&[BOUND, &all]).await).await;
    assert!(matches!(error, DirectoryError::EndedEarly { .. }), "{error}");
}

#[tokio::test]
async fn octets_that_come_one_by_one_make_the_same_messages() {
    let found = [
        message(2, &entry("cn=x,dc=example", "cn", b"x"), b""),
        message(2, &part(0x79, &part(0x80, b"1.2.3")), b""),
        message(2, &result(0x65, 50), b""),
    ];
    let double = Double::start(vec![Step::Dribble(BOUND.to_vec()), Step::Dribble(found.concat())]).await;
    let error = failure(Double { timeout: Duration::from_secs(5), ..double }).await;
    assert!(matches!(error, DirectoryError::Rights { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_never_ends_its_answer_is_left() {
    // The schema is what is asked for first: an entry too many ends that search, and what follows is thrown away.
    let flood = message(2, &entry("", "subschemaSubentry", b"cn=Subschema"), b"");
    let count = Arc::new(AtomicUsize::new(0));
    let error = failure_by(vec![bound(), Step::Pour(flood, Arc::clone(&count))]).await;
    assert!(matches!(error, DirectoryError::Unreachable { .. }), "{error}");
    assert!(count.load(Ordering::Relaxed) > 0);
    // Intermediate messages that mean nothing are no sign of life.
    let flood = message(2, &part(0x79, &part(0x80, b"1.2.3.4")), b"");
    let error = failure_by(vec![bound(), Step::Pour(flood, Arc::clone(&count))]).await;
    assert!(error.to_string().contains("no answer within"), "{error}");
}
