//! What the target holds already: users that have an address or name of an object here, and are not that object's.

use provisor_model::SourceId;

use super::finding::{Finding, FindingKind, shown};
use super::roster::{Place, Roster};
use super::values::{Namespace, Values};

/// The path of a user's name at the target.
pub(crate) const USER_NAME: &str = "userName";
/// The path of a user's addresses at the target.
pub(crate) const EMAILS: &str = "emails";

/// The most objects that one user of the target is compared with.
const MOST_CLAIMS: usize = 10;

/// A user of the target, as far as it is compared.
#[derive(Clone, Debug)]
pub(crate) struct TargetUser {
    /// What the target calls it.
    pub id: String,
    /// What people call it.
    pub display: String,
    /// Whose it is, as the target was told.
    pub external_id: Option<String>,
    /// Its names and addresses, each with its path.
    pub values: Vec<(&'static str, String)>,
}

/// An object that has a value of a user of the target.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// The object.
    pub place: Place,
    /// Its source id.
    pub id: SourceId,
    /// Its object class.
    pub class: String,
    /// The attribute here.
    pub attribute: &'static str,
    /// The path there.
    pub path: &'static str,
    /// The value.
    pub value: String,
}

/// How a user of the target stands to an object that has its value, and is not who it is linked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is linked to another object, of this name.
    Linked(String),
    /// The object has another resource already.
    Other,
    /// It is linked to nobody; whether the configuration matches by the path.
    Free { matched: bool },
}

/// The objects that have a value of this user; none where one of them is who it belongs to by its anchor: others that have
/// the value too are told of as duplicates.
pub(crate) fn claims(values: &Values, roster: &Roster, user: &TargetUser) -> Vec<Claim> {
    let mut claims: Vec<Claim> = Vec::new();
    for (path, value) in &user.values {
        let mut found = values.holders(Namespace::Address, value);
        if *path == USER_NAME {
            found.extend(values.holders(Namespace::Account, value));
        }
        for (place, attribute) in found {
            let Some(id) = roster.id(place).filter(|_| claims.len() < MOST_CLAIMS) else { continue };
            if claims.iter().all(|claim| claim.place != place) {
                let (id, class) = (id.clone(), roster.class_of(place).to_owned());
                claims.push(Claim { place, id, class, attribute, path, value: value.clone() });
            }
        }
    }
    let owners = owners(values, user);
    if claims.iter().any(|claim| owners.contains(&claim.place)) { Vec::new() } else { claims }
}

/// Who the user belongs to by its anchor.
fn owners(values: &Values, user: &TargetUser) -> Vec<Place> {
    let anchor = user.external_id.as_ref();
    let holders = anchor.map(|anchor| values.holders(Namespace::Anchor, anchor)).unwrap_or_default();
    holders.into_iter().map(|(place, _)| place).collect()
}

/// Tells of a user of the target that has a value of an object it does not belong to.
pub(crate) fn finding(
    values: &Values,
    roster: &Roster,
    user: &TargetUser,
    claim: &Claim,
    standing: &Standing,
) -> Finding {
    let path = claim.path;
    let by_anchor = owners(values, user).first().map(|place| roster.dn(*place));
    let rest = match (standing, by_anchor, &user.external_id) {
        (Standing::Linked(dn), ..) => format!(", and is kept in step with {dn}"),
        (_, Some(dn), _) => format!(", and by its externalId it is {dn}"),
        (_, None, Some(_)) => {
            ", and its externalId is nobody's here: it belongs to another source, or to an object that is gone"
                .to_owned()
        }
        (Standing::Other, ..) => ", and is linked to nobody; this object has another resource already".to_owned(),
        (Standing::Free { matched: true }, ..) => {
            format!(", and is linked to nobody: a cycle takes it over, because [match] lists {path}")
        }
        (Standing::Free { matched: false }, ..) => {
            let advice = "else another user is made, or refused";
            format!(", and is linked to nobody. To take it over, list {path} under [match]; {advice}")
        }
    };
    let place = if path == EMAILS { "in" } else { "as" };
    let (display, id) = (shown(&user.display), shown(&user.id));
    let words = format!("The user {display} ({id}) of the target has it {place} {path}{rest}");
    roster.finding(claim.place, claim.attribute, FindingKind::Conflict, &claim.value, words)
}

