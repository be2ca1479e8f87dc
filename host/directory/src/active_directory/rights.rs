//! The rights that an import needs, and the commands that grant them, on Windows and on Samba.

use ldap3::Scope;
use provisor_model::AttributeName;

use crate::connection::Connection;
use crate::error::{DirectoryError, server_words};
use crate::identity;
use crate::reading::Raw as _;
use crate::search::few::{FewSearch, texts};

/// The account that reads the directory, as the commands name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// As `dsacls` takes it: `DOMAIN\name` or `name@domain`.
    windows: String,
    /// Its distinguished name, as `samba-tool` takes it.
    dn: String,
}

/// What stands for the account where it is not known.
const SOMEBODY: &str = "DOMAIN\\account";
const SOMEBODY_DN: &str = "DN-of-the-account";

impl Account {
    /// Finds out who binds by this name: a DN, a user principal name or DOMAIN\name.
    ///
    /// # Errors
    /// When the controller cannot be asked.
    pub async fn find(connection: &mut Connection, domain: &str, name: &str) -> Result<Self, DirectoryError> {
        let short = name.rsplit_once('\\').map(|(_, own)| own).or_else(|| name.split_once('@').map(|(own, _)| own));
        let attribute = AttributeName::from;
        let mut parts = identity::equality(&attribute("distinguishedName"), name.as_bytes());
        parts.push_str(&identity::equality(&attribute("userPrincipalName"), name.as_bytes()));
        if let Some(short) = short {
            parts.push_str(&identity::equality(&attribute("sAMAccountName"), short.as_bytes()));
        }
        let filter = format!("(&(objectClass=user)(|{parts}))");
        let attributes = ["sAMAccountName".to_owned()];
        let search =
            FewSearch { base: domain, scope: Scope::Subtree, filter: &filter, attributes: &attributes, limit: 2 };
        let found = search.run_with(connection, vec![super::controls::domain_scope()]).await?;
        let [raw] = found.as_slice() else {
            let windows = if short.is_some() { server_words(name) } else { SOMEBODY.to_owned() };
            return Ok(Self { windows, dn: SOMEBODY_DN.to_owned() });
        };
        let windows = match texts(raw, "sAMAccountName").next() {
            _ if short.is_some() => server_words(name),
            Some(own) => format!("DOMAIN\\{}", server_words(own)),
            None => SOMEBODY.to_owned(),
        };
        Ok(Self { windows, dn: server_words(raw.dn()) })
    }

    /// How to grant the right to read.
    pub fn grant_reading(&self, domain: &str) -> String {
        let Self { windows, dn } = self;
        let sddl = "(A;CI;RPLCRC;;;SID-of-the-account)";
        format!(
            "Grant it: on Windows dsacls \"{domain}\" /I:T /G \"{windows}:GR\"; on Samba samba-tool dsacl set --objectdn=\"{domain}\" \
             --sddl=\"{sddl}\" (the account is \"{dn}\")"
        )
    }

    /// How to grant Replicating Directory Changes.
    pub fn grant_replication(&self, domain: &str) -> String {
        let Self { windows, dn } = self;
        format!(
            "Grant it: on Windows dsacls \"{domain}\" /G \"{windows}:CA;Replicating Directory Changes\"; on Samba samba-tool dsacl set \
             --action=allow --car=get-changes --objectdn=\"{domain}\" --trusteedn=\"{dn}\""
        )
    }

    /// How to let the account see deleted objects.
    pub fn grant_deleted(&self, domain: &str) -> String {
        let windows = &self.windows;
        format!(
            "Grant it: on Windows dsacls \"CN=Deleted Objects,{domain}\" /takeownership, then dsacls \"CN=Deleted Objects,{domain}\" /G \
             \"{windows}:LCRP\"; on Samba ldbmodify --show-deleted, as docs/sources/active-directory.md has it"
        )
    }
}
