//! The accounts of people, for admins.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::access::{ManageAccounts, OnInstance};
use domain::account::Account;
use domain::error::Error;
use domain::ports::AccountFilter;
use http::{StatusCode, header};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::accounts::secret;
use super::page;
use crate::AppState;
use crate::body::{self, Named, Params, Said};
use crate::openapi::{CommentHeader, schema};
use crate::problem::Problem;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_users, create_user))
        .routes(routes!(get_user, update_user, delete_user))
        .routes(routes!(set_role))
        .routes(routes!(create_reset_link))
}

/// Which accounts are wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AccountQuery {
    /// Only those with this text in their e-mail or name.
    search: Option<String>,
    /// Where to go on, from the `Link` of the page before.
    cursor: Option<String>,
    /// How many, 1 to 1000; 100 unless given.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

impl AccountQuery {
    /// What it means.
    pub(super) fn filter(&self) -> Result<AccountFilter, Error> {
        let limit = page::limit(self.limit.as_deref())?;
        Ok(AccountFilter { search: self.search.clone(), after: self.cursor.clone(), limit })
    }

    /// What the next page is asked with, besides its cursor.
    pub(super) fn said(self) -> [(&'static str, Option<String>); 2] {
        [("search", self.search), ("limit", self.limit)]
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct RoleQuery {
    /// The role, in the place of a body.
    #[param(value_type = Option<schema::FirstRole>)]
    new_role: Option<String>,
}

/// List people
///
/// By e-mail. Only admins may.
#[utoipa::path(get, path = "/auth/users", tag = "users", params(AccountQuery), responses(
    (status = 200, description = "Accounts of people", body = [schema::Account]),
))]
async fn list_users(
    State(state): State<AppState>,
    permit: OnInstance<ManageAccounts>,
    Params(query): Params<AccountQuery>,
) -> Result<Response, Problem> {
    let users = state.control.list_accounts(&permit, &query.filter()?).await?;
    Ok(page::respond("/auth/users", &query.said(), &users, |last| last.email.clone()))
}

/// Make an account for someone
///
/// A member unless the role is named. Without a password the answer has a `reset` with the token of a one-time link, by
/// which its owner chooses one. Only admins may.
#[utoipa::path(post, path = "/auth/users", tag = "users", params(CommentHeader), request_body = schema::NewUser, responses(
    (status = 201, description = "The account, and the link", body = schema::Invited),
    (status = 409, description = "`email_taken`"),
    (status = 429, description = "`too_many`: see `Retry-After`"),
))]
async fn create_user(
    State(state): State<AppState>,
    permit: OnInstance<ManageAccounts>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let made = state.control.create_account(&permit, &document, &request).await?;
    let location = [(header::LOCATION, format!("/auth/users/{}", made.account.id))];
    Ok((StatusCode::CREATED, location, secret(&made)).into_response())
}

/// Get someone's account
///
/// Only admins may.
#[utoipa::path(get, path = "/auth/users/{id}", tag = "users", params(("id" = String, Path)), responses(
    (status = 200, description = "The account", body = schema::Account),
))]
async fn get_user(
    State(state): State<AppState>,
    permit: OnInstance<ManageAccounts>,
    Named(id): Named,
) -> Result<Json<Account>, Problem> {
    Ok(Json(state.control.get_account(&permit, &id).await?))
}

/// Change someone's account
///
/// Replaces the members that are named. One with `active` false is refused at once, with whatever token. Nobody takes
/// their own admin role away, nor the last admin's. Only admins may.
#[utoipa::path(patch, path = "/auth/users/{id}", tag = "users", params(("id" = String, Path), CommentHeader), request_body = schema::UserInput, responses(
    (status = 200, description = "The account as it is now", body = schema::Account),
    (status = 409, description = "`email_taken` or `last_admin`"),
))]
async fn update_user(
    State(state): State<AppState>,
    permit: OnInstance<ManageAccounts>,
    Named(id): Named,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Json<Account>, Problem> {
    Ok(Json(state.control.update_account(&permit, &id, &document, &request).await?))
}

/// Delete someone's account
///
/// With its sessions and tokens. What the log says of it stays. Only admins may.
#[utoipa::path(delete, path = "/auth/users/{id}", tag = "users", params(("id" = String, Path), CommentHeader), responses(
    (status = 204, description = "It is gone"),
    (status = 409, description = "`last_admin`"),
))]
async fn delete_user(
    State(state): State<AppState>,
    permit: OnInstance<ManageAccounts>,
    Named(id): Named,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    state.control.delete_account(&permit, &id, &request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give someone a role
///
/// `member`, `viewer` (also written `user`), `developer` or `admin`: by the query or the body. Their tokens are worth no
/// more than it from now on. Only admins may.
#[utoipa::path(put, path = "/auth/users/{id}/role", tag = "users", params(("id" = String, Path), RoleQuery, CommentHeader),
    request_body(content = Option<schema::AccountRole>, description = "Needed unless the query names a role"), responses(
    (status = 200, description = "The account as it is now", body = schema::Account),
    (status = 409, description = "`last_admin`"),
))]
async fn set_role(
    State(state): State<AppState>,
    permit: OnInstance<ManageAccounts>,
    Named(id): Named,
    Params(RoleQuery { new_role }): Params<RoleQuery>,
    Said(request): Said,
    body::OptionalJson(document): body::OptionalJson,
) -> Result<Json<Account>, Problem> {
    let named = new_role.as_deref();
    Ok(Json(state.control.set_role(&permit, &id, named, document.as_ref(), &request).await?))
}

/// Make a one-time link for someone
///
/// Who has it sets a new password at `POST /auth/reset-password`. Good once, for a day, as long as who made it may make it
/// for the account as it then is; it voids the one before. With `revoke_tokens` using it revokes the account's access
/// tokens as well: for an account that was taken over. Only admins may.
#[utoipa::path(post, path = "/auth/users/{id}/reset-link", tag = "users", params(("id" = String, Path), CommentHeader),
    request_body = Option<schema::NewResetLink>, responses(
    (status = 201, description = "The link's token, shown this once", body = schema::ResetLink),
))]
async fn create_reset_link(
    State(state): State<AppState>,
    permit: OnInstance<ManageAccounts>,
    Named(id): Named,
    Said(request): Said,
    body::OptionalJson(document): body::OptionalJson,
) -> Result<Response, Problem> {
    let made = state.control.create_reset_link(&permit, &id, document.as_ref(), &request).await?;
    Ok((StatusCode::CREATED, secret(&made)).into_response())
}
