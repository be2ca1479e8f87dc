//! The proof that entries can be found by their ids, without which not finding one says nothing.

use ldap3::Scope;
use provisor_model::SourceId;

use super::import::OpenLdapImport;
use super::lookup::Lookup;
use crate::connection::Connection;
use crate::error::DirectoryError;
use crate::reading::Raw as _;
use crate::search::EVERYTHING;
use crate::search::few::{FewSearch, read_one};

/// How many entries are looked at for one whose id shows.
const SAMPLE: usize = 20;

/// An entry that a search which does not go by ids has shown.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub dn: String,
    pub id: SourceId,
}

impl OpenLdapImport {
    /// Makes sure, once in an import, that below each base an entry that is there is found by its id. An account that
    /// may read the attribute but not search by it, or an attribute that has no equality rule, finds nobody, and the
    /// server calls that a success.
    ///
    /// # Errors
    /// When an entry that is there is not found.
    pub(super) async fn prove_lookups(&mut self, connection: &mut Connection) -> Result<(), DirectoryError> {
        if self.lookups_proven {
            return Ok(());
        }
        for base in 0..self.bases.len() {
            self.prove_below(connection, base).await?;
        }
        self.lookups_proven = true;
        Ok(())
    }

    async fn prove_below(&self, connection: &mut Connection, base: usize) -> Result<(), DirectoryError> {
        let Some(name) = self.bases.get(base).map(|base| base.name.clone()) else { return Ok(()) };
        if let Some(shown) = self.shown.get(&base)
            && self.is_found(connection, &name, shown).await?
        {
            return Ok(());
        }
        // Nobody was shown, or has left since: who is there now will do.
        let attribute = &self.reader.object().source_id_attribute;
        let attributes = [attribute.to_string()];
        let search = FewSearch {
            base: &name,
            scope: Scope::Subtree,
            filter: &self.filter,
            attributes: &attributes,
            limit: SAMPLE,
        };
        let sample = search.run(connection).await?;
        // The last: what is further down is more like what is looked for than the base is.
        let shown = sample
            .iter()
            .rev()
            .find_map(|raw| Some(Shown { id: self.reader.identify(raw).ok()?.0, dn: raw.dn().to_owned() }));
        let Some(shown) = shown else {
            return Err(DirectoryError::Rights {
                url: self.url.clone(),
                reason: format!(
                    "no entry below \"{name}\" shows its {attribute}, so who is not found by it cannot be taken for deleted. Grant the \
                     account the rights to read and to search {attribute}"
                ),
            });
        };
        if self.is_found(connection, &name, &shown).await? {
            return Ok(());
        }
        Err(DirectoryError::EndedEarly {
            url: self.url.clone(),
            reason: format!("\"{}\" left while it was looked for", crate::error::server_words(&shown.dn)),
            transient: true,
        })
    }

    /// Whether an entry is found by its id; not where it is not there any more.
    async fn is_found(&self, connection: &mut Connection, base: &str, shown: &Shown) -> Result<bool, DirectoryError> {
        let bases = [base.to_owned()];
        let lookup = Lookup { bases: &bases, filter: EVERYTHING };
        if lookup.existing(connection, &self.reader, std::slice::from_ref(&shown.id)).await?.contains(&shown.id) {
            return Ok(true);
        }
        let attribute = &self.reader.object().source_id_attribute;
        let there = match read_one(connection, &shown.dn, EVERYTHING, &[attribute.as_str()]).await {
            Ok(there) => there,
            Err(DirectoryError::NoSuchBase { .. }) => None,
            Err(error) => return Err(error),
        };
        if !there.is_some_and(|raw| self.reader.identify(&raw).is_ok_and(|(id, _)| id == shown.id)) {
            return Ok(false);
        }
        Err(DirectoryError::Rights {
            url: self.url.clone(),
            reason: format!(
                "\"{}\" has the {attribute} \"{}\", and a search for that does not find it, so who is not found cannot be taken for \
                 deleted. Grant the account the right to search {attribute}, not only to read it, on every entry; if source-id \
                 is set, set it to an attribute that the server can search for equality. Nothing was taken for deleted",
                crate::error::server_words(&shown.dn),
                shown.id
            ),
        })
    }
}
