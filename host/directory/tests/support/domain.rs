//! What tests of Active Directory have in common: how a domain is read, and what a store of it holds.

use std::collections::BTreeMap;

use provisor_directory::{
    ActiveDirectory, ActiveDirectoryOptions, ConnectionOptions, Directory, DirectoryError, DomainChanges,
};
use provisor_model::{AttributeName, Attributes, IdSyntax, Secret, SourceId, Value};

use super::{Report, Store, everything};

/// What the tests read.
pub const READ: &[&str] = &[
    "cn",
    "sAMAccountName",
    "mail",
    "description",
    "manager",
    "member",
    "objectSid;text",
    "objectSid;rid",
    "primaryGroupID",
    "userAccountControl;flags",
    "accountExpires;time",
];

/// How a domain is read by this account.
pub fn options(connection: ConnectionOptions) -> ActiveDirectoryOptions {
    ActiveDirectoryOptions {
        connection,
        base: None,
        page_size: 1000,
        object: ActiveDirectoryOptions::object(),
        changes: DomainChanges::Auto,
        listing: ActiveDirectoryOptions::LISTING,
    }
}

/// A connection by name and password.
pub fn connection(urls: &[String], ca: std::path::PathBuf, who: &str, password: &str) -> ConnectionOptions {
    ConnectionOptions { urls: urls.to_vec(), ca: Some(ca), ..ConnectionOptions::simple("", who, Secret::new(password)) }
}

pub fn directory(options: ActiveDirectoryOptions) -> Directory {
    ActiveDirectory::new(options).unwrap().into()
}

/// The id in a link.
pub fn linked(value: &Value) -> Option<SourceId> {
    let id = value.as_text()?.strip_prefix("<GUID=")?.strip_suffix('>')?;
    Some(SourceId::parse(IdSyntax::Guid, id).unwrap())
}

/// What a group lists, by the names of those that are known.
pub fn members(store: &Store, group: &str) -> Vec<String> {
    let group = store.entry(&format!("CN={group},")).unwrap();
    let name = |value: &Value| {
        let entry = store.entries.get(&linked(value).unwrap())?;
        Some(entry.dn.to_string().split(',').next().unwrap().to_owned())
    };
    let mut names: Vec<String> = group.attributes.values(&"member".into()).iter().filter_map(name).collect();
    names.sort();
    names
}

/// What a store holds, without links to who is not there: a controller forgets those without a word.
pub fn settled(store: &Store) -> BTreeMap<String, (Vec<u8>, String, Attributes)> {
    let mut content = store.content();
    let there = |value: &Value| linked(value).is_none_or(|id| store.entries.contains_key(&id));
    for (_, _, attributes) in content.values_mut() {
        for name in ["member", "manager"].map(AttributeName::from) {
            let values = attributes.values(&name).iter().filter(|value| there(value)).cloned().collect();
            attributes.set(name, values);
        }
    }
    content
}

/// Asserts that a store holds what reading everything from this directory brings.
pub async fn assert_holds_all(store: &Store, directory: &Directory) {
    let (own, all) = (settled(store), settled(&everything(directory, READ).await));
    let differ: Vec<&String> = own.keys().chain(all.keys()).filter(|id| own.get(*id) != all.get(*id)).collect();
    let shown = |of: &BTreeMap<String, _>| differ.iter().map(|id| format!("{:?}", of.get(*id))).collect::<Vec<_>>();
    assert!(differ.is_empty(), "is {:#?}\nis to be {:#?}", shown(&own), shown(&all));
}

/// Imports, as the cycle does: where the source says that everything must be read, everything is.
pub async fn import(store: &mut Store, directory: &Directory) -> Result<Report, DirectoryError> {
    match store.import(directory, READ).await {
        Err(error) if error.needs_full_import() => {
            store.watermark = None;
            store.import(directory, READ).await
        }
        other => other,
    }
}
