//! The rules of a service that many share (IdFix's multi-tenant set): which values of an object it would refuse or bend.

use super::address::{character, faults, is_good};
use super::finding::FindingKind;
use super::object::{
    CN, DISPLAY_NAME, Examined, GIVEN_NAME, MAIL, MAIL_NICKNAME, PROXY_ADDRESSES, SAM_ACCOUNT_NAME, Sort,
    TARGET_ADDRESS, USER_PRINCIPAL_NAME,
};

/// The longest user principal name, in characters, and its parts before and behind the at sign.
const LONGEST_UPN: usize = 113;
const LONGEST_UPN_DOMAIN: usize = 48;

/// Looks at all attributes of an object. `alternate_id`: people sign in by another attribute than the user principal name,
/// which is not looked at then.
pub(crate) fn examine(examined: &mut Examined<'_, '_>, alternate_id: bool) {
    let object = examined.object;
    for value in object.texts(DISPLAY_NAME) {
        examined.check_length(DISPLAY_NAME, value, 255, true);
        check_blank(examined, DISPLAY_NAME, value);
    }
    for value in object.texts(GIVEN_NAME) {
        examined.check_length(GIVEN_NAME, value, 63, true);
    }
    for value in object.texts(MAIL) {
        examined.check_length(MAIL, value, 256, false);
        check_address(examined, MAIL, value, true);
    }
    for value in object.texts(MAIL_NICKNAME) {
        examined.check_length(MAIL_NICKNAME, value, 64, false);
        if value.starts_with('.') {
            let rest = value.trim_start_matches('.');
            let suggestion = (!rest.is_empty()).then(|| rest.to_owned());
            examined.add(MAIL_NICKNAME, FindingKind::Character, value, "It begins with a period", suggestion);
        }
    }
    for value in object.texts(PROXY_ADDRESSES) {
        check_prefixed(examined, PROXY_ADDRESSES, value, &Limits { most: 256, backslash: true, routable: true });
    }
    check_primaries(examined);
    for value in object.texts(SAM_ACCOUNT_NAME) {
        check_account_name(examined, value);
    }
    for value in object.texts(TARGET_ADDRESS) {
        check_prefixed(examined, TARGET_ADDRESS, value, &Limits { most: 255, backslash: false, routable: true });
    }
    if !alternate_id {
        for value in object.texts(USER_PRINCIPAL_NAME) {
            check_principal_name(examined, value);
        }
    }
}

/// A value that is there and says nothing.
pub(super) fn check_blank(examined: &mut Examined<'_, '_>, attribute: &'static str, value: &str) {
    if value.trim().is_empty() {
        let common_name = examined.object.text(CN).map(str::to_owned);
        examined.add(attribute, FindingKind::Blank, value, "It is there and blank", common_name);
    }
}

/// A plain address.
pub(super) fn check_address(examined: &mut Examined<'_, '_>, attribute: &'static str, value: &str, routable: bool) {
    let (kept, dropped) = without(value, char::is_whitespace);
    let suggestion = is_good(&kept, routable).then(|| kept.clone());
    report_dropped(examined, attribute, value, &dropped, suggestion);
    for fault in faults(&kept, routable) {
        examined.add(attribute, fault.error, value, fault.words, None);
    }
}

/// What holds for a value that begins with the name of its sort of address, such as `smtp:`.
pub(super) struct Limits {
    /// The longest value, in characters.
    pub most: usize,
    /// Whether a backslash may stand in it.
    pub backslash: bool,
    /// Whether a mail domain has to be one of the Internet.
    pub routable: bool,
}

