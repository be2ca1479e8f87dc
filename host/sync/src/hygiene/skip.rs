//! Objects that are not for a cloud: those that Active Directory and Exchange keep for themselves.

use super::object::{
    CN, CRITICAL, DISPLAY_NAME, GROUP_TYPE, HIDDEN, MAIL, MAIL_NICKNAME, Object, PROXY_ADDRESSES, RECIPIENT_TYPE,
    SAM_ACCOUNT_NAME, Sort,
};

/// What the common names of objects begin with that the system made.
const NAMES: [&str; 15] = [
    "Admini",
    "CAS_{",
    "DiscoverySearchMailbox",
    "FederatedEmail",
    "Guest",
    "HTTPConnector",
    "krbtgt",
    "iusr_",
    "iwam",
    "msol",
    "support_",
    "SystemMailbox",
    "WWIOadmini",
    "HealthMailbox",
    "Exchange Online-ApplicationAccount",
];
const ACCOUNT_NAMES: [&str; 3] = ["CAS_", "SUPPORT_", "MSOL_"];
const NICKNAMES: [&str; 2] = ["CAS_", "SYSTEMMAILBOX"];

/// Sorts of mailbox that Exchange has for itself.
const SYSTEM_MAILBOXES: [u64; 7] = [0x1000, 0x2000, 0x4000, 0x40_0000, 0x80_0000, 0x100_0000, 0x2000_0000];

/// The bit of `groupType` that makes a security group of a group.
const SECURITY: u32 = 0x8000_0000;

/// How much of an object is passed over, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skip {
    /// All of it.
    Wholly(&'static str),
    /// Its addresses and names; its members are looked at.
    Values(&'static str),
}

impl Skip {
    /// Why, in words for the report.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Wholly(reason) | Self::Values(reason) => reason,
        }
    }
}

/// Whether an object is passed over.
pub(crate) fn skip(object: &Object<'_>) -> Option<Skip> {
    if object.dn.contains("\nCNF:") || object.dn.contains("\\0ACNF:") {
        return Some(Skip::Wholly("left over from a replication conflict"));
    }
    if object.text(CRITICAL).is_some_and(|value| value.eq_ignore_ascii_case("TRUE")) {
        return Some(Skip::Wholly("a critical system object"));
    }
    if !object.is_active_directory() {
        return None;
    }
    if is_system_name(object) {
        return Some(Skip::Wholly("an account of the system, by its name"));
    }
    match object.sort {
        Sort::User if is_system_mailbox(object) => Some(Skip::Wholly("a mailbox of the system")),
        Sort::Group => skip_group(object),
        _ => None,
    }
}

fn is_system_name(object: &Object<'_>) -> bool {
    let begins = |attribute: &str, prefixes: &[&str]| {
        object.text(attribute).is_some_and(|value| prefixes.iter().any(|prefix| starts_with(value, prefix)))
    };
    let of_a_user = object.sort == Sort::User
        && (begins(SAM_ACCOUNT_NAME, &ACCOUNT_NAMES) || begins(MAIL_NICKNAME, &NICKNAMES) || is_hidden_service(object));
    of_a_user || begins(CN, &NAMES) || object.text(CN).is_some_and(|name| name.ends_with('$'))
}

fn is_hidden_service(object: &Object<'_>) -> bool {
    object.text(HIDDEN).is_some_and(|value| value.eq_ignore_ascii_case("TRUE"))
        && object.text(DISPLAY_NAME).is_some_and(|name| starts_with(name, "MSOL"))
}

fn is_system_mailbox(object: &Object<'_>) -> bool {
    let details = object.text(RECIPIENT_TYPE).and_then(|value| value.parse::<u64>().ok());
    details.is_some_and(|details| SYSTEM_MAILBOXES.contains(&details))
}

/// A group without an address is none of the mail system's, so that nothing refuses its names.
fn skip_group(object: &Object<'_>) -> Option<Skip> {
    // The directory writes the 32 bits as a number that may be negative.
    let bits = object.text(GROUP_TYPE)?.parse::<i64>().ok()?;
    let is_security = bits & i64::from(SECURITY) != 0;
    match is_security {
        true if !object.has(MAIL) => Some(Skip::Values("a security group without mail")),
        false if !object.has(PROXY_ADDRESSES) => Some(Skip::Values("a distribution group without addresses")),
        _ => None,
    }
}

