//! An inspection of a configuration: its whole source is read, then the users of its target, and nothing is written to
//! either, nor to the connector space.

use std::collections::BTreeMap;
use std::sync::Arc;

use provisor_directory::{ImportItem, ImportKind, ImportRequest};
use provisor_model::{ResourceId, TargetPath};
use provisor_space::Space;
use provisor_target::{Listing, RemoteResource, ScimTarget, TargetError};
use serde_json::Value as Json;

use super::conflict::{Claim, EMAILS, Standing, TargetUser, USER_NAME};
use super::inspector::{InspectionError, Inspector};
use super::object::asked;
use super::report::{HygieneReport, HygieneRequest};
use crate::configuration::Source;
use crate::watch::Step;
use crate::{CycleWatch, Pipeline, SyncError};

/// The kind of resource that people are at the target.
const USER: &str = "User";

/// How often a listing is begun anew because others wrote while it was read.
const MOST_LISTINGS: usize = 3;

/// How many objects are read whole at once.
const INCOMPLETE: usize = 500;

/// The most addresses of one user that are compared.
const MOST_ADDRESSES: usize = 100;

/// The most users of the target that are told of; the others are counted.
const MOST_CONTESTED: usize = 20_000;

/// A user of the target, and the objects that it has a value of and is not linked to.
type Contested = (TargetUser, Vec<(Claim, Standing)>);

impl Pipeline {
    /// Reads the whole source as it is now, and tells what of it a service would refuse or take for something else. A
    /// target that cannot be asked is told in the report.
    ///
    /// # Errors
    /// When the source cannot be read as a whole, or it was asked to stop.
    pub async fn hygiene(&mut self, request: HygieneRequest, watch: &CycleWatch) -> Result<HygieneReport, SyncError> {
        let mut inspector = self.look_at_source(request, watch).await?;
        let (mut target_users, mut target_error, mut notes) = (None, None, Vec::new());
        if request.target {
            match self.look_at_target(&inspector, watch).await? {
                Ok(Listed { users, contested, untold }) => {
                    target_users = Some(users);
                    for (user, claims) in contested {
                        claims.iter().for_each(|(claim, standing)| inspector.conflict(&user, claim, standing));
                    }
                    if untold > 0 {
                        notes.push(format!(
                            "{untold} more users of the target have a value of an object that is not theirs"
                        ));
                    }
                }
                Err(error) => target_error = Some(error.to_string()),
            }
        }
        let inspection = on_a_thread(move || inspector.finish()).await?;
        if inspection.overlooked > 0 {
            notes.push(format!(
                "{} references were not looked at: too many waited for their object",
                inspection.overlooked
            ));
        }
        if inspection.read == 0 {
            notes
                .push("The source has no entries: check its base, its filter and the rights of the account".to_owned());
        }
        Ok(HygieneReport {
            configuration: self.name().to_owned(),
            rules: request.rules,
            read: inspection.read,
            inspected: inspection.inspected,
            skipped: inspection.skipped,
            target_users,
            target_error,
            notes,
            found: inspection.found,
            counts: inspection.counts,
            findings: inspection.findings,
        })
    }

    /// Reads everything, and looks at each entry as it comes.
    async fn look_at_source(&self, request: HygieneRequest, watch: &CycleWatch) -> Result<Inspector, SyncError> {
        let directory = self.configuration.directory()?;
        let schema = directory.schema().await?;
        let any = matches!(self.configuration.source, Source::Ldif(_));
        // The same ids as in the connector space, so that links can be looked up by them.
        let known = self.known().await?;
        let asked = ImportRequest { attributes: asked(&schema, any), watermark: None, known };
        let mut import = directory.import(asked).await?;
        if import.kind() != ImportKind::Full {
            return Err(SyncError::Internal("everything was asked of the source, and less is read".into()));
        }
        let mut inspector = Inspector::new(request);
        while let Some(items) = import.next_page().await? {
            if watch.stopping() {
                return Err(SyncError::Interrupted);
            }
            inspector = self.take(inspector, items).await?;
            watch.report(Step::Import, inspector.read(), None);
        }
        // Of what came to be while the others were read, it may be that only a change was told.
        loop {
            let ids = inspector.take_incomplete(INCOMPLETE);
            if ids.is_empty() {
                break;
            }
            let items = import.whole(&ids).await?;
            inspector = self.take(inspector, items).await?;
        }
        import.finish()?;
        Ok(inspector)
    }

    /// Has a page looked at on a thread that may take its time.
    async fn take(&self, mut inspector: Inspector, items: Vec<ImportItem>) -> Result<Inspector, SyncError> {
        let taken = on_a_thread(move || inspector.take(items).map(|()| inspector)).await?;
        taken.map_err(|error| match error {
            InspectionError::TooMany(_) => {
                SyncError::Settings(format!("{}: {error}", self.configuration.file.display()))
            }
            InspectionError::Damaged(_) => SyncError::Internal(error.to_string()),
        })
    }

