//! Segments, their key lists, and context fields.

use async_trait::async_trait;

use super::{KeyedFilter, Page, StoreResult};
use crate::context_field::ContextField;
use crate::environment::Environment;
use crate::id::Id;
use crate::key::Key;
use crate::segment::{KeySet, SegmentEverywhere, SegmentSummary};
use crate::time::Timestamp;

/// So many bytes has each piece of a kept key list but the last, which has no more and at least one. 256 KiB: no row is
/// larger than a database likes, and none of those that are there may be cut otherwise.
pub const KEY_LIST_PIECE: usize = 256 << 10;

/// Segments, their key lists, and context fields.
#[async_trait]
pub trait Segments: Send + Sync {
    /// A segment with its configs.
    async fn segment(&self, project_id: Id, key: &Key) -> StoreResult<Option<SegmentEverywhere>>;
    /// Segments of an environment, by key.
    async fn segments(
        &self,
        environment: &Environment,
        filter: &KeyedFilter,
    ) -> StoreResult<Page<SegmentSummary>>;
    /// Keeps a large key list under its name, before the change that names it. Not one transaction: nothing reads
    /// the list before it is whole, and one that was cut off is begun anew or swept. One that is there already and
    /// lacks something, or is damaged, is whole again afterwards. Once kept, it stays for at
    /// least as long as [`Segments::sweep_key_lists`] is asked to spare from `at` on.
    async fn put_key_list(&self, project_id: Id, keys: &KeySet, at: Timestamp) -> StoreResult<()>;
    /// Whether a key list is there with all of its pieces. They are not read: bytes that were damaged in place are not
    /// seen.
    async fn has_key_list(&self, project_id: Id, sha256: &str) -> StoreResult<bool>;
    /// How many bytes a key list has; `None` if there is no such list. One that has lost a piece has as many as before.
    async fn key_list_length(&self, project_id: Id, sha256: &str) -> StoreResult<Option<u64>>;
    /// The piece ([`KEY_LIST_PIECE`]) of a key list with this place, from 0; `None` beyond the last, or if there is no such list.
    async fn key_list_chunk(
        &self,
        project_id: Id,
        sha256: &str,
        position: u32,
    ) -> StoreResult<Option<Vec<u8>>>;
    /// Removes the key lists that no config names and that were last put, or named, before a time. Gives how many.
    async fn sweep_key_lists(&self, project_id: Id, before: Timestamp) -> StoreResult<u64>;
    /// A context field.
    async fn context_field(&self, project_id: Id, key: &Key) -> StoreResult<Option<ContextField>>;
    /// Context fields of a project, by key.
    async fn context_fields(&self, project_id: Id, filter: &KeyedFilter) -> StoreResult<Page<ContextField>>;
}
