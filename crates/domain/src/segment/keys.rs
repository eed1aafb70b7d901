//! The two lists of a segment as a whole: uploaded, and streamed back.

use std::sync::Arc;

use engine::json::Violation;
use engine::model::{Keys, MOST_KEYS};

use super::change::{Edit, Edited};
use super::history::off_reactor;
use super::{KeyList, KeySet, SegmentHere};
use crate::access::{InEnvironment, Reader, UpdateSegment, Writer};
use crate::control::{Control, Request};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::log::Chain;
use crate::ports::Store;

/// What an upload does to the keys that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadMode {
    /// They go.
    Replace,
    /// They stay.
    Add,
    /// Those that are uploaded go.
    Remove,
}

/// An upload that came in whole.
#[derive(Debug, Clone)]
pub struct KeysChange {
    /// Which list it is for.
    pub list: KeyList,
    /// What it does.
    pub mode: UploadMode,
    /// What was uploaded.
    pub keys: Arc<KeySet>,
}

impl Control {
    /// Whether an upload to this segment may begin: it is there, and as the request expects.
    pub async fn expect_segment(
        &self,
        writer: &InEnvironment<UpdateSegment>,
        key: &str,
        request: &Request,
    ) -> Result<()> {
        let here = self
            .load_segment(writer.project_id(), key)
            .await?
            .here(writer.environment().id)
            .ok_or_else(|| Error::no_segment(key))?;
        request.check(&here.etag())
    }

    /// Changes one of a segment's lists by what was uploaded, in the writer's environment, at once.
    pub async fn upload_segment_keys(
        &self,
        writer: &InEnvironment<UpdateSegment>,
        key: &str,
        change: &KeysChange,
        request: &Request,
    ) -> Result<SegmentHere> {
        self.restore_list(writer, key, change).await?;
        let edit = Edit::Keys(change);
        self.change_segment(writer, key, "upload_segment_keys", request, edit).await.map(Edited::after)
    }

    /// What an upload makes of the keys that are held, and what these are, if that had to be known.
    pub(super) async fn apply_upload(
        &self,
        project_id: Id,
        change: &KeysChange,
        held: &Keys,
    ) -> Result<(Arc<KeySet>, Option<Arc<KeySet>>)> {
        let uploaded = change.keys.clone();
        // What goes as a whole need not be there.
        if change.mode == UploadMode::Replace {
            return Ok((uploaded, None));
        }
        let held = self.key_set(project_id, held, &[]).await?;
        let (adds, before) = (change.mode == UploadMode::Add, held.clone());
        let combine = move || if adds { before.with(&uploaded) } else { before.without(&uploaded) };
        let keys = off_reactor(combine).await?;
        if keys.count() <= MOST_KEYS {
            return Ok((Arc::new(keys), Some(held)));
        }
        let list = change.list.name();
        Err(Error::TooLarge {
            code: "too_many_keys",
            message: format!(
                "{list} would have {} keys; a segment's list has at most {MOST_KEYS}",
                keys.count()
            ),
        })
    }

    /// A list that was lost is kept anew when the same keys are uploaded.
    async fn restore_list(&self, writer: &Writer, key: &str, change: &KeysChange) -> Result<()> {
        let here = self
            .load_segment(writer.project_id(), key)
            .await?
            .here(writer.environment().id)
            .ok_or_else(|| Error::no_segment(key))?;
        let named = here.config.keys(change.list).blob();
        // To read it takes as long as a change that replaces it, and finds what is damaged as well as what is missing.
        if named == Some(change.keys.sha256())
            && self.find_keys(writer.project_id(), here.config.keys(change.list), &[]).await?.is_none()
        {
            self.store.put_key_list(writer.project_id(), &change.keys, self.clock.now()).await?;
            // Nothing is changed, but nodes that wait for the list can have it now.
            self.bus.ring(Chain::Project(writer.project_id()), here.config.version).await;
        }
        Ok(())
    }

    /// What is wrong with the lists that a segment names: they are not in the store as a whole, as no change leaves
    /// it, but a copy of the database that was cut short may.
    pub async fn lost_lists(&self, reader: &Reader, here: &SegmentHere) -> Result<Vec<Violation>> {
        let mut lost = Vec::new();
        for list in KeyList::BOTH {
            if let Some(sha256) = here.config.keys(list).blob()
                && !self.store.has_key_list(reader.project_id(), sha256).await?
            {
                let (path, key) = (list.name(), &here.segment.key);
                let message = format!(
                    "the list {sha256} is not in the store as a whole, and until it is, a node that does not have it asks this \
                     segment as it was before, and after a start not at all; upload the same keys again by PUT \
                     /api/v1/segments/{key}/{path}"
                );
                lost.push(Violation { path: path.to_owned(), message });
            }
        }
        Ok(lost)
    }

    /// One of a segment's lists as an environment sees it.
    pub async fn segment_keys(
        &self,
        reader: &Reader,
        environment: &Environment,
        key: &str,
        list: KeyList,
    ) -> Result<KeyStream> {
        let here = self
            .load_segment(reader.project_id(), key)
            .await?
            .here(environment.id)
            .ok_or_else(|| Error::no_segment(key))?;
        let keys = here.config.keys(list);
        let rest = match keys {
            Keys::Inline(keys) => Rest::Inline(Some(keys.iter().collect())),
            Keys::Blob { sha256, count } => {
                Rest::List { sha256: sha256.clone(), position: 0, missing: *count }
            }
        };
        let (etag, count) = (here.etag(), keys.len());
        Ok(KeyStream { etag, count, store: self.store.clone(), project_id: reader.project_id(), rest })
    }
}

/// Keys on their way out, one a line, piece by piece.
pub struct KeyStream {
    /// Tag of the segment that they are of.
    pub etag: String,
    /// How many there are.
    pub count: u64,
    store: Arc<dyn Store>,
    project_id: Id,
    rest: Rest,
}

enum Rest {
    Inline(Option<KeySet>),
    List {
        sha256: String,
        /// Of the next piece.
        position: u32,
        /// How many keys are still to come.
        missing: u64,
    },
}

impl KeyStream {
    /// The next piece, which may end anywhere; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        match &mut self.rest {
            Rest::Inline(keys) => Ok(keys.take().map(|keys| keys.bytes().to_vec())),
            Rest::List { sha256, position, missing } => {
                let piece = self.store.key_list_chunk(self.project_id, sha256, *position).await?;
                *position += 1;
                let ends = piece.iter().flatten().filter(|byte| **byte == b'\n').count() as u64;
                match missing.checked_sub(ends) {
                    Some(left) if piece.is_some() || left == 0 => *missing = left,
                    _ => {
                        let message = format!("the key list {sha256} is not in the store as a whole");
                        return Err(Error::Internal(message.into()));
                    }
                }
                Ok(piece)
            }
        }
    }
}
