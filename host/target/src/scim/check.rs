//! What `provisor check` tells about a SCIM service, line by line.

use provisor_model::CheckLine;

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
        lines.extend(target.check_rights(has_token).await);
        lines.extend(describe(target.abilities()));
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
