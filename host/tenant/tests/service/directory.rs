//! The service with contacts and devices: what it announces, stores and finds, and that the others have none of it.
use provisor_tenant::{Kind, Personality, TenantOptions};
use serde_json::{Value, json};

use crate::fixture::{ENTERPRISE, Fixture, GROUP, PATCH, USER};

const CONTACT: &str = "urn:provisor:scim:schemas:1.0:Contact";
const DEVICE: &str = "urn:provisor:scim:schemas:1.0:Device";
const EXTENSION: &str = "urn:provisor:scim:schemas:extension:1.0:User";

async fn directory() -> Fixture {
    Fixture::with(TenantOptions { personality: Personality::Directory, ..TenantOptions::default() }).await
}

fn contact(name: &str) -> Value {
    json!({"schemas": [CONTACT], "displayName": name, "externalId": format!("x-{name}"),
        "emails": [{"value": format!("{name}@partner.example"), "type": "work", "primary": true}]})
}

fn names(list: &Value, key: &str) -> Vec<String> {
    let resources = list["Resources"].as_array().unwrap();
    resources.iter().map(|one| one[key].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn contacts_and_devices_are_announced_with_their_schemas() {
    let fixture = directory().await;
    let types = fixture.get("/ResourceTypes").await;
    assert_eq!(names(&types, "name"), ["User", "Group", "Contact", "Device"]);
    assert_eq!(fixture.get("/ResourceTypes/Contact").await["schema"], CONTACT);
    for schema in [CONTACT, DEVICE, EXTENSION] {
        assert_eq!(fixture.get(&format!("/Schemas/{schema}")).await["id"], schema);
    }
}

#[tokio::test]
async fn who_asks_for_no_directory_has_users_and_groups_alone() {
    let fixture = Fixture::new().await;
    assert_eq!(names(&fixture.get("/ResourceTypes").await, "name"), ["User", "Group"]);
    assert!(!names(&fixture.get("/Schemas").await, "id").iter().any(|id| id.starts_with("urn:provisor:")));
    assert_eq!(fixture.look("/Contacts").await.0, 404);
    assert_eq!(fixture.look("/ResourceTypes/Contact").await.0, 404);
    assert_eq!(fixture.send("POST", "/Devices", json!({"schemas": [DEVICE], "displayName": "e"})).await.0, 404);
}

#[tokio::test]
async fn a_contact_is_created_found_changed_and_deleted() {
    let fixture = directory().await;
    let manager = fixture.user("ann").await;
    let created = fixture.create("/Contacts", contact("eve")).await;
    assert_eq!((&created["meta"]["resourceType"], &created["schemas"]), (&json!("Contact"), &json!([CONTACT])));
    fixture.create("/Contacts", contact("mallory")).await;
    let path = format!("/Contacts/{}", created["id"].as_str().unwrap());
    for filter in [r#"displayName eq "EVE""#, r#"externalId eq "x-eve""#, r#"emails.value sw "eve@""#] {
        let (status, found) = fixture.filtered("/Contacts", filter).await;
        assert_eq!((status, names(&found, "displayName")), (200, vec!["eve".to_owned()]), "{filter}");
    }
    let patch = json!({"schemas": [PATCH], "Operations": [
        {"op": "replace", "path": "displayName", "value": "Eve"},
        {"op": "add", "path": "manager", "value": {"value": manager}},
    ]});
    assert_eq!(fixture.send("PATCH", &path, patch).await.0, 200);
    let read = fixture.get(&path).await;
    assert_eq!(read["displayName"], "Eve");
    assert_eq!(read["manager"]["$ref"], fixture.url(&format!("/Users/{manager}")));
    assert_eq!(fixture.tenant.count(Kind::Contact).unwrap(), 2);
    assert_eq!(fixture.send("DELETE", &path, Value::Null).await.0, 204);
    assert_eq!((fixture.look(&path).await.0, fixture.tenant.count(Kind::Contact).unwrap()), (404, 1));
}

#[tokio::test]
async fn a_contact_obeys_its_schema() {
    let fixture = directory().await;
    let eve = fixture.create("/Contacts", contact("eve")).await;
    for wrong in [
        json!({"schemas": [CONTACT]}),
        json!({"schemas": [USER], "displayName": "x"}),
        json!({"schemas": [CONTACT], "displayName": "x", "userName": "x"}),
        json!({"schemas": [CONTACT], "displayName": "x", "active": true}),
        json!({"schemas": [CONTACT], "displayName": "x", "manager": {"value": eve["id"]}}),
    ] {
        assert_eq!(fixture.send("POST", "/Contacts", wrong.clone()).await.0, 400, "{wrong}");
    }
    let (status, _) = fixture.look(&format!("/Users/{}", eve["id"].as_str().unwrap())).await;
    assert_eq!(status, 404, "a contact is no user");
}

#[tokio::test]
async fn names_of_contacts_and_devices_need_not_be_unique() {
    let fixture = directory().await;
    fixture.user("eve").await;
    fixture.create("/Contacts", contact("eve")).await;
    fixture.create("/Contacts", contact("eve")).await;
    fixture.create("/Devices", json!({"schemas": [DEVICE], "displayName": "eve"})).await;
    let search = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]});
    let (_, found) = fixture.send("POST", "/.search", search).await;
    let kinds = found["Resources"].as_array().unwrap().iter().map(|one| one["meta"]["resourceType"].clone());
    assert_eq!(kinds.collect::<Vec<_>>(), ["User", "Contact", "Contact", "Device"]);
}

