//! What every store asks of a change before it touches anything, so that no two of them take different ones.

use domain::account::AccountWrite;
use domain::log::{Chain, Change, Write};
use domain::ports::{StoreError, StoreResult};
use domain::usage::UsageBatch;

/// A change writes to its own chain's rows alone, and its texts are such as every store can keep.
/// Use cases see to both; a change that breaks them is a fault of ours.
pub(crate) fn check(change: &Change) -> StoreResult<()> {
    if let Some(write) = change.writes.iter().find(|write| !belongs(write, change.chain)) {
        return Err(corrupt(format!("{} writes beyond its chain: {}", change.action, name(write))));
    }
    if texts(change).any(|text| !storable(text)) {
        return Err(corrupt(format!(
            "{} has a text with U+0000, which PostgreSQL cannot keep",
            change.action
        )));
    }
    Ok(())
}

/// What comes with events is such as every store can keep; who takes them sees to it.
pub(crate) fn check_usage(batch: &UsageBatch) -> StoreResult<()> {
    let buckets = batch.minutes.iter().chain(&batch.hours);
    let counts = buckets.flat_map(|(bucket, _)| [&bucket.flag, &bucket.variant, &bucket.reason]);
    let exposures = batch.exposures.iter().flat_map(|one| [&one.flag, &one.unit, &one.variant, &one.rule]);
    let metrics = batch.metrics.iter().flat_map(|(_, metric)| {
        [&metric.unit, &metric.flag, &metric.variant].into_iter().flatten().chain([&metric.name])
    });
    if counts.chain(exposures).chain(metrics).chain([&batch.id]).all(|text| storable(text)) {
        return Ok(());
    }
    Err(corrupt("an event has a text with U+0000, which PostgreSQL cannot keep".to_owned()))
}

/// Whether a text can stand in every database. One that cannot is nowhere to be found either.
pub(crate) fn storable(text: &str) -> bool {
    !text.contains('\0')
}

fn corrupt(message: String) -> StoreError {
    StoreError::Corrupt(message.into())
}

fn belongs(write: &Write, chain: Chain) -> bool {
    let project = match write {
        Write::CreateProject(_)
        | Write::DeleteProject { .. }
        | Write::CreateTeam(_)
        | Write::UpdateTeam(_)
        | Write::DeleteTeam { .. }
        | Write::AddMember { .. }
        | Write::RemoveMember { .. }
        | Write::CreateRole(_)
        | Write::UpdateRole(_)
        | Write::DeleteRole { .. }
        | Write::Account(_) => return chain == Chain::Instance,
        // Of whatever chain the change is.
        Write::DeleteGrant { .. } | Write::RedactEntry { .. } | Write::ExpireEntries { .. } => return true,
        Write::CreateGrant(grant) => match grant.scope.project_id() {
            Some(project) => project,
            None => return chain == Chain::Instance,
        },
        Write::UpdateProject(project) => project.id,
        // They name no project: theirs is the chain's.
        Write::DeleteFlag { .. }
        | Write::CreateConfig(_)
        | Write::UpdateConfig(_)
        | Write::RevokeSdkKey { .. }
        | Write::DeleteSegment { .. }
        | Write::CreateSegmentConfig(_)
        | Write::UpdateSegmentConfig(_)
        | Write::FillSegments { .. }
        | Write::DeleteContextField { .. }
        | Write::DeleteEnvironment { .. }
        | Write::FillFlags { .. }
        | Write::TouchDependencies => return chain != Chain::Instance,
        Write::CreateEnvironment(environment) | Write::UpdateEnvironment(environment) => {
            environment.project_id
        }
        Write::CreateFlag(flag) | Write::UpdateFlag(flag) => flag.project_id,
        Write::CreateSdkKey(key) | Write::UpdateSdkKey(key) => key.project_id,
        Write::CreateSegment(segment) | Write::UpdateSegment(segment) => segment.project_id,
        Write::CreateContextField(field) | Write::UpdateContextField(field) => field.project_id,
    };
    chain == Chain::Project(project) && chain != Chain::Instance
}

