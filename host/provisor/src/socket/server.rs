//! The host's end of the socket.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use nix::unistd::Uid;
use provisor_sync::CycleWatch;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{HEARTBEAT, Line, MAX_LINE, SILENCE};
use crate::failure::Failure;
use crate::host::Host;
use crate::operation::Request;
use crate::user;

/// How many commands are answered at once; more wait to be accepted.
const MAX_CONNECTIONS: usize = 16;

/// Listens, and answers until the future is dropped. The caller holds the folder's lock, so that a socket that is there
/// already is a dead host's.
pub fn serve(socket: &Path, host: Arc<Host>) -> Result<impl Future<Output = ()> + use<>, Failure> {
    let wrong = |error: std::io::Error| {
        Failure::usage(format!(
            "the socket {} cannot be made: {error}. A data-folder with a shorter path may help",
            socket.display()
        ))
    };
    match fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(wrong(error)),
        _ => {}
    }
    // The folder is closed to others, so that nobody comes between these two lines.
    let listener = UnixListener::bind(socket).map_err(wrong)?;
    fs::set_permissions(socket, Permissions::from_mode(0o600)).map_err(wrong)?;
    Ok(accept(listener, host))
}

/// Removes the socket of a host that ends.
pub fn remove(socket: &Path) {
    if let Err(error) = fs::remove_file(socket) {
        tracing::debug!(%error, "the socket was gone already");
    }
}

async fn accept(listener: UnixListener, host: Arc<Host>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let host = Arc::clone(&host);
                tokio::spawn(async move {
                    if let Err(error) = answer(stream, &host).await {
                        tracing::debug!(%error, "a command went away");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the socket cannot take a connection");
                tokio::time::sleep(HEARTBEAT).await;
            }
        }
    }
}

/// Reads the request, and writes progress until the answer is there.
async fn answer(stream: UnixStream, host: &Host) -> std::io::Result<()> {
    let asking = Uid::from_raw(stream.peer_cred()?.uid());
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader.take(MAX_LINE as u64));
    let mut line = Vec::new();
    timeout(SILENCE, reader.read_until(b'\n', &mut line)).await??;
    let request = match serde_json::from_slice::<Request>(&line) {
        // Who asks, the system knows, whatever the request says.
        Ok(Request::Approve { plugin, configuration, .. }) => {
            Request::Approve { plugin, configuration, by: user::name(asking) }
        }
        Ok(request) => request,
        Err(error) => {
            let failure = Failure::usage(format!(
                "the running host does not understand the request: {error}. Is it of another version?"
            ));
            return send(&mut writer, &Line::Failure(failure)).await;
        }
    };
    drop(line);
    let watch = CycleWatch::new();
    let progress = watch.progress();
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut work = std::pin::pin!(host.perform(request, &watch));
    let mut gone = std::pin::pin!(end_of(reader));
    loop {
        tokio::select! {
            outcome = &mut work => {
                let line = match outcome {
                    Ok(answer) => Line::Answer(Box::new(answer)),
                    Err(failure) => Line::Failure(failure),
                };
                return send(&mut writer, &line).await;
            }
            () = &mut gone, if !watch.stopping() => watch.stop(),
            _ = heartbeat.tick() => {
                let line = Line::Progress(*progress.borrow());
                if send(&mut writer, &line).await.is_err() {
                    // Nobody listens any more, but the work must not be dropped between two of its steps.
                    watch.stop();
                }
            }
        }
    }
}

/// Ends when the command has closed its half.
async fn end_of(mut reader: BufReader<tokio::io::Take<OwnedReadHalf>>) {
    let mut ignored = [0; 64];
    while matches!(reader.read(&mut ignored).await, Ok(octets) if octets > 0) {}
}

async fn send(writer: &mut OwnedWriteHalf, line: &Line) -> std::io::Result<()> {
    let mut text = serde_json::to_string(line)?;
    if text.len() > MAX_LINE {
        text = serde_json::to_string(&Line::Failure(Failure::failed(
            "the answer is too long. Ask for less, as with --limit or --first",
        )))?;
    }
    text.push('\n');
    timeout(SILENCE, writer.write_all(text.as_bytes())).await?
}
