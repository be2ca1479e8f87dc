//! The connection and its relay against scripted servers: what passes, what is held back, and what is left over.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use ldap3::Scope;
use ldap3::asn1::parse_tag;
use proptest::prelude::*;
use provisor_model::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;

use super::flow::{Flow, Taken, Verdict};
use super::grammar::Kind;
use super::{Connection, ConnectionOptions, Results, Search, ber, grammar, relay};

const BOUND: &[u8] = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00";

/// A part: its tag, its length, its content.
fn part(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x84][..], &length, content].concat()
}

fn message(id: u8, operation: &[u8]) -> Vec<u8> {
    part(0x30, &[&part(2, &[id]), operation].concat())
}

fn result(tag: u8) -> Vec<u8> {
    part(tag, &[part(10, &[0]), part(4, b""), part(4, b"")].concat())
}

/// An entry with one value of so many octets.
fn entry(octets: usize) -> Vec<u8> {
    let attribute = part(0x30, &[part(4, b"cn"), part(0x31, &part(4, &vec![b'x'; octets]))].concat());
    part(0x64, &[part(4, b"cn=x"), part(0x30, &attribute)].concat())
}

/// A connection to what this function plays.
async fn connected<F: Future<Output = ()> + Send + 'static>(
    play: impl FnOnce(UnixStream) -> F + Send + 'static,
) -> (Connection, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ldapi");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read(&mut stream).await;
        stream.write_all(BOUND).await.unwrap();
        play(stream).await;
    });
    let options = ConnectionOptions {
        timeout: Duration::from_secs(30),
        ..ConnectionOptions::simple(format!("ldapi://{}", path.display()), "cn=sync", Secret::new("secret"))
    };
    (Connection::open(&options.endpoint().unwrap()).await.unwrap(), folder)
}

/// Reads a request.
async fn read(stream: &mut UnixStream) {
    let mut buffer = [0; 4096];
    let _ = stream.read(&mut buffer).await;
}

