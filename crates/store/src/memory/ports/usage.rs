use async_trait::async_trait;
use domain::environment::Environment;
use domain::ports::{StoreResult, Taken, Usage};
use domain::time::Timestamp;
use domain::usage::{Shown, StepCount, Stretch, Total, UsageBatch, UsageKind, UsageOf};

use super::super::MemoryStore;

#[async_trait]
impl Usage for MemoryStore {
    async fn take_events(&self, batch: &UsageBatch) -> StoreResult<Taken> {
        crate::fit::check_usage(batch)?;
        let mut state = self.state();
        let is_there = state.tables.environments.contains_key(&batch.environment_id);
        Ok(if is_there { state.usage.take(batch) } else { Taken::Gone })
    }

    async fn last_evaluated(&self, of: &UsageOf<'_>) -> StoreResult<Option<Timestamp>> {
        Ok(self.state().usage.last_evaluated(of))
    }

    async fn usage_counts(&self, of: &UsageOf<'_>, step: i64, most: u32) -> StoreResult<Vec<StepCount>> {
        Ok(self.state().usage.counts(of, step, most))
    }

    async fn usage_totals(&self, of: &UsageOf<'_>, most: u32) -> StoreResult<Vec<Total>> {
        Ok(self.state().usage.totals(of, most))
    }

    async fn usage_shown(&self, of: &UsageOf<'_>, most: u32) -> StoreResult<(Vec<Shown>, bool)> {
        Ok(self.state().usage.shown(of, most))
    }

    async fn fold_usage(&self, of: &Environment, before: Timestamp, most: u32) -> StoreResult<u64> {
        Ok(self.state().usage.fold(of.id, before, most))
    }

    async fn forget_usage(
        &self,
        of: &Environment,
        kind: UsageKind,
        before: Timestamp,
        most: u32,
    ) -> StoreResult<u64> {
        Ok(self.state().usage.forget(of.id, kind, before, most))
    }

    async fn usage_stretch(
        &self,
        of: &Environment,
        kind: UsageKind,
        before: Timestamp,
        most: u64,
    ) -> StoreResult<Option<Stretch>> {
        Ok(self.state().usage.stretch(of.id, kind, before, most))
    }

    async fn sweep_usage(&self, most: u32) -> StoreResult<u64> {
        let mut state = self.state();
        let there: Vec<_> = state.tables.environments.keys().copied().collect();
        Ok(state.usage.sweep(&there, most))
    }
}
