//! Pages of the log that are bounded in bytes too. An entry may have texts of megabytes, so that as many as may be
//! asked for at once could be more than a node has memory for.

use crate::control::Control;
use crate::error::Result;
use crate::log::{Chain, LogEntry};
use crate::ports::{LogFilter, Page};

/// How many entries are read at a time.
const BATCH: u32 = 20;
/// A page ends with the entry by which its texts come to so many bytes; the next one goes on from there.
const MOST_BYTES: usize = 4 << 20;

impl Control {
    /// The newest entries first. A page that has become too large has fewer than are asked for, and says that there
    /// are more.
    pub(super) async fn log_page(&self, chain: Chain, filter: LogFilter) -> Result<Page<LogEntry>> {
        let wanted = filter.limit;
        let mut filter = LogFilter { limit: wanted.min(BATCH), ..filter };
        let mut page = self.store.log(chain, &filter).await?;
        let mut left = MOST_BYTES;
        let mut looked_at = 0;
        loop {
            let rest = &page.items[looked_at..];
            let fits = rest.iter().position(|entry| {
                left = left.saturating_sub(bytes(entry));
                left == 0
            });
            if let Some(last) = fits {
                let end = looked_at + last + 1;
                page.more |= end < page.items.len();
                page.items.truncate(end);
                return Ok(page);
            }
            looked_at = page.items.len();
            let still = wanted.saturating_sub(u32::try_from(looked_at).unwrap_or(u32::MAX));
            if !page.more || still == 0 {
                return Ok(page);
            }
            // How many there are in all is known from the first.
            filter.most_counted = 0;
            filter.before = page.items.last().map(|entry| entry.revision);
            filter.limit = still.min(BATCH);
            let next = self.store.log(chain, &filter).await?;
            page.items.extend(next.items);
            page.more = next.more;
        }
    }
}

/// What an entry holds of what people wrote.
fn bytes(entry: &LogEntry) -> usize {
    [&entry.before, &entry.after, &entry.comment].into_iter().flatten().map(String::len).sum()
}
