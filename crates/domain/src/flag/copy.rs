//! Making a flag in one environment what it is in another.

use std::sync::{Mutex, PoisonError};

use engine::json::{At, Violations};
use serde::Serialize;
use serde_json::Value;

use super::input::Draft;
use super::{Config, FlagHere, config_for_log};
use crate::access::{InProject, UpdateFlag};
use crate::control::{Control, Request};
use crate::difference::{MemberChange, differences};
use crate::environment::{Environment, read_places};
use crate::error::{Error, Result};
use crate::log::ReadVersion;

/// What a copy did, or would do.
#[derive(Debug, Serialize)]
pub struct CopiedFlag {
    /// Whether it was only tried.
    pub dry_run: bool,
    /// What it changes in the environment that is copied to.
    pub changes: Vec<MemberChange>,
    /// The flag as that environment sees it, afterwards.
    pub flag: FlagHere,
}

/// What a document says of a copy.
struct Copy {
    from: Environment,
    to: Environment,
    include_enabled: bool,
}

impl Control {
    /// Copies a flag's config from one environment to another: `{"from", "to", "include_enabled"?}`, keys of
    /// environments. Whether it is enabled is copied only if the document says so. Ids of rules and salts are kept,
    /// so that the same people are given the same. A dry run says what would change, and that it would be taken.
    /// `If-Match` speaks of the view in `to`.
    pub async fn copy_flag(
        &self,
        permit: &InProject<UpdateFlag>,
        key: &str,
        document: &Value,
        dry_run: bool,
        request: &Request,
    ) -> Result<CopiedFlag> {
        let copy = Copy::read(document, &self.all_environments(permit.project_id()).await?)?;
        let writer = permit.here(copy.to.clone())?;
        // What was there is known for certain only when it is replaced.
        let replaced = Mutex::new(None);
        let apply = |draft: &mut Draft<'_>, _: &mut Violations| {
            let before = copy.apply(draft)?;
            *replaced.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
            Ok(())
        };
        let flag = if dry_run {
            let everywhere = self.load_flag(permit.project_id(), key).await?;
            let before = everywhere.clone().here(copy.to.id).ok_or_else(|| Error::no_flag(key))?;
            request.check(&before.etag())?;
            self.try_edit(&before, &everywhere.configs, (&copy.to, None), self.clock.now(), apply).await?.here
        } else {
            self.change_flag(&writer, key, "copy_flag", request, apply).await?
        };
        let replaced = replaced.into_inner().unwrap_or_else(PoisonError::into_inner);
        let before = replaced.unwrap_or_else(|| flag.config.clone());
        let changes = differences(&config_for_log(&before), &config_for_log(&flag.config));
        Ok(CopiedFlag { dry_run, changes, flag })
    }
}

impl Copy {
    fn read(document: &Value, environments: &[Environment]) -> Result<Self> {
        let mut violations = Violations::default();
        let copy = At::root(document).object(&mut violations).and_then(|object| {
            let places = read_places(&object, environments, &mut violations);
            let include_enabled =
                object.optional(&mut violations, "include_enabled", |at, violations| at.boolean(violations));
            object.deny_unknown(&mut violations);
            let (from, to) = places?;
            Some(Self { from, to, include_enabled: include_enabled?.unwrap_or_default() })
        });
        violations.into_result(copy).map_err(Error::Invalid)
    }

    /// Gives the config that it replaced.
    fn apply(&self, draft: &mut Draft<'_>) -> Result<Config> {
        let source = draft.configs.iter().find(|config| config.environment_id == self.from.id);
        let source = source.ok_or_else(|| Error::no_flag(draft.flag.key.as_str()))?;
        let target = draft.config.clone();
        draft.config = Config {
            environment_id: target.environment_id,
            enabled: if self.include_enabled { source.enabled } else { target.enabled },
            version: target.version,
            updated_at: target.updated_at,
            ..source.clone()
        };
        let (flag_id, environment_id, version) = (source.flag_id, source.environment_id, source.version);
        draft.reads.push(ReadVersion::Config { flag_id, environment_id, version });
        Ok(target)
    }
}
