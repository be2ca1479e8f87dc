//! The relay between a server and the LDAP library. The library has one end of a socket pair and never sees the
//! network: what reaches it is whole, well-formed and asked for. What a search finds does not reach it at all, but lies
//! ready for whoever reads the search, no more than is being read.
//!
//! The library panics at malformed messages, recurses into nested ones, keeps without bound what nobody has read, and
//! believes any length. All of that is met here, before it.

use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::fault::End;
use super::flow::{Flow, Verdict};
use super::{ber, grammar};

/// How much is read at once.
const CHUNK: usize = 64 * 1024;
/// A buffer that a large message has left larger than this is given back.
const KEPT_BUFFER: usize = 1024 * 1024;
/// How long the last words of a server that takes nothing more are waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The tag of an unbind request.
const UNBIND: u8 = 0x42;

/// A connection to a server, secured or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Starts a relay in front of a server, and returns the library's end.
///
/// # Errors
/// Where the system has no sockets left.
pub(crate) fn start(server: Box<dyn Stream>, flow: Arc<Flow>) -> std::io::Result<(StdUnixStream, JoinHandle<()>)> {
    let (library, ours) = StdUnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let ours = UnixStream::from_std(ours)?;
    Ok((library, tokio::spawn(run(server, ours, flow))))
}

async fn run(server: Box<dyn Stream>, library: UnixStream, flow: Arc<Flow>) {
    let (from_server, to_server) = tokio::io::split(server);
    let (from_library, mut to_library) = library.into_split();
    let mut answers = std::pin::pin!(answers(from_server, &mut to_library, &flow));
    let end = tokio::select! {
        end = &mut answers => end,
        end = requests(from_library, to_server, &flow) => match end {
            // A server that refuses says why before it hangs up, which is met when writing first.
            Err(end @ End::Network(_)) => tokio::time::timeout(LAST_WORDS, answers).await.unwrap_or(Err(end)),
            end => end,
        },
    };
    // Before the library's end is closed: whoever meets the closed end looks here for the reason.
    flow.end(end.err().unwrap_or(End::Ours));
}

/// Passes on what the server sends, until something is wrong with it.
async fn answers(
    mut server: impl AsyncRead + Unpin,
    mut library: impl AsyncWrite + Unpin,
    flow: &Flow,
) -> Result<(), End> {
    let mut buffer = Vec::with_capacity(CHUNK);
    loop {
        let taken = pass_on(&buffer, &mut library, flow).await;
        flow.announce();
        buffer.drain(..taken?);
        if buffer.capacity() > KEPT_BUFFER && buffer.len() < CHUNK {
            buffer.shrink_to(CHUNK);
        }
        // The buffer grows with what has come, never with what is announced.
        buffer.reserve(CHUNK);
        if server.read_buf(&mut buffer).await.map_err(|error| End::of_io(&error))? == 0 {
            return Err(End::HungUp { within_message: !buffer.is_empty() });
        }
    }
}

/// Passes on the whole messages of a buffer, many in one write, and returns how many octets are dealt with.
async fn pass_on(buffer: &[u8], library: &mut (impl AsyncWrite + Unpin), flow: &Flow) -> Result<usize, End> {
    let (mut written, mut at) = (0, 0);
    while let Some(length) = ber::message_length(buffer.get(at..).unwrap_or_default())? {
        let Some(message) = buffer.get(at..at + length) else { break };
        let checked = grammar::check(message)?;
        if !flow.has_room() {
            hand_over(buffer, written, at, library).await?;
            written = at;
            flow.announce();
            flow.room().await?;
        }
        let verdict = flow.judge(&checked, message);
        if verdict.as_ref().is_ok_and(|verdict| *verdict == Verdict::Pass) {
            at += length;
            continue;
        }
        hand_over(buffer, written, at, library).await?;
        verdict?;
        at += length;
        written = at;
    }
    hand_over(buffer, written, at, library).await?;
    Ok(at)
}

async fn hand_over(buffer: &[u8], from: usize, to: usize, library: &mut (impl AsyncWrite + Unpin)) -> Result<(), End> {
    match buffer.get(from..to) {
        Some(octets) if !octets.is_empty() => library.write_all(octets).await.map_err(|_| End::Ours),
        _ => Ok(()),
    }
}

/// Passes on what the library sends, taking note of what is asked, until it hangs up or unbinds.
async fn requests(
    mut library: impl AsyncRead + Unpin,
    mut server: impl AsyncWrite + Unpin,
    flow: &Flow,
) -> Result<(), End> {
    let mut buffer = Vec::with_capacity(CHUNK);
    loop {
        let (mut at, mut unbound) = (0, false);
        while let Some(length) = ber::message_length(buffer.get(at..).unwrap_or_default())? {
            let Some(message) = buffer.get(at..at + length) else { break };
            let request = grammar::request(message)?;
            flow.ask(&request);
            unbound |= request.operation.tag == UNBIND;
            at += length;
        }
        server.write_all(buffer.get(..at).unwrap_or_default()).await.map_err(|error| End::of_io(&error))?;
        server.flush().await.map_err(|error| End::of_io(&error))?;
        if unbound {
            let _ = server.shutdown().await;
            return Ok(());
        }
        buffer.drain(..at);
        buffer.reserve(CHUNK);
        if library.read_buf(&mut buffer).await.map_err(|_| End::Ours)? == 0 {
            return Ok(());
        }
    }
}
