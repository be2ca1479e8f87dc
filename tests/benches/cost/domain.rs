//! A domain of Active Directory that is read: a Samba domain controller of its own with accounts and groups.

use std::fmt::Write as _;

use anyhow::Result;
use provisor_tests::samba::ADMIN_PASSWORD;
use provisor_tests::{Samba, SambaOptions};

/// A running domain.
pub struct Domain {
    samba: Samba,
    accounts: usize,
    changed: usize,
}

impl Domain {
    /// Starts a domain of so many accounts, a group for each fifty, the first of which has two fifths of all.
    pub fn start(accounts: usize) -> Result<Self> {
        let mut ldif = "dn: OU=People,DC=lab,DC=test\nobjectClass: organizationalUnit\n\n".to_owned();
        for number in 0..accounts {
            let account = format!(
                "sAMAccountName: u{number}\nmail: u{number}@lab.test\ntitle: Engineer\nuserAccountControl: 544\n"
            );
            write!(ldif, "dn: CN=u{number},OU=People,DC=lab,DC=test\nobjectClass: user\n{account}\n")?;
        }
        for group in 0..accounts / 50 {
            let size = if group == 0 { accounts * 2 / 5 } else { 20 };
            write!(ldif, "dn: CN=g{group},OU=People,DC=lab,DC=test\nobjectClass: group\nsAMAccountName: g{group}\n")?;
            for member in 0..size {
                writeln!(ldif, "member: CN=u{},OU=People,DC=lab,DC=test", (group * 37 + member) % accounts)?;
            }
            ldif.push('\n');
        }
        let samba = Samba::start(&SambaOptions { ldif, ..SambaOptions::default() })?;
        Ok(Self { samba, accounts, changed: 0 })
    }

    /// How many accounts and groups there are.
    pub fn objects(&self) -> usize {
        self.accounts + self.accounts / 50
    }

    /// What a configuration says of it, but for the password.
    pub fn section(&self) -> String {
        let (url, ca, who) = (self.samba.url(), self.samba.ca_file(), self.samba.admin());
        let ca = ca.display();
        format!("kind = \"active-directory\"\nurl = \"{url}\"\nca = \"{ca}\"\nbind-dn = \"{who}\"\n")
    }

    /// The password of the account that reads.
    pub fn password(&self) -> &'static str {
        ADMIN_PASSWORD
    }

    /// Gives so many people another title.
    pub fn change(&mut self, count: usize) -> Result<()> {
        self.changed += 1;
        let step = (self.accounts / count).max(1);
        let records = (0..count).map(|number| {
            let (account, title) = ((number * step) % self.accounts, format!("Title {} {number}", self.changed));
            let dn = format!("CN=u{account},OU=People,DC=lab,DC=test");
            format!("dn: {dn}\nchangetype: modify\nreplace: title\ntitle: {title}\n\n")
        });
        self.samba.apply(&records.collect::<String>())
    }
}
