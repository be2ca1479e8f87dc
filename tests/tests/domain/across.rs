//! References to people of another forest, which another configuration keeps at the same target.

use std::collections::BTreeSet;
use std::fs;

use provisor_tenant::{Kind, Tenant};
use provisor_tests::{Samba, SambaOptions};
use serde_json::{Value, json};

use super::forests::user;
use super::ldif;
use super::oracle::EXTENSION;
use super::{PASSWORD, Rights, agent, source, target, tenant};
use crate::support::Agent;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A forest with one unit of these objects.
pub(super) fn forest(realm: &str, workgroup: &str, objects: &str) -> Samba {
    let options = SambaOptions { realm: realm.to_owned(), workgroup: workgroup.to_owned(), ..SambaOptions::default() };
    let unit = format!("OU=staff,{}", options.base_dn());
    let ldif = format!("dn: {unit}\nobjectClass: organizationalUnit\n\n{}", objects.replace("UNIT", &unit));
    let samba = Samba::start(&SambaOptions { ldif, ..options }).unwrap();
    Rights::None.grant(&samba);
    samba
}

pub(super) fn person(account: &str, further: &str) -> String {
    format!(
        "dn: CN={account},UNIT\nobjectClass: user\nsAMAccountName: {account}\nuserPrincipalName: {account}@all.example\n\
         mail: {account}@all.example\nuserAccountControl: 544\n{further}\n"
    )
}

pub(super) fn configuration(samba: &Samba, tenant: &Tenant, further: &str) -> String {
    format!(
        "{}[scope]\norganizational-units = [\"OU=staff,{}\"]\n{}[[rules]]\nplugin = \"ad-users\"\n\
         config = {{ manager-value = \"info\" }}\n[[rules]]\nplugin = \"ad-groups\"\n{further}",
        source(&[samba.url()], samba, Rights::None),
        samba.base_dn(),
        target(tenant)
    )
}

const ACROSS: &str =
    "[[cross-reference]]\nattribute = \"mail\"\nfound-by = \"emails.value\"\nobject-classes = [\"contact\"]\n";

/// The user names of the members of a group.
pub(super) fn members(tenant: &Tenant, group: &str) -> BTreeSet<String> {
    let groups = tenant.resources(Kind::Group).unwrap();
    let group = groups.iter().find(|one| one["displayName"] == group).unwrap();
    let users = tenant.resources(Kind::User).unwrap();
    let name =
        |id: &Value| users.iter().find(|user| user["id"] == *id).unwrap()["userName"].as_str().unwrap().to_owned();
    group["members"].as_array().into_iter().flatten().map(|member| name(&member["value"])).collect()
}

fn manager(tenant: &Tenant, account: &str) -> Value {
    user(tenant, &format!("{account}@all.example"))[ENTERPRISE]["manager"]["value"].clone()
}

fn id(tenant: &Tenant, account: &str) -> Value {
    user(tenant, &format!("{account}@all.example"))["id"].clone()
}

pub(super) fn names(accounts: &[&str]) -> BTreeSet<String> {
    accounts.iter().map(|account| format!("{account}@all.example")).collect()
}

