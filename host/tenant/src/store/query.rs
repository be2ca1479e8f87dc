//! Searches: what has an index is answered by SQL, everything else is evaluated on each resource.
use rusqlite::params_from_iter;
use rusqlite::types::Value as Sql;

use super::{COLUMNS, Record, Store, code, links, record};
use crate::error::Refusal;
use crate::expression::{Expression, Operand};
use crate::filter::Comparison;
use crate::render;
use crate::schema::{At, Kind};

/// What is looked for among one kind, and by what it is sorted.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    pub(crate) kind: Kind,
    pub(crate) filter: Option<Expression>,
    pub(crate) key: Option<At>,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Position {
    /// After this many resources that meet the filter.
    Skip(usize),
    /// After the resource that stands here, whatever came or went before it.
    After(i64),
}

impl From<usize> for Position {
    fn from(skip: usize) -> Self {
        Self::Skip(skip)
    }
}

impl Position {
    fn skip(self) -> usize {
        match self {
            Self::Skip(skip) => skip,
            Self::After(_) => 0,
        }
    }

    fn after(self) -> i64 {
        match self {
            Self::Skip(_) => 0,
            Self::After(seq) => seq,
        }
    }
}

/// The part of a filter that SQL answers.
struct Condition {
    sql: String,
    parameters: Vec<Sql>,
    /// Whether that is all of the filter, so that nothing is left to evaluate.
    exact: bool,
}

impl Store {
    /// The resources of a kind that meet a filter, in the order of their creation: how many there are in all, and `take`
    /// of them from a position on.
    pub(crate) fn list(
        &self,
        kind: Kind,
        filter: Option<&Expression>,
        from: impl Into<Position>,
        take: usize,
        with_links: bool,
    ) -> Result<(usize, Vec<Record>), Refusal> {
        let from = from.into();
        let condition = filter.and_then(|filter| condition(kind, filter));
        let (total, mut page) = match (filter, &condition) {
            (Some(filter), condition) if !condition.as_ref().is_some_and(|condition| condition.exact) => {
                self.scan(kind, filter, condition.as_ref(), from, take)?
            }
            (_, condition) => self.page(kind, condition.as_ref(), from, take)?,
        };
        if with_links {
            page.iter_mut().try_for_each(|record| self.load_links(record))?;
        }
        Ok((total, page))
    }

    fn page(
        &self,
        kind: Kind,
        condition: Option<&Condition>,
        from: Position,
        take: usize,
    ) -> Result<(usize, Vec<Record>), Refusal> {
        let (clause, mut parameters) = clause(kind, condition);
        let total: i64 = self
            .connection
            .prepare_cached(&format!("SELECT count(*) FROM resources {clause}"))?
            .query_row(params_from_iter(&parameters), |row| row.get(0))?;
        if take == 0 {
            return Ok((usize::try_from(total).unwrap_or(0), Vec::new()));
        }
        let number = |number: usize| Sql::Integer(i64::try_from(number).unwrap_or(i64::MAX));
        parameters.extend([Sql::Integer(from.after()), number(take), number(from.skip())]);
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM resources {clause} AND seq > ? ORDER BY seq LIMIT ? OFFSET ?"
        ))?;
        let rows = statement.query_map(params_from_iter(&parameters), record)?;
        Ok((usize::try_from(total).unwrap_or(0), rows.collect::<rusqlite::Result<_>>()?))
    }

    fn scan(
        &self,
        kind: Kind,
        filter: &Expression,
        condition: Option<&Condition>,
        from: Position,
        take: usize,
    ) -> Result<(usize, Vec<Record>), Refusal> {
        let (clause, parameters) = clause(kind, condition);
        let mut statement =
            self.connection.prepare_cached(&format!("SELECT {COLUMNS} FROM resources {clause} ORDER BY seq"))?;
        let mut rows = statement.query(params_from_iter(&parameters))?;
        let (mut total, mut page) = (0, Vec::new());
        while let Some(row) = rows.next()? {
            let found = record(row)?;
            if !self.meets(filter, &found)? {
                continue;
            }
            if total >= from.skip() && found.seq > from.after() && page.len() < take {
                page.push(found);
            }
            total += 1;
        }
        Ok((total, page))
    }

    fn meets(&self, filter: &Expression, found: &Record) -> Result<bool, Refusal> {
        let mut candidate = found.clone();
        if filter.mentions(found.kind.link_attribute()) {
            candidate.links = links(&self.connection, found.kind, found.seq)?;
        }
        Ok(filter.matches(&render::whole(candidate, &self.base)))
    }
}

fn clause(kind: Kind, condition: Option<&Condition>) -> (String, Vec<Sql>) {
    let mut parameters = vec![Sql::Integer(code(kind))];
    match condition {
        None => ("WHERE kind = ?".to_owned(), parameters),
        Some(condition) => {
            parameters.extend(condition.parameters.iter().cloned());
            (format!("WHERE kind = ? AND {}", condition.sql), parameters)
        }
    }
}

/// The condition that an index answers and that every resource which meets the filter fulfils.
fn condition(kind: Kind, filter: &Expression) -> Option<Condition> {
    match filter {
        Expression::Compare(at, Comparison::Eq, operand) => equality(kind, at, operand),
        Expression::Select(at, inner) if kind == Kind::Group && at.is("members") => match &**inner {
            Expression::Compare(sub, Comparison::Eq, Operand::Exact(id)) if sub.is("value") => Some(has_member(id)),
            _ => None,
        },
        Expression::And(terms) => {
            let found: Vec<Condition> = terms.iter().filter_map(|term| condition(kind, term)).collect();
            let exact = found.len() == terms.len() && found.iter().all(|one| one.exact);
            join(found, " AND ", exact)
        }
        Expression::Or(terms) => {
            let found: Option<Vec<Condition>> = terms.iter().map(|term| condition(kind, term)).collect();
            let found = found?;
            let exact = found.iter().all(|one| one.exact);
            join(found, " OR ", exact)
        }
        _ => None,
    }
}

fn join(conditions: Vec<Condition>, operator: &str, exact: bool) -> Option<Condition> {
    if conditions.is_empty() {
        return None;
    }
    let sql = conditions.iter().map(|one| one.sql.as_str()).collect::<Vec<_>>().join(operator);
    let parameters = conditions.into_iter().flat_map(|one| one.parameters).collect();
    Some(Condition { sql: format!("({sql})"), parameters, exact })
}

fn equality(kind: Kind, at: &At, operand: &Operand) -> Option<Condition> {
    let column = |sql: &str, value: &str| {
        Some(Condition { sql: sql.to_owned(), parameters: vec![Sql::Text(value.to_owned())], exact: true })
    };
    let by_name = at.is(kind.name_attribute());
    match operand {
        Operand::Exact(id) if at.is("id") => column("id = ?", id),
        Operand::Exact(id) if at.is("externalId") => column("external_id = ?", id),
        Operand::Folded(key, _) if by_name => column("name_key = ?", key),
        Operand::Exact(id) if kind == Kind::Group && is_member_id(at) => Some(has_member(id)),
        _ => None,
    }
}

fn is_member_id(at: &At) -> bool {
    at.extension.is_none() && at.attribute.name == "members" && at.sub.is_some_and(|sub| sub.name == "value")
}

fn has_member(id: &str) -> Condition {
    Condition {
        sql: "seq IN (SELECT holder FROM members WHERE member = (SELECT seq FROM resources WHERE id = ?))".to_owned(),
        parameters: vec![Sql::Text(id.to_owned())],
        exact: true,
    }
}
