//! One person in two forests of one host: whoever leaves one of them keeps the account that the other has for them.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provisor_tenant::{Kind, Tenant};
use provisor_tests::Samba;
use serde_json::{Value, json};

use super::across::{forest, person};
use super::forests::{ended, give, user};
use super::{PASSWORD, Rights, agent, source, target, tenant};
use crate::support::Agent;

/// Two forests, each with a configuration, `lab` and `corp`, of one host and to one target.
struct Company {
    lab: Samba,
    corp: Samba,
    tenant: Tenant,
    agent: Agent,
}

const ANN: &str = "ann@all.example";

impl Company {
    /// Both have Ann, with these further lines; the lab's configuration has provisioned her.
    async fn begin(of_lab: &str, of_corp: &str, configured: &str) -> Self {
        let others = |name: &str| person(&format!("{name}1"), "") + &person(&format!("{name}2"), "");
        let lab = forest("LAB.TEST", "LAB", &(person("ann", of_lab) + &others("l")));
        let corp = forest("CORP.TEST", "CORP", &(person("ann", of_corp) + &others("c")));
        let (tenant, agent) = (tenant().await, agent(""));
        agent.secret("password", PASSWORD);
        let company = Self { lab, corp, tenant, agent };
        company.configure("lab", configured);
        company.configure("corp", configured);
        assert_eq!(company.agent.json(&["sync", "lab"])["operations"], json!({ "create": 3 }));
        company
    }

    fn samba(&self, name: &str) -> &Samba {
        if name == "lab" { &self.lab } else { &self.corp }
    }

    /// Writes a configuration, with these lines before its sections.
    fn configure(&self, name: &str, lines: &str) {
        let samba = self.samba(name);
        let (anchor, top) = match lines.split_once("anchor = ") {
            Some((top, anchor)) => (format!("anchor = {anchor}\n"), top),
            None => (String::new(), lines),
        };
        let text = format!(
            "{top}{}{anchor}[scope]\norganizational-units = [\"OU=staff,{}\"]\n{}[match]\n\
             user = [\"externalId\", \"userName\", \"emails.value\"]\n[safety]\ndelete-threshold = {{ percent = 100 }}\n\
             [[rules]]\nplugin = \"ad-users\"\n",
            source(&[samba.url()], samba, Rights::None),
            samba.base_dn(),
            target(&self.tenant)
        );
        fs::write(self.agent.path(&format!("configurations/{name}.toml")), text).unwrap();
    }

    fn ann(&self, name: &str) -> String {
        format!("CN=ann,OU=staff,{}", self.samba(name).base_dn())
    }

    fn change(&self, name: &str, line: &str) {
        let (attribute, _) = line.split_once(':').unwrap();
        let ldif = format!("dn: {}\nchangetype: modify\nreplace: {attribute}\n{line}\n", self.ann(name));
        self.samba(name).apply(&ldif).unwrap();
    }

    /// She moves out of the scope.
    fn leaves(&self, name: &str) {
        let base = self.samba(name).base_dn();
        let dn = self.ann(name);
        let ldif =
            format!("dn: {dn}\nchangetype: moddn\nnewrdn: CN=ann\ndeleteoldrdn: 1\nnewsuperior: CN=Users,{base}\n");
        self.samba(name).apply(&ldif).unwrap();
    }

    fn deleted(&self, name: &str) {
        self.samba(name).delete(&self.ann(name)).unwrap();
    }

    /// A full cycle, which sees who is gone, and nothing is left to do behind it.
    fn sync(&self, name: &str) -> Value {
        let report = self.agent.json(&["sync", name, "--initial"]);
        let again = self.agent.json(&["sync", name]);
        assert_eq!(again["requests"]["writes"], json!(0), "{again}");
        report["operations"].clone()
    }

    /// Her account, which is in use.
    fn account(&self) -> Value {
        let found = user(&self.tenant, ANN);
        assert_ne!(found["active"], json!(false), "{found}");
        found
    }
}

