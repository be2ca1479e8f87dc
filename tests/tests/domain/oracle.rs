//! What the target must hold of an organisation by the rules for Active Directory, and what it does hold.

use std::collections::{BTreeMap, BTreeSet};

use provisor_tenant::{Kind, Tenant};
use serde_json::{Map, Value, json};

use super::organisation::{Class, Object, Organisation};
use crate::support::targets::ENTERPRISE;

/// The tenant's extension of users.
pub const EXTENSION: &str = "urn:provisor:scim:schemas:extension:1.0:User";

/// Resources in the oracle's form, by externalId.
pub type Resources = BTreeMap<String, Value>;

/// The ids that the directory gave, by number.
#[derive(Clone, Default)]
pub struct Ids {
    pub guids: BTreeMap<u32, String>,
    /// The security identifiers, of those that have one.
    pub sids: BTreeMap<u32, String>,
}

/// Makes resources of objects.
pub struct Oracle<'a> {
    pub organisation: &'a Organisation,
    pub ids: &'a Ids,
    /// Whether the members of groups within groups are members of the outer ones, which have no groups.
    pub flat: bool,
}

impl Oracle<'_> {
    /// What the target must hold, where this is what it held before: who left the scope stays, disabled.
    pub fn resources(&self, before: &Resources) -> Resources {
        let mut expected = BTreeMap::new();
        for (number, object) in &self.organisation.objects {
            let Some(guid) = self.ids.guids.get(number) else { continue };
            let resource = if self.is_provisioned(*number) {
                Some(self.resource(*number, object))
            } else {
                before.get(guid).cloned().and_then(|mut left| {
                    left.get("active")?;
                    left["active"] = json!(false);
                    Some(left)
                })
            };
            expected.extend(resource.map(|resource| (guid.clone(), resource)));
        }
        let there: BTreeSet<String> = expected.keys().cloned().collect();
        // Whom nobody looks after any more keeps a manager who is gone.
        let managers = expected.values_mut().filter_map(|resource| resource.get_mut(ENTERPRISE)?.get_mut("manager"));
        for manager in managers.filter(|manager| !manager.as_str().is_some_and(|anchor| there.contains(anchor))) {
            *manager = Value::Null;
        }
        expected
    }

    fn is_provisioned(&self, number: u32) -> bool {
        let Some(object) = self.organisation.objects.get(&number) else { return false };
        let fit = match object.class {
            Class::Unit => false,
            // Nobody could reach it.
            Class::Contact => object.value("mail").is_some() || object.value("proxyAddresses").is_some(),
            _ => true,
        };
        fit && self.organisation.in_scope(number)
    }

    fn resource(&self, number: u32, object: &Object) -> Value {
        let resource = match object.class {
            Class::User => self.user(number, object),
            Class::Group => json!({ "displayName": shown(object), "members": self.members(number) }),
            Class::Contact => json!({
                "displayName": shown(object),
                "name": { "formatted": object.name },
                "emails": emails(object),
                "organization": object.value("company"),
                "title": object.value("title"),
                "manager": self.manager(object),
            }),
            Class::Computer => json!({
                "displayName": object.value("dNSHostName"),
                "active": !object.disabled,
                "deviceId": self.ids.guids[&number],
                "dnsHostName": object.value("dNSHostName"),
                "operatingSystem": object.value("operatingSystem"),
                "securityIdentifier": self.ids.sids[&number],
            }),
            Class::Unit => Value::Null,
        };
        without_nulls(resource)
    }

    fn user(&self, number: u32, object: &Object) -> Value {
        let account = object.value("sAMAccountName").unwrap();
        let user_name = object.value("userPrincipalName");
        let expired = object.value("accountExpires").is_some_and(|end| end == super::PAST);
        json!({
            "userName": user_name.map_or_else(|| format!("{account}@{}", self.organisation.domain), str::to_owned),
            "active": !object.disabled && !expired,
            "displayName": shown(object),
            "name": {
                "givenName": object.value("givenName"),
                "familyName": object.value("sn"),
                "formatted": object.name,
            },
            "title": object.value("title"),
            "emails": emails(object),
            ENTERPRISE: {
                "employeeNumber": object.value("employeeNumber"),
                "department": object.value("department"),
                "manager": self.manager(object),
            },
            EXTENSION: {
                "onPremisesSamAccountName": account,
                "onPremisesDistinguishedName": self.organisation.dn(number),
            },
        })
    }

    fn manager(&self, object: &Object) -> Option<&String> {
        object.manager.filter(|manager| self.is_provisioned(*manager)).map(|manager| &self.ids.guids[&manager])
    }

    /// The members of a group that have resources, by externalId.
    fn members(&self, group: u32) -> BTreeSet<&String> {
        let (mut found, mut seen, mut unread) = (BTreeSet::new(), BTreeSet::from([group]), vec![group]);
        while let Some(group) = unread.pop() {
            for member in self.members_of(group) {
                let is_group = self.organisation.objects.get(&member).is_some_and(|own| own.class == Class::Group);
                if self.flat && is_group {
                    if seen.insert(member) {
                        unread.push(member);
                    }
                } else if self.is_provisioned(member) {
                    found.insert(&self.ids.guids[&member]);
                }
            }
        }
        found
    }

    /// Whom the group lists, and whose primary group it is.
    fn members_of(&self, group: u32) -> BTreeSet<u32> {
        let relative = self.ids.sids.get(&group).and_then(|sid| sid.rsplit('-').next());
        let primary = self
            .organisation
            .objects
            .iter()
            .filter(|(_, own)| own.value("primaryGroupID").is_some_and(|own| relative == Some(own)));
        self.organisation.object(group).members.iter().copied().chain(primary.map(|(number, _)| *number)).collect()
    }
}

