//! Changing a flag: load, apply, compile the result, commit what changed; again if someone was faster.

use std::sync::Arc;

use engine::Named;
use engine::json::{At, Violations};
use engine::model::{Read, Revision};
use serde_json::{Map, Value};

use super::archive::{is_archived, refuse_restoring, required_archived};
use super::check::{Checked, means_the_same};
use super::input::Draft;
use super::references::references;
use super::{Config, FlagEverywhere, FlagHere, config_for_log, definition_for_log};
use crate::access::{DeleteFlag, InEnvironment, InProject, Permit, UpdateFlag, Writer};
use crate::control::{Attempts, Control, Request};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::in_use::{places_in, refuse};
use crate::key::Key;
use crate::log::{Chain, Change, Entity, ReadVersion, Write};
use crate::time::Timestamp;

/// The word for programs why a flag cannot be enabled.
pub(super) const FLAG_ARCHIVED: &str = "flag_archived";

impl Control {
    /// Takes over the members that the document names, in the writer's environment, and keeps the others.
    /// A document that changes nothing makes no change.
    pub async fn update_flag(
        &self,
        writer: &InEnvironment<UpdateFlag>,
        key: &str,
        document: &Value,
        request: &Request,
    ) -> Result<FlagHere> {
        self.change_flag(writer, key, "update_flag", request, taking_over(document)).await
    }

