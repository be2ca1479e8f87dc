//! A scripted double of an HTTP service, for what real ones do not do on demand: broken, hostile and odd replies.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The head's lines after the first, in lower case.
    pub headers: Vec<String>,
    pub body: String,
    pub at: Instant,
}

/// What the server does with a request.
#[derive(Clone)]
pub enum Answer {
    /// Status, header lines, body.
    Send(u16, Vec<String>, String),
    /// Closes the connection.
    Cut,
    /// Closes the connection in the middle of the body.
    CutInBody,
    /// Header lines and a body that is no text.
    Octets(Vec<String>, Vec<u8>),
    /// Falls silent in the middle of the body.
    StallInBody,
    /// Never answers.
    Stall,
    /// Sends a body of so many octets.
    Flood(usize),
}

impl Answer {
    pub fn scim(status: u16, body: impl ToString) -> Self {
        Self::Send(status, vec!["Content-Type: application/scim+json".into()], body.to_string())
    }

    pub fn html(status: u16) -> Self {
        let page =
            "<!DOCTYPE html>\n<html><head><title>Sign in\nhere</title></head><body>secret page text</body></html>";
        Self::Send(status, vec!["Content-Type: text/html; charset=utf-8".into()], page.into())
    }

    pub fn header(mut self, line: impl Into<String>) -> Self {
        if let Self::Send(_, headers, _) = &mut self {
            headers.push(line.into());
        }
        self
    }
}

type Script = dyn Fn(&Seen, usize) -> Answer + Send + Sync;

/// The running double; stopped when dropped.
pub struct ScriptedServer {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Seen {
    /// A request of which nothing else is known.
    pub fn of(method: &str, target: &str) -> Self {
        let (method, target) = (method.to_owned(), target.to_owned());
        Self { method, target, headers: Vec::new(), body: String::new(), at: Instant::now() }
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl ScriptedServer {
    /// Serves by a script, which is given each request and its number, from 0.
    pub async fn start(script: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_with_tls(None, script).await
    }

    /// As a SCIM service that announces PATCH and filters; the script is asked for everything else, and numbers that.
    pub async fn scim(script: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Self {
        let asked = Mutex::new(0);
        Self::start(move |seen, _| match describe(seen) {
            Some(answer) => answer,
            None => {
                let mut asked = asked.lock().unwrap();
                *asked += 1;
                script(seen, *asked - 1)
            }
        })
        .await
    }

    /// As a SCIM service that gives these answers in turn, then the last one for ever.
    pub async fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = Mutex::new(answers.into_iter().collect::<VecDeque<_>>());
        Self::scim(move |_, _| {
            let mut answers = answers.lock().unwrap();
            if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
        })
        .await
    }

    pub async fn start_with_tls(
        tls: Option<TlsAcceptor>,
        script: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Script> = Arc::new(script);
        let log = Arc::clone(&seen);
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(accept(stream, tls.clone(), Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self { address, seen, connections, accepting }
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub fn url(&self) -> String {
        format!("http://{}/scim/v2", self.address)
    }

    /// The requests so far, those for descriptions left out.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().iter().filter(|seen| describe(seen).is_none()).cloned().collect()
    }
}

/// What a SCIM service without schemas says of itself.
pub fn describe(seen: &Seen) -> Option<Answer> {
    let path = seen.target.split('?').next().unwrap();
    if path.ends_with("/ServiceProviderConfig") {
        return Some(Answer::scim(
            200,
            r#"{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
                "patch": {"supported": true}, "filter": {"supported": true, "maxResults": 100}, "etag": {"supported": false}}"#,
        ));
    }
    (path.ends_with("/ResourceTypes") || path.ends_with("/Schemas")).then(|| Answer::scim(404, "{}"))
}

async fn accept(stream: TcpStream, tls: Option<TlsAcceptor>, script: Arc<Script>, log: Arc<Mutex<Vec<Seen>>>) {
    match tls {
        None => serve(stream, script, log).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream, script, log).await;
            }
        }
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, script: Arc<Script>, log: Arc<Mutex<Vec<Seen>>>) {
    let mut buffer = Vec::new();
    while let Some(seen) = read_request(&mut stream, &mut buffer).await {
        let number = {
            let mut log = log.lock().unwrap();
            log.push(seen.clone());
            log.len() - 1
        };
        let written = match script(&seen, number) {
            Answer::Send(status, headers, body) => {
                let mut head = format!("HTTP/1.1 {status} Scripted\r\nContent-Length: {}\r\n", body.len());
                for header in headers {
                    head.push_str(&format!("{header}\r\n"));
                }
                stream.write_all(format!("{head}\r\n{body}").as_bytes()).await
            }
            Answer::Cut => return,
            Answer::CutInBody => {
                let head = "HTTP/1.1 200 Scripted\r\nContent-Type: application/scim+json\r\nContent-Length: 1000\r\n\r\n{\"a\":";
                let _ = stream.write_all(head.as_bytes()).await;
                return;
            }
            Answer::Octets(headers, body) => {
                let mut head = format!("HTTP/1.1 200 Scripted\r\nContent-Length: {}\r\n", body.len());
                for header in headers {
                    head.push_str(&format!("{header}\r\n"));
                }
                head.push_str("\r\n");
                let _ = stream.write_all(head.as_bytes()).await;
                stream.write_all(&body).await
            }
            Answer::StallInBody => {
                let head = "HTTP/1.1 200 Scripted\r\nContent-Type: application/scim+json\r\nContent-Length: 1000\r\n\r\n{\"a\":";
                let _ = stream.write_all(head.as_bytes()).await;
                std::future::pending().await
            }
            Answer::Stall => std::future::pending().await,
            Answer::Flood(octets) => {
                let head = format!(
                    "HTTP/1.1 200 Scripted\r\nContent-Type: application/scim+json\r\nContent-Length: {octets}\r\n\r\n"
                );
                let _ = stream.write_all(head.as_bytes()).await;
                let blank = vec![b' '; 1 << 16];
                let mut left = octets;
                while left > 0 && stream.write_all(&blank[..left.min(blank.len())]).await.is_ok() {
                    left = left.saturating_sub(blank.len());
                }
                Ok(())
            }
        };
        if written.is_err() {
            return;
        }
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        // What is no HTTP, such as the hello of TLS, is answered as a request that makes no sense.
        if buffer.first().is_some_and(|octet| !octet.is_ascii_uppercase()) {
            buffer.clear();
            return Some(Seen::of("?", "?"));
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let headers: Vec<String> = lines.map(str::to_lowercase).collect();
    let length = headers.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    while buffer.len() < end + 4 + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8_lossy(&buffer[end + 4..end + 4 + length]).into_owned();
    buffer.drain(..end + 4 + length);
    let at = Instant::now();
    Some(Seen { at, method: first.next()?.into(), target: first.next()?.into(), headers, body })
}
