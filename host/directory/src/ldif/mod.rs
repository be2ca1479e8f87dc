//! A file of LDIF content records as a source (RFC 2849).

mod import;
mod lines;
mod record;
mod schema;
mod source;

use std::collections::BTreeSet;
use std::path::PathBuf;

use provisor_model::{AttributeName, CheckLine, Dn, Entry, Schema};

pub(crate) use import::LdifImport;
use source::Source;

use crate::error::DirectoryError;
use crate::import::{ImportRequest, ObjectQuery, QUERY_OBJECTS};
use crate::options::SourceOptions;
use crate::watermark::fingerprint;

/// Where an LDIF source is, and how it is read.
#[derive(Clone, Debug)]
pub struct LdifOptions {
    /// The file.
    pub file: PathBuf,
    /// The entry below which everything is read; none for the whole file.
    pub base: Option<Dn>,
    /// Attributes whose values are octets, beside those of the standard schemas.
    pub binary: Vec<AttributeName>,
    /// How entries are identified and classified.
    pub object: SourceOptions,
}

/// An LDIF file as a source directory. A change is found by its digest; what changed in it, by comparing with what is
/// stored.
#[derive(Clone, Debug)]
pub struct Ldif {
    options: LdifOptions,
}

impl Ldif {
    /// A source for these options.
    pub fn new(options: LdifOptions) -> Self {
        Self { options }
    }

    /// The standard schemas, and what the options say is binary.
    pub(crate) fn schema(&self) -> Schema {
        schema::schema(&self.options.binary)
    }

    pub(crate) async fn import(&self, request: ImportRequest) -> Result<LdifImport, DirectoryError> {
        LdifImport::begin(self.clone(), request).await
    }

    pub(crate) async fn read_object(
        &self,
        query: ObjectQuery,
        attributes: &BTreeSet<AttributeName>,
    ) -> Result<Vec<Entry>, DirectoryError> {
        let (ldif, wanted) = (self.clone(), attributes.clone());
        let mut read: BTreeSet<AttributeName> = wanted.clone();
        if let ObjectQuery::Attribute { name, .. } = &query {
            read.insert(name.clone());
        }
        blocking(move || {
            let schema = schema::schema(&ldif.options.binary);
            let mut source = Source::open(&ldif, &read)?;
            let mut found = Vec::new();
            while let Some(mut entry) = source.next()? {
                if found.len() < QUERY_OBJECTS && meets(&entry, &query, &schema) {
                    entry.attributes = keep(&entry, &wanted);
                    found.push(entry);
                }
            }
            Ok(found)
        })
        .await
    }

    pub(crate) async fn check(&self) -> Vec<CheckLine> {
        let ldif = self.clone();
        let looked = blocking(move || {
            let mut source = Source::open(&ldif, &BTreeSet::new())?;
            let (mut entries, mut classified) = (0u64, 0u64);
            while let Some(entry) = source.next()? {
                entries += 1;
                classified += u64::from(!entry.object_class.is_empty());
            }
            Ok((entries, classified))
        })
        .await;
        let file = self.options.file.display();
        vec![match looked {
            Err(error) => CheckLine::failed("file", error.to_string()),
            Ok((0, _)) => CheckLine::warning("file", format!("{file} has no entries. Check base and the export")),
            Ok((entries, 0)) => CheckLine::warning(
                "file",
                format!("{file} has {entries} entries, none of a known object class. Check object-classes"),
            ),
            Ok((entries, classified)) => CheckLine::ok(
                "file",
                format!("{file} has {entries} entries, {classified} of them of a known object class"),
            ),
        }]
    }

    /// A digest over what decides how the file's entries look once they are read.
    fn fingerprint(&self) -> String {
        let LdifOptions { base, binary, object, .. } = &self.options;
        let binary: Vec<String> = binary.iter().map(AttributeName::to_key).collect();
        let base = base.as_ref().map(ToString::to_string).unwrap_or_default();
        fingerprint(["ldif", &base, &binary.join(" "), &object.to_text()])
    }
}

/// Runs what reads a file away from the threads that others' input and output depend on.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DirectoryError> + Send + 'static,
) -> Result<T, DirectoryError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(DirectoryError::Configuration(format!("Reading the file was interrupted: {error}"))),
    }
}

fn meets(entry: &Entry, query: &ObjectQuery, schema: &Schema) -> bool {
    match query {
        ObjectQuery::Dn(dn) => entry.dn.key() == dn.key(),
        ObjectQuery::SourceId(id) => entry.source_id == *id,
        ObjectQuery::Attribute { name, value } => {
            let rule = schema.rule(name);
            let wanted = rule.key(value.octets());
            entry.attributes.values(name).iter().any(|own| rule.key(own.octets()) == wanted)
        }
    }
}

fn keep(entry: &Entry, wanted: &BTreeSet<AttributeName>) -> provisor_model::Attributes {
    let base = |name: &AttributeName| AttributeName::new(name.as_str().split(';').next().unwrap_or_default());
    let kept = entry.attributes.iter().filter(|(name, _)| wanted.contains(*name) || wanted.contains(&base(name)));
    kept.map(|(name, values)| (name.clone(), values.to_vec())).collect()
}
