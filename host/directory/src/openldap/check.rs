//! The check of an OpenLDAP source: each thing an import depends on, in the order in which it is met.

use std::collections::BTreeSet;

use provisor_model::CheckLine;

use super::csn::Csns;
use super::few::{RootDse, read_one};
use super::paged::Paged;
use super::refresh::Refresh;
use super::schema::ServerSchema;
use super::{EVERYTHING, OpenLdap};
use crate::connection::{self, Connection};
use crate::error::DirectoryError;
use crate::import::ImportItem;
use crate::reading::Reader;

/// Looks at everything, up to the first thing without which nothing more can be looked at.
pub(crate) async fn check(server: &OpenLdap) -> Vec<CheckLine> {
    let mut lines = Vec::new();
    if let Err((what, error)) = look(server, &mut lines).await {
        lines.push(CheckLine::failed(what, error.to_string()));
    }
    lines
}

async fn look(server: &OpenLdap, lines: &mut Vec<CheckLine>) -> Result<(), (&'static str, DirectoryError)> {
    let mut connection = connection::check(&server.endpoint, lines).await?;

    let base = read_one(&mut connection, &server.base, EVERYTHING, &["1.1"]).await.map_err(|error| ("base", error))?;
    if base.is_none() {
        return Err((
            "base",
            DirectoryError::NoSuchBase { url: connection.url().to_owned(), base: server.base.clone() },
        ));
    }
    lines.push(CheckLine::ok("base", format!("\"{}\" exists", server.base)));

    let schema = ServerSchema::read(&mut connection, &server.base).await.map_err(|error| ("schema", error))?;
    lines.push(CheckLine::ok("schema", format!("{} attribute names are known", schema.schema.len())));

    let root = RootDse::read(&mut connection).await.map_err(|error| ("changes", error))?;
    let mut reader = server.reader(&BTreeSet::new(), schema).map_err(|error| ("schema", error))?;
    let line = changes(server, &mut connection, &mut reader, &root).await;
    lines.push(line.map_err(|error| ("changes", error))?);
    if !root.pages {
        lines.push(CheckLine::warning("paging", "the server does not announce paged results, which imports use"));
    }
    lines.push(sample(server, &mut connection, &mut reader).await.map_err(|error| ("entries", error))?);
    connection.close().await;
    Ok(())
}

/// Whether the server can be asked for changes.
async fn changes(
    server: &OpenLdap,
    connection: &mut Connection,
    reader: &mut Reader,
    root: &RootDse,
) -> Result<CheckLine, DirectoryError> {
    if !root.synchronises {
        let detail = "the server does not announce content synchronisation: every cycle reads everything. Load the \
                      overlay syncprov";
        return Ok(CheckLine::warning("changes", detail));
    }
    let numbers = match root.suffix(&server.options.base) {
        Some(suffix) => Csns::read(connection, suffix).await?,
        None => None,
    };
    let Some(numbers) = numbers else {
        let detail = "contextCSN cannot be read at the suffix: every cycle reads everything. Load the overlay syncprov \
                      for this database, and grant the account the right to read contextCSN";
        return Ok(CheckLine::warning("changes", detail));
    };
    // The announcement is the whole server's; whether this database synchronises shows only when it is asked to.
    let url = connection.url().to_owned();
    let mut refresh = Refresh::begin(connection, reader, &server.base, &numbers.to_cookie()).await?;
    match refresh.next_page(&url, reader).await {
        Ok(_) => Ok(CheckLine::ok("changes", "the server says what changed (RFC 4533)")),
        Err(DirectoryError::WatermarkLost { reason, .. }) => Ok(CheckLine::warning(
            "changes",
            format!(
                "the database does not synchronise ({reason}): every cycle reads everything. Load the overlay syncprov"
            ),
        )),
        Err(error) => Err(error),
    }
}

/// Reads two pages as an import does, which meets the limits that the account has on one.
async fn sample(
    server: &OpenLdap,
    connection: &mut Connection,
    reader: &mut Reader,
) -> Result<CheckLine, DirectoryError> {
    let mut paged = Paged::begin(connection, reader, &server.base, server.options.page_size).await?;
    let (mut entries, mut classified, mut all) = (0usize, 0usize, true);
    for page in 1..=2 {
        let Some(items) = paged.next_page(connection, reader).await? else { break };
        entries += items.len();
        classified += items
            .iter()
            .filter(|item| matches!(item, ImportItem::Upsert(entry) if !entry.object_class.is_empty()))
            .count();
        all = page < 2;
    }
    let seen = if all { format!("all {entries} entries") } else { format!("the first {entries} entries") };
    Ok(if classified == 0 {
        CheckLine::warning(
            "entries",
            format!("{seen} can be read, but none is of a known object class. Check object-classes"),
        )
    } else {
        CheckLine::ok(
            "entries",
            format!("{seen} can be read with their entryUUID, {classified} of a known object class"),
        )
    })
}
