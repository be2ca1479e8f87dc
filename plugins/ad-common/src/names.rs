//! The parts of a person's name.

/// The attributes of a person's name; an empty name leaves the part out.
#[derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct PersonNames {
    /// The attribute of `name.givenName`.
    pub given: String,
    /// The attribute of `name.middleName`.
    pub middle: String,
    /// The attribute of `name.familyName`.
    pub family: String,
    /// The attribute of `name.formatted`.
    pub formatted: String,
}

impl Default for PersonNames {
    fn default() -> Self {
        let named = str::to_owned;
        Self { given: named("givenName"), middle: named("middleName"), family: named("sn"), formatted: named("cn") }
    }
}

impl PersonNames {
    /// Each path of the resource with the attribute that it is made from.
    pub fn paths(&self) -> [(&str, &str); 4] {
        [
            ("name.givenName", &self.given),
            ("name.middleName", &self.middle),
            ("name.familyName", &self.family),
            ("name.formatted", &self.formatted),
        ]
    }
}
