//! Values that only one object may have: who has which, over all attributes that a service throws together.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};

use provisor_model::fold_case;

use super::finding::{FindingKind, Findings};
use super::object::{
    MAIL, MAIL_NICKNAME, Object, PROXY_ADDRESSES, SAM_ACCOUNT_NAME, Sort, TARGET_ADDRESS, UID, USER_PRINCIPAL_NAME,
};
use super::roster::{Place, Roster};

/// How many others a finding names.
const NAMED: usize = 5;

/// What is called an anchor in findings.
const ANCHOR: &str = "anchor";

/// The attributes whose values are compared; a set of them is a bit each.
const COMPARED: [&str; 8] =
    [USER_PRINCIPAL_NAME, MAIL, PROXY_ADDRESSES, TARGET_ADDRESS, MAIL_NICKNAME, SAM_ACCOUNT_NAME, UID, ANCHOR];

/// Among which values one is unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Namespace {
    /// Mail addresses and what people sign in by.
    Address,
    /// Where mail is sent on to.
    Forward,
    /// Addresses of other sorts, with the name of the sort.
    OtherAddress,
    /// Nicknames of one sort of object.
    Nickname(Sort),
    /// Names of accounts without a domain.
    Account,
    /// What the target knows objects by.
    Anchor,
}

/// Who has a value, and as which attributes.
#[derive(Clone, Copy, Debug)]
struct Holder {
    place: Place,
    attributes: u8,
}

impl Holder {
    /// The names of the attributes.
    fn names(self) -> impl Iterator<Item = &'static str> {
        let has = move |bit: &usize| self.attributes & (1 << bit) != 0;
        COMPARED.iter().enumerate().filter(move |(bit, _)| has(bit)).map(|(_, name)| *name)
    }

    /// The one by which a finding goes.
    fn attribute(self) -> &'static str {
        self.names().next().unwrap_or(ANCHOR)
    }
}

/// A value that several have.
#[derive(Debug)]
struct Shared {
    namespace: Namespace,
    value: String,
    holders: Vec<Holder>,
}

/// Who has which value. Of a value that one alone has, a digest is kept; see the roster about those.
#[derive(Debug, Default)]
pub(crate) struct Values {
    state: RandomState,
    first: HashMap<u64, Holder>,
    shared: HashMap<u64, Shared>,
}

impl Values {
    /// Notes all values of an object that have to be unique. `alternate_id`: its user principal name does not count.
    pub fn note_all(&mut self, place: Place, object: &Object<'_>, alternate_id: bool) {
        let mut signs_in = false;
        for value in object.texts(USER_PRINCIPAL_NAME).filter(|_| !alternate_id) {
            signs_in = true;
            self.note(Namespace::Address, value, place, USER_PRINCIPAL_NAME);
        }
        for value in object.texts(MAIL) {
            self.note(Namespace::Address, value, place, MAIL);
        }
        for value in object.texts(PROXY_ADDRESSES) {
            let (namespace, address) = address_of(value, Namespace::Address);
            self.note(namespace, address, place, PROXY_ADDRESSES);
        }
        for value in object.texts(TARGET_ADDRESS) {
            let (namespace, address) = address_of(value, Namespace::Forward);
            self.note(namespace, address, place, TARGET_ADDRESS);
        }
        for value in object.texts(MAIL_NICKNAME) {
            self.note(Namespace::Nickname(object.sort), value, place, MAIL_NICKNAME);
        }
        // Who signs in by a name with a domain may share the one without with somebody of another domain.
        for value in object.texts(SAM_ACCOUNT_NAME).filter(|_| !signs_in) {
            self.note(Namespace::Account, value, place, SAM_ACCOUNT_NAME);
        }
        for value in object.texts(UID).filter(|_| object.sort == Sort::User) {
            self.note(Namespace::Account, value, place, UID);
        }
    }

    /// Notes what the target knows an object by.
    pub fn note_anchor(&mut self, place: Place, anchor: &str) {
        self.note(Namespace::Anchor, anchor, place, ANCHOR);
    }

