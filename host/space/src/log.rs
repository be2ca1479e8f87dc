//! The provisioning log: a record for each object and cycle in which something was decided or done.

use rusqlite::{ToSql, params};
use serde::{Deserialize, Serialize};

use crate::{CycleNumber, EntryKey, Space, SpaceError};

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// Its number.
    pub id: i64,
    /// The cycle.
    pub cycle: CycleNumber,
    /// When, in milliseconds since 1970.
    pub time: i64,
    /// The operation's word, or another for what was only decided.
    pub operation: String,
    /// How it ended, in a word.
    pub status: String,
    /// The name of the entry.
    pub dn: String,
    /// The source id, as text.
    pub source_id: String,
    /// The resource, where there is one.
    pub resource_id: Option<String>,
    /// The whole record, a JSON document.
    pub record: String,
}

/// Which rows are wanted; the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFilter {
    /// Only of the object with this name, source id or resource id.
    pub object: Option<String>,
    /// Only this operation.
    pub operation: Option<String>,
    /// Only this status.
    pub status: Option<String>,
    /// Only of this cycle.
    pub cycle: Option<i64>,
    /// Only from this time on, in milliseconds since 1970.
    pub since: Option<i64>,
    /// At most so many.
    pub limit: usize,
}

/// How long rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Rows older than this are dropped; milliseconds.
    pub milliseconds: i64,
    /// At most so many rows are kept.
    pub rows: i64,
}

impl Space {
    /// Adds a row; its number is chosen here.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_log(&mut self, key: EntryKey, dn_key: &[u8], row: &LogRow) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached(
                "INSERT INTO log (cycle, time, entry_id, operation, status, dn_key, dn, source_id, resource_id, record) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                row.cycle.0,
                row.time,
                key.0,
                row.operation,
                row.status,
                dn_key,
                row.dn,
                row.source_id,
                row.resource_id,
                row.record
            ])?;
        Ok(())
    }

    /// The rows that a filter lets through, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn log_rows(&self, filter: &LogFilter) -> Result<Vec<LogRow>, SpaceError> {
        let mut conditions = vec!["1 = 1"];
        let mut values: Vec<Box<dyn ToSql>> = Vec::new();
        let dn_key: Option<Vec<u8>> = filter
            .object
            .as_ref()
            .and_then(|object| object.parse::<provisor_model::Dn>().ok())
            .map(|dn| dn.key().octets().to_vec());
        if let Some(object) = &filter.object {
            conditions.push("(source_id = ? OR resource_id = ? OR dn_key = ?)");
            values.extend([Box::new(object.clone()) as Box<dyn ToSql>, Box::new(object.clone()), Box::new(dn_key)]);
        }
        for (condition, value) in [("operation = ?", &filter.operation), ("status = ?", &filter.status)] {
            if let Some(value) = value {
                conditions.push(condition);
                values.push(Box::new(value.clone()));
            }
        }
        for (condition, value) in [("cycle = ?", filter.cycle), ("time >= ?", filter.since)] {
            if let Some(value) = value {
                conditions.push(condition);
                values.push(Box::new(value));
            }
        }
        values.push(Box::new(i64::try_from(filter.limit).unwrap_or(i64::MAX)));
        let sql = format!(
            "SELECT id, cycle, time, operation, status, dn, source_id, resource_id, record FROM log WHERE {} ORDER BY id DESC LIMIT ?",
            conditions.join(" AND ")
        );
        let mut statement = self.connection.prepare(&sql)?;
        let rows = statement.query_map(rusqlite::params_from_iter(values.iter()), |row| {
            Ok(LogRow {
                id: row.get(0)?,
                cycle: CycleNumber(row.get(1)?),
                time: row.get(2)?,
                operation: row.get(3)?,
                status: row.get(4)?,
                dn: row.get(5)?,
                source_id: row.get(6)?,
                resource_id: row.get(7)?,
                record: row.get(8)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Drops rows that are older or more than may be kept.
    ///
    /// # Errors
    /// When the database fails.
    pub fn trim_log(&mut self, retention: Retention, now: i64) -> Result<u64, SpaceError> {
        let oldest = now.saturating_sub(retention.milliseconds);
        let by_age = self.connection.prepare_cached("DELETE FROM log WHERE time < ?1")?.execute([oldest])?;
        let by_count = self
            .connection
            .prepare_cached("DELETE FROM log WHERE id <= (SELECT max(id) FROM log) - ?1")?
            .execute([retention.rows])?;
        Ok((by_age + by_count) as u64)
    }
}
