//! Reverting changes of flags.

use engine::Named;
use engine::json::{At, Violations};
use engine::model::{Kind, Read, Revision, Serve};
use serde_json::{Map, Value, json};

use super::change::touch;
use super::check::Checked;
use super::input::Draft;
use super::{
    Config, Flag, FlagEverywhere, FlagHere, Lifecycle, Lifetime, config_for_log, configs_for_log,
    definition_for_log, resting,
};
use crate::access::{CreateFlag, DeleteFlag, UpdateFlag};
use crate::control::{Attempts, Control, DEFAULT_ENVIRONMENT, find_environment};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::log::{Chain, Change, Entity, ReadVersion, Write};
use crate::revert::{Outcome, Revert, SetBack, refused, whole};
use crate::time::Timestamp;

impl Control {
    pub(crate) async fn revert_flag(&self, revert: &Revert<'_>) -> Result<Outcome> {
        let (old, new) = revert.parts("flag");
        match (old.is_null(), new.is_null(), revert.before.is_none()) {
            (true, false, true) => self.unmake_flag(revert).await,
            (false, true, _) if revert.after.is_none() => self.remake_flag(revert).await,
            _ => self.set_flag_back(revert).await,
        }
    }

    async fn set_flag_back(&self, revert: &Revert<'_>) -> Result<Outcome> {
        let environment = revert.environment()?;
        let writer = revert.permit::<UpdateFlag>()?.at(environment.clone())?;
        let key = revert.key()?;
        let everywhere = self.load_flag(revert.reader.project_id(), key).await?;
        revert.expect_same(everywhere.flag.id)?;
        let here = everywhere.here(environment.id).ok_or_else(|| Error::no_flag(key))?;
        let mut back = SetBack::default();
        let (old, new) = revert.parts("flag");
        revert.set_back("flag", &old, &new, &definition_for_log(&here.flag), &mut back);
        let of_definition = !back.members.is_empty();
        let (old, new) = revert.parts("configs");
        let (place, now) = (environment.key.as_str(), config_for_log(&here.config));
        revert.set_back(&format!("configs.{place}"), &old[place], &new[place], &now, &mut back);
        back.expect_free()?;
        if back.members.is_empty() {
            return Ok(Outcome::unchanged());
        }
        let (document, request) = (back.document(), revert.request(here.etag()));
        let mut outcome = Outcome { changes: back.changes, revision: None, reached: Vec::new() };
        if revert.mode.dry_run {
            self.preview_flag(&environment, key, &document, Some(&writer)).await?;
            return Ok(outcome);
        }
        let here = self.update_flag(&writer, key, &document, &request).await?;
        outcome.revision = Some(here.flag.version.max(here.config.version));
        let all = revert.environments.iter().map(|environment| environment.id);
        outcome.reached = if of_definition { all.collect() } else { vec![environment.id] };
        Ok(outcome)
    }

    /// What was made goes, unless someone made something of it.
    async fn unmake_flag(&self, revert: &Revert<'_>) -> Result<Outcome> {
        let permit = revert.permit::<DeleteFlag>()?;
        let environment = find_environment(revert.environments, DEFAULT_ENVIRONMENT)?;
        let key = revert.key()?;
        let everywhere = self.load_flag(revert.reader.project_id(), key).await?;
        revert.expect_same(everywhere.flag.id)?;
        let now = everywhere_for_log(&everywhere, revert.environments);
        revert.expect_untouched("flag", &revert.parts("flag").1, &now["flag"])?;
        if let Some(configs) = revert.parts("configs").1.as_object() {
            for (place, config) in configs {
                revert.expect_untouched(&format!("configs.{place}"), config, &now["configs"][place])?;
            }
        }
        self.refuse_if_used(Named::Flag(key), "flag_in_use", revert.environments).await?;
        let here = everywhere.here(environment.id).ok_or_else(|| Error::no_flag(key))?;
        let mut outcome =
            Outcome { changes: whole("flag", now["flag"].clone(), Value::Null), ..Outcome::unchanged() };
        if !revert.mode.dry_run {
            let request = revert.request(here.etag());
            outcome.revision = Some(self.delete_flag(&permit, &environment, key, &request).await?);
            outcome.reached = revert.environments.iter().map(|one| one.id).collect();
        }
        Ok(outcome)
    }