/// A value such as `smtp:ada@example.org`, `x500:/o=...` or `sip:...`.
pub(super) fn check_prefixed(examined: &mut Examined<'_, '_>, attribute: &'static str, value: &str, limits: &Limits) {
    examined.check_length(attribute, value, limits.most, false);
    let Some((prefix, address)) = value.split_once(':') else {
        let suggestion = is_good(value, limits.routable).then(|| format!("smtp:{value}"));
        examined.add(
            attribute,
            FindingKind::Format,
            value,
            "It does not begin with a sort of address, such as smtp:",
            suggestion,
        );
        return;
    };
    if address.contains(':') {
        let words = format!("A further colon follows \"{prefix}:\"");
        examined.add(attribute, FindingKind::Format, value, words, None);
    }
    let is_smtp = prefix.eq_ignore_ascii_case("smtp");
    let is_long_form = ["x400", "x500"].iter().any(|form| prefix.eq_ignore_ascii_case(form));
    let is_bad = |one: char| match one {
        '\\' => is_long_form || !limits.backslash,
        '[' | ']' | '"' => true,
        '\'' => is_long_form,
        '<' | '>' | '(' | ')' | ',' => !is_long_form,
        ';' => is_smtp,
        // Among the parts of a long form blanks may stand, but no other white space.
        ' ' => !is_long_form,
        _ => one.is_whitespace(),
    };
    let (kept, dropped) = without(address, is_bad);
    let good = !kept.contains(':') && (!is_smtp || is_good(&kept, limits.routable));
    let suggestion = (good && !kept.is_empty()).then(|| format!("{prefix}:{kept}"));
    report_dropped(examined, attribute, value, &dropped, suggestion);
    // A colon has been told already.
    if is_smtp && !kept.contains(':') {
        for fault in faults(&kept, limits.routable) {
            examined.add(attribute, fault.error, value, fault.words, None);
        }
    }
}

/// Of several mail addresses one is what others answer to: the one whose prefix stands in capitals.
pub(super) fn check_primaries(examined: &mut Examined<'_, '_>) {
    let object = examined.object;
    let mail = |value: &&str| value.get(..5).is_some_and(|prefix| prefix.eq_ignore_ascii_case("smtp:"));
    let addresses: Vec<&str> = object.texts(PROXY_ADDRESSES).filter(mail).collect();
    let primaries: Vec<&str> = addresses.iter().copied().filter(|value| value.starts_with("SMTP:")).collect();
    match primaries.as_slice() {
        [] if !addresses.is_empty() => {
            let is_mail = |value: &str| {
                object.text(MAIL).filter(|mail| value.get(5..).is_some_and(|own| own.eq_ignore_ascii_case(mail)))
            };
            let suggestion = addresses.iter().find_map(|value| is_mail(value)).map(|mail| format!("SMTP:{mail}"));
            let words = "None of the mail addresses is the primary one, which begins with SMTP: in capitals";
            examined.add(PROXY_ADDRESSES, FindingKind::Format, addresses.first().unwrap_or(&""), words, suggestion);
        }
        [first, _, ..] => {
            let words = format!(
                "{} addresses are marked as the primary one by SMTP: in capitals. Leave that with one, and write smtp: before the others",
                primaries.len()
            );
            examined.add(PROXY_ADDRESSES, FindingKind::Format, first, words, None);
        }
        _ => {}
    }
}

fn check_account_name(examined: &mut Examined<'_, '_>, value: &str) {
    let most = if examined.object.sort == Sort::User { 20 } else { 256 };
    examined.check_length(SAM_ACCOUNT_NAME, value, most, false);
    let (kept, dropped) = without(value, |one| "\\\"|,/[]:<>+=;?*".contains(one));
    let suggestion = (!kept.is_empty()).then_some(kept);
    let suggestion = suggestion.or_else(|| examined.object.text(CN).map(str::to_owned));
    report_dropped(examined, SAM_ACCOUNT_NAME, value, &dropped, suggestion);
}

fn check_principal_name(examined: &mut Examined<'_, '_>, value: &str) {
    examined.check_length(USER_PRINCIPAL_NAME, value, LONGEST_UPN, false);
    if let Some((_, domain)) = value.split_once('@')
        && domain.chars().count() > LONGEST_UPN_DOMAIN
    {
        let words = format!("More than {LONGEST_UPN_DOMAIN} characters stand behind the @");
        examined.add(USER_PRINCIPAL_NAME, FindingKind::Length, value, words, None);
    }
    let is_bad = |one: char| one.is_whitespace() || "\\%&*+/=?'{}|<>();:,[]\"äëïöüÿÄËÏÖÜŸ".contains(one);
    let (kept, dropped) = without(value, is_bad);
    // A name that lost a letter would be another one.
    let harmless = dropped.iter().all(|one| !one.is_alphabetic());
    let suggestion = (harmless && is_good(&kept, true)).then(|| kept.clone());
    report_dropped(examined, USER_PRINCIPAL_NAME, value, &dropped, suggestion);
    for fault in faults(&kept, true) {
        examined.add(USER_PRINCIPAL_NAME, fault.error, value, fault.words, None);
    }
}

