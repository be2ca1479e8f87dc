//! The settings: which source attribute each field of a user is made from.

use std::collections::BTreeMap;

/// Source attributes of a person. An empty name switches a field off.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Config {
    /// The object class that is mapped.
    pub object_class: String,
    /// The attribute that the user name is made from.
    pub user_name: String,
    /// A domain that is appended to a user name without one: `ada` becomes `ada@example.com`.
    pub domain: String,
    /// The attribute of `name.givenName`.
    pub given_name: String,
    /// The attribute of `name.familyName`.
    pub family_name: String,
    /// The attribute of `name.formatted`; also the display name where there is no other.
    pub formatted_name: String,
    /// The attribute of `displayName`.
    pub display_name: String,
    /// The attribute of `title`.
    pub title: String,
    /// The attribute of `preferredLanguage`.
    pub preferred_language: String,
    /// The attribute of `emails`: its lowest value by octets is the primary one.
    pub mail: String,
    /// The attribute of the phone numbers of type `work`.
    pub work_phone: String,
    /// The attribute of the phone numbers of type `mobile`.
    pub mobile_phone: String,
    /// The attribute of the phone numbers of type `home`.
    pub home_phone: String,
    /// The attribute of the phone numbers of type `fax`.
    pub fax: String,
    /// The attribute of the phone numbers of type `pager`.
    pub pager: String,
    /// The attribute of the work address's `streetAddress`.
    pub street: String,
    /// The attribute of the work address's `locality`.
    pub locality: String,
    /// The attribute of the work address's `region`.
    pub region: String,
    /// The attribute of the work address's `postalCode`.
    pub postal_code: String,
    /// The attribute of the work address's `country`: two letters, as ISO 3166 has them.
    pub country: String,
    /// The attribute of the enterprise extension's `employeeNumber`.
    pub employee_number: String,
    /// The attribute of the enterprise extension's `department`.
    pub department: String,
    /// The attribute of the enterprise extension's `division`.
    pub division: String,
    /// The attribute of the enterprise extension's `organization`.
    pub organization: String,
    /// The attribute of the enterprise extension's `costCenter`.
    pub cost_center: String,
    /// The attribute that names the manager by distinguished name.
    pub manager: String,
    /// Further fields: each path of the user, and the attribute that is copied there.
    pub also: BTreeMap<String, String>,
    /// Further fields that are the same for everybody: each path of the user, and its text.
    pub fixed: BTreeMap<String, String>,
    /// Whether only one number of each type of phone is passed on, the lowest by octets, for targets that have room for one.
    pub one_phone_each: bool,
}

impl Default for Config {
    /// The attributes of inetOrgPerson (RFC 2798) and of what it builds on (RFC 4519, RFC 4524).
    fn default() -> Self {
        let named = str::to_owned;
        Self {
            object_class: named("user"),
            user_name: named("uid"),
            domain: String::new(),
            given_name: named("givenName"),
            family_name: named("sn"),
            formatted_name: named("cn"),
            display_name: named("displayName"),
            title: named("title"),
            preferred_language: named("preferredLanguage"),
            mail: named("mail"),
            work_phone: named("telephoneNumber"),
            mobile_phone: named("mobile"),
            home_phone: named("homePhone"),
            fax: named("facsimileTelephoneNumber"),
            pager: named("pager"),
            street: named("street"),
            locality: named("l"),
            region: named("st"),
            postal_code: named("postalCode"),
            country: named("c"),
            employee_number: named("employeeNumber"),
            department: named("departmentNumber"),
            division: String::new(),
            organization: named("o"),
            cost_center: String::new(),
            manager: named("manager"),
            also: BTreeMap::new(),
            fixed: BTreeMap::new(),
            one_phone_each: false,
        }
    }
}
