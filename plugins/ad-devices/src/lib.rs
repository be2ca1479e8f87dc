//! Computers of an Active Directory as resources of the type Device.

mod config;
#[cfg(test)]
mod tests;

pub use config::Config;
use provisor_plugin_ad_common::{AccountControl, Copies, Domain, Extension, First, Fixed, Wanted};
use provisor_sdk::prelude::*;

/// What attributes of the extension can be made from besides attributes of the computer.
const FACTS: [&str; 2] = ["domain", "netbios-domain"];

/// The classes of managed service accounts: they derive from computer, and are no device.
const SERVICE_ACCOUNTS: [&str; 3] =
    ["msDS-ManagedServiceAccount", "msDS-GroupManagedServiceAccount", "msDS-DelegatedManagedServiceAccount"];

/// Maps a computer. What it does not have is left as the plugins before made it.
pub struct Devices {
    /// Where service accounts are left out: the classes of the entry.
    classes: Option<Texts>,
    display_name: First,
    account: AccountControl,
    active: Target,
    certificates: Option<(Binaries, Target)>,
    certificate_required: Option<Unsent>,
    copies: Copies,
    fixed: Fixed,
    extension: Extension,
    domain: Option<Domain>,
    netbios_domain: String,
}

impl Mapping for Devices {
    type Config = Config;

    fn configure(config: Config, contract: &mut MappingContract) -> Result<Self, String> {
        contract.object_class(&config.object_class).resource_kind(&config.resource_kind);
        let display_name = First::read(contract, &config.display_name, "displayName");
        let extension = Extension::read(contract, wanted(&config))?;
        let also = config.also.iter().map(|(path, name)| (path.as_str(), name.as_str()));
        let core = [
            ("deviceId", &config.device_id),
            ("dnsHostName", &config.dns_host_name),
            ("operatingSystem", &config.operating_system),
            ("operatingSystemVersion", &config.operating_system_version),
            ("securityIdentifier", &config.security_identifier),
            ("creatorSecurityIdentifier", &config.creator),
        ]
        .map(|(path, name)| (path, name.as_str()));
        Ok(Self {
            classes: (!config.service_accounts).then(|| contract.texts("objectClass")),
            display_name: display_name
                .ok_or("display-name is empty: name the attributes that computers are named by".to_owned())?,
            account: AccountControl::read(contract),
            active: contract.write("active"),
            certificates: config
                .certificates
                .then(|| (contract.binaries("userCertificate"), contract.write("x509Certificates"))),
            certificate_required: config.certificate_required.then(|| contract.unsent("userCertificate")),
            copies: Copies::read(contract, core.into_iter().chain(also)),
            domain: extension.wants("domain").then(|| Domain::read(contract, &config.domain)),
            netbios_domain: config.netbios_domain,
            extension,
            fixed: Fixed::read(contract, config.fixed),
        })
    }

    fn map(&self, entry: &Entry, device: &mut Resource) -> Result<(), Refusal> {
        self.check(entry)?;
        if !self.display_name.set(entry, device) {
            return Err(exclude("no-device-name", "the computer has no name"));
        }
        device.set(self.active, self.account.is_enabled(entry)?);
        self.copies.set(entry, device);
        self.fixed.set(device);
        if let Some((source, target)) = self.certificates.filter(|(source, _)| entry.has(*source)) {
            device.set_rows(target, entry.binaries(source).map(|octets| Row::new().with("value", octets.to_vec())));
        }
        self.extension.set(entry, device, |fact| match fact {
            "domain" => self.domain.as_ref()?.of(entry).as_deref().map(Value::from),
            _ => Some(self.netbios_domain.as_str()).filter(|name| !name.is_empty()).map(Value::from),
        });
        Ok(())
    }
}

impl Devices {
    /// Lets pass what is a device, and one that is wanted.
    fn check(&self, entry: &Entry) -> Result<(), Refusal> {
        let is_service_account = self.classes.is_some_and(|classes| {
            entry.texts(classes).any(|class| SERVICE_ACCOUNTS.iter().any(|known| known.eq_ignore_ascii_case(class)))
        });
        if is_service_account {
            return Err(exclude("service-account", "it is a managed service account and no computer"));
        }
        if self.certificate_required.is_some_and(|certificate| !entry.has(certificate)) {
            return Err(exclude("no-certificate", "the computer has no certificate in userCertificate yet"));
        }
        Ok(())
    }
}

/// What the extension has, as far as the settings say nothing else.
fn wanted(config: &Config) -> Wanted<'_> {
    let mut defaults: Vec<(String, String)> = Vec::new();
    if config.extension_defaults {
        let usual = [
            ("onPremisesSamAccountName", "sAMAccountName"),
            ("onPremisesDistinguishedName", "dn"),
            ("onPremisesDomainName", "domain"),
        ];
        defaults.extend(usual.map(|(name, source)| (name.to_owned(), source.to_owned())));
        if !config.netbios_domain.is_empty() {
            defaults.push(("onPremisesNetBiosName".to_owned(), "netbios-domain".to_owned()));
        }
    }
    Wanted { schema: &config.extension, defaults, attributes: &config.extension_attributes, facts: &FACTS }
}

provisor_sdk::export_mapping!(Devices);
