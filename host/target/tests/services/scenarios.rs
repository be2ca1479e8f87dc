//! What every SCIM service must allow us to do, whoever wrote it: scenarios that are run against several.

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{Plain, ResourceId, TargetPath, TargetValue, attribute_changes};
use provisor_target::{Credential, NewResource, RemoteResource, ScimOptions, ScimTarget, TargetError, Update, Updated};

pub type State = BTreeMap<TargetPath, TargetValue<ResourceId>>;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

pub fn path(text: &str) -> TargetPath {
    text.parse().unwrap()
}

pub fn text(value: &str) -> TargetValue<ResourceId> {
    TargetValue::Plain(Plain::Text(value.into()))
}

fn flag(value: bool) -> TargetValue<ResourceId> {
    TargetValue::Plain(Plain::Boolean(value))
}

pub fn state(pairs: &[(&str, TargetValue<ResourceId>)]) -> State {
    pairs.iter().map(|(name, value)| (path(name), value.clone())).collect()
}

pub async fn connect(url: &str, token: Option<&str>, adjust: impl FnOnce(&mut ScimOptions)) -> ScimTarget {
    let mut options = ScimOptions::new(url);
    options.credential = token.map_or(Credential::None, Credential::token);
    adjust(&mut options);
    ScimTarget::connect(options).await.unwrap()
}

pub async fn create(target: &ScimTarget, kind: &str, anchor: &str, state: &State) -> RemoteResource {
    let created = target.create(&NewResource { kind, external_id: anchor, attributes: state }).await.unwrap();
    assert_eq!(created.unfinished, None);
    assert_eq!(created.resource.external_id.as_deref(), Some(anchor));
    created.resource
}

/// A resource that is changed step by step, and compared with what was wanted after each.
struct Tracked<'t> {
    target: &'t ScimTarget,
    kind: &'static str,
    id: ResourceId,
    state: State,
}

impl Tracked<'_> {
    async fn becomes(&mut self, wanted: &[(&str, TargetValue<ResourceId>)]) -> Updated {
        let wanted = state(wanted);
        let present: BTreeSet<TargetPath> = self.state.keys().cloned().collect();
        let changes = attribute_changes(&self.state, &wanted);
        let update = Update { kind: self.kind, id: &self.id, present: &present, changes: &changes };
        let updated = self.target.update(&update).await.unwrap();
        assert_eq!(updated.unfinished, None);
        let before = std::mem::replace(&mut self.state, wanted);
        self.is_as_wanted(&before).await;
        updated
    }

    async fn is_as_wanted(&self, before: &State) {
        let shown = self.target.read(self.kind, &self.id).await.unwrap().unwrap();
        for (path, value) in &self.state {
            assert_eq!(shown.attribute(path, value).as_ref(), Some(value), "{path} of {}", shown.document);
        }
        for (path, value) in before.iter().filter(|(path, _)| !self.state.contains_key(*path)) {
            let left = shown.attribute(path, value);
            let nothing = left.is_none() || left == Some(TargetValue::References(BTreeSet::new()));
            assert!(nothing, "{path} of {}", shown.document);
        }
    }
}

