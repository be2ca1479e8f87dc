//! Names as Active Directory gives them when asked for extended ones: `<GUID=...>;<SID=...>;CN=...` (MS-ADTS, section
//! 3.1.1.3.4.1.5, LDAP_SERVER_EXTENDED_DN_OID).

use provisor_model::{IdSyntax, SourceId};

/// An extended name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExtendedName<'a> {
    /// Who it is; none where the name was not extended.
    pub id: Option<SourceId>,
    /// The name itself.
    pub dn: &'a str,
}

impl<'a> ExtendedName<'a> {
    /// Takes a name apart. Whatever does not begin as an extended name is a plain one.
    pub fn read(text: &'a str) -> Self {
        let (mut id, mut rest) = (None, text);
        while let Some((part, behind)) = rest.strip_prefix('<').and_then(|inner| inner.split_once('>')) {
            // A name that ends with a part, such as `<GUID=...>` alone, has nothing behind it.
            let behind = match behind.strip_prefix(';') {
                Some(behind) => behind,
                None if behind.is_empty() => behind,
                None => break,
            };
            if let Some(guid) = part.strip_prefix("GUID=") {
                id = SourceId::parse(IdSyntax::Guid, guid).ok().or(id);
            }
            rest = behind;
        }
        Self { id, dn: rest }
    }
}

/// The form in which a value that names an object is kept: by the object's GUID (MS-ADTS, section 3.1.1.3.1.2.4), so that
/// a renamed object changes nothing; as it came where no GUID is given.
pub(crate) fn link(value: &str) -> String {
    match ExtendedName::read(value) {
        ExtendedName { id: Some(id), .. } => by_id(&id),
        ExtendedName { id: None, dn } => dn.to_owned(),
    }
}

/// The name of an object by its GUID alone.
pub(crate) fn by_id(id: &SourceId) -> String {
    format!("<GUID={id}>")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GUID: &str = "63374e0e-62be-40e3-8213-7d7abbc1afac";

    #[test]
    fn an_extended_name_is_taken_apart() {
        let text = format!("<GUID={GUID}>;<SID=S-1-5-21-1-2-3-1104>;CN=Staff\\; all,DC=lab,DC=test");
        let name = ExtendedName::read(&text);
        assert_eq!(name.id.unwrap().to_string(), GUID);
        assert_eq!(name.dn, "CN=Staff\\; all,DC=lab,DC=test");
        assert_eq!(link(&text), format!("<GUID={GUID}>"));
    }

    #[test]
    fn a_plain_name_stays_as_it_is() {
        for text in ["CN=Staff,DC=lab", "", "CN=<b>;x,DC=lab", "<GUID=7>x"] {
            assert_eq!(ExtendedName::read(text), ExtendedName { id: None, dn: text }, "{text}");
        }
        assert_eq!(link(&format!("<GUID={GUID}>")), format!("<GUID={GUID}>"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[<>GUIDS=;a-f0-9,é-]{0,60}") {
            let _ = link(&text);
        }
    }
}
