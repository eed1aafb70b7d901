//! Reading the security log.

use std::net::IpAddr;

use engine::json::Violations;
use engine::model::Revision;
use serde::Serialize;

use super::{SecurityEntry, SecurityKind, SecurityNote};
use crate::access::{OnInstance, ReadInstanceLog};
use crate::audit::{Actor, hex, read_time};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::ports::{Page, SecurityFilter};
use crate::time::Timestamp;

/// How many entries an export reads at a time.
const BATCH: u32 = 500;

/// What people look for in the security log.
#[derive(Debug, Clone, Copy, Default)]
pub struct SecurityAbout<'a> {
    /// A kind's name.
    pub kind: Option<&'a str>,
    /// An account: its id or e-mail.
    pub actor: Option<&'a str>,
    /// An address.
    pub address: Option<&'a str>,
    /// A time from which on.
    pub from: Option<&'a str>,
    /// A time before which.
    pub to: Option<&'a str>,
}

/// An entry of the security log, as people read it.
#[derive(Debug, Serialize)]
pub struct SecurityView {
    /// Its place in the log.
    pub revision: Revision,
    /// When it first happened.
    pub at: Timestamp,
    /// When it last happened.
    pub last_at: Timestamp,
    /// How often.
    pub count: u64,
    /// What.
    pub kind: String,
    /// Who, if that is known.
    pub actor: Option<Actor>,
    /// Where from, if that is known.
    pub address: Option<IpAddr>,
    /// What it was about.
    pub subject: String,
    /// What else to know.
    pub detail: String,
    /// Its hash, in lower-case hex.
    pub hash: String,
}

/// An export under way: page by page, oldest first, up to where the log ended when it began.
pub struct SecurityExport {
    control: Control,
    filter: Option<SecurityFilter>,
}

impl Control {
    /// Entries of the security log, newest first.
    pub async fn security_log(
        &self,
        _permit: &OnInstance<ReadInstanceLog>,
        about: SecurityAbout<'_>,
        before: Option<Revision>,
        limit: u32,
    ) -> Result<Page<SecurityView>> {
        let filter = self.security_filter(about).await?;
        let page = self.store.security_log(&SecurityFilter { before, limit, ..filter }).await?;
        self.show_security(page).await
    }

    /// All entries that are looked for. What is wrong with the question is told before the first page.
    pub async fn export_security(
        &self,
        _permit: &OnInstance<ReadInstanceLog>,
        about: SecurityAbout<'_>,
    ) -> Result<SecurityExport> {
        let filter = self.security_filter(about).await?;
        let before = Some(self.store.security_head().await?.revision + 1);
        let filter = SecurityFilter { before, after: Some(0), oldest_first: true, limit: BATCH, ..filter };
        Ok(SecurityExport { control: self.clone(), filter: Some(filter) })
    }

    async fn security_filter(&self, about: SecurityAbout<'_>) -> Result<SecurityFilter> {
        let mut violations = Violations::default();
        let known = SecurityKind::ALL.map(SecurityKind::name);
        if about.kind.is_some_and(|kind| !known.contains(&kind)) {
            violations.add("query kind", format_args!("must be one of {}", known.join(", ")));
        }
        let address = about.address.map(str::parse::<IpAddr>);
        if matches!(address, Some(Err(_))) {
            violations.add("query address", "must be an IP address, such as 192.0.2.1 or 2001:db8::1");
        }
        let since = read_time("from", about.from, &mut violations);
        let until = read_time("to", about.to, &mut violations);
        violations.into_result(Some(())).map_err(Error::Invalid)?;
        let actor = match about.actor {
            Some(named) => Some(self.actor_named(named).await?),
            None => None,
        };
        let (kind, address) = (about.kind.map(str::to_owned), address.and_then(std::result::Result::ok));
        Ok(SecurityFilter { kind, actor, address, since, until, ..SecurityFilter::default() })
    }

    async fn show_security(&self, page: Page<SecurityEntry>) -> Result<Page<SecurityView>> {
        let mut actors: Vec<Id> = page.items.iter().filter_map(|entry| entry.note.actor).collect();
        actors.sort_unstable();
        actors.dedup();
        let names = self.store.account_names(&actors).await?;
        let items = page.items.into_iter().map(|entry| shown(entry, &names)).collect();
        Ok(Page { items, total: page.total, more: page.more })
    }
}

impl SecurityExport {
    /// The next entries; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Vec<SecurityView>>> {
        let Some(filter) = &mut self.filter else { return Ok(None) };
        let page = self.control.store.security_log(filter).await?;
        match page.items.last() {
            Some(last) if page.more => filter.after = Some(last.revision),
            _ => self.filter = None,
        }
        let page = self.control.show_security(page).await?;
        Ok((!page.items.is_empty()).then_some(page.items))
    }
}

fn shown(entry: SecurityEntry, names: &[(Id, String)]) -> SecurityView {
    let SecurityEntry { revision, note, hash } = entry;
    let SecurityNote { at, last_at, count, kind, actor, address, subject, detail } = note;
    let actor = actor.map(|id| Actor::named(id, names));
    SecurityView { revision, at, last_at, count, kind, actor, address, subject, detail, hash: hex(&hash) }
}
