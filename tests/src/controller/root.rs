//! The rootDSE (MS-ADTS 3.1.1.3.2): what a controller says of itself to anybody.

use super::read::{Given, time};
use super::request::{START_TLS, SUPPORTED, WHO_AM_I};
use super::state::State;

/// What kind of directory it is: Active Directory, of the versions from Windows 2000 to 2012 R2 on.
const CAPABILITIES: &[&str] = &[
    "1.2.840.113556.1.4.800",
    "1.2.840.113556.1.4.1670",
    "1.2.840.113556.1.4.1791",
    "1.2.840.113556.1.4.1935",
    "1.2.840.113556.1.4.2080",
    "1.2.840.113556.1.4.2237",
];

const POLICIES: &[&str] = &["MaxPoolThreads", "MaxPageSize", "MaxQueryDuration", "MaxResultSetSize", "MaxValRange"];

impl State {
    /// The attributes of the rootDSE that are asked for.
    pub(super) fn root(&self, asked: &[String]) -> Vec<Given> {
        let all = asked.is_empty() || asked.iter().any(|name| name == "*");
        let wanted = |name: &str| all || asked.iter().any(|other| other.eq_ignore_ascii_case(name));
        self.whole_root()
            .into_iter()
            .filter(|(name, _)| wanted(name))
            .map(|(name, values)| (name.to_owned(), values.into_iter().map(String::into_bytes).collect()))
            .collect()
    }

    fn whole_root(&self) -> Vec<(&'static str, Vec<String>)> {
        let replica = &self.replica;
        let dn = |guid| replica.dn(guid);
        let (domain, configuration, schema) =
            (dn(replica.places.domain), dn(replica.places.configuration), dn(replica.places.schema));
        let settings = dn(replica.places.settings);
        let server = settings.split_once(',').map(|(_, server)| server.to_owned()).unwrap_or_default();
        let names = &replica.names;
        let host = format!("{}.{}", names.host, names.dns);
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let controls = SUPPORTED.into_iter().filter(|oid| !self.behaviour.withheld.iter().any(|other| other == oid));
        vec![
            ("domainFunctionality", texts(&["7"])),
            ("forestFunctionality", texts(&["7"])),
            ("domainControllerFunctionality", texts(&["7"])),
            ("rootDomainNamingContext", vec![domain.clone()]),
            ("ldapServiceName", vec![format!("{}:{}$@{}", names.dns, names.host, names.dns.to_uppercase())]),
            ("isGlobalCatalogReady", texts(&["TRUE"])),
            ("supportedSASLMechanisms", texts(&["GSSAPI", "GSS-SPNEGO", "EXTERNAL", "DIGEST-MD5"])),
            ("supportedLDAPVersion", texts(&["3", "2"])),
            ("supportedLDAPPolicies", texts(POLICIES)),
            ("supportedExtension", texts(&[START_TLS, WHO_AM_I])),
            ("supportedControl", controls.map(str::to_owned).collect()),
            ("supportedCapabilities", texts(CAPABILITIES)),
            ("subschemaSubentry", vec![dn(replica.places.aggregate)]),
            ("serverName", vec![server]),
            ("schemaNamingContext", vec![schema.clone()]),
            ("namingContexts", vec![domain.clone(), configuration.clone(), schema]),
            ("isSynchronized", texts(&["TRUE"])),
            ("highestCommittedUSN", vec![replica.usn.to_string()]),
            ("dsServiceName", vec![settings]),
            ("dnsHostName", vec![host]),
            ("defaultNamingContext", vec![domain]),
            ("currentTime", vec![time(replica.seconds)]),
            ("configurationNamingContext", vec![configuration]),
        ]
    }
}
