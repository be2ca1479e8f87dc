//! What `provisor check` tells about a SCIM service, line by line.

use std::time::SystemTime;

use provisor_model::{CheckLine, CheckOutcome, TargetPath};
use reqwest::Version;

use crate::TargetError;
use crate::scim::abilities::Abilities;
use crate::scim::http::Call;
use crate::scim::reply::place;
use crate::scim::{ScimOptions, ScimTarget, tls};

/// A certificate that ends in fewer days is warned of.
const SHORT_OF_TIME: u64 = 14;

impl ScimTarget {
    /// Looks at everything that exporting to a service needs, as far as it can be seen without writing.
    pub async fn check(options: ScimOptions) -> Vec<CheckLine> {
        let (proxy, proxy_user) = (options.proxy_url().ok().flatten(), options.proxy_login.as_ref());
        let proxy = proxy.map(|url| match proxy_user {
            Some(login) => format!("requests go through {} as {}", place(&url), login.user),
            None => format!("requests go through {}", place(&url)),
        });
        let own_certificate = options.client_identity.as_ref().map(tls::end_of_identity);
        let wants_bulk = options.bulk;
        let target = match Self::connect(options).await {
            Ok(target) => target,
            Err(error) => return vec![CheckLine::failed(topic(&error), error.to_string())],
        };
        let mut lines = target.check_connection();
        lines.extend(proxy.map(|words| CheckLine::ok("proxy", words)));
        lines.extend(own_certificate.map(|end| certificate("client certificate", "it can be used", end)));
        lines.push(target.check_rate());
        lines.push(CheckLine::ok("credentials", target.http().line().credentials.describe()));
        let readable = target.check_rights().await;
        let can_read = readable.iter().all(|line| matches!(line.outcome, CheckOutcome::Ok(_)));
        lines.extend(readable);
        lines.extend(describe(target.abilities()));
        lines.extend(target.describe_dialect());
        lines.extend(wants_bulk.then(|| target.check_bulk()));
        if can_read && target.abilities().filter && !target.dialect().is_entra() {
            lines.extend(target.check_filters().await);
        }
        lines
    }

    fn check_connection(&self) -> Vec<CheckLine> {
        let (base, transport) = (self.http().base(), self.http().transport());
        let version = match transport.as_ref().map(|transport| transport.version) {
            Some(Version::HTTP_2) => "HTTP/2",
            Some(Version::HTTP_10) => "HTTP/1.0",
            _ => "HTTP/1.1",
        };
        let words = format!("{} answers as a SCIM 2.0 service, over {version}", place(base));
        let encryption = if base.scheme() == "https" {
            let end = transport.and_then(|transport| transport.certificate_ends);
            certificate("certificate", "it is valid, trusted and for this host", end)
        } else {
            CheckLine::warning(
                "certificate",
                "the connection is not encrypted, which is for trying things out on one machine only",
            )
        };
        vec![CheckLine::ok("connection", words), encryption]
    }

    fn check_rate(&self) -> CheckLine {
        let limits = self.http().line().pace.limits();
        let rate = match limits.rate {
            Some(rate) => format!("at most {rate} requests a second"),
            None => "as many requests a second as are answered".to_owned(),
        };
        let words = format!("{rate}, {} at once, fewer when the service asks for it or slows down", limits.concurrency);
        CheckLine::ok("rate", words)
    }

    fn check_bulk(&self) -> CheckLine {
        match self.http().together() {
            Some(together) => CheckLine::ok("bulk", format!("up to {together} writes go into one request")),
            None => CheckLine::warning(
                "bulk",
                "the service does not announce bulk requests, so that everything is sent one by one",
            ),
        }
    }

    /// Whether resources of each type can be read: descriptions are often open to everybody.
    async fn check_rights(&self) -> Vec<CheckLine> {
        let mut lines = Vec::new();
        for kind in self.abilities().resource_types.values() {
            let what = format!("read {}", kind.name);
            let asked = match self.endpoint(kind) {
                Ok(mut url) => {
                    url.query_pairs_mut().append_pair("count", "1");
                    self.http().send(&Call::get(url)).await
                }
                Err(error) => Err(error),
            };
            match asked {
                Ok(_) => lines.push(CheckLine::ok(
                    what,
                    match self.http().line().credentials.noun() {
                        Some(noun) => format!("{noun} allows it"),
                        None => "allowed without a token".to_owned(),
                    },
                )),
                Err(error @ TargetError::Unauthorized { .. }) => {
                    lines.push(CheckLine::failed("token", error.to_string()));
                    break;
                }
                Err(error) => lines.push(CheckLine::failed(what, error.to_string())),
            }
        }
        lines
    }
}

