//! The way back: a change is reverted by a new one, which makes what it touched what it was before.
//!
//! Only the members that the change touched are set back, and they are written by the use cases that everyone writes
//! by: what cannot compile cannot come back, and who may not change something may not change it back. What someone
//! changed again since is in the way, unless the caller insists. Everything that is needed stands in the entry of the
//! log; an entry that lacks it says so, and is not guessed at.

mod told;

use std::ops::Deref;

use engine::model::Revision;
use serde::Serialize;
use serde_json::{Value, json};

use crate::access::{Caller, InProject, OnInstance, ReadInstanceLog, ReadLog, Right};
use crate::audit::{EntryChange, REVERTS, document, redacted};
use crate::control::{Control, DEFAULT_ENVIRONMENT, Request, find_environment};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::log::{Chain, Change};

pub(crate) use told::{SetBack, Told};

/// What was done, as the log has it.
const ACTION: &str = "revert_change";
/// So often a revert is decided anew because what it reverts was changed in between.
const MOST_ATTEMPTS: u32 = 8;

/// How a revert is meant.
#[derive(Debug, Clone, Copy, Default)]
pub struct RevertMode {
    /// Only say what would change.
    pub dry_run: bool,
    /// Set back what was changed again since as well.
    pub force: bool,
}

/// What a revert did, or would do.
#[derive(Debug, Serialize)]
pub struct Reverted {
    /// Whether it was only tried.
    pub dry_run: bool,
    /// The revision that is reverted.
    pub reverts: Revision,
    /// The members that it sets back.
    pub changes: Vec<EntryChange>,
    /// The revision that it took; nothing if nothing changed.
    pub revision: Option<Revision>,
    /// Environments whose readers see it.
    #[serde(skip)]
    pub reached: Vec<Id>,
}

/// A change of a project that is to be reverted.
pub(crate) struct Revert<'a> {
    told: Told<'a>,
    pub(crate) reader: &'a InProject<ReadLog>,
    pub(crate) environments: &'a [Environment],
}

/// Whose log the change stands in, and who asks.
#[derive(Clone, Copy)]
enum Whose<'a> {
    Project(&'a InProject<ReadLog>),
    Instance(&'a OnInstance<ReadInstanceLog>),
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) changes: Vec<EntryChange>,
    pub(crate) revision: Option<Revision>,
    pub(crate) reached: Vec<Id>,
}

impl Control {
    /// Reverts a change of the caller's project. With `dry_run` nothing is written.
    pub async fn revert_change(
        &self,
        reader: &InProject<ReadLog>,
        revision: &str,
        mode: RevertMode,
        request: &Request,
    ) -> Result<Reverted> {
        self.revert_in(Whose::Project(reader), revision, mode, request).await
    }

    /// Reverts a change of the instance's own log.
    pub async fn revert_instance_change(
        &self,
        permit: &OnInstance<ReadInstanceLog>,
        revision: &str,
        mode: RevertMode,
        request: &Request,
    ) -> Result<Reverted> {
        self.revert_in(Whose::Instance(permit), revision, mode, request).await
    }

    async fn revert_in(
        &self,
        whose: Whose<'_>,
        revision: &str,
        mode: RevertMode,
        request: &Request,
    ) -> Result<Reverted> {
        let chain = match whose {
            Whose::Project(reader) => Chain::Project(reader.project_id()),
            Whose::Instance(_) => Chain::Instance,
        };
        let entry = self.logged_change(chain, revision).await?;
        if redacted(&entry).iter().any(|text| *text != "comment") {
            return Err(refused("its texts were taken out of the log"));
        }
        let control = Self { reverts: Some(entry.revision), ..self.clone() };
        let mut attempt = 0;
        loop {
            attempt += 1;
            let told = Told::of(&entry, mode, request);
            let outcome = match whose {
                Whose::Project(reader) => control.try_revert(told, reader).await,
                Whose::Instance(permit) => control.try_revert_instance(&told, permit).await,
            };
            if matches!(outcome, Err(Error::Stale { .. })) && attempt < MOST_ATTEMPTS {
                continue;
            }
            let Outcome { changes, revision, reached } = outcome.map_err(busy)?;
            return Ok(Reverted {
                dry_run: mode.dry_run,
                reverts: entry.revision,
                changes,
                revision,
                reached,
            });
        }
    }

