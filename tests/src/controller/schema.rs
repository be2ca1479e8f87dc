//! The attributes that the double knows, and how a controller describes them in its subschema.

use std::collections::HashMap;
use std::sync::LazyLock;

use Kind::{Back, Constructed, Forward, Local, Made, Stored};

/// What the values of an attribute are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    Text,
    Ascii,
    Integer,
    LargeInteger,
    Boolean,
    Octets,
    Name,
    Time,
    Oid,
    Descriptor,
}

/// Where the values of an attribute come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Stored and replicated.
    Stored,
    /// Stored by each controller for itself: its changes have no USN, and synchronisations do not show it.
    Local,
    /// Made when it is read; given out with all attributes.
    Made,
    /// Made when it is read, for who asks for it by name.
    Constructed,
    /// Names of objects, whose values are replicated one by one.
    Forward,
    /// The other end of those.
    Back(&'static str),
}

/// An attribute.
#[derive(Debug)]
pub(super) struct Attribute {
    pub name: &'static str,
    pub oid: &'static str,
    pub syntax: Syntax,
    pub single: bool,
    pub kind: Kind,
}

/// The attribute of this name, without regard to case.
pub(super) fn find(name: &str) -> Option<&'static Attribute> {
    static BY_NAME: LazyLock<HashMap<String, &'static Attribute>> =
        LazyLock::new(|| ATTRIBUTES.iter().map(|attribute| (attribute.name.to_lowercase(), attribute)).collect());
    BY_NAME.get(&name.to_lowercase()).copied()
}

/// All attributes, `objectClass` first.
pub(super) fn all() -> impl Iterator<Item = &'static Attribute> {
    ATTRIBUTES.iter()
}

/// What the subschema says of each: no matching rules, and its syntax in quotes.
pub(super) fn descriptions() -> Vec<Vec<u8>> {
    ATTRIBUTES.iter().map(|attribute| attribute.description().into_bytes()).collect()
}

impl Attribute {
    fn description(&self) -> String {
        let single = if self.single { " SINGLE-VALUE" } else { "" };
        let fixed = match self.kind {
            Made | Constructed | Back(_) => " NO-USER-MODIFICATION",
            Stored | Local | Forward => "",
        };
        format!("( {} NAME '{}' SYNTAX '{}'{single}{fixed} )", self.oid, self.name, self.syntax.oid())
    }
}

impl Syntax {
    fn oid(self) -> &'static str {
        match self {
            Self::Text => "1.3.6.1.4.1.1466.115.121.1.15",
            Self::Ascii => "1.3.6.1.4.1.1466.115.121.1.26",
            Self::Integer => "1.3.6.1.4.1.1466.115.121.1.27",
            Self::LargeInteger => "1.2.840.113556.1.4.906",
            Self::Boolean => "1.3.6.1.4.1.1466.115.121.1.7",
            Self::Octets => "1.3.6.1.4.1.1466.115.121.1.40",
            Self::Name => "1.3.6.1.4.1.1466.115.121.1.12",
            Self::Time => "1.3.6.1.4.1.1466.115.121.1.24",
            Self::Oid => "1.3.6.1.4.1.1466.115.121.1.38",
            Self::Descriptor => "1.2.840.113556.1.4.907",
        }
    }
}

const fn one(name: &'static str, oid: &'static str, syntax: Syntax, kind: Kind) -> Attribute {
    Attribute { name, oid, syntax, single: true, kind }
}

const fn many(name: &'static str, oid: &'static str, syntax: Syntax, kind: Kind) -> Attribute {
    Attribute { name, oid, syntax, single: false, kind }
}

const fn text(name: &'static str, oid: &'static str) -> Attribute {
    one(name, oid, Syntax::Text, Stored)
}