    /// What was deleted comes back, with a new id; where it was enabled it is again, so that needs the right.
    async fn remake_flag(&self, revert: &Revert<'_>) -> Result<Outcome> {
        let permit = revert.permit::<CreateFlag>()?;
        let mut attempts = Attempts::default();
        loop {
            // Before everything that it is the version of.
            let version = self.store.dependencies_version(revert.reader.project_id()).await?;
            let now = self.clock.now();
            let (flag, configs) = self.read_deleted(revert, now).await?;
            let raised = |environment: &&Environment| {
                configs.iter().any(|config| config.environment_id == environment.id && config.enabled)
            };
            revert.environments.iter().filter(raised).try_for_each(|one| permit.may_in(one))?;
            let owner = self.check_owner(&permit, &flag, None).await?;
            let owner = owner.map_err(|_| {
                let owner = flag.owner.as_deref().unwrap_or_default();
                refused(format!("its owner was {owner}, and there is no such team; make it again first"))
            })?;
            let after = json!({
                "flag": definition_for_log(&flag),
                "configs": configs_for_log(&configs, revert.environments),
            });
            let changes = whole("flag", Value::Null, after["flag"].clone());
            let mut outcome = Outcome { changes, ..Outcome::unchanged() };
            if revert.mode.dry_run {
                if self.store.flag(flag.project_id, &flag.key).await?.is_some() {
                    return Err(refused(format!("another flag has the key {} now", flag.key)));
                }
                return Ok(outcome);
            }
            let mut writes = vec![Write::CreateFlag(flag.clone())];
            writes.extend(configs.into_iter().map(Write::CreateConfig));
            let mut change = Change {
                chain: Chain::Project(flag.project_id),
                at: now,
                actor: revert.reader.caller().account_id(),
                source: revert.request.source.clone(),
                action: "create_flag",
                entities: vec![Entity::flag(&flag)],
                before: None,
                after: Some(after.to_string()),
                comment: revert.request.comment.clone(),
                standing: revert.request.standing.clone(),
                reads: owner.into_iter().chain([ReadVersion::Dependencies { version }]).collect(),
                writes,
            };
            touch(&mut change);
            if let Some(revision) = self.try_create(change, &mut attempts, "a flag", &flag.key).await? {
                outcome.revision = Some(revision);
                outcome.reached = revert.environments.iter().map(|one| one.id).collect();
                return Ok(outcome);
            }
        }
    }

    /// The flag that the entry of its deletion keeps, as it may be in each environment that there is now.
    async fn read_deleted(&self, revert: &Revert<'_>, now: Timestamp) -> Result<(Flag, Vec<Config>)> {
        let (definition, configs) = (revert.parts("flag").0, revert.parts("configs").0);
        let key = Key::parse(revert.key()?).ok_or_else(|| refused("its key is none"))?;
        let kind: Kind = serde_json::from_value(definition["kind"].clone())
            .map_err(|_| refused("its kind is not known here"))?;
        let mut flag = self.blank(revert, key, kind, now);
        let mut made: Vec<Config> = Vec::new();
        let mut absent = Vec::new();
        for environment in revert.environments {
            let place = environment.key.as_str();
            let Some(config) = configs.get(place).and_then(Value::as_object) else {
                absent.push(environment);
                continue;
            };
            let mut document = definition.as_object().cloned().unwrap_or_default();
            document.extend(config.clone());
            let here = self.read_config(&flag, &Value::Object(document), environment, now).await?;
            flag = here.flag;
            made.push(here.config);
        }
        let first = made.first().cloned();
        let first = first.ok_or_else(|| refused("none of the environments that it was in is there"))?;
        made.extend(absent.into_iter().map(|environment| resting(&flag, &first, environment.id)));
        Ok((flag, made))
    }