/// The octets of a GUID, as the directory has them: the first three fields are little-endian.
fn octets(guid: &str) -> Vec<u8> {
    let fields: Vec<Vec<u8>> = guid
        .split('-')
        .map(|field| {
            (0..field.len()).step_by(2).map(|at| u8::from_str_radix(&field[at..at + 2], 16).unwrap()).collect()
        })
        .collect();
    let turned = fields[..3].iter().flat_map(|field| field.iter().rev());
    turned.chain(fields[3..].iter().flatten()).copied().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_anchor_in_two_forests_is_one_account_that_passes_from_one_to_the_other() {
    let company =
        Company::begin("employeeID: 7\ntitle: L\n", "employeeID: 7\ntitle: C\n", "anchor = \"employeeID\"").await;
    let before = company.account();
    assert_eq!((&before["externalId"], &before["title"]), (&json!("7"), &json!("L")));

    // While the one has her, the other is told so and writes nothing of hers.
    let report = ended(&company.agent, 3, &["sync", "corp"]);
    let told = report["failures"][0]["error"].as_str().unwrap();
    assert!(told.contains("the configuration lab keeps it, for CN=ann"), "{told}");
    assert_eq!(company.account(), before);
    let preview = company.agent.json(&["preview", "corp"]);
    assert_eq!(preview["held"], json!({ "belongs-to-another": 1 }), "{preview}");

    // She leaves the one: her account stays, and the other has it from now on.
    company.deleted("lab");
    let preview = company.agent.json(&["preview", "lab"]);
    assert_eq!(preview["requests"]["writes"], json!(0), "{preview}");
    assert_eq!(company.sync("lab"), json!({ "release": 1 }));
    assert_eq!(company.account(), before);
    assert_eq!(company.sync("corp"), json!({ "update": 1 }));
    let after = company.account();
    assert_eq!((&after["id"], &after["title"]), (&before["id"], &json!("C")));

    // And who leaves the last one has none any more.
    company.deleted("corp");
    assert_eq!(company.sync("corp"), json!({ "delete": 1 }));
    assert_eq!(company.tenant.resources(Kind::User).unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_gets_the_account_although_their_configuration_has_a_mistake_just_then() {
    let company = Company::begin("employeeID: 7\n", "employeeID: 7\n", "anchor = \"employeeID\"").await;
    let before = company.account();
    ended(&company.agent, 3, &["sync", "corp"]);
    let file = company.agent.path("configurations/corp.toml");
    let right = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("intervall = \"2m\"\n{right}")).unwrap();
    company.deleted("lab");
    assert_eq!(company.sync("lab"), json!({ "release": 1 }));
    fs::write(&file, right).unwrap();
    assert_eq!(company.sync("corp"), json!({ "update": 1 }));
    assert_eq!(company.account()["id"], before["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_left_both_forests_has_no_account() {
    let company = Company::begin("employeeID: 7\n", "employeeID: 7\n", "anchor = \"employeeID\"").await;
    ended(&company.agent, 3, &["sync", "corp"]);
    // The one does not know yet that she has left the other too, and leaves the account to it.
    company.deleted("lab");
    company.deleted("corp");
    assert_eq!(company.sync("lab"), json!({ "release": 1 }));
    assert_eq!(company.sync("corp"), json!({ "delete": 1 }));
    assert_eq!(company.tenant.resources(Kind::User).unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_looks_at_an_account_does_not_keep_it() {
    let company = Company::begin("employeeID: 7\n", "employeeID: 7\n", "anchor = \"employeeID\"").await;
    company.configure("corp", "enabled = \"staging\"\nanchor = \"employeeID\"");
    let preview = company.agent.json(&["preview", "corp"]);
    assert_eq!(preview["held"], json!({ "belongs-to-another": 1 }), "{preview}");
    company.deleted("lab");
    assert_eq!(company.sync("lab"), json!({ "delete": 1 }));
    assert_eq!(company.tenant.resources(Kind::User).unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_in_two_forests_is_told_and_makes_no_second_account() {
    let company = Company::begin("", "", "").await;
    let account = company.account();
    company.change("corp", "userPrincipalName: ann@corp.test");
    let report = ended(&company.agent, 3, &["sync", "corp"]);
    let told = report["failures"][0]["error"].as_str().unwrap();
    assert!(
        told.contains(account["id"].as_str().unwrap()) && told.contains("the configuration lab keeps it"),
        "{told}"
    );
    assert_eq!(company.tenant.resources(Kind::User).unwrap().len(), 5);
    assert_eq!(company.account(), account);
    // An attribute that no rule sets would find nobody.
    let file = company.agent.path("configurations/corp.toml");
    let text = fs::read_to_string(&file).unwrap().replace("emails.value", "nickName");
    fs::write(&file, text).unwrap();
    let output = company.agent.run(&["sync", "corp"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("match.user lists \"nickName\", which no rule sets"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_moves_to_another_forest_keeps_the_account() {
    let company = Company::begin("title: L\n", "title: C\n", "").await;
    let before = company.account();
    // The anchor goes along, as the move of an account between forests has it.
    let encoded = STANDARD.encode(octets(before["externalId"].as_str().unwrap()));
    company.change("corp", &format!("mS-DS-ConsistencyGuid:: {encoded}"));
    ended(&company.agent, 3, &["sync", "corp"]);
    company.deleted("lab");
    assert_eq!(company.sync("lab"), json!({ "release": 1 }));
    assert_eq!(company.sync("corp"), json!({ "update": 1 }));
    let after = company.account();
    assert_eq!((&after["id"], &after["title"], &after["active"]), (&before["id"], &json!("C"), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_be_shared_goes_with_the_last_who_has_it() {
    let company = Company::begin("title: L\n", "department: C\n", "shared = [\"user\"]\n").await;
    let of_lab = company.account();

    // The other joins by the user name, and the one's anchor stays where it is.
    let operations = company.sync("corp");
    assert_eq!(operations, json!({ "create": 2, "join": 1 }));
    let both = company.account();
    assert_eq!((&both["id"], &both["externalId"]), (&of_lab["id"], &of_lab["externalId"]));

    // Out of the scope of the one, she keeps the account; and comes back to it.
    company.leaves("corp");
    assert_eq!(company.sync("corp"), json!({ "release": 1 }));
    assert_eq!(company.account()["externalId"], of_lab["externalId"]);
    company.agent.json(&["sync", "lab"]);
    let base = company.corp.base_dn();
    let back = format!(
        "dn: CN=ann,CN=Users,{base}\nchangetype: moddn\nnewrdn: CN=ann\ndeleteoldrdn: 1\nnewsuperior: OU=staff,{base}\n"
    );
    company.corp.apply(&back).unwrap();
    assert_eq!(company.sync("corp"), json!({ "join": 1 }));

    // Gone from the one whose anchor it has: it becomes the other's, with all that the other says of her.
    company.deleted("lab");
    assert_eq!(company.sync("lab"), json!({ "release": 1 }));
    assert_eq!(company.account()["id"], of_lab["id"]);
    company.agent.json(&["sync", "corp"]);
    let of_corp = company.account();
    assert_eq!(of_corp["id"], of_lab["id"]);
    assert_ne!(of_corp["externalId"], of_lab["externalId"]);

    company.deleted("corp");
    assert_eq!(company.sync("corp"), json!({ "delete": 1 }));
    assert_eq!(company.tenant.resources(Kind::User).unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_given_to_somebody_else_is_neither_written_nor_taken_away() {
    let company = Company::begin("title: L\n", "", "").await;
    let account = company.account();
    give(&company.tenant, account["id"].as_str().unwrap(), Some("of-another-host")).await;
    company.deleted("lab");
    assert_eq!(company.sync("lab"), json!({ "release": 1 }));
    assert_eq!(company.account()["externalId"], json!("of-another-host"));
    let log = company.agent.json(&["log", "lab", "--object", &company.ann("lab")]);
    assert!(log["records"][0].to_string().contains("another object"), "{log}");
}
