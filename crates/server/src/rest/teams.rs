//! Teams, and who is in them.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::access::{ManageTeams, OnInstance, OverTeam, ReadPeople};
use domain::team::{Member, Membership, Owns, Team};
use http::{StatusCode, header};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{self, KeyedQuery};
use crate::AppState;
use crate::body::{self, Named, NamedIn, Params, Said};
use crate::openapi::{ChangeHeaders, CommentHeader, schema};
use crate::problem::Problem;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_teams, create_team))
        .routes(routes!(get_team, update_team, delete_team))
        .routes(routes!(add_team_member, remove_team_member))
}

#[derive(Serialize)]
struct TeamView {
    #[serde(flatten)]
    team: Team,
    members: Vec<Member>,
    owns: Owns,
}

/// List teams
#[utoipa::path(get, path = "/api/v1/teams", tag = "people", params(KeyedQuery), responses(
    (status = 200, description = "The teams, by key", body = [schema::Team]),
))]
async fn list_teams(
    State(state): State<AppState>,
    reader: OnInstance<ReadPeople>,
    Params(query): Params<KeyedQuery>,
) -> Result<Response, Problem> {
    let teams = state.control.teams(&reader, &query.filter()?).await?;
    Ok(page::respond("/api/v1/teams", &query.said(), &teams, |team| team.key.to_string()))
}

/// Make a team
///
/// With nobody in it.
#[utoipa::path(post, path = "/api/v1/teams", tag = "people", params(CommentHeader), request_body = schema::NewTeam, responses(
    (status = 201, description = "The team, with its `ETag`", body = schema::Team),
    (status = 409, description = "`key_taken`"),
))]
async fn create_team(
    State(state): State<AppState>,
    permit: OnInstance<ManageTeams>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let team = state.control.create_team(&permit, &document, &request).await?;
    let location = [(header::LOCATION, format!("/api/v1/teams/{}", team.key))];
    Ok((StatusCode::CREATED, location, answer(team)).into_response())
}

/// Get a team
///
/// With who is in it, and what it looks after: projects, and how many flags in each; `GET
/// /api/v1/projects/{project}/flags?owner=team:KEY` lists these. Of projects that the caller may not see nothing is said.
#[utoipa::path(get, path = "/api/v1/teams/{team}", tag = "people", params(("team" = String, Path)), responses(
    (status = 200, description = "The team, its members and what it owns, with its `ETag`", body = schema::TeamWithMembers),
))]
async fn get_team(
    State(state): State<AppState>,
    reader: OnInstance<ReadPeople>,
    Named(key): Named,
) -> Result<Response, Problem> {
    let (team, members, owns) = state.control.team(&reader, &key).await?;
    Ok(([(header::ETAG, team.etag())], Json(TeamView { team, members, owns })).into_response())
}

/// Change a team
///
/// Replaces the members that are named and keeps the others. Who is in it is changed one by one.
#[utoipa::path(method(put, patch), path = "/api/v1/teams/{team}", tag = "people",
    params(("team" = String, Path), ChangeHeaders), request_body = schema::TeamInput, responses(
    (status = 200, description = "The team as it is now", body = schema::Team),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn update_team(
    State(state): State<AppState>,
    permit: OnInstance<ManageTeams>,
    Named(key): Named,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    Ok(answer(state.control.update_team(&permit, &key, &document, &request).await?).into_response())
}

/// Delete a team
///
/// What was granted to it is gone with it.
#[utoipa::path(delete, path = "/api/v1/teams/{team}", tag = "people",
    params(("team" = String, Path), ChangeHeaders), responses(
    (status = 204, description = "It is gone"),
    (status = 409, description = "`team_in_use`: it owns projects or flags, which `in_use_by` names"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn delete_team(
    State(state): State<AppState>,
    permit: OnInstance<ManageTeams>,
    Named(key): Named,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    state.control.delete_team(&permit, &key, &request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Let an account join a team
///
/// Named by its id, e-mail or name. Who may manage teams, on the instance or in a project that the team owns, may do
/// this, unless it gave the account more than they have themselves.
#[utoipa::path(put, path = "/api/v1/teams/{team}/members/{account}", tag = "people",
    params(("team" = String, Path), ("account" = String, Path), CommentHeader), responses(
    (status = 204, description = "It is in the team"),
    (status = 409, description = "`too_many_members`"),
))]
async fn add_team_member(
    State(state): State<AppState>,
    permit: OverTeam,
    NamedIn(_, account): NamedIn,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    let joins = Membership::Joins;
    state.control.change_membership(&permit, &account, joins, &request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Let an account leave a team
#[utoipa::path(delete, path = "/api/v1/teams/{team}/members/{account}", tag = "people",
    params(("team" = String, Path), ("account" = String, Path), CommentHeader), responses(
    (status = 204, description = "It is not in the team"),
))]
async fn remove_team_member(
    State(state): State<AppState>,
    permit: OverTeam,
    NamedIn(_, account): NamedIn,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    let leaves = Membership::Leaves;
    state.control.change_membership(&permit, &account, leaves, &request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A team with its tag.
fn answer(team: Team) -> impl IntoResponse {
    ([(header::ETAG, team.etag())], Json(team))
}
