//! The log, for people.

use axum::extract::State;
use axum::response::Response;
use domain::access::{InProject, ReadLog};
use domain::audit::About;
use domain::error::Error;
use domain::ports::LogFilter;
use engine::model::Revision;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page;
use crate::AppState;
use crate::body::Params;
use crate::openapi::schema;
use crate::problem::Problem;

/// More entries about something than this are not counted: it would take longer than to find the page.
const MOST_COUNTED: u64 = 1_000;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_audit))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// Only changes of the flag with this key, living or deleted.
    flag: Option<String>,
    /// Only changes of the segment with this key, living or deleted.
    segment: Option<String>,
    /// Only changes of the context field with this key, living or deleted.
    context_field: Option<String>,
    /// Only changes that affected the environment with this key, or name it, living or deleted.
    environment: Option<String>,
    /// Where to go on, from the `Link` of the page before.
    cursor: Option<String>,
    /// How many, 1 to 1000; 100 unless given.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

/// List changes
///
/// The project's log, newest first: who changed what, when, from where and why. Of what is named, all must be
/// touched: with `flag` and `environment` the changes of that flag that affected it there, wherever they were made:
/// creating, archiving and deleting affect all environments. `X-Total-Count` says how many there are in all; where
/// something is named and there are more than 1,000, it is left out.
#[utoipa::path(get, path = "/audit", tag = "audit", params(AuditQuery), responses(
    (status = 200, description = "Entries of the log", body = [schema::AuditEntry]),
))]
async fn list_audit(
    State(state): State<AppState>,
    reader: InProject<ReadLog>,
    Params(query): Params<AuditQuery>,
) -> Result<Response, Problem> {
    let before = query.cursor.as_deref().map(str::parse::<Revision>).transpose();
    let before =
        before.map_err(|_| Error::invalid("query cursor", "is not one of ours; start without one"))?;
    let limit = page::limit(query.limit.as_deref())?;
    let filter = LogFilter { entities: Vec::new(), before, limit, most_counted: MOST_COUNTED };
    let AuditQuery { flag, segment, context_field, environment, .. } = &query;
    let about = About {
        flag: flag.as_deref(),
        segment: segment.as_deref(),
        context_field: context_field.as_deref(),
        environment: environment.as_deref(),
    };
    let entries = state.control.audit(&reader, about, filter).await?;
    let said = [
        ("flag", query.flag),
        ("segment", query.segment),
        ("context_field", query.context_field),
        ("environment", query.environment),
        ("limit", query.limit),
    ];
    Ok(page::respond("/api/v1/audit", &said, &entries, |entry| entry.revision.to_string()))
}
