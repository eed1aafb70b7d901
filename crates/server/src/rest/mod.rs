//! The REST API, a file for each resource. The attribute above a handler is its route and its documentation.

mod accounts;
mod audit;
mod context_fields;
mod environments;
mod evaluate;
mod export;
mod faults;
mod flag_changes;
mod flags;
mod here;
mod page;
mod project;
mod query;
mod sdk_keys;
mod security_log;
mod segment_keys;
mod segments;
mod variants;

use utoipa_axum::router::OpenApiRouter;

use crate::AppState;
use crate::openapi;

/// The routes, with the document that describes them.
pub fn router() -> OpenApiRouter<AppState> {
    let routes = OpenApiRouter::with_openapi(openapi::document())
        .merge(accounts::router())
        .merge(flags::router())
        .merge(flag_changes::router())
        .merge(variants::router())
        .merge(environments::router())
        .merge(segments::router())
        .merge(segment_keys::router())
        .merge(context_fields::router())
        .merge(sdk_keys::router())
        .merge(evaluate::router())
        .merge(audit::router())
        .merge(security_log::router())
        .merge(project::router());
    query::guarded(routes)
}
