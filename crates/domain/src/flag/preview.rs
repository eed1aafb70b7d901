//! What a change would make of a flag, without making it.

use serde_json::Value;

use super::FlagHere;
use super::change::taking_over;
use super::check::Checked;
use crate::access::Permit;
use crate::control::Control;
use crate::environment::Environment;
use crate::error::{Error, Result};

impl Control {
    /// A flag after [`Control::update_flag`] with this document, refused for what would keep it from being saved.
    /// Nothing is written, so who may not write may ask.
    pub(crate) async fn preview_flag(
        &self,
        environment: &Environment,
        key: &str,
        document: &Value,
        permit: Option<&Permit>,
    ) -> Result<FlagHere> {
        let before = self
            .load_flag(environment.project_id, key)
            .await?
            .here(environment.id)
            .ok_or_else(|| Error::no_flag(key))?;
        let now = self.clock.now();
        let Checked { here: after, .. } =
            self.try_edit(&before, &[], (environment, permit), now, taking_over(document)).await?;
        self.refuse_if_left_out(environment, &before, &after).await?;
        Ok(after)
    }
}
