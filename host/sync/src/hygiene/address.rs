//! Mail addresses: what of one a mail service would not take (RFC 5321 and 5322, without quotes and comments, which no
//! directory service takes), and which domains no mail ever reaches.

use super::finding::FindingKind;

/// The longest part before the at sign, in characters (RFC 5321, section 4.5.3.1.1).
const LONGEST_LOCAL: usize = 64;
/// The longest domain, in characters (RFC 1035, section 2.3.4, without the outer dots).
const LONGEST_DOMAIN: usize = 253;
/// The longest label of a domain, in characters.
const LONGEST_LABEL: usize = 63;

/// Domains that are for use inside a network, or for nobody (RFC 2606, 6762, 8375, 9476; reserved by ICANN; customary).
const UNROUTABLE: [&str; 18] = [
    "alt",
    "corp",
    "domain",
    "example",
    "home",
    "home.arpa",
    "internal",
    "intern",
    "intra",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "mail",
    "private",
    "test",
];

/// Something that is wrong with an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What.
    pub error: FindingKind,
    /// In words.
    pub words: String,
}

impl Fault {
    fn new(error: FindingKind, words: impl Into<String>) -> Self {
        Self { error, words: words.into() }
    }
}

/// What is wrong with an address, one fault for each of its parts at most. `routable`: its domain has to be one that mail
/// can reach over the Internet.
pub(crate) fn faults(address: &str, routable: bool) -> Vec<Fault> {
    let Some((local, domain)) = address.split_once('@') else {
        return vec![Fault::new(FindingKind::Format, "It is no address: it has no @")];
    };
    if domain.contains('@') {
        return vec![Fault::new(FindingKind::Format, "It is no address: it has more than one @")];
    }
    let domain = domain_fault(domain).or_else(|| if routable { top_level_fault(domain) } else { None });
    local_fault(local).into_iter().chain(domain).collect()
}

/// Whether nothing is wrong with an address.
pub(crate) fn is_good(address: &str, routable: bool) -> bool {
    faults(address, routable).is_empty()
}

/// Whether a character may stand before the at sign without quotes (`atext` of RFC 5322, section 3.2.3), dots aside.
fn is_local(one: char) -> bool {
    one.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(one)
}

fn local_fault(local: &str) -> Option<Fault> {
    let fault = |words: String| Some(Fault::new(FindingKind::LocalPart, words));
    if local.is_empty() {
        return fault("There is nothing before the @".into());
    }
    if local.chars().count() > LONGEST_LOCAL {
        let words = format!("More than {LONGEST_LOCAL} characters stand before the @");
        return Some(Fault::new(FindingKind::Length, words));
    }
    if let Some(bad) = local.chars().find(|one| *one != '.' && !is_local(*one)) {
        return fault(format!("Before the @ stands {}, which may not stand there", character(bad)));
    }
    if local.split('.').any(str::is_empty) {
        return fault("Before the @ a period stands first, last or beside another".into());
    }
    None
}

fn domain_fault(domain: &str) -> Option<Fault> {
    let fault = |words: String| Some(Fault::new(FindingKind::DomainPart, words));
    if domain.is_empty() {
        return fault("There is nothing behind the @".into());
    }
    if let Some(bad) = domain.chars().find(|one| !one.is_ascii_alphanumeric() && !matches!(one, '.' | '-')) {
        let advice =
            if bad.is_alphabetic() { ". A domain with such letters is written in Punycode (xn--...)" } else { "" };
        return fault(format!("The domain holds {}, which may not stand there{advice}", character(bad)));
    }
    if domain.len() > LONGEST_DOMAIN {
        return fault(format!("The domain has {} characters; {LONGEST_DOMAIN} are allowed", domain.len()));
    }
    if !domain.contains('.') {
        return fault("The domain is a single word; a mail domain has a period in it".into());
    }
    domain.split('.').find_map(label_fault).and_then(fault)
}

