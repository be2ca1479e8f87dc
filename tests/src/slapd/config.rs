//! The text of slapd.conf for a test's server.

use std::path::Path;

use super::{ADMIN_DN, ADMIN_PASSWORD, ChangeLog, SlapdOptions};
use crate::ldif::{SUFFIX, SYNC_DN};

/// Where Debian puts schemas and modules.
const SCHEMAS: &str = "/etc/ldap/schema";
const MODULES: &str = "/usr/lib/ldap";

/// Renders the configuration for a server in this folder.
pub fn render(folder: &Path, options: &SlapdOptions) -> String {
    let mut config = global(folder, options);
    if options.change_log == ChangeLog::AccessLog {
        config.push_str(&access_log_database(folder));
    }
    config.push_str(&main_database(folder, options));
    config
}

fn global(folder: &Path, options: &SlapdOptions) -> String {
    let folder = folder.display();
    let size_limit = &options.size_limit;
    let server_id = options.server_id;
    let further = options.global_directives.join("\n");
    format!(
        r#"include {SCHEMAS}/core.schema
include {SCHEMAS}/cosine.schema
include {SCHEMAS}/inetorgperson.schema
include {SCHEMAS}/nis.schema
modulepath {MODULES}
moduleload back_mdb
moduleload syncprov
moduleload accesslog
moduleload refint
moduleload memberof
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
serverID {server_id}
sizelimit {size_limit}
threads 4
tool-threads 2
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
TLSProtocolMin 3.3
# Whoever may reach the socket, in a folder of the test's own, is the administrator.
authz-regexp "gidNumber=[0-9]+[+]uidNumber=[0-9]+,cn=peercred,cn=external,cn=auth" "{ADMIN_DN}"
{further}

"#
    )
}

fn access_log_database(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "database mdb
suffix cn=accesslog
directory {folder}/accesslog
envflags nosync
rootdn cn=admin,cn=accesslog
maxsize 2147483648
index default eq
index entryCSN,objectClass,reqEnd,reqResult,reqStart,reqDN
overlay syncprov
syncprov-nopresent TRUE
syncprov-reloadhint TRUE

"
    )
}

/// A test's data need not survive a power cut: `nosync` makes its changes some thirty times as fast.
fn main_database(folder: &Path, options: &SlapdOptions) -> String {
    let folder = folder.display();
    let access: String = options.access.iter().map(|line| format!("{line}\n")).collect();
    let mut config = format!(
        r#"database mdb
suffix "{SUFFIX}"
rootdn "{ADMIN_DN}"
rootpw {ADMIN_PASSWORD}
directory {folder}/data
maxsize 8589934592
envflags nosync
index objectClass eq
index entryUUID,entryCSN eq
index uid,mail,employeeNumber eq
index cn,sn eq,sub
index member eq
limits dn.exact="{SYNC_DN}" size=unlimited time=unlimited
{access}access to attrs=userPassword by dn.exact="{SYNC_DN}" write by self write by anonymous auth by * none
access to * by dn.exact="{SYNC_DN}" write by users read by * none
"#
    );
    for line in &options.directives {
        config.push_str(line);
        config.push('\n');
    }
    if options.member_of {
        config.push_str("overlay memberof\nmemberof-group-oc groupOfNames\nmemberof-member-ad member\n");
    }
    if options.refint {
        config.push_str(&format!("overlay refint\nrefint_attributes member manager\nrefint_nothing \"{ADMIN_DN}\"\n"));
    }
    config.push_str(&change_log(options.change_log));
    config
}

fn change_log(change_log: ChangeLog) -> String {
    match change_log {
        ChangeLog::None => String::new(),
        ChangeLog::SessionLog(changes) => {
            format!("overlay syncprov\nsyncprov-checkpoint 1000 1\nsyncprov-sessionlog {changes}\n")
        }
        ChangeLog::AccessLog => {
            "overlay syncprov\nsyncprov-checkpoint 1000 1\nsyncprov-sessionlog-source cn=accesslog\n\
             overlay accesslog\nlogdb cn=accesslog\nlogops writes\nlogsuccess TRUE\nlogpurge 07+00:00 01+00:00\n"
                .to_owned()
        }
    }
}
