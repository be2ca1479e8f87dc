//! Groups of a directory (groupOfNames, groupOfUniqueNames, posixGroup) as SCIM groups with their members.

use provisor_sdk::prelude::*;

/// Source attributes of a group, and the object class of the entries that are groups.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Config {
    /// The object class that is mapped.
    object_class: String,
    /// The attribute that names the group.
    display_name: String,
    /// The attributes that list the members, by distinguished name or by a value that the configuration's references-by
    /// tells how to follow; the first that a group has is used.
    members: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        let members = ["member", "uniqueMember", "memberUid"].map(str::to_owned).to_vec();
        Self { object_class: "group".to_owned(), display_name: "cn".to_owned(), members }
    }
}

/// Maps a group: its name, and references to its members.
pub struct Groups {
    name: Text,
    display_name: Target,
    member_attributes: Vec<Unsent>,
    members: Target,
}

impl Mapping for Groups {
    type Config = Config;

    fn configure(config: Config, contract: &mut MappingContract) -> Result<Self, String> {
        contract.object_class(&config.object_class).resource_kind("Group");
        Ok(Self {
            name: contract.text(&config.display_name),
            display_name: contract.write("displayName"),
            member_attributes: config.members.iter().map(|name| contract.unsent(name)).collect(),
            members: contract.write("members"),
        })
    }

    fn map(&self, entry: &Entry, group: &mut Resource) -> Result<(), Refusal> {
        if entry.text(self.name).is_none_or(|name| name.trim().is_empty()) {
            return Err(exclude("no-group-name", "the group has no name"));
        }
        group.copy(self.display_name, self.name);
        if let Some(attribute) = self.member_attributes.iter().find(|attribute| entry.has(**attribute)) {
            group.references_of(self.members, *attribute);
        }
        Ok(())
    }
}

provisor_sdk::export_mapping!(Groups);

#[cfg(test)]
mod tests {
    use super::*;
    use provisor_sdk::testing::{self, MappingTest};
    use serde_json::json;

    fn groups() -> MappingTest<Groups> {
        testing::mapping(&json!({})).unwrap()
    }

    #[test]
    fn a_group_of_names_refers_to_its_members() {
        let group = testing::Entry::new("group").with("cn", "Staff").with_all("member", ["uid=a,dc=x", "uid=b,dc=x"]);
        let answer = groups().map(&group);
        assert_eq!(answer.set("displayName"), Some(&json!("Staff")));
        assert_eq!(answer.set("members"), Some(&json!({ "references": ["uid=a,dc=x", "uid=b,dc=x"] })));
    }

    #[test]
    fn a_group_of_unique_names_refers_to_its_members() {
        let group = testing::Entry::new("group").with("cn", "Staff").with("uniqueMember", "uid=a,dc=x");
        assert_eq!(groups().map(&group).set("members"), Some(&json!({ "references": ["uid=a,dc=x"] })));
    }

    #[test]
    fn a_posix_group_refers_to_its_members_by_user_name() {
        let group = testing::Entry::new("group").with("cn", "Staff").with_all("memberUid", ["ann", "bob"]);
        assert_eq!(groups().map(&group).set("members"), Some(&json!({ "references": ["ann", "bob"] })));
    }

    #[test]
    fn a_group_without_members_has_none() {
        let group = testing::Entry::new("group").with("cn", "Staff");
        assert_eq!(groups().map(&group).set("members"), None);
    }

    #[test]
    fn a_group_without_a_name_is_not_provisioned() {
        assert_eq!(groups().map(&testing::Entry::new("group").with("cn", " ")).refused(), Some("no-group-name"));
    }
}
