//! Services that a scenario provisions into, and what each of them keeps of what it is sent.

use std::collections::{BTreeMap, BTreeSet};

use provisor_tenant::{Tenant, TenantOptions};
use provisor_tests::{DjangoScim, Scim2Server, Scimmy};
use serde_json::{Value, json};

use super::{TOKEN, listed};

/// The URN of the enterprise extension.
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The fields of the rule for people that Django's user has no place for, or makes of the others.
const UNKNOWN_TO_DJANGO: &[&str] = &[
    "display-name",
    "formatted-name",
    "title",
    "preferred-language",
    "work-phone",
    "mobile-phone",
    "home-phone",
    "fax",
    "pager",
    "street",
    "locality",
    "region",
    "postal-code",
    "country",
    "employee-number",
    "department",
    "division",
    "organization",
    "cost-center",
    "manager",
];

/// Django removes no member by its path. That it drops the members of a group at its creation is found out.
/// It reads everybody for each page.
const DJANGO_QUIRKS: &str = "quirks = [\"remove-members-by-value\"]\npage-size = 2000\n";

/// SCIMMY takes a second or two for each member that a group of thousands loses.
const SCIMMY_PATIENCE: &str = "timeout = \"10m\"\n";

/// A running service.
pub enum Target {
    /// The project's own.
    Tenant(Tenant),
    /// PyPI's scim2-server, strict.
    Scim2Server(Scim2Server),
    /// npm's SCIMMY, lenient.
    Scimmy(Scimmy),
    /// PyPI's django-scim2, which keeps little.
    Django(DjangoScim),
}

/// What a target holds.
pub struct Held {
    /// Its resources in the oracle's form, by externalId.
    pub resources: BTreeMap<String, Value>,
    /// When each was changed, where the target says so.
    pub changed: BTreeMap<String, String>,
}

impl Target {
    pub async fn tenant() -> Self {
        let options = TenantOptions { token: Some(TOKEN.to_owned()), ..TenantOptions::default() };
        Self::Tenant(Tenant::bind(([127, 0, 0, 1], 0).into(), options).await.unwrap())
    }

    pub fn url(&self) -> String {
        match self {
            Self::Tenant(tenant) => tenant.url(),
            Self::Scim2Server(server) => server.url(),
            Self::Scimmy(server) => server.url(),
            Self::Django(server) => server.url(),
        }
    }

    /// The `[target]` section and the rules of a configuration.
    pub fn configuration(&self) -> String {
        let (further, people) = match self {
            Self::Tenant(_) | Self::Scim2Server(_) => ("", String::new()),
            Self::Scimmy(_) => (SCIMMY_PATIENCE, String::new()),
            Self::Django(_) => {
                let off: Vec<String> = UNKNOWN_TO_DJANGO.iter().map(|field| format!("{field} = \"\"")).collect();
                (DJANGO_QUIRKS, format!("config = {{ {} }}\n", off.join(", ")))
            }
        };
        let url = self.url();
        format!(
            "[target]\nkind = \"scim\"\nurl = \"{url}\"\ntoken = {{ file = \"token\" }}\n{further}\
             [[rules]]\nplugin = \"people\"\n{people}[[rules]]\nplugin = \"groups\"\n"
        )
    }

    /// Whether a resource is shown as it was written. Where it is not, whoever finds it again has to write once more:
    /// Django loses the type of an address.
    pub fn shows_what_was_written(&self) -> bool {
        !matches!(self, Self::Django(_))
    }

    /// Whether a change takes one request: Django refuses most changes in part, which are then written whole.
    pub fn changes_at_first_try(&self) -> bool {
        !matches!(self, Self::Django(_))
    }

    /// What the target makes of a resource of the oracle or of its own: what both can be compared by.
    fn kept(&self, mut resource: Value) -> Value {
        if matches!(self, Self::Django(_)) && resource.get("userName").is_some() {
            // One address, without its type; the other names are made of these.
            return json!({
                "userName": resource["userName"],
                "active": resource["active"],
                "name": { "givenName": resource["name"]["givenName"], "familyName": resource["name"]["familyName"] },
                "email": resource["emails"][0]["value"],
            });
        }
        if let Some(Value::Array(emails)) = resource.get_mut("emails") {
            emails.sort_by_key(ToString::to_string);
        }
        resource
    }

    /// What it must hold, by what the directory makes of it.
    pub fn expected(&self, oracle: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
        oracle.into_iter().map(|(anchor, resource)| (anchor, self.kept(resource))).collect()
    }

    /// Reads everything that it holds.
    pub async fn held(&self) -> Held {
        let users = listed(&self.url(), "Users").await;
        let groups = listed(&self.url(), "Groups").await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        // Django counts its users and its groups apart, and has no groups in groups.
        let anchors: BTreeMap<String, String> =
            groups.iter().chain(&users).map(|one| (text(&one["id"]), text(&one["externalId"]))).collect();
        let mut held = Held { resources: BTreeMap::new(), changed: BTreeMap::new() };
        let count = users.len() + groups.len();
        for mut resource in users.into_iter().chain(groups) {
            let anchor = text(&resource["externalId"]);
            held.changed.insert(anchor.clone(), text(&resource["meta"]["lastModified"]));
            let object = resource.as_object_mut().unwrap();
            object.retain(|name, _| !["id", "externalId", "schemas", "meta", "groups"].contains(&name.as_str()));
            if let Some(Value::Object(extension)) = object.get_mut(ENTERPRISE)
                && let Some(manager) = extension.get_mut("manager")
            {
                *manager = json!(anchors[&text(&manager["value"])]);
            }
            if !object.contains_key("userName") {
                let members = object.remove("members").unwrap_or_default();
                let members = members.as_array().map(Vec::as_slice).unwrap_or_default();
                let members: BTreeSet<&String> =
                    members.iter().map(|member| &anchors[&text(&member["value"])]).collect();
                object.insert("members".into(), json!(members));
            }
            held.resources.insert(anchor, self.kept(resource));
        }
        assert_eq!(held.resources.len(), count, "no anchor stands twice");
        held
    }
}
