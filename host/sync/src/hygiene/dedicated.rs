//! The rules of a service that one customer has for itself (IdFix's dedicated set). They are about objects with mail.

use super::address::faults;
use super::finding::FindingKind;
use super::object::{
    CN, DISPLAY_NAME, Examined, GIVEN_NAME, HOME_MDB, MAIL, MAIL_NICKNAME, Object, PROXY_ADDRESSES, SAM_ACCOUNT_NAME,
    SN, Sort, TARGET_ADDRESS,
};
use super::rules::{Limits, check_address, check_blank, check_prefixed, check_primaries, report_dropped, without};

/// Looks at all attributes of an object that has mail.
pub(crate) fn examine(examined: &mut Examined<'_, '_>) {
    let object = examined.object;
    if !object.has(MAIL) {
        return;
    }
    check_display_name(examined);
    for value in object.texts(MAIL) {
        examined.check_length(MAIL, value, 256, false);
        check_address(examined, MAIL, value, false);
    }
    check_nickname(examined);
    for value in object.texts(PROXY_ADDRESSES) {
        check_prefixed(examined, PROXY_ADDRESSES, value, &Limits { most: 256, backslash: true, routable: false });
    }
    check_primaries(examined);
    check_target_address(examined);
}

fn check_display_name(examined: &mut Examined<'_, '_>) {
    let object = examined.object;
    for value in object.texts(DISPLAY_NAME) {
        examined.check_length(DISPLAY_NAME, value, 256, true);
        check_blank(examined, DISPLAY_NAME, value);
        let trimmed = value.trim();
        if !trimmed.is_empty() && trimmed != value {
            let words = "It begins or ends with white space";
            examined.add(DISPLAY_NAME, FindingKind::Character, value, words, Some(trimmed.to_owned()));
        }
    }
    if object.sort == Sort::Group && object.text(DISPLAY_NAME).is_none() {
        let common_name = object.text(CN).map(str::to_owned);
        examined.add(DISPLAY_NAME, FindingKind::Blank, "", "A group needs one", common_name);
    }
}

fn check_nickname(examined: &mut Examined<'_, '_>) {
    let object = examined.object;
    for value in object.texts(MAIL_NICKNAME) {
        examined.check_length(MAIL_NICKNAME, value, 64, false);
        let is_bad = |one: char| one.is_whitespace() || "\\!#$%&*+/=?^`{}|~<>()';:,[]\"@".contains(one);
        let (kept, dropped) = without(value, is_bad);
        let kept = kept.trim_matches('.');
        let suggestion = (!kept.is_empty()).then(|| kept.to_owned());
        report_dropped(examined, MAIL_NICKNAME, value, &dropped, suggestion.clone());
        if value.starts_with('.') || value.ends_with('.') {
            let words = "A period stands first or last";
            examined.add(MAIL_NICKNAME, FindingKind::Character, value, words, suggestion);
        }
    }
    if object.sort != Sort::Group && !object.has(MAIL_NICKNAME) {
        examined.add(MAIL_NICKNAME, FindingKind::Blank, "", "Who has mail needs one", nickname_for(&object));
    }
}

/// A nickname of the names of who has none.
fn nickname_for(object: &Object<'_>) -> Option<String> {
    let names = object.text(GIVEN_NAME).zip(object.text(SN)).map(|(given, family)| format!("{given}.{family}"));
    names.or_else(|| object.text(SAM_ACCOUNT_NAME).or_else(|| object.text(CN)).map(str::to_owned))
}

