//! The SCIM client against the tenant with every habit of services in the field: found out, or named by a quirk.

use std::collections::BTreeSet;

use provisor_model::{AttributeChange, Change, ResourceId, TargetValue};
use provisor_target::{Quirk, ScimTarget, TargetError, Update, Updated};
use provisor_tenant::{Kind, PageDrift, Quirks, Tenant, TenantOptions, WrongTotal};

use crate::scenarios::{self, State, connect, create, path, state, text};

async fn tenant(quirks: Quirks) -> Tenant {
    let options = TenantOptions { quirks, ..TenantOptions::default() };
    Tenant::bind("127.0.0.1:0".parse().unwrap(), options).await.unwrap()
}

async fn target(tenant: &Tenant, quirks: &[Quirk]) -> ScimTarget {
    connect(&tenant.url(), None, |options| {
        options.member_chunk = 10;
        options.page_size = Some(10);
        options.dialect.quirks = quirks.iter().copied().collect();
    })
    .await
}

/// Makes people, lists them, and returns their ids.
async fn all_are_listed(target: &ScimTarget) -> BTreeSet<ResourceId> {
    let mut made = BTreeSet::new();
    for number in 0..25 {
        let anchor = format!("listed-{number}");
        made.insert(create(target, "User", &anchor, &state(&[("userName", text(&anchor))])).await.id);
    }
    let mut listed = BTreeSet::new();
    let mut listing = target.list("User");
    while let Some(page) = listing.next_page().await.unwrap() {
        for resource in page {
            assert!(listed.insert(resource.id.clone()), "{} came twice", resource.id);
        }
    }
    assert!(made.is_subset(&listed));
    made
}

