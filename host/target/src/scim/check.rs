//! What `provisor check` tells about a SCIM service, line by line.

use provisor_model::{CheckLine, CheckOutcome, TargetPath};

use crate::TargetError;
use crate::scim::abilities::Abilities;
use crate::scim::http::Call;
use crate::scim::reply::place;
use crate::scim::{ScimOptions, ScimTarget};

impl ScimTarget {
    /// Looks at everything that exporting to a service needs, as far as it can be seen without writing.
    pub async fn check(options: ScimOptions) -> Vec<CheckLine> {
        let has_token = options.token.is_some();
        let target = match Self::connect(options).await {
            Ok(target) => target,
            Err(error) => return vec![CheckLine::failed(topic(&error), error.to_string())],
        };
        let base = target.http().base();
        let mut lines = vec![CheckLine::ok("connection", format!("{} answers as a SCIM 2.0 service", place(base)))];
        lines.push(if base.scheme() == "https" {
            CheckLine::ok("certificate", "it is valid, trusted and for this host")
        } else {
            CheckLine::warning(
                "certificate",
                "the connection is not encrypted, which is for trying things out on one machine only",
            )
        });
        let readable = target.check_rights(has_token).await;
        let can_read = readable.iter().all(|line| matches!(line.outcome, CheckOutcome::Ok(_)));
        lines.extend(readable);
        lines.extend(describe(target.abilities()));
        lines.extend(target.describe_dialect());
        if can_read && target.abilities().filter && !target.dialect().is_entra() {
            lines.extend(target.check_filters().await);
        }
        lines
    }

    /// Whether resources of each type can be read: descriptions are often open to everybody.
    async fn check_rights(&self, has_token: bool) -> Vec<CheckLine> {
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
                    if has_token { "the token allows it" } else { "allowed without a token" },
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
                    "a filter on externalId does not find what is there: matching reads the whole listing, also after each                      creation that is refused as a conflict",
                )),
                Err(error) => lines.push(CheckLine::failed(what, error.to_string())),
            }
        }
        lines
    }
}

fn topic(error: &TargetError) -> &'static str {
    match error {
        TargetError::Configuration(_) => "settings",
        TargetError::Tls { .. } => "certificate",
        TargetError::Unauthorized { .. } => "token",
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
