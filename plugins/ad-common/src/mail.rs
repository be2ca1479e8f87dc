//! Mail addresses: the primary one of proxyAddresses, or else mail; then the others.

use provisor_sdk::prelude::*;

use crate::text::{distinct, optional, set_rows};

/// Where an entry's mail addresses are read.
pub struct Mail {
    primary: Option<Text>,
    mail: Option<Text>,
    all: Option<Texts>,
}

impl Mail {
    /// Reads the attribute with the one address, and that with all of them behind `SMTP:` and `smtp:`; an empty name is
    /// not read.
    pub fn read(contract: &mut MappingContract, mail: &str, proxy_addresses: &str) -> Self {
        let has_proxies = !proxy_addresses.is_empty();
        Self {
            primary: has_proxies.then(|| contract.text(&format!("{proxy_addresses};primary-smtp"))),
            mail: optional(contract, mail),
            all: has_proxies.then(|| contract.texts(&format!("{proxy_addresses};smtp"))),
        }
    }

    /// May write `emails`; none where there is nothing that they could be made from.
    pub fn emails(&self, contract: &mut MappingContract) -> Option<Target> {
        (self.mail.is_some() || self.all.is_some()).then(|| contract.write("emails"))
    }

    /// All addresses, the primary one first. What has no `@` is none.
    pub fn addresses<'a>(&self, entry: &Entry<'a>) -> Vec<&'a str> {
        let one = |source: Option<Text>| source.and_then(|source| entry.text(source));
        let all = self.all.into_iter().flat_map(|source| entry.texts(source));
        let addresses = one(self.primary).into_iter().chain(one(self.mail)).chain(all);
        distinct(addresses.filter(|address| address.contains('@')))
    }

    /// The address that stands for the entry.
    pub fn first<'a>(&self, entry: &Entry<'a>) -> Option<&'a str> {
        self.addresses(entry).into_iter().next()
    }

    /// Sets the rows of `emails`: the first is primary and for work; of what type the others are cannot be told.
    pub fn set(&self, entry: &Entry, resource: &mut Resource, emails: Target) {
        let rows = self.addresses(entry).into_iter().enumerate().map(|(number, address)| {
            let row = Row::new().with("value", address).with("type", if number == 0 { "work" } else { "other" });
            if number == 0 { row.with("primary", true) } else { row }
        });
        set_rows(resource, emails, rows);
    }
}