/// What is wrong with a label of a domain (RFC 1123, section 2.1; RFC 5890, section 2.3.1).
fn label_fault(label: &str) -> Option<String> {
    if label.is_empty() {
        return Some("In the domain a period stands first, last or beside another".into());
    }
    if label.len() > LONGEST_LABEL {
        return Some(format!("A part of the domain has {} characters; {LONGEST_LABEL} are allowed", label.len()));
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Some(format!("The part \"{label}\" of the domain begins or ends with a hyphen"));
    }
    let encoded = label.get(..4).filter(|start| start.eq_ignore_ascii_case("xn--")).and_then(|_| label.get(4..));
    encoded
        .filter(|encoded| !is_punycode(encoded))
        .map(|_| format!("The part \"{label}\" of the domain is no Punycode"))
}

/// Whether a domain that is well formed is one that mail cannot reach, by what its end says.
fn top_level_fault(domain: &str) -> Option<Fault> {
    let lower = domain.to_ascii_lowercase();
    let fault = |words: String| Some(Fault::new(FindingKind::TopLevelDomain, words));
    let ends_in = |suffix: &&&str| lower.strip_suffix(**suffix).is_some_and(|before| before.ends_with('.'));
    if let Some(suffix) = UNROUTABLE.iter().find(ends_in) {
        let advice = "Use a domain that is registered to you, and verified with the service";
        return fault(format!("The domain ends in .{suffix}, which the Internet does not know. {advice}"));
    }
    let last = lower.rsplit('.').next().unwrap_or_default();
    let is_word = last.len() > 1 && last.chars().all(|one| one.is_ascii_alphabetic());
    if is_word || last.starts_with("xn--") {
        return None;
    }
    fault(format!("The domain ends in .{last}, which is no top-level domain"))
}

/// Whether a text can be decoded as Punycode (RFC 3492, section 6.2).
fn is_punycode(text: &str) -> bool {
    const BASE: u32 = 36;
    let (plain, coded) = text.rsplit_once('-').unwrap_or(("", text));
    if coded.is_empty() {
        return false;
    }
    let mut count = u32::try_from(plain.len()).unwrap_or(u32::MAX);
    let (mut point, mut index, mut bias) = (128_u32, 0_u32, 72_u32);
    let mut digits = coded.chars();
    while !digits.as_str().is_empty() {
        let (before, mut weight, mut place) = (index, 1_u32, BASE);
        loop {
            let Some(digit) = digits.next().and_then(punycode_digit) else { return false };
            let Some(sum) = digit.checked_mul(weight).and_then(|more| index.checked_add(more)) else { return false };
            index = sum;
            let threshold = place.saturating_sub(bias).clamp(1, 26);
            if digit < threshold {
                break;
            }
            let Some(next) = weight.checked_mul(BASE - threshold) else { return false };
            (weight, place) = (next, place + BASE);
        }
        count = count.saturating_add(1);
        bias = adapted(index - before, count, before == 0);
        let Some(next) = point.checked_add(index / count) else { return false };
        if char::from_u32(next).is_none() {
            return false;
        }
        (point, index) = (next, index % count + 1);
    }
    true
}

/// The value of a digit of Punycode: letters, then figures.
fn punycode_digit(one: char) -> Option<u32> {
    match one {
        'a'..='z' => Some(u32::from(one) - u32::from('a')),
        'A'..='Z' => Some(u32::from(one) - u32::from('A')),
        '0'..='9' => Some(u32::from(one) - u32::from('0') + 26),
        _ => None,
    }
}

/// The bias for the next number (RFC 3492, section 6.1).
fn adapted(delta: u32, count: u32, first: bool) -> u32 {
    let mut delta = if first { delta / 700 } else { delta / 2 };
    delta += delta / count;
    let mut steps = 0;
    while delta > 455 {
        delta /= 35;
        steps += 36;
    }
    steps + 36 * delta / (delta + 38)
}

