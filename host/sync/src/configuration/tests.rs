//! Each setting read, each wrong one refused with its place and what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use provisor_rules::{Limits, OnFault, PluginLimits, Updates};
use provisor_target::{ClientAuthentication, Credential, RequestRate, ScimOptions};

use super::*;
use provisor_target::{ENTRA_URL, Profile, Quirk};

/// A folder with documents, and secrets beside them.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.path().join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        file
    }

    fn read(&self, text: &str) -> Result<Configuration, ConfigurationError> {
        Configuration::read(&self.write("hr.toml", text))
    }

    /// The error without the folder, so that a test can show the whole of it.
    fn error(&self, text: &str) -> String {
        self.shown(&self.read(text).unwrap_err())
    }

    fn shown(&self, error: &ConfigurationError) -> String {
        error.to_string().replace(&format!("{}/", self.0.path().display()), "")
    }
}

const FULL: &str = r#"
enabled = "staging"
interval = "5m"

[source]
kind = "openldap"
url = "ldaps://ldap.lab01.example"
ca = "lab01-ca.pem"
base = "dc=lab01,dc=example"
bind-dn = "cn=sync,ou=svc,dc=lab01,dc=example"
password = { file = "lab01.password" }
page-size = 1_000
timeout = "10s"
anchor = "employeeNumber"
object-classes = [{ ldap = "inetOrgPerson", class = "user" }, { ldap = "device", class = "device" }]

[scope]
organizational-units = ["ou=people,dc=lab01,dc=example"]

[target]
kind = "scim"
url = "https://tenant.example/scim/v2/"
token = { file = "tenant.token" }
proxy = "http://proxy.lab01.example:3128"
concurrency = 4
timeout = "20s"
member-chunk = 100

[[rules]]
plugin = "people"
config = { domain = "example.com", depth = 3, on = true, share = 0.5, list = ["a"], since = 2026-01-02 }
on-fault = "stop"

[[rules]]
plugin = "groups"

[match]
user = ["externalId", "userName"]

[leaving]
deleted = "disable"
out-of-scope = "keep"

[safety]
delete-threshold = { count = 10 }
member-threshold = { percent = 5 }

[log]
keep-days = 30
keep-records = 5_000
"#;

const SMALL: &str = r#"source = { kind = "ldif", file = "people.ldif" }
target = { kind = "scim", url = "http://127.0.0.1:1/v2" }
rules = [{ plugin = "people" }]
"#;

/// The full document with one line changed.
fn changed(from: &str, to: &str) -> String {
    assert!(FULL.contains(from), "{from}");
    FULL.replacen(from, to, 1)
}

fn token_of(options: &ScimOptions) -> String {
    let Credential::Token(token) = &options.credential else { panic!("{options:?}") };
    token.read().unwrap().reveal().to_owned()
}

#[test]
fn every_setting_is_read() {
    let folder = Folder::new();
    folder.write("tenant.token", "t0ken\n");
    let read = folder.read(FULL).unwrap();
    assert_eq!((read.name.as_str(), read.mode, read.interval.as_secs()), ("hr", Mode::Staging, 300));
    let Source::OpenLdap(source) = &read.source else { panic!("{:?}", read.source) };
    assert_eq!(source.connection.ca.as_deref(), Some(folder.0.path().join("lab01-ca.pem").as_path()));
    assert_eq!((source.page_size, source.connection.timeout.as_secs(), source.connection.start_tls), (1000, 10, false));
    assert_eq!(source.identity.anchor, Some("employeeNumber".into()));
    assert_eq!(read.object_classes.words(), ["user", "device"]);
    assert_eq!(read.scope.organizational_units.len(), 1);
    assert_eq!(read.rules.iter().map(|rule| rule.plugin.as_str()).collect::<Vec<_>>(), ["people", "groups"]);
    assert_eq!(
        read.rules[0].config,
        serde_json::json!({ "domain": "example.com", "depth": 3, "on": true, "share": 0.5, "list": ["a"], "since": "2026-01-02" })
    );
    assert_eq!((read.rules[0].on_fault, read.rules[1].on_fault), (OnFault::Stop, OnFault::Hold));
    assert_eq!(read.matching["user"].iter().map(TargetPath::as_str).collect::<Vec<_>>(), ["externalId", "userName"]);
    assert_eq!(read.matching["device"].len(), 1);
    assert_eq!(read.safety.delete_threshold, Threshold { count: 10, percent: 20 });
    assert_eq!(read.safety.member_threshold, Threshold { count: 5000, percent: 5 });
    assert_eq!((read.log_retention.days, read.log_retention.records), (30, 5000));
    let options = read.target_options().unwrap();
    assert_eq!(
        (options.url.as_str(), options.concurrency, options.member_chunk),
        ("https://tenant.example/scim/v2", 4, 100)
    );
    assert_eq!(token_of(&options), "t0ken");
}

