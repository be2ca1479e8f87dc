//! Several forests and a directory of another kind into one tenant, and people who are in more than one of them.

use std::fs;

use provisor_tenant::{Kind, Tenant};
use provisor_tests::ldif::{SUFFIX, SYNC_DN, SYNC_PASSWORD};
use provisor_tests::{ChangeLog, Samba, SambaOptions, Slapd, SlapdOptions};
use serde_json::{Value, json};

use super::{PASSWORD, Rights, agent, source, target, tenant};
use crate::support::{Agent, TOKEN, client};

/// A forest of a company: one unit with these people, each by the account name and the user name.
fn forest(realm: &str, workgroup: &str, people: &[(&str, &str)]) -> Samba {
    let options = SambaOptions { realm: realm.to_owned(), workgroup: workgroup.to_owned(), ..SambaOptions::default() };
    let unit = format!("OU=staff,{}", options.base_dn());
    let person = |(account, user_name): &(&str, &str)| {
        format!(
            "dn: CN={account},{unit}\nobjectClass: user\nsAMAccountName: {account}\nuserPrincipalName: {user_name}\n\
             mail: {user_name}\ntitle: {workgroup}\nuserAccountControl: 544\n\n"
        )
    };
    let people: String = people.iter().map(person).collect();
    let crew = format!("dn: CN=crew,{unit}\nobjectClass: group\nsAMAccountName: crew\nmember: CN=ann,{unit}\n\n");
    let ldif = format!("dn: {unit}\nobjectClass: organizationalUnit\n\n{people}{crew}");
    let samba = Samba::start(&SambaOptions { ldif, ..options }).unwrap();
    Rights::None.grant(&samba);
    samba
}

fn of_a_forest(samba: &Samba, tenant: &Tenant, further: &str) -> String {
    let base = samba.base_dn();
    format!(
        "{}[scope]\norganizational-units = [\"OU=staff,{base}\"]\n{}[[rules]]\nplugin = \"ad-users\"\n\
         [[rules]]\nplugin = \"ad-groups\"\n[leaving]\nout-of-scope = \"keep\"\n{further}",
        source(&[samba.url()], samba, Rights::None),
        target(tenant)
    )
}

/// A company with another kind of directory.
fn slapd() -> Slapd {
    let people = ["eve", "fay"].map(|uid| {
        format!("dn: uid={uid},ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: {uid}\n\n")
    });
    let ldif = provisor_tests::ldif::Directory::default().to_ldif(false) + &people.concat();
    Slapd::start(&SlapdOptions { ldif, change_log: ChangeLog::AccessLog, ..SlapdOptions::default() }).unwrap()
}

fn of_slapd(slapd: &Slapd, tenant: &Tenant) -> String {
    format!(
        "[source]\nkind = \"openldap\"\nurl = \"{}\"\nca = \"{}\"\nbase = \"{SUFFIX}\"\nbind-dn = \"{SYNC_DN}\"\n\
         password = {{ file = \"unix-password\" }}\n{}[[rules]]\nplugin = \"people\"\n\
         config = {{ domain = \"unix.example\" }}\n[[rules]]\nplugin = \"groups\"\n",
        slapd.tls_url(),
        slapd.ca_file().display(),
        target(tenant)
    )
}

fn users(tenant: &Tenant) -> Vec<Value> {
    tenant.resources(Kind::User).unwrap()
}

/// The one user of this name.
pub(super) fn user(tenant: &Tenant, user_name: &str) -> Value {
    let mut found = users(tenant).into_iter().filter(|user| user["userName"] == user_name);
    let user = found.next().unwrap();
    assert!(found.next().is_none(), "{user_name} is there twice");
    user
}

