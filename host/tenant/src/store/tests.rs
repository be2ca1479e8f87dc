//! The store alone: uniqueness, references, memberships, and searches against a plain evaluation.
use serde_json::json;

use super::*;
use crate::expression::{Expression, Scope};
use crate::filter::parse_filter;
use crate::resource::accept;
use crate::schema::Catalogue;

fn store() -> Store {
    Store::open(&Storage::Memory, "http://localhost/scim/v2".to_owned()).unwrap()
}

fn add(store: &mut Store, kind: Kind, mut value: Value) -> Result<String, Refusal> {
    value["schemas"] = json!([kind.schema()]);
    let draft = accept(Catalogue::get().unwrap(), kind, value)?;
    Ok(store.create(kind, draft)?.record.id)
}

fn user(store: &mut Store, name: &str) -> String {
    add(store, Kind::User, json!({"userName": name, "externalId": format!("x-{name}")})).unwrap()
}

fn group(store: &mut Store, name: &str, members: &[&str]) -> String {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    add(store, Kind::Group, json!({"displayName": name, "members": members})).unwrap()
}

fn names(store: &Store, kind: Kind, filter: &str) -> Vec<String> {
    let scope = Scope::Resource(Catalogue::get().unwrap(), kind);
    let filter = Expression::compile(&parse_filter(filter).unwrap(), scope, false).unwrap();
    let (total, records) = store.list(kind, Some(&filter), 0, 100, false).unwrap();
    assert_eq!(total, records.len());
    let name = |record: &Record| Keys::of(record.kind, &record.body).name.to_owned();
    records.iter().map(name).collect()
}

fn patch_group(store: &mut Store, id: &str, operations: Value) -> Result<Written, Refusal> {
    let message = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
    let steps = patch::parse(Catalogue::get().unwrap(), Kind::Group, &message, patch::Dialect::default())?;
    store.patch(Kind::Group, id, &Conditions::default(), steps, |_| Ok(()))
}

fn members(store: &Store, id: &str) -> Vec<String> {
    let mut record = store.read(Kind::Group, id).unwrap();
    store.load_links(&mut record).unwrap();
    record.links.into_iter().map(|link| link.id).collect()
}

#[test]
fn a_user_name_is_taken_in_any_letter_case() {
    let mut store = store();
    user(&mut store, "Åse");
    let refusal = add(&mut store, Kind::User, json!({"userName": "åSE"})).unwrap_err();
    assert_eq!((refusal.status, refusal.kind), (StatusCode::CONFLICT, Some(ErrorType::Uniqueness)));
    group(&mut store, "Åse", &[]);
    group(&mut store, "Åse", &[]);
    assert_eq!(store.count(Kind::Group), Ok(2));
}

#[test]
fn references_must_point_at_somebody() {
    let mut store = store();
    let group_id = group(&mut store, "g", &[]);
    for manager in ["nobody", group_id.as_str()] {
        let value = json!({"userName": "a", ENTERPRISE: {"manager": {"value": manager}}});
        assert_eq!(add(&mut store, Kind::User, value).unwrap_err().kind, Some(ErrorType::InvalidValue));
    }
    let value = json!({"displayName": "h", "members": [{"value": "nobody"}]});
    assert_eq!(add(&mut store, Kind::Group, value).unwrap_err().kind, Some(ErrorType::InvalidValue));
    assert_eq!((store.count(Kind::User), store.count(Kind::Group)), (Ok(0), Ok(1)));
}

#[test]
fn a_deleted_user_leaves_its_groups() {
    let mut store = store();
    let (a, b) = (user(&mut store, "a"), user(&mut store, "b"));
    let id = group(&mut store, "g", &[&a, &b]);
    store.delete(Kind::User, &a, &Conditions::default()).unwrap();
    assert_eq!(members(&store, &id), [b]);
    assert_eq!(store.delete(Kind::User, &a, &Conditions::default()).unwrap_err().status, StatusCode::NOT_FOUND);
    assert_eq!(store.delete(Kind::User, &id, &Conditions::default()).unwrap_err().status, StatusCode::NOT_FOUND);
}

#[test]
fn a_patch_is_taken_whole_or_not_at_all() {
    let mut store = store();
    let a = user(&mut store, "a");
    let id = group(&mut store, "g", &[]);
    let operations = json!([
        {"op": "add", "path": "members", "value": [{"value": a}]},
        {"op": "replace", "path": "displayName", "value": "h"},
        {"op": "add", "path": "members", "value": [{"value": "nobody"}]},
    ]);
    assert!(patch_group(&mut store, &id, operations).is_err());
    assert_eq!(members(&store, &id), Vec::<String>::new());
    assert_eq!(names(&store, Kind::Group, "displayName pr"), ["g"]);
}

