//! Values and names of a real server come through as they are: octets, text, options, escapes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failure here ends a test")]

mod support;

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provisor_directory::{ConnectionOptions, Directory, Feed, ObjectQuery, OpenLdap, OpenLdapOptions, SourceOptions};
use provisor_model::{AttributeSyntax, Dn, Entry, MatchingRule, Secret, Value};
use provisor_tests::ldif::{Directory as Generated, SUFFIX, SYNC_DN, SYNC_PASSWORD, Size};
use provisor_tests::{ChangeLog, Slapd, SlapdOptions};
use support::{Store, everything, names};

const SIZE: Size = Size { people: 3, groups: 0, big: 0 };

fn slapd() -> Slapd {
    let ldif = Generated::generate(SIZE, 1).to_ldif(true);
    Slapd::start(&SlapdOptions { ldif, change_log: ChangeLog::SessionLog(1000), ..SlapdOptions::default() }).unwrap()
}

fn person(number: usize) -> String {
    Generated::generate(SIZE, 1).people[number].dn()
}

fn directory(slapd: &Slapd, object: SourceOptions) -> Directory {
    let options = OpenLdapOptions {
        connection: ConnectionOptions {
            ca: Some(slapd.ca_file()),
            timeout: Duration::from_secs(20),
            ..ConnectionOptions::simple(slapd.tls_url(), SYNC_DN, Secret::new(SYNC_PASSWORD))
        },
        base: SUFFIX.parse().unwrap(),
        page_size: 100,
        object,
        feed: Feed::default(),
    };
    OpenLdap::new(options).unwrap().into()
}

fn found<'a>(store: &'a Store, dn: &str) -> &'a Entry {
    let key = dn.parse::<Dn>().unwrap().key();
    store.entries.values().find(|entry| entry.dn.key() == key).unwrap()
}

/// A record that sets these values, which may be any octets.
fn setting(dn: &str, attribute: &str, values: &[&[u8]]) -> String {
    let mut ldif = format!("dn:: {}\nchangetype: modify\nreplace: {attribute}\n", STANDARD.encode(dn));
    for value in values {
        writeln!(ldif, "{attribute}:: {}", STANDARD.encode(value)).unwrap();
    }
    ldif + "\n"
}

#[tokio::test]
async fn octets_come_through_exactly_whatever_they_are() {
    let slapd = slapd();
    let every: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = (0u32..300_000).map(|number| u8::try_from(number * 7 % 251).unwrap()).collect();
    let photos: [&[u8]; 4] = [&every, &large, b"plain text", &[0]];
    // A certificate, and values whose syntax is text although they are looked at as octets by nobody.
    let certificate = slapd.authority().pem().lines().filter(|line| !line.starts_with("-----")).collect::<String>();
    let certificate = STANDARD.decode(certificate).unwrap();
    slapd.apply(&setting(&person(0), "jpegPhoto", &photos)).unwrap();
    slapd.apply(&setting(&person(0), "userCertificate;binary", &[&certificate])).unwrap();
    slapd.apply(&setting(&person(0), "audio", &[&[0xff, 0, 0xfe]])).unwrap();
    let directory = directory(&slapd, SourceOptions::default());
    let mut store = everything(&directory, &["jpegPhoto", "userCertificate", "audio"]).await;
    let expect = |store: &Store, name: &str, expected: &[&[u8]]| {
        let mut expected: Vec<Value> = expected.iter().map(|octets| Value::Binary(octets.to_vec())).collect();
        expected.sort();
        assert_eq!(found(store, &person(0)).attributes.values(&name.into()), expected, "{name}");
    };
    expect(&store, "jpegPhoto", &photos);
    expect(&store, "userCertificate", &[&certificate]);
    expect(&store, "audio", &[&[0xff, 0, 0xfe]]);

    // The same through the change feed.
    slapd.apply(&setting(&person(0), "jpegPhoto", &[&large, &[0, 0]])).unwrap();
    let report = store.import(&directory, &["jpegPhoto", "userCertificate", "audio"]).await.unwrap();
    assert_eq!((report.full, report.upserted), (false, 1));
    expect(&store, "jpegPhoto", &[&large, &[0, 0]]);
    expect(&store, "userCertificate", &[&certificate]);
}

#[tokio::test]
async fn text_comes_through_as_it_was_written() {
    let slapd = slapd();
    // A Unicode form is kept as it was sent, blanks and control characters too.
    let mut texts = ["Zoe\u{308}", "Ada \u{e9}", " leading", "two  blanks", "a\0b", "line\nbreak", "𠮷明", "محمد"];
    let octets: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
    slapd.apply(&setting(&person(1), "labeledURI", &octets)).unwrap();
    let store = everything(&directory(&slapd, SourceOptions::default()), &["labeledURI"]).await;
    let values = found(&store, &person(1)).attributes.values(&"labeledURI".into());
    texts.sort_unstable();
    assert_eq!(values.iter().filter_map(Value::as_text).collect::<Vec<_>>(), texts);
}

