//! Putting flags out of use, and back into it.

use engine::json::Violations;

use super::FlagHere;
use super::input::Draft;
use crate::access::Writer;
use crate::control::{Control, Request};
use crate::error::Result;

impl Control {
    /// Puts a flag out of use everywhere: it gives its off variant. One that a prerequisite names stays. Needs the
    /// right for every environment in which it is enabled. `If-Match` speaks of the view in the writer's environment.
    pub async fn archive_flag(&self, writer: &Writer, key: &str, request: &Request) -> Result<FlagHere> {
        self.set_archived(writer, key, "archive_flag", request, true).await
    }

    /// Puts an archived flag back into use, as it was. Needs the same right.
    pub async fn restore_flag(&self, writer: &Writer, key: &str, request: &Request) -> Result<FlagHere> {
        self.set_archived(writer, key, "restore_flag", request, false).await
    }

    async fn set_archived(
        &self,
        writer: &Writer,
        key: &str,
        action: &'static str,
        request: &Request,
        archived: bool,
    ) -> Result<FlagHere> {
        let set = |draft: &mut Draft<'_>, _: &mut Violations| {
            draft.flag.archived = archived;
            Ok(())
        };
        self.change_flag(writer, key, action, request, set).await
    }
}