#[tokio::test]
async fn a_device_has_a_state_and_is_a_member_of_groups_as_a_contact_is() {
    let fixture = directory().await;
    let device = json!({"schemas": [DEVICE], "displayName": "engine", "active": true, "operatingSystem": "Windows 11",
        "securityIdentifier": "S-1-5-21-1-2-3-1105", "x509Certificates": [{"value": "MII="}]});
    let device = fixture.create("/Devices", device).await;
    let eve = fixture.create("/Contacts", contact("eve")).await;
    let members = json!([{"value": device["id"]}, {"value": eve["id"]}]);
    let group = fixture.create("/Groups", json!({"schemas": [GROUP], "displayName": "g", "members": members})).await;
    let group = fixture.get(&format!("/Groups/{}", group["id"].as_str().unwrap())).await;
    let mut types: Vec<_> = group["members"].as_array().unwrap().iter().map(|one| one["type"].clone()).collect();
    types.sort_by_key(ToString::to_string);
    assert_eq!(types, ["Contact", "Device"]);
    let path = format!("/Devices/{}", device["id"].as_str().unwrap());
    let disabled = json!({"schemas": [PATCH], "Operations": [{"op": "replace", "path": "active", "value": false}]});
    assert_eq!(fixture.send("PATCH", &path, disabled).await.0, 200);
    let read = fixture.get(&path).await;
    assert_eq!((&read["active"], &read["groups"][0]["display"]), (&json!(false), &json!("g")));
}

#[tokio::test]
async fn users_have_the_facts_of_their_directory_beside_the_enterprise_extension() {
    let fixture = directory().await;
    let user = json!({"schemas": [USER, ENTERPRISE, EXTENSION], "userName": "ann",
        ENTERPRISE: {"department": "d"},
        EXTENSION: {"onPremisesSamAccountName": "ann", "proxyAddresses": ["SMTP:ann@x", "smtp:a@x"]}});
    let created = fixture.create("/Users", user).await;
    assert_eq!(created[EXTENSION]["proxyAddresses"], json!(["SMTP:ann@x", "smtp:a@x"]));
    let (_, found) = fixture.filtered("/Users", &format!(r#"{EXTENSION}:onPremisesSamAccountName eq "ANN""#)).await;
    assert_eq!(names(&found, "userName"), ["ann"]);
}

#[tokio::test]
async fn a_bulk_request_makes_contacts() {
    let fixture = directory().await;
    let bulk = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
        {"method": "POST", "path": "/Contacts", "bulkId": "e", "data": contact("eve")},
        {"method": "POST", "path": "/Groups", "bulkId": "g",
            "data": {"schemas": [GROUP], "displayName": "g", "members": [{"value": "bulkId:e"}]}},
    ]});
    let (status, done) = fixture.send("POST", "/Bulk", bulk).await;
    let statuses: Vec<_> = done["Operations"].as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert_eq!((status, statuses), (200, vec![json!("201"), json!("201")]), "{done}");
    assert_eq!(fixture.tenant.resources(Kind::Group).unwrap()[0]["members"][0]["type"], "Contact");
}
