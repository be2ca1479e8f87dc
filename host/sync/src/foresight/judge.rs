//! What a cycle would do for one entry, found out without writing anything.

use std::collections::BTreeSet;

use provisor_model::{
    AttributeChange, Change, Draft, DraftValue, LeavingAction, OperationKind, Plain, Reason, ResourceId, TargetValue,
};
use provisor_rules::Outcome;
use provisor_space::{EntryKey, LinkView, Space, StoredView};
use provisor_target::RequestCosts;

use super::Halt;
use super::harvest::{Deed, Harvest};
use super::prospects::Prospects;
use crate::SyncError;
use crate::context::Context;
use crate::decide::{Verdict, anchor_is_shared, excluded, heir, held_by, leaving_operation, left_out, taken_over};
use crate::finalise::{TargetFacts, cannot_be_disabled};
use crate::scope;

/// What judging stands on; the same for all threads.
pub(super) struct Judge<'a> {
    pub context: &'a Context,
    pub facts: &'a TargetFacts,
    pub costs: &'a RequestCosts,
    pub prospects: &'a Prospects,
    /// Kinds of which the target has no resource, so that whoever has no link is new.
    pub new_kinds: &'a BTreeSet<String>,
    /// Who is being judged, by number: what is not known of others is as it was.
    pub judged: &'a [EntryKey],
    /// Whether all that can be known is known by now.
    pub complete: bool,
    /// Whether values that may be had only once can be allotted: their entries come in order.
    pub in_order: bool,
    /// Whether nothing of it is kept.
    pub tentative: bool,
}