    fn note(&mut self, namespace: Namespace, value: &str, place: Place, attribute: &str) {
        let value = value.trim();
        let Some(bit) = COMPARED.iter().position(|name| *name == attribute) else { return };
        if value.is_empty() {
            return;
        }
        let digest = self.digest(namespace, value);
        let holder = Holder { place, attributes: 1 << bit };
        let mut first = match self.first.entry(digest) {
            Entry::Vacant(vacant) => {
                vacant.insert(holder);
                return;
            }
            Entry::Occupied(first) => first,
        };
        match self.shared.entry(digest) {
            Entry::Vacant(_) if first.get().place == place => first.get_mut().attributes |= holder.attributes,
            Entry::Vacant(vacant) => {
                let holders = vec![*first.get(), holder];
                // However each of them spells it.
                let value = if namespace == Namespace::Anchor { value.to_owned() } else { fold_case(value) };
                vacant.insert(Shared { namespace, value, holders });
            }
            Entry::Occupied(mut shared) => {
                // All values of an object come together, so that it is the last one where it is there already.
                let holders = &mut shared.get_mut().holders;
                match holders.last_mut().filter(|last| last.place == place) {
                    Some(last) => last.attributes |= holder.attributes,
                    None => holders.push(holder),
                }
            }
        }
    }

    fn digest(&self, namespace: Namespace, value: &str) -> u64 {
        match namespace {
            // The target compares anchors as they are written.
            Namespace::Anchor => self.state.hash_one((namespace, value)),
            _ => self.state.hash_one((namespace, fold_case(value))),
        }
    }

    /// Who has a value, and by which attribute first.
    pub fn holders(&self, namespace: Namespace, value: &str) -> Vec<(Place, &'static str)> {
        let digest = self.digest(namespace, value.trim());
        let named = |holder: &Holder| (holder.place, holder.attribute());
        match (self.shared.get(&digest), self.first.get(&digest)) {
            (Some(shared), _) => shared.holders.iter().map(named).collect(),
            (None, first) => first.map(named).into_iter().collect(),
        }
    }

    /// Tells of every value that several have, for each of them.
    pub fn report(&self, roster: &Roster, findings: &mut Findings) {
        for shared in self.shared.values() {
            let error = match shared.namespace {
                Namespace::Anchor => FindingKind::Anchor,
                _ => FindingKind::Duplicate,
            };
            for holder in &shared.holders {
                let attribute = holder.attribute();
                findings.add(error, attribute, || {
                    roster.finding(holder.place, attribute, error, &shared.value, shared.words(*holder, roster))
                });
            }
        }
    }
}

impl Shared {
    /// Who else has the value, in words.
    fn words(&self, holder: Holder, roster: &Roster) -> String {
        let others = self.holders.iter().filter(|other| other.place != holder.place);
        let named: Vec<String> = others
            .take(NAMED)
            .map(|other| match self.namespace {
                Namespace::Anchor => roster.dn(other.place).to_owned(),
                _ => format!("{} ({})", roster.dn(other.place), other.names().collect::<Vec<_>>().join(", ")),
            })
            .collect();
        let more = match self.holders.len() - 1 - named.len() {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let named = named.join("; ");
        if self.namespace == Namespace::Anchor {
            return format!("The target would take it for the same object as: {named}{more}");
        }
        let own: Vec<&str> = holder.names().skip(1).collect();
        let own = if own.is_empty() { String::new() } else { format!(" (here also {})", own.join(", ")) };
        format!("Others have it too{own}: {named}{more}")
    }
}

/// The address in a value that begins with the name of its sort, and among which it is unique: mail goes with `mail`.
fn address_of(value: &str, mail: Namespace) -> (Namespace, &str) {
    match value.split_once(':') {
        Some((prefix, address)) if prefix.eq_ignore_ascii_case("smtp") => (mail, address),
        None => (mail, value),
        Some(_) => (Namespace::OtherAddress, value),
    }
}

#[cfg(test)]
mod tests {
    use provisor_model::{DnKey, IdSyntax, SourceId};

    use super::super::finding::Finding;
    use super::super::testing::with_object;
    use super::*;

