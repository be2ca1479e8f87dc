//! Writing resources whole, for services that cannot change them in part.

use provisor_model::{AttributeChange, Change, ResourceId, TargetPath};
use reqwest::Url;
use serde_json::Value;

use crate::TargetError;
use crate::scim::abilities::ResourceType;
use crate::scim::document;
use crate::scim::http::Call;
use crate::scim::members::reference_changes;
use crate::scim::remote::RemoteResource;
use crate::scim::write::{MOST_REWRITES, Update, Updated};
use crate::scim::{ScimTarget, json};

impl ScimTarget {
    /// Writes the whole resource: as just read, with our changes laid over it, if nobody else changed it meanwhile.
    pub(crate) async fn rewrite(
        &self,
        kind: &ResourceType,
        url: &Url,
        update: &Update<'_>,
    ) -> Result<Updated, TargetError> {
        self.refuse_blind_rewrite(kind, update)?;
        let mut requests = 0;
        loop {
            let shown = self.shown(kind, url, update.id).await?;
            let document = self.overlaid(kind, &shown, update.changes)?;
            if document == shown.document {
                return Ok(Updated { requests, unfinished: None });
            }
            let version = shown.version().filter(|_| self.abilities().etag).map(str::to_owned);
            let call = Call::put(url.clone(), &self.dialect().dressed(document), version);
            requests += 1;
            match self.http().send(&call).await {
                Ok(reply) => {
                    let unfinished = self.keeps_lists(kind, update, reply).await.err();
                    return Ok(Updated { requests, unfinished });
                }
                Err(TargetError::Refused { status: 412, .. }) if (requests as usize) < MOST_REWRITES => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// What does not show its references would lose them all by being written whole.
    fn refuse_blind_rewrite(&self, kind: &ResourceType, update: &Update<'_>) -> Result<(), TargetError> {
        let members = "members".parse::<TargetPath>().ok().filter(|_| kind.name.eq_ignore_ascii_case("Group"));
        let lists = reference_changes(update.changes).map(|(path, _, _)| path);
        match lists.chain(members.as_ref()).find(|path| !self.shows(&kind.name, path)) {
            Some(path) => Err(TargetError::Unsupported(format!(
                "a {} can only be written whole at this target, which does not show \"{path}\": whatever is there would be lost. \
                 Nothing was sent",
                kind.name
            ))),
            None => Ok(()),
        }
    }

    fn overlaid(
        &self,
        kind: &ResourceType,
        shown: &RemoteResource,
        changes: &[AttributeChange<ResourceId>],
    ) -> Result<Value, TargetError> {
        let mut document = shown.document.clone();
        let Some(object) = json::as_object(&mut document) else { return Ok(document) };
        for change in changes {
            match &change.change {
                Change::Set(value) => document::set(object, self.abilities(), kind, &change.path, value)?,
                Change::Remove => document::unset(object, kind, &change.path),
                Change::References { add, remove } => {
                    document::change_references(object, self.abilities(), kind, &change.path, add, remove);
                }
            }
        }
        if *object != *shown.document.as_object().unwrap_or(object) {
            document::list_schemas(object, kind);
            json::remove(object, "meta");
        }
        Ok(document)
    }
}
