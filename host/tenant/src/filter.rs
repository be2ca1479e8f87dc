//! The filter grammar of RFC 7644 section 3.4.2.2 and the path grammar of section 3.5.2: text in, syntax tree out.
use serde_json::Value;

/// The longest filter or path that is read, in bytes.
const MAX_LENGTH: usize = 8192;
/// How deep parentheses and `not` may nest: what is parsed by recursion must not exhaust the stack.
const MAX_DEPTH: usize = 32;

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Eq,
    Ne,
    Co,
    Sw,
    Ew,
    Gt,
    Ge,
    Lt,
    Le,
}

impl Comparison {
    fn named(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "co" => Self::Co,
            "sw" => Self::Sw,
            "ew" => Self::Ew,
            "gt" => Self::Gt,
            "ge" => Self::Ge,
            "lt" => Self::Lt,
            "le" => Self::Le,
            _ => return None,
        })
    }
}

/// A filter as it was written; attribute names are not looked up yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Present(String),
    Compare(String, Comparison, Value),
    /// `emails[type eq "work"]`
    Select(String, Box<Filter>),
}

/// The path of a PATCH operation: `attribute[filter].sub`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    pub(crate) attribute: String,
    pub(crate) select: Option<Filter>,
    pub(crate) sub: Option<String>,
}

/// A text that does not follow the grammar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SyntaxError {
    #[error("longer than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("at position {position}: expected {expected}")]
    Expected { position: usize, expected: &'static str },
}

/// Reads a filter.
pub(crate) fn parse_filter(text: &str) -> Result<Filter, SyntaxError> {
    let mut parser = Parser::new(text)?;
    let filter = parser.or(0)?;
    parser.end()?;
    Ok(filter)
}

/// Reads the path of a PATCH operation.
pub(crate) fn parse_path(text: &str) -> Result<Path, SyntaxError> {
    let mut parser = Parser::new(text)?;
    let attribute = parser.attribute()?;
    let (mut select, mut sub) = (None, None);
    if parser.take('[') {
        select = Some(parser.or(0)?);
        parser.expect(']', "]")?;
        // No blank may stand here: `emails[...].value` is one word.
        if parser.rest().starts_with('.') {
            parser.position += 1;
            sub = Some(parser.attribute()?);
        }
    }
    parser.end()?;
    Ok(Path { attribute, select, sub })
}