    /// Lists the users of the target and compares them; the inner error is that of a target that cannot be listed.
    async fn look_at_target(
        &self,
        inspector: &Inspector,
        watch: &CycleWatch,
    ) -> Result<Result<Listed, SyncError>, SyncError> {
        let connected = match self.configuration.target_options() {
            Ok(options) => ScimTarget::connect(options).await.map_err(SyncError::from),
            Err(error) => Err(error.into()),
        };
        let target = match connected {
            Ok(target) => target,
            Err(error) => return Ok(Err(error)),
        };
        let mut tried = 1;
        loop {
            match self.list_users(target.list(USER), inspector, watch).await {
                Err(SyncError::Target(TargetError::ListingIncomplete { .. })) if tried < MOST_LISTINGS => tried += 1,
                Err(error @ SyncError::Target(_)) => return Ok(Err(error)),
                listed => return listed.map(Ok),
            }
        }
    }

    /// One listing.
    async fn list_users(
        &self,
        listing: Listing,
        inspector: &Inspector,
        watch: &CycleWatch,
    ) -> Result<Listed, SyncError> {
        let mut listing = listing.without_members();
        let mut listed = Listed::default();
        while let Some(page) = listing.next_page().await? {
            if watch.stopping() {
                return Err(SyncError::Interrupted);
            }
            listed.users += page.len() as u64;
            watch.report(Step::Match, listed.users, listing.total().map(|total| total as u64));
            let claimed: Vec<(TargetUser, Vec<Claim>)> = page
                .iter()
                .map(target_user)
                .map(|user| (inspector.claims(&user), user))
                .filter(|(claims, _)| !claims.is_empty())
                .map(|(claims, user)| (user, claims))
                .collect();
            let configuration = Arc::clone(&self.configuration);
            let contested = self.store.with(move |space| contested_of(space, &configuration.matching, claimed)).await?;
            for one in contested {
                if listed.contested.len() < MOST_CONTESTED {
                    listed.contested.push(one);
                } else {
                    listed.untold += 1;
                }
            }
        }
        Ok(listed)
    }
}

/// What a listing of the target's users has come to.
#[derive(Default)]
struct Listed {
    /// How many there are.
    users: u64,
    /// Those that have a value of an object which is not theirs.
    contested: Vec<Contested>,
    /// How many more of them there are.
    untold: u64,
}

/// Leaves out who is linked to one of those who have its value: the others are told of as duplicates.
fn contested_of(
    space: &Space,
    matching: &BTreeMap<String, Vec<TargetPath>>,
    claimed: Vec<(TargetUser, Vec<Claim>)>,
) -> Result<Vec<Contested>, SyncError> {
    let mut contested = Vec::new();
    for (user, claims) in claimed {
        let owner = space.owner_of(USER, &ResourceId::new(user.id.as_str()))?;
        if owner.as_ref().is_some_and(|(_, owner, _)| claims.iter().any(|claim| claim.id == *owner)) {
            continue;
        }
        let mut standings = Vec::with_capacity(claims.len());
        for claim in claims {
            let listed = matching.get(&claim.class).map_or(&[][..], Vec::as_slice);
            let standing = match &owner {
                Some((_, _, dn)) => Standing::Linked(dn.clone()),
                None if !space.resources_of(&claim.id)?.is_empty() => Standing::Other,
                None => Standing::Free {
                    matched: listed.iter().any(|path| path.attribute().eq_ignore_ascii_case(claim.path)),
                },
            };
            standings.push((claim, standing));
        }
        contested.push((user, standings));
    }
    Ok(contested)
}

/// The names and addresses of a user as the target shows it.
fn target_user(resource: &RemoteResource) -> TargetUser {
    let named = |document: &'_ Json, name: &str| -> Option<Json> {
        let members = document.as_object()?;
        members.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    };
    let text = |value: Json| value.as_str().map(str::to_owned);
    let mut values = Vec::new();
    values.extend(named(&resource.document, USER_NAME).and_then(text).map(|name| (USER_NAME, name)));
    if let Some(Json::Array(rows)) = named(&resource.document, EMAILS) {
        let addresses =
            rows.into_iter().take(MOST_ADDRESSES).filter_map(|row| text(named(&row, "value").unwrap_or(row)));
        values.extend(addresses.map(|address| (EMAILS, address)));
    }
    TargetUser {
        id: resource.id.to_string(),
        display: resource.display().to_owned(),
        // Some services show an empty one where there is none.
        external_id: resource.external_id.clone().filter(|id| !id.is_empty()),
        values,
    }
}

/// Runs `work` on a thread that may take its time.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, SyncError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| SyncError::Internal(error.to_string()))
}
