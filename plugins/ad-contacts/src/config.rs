//! The settings: which attributes of a contact each field is made from.

use std::collections::BTreeMap;

use provisor_plugin_ad_common::{AddressNames, PersonNames, PhoneNames};

/// Source attributes of a contact. An empty name switches a field off.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Config {
    /// The object class that is mapped.
    pub object_class: String,
    /// The resource type of the target that contacts become.
    pub resource_kind: String,
    /// The attributes of `displayName`; the first that a contact has is used.
    pub display_name: Vec<String>,
    /// The attributes of `name`.
    pub name: PersonNames,
    /// The attribute with the mail address, where the proxy addresses have no primary one.
    pub mail: String,
    /// The attribute with all addresses behind `SMTP:` (the primary one) and `smtp:`.
    pub proxy_addresses: String,
    /// The attributes of `phoneNumbers`.
    pub phones: PhoneNames,
    /// The attributes of `addresses`.
    pub address: AddressNames,
    /// The attribute of `title`.
    pub title: String,
    /// The attribute of `organization`.
    pub organization: String,
    /// The attribute of `department`.
    pub department: String,
    /// The attribute that names the manager.
    pub manager: String,
    /// The URN of a schema of the target that has room for more; empty: none.
    pub extension: String,
    /// Whether the usual attributes of the extension are set.
    pub extension_defaults: bool,
    /// Attributes of the extension by their names, each with the attribute that it is made from; an empty one takes a
    /// usual attribute away.
    pub extension_attributes: BTreeMap<String, String>,
    /// Whether the directory's schema was extended for Exchange, so that its attributes can be read.
    pub exchange: bool,
    /// Further fields: each path of the contact, and the attribute that is copied there.
    pub also: BTreeMap<String, String>,
    /// Further fields that are the same for every contact: each path of the contact, and its text.
    pub fixed: BTreeMap<String, String>,
}

impl Default for Config {
    /// The attributes of an Active Directory whose schema nobody has extended.
    fn default() -> Self {
        let named = str::to_owned;
        Self {
            object_class: named("contact"),
            resource_kind: named("Contact"),
            display_name: vec![named("displayName"), named("cn")],
            name: PersonNames::default(),
            mail: named("mail"),
            proxy_addresses: named("proxyAddresses"),
            phones: PhoneNames::default(),
            address: AddressNames::default(),
            title: named("title"),
            organization: named("company"),
            department: named("department"),
            manager: named("manager"),
            extension: String::new(),
            extension_defaults: true,
            extension_attributes: BTreeMap::new(),
            exchange: false,
            also: BTreeMap::new(),
            fixed: BTreeMap::new(),
        }
    }
}
