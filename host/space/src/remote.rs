//! The target's resources as listed for matching: on disk, so that memory does not grow with the target.

use provisor_model::ResourceId;
use rusqlite::params;

use crate::{Space, SpaceError};

/// A listed resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteRow {
    /// What the target calls it.
    pub resource_id: ResourceId,
    /// Its externalId, where it has one.
    pub external_id: Option<String>,
    /// The resource as the target sent it, a JSON document.
    pub document: String,
}

impl Space {
    /// Forgets what was listed.
    ///
    /// # Errors
    /// When the database fails.
    pub fn clear_remote(&mut self) -> Result<(), SpaceError> {
        Ok(self.connection.execute_batch("DELETE FROM temp.remote; DELETE FROM temp.remote_value;")?)
    }

    /// Keeps a listed resource under the values it may be matched by; these are given in the form that is compared.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_remote(&mut self, kind: &str, row: &RemoteRow, values: &[(String, String)]) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO temp.remote (kind, resource_id, external_id, document) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![kind, row.resource_id.as_str(), row.external_id, row.document])?;
        for (path, value) in values {
            self.connection
                .prepare_cached(
                    "INSERT OR IGNORE INTO temp.remote_value (kind, path, value, resource_id) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![kind, path, value, row.resource_id.as_str()])?;
        }
        Ok(())
    }

    /// Whether a resource of this kind was listed.
    ///
    /// # Errors
    /// When the database fails.
    pub fn has_remote(&self, kind: &str) -> Result<bool, SpaceError> {
        Ok(self.connection.prepare_cached("SELECT 1 FROM temp.remote WHERE kind = ?1")?.exists([kind])?)
    }

    /// The listed resources that have this value.
    ///
    /// # Errors
    /// When the database fails.
    pub fn find_remote(&self, kind: &str, path: &str, value: &str) -> Result<Vec<RemoteRow>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT r.resource_id, r.external_id, r.document FROM temp.remote_value v \
             JOIN temp.remote r ON r.kind = v.kind AND r.resource_id = v.resource_id \
             WHERE v.kind = ?1 AND v.path = ?2 AND v.value = ?3 LIMIT 10",
        )?;
        let rows = statement.query_map(params![kind, path, value], |row| {
            Ok(RemoteRow {
                resource_id: ResourceId::new(row.get::<_, String>(0)?),
                external_id: row.get(1)?,
                document: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
