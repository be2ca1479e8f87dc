//! Rules written with the SDK, run natively.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use provisor_sdk::prelude::*;
use provisor_sdk::testing::{self, Entry as Sample};
use serde_json::json;

/// Keeps whose contract has not ended.
struct Employed {
    end: Integer,
    now: CycleTime,
}

impl Filter for Employed {
    type Config = NoConfig;

    fn configure(_: NoConfig, contract: &mut FilterContract) -> Result<Self, String> {
        contract.object_class("user");
        Ok(Self { end: contract.integer("contractEnd"), now: contract.cycle_time() })
    }

    fn decide(&self, entry: &Entry) -> Verdict {
        match entry.integer(self.end) {
            Some(end) if end <= entry.now(self.now) => Verdict::drop("left", format!("the contract ended at {end}")),
            Some(end) => {
                entry.valid_until(end);
                Verdict::Keep
            }
            None => Verdict::Keep,
        }
    }
}

/// Uses every way to read and to set.
struct Everything {
    name: Text,
    numbers: Integers,
    photo: Unsent,
    ratio: Decimal,
    flag: Boolean,
    key: Binary,
    earlier: Built<Text>,
    targets: [Target; 8],
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    prefix: String,
    #[serde(default)]
    rows: Vec<SizedRow>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct SizedRow {
    size: u8,
}

impl Mapping for Everything {
    type Config = Settings;

    fn configure(config: Settings, contract: &mut MappingContract) -> Result<Self, String> {
        if config.prefix.is_empty() || config.rows.iter().any(|row| row.size == 0) {
            return Err("prefix is empty".to_owned());
        }
        let targets = ["title", "groups", "photos", "ratio", "active", "key", "nickName", "userName"];
        Ok(Self {
            name: contract.text("cn"),
            numbers: contract.integers("gidNumber"),
            photo: contract.unsent("jpegPhoto"),
            ratio: contract.decimal("ratio"),
            flag: contract.boolean("flag"),
            key: contract.binary("key"),
            earlier: contract.built_text("displayName"),
            targets: targets.map(|path| contract.write(path)),
        })
    }

    fn map(&self, entry: &Entry, resource: &mut Resource) -> Result<(), Refusal> {
        let [title, groups, photos, ratio, active, key, nick_name, user_name] = self.targets;
        resource.set(title, "overwritten");
        resource.set(title, resource.built_text(self.earlier).unwrap_or("nobody"));
        resource.set_all(groups, entry.integers(self.numbers));
        resource.copy(photos, self.photo);
        resource.copy(ratio, self.ratio);
        resource.set(active, entry.boolean(self.flag).unwrap_or(false));
        resource.set(key, entry.binary(self.key).map(<[u8]>::to_vec).unwrap_or_default());
        resource.remove(nick_name);
        let name = entry.text(self.name).ok_or_else(|| fail("no-name", "the entry has no name"))?;
        resource.first_unique(user_name, [name.to_owned(), format!("{name}2")]);
        Ok(())
    }
}

#[test]
fn a_filter_decides_by_the_cycles_time() {
    let filter = || testing::filter::<Employed>(&json!({})).unwrap();
    let entry = Sample::new("user").with("contractEnd", "1000");
    assert!(matches!(filter().at(999).decide(&entry), Verdict::Keep));
    assert!(matches!(filter().at(1000).decide(&entry), Verdict::Drop(reason) if reason.code == "left"));
    assert!(matches!(filter().at(1000).decide(&Sample::new("user")), Verdict::Keep));
}

#[test]
fn every_shape_is_read_and_every_value_set() {
    let rule = testing::mapping::<Everything>(&json!({ "prefix": "x" })).unwrap();
    let entry = Sample::new("user")
        .with("cn", "Ada")
        .with_all("gidNumber", ["7", "12"])
        .with("jpegPhoto", b"photo")
        .with("ratio", "0.5")
        .with("flag", "TRUE")
        .with("key", [0_u8, 255]);
    let answer = rule.map_built(&entry, &Sample::default().with("displayName", "Countess"));
    assert_eq!(answer.set("title"), Some(&json!("Countess")), "the later edit counts");
    assert_eq!(answer.set("groups"), Some(&json!([12, 7])));
    assert_eq!(answer.set("photos"), Some(&json!("photo")));
    assert_eq!(answer.set("ratio"), Some(&json!(0.5)));
    assert_eq!(answer.set("active"), Some(&json!(true)));
    assert_eq!(answer.set("key"), Some(&json!([0, 255])));
    assert_eq!(answer.set("nickName"), Some(&json!(null)));
    assert_eq!(answer.set("userName"), Some(&json!({ "first-unique": ["Ada", "Ada2"] })));
}

#[test]
fn an_entry_without_values_is_read_as_none() {
    let rule = testing::mapping::<Everything>(&json!({ "prefix": "x" })).unwrap();
    assert_eq!(rule.map(&Sample::new("user")).refused(), Some("no-name"));
}

#[test]
fn a_configuration_that_does_not_fit_or_is_refused_is_an_error() {
    let error = |config| testing::mapping::<Everything>(&config).err().unwrap();
    assert_eq!(error(json!({})), "config: missing field `prefix`");
    assert!(error(json!({ "prefix": "x", "other": 1 })).starts_with("config.other: unknown field `other`"));
    assert_eq!(
        error(json!({ "prefix": "x", "rows": [{ "size": 1 }, { "size": "a" }] })),
        "config.rows[1].size: invalid type: string \"a\", expected u8"
    );
    assert_eq!(error(json!({ "prefix": "" })), "prefix is empty");
}
