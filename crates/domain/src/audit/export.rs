//! The log as a whole, page by page, for whoever keeps or searches it elsewhere.

use super::{About, AuditEntry};
use crate::access::{Caller, InProject, OnInstance, ReadInstanceLog, ReadLog};
use crate::control::Control;
use crate::error::Result;
use crate::log::Chain;
use crate::ports::LogFilter;

/// How many entries are in memory at a time; each has texts of at most a few megabytes.
const BATCH: u32 = 10;

/// An export under way: oldest first, up to where the log ended when it began.
pub struct AuditExport {
    control: Control,
    chain: Chain,
    /// Of the next page; nothing after the last.
    filter: Option<LogFilter>,
}

impl Control {
    /// All entries of the project's log that are looked for. What is wrong with the question is told before the
    /// first page.
    pub async fn export_audit(&self, reader: &InProject<ReadLog>, about: About<'_>) -> Result<AuditExport> {
        self.export_of(Chain::Project(reader.project_id()), reader.caller(), about).await
    }

    /// The same of the instance's own log, or of that of a project that was deleted.
    pub async fn export_audit_instance(
        &self,
        permit: &OnInstance<ReadInstanceLog>,
        deleted_project: Option<&str>,
        about: About<'_>,
    ) -> Result<AuditExport> {
        let chain = self.instance_or_deleted(deleted_project).await?;
        self.export_of(chain, permit, about).await
    }

    async fn export_of(&self, chain: Chain, caller: &Caller, about: About<'_>) -> Result<AuditExport> {
        let filter = self.log_filter(chain, caller, about).await?;
        let heads = self.store.heads().await?;
        let end = heads.iter().find(|head| head.chain == chain).map_or(0, |head| head.revision);
        let (before, after) = (Some(end + 1), Some(0));
        let filter = LogFilter { before, after, oldest_first: true, limit: BATCH, ..filter };
        Ok(AuditExport { control: self.clone(), chain, filter: Some(filter) })
    }
}

impl AuditExport {
    /// The next entries; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Vec<AuditEntry>>> {
        let Some(filter) = &mut self.filter else { return Ok(None) };
        let page = self.control.store.log(self.chain, filter).await?;
        match page.items.last() {
            Some(last) if page.more => filter.after = Some(last.revision),
            _ => self.filter = None,
        }
        let page = self.control.show(page).await?;
        Ok((!page.items.is_empty()).then_some(page.items))
    }
}