    async fn try_revert(&self, told: Told<'_>, reader: &InProject<ReadLog>) -> Result<Outcome> {
        let environments = self.store.environments(reader.project_id()).await?;
        let entry = told.entry;
        let revert = Revert { told, reader, environments: &environments };
        if revert.parts("environments").0.is_object() && !revert.names("environment") {
            return self.revert_environments(&revert).await;
        }
        let bulk = ["enabled", "lifecycle"].into_iter().any(|member| revert.names(member));
        match entry.entities.first().map(|entity| entity.kind.as_str()) {
            Some("environment") if bulk => self.revert_bulk(&revert).await,
            Some("environment") if revert.parts("environment").1.is_object() => {
                self.revert_new_environment(&revert).await
            }
            Some("flag") => self.revert_flag(&revert).await,
            Some("segment") => self.revert_segment(&revert).await,
            Some("context_field") => self.revert_context_field(&revert).await,
            Some("grant") => self.revert_grant(&revert).await,
            Some("project") if revert.parts("project").0.is_object() => self.revert_project(&revert).await,
            Some("environment") if revert.parts("environment").0.is_object() => Err(refused(
                "SDK keys and readers of a deleted environment do not come back; make it anew with POST \
                 /api/v1/environments and copy_from",
            )),
            Some("sdk_key") => Err(refused("a secret that was refused stays so; make another SDK key")),
            _ => Err(refused(
                "it is not of a flag, a segment, a context field, a grant, or of settings of an environment or the project",
            )),
        }
    }

    /// Accounts, teams, roles and what is granted on the instance.
    async fn try_revert_instance(&self, told: &Told<'_>, caller: &Caller) -> Result<Outcome> {
        match told.entry.entities.first().map(|entity| entity.kind.as_str()) {
            Some("team") => self.revert_team(told, caller).await,
            Some("role") => self.revert_role(told, caller).await,
            Some("grant") => self.revert_instance_grant(told, caller).await,
            Some("account") => self.revert_account(told, caller).await,
            _ => Err(refused("it is not of a team, a role, a grant on the instance or an account")),
        }
    }
}

impl Revert<'_> {
    /// If who asks may do `R` in the project: what is set back is written like anything else.
    pub(crate) fn permit<R: Right>(&self) -> Result<InProject<R>> {
        self.reader.caller().clone().in_project(self.reader.project().clone())
    }

    /// The environment that the change spoke of, or the default one.
    pub(crate) fn environment(&self) -> Result<Environment> {
        let named = self.entry.entities.iter().find(|entity| entity.kind == "environment");
        let Some(named) = named else { return find_environment(self.environments, DEFAULT_ENVIRONMENT) };
        let found = self.environments.iter().find(|environment| environment.id == named.id);
        found.cloned().ok_or_else(|| refused(format!("the environment {} is gone", named.key)))
    }
}

impl<'a> Deref for Revert<'a> {
    type Target = Told<'a>;

    fn deref(&self) -> &Told<'a> {
        &self.told
    }
}

impl Outcome {
    /// Nothing was to be done.
    pub(crate) fn unchanged() -> Self {
        Self { changes: Vec::new(), revision: None, reached: Vec::new() }
    }
}

/// One change that tells a thing's making or removing as a whole.
pub(crate) fn whole(path: &str, old: Value, new: Value) -> Vec<EntryChange> {
    vec![EntryChange { path: path.to_owned(), old, new }]
}

/// A change that cannot be reverted.
pub(crate) fn refused(why: impl AsRef<str>) -> Error {
    let message = format!("this change cannot be reverted: {}", why.as_ref());
    Error::Conflict { code: "not_revertible", message }
}

/// The caller named no version.
fn busy(error: Error) -> Error {
    match error {
        Error::Stale { .. } => Error::Conflict {
            code: "busy",
            message: "it was changed many times while this request was at work; try again".to_owned(),
        },
        error => error,
    }
}

/// Says in the entry of a change which one it reverts.
pub(crate) fn say_reverts(change: &mut Change, revision: Revision) {
    change.action = ACTION;
    let mut after = document(change.after.as_deref()).unwrap_or_else(|| json!({}));
    after[REVERTS] = json!(revision);
    change.after = Some(after.to_string());
}
