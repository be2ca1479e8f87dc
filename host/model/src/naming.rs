//! The attributes that names are made of, by each of their names, and how their values compare.

use crate::matching::MatchingRule;

/// The one name of an attribute, in lower case, whichever of its names or its OID is given.
pub(crate) fn canonical(attribute: &str) -> String {
    let mut lower = attribute.to_ascii_lowercase();
    if let Some(one) = one_name(&lower) {
        one.clone_into(&mut lower);
    }
    lower
}

/// The one name of an attribute, where another one in lower case or its OID is given: for those of RFC 4519, RFC 4524, RFC
/// 2798 and RFC 2985 that have several. Any other has only the name that is given.
pub(crate) fn one_name(lower: &str) -> Option<&'static str> {
    Some(match lower {
        "countryname" | "2.5.4.6" => "c",
        "commonname" | "2.5.4.3" => "cn",
        "domaincomponent" | "0.9.2342.19200300.100.1.25" => "dc",
        "2.5.4.13" => "description",
        "2.5.4.46" => "dnqualifier",
        "email" | "pkcs9email" | "e" | "1.2.840.113549.1.9.1" => "emailaddress",
        "2.16.840.1.113730.3.1.3" => "employeenumber",
        "2.5.4.44" => "generationqualifier",
        "gn" | "2.5.4.42" => "givenname",
        "0.9.2342.19200300.100.1.9" => "host",
        "2.5.4.43" => "initials",
        "localityname" | "2.5.4.7" => "l",
        "rfc822mailbox" | "0.9.2342.19200300.100.1.3" => "mail",
        "2.5.4.41" => "name",
        "organizationname" | "2.5.4.10" => "o",
        "organizationalunitname" | "2.5.4.11" => "ou",
        "2.5.4.17" => "postalcode",
        "2.5.4.5" => "serialnumber",
        "surname" | "2.5.4.4" => "sn",
        "stateorprovincename" | "s" | "2.5.4.8" => "st",
        "streetaddress" | "2.5.4.9" => "street",
        "2.5.4.20" => "telephonenumber",
        "2.5.4.12" => "title",
        "userid" | "0.9.2342.19200300.100.1.1" => "uid",
        "0.9.2342.19200300.100.1.44" => "uniqueidentifier",
        _ => return None,
    })
}

/// How values of an attribute compare, by its one name: nearly all without regard to letter case.
pub(crate) fn rule(canonical: &str) -> MatchingRule {
    match canonical {
        "automountkey" | "automountmapname" | "homedirectory" | "memberuid" => MatchingRule::CaseExact,
        "gidnumber" | "uidnumber" => MatchingRule::Integer,
        "mobile" | "telephonenumber" => MatchingRule::Telephone,
        _ => MatchingRule::CaseIgnore,
    }
}