    /// Raises a lowered flag and lowers a raised one, or sets it to what the document's `enabled` says.
    pub async fn toggle_flag(
        &self,
        writer: &InEnvironment<UpdateFlag>,
        key: &str,
        document: Option<&Value>,
        request: &Request,
    ) -> Result<FlagHere> {
        let enabled = document.map(read_enabled).transpose()?.flatten();
        let flip = |draft: &mut Draft<'_>, _: &mut Violations| {
            draft.config.enabled = enabled.unwrap_or(!draft.config.enabled);
            Ok(())
        };
        self.change_flag(writer, key, "toggle_flag", request, flip).await
    }

    /// Removes a flag everywhere, unless a prerequisite names it. Its key is free again; its versions never come
    /// back. `If-Match` speaks of the view in `environment`. Gives the revision that it took.
    pub async fn delete_flag(
        &self,
        permit: &InProject<DeleteFlag>,
        environment: &Environment,
        key: &str,
        request: &Request,
    ) -> Result<Revision> {
        let mut attempts = Attempts::default();
        loop {
            let dependencies = self.store.dependencies_version(permit.project_id()).await?;
            let everywhere = self.load_flag(permit.project_id(), key).await?;
            let here = everywhere.clone().here(environment.id).ok_or_else(|| Error::no_flag(key))?;
            request.check(&here.etag())?;
            let environments = self.all_environments(permit.project_id()).await?;
            require_right(&everywhere, &environments, |environment| permit.may_in(environment))?;
            self.refuse_if_used(Named::Flag(key), "flag_in_use", &environments).await?;
            let mut change = deletion(&everywhere, permit, &environments, request, self.clock.now());
            change.reads.push(ReadVersion::Dependencies { version: dependencies });
            if let Some(revision) = self.try_commit(change, &mut attempts).await? {
                return Ok(revision);
            }
        }
    }

    /// Applies an edit to a flag in the writer's environment, checks what comes of it, and commits it.
    pub(super) async fn change_flag(
        &self,
        writer: &Writer,
        key: &str,
        action: &'static str,
        request: &Request,
        apply: impl Fn(&mut Draft<'_>, &mut Violations) -> Result<()> + Sync,
    ) -> Result<FlagHere> {
        let mut attempts = Attempts::default();
        loop {
            let everywhere = self.load_flag(writer.project_id(), key).await?;
            let before =
                everywhere.clone().here(writer.environment().id).ok_or_else(|| Error::no_flag(key))?;
            request.check(&before.etag())?;
            let now = self.clock.now();
            let Checked { here: after, reads } = self
                .try_edit(&before, &everywhere.configs, (writer.environment(), Some(writer)), now, &apply)
                .await?;
            if after == before {
                return Ok(before);
            }
            let mut change = edit(&before, &after, writer, action, request, now);
            change.reads.extend(reads);
            if before.flag != after.flag {
                self.guard_definition(writer, &everywhere, &before, &after, &mut change).await?;
            }
            if let Some(revision) = self.try_commit(change, &mut attempts).await? {
                return Ok(after.stamped(&before, revision, now));
            }
        }
    }

    /// What an edit makes of a flag in an environment, if it may be so there. `configs` are those that the edit may
    /// look at. Who may not write, and only wants to see what would be, is not told whether its owner is a team.
    pub(super) async fn try_edit(
        &self,
        before: &FlagHere,
        configs: &[Config],
        (environment, permit): (&Environment, Option<&Permit>),
        now: Timestamp,
        apply: impl Fn(&mut Draft<'_>, &mut Violations) -> Result<()> + Sync,
    ) -> Result<Checked> {
        let new_id = || self.ids.id(now);
        let mut draft = Draft::new(before.clone(), configs, &new_id);
        let mut violations = Violations::default();
        apply(&mut draft, &mut violations)?;
        let after = draft.here();
        refuse_raising_archived(before, &after)?;
        if let Some(permit) = permit {
            match self.check_owner(permit, &after.flag, before.flag.owner.as_deref()).await? {
                Ok(read) => draft.reads.extend(read),
                Err(fault) => violations.add("owner", fault),
            }
        }
        if violations.is_empty() && means_the_same(before, &after) {
            return Ok(Checked { here: after, reads: draft.reads });
        }
        self.check_draft(draft, violations, environment).await
    }

    /// A definition serves every environment: who changes what an enabled flag answers must be allowed to in
    /// each of them, and must leave each of them whole. What was looked at must still be so when `change` is
    /// committed.
    async fn guard_definition(
        &self,
        writer: &Writer,
        everywhere: &FlagEverywhere,
        before: &FlagHere,
        after: &FlagHere,
        change: &mut Change,
    ) -> Result<()> {
        change.reads.extend(reads_of(everywhere));
        let environments = self.all_environments(writer.project_id()).await?;
        if changes_answers(before, after) {
            require_right(everywhere, &environments, |environment| writer.may_in(environment))?;
        }
        if let Some(version) = self.refuse_if_left_out(writer.environment(), before, after).await? {
            change.reads.push(ReadVersion::Dependencies { version });
            touch(change);
        }
        Ok(())
    }

    /// A conflict if an edit takes away what others name, a variant or the whole flag; or brings back a flag that names
    /// what is away. Gives the version of what refers to what, if that was looked at.
    pub(super) async fn refuse_if_left_out(
        &self,
        addressed: &Environment,
        before: &FlagHere,
        after: &FlagHere,
    ) -> Result<Option<Revision>> {
        let gone: Vec<_> = before.flag.variants.iter().filter(|variant| !has(after, &variant.key)).collect();
        let archived = after.flag.archived && !before.flag.archived;
        let restored = before.flag.archived && !after.flag.archived;
        if gone.is_empty() && !archived && !restored {
            return Ok(None);
        }
        // Before everything that it is the version of.
        let version = self.store.dependencies_version(addressed.project_id).await?;
        let key = after.flag.key.as_str();
        let (mut places, mut missed) = (Vec::new(), Vec::new());
        for environment in &self.all_environments(addressed.project_id).await? {
            let mut snapshot = self.load_snapshot(environment).await?;
            if environment.id == addressed.id {
                let document = Arc::new(Read::Known(after.document()));
                snapshot.flags.insert(key.to_owned(), document);
            }
            for variant in &gone {
                let named = Named::Variant { flag: key, variant: &variant.key };
                places.extend(places_in(&snapshot, named, environment));
            }
            if archived {
                // What is archived itself asks nobody.
                let named = places_in(&snapshot, Named::Flag(key), environment);
                places.extend(named.into_iter().filter(|place| !is_archived(&snapshot, &place.key)));
            }
            if restored {
                let required = required_archived(&snapshot, key);
                missed.extend(required.into_iter().map(|flag| format!("{flag} in {}", environment.key)));
            }
        }
        refuse_restoring(&missed)?;
        refuse(places, if archived { "flag_in_use" } else { "variant_in_use" })?;
        Ok(Some(version))
    }

    pub(super) async fn load_flag(&self, project_id: Id, key: &str) -> Result<FlagEverywhere> {
        let named = Key::parse(key).ok_or_else(|| Error::no_flag(key))?;
        self.store.flag(project_id, &named).await?.ok_or_else(|| Error::no_flag(key))
    }
}

/// Whoever raises a flag expects that something happens.
fn refuse_raising_archived(before: &FlagHere, after: &FlagHere) -> Result<()> {
    if after.flag.archived && after.config.enabled && !before.config.enabled {
        let message = format!(
            "the flag is archived and gives its off variant everywhere, enabled or not; restore it first: POST \
             /api/v1/flags/{}/restore",
            after.flag.key
        );
        return Err(Error::Conflict { code: FLAG_ARCHIVED, message });
    }
    Ok(())
}

/// Takes over the members that a document names.
pub(super) fn taking_over(document: &Value) -> impl Fn(&mut Draft<'_>, &mut Violations) -> Result<()> + Sync {
    |draft, violations| {
        if let Some(object) = At::root(document).object(violations) {
            draft.apply_change(&object, violations);
        }
        Ok(())
    }
}

/// Says that the change touches what refers to what.
pub(super) fn touch(change: &mut Change) {
    if !change.writes.iter().any(|write| matches!(write, Write::TouchDependencies)) {
        change.writes.push(Write::TouchDependencies);
    }
}

fn has(here: &FlagHere, variant: &str) -> bool {
    here.flag.variants.iter().any(|own| own.key == variant)
}

/// The right for every environment in which the flag is enabled.
pub(super) fn require_right(
    everywhere: &FlagEverywhere,
    environments: &[Environment],
    may_write: impl Fn(&Environment) -> Result<()>,
) -> Result<()> {
    let enabled = everywhere.configs.iter().filter(|config| config.enabled);
    let mut places = enabled
        .filter_map(|config| environments.iter().find(|environment| environment.id == config.environment_id));
    places.try_for_each(may_write)
}

fn read_enabled(document: &Value) -> Result<Option<bool>> {
    let mut violations = Violations::default();
    let enabled = At::root(document).object(&mut violations).and_then(|object| {
        let enabled = object.optional(&mut violations, "enabled", |at, violations| at.boolean(violations));
        object.deny_unknown(&mut violations);
        enabled
    });
    violations.into_result(enabled).map_err(Error::Invalid)
}

/// Whether an edit of the definition changes what enabled flags answer: a variant's value changed or gone, results
/// shown to browsers or hidden from them, or the flag put out of use or back into it.
fn changes_answers(before: &FlagHere, after: &FlagHere) -> bool {
    let kept = before.flag.variants.iter().all(|variant| after.flag.variants.contains(variant));
    !kept
        || before.flag.client_visible != after.flag.client_visible
        || before.flag.archived != after.flag.archived
}

/// The versions of both halves, the config's in every environment.
pub(super) fn reads_of(everywhere: &FlagEverywhere) -> Vec<ReadVersion> {
    let of_config = |config: &Config| ReadVersion::Config {
        flag_id: config.flag_id,
        environment_id: config.environment_id,
        version: config.version,
    };
    let flag = ReadVersion::Flag { id: everywhere.flag.id, version: everywhere.flag.version };
    std::iter::once(flag).chain(everywhere.configs.iter().map(of_config)).collect()
}

pub(super) fn edit(
    before: &FlagHere,
    after: &FlagHere,
    writer: &Writer,
    action: &'static str,
    request: &Request,
    now: Timestamp,
) -> Change {
    let environment = writer.environment();
    let (flag_id, environment_id) = (before.flag.id, environment.id);
    let mut texts = (Map::new(), Map::new());
    let mut rows = Vec::new();
    if before.flag != after.flag {
        texts.0.insert("flag".to_owned(), definition_for_log(&before.flag));
        texts.1.insert("flag".to_owned(), definition_for_log(&after.flag));
        let mut flag = after.flag.clone();
        flag.updated_at = now;
        rows.push(Write::UpdateFlag(flag));
    }
    if before.config != after.config {
        let configs =
            |config| Value::Object(Map::from_iter([(environment.key.to_string(), config_for_log(config))]));
        texts.0.insert("configs".to_owned(), configs(&before.config));
        texts.1.insert("configs".to_owned(), configs(&after.config));
        let mut config = after.config.clone();
        config.updated_at = now;
        rows.push(Write::UpdateConfig(config));
        // What is as heavy as that, others were checked with; so no one may be who requires it meanwhile.
        let is_heavy = engine::weighs_on_others(&after.document());
        if is_heavy || references(&before.config) != references(&after.config) {
            rows.push(Write::TouchDependencies);
        }
    }
    Change {
        chain: Chain::Project(environment.project_id),
        at: now,
        actor: writer.caller().account_id(),
        source: request.source.clone(),
        action,
        entities: vec![Entity::flag(&after.flag), Entity::environment(environment)],
        before: Some(Value::Object(texts.0).to_string()),
        after: Some(Value::Object(texts.1).to_string()),
        comment: request.comment.clone(),
        standing: request.standing.clone(),
        reads: vec![
            ReadVersion::Flag { id: flag_id, version: before.flag.version },
            ReadVersion::Config { flag_id, environment_id, version: before.config.version },
        ],
        writes: rows,
    }
}

fn deletion(
    everywhere: &FlagEverywhere,
    permit: &Permit,
    environments: &[Environment],
    request: &Request,
    now: Timestamp,
) -> Change {
    let FlagEverywhere { flag, configs } = everywhere;
    let before = serde_json::json!({
        "flag": definition_for_log(flag),
        "configs": super::configs_for_log(configs, environments),
    });
    Change {
        chain: Chain::Project(flag.project_id),
        at: now,
        actor: permit.caller().account_id(),
        source: request.source.clone(),
        action: "delete_flag",
        entities: vec![Entity::flag(flag)],
        before: Some(before.to_string()),
        after: None,
        comment: request.comment.clone(),
        standing: request.standing.clone(),
        reads: reads_of(everywhere),
        writes: vec![Write::DeleteFlag { id: flag.id, key: flag.key.clone() }, Write::TouchDependencies],
    }
}
