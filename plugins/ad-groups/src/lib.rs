//! Groups of an Active Directory as SCIM groups with their members (RFC 7643, section 4.2).

mod config;
mod group_type;
#[cfg(test)]
mod tests;

pub use config::{Config, GroupKind, GroupScope};
use group_type::GroupType;
use provisor_plugin_ad_common::{
    Copies, Domain, Extension, First, Fixed, Mail, Origin, Recipient, Reference, Wanted, exchange_attributes,
};
use provisor_sdk::prelude::*;

/// What attributes of the extension can be made from besides attributes of the group.
const FACTS: [&str; 4] = ["domain", "netbios-domain", SECURITY_ENABLED, MAIL_ENABLED];
const SECURITY_ENABLED: &str = "security-enabled";
const MAIL_ENABLED: &str = "mail-enabled";

/// Maps a group: its name, and references to its members.
pub struct Groups {
    origin: Option<Origin>,
    recipient: Option<Recipient>,
    group_type: Option<GroupType>,
    /// Whether groups of some types are left out.
    filters: bool,
    display_name: First,
    members: Option<(Unsent, Target)>,
    managed_by: Option<Reference>,
    copies: Copies,
    fixed: Fixed,
    extension: Extension,
    facts: Facts,
}

/// What is no attribute of a group; read only where the extension has it.
struct Facts {
    mail: Option<Mail>,
    domain: Option<Domain>,
    netbios_domain: String,
}

impl Mapping for Groups {
    type Config = Config;

    fn configure(config: Config, contract: &mut MappingContract) -> Result<Self, String> {
        if config.kinds.is_empty() || config.scopes.is_empty() {
            return Err(
                "kinds or scopes is an empty list, so that no group would be left: leave it out for all".to_owned()
            );
        }
        contract.object_class(&config.object_class).resource_kind("Group");
        let display_name = First::read(contract, &config.display_name, "displayName");
        let extension = Extension::read(contract, wanted(&config))?;
        let filters = !(GroupKind::ALL.iter().all(|kind| config.kinds.contains(kind))
            && GroupScope::ALL.iter().all(|scope| config.scopes.contains(scope)));
        let reads_type = filters || extension.wants(SECURITY_ENABLED);
        let also = config.also.iter().map(|(path, name)| (path.as_str(), name.as_str()));
        Ok(Self {
            origin: Origin::read(contract, &config.made_from_cloud),
            recipient: config.exchange.then(|| Recipient::read(contract)),
            group_type: reads_type.then(|| GroupType::read(contract, config.kinds, config.scopes)),
            filters,
            display_name: display_name
                .ok_or("display-name is empty: name the attributes that groups are named by".to_owned())?,
            members: (!config.members.is_empty())
                .then(|| (contract.unsent(&config.members), contract.write("members"))),
            managed_by: Reference::read(contract, "managedBy", &config.managed_by),
            copies: Copies::read(contract, also),
            facts: Facts {
                mail: extension
                    .wants(MAIL_ENABLED)
                    .then(|| Mail::read(contract, &config.mail, &config.proxy_addresses)),
                domain: extension.wants("domain").then(|| Domain::read(contract, &config.domain)),
                netbios_domain: config.netbios_domain,
            },
            extension,
            fixed: Fixed::read(contract, config.fixed),
        })
    }

    fn map(&self, entry: &Entry, group: &mut Resource) -> Result<(), Refusal> {
        if let Some(origin) = &self.origin {
            origin.check(entry)?;
        }
        if let Some(recipient) = &self.recipient {
            recipient.check_group(entry)?;
        }
        if let Some(group_type) = self.group_type.as_ref().filter(|_| self.filters) {
            group_type.check(entry)?;
        }
        if !self.display_name.set(entry, group) {
            return Err(exclude("no-group-name", "the group has no name"));
        }
        // Also where the group lists nobody: those whose primary group it is are members all the same.
        if let Some((source, target)) = self.members {
            group.references_of(target, source);
        }
        if let Some(manager) = &self.managed_by {
            manager.set(entry, group);
        }
        self.copies.set(entry, group);
        self.fixed.set(group);
        self.extension.set(entry, group, |fact| self.fact(entry, fact));
        Ok(())
    }
}

impl Groups {
    fn fact(&self, entry: &Entry, fact: &str) -> Option<Value> {
        match fact {
            SECURITY_ENABLED => self.group_type.as_ref().map(|group_type| group_type.is_security(entry).into()),
            MAIL_ENABLED => self.facts.mail.as_ref().map(|mail| mail.first(entry).is_some().into()),
            "domain" => self.facts.domain.as_ref()?.of(entry).as_deref().map(Value::from),
            _ => Some(self.facts.netbios_domain.as_str()).filter(|name| !name.is_empty()).map(Value::from),
        }
    }
}

/// What the extension has, as far as the settings say nothing else.
fn wanted(config: &Config) -> Wanted<'_> {
    let usual = [
        ("onPremisesSamAccountName", "sAMAccountName"),
        ("onPremisesSecurityIdentifier", "objectSid;text"),
        ("onPremisesDomainName", "domain"),
        ("description", "description"),
        ("securityEnabled", SECURITY_ENABLED),
        ("mailEnabled", MAIL_ENABLED),
        ("mail", "mail"),
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
    Wanted { schema: &config.extension, defaults, attributes: &config.extension_attributes, facts: &FACTS }
}

provisor_sdk::export_mapping!(Groups);
