//! Finding resources by the value of an attribute (RFC 7644, section 3.4.2.2).

use provisor_model::TargetPath;
use serde_json::Value;

use crate::TargetError;
use crate::scim::ScimTarget;
use crate::scim::http::Call;
use crate::scim::listing::parse_page;
use crate::scim::remote::RemoteResource;

/// The most matches that are asked for: more than one is a conflict already.
const MOST_MATCHES: usize = 20;

impl ScimTarget {
    /// The resources whose attribute has this value, at most 20 of them. Every result is compared here too, so that a
    /// service that ignores the filter gives no wrong match; where it does, or cannot filter, the whole listing is read.
    ///
    /// # Errors
    /// When the service cannot be asked, or its listing is not whole.
    pub async fn find(&self, kind: &str, path: &TargetPath, value: &str) -> Result<Vec<RemoteResource>, TargetError> {
        if self.abilities().filter
            && let Some(matches) = self.find_by_filter(kind, path, value).await?
        {
            return Ok(matches);
        }
        self.find_by_listing(kind, path, value).await
    }

    /// Asks with a filter; none where the answer shows that the service does not know this filter.
    async fn find_by_filter(
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
                tracing::warn!(%path, ?scim_type, detail, "the target refuses the filter, so that its whole listing is read");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let page = parse_page(document, &url)?;
        let came = page.resources.len();
        let matches = self.matching(&kind.name, page.resources, path, value);
        // Results that do not match show that the filter was ignored; unseen ones might match then.
        if matches.len() < came && came < page.total {
            tracing::warn!(%path, "the target ignores the filter, so that its whole listing is read");
            return Ok(None);
        }
        // A service that counts matches and shows none has them all the same: "none" would make a second resource.
        Ok((came > 0 || page.total == 0).then_some(matches))
    }

    async fn find_by_listing(
        &self,
        kind: &str,
        path: &TargetPath,
        value: &str,
    ) -> Result<Vec<RemoteResource>, TargetError> {
        let mut matches = Vec::new();
        let mut listing = self.list(kind);
        while let Some(page) = listing.next_page().await? {
            matches.extend(self.matching(kind, page, path, value));
            matches.truncate(MOST_MATCHES);
        }
        Ok(matches)
    }

    fn matching(&self, kind: &str, found: Vec<RemoteResource>, path: &TargetPath, value: &str) -> Vec<RemoteResource> {
        let exact = self.abilities().case_exact(kind, path);
        let equal = |text: &String| text == value || (!exact && text.to_lowercase() == value.to_lowercase());
        found.into_iter().filter(|resource| resource.texts(path).iter().any(equal)).collect()
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