fn name(write: &Write) -> &'static str {
    match write {
        Write::CreateProject(_) | Write::UpdateProject(_) | Write::DeleteProject { .. } => "a project",
        Write::CreateTeam(_)
        | Write::UpdateTeam(_)
        | Write::DeleteTeam { .. }
        | Write::AddMember { .. }
        | Write::RemoveMember { .. } => "a team",
        Write::CreateRole(_) | Write::UpdateRole(_) | Write::DeleteRole { .. } => "a role",
        Write::CreateGrant(_) | Write::DeleteGrant { .. } => "a grant",
        Write::RedactEntry { .. } | Write::ExpireEntries { .. } => "the log",
        Write::CreateEnvironment(_) | Write::UpdateEnvironment(_) | Write::DeleteEnvironment { .. } => {
            "an environment"
        }
        Write::CreateFlag(_) | Write::UpdateFlag(_) | Write::DeleteFlag { .. } => "a flag",
        Write::CreateConfig(_) | Write::UpdateConfig(_) | Write::FillFlags { .. } => "a config",
        Write::CreateSdkKey(_) | Write::UpdateSdkKey(_) | Write::RevokeSdkKey { .. } => "an SDK key",
        Write::Account(_) => "an account",
        Write::CreateSegment(_) | Write::UpdateSegment(_) | Write::DeleteSegment { .. } => "a segment",
        Write::CreateSegmentConfig(_) | Write::UpdateSegmentConfig(_) | Write::FillSegments { .. } => {
            "a segment's config"
        }
        Write::CreateContextField(_) | Write::UpdateContextField(_) | Write::DeleteContextField { .. } => {
            "a context field"
        }
        Write::TouchDependencies => "dependencies",
    }
}

/// All texts that become columns. What becomes JSON escapes U+0000 and needs no look.
fn texts(change: &Change) -> impl Iterator<Item = &str> {
    let said = [&change.before, &change.after, &change.comment];
    let entities = change.entities.iter().flat_map(|entity| [&entity.kind, &entity.key]);
    let own = said.into_iter().flatten().chain([&change.source]).chain(entities).map(String::as_str);
    own.chain(change.writes.iter().flat_map(texts_of))
}

fn texts_of(write: &Write) -> Vec<&str> {
    match write {
        Write::CreateProject(project) | Write::UpdateProject(project) => {
            vec![&project.name, &project.description]
        }
        Write::CreateTeam(team) | Write::UpdateTeam(team) => vec![&team.name, &team.description],
        Write::CreateRole(role) | Write::UpdateRole(role) => vec![&role.name, &role.description],
        Write::CreateGrant(grant) => vec![&grant.role],
        Write::CreateEnvironment(environment) | Write::UpdateEnvironment(environment) => {
            vec![&environment.name, &environment.description]
        }
        Write::CreateFlag(flag) | Write::UpdateFlag(flag) => {
            let tags = flag.tags.iter().map(String::as_str);
            let own = [flag.name.as_str(), flag.description.as_str()];
            tags.chain(own).chain(flag.owner.as_deref()).collect()
        }
        Write::CreateSegment(segment) | Write::UpdateSegment(segment) => {
            vec![&segment.name, &segment.description]
        }
        Write::CreateContextField(field) | Write::UpdateContextField(field) => vec![&field.description],
        Write::CreateSdkKey(key) | Write::UpdateSdkKey(key) => {
            vec![&key.name, &key.description, &key.hint, &key.hash]
        }
        Write::Account(AccountWrite::Create(account) | AccountWrite::Update(account)) => {
            let mut texts = vec![account.email.as_str(), account.name.as_str()];
            texts.extend(account.password_hash.as_deref());
            texts
        }
        Write::Account(AccountWrite::LinkIdentity(identity)) => vec![&identity.issuer, &identity.subject],
        Write::Account(AccountWrite::CreateAccessToken(token)) => vec![&token.name, &token.hint, &token.hash],
        // Of the rest that is about accounts, all texts are digests.
        Write::Account(_)
        | Write::DeleteFlag { .. }
        | Write::DeleteProject { .. }
        | Write::DeleteTeam { .. }
        | Write::AddMember { .. }
        | Write::RemoveMember { .. }
        | Write::DeleteRole { .. }
        | Write::DeleteGrant { .. }
        | Write::CreateConfig(_)
        | Write::UpdateConfig(_)
        | Write::RevokeSdkKey { .. }
        | Write::DeleteSegment { .. }
        | Write::CreateSegmentConfig(_)
        | Write::UpdateSegmentConfig(_)
        | Write::FillSegments { .. }
        | Write::DeleteContextField { .. }
        | Write::DeleteEnvironment { .. }
        | Write::FillFlags { .. }
        | Write::RedactEntry { .. }
        | Write::ExpireEntries { .. }
        | Write::TouchDependencies => Vec::new(),
    }
}