struct Parser<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, SyntaxError> {
        if text.len() > MAX_LENGTH { Err(SyntaxError::TooLong) } else { Ok(Self { text, position: 0 }) }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.position += rest.len() - rest.trim_start_matches(' ').len();
    }

    fn fail<T>(&self, expected: &'static str) -> Result<T, SyntaxError> {
        Err(SyntaxError::Expected { position: self.position, expected })
    }

    fn take(&mut self, symbol: char) -> bool {
        self.skip_blanks();
        let found = self.rest().starts_with(symbol);
        if found {
            self.position += symbol.len_utf8();
        }
        found
    }

    fn expect(&mut self, symbol: char, expected: &'static str) -> Result<(), SyntaxError> {
        if self.take(symbol) { Ok(()) } else { self.fail(expected) }
    }

    fn end(&mut self) -> Result<(), SyntaxError> {
        self.skip_blanks();
        if self.rest().is_empty() { Ok(()) } else { self.fail("the end, \"and\" or \"or\"") }
    }

    /// The word that stands here, not taken: letters, digits and what attribute names and URIs are made of.
    fn peek_word(&mut self) -> &'a str {
        self.skip_blanks();
        let rest = self.rest();
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '$');
        rest.split(|c| !is_part(c)).next().unwrap_or_default()
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek_word().eq_ignore_ascii_case(word);
        if found {
            self.position += word.len();
        }
        found
    }

    fn attribute(&mut self) -> Result<String, SyntaxError> {
        let word = self.peek_word();
        if !word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$') {
            return self.fail("an attribute name");
        }
        self.position += word.len();
        Ok(word.to_owned())
    }

    fn or(&mut self, depth: usize) -> Result<Filter, SyntaxError> {
        let mut terms = vec![self.and(depth)?];
        while self.take_word("or") {
            terms.push(self.and(depth)?);
        }
        Ok(single_or(terms, Filter::Or))
    }

    fn and(&mut self, depth: usize) -> Result<Filter, SyntaxError> {
        let mut terms = vec![self.term(depth)?];
        while self.take_word("and") {
            terms.push(self.term(depth)?);
        }
        Ok(single_or(terms, Filter::And))
    }

    fn term(&mut self, depth: usize) -> Result<Filter, SyntaxError> {
        if depth > MAX_DEPTH {
            return Err(SyntaxError::TooDeep);
        }
        if self.take('(') {
            return self.group(depth);
        }
        let start = self.position;
        if self.take_word("not") {
            if self.take('(') {
                return Ok(Filter::Not(Box::new(self.group(depth)?)));
            }
            // An attribute may be called "not" as well: only a parenthesis makes it the operator.
            self.position = start;
        }
        let attribute = self.attribute()?;
        if self.take('[') {
            let inner = self.or(depth + 1)?;
            self.expect(']', "]")?;
            return Ok(Filter::Select(attribute, Box::new(inner)));
        }
        let word = self.peek_word();
        if word.eq_ignore_ascii_case("pr") {
            self.position += word.len();
            return Ok(Filter::Present(attribute));
        }
        let Some(comparison) = Comparison::named(word) else {
            return self.fail("one of eq, ne, co, sw, ew, gt, ge, lt, le, pr");
        };
        self.position += word.len();
        Ok(Filter::Compare(attribute, comparison, self.literal()?))
    }

    fn group(&mut self, depth: usize) -> Result<Filter, SyntaxError> {
        let inner = self.or(depth + 1)?;
        self.expect(')', "a closing parenthesis")?;
        Ok(inner)
    }

    /// A JSON text, number, `true`, `false` or `null`.
    fn literal(&mut self) -> Result<Value, SyntaxError> {
        self.skip_blanks();
        let rest = self.rest();
        let length = if rest.starts_with('"') {
            closing_quote(rest).map(|at| at + 1)
        } else {
            Some(rest.find([' ', ')', ']']).unwrap_or(rest.len()))
        };
        let value = length.and_then(|length| {
            let text = rest.get(..length)?;
            // RFC 7644 has "true", "false" and "null" in any letter case, as ABNF does.
            let lower = text.to_ascii_lowercase();
            let text = if matches!(lower.as_str(), "true" | "false" | "null") { &lower } else { text };
            serde_json::from_str::<Value>(text).ok().filter(|value| !value.is_object() && !value.is_array())
        });
        let (Some(length), Some(value)) = (length, value) else {
            return self.fail("a text in double quotes, a number, true, false or null");
        };
        self.position += length;
        Ok(value)
    }
}

fn single_or(mut terms: Vec<Filter>, many: fn(Vec<Filter>) -> Filter) -> Filter {
    match terms.pop() {
        Some(only) if terms.is_empty() => only,
        last => {
            terms.extend(last);
            many(terms)
        }
    }
}