/// A cycle of one configuration makes so many writes, as many as its preview told, and the next one makes no request.
pub(super) fn settles(agent: &Agent, configuration: &str, arguments: &[&str], writes: u64) {
    let preview = agent.json(&[&["preview", configuration], arguments].concat());
    assert_eq!(preview["requests"]["writes"], json!(writes), "{preview}");
    let report = agent.json(&[&["sync", configuration], arguments].concat());
    assert_eq!(report["requests"]["writes"], json!(writes), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn references_reach_people_of_another_forest() {
    let contact = "dn: CN=boss (lab),UNIT\nobjectClass: contact\nmail: Boss@all.example\n\n";
    let crew = "dn: CN=crew,UNIT\nobjectClass: group\nsAMAccountName: crew\nmember: CN=ann,UNIT\n\
                member: CN=boss (lab),UNIT\n\n";
    let people = person("ann", "info: boss@all.example\n") + &person("bea", "manager: CN=boss (lab),UNIT\n");
    let corp = forest("CORP.TEST", "CORP", &format!("{contact}{people}{crew}"));
    let lab = forest("LAB.TEST", "LAB", &(person("boss", "") + &person("amy", "")));
    let tenant = tenant().await;
    let agent = agent(&configuration(&lab, &tenant, ""));
    agent.secret("password", PASSWORD);
    let put = |further: &str| {
        fs::write(agent.path("configurations/corp.toml"), configuration(&corp, &tenant, further)).unwrap();
    };

    // Nobody of the other forest is there yet, so nobody is meant.
    put(ACROSS);
    settles(&agent, "corp", &[], 3);
    assert_eq!((members(&tenant, "crew"), manager(&tenant, "ann")), (names(&["ann"]), Value::Null));

    // Once they are, they are found: by the contact that stands for one, and by the value that names another's manager.
    settles(&agent, "lab", &[], 2);
    settles(&agent, "corp", &[], 3);
    assert_eq!(members(&tenant, "crew"), names(&["ann", "boss"]));
    assert_eq!(manager(&tenant, "ann"), id(&tenant, "boss"));
    assert_eq!(manager(&tenant, "bea"), id(&tenant, "boss"));
    let silent = agent.json(&["sync", "corp"]);
    assert_eq!((&silent["requests"]["reads"], &silent["requests"]["writes"]), (&json!(0), &json!(0)), "{silent}");

    // The contact stands for somebody else.
    corp.apply(&format!(
        "dn: CN=boss (lab),OU=staff,{}\nchangetype: modify\nreplace: mail\nmail: amy@all.example\n",
        corp.base_dn()
    ))
    .unwrap();
    settles(&agent, "corp", &[], 2);
    assert_eq!(members(&tenant, "crew"), names(&["ann", "amy"]));
    assert_eq!(manager(&tenant, "bea"), id(&tenant, "amy"));

    // Who has left the other forest is nobody's manager any more, and no member: the service has taken them out itself.
    let boss = format!("CN=boss,OU=staff,{}", lab.base_dn());
    lab.delete(&boss).unwrap();
    let report = agent.json(&["sync", "lab", "--initial"]);
    assert_eq!(report["operations"], json!({ "delete": 1 }), "{report}");
    agent.json(&["sync", "corp", "--initial"]);
    assert_eq!(manager(&tenant, "ann"), Value::Null);
    assert_eq!(manager(&tenant, "bea"), id(&tenant, "amy"));

    // Without the setting a contact is nobody.
    put("");
    settles(&agent, "corp", &[], 2);
    assert_eq!((members(&tenant, "crew"), manager(&tenant, "bea")), (names(&["ann"]), Value::Null));
    assert_eq!(tenant.resources(Kind::User).unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn references_reach_foreign_security_principals() {
    let lab = forest("LAB.TEST", "LAB", &person("boss", ""));
    let found = lab.search(&lab.base_dn(), "(sAMAccountName=boss)", &["objectSid"]).unwrap();
    let sid = ldif::sid(&ldif::read(&found)[0]["objectSid"]);
    let corp = forest("CORP.TEST", "CORP", "dn: CN=crew,UNIT\nobjectClass: group\nsAMAccountName: crew\n\n");
    let base = corp.base_dn();
    corp.apply(&format!("dn: CN=crew,OU=staff,{base}\nchangetype: modify\nadd: member\nmember: <SID={sid}>\n"))
        .unwrap();
    let tenant = tenant().await;
    let with_sid = format!(
        "{}[rules.config]\nextension = \"{EXTENSION}\"\nextension-defaults = false\n\
         extension-attributes = {{ onPremisesSecurityIdentifier = \"objectSid;text\" }}\n",
        source(&[lab.url()], &lab, Rights::None)
            + &target(&tenant)
            + &format!("[scope]\norganizational-units = [\"OU=staff,{}\"]\n", lab.base_dn())
            + "[[rules]]\nplugin = \"ad-users\"\n"
    );
    let agent = agent(&with_sid);
    agent.secret("password", PASSWORD);
    let classes = "object-classes = [{ ldap = \"user\", class = \"user\" }, { ldap = \"group\", class = \"group\" }, \
                   { ldap = \"foreignSecurityPrincipal\", class = \"foreign\" }]\n";
    let across = format!(
        "[[cross-reference]]\nattribute = \"objectSid;text\"\nfound-by = \"{EXTENSION}:onPremisesSecurityIdentifier\"\n\
         object-classes = [\"foreign\"]\n"
    );
    // Samba leaves out of DirSync what it made itself for a member that it does not know.
    let read = format!("{classes}changes = \"change-numbers\"\n[scope]");
    let text = configuration(&corp, &tenant, &across).replacen("[scope]", &read, 1);
    fs::write(agent.path("configurations/corp.toml"), text).unwrap();
    settles(&agent, "lab", &[], 1);
    settles(&agent, "corp", &[], 1);
    assert_eq!(members(&tenant, "crew"), names(&["boss"]));
}
