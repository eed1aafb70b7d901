use async_trait::async_trait;
use domain::environment::Environment;
use domain::ports::{StoreResult, Taken, Usage};
use domain::time::Timestamp;
use domain::usage::{Shown, StepCount, Stretch, Total, UsageBatch, UsageKind, UsageOf};

use super::super::{SqlStore, bounded, usage, usage_keep};

#[async_trait]
impl Usage for SqlStore {
    async fn take_events(&self, batch: &UsageBatch) -> StoreResult<Taken> {
        crate::fit::check_usage(batch)?;
        bounded(usage::take(&self.writer, batch)).await
    }

    async fn last_evaluated(&self, of: &UsageOf<'_>) -> StoreResult<Option<Timestamp>> {
        bounded(usage::last_evaluated(&self.reader, of)).await
    }

    async fn usage_counts(&self, of: &UsageOf<'_>, step: i64, most: u32) -> StoreResult<Vec<StepCount>> {
        bounded(usage::counts(&self.reader, of, step, most)).await
    }

    async fn usage_totals(&self, of: &UsageOf<'_>, most: u32) -> StoreResult<Vec<Total>> {
        bounded(usage::totals(&self.reader, of, most)).await
    }

    async fn usage_shown(&self, of: &UsageOf<'_>, most: u32) -> StoreResult<(Vec<Shown>, bool)> {
        bounded(usage::shown(&self.reader, of, most)).await
    }

    async fn fold_usage(&self, of: &Environment, before: Timestamp, most: u32) -> StoreResult<u64> {
        bounded(usage_keep::fold(&self.writer, of, before, most)).await
    }

    async fn forget_usage(
        &self,
        of: &Environment,
        kind: UsageKind,
        before: Timestamp,
        most: u32,
    ) -> StoreResult<u64> {
        bounded(usage_keep::forget(&self.writer, of, kind, before, most)).await
    }

    async fn usage_stretch(
        &self,
        of: &Environment,
        kind: UsageKind,
        before: Timestamp,
        most: u64,
    ) -> StoreResult<Option<Stretch>> {
        bounded(usage_keep::stretch(&self.reader, of, kind, before, most)).await
    }

    async fn sweep_usage(&self, most: u32) -> StoreResult<u64> {
        bounded(usage_keep::sweep(&self.writer, &self.reader, most)).await
    }
}
