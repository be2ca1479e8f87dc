//! Memberships: a table of pairs, so that a change costs what it changes.
use rusqlite::{Connection, Transaction, params};

use super::{Link, kind_of, seq_of};
use crate::error::{ErrorType, Refusal};
use crate::expression::Expression;
use crate::patch::MemberChange;
use crate::render;
use crate::schema::Kind;

fn member_seq(connection: &Connection, id: &str) -> Result<i64, Refusal> {
    let found = seq_of(connection, id)?;
    let detail = || format!("The member {id:?} is not the id of a user or a group.");
    found.map(|(seq, _)| seq).ok_or_else(|| Refusal::bad(ErrorType::InvalidValue, detail()))
}

pub(super) fn change_members(
    transaction: &Transaction<'_>,
    group: i64,
    change: MemberChange,
    base: &str,
) -> Result<bool, Refusal> {
    match change {
        MemberChange::Add(ids) => add_members(transaction, group, &ids),
        MemberChange::Remove(ids) => remove_members(transaction, group, &ids),
        MemberChange::RemoveWhere(select) => {
            let ids = selected(transaction, group, &select, base)?;
            remove_members(transaction, group, &ids)
        }
        MemberChange::Replace(ids) => set_members(transaction, group, &ids),
    }
}

fn selected(connection: &Connection, group: i64, select: &Expression, base: &str) -> Result<Vec<String>, Refusal> {
    let members = links(connection, Kind::Group, group)?;
    Ok(members
        .into_iter()
        .filter_map(|link| {
            let id = link.id.clone();
            let element = render::link(Kind::Group, link, base);
            element.as_object().is_some_and(|element| select.matches(element)).then_some(id)
        })
        .collect())
}

pub(super) fn add_members(transaction: &Transaction<'_>, group: i64, ids: &[String]) -> Result<bool, Refusal> {
    let mut insert = transaction.prepare_cached("INSERT OR IGNORE INTO members (holder, member) VALUES (?1, ?2)")?;
    let mut changed = false;
    for id in ids {
        changed |= insert.execute([group, member_seq(transaction, id)?])? > 0;
    }
    Ok(changed)
}

/// Removing who is no member is no error: the group is as the client wants it.
fn remove_members(transaction: &Transaction<'_>, group: i64, ids: &[String]) -> Result<bool, Refusal> {
    let mut delete = transaction.prepare_cached(
        "DELETE FROM members WHERE holder = ?1 AND member = (SELECT seq FROM resources WHERE id = ?2)",
    )?;
    let mut changed = false;
    for id in ids {
        changed |= delete.execute(params![group, id])? > 0;
    }
    Ok(changed)
}

/// Whether a resource has members.
pub(super) fn has_members(connection: &Connection, group: i64) -> Result<bool, Refusal> {
    let mut statement = connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM members WHERE holder = ?1)")?;
    Ok(statement.query_row([group], |row| row.get(0))?)
}

pub(super) fn set_members(transaction: &Transaction<'_>, group: i64, ids: &[String]) -> Result<bool, Refusal> {
    let members = |transaction: &Transaction<'_>| -> rusqlite::Result<Vec<i64>> {
        let mut statement =
            transaction.prepare_cached("SELECT member FROM members WHERE holder = ?1 ORDER BY member")?;
        statement.query_map([group], |row| row.get(0))?.collect()
    };
    let former = members(transaction)?;
    transaction.prepare_cached("DELETE FROM members WHERE holder = ?1")?.execute([group])?;
    add_members(transaction, group, ids)?;
    Ok(members(transaction)? != former)
}

/// The members of a group, or the groups of another resource, in the order of their creation.
pub(super) fn links(connection: &Connection, kind: Kind, seq: i64) -> Result<Vec<Link>, Refusal> {
    let sql = match kind {
        Kind::Group => {
            "SELECT id, kind, name FROM members JOIN resources ON seq = member WHERE holder = ?1 ORDER BY member"
        }
        Kind::User | Kind::Contact | Kind::Device => {
            "SELECT id, kind, name FROM members JOIN resources ON seq = holder WHERE member = ?1 ORDER BY holder"
        }
    };
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement
        .query_map([seq], |row| Ok(Link { id: row.get(0)?, kind: kind_of(row.get(1)?), display: row.get(2)? }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
