//! Adds the cost center of a person's department.

use std::collections::BTreeMap;

use provisor_sdk::prelude::*;

/// The settings, in `[[rules]]` of a configuration.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The cost center of each department.
    cost_centers: BTreeMap<String, String>,
}

/// Looks a person's department up in the settings.
pub struct CostCenter {
    cost_centers: BTreeMap<String, String>,
    department: Text,
    cost_center: Target,
}

impl Mapping for CostCenter {
    type Config = Config;

    fn configure(config: Config, contract: &mut MappingContract) -> Result<Self, String> {
        contract.object_class("user");
        Ok(Self {
            cost_centers: config.cost_centers,
            department: contract.text("departmentNumber"),
            cost_center: contract.write("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter"),
        })
    }

    fn map(&self, entry: &Entry, user: &mut Resource) -> Result<(), Refusal> {
        if let Some(number) = entry.text(self.department).and_then(|department| self.cost_centers.get(department)) {
            user.set(self.cost_center, number.as_str());
        }
        Ok(())
    }
}

provisor_sdk::export_mapping!(CostCenter);

#[cfg(test)]
mod tests {
    use provisor_sdk::testing;
    use serde_json::json;

    use super::*;

    const COST_CENTER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter";

    #[test]
    fn a_department_has_the_cost_center_of_the_settings() {
        let rule = testing::mapping::<CostCenter>(&json!({ "cost-centers": { "Optics": "4200" } })).unwrap();
        let in_department = |name: &str| rule.map(&testing::Entry::new("user").with("departmentNumber", name));
        assert_eq!(in_department("Optics").set(COST_CENTER), Some(&json!("4200")));
        assert_eq!(in_department("Library").set(COST_CENTER), None);
    }

    #[test]
    fn a_wrong_setting_is_refused() {
        assert!(testing::mapping::<CostCenter>(&json!({ "cost-centres": {} })).is_err());
    }
}
