//! Whose manners a tenant has: the standard's, or those of a service that is known for its own.
use crate::quirks::Quirks;

/// Which service a tenant plays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Personality {
    /// One that follows RFC 7643 and RFC 7644.
    #[default]
    Standard,
    /// Microsoft Entra's inbound SCIM API, as documented in 2026.
    ///
    /// Pages come by cursor alone. Users are filtered by `eq` on active, userName, externalId (alone), id, groups.value
    /// and mailNickname, by `ew` on userName and mailNickname, groups by `eq` on displayName, id and members.value and
    /// by `ew` on displayName; terms are joined by `and`. A user is created with userName, password, both names, active,
    /// displayName and mailNickname; the password is checked and forgotten. There is no PUT. PATCH answers 204. Members
    /// are never sent; a PATCH adds up to 20 of them or removes one, and does nothing else. Paths may be in lower case.
    Entra(Entra),
    /// One that follows the standards as [`Personality::Standard`] does, and has besides what a directory in an
    /// organisation holds: contacts and devices, as resource types with schemas of their own
    /// (`urn:provisor:scim:schemas:1.0:Contact` and `...:Device`), and extensions of users and groups for what the
    /// standard has no place for (`urn:provisor:scim:schemas:extension:1.0:User` and `...:Group`). Members of a group
    /// may be of every kind.
    Directory,
}

/// What is not the same in every documented version of Entra's SCIM API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entra {
    /// Derives a missing mailNickname from userName (documented in September 2026) instead of answering 400 (March 2026).
    pub derives_mail_nickname: bool,
    /// Answers 400 to requests whose Accept header does not name application/json.
    pub needs_accept: bool,
}

impl Personality {
    pub(crate) fn entra(&self) -> Option<Entra> {
        match self {
            Self::Standard | Self::Directory => None,
            Self::Entra(entra) => Some(*entra),
        }
    }

    /// The switches that the personality turns on, beside those that are on.
    pub(crate) fn quirks(&self, quirks: Quirks) -> Quirks {
        match self {
            Self::Standard | Self::Directory => quirks,
            Self::Entra(_) => Quirks {
                no_bulk: true,
                no_sort: true,
                no_etag: true,
                cursor_paging_only: true,
                lowercase_resources: true,
                hides_members: true,
                patch_answers_204: true,
                relative_locations: true,
                ..quirks
            },
        }
    }
}
