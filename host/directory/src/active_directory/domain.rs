//! What a domain controller says of itself and of its domain: the root DSE and its NTDS settings.

use ldap3::Scope;
use provisor_model::{Dn, DnKey};

use super::controls::{ACTIVE_DIRECTORY, DIR_SYNC, domain_scope};
use super::cookie::Vector;
use crate::connection::Connection;
use crate::error::{DirectoryError, server_words};
use crate::identity;
use crate::reading::Raw as _;
use crate::search::EVERYTHING;
use crate::search::few::{FewSearch, read_one, texts};
use crate::watermark::hexadecimal;

/// A domain controller, and the domain that it keeps.
#[derive(Clone, Debug)]
pub(crate) struct Controller {
    /// The domain's name.
    pub domain: String,
    /// The domain's GUID in hexadecimal digits, which tells it from every other for ever.
    pub domain_id: String,
    /// Which life of which controller this is (invocationId): it changes when a controller is restored as it should be.
    pub invocation: Option<String>,
    /// The number of its newest change; only it counts so.
    pub newest_change: Option<u64>,
    /// Its name in DNS, which its certificate and Kerberos know it by.
    pub host_name: Option<String>,
    /// Whether it announces DirSync.
    pub dir_sync: bool,
    /// What it has learnt from the domain's other controllers, where the account may read that.
    pub heard: Vector,
    /// Whether the domain has no other controller; none where that cannot be told.
    pub alone: Option<bool>,
}

/// What to do about a controller that lags behind others.
pub(crate) const LAGS: &str = "It is tried again, and read when it has learnt from the domain's other controllers what it \
                               lacks. If that is lost, because a controller is gone for good or was restored before others \
                               had learnt it, take that controller out of url, leave another in it, and run provisor sync \
                               once with --initial";

/// What is read of the root DSE.
const ROOT: &[&str] = &[
    "defaultNamingContext",
    "configurationNamingContext",
    "namingContexts",
    "dsServiceName",
    "isSynchronized",
    "highestCommittedUSN",
    "dnsHostName",
    "supportedControl",
    "supportedCapabilities",
];

impl Controller {
    /// Asks the controller; the domain is the one of `base`, or its own where there is none.
    ///
    /// # Errors
    /// When it is no domain controller, or `base` is no domain that it keeps.
    pub async fn read(connection: &mut Connection, base: Option<&Dn>) -> Result<Self, DirectoryError> {
        let url = connection.url().to_owned();
        let wrong = |reason: String| Err(DirectoryError::Configuration(reason));
        let Some(root) = read_one(connection, "", EVERYTHING, ROOT).await? else {
            return wrong(format!("{url} says nothing of itself, so that it cannot be Active Directory. Check url"));
        };
        if !texts(&root, "supportedCapabilities").any(|own| own == ACTIVE_DIRECTORY) {
            return wrong(format!(
                "{url} is not Active Directory. Set kind = \"openldap\" or \"ldap\", or url to a domain controller (with port \
                 389 or 636)"
            ));
        }
        let first = |name: &str| texts(&root, name).next().map(str::to_owned);
        if texts(&root, "isSynchronized").any(|flag| flag.eq_ignore_ascii_case("FALSE")) {
            return Err(DirectoryError::Behind { url, advice: LAGS });
        }
        let domain = match (base, first("defaultNamingContext")) {
            (Some(base), default) => {
                let key = base.key();
                let same = |text: &&str| DnKey::of(text).is_ok_and(|own| own == key);
                let known = texts(&root, "namingContexts").find(same);
                known.map(str::to_owned).ok_or_else(|| not_a_domain(&url, base, default.as_deref()))?
            }
            (None, Some(default)) => default,
            (None, None) => return wrong(format!("{url} does not say which domain it keeps. Set base")),
        };
        let domain_id = match octets(connection, &domain, "objectGUID").await? {
            Some(id) => hexadecimal(&id),
            None => return Err(DirectoryError::NoSuchBase { url, base: domain }),
        };
        let heard = octets(connection, &domain, "replUpToDateVector").await?;
        let alone = match first("configurationNamingContext") {
            Some(configuration) => is_alone(connection, &configuration, &domain).await?,
            None => None,
        };
        let settings = first("dsServiceName");
        let invocation = match &settings {
            Some(settings) => octets(connection, settings, "invocationId").await?.map(|id| hexadecimal(&id)),
            None => None,
        };
        Ok(Self {
            domain,
            domain_id,
            invocation,
            heard: heard.and_then(|octets| Vector::of_replication(&octets)).unwrap_or_default(),
            alone,
            newest_change: first("highestCommittedUSN").and_then(|number| number.parse().ok()),
            host_name: first("dnsHostName"),
            dir_sync: texts(&root, "supportedControl").any(|own| own == DIR_SYNC),
        })
    }
}

/// Whether a domain has one controller alone, of all those that the forest has; none where not even that one is seen.
async fn is_alone(
    connection: &mut Connection,
    configuration: &str,
    domain: &str,
) -> Result<Option<bool>, DirectoryError> {
    let keeps = |attribute: &str| identity::equality(&attribute.into(), domain.as_bytes());
    let filter = format!("(&(objectClass=nTDSDSA)(|{}{}))", keeps("msDS-hasMasterNCs"), keeps("hasMasterNCs"));
    let base = format!("CN=Sites,{configuration}");
    let attributes = ["1.1".to_owned()];
    let search = FewSearch { base: &base, scope: Scope::Subtree, filter: &filter, attributes: &attributes, limit: 2 };
    match search.run_with(connection, vec![domain_scope()]).await {
        Ok(found) => Ok((!found.is_empty()).then_some(found.len() == 1)),
        Err(DirectoryError::NoSuchBase { .. } | DirectoryError::Rights { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The first value of an object's attribute; none where the account may not read it.
async fn octets(connection: &mut Connection, dn: &str, attribute: &str) -> Result<Option<Vec<u8>>, DirectoryError> {
    let found = match read_one(connection, dn, EVERYTHING, &[attribute]).await {
        Ok(found) => found,
        Err(DirectoryError::NoSuchBase { .. } | DirectoryError::Rights { .. }) => None,
        Err(error) => return Err(error),
    };
    let Some(found) = found else { return Ok(None) };
    let mut own = found.attributes().filter(|(name, _)| name.eq_ignore_ascii_case(attribute));
    Ok(own.find_map(|(_, mut values)| values.next().map(<[u8]>::to_vec)))
}

fn not_a_domain(url: &str, base: &Dn, default: Option<&str>) -> DirectoryError {
    let default = default.map_or_else(String::new, |default| format!(" (\"{}\")", server_words(default)));
    DirectoryError::Configuration(format!(
        "base is \"{base}\", which is not a domain that {url} keeps. Changes are told for whole domains: take base out, or set it \
         to the domain's name{default}, and put organisational units into [scope]"
    ))
}