    async fn read_config(
        &self,
        flag: &Flag,
        document: &Value,
        environment: &Environment,
        now: Timestamp,
    ) -> Result<FlagHere> {
        let new_id = || self.ids.id(now);
        let config = Config {
            flag_id: flag.id,
            environment_id: environment.id,
            enabled: false,
            off_variant: None,
            prerequisites: Read::default(),
            targets: Read::default(),
            rules: Vec::new(),
            default: Serve::Nothing.into(),
            version: 0,
            updated_at: now,
        };
        let mut draft = Draft::new(FlagHere { flag: flag.clone(), config }, &[], &new_id);
        let mut violations = Violations::default();
        if let Some(object) = At::root(document).object(&mut violations) {
            draft.apply(&object, &mut violations);
        }
        let Checked { here, .. } = self.check_draft(draft, violations, environment).await?;
        Ok(here)
    }

    fn blank(&self, revert: &Revert<'_>, key: Key, kind: Kind, now: Timestamp) -> Flag {
        Flag {
            id: self.ids.id(now),
            project_id: revert.reader.project_id(),
            key,
            kind,
            name: String::new(),
            description: String::new(),
            variants: Vec::new(),
            tags: Vec::new(),
            client_visible: false,
            lifecycle: Lifecycle::Active,
            archived: false,
            owner: None,
            lifetime: Lifetime::Permanent,
            version: 0,
            created_at: now,
            updated_at: now,
        }
    }

    /// Many flags at once, which is what it was done to.
    pub(crate) async fn revert_bulk(&self, revert: &Revert<'_>) -> Result<Outcome> {
        let environment = revert.environment()?;
        let writer = revert.permit::<UpdateFlag>()?.at(environment.clone())?;
        let member = if revert.parts("lifecycle").0.is_null() { "enabled" } else { "lifecycle" };
        let (old, new) = revert.parts(member);
        let keys: Vec<_> =
            old.as_object().into_iter().flat_map(Map::keys).filter_map(|key| Key::parse(key)).collect();
        let found = self.store.flags_named(revert.reader.project_id(), &keys).await?;
        let now = found.iter().filter_map(|everywhere| {
            let here = everywhere.clone().here(environment.id)?;
            let value =
                if member == "enabled" { json!(here.config.enabled) } else { json!(here.flag.stage()) };
            Some((here.flag.key.to_string(), value))
        });
        let now = Value::Object(now.collect());
        let mut back = SetBack::default();
        revert.set_back(member, &old, &new, &now, &mut back);
        back.expect_free()?;
        let mut outcome = Outcome { changes: back.changes, ..Outcome::unchanged() };
        let Some(first) = back.members.values().next() else { return Ok(outcome) };
        let action = match first {
            Value::Bool(true) => "enable",
            Value::Bool(false) => "disable",
            stage if *stage == json!(Lifecycle::ARCHIVED) => "archive",
            _ => "restore",
        };
        let keys: Vec<_> = back.members.keys().collect();
        let document = json!({ "action": action, "keys": keys });
        let dry_run = revert.mode.dry_run;
        let done = self.bulk_change_flags(&writer, &document, dry_run, revert.request).await?;
        outcome.revision = done.revision;
        outcome.reached = reached(done.revision, member, &environment, revert.environments);
        Ok(outcome)
    }
}

fn reached(
    revision: Option<Revision>,
    member: &str,
    addressed: &Environment,
    all: &[Environment],
) -> Vec<crate::id::Id> {
    match (revision, member) {
        (None, _) => Vec::new(),
        (Some(_), "enabled") => vec![addressed.id],
        (Some(_), _) => all.iter().map(|environment| environment.id).collect(),
    }
}

fn everywhere_for_log(everywhere: &FlagEverywhere, environments: &[Environment]) -> Value {
    json!({
        "flag": definition_for_log(&everywhere.flag),
        "configs": configs_for_log(&everywhere.configs, environments),
    })
}
