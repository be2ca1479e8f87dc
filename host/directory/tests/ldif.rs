//! LDIF files as a source: whole, unchanged, changed, broken.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a failure here ends a test")]

mod support;

use std::path::Path;

use provisor_directory::{Directory, DirectoryError, ImportRequest, Ldif, LdifOptions, ObjectQuery, SourceOptions};
use provisor_model::{CheckOutcome, IdSyntax, SourceId, Value};
use provisor_tests::ldif::{Directory as Generated, Size};
use support::{Report, Store, everything, names};
use tempfile::TempDir;

const ADA: &str =
    "dn: cn=Ada,dc=x\nobjectClass: inetOrgPerson\ncn: Ada\nentryUUID: 00000000-0000-0000-0000-000000000001\n";
const BOB: &str =
    "\ndn: cn=Bob,dc=x\nobjectClass: inetOrgPerson\ncn: Bob\nentryUUID: 00000000-0000-0000-0000-000000000002\n";

struct File {
    folder: TempDir,
}

impl File {
    fn new(text: impl AsRef<[u8]>) -> Self {
        let file = Self { folder: tempfile::tempdir().unwrap() };
        file.write(text);
        file
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("people.ldif")
    }

    fn write(&self, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(), text).unwrap();
    }

    fn options(&self) -> LdifOptions {
        LdifOptions { file: self.path(), base: None, binary: Vec::new(), object: SourceOptions::default() }
    }

    fn directory(&self) -> Directory {
        Ldif::new(self.options()).into()
    }
}

/// Imports the text and gives the error, which names a line of the file.
async fn failure(text: impl AsRef<[u8]>) -> (Option<u64>, String) {
    let file = File::new(text);
    match Store::default().import(&file.directory(), &["cn", "description"]).await {
        Err(DirectoryError::File { path, line, reason }) => {
            assert_eq!(path, file.path());
            (line, reason)
        }
        other => panic!("no error in the file: {other:?}"),
    }
}

#[tokio::test]
async fn a_file_is_read_whole_in_bounded_pages() {
    let generated = Generated::generate(Size { people: 2500, groups: 40, big: 300 }, 1);
    let file = File::new(generated.to_ldif(true));
    let store = everything(&file.directory(), &["uid", "displayName", "mail", "member"]).await;
    // The five base entries beside them.
    assert_eq!(store.entries.len(), 2545);
    let person = &generated.people[1234];
    let id = SourceId::parse(IdSyntax::Uuid, &person.entry_uuid).unwrap();
    let entry = &store.entries[&id];
    assert_eq!(entry.object_class, "user");
    assert_eq!(entry.attributes.first_text("displayName"), Some(person.display_name.as_str()));
    assert_eq!(entry.attributes.values(&"mail".into()).len(), person.mail.len());
    let group = SourceId::parse(IdSyntax::Uuid, &generated.groups[0].entry_uuid).unwrap();
    assert_eq!(store.entries[&group].attributes.values(&"member".into()).len(), 300);
}

#[tokio::test]
async fn an_unchanged_file_brings_nothing_and_deletes_nothing() {
    let file = File::new([ADA, BOB].concat());
    let mut store = everything(&file.directory(), &["cn", "sn"]).await;
    // Written again with the same content: the digest counts, not the date.
    file.write([ADA, BOB].concat());
    assert_eq!(store.import(&file.directory(), &["cn"]).await.unwrap(), Report::default());
    assert_eq!(store.entries.len(), 2);
}