    type Given<'a> = (&'a str, &'a str, &'a [(&'a str, &'a [&'a str])]);

    /// What is found when these people have these values.
    fn found(people: &[Given<'_>]) -> Vec<Finding> {
        let (mut roster, mut values, mut findings) = (Roster::default(), Values::default(), Findings::default());
        for (name, class, attributes) in people {
            let id = SourceId::parse(IdSyntax::Text, name).unwrap();
            let (place, dn) = (roster.place(&id).unwrap(), format!("cn={name}"));
            roster.enter(place, &dn, &DnKey::of(&dn).unwrap(), &id, class);
            with_object(class, attributes, |object| values.note_all(place, object, false));
        }
        values.report(&roster, &mut findings);
        findings.finish().0
    }

    fn briefly(findings: &[Finding]) -> Vec<(&str, &str)> {
        findings.iter().map(|finding| (finding.dn.as_str(), finding.attribute.as_str())).collect()
    }

    #[test]
    fn an_address_is_one_whatever_the_attribute_and_the_case() {
        let findings = found(&[
            (
                "ada",
                "user",
                &[("userPrincipalName", &["a@lab.org"]), ("proxyAddresses", &["SMTP:a@lab.org", "smtp:x@lab.org"])],
            ),
            ("bob", "user", &[("mail", &["A@LAB.org "])]),
            ("cy", "contact", &[("proxyAddresses", &["smtp:a@Lab.org"])]),
            ("dee", "user", &[("mail", &["d@lab.org"]), ("proxyAddresses", &["sip:a@lab.org"])]),
        ]);
        assert_eq!(
            briefly(&findings),
            [("cn=ada", "userPrincipalName"), ("cn=bob", "mail"), ("cn=cy", "proxyAddresses")]
        );
        assert!(findings.iter().all(|finding| finding.value == "a@lab.org"), "{findings:?}");
        assert_eq!(
            findings[0].explanation,
            "Others have it too (here also proxyAddresses): cn=bob (mail); cn=cy (proxyAddresses)"
        );
        assert_eq!(
            findings[1].explanation,
            "Others have it too: cn=ada (userPrincipalName, proxyAddresses); cn=cy (proxyAddresses)"
        );
    }

    #[test]
    fn what_one_has_several_times_is_no_duplicate() {
        let own: Given<'_> = (
            "ada",
            "user",
            &[("mail", &["a@lab.org"]), ("userPrincipalName", &["a@lab.org"]), ("proxyAddresses", &["SMTP:A@lab.org"])],
        );
        assert_eq!(found(&[own]), []);
    }

    #[test]
    fn nicknames_are_unique_among_their_sort() {
        let nick: &[(&str, &[&str])] = &[("mailNickname", &["lab"])];
        assert_eq!(found(&[("ada", "user", nick), ("lab", "group", nick)]), []);
        assert_eq!(briefly(&found(&[("a", "user", nick), ("b", "user", nick)])).len(), 2);
    }

    #[test]
    fn an_account_name_counts_where_nothing_else_is_signed_in_by() {
        let with: &[(&str, &[&str])] = &[("sAMAccountName", &["ada"]), ("userPrincipalName", &["ada@one.org"])];
        let without: &[(&str, &[&str])] = &[("sAMAccountName", &["ada"])];
        assert_eq!(found(&[("a", "user", with), ("b", "user", without)]), []);
        let both = found(&[("a", "user", without), ("b", "user", without)]);
        assert_eq!(briefly(&both), [("cn=a", "sAMAccountName"), ("cn=b", "sAMAccountName")]);
    }

    #[test]
    fn of_many_who_share_a_value_few_are_named() {
        let names: Vec<String> = (0..20).map(|number| format!("p{number:02}")).collect();
        let mail: &[(&str, &[&str])] = &[("mail", &["a@lab.org"])];
        let people: Vec<Given<'_>> = names.iter().map(|name| (name.as_str(), "user", mail)).collect();
        let findings = found(&people);
        assert_eq!(findings.len(), 20);
        assert!(findings[0].explanation.ends_with("; and 14 more"), "{}", findings[0].explanation);
    }

    #[test]
    fn anchors_are_compared_as_they_are_written() {
        let (mut roster, mut values, mut findings) = (Roster::default(), Values::default(), Findings::default());
        for (name, anchor) in [("a", "X1"), ("b", "x1"), ("c", "X1")] {
            let id = SourceId::parse(IdSyntax::Text, name).unwrap();
            let (place, dn) = (roster.place(&id).unwrap(), format!("cn={name}"));
            roster.enter(place, &dn, &DnKey::of(&dn).unwrap(), &id, "user");
            values.note_anchor(place, anchor);
        }
        values.report(&roster, &mut findings);
        let findings = findings.finish().0;
        assert_eq!(briefly(&findings), [("cn=a", "anchor"), ("cn=c", "anchor")]);
        assert_eq!(findings[0].error, FindingKind::Anchor);
        assert_eq!(findings[0].explanation, "The target would take it for the same object as: cn=c");
    }
}