/// Creates a person, changes every sort of attribute there and back, and deletes the person.
pub async fn a_person_comes_changes_and_goes(target: &ScimTarget) {
    let boss = create(
        target,
        "User",
        "boss",
        &state(&[("userName", text("boss@lab.example")), ("displayName", text("Boss"))]),
    )
    .await;
    let manager = format!("{ENTERPRISE}:manager");
    let department = format!("{ENTERPRISE}:department");
    let (work, work_primary) = (r#"emails[type eq "work"].value"#, r#"emails[type eq "work"].primary"#);
    let (street, locality) = (r#"addresses[type eq "work"].streetAddress"#, r#"addresses[type eq "work"].locality"#);
    let name = ("userName", text("zoë.\"quoted\"@lab.example"));
    let phones = |numbers: &[&str]| {
        let row = |number: &&str| {
            BTreeMap::from([
                ("value".to_owned(), Plain::Text((*number).into())),
                ("type".to_owned(), Plain::Text("mobile".into())),
            ])
        };
        TargetValue::Rows(numbers.iter().map(row).collect())
    };
    let first = [
        name.clone(),
        ("name.givenName", text("Zoë")),
        ("name.familyName", text("Ångström 李")),
        ("displayName", text("Zoë Ångström")),
        ("active", flag(true)),
        (work, text("zoe@lab.example")),
        (work_primary, flag(true)),
        ("phoneNumbers", phones(&["+46 1", "+46 2"])),
        (street, text("1 Main St")),
        (&department, text("Physics")),
        (&manager, TargetValue::Reference(boss.id.clone())),
    ];
    for (name, _) in &first {
        assert_eq!(target.check_path("User", &path(name)), Ok(()));
    }
    let wanted = state(&first);
    let made = create(target, "User", "anchor-zoe", &wanted).await;
    let mut zoe = Tracked { target, kind: "User", id: made.id.clone(), state: wanted };
    zoe.is_as_wanted(&State::new()).await;

    let found = target.find("User", &path("externalId"), "anchor-zoe").await.unwrap();
    assert_eq!(found.iter().map(|one| &one.id).collect::<Vec<_>>(), [&made.id]);
    let found = target.find("User", &path("userName"), "ZOË.\"QUOTED\"@lab.example").await.unwrap();
    assert_eq!(found.len(), 1, "user names compare without regard to case");
    assert!(
        target.find("User", &path("externalId"), "ANCHOR-ZOE").await.unwrap().is_empty(),
        "anchors compare exactly"
    );
    assert!(target.find("User", &path("externalId"), "nobody").await.unwrap().is_empty());

    // A part is added to a row that is there, another row is new, single values change, come and go.
    let updated = zoe
        .becomes(&[
            name.clone(),
            ("name.givenName", text("Zoë Maria")),
            ("title", text("Dr")),
            ("active", flag(false)),
            (work, text("zoe.maria@lab.example")),
            (work_primary, flag(true)),
            (r#"emails[type eq "home"].value"#, text("zoe@home.example")),
            (r#"emails[type eq "home"].display"#, text("Home")),
            ("phoneNumbers", phones(&["+46 2", "+46 3"])),
            (street, text("1 Main St")),
            (locality, text("Lund")),
            (&department, text("Chemistry")),
        ])
        .await;
    assert_eq!(updated.requests, 1, "all of that is one request");
    let shown = target.read("User", &zoe.id).await.unwrap().unwrap();
    assert_eq!(shown.document["addresses"].as_array().unwrap().len(), 1, "no second row: {}", shown.document);

    // Rows go whole.
    zoe.becomes(&[name.clone(), ("title", text("Dr")), (&manager, TargetValue::Reference(boss.id.clone()))]).await;
    let shown = target.read("User", &zoe.id).await.unwrap().unwrap();
    let gone = |name: &str| shown.document.get(name).is_none_or(|rows| rows.as_array().is_some_and(Vec::is_empty));
    assert!(gone("emails") && gone("addresses") && gone("phoneNumbers"), "{}", shown.document);
    zoe.becomes(&[name]).await;

    target.delete("User", &zoe.id).await.unwrap();
    target.delete("User", &zoe.id).await.unwrap();
    assert_eq!(target.read("User", &zoe.id).await.unwrap(), None);
    let nothing = BTreeSet::new();
    let changes = attribute_changes(&State::new(), &state(&[("title", text("Dr"))]));
    let update = Update { kind: "User", id: &zoe.id, present: &nothing, changes: &changes };
    assert!(matches!(target.update(&update).await, Err(TargetError::NotFound { .. })));
}

/// A row that somebody took away at the target is made again, although it was thought to be there.
pub async fn a_row_that_was_taken_away_is_made_again(target: &ScimTarget) {
    let work = r#"emails[type eq "work"].value"#;
    let had = state(&[("userName", text("row@lab.example")), (work, text("old@lab.example"))]);
    let made = create(target, "User", "anchor-row", &had).await;
    let mut somebody = Tracked { target, kind: "User", id: made.id.clone(), state: had.clone() };
    somebody.becomes(&[("userName", text("row@lab.example"))]).await;
    let mut we = Tracked { target, kind: "User", id: made.id, state: had };
    let updated = we.becomes(&[("userName", text("row@lab.example")), (work, text("new@lab.example"))]).await;
    assert_eq!(updated.requests, 2, "refused first, then written as what is there demands");
}

/// Members are added and removed in chunks, beside changes of other attributes. The target must chunk by ten.
pub async fn a_group_of_many_members_changes_in_chunks(target: &ScimTarget, patches: bool) {
    let mut people = Vec::new();
    for number in 0..25 {
        let anchor = format!("member-{number}");
        people.push(create(target, "User", &anchor, &state(&[("userName", text(&anchor))])).await.id);
    }
    let members = |range: std::ops::Range<usize>| TargetValue::References(people[range].iter().cloned().collect());
    let wanted = state(&[("displayName", text("Everybody")), ("members", members(0..25))]);
    let new = NewResource { kind: "Group", external_id: "group", attributes: &wanted };
    let created = target.create(&new).await.unwrap();
    assert_eq!(created.requests, if patches { 3 } else { 1 }, "ten with the group, ten, five");
    let mut group = Tracked { target, kind: "Group", id: created.resource.id, state: wanted };
    group.is_as_wanted(&State::new()).await;
    let updated = group.becomes(&[("displayName", text("Fewer")), ("members", members(12..25))]).await;
    assert_eq!(updated.requests, if patches { 2 } else { 1 }, "twelve go");
    let updated = group.becomes(&[("displayName", text("Others")), ("members", members(5..14))]).await;
    assert_eq!(updated.requests, if patches { 2 } else { 1 }, "seven come, eleven go");
    group.becomes(&[("displayName", text("Others"))]).await;
}

/// The listing holds every resource once, over several pages. The target must ask for pages of ten.
pub async fn a_listing_is_whole(target: &ScimTarget) {
    let mut made = BTreeSet::new();
    for number in 0..25 {
        let anchor = format!("listed-{number}");
        made.insert(create(target, "User", &anchor, &state(&[("userName", text(&anchor))])).await.id);
    }
    let (mut listed, mut pages) = (BTreeSet::new(), 0);
    let mut listing = target.list("User").without_members();
    while let Some(page) = listing.next_page().await.unwrap() {
        pages += 1;
        for resource in page {
            assert!(listed.insert(resource.id.clone()), "{} came twice", resource.id);
        }
    }
    assert!(made.is_subset(&listed));
    assert_eq!(listing.total(), Some(listed.len()));
    assert!(pages >= 3);
    assert_eq!(listing.next_page().await.unwrap(), None);
}

/// A user name can be had once.
pub async fn a_taken_name_is_a_conflict(target: &ScimTarget) {
    assert!(target.unique_paths("User").contains(&path("userName")));
    let wanted = state(&[("userName", text("taken@lab.example"))]);
    create(target, "User", "first", &wanted).await;
    let new = NewResource { kind: "User", external_id: "second", attributes: &wanted };
    let error = target.create(&new).await.unwrap_err();
    assert!(matches!(&error, TargetError::Conflict { .. }), "{error}");
    assert!(!error.concerns_whole_target() && !error.outcome_unknown());
    assert!(target.find("User", &path("externalId"), "second").await.unwrap().is_empty());
}
