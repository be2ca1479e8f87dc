//! Entries by their ids: what was announced, and what seems to be gone.

use std::collections::BTreeSet;

use ldap3::Scope;
use provisor_model::{Entry, SourceId};

use super::stamp::{STAMPS, Stamps};
use super::{read_entry, unreadable};
use crate::connection::Connection;
use crate::error::{DirectoryError, server_words};
use crate::identity;
use crate::reading::{Raw as _, Reader};
use crate::search::few::FewSearch;
use crate::search::message::WireEntry;

/// How many ids one search asks for.
pub(crate) const LOOKED_UP: usize = 50;

/// Searches for entries by their ids.
pub(crate) struct Lookup<'a> {
    /// The bases, one of which an entry is below.
    pub bases: &'a [String],
    /// What it must meet besides.
    pub filter: &'a str,
}

impl Lookup<'_> {
    /// Reads the entries with these ids, at most [`LOOKED_UP`], and notes when they were changed.
    pub async fn entries(
        &self,
        connection: &mut Connection,
        reader: &mut Reader,
        stamps: &mut Stamps,
        ids: &[SourceId],
    ) -> Result<Vec<Entry>, DirectoryError> {
        let mut attributes = reader.wire().to_vec();
        attributes.extend(STAMPS.iter().map(|name| (*name).to_owned()));
        let found = self.search(connection, reader, ids, &attributes).await?;
        let url = connection.url().to_owned();
        found
            .into_iter()
            .map(|raw| {
                stamps.note(&raw);
                read_entry(reader, &url, &raw)
            })
            .collect()
    }

    /// Which of these ids, at most [`LOOKED_UP`], entries have.
    pub async fn existing(
        &self,
        connection: &mut Connection,
        reader: &Reader,
        ids: &[SourceId],
    ) -> Result<BTreeSet<SourceId>, DirectoryError> {
        let attributes = [reader.object().source_id_attribute.to_string()];
        let found = self.search(connection, reader, ids, &attributes).await?;
        let url = connection.url();
        let id = |raw: &WireEntry| {
            let dn = server_words(raw.dn());
            reader.identify(raw).map(|(id, _)| id).map_err(|error| unreadable(url, &dn, &error))
        };
        found.iter().map(id).collect()
    }

    async fn search(
        &self,
        connection: &mut Connection,
        reader: &Reader,
        ids: &[SourceId],
        attributes: &[String],
    ) -> Result<Vec<WireEntry>, DirectoryError> {
        let attribute = &reader.object().source_id_attribute;
        let parts: Vec<String> = ids.iter().filter_map(|id| identity::filter(attribute, id)).collect();
        if parts.len() < ids.len() {
            // They were known by another attribute: nobody whom this one identifies can be one of them.
            let count = ids.len() - parts.len();
            tracing::warn!(%attribute, count, "Entries that were known by ids of another form cannot be looked for.");
        }
        let wanted = parts.concat();
        let mut found = Vec::new();
        if wanted.is_empty() {
            return Ok(found);
        }
        let filter = format!("(&{}(|{wanted}))", self.filter);
        for base in self.bases {
            let limit = ids.len() + 1;
            let search = FewSearch { base, scope: Scope::Subtree, filter: &filter, attributes, limit };
            found.extend(search.run(connection).await?);
        }
        Ok(found)
    }
}