/// A character in words: what is not seen is named.
pub(crate) fn character(one: char) -> String {
    match one {
        ' ' => "a blank".into(),
        '\t' => "a tab".into(),
        '\n' | '\r' => "a line end".into(),
        _ if one.is_whitespace() || one.is_control() => format!("U+{:04X}", u32::from(one)),
        _ => format!("\"{one}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(address: &str) -> Vec<FindingKind> {
        faults(address, true).into_iter().map(|fault| fault.error).collect()
    }

    #[test]
    fn a_good_address_has_no_fault() {
        let longest = format!("{}@{}.org", "l".repeat(64), "d".repeat(63));
        for address in [
            "ada@lab.org",
            "A.d+a_o'x=1@sub-domain.lab.co.uk",
            "x@1lab.museum",
            "x@xn--bcher-kva.de",
            "x@lab.xn--p1ai",
            "x@xn--fiqs8s.cn",
            longest.as_str(),
        ] {
            assert_eq!(kinds(address), [], "{address}");
        }
    }

    #[test]
    fn each_part_of_an_address_is_looked_at() {
        use FindingKind::{DomainPart, Format, Length, LocalPart, TopLevelDomain};
        let (long, label) = (format!("{}@lab.org", "l".repeat(65)), format!("a@{}.org", "d".repeat(64)));
        let domain = format!("a@{}org", "abcdefg.".repeat(32));
        let expected: [(&str, &[FindingKind]); 26] = [
            ("", &[Format]),
            ("ada", &[Format]),
            ("a@b@lab.org", &[Format]),
            ("@lab.org", &[LocalPart]),
            (".a@lab.org", &[LocalPart]),
            ("a.@lab.org", &[LocalPart]),
            ("a..b@lab.org", &[LocalPart]),
            ("a b@lab.org", &[LocalPart]),
            ("ä@lab.org", &[LocalPart]),
            ("a\"b@lab.org", &[LocalPart]),
            (&long, &[Length]),
            ("a@", &[DomainPart]),
            ("a@lab", &[DomainPart]),
            ("a@lab.", &[DomainPart]),
            ("a@.lab.org", &[DomainPart]),
            ("a@lab..org", &[DomainPart]),
            ("a@-lab.org", &[DomainPart]),
            ("a@lab-.org", &[DomainPart]),
            ("a@la_b.org", &[DomainPart]),
            ("a@bücher.de", &[DomainPart]),
            ("a@xn--a@b.org", &[Format]),
            (&label, &[DomainPart]),
            (&domain, &[DomainPart]),
            ("a@10.0.0.1", &[TopLevelDomain]),
            ("a@lab.x", &[TopLevelDomain]),
            ("a b@corp.LOCAL", &[LocalPart, TopLevelDomain]),
        ];
        for (address, expected) in expected {
            assert_eq!(kinds(address), expected, "{address}");
        }
    }

    #[test]
    fn domains_that_no_mail_reaches_are_known_by_their_end() {
        for domain in ["corp.local", "a.b.lan", "x.home.arpa", "lab.test", "lab.example"] {
            assert_eq!(kinds(&format!("a@{domain}")), [FindingKind::TopLevelDomain], "{domain}");
            assert_eq!(faults(&format!("a@{domain}"), false), [], "{domain}");
        }
        for domain in ["local.org", "thelocal.se", "mylan.com", "example.com", "arpa.net"] {
            assert_eq!(kinds(&format!("a@{domain}")), [], "{domain}");
        }
    }

    #[test]
    fn punycode_is_decoded_and_not_only_recognised() {
        for good in ["bcher-kva", "mnchen-3ya", "fiqs8s", "p1ai", "80ak6aa92e", "ls8h"] {
            assert!(is_punycode(good), "{good}");
        }
        for bad in ["", "abc-", "99999999", "a-ä", "999999b"] {
            assert!(!is_punycode(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_not_seen_is_named() {
        for (one, words) in
            [(' ', "a blank"), ('\t', "a tab"), ('\u{a0}', "U+00A0"), ('\u{1b}', "U+001B"), ('%', "\"%\"")]
        {
            assert_eq!(character(one), words);
        }
    }
}