/// Where the JSON string at the start of `text` ends.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().enumerate().skip(1).find_map(|(at, byte)| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes.then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn eq(attribute: &str, value: Value) -> Filter {
        Filter::Compare(attribute.to_owned(), Comparison::Eq, value)
    }

    #[test]
    fn and_binds_tighter_than_or_and_parentheses_tighter_still() {
        let [a, b, c] = ["a", "b", "c"].map(|name| eq(name, json!(1)));
        assert_eq!(
            parse_filter("a eq 1 or b eq 1 and c eq 1"),
            Ok(Filter::Or(vec![a.clone(), Filter::And(vec![b.clone(), c.clone()])]))
        );
        assert_eq!(
            parse_filter("(a eq 1 OR b eq 1) AND c eq 1"),
            Ok(Filter::And(vec![Filter::Or(vec![a.clone(), b]), c]))
        );
        assert_eq!(parse_filter("not (a eq 1)"), Ok(Filter::Not(Box::new(a.clone()))));
        assert_eq!(parse_filter("NOT(a eq 1)"), Ok(Filter::Not(Box::new(a))));
    }

    #[test]
    fn literals_are_json() {
        assert_eq!(parse_filter(r#"a eq "x\"y\\""#), Ok(eq("a", json!("x\"y\\"))));
        assert_eq!(parse_filter(r#"a eq "\u00e9ü)""#), Ok(eq("a", json!("éü)"))));
        assert_eq!(parse_filter("a eq -1.5"), Ok(eq("a", json!(-1.5))));
        assert_eq!(parse_filter("(a eq True)"), Ok(eq("a", json!(true))));
        assert_eq!(parse_filter("a eq null"), Ok(eq("a", Value::Null)));
    }

    #[test]
    fn value_paths_and_uris_are_read() {
        assert_eq!(
            parse_filter(r#"emails[type eq "work" and value co "@"]"#),
            Ok(Filter::Select(
                "emails".to_owned(),
                Box::new(Filter::And(vec![
                    eq("type", json!("work")),
                    Filter::Compare("value".to_owned(), Comparison::Co, json!("@")),
                ]))
            ))
        );
        let uri = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value";
        assert_eq!(parse_filter(&format!("{uri} pr")), Ok(Filter::Present(uri.to_owned())));
    }

    #[test]
    fn what_is_no_filter_is_refused_with_its_place() {
        for (text, position) in
            [("", 0), ("a", 1), ("a xx 1", 2), ("a eq", 4), ("a eq \"x", 5), ("(a pr", 5), ("a pr b", 5)]
        {
            match parse_filter(text) {
                Err(SyntaxError::Expected { position: found, .. }) => assert_eq!(found, position, "{text:?}"),
                other => panic!("{text:?} gave {other:?}"),
            }
        }
        assert!(parse_filter("a eq {}").is_err());
        assert!(parse_filter("a eq [1]").is_err());
    }

    #[test]
    fn length_and_depth_are_bounded() {
        let deep = format!("{}a pr{}", "(".repeat(3000), ")".repeat(3000));
        assert_eq!(parse_filter(&deep), Err(SyntaxError::TooDeep));
        assert_eq!(parse_filter(&"a[".repeat(3000)), Err(SyntaxError::TooDeep));
        assert_eq!(parse_filter(&"a".repeat(MAX_LENGTH + 1)), Err(SyntaxError::TooLong));
    }

    #[test]
    fn paths_take_a_filter_and_a_sub_attribute() {
        let path = parse_path(r#"addresses[type eq "work"].streetAddress"#).unwrap();
        assert_eq!(path.attribute, "addresses");
        assert_eq!(path.select, Some(eq("type", json!("work"))));
        assert_eq!(path.sub.as_deref(), Some("streetAddress"));
        assert_eq!(parse_path("name.familyName").unwrap().attribute, "name.familyName");
        assert!(parse_path("emails[type eq \"work\"]value").is_err());
        assert!(parse_path("emails[type eq \"work\"").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
            let _ = parse_filter(&text);
            let _ = parse_path(&text);
        }

        #[test]
        fn no_heap_of_tokens_makes_the_parser_panic(
            tokens in prop::collection::vec(
                prop::sample::select(vec!["(", ")", "[", "]", "not", "and", "or", "a", "a.b", "eq", "pr", "\"", "\\", "1", "é", " ", "."]), 0..60)
        ) {
            let _ = parse_filter(&tokens.concat());
            let _ = parse_path(&tokens.concat());
        }

        #[test]
        fn any_text_survives_as_a_literal(text in any::<String>()) {
            prop_assume!(text.len() < 1000);
            let quoted = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(parse_filter(&format!("userName eq {quoted}")), Ok(eq("userName", Value::String(text))));
        }
    }
}