fn shown(object: &Object) -> &str {
    object.value("displayName").unwrap_or(&object.name)
}

/// The address behind SMTP: is the first, or else mail.
fn emails(object: &Object) -> Option<Vec<Value>> {
    let primary = object.value("proxyAddresses").map(|address| address.trim_start_matches("SMTP:"));
    let mut addresses: Vec<&str> = primary.into_iter().chain(object.value("mail")).collect();
    addresses.dedup();
    let row = |(place, address): (usize, &&str)| match place {
        0 => json!({ "value": address, "type": "work", "primary": true }),
        _ => json!({ "value": address, "type": "other" }),
    };
    (!addresses.is_empty()).then(|| addresses.iter().enumerate().map(row).collect())
}

/// What the tenant holds.
pub fn held(tenant: &Tenant) -> Resources {
    let all: Vec<Value> = Kind::ALL.into_iter().flat_map(|kind| tenant.resources(kind).unwrap()).collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let anchors: BTreeMap<String, String> =
        all.iter().map(|one| (text(&one["id"]), text(&one["externalId"]))).collect();
    let count = all.len();
    let mut held = BTreeMap::new();
    for mut resource in all {
        let anchor = text(&resource["externalId"]);
        let is_group = text(&resource["meta"]["resourceType"]) == "Group";
        let object = resource.as_object_mut().unwrap();
        object.retain(|name, _| !["id", "externalId", "schemas", "meta", "groups"].contains(&name.as_str()));
        let by_anchor = |manager: &mut Value| *manager = json!(anchors.get(&text(&manager["value"])));
        object.get_mut("manager").into_iter().for_each(by_anchor);
        object.get_mut(ENTERPRISE).and_then(|own| own.get_mut("manager")).into_iter().for_each(by_anchor);
        if is_group {
            let members = object.remove("members").unwrap_or_default();
            let members = members.as_array().map(Vec::as_slice).unwrap_or_default();
            let members: BTreeSet<&String> = members.iter().map(|member| &anchors[&text(&member["value"])]).collect();
            object.insert("members".into(), json!(members));
        }
        if let Some(Value::Array(emails)) = object.get_mut("emails") {
            emails.sort_by_key(|email| email["primary"] != json!(true));
        }
        held.insert(anchor, resource);
    }
    assert_eq!(held.len(), count, "no anchor stands twice");
    held
}

/// Without what is not there, at any depth.
fn without_nulls(value: Value) -> Value {
    let Value::Object(object) = value else { return value };
    let parts = object.into_iter().map(|(name, value)| (name, without_nulls(value)));
    let is_nothing = |value: &Value| value.is_null() || value.as_object().is_some_and(Map::is_empty);
    Value::Object(parts.filter(|(_, value)| !is_nothing(value)).collect())
}

/// How many resources are others.
pub fn changed(before: &Resources, now: &Resources) -> usize {
    let anchors: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    anchors.into_iter().filter(|anchor| before.get(*anchor) != now.get(*anchor)).count()
}

/// The same without groups that lost nothing but members which are gone: where these went first, nothing is left to
/// write.
pub fn written(before: &Resources, now: &Resources) -> usize {
    let mut left = before.clone();
    for members in left.values_mut().filter_map(|resource| resource.get_mut("members")?.as_array_mut()) {
        members.retain(|member| now.contains_key(member.as_str().unwrap()));
    }
    changed(&left, now)
}

/// How many were active and are not any more.
pub fn turned_off(before: &Resources, now: &Resources) -> usize {
    let active = |resource: Option<&Value>| resource.is_some_and(|resource| resource["active"] == Value::Bool(true));
    before.keys().filter(|anchor| active(before.get(*anchor)) && !active(now.get(*anchor))).count()
}

/// What is not as it should be, at bearable length.
pub fn difference(held: &Resources, expected: &Resources) -> Option<String> {
    let anchors: BTreeSet<&String> = held.keys().chain(expected.keys()).collect();
    let other: Vec<&String> = anchors.into_iter().filter(|anchor| held.get(*anchor) != expected.get(*anchor)).collect();
    let told =
        other.iter().take(4).map(|anchor| format!("{anchor}: {}", parts(held.get(*anchor), expected.get(*anchor))));
    (!other.is_empty()).then(|| format!("{} differ: {}", other.len(), told.collect::<Vec<String>>().join("\n")))
}

fn parts(held: Option<&Value>, expected: Option<&Value>) -> String {
    let (Some(Value::Object(held)), Some(Value::Object(expected))) = (held, expected) else {
        return format!("held {held:?}, expected {expected:?}").chars().take(600).collect();
    };
    let names: BTreeSet<&String> = held.keys().chain(expected.keys()).collect();
    let other = names.into_iter().filter(|name| held.get(*name) != expected.get(*name));
    let told = other.map(|name| match (held.get(name), expected.get(name)) {
        (Some(Value::Array(held)), Some(Value::Array(expected))) => {
            let lacking = |list: &[Value], from: &[Value]| -> Vec<Value> {
                list.iter().filter(|one| !from.contains(one)).take(5).cloned().collect()
            };
            format!("{name}: missing {:?}, surplus {:?}", lacking(expected, held), lacking(held, expected))
        }
        (held, expected) => format!("{name}: {held:?}, not {expected:?}"),
    });
    told.collect::<Vec<String>>().join("; ")
}
