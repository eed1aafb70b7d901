//! Looking at segments.

use super::{SegmentHere, SegmentSummary};
use crate::access::Reader;
use crate::control::Control;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::ports::{KeyedFilter, Page};

impl Control {
    /// A segment as an environment sees it.
    pub async fn segment(
        &self,
        reader: &Reader,
        environment: &Environment,
        key: &str,
    ) -> Result<SegmentHere> {
        self.load_segment(reader.project_id(), key)
            .await?
            .here(environment.id)
            .ok_or_else(|| Error::no_segment(key))
    }

    /// Segments of an environment, by key.
    pub async fn segments(
        &self,
        _reader: &Reader,
        environment: &Environment,
        filter: &KeyedFilter,
    ) -> Result<Page<SegmentSummary>> {
        Ok(self.store.segments(environment, filter).await?)
    }
}
