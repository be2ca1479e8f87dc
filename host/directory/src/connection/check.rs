//! The check of a connection: which servers answer, how they are secured, and as whom we are taken.

use std::time::{Duration, SystemTime};

use provisor_model::CheckLine;

use super::Connection;
use super::dial::TlsSession;
use super::endpoint::{Bind, Endpoint, Server};
use super::reach::Reached;
use crate::error::DirectoryError;

/// How long before its end a certificate is warned of.
const EXPIRES_SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const DAY: u64 = 24 * 60 * 60;

/// Looks at every server, and returns a bound connection to the first that can be used. What would be wrong with each,
/// such as a password that is refused, ends it at once: one that is offered to all of them locks the account.
///
/// # Errors
/// What stands in the way, and what was being looked at, where none can be used.
pub(crate) async fn check(
    endpoint: &Endpoint,
    lines: &mut Vec<CheckLine>,
) -> Result<Connection, (&'static str, DirectoryError)> {
    let mut used: Option<Connection> = None;
    let mut failed = Vec::new();
    let mut ended = None;
    let mut servers = endpoint.servers.iter().enumerate();
    for (place, server) in servers.by_ref() {
        match look(endpoint, server, used.is_some(), lines).await {
            Ok(connection) if used.is_none() => {
                endpoint.answered(place);
                used = Some(connection);
            }
            Ok(connection) => connection.close().await,
            Err((what, error)) if error.another_server_may_help() => failed.push((what, error)),
            Err(end) => {
                ended = Some(end);
                break;
            }
        }
    }
    let warning = |(what, error): (&'static str, DirectoryError)| CheckLine::warning(what, error.to_string());
    let untried =
        servers.map(|(_, server)| CheckLine::warning("connection", format!("{} was not tried after that", server.url)));
    match (used, ended) {
        (Some(connection), ended) => {
            lines.extend(failed.into_iter().chain(ended).map(warning).chain(untried));
            Ok(connection)
        }
        (None, Some(end)) => {
            lines.extend(failed.into_iter().map(warning).chain(untried));
            Err(end)
        }
        (None, None) if failed.len() == 1 => Err(failed.remove(0)),
        (None, None) => {
            let what = failed.first().map_or("connection", |(what, _)| *what);
            Err((what, DirectoryError::of_servers(failed.into_iter().map(|(_, error)| error).collect())))
        }
    }
}

/// A connection to the next server, in place of the one at `url` that broke off while it was looked at. Of the lines, those
/// from `kept` on were about it: its failure takes their place.
///
/// # Errors
/// When none can be used.
pub(crate) async fn check_next(
    endpoint: &Endpoint,
    url: &str,
    (what, error): (&'static str, DirectoryError),
    lines: &mut Vec<CheckLine>,
    kept: usize,
) -> Result<Connection, (&'static str, DirectoryError)> {
    lines.truncate(kept);
    lines.push(CheckLine::warning(what, error.to_string()));
    endpoint.pass_over(url);
    Connection::open(endpoint).await.map_err(|error| ("connection", error))
}

/// Looks at one server.
async fn look(
    endpoint: &Endpoint,
    server: &Server,
    spare: bool,
    lines: &mut Vec<CheckLine>,
) -> Result<Connection, (&'static str, DirectoryError)> {
    let reached = Reached::reach(endpoint, server).await.map_err(|error| match error {
        error @ DirectoryError::Tls { .. } => ("certificate", error),
        error => ("connection", error),
    })?;
    let mut found = vec![CheckLine::ok(
        "connection",
        format!("{} answers{}", server.url, if spare { ", and stands by" } else { "" }),
    )];
    found.push(security(server, reached.tls(), SystemTime::now()));
    let bound = match reached.bind(endpoint).await {
        // With TLS 1.3 a server says only now that it does not like our certificate.
        Err(error @ DirectoryError::Tls { .. }) => {
            found.truncate(1);
            Err(("certificate", error))
        }
        Err(error) => Err(("bind", error)),
        Ok(mut connection) => match identity(endpoint, &mut connection).await {
            Ok(line) => Ok((connection, line)),
            Err(error) => Err(("bind", error)),
        },
    };
    lines.append(&mut found);
    let (connection, line) = bound?;
    lines.push(line);
    Ok(connection)
}

/// How a connection is secured, and for how long.
fn security(server: &Server, tls: Option<&TlsSession>, now: SystemTime) -> CheckLine {
    let Some(tls) = tls else {
        return if server.is_secure() {
            CheckLine::ok("certificate", "the server is reached by a socket of this machine, without TLS")
        } else {
            CheckLine::warning("certificate", "the connection is not secured. Use ldaps:// or start-tls")
        };
    };
    let valid = format!("{}; the server's certificate is valid for its name", tls.version);
    let Some(left) = tls.expires.map(|expires| expires.duration_since(now).unwrap_or_default()) else {
        return CheckLine::ok("certificate", valid);
    };
    let days = left.as_secs() / DAY;
    if left < EXPIRES_SOON {
        let detail = format!("{valid}, but expires in {days} days. Renew it on the server");
        CheckLine::warning("certificate", detail)
    } else {
        CheckLine::ok("certificate", format!("{valid}, and for {days} days more"))
    }
}

/// As whom the server takes us.
async fn identity(endpoint: &Endpoint, connection: &mut Connection) -> Result<CheckLine, DirectoryError> {
    let told = connection.who_am_i().await?;
    Ok(match (&endpoint.bind, told.as_deref().map(bare)) {
        (Bind::Anonymous, _) => CheckLine::warning("bind", "no account is set: the server is read anonymously"),
        (_, Some("")) => CheckLine::warning(
            "bind",
            "the server accepts the bind, but takes this host for nobody. Map the account on the server",
        ),
        (_, Some(id)) => CheckLine::ok("bind", format!("bound as \"{id}\"")),
        (Bind::Simple { name, .. }, None) => CheckLine::ok("bind", format!("bound as \"{name}\"")),
        #[cfg(feature = "kerberos")]
        (Bind::Kerberos(account), None) => {
            CheckLine::ok("bind", format!("bound as \"{}\" by Kerberos", account.principal))
        }
        (Bind::External, None) => CheckLine::ok("bind", "bound by EXTERNAL; the server does not say as whom"),
    })
}

/// The name in an authorisation id (RFC 4513, section 5.2.1.8): behind `dn:`, or behind `u:` in the server's own form.
fn bare(id: &str) -> &str {
    id.strip_prefix("dn:").or_else(|| id.strip_prefix("u:")).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use provisor_model::{CheckOutcome, Secret};

    use super::*;
    use crate::connection::ConnectionOptions;

    #[test]
    fn a_certificate_that_ends_soon_is_warned_of() {
        let options = ConnectionOptions::simple("ldaps://ldap.example", "cn=sync", Secret::new("secret"));
        let server = options.endpoint().unwrap().servers.remove(0);
        let now = SystemTime::now();
        let line = |days: u64| {
            let expires = Some(now + Duration::from_secs(days * DAY + 60));
            security(&server, Some(&TlsSession { version: "TLS 1.3", expires, ..TlsSession::default() }), now).outcome
        };
        assert!(matches!(line(29), CheckOutcome::Warning(text) if text.contains("in 29 days")));
        assert!(matches!(line(30), CheckOutcome::Ok(text) if text.contains("30 days more")));
        let unknown = security(&server, Some(&TlsSession { version: "TLS 1.2", ..TlsSession::default() }), now).outcome;
        assert!(matches!(unknown, CheckOutcome::Ok(text) if text.starts_with("TLS 1.2")));
    }
}
