//! The check of an Active Directory source: each thing an import depends on, and each right of the account, with the
//! command that grants it.

use std::collections::BTreeSet;
use std::time::Duration;

use provisor_model::CheckLine;

use super::begin::Start;
use super::controls::{domain_scope, extended_dn};
use super::dirsync::{Asked, DirSync};
use super::domain::Controller;
use super::entries::Entries;
use super::objects::Object;
use super::position::Way;
use super::rights::Account;
use super::whole::object;
use super::work::sees_tombstones;
use super::{ActiveDirectory, read_schema, unreadable};
use crate::connection::{self, Connection};
use crate::error::DirectoryError;
use crate::search::paged::{Manner, Paged, Wanted};

type Found<T> = Result<T, (&'static str, DirectoryError)>;

/// Looks at everything, up to the first thing without which nothing more can be looked at.
pub(crate) async fn check(server: &ActiveDirectory) -> Vec<CheckLine> {
    let mut lines = Vec::new();
    if let Err((what, error)) = look(server, &mut lines).await {
        lines.push(CheckLine::failed(what, error.to_string()));
    }
    lines
}

async fn look(server: &ActiveDirectory, lines: &mut Vec<CheckLine>) -> Found<()> {
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

async fn look_at(server: &ActiveDirectory, mut connection: Connection, lines: &mut Vec<CheckLine>) -> Found<()> {
    let base = server.options.base.as_ref();
    let controller = Controller::read(&mut connection, base).await.map_err(|error| ("domain", error))?;
    lines.push(domain(&controller));
    let schema = read_schema(&mut connection, &controller.domain).await.map_err(|error| ("schema", error))?;
    lines.push(CheckLine::ok("schema", format!("{} attribute names are known", schema.schema.len())));
    let object = server.options.object.clone();
    let mut entries = Entries::new(&BTreeSet::new(), schema, object).map_err(|error| ("schema", error))?;
    let bound = &server.options.connection;
    let name = if bound.bind_dn.is_empty() { &bound.principal } else { &bound.bind_dn };
    let account = Account::find(&mut connection, &controller.domain, name).await;
    let account = account.map_err(|error| ("account", error))?;
    lines.push(
        sample(server, &mut connection, &controller, &mut entries, &account)
            .await
            .map_err(|error| ("rights", error))?,
    );

    let start = server.start(&mut connection, &controller, entries.wire(), None).await;
    let (way, reason) = match start.map_err(|error| ("changes", error))? {
        Start::DirSync { way, changes, .. } => {
            // Its answer is not read to its end: the next question needs a connection of its own.
            drop(changes);
            (way, String::new())
        }
        Start::ChangeNumbers { reason, .. } => (Way::ChangeNumbers, reason),
    };
    connection.close().await;
    lines.push(changes(server, way, &reason, &controller, &account));
    let mut connection = Connection::open(&server.endpoint).await.map_err(|error| ("deletions", error))?;
    let told = told_of_deletions(&mut connection, &controller, way).await.map_err(|error| ("deletions", error))?;
    lines.push(deletions(server, told, &controller, &account));
    connection.close().await;
    Ok(())
}

fn domain(controller: &Controller) -> CheckLine {
    let host = controller.host_name.as_deref().unwrap_or("a controller without a name in DNS");
    let domain = &controller.domain;
    match (&controller.invocation, controller.newest_change) {
        (Some(_), Some(number)) => {
            CheckLine::ok("domain", format!("{domain}, kept by {host}, whose newest change has the number {number}"))
        }
        _ => CheckLine::warning(
            "domain",
            format!(
                "{domain}, kept by {host}, which does not show its invocationId or its highestCommittedUSN: that it was \
                 restored from a copy would not be noticed. Grant the account the right to read the controller's NTDS \
                 Settings object"
            ),
        ),
    }
}

/// How changes are read, and why.
fn changes(server: &ActiveDirectory, way: Way, reason: &str, controller: &Controller, account: &Account) -> CheckLine {
    let every = interval(server.options.listing);
    match way {
        Way::DirSync => CheckLine::ok(
            "changes",
            "the controller tells what changed (DirSync); the account has the right Replicating Directory Changes",
        ),
        Way::DirSyncOfVisible => CheckLine::warning(
            "changes",
            format!(
                "the account has not the right Replicating Directory Changes: the controller tells what changed of the objects \
                 that the account sees (DirSync with object security), and all are listed every {every} to find those that \
                 it does not see any more. {}",
                account.grant_replication(&controller.domain)
            ),
        ),
        Way::ChangeNumbers => CheckLine::warning(
            "changes",
            format!("{reason}: what changed is found by its number (uSNChanged), and each controller counts by itself"),
        ),
    }
}

/// Whether deletions are told.
fn deletions(server: &ActiveDirectory, told: bool, controller: &Controller, account: &Account) -> CheckLine {
    if told {
        return CheckLine::ok("deletions", "the controller tells who was deleted");
    }
    let every = interval(server.options.listing);
    CheckLine::warning(
        "deletions",
        format!(
            "the account sees no deleted object, so who was deleted is found by listing all that is there, every {every} \
             (listing in the configuration). {}. If it is granted, nothing was deleted yet: delete a test user and check again",
            account.grant_deleted(&controller.domain)
        ),
    )
}

/// A length of time for people: in the largest unit in which it is a whole number.
fn interval(length: Duration) -> String {
    let seconds = length.as_secs();
    match (seconds % 3600, seconds % 60) {
        (0, _) if seconds > 0 => format!("{} h", seconds / 3600),
        (_, 0) if seconds > 0 => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

async fn told_of_deletions(
    connection: &mut Connection,
    controller: &Controller,
    way: Way,
) -> Result<bool, DirectoryError> {
    if way != Way::DirSync {
        return sees_tombstones(connection, &controller.domain).await;
    }
    // On Windows who may replicate is told of all that was deleted; on Samba it takes another right.
    let asked = Asked {
        base: controller.domain.clone(),
        filter: "(isDeleted=TRUE)".to_owned(),
        attributes: vec!["isDeleted".to_owned()],
        flags: 0,
        cookie: Vec::new(),
    };
    let mut told = DirSync::begin(connection, asked).await?;
    while let Some(objects) = told.next_objects(connection).await? {
        if objects.iter().any(Object::is_tombstone) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads two pages as an import does, and says what the account does not see.
async fn sample(
    server: &ActiveDirectory,
    connection: &mut Connection,
    controller: &Controller,
    entries: &mut Entries,
    account: &Account,
) -> Result<CheckLine, DirectoryError> {
    let attributes = entries.wire().iter().cloned().chain(MUST_SHOW.iter().map(|name| (*name).to_owned())).collect();
    let wanted = Wanted {
        base: controller.domain.clone(),
        filter: server.class_filter(),
        attributes,
        page_size: server.options.page_size,
        some: true,
        manner: Manner::Domain(vec![extended_dn(), domain_scope()]),
    };
    let mut paged = Paged::begin(connection, wanted).await?;
    let (mut seen, mut classified, mut hidden, mut all) = (0usize, 0usize, 0usize, true);
    let url = connection.url().to_owned();
    for page in 1..=2 {
        let Some(found) = paged.next_page(connection).await? else { break };
        seen += found.len();
        for raw in &found {
            let object = object(&url, raw, false)?;
            let entry = entries.entry(&object).map_err(|error| unreadable(&url, &object.dn, &error))?;
            classified += usize::from(!entry.object_class.is_empty());
            let account = entry.object_class == "user" || entry.object_class == "device";
            hidden += usize::from(account && MUST_SHOW.iter().any(|name| !object.has(name)));
        }
        all = page < 2;
    }
    let seen = if all { format!("all {seen} objects") } else { format!("the first {seen} objects") };
    Ok(if hidden > 0 {
        CheckLine::warning(
            "rights",
            format!(
                "of {seen}, {hidden} accounts do not show {}. {}",
                MUST_SHOW.join(" and "),
                account.grant_reading(&controller.domain)
            ),
        )
    } else if classified == 0 {
        let advice = account.grant_reading(&controller.domain);
        CheckLine::warning(
            "rights",
            format!("of {seen} none is of a known object class. Check object-classes. {advice}"),
        )
    } else {
        CheckLine::ok("rights", format!("{seen} can be read, {classified} of them of a known object class"))
    })
}

/// What every account has, and the account sees where it may read.
const MUST_SHOW: &[&str] = &["objectSid", "userAccountControl"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_told_as_it_is_set() {
        for (seconds, told) in
            [(1, "1 s"), (59, "59 s"), (60, "1 min"), (90, "90 s"), (600, "10 min"), (3600, "1 h"), (86_400, "24 h")]
        {
            assert_eq!(interval(Duration::from_secs(seconds)), told);
        }
        assert_eq!(interval(Duration::ZERO), "0 s");
    }
}