#[tokio::test]
async fn a_changed_file_or_a_new_attribute_is_read_whole() {
    let file = File::new([ADA, BOB].concat());
    let mut store = everything(&file.directory(), &["cn"]).await;
    let report = store.import(&file.directory(), &["cn", "objectClass"]).await.unwrap();
    assert!(report.full, "objectClass was never read");
    file.write(ADA);
    let report = store.import(&file.directory(), &["cn"]).await.unwrap();
    assert!(report.full && report.absent_is_deleted);
    assert_eq!(store.entries.len(), 1);
    let binary = Ldif::new(LdifOptions { binary: vec!["cn".into()], ..file.options() }).into();
    assert!(store.import(&binary, &["cn"]).await.unwrap().full, "cn is now read as octets");
    assert_eq!(store.entry("cn=Ada").unwrap().attributes.values(&"cn".into()), [Value::Binary(b"Ada".to_vec())]);
}

#[tokio::test]
async fn what_lies_outside_the_base_is_left_out() {
    let outside = "\ndn: cn=Eve,dc=y\nobjectClass: inetOrgPerson\ncn: Eve\n";
    let file = File::new([ADA, outside].concat());
    let options = LdifOptions { base: Some("DC=X".parse().unwrap()), ..file.options() };
    let store = everything(&Ldif::new(options).into(), &["cn"]).await;
    assert_eq!(store.entries.len(), 1, "and an entry that is left out needs no source id");
}

#[tokio::test]
async fn a_configured_source_id_is_text() {
    let file = File::new("dn: uid=ada,dc=x\nobjectClass: inetOrgPerson\nuid: ada\n");
    let object = SourceOptions { source_id_attribute: "uid".into(), ..SourceOptions::default() };
    let store = everything(&Ldif::new(LdifOptions { object, ..file.options() }).into(), &["cn"]).await;
    assert!(store.entries.contains_key(&SourceId::parse(IdSyntax::Text, "ada").unwrap()));
}

#[tokio::test]
async fn entries_without_a_source_id_are_named_and_counted() {
    let without = "\ndn: cn=Eve,dc=x\nobjectClass: inetOrgPerson\ncn: Eve\n";
    let more = without.replace("Eve", "Mallory") + &without.replace("Eve", "Trudy");
    let (line, reason) = failure([ADA, without, BOB, &more].concat()).await;
    assert_eq!(line, Some(6));
    assert!(reason.contains("cn=Eve,dc=x") && reason.contains("entryUUID") && reason.contains("2 entries"), "{reason}");
}

#[tokio::test]
async fn a_name_or_source_id_that_comes_twice_is_named_with_both_lines() {
    let (line, reason) = failure([ADA, &BOB.replace("cn=Bob,dc=x", "CN=ada, DC=x")].concat()).await;
    assert_eq!(line, Some(6));
    assert!(reason.contains("line 1"), "{reason}");
    let (line, reason) = failure([ADA, &BOB.replace("0002", "0001")].concat()).await;
    assert_eq!(line, Some(6));
    assert!(reason.contains("line 1") && reason.contains("entryUUID"), "{reason}");
}

#[tokio::test]
async fn a_value_that_is_not_text_names_its_line_and_the_remedy() {
    let (line, reason) = failure([ADA, "description: fine\ndescription:: /w==\n"].concat()).await;
    assert_eq!(line, Some(6));
    assert!(reason.contains("description") && reason.contains("binary"), "{reason}");
}

#[tokio::test]
async fn base64_is_no_sign_of_binary() {
    let file = File::new(ADA.replace("cn: Ada\n", "cn:: w4RkYQ==\njpegPhoto: text\n"));
    let store = everything(&file.directory(), &["cn", "jpegPhoto"]).await;
    let entry = store.entry("cn=Ada").unwrap();
    assert_eq!(entry.attributes.first_text("cn"), Some("Äda"));
    assert_eq!(entry.attributes.values(&"jpegPhoto".into()), [Value::Binary(b"text".to_vec())]);
}

