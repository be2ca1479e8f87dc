//! Text compared without regard to what does not change it: Unicode forms, letter case, blanks.

use std::borrow::Cow;
use std::cmp::Ordering;

use stringprep::tables::{case_fold_for_nfkc, x520_mapped_to_nothing, x520_mapped_to_space};
use unicode_normalization::UnicodeNormalization;

/// Orders texts so that two which differ by their Unicode form alone (`é` as one character or as two) are equal.
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    if one == other || (one.is_ascii() && other.is_ascii()) {
        return one.cmp(other);
    }
    one.nfc().cmp(other.nfc())
}

/// A text for comparing without regard to letter case and Unicode form, as services do with values of which their
/// schema says that case does not matter (`caseExact` of RFC 7643, section 2.2). Blanks count.
pub fn fold_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfc().flat_map(char::to_lowercase).nfc().collect()
}

/// The normal form of a text for the rules that ignore letter case, or those that do not (RFC 4518, section 2): what
/// is not seen is dropped, letters are folded, the form is NFKC, outer blanks are dropped and inner runs made one.
/// What the RFC prohibits is kept: a directory that has it compares it too.
pub(crate) fn prepared(text: &str, ignore_case: bool) -> String {
    let plain = text.bytes().all(|octet| matches!(octet, b' '..=b'~'));
    let mapped = if plain {
        Cow::Borrowed(text)
    } else {
        let seen = text.chars().filter(|one| !x520_mapped_to_nothing(*one));
        let blanks = seen.map(|one| if x520_mapped_to_space(one) { ' ' } else { one });
        // Composed first: letters that were put together of parts are folded like the others.
        Cow::Owned(if ignore_case {
            blanks.nfkc().flat_map(case_fold_for_nfkc).nfkc().collect()
        } else {
            blanks.nfkc().collect()
        })
    };
    let mut prepared = String::with_capacity(mapped.len());
    for word in mapped.split(' ').filter(|word| !word.is_empty()) {
        if !prepared.is_empty() {
            prepared.push(' ');
        }
        prepared.push_str(word);
    }
    if ignore_case {
        prepared.make_ascii_lowercase();
    }
    prepared
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn unicode_forms_are_the_same_text_and_letter_case_is_not() {
        assert_eq!(compare("Zoe\u{308}", "Zo\u{eb}"), Ordering::Equal);
        assert_ne!(compare("Zoë", "zoë"), Ordering::Equal);
        assert_eq!(fold_case("ZOE\u{308}"), fold_case("zo\u{eb}"));
        assert_ne!(fold_case("a b"), fold_case("a  b"));
    }

    #[test]
    fn preparing_follows_rfc_4518() {
        for (text, key) in [
            ("  Ada \t Lovelace ", "ada lovelace"),
            ("Straße", "strasse"),
            ("\u{ff21}\u{ff24}\u{ff21}", "ada"),
            ("so\u{ad}ft\u{200b}", "soft"),
            ("A\u{a0}B\u{2003}C", "a b c"),
            ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
            ("e\u{301}", "\u{e9}"),
            ("E\u{301}", "\u{e9}"),
            ("", ""),
            ("   ", ""),
        ] {
            assert_eq!(prepared(text, true), key, "{text:?}");
        }
        assert_eq!(prepared(" A  b ", false), "A b");
    }

    proptest! {
        #[test]
        fn a_prepared_text_is_prepared_to_itself(text in "\\PC{0,12}|[ \t\u{a0}\u{ad}e\u{301}ßΣİ]{0,8}") {
            let once = prepared(&text, true);
            prop_assert_eq!(prepared(&once, true), once);
        }

        #[test]
        fn forms_of_a_text_are_equal_by_every_comparison(text in "[A-Za-zéëüÅǆﬁΣ각ё ]{0,10}") {
            let decomposed: String = text.nfd().collect();
            prop_assert_eq!(compare(&text, &decomposed), Ordering::Equal);
            prop_assert_eq!(fold_case(&text), fold_case(&decomposed));
            prop_assert_eq!(prepared(&text, true), prepared(&decomposed, true));
        }

        #[test]
        fn comparing_is_an_order(one in "[ae\u{301}\u{e9}z]{0,4}", two in "[ae\u{301}\u{e9}z]{0,4}", three in "[ae\u{301}\u{e9}z]{0,4}") {
            prop_assert_eq!(compare(&one, &two), compare(&two, &one).reverse());
            if compare(&one, &two).is_le() && compare(&two, &three).is_le() {
                prop_assert!(compare(&one, &three).is_le());
            }
        }
    }
}
