//! A scripted double of an LDAP server: it says what a test tells it to, whatever the protocol says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use provisor_directory::{ConnectionOptions, Directory, Feed, OpenLdap, OpenLdapOptions, SourceOptions};
use provisor_model::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A bind that succeeds.
pub const BOUND: &[u8] = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00";

/// What the double does with a connection.
#[derive(Clone)]
pub enum Step {
    /// Waits for a request, and answers it with these octets.
    Answer(Vec<u8>),
    /// As before, but an octet at a time.
    Dribble(Vec<u8>),
    /// Waits for a request, and answers it with these octets again and again, until the client takes no more for a
    /// second; how many octets it took is counted.
    Pour(Vec<u8>, Arc<AtomicUsize>),
    /// Hangs up.
    HangUp,
}

/// A double, and the directory that is made to believe in it.
pub struct Double {
    pub url: String,
    pub timeout: Duration,
}

impl Double {
    /// Starts it. When its steps are over it says nothing more, and reads what comes.
    pub async fn start(steps: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(play(stream, steps.clone()));
            }
        });
        Self { url: format!("ldap://127.0.0.1:{port}"), timeout: Duration::from_millis(400) }
    }

    /// A double that answers each request with the next of these.
    pub async fn answering(answers: &[&[u8]]) -> Self {
        Self::start(answers.iter().map(|answer| Step::Answer(answer.to_vec())).collect()).await
    }

    pub fn directory(&self) -> Directory {
        let connection = ConnectionOptions {
            timeout: self.timeout,
            ..ConnectionOptions::simple(&self.url, "cn=sync", Secret::new("secret"))
        };
        let options = OpenLdapOptions {
            connection,
            base: "dc=example".parse().unwrap(),
            page_size: 100,
            object: SourceOptions::default(),
            feed: Feed::default(),
        };
        OpenLdap::new(options).unwrap().into()
    }
}

async fn play(mut stream: tokio::net::TcpStream, steps: Vec<Step>) {
    let mut buffer = [0; 4096];
    for step in steps {
        if !matches!(step, Step::HangUp) && !stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {
            return;
        }
        match step {
            Step::Answer(octets) => drop(stream.write_all(&octets).await),
            Step::Dribble(octets) => {
                stream.set_nodelay(true).unwrap();
                for octet in octets {
                    let _ = stream.write_all(&[octet]).await;
                    tokio::task::yield_now().await;
                }
            }
            Step::Pour(octets, count) => {
                while let Ok(Ok(())) = tokio::time::timeout(Duration::from_secs(1), stream.write_all(&octets)).await {
                    count.fetch_add(octets.len(), Ordering::Relaxed);
                }
            }
            Step::HangUp => return,
        }
    }
    while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
}

/// A part: its tag, its length, its content.
pub fn part(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut octets = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => octets.push(short),
        _ => {
            octets.push(0x84);
            octets.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        }
    }
    octets.extend(content);
    octets
}

/// A message with this operation, and what may follow it.
pub fn message(id: u8, operation: &[u8], further: &[u8]) -> Vec<u8> {
    part(0x30, &[&part(2, &[id]), operation, further].concat())
}

/// A result: bind response (0x61), end of a search (0x65), extended response (0x78).
pub fn result(tag: u8, code: u8) -> Vec<u8> {
    part(tag, &[part(10, &[code]), part(4, b""), part(4, b"")].concat())
}

/// An entry with one attribute.
pub fn entry(dn: &str, name: &str, value: &[u8]) -> Vec<u8> {
    let attribute = part(0x30, &[part(4, name.as_bytes()), part(0x31, &part(4, value))].concat());
    part(0x64, &[part(4, dn.as_bytes()), part(0x30, &attribute)].concat())
}
