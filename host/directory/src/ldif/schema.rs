//! The standard schemas, which stand in for the schema that a file does not have.

use provisor_model::{AttributeName, AttributeSyntax, MatchingRule, Schema};

/// Attributes whose values are octets (RFC 4519, 4523, 4524, 2798, 2307 and the usual additions).
const BINARY: &[&str] = &[
    "audio",
    "authorityRevocationList",
    "cACertificate",
    "certificateRevocationList",
    "crossCertificatePair",
    "deltaRevocationList",
    "javaSerializedData",
    "jpegPhoto",
    "mS-DS-ConsistencyGuid",
    "objectGUID",
    "objectSid",
    "personalSignature",
    "photo",
    "sIDHistory",
    "supportedAlgorithms",
    "thumbnailLogo",
    "thumbnailPhoto",
    "userCertificate",
    "userPassword",
    "userPKCS12",
    "userSMIMECertificate",
];

/// Attributes whose values are distinguished names, with or without a unique id.
const NAMES: &[&str] = &[
    "aliasedObjectName",
    "assistant",
    "associatedName",
    "creatorsName",
    "dITRedirect",
    "distinguishedName",
    "documentAuthor",
    "entryDN",
    "lastModifiedBy",
    "manager",
    "member",
    "memberOf",
    "modifiersName",
    "msExchAssistantName",
    "namingContexts",
    "nsRoleDN",
    "owner",
    "roleOccupant",
    "secretary",
    "seeAlso",
    "subschemaSubentry",
    "uniqueMember",
];

/// Attributes whose values are text; what is in none of the lists is text too, but is not known to exist.
const TEXT: &[&str] = &[
    "associatedDomain",
    "buildingName",
    "businessCategory",
    "c",
    "carLicense",
    "cn",
    "co",
    "createTimestamp",
    "dc",
    "departmentNumber",
    "description",
    "destinationIndicator",
    "displayName",
    "distinguishedNameQualifier",
    "dnQualifier",
    "documentIdentifier",
    "documentLocation",
    "documentPublisher",
    "documentTitle",
    "documentVersion",
    "drink",
    "employeeNumber",
    "employeeType",
    "enhancedSearchGuide",
    "entryCSN",
    "entryUUID",
    "facsimileTelephoneNumber",
    "gecos",
    "generationQualifier",
    "gidNumber",
    "givenName",
    "hasSubordinates",
    "homeDirectory",
    "homePhone",
    "homePostalAddress",
    "host",
    "houseIdentifier",
    "info",
    "initials",
    "internationalISDNNumber",
    "ipHostNumber",
    "l",
    "labeledURI",
    "loginShell",
    "macAddress",
    "mail",
    "memberNisNetgroup",
    "memberUid",
    "mobile",
    "modifyTimestamp",
    "name",
    "nisMapEntry",
    "nisMapName",
    "o",
    "objectClass",
    "organizationalStatus",
    "ou",
    "pager",
    "personalTitle",
    "physicalDeliveryOfficeName",
    "postalAddress",
    "postalCode",
    "postOfficeBox",
    "preferredDeliveryMethod",
    "preferredLanguage",
    "registeredAddress",
    "roomNumber",
    "searchGuide",
    "serialNumber",
    "shadowExpire",
    "shadowFlag",
    "shadowInactive",
    "shadowLastChange",
    "shadowMax",
    "shadowMin",
    "shadowWarning",
    "singleLevelQuality",
    "sn",
    "st",
    "street",
    "structuralObjectClass",
    "subtreeMaximumQuality",
    "subtreeMinimumQuality",
    "telephoneNumber",
    "teletexTerminalIdentifier",
    "telexNumber",
    "textEncodedORAddress",
    "title",
    "uid",
    "uidNumber",
    "uniqueIdentifier",
    "userClass",
    "x121Address",
    "x500UniqueIdentifier",
];

/// Text that does not compare as most does, without regard to letter case.
const RULES: &[(MatchingRule, &[&str])] = &[
    (
        MatchingRule::CaseExact,
        &["automountKey", "automountMapName", "homeDirectory", "labeledURI", "loginShell", "memberUid"],
    ),
    (MatchingRule::GeneralizedTime, &["createTimestamp", "modifyTimestamp"]),
    (MatchingRule::Integer, &["gidNumber", "shadowExpire", "shadowLastChange", "uidNumber"]),
    (MatchingRule::Numeric, &["internationalISDNNumber", "x121Address"]),
    (MatchingRule::Telephone, &["homePhone", "mobile", "pager", "telephoneNumber"]),
];

/// The standard schemas, and these attributes beside them as binary.
pub(crate) fn schema(binary: &[AttributeName]) -> Schema {
    let with =
        |names: &'static [&'static str], syntax| names.iter().map(move |name| (AttributeName::from(*name), syntax));
    let standard = with(TEXT, AttributeSyntax::Text)
        .chain(with(NAMES, AttributeSyntax::Dn))
        .chain(with(BINARY, AttributeSyntax::Binary));
    let mut schema = Schema::new(standard.chain(binary.iter().map(|name| (name.clone(), AttributeSyntax::Binary))));
    for (rule, names) in RULES {
        names.iter().for_each(|name| schema.set_rule(AttributeName::from(*name), *rule));
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_configuration_lists_is_binary() {
        let schema = schema(&["badgeImage".into(), "description".into()]);
        for (name, syntax) in [
            ("JPEGPHOTO", AttributeSyntax::Binary),
            ("badgeimage", AttributeSyntax::Binary),
            ("description;lang-de", AttributeSyntax::Binary),
            ("uniqueMember", AttributeSyntax::Dn),
            ("cn", AttributeSyntax::Text),
            ("unheardOf", AttributeSyntax::Text),
        ] {
            assert_eq!(schema.syntax(&name.into()), syntax, "{name}");
        }
        assert!(schema.knows(&"sn".into()) && !schema.knows(&"unheardOf".into()));
    }
}
