//! Sets the nickname of people who have none to their given name.

use provisor_sdk::prelude::*;

/// The settings, in `[[rules]]` of a configuration. Doc comments are what `provisor plugin check` shows of them.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// How many letters a nickname has at most.
    #[serde(default = "most_letters")]
    most_letters: usize,
}

fn most_letters() -> usize {
    12
}

/// The rule as configured: its settings, and a handle for each attribute that it reads or sets.
pub struct NickName {
    most_letters: usize,
    given_name: Text,
    earlier: Built<Text>,
    nick_name: Target,
}

impl Mapping for NickName {
    type Config = Config;

    fn configure(config: Config, contract: &mut MappingContract) -> Result<Self, String> {
        if config.most_letters == 0 {
            return Err("most-letters is 0: no name would fit".to_owned());
        }
        contract.object_class("user");
        Ok(Self {
            most_letters: config.most_letters,
            given_name: contract.text("givenName"),
            earlier: contract.built_text("nickName"),
            nick_name: contract.write("nickName"),
        })
    }

    fn map(&self, entry: &Entry, user: &mut Resource) -> Result<(), Refusal> {
        if user.built_text(self.earlier).is_none()
            && let Some(name) = entry.text(self.given_name)
        {
            user.set(self.nick_name, name.chars().take(self.most_letters).collect::<String>());
        }
        Ok(())
    }

    fn summary(&self) -> Option<String> {
        Some(format!("Who has no nickname gets the given name, up to {} letters.", self.most_letters))
    }
}

provisor_sdk::export_mapping!(NickName);

#[cfg(test)]
mod tests {
    use provisor_sdk::testing::{self, Entry};
    use serde_json::json;

    use super::*;

    #[test]
    fn the_given_name_becomes_the_nickname() {
        let rule = testing::mapping::<NickName>(&json!({ "most-letters": 4 })).unwrap();
        let ada = Entry::new("user").with("givenName", "Augusta");
        assert_eq!(rule.map(&ada).set("nickName"), Some(&json!("Augu")));
        assert_eq!(rule.map(&Entry::new("user")).set("nickName"), None);
    }

    #[test]
    fn a_nickname_that_is_there_stays() {
        let rule = testing::mapping::<NickName>(&json!({})).unwrap();
        let ada = Entry::new("user").with("givenName", "Augusta");
        assert_eq!(rule.map_built(&ada, &Entry::default().with("nickName", "Ada")).set("nickName"), None);
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        assert!(testing::mapping::<NickName>(&json!({ "most-letters": 0 })).is_err());
    }
}
