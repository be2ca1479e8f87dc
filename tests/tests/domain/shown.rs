//! What an administrator is shown of a domain: missing rights, what a service would refuse, what a cycle would do.

use provisor_tenant::{Kind, Tenant};
use provisor_tests::{Samba, SambaOptions};
use serde_json::{Value, json};

use super::{Rights, agent, rules, source, target, tenant};
use crate::support::Agent;

/// A unit with people of whom some have what a service would refuse.
const PEOPLE: &str = "dn: OU=staff,DC=lab,DC=test
objectClass: organizationalUnit

dn: CN=good,OU=staff,DC=lab,DC=test
objectClass: user
sAMAccountName: good
userPrincipalName: good@example.com
mail: good@example.com
userAccountControl: 544

dn: CN=twin,OU=staff,DC=lab,DC=test
objectClass: user
sAMAccountName: twin
userPrincipalName: twin@example.com
mail: twin@example.com
userAccountControl: 544

dn: CN=other twin,OU=staff,DC=lab,DC=test
objectClass: user
sAMAccountName: other
userPrincipalName: other@example.com
proxyAddresses: SMTP:other@example.com
proxyAddresses: smtp:TWIN@example.com
userAccountControl: 544

dn: CN=third,OU=staff,DC=lab,DC=test
objectClass: user
sAMAccountName: third
userPrincipalName: third@example.com
mail: other@example.com
userAccountControl: 544

dn: CN=odd,OU=staff,DC=lab,DC=test
objectClass: user
sAMAccountName: odd
userPrincipalName: odd name@example.com
mail: odd@lab.local
userAccountControl: 544

dn: CN=loser,OU=staff,DC=lab,DC=test
objectClass: user
sAMAccountName: loser
userAccountControl: 544

dn: CN=crew,OU=staff,DC=lab,DC=test
objectClass: group
sAMAccountName: crew
member: CN=good,OU=staff,DC=lab,DC=test
";

async fn lab(rights: Rights) -> (Samba, Tenant, Agent) {
    let samba = Samba::start(&SambaOptions { ldif: PEOPLE.to_owned(), ..SambaOptions::default() }).unwrap();
    rights.grant(&samba);
    let tenant = tenant().await;
    let configuration = format!(
        "{}[scope]\norganizational-units = [\"OU=staff,DC=lab,DC=test\"]\n{}{}",
        source(&[samba.url()], &samba, rights),
        target(&tenant),
        rules()
    );
    let agent = agent(&configuration);
    agent.secret("password", rights.password());
    (samba, tenant, agent)
}

