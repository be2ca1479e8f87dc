//! Finding resources by the value of an attribute (RFC 7644, section 3.4.2.2).

use std::collections::HashMap;

use provisor_model::{ResourceId, TargetPath, fold_case};
use serde_json::Value;

use crate::TargetError;
use crate::scim::ScimTarget;
use crate::scim::http::Call;
use crate::scim::listing::parse_page;
use crate::scim::remote::RemoteResource;

/// The most matches that are asked for: more than one is a conflict already.
const MOST_MATCHES: usize = 20;
/// How often a listing is begun anew because others wrote while it was read.
const MOST_LISTINGS: usize = 3;

impl ScimTarget {
    /// The resources whose attribute has this value, at most 20 of them. Every result is compared here too, so that a
    /// service that ignores the filter gives no wrong match; where it does, cannot filter, or does not find by this
    /// attribute what is there, the whole listing is read.
    ///
    /// # Errors
    /// When the service cannot be asked, or its listing is not whole.
    pub async fn find(&self, kind: &str, path: &TargetPath, value: &str) -> Result<Vec<RemoteResource>, TargetError> {
        let refused = self.dialect().filters_by(kind, path) == Some(false);
        if self.abilities().filter && !refused && self.trust().may_filter(kind, path).await {
            let Some(matches) = self.find_by_filter(kind, path, value).await? else {
                // Whether that is so for every value is found out by one that is there.
                self.can_find(kind, path).await?;
                return self.find_by_listing(kind, path, value).await;
            };
            if !matches.is_empty() {
                self.trust().proven(kind, path).await;
                return Ok(matches);
            }
            // "None" makes a new resource, so it must be a word that can be relied on.
            if self.can_find(kind, path).await? {
                return Ok(matches);
            }
        }
        self.find_by_listing(kind, path, value).await
    }

    /// For each of these values, in their order, the ids of the resources whose attribute has it, at most 20 of them, from
    /// one reading of the whole listing: for a service that cannot be asked by this attribute.
    ///
    /// # Errors
    /// When the service cannot be asked, or its listing is not whole.
    pub async fn find_in_listing(
        &self,
        kind: &str,
        path: &TargetPath,
        values: &[String],
    ) -> Result<Vec<Vec<ResourceId>>, TargetError> {
        let exact = self.abilities().case_exact(kind, path);
        let comparable = |text: &str| if exact { text.to_owned() } else { fold_case(text) };
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, value) in values.iter().enumerate() {
            places.entry(comparable(value)).or_default().push(place);
        }
        let mut tried = 0;
        'anew: loop {
            tried += 1;
            let mut found = vec![Vec::new(); values.len()];
            let mut listing = self.list(kind).without_members();
            loop {
                let page = match listing.next_page().await {
                    Ok(Some(page)) => page,
                    Ok(None) => return Ok(found),
                    Err(TargetError::ListingIncomplete { .. }) if tried < MOST_LISTINGS => continue 'anew,
                    Err(error) => return Err(error),
                };
                for resource in page {
                    for text in resource.texts(path) {
                        for place in places.get(&comparable(&text)).into_iter().flatten() {
                            if let Some(ids) = found.get_mut(*place)
                                && ids.len() < MOST_MATCHES
                                && !ids.contains(&resource.id)
                            {
                                ids.push(resource.id.clone());
                            }
                        }
                    }
                }
            }
        }
    }

    /// Whether the attribute of a resource has this value, as a search would compare it.
    pub fn has_value(&self, kind: &str, resource: &RemoteResource, path: &TargetPath, value: &str) -> bool {
        let exact = self.abilities().case_exact(kind, path);
        resource.texts(path).iter().any(|text| text == value || (!exact && fold_case(text) == fold_case(value)))
    }

    /// Asks with a filter; none where the answer shows that the service does not know this filter.
    pub(crate) async fn find_by_filter(
        &self,
        kind: &str,
        path: &TargetPath,
        value: &str,
    ) -> Result<Option<Vec<RemoteResource>>, TargetError> {
        let kind = self.kind(kind)?;
        let mut url = self.endpoint(kind)?;
        let count = MOST_MATCHES.min(self.page_size());
        url.query_pairs_mut().append_pair("filter", &filter(path, value)).append_pair("count", &count.to_string());
        // A blank written as "+" is read as one by most services only; a plus sign is "%2B" here already.
        let query = url.query().map(|query| query.replace('+', "%20"));
        url.set_query(query.as_deref());
        let document = match self.http().send(&Call::get(url.clone())).await {
            Ok(document) => document,
            Err(TargetError::Refused { status: 400 | 403 | 501, scim_type, detail, .. }) => {
                if self.trust().is_news(&format!("refused filter {} {path}", kind.name)) {
                    tracing::warn!(%path, ?scim_type, detail, "the target refuses the filter, so that its whole listing is read");
                }
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let page = parse_page(self.dialect(), &kind.name, document, &url)?;
        let (came, is_part) = (page.resources.len(), page.is_part());
        let matches = self.matching(&kind.name, page.resources, path, value);
        // Results that do not match show that the filter was ignored; unseen ones might match then.
        if matches.len() < came && is_part {
            if self.trust().is_news(&format!("ignored filter {} {path}", kind.name)) {
                tracing::warn!(%path, "the target ignores the filter, so that its whole listing is read");
            }
            return Ok(None);
        }
        // A service that counts matches and shows none has them all the same: "none" would make a second resource.
        Ok((came > 0 || !is_part).then_some(matches))
    }

    async fn find_by_listing(
        &self,
        kind: &str,
        path: &TargetPath,
        value: &str,
    ) -> Result<Vec<RemoteResource>, TargetError> {
        let mut tried = 0;
        loop {
            tried += 1;
            match self.listed(kind, path, value).await {
                Err(TargetError::ListingIncomplete { .. }) if tried < MOST_LISTINGS => {}
                outcome => return outcome,
            }
        }
    }

    async fn listed(&self, kind: &str, path: &TargetPath, value: &str) -> Result<Vec<RemoteResource>, TargetError> {
        let mut matches = Vec::new();
        let mut listing = self.list(kind);
        while let Some(page) = listing.next_page().await? {
            matches.extend(self.matching(kind, page, path, value));
            matches.truncate(MOST_MATCHES);
        }
        Ok(matches)
    }

    fn matching(&self, kind: &str, found: Vec<RemoteResource>, path: &TargetPath, value: &str) -> Vec<RemoteResource> {
        found.into_iter().filter(|resource| self.has_value(kind, resource, path, value)).collect()
    }
}

/// The filter for a path that has a value; text in filters is written as in JSON.
fn filter(path: &TargetPath, value: &str) -> String {
    let value = Value::from(value);
    match path.filter() {
        None => format!("{path} eq {value}"),
        Some(row) => {
            let prefix = path.schema().map(|schema| format!("{schema}:")).unwrap_or_default();
            let part = path.sub_attribute().unwrap_or("value");
            let chosen = Value::from(row.value.as_str());
            format!("{prefix}{}[{} eq {chosen} and {part} eq {value}]", path.attribute(), row.sub_attribute)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_quote_what_they_look_for() {
        let filter = |path: &str, value| filter(&path.parse().unwrap(), value);
        assert_eq!(filter("externalId", r#"a"b\c"#), r#"externalId eq "a\"b\\c""#);
        assert_eq!(filter(r#"emails[type eq "work"].value"#, "a@x"), r#"emails[type eq "work" and value eq "a@x"]"#);
        assert_eq!(filter("urn:a:b:employeeNumber", "7"), r#"urn:a:b:employeeNumber eq "7""#);
    }
}
