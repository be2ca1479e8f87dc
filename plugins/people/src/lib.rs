//! People of a directory (inetOrgPerson) as SCIM users with the enterprise extension (RFC 7643, sections 4.1 and 4.3).

mod config;
#[cfg(test)]
mod tests;

pub use config::Config;
use provisor_sdk::prelude::*;

/// The schema of the enterprise extension.
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Maps a person to a user. What the entry does not have is left as the plugins before made it.
pub struct People {
    user_name: Text,
    domain: String,
    user_name_target: Target,
    active: Target,
    display_name: DisplayName,
    /// What is passed on as it is.
    copies: Vec<(Text, Target)>,
    /// What is the same for everybody.
    fixed: Vec<(String, Target)>,
    emails: Option<(Texts, Target)>,
    phones: Phones,
    address: Address,
    manager: Option<(Text, Target)>,
}

/// The display name, or the formatted name where there is none.
struct DisplayName {
    sources: Vec<Text>,
    target: Target,
}

/// The phone numbers, by type.
struct Phones {
    sources: Vec<(Texts, &'static str)>,
    /// How many numbers of each type.
    most: usize,
    target: Target,
}

/// The parts of the work address.
struct Address {
    sources: Vec<(Text, &'static str)>,
    target: Target,
}

impl Mapping for People {
    type Config = Config;

    fn configure(config: Config, contract: &mut MappingContract) -> Result<Self, String> {
        if config.user_name.is_empty() {
            return Err("user-name is empty: name the attribute that user names are made from".to_owned());
        }
        contract.object_class(&config.object_class).resource_kind("User");
        let enterprise = |name: &str| format!("{ENTERPRISE}:{name}");
        let copies = [
            (&config.given_name, "name.givenName".to_owned()),
            (&config.family_name, "name.familyName".to_owned()),
            (&config.formatted_name, "name.formatted".to_owned()),
            (&config.title, "title".to_owned()),
            (&config.preferred_language, "preferredLanguage".to_owned()),
            (&config.employee_number, enterprise("employeeNumber")),
            (&config.department, enterprise("department")),
            (&config.division, enterprise("division")),
            (&config.organization, enterprise("organization")),
            (&config.cost_center, enterprise("costCenter")),
        ];
        let phones = [
            (&config.work_phone, "work"),
            (&config.mobile_phone, "mobile"),
            (&config.home_phone, "home"),
            (&config.fax, "fax"),
            (&config.pager, "pager"),
        ];
        let address = [
            (&config.street, "streetAddress"),
            (&config.locality, "locality"),
            (&config.region, "region"),
            (&config.postal_code, "postalCode"),
            (&config.country, "country"),
        ];
        let text = |contract: &mut MappingContract, name: &String| (!name.is_empty()).then(|| contract.text(name));
        let texts = |contract: &mut MappingContract, name: &String| (!name.is_empty()).then(|| contract.texts(name));
        Ok(Self {
            user_name: contract.text(&config.user_name),
            domain: config.domain.trim_start_matches('@').to_owned(),
            user_name_target: contract.write("userName"),
            active: contract.write("active"),
            display_name: DisplayName {
                sources: [&config.display_name, &config.formatted_name]
                    .into_iter()
                    .filter_map(|name| text(contract, name))
                    .collect(),
                target: contract.write("displayName"),
            },
            copies: copies
                .iter()
                .map(|(name, path)| (*name, path))
                .chain(config.also.iter().map(|(path, name)| (name, path)))
                .filter_map(|(name, path)| text(contract, name).map(|source| (source, contract.write(path))))
                .collect(),
            fixed: config.fixed.iter().map(|(path, value)| (value.clone(), contract.write(path))).collect(),
            emails: texts(contract, &config.mail).map(|source| (source, contract.write("emails"))),
            phones: Phones {
                sources: phones.into_iter().filter_map(|(name, sort)| Some((texts(contract, name)?, sort))).collect(),
                most: if config.one_phone_each { 1 } else { usize::MAX },
                target: contract.write("phoneNumbers"),
            },
            address: Address {
                sources: address.into_iter().filter_map(|(name, part)| Some((text(contract, name)?, part))).collect(),
                target: contract.write("addresses"),
            },
            manager: text(contract, &config.manager).map(|source| (source, contract.write(&enterprise("manager")))),
        })
    }

    fn map(&self, entry: &Entry, user: &mut Resource) -> Result<(), Refusal> {
        let user_name = entry.text(self.user_name).map(str::trim).filter(|name| !name.is_empty());
        let user_name =
            user_name.ok_or_else(|| exclude("no-user-name", "the entry has nothing to make a user name from"))?;
        if self.domain.is_empty() || user_name.contains('@') {
            user.set(self.user_name_target, user_name);
        } else {
            user.set(self.user_name_target, format!("{user_name}@{}", self.domain));
        }
        user.set(self.active, true);
        if let Some(source) = self.display_name.sources.iter().find(|source| entry.has(**source)) {
            user.copy(self.display_name.target, *source);
        }
        for (source, target) in &self.copies {
            if entry.has(*source) {
                user.copy(*target, *source);
            }
        }
        for (value, target) in &self.fixed {
            user.set(*target, value.as_str());
        }
        if let Some((source, target)) = self.emails {
            set_rows(user, target, emails(entry.texts(source)));
        }
        set_rows(user, self.phones.target, self.phones.rows(entry));
        set_rows(user, self.address.target, self.address.row(entry).into_iter());
        if let Some((dn, (_, target))) = self.manager.and_then(|manager| Some((entry.text(manager.0)?, manager))) {
            user.reference(target, dn);
        }
        Ok(())
    }
}

fn set_rows(user: &mut Resource, target: Target, rows: impl Iterator<Item = Row>) {
    let mut rows = rows.peekable();
    if rows.peek().is_some() {
        user.set_rows(target, rows);
    }
}

/// The first address, which is the lowest by octets, is the primary one for work; the others are of no type that could be told.
fn emails<'a>(addresses: impl Iterator<Item = &'a str>) -> impl Iterator<Item = Row> {
    addresses.enumerate().map(|(number, address)| {
        let row = Row::new().with("value", address).with("type", if number == 0 { "work" } else { "other" });
        if number == 0 { row.with("primary", true) } else { row }
    })
}

impl Phones {
    fn rows(&self, entry: &Entry) -> impl Iterator<Item = Row> {
        let numbers = |(source, sort): &(Texts, &'static str)| {
            let sort = *sort;
            entry.texts(*source).take(self.most).map(move |number| Row::new().with("value", number).with("type", sort))
        };
        self.sources.iter().flat_map(numbers)
    }
}

impl Address {
    /// One row where there is any part, else none.
    fn row(&self, entry: &Entry) -> Option<Row> {
        let mut parts = self.sources.iter().filter_map(|(source, part)| Some((*part, entry.text(*source)?)));
        let (part, value) = parts.next()?;
        let row = Row::new().with("type", "work").with(part, value);
        Some(parts.fold(row, |row, (part, value)| row.with(part, value)))
    }
}

provisor_sdk::export_mapping!(People);