#[tokio::test]
async fn an_empty_or_missing_file_is_an_error_and_one_without_entries_is_not() {
    assert!(failure("").await.1.contains("empty"));
    let missing = LdifOptions { file: Path::new("/nonexistent/people.ldif").into(), ..File::new("x").options() };
    let error = Store::default().import(&Ldif::new(missing).into(), &["cn"]).await.unwrap_err();
    assert!(error.to_string().contains("/nonexistent/people.ldif"), "{error}");
    assert_eq!(everything(&File::new("version: 1\n# nobody\n").directory(), &["cn"]).await.entries.len(), 0);
}

#[tokio::test]
async fn a_file_that_was_cut_off_deletes_nobody() {
    let file = File::new([ADA, BOB].concat());
    let mut store = everything(&file.directory(), &["cn"]).await;
    file.write(&[ADA, BOB].concat()[..ADA.len() + BOB.len() - 5]);
    let error = store.import(&file.directory(), &["cn"]).await.unwrap_err();
    assert!(error.to_string().contains("people.ldif:9: ") && error.to_string().contains("cut off"), "{error}");
    assert_eq!(store.entries.len(), 2);
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_no_import() {
    let generated = Generated::generate(Size { people: 3000, groups: 0, big: 0 }, 2).to_ldif(true);
    let file = File::new(&generated);
    let request = ImportRequest { attributes: names(&["cn"]), watermark: None, known: None };
    let mut import = file.directory().import(request).await.unwrap();
    assert!(import.next_page().await.unwrap().is_some());
    file.write([&generated, "\n", ADA].concat());
    let error = loop {
        match import.next_page().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the import ended as if nothing had happened"),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("changed while it was being read"), "{error}");
    assert!(import.next_page().await.is_err(), "nothing follows an error");
    assert!(import.finish().is_err());
}

#[tokio::test]
async fn an_import_that_is_left_half_way_has_no_end() {
    let file = File::new([ADA, BOB].concat());
    let request = ImportRequest { attributes: names(&["cn"]), watermark: None, known: None };
    let import = file.directory().import(request).await.unwrap();
    assert!(import.finish().is_err());
}

#[tokio::test]
async fn single_objects_are_found_by_name_id_and_value() {
    let directory = File::new([ADA, BOB].concat());
    let directory = &directory.directory();
    let id = SourceId::parse(IdSyntax::Uuid, "00000000-0000-0000-0000-000000000002").unwrap();
    for (query, expected) in [
        (ObjectQuery::Dn("CN=Ada, DC=X".parse().unwrap()), 1),
        (ObjectQuery::SourceId(id), 1),
        (ObjectQuery::Attribute { name: "cn".into(), value: Value::Text("BOB".into()) }, 1),
        (ObjectQuery::Attribute { name: "cn".into(), value: Value::Text("Eve".into()) }, 0),
    ] {
        let found = directory.read_object(query.clone(), &names(&["objectClass"]), None).await.unwrap();
        assert_eq!(found.len(), expected, "{query:?}");
        assert!(found.iter().all(|entry| entry.attributes.len() == 1), "only what was asked for");
    }
}

#[tokio::test]
async fn passwords_are_never_read() {
    let file = File::new(ADA);
    let error = Store::default().import(&file.directory(), &["cn", "userpassword"]).await.unwrap_err();
    assert!(matches!(error, DirectoryError::Configuration(_)), "{error}");
}

#[tokio::test]
async fn the_check_says_what_the_file_holds_or_what_is_wrong() {
    let lines = File::new([ADA, BOB].concat()).directory().check().await;
    assert!(matches!(&lines[0].outcome, CheckOutcome::Ok(text) if text.contains("2 entries")), "{lines:?}");
    let lines = File::new("dn: cn=x\ncn: x\n").directory().check().await;
    assert!(matches!(&lines[0].outcome, CheckOutcome::Failed(text) if text.contains("set source-id to")), "{lines:?}");
    let lines = File::new("dn: cn=x\nbroken\n").directory().check().await;
    assert!(matches!(&lines[0].outcome, CheckOutcome::Failed(text) if text.contains("people.ldif:2")), "{lines:?}");
}