#[tokio::test]
async fn options_are_part_of_a_name_and_subtypes_are_not_the_supertype() {
    let slapd = slapd();
    for (attribute, value) in [("cn;lang-de", "Ärztin"), ("cn;lang-ja", "いしゃ"), ("title;lang-en", "Doctor")] {
        slapd.apply(&setting(&person(2), attribute, &[value.as_bytes()])).unwrap();
    }
    let store = everything(&directory(&slapd, SourceOptions::default()), &["2.5.4.3", "name", "title;lang-en"]).await;
    let attributes = &found(&store, &person(2)).attributes;
    let held: Vec<&str> = attributes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(held, ["2.5.4.3", "2.5.4.3;lang-de", "2.5.4.3;lang-ja", "title;lang-en"]);
    assert_eq!(attributes.first_text("2.5.4.3;lang-de"), Some("Ärztin"));
}

#[tokio::test]
async fn names_with_every_escape_are_the_entries_they_name() {
    let slapd = slapd();
    // As an administrator may write them; the server writes some of them otherwise.
    let written = [
        r#"cn=a\,b\+c\;d\<e\>f\=g\#h\\i\"j"#,
        r"cn=\ leading and trailing\ ",
        r"cn=\#hash",
        r"cn=Lu\C4\8Di\C4\87",
        "cn=Zoe\u{308}",
        "cn=Weiß",
        "cn=渡邊 太郎",
        "cn=many   blanks",
        r"cn=Before\0DAfter",
        "CN=two+description=parts",
        "2.5.4.3=by number",
        "commonName=by alias",
    ];
    let mut ldif = String::new();
    for rdn in written {
        let dn = STANDARD.encode(format!("{rdn},{SUFFIX}"));
        writeln!(ldif, "dn:: {dn}\nobjectClass: organizationalRole\n").unwrap();
    }
    let members: Vec<String> =
        written.iter().map(|rdn| format!("member:: {}\n", STANDARD.encode(format!("{rdn},{SUFFIX}")))).collect();
    writeln!(ldif, "dn: cn=all,{SUFFIX}\nobjectClass: groupOfNames\n{}", members.concat()).unwrap();
    slapd.apply(&ldif).unwrap();
    let directory = directory(&slapd, SourceOptions::default());
    let store = everything(&directory, &["cn", "member"]).await;
    let keys: Vec<_> = store.entries.values().map(|entry| entry.dn.key()).collect();
    let group = found(&store, &format!("cn=all,{SUFFIX}"));
    assert_eq!(group.attributes.values(&"member".into()).len(), written.len());
    for member in group.attributes.values(&"member".into()) {
        let name: Dn = member.as_text().unwrap().parse().unwrap();
        assert!(keys.contains(&name.key()), "{name} is not found by its member value");
    }
    for rdn in written {
        let name: Dn = format!("{rdn},{SUFFIX}").parse().unwrap();
        assert!(keys.contains(&name.key()), "{rdn} is not found as it was written");
        // What is written out names the same entry to the server.
        let entry = directory
            .read_object(ObjectQuery::Dn(name.to_string().parse().unwrap()), &names(&["cn"]), None)
            .await
            .unwrap();
        assert_eq!(entry.len(), 1, "{rdn}");
        let own = entry[0].dn.rdns()[0].first_value().unwrap().to_owned();
        assert!(
            entry[0].attributes.values(&"cn".into()).iter().any(|value| value.as_text() == Some(&own)),
            "{rdn}: {own:?}"
        );
    }
}

#[tokio::test]
async fn matching_rules_are_those_of_the_server() {
    let schema = directory(&slapd(), SourceOptions::default()).schema().await.unwrap();
    for (name, syntax, rule) in [
        ("cn", AttributeSyntax::Text, MatchingRule::CaseIgnore),
        ("surname", AttributeSyntax::Text, MatchingRule::CaseIgnore),
        ("telephoneNumber", AttributeSyntax::Text, MatchingRule::Telephone),
        ("homeDirectory", AttributeSyntax::Text, MatchingRule::CaseExact),
        ("uidNumber", AttributeSyntax::Text, MatchingRule::Integer),
        ("modifyTimestamp", AttributeSyntax::Text, MatchingRule::GeneralizedTime),
        ("member", AttributeSyntax::Dn, MatchingRule::Dn),
        ("jpegPhoto", AttributeSyntax::Binary, MatchingRule::Octets),
        ("userCertificate;binary", AttributeSyntax::Binary, MatchingRule::Octets),
    ] {
        assert_eq!((schema.syntax(&name.into()), schema.rule(&name.into())), (syntax, rule), "{name}");
    }
}

#[tokio::test]
async fn an_anchor_is_found_by_any_name_of_its_attribute() {
    let slapd = slapd();
    for anchor in ["2.16.840.1.113730.3.1.3", "employeeNumber", "EMPLOYEENUMBER"] {
        let object = SourceOptions { anchor_attribute: Some(anchor.into()), ..SourceOptions::default() };
        let store = everything(&directory(&slapd, object), &["cn"]).await;
        assert_eq!(found(&store, &person(2)).anchor.to_string(), "2", "{anchor}");
    }
}

#[tokio::test]
async fn passwords_are_refused_by_any_name_of_their_attribute() {
    let directory = directory(&slapd(), SourceOptions::default());
    for name in ["userPassword", "2.5.4.35", "userPassword;x-old"] {
        let mut store = Store::default();
        let error = store.import(&directory, &[name]).await.unwrap_err().to_string();
        assert!(error.contains("never read"), "{name}: {error}");
    }
}