static ATTRIBUTES: &[Attribute] = &[
    many("objectClass", "2.5.4.0", Syntax::Oid, Stored),
    text("cn", "2.5.4.3"),
    text("sn", "2.5.4.4"),
    many("serialNumber", "2.5.4.5", Syntax::Text, Stored),
    text("c", "2.5.4.6"),
    text("l", "2.5.4.7"),
    text("st", "2.5.4.8"),
    many("o", "2.5.4.10", Syntax::Text, Stored),
    many("ou", "2.5.4.11", Syntax::Text, Stored),
    text("title", "2.5.4.12"),
    many("description", "2.5.4.13", Syntax::Text, Stored),
    text("postalCode", "2.5.4.17"),
    text("physicalDeliveryOfficeName", "2.5.4.19"),
    text("telephoneNumber", "2.5.4.20"),
    text("facsimileTelephoneNumber", "2.5.4.23"),
    many("member", "2.5.4.31", Syntax::Name, Forward),
    text("givenName", "2.5.4.42"),
    text("initials", "2.5.4.43"),
    one("distinguishedName", "2.5.4.49", Syntax::Name, Made),
    many("attributeTypes", "2.5.21.5", Syntax::Text, Constructed),
    one("createTimeStamp", "2.5.18.1", Syntax::Time, Constructed),
    one("modifyTimeStamp", "2.5.18.2", Syntax::Time, Constructed),
    one("subSchemaSubEntry", "2.5.18.10", Syntax::Name, Constructed),
    many("structuralObjectClass", "2.5.21.9", Syntax::Oid, Constructed),
    many("uid", "0.9.2342.19200300.100.1.1", Syntax::Text, Stored),
    text("mail", "0.9.2342.19200300.100.1.3"),
    one("manager", "0.9.2342.19200300.100.1.10", Syntax::Name, Forward),
    text("homePhone", "0.9.2342.19200300.100.1.20"),
    text("dc", "0.9.2342.19200300.100.1.25"),
    text("mobile", "0.9.2342.19200300.100.1.41"),
    many("jpegPhoto", "0.9.2342.19200300.100.1.60", Syntax::Octets, Stored),
    one("thumbnailPhoto", "2.16.840.1.113730.3.1.35", Syntax::Octets, Stored),
    text("preferredLanguage", "2.16.840.1.113730.3.1.39"),
    one("instanceType", "1.2.840.113556.1.2.1", Syntax::Integer, Stored),
    one("whenCreated", "1.2.840.113556.1.2.2", Syntax::Time, Stored),
    one("whenChanged", "1.2.840.113556.1.2.3", Syntax::Time, Made),
    text("displayName", "1.2.840.113556.1.2.13"),
    one("nCName", "1.2.840.113556.1.2.16", Syntax::Name, Stored),
    one("uSNCreated", "1.2.840.113556.1.2.19", Syntax::LargeInteger, Made),
    one("isDeleted", "1.2.840.113556.1.2.48", Syntax::Boolean, Stored),
    text("info", "1.2.840.113556.1.2.81"),
    many("memberOf", "1.2.840.113556.1.2.102", Syntax::Name, Back("member")),
    one("invocationId", "1.2.840.113556.1.2.115", Syntax::Octets, Stored),
    one("uSNChanged", "1.2.840.113556.1.2.120", Syntax::LargeInteger, Made),
    text("co", "1.2.840.113556.1.2.131"),
    text("department", "1.2.840.113556.1.2.141"),
    text("company", "1.2.840.113556.1.2.146"),
    many("proxyAddresses", "1.2.840.113556.1.2.210", Syntax::Text, Stored),
    text("streetAddress", "1.2.840.113556.1.2.256"),
    one("nTSecurityDescriptor", "1.2.840.113556.1.2.281", Syntax::Descriptor, Stored),
    text("targetAddress", "1.2.840.113556.1.2.352"),
    text("extensionAttribute1", "1.2.840.113556.1.2.423"),
    text("extensionAttribute2", "1.2.840.113556.1.2.424"),
    many("directReports", "1.2.840.113556.1.2.436", Syntax::Name, Back("manager")),
    text("mailNickname", "1.2.840.113556.1.2.447"),
    text("wWWHomePage", "1.2.840.113556.1.2.464"),
    text("employeeNumber", "1.2.840.113556.1.2.610"),
    text("employeeType", "1.2.840.113556.1.2.613"),
    text("name", "1.2.840.113556.1.4.1"),
    one("objectGUID", "1.2.840.113556.1.4.2", Syntax::Octets, Made),
    one("userAccountControl", "1.2.840.113556.1.4.8", Syntax::Integer, Stored),
    one("badPwdCount", "1.2.840.113556.1.4.12", Syntax::Integer, Local),
    one("countryCode", "1.2.840.113556.1.4.25", Syntax::Integer, Stored),
    text("employeeID", "1.2.840.113556.1.4.35"),
    one("lastLogon", "1.2.840.113556.1.4.52", Syntax::LargeInteger, Local),
    one("pwdLastSet", "1.2.840.113556.1.4.96", Syntax::LargeInteger, Stored),
    one("primaryGroupID", "1.2.840.113556.1.4.98", Syntax::Integer, Stored),
    one("adminCount", "1.2.840.113556.1.4.150", Syntax::Integer, Stored),
    one("objectSid", "1.2.840.113556.1.4.146", Syntax::Octets, Stored),
    one("accountExpires", "1.2.840.113556.1.4.159", Syntax::LargeInteger, Stored),
    one("logonCount", "1.2.840.113556.1.4.169", Syntax::Integer, Local),
    text("sAMAccountName", "1.2.840.113556.1.4.221"),
    one("sAMAccountType", "1.2.840.113556.1.4.302", Syntax::Integer, Stored),
    one("primaryGroupToken", "1.2.840.113556.1.4.1412", Syntax::Integer, Constructed),
    one("systemFlags", "1.2.840.113556.1.4.375", Syntax::Integer, Stored),
    many("dSCorePropagationData", "1.2.840.113556.1.4.1357", Syntax::Time, Local),
    one("managedBy", "1.2.840.113556.1.4.653", Syntax::Name, Forward),
    many("managedObjects", "1.2.840.113556.1.4.654", Syntax::Name, Back("managedBy")),
    text("userPrincipalName", "1.2.840.113556.1.4.656"),
    one("groupType", "1.2.840.113556.1.4.750", Syntax::Integer, Stored),
    many("wellKnownObjects", "1.2.840.113556.1.4.618", Syntax::Text, Constructed),
    text("dNSHostName", "1.2.840.113556.1.4.619"),
    many("servicePrincipalName", "1.2.840.113556.1.4.771", Syntax::Text, Stored),
    one("lastKnownParent", "1.2.840.113556.1.4.781", Syntax::Name, Stored),
    one("objectCategory", "1.2.840.113556.1.4.782", Syntax::Name, Stored),
    many("canonicalName", "1.2.840.113556.1.4.916", Syntax::Text, Constructed),
    one("parentGUID", "1.2.840.113556.1.4.1224", Syntax::Octets, Constructed),
    one("replUpToDateVector", "1.2.840.113556.1.4.4", Syntax::Octets, Constructed),
    one("mS-DS-ConsistencyGuid", "1.2.840.113556.1.4.1360", Syntax::Octets, Stored),
    one("lastLogonTimestamp", "1.2.840.113556.1.4.1696", Syntax::LargeInteger, Stored),
    one("isRecycled", "1.2.840.113556.1.4.2058", Syntax::Boolean, Stored),
    text("msDS-LastKnownRDN", "1.2.840.113556.1.4.2067"),
    text("msDS-cloudExtensionAttribute1", "1.2.840.113556.1.4.2214"),
    text("msDS-cloudExtensionAttribute2", "1.2.840.113556.1.4.2215"),
    many("msExchUserHoldPolicies", "1.2.840.113556.1.4.7000.102.51001", Syntax::Ascii, Stored),
];
