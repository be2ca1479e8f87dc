//! The user name: the principal name, or else the account name with the domain behind it.

use std::collections::BTreeMap;

use provisor_plugin_ad_common::{clean, optional};
use provisor_sdk::prelude::*;

/// What user names are made from.
pub struct UserName {
    principal: Option<Text>,
    account: Option<Text>,
    /// By the suffix in lower case.
    suffixes: BTreeMap<String, String>,
}

impl UserName {
    /// Reads both names; `suffixes` replace what stands behind the `@`.
    ///
    /// # Errors
    /// There is nothing to read, or a suffix is empty.
    pub fn read(
        contract: &mut MappingContract,
        principal: &str,
        account: &str,
        suffixes: BTreeMap<String, String>,
    ) -> Result<Self, String> {
        if principal.is_empty() && account.is_empty() {
            return Err(
                "user-name and account-name are empty: name an attribute that user names are made from".to_owned()
            );
        }
        let bare = |suffix: &str| suffix.trim().trim_start_matches('@').to_owned();
        let suffixes: BTreeMap<String, String> =
            suffixes.iter().map(|(old, new)| (bare(old).to_lowercase(), bare(new))).collect();
        if suffixes.iter().any(|(old, new)| old.is_empty() || new.is_empty()) {
            return Err("upn-suffixes has an empty suffix: write \"corp.local\" = \"example.com\"".to_owned());
        }
        Ok(Self { principal: optional(contract, principal), account: optional(contract, account), suffixes })
    }

    /// The user name.
    ///
    /// # Errors
    /// The entry has nothing to make one from.
    pub fn of(&self, entry: &Entry, domain: Option<&str>) -> Result<String, Refusal> {
        let text = |source: Option<Text>| source.and_then(|source| entry.text(source)).and_then(clean);
        let name = match (text(self.principal), text(self.account), domain) {
            (Some(principal), ..) => principal.to_owned(),
            (None, Some(account), Some(domain)) => format!("{account}@{domain}"),
            _ => return Err(exclude("no-user-name", "the account has nothing to make a user name from")),
        };
        Ok(self.with_suffix(name))
    }

    fn with_suffix(&self, name: String) -> String {
        let new = name.rsplit_once('@').and_then(|(local, suffix)| {
            let suffix = self.suffixes.get(&suffix.to_lowercase())?;
            Some(format!("{local}@{suffix}"))
        });
        new.unwrap_or(name)
    }
}