/// A value without its bad characters, and which those are, each once.
pub(super) fn without(value: &str, is_bad: impl Fn(char) -> bool) -> (String, Vec<char>) {
    let mut dropped = Vec::new();
    let mut keep = |one: &char| {
        let bad = is_bad(*one);
        if bad && !dropped.contains(one) {
            dropped.push(*one);
        }
        !bad
    };
    let kept = value.chars().filter(|one| keep(one)).collect();
    (kept, dropped)
}

/// The most bad characters of a value that are named.
const NAMED: usize = 8;

/// Notes that characters may not stand in a value, where there are any.
pub(super) fn report_dropped(
    examined: &mut Examined<'_, '_>,
    attribute: &'static str,
    value: &str,
    dropped: &[char],
    suggestion: Option<String>,
) {
    if dropped.is_empty() {
        return;
    }
    let mut named: Vec<String> = dropped.iter().take(NAMED).map(|one| character(*one)).collect();
    if dropped.len() > NAMED {
        named.push("others".into());
    }
    let words = format!("It holds {}, which may not stand there", named.join(", "));
    examined.add(attribute, FindingKind::Character, value, words, suggestion);
}

#[cfg(test)]
mod tests {
    use FindingKind::{Blank, Character, DomainPart, Format, Length, LocalPart, TopLevelDomain};

    use super::super::testing::{errors, examined};
    use super::*;

    /// What is found about one value, and what is suggested.
    fn found(attribute: &str, value: &str) -> (Vec<FindingKind>, Vec<String>) {
        let findings = examined("user", &[(attribute, &[value])], |examined| examine(examined, false));
        assert!(findings.iter().all(|finding| finding.attribute == attribute), "{findings:?}");
        let suggestions = findings.iter().filter_map(|finding| finding.suggestion.clone()).collect();
        (findings.into_iter().map(|finding| finding.error).collect(), suggestions)
    }

    #[test]
    fn lengths_are_those_of_the_service() {
        for (attribute, most, start, end) in [
            ("displayName", 255, "", ""),
            ("givenName", 63, "", ""),
            ("mailNickname", 64, "", ""),
            ("sAMAccountName", 20, "", ""),
            ("proxyAddresses", 256, "X500:", ""),
            ("targetAddress", 255, "x500:", ""),
        ] {
            let long = |length: usize| format!("{start}{}{end}", "a".repeat(length - start.len() - end.len()));
            assert_eq!(found(attribute, &long(most)).0, [], "{attribute}");
            assert_eq!(found(attribute, &long(most + 1)).0, [Length], "{attribute}");
        }
        let group = |length: usize| {
            let name = "a".repeat(length);
            errors(&examined("group", &[("sAMAccountName", &[&name])], |examined| examine(examined, false)))
        };
        assert_eq!((group(256), group(257)), (vec![], vec![Length]));
    }

    #[test]
    fn a_name_that_is_too_long_may_be_cut_and_an_address_may_not() {
        assert_eq!(found("displayName", &"a".repeat(300)).1, ["a".repeat(255)]);
        assert_eq!(found("mailNickname", &"a".repeat(65)).1, [""; 0]);
    }

    #[test]
    fn a_blank_name_gets_the_common_name() {
        let findings =
            examined("user", &[("displayName", &["  "]), ("cn", &["Ada"])], |examined| examine(examined, false));
        assert_eq!(errors(&findings), [Blank]);
        assert_eq!(findings[0].suggestion.as_deref(), Some("Ada"));
    }

