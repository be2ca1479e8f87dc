//! The SCIM client against a strict service that others wrote: scim2-server from PyPI.

use crate::scenarios::{self, connect};
use provisor_target::ScimTarget;
use provisor_tests::Scim2Server;

const TOKEN: &str = "scim2-t0ken";

fn start(provider: Option<&str>) -> Scim2Server {
    Scim2Server::start_announcing(TOKEN, provider).unwrap()
}

async fn target(server: &Scim2Server) -> ScimTarget {
    connect(&server.url(), Some(TOKEN), |options| {
        options.member_chunk = 10;
        options.page_size = Some(10);
    })
    .await
}

const PROVIDER_WITHOUT_PATCH: &str = r#"{
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
    "patch": {"supported": false},
    "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
    "filter": {"supported": true, "maxResults": 1000},
    "changePassword": {"supported": false},
    "sort": {"supported": false},
    "etag": {"supported": true},
    "authenticationSchemes": []
}"#;

#[tokio::test]
async fn a_person_comes_changes_and_goes() {
    let server = start(None);
    scenarios::a_person_comes_changes_and_goes(&target(&server).await).await;
}

#[tokio::test]
async fn a_row_that_was_taken_away_is_made_again() {
    let server = start(None);
    scenarios::a_row_that_was_taken_away_is_made_again(&target(&server).await).await;
}

#[tokio::test]
async fn a_group_of_many_members_changes_in_chunks() {
    let server = start(None);
    scenarios::a_group_of_many_members_changes_in_chunks(&target(&server).await, true).await;
}

#[tokio::test]
async fn a_listing_is_whole() {
    let server = start(None);
    scenarios::a_listing_is_whole(&target(&server).await).await;
}

#[tokio::test]
async fn a_taken_name_is_a_conflict() {
    let server = start(None);
    scenarios::a_taken_name_is_a_conflict(&target(&server).await).await;
}

#[tokio::test]
async fn a_service_without_patch_is_sent_whole_resources() {
    let server = start(Some(PROVIDER_WITHOUT_PATCH));
    let target = target(&server).await;
    assert!(!target.abilities().patch);
    scenarios::a_person_comes_changes_and_goes(&target).await;
    scenarios::a_group_of_many_members_changes_in_chunks(&target, false).await;
}
