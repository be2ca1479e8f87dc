//! The folders and files of a controller, but for its data.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};

use super::SambaOptions;

/// The folders that Samba expects, with the modes that it insists on.
const FOLDERS: &[(&str, u32)] = &[
    ("etc", 0o755),
    ("private", 0o700),
    ("state", 0o755),
    ("cache", 0o755),
    ("lock", 0o755),
    ("run", 0o755),
    ("log", 0o755),
    ("ncalrpc", 0o755),
    ("winbindd", 0o755),
    ("ntp", 0o750),
    ("tls", 0o700),
];

/// Makes the folders of a controller.
pub fn make_folders(folder: &Path) -> Result<()> {
    for (name, mode) in FOLDERS {
        let path = folder.join(name);
        DirBuilder::new().mode(*mode).create(&path).with_context(|| format!("cannot make Samba's folder {name}"))?;
        // The process's mask may have taken something away.
        fs::set_permissions(&path, fs::Permissions::from_mode(*mode))?;
    }
    Ok(())
}

/// Writes a private key, which Samba takes only from a file that nobody else may read.
pub fn write_key(file: &Path, pem: &str) -> Result<()> {
    let mut options = OpenOptions::new();
    let mut key = options.write(true).create(true).truncate(true).mode(0o600).open(file)?;
    key.write_all(pem.as_bytes()).context("cannot write Samba's key")
}

/// Renders smb.conf for a controller in this folder, at this address.
pub fn smb_conf(folder: &Path, name: &str, address: Ipv4Addr, options: &SambaOptions) -> String {
    let folder = folder.display();
    let SambaOptions { realm, workgroup, .. } = options;
    let domain = options.domain();
    let further: String = options.settings.iter().map(|line| format!("{line}\n")).collect();
    // Only what an LDAP and Kerberos client needs, and what a second controller replicates by: replication itself is
    // asked for by tests. Other servers sign and seal, or take a simple bind over TLS; like Windows, this one also
    // takes Kerberos over TLS without a second encryption. Changes need not survive a power cut.
    format!(
        "[global]
netbios name = {name}
realm = {realm}
workgroup = {workgroup}
server role = active directory domain controller
server services = rpc, ldap, cldap, kdc
interfaces = {address}/8
bind interfaces only = yes
rpc server dynamic port range = 49152-49170
private dir = {folder}/private
lock directory = {folder}/lock
state directory = {folder}/state
cache directory = {folder}/cache
binddns dir = {folder}/state
pid directory = {folder}/run
ncalrpc dir = {folder}/ncalrpc
winbindd socket directory = {folder}/winbindd
ntp signd socket directory = {folder}/ntp
log file = {folder}/log/other.log
tls enabled = yes
tls keyfile = {folder}/tls/server.key
tls certfile = {folder}/tls/server.pem
tls cafile = {folder}/tls/ca.pem
ldap server require strong auth = allow_sasl_over_tls
dsdb:schema update allowed = yes
ldb:nosync = true
vfs objects = dfs_samba4 acl_xattr xattr_tdb
posix:eadb = {folder}/state/eadb.tdb
{further}
[sysvol]
path = {folder}/state/sysvol
read only = no

[netlogon]
path = {folder}/state/sysvol/{domain}/scripts
read only = no
"
    )
}

/// Renders a krb5.conf that finds the realm at this address, without a name server.
pub fn krb5_conf(options: &SambaOptions, address: Ipv4Addr) -> String {
    let (realm, domain) = (&options.realm, options.domain());
    format!(
        "[libdefaults]
default_realm = {realm}
dns_lookup_realm = false
dns_lookup_kdc = false
dns_canonicalize_hostname = false
rdns = false

[realms]
{realm} = {{
    kdc = {address}
    kpasswd_server = {address}
    default_domain = {domain}
}}

[domain_realm]
.{domain} = {realm}
{domain} = {realm}
{address} = {realm}
"
    )
}
