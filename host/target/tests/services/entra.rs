//! The SCIM client against the tenant that plays Microsoft Entra ID's inbound SCIM API.

use std::collections::BTreeSet;

use provisor_model::{AttributeChange, Change, OperationKind, Plain, ResourceId, TargetValue, attribute_changes};
use provisor_target::{NewResource, Profile, RequestCosts, ScimOptions, ScimTarget, Update};
use provisor_tenant::{Entra, Kind, Method, Personality, Tenant, TenantOptions};

use crate::scenarios::{State, create, path, state, text};

const USER: &str = "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:User";

async fn tenant() -> Tenant {
    let personality = Personality::Entra(Entra { needs_accept: true, derives_mail_nickname: false });
    let options = TenantOptions { personality, ..TenantOptions::default() };
    Tenant::bind("127.0.0.1:0".parse().unwrap(), options).await.unwrap()
}

fn options(tenant: &Tenant) -> ScimOptions {
    let mut options = ScimOptions::new(tenant.url());
    options.dialect.profile = Profile::Entra;
    options.dialect.initial_password = true;
    options
}

async fn target(tenant: &Tenant) -> ScimTarget {
    ScimTarget::connect(options(tenant)).await.unwrap()
}

fn person(name: &str) -> State {
    state(&[
        ("userName", text(&format!("{name}@lab.example"))),
        ("displayName", text(name)),
        ("name.givenName", text(name)),
        ("name.familyName", text("Lab")),
        ("active", TargetValue::Plain(Plain::Boolean(true))),
        (&format!("{USER}:mailNickname"), text(name)),
    ])
}

async fn people(target: &ScimTarget, count: usize) -> Vec<ResourceId> {
    let mut people = Vec::new();
    for number in 0..count {
        let name = format!("p{number}");
        people.push(create(target, "User", &name, &person(&name)).await.id);
    }
    people
}

fn members(add: &[ResourceId], remove: &[ResourceId]) -> [AttributeChange<ResourceId>; 1] {
    let change = Change::References { add: add.iter().cloned().collect(), remove: remove.iter().cloned().collect() };
    [AttributeChange { path: path("members"), old: None, change }]
}

#[tokio::test]
async fn a_person_comes_changes_and_goes() {
    let tenant = tenant().await;
    let target = target(&tenant).await;
    let made = create(&target, "User", "ada", &person("ada")).await;
    let found = target.find("User", &path("externalId"), "ada").await.unwrap();
    assert_eq!(found.iter().map(|one| &one.id).collect::<Vec<_>>(), [&made.id]);
    let mut wanted = person("ada");
    wanted.insert(path("title"), text("Countess"));
    wanted.insert(path("displayName"), text("Ada Lovelace"));
    let before = person("ada");
    let present: BTreeSet<_> = before.keys().cloned().collect();
    let changes = attribute_changes(&before, &wanted);
    let updated =
        target.update(&Update { kind: "User", id: &made.id, present: &present, changes: &changes }).await.unwrap();
    assert_eq!(updated.requests, 1);
    let shown = target.read("User", &made.id).await.unwrap().unwrap();
    assert_eq!(shown.attribute(&path("title"), &text("")), Some(text("Countess")));
    assert!(!shown.document.to_string().contains("password"));
    target.delete("User", &made.id).await.unwrap();
    assert_eq!(tenant.count(Kind::User).unwrap(), 0);
}

#[tokio::test]
async fn a_group_comes_changes_and_goes_and_costs_what_was_foretold() {
    let tenant = tenant().await;
    let target = target(&tenant).await;
    let people = people(&target, 45).await;
    let wanted = state(&[
        ("displayName", text("Staff")),
        ("members", TargetValue::References(people.iter().cloned().collect())),
    ]);
    let costs = RequestCosts::new(&options(&tenant));
    let before = tenant.counters().total();
    let new = NewResource { kind: "Group", external_id: "staff-1", attributes: &wanted };
    let group = target.create(&new).await.unwrap();
    assert_eq!(group.unfinished, None);
    let foretold = costs.requests(OperationKind::Create, &attribute_changes(&State::new(), &wanted));
    assert_eq!((tenant.counters().total() - before, foretold), (4, 4), "the group, and its members by twenties");

    let mut changes = members(&people[..1], &people[3..6]).to_vec();
    let name = Change::Set(text("All staff"));
    changes.push(AttributeChange { path: path("displayName"), old: Some(text("Staff")), change: name });
    let present = wanted.keys().cloned().collect();
    let id = group.resource.id;
    let before = tenant.counters().total();
    target.update(&Update { kind: "Group", id: &id, present: &present, changes: &changes }).await.unwrap();
    let foretold = costs.requests(OperationKind::Update, &changes);
    assert_eq!((tenant.counters().total() - before, foretold), (5, 5), "the name, who comes, and each who goes");

    let again = members(&[], &people[3..4]);
    let updated = target.update(&Update { kind: "Group", id: &id, present: &present, changes: &again }).await.unwrap();
    assert_eq!(updated.unfinished, None, "who is no member any more");

    let found = target.find("Group", &path("externalId"), "staff-1").await.unwrap();
    assert_eq!(found.iter().map(|one| &one.id).collect::<Vec<_>>(), [&id], "found again by its anchor");
    target.delete("Group", &id).await.unwrap();
    assert_eq!(tenant.count(Kind::Group).unwrap(), 0);
}

#[tokio::test]
async fn a_group_that_was_there_is_joined_without_changing_its_nickname() {
    let tenant = tenant().await;
    let target = target(&tenant).await;
    let made = create(&target, "Group", "x", &state(&[("displayName", text("Sales"))])).await;
    let anchor = Change::Set(text("another"));
    let changes = [AttributeChange { path: path("externalId"), old: None, change: anchor }];
    let before = tenant.counters().of(Method::Patch);
    target.update(&Update { kind: "Group", id: &made.id, present: &BTreeSet::new(), changes: &changes }).await.unwrap();
    assert_eq!(tenant.counters().of(Method::Patch), before);
    let found = target.find("Group", &path("displayName"), "Sales").await.unwrap();
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn a_listing_of_more_than_a_page_is_whole() {
    let tenant = tenant().await;
    let target = target(&tenant).await;
    let made: BTreeSet<ResourceId> = people(&target, 230).await.into_iter().collect();
    let (mut listed, mut pages) = (BTreeSet::new(), 0);
    let mut listing = target.list("User").without_members();
    while let Some(page) = listing.next_page().await.unwrap() {
        pages += 1;
        listed.extend(page.into_iter().map(|one| one.id));
    }
    assert_eq!((listed, pages), (made, 3));
}
