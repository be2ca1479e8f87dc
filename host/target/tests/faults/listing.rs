//! Listing and finding: what is not whole, and filters that are ignored or refused.

use provisor_target::{ScimOptions, ScimTarget, TargetError};

use crate::scripted_server::{Answer, ScriptedServer, Seen};
use crate::{options, page, path, target};

async fn listing_error(script: impl Fn(usize) -> Answer + Send + Sync + 'static) -> String {
    let server = ScriptedServer::scim(move |_, number| script(number)).await;
    let target = ScimTarget::connect(ScimOptions { page_size: 2, ..options(&server) }).await.unwrap();
    let mut listing = target.list("User");
    let error = loop {
        match listing.next_page().await {
            Ok(page) => assert!(page.is_some(), "a partial listing was taken for the whole"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, TargetError::ListingIncomplete { .. }), "{error}");
    assert_eq!(listing.next_page().await, Err(error.clone()), "once failed, it stays so");
    error.to_string()
}

#[tokio::test]
async fn a_listing_that_is_not_whole_is_an_error() {
    let moving = |number| if number == 0 { page(5, 1, 0..2) } else { page(4, 3, 2..4) };
    assert!(listing_error(moving).await.contains("counted 5 resources at first and 4 now"));
    let short = |number| if number == 0 { page(5, 1, 0..2) } else { page(5, 3, 0..0) };
    assert!(listing_error(short).await.contains("no more than 2 came"));
    let repeating = |number| page(6, number * 2 + 1, number..number + 2);
    assert!(listing_error(repeating).await.contains("1 came twice"));
    let deaf = |_| page(6, 1, 0..2);
    assert!(listing_error(deaf).await.contains("number 3 on were asked for, and those from 1 on came"));
    let too_many = |_| page(2, 1, 0..3);
    assert!(listing_error(too_many).await.contains("counted 2 resources, and more came"));
}

#[tokio::test]
async fn a_listing_in_odd_spellings_and_page_sizes_is_whole() {
    let server = ScriptedServer::scim(|_, number| match number {
        0 => Answer::scim(200, r#"{"totalresults": "4", "resources": [{"id": "1"}, {"ID": "2"}, {"id": "3"}]}"#),
        _ => Answer::scim(200, r#"{"totalResults": 4, "startIndex": 4, "Resources": [{"id": "4"}]}"#),
    })
    .await;
    let target = target(&server).await;
    let mut listing = target.list("Group").without_members();
    let mut ids = Vec::new();
    while let Some(page) = listing.next_page().await.unwrap() {
        ids.extend(page.into_iter().map(|one| one.id.to_string()));
    }
    assert_eq!(ids, ["1", "2", "3", "4"]);
    let asked: Vec<String> = server.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(
        asked,
        [
            "/scim/v2/Groups?startIndex=1&count=100&excludedAttributes=members",
            "/scim/v2/Groups?startIndex=4&count=100&excludedAttributes=members",
        ]
    );
}

#[tokio::test]
async fn an_ignored_filter_gives_no_wrong_match_and_hides_no_right_one() {
    // Three of six come, whatever is asked for; the one looked for is on the second page.
    let server =
        ScriptedServer::scim(
            |seen, _| if seen.target.contains("startIndex=4") { page(6, 4, 3..6) } else { page(6, 1, 0..3) },
        )
        .await;
    let target = target(&server).await;
    let found = target.find("User", &path("externalId"), "x4").await.unwrap();
    assert_eq!(found.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["4"]);
    assert!(target.find("User", &path("externalId"), "X4").await.unwrap().is_empty());
    assert!(server.seen()[0].target.contains("filter=externalId%20eq%20%22x4%22"), "{:?}", server.seen()[0]);
}

#[tokio::test]
async fn a_refused_filter_is_made_up_for_by_the_listing() {
    let refusing = |seen: &Seen, _| match seen.target.contains("filter=") {
        true => Answer::scim(400, r#"{"scimType": "invalidFilter"}"#),
        false => page(2, 1, 0..2),
    };
    let server = ScriptedServer::scim(refusing).await;
    let found = target(&server).await.find("User", &path("userName"), "U1").await.unwrap();
    assert_eq!(found.len(), 1);
}
