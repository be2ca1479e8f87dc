//! Names: read, written and compared.

use proptest::prelude::*;

use super::*;

fn dn(text: &str) -> Dn {
    text.parse().unwrap()
}

#[test]
fn the_examples_of_rfc_4514_are_read() {
    for text in [
        "UID=jsmith,DC=example,DC=net",
        "OU=Sales+CN=J.  Smith,DC=example,DC=net",
        r#"CN=James \"Jim\" Smith\, III,DC=example,DC=net"#,
        r"CN=Before\0dAfter,DC=example,DC=net",
        "1.3.6.1.4.1.1466.0=#04024869",
        r"CN=Lu\C4\8Di\C4\87",
        "",
    ] {
        let read = dn(text);
        assert_eq!(dn(&read.to_string()), read, "{text}");
    }
    assert_eq!(dn(r"CN=Lu\C4\8Di\C4\87").rdns()[0].first_value(), Some("Lučić"));
}

#[test]
fn names_are_compared_as_the_directory_does() {
    assert_eq!(dn("CN=Ada  Lovelace, OU=People,dc=lab").key(), dn("cn=ada lovelace,ou=people,DC=LAB").key());
    assert_eq!(dn("OU=Sales+CN=Jim").key(), dn("cn=jim+ou=sales").key());
    assert_eq!(dn("2.5.4.3=x").key(), dn("cn=x").key());
    assert_ne!(dn(r"cn=a\,b").key(), dn("cn=a,cn=b").key());
    assert_eq!(dn(r"cn=\20a\20").rdns()[0].first_value(), Some(" a "));
}

#[test]
fn within_is_decided_by_parts_not_by_letters() {
    assert!(dn("uid=a,ou=people,dc=lab").is_within(&dn("OU=People,dc=lab")));
    assert!(!dn("uid=a,ou=morepeople,dc=lab").is_within(&dn("ou=people,dc=lab")));
    assert!(!dn(r"uid=a\,ou=people,dc=lab").is_within(&dn("ou=people,dc=lab")));
    assert!(dn("dc=lab").is_within(&Dn::root()));
}