fn check_target_address(examined: &mut Examined<'_, '_>) {
    let object = examined.object;
    let mail = object.text(MAIL).unwrap_or_default();
    for value in object.texts(TARGET_ADDRESS) {
        examined.check_length(TARGET_ADDRESS, value, 256, false);
        let is_smtp = value.get(..5).is_some_and(|prefix| prefix.eq_ignore_ascii_case("smtp:"));
        let address = if is_smtp { value.get(5..).unwrap_or_default() } else { value };
        if is_smtp {
            for fault in faults(address, false) {
                examined.add(TARGET_ADDRESS, fault.error, value, fault.words, None);
            }
        }
        if !address.eq_ignore_ascii_case(mail) {
            let words = format!("It is another address than mail, which is {mail}");
            examined.add(TARGET_ADDRESS, FindingKind::MailMatch, value, words, Some(format!("SMTP:{mail}")));
        }
    }
    let has_mailbox_here = object.has(HOME_MDB);
    if object.sort != Sort::Group && !has_mailbox_here && !object.has(TARGET_ADDRESS) {
        let words = "Who has mail and no mailbox here needs one";
        examined.add(TARGET_ADDRESS, FindingKind::Blank, "", words, Some(format!("SMTP:{mail}")));
    }
}

#[cfg(test)]
mod tests {
    use FindingKind::{Blank, Character, Format, LocalPart, MailMatch};

    use super::super::testing::{errors, examined};
    use super::*;
    use crate::hygiene::finding::Finding;

    /// What is found of somebody with mail of whom all else is right but for this.
    fn found(class: &str, with: &[(&'static str, &[&str])]) -> Vec<Finding> {
        let mut attributes: Vec<(&str, &[&str])> = vec![
            ("mail", &["ada@lab.org"]),
            ("displayName", &["Ada"]),
            ("mailNickname", &["ada"]),
            ("targetAddress", &["SMTP:ada@lab.org"]),
            ("cn", &["Ada L"]),
        ];
        attributes.retain(|(name, _)| with.iter().all(|(other, _)| name != other));
        attributes.extend_from_slice(with);
        examined(class, &attributes, examine)
    }

    #[test]
    fn who_has_no_mail_is_not_looked_at() {
        assert_eq!(found("user", &[]), []);
        assert_eq!(found("group", &[("mail", &[]), ("displayName", &[])]), []);
    }

    #[test]
    fn each_attribute_has_its_rule() {
        for (class, attribute, values, expected, suggestion) in [
            ("user", "displayName", &[" Ada "][..], vec![Character], Some("Ada")),
            ("group", "displayName", &[], vec![Blank], Some("Ada L")),
            ("user", "displayName", &[], vec![], None),
            ("user", "mailNickname", &["a da"], vec![Character], Some("ada")),
            ("user", "mailNickname", &["ada."], vec![Character], Some("ada")),
            ("user", "mailNickname", &[], vec![Blank], Some("Ada L")),
            ("group", "mailNickname", &[], vec![], None),
            ("contact", "targetAddress", &[], vec![Blank], Some("SMTP:ada@lab.org")),
            ("group", "targetAddress", &[], vec![], None),
            ("user", "targetAddress", &["SMTP:bob@lab.org"], vec![MailMatch], Some("SMTP:ada@lab.org")),
            ("user", "proxyAddresses", &["SMTP:a.@lab.org"], vec![LocalPart], None),
            ("user", "proxyAddresses", &["ada@lab.org"], vec![Format], Some("smtp:ada@lab.org")),
        ] {
            let findings = found(class, &[(attribute, values)]);
            assert_eq!(errors(&findings), expected, "{class} {attribute} {values:?}");
            let suggested = findings.first().and_then(|finding| finding.suggestion.as_deref());
            assert_eq!(suggested, suggestion, "{class} {attribute} {values:?}");
        }
        assert_eq!(found("user", &[("targetAddress", &[]), ("homeMDB", &["CN=DB1"])]), []);
    }

    #[test]
    fn a_nickname_is_made_of_the_names() {
        let findings = found("contact", &[("mailNickname", &[]), ("givenName", &["Ada"]), ("sn", &["Lovelace"])]);
        assert_eq!(findings[0].suggestion.as_deref(), Some("Ada.Lovelace"));
    }
}
