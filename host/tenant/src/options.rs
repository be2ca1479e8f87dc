//! How a tenant is set up.
use std::fmt;

use crate::access::{BasicAuth, OAuth, RequiredHeader};
use crate::misbehave::Misbehaviour;
use crate::personality::Personality;
use crate::quirks::Quirks;
use crate::store::Storage;

/// How a tenant is set up. The default is in memory, open to everybody, and well-behaved.
#[derive(Clone, Default)]
pub struct TenantOptions {
    /// The bearer token that every request must carry; none: no token is asked for.
    pub token: Option<String>,
    /// A token endpoint of its own, whose tokens serve as well.
    pub oauth: Option<OAuth>,
    /// A name and password that serve as well.
    pub basic: Option<BasicAuth>,
    /// A header that every request must carry besides, those for tokens excepted.
    pub header: Option<RequiredHeader>,
    /// Where the resources are kept.
    pub storage: Storage,
    /// Which service it plays.
    pub personality: Personality,
    /// How it differs from the standard from the start.
    pub quirks: Quirks,
    /// What it does wrong from the start.
    pub misbehaviour: Option<Misbehaviour>,
    /// How many of the last requests are kept for [`Tenant::request_log`](crate::Tenant::request_log); 0: none.
    pub request_log: usize,
}

impl fmt::Debug for TenantOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TenantOptions")
            .field("token", &self.token.as_ref().map(|_| "(hidden)"))
            .field("oauth", &self.oauth)
            .field("basic", &self.basic)
            .field("header", &self.header)
            .field("storage", &self.storage)
            .field("personality", &self.personality)
            .field("quirks", &self.quirks)
            .field("misbehaviour", &self.misbehaviour)
            .field("request_log", &self.request_log)
            .finish()
    }
}