/// Whether a text begins with another, whatever the case of ASCII letters.
fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::super::testing::with_object;
    use super::*;

    fn skipped(class: &str, attributes: &[(&str, &[&str])]) -> Option<Skip> {
        with_object(class, attributes, skip)
    }

    fn is_wholly(skip: Option<Skip>) -> bool {
        matches!(skip, Some(Skip::Wholly(_)))
    }

    #[test]
    fn what_the_system_made_is_passed_over() {
        let wholly: [&[(&str, &[&str])]; 9] = [
            &[("sAMAccountName", &["x"]), ("cn", &["krbtgt"])],
            &[("sAMAccountName", &["x"]), ("cn", &["HEALTHMAILBOX 0"])],
            &[("sAMAccountName", &["x"]), ("cn", &["lab$"])],
            &[("sAMAccountName", &["MSOL_1"]), ("cn", &["x"])],
            &[("mailNickname", &["SystemMailbox{1}"])],
            &[("sAMAccountName", &["x"]), ("isCriticalSystemObject", &["TRUE"])],
            &[("sAMAccountName", &["x"]), ("msExchRecipientTypeDetails", &["4096"])],
            &[("sAMAccountName", &["x"]), ("msExchRecipientTypeDetails", &["536870912"])],
            &[("sAMAccountName", &["x"]), ("msExchHideFromAddressLists", &["TRUE"]), ("displayName", &["MSOL x"])],
        ];
        for attributes in wholly {
            assert!(is_wholly(skipped("user", attributes)), "{attributes:?}");
        }
        let looked_at: [&[(&str, &[&str])]; 4] = [
            &[("sAMAccountName", &["ada"]), ("cn", &["Ada"]), ("msExchRecipientTypeDetails", &["1"])],
            &[("sAMAccountName", &["x"]), ("displayName", &["MSOL x"])],
            // Elsewhere than in Active Directory a guest is a person.
            &[("uid", &["guest"]), ("cn", &["Guest"])],
            &[("sAMAccountName", &["x"]), ("cn", &["Häuser"])],
        ];
        for attributes in looked_at {
            assert_eq!(skipped("user", attributes), None, "{attributes:?}");
        }
    }

    #[test]
    fn a_group_without_an_address_is_looked_at_for_its_members_alone() {
        let group = |kind: &'static str, with: &[(&str, &[&str])]| {
            let mut attributes: Vec<(&str, &[&str])> = vec![("sAMAccountName", &["g"]), ("cn", &["g"])];
            let kind = [kind];
            attributes.push(("groupType", &kind));
            attributes.extend_from_slice(with);
            skipped("group", &attributes)
        };
        let mail: [(&str, &[&str]); 1] = [("mail", &["g@lab.org"])];
        let proxies: [(&str, &[&str]); 1] = [("proxyAddresses", &["SMTP:g@lab.org"])];
        assert!(matches!(group("-2147483646", &[]), Some(Skip::Values(_))));
        assert!(matches!(group("2147483650", &[]), Some(Skip::Values(_))));
        assert_eq!(group("-2147483646", &mail), None);
        assert!(matches!(group("2", &mail), Some(Skip::Values(_))));
        assert_eq!(group("2", &proxies), None);
        assert_eq!(skipped("group", &[("cn", &["g"])]), None);
    }

    #[test]
    fn a_replication_conflict_is_known_by_its_name() {
        let attributes = provisor_model::Attributes::new();
        for (dn, expected) in [("CN=a\nCNF:1,DC=x", true), ("CN=a\\0ACNF:1,DC=x", true), ("CN=CNF:1,DC=x", false)] {
            let object = Object { dn, id: "1", class: "user", sort: Sort::User, attributes: &attributes };
            assert_eq!(is_wholly(skip(&object)), expected, "{dn}");
        }
    }
}