async fn search(connection: &mut Connection) -> Results {
    let attributes = ["cn".to_owned()];
    let search = Search {
        base: "dc=example",
        scope: Scope::Subtree,
        filter: "(objectClass=*)",
        attributes: &attributes,
        controls: Vec::new(),
        size_limit: 0,
    };
    connection.search(search).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stalls_holds_the_server_back_and_loses_nothing() {
    const ENTRIES: usize = 2_000;
    const OCTETS: usize = 50_000;
    let sent = Arc::new(AtomicUsize::new(0));
    let stuck = Arc::new(Notify::new());
    let (count, held) = (Arc::clone(&sent), Arc::clone(&stuck));
    let (mut connection, _folder) = connected(async move |mut stream| {
        read(&mut stream).await;
        let entry = message(2, &entry(OCTETS));
        for _ in 0..ENTRIES {
            let write = stream.write_all(&entry);
            tokio::pin!(write);
            // Whoever cannot write for so long is held back.
            while tokio::time::timeout(Duration::from_millis(300), &mut write).await.is_err() {
                held.notify_one();
            }
            count.fetch_add(entry.len(), Ordering::Relaxed);
        }
        stream.write_all(&message(2, &result(0x65))).await.unwrap();
        read(&mut stream).await;
    })
    .await;
    let mut results = search(&mut connection).await;
    assert!(results.next().await.unwrap().is_some());
    stuck.notified().await;
    let unread = connection.flow.unread();
    assert!((4 << 20..5 << 20).contains(&unread), "{unread} octets wait to be read");
    let taken = sent.load(Ordering::Relaxed);
    assert!(taken < 8 << 20, "{taken} of {} octets were taken off a server that nobody reads", ENTRIES * OCTETS);
    let mut read = 1;
    while results.next().await.unwrap().is_some() {
        read += 1;
    }
    assert_eq!(read, ENTRIES);
    assert_eq!(results.finish().await.rc, 0);
    assert_eq!(connection.flow.unread(), 0);
}

#[tokio::test]
async fn who_waits_for_an_answer_behind_what_nobody_reads_gets_it() {
    let (mut connection, _folder) = connected(async |mut stream| {
        read(&mut stream).await;
        read(&mut stream).await;
        let entry = message(2, &entry(100_000));
        for _ in 0..200 {
            stream.write_all(&entry).await.unwrap();
        }
        stream.write_all(&message(3, &result(0x78))).await.unwrap();
        stream.write_all(&message(2, &result(0x65))).await.unwrap();
        read(&mut stream).await;
    })
    .await;
    let mut results = search(&mut connection).await;
    assert_eq!(connection.who_am_i().await.unwrap().as_deref(), Some(""));
    let mut read = 0;
    while results.next().await.unwrap().is_some() {
        read += 1;
    }
    assert_eq!(read, 200);
}

#[tokio::test]
async fn a_search_that_nobody_reads_to_its_end_is_in_nobody_s_way() {
    let (mut connection, _folder) = connected(async |mut stream| {
        read(&mut stream).await;
        let entry = message(2, &entry(100_000));
        for _ in 0..200 {
            stream.write_all(&entry).await.unwrap();
        }
        stream.write_all(&message(2, &result(0x65))).await.unwrap();
        read(&mut stream).await;
        stream.write_all(&message(3, &result(0x65))).await.unwrap();
        read(&mut stream).await;
    })
    .await;
    let mut results = search(&mut connection).await;
    assert!(results.next().await.unwrap().is_some());
    drop(results);
    assert_eq!(connection.flow.unread(), 0);
    let mut second = search(&mut connection).await;
    assert!(second.next().await.unwrap().is_none());
    assert_eq!(second.finish().await.rc, 0);
}

#[test]
fn a_group_of_half_a_million_members_is_one_message() {
    let members = part(4, &[b'm'; 100]).repeat(500_000);
    let attributes = [
        part(0x30, &[part(4, b"member"), part(0x31, &members)].concat()),
        part(0x30, &[part(4, b"cn"), part(0x31, &part(4, b"everybody"))].concat()),
    ];
    let entry = part(0x64, &[part(4, b"cn=x"), part(0x30, &attributes.concat())].concat());
    let message = message(2, &entry);
    assert_eq!(grammar::check(&message).unwrap().kind, Kind::Entry);
}

/// A flow that was asked for a search with the id 2, of which as much has come as may lie unread.
fn full() -> Flow {
    let flow = Flow::default();
    flow.ask(&grammar::request(&message(2, &part(0x63, b""))).unwrap());
    let entry = message(2, &entry(1 << 20));
    while flow.has_room() {
        flow.judge(&grammar::check(&entry).unwrap(), &entry).unwrap();
    }
    flow
}

#[test]
fn who_waits_before_its_request_is_out_gets_past_what_nobody_reads() {
    let flow = full();
    assert!(flow.room().now_or_never().is_none());
    flow.take(3, &mut VecDeque::new());
    flow.ask(&grammar::request(&message(3, &part(0x63, b""))).unwrap());
    flow.room().now_or_never().unwrap().unwrap();
    // Its answer comes, and then nobody waits.
    let done = message(3, &result(0x65));
    flow.judge(&grammar::check(&done).unwrap(), &done).unwrap();
    assert!(flow.room().now_or_never().is_none());
}

#[test]
fn what_was_given_up_before_its_request_was_out_is_in_nobody_s_way() {
    let flow = full();
    flow.take(3, &mut VecDeque::new());
    flow.give_up(3);
    flow.ask(&grammar::request(&message(3, &part(0x63, b""))).unwrap());
    assert!(flow.room().now_or_never().is_none(), "nobody waits for it any more");
    let before = flow.unread();
    let entry = message(3, &entry(100));
    assert_eq!(flow.judge(&grammar::check(&entry).unwrap(), &entry).unwrap(), Verdict::Drop);
    assert_eq!(flow.unread(), before);
    // An answer to what is not out yet is still one that nobody asked for.
    flow.take(4, &mut VecDeque::new());
    let early = message(4, &result(0x65));
    assert!(flow.judge(&grammar::check(&early).unwrap(), &early).is_err());
}

/// What reaches the library of these octets, sent in pieces of these lengths, to a search with the id 2, and what is kept
/// for whoever reads the search.
async fn relayed(octets: Vec<u8>, pieces: Vec<usize>) -> (Vec<u8>, Vec<u8>) {
    let (server, mut far) = UnixStream::pair().unwrap();
    let flow = Arc::new(Flow::default());
    let search = message(2, &part(0x63, b""));
    flow.ask(&grammar::request(&search).unwrap());
    let (library, relay) = relay::start(Box::new(server), Arc::clone(&flow)).unwrap();
    library.set_nonblocking(true).unwrap();
    let mut library = UnixStream::from_std(library).unwrap();
    let send = async move {
        let (mut rest, mut pieces) = (octets.as_slice(), pieces.into_iter().cycle());
        while !rest.is_empty() {
            let (piece, further) = rest.split_at(pieces.next().unwrap_or(1).clamp(1, rest.len()));
            rest = further;
            // The relay has hung up where something was wrong.
            if far.write_all(piece).await.is_err() {
                break;
            }
        }
    };
    let mut received = Vec::new();
    let (_, read) = tokio::join!(send, library.read_to_end(&mut received));
    read.unwrap();
    relay.await.unwrap();
    let mut kept = VecDeque::new();
    while let Taken::Messages = flow.take(2, &mut kept) {}
    (received, Vec::from(kept).concat())
}

/// Messages as a server sends them, some of them damaged.
fn transcripts() -> impl Strategy<Value = Vec<u8>> {
    let whole = prop_oneof![
        4 => (0usize..200).prop_map(|octets| message(2, &entry(octets))),
        1 => Just(message(2, &part(0x73, &part(4, b"ldap://x/")))),
        1 => Just(message(2, &result(0x65))),
        1 => Just(message(1, &result(0x61))),
        1 => Just(message(0, &result(0x78))),
    ];
    let damage = prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
    prop::collection::vec((whole, damage), 1..6).prop_map(|messages| {
        let damaged = messages.into_iter().map(|(mut octets, damage)| {
            if let Some((place, octet)) = damage {
                let place = place.index(octets.len());
                octets[place] = octet;
            }
            octets
        });
        damaged.collect::<Vec<_>>().concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_reaches_the_library_or_is_kept_are_whole_sound_messages_that_the_server_sent(
        octets in prop_oneof![4 => transcripts(), 1 => prop::collection::vec(any::<u8>(), 0..200)],
        pieces in prop::collection::vec(1usize..50, 1..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (received, kept) = runtime.block_on(relayed(octets.clone(), pieces));
        let found = |kind| matches!(kind, Kind::Entry | Kind::Reference);
        let mut rest = kept.as_slice();
        let mut at = 0;
        while !rest.is_empty() {
            let length = ber::message_length(rest).unwrap().unwrap();
            let (message, further) = rest.split_at(length);
            let checked = grammar::check(message).unwrap();
            prop_assert!(checked.id == 2 && found(checked.kind));
            // In the order in which they were sent.
            let place = octets[at..].windows(length).position(|window| window == message);
            prop_assert!(place.is_some());
            at += place.unwrap() + length;
            rest = further;
        }
        let mut rest = received.as_slice();
        let mut at = 0;
        while !rest.is_empty() {
            let length = ber::message_length(rest).unwrap().unwrap();
            let (message, further) = rest.split_at(length);
            let checked = grammar::check(message).unwrap();
            prop_assert!(checked.id == 2 && !found(checked.kind));
            let (behind, tag) = parse_tag(message).unwrap();
            prop_assert!(behind.is_empty());
            // The library's own reading of a result panics at what is not one.
            if checked.outcome.is_some() {
                let mut parts = tag.expect_constructed().unwrap();
                let _ = ldap3::LdapResult::from(ldap3::asn1::Tag::StructureTag(parts.remove(1)));
            }
            // In the order in which they were sent.
            let place = octets[at..].windows(length).position(|window| window == message);
            prop_assert!(place.is_some());
            at += place.unwrap() + length;
            rest = further;
        }
    }
}
