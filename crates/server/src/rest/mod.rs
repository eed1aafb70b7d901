//! The REST API, a file for each resource. The attribute above a handler is its route and its documentation.

mod accounts;
mod audit;
mod context_fields;
mod environments;
mod evaluate;
mod faults;
mod flag_changes;
mod flags;
mod here;
mod page;
mod query;
mod sdk_keys;
mod segment_keys;
mod segments;
mod service_accounts;
mod setup;
mod signing_keys;
mod tokens;
mod users;
mod variants;

use utoipa_axum::router::OpenApiRouter;

use crate::AppState;
use crate::openapi;

/// The routes, with the document that describes them.
pub fn router() -> OpenApiRouter<AppState> {
    let routes = OpenApiRouter::with_openapi(openapi::document())
        .merge(accounts::router())
        .merge(setup::router())
        .merge(users::router())
        .merge(tokens::router())
        .merge(service_accounts::router())
        .merge(signing_keys::router())
        .merge(flags::router())
        .merge(flag_changes::router())
        .merge(variants::router())
        .merge(environments::router())
        .merge(segments::router())
        .merge(segment_keys::router())
        .merge(context_fields::router())
        .merge(sdk_keys::router())
        .merge(evaluate::router())
        .merge(audit::router());
    query::guarded(routes)
}