impl Judge<'_> {
    /// Judges one entry by what scope and rules say of it.
    pub fn judge(
        &self,
        space: &Space,
        stored: &StoredView<'_>,
        verdict: Verdict,
        harvest: &mut Harvest,
    ) -> Result<(), Halt> {
        if !self.complete {
            harvest.tally.evaluated += 1;
        }
        let link = stored.link().map_err(SyncError::from)?;
        match verdict {
            Verdict::Gone if link.is_none() && !stored.uncertain() => {
                self.prospects.set(stored.key(), false);
                harvest.deeds.push((stored.key(), Deed::Forget));
                Ok(())
            }
            Verdict::Gone => self.leave(stored, link, None, harvest),
            Verdict::OutsideScope => self.leave_out(stored, link, scope::outside(&self.context.configuration), harvest),
            Verdict::Excluded => self.leave_out(stored, link, excluded(), harvest),
            Verdict::Decided(Outcome::OutOfScope { plugin, reason }) => {
                self.leave_out(stored, link, left_out(plugin, reason), harvest)
            }
            Verdict::Decided(Outcome::Held { plugin, version, reason }) => {
                self.hold(stored, link, held_by(&plugin, &version, reason), harvest);
                Ok(())
            }
            Verdict::Decided(Outcome::Provision(draft)) => self.provision(space, stored, link, draft, harvest),
        }
    }

    pub(super) fn hold(
        &self,
        stored: &StoredView<'_>,
        link: Option<LinkView<'_>>,
        reason: Reason,
        harvest: &mut Harvest,
    ) {
        self.stays(stored, link);
        harvest.deeds.push((stored.key(), Deed::Hold(reason)));
    }

    /// The entry has a resource afterwards where it has one now.
    fn stays(&self, stored: &StoredView<'_>, link: Option<LinkView<'_>>) {
        let there = link.is_some_and(|link| !link.disabled);
        self.prospects.set_standing(stored.key(), there, !stored.gone() && !stored.excluded());
    }

    fn leave_out(
        &self,
        stored: &StoredView<'_>,
        link: Option<LinkView<'_>>,
        reason: Reason,
        harvest: &mut Harvest,
    ) -> Result<(), Halt> {
        if link.is_some() || stored.uncertain() {
            *harvest.tally.out_of_scope.entry(reason.code.clone()).or_default() += 1;
            return self.leave(stored, link, Some(reason), harvest);
        }
        self.prospects.set(stored.key(), false);
        *harvest.tally.out_of_scope.entry(reason.code.clone()).or_default() += 1;
        let decision = format!("out of scope: {}: {}", reason.code, reason.detail);
        if stored.decision().map_err(SyncError::from)? != Some(decision.as_str()) {
            harvest.deeds.push((stored.key(), Deed::LeaveOut(reason, decision)));
        }
        if self.in_order {
            harvest.deeds.push((stored.key(), Deed::GiveBack));
        }
        Ok(())
    }

    /// What happens to the resource of an entry that left: because it is gone, where there is no other reason.
    fn leave(
        &self,
        stored: &StoredView<'_>,
        link: Option<LinkView<'_>>,
        reason: Option<Reason>,
        harvest: &mut Harvest,
    ) -> Result<(), Halt> {
        let (key, gone) = (stored.key(), reason.is_none());
        let verdict = || match reason.clone() {
            None => Verdict::Gone,
            Some(reason) => Verdict::Decided(Outcome::OutOfScope { plugin: None, reason }),
        };
        let class = stored.object_class().map_err(SyncError::from)?;
        let Some(link) = link else {
            // Its creation was under way when the host stopped: only the target can tell whether it exists.
            if self.context.asks_target {
                harvest.deeds.push((key, Deed::Match(verdict())));
            } else {
                self.prospects.set(key, false);
            }
            return Ok(());
        };
        if !link.disabled {
            harvest.leavers.push(key);
        }
        if stored.uncertain() && self.context.asks_target {
            harvest.deeds.push((key, Deed::Match(verdict())));
            return Ok(());
        }
        let operation = match self.context.configuration.leaving.action(class, gone) {
            LeavingAction::Disable if link.disabled && !gone && !stored.uncertain() => {
                self.prospects.set(key, false);
                return Ok(());
            }
            LeavingAction::Disable if link.disabled && !stored.uncertain() => OperationKind::Release,
            action => leaving_operation(action),
        };
        let resource = ResourceId::new(link.resource_id);
        let operation = match heir(self.context, operation, link.kind, &resource, link.anchor)? {
            Some(_) => OperationKind::Release,
            None => operation,
        };
        let active = &self.context.paths.active;
        if operation == OperationKind::Disable {
            let can_be = match self.facts.kind_can_be_disabled(link.kind) {
                Some(can_be) => can_be,
                None => link.exported().map_err(SyncError::from)?.contains_key(active),
            };
            if !can_be {
                let reason = cannot_be_disabled(link.kind, reason.as_ref(), class, gone);
                self.hold(stored, Some(link), reason, harvest);
                return Ok(());
            }
        }
        self.prospects.set(key, false);
        let writes = match operation {
            OperationKind::Disable => {
                harvest.attribute(active);
                let change = Change::Set(TargetValue::Plain(Plain::Boolean(false)));
                let changes = [AttributeChange::<u32> { path: active.clone(), old: None, change }];
                self.costs.requests(operation, &changes)
            }
            _ => self.costs.requests::<u32>(operation, &[]),
        };
        harvest.operation(operation, writes);
        if operation.takes_access_away() {
            *harvest.tally.leaving.entry(link.kind.to_owned()).or_default() += 1;
        }
        harvest.first.offer(stored.stored_id(), key);
        Ok(())
    }

    fn provision(
        &self,
        space: &Space,
        stored: &StoredView<'_>,
        link: Option<LinkView<'_>>,
        draft: Draft,
        harvest: &mut Harvest,
    ) -> Result<(), Halt> {
        if let Some(reason) = self.shared_anchor(space, stored)? {
            self.hold(stored, link, reason, harvest);
            return Ok(());
        }
        let contested =
            draft.attributes.iter().any(|(_, attribute)| matches!(attribute.value, DraftValue::FirstUnique(_)));
        if contested && !self.in_order {
            return Err(Halt::InOrder);
        }
        if self.context.asks_target && (stored.uncertain() || self.must_ask(stored, link, &draft.kind)?) {
            let verdict = Verdict::Decided(Outcome::Provision(draft));
            harvest.deeds.push((stored.key(), Deed::Match(verdict)));
            return Ok(());
        }
        if contested {
            harvest.deeds.push((stored.key(), Deed::Choose(draft)));
            return Ok(());
        }
        self.desire(space, stored, link, draft, harvest)
    }

    /// Whether only the target can tell what becomes of an entry that is to be a resource of this kind.
    fn must_ask(&self, stored: &StoredView<'_>, link: Option<LinkView<'_>>, kind: &str) -> Result<bool, SyncError> {
        let Some(link) = link else { return Ok(!self.new_kinds.contains(kind)) };
        let (class, resource) = (stored.object_class()?, ResourceId::new(link.resource_id));
        let taken = taken_over(self.context, class, link.kind, &resource, link.disabled)?.is_some();
        Ok(taken || link.anchor != stored.anchor() || link.kind != kind)
    }

    /// Whether another entry of the source has the same anchor.
    fn shared_anchor(&self, space: &Space, stored: &StoredView<'_>) -> Result<Option<Reason>, SyncError> {
        let anchor = stored.anchor();
        if !self.context.may_be_shared(anchor) {
            return Ok(None);
        }
        Ok(space.anchor_rival(stored.key(), anchor)?.map(|rival| anchor_is_shared(anchor, &rival)))
    }
}
