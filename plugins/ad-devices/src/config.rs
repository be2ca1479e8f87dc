//! The settings: which attributes of a computer each field is made from.

use std::collections::BTreeMap;

/// Source attributes of a computer. An empty name switches a field off.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Config {
    /// The object class that is mapped.
    pub object_class: String,
    /// The resource type of the target that computers become.
    pub resource_kind: String,
    /// The attributes of `displayName`; the first that a computer has is used.
    pub display_name: Vec<String>,
    /// The attribute of `deviceId`.
    pub device_id: String,
    /// The attribute of `dnsHostName`.
    pub dns_host_name: String,
    /// The attribute of `operatingSystem`.
    pub operating_system: String,
    /// The attribute of `operatingSystemVersion`.
    pub operating_system_version: String,
    /// The attribute of `securityIdentifier`.
    pub security_identifier: String,
    /// The attribute of `creatorSecurityIdentifier`: who joined the computer to the domain.
    pub creator: String,
    /// Whether the computer's certificates are passed on, as `x509Certificates`.
    pub certificates: bool,
    /// Whether a computer without a certificate is left out: only with one can it register itself with Entra.
    pub certificate_required: bool,
    /// Whether managed service accounts, which are computers to the directory, are mapped too.
    pub service_accounts: bool,
    /// The DNS name of the domain, such as `corp.example.com`; where it is empty, it is taken from the distinguished
    /// name.
    pub domain: String,
    /// The NetBIOS name of the domain, such as `CORP`.
    pub netbios_domain: String,
    /// The URN of a schema of the target that has room for more; empty: none.
    pub extension: String,
    /// Whether the usual attributes of the extension are set.
    pub extension_defaults: bool,
    /// Attributes of the extension by their names, each with the attribute that it is made from; an empty one takes a
    /// usual attribute away.
    pub extension_attributes: BTreeMap<String, String>,
    /// Further fields: each path of the device, and the attribute that is copied there.
    pub also: BTreeMap<String, String>,
    /// Further fields that are the same for every device: each path of the device, and its text.
    pub fixed: BTreeMap<String, String>,
}

impl Default for Config {
    /// The attributes of an Active Directory whose schema nobody has extended.
    fn default() -> Self {
        let named = str::to_owned;
        Self {
            object_class: named("device"),
            resource_kind: named("Device"),
            display_name: ["displayName", "dNSHostName", "cn"].map(named).to_vec(),
            device_id: named("objectGUID;text"),
            dns_host_name: named("dNSHostName"),
            operating_system: named("operatingSystem"),
            operating_system_version: named("operatingSystemVersion"),
            security_identifier: named("objectSid;text"),
            creator: String::new(),
            certificates: false,
            certificate_required: false,
            service_accounts: false,
            domain: String::new(),
            netbios_domain: String::new(),
            extension: String::new(),
            extension_defaults: true,
            extension_attributes: BTreeMap::new(),
            also: BTreeMap::new(),
            fixed: BTreeMap::new(),
        }
    }
}
