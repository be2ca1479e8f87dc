//! Target directories: SCIM 2.0 services (RFC 7643, RFC 7644).

mod error;
mod scim;

pub use error::{TargetError, TlsProblem};
pub use scim::{
    Abilities, AttributeDefinition, AttributeType, Created, DialectOptions, ENTRA_REQUESTS_PER_SECOND, ENTRA_URL,
    Extension, Listing, Mutability, NewResource, Pagination, Profile, Quirk, RemoteResource, RequestCosts,
    RequestCounts, ResourceType, ScimOptions, ScimTarget, Uniqueness, Update, Updated,
};