#[test]
fn what_is_left_out_has_its_default() {
    let read = Folder::new().read(SMALL).unwrap();
    assert_eq!((read.mode, read.interval.as_secs()), (Mode::Enabled, 120));
    assert_eq!(read.source.identity().source_id, "entryUUID".into());
    assert!(read.scope.organizational_units.is_empty());
    assert_eq!(read.leaving.deleted, provisor_model::LeavingAction::Delete);
    assert_eq!(read.leaving.out_of_scope, provisor_model::LeavingAction::Disable);
    assert_eq!(read.safety.delete_threshold, Threshold { count: 500, percent: 20 });
    assert_eq!(read.matching.keys().map(String::as_str).collect::<Vec<_>>(), ["group", "organizational-unit", "user"]);
}

#[test]
fn a_wrong_setting_is_refused_with_its_place_and_what_to_do() {
    let folder = Folder::new();
    let cases = [
        (
            "interval = \"5m\"",
            "intervall = \"5m\"",
            "hr.toml:3:1: intervall is not a known setting. Did you mean \"interval\"?",
        ),
        (
            "page-size = 1_000",
            "page_size = 1",
            "hr.toml:12:1: source.page_size is not a known setting. Did you mean \"page-size\"?",
        ),
        (
            "organizational-units =",
            "units =",
            "hr.toml:18:1: scope.units is not a known setting. Known are: organizational-units, groups, group-members",
        ),
        ("enabled = \"staging\"", "enabled = \"yes\"", "hr.toml:2:11: enabled must be true, false or \"staging\""),
        (
            "\"5m\"",
            "5",
            "hr.toml:3:12: interval must be a length of time in quotes, such as \"30s\", \"2m\" or \"1h\"; it is an integer",
        ),
        (
            "\"5m\"",
            "\"5 minutes\"",
            "hr.toml:3:12: interval is \"5 minutes\"; it must be a length of time in quotes, such as \"30s\", \"2m\" or \"1h\"",
        ),
        ("\"5m\"", "\"2d\"", "hr.toml:3:12: interval is 2d; it must be 1s to 1d"),
        (
            "kind = \"openldap\"",
            "kind = \"nis-plus\"",
            "hr.toml:6:8: source.kind is \"nis-plus\", which is not a kind of directory known here. Known are: active-directory, \
             openldap, ldap, ldif",
        ),
        (
            "base = \"dc=lab01,dc=example\"\n",
            "base = \"lab01\"\n",
            "hr.toml:9:8: source.base is wrong: \"lab01\" is not a distinguished name: an equals sign was expected at character 6",
        ),
        (
            "base = \"dc=lab01,dc=example\"\n",
            "",
            "hr.toml:5:1: source.base is missing. Add a line such as: base = \"dc=example,dc=com\"",
        ),
        (
            "\"ldaps://ldap.lab01.example\"",
            "\"ldap.lab01.example\"",
            "hr.toml:7:7: source.url is not a URL: relative URL without a base. It must look like ldaps://ldap.example.com",
        ),
        (
            "\"ldaps://ldap.lab01.example\"",
            "\"ldap://ldap.lab01.example\"",
            "hr.toml:7:7: source.url is plain ldap, which would show the password to the network. Use ldaps://, or add start-tls = true",
        ),
        (
            "\"ldaps://ldap.lab01.example\"",
            "\"ldaps://ldap.lab01.example/dc=lab01\"",
            "hr.toml:7:7: source.url has a path behind the host. Put the base into \"base\" and leave host and port here",
        ),
        (
            "\"ldaps://ldap.lab01.example\"",
            "[\"ldaps://ldap.lab01.example\", \"ldap://ldap2.lab01.example\"]",
            "hr.toml:7:38: source.url[1] is plain ldap, which would show the password to the network. Use ldaps://, or add start-tls = true",
        ),
        ("\"ldaps://ldap.lab01.example\"", "[]", "hr.toml:7:7: source.url is empty. Name a server"),
        (
            "ca = \"lab01-ca.pem\"",
            "bind = \"extern\"",
            "hr.toml:8:8: source.bind is \"extern\". Did you mean \"external\"?",
        ),
        (
            "ca = \"lab01-ca.pem\"",
            "bind = \"external\"",
            "hr.toml:10:11: source.bind-dn is for bind = \"simple\" only. Take the line out",
        ),
        (
            "ca = \"lab01-ca.pem\"",
            "client-key = \"host.key\"",
            "hr.toml:8:14: source.client-key needs client-certificate beside it: the file with the key's certificate",
        ),
        (
            "{ file = \"lab01.password\" }",
            "\"hunter2\"",
            "hr.toml:11:12: source.password stands in the document itself, where everybody who may see the configuration sees it. \
             Put it into a file of its own with mode 0600 and write { file = \"NAME\" }, or write { env = \"VARIABLE\" }",
        ),
        (
            "{ file = \"lab01.password\" }",
            "{ file = \"a\", env = \"B\" }",
            "hr.toml:11:12: source.password must be either { file = \"NAME\" } or { env = \"VARIABLE\" }",
        ),
        ("ca = \"lab01-ca.pem\"", "ca = \"\"", "hr.toml:8:6: source.ca is empty. Fill it in or take the line out"),
        (
            "anchor = \"employeeNumber\"",
            "anchor = \"employee number\"",
            "hr.toml:14:10: source.anchor is \"employee number\", which is no attribute name",
        ),
        (
            "page-size = 1_000",
            "filter = \"(uid=a\"",
            "hr.toml:12:10: source.filter is wrong: \"(uid=a\" is no LDAP filter. It is written like \
             (&(objectClass=inetOrgPerson)(employeeType=staff)), every part in parentheses",
        ),
        (
            "page-size = 1_000",
            "further-bases = [\"dc=lab02,dc=example\", \"ou=people,DC=lab01,dc=example\"]",
            "hr.toml:12:41: source.further-bases[1] is \"ou=people,DC=lab01,dc=example\", and \"dc=lab01,dc=example\" is read as well: \
             one holds the other. Name the upper one alone",
        ),
        ("page-size = 1_000", "page-size = 0", "hr.toml:12:13: source.page-size is 0; it must be 1 to 1000"),
        (
            "\"ou=people,dc=lab01,dc=example\"",
            "\"ou=people,dc=lab02,dc=example\"",
            "hr.toml:18:25: scope.organizational-units[0] is not within the source's base dc=lab01,dc=example, so nothing could be \
             in scope. Correct one of them",
        ),
        (
            "\"https://tenant.example/scim/v2/\"",
            "\"http://tenant.example/scim/v2/\"",
            "hr.toml:22:7: target.url is plain http, which would show the token or password to the network. Use https://",
        ),
        (
            "\"http://proxy.lab01.example:3128\"",
            "\"http://u:hunter2@proxy.example\"",
            "hr.toml:24:9: target.proxy holds a user name or password, which do not belong there. It must look like \
             http://proxy.example:3128",
        ),
        (
            "kind = \"scim\"",
            "kind = \"scmi\"",
            "hr.toml:21:8: target.kind is \"scmi\", which is not a kind of target known here. Did you mean \"scim\"?",
        ),
        (
            "plugin = \"people\"",
            "plugin = \"plugins/people.wasm\"",
            "hr.toml:30:10: rules[0].plugin is \"plugins/people.wasm\"; it must be the name of a file in the plugins folder, without \
             its folder and without .wasm",
        ),
        (
            "on-fault = \"stop\"",
            "on-fault = \"stopp\"",
            "hr.toml:32:12: rules[0].on-fault is \"stopp\". Did you mean \"stop\"?",
        ),
        (
            "user = [\"externalId\", \"userName\"]",
            "users = [\"externalId\"]",
            "hr.toml:38:9: match.users is for an object class that this configuration does not have. Did you mean \"user\"?",
        ),
        (
            "user = [\"externalId\", \"userName\"]",
            "user = [\"userName\"]",
            "hr.toml:38:8: match.user must begin with \"externalId\", by which an earlier run's resources are found again",
        ),
        (
            "\"userName\"]",
            "\"user name\"]",
            "hr.toml:38:23: match.user[1] is wrong: \"user name\" is not an attribute path in SCIM's notation: an attribute name was \
             expected",
        ),
        ("\"disable\"", "\"remove\"", "hr.toml:41:11: leaving.deleted is \"remove\". Known are: delete, disable, keep"),
        (
            "{ percent = 5 }",
            "{ percent = 101 }",
            "hr.toml:46:32: safety.member-threshold.percent is 101; it must be 0 to 100",
        ),
        ("keep-days = 30", "keep-days = \"30\"", "hr.toml:49:13: log.keep-days must be a whole number; it is a string"),
    ];
    for (from, to, message) in cases {
        assert_eq!(folder.error(&changed(from, to)), message);
    }
}

