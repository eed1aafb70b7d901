//! Which changes must say why: a setting of each project, asked where its changes are committed.

use engine::json::{At, Violations};
use serde::Serialize;
use serde_json::{Value, json};

use crate::access::Admin;
use crate::control::{Attempts, Control, Request};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::log::{Chain, Change, Entity, Write};
use crate::ports::{CommitError, ProjectRules, StoreResult};

/// Which changes of a project must say why. What the program does by itself need not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CommentRule {
    /// None.
    #[default]
    None,
    /// Those that reach a protected environment.
    Protected,
    /// All.
    All,
}

/// What an admin may say of a project, as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct ProjectSettings {
    /// Its key.
    pub key: String,
    /// Which changes must say why.
    pub comment_required: CommentRule,
}

impl CommentRule {
    const ALL: [Self; 3] = [Self::None, Self::Protected, Self::All];

    /// Its name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Protected => "protected",
            Self::All => "all",
        }
    }

    /// Reads its name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }
}

impl From<ProjectRules> for ProjectSettings {
    fn from(rules: ProjectRules) -> Self {
        Self { key: rules.key.to_string(), comment_required: rules.comment_required }
    }
}

impl Control {
    /// The settings of the admin's project.
    pub async fn project_settings(&self, admin: &Admin) -> Result<ProjectSettings> {
        Ok(self.rules_of(admin.project_id()).await?.into())
    }

    /// Takes over `{"comment_required"}`. A document that changes nothing makes no change.
    pub async fn set_comment_rule(
        &self,
        admin: &Admin,
        document: &Value,
        request: &Request,
    ) -> Result<ProjectSettings> {
        let project_id = admin.project_id();
        let mut attempts = Attempts::default();
        loop {
            let rules = self.rules_of(project_id).await?;
            let before = rules.comment_required;
            let after = read_rule(document)?.unwrap_or(before);
            let rules = ProjectRules { comment_required: after, ..rules };
            if before == after {
                return Ok(rules.into());
            }
            let text = |rule: CommentRule| Some(json!({ "comment_required": rule }).to_string());
            let change = Change {
                chain: Chain::Instance,
                at: self.clock.now(),
                actor: admin.caller().account_id(),
                source: request.source.clone(),
                action: "update_project",
                entities: vec![Entity {
                    kind: "project".to_owned(),
                    id: project_id,
                    key: rules.key.to_string(),
                }],
                before: text(before),
                after: text(after),
                comment: request.comment.clone(),
                reads: Vec::new(),
                writes: vec![Write::SetCommentRule { project_id, before, after }],
            };
            if self.try_commit(change, &mut attempts).await?.is_some() {
                return Ok(rules.into());
            }
        }
    }

    async fn rules_of(&self, project_id: Id) -> Result<ProjectRules> {
        let rules = self.store.project_rules(project_id).await?;
        rules.ok_or_else(|| Error::not_found("project", &project_id.to_string(), "it was deleted"))
    }

    /// Refuses a change that must say why and does not. Asked of every change before it is committed; what is said
    /// already costs no look at the store.
    pub(crate) async fn expect_comment(&self, change: &Change) -> Result<(), CommitError> {
        let Chain::Project(project_id) = change.chain else { return Ok(()) };
        let is_said = change.comment.as_ref().is_some_and(|comment| !comment.trim().is_empty());
        if is_said || change.actor == Id::NIL {
            return Ok(());
        }
        let rule = self.store.project_rules(project_id).await?.map(|rules| rules.comment_required);
        let why = match rule {
            None | Some(CommentRule::None) => return Ok(()),
            Some(CommentRule::All) => "changes of this project must say why".to_owned(),
            Some(CommentRule::Protected) => match self.protected_reach(project_id, change).await? {
                None => return Ok(()),
                Some(environment) => format!(
                    "changes that reach a protected environment must say why, and this one reaches {}",
                    environment.key
                ),
            },
        };
        Err(CommitError::Unexplained { why })
    }

    /// A protected environment that a change reaches.
    async fn protected_reach(&self, project_id: Id, change: &Change) -> StoreResult<Option<Environment>> {
        let mut environments = self.store.environments(project_id).await?;
        environments.retain(|environment| environment.protected);
        let reached =
            environments.into_iter().find(|one| change.writes.iter().any(|write| reaches(write, one)));
        Ok(reached)
    }
}

fn read_rule(document: &Value) -> Result<Option<CommentRule>> {
    let mut violations = Violations::default();
    let read = At::root(document).object(&mut violations).and_then(|object| {
        let rule = object.optional(&mut violations, "comment_required", |at, violations| {
            let rule = CommentRule::parse(at.text(violations)?);
            if rule.is_none() {
                at.fault(violations, "must be none, protected or all");
            }
            rule
        });
        object.deny_unknown(&mut violations);
        rule
    });
    violations.into_result(read).map_err(Error::Invalid)
}

/// Whether a write changes what is in a protected environment. A definition reaches all of them; what is new, and
/// rests there, none.
fn reaches(write: &Write, environment: &Environment) -> bool {
    match write {
        Write::CreateConfig(config) => config.environment_id == environment.id && config.enabled,
        Write::UpdateConfig(config) => config.environment_id == environment.id,
        Write::UpdateSegmentConfig(config) => config.environment_id == environment.id,
        Write::CreateSdkKey(key) => key.environment_id == environment.id,
        Write::UpdateEnvironment(updated) => updated.id == environment.id,
        Write::DeleteEnvironment { id } => *id == environment.id,
        Write::UpdateFlag(_)
        | Write::DeleteFlag { .. }
        | Write::UpdateSegment(_)
        | Write::DeleteSegment { .. }
        | Write::UpdateContextField(_)
        | Write::DeleteContextField { .. }
        // Of a key only its id is known here: to refuse one says why wherever something is protected.
        | Write::RevokeSdkKey { .. } => true,
        _ => false,
    }
}
