//! Listing and finding: what is not whole, and filters that are ignored or refused.

use provisor_target::{ScimOptions, ScimTarget, TargetError};

use crate::scripted_server::{Answer, ScriptedServer, Seen};
use crate::{options, page, path, target};

async fn listing_error(script: impl Fn(usize) -> Answer + Send + Sync + 'static) -> String {
    let server = ScriptedServer::scim(move |_, number| script(number)).await;
    let target = ScimTarget::connect(ScimOptions { page_size: Some(2), ..options(&server) }).await.unwrap();
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
    assert!(listing_error(deaf).await.contains("counted 6 resources, and no more than 2 came"));
    let astray = |number| if number == 0 { page(6, 1, 0..2) } else { page(6, 2, 1..3) };
    assert!(listing_error(astray).await.contains("number 3 on were asked for, and those from 2 on came"));
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

/// A list response without its numbers.
fn list(ids: std::ops::Range<usize>, cursor: Option<&str>) -> Answer {
    let resources: Vec<String> = ids.map(|id| format!(r#"{{"id": "{id}", "externalId": "x{id}"}}"#)).collect();
    let cursor = cursor.map_or_else(String::new, |cursor| format!(r#""nextCursor": "{cursor}","#));
    Answer::scim(200, format!(r#"{{"schemas": [], {cursor} "Resources": [{}]}}"#, resources.join(",")))
}

async fn listed(target: &ScimTarget) -> Result<Vec<String>, TargetError> {
    let mut listing = target.list("User");
    let mut ids = Vec::new();
    while let Some(page) = listing.next_page().await? {
        ids.extend(page.into_iter().map(|one| one.id.to_string()));
    }
    Ok(ids)
}

/// A service that pages by cursors alone, and begins with the first page where none is given.
async fn by_cursor(script: impl Fn(&str) -> Answer + Send + Sync + 'static) -> ScriptedServer {
    ScriptedServer::start(move |seen, _| {
        if seen.target.ends_with("/ServiceProviderConfig") {
            return Answer::scim(
                200,
                r#"{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"], "patch": {"supported": true},
                    "filter": {"supported": true}, "pagination": {"cursor": true, "index": false, "maxPageSize": 2}}"#,
            );
        }
        if !seen.target.contains("/Users") {
            return Answer::scim(404, "{}");
        }
        let cursor = seen.target.split("cursor=").nth(1).and_then(|rest| rest.split('&').next());
        script(cursor.unwrap_or(""))
    })
    .await
}

#[tokio::test]
async fn a_listing_by_cursors_is_whole_without_any_numbers() {
    let server = by_cursor(|cursor| match cursor {
        "" => list(0..2, Some("b")),
        "b" => list(0..0, Some("c")),
        _ => list(2..3, None),
    })
    .await;
    assert_eq!(listed(&target(&server).await).await.unwrap(), ["0", "1", "2"]);
    let asked: Vec<String> =
        server.seen().into_iter().map(|seen| seen.target).filter(|target| target.contains("/Users")).collect();
    assert_eq!(asked, ["/scim/v2/Users?count=2", "/scim/v2/Users?cursor=b&count=2", "/scim/v2/Users?cursor=c&count=2"]);
}

#[tokio::test]
async fn cursors_that_lead_nowhere_end_a_listing_with_an_error() {
    let same = by_cursor(|cursor| if cursor.is_empty() { list(0..2, Some("b")) } else { list(0..0, Some("b")) }).await;
    let error = listed(&target(&same).await).await.unwrap_err().to_string();
    assert!(error.contains("the same cursor again"), "{error}");
    let expired = by_cursor(|cursor| match cursor {
        "" => list(0..2, Some("b")),
        _ => Answer::scim(400, r#"{"scimType": "expiredCursor"}"#),
    })
    .await;
    let error = listed(&target(&expired).await).await.unwrap_err();
    assert!(matches!(&error, TargetError::ListingIncomplete { .. }), "{error}");
    let counter = std::sync::Mutex::new(0);
    let endless = by_cursor(move |_| {
        let mut counter = counter.lock().unwrap();
        *counter += 1;
        list(0..0, Some(&format!("c{counter}")))
    })
    .await;
    let error = listed(&target(&endless).await).await.unwrap_err().to_string();
    assert!(error.contains("100 pages in a row were empty"), "{error}");
}

#[tokio::test]
async fn where_the_start_is_ignored_everything_is_asked_for_at_once() {
    let server = ScriptedServer::scim(|seen, _| {
        let count = seen.target.split("count=").nth(1).unwrap().split('&').next().unwrap().parse::<usize>().unwrap();
        page(5, 1, 0..count.min(5))
    })
    .await;
    let target = ScimTarget::connect(ScimOptions { page_size: Some(2), ..options(&server) }).await.unwrap();
    assert_eq!(listed(&target).await.unwrap(), ["0", "1", "2", "3", "4"]);
    assert_eq!(server.seen().len(), 3, "the first page, the first page again, everything");
}

#[tokio::test]
async fn a_listing_without_a_total_ends_with_an_empty_page() {
    let server = ScriptedServer::scim(|seen, _| match seen.target.split("startIndex=").nth(1).unwrap() {
        rest if rest.starts_with("1&") => list(0..3, None),
        rest if rest.starts_with("4&") => list(3..5, None),
        _ => list(0..0, None),
    })
    .await;
    assert_eq!(listed(&target(&server).await).await.unwrap(), ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_wrong_total_is_an_error_until_it_is_known_to_be_unreliable() {
    let answers =
        |seen: &Seen, _| if seen.target.contains("startIndex=1&") { page(9, 1, 0..2) } else { page(9, 3, 0..0) };
    let server = ScriptedServer::scim(answers).await;
    assert!(listed(&target(&server).await).await.is_err());
    let server = ScriptedServer::scim(answers).await;
    let target = crate::dialects::with_quirks(&server, &[provisor_target::Quirk::TotalUnreliable]).await;
    assert_eq!(listed(&target).await.unwrap(), ["0", "1"]);
}

#[tokio::test]
async fn a_total_that_counts_the_page_alone_is_noticed() {
    let server =
        ScriptedServer::scim(
            |seen, _| if seen.target.contains("startIndex=1&") { page(2, 1, 0..2) } else { page(1, 3, 2..3) },
        )
        .await;
    let target = ScimTarget::connect(ScimOptions { page_size: Some(2), ..options(&server) }).await.unwrap();
    assert!(listed(&target).await.unwrap_err().to_string().contains("counted 2 resources, and more came"));
    // Where that was all, what is behind the end is nothing, the beginning again, or an error.
    for beyond in [page(2, 3, 0..0), page(2, 3, 0..2), Answer::scim(400, "{}")] {
        let server =
            ScriptedServer::scim(
                move |seen, _| if seen.target.contains("startIndex=1&") { page(2, 1, 0..2) } else { beyond.clone() },
            )
            .await;
        let target = ScimTarget::connect(ScimOptions { page_size: Some(2), ..options(&server) }).await.unwrap();
        assert_eq!(listed(&target).await.unwrap(), ["0", "1"]);
    }
}

#[tokio::test]
async fn a_filter_that_does_not_find_what_is_there_is_not_relied_on() {
    // Filters find nothing, whatever is there.
    let server =
        ScriptedServer::scim(
            |seen, _| if seen.target.contains("filter=") { page(0, 1, 0..0) } else { page(3, 1, 0..3) },
        )
        .await;
    let target = target(&server).await;
    let found = target.find("User", &path("externalId"), "x2").await.unwrap();
    assert_eq!(found.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["2"]);
    assert!(!target.can_find("User", &path("externalId")).await.unwrap());
    let before = server.seen().len();
    assert!(target.find("User", &path("externalId"), "x9").await.unwrap().is_empty());
    let later: Vec<String> = server.seen()[before..].iter().map(|seen| seen.target.clone()).collect();
    assert_eq!(later.len(), 1, "the listing alone: {later:?}");
}

#[tokio::test]
async fn a_filter_is_tried_once_by_what_is_there() {
    let server = ScriptedServer::scim(|seen, _| match seen.target.as_str() {
        one if one.contains("x1%22") => page(1, 1, 1..2),
        other if other.contains("filter=") => page(0, 1, 0..0),
        _ => page(3, 1, 1..3),
    })
    .await;
    let target = target(&server).await;
    for _ in 0..3 {
        assert!(target.find("User", &path("externalId"), "x9").await.unwrap().is_empty());
    }
    assert_eq!(server.seen().len(), 5, "three questions, a page, and a question that has an answer");
}

#[tokio::test]
async fn pages_are_as_large_as_the_service_announces_or_as_they_are_set() {
    for (page_size, asked) in [(None, "count=100"), (Some(500), "count=500")] {
        let server = ScriptedServer::scim(|_, _| page(2, 1, 0..2)).await;
        let target = ScimTarget::connect(ScimOptions { page_size, ..options(&server) }).await.unwrap();
        assert_eq!(listed(&target).await.unwrap(), ["0", "1"]);
        let seen = server.seen();
        assert!(seen.iter().any(|seen| seen.target.contains(asked)), "{seen:?}");
    }
}
