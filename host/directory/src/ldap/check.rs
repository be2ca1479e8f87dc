//! The check of an LDAP source: each thing an import depends on, in the order in which it is met.

use std::collections::BTreeSet;

use provisor_model::{AttributeName, CheckLine};

use super::options::{ChangeReading, LdapKind};
use super::root::RootDse;
use super::stamp::{STAMPS, Stamp, Stamps};
use super::way::{Dialect, Way};
use super::{OpenLdap, read_entry};
use crate::connection::{self, Connection};
use crate::error::DirectoryError;
use crate::reading::Reader;
use crate::search::EVERYTHING;
use crate::search::few::read_one;
use crate::search::paged::{Manner, Paged, Wanted};
use crate::search::schema::ServerSchema;

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
    for _ in 1..server.endpoint.servers.len() {
        let (url, kept) = (connection.url().to_owned(), lines.len());
        match look_at(server, connection, lines).await {
            // It broke off after it was reached, as it would in an import.
            Err(failed) if failed.1.is_transient() => {
                connection = connection::check_next(&server.endpoint, &url, failed, lines, kept).await?;
            }
            looked => return looked,
        }
    }
    look_at(server, connection, lines).await
}

async fn look_at(
    server: &OpenLdap,
    mut connection: Connection,
    lines: &mut Vec<CheckLine>,
) -> Result<(), (&'static str, DirectoryError)> {
    let base = read_one(&mut connection, &server.base, EVERYTHING, &["1.1"]).await.map_err(|error| ("base", error))?;
    if base.is_none() {
        let (url, base) = (connection.url().to_owned(), server.base.clone());
        return Err(("base", DirectoryError::NoSuchBase { url, base }));
    }
    lines.push(CheckLine::ok("base", format!("\"{}\" exists", server.base)));

    let schema = ServerSchema::read(&mut connection, &server.base).await.map_err(|error| ("schema", error))?;
    lines.push(CheckLine::ok("schema", format!("{} attribute names are known", schema.schema.len())));

    for further in &server.options.feed.further_bases {
        let name = further.to_string();
        let found =
            read_one(&mut connection, &name, EVERYTHING, &["1.1"]).await.map_err(|error| ("further base", error))?;
        if found.is_none() {
            return Err(("further base", DirectoryError::NoSuchBase { url: connection.url().to_owned(), base: name }));
        }
        lines.push(CheckLine::ok("further base", format!("\"{name}\" exists")));
    }

    let root = RootDse::read(&mut connection).await.map_err(|error| ("changes", error))?;
    let object = server.identification(&mut connection, None).await.map_err(|error| ("source id", error))?;
    let source_id = object.source_id_attribute.clone();
    if server.options.feed.detect_source_id {
        lines.push(CheckLine::ok("source id", format!("entries are identified by {source_id}")));
    }
    let mut reader = OpenLdap::reader(&BTreeSet::new(), schema, object).map_err(|error| ("schema", error))?;
    let way = way(server, &mut connection, &root, &source_id).await.map_err(|error| ("changes", error))?;
    lines.push(changes(server, &way));
    if server.options.feed.live {
        lines.push(live(&root));
    }
    if !root.pages {
        lines.push(CheckLine::warning("paging", "the server does not announce paged results, which imports use"));
    }
    lines.extend(sample(server, &mut connection, &mut reader, &way).await.map_err(|error| ("entries", error))?);
    connection.close().await;
    Ok(())
}

/// How an import would read changes.
async fn way(
    server: &OpenLdap,
    connection: &mut Connection,
    root: &RootDse,
    source_id: &AttributeName,
) -> Result<Way, DirectoryError> {
    let way = Way::choose(server, connection, root, source_id).await?;
    match server.silence(connection, &way).await? {
        Some(reason) => Way::without(server, reason),
        None => Ok(way),
    }
}

/// Whether the server says what changed, and what is done where it does not.
fn changes(server: &OpenLdap, way: &Way) -> CheckLine {
    let listed = "every cycle lists all entries, and reads those that were changed lately";
    let dialect = match way {
        Way::Compare(reason) if server.options.feed.kind == LdapKind::OpenLdap && !forced(server) => {
            return CheckLine::warning("changes", format!("{reason}: {listed}"));
        }
        Way::Compare(reason) => return CheckLine::ok("changes", format!("{reason}: {listed}")),
        Way::Sync(Dialect::OpenLdap(_)) => "OpenLDAP's",
        Way::Sync(Dialect::NetscapeChangelog) => "389 Directory Server's",
        Way::Sync(Dialect::Standard) => "the standard's",
    };
    CheckLine::ok("changes", format!("the server says what changed, by {dialect} content synchronisation (RFC 4533)"))
}

fn forced(server: &OpenLdap) -> bool {
    server.options.feed.changes == ChangeReading::Compare
}

/// Whether changes can be announced as they happen.
fn live(root: &RootDse) -> CheckLine {
    if root.synchronises {
        CheckLine::ok("live", "the server announces changes as they happen")
    } else {
        let detail = "the server does not announce changes (RFC 4533): they are found at the configured interval. Take live out, \
                      or choose a shorter interval";
        CheckLine::warning("live", detail)
    }
}

/// Reads two pages as an import does, which meets the limits that the account has on one.
async fn sample(
    server: &OpenLdap,
    connection: &mut Connection,
    reader: &mut Reader,
    way: &Way,
) -> Result<Vec<CheckLine>, DirectoryError> {
    let mut attributes = reader.wire().to_vec();
    attributes.extend(STAMPS.iter().map(|name| (*name).to_owned()));
    let page_size = server.options.page_size;
    let (base, filter) = (server.base.clone(), server.filter());
    let wanted = Wanted { base, filter, attributes, page_size, some: true, manner: Manner::Whole };
    let mut paged = Paged::begin(connection, wanted).await?;
    let (mut entries, mut classified, mut all) = (0usize, 0usize, true);
    let (mut stamps, url) = (Stamps::default(), connection.url().to_owned());
    for page in 1..=2 {
        let Some(found) = paged.next_page(connection).await? else { break };
        entries += found.len();
        for raw in found {
            stamps.note(&raw);
            classified += usize::from(!read_entry(reader, &url, &raw)?.object_class.is_empty());
        }
        all = page < 2;
    }
    let seen = if all { format!("all {entries} entries") } else { format!("the first {entries} entries") };
    let mut lines = vec![if classified == 0 {
        CheckLine::warning(
            "entries",
            format!("{seen} can be read, but none is of a known object class. Check object-classes"),
        )
    } else {
        let source_id = &reader.object().source_id_attribute;
        CheckLine::ok(
            "entries",
            format!("{seen} can be read with their {source_id}, {classified} of a known object class"),
        )
    }];
    if matches!(way, Way::Compare(_)) && stamps.from(Stamp::now()).is_none() {
        let detail = "modifyTimestamp and createTimestamp cannot be read on every entry: every cycle reads everything. Grant the \
                      account the right to read them";
        lines.push(CheckLine::warning("timestamps", detail));
    }
    Ok(lines)
}
