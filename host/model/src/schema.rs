//! What a source's schema says about its attributes, as far as Provisor needs to know.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AttributeName, MatchingRule};

/// How the values of an attribute are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttributeSyntax {
    /// UTF-8 text: every syntax that is not one of the others.
    Text,
    /// Octets, such as a photo or a certificate.
    Binary,
    /// A distinguished name (RFC 4517, section 3.3.9), or a name with an optional unique id (3.3.21): a reference.
    Dn,
}

/// The syntaxes of the attributes that a source knows; an unknown attribute is text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    syntaxes: BTreeMap<AttributeName, AttributeSyntax>,
    /// Where it is not what the syntax suggests.
    #[serde(default)]
    rules: BTreeMap<AttributeName, MatchingRule>,
}

impl Schema {
    /// A schema that knows these attributes.
    pub fn new(syntaxes: impl IntoIterator<Item = (AttributeName, AttributeSyntax)>) -> Self {
        Self { syntaxes: syntaxes.into_iter().collect(), rules: BTreeMap::new() }
    }

    /// Adds an attribute, or changes what is known of it.
    pub fn set(&mut self, name: AttributeName, syntax: AttributeSyntax) {
        self.syntaxes.insert(name, syntax);
    }

    /// Sets how the values of an attribute are compared.
    pub fn set_rule(&mut self, name: AttributeName, rule: MatchingRule) {
        if rule == self.default_rule(&name) {
            self.rules.remove(&name);
        } else {
            self.rules.insert(name, rule);
        }
    }

    /// How values of this attribute are compared: as the schema says, else octets and names as what they are, and text
    /// without regard to letter case, as most attributes have it.
    pub fn rule(&self, name: &AttributeName) -> MatchingRule {
        let base = name.as_str().split(';').next().unwrap_or_default();
        if self.has_own_syntax(name) {
            return self.default_rule(name);
        }
        self.rules.get(&AttributeName::new(base)).copied().unwrap_or_else(|| self.default_rule(name))
    }

    fn default_rule(&self, name: &AttributeName) -> MatchingRule {
        match self.syntax(name) {
            AttributeSyntax::Text => MatchingRule::CaseIgnore,
            AttributeSyntax::Binary => MatchingRule::Octets,
            AttributeSyntax::Dn => MatchingRule::Dn,
        }
    }

    /// Whether an attribute with options is known apart from the one without.
    fn has_own_syntax(&self, name: &AttributeName) -> bool {
        name.as_str().contains(';') && self.syntaxes.contains_key(name)
    }

    /// How values of this attribute are read. Options (`;lang-de`) say nothing about it, unless the attribute is known
    /// with them apart; `;binary` makes it binary (RFC 4522).
    pub fn syntax(&self, name: &AttributeName) -> AttributeSyntax {
        let (base, options) = name.as_str().split_once(';').unwrap_or((name.as_str(), ""));
        if options.split(';').any(|option| option.eq_ignore_ascii_case("binary")) {
            return AttributeSyntax::Binary;
        }
        let base = if self.has_own_syntax(name) { name.as_str() } else { base };
        self.syntaxes.get(&AttributeName::new(base)).copied().unwrap_or(AttributeSyntax::Text)
    }

    /// Whether the schema has this attribute, options aside.
    pub fn knows(&self, name: &AttributeName) -> bool {
        let base = name.as_str().split(';').next().unwrap_or_default();
        self.syntaxes.contains_key(&AttributeName::new(base))
    }

    /// How many attributes the schema knows.
    pub fn len(&self) -> usize {
        self.syntaxes.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.syntaxes.is_empty()
    }
}
