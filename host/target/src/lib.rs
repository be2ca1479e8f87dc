//! Target directories: SCIM 2.0 services (RFC 7643, RFC 7644).

mod error;
mod scim;

pub use error::{TargetError, TlsProblem};
pub use scim::{
    Abilities, AttributeDefinition, AttributeType, Created, Extension, Listing, Mutability, NewResource,
    RemoteResource, RequestCounts, ResourceType, ScimOptions, ScimTarget, Uniqueness, Update, Updated,
};
