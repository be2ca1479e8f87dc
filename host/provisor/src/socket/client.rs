//! A command's end of the socket.

use std::io::ErrorKind;
use std::path::Path;

use provisor_sync::Progress;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::{Line, MAX_LINE, SILENCE};
use crate::failure::Failure;
use crate::operation::{Answer, Request};
use crate::process::StopSignals;

/// A connection to a running host.
pub struct Client(UnixStream);

impl Client {
    /// Connects; none where no host runs on the folder.
    pub async fn connect(socket: &Path) -> Result<Option<Self>, Failure> {
        match UnixStream::connect(socket).await {
            Ok(stream) => Ok(Some(Self(stream))),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::ConnectionRefused
                ) =>
            {
                Ok(None)
            }
            // A path too long for a socket: no host can listen there either.
            Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(None),
            Err(error) => Err(Failure::failed(format!(
                "the running host cannot be reached by {}: {error}. Run this command as the user of the host",
                socket.display()
            ))),
        }
    }

    /// Sends the request and waits for its answer. The first signal asks the host to pause the work.
    pub async fn perform(
        self,
        request: &Request,
        show: &mut (dyn FnMut(Progress) + Send),
        signals: &mut StopSignals,
    ) -> Result<Answer, Failure> {
        let (reader, mut writer) = self.0.into_split();
        let mut text = serde_json::to_string(request).map_err(|error| Failure::failed(error.to_string()))?;
        text.push('\n');
        let lost = |error: std::io::Error| {
            Failure::failed(format!("the connection to the running host broke: {error}. Try again"))
        };
        timeout(SILENCE, writer.write_all(text.as_bytes())).await.map_err(|_| silent())?.map_err(lost)?;
        let mut writer = Some(writer);
        let mut lines = BufReader::new(reader.take(0));
        loop {
            let mut line = Vec::new();
            lines.get_mut().set_limit(MAX_LINE as u64);
            let octets = {
                let mut read = std::pin::pin!(timeout(SILENCE, lines.read_until(b'\n', &mut line)));
                loop {
                    tokio::select! {
                        read = &mut read => break read.map_err(|_| silent())?.map_err(lost)?,
                        () = signals.next() => match writer.take() {
                            // The host takes the end of our half for the wish to pause.
                            Some(mut writer) => writer.shutdown().await.map_err(lost)?,
                            None => return Err(Failure::failed("interrupted; the running host ends the work by itself")),
                        },
                    }
                }
            };
            if octets == 0 {
                return Err(Failure::failed(
                    "the running host has ended the connection. Look at its log, and try again",
                ));
            }
            let line = serde_json::from_slice(&line).map_err(|error| {
                Failure::failed(format!(
                    "the running host gave an answer that is not understood: {error}. Is it of another version?"
                ))
            })?;
            match line {
                Line::Progress(progress) => show(progress),
                Line::Answer(answer) => return Ok(*answer),
                Line::Failure(failure) => return Err(failure),
            }
        }
    }
}

fn silent() -> Failure {
    Failure::failed("the running host does not answer. Look at its log, and restart it if it is stuck")
}