#[test]
fn every_escape_means_its_character() {
    for (text, value) in [
        (r#"cn=a\,b\+c\;d\<e\>f\=g\#h\\i\"j"#, r#"a,b+c;d<e>f=g#h\i"j"#),
        (r"cn=\ a ", " a"),
        (r"cn=a\ ", "a "),
        (r"cn=a\20", "a "),
        (r"cn=\ ", " "),
        (r"cn=\23a", "#a"),
        (r"cn=a#b", "a#b"),
        (r"cn=a=b", "a=b"),
        (r"cn=\00a", "\0a"),
        (r"cn=Before\0DAfter", "Before\rAfter"),
        (r"cn=Lu\C4\8Di\c4\87", "Lučić"),
        ("cn=Żółkiewski", "Żółkiewski"),
        ("cn=𠮷明", "𠮷明"),
        (r#"cn="Lovelace, Ada" "#, "Lovelace, Ada"),
        ("cn=", ""),
    ] {
        let name = dn(text);
        assert_eq!(name.rdns()[0].first_value(), Some(value), "{text}");
        assert_eq!(dn(&name.to_string()), name, "{text}");
    }
    assert_eq!(dn("OU=Sales+CN=J.  Smith,DC=x").to_string(), "OU=Sales+CN=J.  Smith,DC=x");
    assert_eq!(dn(r"cn=\20\2ca\20,dc=x").to_string(), r"cn=\ \,a\ ,dc=x");
}

#[test]
fn values_that_are_no_text_are_kept_by_their_octets() {
    let name = dn(r"cn=\ff\00a,dc=x");
    assert_eq!(name.rdns()[0].first_value(), None);
    assert_eq!(name.to_string(), r"cn=\ff\00\61,dc=x");
    assert_eq!(dn(&name.to_string()), name);
    assert_ne!(name.key(), dn(r"cn=\fe\00a,dc=x").key());
    assert_eq!(dn(r"cn=\FF").key(), dn(r"CN=\ff").key());
    assert!(name.is_within(&dn("dc=x")));
}

#[test]
fn hexadecimal_encodings_mean_what_they_encode() {
    assert_eq!(dn("1.3.6.1.4.1.1466.0=#04024869").to_string(), "1.3.6.1.4.1.1466.0=#04024869");
    assert_eq!(dn("1.3.6.1.4.1.1466.0=#04024869").key(), dn("1.3.6.1.4.1.1466.0=Hi").key());
    assert_eq!(dn("cn=#0C03416461").key(), dn("cn=ADa").key());
    assert_eq!(dn("cn=#13810141").key(), dn("cn=a").key());
    assert_ne!(dn("cn=#0c0461").key(), dn("cn=a").key(), "the length is wrong");
    assert_ne!(dn("cn=#020101").key(), dn(r"cn=\01").key(), "a number");
    assert_eq!(dn("cn=#020101").key(), dn("CN=#020101").key());
}

#[test]
fn values_compare_by_the_rule_of_their_attribute() {
    for (one, other) in [
        ("commonName=Ada,2.5.4.11=Lab", "cn=ada,organizationalUnitName=lab"),
        ("cn=Stra\u{df}e", "cn=STRASSE"),
        ("cn=Zoe\u{308}", "cn=Zo\u{eb}"),
        ("cn=A\u{a0}B", "cn=a  b"),
        (r"telephoneNumber=\+1 555-0100", r"2.5.4.20=\+15550100"),
        ("uidNumber=0100", "uidNumber=100"),
        ("uid=x+cn=y+sn=z,dc=a", "surname=Z+cn=Y+userid=X,DC=A"),
    ] {
        assert_eq!(dn(one).key(), dn(other).key(), "{one} and {other}");
    }
    for (one, other) in [
        ("automountKey=Home", "automountKey=home"),
        ("cn=ab", "cn=a b"),
        ("cn=a+sn=b", "cn=a,sn=b"),
        (r"cn=a\+sn=b", "cn=a+sn=b"),
        ("cn=a", "sn=a"),
    ] {
        assert_ne!(dn(one).key(), dn(other).key(), "{one} and {other}");
    }
}

#[test]
fn what_is_no_name_is_refused_with_its_place() {
    for text in
        ["cn", "cn=a,", "=a", r"cn=\zz", "cn=#0", "cn=a<b", "cn=a,,dc=b", "cn=\"a", "cn=\"a\"b", r"cn=\", "cn=#"]
    {
        assert!(text.parse::<Dn>().is_err(), "{text}");
    }
    assert_eq!(
        "dc".parse::<Dn>().unwrap_err().to_string(),
        "\"dc\" is not a distinguished name: an equals sign was expected at character 3"
    );
}

/// A value in one of its many spellings: a character as it is, escaped or as hexadecimal pairs; letters of any case.
fn respelt(value: &str, choices: &mut impl Iterator<Item = u8>) -> String {
    let mut text = String::new();
    for character in value.chars() {
        let choice = choices.next().unwrap_or(0);
        let character = if choice & 4 == 0 { character } else { character.to_ascii_uppercase() };
        match choice % 4 {
            // What need not be escaped, may not begin or end a value, and is no special character.
            0 | 1 if character.is_alphanumeric() => text.push(character),
            2 if matches!(character, ' ' | '"' | '#' | '+' | ',' | ';' | '<' | '=' | '>' | '\\') => {
                text.extend(['\\', character]);
            }
            _ => character.encode_utf8(&mut [0; 4]).bytes().for_each(|octet| text += &format!("\\{octet:02X}")),
        }
    }
    text
}

/// A name of these parts in one of its spellings.
fn spelt(parts: &[Vec<(usize, String)>], choices: &mut impl Iterator<Item = u8>) -> String {
    let attributes = [["cn", "commonName", "OID.2.5.4.3"], ["ou", "2.5.4.11", "OU"], ["uid", "userId", "UID"]];
    let mut rdns = Vec::new();
    for avas in parts {
        let mut written: Vec<String> = Vec::new();
        for (attribute, value) in avas {
            let choice = usize::from(choices.next().unwrap_or(0));
            let blank = if choice & 8 == 0 { "" } else { " " };
            written.push(format!(
                "{blank}{}{blank}={blank}{}{blank}",
                attributes[*attribute][choice % 3],
                respelt(value, choices)
            ));
        }
        if choices.next().unwrap_or(0) & 1 == 1 {
            written.reverse();
        }
        rdns.push(written.join("+"));
    }
    rdns.join(",")
}

proptest! {
    #[test]
    fn any_value_survives_writing_and_reading(value in "\\PC{0,20}|[ #+,;<>\\\\\"=\u{0}]{0,8}") {
        let name = Dn(vec![Rdn(vec![Ava { attribute: "cn".into(), value: AvaValue::Text(value) }])]);
        prop_assert_eq!(dn(&name.to_string()), name);
    }

    #[test]
    fn octets_survive_writing_and_reading(octets in proptest::collection::vec(any::<u8>(), 0..12)) {
        let pairs: String = octets.iter().map(|octet| format!("\\{octet:02x}")).collect();
        let name = dn(&format!("cn={pairs},dc=lab"));
        prop_assert_eq!(dn(&name.to_string()), name.clone());
        prop_assert!(name.is_within(&dn("dc=lab")));
        prop_assert_eq!(name.key().octets().iter().filter(|octet| **octet == 0).count(), 2);
    }

    #[test]
    fn all_spellings_of_a_name_have_one_key(
        parts in proptest::collection::vec(proptest::collection::vec((0usize..3, "[a-zäß#+,; =\\\"<>\u{1}0-9]{0,6}"), 1..4), 0..4),
        one in proptest::collection::vec(any::<u8>(), 0..80),
        other in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let first = dn(&spelt(&parts, &mut one.into_iter()));
        let second = dn(&spelt(&parts, &mut other.into_iter()));
        prop_assert_eq!(first.key(), second.key());
        prop_assert_eq!(dn(&first.to_string()).key(), first.key());
        prop_assert_eq!(first.rdns().len(), parts.len());
    }

    #[test]
    fn the_key_of_a_text_is_the_key_of_its_name(
        text in "((cn|OU|2\\.5\\.4\\.3|oid\\.2\\.5\\.4\\.3|userId|uidNumber|mobile|memberUid|x-a)? ?= ?[ A-Ca-c0-9#=+,;\\\\\"ä]{0,6},?){0,3}"
    ) {
        let name = text.parse::<Dn>().ok();
        prop_assert_eq!(DnKey::of(&text).ok(), name.as_ref().map(Dn::key));
        prop_assert_eq!(DnKey::with_spelling(&text).ok(), name.map(|dn| (dn.key(), dn.to_string())));
    }

    #[test]
    fn no_text_makes_the_parser_fail_hard(text in "\\PC{0,40}") {
        let _outcome = text.parse::<Dn>();
    }
}
