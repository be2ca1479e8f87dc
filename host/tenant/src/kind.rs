//! The kinds of resources: what each is called, where it is found, what names it.
/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A person's account.
    User,
    /// A group of users and groups.
    Group,
    /// Somebody outside who can be written to; only [`Personality::Directory`](crate::Personality::Directory) has them.
    Contact,
    /// A computer; only [`Personality::Directory`](crate::Personality::Directory) has them.
    Device,
}

impl Kind {
    /// All kinds, in the order in which a search over all of them answers.
    pub const ALL: [Self; 4] = [Self::User, Self::Group, Self::Contact, Self::Device];
    /// Those that the standard has.
    pub(crate) const STANDARD: [Self; 2] = [Self::User, Self::Group];

    /// The name of the resource type.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
            Self::Contact => "Contact",
            Self::Device => "Device",
        }
    }

    /// The path of the collection below the base URL.
    pub fn endpoint(self) -> &'static str {
        match self {
            Self::User => "/Users",
            Self::Group => "/Groups",
            Self::Contact => "/Contacts",
            Self::Device => "/Devices",
        }
    }

    /// The core schema's URI.
    pub(crate) fn schema(self) -> &'static str {
        match self {
            Self::User => "urn:ietf:params:scim:schemas:core:2.0:User",
            Self::Group => "urn:ietf:params:scim:schemas:core:2.0:Group",
            Self::Contact => "urn:provisor:scim:schemas:1.0:Contact",
            Self::Device => "urn:provisor:scim:schemas:1.0:Device",
        }
    }

    /// The attribute that links the kind to others and lives in a table of its own.
    pub(crate) fn link_attribute(self) -> &'static str {
        match self {
            Self::User | Self::Contact | Self::Device => "groups",
            Self::Group => "members",
        }
    }

    /// The core attribute that names a resource of the kind.
    pub(crate) fn name_attribute(self) -> &'static str {
        match self {
            Self::User => "userName",
            Self::Group | Self::Contact | Self::Device => "displayName",
        }
    }
}
