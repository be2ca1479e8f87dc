//! Accounts of an Active Directory as SCIM users with the enterprise extension (RFC 7643, sections 4.1 and 4.3).

mod config;
mod state;
#[cfg(test)]
mod tests;
mod user_name;

pub use config::Config;
use provisor_plugin_ad_common::{
    Address, Copies, Domain, Extension, First, Fixed, Mail, Origin, Phones, Recipient, Reference, Wanted,
    exchange_attributes,
};
use provisor_sdk::prelude::*;
use state::State;
use user_name::UserName;

/// The schema of the enterprise extension.
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What attributes of the extension can be made from besides attributes of the account.
const FACTS: [&str; 2] = ["domain", "netbios-domain"];

/// Maps an account to a user. What the account does not have is left as the plugins before made it.
pub struct Users {
    origin: Option<Origin>,
    recipient: Option<Recipient>,
    domain: Domain,
    netbios_domain: String,
    user_name: UserName,
    user_name_target: Target,
    state: State,
    active: Target,
    firsts: Vec<First>,
    copies: Copies,
    fixed: Fixed,
    mail: Mail,
    emails: Option<Target>,
    phones: Option<Phones>,
    address: Option<Address>,
    manager: Option<Reference>,
    extension: Extension,
}

impl Mapping for Users {
    type Config = Config;

    fn configure(config: Config, contract: &mut MappingContract) -> Result<Self, String> {
        contract.object_class(&config.object_class).resource_kind("User");
        let enterprise = |name: &str| format!("{ENTERPRISE}:{name}");
        let mail = Mail::read(contract, &config.mail, &config.proxy_addresses);
        Ok(Self {
            origin: Origin::read(contract, &config.made_from_cloud),
            recipient: config.exchange.then(|| Recipient::read(contract)),
            domain: Domain::read(contract, &config.domain),
            user_name_target: contract.write("userName"),
            state: State::read(contract, &config),
            active: contract.write("active"),
            firsts: [
                First::read(contract, &config.display_name, "displayName"),
                First::read(contract, &config.employee_number, &enterprise("employeeNumber")),
            ]
            .into_iter()
            .flatten()
            .collect(),
            copies: copies(contract, &config),
            emails: mail.emails(contract),
            mail,
            phones: Phones::read(contract, &config.phones),
            address: Address::read(contract, &config.address),
            manager: Reference::read_either(
                contract,
                &config.manager,
                (&config.manager_value, &config.manager_value_is),
                &enterprise("manager"),
            ),
            extension: Extension::read(contract, wanted(&config))?,
            user_name: UserName::read(contract, &config.user_name, &config.account_name, config.upn_suffixes)?,
            fixed: Fixed::read(contract, config.fixed),
            netbios_domain: config.netbios_domain,
        })
    }

    fn map(&self, entry: &Entry, user: &mut Resource) -> Result<(), Refusal> {
        if let Some(origin) = &self.origin {
            origin.check(entry)?;
        }
        if let Some(recipient) = &self.recipient {
            recipient.check_mailbox(entry)?;
        }
        let domain = self.domain.of(entry);
        user.set(self.user_name_target, self.user_name.of(entry, domain.as_deref())?);
        user.set(self.active, self.state.is_active(entry)?);
        for first in &self.firsts {
            first.set(entry, user);
        }
        self.copies.set(entry, user);
        self.fixed.set(user);
        if let Some(emails) = self.emails {
            self.mail.set(entry, user, emails);
        }
        if let Some(phones) = &self.phones {
            phones.set(entry, user);
        }
        if let Some(address) = &self.address {
            address.set(entry, user);
        }
        if let Some(manager) = &self.manager {
            manager.set(entry, user);
        }
        self.extension.set(entry, user, |fact| match fact {
            "domain" => domain.as_deref().map(Value::from),
            _ => (!self.netbios_domain.is_empty()).then(|| Value::from(self.netbios_domain.as_str())),
        });
        Ok(())
    }
}

/// What is passed on as it is.
fn copies(contract: &mut MappingContract, config: &Config) -> Copies {
    let enterprise = [
        ("department", &config.department),
        ("division", &config.division),
        ("organization", &config.organization),
        ("costCenter", &config.cost_center),
    ]
    .map(|(name, source)| (format!("{ENTERPRISE}:{name}"), source));
    let core = [("title", config.title.as_str()), ("preferredLanguage", config.preferred_language.as_str())];
    let also = config.also.iter().map(|(path, name)| (path.as_str(), name.as_str()));
    let enterprise = enterprise.iter().map(|(path, name)| (path.as_str(), name.as_str()));
    Copies::read(contract, config.name.paths().into_iter().chain(core).chain(enterprise).chain(also))
}

/// What the extension has, as far as the settings say nothing else.
fn wanted(config: &Config) -> Wanted<'_> {
    let usual = [
        ("onPremisesSamAccountName", "sAMAccountName"),
        ("onPremisesDistinguishedName", "dn"),
        ("onPremisesSecurityIdentifier", "objectSid;text"),
        ("onPremisesUserPrincipalName", "userPrincipalName"),
        ("onPremisesDomainName", "domain"),
        ("lastPasswordChangeTimestamp", "pwdLastSet;time"),
        ("proxyAddresses", "proxyAddresses[]"),
    ];
    let mut defaults: Vec<(String, String)> = Vec::new();
    if config.extension_defaults {
        defaults.extend(usual.map(|(name, source)| (name.to_owned(), source.to_owned())));
        if !config.netbios_domain.is_empty() {
            defaults.push(("onPremisesNetBiosName".to_owned(), "netbios-domain".to_owned()));
        }
        if config.exchange {
            defaults.extend(exchange_attributes());
        }
    }
    if config.cloud_extension_attributes {
        let names = (1..=20).map(|number| format!("msDS-cloudExtensionAttribute{number}"));
        defaults.extend(names.map(|name| (name.clone(), name)));
    }
    Wanted { schema: &config.extension, defaults, attributes: &config.extension_attributes, facts: &FACTS }
}

provisor_sdk::export_mapping!(Users);
