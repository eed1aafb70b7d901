//! Making a flag: one definition, and a config in every environment.

use engine::json::{At, Object, Violations};
use engine::model::{Kind, Read, Serve, Variant};
use serde_json::{Value, json};

use super::check::Checked;
use super::input::{Draft, kind_name, read_new_kind};
use super::references::references;
use super::{Config, Flag, FlagHere, Lifecycle, Lifetime, configs_for_log, definition_for_log, resting};
use crate::access::{CreateFlag, InEnvironment, Writer};
use crate::control::{Attempts, Control, Request};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::input::read_key;
use crate::key::Key;
use crate::log::{Chain, Change, Entity, ReadVersion, Write};
use crate::time::Timestamp;

impl Control {
    /// Makes a flag. What the document says of `enabled`, targets, rules and default holds in the writer's
    /// environment; in the others the flag starts disabled.
    pub async fn create_flag(
        &self,
        writer: &InEnvironment<CreateFlag>,
        document: &Value,
        request: &Request,
    ) -> Result<FlagHere> {
        let mut attempts = Attempts::default();
        loop {
            // An environment that is made meanwhile would be without a config of this flag.
            let version = self.store.dependencies_version(writer.project_id()).await?;
            let now = self.clock.now();
            let Checked { here, reads } = self.read_new_flag(writer, document, now).await?;
            let environments = self.all_environments(writer.project_id()).await?;
            let addressed = writer.environment();
            if !environments.iter().any(|environment| environment.id == addressed.id) {
                return Err(Error::no_environment(addressed.key.as_str(), []));
            }
            let mut change = creation(&here, writer, &environments, request, now);
            change.reads.push(ReadVersion::Dependencies { version });
            change.reads.extend(reads);
            if let Some(revision) = self.try_create(change, &mut attempts, "a flag", &here.flag.key).await? {
                return Ok(here.at_revision(revision));
            }
        }
    }

    /// The flag that a document describes, if it compiles.
    async fn read_new_flag(&self, writer: &Writer, document: &Value, now: Timestamp) -> Result<Checked> {
        let new_id = || self.ids.id(now);
        let seed = Seed { writer, client_visible: self.settings.client_visible, now, new_id: &new_id };
        let mut violations = Violations::default();
        let Some(mut draft) = seed.read(At::root(document), &mut violations) else {
            return violations.into_result(None).map_err(Error::Invalid);
        };
        match self.check_owner(writer, &draft.flag, None).await? {
            Ok(read) => draft.reads.extend(read),
            Err(fault) => violations.add("owner", fault),
        }
        self.check_draft(draft, violations, writer.environment()).await
    }
}

/// What a new flag is made of besides its document.
struct Seed<'a> {
    writer: &'a Writer,
    client_visible: bool,
    now: Timestamp,
    new_id: &'a (dyn Fn() -> Id + Sync),
}

impl Seed<'_> {
    fn read(&self, at: At<'_>, violations: &mut Violations) -> Option<Draft<'_>> {
        let object = at.object(violations)?;
        // Under a faulty key the rest is read all the same, so that its faults are told at once.
        let key = read_key(&object, violations).or_else(|| Key::parse("unnamed"))?;
        let mut draft = self.draft(key, read_new_kind(&object, violations));
        draft.apply(&object, violations);
        complete(&mut draft, &object, violations);
        Some(draft)
    }

    /// A flag of which nothing is known but its key and kind.
    fn draft(&self, key: Key, kind: Kind) -> Draft<'_> {
        let environment = self.writer.environment();
        let on_off = |key: &str, value: bool| Variant { key: key.to_owned(), value: Value::Bool(value) };
        let boolean = kind == Kind::Boolean;
        let flag = Flag {
            id: (self.new_id)(),
            project_id: environment.project_id,
            name: key.to_string(),
            key,
            kind,
            description: String::new(),
            variants: if boolean { vec![on_off("on", true), on_off("off", false)] } else { Vec::new() },
            tags: Vec::new(),
            client_visible: self.client_visible,
            lifecycle: Lifecycle::Active,
            archived: false,
            owner: None,
            lifetime: Lifetime::Permanent,
            version: 0,
            created_at: self.now,
            updated_at: self.now,
        };
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
            updated_at: self.now,
        };
        Draft::new(FlagHere { flag, config }, &[], self.new_id)
    }
}

/// Fills in what the document left out.
fn complete(draft: &mut Draft<'_>, object: &Object<'_>, violations: &mut Violations) {
    if draft.flag.name.is_empty() {
        draft.flag.name = draft.flag.key.to_string();
    }
    if draft.flag.variants.is_empty() {
        let kind = kind_name(draft.flag.kind);
        object.fault(violations, format_args!("a flag of kind {kind} needs variants, or a default_value"));
        return;
    }
    if !object.has("off_variant") {
        let named_by_value = !object.has("variants") && object.has("default_value");
        draft.config.off_variant = match draft.flag.kind {
            Kind::Boolean => draft.variant_with(&Value::Bool(false)),
            _ if named_by_value => Some("default".to_owned()),
            _ => None,
        };
    }
    let said = ["default", "default_value", "rollout_percentage"].iter().any(|form| object.has(form));
    if !said {
        match draft.variant_with(&Value::Bool(true)) {
            Some(on) => draft.config.default = Serve::Variant(on).into(),
            None => object
                .fault(violations, "default is required: which variant does everyone get? null serves none"),
        }
    }
}

fn creation(
    here: &FlagHere,
    writer: &Writer,
    environments: &[Environment],
    request: &Request,
    now: Timestamp,
) -> Change {
    let addressed = writer.environment();
    let config_in = |environment: &Environment| {
        if environment.id == addressed.id {
            here.config.clone()
        } else {
            resting(&here.flag, &here.config, environment.id)
        }
    };
    let configs: Vec<_> = environments.iter().map(config_in).collect();
    let after = json!({
        "flag": definition_for_log(&here.flag),
        "configs": configs_for_log(&configs, environments),
    });
    let mut rows = vec![Write::CreateFlag(here.flag.clone())];
    rows.extend(configs.into_iter().map(Write::CreateConfig));
    if !references(&here.config).is_empty() {
        rows.push(Write::TouchDependencies);
    }
    Change {
        chain: Chain::Project(addressed.project_id),
        at: now,
        actor: writer.caller().account_id(),
        source: request.source.clone(),
        action: "create_flag",
        entities: vec![Entity::flag(&here.flag), Entity::environment(addressed)],
        before: None,
        after: Some(after.to_string()),
        comment: request.comment.clone(),
        standing: request.standing.clone(),
        reads: Vec::new(),
        writes: rows,
    }
}
