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
mod grants;
mod here;
mod identities;
mod in_project;
mod oidc;
mod page;
mod projects;
mod query;
mod roles;
mod sdk_keys;
mod security_log;
mod segment_keys;
mod segments;
mod service_accounts;
mod setup;
mod signing_keys;
mod teams;
mod tokens;
mod usage;
mod users;
mod variants;

use utoipa_axum::router::OpenApiRouter;

use crate::AppState;
use crate::openapi;

pub use export::Exports;

/// The routes, with the document that describes them.
pub fn router() -> OpenApiRouter<AppState> {
    let of_project = of_project();
    let (of_any, _) = of_project.clone().split_for_parts();
    let routes = OpenApiRouter::with_openapi(openapi::document())
        .merge(accounts::router())
        .merge(setup::router())
        .merge(oidc::router())
        .merge(users::router())
        .merge(identities::router())
        .merge(tokens::router())
        .merge(service_accounts::router())
        .merge(signing_keys::router())
        .merge(projects::router())
        .merge(teams::router())
        .merge(roles::router())
        .merge(grants::on_instance())
        .merge(audit::on_instance())
        .merge(security_log::router())
        .nest(in_project::DEFAULT, of_project)
        .merge(in_project::of_any(of_any).into());
    // Providers may say more than we know of, which must not be refused (RFC 6749, 4.1.2).
    query::guarded(routes).merge(oidc::callback())
}

/// What a project has.
fn of_project() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(flags::router())
        .merge(flag_changes::router())
        .merge(variants::router())
        .merge(environments::router())
        .merge(segments::router())
        .merge(segment_keys::router())
        .merge(context_fields::router())
        .merge(sdk_keys::router())
        .merge(grants::in_project())
        .merge(usage::router())
        .merge(evaluate::router())
        .merge(audit::router())
}
