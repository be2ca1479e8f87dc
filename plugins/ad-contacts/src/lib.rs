//! Contacts of an Active Directory, people outside who have a mail address, as resources of the type Contact.

mod config;
#[cfg(test)]
mod tests;

pub use config::Config;
use provisor_plugin_ad_common::{
    Address, Copies, Extension, First, Fixed, Mail, Phones, Recipient, Reference, Wanted, exchange_attributes,
};
use provisor_sdk::prelude::*;

/// Maps a contact. What it does not have is left as the plugins before made it.
pub struct Contacts {
    recipient: Option<Recipient>,
    display_name: First,
    mail: Mail,
    emails: Target,
    phones: Option<Phones>,
    address: Option<Address>,
    manager: Option<Reference>,
    copies: Copies,
    fixed: Fixed,
    extension: Extension,
}

impl Mapping for Contacts {
    type Config = Config;

    fn configure(config: Config, contract: &mut MappingContract) -> Result<Self, String> {
        contract.object_class(&config.object_class).resource_kind(&config.resource_kind);
        let display_name = First::read(contract, &config.display_name, "displayName");
        let mail = Mail::read(contract, &config.mail, &config.proxy_addresses);
        let emails = mail.emails(contract);
        let also = config.also.iter().map(|(path, name)| (path.as_str(), name.as_str()));
        let core =
            [("title", &config.title), ("organization", &config.organization), ("department", &config.department)]
                .map(|(path, name)| (path, name.as_str()));
        Ok(Self {
            recipient: config.exchange.then(|| Recipient::read(contract)),
            display_name: display_name
                .ok_or("display-name is empty: name the attributes that contacts are named by".to_owned())?,
            mail,
            emails: emails
                .ok_or("mail and proxy-addresses are empty: name the attribute with the mail address".to_owned())?,
            phones: Phones::read(contract, &config.phones),
            address: Address::read(contract, &config.address),
            manager: Reference::read(contract, &config.manager, "manager"),
            copies: Copies::read(contract, config.name.paths().into_iter().chain(core).chain(also)),
            extension: Extension::read(contract, wanted(&config))?,
            fixed: Fixed::read(contract, config.fixed),
        })
    }

    fn map(&self, entry: &Entry, contact: &mut Resource) -> Result<(), Refusal> {
        if let Some(recipient) = &self.recipient {
            recipient.check_mailbox(entry)?;
        }
        if self.mail.first(entry).is_none() {
            return Err(exclude("no-mail", "the contact has no mail address, so nobody could reach it"));
        }
        if !self.display_name.set(entry, contact) {
            return Err(exclude("no-contact-name", "the contact has no name"));
        }
        self.mail.set(entry, contact, self.emails);
        self.copies.set(entry, contact);
        self.fixed.set(contact);
        if let Some(phones) = &self.phones {
            phones.set(entry, contact);
        }
        if let Some(address) = &self.address {
            address.set(entry, contact);
        }
        if let Some(manager) = &self.manager {
            manager.set(entry, contact);
        }
        self.extension.set(entry, contact, |_| None);
        Ok(())
    }
}

/// What the extension has, as far as the settings say nothing else.
fn wanted(config: &Config) -> Wanted<'_> {
    let mut defaults: Vec<(String, String)> = Vec::new();
    if config.extension_defaults {
        defaults.push(("proxyAddresses".to_owned(), "proxyAddresses[]".to_owned()));
        if config.exchange {
            defaults.extend(exchange_attributes());
            defaults.push(("targetAddress".to_owned(), "targetAddress".to_owned()));
        }
    }
    Wanted { schema: &config.extension, defaults, attributes: &config.extension_attributes, facts: &[] }
}

provisor_sdk::export_mapping!(Contacts);
