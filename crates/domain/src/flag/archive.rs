//! Putting flags out of use, and back into it.

use engine::json::Violations;
use engine::model::Snapshot;

use super::FlagHere;
use super::change::FLAG_ARCHIVED;
use super::input::Draft;
use crate::access::{InEnvironment, UpdateFlag, Writer};
use crate::control::{Control, Request};
use crate::error::{Error, Result};

impl Control {
    /// Puts a flag out of use everywhere: it gives its off variant. One that a prerequisite of another names stays, unless
    /// that one is archived. Needs the
    /// right for every environment in which it is enabled. `If-Match` speaks of the view in the writer's environment.
    pub async fn archive_flag(
        &self,
        writer: &InEnvironment<UpdateFlag>,
        key: &str,
        request: &Request,
    ) -> Result<FlagHere> {
        self.set_archived(writer, key, "archive_flag", request, true).await
    }

    /// Puts an archived flag back into use, as it was, unless it requires one that is archived. Needs the same right.
    pub async fn restore_flag(
        &self,
        writer: &InEnvironment<UpdateFlag>,
        key: &str,
        request: &Request,
    ) -> Result<FlagHere> {
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

/// Whether the flag with this key is archived.
pub(super) fn is_archived(snapshot: &Snapshot, key: &str) -> bool {
    snapshot.flags.get(key).and_then(|flag| flag.known()).is_some_and(|flag| flag.archived)
}

/// The archived ones among those that a flag requires.
pub(super) fn required_archived<'s>(snapshot: &'s Snapshot, key: &str) -> Vec<&'s str> {
    let flag = snapshot.flags.get(key).and_then(|flag| flag.known());
    let required = flag.and_then(|flag| flag.prerequisites.known()).into_iter().flatten();
    required.map(|required| required.flag.as_str()).filter(|flag| is_archived(snapshot, flag)).collect()
}

/// A flag that requires what is archived would give its off variant whatever it says: not what restoring it promises.
pub(super) fn refuse_restoring(missed: &[String]) -> Result<()> {
    if missed.is_empty() {
        return Ok(());
    }
    let message = format!(
        "it requires flags that are archived: {}; restore those first, or require them no more",
        missed.join(", ")
    );
    Err(Error::Conflict { code: FLAG_ARCHIVED, message })
}
