//! A real import from a real slapd, recorded; then played back damaged, at every octet, and cut, at every message. A
//! damaged import never completes with less than everything, never hangs, and nothing anywhere panics.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a failure here ends a test")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use provisor_directory::{
    ConnectionOptions, Directory, DirectoryError, Feed, OpenLdap, OpenLdapOptions, SourceOptions,
};
use provisor_model::Secret;
use provisor_tests::ldif::{Directory as Generated, SUFFIX, SYNC_DN, SYNC_PASSWORD, Size};
use provisor_tests::{Slapd, SlapdOptions};
use support::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;

const ATTRIBUTES: &[&str] = &["uid", "cn", "member"];

/// What a server sent, by the request that it answered.
type Session = Vec<Vec<u8>>;

/// How long a client waits. Damage may make it wait for octets that never come, so it is short.
const PATIENCE: Duration = Duration::from_millis(300);
const ALL_THE_TIME: Duration = Duration::from_secs(30);

fn directory(socket: &Path, timeout: Duration) -> Directory {
    let url = format!("ldapi://{}", socket.display());
    let connection =
        ConnectionOptions { timeout, ..ConnectionOptions::simple(url, SYNC_DN, Secret::new(SYNC_PASSWORD)) };
    let base = format!("ou=people,{SUFFIX}").parse().unwrap();
    let options =
        OpenLdapOptions { connection, base, page_size: 2, object: SourceOptions::default(), feed: Feed::default() };
    OpenLdap::new(options).unwrap().into()
}

/// Stands between a client and a server, and writes down what the server says.
async fn record(listener: UnixListener, server: std::path::PathBuf, session: Arc<Mutex<Session>>) {
    let (mut client, _) = listener.accept().await.unwrap();
    let mut server = UnixStream::connect(server).await.unwrap();
    let (mut request, mut answer) = (vec![0; 65536], vec![0; 65536]);
    loop {
        tokio::select! {
            read = client.read(&mut request) => match read {
                Ok(count) if count > 0 => {
                    session.lock().await.push(Vec::new());
                    server.write_all(&request[..count]).await.unwrap();
                }
                _ => return,
            },
            read = server.read(&mut answer) => match read {
                Ok(count) if count > 0 => {
                    session.lock().await.last_mut().unwrap().extend(&answer[..count]);
                    client.write_all(&answer[..count]).await.unwrap();
                }
                _ => return,
            },
        }
    }
}

/// Plays a session to whoever connects, one answer to a request, and then hangs up.
async fn play(folder: &Path, number: usize, session: Session, timeout: Duration) -> Result<Store, DirectoryError> {
    let socket = folder.join(number.to_string());
    let listener = UnixListener::bind(&socket).unwrap();
    let double = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            for answer in &session {
                if !client.read(&mut request).await.is_ok_and(|count| count > 0)
                    || client.write_all(answer).await.is_err()
                {
                    break;
                }
            }
        }
    });
    let mut store = Store::default();
    let import = store.import(&directory(&socket, timeout), ATTRIBUTES).await;
    double.abort();
    import.map(|_| store)
}

/// Where the messages of an answer end.
fn boundaries(answer: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut at = 0;
    while at < answer.len() {
        let (head, length) = match answer[at + 1] {
            short @ 0..0x80 => (2, usize::from(short)),
            long => {
                let count = usize::from(long & 0x7f);
                let octets = &answer[at + 2..at + 2 + count];
                (2 + count, octets.iter().fold(0, |length, octet| (length << 8) | usize::from(*octet)))
            }
        };
        at += head + length;
        ends.push(at);
    }
    ends
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_session_never_completes_with_less_than_everything() {
    let panics = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&panics);
    std::panic::set_hook(Box::new(move |panic| {
        count.fetch_add(1, Ordering::Relaxed);
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{panic}\n").as_bytes());
    }));

    let people = Generated::generate(Size { people: 5, groups: 0, big: 0 }, 7);
    let slapd = Slapd::start(&SlapdOptions { ldif: people.to_ldif(true), ..SlapdOptions::default() }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("recorder");
    let session = Arc::new(Mutex::new(Session::new()));
    let recorder = tokio::spawn(record(UnixListener::bind(&socket).unwrap(), slapd.socket(), Arc::clone(&session)));
    let mut store = Store::default();
    store.import(&directory(&socket, ALL_THE_TIME), ATTRIBUTES).await.unwrap();
    recorder.await.unwrap();
    let mut session = session.lock().await.clone();
    // The farewell has no answer.
    session.retain(|answer| !answer.is_empty());
    let all = store.entries.len();
    assert_eq!(all, 6);
    let whole = play(folder.path(), 0, session.clone(), ALL_THE_TIME).await.unwrap();
    assert_eq!(whole.content(), store.content(), "undamaged, the session is a whole import");

    let mut damaged = Vec::new();
    for (number, answer) in session.iter().enumerate() {
        let with = |octets: Vec<u8>| {
            let mut session = session.clone();
            session[number] = octets;
            session
        };
        // The schema is long and most of it text: a part of its octets stands for all.
        let step = if answer.len() > 10_000 { 251 } else { 1 };
        for place in (0..answer.len()).step_by(step) {
            let mut octets = answer.clone();
            octets[place] ^= 1 << (place % 8);
            damaged.push((false, with(octets)));
        }
        // Cut between messages, and within them.
        for end in [vec![0], boundaries(answer)].concat() {
            for end in [end, end.saturating_sub(1)] {
                let mut cut = with(answer[..end].to_vec());
                cut.truncate(number + 1);
                damaged.push((end < answer.len() || number + 1 < session.len(), cut));
            }
        }
        // The end of a search with another result: limits, a referral, a server that shuts down.
        let ends = boundaries(answer);
        let last = if ends.len() > 1 { ends[ends.len() - 2] } else { 0 };
        let code = answer[last..].windows(3).position(|window| window == [0x0a, 1, 0]).map(|place| last + place + 2);
        for result in [3, 4, 10, 11, 51, 52, 80] {
            let mut octets = answer.clone();
            octets[code.expect("a result")] = result;
            // A search for one entry that has found it may be told that there would be more.
            damaged.push((result != 4 || ends.len() != 2, with(octets)));
        }
    }
    let plays = damaged.into_iter().enumerate().map(|(number, (must_fail, session))| {
        let folder = folder.path().to_owned();
        async move {
            let play = tokio::time::timeout(ALL_THE_TIME, play(&folder, number + 1, session, PATIENCE));
            (must_fail, play.await.expect("an end"))
        }
    });
    let outcomes: Vec<_> = futures_util::stream::iter(plays).buffer_unordered(16).collect().await;
    let mut completed = 0;
    for (must_fail, outcome) in &outcomes {
        if let Ok(store) = outcome {
            completed += 1;
            assert!(!must_fail, "a cut or refused session completed");
            assert_eq!(store.entries.len(), all, "an import completed with less than everything");
        }
    }
    // Octets of text may be any: such damage cannot be seen. All else is.
    let refused = outcomes.len() - completed;
    assert!(completed > 0 && refused > 500, "{refused} of {} were refused", outcomes.len());
    assert_eq!(panics.load(Ordering::Relaxed), 0);
}
