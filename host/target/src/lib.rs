//! Target directories: SCIM 2.0 services (RFC 7643, RFC 7644).

mod error;
mod scim;

pub use error::{TargetError, TlsProblem};
pub use scim::{
    Abilities, AttributeDefinition, AttributeType, BulkLimits, ClientAuthentication, ClientIdentity, Created,
    Credential, CustomHeader, DialectOptions, ENTRA_REQUESTS_PER_SECOND, ENTRA_URL, Extension, Listing, Login,
    Mutability, NewResource, OAuth, Pagination, Profile, Quirk, RemoteResource, RequestCosts, RequestCounts,
    RequestRate, ResourceType, ScimOptions, ScimTarget, SecretSupply, Uniqueness, Update, Updated, check_custom_header,
};
