//! A scripted double of a server that is broken or hostile: whatever it sends, the answer is an error, and soon.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a failure here ends a test")]

mod support;

use std::time::Duration;

use provisor_directory::{Directory, DirectoryError, OpenLdap, OpenLdapOptions, SourceOptions};
use provisor_model::Secret;
use support::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A bind that succeeds.
const BOUND: &[u8] = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00";

/// Answers the requests of each connection with these replies in turn, then with nothing, or by closing.
async fn double(replies: &'static [&'static [u8]], close: bool) -> Directory {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                for reply in replies {
                    let _ = stream.read(&mut buffer).await;
                    let _ = stream.write_all(reply).await;
                }
                // Silence: until the client gives up.
                while !close && stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
            });
        }
    });
    let options = OpenLdapOptions {
        url: format!("ldap://127.0.0.1:{port}"),
        start_tls: false,
        ca: None,
        base: "dc=example".parse().unwrap(),
        bind_dn: "cn=sync".into(),
        password: Secret::new("secret"),
        page_size: 100,
        timeout: Duration::from_millis(300),
        object: SourceOptions::default(),
    };
    OpenLdap::new(options).unwrap().into()
}

async fn failure(replies: &'static [&'static [u8]], close: bool) -> DirectoryError {
    let directory = double(replies, close).await;
    let import = async { Store::default().import(&directory, &["cn"]).await };
    tokio::time::timeout(Duration::from_secs(20), import).await.expect("an end").unwrap_err()
}

#[tokio::test]
async fn a_server_that_says_nothing_is_unreachable() {
    for replies in [&[][..], &[BOUND]] {
        let error = failure(replies, false).await;
        assert!(matches!(error, DirectoryError::Unreachable { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_is_unreachable() {
    for replies in [&[][..], &[BOUND]] {
        let error = failure(replies, true).await;
        assert!(matches!(error, DirectoryError::Unreachable { .. }), "{error}");
    }
}

#[tokio::test]
async fn malformed_replies_to_a_bind_are_errors() {
    for reply in [
        // No LDAP at all.
        &[b"HTTP/1.1 400 Bad Request\r\n\r\n" as &[u8]] as &'static [&'static [u8]],
        // An empty sequence, a message without id, a result without code.
        &[b"\x30\x00"],
        &[b"\x30\x02\x61\x00"],
        &[b"\x30\x05\x02\x01\x01\x61\x00"],
        // A diagnostic message that is not UTF-8.
        &[b"\x30\x0d\x02\x01\x01\x61\x08\x0a\x01\x00\x04\x00\x04\x01\xff"],
        // A control that is none.
        &[b"\x30\x10\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00\xa0\x02\x30\x00"],
    ] {
        let error = failure(reply, false).await;
        assert!(matches!(error, DirectoryError::Unreachable { .. } | DirectoryError::Protocol { .. }), "{error}");
    }
}

#[tokio::test]
async fn malformed_replies_to_a_search_are_errors() {
    for reply in [
        // An entry without a name, one whose attributes are no list, an operation that is no answer to a search.
        &[BOUND, b"\x30\x05\x02\x01\x02\x64\x00"][..],
        &[BOUND, b"\x30\x0b\x02\x01\x02\x64\x06\x04\x02cn\x04\x00"],
        &[BOUND, b"\x30\x05\x02\x01\x02\x77\x00"],
        // The end of a search whose result cannot be read.
        &[BOUND, b"\x30\x05\x02\x01\x02\x65\x00"],
    ] {
        let error = failure(reply, false).await;
        assert!(matches!(error, DirectoryError::Unreachable { .. } | DirectoryError::Protocol { .. }), "{error}");
    }
}
