//! The log, for people.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::access::{InProject, OnInstance, ReadInstanceLog, ReadLog, RedactInstanceLog, RedactLog};
use domain::audit::{About, Asked, AuditEntry};
use domain::error::Error;
use domain::revert::{RevertMode, Reverted};
use engine::model::Revision;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::export::{self, Format};
use super::page;
use super::query::TryQuery;
use crate::AppState;
use crate::body::{self, Named, Params, Said, truth};
use crate::openapi::{CommentHeader, schema};
use crate::problem::Problem;
use crate::settle;

/// More entries about something than this are not counted: it would take longer than to find the page.
const MOST_COUNTED: u64 = 1_000;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_audit))
        .routes(routes!(export_audit))
        .routes(routes!(get_change))
        .routes(routes!(revert_change))
        .routes(routes!(redact_change))
}

/// The instance's own log.
pub(super) fn on_instance() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_audit_instance))
        .routes(routes!(export_audit_instance))
        .routes(routes!(revert_instance_change))
        .routes(routes!(redact_instance_change))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ThingsQuery {
    /// Only changes of the flag with this key, living or deleted.
    flag: Option<String>,
    /// Only changes of the segment with this key, living or deleted.
    segment: Option<String>,
    /// Only changes of the context field with this key, living or deleted.
    context_field: Option<String>,
    /// Only changes that affected the environment with this key, or name it, living or deleted.
    environment: Option<String>,
    /// Only changes about this account, such as what it was granted: its id, e-mail or name.
    account: Option<String>,
    /// Only changes about the team with this key.
    team: Option<String>,
}

impl ThingsQuery {
    fn said(self) -> [(&'static str, Option<String>); 6] {
        [
            ("flag", self.flag),
            ("segment", self.segment),
            ("context_field", self.context_field),
            ("environment", self.environment),
            ("account", self.account),
            ("team", self.team),
        ]
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DeletedQuery {
    /// Id of a project that was deleted: the log that it left, and not the instance's own.
    deleted_project: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct WhoQuery {
    /// Only changes of this account: its id or e-mail; `burgee` is the program itself.
    actor: Option<String>,
    /// Only this action, such as `toggle_flag`.
    action: Option<String>,
    /// Only from this time on: RFC 3339, or a day.
    from: Option<String>,
    /// Only before this time.
    to: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Where to go on, from the `Link` of the page before.
    cursor: Option<String>,
    /// How many, 1 to 1000; 100 unless given.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FormatQuery {
    /// `ndjson` (the default): an entry a line, as in a list. `csv`: for spreadsheets.
    #[param(value_type = Option<schema::ExportFormat>, example = "csv")]
    format: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ForceQuery {
    /// `true` sets back what later changes touched as well.
    #[param(value_type = Option<bool>)]
    force: Option<String>,
}

fn about<'a>(things: &'a ThingsQuery, who: &'a WhoQuery) -> About<'a> {
    About {
        flag: things.flag.as_deref(),
        segment: things.segment.as_deref(),
        context_field: things.context_field.as_deref(),
        environment: things.environment.as_deref(),
        account: things.account.as_deref(),
        team: things.team.as_deref(),
        actor: who.actor.as_deref(),
        action: who.action.as_deref(),
        from: who.from.as_deref(),
        to: who.to.as_deref(),
    }
}

fn said(who: WhoQuery, page: PageQuery) -> [(&'static str, Option<String>); 5] {
    [("actor", who.actor), ("action", who.action), ("from", who.from), ("to", who.to), ("limit", page.limit)]
}

impl PageQuery {
    /// The revision below which the page lies, and how many are wanted.
    pub(super) fn read(&self) -> Result<(Option<Revision>, u32), Error> {
        let before = self.cursor.as_deref().map(str::parse::<Revision>).transpose();
        let before =
            before.map_err(|_| Error::invalid("query cursor", "is not one of ours; start without one"))?;
        Ok((before, page::limit(self.limit.as_deref())?))
    }

    fn asked(&self) -> Result<Asked, Error> {
        let (before, limit) = self.read()?;
        Ok(Asked { before, limit, most_counted: MOST_COUNTED })
    }

    pub(super) fn into_limit(self) -> Option<String> {
        self.limit
    }
}

impl FormatQuery {
    pub(super) fn read(&self) -> Result<Format, Error> {
        match self.format.as_deref() {
            None | Some("ndjson") => Ok(Format::Ndjson),
            Some("csv") => Ok(Format::Csv),
            Some(_) => Err(Error::invalid("query format", "must be ndjson or csv")),
        }
    }
}

/// List changes
///
/// The project's log, newest first: who changed what, when, from where and why. Of what is named, all must be
/// touched: with `flag` and `environment` the changes of that flag that affected it there, wherever they were made:
/// creating, archiving and deleting affect all environments. `X-Total-Count` says how many there are in all; where
/// something is named and there are more than 1,000, it is left out. A page whose entries are large ends early: `Link`
/// says whether there are more.
#[utoipa::path(get, path = "/audit", tag = "audit", params(ThingsQuery, WhoQuery, PageQuery), responses(
    (status = 200, description = "Entries of the log", body = [schema::AuditEntry]),
))]
async fn list_audit(
    State(state): State<AppState>,
    reader: InProject<ReadLog>,
    Params(things): Params<ThingsQuery>,
    Params(who): Params<WhoQuery>,
    Params(page): Params<PageQuery>,
) -> Result<Response, Problem> {
    let about = about(&things, &who);
    let entries = state.control.audit(&reader, about, page.asked()?).await?;
    let mut named = Vec::from(things.said());
    named.extend(said(who, page));
    Ok(page::respond("/api/v1/audit", &named, &entries, |entry| entry.revision.to_string()))
}

/// Export changes
///
/// All entries of the project's log that are looked for, oldest first. A line of NDJSON is what a list shows, with all
/// that its hash is made of, so that an export of the whole log can be verified without Burgee: docs/audit-log.md says
/// how.
#[utoipa::path(get, path = "/audit/export", tag = "audit", params(ThingsQuery, WhoQuery, FormatQuery), responses(
    (status = 200, description = "The entries", content((String = "application/x-ndjson"), (String = "text/csv"))),
))]
async fn export_audit(
    State(state): State<AppState>,
    reader: InProject<ReadLog>,
    Params(things): Params<ThingsQuery>,
    Params(who): Params<WhoQuery>,
    Params(format): Params<FormatQuery>,
) -> Result<Response, Problem> {
    let format = format.read()?;
    let place = state.exports.begin(reader.caller().account_id())?;
    let export = state.control.export_audit(&reader, about(&things, &who)).await?;
    export::audit(place, export, format, "burgee-audit").await
}

