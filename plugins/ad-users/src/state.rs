//! Whether an account may be used: its flags and, where that is asked for, its end and its lockout.

use provisor_plugin_ad_common::{AccountControl, seconds};
use provisor_sdk::prelude::*;

use crate::Config;

const MINUTE: i64 = 60;

/// What the state of an account is told by.
pub struct State {
    control: AccountControl,
    expiry: Option<(Text, CycleTime)>,
    lockout: Option<Lockout>,
}

/// Since when an account is locked out, and how long that lasts in minutes; none: until somebody unlocks it.
struct Lockout {
    since: Text,
    lasts: Option<(i64, CycleTime)>,
}

impl State {
    /// Reads the flags, and what the settings look at besides.
    pub fn read(contract: &mut MappingContract, config: &Config) -> Self {
        let minutes = i64::from(config.lockout_minutes);
        Self {
            control: AccountControl::read(contract),
            expiry: config.disable_expired.then(|| (contract.text("accountExpires;time"), contract.cycle_time())),
            lockout: config.disable_locked.then(|| Lockout {
                since: contract.text("lockoutTime;time"),
                lasts: (minutes > 0).then(|| (minutes, contract.cycle_time())),
            }),
        }
    }

    /// Whether the account may be used now.
    ///
    /// # Errors
    /// It cannot be told.
    pub fn is_active(&self, entry: &Entry) -> Result<bool, Refusal> {
        // All three are asked, so that the answer holds until the earliest time at which one of them changes.
        let (enabled, expired, locked) =
            (self.control.is_enabled(entry)?, self.has_expired(entry)?, self.is_locked(entry)?);
        Ok(enabled && !expired && !locked)
    }

    fn has_expired(&self, entry: &Entry) -> Result<bool, Refusal> {
        let Some((end, now)) = self.expiry else { return Ok(false) };
        let Some(end) = time(entry, end, "accountExpires")? else { return Ok(false) };
        Ok(has_come(entry, end, now))
    }

    fn is_locked(&self, entry: &Entry) -> Result<bool, Refusal> {
        let Some(lockout) = &self.lockout else { return Ok(false) };
        let since = time(entry, lockout.since, "lockoutTime")?;
        Ok(match (since, lockout.lasts) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(since), Some((minutes, now))) => !has_come(entry, since.saturating_add(minutes * MINUTE), now),
        })
    }
}

/// Whether a time has come. Until it has, the answer is another one then.
fn has_come(entry: &Entry, time: i64, now: CycleTime) -> bool {
    let come = time <= entry.now(now);
    if !come {
        entry.valid_until(time);
    }
    come
}

fn time(entry: &Entry, source: Text, name: &str) -> Result<Option<i64>, Refusal> {
    let unfit = |text: &str| fail("unfit-time", format!("{name} is {text:.40}, which is no time"));
    entry.text(source).map(|text| seconds(text).ok_or_else(|| unfit(text))).transpose()
}