impl ScimTarget {
    /// What is done otherwise than the service announces.
    fn describe_dialect(&self) -> Vec<CheckLine> {
        let mut lines = Vec::new();
        if self.dialect().is_entra() {
            lines.push(CheckLine::ok(
                "profile",
                "Microsoft Entra ID: members are added by twenties and removed one by one, and every request is billed",
            ));
        }
        let quirks = self.dialect().quirks();
        if !quirks.is_empty() {
            lines.push(CheckLine::ok("quirks", format!("as configured: {}", quirks.join(", "))));
        }
        let hidden = self
            .abilities()
            .resource_types
            .keys()
            .filter(|kind| kind.eq_ignore_ascii_case("Group"))
            .any(|kind| "members".parse().is_ok_and(|members| !self.shows(kind, &members)));
        if hidden && self.abilities().patch {
            lines.push(CheckLine::ok(
                "members",
                "the service does not show who is in a group; what was sent is remembered, and members that others added stay",
            ));
        } else if hidden {
            lines.push(CheckLine::warning(
                "members",
                "the service neither shows who is in a group nor changes groups in part, so that groups which are there are                  never written: their members would be lost",
            ));
        }
        lines
    }

    /// Whether what is there is found by the attribute that everything is matched by.
    async fn check_filters(&self) -> Vec<CheckLine> {
        let Ok(external_id) = "externalId".parse::<TargetPath>() else { return Vec::new() };
        let mut lines = Vec::new();
        for kind in self.abilities().resource_types.keys() {
            let what = format!("find {kind}");
            match self.can_find(kind, &external_id).await {
                Ok(true) => {}
                Ok(false) => lines.push(CheckLine::warning(
                    what,
                    "a filter on externalId does not find what is there: matching reads the whole listing, also after each \
                     creation that is refused as a conflict",
                )),
                Err(error) => lines.push(CheckLine::failed(what, error.to_string())),
            }
        }
        lines
    }
}

/// A certificate that passes, and how long it will.
fn certificate(what: &str, good: &str, end: Option<SystemTime>) -> CheckLine {
    let Some(end) = end else { return CheckLine::ok(what, good) };
    let days = end.duration_since(SystemTime::now()).map_or(0, |left| left.as_secs() / 86_400);
    let words = format!("{good}, for {days} days more");
    if days < SHORT_OF_TIME {
        CheckLine::warning(what, format!("{words}. Have it renewed"))
    } else {
        CheckLine::ok(what, words)
    }
}

fn topic(error: &TargetError) -> &'static str {
    match error {
        TargetError::Configuration(_) => "settings",
        TargetError::Tls { .. } => "certificate",
        TargetError::Unauthorized { .. } | TargetError::TokenRefused { .. } => "token",
        _ => "connection",
    }
}

fn describe(abilities: &Abilities) -> Vec<CheckLine> {
    let kinds: Vec<&str> = abilities.resource_types.keys().map(String::as_str).collect();
    let choose = |what: &str, able: bool, good: &str, poor: &str| {
        if able { CheckLine::ok(what, good) } else { CheckLine::warning(what, poor) }
    };
    vec![
        choose(
            "resource types",
            abilities.announces_resource_types,
            &kinds.join(", "),
            "the service announces none; User and Group are taken to be as RFC 7643 has them",
        ),
        choose(
            "schemas",
            abilities.announces_schemas(),
            "announced, so that attributes can be checked before they are written",
            "the service announces none; a wrong attribute shows only when it is refused",
        ),
        choose(
            "patch",
            abilities.patch,
            "resources can be changed in part",
            "the service cannot change resources in part: each change reads and writes the whole resource, with all members of a group",
        ),
        choose(
            "filter",
            abilities.filter,
            "resources can be looked for",
            "the service cannot look for resources: matching reads the whole listing",
        ),
    ]
}
