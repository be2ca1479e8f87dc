//! `provisor run`: the agent.

use std::time::Duration;

use super::Context;
use crate::data_folder::DataFolder;
use crate::failure::{Failure, Status};
use crate::first_party;
use crate::host::Host;
use crate::operation::{Reached, reach};
use crate::process::StopSignals;
use crate::socket;

/// How long a stopped host waits for the answers to other commands.
const LAST_ANSWERS: Duration = Duration::from_millis(200);

/// Runs until it is asked to stop.
pub async fn run(context: Context) -> Result<Status, Failure> {
    let settings = context.settings;
    let mut signals = StopSignals::take_over()?;
    let data_folder = match reach(&settings).await? {
        Reached::Folder(data_folder) => data_folder,
        // The other host's process id is in its lock.
        Reached::Host(_) => DataFolder::take(&settings.data_folder)?,
    };
    let socket = settings.socket();
    if let Some(advice) = first_party::missing_advice() {
        tracing::warn!("{advice}");
    }
    let host = Host::start(settings, data_folder, false).await?;
    let server = tokio::spawn(socket::serve(&socket, std::sync::Arc::clone(&host))?);
    tracing::info!(socket = %socket.display(), "provisor runs; SIGTERM or Ctrl-C stops it");
    signals.next().await;
    tracing::info!("stopping: cycles pause between two objects; a second signal ends at once");
    tokio::select! {
        () = host.stop() => tokio::time::sleep(LAST_ANSWERS).await,
        () = signals.next() => tracing::warn!("ended at once; the next start goes on where the store says"),
    }
    server.abort();
    socket::remove(&socket);
    Ok(Status::Done)
}
