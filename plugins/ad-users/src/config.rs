//! The settings: which attributes of an account each field of a user is made from.

use std::collections::BTreeMap;

use provisor_plugin_ad_common::{AddressNames, PersonNames, PhoneNames};

/// Source attributes of an account, and how its name and its state are told. An empty name switches a field off.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Config {
    /// The object class that is mapped.
    pub object_class: String,
    /// The attribute of `userName`.
    pub user_name: String,
    /// The attribute that `userName` is made from where there is no other: the domain is appended to it.
    pub account_name: String,
    /// The DNS name of the domain, such as `corp.example.com`; where it is empty, it is taken from the distinguished
    /// name.
    pub domain: String,
    /// The NetBIOS name of the domain, such as `CORP`.
    pub netbios_domain: String,
    /// What stands behind the `@` of user names in the directory, and what stands there at the target instead.
    pub upn_suffixes: BTreeMap<String, String>,
    /// Whether an account that has expired is disabled.
    pub disable_expired: bool,
    /// Whether an account that is locked out is disabled.
    pub disable_locked: bool,
    /// How many minutes a lockout lasts, as the domain's policy says; 0: until somebody unlocks the account.
    pub lockout_minutes: u32,
    /// The attributes of `displayName`; the first that an account has is used.
    pub display_name: Vec<String>,
    /// The attributes of `name`.
    pub name: PersonNames,
    /// The attribute of `title`.
    pub title: String,
    /// The attribute of `preferredLanguage`.
    pub preferred_language: String,
    /// The attribute with the mail address, where the proxy addresses have no primary one.
    pub mail: String,
    /// The attribute with all addresses behind `SMTP:` (the primary one) and `smtp:`.
    pub proxy_addresses: String,
    /// The attributes of `phoneNumbers`.
    pub phones: PhoneNames,
    /// The attributes of `addresses`.
    pub address: AddressNames,
    /// The attributes of the enterprise extension's `employeeNumber`; the first that an account has is used.
    pub employee_number: Vec<String>,
    /// The attribute of the enterprise extension's `department`.
    pub department: String,
    /// The attribute of the enterprise extension's `division`.
    pub division: String,
    /// The attribute of the enterprise extension's `organization`.
    pub organization: String,
    /// The attribute of the enterprise extension's `costCenter`.
    pub cost_center: String,
    /// The attribute that names the manager.
    pub manager: String,
    /// An attribute that says who the manager is where no name does, as it is with managers of other forests: it has the
    /// value that the manager has in `manager-value-is`.
    pub manager_value: String,
    /// The attribute of the manager that has this value.
    pub manager_value_is: String,
    /// The URN of a schema of the target that has room for what the standard's schemas have none for; empty: none.
    pub extension: String,
    /// Whether the usual attributes of the extension are set.
    pub extension_defaults: bool,
    /// Attributes of the extension by their names, each with the attribute that it is made from; an empty one takes a
    /// usual attribute away.
    pub extension_attributes: BTreeMap<String, String>,
    /// Whether the directory's schema was extended for Exchange, so that its attributes can be read.
    pub exchange: bool,
    /// Whether the extension has msDS-cloudExtensionAttribute1 to 20, which directories from Windows Server 2012 on
    /// have.
    pub cloud_extension_attributes: bool,
    /// How adminDescription begins where the account was made from the cloud; empty: it is not looked at.
    pub made_from_cloud: String,
    /// Further fields: each path of the user, and the attribute that is copied there.
    pub also: BTreeMap<String, String>,
    /// Further fields that are the same for everybody: each path of the user, and its text.
    pub fixed: BTreeMap<String, String>,
}

impl Default for Config {
    /// The attributes of an Active Directory whose schema nobody has extended.
    fn default() -> Self {
        let named = str::to_owned;
        Self {
            object_class: named("user"),
            user_name: named("userPrincipalName"),
            account_name: named("sAMAccountName"),
            domain: String::new(),
            netbios_domain: String::new(),
            upn_suffixes: BTreeMap::new(),
            disable_expired: false,
            disable_locked: false,
            lockout_minutes: 0,
            display_name: vec![named("displayName"), named("cn")],
            name: PersonNames::default(),
            title: named("title"),
            preferred_language: named("preferredLanguage"),
            mail: named("mail"),
            proxy_addresses: named("proxyAddresses"),
            phones: PhoneNames::default(),
            address: AddressNames::default(),
            employee_number: vec![named("employeeNumber"), named("employeeID")],
            department: named("department"),
            division: named("division"),
            organization: named("company"),
            cost_center: String::new(),
            manager: named("manager"),
            manager_value: String::new(),
            manager_value_is: named("mail"),
            extension: String::new(),
            extension_defaults: true,
            extension_attributes: BTreeMap::new(),
            exchange: false,
            cloud_extension_attributes: false,
            made_from_cloud: named("User_"),
            also: BTreeMap::new(),
            fixed: BTreeMap::new(),
        }
    }
}
