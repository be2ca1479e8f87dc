//! Identifiers of entries: the source id that a change feed speaks of, and the anchor that the target knows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How the octets of an identifier are written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum IdSyntax {
    /// A UUID in network order (RFC 4122), as `entryUUID` is (RFC 4530).
    Uuid,
    /// A GUID whose first three fields are little-endian, as Active Directory's `objectGUID` is.
    Guid,
    /// UTF-8 text, as it stands.
    Text,
    /// Any octets, written in base64.
    Octets,
    /// UTF-8 text that names a resource of the target: no directory's, so that no entry of a source ever has it.
    Resource,
}

/// Why a text or some octets are no identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// An identifier has no octets.
    #[error("an identifier is empty")]
    Empty,
    /// More octets than an identifier may have.
    #[error("an identifier has {0} octets, more than the 64 that are allowed")]
    TooLong(usize),
    /// The text is not written in the syntax it should have.
    #[error("\"{text}\" is not a {expected}")]
    Malformed {
        /// The text as given, cut to a readable length.
        text: String,
        /// What it should have been.
        expected: &'static str,
    },
}

/// The longest identifier, in octets.
const MAX_OCTETS: usize = 64;

/// Octets with the syntax they are written in: what both kinds of identifier are made of.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Id {
    syntax: IdSyntax,
    octets: Box<[u8]>,
}

impl Id {
    fn new(syntax: IdSyntax, octets: &[u8]) -> Result<Self, IdError> {
        let wrong = |expected| IdError::Malformed { text: shorten(&String::from_utf8_lossy(octets)), expected };
        match octets.len() {
            0 => return Err(IdError::Empty),
            length if length > MAX_OCTETS => return Err(IdError::TooLong(length)),
            _ => {}
        }
        match syntax {
            IdSyntax::Uuid | IdSyntax::Guid if octets.len() != 16 => return Err(wrong("UUID of 16 octets")),
            IdSyntax::Text | IdSyntax::Resource if std::str::from_utf8(octets).is_err() => {
                return Err(wrong("text in UTF-8"));
            }
            _ => {}
        }
        Ok(Self { syntax, octets: octets.into() })
    }

    fn parse(syntax: IdSyntax, text: &str) -> Result<Self, IdError> {
        let wrong = |expected| IdError::Malformed { text: shorten(text), expected };
        match syntax {
            IdSyntax::Uuid => {
                let uuid = uuid::Uuid::from_str(text).map_err(|_| wrong("UUID"))?;
                Self::new(syntax, uuid.as_bytes())
            }
            IdSyntax::Guid => {
                let uuid = uuid::Uuid::from_str(text).map_err(|_| wrong("GUID"))?;
                Self::new(syntax, &uuid.to_bytes_le())
            }
            IdSyntax::Text | IdSyntax::Resource => Self::new(syntax, text.as_bytes()),
            IdSyntax::Octets => {
                use base64::Engine as _;
                let octets =
                    base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| wrong("base64 text"))?;
                Self::new(syntax, &octets)
            }
        }
    }

    /// One octet for the syntax, then the identifier: what is kept in the connector space.
    fn to_storage(&self) -> Vec<u8> {
        let tag = match self.syntax {
            IdSyntax::Uuid => b'u',
            IdSyntax::Guid => b'g',
            IdSyntax::Text => b't',
            IdSyntax::Octets => b'o',
            IdSyntax::Resource => b'r',
        };
        let mut stored = Vec::with_capacity(self.octets.len() + 1);
        stored.push(tag);
        stored.extend_from_slice(&self.octets);
        stored
    }

    fn from_storage(stored: &[u8]) -> Result<Self, IdError> {
        let (tag, octets) = stored.split_first().ok_or(IdError::Empty)?;
        let syntax = match tag {
            b'u' => IdSyntax::Uuid,
            b'g' => IdSyntax::Guid,
            b't' => IdSyntax::Text,
            b'o' => IdSyntax::Octets,
            b'r' => IdSyntax::Resource,
            _ => return Err(IdError::Malformed { text: String::new(), expected: "stored identifier" }),
        };
        Self::new(syntax, octets)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.syntax {
            IdSyntax::Uuid => match uuid::Uuid::from_slice(&self.octets) {
                Ok(uuid) => write!(formatter, "{uuid}"),
                Err(_) => Err(fmt::Error),
            },
            IdSyntax::Guid => match uuid::Uuid::from_slice_le(&self.octets) {
                Ok(uuid) => write!(formatter, "{uuid}"),
                Err(_) => Err(fmt::Error),
            },
            IdSyntax::Text | IdSyntax::Resource => formatter.write_str(&String::from_utf8_lossy(&self.octets)),
            IdSyntax::Octets => {
                use base64::Engine as _;
                formatter.write_str(&base64::engine::general_purpose::STANDARD.encode(&self.octets))
            }
        }
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(Id);

        impl $name {
            /// An identifier of these octets, 1 to 64 of them.
            ///
            /// # Errors
            /// When the octets are none, too many, or not of the syntax.
            pub fn new(syntax: IdSyntax, octets: &[u8]) -> Result<Self, IdError> {
                Id::new(syntax, octets).map(Self)
            }

            /// Reads an identifier from its text form, the inverse of `to_string`.
            ///
            /// # Errors
            /// When the text is not written in the syntax.
            pub fn parse(syntax: IdSyntax, text: &str) -> Result<Self, IdError> {
                Id::parse(syntax, text).map(Self)
            }

            /// The octets, as the directory has them.
            pub fn octets(&self) -> &[u8] {
                &self.0.octets
            }

            /// How the octets are written as text.
            pub fn syntax(&self) -> IdSyntax {
                self.0.syntax
            }

            /// The form that the connector space keeps: a tag for the syntax, then the octets.
            pub fn to_storage(&self) -> Vec<u8> {
                self.0.to_storage()
            }

            /// Reads the form of [`Self::to_storage`].
            ///
            /// # Errors
            /// When the octets were not written by it.
            pub fn from_storage(stored: &[u8]) -> Result<Self, IdError> {
                Id::from_storage(stored).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

identifier! {
    /// What a source's change feed calls an entry; it keys the connector space and never changes while the entry lives.
    SourceId
}
identifier! {
    /// What identifies an entry to the target, sent as `externalId`.
    Anchor
}

impl From<SourceId> for Anchor {
    fn from(id: SourceId) -> Self {
        Self(id.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_written_with_its_first_fields_reversed() {
        let octets = [0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
        let id = SourceId::new(IdSyntax::Guid, &octets).unwrap();
        assert_eq!(id.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(SourceId::parse(IdSyntax::Guid, "00112233-4455-6677-8899-aabbccddeeff").unwrap(), id);
    }

    #[test]
    fn an_identifier_survives_storage() {
        for (syntax, text) in [
            (IdSyntax::Uuid, "00112233-4455-6677-8899-aabbccddeeff"),
            (IdSyntax::Text, "u000017"),
            (IdSyntax::Octets, "AAEC/w=="),
        ] {
            let id = Anchor::parse(syntax, text).unwrap();
            assert_eq!(Anchor::from_storage(&id.to_storage()).unwrap(), id);
            assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn an_identifier_is_neither_empty_nor_long_nor_malformed() {
        assert_eq!(SourceId::new(IdSyntax::Octets, &[]), Err(IdError::Empty));
        assert_eq!(SourceId::new(IdSyntax::Octets, &[0; 65]), Err(IdError::TooLong(65)));
        assert!(SourceId::parse(IdSyntax::Uuid, "u17").is_err());
        assert!(SourceId::new(IdSyntax::Text, &[0xff]).is_err());
    }
}
