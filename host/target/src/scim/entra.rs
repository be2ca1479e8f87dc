//! What Microsoft Entra ID's inbound SCIM API is known to do and not to do: the profile `entra`.

use provisor_model::TargetPath;
use serde_json::{Map, Value};

use crate::TargetError;
use crate::scim::json;

/// Where the API is.
pub const ENTRA_URL: &str = "https://graph.microsoft.com/rp/scim";
/// What one request costs, in thousandths of a US dollar: answers 2xx and 404 are billed.
pub const ENTRA_MILLI_DOLLARS: u64 = 2;
/// Requests a second that stay below Microsoft Graph's quota of 3,000 writes in two and a half minutes.
pub const ENTRA_REQUESTS_PER_SECOND: u32 = 20;

/// The most members that one request adds.
pub(crate) const MOST_ADDS: usize = 20;
/// The most members that one request removes.
pub(crate) const MOST_REMOVALS: usize = 1;
/// The largest page; the API's own descriptions name 100 and 1,000.
pub(crate) const PAGE: usize = 100;

const USER_EXTENSION: &str = "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:User";
const GROUP_EXTENSION: &str = "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:Group";
const NICKNAME: &str = "mailNickname";

/// What a group's mail nickname begins with where it holds the anchor: others' nicknames are no anchors of ours.
const ANCHOR_PREFIX: &str = "provisor-";
/// The longest mail nickname.
const LONGEST_NICKNAME: usize = 64;

pub(crate) fn is_group(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("Group")
}

/// Whether the API filters by an attribute; what else it is asked for, it refuses.
pub(crate) fn filters_by(kind: &str, path: &TargetPath) -> bool {
    let is = |name: &str| path.as_str().eq_ignore_ascii_case(name);
    if is_group(kind) {
        return is("id") || is("displayName");
    }
    is("id") || is("userName") || is("externalId") || is(&format!("{USER_EXTENSION}:{NICKNAME}"))
}

/// Whether a path is where the anchor of a group is kept.
pub(crate) fn holds_anchor(kind: &str, path: &TargetPath) -> bool {
    is_group(kind)
        && path.attribute().eq_ignore_ascii_case(NICKNAME)
        && path.schema().is_some_and(|schema| schema.eq_ignore_ascii_case(GROUP_EXTENSION))
}

/// Puts a group's anchor where the API keeps it: groups have no externalId there, and nothing else names them
/// unmistakably, so the anchor is their mail nickname.
pub(crate) fn place_anchor(document: &mut Map<String, Value>, anchor: &str) -> Result<(), TargetError> {
    let nickname = format!("{ANCHOR_PREFIX}{anchor}");
    let usable = |one: char| one.is_ascii_graphic() && !"@()\\[]\";:<>,".contains(one);
    if nickname.len() > LONGEST_NICKNAME || !nickname.chars().all(usable) {
        return Err(TargetError::Unsupported(format!(
            "the anchor \"{anchor}\" cannot be kept as a group's mail nickname, which holds {LONGEST_NICKNAME} characters and none of \
             @ ( ) \\ [ ] \" ; : < > , or blanks. Choose another anchor attribute for groups"
        )));
    }
    json::remove(document, "externalId");
    if let Some(extension) = json::as_object(json::slot(document, GROUP_EXTENSION)) {
        *json::slot(extension, NICKNAME) = Value::from(nickname);
    }
    Ok(())
}

/// Shows a group's anchor as externalId, as other services do.
pub(crate) fn show_anchor(document: &mut Value) {
    let nickname = json::get(document, GROUP_EXTENSION).and_then(|extension| json::text(extension, NICKNAME));
    let anchor = nickname.and_then(|nickname| nickname.strip_prefix(ANCHOR_PREFIX)).map(str::to_owned);
    if let (Some(anchor), Value::Object(document)) = (anchor, document) {
        *json::slot(document, "externalId") = Value::from(anchor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_groups_anchor_travels_as_its_mail_nickname() {
        let mut document =
            Map::from_iter([("externalId".to_owned(), json!("a-1")), ("displayName".to_owned(), json!("G"))]);
        place_anchor(&mut document, "a-1").unwrap();
        let mut document = Value::Object(document);
        assert_eq!(document, json!({"displayName": "G", GROUP_EXTENSION: {"mailNickname": "provisor-a-1"}}));
        show_anchor(&mut document);
        assert_eq!(document["externalId"], "a-1");
    }

    #[test]
    fn anothers_mail_nickname_is_no_anchor() {
        let mut document = json!({"displayName": "G", GROUP_EXTENSION: {"mailNickname": "sales"}});
        show_anchor(&mut document);
        assert_eq!(document.get("externalId"), None);
    }

    #[test]
    fn an_anchor_that_is_no_mail_nickname_is_refused() {
        for anchor in ["a b", "a@b", &"x".repeat(60)] {
            assert!(place_anchor(&mut Map::new(), anchor).is_err(), "{anchor}");
        }
    }
}
