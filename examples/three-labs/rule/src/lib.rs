//! The demo's own rule: it adds the company to the names of people and groups. Edit it while the demo runs.

use provisor_sdk::prelude::*;

/// The settings, in `[[rules]]` of each configuration.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The company, as it is shown.
    company: String,
}

/// Shows the company behind each name: `Ada Lovelace (Lab 01)`.
pub struct Branding {
    company: String,
    name: Built<Text>,
    display_name: Target,
}

impl Mapping for Branding {
    type Config = Config;

    fn configure(config: Config, contract: &mut MappingContract) -> Result<Self, String> {
        contract.object_class("user").object_class("group");
        Ok(Self {
            company: config.company,
            name: contract.built_text("displayName"),
            display_name: contract.write("displayName"),
        })
    }

    fn map(&self, _entry: &Entry, resource: &mut Resource) -> Result<(), Refusal> {
        if let Some(name) = resource.built_text(self.name) {
            // The line to edit: try format!("{} | {name}", self.company).
            resource.set(self.display_name, format!("{name} ({})", self.company));
        }
        Ok(())
    }
}

provisor_sdk::export_mapping!(Branding);

#[cfg(test)]
mod tests {
    use super::*;
    use provisor_sdk::testing;
    use serde_json::json;

    #[test]
    fn the_company_stands_in_the_display_name() {
        let branding = testing::mapping::<Branding>(&json!({ "company": "Lab 01" })).unwrap();
        let built = testing::Entry::new("user").with("displayName", "Ada Lovelace");
        let answer = branding.map_built(&testing::Entry::new("user"), &built);
        assert!(answer.set("displayName").is_some_and(|name| name.to_string().contains("Lab 01")), "{answer:?}");
        assert!(answer.set("displayName").is_some_and(|name| name.to_string().contains("Ada Lovelace")), "{answer:?}");
    }

    #[test]
    fn without_a_name_nothing_is_set() {
        let branding = testing::mapping::<Branding>(&json!({ "company": "Lab 01" })).unwrap();
        let empty = testing::Entry::new("user");
        assert_eq!(branding.map_built(&empty, &empty).set("displayName"), None);
    }
}
