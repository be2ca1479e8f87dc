//! An entry as the checks look at it: what sort of object it is, and its values by attribute.

use std::collections::BTreeSet;

use provisor_model::{AttributeName, Attributes, Schema, Value};

use super::finding::{Finding, FindingKind, Findings, shown};

pub(crate) const CN: &str = "cn";
pub(crate) const DISPLAY_NAME: &str = "displayName";
pub(crate) const GIVEN_NAME: &str = "givenName";
pub(crate) const SN: &str = "sn";
pub(crate) const MAIL: &str = "mail";
pub(crate) const MAIL_NICKNAME: &str = "mailNickname";
pub(crate) const PROXY_ADDRESSES: &str = "proxyAddresses";
pub(crate) const TARGET_ADDRESS: &str = "targetAddress";
pub(crate) const USER_PRINCIPAL_NAME: &str = "userPrincipalName";
pub(crate) const SAM_ACCOUNT_NAME: &str = "sAMAccountName";
pub(crate) const UID: &str = "uid";
pub(crate) const GROUP_TYPE: &str = "groupType";
pub(crate) const HOME_MDB: &str = "homeMDB";
pub(crate) const CRITICAL: &str = "isCriticalSystemObject";
pub(crate) const HIDDEN: &str = "msExchHideFromAddressLists";
pub(crate) const RECIPIENT_TYPE: &str = "msExchRecipientTypeDetails";

/// The attributes by which a group lists its members.
pub(crate) const MEMBERS: [&str; 2] = ["member", "uniqueMember"];
/// The attributes by which an object refers to one or few others.
pub(crate) const OTHERS: [&str; 3] = ["manager", "managedBy", "owner"];

/// All that the checks read.
const READ: [&str; 16] = [
    CN,
    DISPLAY_NAME,
    GIVEN_NAME,
    SN,
    MAIL,
    MAIL_NICKNAME,
    PROXY_ADDRESSES,
    TARGET_ADDRESS,
    USER_PRINCIPAL_NAME,
    SAM_ACCOUNT_NAME,
    UID,
    GROUP_TYPE,
    HOME_MDB,
    CRITICAL,
    HIDDEN,
    RECIPIENT_TYPE,
];

/// What is asked of a source with this schema; `any` where it has none of its own, as a file.
pub(crate) fn asked(schema: &Schema, any: bool) -> BTreeSet<AttributeName> {
    let names = READ.into_iter().chain(MEMBERS).chain(OTHERS).map(AttributeName::from);
    names.filter(|name| any || schema.knows(name)).collect()
}

/// The reference attribute of this name, if it is one.
pub(crate) fn reference(name: &AttributeName) -> Option<&'static str> {
    MEMBERS.into_iter().chain(OTHERS).find(|known| name.as_str().eq_ignore_ascii_case(known))
}

/// What sort of object it is, as far as the checks tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Sort {
    User,
    Group,
    Contact,
    /// Units, containers, computers: others refer to them, and nothing of them is looked at.
    Other,
}

impl Sort {
    /// By the configuration's word for the object class. A word of its own is mostly for a special sort of account.
    pub fn of(class: &str, attributes: &Attributes) -> Self {
        match class {
            ""
            | "organizational-unit"
            | "organization"
            | "container"
            | "domain"
            | "computer"
            | "device"
            | "managed-service-account" => Self::Other,
            "group" => Self::Group,
            "contact" => Self::Contact,
            _ if attributes.contains(&AttributeName::from(GROUP_TYPE)) => Self::Group,
            _ => Self::User,
        }
    }
}

/// An entry that is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'a> {
    /// Its name as text.
    pub dn: &'a str,
    /// Its source id as text.
    pub id: &'a str,
    /// The configuration's word for its object class.
    pub class: &'a str,
    /// The same, as far as it matters here.
    pub sort: Sort,
    /// What was read of it.
    pub attributes: &'a Attributes,
}

impl<'a> Object<'a> {
    /// The values of an attribute that are text.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        // Few attributes are read, so that looking along them is quicker than making a key.
        let found = self.attributes.iter().find(|(own, _)| own.as_str().eq_ignore_ascii_case(name));
        found.map_or(&[][..], |(_, values)| values).iter().filter_map(Value::as_text)
    }

    /// The first value of an attribute.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.texts(name).next()
    }

    /// Whether an attribute has a value that is more than blanks.
    pub fn has(&self, name: &str) -> bool {
        self.texts(name).any(|value| !value.trim().is_empty())
    }

    /// Whether it is of Active Directory, or of a file that was written there.
    pub fn is_active_directory(&self) -> bool {
        [SAM_ACCOUNT_NAME, MAIL_NICKNAME].into_iter().any(|name| self.has(name))
    }
}

/// An entry under examination: what is found goes to the findings.
pub(crate) struct Examined<'a, 'f> {
    /// The entry.
    pub object: Object<'a>,
    /// What has been found so far.
    pub findings: &'f mut Findings,
}

impl Examined<'_, '_> {
    /// Notes what is wrong with a value. A suggestion that is no other value is none.
    pub fn add(
        &mut self,
        attribute: &'static str,
        error: FindingKind,
        value: &str,
        explanation: impl Into<String>,
        suggestion: Option<String>,
    ) {
        let object = &self.object;
        self.findings.add(error, attribute, || Finding {
            dn: object.dn.to_owned(),
            id: object.id.to_owned(),
            class: object.class.to_owned(),
            attribute: attribute.to_owned(),
            error,
            value: shown(value),
            explanation: explanation.into(),
            suggestion: suggestion.filter(|suggestion| suggestion != value),
        });
    }

    /// Notes a value of more than so many characters.
    pub fn check_length(&mut self, attribute: &'static str, value: &str, most: usize, suggests: bool) {
        let length = value.chars().count();
        if length > most {
            // A name that is cut is still that name; an address would be another.
            let suggestion = suggests.then(|| value.chars().take(most).collect::<String>().trim_end().to_owned());
            let words = format!("It has {length} characters; {most} are allowed");
            self.add(attribute, FindingKind::Length, value, words, suggestion);
        }
    }
}

#[cfg(test)]
mod tests {
    use provisor_model::AttributeSyntax;

    use super::*;

    #[test]
    fn only_what_the_directory_knows_is_asked_of_it() {
        let schema = Schema::new([(AttributeName::from("MAIL"), AttributeSyntax::Text)]);
        assert_eq!(asked(&schema, false), BTreeSet::from([AttributeName::from("mail")]));
        assert_eq!(asked(&schema, true).len(), READ.len() + MEMBERS.len() + OTHERS.len());
    }

    #[test]
    fn an_object_is_of_the_sort_of_its_class() {
        let none = Attributes::new();
        let group: Attributes = [("groupType", vec![Value::Text("2".into())])].into_iter().collect();
        for (class, attributes, sort) in [
            ("user", &none, Sort::User),
            ("service-account", &none, Sort::User),
            ("group", &none, Sort::Group),
            ("team", &group, Sort::Group),
            ("contact", &none, Sort::Contact),
            ("organizational-unit", &none, Sort::Other),
            ("computer", &none, Sort::Other),
            ("", &none, Sort::Other),
        ] {
            assert_eq!(Sort::of(class, attributes), sort, "{class}");
        }
    }
}
