//! Changing a flag: load, apply, compile the result, commit what changed; again if someone was faster.

use engine::json::{At, Violations};
use engine::model::{Kind, Revision};
use serde_json::{Map, Value};

use super::input::{Draft, read_kind};
use super::{Config, FlagEverywhere, FlagHere, config_for_log, definition_for_log, violations as faults_of};
use crate::access::{Admin, Writer};
use crate::control::{Control, MOST_ATTEMPTS, Request, unexpected};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::log::{Chain, Change, Entity, ReadVersion, Write};
use crate::ports::CommitError;
use crate::time::Timestamp;

impl Control {
    /// Takes over the members that the document names, in the writer's environment, and keeps the others.
    /// A document that changes nothing makes no change.
    pub async fn update_flag(
        &self,
        writer: &Writer,
        key: &str,
        document: &Value,
        request: &Request,
    ) -> Result<FlagHere> {
        let apply = |draft: &mut Draft<'_>| {
            let mut violations = Violations::default();
            let read = At::root(document).object(&mut violations).map(|object| {
                let kind: Option<Option<Kind>> = object.optional(&mut violations, "kind", read_kind);
                if let (Some(Some(kind)), Some(at)) = (kind, object.get("kind"))
                    && kind != draft.flag.kind
                {
                    at.fault(&mut violations, "a flag's kind never changes; make another flag");
                }
                draft.apply(&object, &mut violations);
            });
            violations.into_result(read).map_err(Error::Invalid)
        };
        self.change_flag(writer, key, "update_flag", request, apply).await
    }

    /// Raises a lowered flag and lowers a raised one, or sets it to what the document's `enabled` says.
    pub async fn toggle_flag(
        &self,
        writer: &Writer,
        key: &str,
        document: Option<&Value>,
        request: &Request,
    ) -> Result<FlagHere> {
        let enabled = document.map(read_enabled).transpose()?.flatten();
        let flip = |draft: &mut Draft<'_>| {
            draft.config.enabled = enabled.unwrap_or(!draft.config.enabled);
            Ok(())
        };
        self.change_flag(writer, key, "toggle_flag", request, flip).await
    }

    /// Removes a flag everywhere. Its key is free again; its versions never come back.
    /// `If-Match` speaks of the view in `environment`. Gives the revision that it took.
    pub async fn delete_flag(
        &self,
        admin: &Admin,
        environment: &Environment,
        key: &str,
        request: &Request,
    ) -> Result<Revision> {
        let mut attempt = 0;
        loop {
            let everywhere = self.load_flag(key).await?;
            let here = everywhere.clone().here(environment.id).ok_or(Error::NO_FLAG)?;
            request.check(&here.etag())?;
            let environments = self.all_environments().await?;
            let change = deletion(&everywhere, admin, &environments, request, self.clock.now());
            match self.commit(change).await {
                Ok(revision) => return Ok(revision),
                Err(CommitError::Stale) if attempt < MOST_ATTEMPTS => self.pause(&mut attempt).await,
                Err(error) => return Err(unexpected(error)),
            }
        }
    }

    async fn change_flag(
        &self,
        writer: &Writer,
        key: &str,
        action: &'static str,
        request: &Request,
        apply: impl Fn(&mut Draft<'_>) -> Result<()>,
    ) -> Result<FlagHere> {
        let mut attempt = 0;
        loop {
            let everywhere = self.load_flag(key).await?;
            let before = everywhere.clone().here(writer.environment().id).ok_or(Error::NO_FLAG)?;
            request.check(&before.etag())?;
            let now = self.clock.now();
            let after = self.apply(&before, now, &apply)?;
            if after == before {
                return Ok(before);
            }
            let mut change = edit(&before, &after, writer, action, request, now);
            if before.flag != after.flag {
                self.check_everywhere(writer, &everywhere, &before, &after).await?;
                // What was just checked must still be so when this is committed.
                change.reads = reads_of(&everywhere);
            }
            match self.commit(change).await {
                Ok(revision) => return Ok(after.stamped(&before, revision, now)),
                // With `If-Match` the next round answers 412.
                Err(CommitError::Stale) if attempt < MOST_ATTEMPTS => self.pause(&mut attempt).await,
                Err(error) => return Err(unexpected(error)),
            }
        }
    }

    /// The flag with the edit, if it still compiles.
    fn apply(
        &self,
        before: &FlagHere,
        now: Timestamp,
        apply: impl Fn(&mut Draft<'_>) -> Result<()>,
    ) -> Result<FlagHere> {
        let new_id = || self.ids.id(now);
        let FlagHere { flag, config } = before.clone();
        let mut draft = Draft { flag, config, new_id: &new_id };
        apply(&mut draft)?;
        let after = FlagHere::from(draft);
        let faults = faults_of(&after.flag, &after.config);
        if faults.is_empty() { Ok(after) } else { Err(Error::Invalid(faults)) }
    }

    /// A definition serves every environment: who changes what an enabled flag answers must be allowed to in
    /// each of them, and must leave each of them whole.
    async fn check_everywhere(
        &self,
        writer: &Writer,
        everywhere: &FlagEverywhere,
        before: &FlagHere,
        after: &FlagHere,
    ) -> Result<()> {
        let changes_answers = changes_answers(before, after);
        for environment in self.all_environments().await? {
            let here = |config: &&Config| config.environment_id == environment.id;
            let Some(config) = everywhere.configs.iter().find(here) else { continue };
            if changes_answers && config.enabled {
                writer.may_write(&environment)?;
            }
            if environment.id == writer.environment().id {
                continue;
            }
            if let Some(fault) = faults_of(&after.flag, config).first() {
                let message = format!("it is still in use in the environment {}: {fault}", environment.key);
                return Err(Error::Conflict { code: "variant_in_use", message });
            }
        }
        Ok(())
    }

    pub(super) async fn load_flag(&self, key: &str) -> Result<FlagEverywhere> {
        let key = Key::parse(key).ok_or(Error::NO_FLAG)?;
        self.store.flag(self.project_id, &key).await?.ok_or(Error::NO_FLAG)
    }
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

/// Whether an edit of the definition changes what enabled flags answer: a variant's value changed or gone, or
/// results shown to browsers or hidden from them.
fn changes_answers(before: &FlagHere, after: &FlagHere) -> bool {
    let kept = before.flag.variants.iter().all(|variant| after.flag.variants.contains(variant));
    !kept || before.flag.client_visible != after.flag.client_visible
}

/// The versions of both halves, the config's in every environment.
fn reads_of(everywhere: &FlagEverywhere) -> Vec<ReadVersion> {
    let of_config = |config: &Config| ReadVersion::Config {
        flag_id: config.flag_id,
        environment_id: config.environment_id,
        version: config.version,
    };
    let flag = ReadVersion::Flag { id: everywhere.flag.id, version: everywhere.flag.version };
    std::iter::once(flag).chain(everywhere.configs.iter().map(of_config)).collect()
}

fn edit(
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
        reads: vec![
            ReadVersion::Flag { id: flag_id, version: before.flag.version },
            ReadVersion::Config { flag_id, environment_id, version: before.config.version },
        ],
        writes: rows,
    }
}

fn deletion(
    everywhere: &FlagEverywhere,
    admin: &Admin,
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
        actor: admin.caller().account_id(),
        source: request.source.clone(),
        action: "delete_flag",
        entities: vec![Entity::flag(flag)],
        before: Some(before.to_string()),
        after: None,
        comment: request.comment.clone(),
        reads: reads_of(everywhere),
        writes: vec![Write::DeleteFlag { id: flag.id, key: flag.key.clone() }],
    }
}