#[test]
fn how_a_service_is_spoken_to_is_read_and_checked() {
    let folder = Folder::new();
    let with = |line: &str| SMALL.replace("url = \"http://127.0.0.1:1/v2\"", line);
    let entra = folder.read(&with(
        "profile = \"entra\", initial-password = \"random\", member-removals = 5, quirks = [\"soft-delete\", \"no-etag\"]",
    ));
    let target = entra.unwrap().target;
    assert_eq!((target.url.as_str(), target.dialect.profile), (ENTRA_URL, Profile::Entra));
    assert_eq!(target.dialect.quirks, [Quirk::NoEtag, Quirk::SoftDelete].into());
    assert_eq!((target.dialect.member_removals, target.dialect.initial_password), (Some(5), true));
    for (line, words) in [
        ("profile = \"entra2\"", "target.profile is \"entra2\". Did you mean \"entra\"?"),
        ("quirks = [\"no-patches\"]", "target.quirks[0] is \"no-patches\". Did you mean \"no-patch\"?"),
        ("quirks = [\"no-etag\", \"no-etag\"]", "target.quirks[1] is \"no-etag\" a second time"),
        (
            "quirks = [\"members-hidden\", \"replace-members\"]",
            "target.quirks[1] is \"replace-members\", which cannot go together with \"members-hidden\"",
        ),
        ("initial-password = \"hunter2\"", "target.initial-password can only be \"random\""),
        ("member-removals = 0", "target.member-removals is 0; it must be 1 to 100000"),
    ] {
        let error = folder.error(&with(line));
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_document_that_is_no_toml_is_refused_with_its_place() {
    let folder = Folder::new();
    assert_eq!(folder.error("enabled = true\nenabled = false\n"), "hr.toml:2:1: is not TOML: duplicate key");
    assert!(folder.error("enabled = tru\n").starts_with("hr.toml:1:11: is not TOML: "));
    let file = folder.write("hr.toml", "");
    fs::write(&file, b"# caf\xe9\n").unwrap();
    let error = folder.shown(&Configuration::read(&file).unwrap_err());
    assert_eq!(error, "hr.toml:1:6: is not UTF-8 text, which TOML must be. Save it as UTF-8");
    let missing = Configuration::read(&folder.0.path().join("none.toml")).unwrap_err();
    assert_eq!(folder.shown(&missing), "none.toml: cannot be opened: No such file or directory (os error 2)");
}

#[test]
fn sections_that_must_be_there_are_named() {
    let folder = Folder::new();
    let without = |start: &str| SMALL.lines().filter(|line| !line.starts_with(start)).collect::<Vec<_>>().join("\n");
    assert_eq!(
        folder.error(&without("source")),
        "hr.toml:1:1: the section [source] is missing. Add it, with kind = \"active-directory\", \"openldap\", \"ldap\" or \"ldif\""
    );
    assert_eq!(folder.error(&without("target")), "hr.toml:1:1: the section [target] is missing. Add it");
    assert_eq!(
        folder.error(&without("rules")),
        "hr.toml:1:1: names no rules, so nothing could be mapped. Add: [[rules]] plugin = \"people\""
    );
}

#[test]
fn the_file_name_is_the_name_of_the_configuration() {
    let folder = Folder::new();
    for name in ["Lab01.toml", "-x.toml", "lab 01.toml", "lab_01.toml"] {
        let error = folder.shown(&Configuration::read(&folder.write(name, SMALL)).unwrap_err());
        assert!(error.starts_with(&format!("{name}: the file's name is the configuration's")), "{error}");
    }
    assert_eq!(Configuration::read(&folder.write("lab-01.toml", SMALL)).unwrap().name, "lab-01");
    assert!(Configuration::is_document(Path::new("x/lab-01.toml")));
    assert!(!Configuration::is_document(Path::new("x/.lab-01.toml")));
    assert!(!Configuration::is_document(Path::new("x/lab-01.toml~")));
}

#[test]
fn a_secret_must_be_ours_alone_and_one_line() {
    let folder = Folder::new();
    let read = folder.read(FULL).unwrap();
    let refused = || folder.shown(&read.target_options().unwrap_err());
    assert_eq!(
        refused(),
        "hr.toml:23:9: target.token: the file tenant.token cannot be opened: No such file or directory (os error 2)"
    );
    let file = folder.write("tenant.token", "t0ken\r\n");
    assert_eq!(token_of(&read.target_options().unwrap()), "t0ken");
    for mode in [0o640, 0o604, 0o644] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(
            refused(),
            format!(
                "hr.toml:23:9: target.token: the file tenant.token may be read by others (mode {mode:04o}). Run: chmod 600 tenant.token"
            )
        );
    }
    folder.write("tenant.token", "\n");
    assert_eq!(refused(), "hr.toml:23:9: target.token: the file tenant.token is empty. Put the secret there");
    folder.write("tenant.token", "one\ntwo\n");
    assert_eq!(
        refused(),
        "hr.toml:23:9: target.token: the file tenant.token holds more than one line. It must hold the secret alone"
    );
}

#[test]
fn a_secret_in_the_environment_must_be_set() {
    let folder = Folder::new();
    let with_token = |variable: &str| changed("{ file = \"tenant.token\" }", &format!("{{ env = \"{variable}\" }}"));
    let missing = folder.read(&with_token("PROVISOR_TEST_NOT_SET")).unwrap().target_options().unwrap_err();
    assert_eq!(
        folder.shown(&missing),
        "hr.toml:23:9: target.token: the environment variable PROVISOR_TEST_NOT_SET is not set. Set it"
    );
    let present = folder.read(&with_token("PATH")).unwrap().target_options().unwrap();
    assert_eq!(token_of(&present), std::env::var("PATH").unwrap());
}

#[test]
fn no_secret_is_in_what_is_printed() {
    let folder = Folder::new();
    folder.write("tenant.token", "hunter2");
    let read = folder.read(FULL).unwrap();
    assert!(!format!("{read:?} {:?}", read.target_options()).contains("hunter2"));
}

#[test]
fn plain_connections_are_for_this_machine_or_with_start_tls() {
    let folder = Folder::new();
    let url = "\"ldaps://ldap.lab01.example\"";
    for local in ["ldap://127.0.0.1:3890", "ldap://[::1]", "ldap://localhost"] {
        assert!(folder.read(&changed(url, &format!("\"{local}\""))).is_ok(), "{local}");
    }
    assert!(folder.read(&changed(url, "\"ldap://127.0.0.1.example\"")).is_err());
    assert!(folder.read(&changed(url, "\"ldap://ldap.lab01.example\"\nstart-tls = true")).is_ok());
    assert!(folder.read(&changed(url, &format!("{url}\nstart-tls = true"))).is_err());
}

#[test]
fn a_source_is_bound_by_name_by_certificate_by_socket_or_not_at_all() {
    let folder = Folder::new();
    folder.write("lab01.password", "hunter2");
    let account = "bind-dn = \"cn=sync,ou=svc,dc=lab01,dc=example\"\npassword = { file = \"lab01.password\" }";
    let ldaps = "\"ldaps://ldap.lab01.example\"";
    let files = "client-certificate = \"host.pem\"\nclient-key = \"host.key\"";
    for (url, bind) in [
        (ldaps, account.to_owned()),
        (ldaps, format!("{account}\n{files}")),
        (ldaps, format!("bind = \"external\"\n{files}")),
        (ldaps, "bind = \"anonymous\"".to_owned()),
        ("\"ldapi:///run/slapd/ldapi\"", "bind = \"external\"".to_owned()),
        ("[\"ldapi://%2Frun%2Fslapd%2Fldapi\", \"ldap://localhost:3890\"]", account.to_owned()),
    ] {
        let text = changed(ldaps, url).replace(account, &bind);
        let read = folder.read(&text).unwrap();
        assert!(read.directory().is_ok(), "{url} with {bind}: {:?}", read.directory().err());
    }
    // What the lines cannot show one by one, the directory finds before it is asked anything.
    let nobody = folder.read(&changed(account, "bind = \"external\"")).unwrap();
    let error = folder.shown(&nobody.directory().unwrap_err());
    assert!(error.starts_with("hr.toml") && error.contains("client-certificate"), "{error}");
}

#[test]
fn another_source_has_another_identity_and_another_rule_for_entries_another_fingerprint() {
    let folder = Folder::new();
    let read = |text: &str| folder.read(text).unwrap();
    let full = read(FULL);
    assert_eq!(full.source_identity(), "ldap ldap.lab01.example:636 below dc=lab01,dc=example by entryuuid");
    let elsewhere = read(&changed("ldaps://ldap.lab01", "ldaps://ldap.lab02"));
    assert_ne!(full.source_identity(), elsewhere.source_identity());
    let with_replica = read(&changed(
        "\"ldaps://ldap.lab01.example\"",
        "[\"ldaps://ldap.lab01.example\", \"ldaps://ldap.lab02.example\"]",
    ));
    assert_eq!(full.source_identity(), with_replica.source_identity(), "a further server keeps the same directory");
    assert_eq!(full.fingerprint(), elsewhere.fingerprint());
    for (from, to) in [
        ("deleted = \"disable\"", "deleted = \"delete\""),
        ("\"ou=people,dc=lab01,dc=example\"", "\"ou=staff,dc=lab01,dc=example\""),
        ("\"externalId\", \"userName\"", "\"externalId\""),
        ("anchor = \"employeeNumber\"", ""),
        ("class = \"device\"", "class = \"thing\""),
    ] {
        assert_ne!(full.fingerprint(), read(&changed(from, to)).fingerprint(), "{from}");
    }
    assert_eq!(full.fingerprint(), read(&changed("interval = \"5m\"", "interval = \"6m\"")).fingerprint());
}

#[test]
fn the_host_document_has_defaults_beside_it() {
    let folder = Folder::new();
    let here = folder.0.path();
    let settings = HostSettings::read(&folder.write("provisor.toml", "")).unwrap();
    assert_eq!(settings.data_folder, here.join("data"));
    assert_eq!(settings.plugins_folder, here.join("plugins"));
    assert_eq!(settings.configurations_folder, here.join("configurations"));
    assert_eq!(settings.socket(), here.join("data/provisor.sock"));
    let text = "data-folder = \"/var/lib/provisor\"\n[logging]\nformat = \"json\"\nlevel = \"debug\"\n";
    let settings = HostSettings::read(&folder.write("provisor.toml", text)).unwrap();
    assert_eq!(settings.data_folder, Path::new("/var/lib/provisor"));
    assert_eq!(settings.logging, Logging { format: LogFormat::Json, level: LogLevel::Debug });
    let wrong = HostSettings::read(&folder.write("provisor.toml", "[logging]\nlevel = \"verbose\"\n")).unwrap_err();
    assert_eq!(
        folder.shown(&wrong),
        "provisor.toml:2:9: logging.level is \"verbose\". Known are: error, warn, info, debug, trace"
    );
}

#[test]
fn a_lock_file_says_alone_which_plugins_are_taken() {
    let folder = Folder::new();
    let read = |text: &str| HostSettings::read(&folder.write("provisor.toml", text));
    let lock = "plugins-lock = \"plugins.lock\"\n";
    assert_eq!(read(lock).unwrap().plugin_updates, Updates::Locked(folder.0.path().join("plugins.lock")));
    for mode in ["granted", "approved"] {
        let error = folder.shown(&read(&format!("{lock}plugin-updates = \"{mode}\"\n")).unwrap_err());
        assert!(error.starts_with("provisor.toml:2:"), "{error}");
        assert!(error.contains("with plugins-lock only what that file lists is taken"), "{error}");
    }
}

#[test]
fn every_limit_can_be_set_for_one_plugin() {
    let folder = Folder::new();
    let read = |text: &str| HostSettings::read(&folder.write("provisor.toml", text)).unwrap().plugin_limits;
    for key in plugin_limits::KEYS {
        let value = if key.ends_with("-time") { "\"7s\"" } else { "7" };
        let limits = read(&format!("[plugin-limits.people]\n{key} = {value}\n"));
        assert_ne!(limits.of("people"), &limits.usual, "{key}");
        assert_eq!(limits.usual, Limits::default(), "{key}");
        assert_eq!(read(&format!("[plugin-limits]\n{key} = {value}\n")).usual, *limits.of("people"), "{key}");
    }
    // Each key is another limit.
    let all: String = plugin_limits::KEYS
        .iter()
        .map(|key| format!("{key} = {}\n", if key.ends_with("-time") { "\"7s\"" } else { "7" }))
        .collect();
    let all = serde_json::to_value(read(&format!("[plugin-limits]\n{all}")).usual).unwrap();
    let usual = serde_json::to_value(Limits::default()).unwrap();
    let unchanged: Vec<_> = usual.as_object().unwrap().iter().filter(|(name, value)| all[name] == **value).collect();
    assert!(unchanged.is_empty(), "no key sets {unchanged:?}");
}

#[test]
fn plugins_have_limits_and_some_their_own() {
    let folder = Folder::new();
    let read = |text: &str| HostSettings::read(&folder.write("provisor.toml", text));
    assert_eq!(read("").unwrap().plugin_limits, PluginLimits::default());
    let limits = read(
        "[plugin-limits]\nmemory-mib = 32\nstack-kib = 256\n[plugin-limits.people]\ncall-time = \"10s\"\n\
         [plugin-limits.memory-mib2]\nlog-lines = 5\n",
    );
    let limits = limits.unwrap().plugin_limits;
    assert_eq!((limits.usual.memory, limits.stack), (32 << 20, 256 << 10));
    let people = limits.of("people");
    assert_eq!((people.memory, people.call_time), (32 << 20, Duration::from_secs(10)));
    assert_eq!((limits.of("memory-mib2").log_lines, limits.of("groups")), (5, &limits.usual));
    let error = |text: &str| folder.shown(&read(text).unwrap_err());
    assert!(error("[plugin-limits]\nmemory = 5\n").contains("plugin-limits.memory is not a known setting"));
    assert!(error("[plugin-limits.people]\nstack-kib = 64\n").contains("plugin-limits.people.stack-kib"));
    assert!(error("[plugin-limits]\nmemory-mib = 0\n").contains("plugin-limits.memory-mib"));
}

#[test]
fn the_operators_reference_names_every_setting() {
    let reference = include_str!("../../../../docs/configuration.md");
    let sections: [&[&str]; 18] = [
        KEYS,
        source::OPENLDAP_KEYS,
        source::LDIF_KEYS,
        active_directory::KEYS,
        source::OBJECT_CLASS_KEYS,
        target::KEYS,
        secret::KEYS,
        cross_reference::KEYS,
        policy::SCOPE_KEYS,
        policy::RULE_KEYS,
        policy::LEAVING_KEYS,
        policy::SAFETY_KEYS,
        policy::THRESHOLD_KEYS,
        policy::LOG_KEYS,
        host::KEYS,
        host::LOGGING_KEYS,
        plugin_limits::KEYS,
        plugin_limits::ENGINE_KEYS,
    ];
    let missing: Vec<&str> =
        sections.concat().into_iter().filter(|key| !reference.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty(), "docs/configuration.md does not explain: {missing:?}");
}

/// The full document with other lines in place of its token.
fn signed(lines: &str) -> String {
    changed("token = { file = \"tenant.token\" }", lines)
}

#[test]
fn requests_may_be_signed_in_one_of_three_ways() {
    let folder = Folder::new();
    folder.write("tenant.secret", "s3cret\n");
    let secret = "{ file = \"tenant.secret\" }";
    let basic = format!("basic = {{ user = \"sync\", password = {secret} }}");
    let oauth = |more: &str| {
        let url = "token-url = \"https://login.example/token?tenant=a\"";
        format!("oauth = {{ {url}, client-id = \"agent\", client-secret = {secret}{more} }}")
    };
    let read = |lines: &str| folder.read(&signed(lines)).unwrap();
    let Signing::Basic { user, .. } = read(&basic).target.signing else { panic!("{basic}") };
    assert_eq!(user, "sync");
    let options = read(&oauth(", scope = \"scim\", client-authentication = \"post\"")).target_options().unwrap();
    let Credential::OAuth(client) = &options.credential else { panic!("{options:?}") };
    assert_eq!(client.token_url, "https://login.example/token?tenant=a");
    assert_eq!((client.scope.as_deref(), client.authentication), (Some("scim"), ClientAuthentication::Post));
    assert_eq!(client.client_secret.read().unwrap().reveal(), "s3cret");
    assert!(!format!("{options:?}").contains("s3cret"));
    assert_eq!(read("").target.signing, Signing::None);
    let error = |lines: &str| folder.error(&signed(lines));
    assert!(error(&format!("{basic}\n{}", oauth(""))).contains("target.oauth is a second way to sign requests"));
    assert!(error(&format!("token = {secret}\n{basic}")).contains("target.basic is a second way"));
    let plain = oauth("").replace("https://login", "http://login");
    assert!(error(&plain).contains("target.oauth.token-url is plain http"), "{}", error(&plain));
    assert!(error("basic = { user = \"a:b\", password = { env = \"X\" } }").contains("holds a colon"));
    assert!(error("basic = { user = \"a\", password = \"b\" }").contains("stands in the document itself"));
}

#[test]
fn headers_are_texts_or_secrets_and_none_of_the_connections_own() {
    let folder = Folder::new();
    folder.write("key", "k3y\n");
    let read = folder.read(&signed("headers = { X-Tenant = \"lab\", X-Api-Key = { file = \"key\" } }")).unwrap();
    let options = read.target_options().unwrap();
    let headers: Vec<(String, String)> = options
        .headers
        .iter()
        .map(|header| (header.name.clone(), header.value.read().unwrap().reveal().to_owned()))
        .collect();
    assert_eq!(headers, [("X-Tenant".into(), "lab".into()), ("X-Api-Key".into(), "k3y".into())]);
    for (name, words) in
        [("Authorization", "[target.basic]"), ("Host", "set by the host itself"), ("\"a b\"", "cannot be")]
    {
        let error = folder.error(&signed(&format!("headers = {{ {name} = \"x\" }}")));
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_rate_is_a_number_or_unlimited() {
    let folder = Folder::new();
    let rate = |line: &str| folder.read(&changed("concurrency = 4", line)).unwrap().target.rate;
    assert_eq!(rate("concurrency = 4"), RequestRate::Usual);
    assert_eq!(rate("requests-per-second = 7"), RequestRate::PerSecond(7.try_into().unwrap()));
    assert_eq!(rate("requests-per-second = 0"), RequestRate::Unlimited);
    assert_eq!(rate("requests-per-second = \"unlimited\""), RequestRate::Unlimited);
    let error = folder.error(&changed("concurrency = 4", "requests-per-second = \"fast\""));
    assert!(error.contains("target.requests-per-second is \"fast\""), "{error}");
}

#[test]
fn the_size_of_a_page_is_set_or_left_to_the_service() {
    let folder = Folder::new();
    let size = |line: &str| folder.read(&changed("concurrency = 4", line)).unwrap().target.page_size;
    assert_eq!((size("concurrency = 4"), size("page-size = 2_000")), (None, Some(2_000)));
    let error = folder.error(&changed("concurrency = 4", "page-size = 0"));
    assert!(error.contains("target.page-size"), "{error}");
}

#[test]
fn what_belongs_together_must_be_there_together() {
    let folder = Folder::new();
    for (line, words) in [
        ("client-key = \"a.key\"", "Add client-certificate"),
        ("client-certificate = \"a.pem\"", "Add client-key"),
        ("proxy-user = \"a\"", "Add proxy-password"),
        ("proxy-password = { env = \"X\" }", "Add proxy-user"),
    ] {
        let error = folder.error(&changed("concurrency = 4", line));
        assert!(error.contains(words), "{error}");
    }
    let login = "proxy-user = \"a\"\nproxy-password = { env = \"X\" }";
    let without_proxy = changed("proxy = \"http://proxy.lab01.example:3128\"", login);
    assert!(folder.error(&without_proxy).contains("no use without proxy"));
    let read =
        folder.read(&changed("concurrency = 4", &format!("{login}\nbulk = true\nidle-timeout = \"5s\""))).unwrap();
    assert_eq!((read.target.proxy_login.unwrap().0.as_str(), read.target.bulk), ("a", true));
}

#[test]
fn a_scope_may_be_made_of_groups() {
    let folder = Folder::new();
    let scope = |lines: &str| format!("{SMALL}[scope]\n{lines}\n");
    let read = folder.read(&scope("groups = [\"cn=staff,dc=x\"]")).unwrap().scope;
    assert_eq!((read.groups.len(), read.nested, read.is_all()), (1, false, false));
    let read = folder.read(&scope("groups = [\"cn=staff,dc=x\"]\ngroup-members = \"nested\"")).unwrap().scope;
    assert!(read.nested);
    for (lines, words) in [
        ("groups = []", "List a group"),
        ("group-members = \"nested\"", "no groups are listed"),
        ("groups = [\"cn=staff,dc=x\"]\ngroup-members = \"all\"", "group-members"),
    ] {
        let error = folder.error(&scope(lines));
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn references_by_value_follow_user_names_unless_told_otherwise() {
    let folder = Folder::new();
    let pairs = |text: &str| {
        let read = folder.read(text).unwrap().references_by;
        read.into_iter().map(|(name, by)| format!("{name}={by}")).collect::<Vec<_>>()
    };
    assert_eq!(pairs(SMALL), ["memberUid=uid"]);
    let with = |value: &str| SMALL.replacen("file =", &format!("references-by = {value}, file ="), 1);
    assert_eq!(pairs(&with("{ rfc822member = \"mail\" }")), ["rfc822member=mail"]);
    assert!(pairs(&with("{}")).is_empty());
    let error = folder.error(&with("{ memberUid = \"no name\" }"));
    assert!(error.contains("references-by.memberUid") && error.contains("no attribute name"), "{error}");
}

#[test]
fn objects_of_other_directories_are_found_by_what_the_configuration_says() {
    let folder = Folder::new();
    let read =
        |lines: &str| folder.read(&FULL.replacen("interval = \"5m\"", &format!("interval = \"5m\"\n{lines}"), 1));
    let across = |lines: &str| {
        let text = format!("{FULL}\n[[cross-reference]]\nattribute = \"mail\"\nfound-by = \"emails.value\"\n{lines}");
        folder.read(&text)
    };
    assert_eq!(read("").unwrap().shared, BTreeSet::new());
    assert_eq!(read("shared = [\"device\"]").unwrap().shared, BTreeSet::from(["device".to_owned()]));
    let wrong = |outcome: Result<Configuration, ConfigurationError>| folder.shown(&outcome.unwrap_err());
    assert!(
        wrong(read("shared = [\"contact\"]"))
            .contains("shared[0] is an object class that this configuration does not have")
    );
    let found = across("object-classes = [\"device\"]\n").unwrap().cross_references;
    let expected = CrossReference {
        attribute: "mail".into(),
        object_classes: BTreeSet::from(["device".to_owned()]),
        kind: "User".into(),
        path: "emails.value".parse().unwrap(),
    };
    assert_eq!(found, [expected]);
    let twice = "[[cross-reference]]\nattribute = \"mail\"\nfound-by = \"userName\"\n";
    assert!(wrong(across(twice)).contains("is the second for \"mail\""));
    assert!(wrong(across("by = \"x\"\n")).contains("is not a known setting"));
    assert!(wrong(across("object-classes = [\"contact\"]\n")).contains("is an object class"));
}
