//! Who is never provisioned from Active Directory: what the system made for itself, and the losers of replication
//! conflicts. They are read all the same, since others are named by them, and have no object class.

use crate::reading::Raw;
use crate::search::few::texts;

/// The attributes by which it is decided.
pub(crate) const DECIDING: &[&str] =
    &["objectClass", "isCriticalSystemObject", "sAMAccountName", "mailNickname", "msExchRecipientTypeDetails", "name"];

/// The kinds of mailboxes that Exchange keeps for itself, by bits of msExchRecipientTypeDetails: of users, and of groups.
const SYSTEM_MAILBOXES: i64 = 0x21C0_7000;
const SYSTEM_GROUPS: i64 = 0x4000_0000;

/// How the account names of those begin that Microsoft's products make for themselves.
const SYSTEM_ACCOUNTS: &[&str] = &["MSOL_", "AAD_", "SUPPORT_388945a0"];

/// What an object that lost a name conflict has in its name (MS-ADTS, section 3.1.1.5.1.3): a line feed and this.
const CONFLICT: &str = "\nCNF:";
const CONFLICT_IN_DN: &str = "\\0ACNF:";

/// Whether an object, whole and with its plain name, is left out.
pub(crate) fn is_skipped(dn: &str, object: &impl Raw) -> bool {
    let first = |name: &str| texts(object, name).next();
    let is = |class: &str| texts(object, "objectClass").any(|own| own.eq_ignore_ascii_case(class));
    let critical = first("isCriticalSystemObject").is_some_and(|flag| flag.eq_ignore_ascii_case("TRUE"));
    let conflict = dn.contains(CONFLICT_IN_DN) || first("name").is_some_and(|name| name.contains(CONFLICT));
    let account = first("sAMAccountName").unwrap_or_default();
    let nickname = first("mailNickname").unwrap_or_default();
    let bits = first("msExchRecipientTypeDetails").and_then(|number| number.parse::<i64>().ok()).unwrap_or_default();
    let exchange = bits & if is("group") { SYSTEM_GROUPS } else { SYSTEM_MAILBOXES } != 0;
    let named = SYSTEM_ACCOUNTS.iter().any(|start| begins(account, start))
        || begins(nickname, "SystemMailbox{")
        || [account, nickname].iter().any(|name| begins(name, "CAS_") && name.contains('}'));
    critical || conflict || exchange || (named && !is("organizationalUnit"))
}

fn begins(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{RawAttribute, RawEntry};

    fn skipped(dn: &str, attributes: &[(&str, &str)]) -> bool {
        let attribute = |(name, value): &(&str, &str)| RawAttribute {
            name: (*name).to_owned(),
            values: vec![value.as_bytes().to_vec()],
        };
        let object = RawEntry { dn: dn.into(), attributes: attributes.iter().map(attribute).collect() };
        is_skipped(dn, &object)
    }

    #[test]
    fn what_the_system_made_for_itself_is_left_out() {
        for attribute in [
            ("isCriticalSystemObject", "TRUE"),
            ("sAMAccountName", "MSOL_0123"),
            ("samaccountname", "aad_0123"),
            ("mailNickname", "SystemMailbox{1f05}"),
            ("sAMAccountName", "CAS_{1f05}"),
            ("msExchRecipientTypeDetails", "4096"),
            ("name", "Ann\nCNF:63374e0e-62be-40e3-8213-7d7abbc1afac"),
        ] {
            assert!(skipped("CN=x,DC=lab", &[("objectClass", "user"), attribute]), "{attribute:?}");
        }
        assert!(skipped("CN=Ann\\0ACNF:63374e0e-62be-40e3-8213-7d7abbc1afac,DC=lab", &[("objectClass", "user")]));
    }

    #[test]
    fn people_are_not_left_out_for_their_names() {
        for attribute in [
            ("isCriticalSystemObject", "FALSE"),
            ("sAMAccountName", "CAS_berg"),
            ("sAMAccountName", "cnf"),
            ("sAMAccountName", "é"),
            ("msExchRecipientTypeDetails", "1"),
            ("msExchRecipientTypeDetails", "1073741824"),
            ("msExchRecipientTypeDetails", "many"),
        ] {
            assert!(!skipped("CN=CNF:x,DC=lab", &[("objectClass", "user"), attribute]), "{attribute:?}");
        }
    }

    #[test]
    fn exchange_keeps_some_groups_for_itself() {
        assert!(skipped("CN=x", &[("objectClass", "group"), ("msExchRecipientTypeDetails", "1073741824")]));
        assert!(!skipped("CN=x", &[("objectClass", "group"), ("msExchRecipientTypeDetails", "4096")]));
    }
}
