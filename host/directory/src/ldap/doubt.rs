//! Whether who is missing on a server is gone: not while another server of the directory has shown more than this one.

use serde::{Deserialize, Serialize};

use super::stamp::Stamp;

/// How long a change may be on its way from one server to another, together with what their clocks differ by: as long
/// as the searches for changes reach back.
const ON_ITS_WAY: u64 = 15 * 60;

/// What speaks against taking who is missing for deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Nothing.
    None,
    /// Every server was asked, and none has come as far as what was read: the one that had, lost it in a crash, or was
    /// restored. Numbers show when it has caught up.
    FellBack,
    /// Another server was read last, and nothing numbered shows how far this one has come.
    Unshown(Pending),
}

/// What is waited for before who is missing on a server counts as deleted. A replica is told of changes in the order in
/// which they were made, as a rule: one that shows a newer change than any that another showed has been told of those before
/// it, but for what is on its way from a third. As new is not enough: times are to the second, and many changes fit in one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// Since when, in seconds since 1970 by this host's clock.
    pub since: u64,
    /// The newest change that was seen on other servers; none where none showed when it was changed.
    pub wanted: Option<Stamp>,
    /// The newest that this one has shown since.
    pub shown: Option<Stamp>,
}

impl Doubt {
    /// Ends the doubt where what this server at `url` has shown by now speaks against it, and tells how it stands.
    pub fn settle(&mut self, shown: Option<&Stamp>, now: u64, url: &str) {
        match self {
            Self::None => {}
            Self::FellBack => tracing::warn!(
                url,
                "No server has come as far as what was read before: one lost changes in a crash, or was restored. Everything \
                 is read in each cycle, and who is missing is not taken for deleted, until one has come so far (with OpenLDAP \
                 the next change does it). If the directory was restored, make the restored server the only one in url for one cycle."
            ),
            Self::Unshown(pending) => {
                pending.shown = pending.shown.take().max(shown.cloned());
                if pending.is_over(now) {
                    tracing::info!(url, "This server has caught up with what was read before.");
                    *self = Self::None;
                } else {
                    tracing::warn!(
                        url,
                        until = pending.describe(),
                        "Another server was read before, and nothing shows that this one has caught up with it. Who is missing \
                         is not taken for deleted until then. If the other server is gone for good, take it out of url."
                    );
                }
            }
        }
    }

    /// What the next import has to go on with.
    pub fn pending(&self) -> Option<Pending> {
        match self {
            Self::Unshown(pending) => Some(pending.clone()),
            Self::None | Self::FellBack => None,
        }
    }
}

impl Pending {
    /// The doubt that begins now.
    pub fn begin(wanted: Option<Stamp>, now: u64) -> Self {
        Self { since: now, wanted, shown: None }
    }

    /// The doubt that began in an earlier import; where the clock was set back, now.
    pub fn go_on(self, now: u64) -> Self {
        Self { since: self.since.min(now), ..self }
    }

    fn is_over(&self, now: u64) -> bool {
        now >= self.since.saturating_add(ON_ITS_WAY) && self.wanted.is_some() && self.shown > self.wanted
    }

    /// What is waited for, for an administrator.
    fn describe(&self) -> String {
        match &self.wanted {
            Some(wanted) => format!(
                "it has been read for {} minutes and shows a change newer than {wanted}, the newest that was seen elsewhere",
                ON_ITS_WAY / 60
            ),
            None => "it is the only one in url, since the account may not read modifyTimestamp on what was read before"
                .into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(minute: u8) -> Stamp {
        Stamp::parse(&format!("202601010000{minute:02}Z")).unwrap()
    }

    /// Whether who is missing is still not taken for deleted, after so many seconds and with this shown.
    fn holds(wanted: Option<Stamp>, shown: Option<&Stamp>, seconds: u64) -> bool {
        let mut doubt = Doubt::Unshown(Pending::begin(wanted, 1_000));
        doubt.settle(shown, 1_000 + seconds, "");
        doubt != Doubt::None
    }

    #[test]
    fn a_server_is_believed_when_it_shows_more_than_others_showed_and_time_has_passed() {
        assert!(!holds(Some(stamp(5)), Some(&stamp(6)), ON_ITS_WAY));
        assert!(holds(Some(stamp(5)), Some(&stamp(6)), ON_ITS_WAY - 1), "another change may be on its way");
        assert!(holds(Some(stamp(5)), Some(&stamp(5)), 1_000_000), "others of that second may be missing");
        assert!(holds(Some(stamp(5)), None, 1_000_000), "it shows nothing");
        assert!(holds(None, Some(&stamp(5)), 1_000_000), "there is nothing to go by");
    }

    #[test]
    fn what_was_shown_in_an_earlier_import_counts() {
        let mut doubt = Doubt::Unshown(Pending::begin(Some(stamp(5)), 1_000));
        doubt.settle(Some(&stamp(6)), 1_001, "");
        let kept = serde_json::to_string(&doubt.pending().unwrap()).unwrap();
        let mut doubt = Doubt::Unshown(serde_json::from_str::<Pending>(&kept).unwrap().go_on(1_900));
        doubt.settle(Some(&stamp(1)), 1_900, "");
        assert_eq!(doubt, Doubt::None);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nobody_wait_for_ever() {
        assert_eq!(Pending::begin(Some(stamp(5)), 5_000).go_on(1_000).since, 1_000);
    }

    #[test]
    fn where_all_fell_back_no_time_helps() {
        let mut doubt = Doubt::FellBack;
        doubt.settle(Some(&stamp(5)), u64::MAX, "");
        assert_eq!(doubt, Doubt::FellBack);
    }
}
