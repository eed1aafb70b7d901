//! The security log, for admins.

use axum::extract::State;
use axum::response::Response;
use domain::access::{OnInstance, ReadInstanceLog};
use domain::security::SecurityAbout;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::audit::{FormatQuery, PageQuery};
use super::{export, page};
use crate::AppState;
use crate::body::Params;
use crate::openapi::schema;
use crate::problem::Problem;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_security_log)).routes(routes!(export_security_log))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SecurityQuery {
    /// Only this kind, such as `sign_in_failed`.
    kind: Option<String>,
    /// Only of this account: its id or e-mail.
    actor: Option<String>,
    /// Only from this IP address.
    address: Option<String>,
    /// Only what began from this time on: RFC 3339, or a day.
    from: Option<String>,
    /// Only what began before this time.
    to: Option<String>,
}

impl SecurityQuery {
    fn about(&self) -> SecurityAbout<'_> {
        SecurityAbout {
            kind: self.kind.as_deref(),
            actor: self.actor.as_deref(),
            address: self.address.as_deref(),
            from: self.from.as_deref(),
            to: self.to.as_deref(),
        }
    }
}

/// List security events
///
/// Sign-ins, failures and refusals, newest first. What repeats within a minute is one entry with its count. They are
/// written within a second. Only admins may.
#[utoipa::path(get, path = "/api/v1/security-log", tag = "audit", params(SecurityQuery, PageQuery), responses(
    (status = 200, description = "Entries of the security log", body = [schema::SecurityEntry]),
))]
async fn list_security_log(
    State(state): State<AppState>,
    permit: OnInstance<ReadInstanceLog>,
    Params(query): Params<SecurityQuery>,
    Params(asked): Params<PageQuery>,
) -> Result<Response, Problem> {
    let (before, limit) = asked.read()?;
    let entries = state.control.security_log(&permit, query.about(), before, limit).await?;
    let said = [
        ("kind", query.kind),
        ("actor", query.actor),
        ("address", query.address),
        ("from", query.from),
        ("to", query.to),
        ("limit", asked.into_limit()),
    ];
    Ok(page::respond("/api/v1/security-log", &said, &entries, |entry| entry.revision.to_string()))
}

/// Export security events
///
/// All entries that are looked for, oldest first. Only admins may.
#[utoipa::path(get, path = "/api/v1/security-log/export", tag = "audit", params(SecurityQuery, FormatQuery), responses(
    (status = 200, description = "The entries", content((String = "application/x-ndjson"), (String = "text/csv"))),
))]
async fn export_security_log(
    State(state): State<AppState>,
    permit: OnInstance<ReadInstanceLog>,
    Params(query): Params<SecurityQuery>,
    Params(format): Params<FormatQuery>,
) -> Result<Response, Problem> {
    let format = format.read()?;
    let place = state.exports.begin(permit.account_id())?;
    let export = state.control.export_security(&permit, query.about()).await?;
    export::security(place, export, format, "burgee-security").await
}