/// List changes of the instance
///
/// The instance's own log, newest first: accounts, credentials, teams, roles, what is granted on the instance, and that
/// projects came and went. With `deleted_project` the log that such a project left. Only admins may.
#[utoipa::path(get, path = "/api/v1/instance/audit", tag = "audit", params(DeletedQuery, ThingsQuery, WhoQuery, PageQuery), responses(
    (status = 200, description = "Entries of the log", body = [schema::AuditEntry]),
))]
async fn list_audit_instance(
    State(state): State<AppState>,
    permit: OnInstance<ReadInstanceLog>,
    Params(deleted): Params<DeletedQuery>,
    Params(things): Params<ThingsQuery>,
    Params(who): Params<WhoQuery>,
    Params(page): Params<PageQuery>,
) -> Result<Response, Problem> {
    let (about, project) = (about(&things, &who), deleted.deleted_project.as_deref());
    let entries = state.control.audit_instance(&permit, project, about, page.asked()?).await?;
    let mut named = vec![("deleted_project", deleted.deleted_project)];
    named.extend(things.said());
    named.extend(said(who, page));
    Ok(page::respond("/api/v1/instance/audit", &named, &entries, |entry| entry.revision.to_string()))
}

/// Export changes of the instance
///
/// Like the export of a project's log. Only admins may.
#[utoipa::path(get, path = "/api/v1/instance/audit/export", tag = "audit",
    params(DeletedQuery, ThingsQuery, WhoQuery, FormatQuery), responses(
    (status = 200, description = "The entries", content((String = "application/x-ndjson"), (String = "text/csv"))),
))]
async fn export_audit_instance(
    State(state): State<AppState>,
    permit: OnInstance<ReadInstanceLog>,
    Params(deleted): Params<DeletedQuery>,
    Params(things): Params<ThingsQuery>,
    Params(who): Params<WhoQuery>,
    Params(format): Params<FormatQuery>,
) -> Result<Response, Problem> {
    let format = format.read()?;
    let (about, project) = (about(&things, &who), deleted.deleted_project.as_deref());
    let place = state.exports.begin(permit.account_id())?;
    let export = state.control.export_audit_instance(&permit, project, about).await?;
    let name = if project.is_some() { "burgee-audit" } else { "burgee-instance-audit" };
    export::audit(place, export, format, name).await
}

/// Get a change
#[utoipa::path(get, path = "/audit/{revision}", tag = "audit", params(("revision" = u64, Path)), responses(
    (status = 200, description = "The entry", body = schema::AuditEntry),
))]
async fn get_change(
    State(state): State<AppState>,
    reader: InProject<ReadLog>,
    Named(revision): Named,
) -> Result<Json<AuditEntry>, Problem> {
    Ok(Json(state.control.audit_entry(&reader, &revision).await?))
}