/// A line of the check of the configuration.
fn line(agent: &Agent, what: &str) -> Value {
    let checked = agent.json(&["check", "lab"]);
    let sections = checked["sections"].as_array().unwrap();
    let lines = sections.iter().flat_map(|section| section["lines"].as_array().unwrap());
    lines.into_iter().find(|line| line["what"] == what).unwrap_or_else(|| panic!("{what}: {checked}")).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_names_missing_rights_and_the_commands_that_grant_them() {
    let (samba, tenant, agent) = lab(Rights::None).await;
    samba.delete("CN=loser,OU=staff,DC=lab,DC=test").unwrap();
    let (changes, deletions) = (line(&agent, "source: changes"), line(&agent, "source: deletions"));
    for (line, words) in [
        (&changes, ["Replicating Directory Changes", "dsacls \"DC=lab,DC=test\" /G", "--car=get-changes"]),
        (&deletions, ["sees no deleted object", "dsacls \"CN=Deleted Objects,DC=lab,DC=test\"", "listing"]),
    ] {
        let said = line["detail"].as_str().unwrap();
        assert!(line["outcome"] == "warning" && words.iter().all(|word| said.contains(word)), "{line}");
        assert!(said.contains("sync@LAB.TEST"), "the account is named: {line}");
    }

    // What the line says is what grants it.
    let dn = format!("CN=sync,CN=Users,{}", samba.base_dn());
    assert!(changes["detail"].as_str().unwrap().contains(&format!("--trusteedn=\"{dn}\"")), "{changes}");
    samba.allow_replicating_changes(&dn).unwrap();
    assert_eq!(line(&agent, "source: changes")["outcome"], "ok");
    assert_eq!(line(&agent, "source: deletions")["outcome"], "warning");
    samba.allow_reading_deleted(&dn).unwrap();
    assert_eq!(line(&agent, "source: deletions")["outcome"], "ok");
    assert_eq!(tenant.counters().changes, 0, "a check writes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_would_refuse_is_found_before_anything_is_sent() {
    let (_samba, tenant, agent) = lab(Rights::Granted).await;
    let output = agent.run(&["--json", "inspect", "lab"]);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |name: &str| -> Vec<(String, String)> {
        let dn = format!("CN={name},OU=staff,DC=lab,DC=test");
        let own = report["findings"].as_array().unwrap().iter().filter(|finding| finding["dn"] == json!(dn));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        own.map(|finding| (text(&finding["error"]), text(&finding["attribute"]))).collect()
    };
    let has = |name: &str, error: &str, attribute: &str| of(name).contains(&(error.to_owned(), attribute.to_owned()));
    assert!(has("twin", "duplicate", "userPrincipalName") || has("twin", "duplicate", "mail"), "{report}");
    assert!(has("other twin", "duplicate", "proxyAddresses"), "one address in mail and proxyAddresses: {report}");
    assert!(has("third", "duplicate", "mail"), "one in proxyAddresses, mail and userPrincipalName: {report}");
    assert!(has("odd", "character", "userPrincipalName"), "{report}");
    assert!(has("odd", "top-level-domain", "mail"), "{report}");
    assert!(of("good").is_empty() && of("crew").is_empty(), "{report}");
    let administrator =
        report["findings"].as_array().unwrap().iter().any(|finding| {
            finding["dn"].as_str().is_some_and(|dn| dn.contains("Administrator") || dn.contains("krbtgt"))
        });
    assert!(!administrator, "what is the system's is passed over: {report}");
    assert_eq!(tenant.counters().changes, 0, "an inspection writes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_tells_what_a_cycle_does_and_one_object_is_provisioned_by_any_of_its_names() {
    let (samba, tenant, agent) = lab(Rights::Granted).await;
    let preview = agent.json(&["preview", "lab"]);
    assert_eq!(preview["operations"], json!({ "create": 7 }), "{preview}");
    assert_eq!(tenant.counters().changes, 0, "a preview writes nothing");

    let dn = "CN=good,OU=staff,DC=lab,DC=test";
    for (number, name) in ["twin", "other@example.com", "third", dn].into_iter().enumerate() {
        let done = agent.json(&["provision", "lab", name]);
        assert!(done["succeeded"] == json!(true) && done["steps"].as_array().unwrap().len() == 6, "{name}: {done}");
        assert_eq!(tenant.count(Kind::User).unwrap(), number + 1, "{name}: {done}");
    }
    // Whoever is there already is found, by whichever name.
    let done = agent.json(&["provision", "lab", "good"]);
    assert_eq!(done["dn"], json!(dn), "{done}");
    assert_eq!(tenant.count(Kind::User).unwrap(), 4, "{done}");

    assert_eq!(agent.json(&["sync", "lab"])["operations"], json!({ "create": 3 }));
    samba.apply(&format!("dn: {dn}\nchangetype: modify\nreplace: title\ntitle: Director\n")).unwrap();
    let preview = agent.json(&["preview", "lab"]);
    assert_eq!(preview["attributes"], json!({ "title": 1 }), "{preview}");
    let change = &preview["first"][0]["changes"][0];
    assert_eq!((&change["new"], &change["by"]), (&json!("Director"), &json!("ad-users")), "{preview}");
    let done = agent.json(&["provision", "lab", "good@example.com"]);
    assert_eq!(done["succeeded"], json!(true), "{done}");
    let report = agent.json(&["sync", "lab"]);
    assert_eq!(report["requests"]["writes"], json!(0), "{report}");
}