/// Runs a command that ends with this status, and gives its document.
pub(super) fn ended(agent: &Agent, status: i32, arguments: &[&str]) -> Value {
    let output = agent.run(&[&["--json"], arguments].concat());
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_two_forests_is_told_and_not_taken_over() {
    let ann = "ann@shared.example";
    let lab = forest("LAB.TEST", "LAB", &[("ann", ann), ("bob", "bob@shared.example")]);
    let corp = forest("CORP.TEST", "CORP", &[("ann", ann), ("cyd", "cyd@shared.example")]);
    let (unix, tenant) = (slapd(), tenant().await);
    let agent = agent(&of_a_forest(&lab, &tenant, ""));
    agent.secret("password", PASSWORD);
    agent.secret("unix-password", SYNC_PASSWORD);
    let put = |name: &str, text: String| fs::write(agent.path(&format!("configurations/{name}.toml")), text).unwrap();
    put("corp", of_a_forest(&corp, &tenant, ""));
    put("unix", of_slapd(&unix, &tenant));

    assert_eq!(agent.json(&["sync", "lab"])["operations"], json!({ "create": 3 }));
    assert_eq!(agent.json(&["sync", "unix"])["operations"], json!({ "create": 2 }));
    let of_lab = user(&tenant, ann);
    assert_eq!(of_lab["title"], "LAB");

    // Everybody else comes, and of her it is told why not.
    let report = ended(&agent, 3, &["sync", "corp"]);
    assert_eq!((&report["operations"]["create"], &report["escrow"]), (&json!(2), &json!(1)), "{report}");
    let dn = format!("CN=ann,OU=staff,{}", corp.base_dn());
    let told = &report["failures"][0];
    assert_eq!(told["dn"], json!(dn), "{report}");
    assert!(told["error"].as_str().unwrap().contains("userName"), "{report}");
    let log = agent.json(&["log", "corp", "--object", &dn]);
    assert!(log["records"][0]["status"] == "failure" || log["records"][0]["status"] == "held", "{log}");
    let status = agent.json(&["status"]);
    let corp_status = status["configurations"].as_array().unwrap().iter().find(|one| one["name"] == "corp").unwrap();
    assert_eq!(corp_status["status"]["escrowed"][0]["dn"], json!(dn), "{status}");
    assert_eq!(user(&tenant, ann), of_lab, "she is the other forest's");
    assert_eq!(users(&tenant).len(), 5);

    // By her user name she is found, and belongs to another object.
    put("corp", of_a_forest(&corp, &tenant, "[match]\nuser = [\"externalId\", \"userName\"]\n"));
    let report = ended(&agent, 3, &["sync", "corp"]);
    let told = report["failures"][0]["error"].as_str().unwrap();
    assert!(
        told.contains("belongs to another object") && told.contains("the configuration lab keeps it, for CN=ann"),
        "{told}"
    );
    assert_eq!(user(&tenant, ann), of_lab, "she is still the other forest's");

    // She leaves the first forest, whose administrator lets go of her account: then it is joined.
    lab.delete(&format!("CN=ann,OU=staff,{}", lab.base_dn())).unwrap();
    put("lab", of_a_forest(&lab, &tenant, "deleted = \"keep\"\n[safety]\ndelete-threshold = { percent = 100 }\n"));
    agent.json(&["sync", "lab", "--initial"]);
    give(&tenant, of_lab["id"].as_str().unwrap(), None).await;
    let report = agent.json(&["provision", "corp", &dn]);
    assert_eq!(report["succeeded"], json!(true), "{report}");
    let joined = user(&tenant, ann);
    assert_eq!((&joined["id"], &joined["title"]), (&of_lab["id"], &json!("CORP")));
    assert_ne!(joined["externalId"], of_lab["externalId"]);
    for name in ["lab", "corp", "unix"] {
        let report = agent.json(&["sync", name]);
        assert_eq!(report["requests"]["writes"], json!(0), "{name}: {report}");
    }
    assert_eq!(users(&tenant).len(), 5);
}

/// Clears the externalId of a user, or gives them another, as an administrator of the service does.
pub(super) async fn give(tenant: &Tenant, id: &str, external_id: Option<&str>) {
    let operation = match external_id {
        Some(other) => json!({ "op": "replace", "path": "externalId", "value": other }),
        None => json!({ "op": "remove", "path": "externalId" }),
    };
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [operation],
    });
    let request = client().patch(format!("{}/Users/{id}", tenant.url())).bearer_auth(TOKEN).body(body.to_string());
    let reply = request.header("content-type", "application/scim+json").send().await.unwrap();
    assert!(reply.status().is_success(), "{}", reply.status());
}