#[test]
fn members_come_and_go_and_a_change_that_is_none_keeps_the_date() {
    let mut store = store();
    let (a, b) = (user(&mut store, "a"), user(&mut store, "b"));
    let inner = group(&mut store, "inner", &[]);
    let id = group(&mut store, "g", &[&a]);
    let created = store.read(Kind::Group, &id).unwrap();
    let add = json!([{"op": "add", "path": "members", "value": [{"value": a}]}]);
    let again = patch_group(&mut store, &id, add).unwrap();
    assert!(!again.changed && again.record.modified == created.modified);
    let replace = json!([{"op": "replace", "path": "members", "value": [{"value": b}, {"value": inner}]}]);
    let replaced = patch_group(&mut store, &id, replace).unwrap();
    assert!(replaced.changed && replaced.record.modified > created.modified);
    assert_eq!(members(&store, &id), [b.clone(), inner]);
    let remove = json!([{"op": "remove", "path": r#"members[type eq "Group"]"#}]);
    assert!(patch_group(&mut store, &id, remove).unwrap().changed);
    assert_eq!(members(&store, &id), [b]);
}

#[test]
fn filters_find_the_same_with_and_without_an_index() {
    let mut store = store();
    let ids: Vec<String> = ["Ann", "bob", "cid"].iter().map(|name| user(&mut store, name)).collect();
    group(&mut store, "G", &[&ids[0], &ids[1]]);
    group(&mut store, "H", &[&ids[1]]);
    for (kind, filter, expected) in [
        (Kind::User, r#"userName eq "ANN""#.to_owned(), vec!["Ann"]),
        (Kind::User, r#"userName eq "ANN" and active pr"#.to_owned(), vec![]),
        (Kind::User, r#"userName sw "b" or externalId eq "x-cid""#.to_owned(), vec!["bob", "cid"]),
        (Kind::User, r#"externalId eq "x-Ann" or externalId eq "x-bob""#.to_owned(), vec!["Ann", "bob"]),
        (Kind::User, r#"externalId eq "X-ANN""#.to_owned(), vec![]),
        (Kind::User, format!(r#"not (id eq "{}")"#, ids[0]), vec!["bob", "cid"]),
        (Kind::User, r#"groups.display eq "h""#.to_owned(), vec!["bob"]),
        (Kind::Group, format!(r#"members eq "{}""#, ids[1]), vec!["G", "H"]),
        (Kind::Group, format!(r#"members[value eq "{}"] and displayName eq "h""#, ids[1]), vec!["H"]),
        (Kind::Group, format!(r#"members[value eq "{}" and type eq "User"]"#, ids[0]), vec!["G"]),
        (Kind::Group, r#"members.display co "nn""#.to_owned(), vec!["G"]),
    ] {
        assert_eq!(names(&store, kind, &filter), expected, "{filter}");
    }
}

#[test]
fn pages_follow_the_order_of_creation() {
    let mut store = store();
    let ids: Vec<String> = (0..7).map(|number| user(&mut store, &format!("u{number}"))).collect();
    let page = |filter: Option<&str>, skip, take| {
        let scope = Scope::Resource(Catalogue::get().unwrap(), Kind::User);
        let filter = filter.map(|text| Expression::compile(&parse_filter(text).unwrap(), scope, false).unwrap());
        let (total, records) = store.list(Kind::User, filter.as_ref(), skip, take, false).unwrap();
        (total, records.into_iter().map(|record| record.id).collect::<Vec<_>>())
    };
    for filter in [None, Some(r#"userName sw "u""#)] {
        assert_eq!(page(filter, 2, 3), (7, ids[2..5].to_vec()));
        assert_eq!(page(filter, 6, 3), (7, ids[6..].to_vec()));
        assert_eq!(page(filter, 9, 3), (7, vec![]));
        assert_eq!(page(filter, 0, 0), (7, vec![]));
    }
}

#[test]
fn lookups_use_an_index() {
    let store = store();
    for condition in ["external_id = 'x'", "name_key = 'x'", "id = 'x'"] {
        let sql =
            format!("EXPLAIN QUERY PLAN SELECT {COLUMNS} FROM resources WHERE kind = 0 AND {condition} ORDER BY seq");
        let plan: String = store.connection.query_row(&sql, [], |row| row.get(3)).unwrap();
        assert!(plan.contains("SEARCH") && !plan.contains("resources_by_kind"), "{condition}: {plan}");
    }
}

#[test]
fn a_file_keeps_its_resources_and_one_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::DurableFile(folder.path().join("tenant.db"));
    let id = user(&mut Store::open(&storage, String::new()).unwrap(), "a");
    let store = Store::open(&storage, String::new()).unwrap();
    assert_eq!(store.read(Kind::User, &id).unwrap().body["userName"], "a");
    store.connection.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Store::open(&storage, String::new()), Err(OpenError::Version(99))));
}
