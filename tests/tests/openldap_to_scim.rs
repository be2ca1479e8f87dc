//! From a real OpenLDAP server, through the first-party plugins, into each SCIM service: the project's own, and three
//! that others wrote; and from another family of directories. `cargo xtask soak` runs it with 20,000 people.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod support;

use provisor_tests::{DjangoScim, Netscape, Scim2Server, Scimmy, Slapd};
use support::TOKEN;
use support::scenario::the_target_equals_the_oracle_and_only_what_changed_is_written as scenario;
use support::targets::Target;

#[tokio::test(flavor = "multi_thread")]
async fn the_tenant_equals_the_oracle_and_only_what_changed_is_written() {
    scenario::<Slapd>(Target::tenant().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scim2_server_equals_the_oracle_and_only_what_changed_is_written() {
    scenario::<Slapd>(Target::Scim2Server(Scim2Server::start(TOKEN).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scimmy_equals_the_oracle_and_only_what_changed_is_written() {
    scenario::<Slapd>(Target::Scimmy(Scimmy::start(TOKEN).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn django_scim_equals_what_it_can_keep_of_the_oracle() {
    scenario::<Slapd>(Target::Django(DjangoScim::start(TOKEN).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tenant_equals_the_oracle_from_389_directory_server_too() {
    scenario::<Netscape>(Target::tenant().await).await;
}
