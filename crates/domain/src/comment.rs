//! Which changes must say why: a setting of each project, asked where its changes are committed.

use engine::json::{At, Violations};
use serde::Serialize;

use crate::access::Scope;
use crate::control::Control;
use crate::environment::Environment;
use crate::id::Id;
use crate::log::{Chain, Change, Write};
use crate::ports::{CommitError, StoreResult};

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

impl Control {
    /// Refuses a change that must say why and does not. Asked of every change before it is committed; what is said
    /// already costs no look at the store.
    pub(crate) async fn expect_comment(&self, change: &Change) -> Result<(), CommitError> {
        let Chain::Project(project_id) = change.chain else { return Ok(()) };
        let is_said =
            change.comment.as_ref().is_some_and(|comment| comment.chars().any(char::is_alphanumeric));
        if is_said || change.actor == Id::NIL {
            return Ok(());
        }
        let project = self.store.project_by_id(project_id).await?;
        let rule = project.map(|project| project.comment_required);
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
        let reached = environments
            .into_iter()
            .find(|one| change.writes.iter().any(|write| reaches(change, write, one)));
        Ok(reached)
    }
}

/// Reads a rule by its name.
pub(crate) fn read_rule(at: &At<'_>, violations: &mut Violations) -> Option<CommentRule> {
    let rule = CommentRule::parse(at.text(violations)?);
    if rule.is_none() {
        at.fault(violations, "must be none, protected or all");
    }
    rule
}

/// Whether a write changes what is in a protected environment, or who may. A definition reaches all of them, and so do
/// the project's settings; what is new, and rests there, none.
fn reaches(change: &Change, write: &Write, environment: &Environment) -> bool {
    match write {
        Write::CreateGrant(grant) => match grant.scope {
            Scope::Environment { id, .. } => id == environment.id,
            Scope::Instance | Scope::Project(_) => true,
        },
        // Where it holds is what the change names.
        Write::DeleteGrant { .. } => {
            let mut places = change.entities.iter().filter(|entity| entity.kind == "environment").peekable();
            places.peek().is_none() || places.any(|place| place.id == environment.id)
        }
        Write::CreateConfig(config) => config.environment_id == environment.id && config.enabled,
        Write::UpdateConfig(config) => config.environment_id == environment.id,
        Write::UpdateSegmentConfig(config) => config.environment_id == environment.id,
        Write::CreateSdkKey(key) | Write::UpdateSdkKey(key) => {
            key.reach.among(std::slice::from_ref(environment)).next().is_some()
        }
        Write::UpdateEnvironment(updated) => updated.id == environment.id,
        Write::DeleteEnvironment { id } => *id == environment.id,
        Write::UpdateProject(_)
        | Write::UpdateFlag(_)
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
