//! Query parameters of several routes; and those that nobody knows, or that are given twice, are refused: a
//! `?dryrun=true` must not write.
//!
//! What is known is what the API's document says of a route, so that a new route cannot forget it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use domain::error::Error;
use engine::json::{Violations, nearest};
use http::{Method, Uri};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr};
use utoipa_axum::router::OpenApiRouter;

use super::in_project::{ANY, DEFAULT};
use crate::AppState;
use crate::body::truth;
use crate::problem::Problem;

/// For changes that may be tried.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TryQuery {
    /// `true` only says what would change.
    #[param(value_type = Option<bool>)]
    dry_run: Option<String>,
}

impl TryQuery {
    pub(super) fn dry_run(&self) -> Result<bool, Error> {
        Ok(truth("dry_run", self.dry_run.as_deref())?.unwrap_or_default())
    }
}

/// As much of a name as a message needs, in characters.
const MOST_SHOWN: usize = 100;

/// The names of the query parameters of each route and method.
struct Known(HashMap<String, HashMap<Method, Vec<String>>>);

/// The routes, refusing what their document does not name.
pub(super) fn guarded(routes: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    let known = Arc::new(Known::of(routes.get_openapi()));
    routes.layer(from_fn_with_state(known, refuse_unknown))
}

impl Known {
    fn of(document: &OpenApi) -> Self {
        let paths = document.paths.paths.iter().map(|(path, item)| {
            let operations = [
                (Method::GET, &item.get),
                (Method::PUT, &item.put),
                (Method::POST, &item.post),
                (Method::DELETE, &item.delete),
                (Method::PATCH, &item.patch),
            ];
            let of_methods = operations
                .into_iter()
                .filter_map(|(method, operation)| Some((method, names(operation.as_ref()?))));
            (path.clone(), of_methods.collect())
        });
        Self(paths.collect())
    }

    /// Those of a route; nothing if it does not take the method.
    fn of_route(&self, path: &str, method: &Method) -> Option<&[String]> {
        let of_default =
            path.strip_prefix(ANY).filter(|rest| !rest.is_empty()).map(|rest| format!("{DEFAULT}{rest}"));
        let path = of_default.as_deref().unwrap_or(path);
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let named = |path: &str| Some(self.0.get(path)?.get(method)?.as_slice());
        // The last part of a path that has none that varies is a name like any other.
        named(path).or_else(|| named(&format!("{}/{{key}}", path.rsplit_once('/')?.0)))
    }
}

fn names(operation: &Operation) -> Vec<String> {
    let parameters = operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    });
    let mut names: Vec<_> = parameters
        .filter(|parameter| matches!(parameter.parameter_in, ParameterIn::Query))
        .map(|parameter| parameter.name.clone())
        .collect();
    names.sort_unstable();
    names
}

async fn refuse_unknown(
    State(known): State<Arc<Known>>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if let Some(known) = known.of_route(path.as_str(), request.method()) {
        check(request.uri(), known)?;
    }
    Ok(next.run(request).await)
}

fn check(uri: &Uri, known: &[String]) -> Result<(), Error> {
    // A query that does not read is told by who reads it.
    let Ok(Query(given)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else { return Ok(()) };
    let mut violations = Violations::default();
    for name in known.iter().filter(|known| given.iter().filter(|(name, _)| name == *known).nth(1).is_some())
    {
        violations.add(format_args!("query {name}"), "is given more than once; which of them is meant?");
    }
    for (name, _) in given.iter().filter(|(name, _)| !known.contains(name)) {
        let names: Vec<_> = known.iter().map(String::as_str).collect();
        let hint = match (nearest(name, &names), names.as_slice()) {
            (_, []) => "there are none".to_owned(),
            (Some(near), _) => format!("did you mean {near}? Known: {}", names.join(", ")),
            (None, _) => format!("known: {}", names.join(", ")),
        };
        let name: String = name.chars().take(MOST_SHOWN).collect();
        violations.add(format_args!("query {name}"), format_args!("is not a query parameter here; {hint}"));
    }
    violations.into_result(Some(())).map_err(Error::Invalid)
}