#[cfg(test)]
mod tests {
    use provisor_model::{DnKey, IdSyntax};

    use super::super::testing::with_object;
    use super::*;

    /// Ada and Bob, each with an anchor and a mail address.
    fn people() -> (Values, Roster) {
        let (mut values, mut roster) = (Values::default(), Roster::default());
        for name in ["ada", "bob"] {
            let id = SourceId::parse(IdSyntax::Text, name).unwrap();
            let (place, dn) = (roster.place(&id).unwrap(), format!("cn={name}"));
            roster.enter(place, &dn, &DnKey::of(&dn).unwrap(), &id, "user");
            values.note_anchor(place, &format!("anchor-{name}"));
            let mail = format!("{name}@lab.org");
            with_object("user", &[("mail", &[&mail]), ("uid", &[name])], |object| {
                values.note_all(place, object, false)
            });
        }
        (values, roster)
    }

    fn user(external_id: Option<&str>, values: &[(&'static str, &str)]) -> TargetUser {
        let values = values.iter().map(|(path, value)| (*path, (*value).to_owned())).collect();
        TargetUser { id: "17".into(), display: "ada".into(), external_id: external_id.map(str::to_owned), values }
    }

    #[test]
    fn an_object_is_found_by_its_name_or_address_at_the_target() {
        let (values, roster) = people();
        let found = |user: &TargetUser| {
            let claims = claims(&values, &roster, user);
            claims
                .iter()
                .map(|claim| (roster.dn(claim.place).to_owned(), claim.attribute, claim.path))
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&user(None, &[(USER_NAME, "ADA@lab.org")])), [("cn=ada".to_owned(), "mail", USER_NAME)]);
        assert_eq!(found(&user(None, &[(USER_NAME, "bob")])), [("cn=bob".to_owned(), "uid", USER_NAME)]);
        assert_eq!(found(&user(None, &[(EMAILS, "bob")])), []);
        let both = user(None, &[(USER_NAME, "ada"), (EMAILS, "ada@lab.org"), (EMAILS, "bob@lab.org")]);
        assert_eq!(found(&both).len(), 2);
    }

    #[test]
    fn a_user_with_the_anchor_of_the_object_is_its_own() {
        let (values, roster) = people();
        let own = user(Some("anchor-ada"), &[(USER_NAME, "ada@lab.org")]);
        assert!(claims(&values, &roster, &own).is_empty());
    }

    #[test]
    fn the_words_say_whose_the_user_is() {
        let (values, roster) = people();
        for (external_id, standing, end) in [
            (None, Standing::Linked("cn=x".into()), "and is kept in step with cn=x"),
            (Some("anchor-bob"), Standing::Free { matched: true }, "and by its externalId it is cn=bob"),
            (Some("anchor-x"), Standing::Free { matched: true }, "or to an object that is gone"),
            (None, Standing::Other, "this object has another resource already"),
            (None, Standing::Free { matched: true }, "a cycle takes it over, because [match] lists userName"),
            (None, Standing::Free { matched: false }, "else another user is made, or refused"),
        ] {
            let user = user(external_id, &[(USER_NAME, "ada@lab.org")]);
            let claims = claims(&values, &roster, &user);
            let finding = finding(&values, &roster, &user, &claims[0], &standing);
            assert_eq!((finding.dn.as_str(), finding.error), ("cn=ada", FindingKind::Conflict));
            assert!(finding.explanation.ends_with(end), "{}", finding.explanation);
        }
    }
}
