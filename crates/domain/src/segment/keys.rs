//! The two lists of a segment as a whole: uploaded, and streamed back.

use std::sync::Arc;

use engine::model::{Keys, MOST_KEYS};

use super::change::{Edit, Edited};
use super::history::off_reactor;
use super::{KeyList, KeySet, SegmentHere};
use crate::access::{Reader, Writer};
use crate::control::{Control, Request};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::id::Id;
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

impl KeysChange {
    pub(super) async fn applied_to(&self, held: Arc<KeySet>) -> Result<Arc<KeySet>> {
        let uploaded = self.keys.clone();
        let keys = match self.mode {
            UploadMode::Replace => uploaded,
            UploadMode::Add => Arc::new(off_reactor(move || held.with(&uploaded)).await?),
            UploadMode::Remove => Arc::new(off_reactor(move || held.without(&uploaded)).await?),
        };
        if keys.count() <= MOST_KEYS {
            return Ok(keys);
        }
        let list = self.list.name();
        Err(Error::TooLarge {
            code: "too_many_keys",
            message: format!(
                "{list} would have {} keys; a segment's list has at most {MOST_KEYS}",
                keys.count()
            ),
        })
    }
}

impl Control {
    /// Whether an upload to this segment may begin: it is there, and as the request expects.
    pub async fn expect_segment(&self, writer: &Writer, key: &str, request: &Request) -> Result<()> {
        let here = self.load_segment(key).await?.here(writer.environment().id).ok_or(Error::NO_SEGMENT)?;
        request.check(&here.etag())
    }

    /// Changes one of a segment's lists by what was uploaded, in the writer's environment, at once.
    pub async fn upload_segment_keys(
        &self,
        writer: &Writer,
        key: &str,
        change: &KeysChange,
        request: &Request,
    ) -> Result<SegmentHere> {
        let edit = Edit::Keys(change);
        self.change_segment(writer, key, "upload_segment_keys", request, edit).await.map(Edited::after)
    }

    /// One of a segment's lists as an environment sees it.
    pub async fn segment_keys(
        &self,
        _reader: &Reader,
        environment: &Environment,
        key: &str,
        list: KeyList,
    ) -> Result<KeyStream> {
        let here = self.load_segment(key).await?.here(environment.id).ok_or(Error::NO_SEGMENT)?;
        let keys = here.config.keys(list);
        let rest = match keys {
            Keys::Inline(keys) => Rest::Inline(Some(keys.iter().collect())),
            Keys::Blob { sha256, .. } => Rest::List { sha256: sha256.clone(), position: 0 },
        };
        let (etag, count) = (here.etag(), keys.len());
        Ok(KeyStream { etag, count, store: self.store.clone(), project_id: self.project_id, rest })
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
    List { sha256: String, position: u32 },
}

impl KeyStream {
    /// The next piece, which may end anywhere; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        match &mut self.rest {
            Rest::Inline(keys) => Ok(keys.take().map(|keys| keys.bytes().to_vec())),
            Rest::List { sha256, position } => {
                let chunk = self.store.key_list_chunk(self.project_id, sha256, *position).await?;
                // Even the shortest large list has a first piece.
                if chunk.is_none() && *position == 0 {
                    return Err(Error::Internal("a key list that a segment names is not there".into()));
                }
                *position += 1;
                Ok(chunk)
            }
        }
    }
}
