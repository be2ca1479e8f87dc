//! Resources as clients see them: the common attributes, links and addresses put in, and what was not asked for left out.
use serde_json::{Map, Value, json};

use crate::clock;
use crate::error::{ErrorType, Refusal};
use crate::schema::{At, Attribute, Catalogue, ENTERPRISE, Kind, Named, Returned};
use crate::store::{Link, Record};

/// The parameters `attributes` and `excludedAttributes` (RFC 7644 section 3.9), for one kind.
#[derive(Clone, Debug)]
pub(crate) struct Projection {
    catalogue: &'static Catalogue,
    kind: Kind,
    wanted: Option<Vec<Named>>,
    unwanted: Vec<Named>,
}

impl Projection {
    /// Reads both parameters, each a list of names; names that the kind does not have are passed over.
    ///
    /// # Errors
    /// `invalidValue`: both are given.
    pub(crate) fn new(
        catalogue: &'static Catalogue,
        kind: Kind,
        attributes: &[String],
        excluded: &[String],
    ) -> Result<Self, Refusal> {
        if !attributes.is_empty() && !excluded.is_empty() {
            let detail = "\"attributes\" and \"excludedAttributes\" exclude each other: send one of them.";
            return Err(Refusal::bad(ErrorType::InvalidValue, detail));
        }
        let resolve = |names: &[String]| names.iter().filter_map(|name| catalogue.resolve(kind, name)).collect();
        let wanted = (!attributes.is_empty()).then(|| resolve(attributes));
        Ok(Self { catalogue, kind, wanted, unwanted: resolve(excluded) })
    }

    /// Everything that is returned by default.
    pub(crate) fn full(catalogue: &'static Catalogue, kind: Kind) -> Self {
        Self { catalogue, kind, wanted: None, unwanted: Vec::new() }
    }

    /// Whether the members of a group, or the groups of a user, are shown: they cost a query of their own.
    pub(crate) fn shows_links(&self) -> bool {
        match self.catalogue.resolve(self.kind, self.kind.link_attribute()) {
            Some(Named::Attribute(at)) => self.shows(None, at.attribute),
            _ => false,
        }
    }

    /// The resource as it is sent. `base` is the server's base URL.
    pub(crate) fn render(&self, record: Record, base: &str) -> Map<String, Value> {
        let mut resource = whole(record, base);
        if self.wanted.is_some() || !self.unwanted.is_empty() {
            self.prune(&mut resource, None);
            for uri in self.catalogue.extensions(self.kind) {
                if let Some(Value::Object(extension)) = resource.get_mut(*uri) {
                    self.prune(extension, Some(uri));
                    if extension.is_empty() {
                        resource.remove(*uri);
                    }
                }
            }
        } else if self.kind == Kind::Group {
            hide_names(&mut resource);
        }
        resource
    }

    fn prune(&self, object: &mut Map<String, Value>, extension: Option<&'static str>) {
        object.retain(|name, value| {
            let at = match (extension, self.catalogue.resolve(self.kind, name)) {
                (None, Some(Named::Attribute(at))) => at,
                (None, _) => return true,
                (Some(uri), _) => {
                    let Some(attribute) = self.catalogue.attributes(uri).iter().find(|one| one.name == *name) else {
                        return true;
                    };
                    At { extension, attribute, sub: None }
                }
            };
            if !self.shows(extension, at.attribute) {
                return false;
            }
            match value {
                Value::Array(list) => {
                    list.iter_mut().for_each(|one| self.prune_parts(at, one));
                    !list.is_empty()
                }
                value => {
                    self.prune_parts(at, value);
                    value.as_object().is_none_or(|object| !object.is_empty())
                }
            }
        });
    }

    fn prune_parts(&self, at: At, value: &mut Value) {
        let Value::Object(object) = value else { return };
        let about =
            |named: &&Named| matches!(named, Named::Attribute(other) if same(other, at.extension, at.attribute));
        let part = |named: &Named| match named {
            Named::Attribute(other) => other.sub.map(|sub| sub.name.as_str()),
            Named::Extension(_) => None,
        };
        let wanted: Option<Vec<Option<&str>>> =
            self.wanted.as_ref().map(|list| list.iter().filter(about).map(part).collect());
        let unwanted: Vec<&str> = self.unwanted.iter().filter(about).filter_map(part).collect();
        object.retain(|name, _| {
            let by_default = at.attribute.sub(name).is_none_or(|sub| sub.returned != Returned::Request);
            let asked = match &wanted {
                Some(parts) if parts.contains(&Some(name.as_str())) => true,
                // Asked for as a whole, or by its extension's URI.
                Some(parts) => by_default && (parts.is_empty() || parts.contains(&None)),
                None => by_default,
            };
            asked && !unwanted.contains(&name.as_str())
        });
    }

    fn shows(&self, extension: Option<&'static str>, attribute: &Attribute) -> bool {
        if attribute.returned == Returned::Always {
            return true;
        }
        let names = |named: &Named, whole: bool| match named {
            Named::Extension(uri) => extension == Some(uri),
            Named::Attribute(at) => same(at, extension, attribute) && !(whole && at.sub.is_some()),
        };
        match &self.wanted {
            Some(wanted) => wanted.iter().any(|named| names(named, false)),
            None => !self.unwanted.iter().any(|named| names(named, true)),
        }
    }
}

fn same(at: &At, extension: Option<&str>, attribute: &Attribute) -> bool {
    at.extension == extension && at.attribute.name == attribute.name
}

/// The resource with everything in it, what is only returned on request included: what filters are evaluated on.
pub(crate) fn whole(record: Record, base: &str) -> Map<String, Value> {
    let version = record.version();
    let Record { id, kind, created, modified, mut body, links, .. } = record;
    let mut schemas = vec![kind.schema().to_owned()];
    schemas.extend(body.keys().filter(|name| name.contains(':')).cloned());
    let manager = match kind {
        Kind::Contact => body.get_mut("manager"),
        _ => body.get_mut(ENTERPRISE).and_then(|extension| extension.get_mut("manager")),
    };
    if let Some(Value::Object(manager)) = manager
        && let Some(id) = manager.get("value").and_then(Value::as_str)
    {
        let location = location(Kind::User, id, base);
        manager.insert("$ref".to_owned(), location.into());
    }
    body.insert("schemas".to_owned(), schemas.into());
    let meta = json!({
        "resourceType": kind.name(),
        "created": clock::format(created),
        "lastModified": clock::format(modified),
        "location": location(kind, &id, base),
        "version": version,
    });
    body.insert("meta".to_owned(), meta);
    body.insert("id".to_owned(), id.into());
    if !links.is_empty() {
        let links: Vec<Value> = links.into_iter().map(|one| link(kind, one, base)).collect();
        body.insert(kind.link_attribute().to_owned(), links.into());
    }
    body
}

/// Where a resource is found.
pub(crate) fn location(kind: Kind, id: &str, base: &str) -> String {
    format!("{base}{}/{id}", kind.endpoint())
}

/// One member of a group, or one group of a user, as a value of the attribute that lists them.
pub(crate) fn link(of: Kind, link: Link, base: &str) -> Value {
    let target = location(link.kind, &link.id, base);
    let label = if of == Kind::Group { link.kind.name() } else { "direct" };
    json!({"value": link.id, "$ref": target, "type": label, "display": link.display})
}

/// The names of members are given on request only (RFC 7643 section 7, "returned").
fn hide_names(group: &mut Map<String, Value>) {
    for member in group.get_mut("members").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::Object(member) = member {
            member.remove("display");
        }
    }
}
