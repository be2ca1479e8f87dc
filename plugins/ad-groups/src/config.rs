//! The settings: which groups are mapped, and what each field is made from.

use std::collections::BTreeMap;

/// Which groups are mapped, and the attributes of each field. An empty name switches a field off.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Config {
    /// The object class that is mapped.
    pub object_class: String,
    /// What the groups are for, that are mapped.
    pub kinds: Vec<GroupKind>,
    /// Where the groups hold, that are mapped.
    pub scopes: Vec<GroupScope>,
    /// The attributes of `displayName`; the first that a group has is used.
    pub display_name: Vec<String>,
    /// The attribute that lists the members.
    pub members: String,
    /// The path of the group that refers to who manages it; empty: none.
    pub managed_by: String,
    /// The attribute with the mail address, where the proxy addresses have no primary one.
    pub mail: String,
    /// The attribute with all addresses behind `SMTP:` (the primary one) and `smtp:`.
    pub proxy_addresses: String,
    /// The DNS name of the domain, such as `corp.example.com`; where it is empty, it is taken from the distinguished
    /// name.
    pub domain: String,
    /// The NetBIOS name of the domain, such as `CORP`.
    pub netbios_domain: String,
    /// The URN of a schema of the target that has room for what the standard's schema has none for; empty: none.
    pub extension: String,
    /// Whether the usual attributes of the extension are set.
    pub extension_defaults: bool,
    /// Attributes of the extension by their names, each with the attribute that it is made from; an empty one takes a
    /// usual attribute away.
    pub extension_attributes: BTreeMap<String, String>,
    /// Whether the directory's schema was extended for Exchange, so that its attributes can be read.
    pub exchange: bool,
    /// How adminDescription begins where the group was made from the cloud; empty: it is not looked at.
    pub made_from_cloud: String,
    /// Further fields: each path of the group, and the attribute that is copied there.
    pub also: BTreeMap<String, String>,
    /// Further fields that are the same for every group: each path of the group, and its text.
    pub fixed: BTreeMap<String, String>,
}

/// What a group is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GroupKind {
    /// It can be given rights.
    Security,
    /// It only receives mail.
    Distribution,
}

/// Where a group holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GroupScope {
    /// In its own domain.
    DomainLocal,
    /// In all domains, with members of its own.
    Global,
    /// In all domains, with members of all.
    Universal,
}

impl GroupKind {
    pub(crate) const ALL: [Self; 2] = [Self::Security, Self::Distribution];
}

impl GroupScope {
    pub(crate) const ALL: [Self; 3] = [Self::DomainLocal, Self::Global, Self::Universal];
}

impl Default for Config {
    /// All groups, by the attributes of an Active Directory whose schema nobody has extended.
    fn default() -> Self {
        let named = str::to_owned;
        Self {
            object_class: named("group"),
            kinds: GroupKind::ALL.to_vec(),
            scopes: GroupScope::ALL.to_vec(),
            display_name: vec![named("displayName"), named("cn")],
            members: named("member"),
            managed_by: String::new(),
            mail: named("mail"),
            proxy_addresses: named("proxyAddresses"),
            domain: String::new(),
            netbios_domain: String::new(),
            extension: String::new(),
            extension_defaults: true,
            extension_attributes: BTreeMap::new(),
            exchange: false,
            made_from_cloud: named("Group_"),
            also: BTreeMap::new(),
            fixed: BTreeMap::new(),
        }
    }
}
