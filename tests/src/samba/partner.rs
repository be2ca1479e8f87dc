//! Further controllers of a domain, which replicate when a test says so: any of them can lag as long as it takes.

use std::sync::Arc;

use anyhow::Result;

use super::{ADMIN_PASSWORD, Samba, SambaOptions};
use crate::slapd::client::run;

impl Samba {
    /// Starts a further controller of this one's domain, with everything that this one holds now. Afterwards a change
    /// at one is known to the other only when [`Samba::replicate_from`] was called.
    pub fn join(&self, name: &str) -> Result<Self> {
        let options = SambaOptions { ldif: String::new(), ..self.options.clone() };
        let mut samba = Self::new(name, options, Arc::clone(&self.authority))?;
        let mut command = samba.local("samba-tool")?;
        command.args(["domain", "join", &self.options.domain(), "DC", "--dns-backend=NONE"]);
        command.args(["--backend-store=mdb", "--backend-store-size=4Gb"]);
        run(command.args(administrator()).arg(format!("--server={}", self.address())))?;
        samba.begin()?;
        samba.add_principals()?;
        Ok(samba)
    }

    /// Fetches what changed at the other controller since the last time: objects, deletions and memberships of the
    /// domain, in this direction alone.
    pub fn replicate_from(&self, other: &Self) -> Result<()> {
        let mut command = self.local("samba-tool")?;
        command.args(["drs", "replicate", "--local"]).args(administrator());
        run(command.arg(self.name()).arg(other.address().to_string()).arg(self.base_dn())).map(drop)
    }
}

/// How Samba's tools sign in at another controller. By password: its name would have to be resolved for Kerberos.
fn administrator() -> [String; 3] {
    ["--use-kerberos=off".to_owned(), "-U".to_owned(), format!("Administrator%{ADMIN_PASSWORD}")]
}
