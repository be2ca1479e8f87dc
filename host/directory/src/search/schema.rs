//! The server's own schema (RFC 4512, section 4.2): which attributes are text, octets or names, and their aliases.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use provisor_model::{AttributeName, AttributeSyntax, MatchingRule, Schema};

use super::EVERYTHING;
use super::few::{read_one, texts};
use crate::connection::Connection;
use crate::error::DirectoryError;
use crate::selection::Aliases;

/// What is used of a server's schema.
#[derive(Debug, Default)]
pub(crate) struct ServerSchema {
    /// The attributes, under each of their names.
    pub schema: Schema,
    /// From each name to the first of its attribute.
    pub aliases: Aliases,
    /// The attributes that have one value at most, under each of their names, in lower case.
    pub single: HashSet<String>,
}

/// The syntaxes of names (RFC 4517, sections 3.3.9 and 3.3.21).
const NAMES: &[&str] = &["1.3.6.1.4.1.1466.115.121.1.12", "1.3.6.1.4.1.1466.115.121.1.34"];

/// The syntaxes of octets: audio, binary, certificates and lists of them, fax, photos, octet strings, algorithms. The
/// server may mark others as not readable by people.
const OCTETS: &[&str] = &[
    "1.3.6.1.4.1.1466.115.121.1.4",
    "1.3.6.1.4.1.1466.115.121.1.5",
    "1.3.6.1.4.1.1466.115.121.1.8",
    "1.3.6.1.4.1.1466.115.121.1.9",
    "1.3.6.1.4.1.1466.115.121.1.10",
    "1.3.6.1.4.1.1466.115.121.1.23",
    "1.3.6.1.4.1.1466.115.121.1.28",
    "1.3.6.1.4.1.1466.115.121.1.40",
    "1.3.6.1.4.1.1466.115.121.1.49",
    "1.2.840.113549.1.8.1.1",
    // Security descriptors of Active Directory (MS-ADTS, section 3.1.1.2.2.2).
    "1.2.840.113556.1.4.907",
];

/// How many superior types are followed: more than any schema has, and an end to circles.
const MAX_SUPERIORS: usize = 32;

impl ServerSchema {
    /// Reads the schema that governs the base.
    pub async fn read(connection: &mut Connection, base: &str) -> Result<Self, DirectoryError> {
        let url = connection.url().to_owned();
        let hidden = |what: String| DirectoryError::Rights {
            url: url.clone(),
            reason: format!("{what}. Grant the account the right to read the schema, which tells text from binary"),
        };
        let at_base = read_one(connection, base, EVERYTHING, &["subschemaSubentry"]).await?;
        let mut place = at_base.as_ref().and_then(|entry| texts(entry, "subschemaSubentry").next().map(str::to_owned));
        if place.is_none() {
            let root = read_one(connection, "", EVERYTHING, &["subschemaSubentry"]).await?;
            place = root.as_ref().and_then(|entry| texts(entry, "subschemaSubentry").next().map(str::to_owned));
        }
        let Some(place) = place else { return Err(hidden("subschemaSubentry cannot be read".into())) };
        let attributes = ["attributeTypes", "ldapSyntaxes"];
        let subschema = match read_one(connection, &place, "(objectClass=subschema)", &attributes).await {
            Ok(Some(subschema)) => subschema,
            Ok(None) | Err(DirectoryError::NoSuchBase { .. } | DirectoryError::Rights { .. }) => {
                return Err(hidden(format!("\"{place}\" cannot be read")));
            }
            Err(error) => return Err(error),
        };
        let schema = Self::parse(texts(&subschema, "attributeTypes"), texts(&subschema, "ldapSyntaxes"));
        if schema.schema.is_empty() { Err(hidden(format!("\"{place}\" shows no attributeTypes"))) } else { Ok(schema) }
    }