    #[test]
    fn a_principal_name_is_an_address_of_few_characters() {
        for (name, expected, suggestion) in [
            ("ada@lab.org", vec![], None),
            ("ada lovelace@lab.org", vec![Character], Some("adalovelace@lab.org")),
            ("o'hara@lab.org", vec![Character], Some("ohara@lab.org")),
            ("müller@lab.org", vec![Character], None),
            ("łada@lab.org", vec![LocalPart], None),
            ("a.@lab.local", vec![LocalPart, TopLevelDomain], None),
            ("ada", vec![Format], None),
            ("ada@lab", vec![DomainPart], None),
        ] {
            let mut expected = expected;
            expected.sort_unstable();
            assert_eq!(
                found("userPrincipalName", name),
                (expected, suggestion.map(str::to_owned).into_iter().collect()),
                "{name}"
            );
        }
        let domain = |length: usize| format!("ada@{}.org", "d".repeat(length - 4));
        assert_eq!(found("userPrincipalName", &domain(48)).0, []);
        assert_eq!(found("userPrincipalName", &domain(49)).0, [Length]);
    }

    #[test]
    fn a_principal_name_that_nobody_signs_in_by_is_not_looked_at() {
        let findings = examined("user", &[("userPrincipalName", &["no"])], |examined| examine(examined, true));
        assert_eq!(findings, []);
    }

    #[test]
    fn each_sort_of_address_has_its_own_characters() {
        for (address, expected) in [
            ("SMTP:ada@lab.org", vec![]),
            ("SMTP:a;da@lab.org", vec![Character]),
            ("SMTP:a b@lab.org", vec![Character]),
            ("SMTP:a@lab.local", vec![TopLevelDomain]),
            ("SMTP:a@b:c@lab.org", vec![Format]),
            ("ada@lab.org", vec![Format]),
            ("sip:ada@lab.local", vec![]),
            ("sip:a(b)@lab.org", vec![Character]),
            ("EUM:12;phone-context=plan.lab.org", vec![]),
            ("X500:/o=Lab/ou=First Group (FYDIBOHF)/cn=ada", vec![]),
            ("x500:/o=Lab/cn='ada'", vec![Character]),
            ("X400:C=US;A= ;P=Lab;S=Ada", vec![]),
            ("x500:/o=Lab\t/cn=ada", vec![Character]),
        ] {
            assert_eq!(found("proxyAddresses", address).0, expected, "{address}");
        }
        assert_eq!(found("proxyAddresses", "ada@lab.org").1, ["smtp:ada@lab.org"]);
        assert_eq!(found("proxyAddresses", "SMTP:a(d)a@lab.org").1, ["SMTP:ada@lab.org"]);
        assert_eq!(found("targetAddress", "SMTP:a\\b@lab.org").0, [Character]);
    }

    #[test]
    fn account_names_and_nicknames_have_characters_of_their_own() {
        assert_eq!(found("sAMAccountName", "a+b"), (vec![Character], vec!["ab".into()]));
        assert_eq!(found("sAMAccountName", "a b.c-d_e$"), (vec![], vec![]));
        assert_eq!(found("mailNickname", "..ada"), (vec![Character], vec!["ada".into()]));
        assert_eq!(found("mailNickname", "a.d.a."), (vec![], vec![]));
    }

    #[test]
    fn one_mail_address_is_the_primary_one() {
        let primaries = |addresses: &[&str], mail: &[&str]| {
            examined("user", &[("proxyAddresses", addresses), ("mail", mail)], |examined| examine(examined, false))
        };
        assert_eq!(primaries(&["SMTP:a@lab.org", "smtp:b@lab.org"], &[]), []);
        assert_eq!(primaries(&["X500:/o=Lab"], &[]), []);
        assert_eq!(errors(&primaries(&["SMTP:a@lab.org", "SMTP:b@lab.org"], &[])), [Format]);
        let none = primaries(&["smtp:a@lab.org", "smtp:b@lab.org"], &["B@lab.org"]);
        assert_eq!(errors(&none), [Format]);
        assert_eq!(none[0].suggestion.as_deref(), Some("SMTP:B@lab.org"));
    }
}