/// The whole of what a service must allow, with a tenant that has these habits.
async fn everything_works(habits: Quirks, quirks: &[Quirk]) {
    let patches = !habits.no_patch;
    let tenant = tenant(habits).await;
    let target = target(&tenant, quirks).await;
    scenarios::a_person_comes_changes_and_goes(&target).await;
    scenarios::a_group_of_many_members_changes_in_chunks(&target, patches).await;
    all_are_listed(&target).await;
    scenarios::a_taken_name_is_a_conflict(&target).await;
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn what_a_service_cannot_do_is_found_out() {
    let none = Quirks::default;
    for habits in [
        Quirks { no_patch: true, ..none() },
        Quirks { no_patch: true, no_etag: true, put_answers_204: true, ..none() },
        Quirks { no_filter: Some(400), ..none() },
        Quirks { no_filter: Some(403), ..none() },
        Quirks { no_filter: Some(501), ..none() },
        Quirks { no_patch: true, ignores_if_match: true, ..none() },
        Quirks { missing_schemas_endpoint: true, ..none() },
    ] {
        everything_works(habits, &[]).await;
    }
}

#[tokio::test]
async fn filters_that_are_ignored_or_find_nothing_are_found_out() {
    let none = Quirks::default;
    for habits in [
        Quirks { filter_ignored: true, ..none() },
        Quirks { filter_finds_nothing_on: names(&["externalId"]), ..none() },
        Quirks { filter_finds_nothing_on: names(&["externalId", "userName"]), ..none() },
    ] {
        everything_works(habits, &[]).await;
    }
}

#[tokio::test]
async fn lists_come_whole_however_they_are_paged() {
    let none = Quirks::default;
    for habits in [
        Quirks { lowercase_resources: true, ..none() },
        Quirks { page_size_cap: Some(7), ..none() },
        Quirks { cursor_paging_only: true, ..none() },
        Quirks { cursor_paging_only: true, page_size_cap: Some(3), no_filter: Some(400), ..none() },
        Quirks { start_index_ignored: true, ..none() },
    ] {
        everything_works(habits, &[]).await;
    }
    for wrong in [WrongTotal::OneMore, WrongTotal::Zero, WrongTotal::OfThePage] {
        everything_works(Quirks { wrong_total: Some(wrong), ..none() }, &[Quirk::TotalUnreliable]).await;
    }
}

#[tokio::test]
async fn replies_of_every_form_are_understood() {
    let none = Quirks::default;
    for habits in [
        Quirks { create_answers_200: true, ..none() },
        Quirks { create_without_body: true, ..none() },
        Quirks { create_without_body: true, relative_locations: true, ..none() },
        Quirks { create_without_id: true, relative_locations: true, ..none() },
        Quirks { patch_answers_204: true, delete_answers_200: true, ..none() },
        Quirks { string_booleans: true, conflict_without_scim_type: true, ..none() },
    ] {
        everything_works(habits, &[]).await;
    }
}

#[tokio::test]
async fn what_cannot_be_found_out_is_done_as_the_quirks_say() {
    let none = Quirks::default;
    everything_works(Quirks { patch_only_capitalized_ops: true, ..none() }, &[Quirk::PatchOpCapitalized]).await;
    everything_works(Quirks { remove_by_value_only: true, ..none() }, &[Quirk::RemoveMembersByValue]).await;
    everything_works(Quirks { string_booleans_required: true, ..none() }, &[Quirk::StringBooleans]).await;
    everything_works(none(), &[Quirk::NoEtag, Quirk::NoFilter]).await;
}

#[tokio::test]
async fn a_list_that_moves_or_counts_wrongly_while_it_is_read_is_never_taken_for_whole() {
    let none = Quirks::default;
    for habits in [
        Quirks { page_drift: Some(PageDrift::Inserted), ..none() },
        Quirks { page_drift: Some(PageDrift::Removed), ..none() },
        Quirks { wrong_total: Some(WrongTotal::OneMore), ..none() },
        Quirks { wrong_total: Some(WrongTotal::OfThePage), ..none() },
        Quirks { wrong_total: Some(WrongTotal::Zero), ..none() },
    ] {
        let tenant = tenant(none()).await;
        let target = target(&tenant, &[]).await;
        all_are_listed(&target).await;
        tenant.set_quirks(habits.clone()).unwrap();
        let mut listing = target.list("User");
        let error = loop {
            match listing.next_page().await {
                Ok(page) => assert!(page.is_some(), "{habits:?}"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, TargetError::ListingIncomplete { .. }), "{habits:?}: {error}");
    }
}

/// A group with so many members, and its people.
async fn group(target: &ScimTarget, members: usize) -> (ResourceId, Vec<ResourceId>) {
    let mut people = Vec::new();
    for number in 0..members {
        let anchor = format!("member-{number}");
        people.push(create(target, "User", &anchor, &state(&[("userName", text(&anchor))])).await.id);
    }
    let wanted: State = state(&[
        ("displayName", text("Group")),
        ("members", TargetValue::References(people.iter().cloned().collect())),
    ]);
    (create(target, "Group", "group", &wanted).await.id, people)
}

async fn change_members(
    target: &ScimTarget,
    id: &ResourceId,
    add: &[ResourceId],
    remove: &[ResourceId],
) -> Result<Updated, TargetError> {
    let change = Change::References { add: add.iter().cloned().collect(), remove: remove.iter().cloned().collect() };
    let changes = [AttributeChange { path: path("members"), old: None, change }];
    target.update(&Update { kind: "Group", id, present: &BTreeSet::new(), changes: &changes }).await
}

fn members(tenant: &Tenant) -> BTreeSet<String> {
    let group = tenant.resources(Kind::Group).unwrap().remove(0);
    let members = group["members"].as_array().cloned().unwrap_or_default();
    members.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_group_that_a_removal_by_value_would_empty_keeps_its_members() {
    let tenant = tenant(Quirks { remove_by_value_empties: true, ..Quirks::default() }).await;
    let target = target(&tenant, &[Quirk::RemoveMembersByValue]).await;
    let (group, people) = group(&target, 5).await;
    let updated = change_members(&target, &group, &[], &people[..1]).await.unwrap();
    assert!(updated.unfinished.is_some());
    assert_eq!(members(&tenant), people[1..].iter().map(ToString::to_string).collect());
    assert!(change_members(&target, &group, &[], &people[1..2]).await.is_err());
    assert_eq!(members(&tenant).len(), 4);
}

#[tokio::test]
async fn a_group_whose_members_are_hidden_is_changed_without_seeing_them() {
    let tenant = tenant(Quirks { hides_members: true, ..Quirks::default() }).await;
    let target = target(&tenant, &[Quirk::MembersHidden]).await;
    let (group, people) = group(&target, 12).await;
    change_members(&target, &group, &people[..1], &people[..3]).await.unwrap();
    tenant.set_quirks(Quirks::default()).unwrap();
    assert_eq!(members(&tenant), people[3..].iter().map(ToString::to_string).collect());
}

#[tokio::test]
async fn a_whole_list_is_replaced_without_losing_whom_others_added() {
    let tenant = tenant(Quirks::default()).await;
    let target = target(&tenant, &[Quirk::ReplaceMembers]).await;
    let (group, people) = group(&target, 5).await;
    let other = create(&target, "User", "other", &state(&[("userName", text("other"))])).await.id;
    let usual = connect(&tenant.url(), None, |_| {}).await;
    change_members(&usual, &group, std::slice::from_ref(&other), &[]).await.unwrap();
    change_members(&target, &group, &[], &people[..2]).await.unwrap();
    let expected = people[2..].iter().chain([&other]).map(ToString::to_string).collect();
    assert_eq!(members(&tenant), expected);
}

#[tokio::test]
async fn a_change_that_was_carried_out_in_half_is_completed() {
    let tenant = tenant(Quirks { half_patch: Some(2), ..Quirks::default() }).await;
    let target = connect(&tenant.url(), None, |options| {
        options.member_chunk = 10;
        options.backoff = std::time::Duration::from_millis(1);
    })
    .await;
    let (group, people) = group(&target, 12).await;
    change_members(&target, &group, &[], &people[..6]).await.unwrap();
    assert_eq!(members(&tenant), people[6..].iter().map(ToString::to_string).collect());
}

#[tokio::test]
async fn what_a_service_drops_changes_or_never_returns_is_no_error() {
    let habits = Quirks {
        drops_attributes: names(&["title"]),
        changes_case_of: names(&["displayName"]),
        never_returns: names(&["nickName"]),
        no_external_id: true,
        ..Quirks::default()
    };
    let tenant = tenant(habits).await;
    let target = target(&tenant, &[]).await;
    let wanted = state(&[
        ("userName", text("ada")),
        ("title", text("Dr")),
        ("displayName", text("Ada")),
        ("nickName", text("A")),
    ]);
    let new = provisor_target::NewResource { kind: "User", external_id: "ada", attributes: &wanted };
    let created = target.create(&new).await.unwrap();
    assert_eq!((created.requests, created.unfinished, created.resource.external_id), (1, None, None));
}

#[tokio::test]
async fn what_cannot_be_changed_is_left_as_it_is_and_the_rest_is_written() {
    let tenant = tenant(Quirks { immutable: names(&["nickName"]), ..Quirks::default() }).await;
    let target = target(&tenant, &[]).await;
    let had = state(&[("userName", text("ada")), ("nickName", text("A")), ("title", text("Ms"))]);
    let made = create(&target, "User", "ada", &had).await;
    let present = had.keys().cloned().collect();
    for (nick, title, writes) in [("B", "Dr", 1), ("C", "Prof", 1)] {
        let wanted = state(&[("userName", text("ada")), ("nickName", text(nick)), ("title", text(title))]);
        let changes = provisor_model::attribute_changes(&had, &wanted);
        let updated = target.update(&Update { kind: "User", id: &made.id, present: &present, changes: &changes }).await;
        assert_eq!(updated.unwrap(), Updated { requests: writes, unfinished: None });
        let shown = target.read("User", &made.id).await.unwrap().unwrap();
        let both = (shown.attribute(&path("nickName"), &text("")), shown.attribute(&path("title"), &text("")));
        assert_eq!(both, (Some(text("A")), Some(text(title))));
    }
}

#[tokio::test]
async fn who_was_deleted_softly_is_found_again() {
    let tenant = tenant(Quirks { soft_delete: true, ..Quirks::default() }).await;
    let target = target(&tenant, &[Quirk::SoftDelete]).await;
    assert!(target.deletes_softly());
    let wanted = state(&[("userName", text("ada"))]);
    let made = create(&target, "User", "ada", &wanted).await;
    target.delete("User", &made.id).await.unwrap();
    let found = target.find("User", &path("externalId"), "ada").await.unwrap();
    assert_eq!(found.iter().map(|one| &one.id).collect::<Vec<_>>(), [&made.id]);
    let off = TargetValue::Plain(provisor_model::Plain::Boolean(false));
    assert_eq!(found[0].attribute(&path("active"), &off), Some(off));
}
