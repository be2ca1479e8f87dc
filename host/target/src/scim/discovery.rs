//! Reading what a service announces of itself (RFC 7644, section 4), and where its resources are.

use std::sync::Arc;

use reqwest::Url;
use serde_json::Value;

use crate::TargetError;
use crate::scim::abilities::Abilities;
use crate::scim::http::{Call, Http};
use crate::scim::json;
use crate::scim::reply::place;

const PROVIDER_CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";

/// The most pages of a description that are read.
const MOST_PAGES: usize = 20;
/// The first contact is not tried as often as other requests: somebody may be waiting for the answer.
const CONTACT_ATTEMPTS: u32 = 3;

/// Asks a service what it can do.
pub(crate) async fn abilities(http: &Arc<Http>) -> Result<Abilities, TargetError> {
    let provider = provider_config(http).await?;
    let (resource_types, schemas) = tokio::try_join!(described(http, "/ResourceTypes"), described(http, "/Schemas"))?;
    let abilities = Abilities::parse(&provider, resource_types.as_deref(), schemas.as_deref());
    for kind in abilities.resource_types.values() {
        endpoint(http.base(), &kind.endpoint)?;
    }
    Ok(abilities)
}

async fn provider_config(http: &Arc<Http>) -> Result<Value, TargetError> {
    let url = endpoint(http.base(), "/ServiceProviderConfig")?;
    let not_scim = |found: String| TargetError::NotScim { url: place(&url), found };
    let document = match http.send(&Call::get(url.clone()).tried(CONTACT_ATTEMPTS)).await {
        Ok(Some(document)) => document,
        Ok(None) => return Err(not_scim("an empty reply".into())),
        Err(TargetError::NotFound { .. }) => return Err(not_scim("nothing is there (HTTP 404)".into())),
        Err(TargetError::Refused { status: 403, detail, .. }) => {
            return Err(TargetError::Unauthorized { url: place(&url), status: 403, detail });
        }
        Err(TargetError::Refused { status, detail, .. }) => {
            let detail = if detail.is_empty() { detail } else { format!(": {detail}") };
            return Err(not_scim(format!("the request was refused (HTTP {status}){detail}")));
        }
        Err(error) => return Err(error),
    };
    let schemas = json::get(&document, "schemas").map_or(&[][..], json::items);
    let has = |test: &dyn Fn(&str) -> bool| schemas.iter().filter_map(Value::as_str).any(test);
    if has(&|urn| urn.eq_ignore_ascii_case(PROVIDER_CONFIG)) {
        Ok(document)
    } else if has(&|urn| urn.starts_with("urn:scim:schemas:core:1")) {
        Err(not_scim("it speaks SCIM 1, which is not supported".into()))
    } else {
        Err(not_scim("JSON that is no ServiceProviderConfig".into()))
    }
}

/// All resource types or schemas; none where the service does not describe them.
async fn described(http: &Arc<Http>, path: &str) -> Result<Option<Vec<Value>>, TargetError> {
    let mut all = Vec::new();
    for _ in 0..MOST_PAGES {
        let mut url = endpoint(http.base(), path)?;
        if !all.is_empty() {
            url.query_pairs_mut().append_pair("startIndex", &(all.len() + 1).to_string());
        }
        let document = match http.send(&Call::get(url)).await {
            Ok(Some(document)) => document,
            Ok(None)
            | Err(TargetError::NotFound { .. } | TargetError::Refused { .. } | TargetError::NotScim { .. }) => break,
            Err(error) => return Err(error),
        };
        let listed = match &document {
            Value::Array(listed) => listed,
            object => match json::get(object, "Resources").and_then(Value::as_array) {
                Some(listed) => listed,
                None => break,
            },
        };
        let total =
            json::get(&document, "totalResults").and_then(Value::as_u64).and_then(|total| usize::try_from(total).ok());
        let new: Vec<Value> = listed.iter().filter(|one| !all.contains(*one)).cloned().collect();
        let is_last = new.is_empty();
        all.extend(new);
        if is_last || total.is_none_or(|total| all.len() >= total) {
            break;
        }
    }
    Ok((!all.is_empty()).then_some(all))
}

/// The URL of an endpoint: relative to the base, to the host, or absolute. It must be the service's own, for the token
/// goes there.
pub(crate) fn endpoint(base: &Url, endpoint: &str) -> Result<Url, TargetError> {
    let wrong = |found: String| TargetError::NotScim { url: place(base), found };
    if let Ok(absolute) = Url::parse(endpoint) {
        return if absolute.origin() == base.origin() {
            Ok(absolute)
        } else {
            Err(wrong(format!("its resources are announced to be at another host, {}", place(&absolute))))
        };
    }
    let root = base.path().trim_end_matches('/');
    let path = format!("/{}", endpoint.trim_matches('/'));
    let under_root = !root.is_empty() && path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
    let mut url = base.clone();
    url.set_path(&if under_root { path } else { format!("{root}{path}") });
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_found_however_they_are_announced() {
        let base = Url::parse("https://tenant.example/scim/v2").unwrap();
        for text in [
            "/Users",
            "Users",
            "/scim/v2/Users",
            "https://tenant.example/scim/v2/Users",
            "https://tenant.example:443/scim/v2/Users",
        ] {
            assert_eq!(endpoint(&base, text).unwrap().as_str(), "https://tenant.example/scim/v2/Users", "{text}");
        }
        let root = Url::parse("https://tenant.example").unwrap();
        assert_eq!(endpoint(&root, "/Users").unwrap().as_str(), "https://tenant.example/Users");
    }

    #[test]
    fn an_endpoint_at_another_host_does_not_get_the_token() {
        let base = Url::parse("https://tenant.example/scim/v2").unwrap();
        for text in
            ["https://evil.example/Users", "http://tenant.example/scim/v2/Users", "https://tenant.example:444/Users"]
        {
            assert!(endpoint(&base, text).is_err(), "{text}");
        }
    }
}
