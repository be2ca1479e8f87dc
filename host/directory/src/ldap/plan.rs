//! What an import does below each base, one thing after the other.

use std::collections::VecDeque;

use provisor_model::SourceId;

use super::csn::Csns;
use super::position::{Mark, Marks};
use super::stamp::Stamp;
use super::way::{Dialect, Way};

/// One thing to do below a base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Read every entry.
    Everything,
    /// List every entry's id and name.
    Ids,
    /// Read what was changed since.
    Since(Stamp),
    /// Have the server say where it stands.
    Cookie,
    /// Have the server say what changed behind this cookie.
    Changes(Vec<u8>),
    /// Read these entries.
    Reread(Vec<SourceId>),
    /// Look for those who have left.
    Leavers,
}

/// A base, as far as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// Its name, as it is written in searches.
    pub name: String,
    /// Where its changes go on after this import.
    pub mark: Option<Mark>,
    /// Whether all that is there has been named.
    pub absent_is_deleted: bool,
}

/// What is to be done below which base, by its number.
#[derive(Debug)]
pub(crate) struct Plan {
    pub bases: Vec<Base>,
    pub tasks: VecDeque<(usize, Task)>,
}

impl Plan {
    /// Reads everything.
    pub fn full(way: &Way, bases: &[String]) -> Self {
        Self::of(bases.iter().enumerate().map(|(index, base)| {
            let (mark, tasks) = match way {
                // The numbers were read before the first entry: what changes while all is read comes once more.
                Way::Sync(Dialect::OpenLdap(numbers)) => {
                    (numbers.get(index).map(|numbers| Mark::Cookie(numbers.to_cookie())), vec![Task::Everything])
                }
                Way::Sync(_) => (None, vec![Task::Cookie, Task::Everything]),
                Way::Compare(_) => (None, vec![Task::Everything]),
            };
            (base, mark, tasks)
        }))
    }

    /// Reads what changed, where the marks lead on from what this server, at `url`, has now.
    pub fn increment(way: &Way, bases: &[String], marks: &Marks, url: &str, now: u64) -> Option<Self> {
        if marks.whole_is_due(now) && !matches!(way, Way::Sync(Dialect::OpenLdap(_))) {
            return None;
        }
        let mut parts = Vec::new();
        for (index, base) in bases.iter().enumerate() {
            let mark = marks.bases.get(base)?;
            let tasks = match (way, mark) {
                (Way::Sync(Dialect::OpenLdap(numbers)), Mark::Cookie(cookie)) => {
                    let known = Csns::from_cookie(cookie)?;
                    if !numbers.get(index)?.cover(&known) {
                        return None;
                    }
                    vec![Task::Changes(cookie.clone().into_bytes())]
                }
                (Way::Sync(Dialect::OpenLdap(_)), _) => return None,
                // What such a cookie means, the server alone knows that made it.
                (Way::Sync(_), mark) if marks.server == url => vec![Task::Changes(mark.cookie()?.to_vec())],
                (Way::Compare(_), Mark::Since { time, server }) if server == url => {
                    // The listing first: what is made after it, and before the changes are read, comes with these.
                    vec![Task::Ids, Task::Since(time.clone())]
                }
                (Way::Sync(_) | Way::Compare(_), _) => return None,
            };
            parts.push((base, Some(mark.clone()), tasks));
        }
        Some(Self::of(parts))
    }

    /// Why there is no increment from these marks: the beginning of a sentence for an administrator.
    pub fn why_full(way: &Way, marks: &Marks, now: u64) -> &'static str {
        match way {
            Way::Sync(Dialect::OpenLdap(_)) => "This server's changes do not go on from the last import",
            _ if marks.whole_is_due(now) => "A day has passed since all was read",
            _ => "Another server is read, or in another way, than at the last import",
        }
    }

    fn of<'a>(parts: impl IntoIterator<Item = (&'a String, Option<Mark>, Vec<Task>)>) -> Self {
        let mut plan = Self { bases: Vec::new(), tasks: VecDeque::new() };
        for (index, (name, mark, tasks)) in parts.into_iter().enumerate() {
            plan.bases.push(Base { name: name.clone(), mark, absent_is_deleted: false });
            plan.tasks.extend(tasks.into_iter().map(|task| (index, task)));
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "ldaps://one";

    fn marks(mark: Mark) -> Marks {
        Marks {
            source_id: "entryUUID".into(),
            whole: 1000,
            server: URL.into(),
            bases: [("dc=a".to_owned(), mark)].into(),
        }
    }

    fn tasks(way: &Way, mark: Mark, url: &str, now: u64) -> Option<Vec<Task>> {
        let plan = Plan::increment(way, &["dc=a".to_owned()], &marks(mark), url, now)?;
        Some(plan.tasks.into_iter().map(|(_, task)| task).collect())
    }

    #[test]
    fn a_time_serves_on_the_server_whose_it_is_and_for_a_day() {
        let way = Way::Compare(String::new());
        let time = Stamp::parse("20260101000000Z").unwrap();
        let mark = || Mark::Since { time: time.clone(), server: URL.into() };
        assert_eq!(tasks(&way, mark(), URL, 1001), Some(vec![Task::Ids, Task::Since(time.clone())]));
        assert_eq!(tasks(&way, mark(), "ldaps://two", 1001), None);
        assert_eq!(tasks(&way, mark(), URL, 100_000), None);
        assert_eq!(tasks(&way, Mark::Cookie("csn=1".into()), URL, 1001), None, "the way has changed");
    }

    #[test]
    fn a_cookie_is_taken_apart_for_openldap_only() {
        let opaque = Mark::Cookie("opaque".into());
        let standard = Way::Sync(Dialect::Standard);
        assert_eq!(tasks(&standard, opaque.clone(), URL, 1001), Some(vec![Task::Changes(b"opaque".to_vec())]));
        assert_eq!(tasks(&standard, opaque.clone(), "ldaps://two", 1001), None, "it is another server's");
        let numbers = Csns::from_cookie("csn=20260131120000.000000Z#000000#001#000000").unwrap();
        assert_eq!(tasks(&Way::Sync(Dialect::OpenLdap(vec![numbers])), opaque, "", 1001), None);
        let full = Plan::full(&standard, &["dc=a".to_owned()]);
        assert_eq!(
            full.tasks,
            [(0, Task::Cookie), (0, Task::Everything)],
            "where it stands is asked before all is read"
        );
    }

    #[test]
    fn why_all_is_read_is_told() {
        let time = Stamp::parse("20260101000000Z").unwrap();
        let marks = marks(Mark::Since { time, server: URL.into() });
        let compare = Way::Compare(String::new());
        assert!(Plan::why_full(&compare, &marks, 100_000).contains("A day"));
        assert!(Plan::why_full(&compare, &marks, 1001).contains("Another server"));
        let numbers = Way::Sync(Dialect::OpenLdap(Vec::new()));
        assert!(Plan::why_full(&numbers, &marks, 100_000).contains("do not go on"), "it has no such day");
    }

    #[test]
    fn a_base_without_a_mark_means_that_everything_is_read() {
        let way = Way::Sync(Dialect::Standard);
        let bases = ["dc=a".to_owned(), "dc=b".to_owned()];
        assert!(Plan::increment(&way, &bases, &marks(Mark::Cookie("c".into())), URL, 1001).is_none());
    }
}