/// Revert a change
///
/// Makes what the change touched what it was before, by a new change that anybody can revert again. Only the members
/// that it touched are set back; what it made is removed, and what it deleted comes back with a new id. Needs the
/// right that such a change needs.
#[utoipa::path(post, path = "/audit/{revision}/revert", tag = "audit",
    params(("revision" = u64, Path), TryQuery, ForceQuery, CommentHeader), responses(
    (status = 200, description = "What it set back, or would", body = schema::Reverted),
    (status = 409, description = "`changed_since`: `violations` name what later changes touched; `not_revertible`: the message says why; or what stands in the way of any such change"),
))]
async fn revert_change(
    State(state): State<AppState>,
    reader: InProject<ReadLog>,
    Named(revision): Named,
    Params(tried): Params<TryQuery>,
    Params(force): Params<ForceQuery>,
    Said(request): Said,
) -> Result<Json<Reverted>, Problem> {
    let force = truth("force", force.force.as_deref())?.unwrap_or_default();
    let mode = RevertMode { dry_run: tried.dry_run()?, force };
    let reverted = state.control.revert_change(&reader, &revision, mode, &request).await?;
    if let Some(revision) = reverted.revision {
        for environment in &reverted.reached {
            settle::flags(&state.hub, *environment, revision).await;
        }
    }
    Ok(Json(reverted))
}

/// Revert a change of the instance
///
/// The same of teams, who is in them, roles, what is granted on the instance, and what was changed of accounts. Needs the
/// right that such a change needs. What was granted to a deleted team does not come back with it; its entry says what
/// that was.
#[utoipa::path(post, path = "/api/v1/instance/audit/{revision}/revert", tag = "audit",
    params(("revision" = u64, Path), TryQuery, ForceQuery, CommentHeader), responses(
    (status = 200, description = "What it set back, or would", body = schema::Reverted),
    (status = 409, description = "`changed_since`: `violations` name what later changes touched; `not_revertible`: the message says why; or what stands in the way of any such change"),
))]
async fn revert_instance_change(
    State(state): State<AppState>,
    permit: OnInstance<ReadInstanceLog>,
    Named(revision): Named,
    Params(tried): Params<TryQuery>,
    Params(force): Params<ForceQuery>,
    Said(request): Said,
) -> Result<Json<Reverted>, Problem> {
    let force = truth("force", force.force.as_deref())?.unwrap_or_default();
    let mode = RevertMode { dry_run: tried.dry_run()?, force };
    Ok(Json(state.control.revert_instance_change(&permit, &revision, mode, &request).await?))
}

#[derive(Serialize)]
struct Redacted {
    revision: Option<Revision>,
}

/// Redact a change
///
/// Takes texts of an entry out of the log: a secret that somebody wrote into a comment, or what must be forgotten. Their
/// hashes stay, so the chain holds, and a new entry says who took out what. There is no way back. Only admins may.
#[utoipa::path(post, path = "/audit/{revision}/redact", tag = "audit",
    params(("revision" = u64, Path), CommentHeader), request_body = schema::RedactInput, responses(
    (status = 200, description = "The revision of the entry that says so; `null` if there was nothing to take out", body = schema::Redacted),
    (status = 409, description = "`not_redactable`: it proves that something was taken out; or `busy`"),
))]
async fn redact_change(
    State(state): State<AppState>,
    permit: InProject<RedactLog>,
    Named(revision): Named,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Json<Redacted>, Problem> {
    let revision = state.control.redact_change(&permit, &revision, &document, &request).await?;
    Ok(Json(Redacted { revision }))
}

/// Redact a change of the instance
///
/// The same in the instance's own log, or in that of a project that was deleted.
#[utoipa::path(post, path = "/api/v1/instance/audit/{revision}/redact", tag = "audit",
    params(("revision" = u64, Path), DeletedQuery, CommentHeader), request_body = schema::RedactInput, responses(
    (status = 200, description = "The revision of the entry that says so; `null` if there was nothing to take out", body = schema::Redacted),
    (status = 409, description = "`not_redactable`: it proves that something was taken out; or `busy`"),
))]
async fn redact_instance_change(
    State(state): State<AppState>,
    permit: OnInstance<RedactInstanceLog>,
    Named(revision): Named,
    Params(deleted): Params<DeletedQuery>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Json<Redacted>, Problem> {
    let project = deleted.deleted_project.as_deref();
    let control = &state.control;
    let revision = control.redact_instance_change(&permit, project, &revision, &document, &request).await?;
    Ok(Json(Redacted { revision }))
}