    /// Makes a schema of its descriptions; one that cannot be understood is left out, so that its attribute is text.
    fn parse<'a>(types: impl Iterator<Item = &'a str>, syntaxes: impl Iterator<Item = &'a str>) -> Self {
        let unreadable: BTreeSet<String> = syntaxes
            .filter_map(|text| {
                let description = Description::parse(text)?;
                let flagged = |keyword| description.values(keyword).first().is_some_and(|flag| *flag == "TRUE");
                let octets = flagged("X-NOT-HUMAN-READABLE") || flagged("X-BINARY-TRANSFER-REQUIRED");
                octets.then(|| description.oid.to_owned())
            })
            .collect();
        let mut by_name: BTreeMap<String, usize> = BTreeMap::new();
        let mut descriptions = Vec::new();
        for description in types.filter_map(Description::parse) {
            for name in description.values("NAME").iter().chain([&description.oid]) {
                by_name.insert(name.to_ascii_lowercase(), descriptions.len());
            }
            descriptions.push(description);
        }
        let mut known = Self::default();
        for description in &descriptions {
            let syntax = syntax_of(description, &descriptions, &by_name, &unreadable);
            let rule = inherited(description, "EQUALITY", &descriptions, &by_name);
            let rule = rule.and_then(MatchingRule::of_schema);
            let names = description.values("NAME");
            for name in names.iter().chain([&description.oid]) {
                known.schema.set(AttributeName::new(*name), syntax);
                if let Some(rule) = rule {
                    known.schema.set_rule(AttributeName::new(*name), rule);
                }
                if description.says("SINGLE-VALUE") {
                    known.single.insert(name.to_ascii_lowercase());
                }
                if let Some(first) = names.first() {
                    known.aliases.insert(name.to_ascii_lowercase(), first.to_ascii_lowercase());
                }
            }
        }
        known
    }
}

/// The syntax of a type, its own or that of the type above it.
fn syntax_of(
    description: &Description<'_>,
    all: &[Description<'_>],
    by_name: &BTreeMap<String, usize>,
    unreadable: &BTreeSet<String>,
) -> AttributeSyntax {
    // A length may follow in braces.
    let syntax = inherited(description, "SYNTAX", all, by_name).and_then(|syntax| syntax.split('{').next());
    match syntax {
        Some(oid) if NAMES.contains(&oid) => AttributeSyntax::Dn,
        Some(oid) if OCTETS.contains(&oid) || unreadable.contains(oid) => AttributeSyntax::Binary,
        _ => AttributeSyntax::Text,
    }
}

/// What a type says of itself by a keyword, or the nearest type above it that says something.
fn inherited<'a>(
    description: &Description<'a>,
    keyword: &str,
    all: &[Description<'a>],
    by_name: &BTreeMap<String, usize>,
) -> Option<&'a str> {
    let mut current = description;
    for _ in 0..MAX_SUPERIORS {
        if let Some(value) = current.values(keyword).first() {
            return Some(value);
        }
        let above = current.values("SUP").first().and_then(|name| by_name.get(&name.to_ascii_lowercase()));
        current = above.and_then(|index| all.get(*index))?;
    }
    None
}

/// A description of an attribute type or syntax (RFC 4512, sections 4.1.2 and 4.1.5).
struct Description<'a> {
    oid: &'a str,
    /// The keywords, each with the words behind it.
    parts: Vec<(&'a str, Vec<&'a str>)>,
}

/// A word, or what stands in quotes, or a parenthesis.
#[derive(Clone, Copy, PartialEq)]
enum Token<'a> {
    Open,
    Close,
    Word(&'a str),
    Quoted(&'a str),
}

impl<'a> Description<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut tokens = Tokens(text);
        let (Some(Token::Open), Some(Token::Word(oid))) = (tokens.next(), tokens.next()) else { return None };
        let mut parts: Vec<(&str, Vec<&str>)> = Vec::new();
        let mut depth = 0;
        for token in tokens {
            match token {
                Token::Open => depth += 1,
                Token::Close if depth == 0 => break,
                Token::Close => depth -= 1,
                // Inside parentheses, or right behind a keyword that takes an OID: a value.
                Token::Word("$") => {}
                Token::Word(word) => match parts.last_mut() {
                    Some((keyword, values)) if depth > 0 || (values.is_empty() && takes_oid(keyword)) => {
                        values.push(word)
                    }
                    _ => parts.push((word, Vec::new())),
                },
                Token::Quoted(value) => parts.last_mut()?.1.push(value),
            }
        }
        Some(Self { oid, parts })
    }

    fn says(&self, keyword: &str) -> bool {
        self.parts.iter().any(|(own, _)| *own == keyword)
    }

    fn values(&self, keyword: &str) -> &[&'a str] {
        self.parts.iter().find(|(own, _)| *own == keyword).map_or(&[], |(_, values)| values.as_slice())
    }
}

fn takes_oid(keyword: &str) -> bool {
    matches!(keyword, "SUP" | "EQUALITY" | "ORDERING" | "SUBSTR" | "SYNTAX" | "USAGE")
}

struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let text = self.0.trim_start();
        let mut rest = text.chars();
        let first = rest.next()?;
        let (token, rest) = match first {
            '(' => (Token::Open, rest.as_str()),
            ')' => (Token::Close, rest.as_str()),
            '\'' => {
                let (quoted, rest) = rest.as_str().split_once('\'')?;
                (Token::Quoted(quoted), rest)
            }
            _ => {
                let end = text.find([' ', '(', ')', '\'', '\t', '\n']).unwrap_or(text.len());
                let (word, rest) = text.split_at_checked(end)?;
                (Token::Word(word), rest)
            }
        };
        self.0 = rest;
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TYPES: &[&str] = &[
        "( 2.5.4.41 NAME 'name' DESC 'RFC4519: common supertype of name attributes' EQUALITY caseIgnoreMatch \
         SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{32768} )",
        "( 2.5.4.4 NAME ( 'sn' 'surname' ) DESC 'last (family) name' SUP name )",
        "( 2.5.4.20 NAME 'telephoneNumber' EQUALITY telephoneNumberMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.50{32} )",
        "( 1.2.3.7 NAME 'homeDirectory' EQUALITY caseExactIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )",
        "( 1.2.3.8 NAME 'workDirectory' SUP homeDirectory )",
        "( 2.5.4.49 NAME 'distinguishedName' EQUALITY distinguishedNameMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 )",
        "( 2.5.4.31 NAME 'member' SUP distinguishedName )",
        "( 2.5.4.50 NAME 'uniqueMember' EQUALITY uniqueMemberMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.34 )",
        "( 0.9.2342.19200300.100.1.60 NAME 'jpegPhoto' SYNTAX 1.3.6.1.4.1.1466.115.121.1.28 )",
        "( 1.2.3.4 NAME 'badge' SYNTAX '1.2.3.9' SINGLE-VALUE X-ORDERED 'VALUES' )",
        "( 1.2.3.5 NAME 'circle' SUP circle )",
        "( 1.2.3.6 SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 NO-USER-MODIFICATION USAGE directoryOperation )",
        "garbage",
    ];

    fn parsed() -> ServerSchema {
        let syntaxes = ["( 1.2.3.9 DESC 'Badge' X-BINARY-TRANSFER-REQUIRED 'TRUE' X-NOT-HUMAN-READABLE 'TRUE' )"];
        ServerSchema::parse(TYPES.iter().copied(), syntaxes.into_iter())
    }

    #[test]
    fn syntaxes_are_inherited_and_read_from_the_server() {
        let schema = parsed().schema;
        for (name, syntax) in [
            ("surname", AttributeSyntax::Text),
            ("member", AttributeSyntax::Dn),
            ("uniqueMember", AttributeSyntax::Dn),
            ("jpegPhoto", AttributeSyntax::Binary),
            ("badge", AttributeSyntax::Binary),
            ("circle", AttributeSyntax::Text),
            ("1.2.3.6", AttributeSyntax::Binary),
        ] {
            assert!(schema.knows(&name.into()), "{name}");
            assert_eq!(schema.syntax(&name.into()), syntax, "{name}");
        }
    }

    #[test]
    fn matching_rules_are_inherited_too() {
        let schema = parsed().schema;
        for (name, rule) in [
            ("surname", MatchingRule::CaseIgnore),
            ("telephoneNumber", MatchingRule::Telephone),
            ("workDirectory;x-old", MatchingRule::CaseExact),
            ("member", MatchingRule::Dn),
            ("jpegPhoto", MatchingRule::Octets),
            ("unheardOf", MatchingRule::CaseIgnore),
        ] {
            assert_eq!(schema.rule(&name.into()), rule, "{name}");
        }
    }

    #[test]
    fn who_has_one_value_at_most_is_known() {
        let single = parsed().single;
        assert_eq!(single, HashSet::from(["badge".to_owned(), "1.2.3.4".to_owned()]));
    }

    #[test]
    fn every_name_leads_to_the_first() {
        let aliases = parsed().aliases;
        assert_eq!(aliases.get("surname").map(String::as_str), Some("sn"));
        assert_eq!(aliases.get("2.5.4.4").map(String::as_str), Some("sn"));
    }

    proptest! {
        #[test]
        fn no_description_whatever_makes_it_panic(text in "[()' A-Z$0-9.{}ä]{0,60}") {
            let _ = ServerSchema::parse([text.as_str()].into_iter(), [text.as_str()].into_iter());
        }
    }
}
