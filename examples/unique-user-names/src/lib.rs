//! An example rule: user names from people's names, the first of several that nobody has.

use provisor_sdk::prelude::*;

/// The settings.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What stands behind the name, such as `@example.com`.
    #[serde(default)]
    suffix: String,
}

/// Makes `lovelace`, `lovelace2` up to `lovelace99` of a surname; the host finds out which is free, and keeps it.
pub struct UniqueUserNames {
    suffix: String,
    surname: Text,
    user_name: Target,
}

impl Mapping for UniqueUserNames {
    type Config = Config;

    fn configure(config: Config, contract: &mut MappingContract) -> Result<Self, String> {
        contract.object_class("user");
        Ok(Self { suffix: config.suffix, surname: contract.text("sn"), user_name: contract.write("userName") })
    }

    fn map(&self, entry: &Entry, user: &mut Resource) -> Result<(), Refusal> {
        let surname = entry.text(self.surname).ok_or_else(|| exclude("no-surname", "the entry has no surname"))?;
        let name: String = surname.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
        let numbered = (2..100).map(|number| format!("{name}{number}{}", self.suffix));
        user.first_unique(self.user_name, std::iter::once(format!("{name}{}", self.suffix)).chain(numbered));
        Ok(())
    }
}

provisor_sdk::export_mapping!(UniqueUserNames);

#[cfg(test)]
mod tests {
    use super::*;
    use provisor_sdk::testing;
    use serde_json::json;

    #[test]
    fn the_plain_name_comes_first() {
        let rule = testing::mapping::<UniqueUserNames>(&json!({ "suffix": "@example.com" })).unwrap();
        let answer = rule.map(&testing::Entry::new("user").with("sn", "Love Lace"));
        let candidates = answer.set("userName").unwrap().to_string();
        assert!(candidates.contains(r#"["lovelace@example.com","lovelace2@example.com""#), "{candidates}");
    }

    #[test]
    fn who_has_no_surname_is_not_provisioned() {
        let rule = testing::mapping::<UniqueUserNames>(&json!({})).unwrap();
        assert_eq!(rule.map(&testing::Entry::new("user")).refused(), Some("no-surname"));
    }
}
