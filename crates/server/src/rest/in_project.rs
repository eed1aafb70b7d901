//! The whole API of one project stands under `/api/v1/projects/{project}`, and that of the project `default` under
//! `/api/v1` as well: the same router, mounted twice.

use axum::Router;
use axum::extract::{OriginalUri, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::{HeaderName, HeaderValue, header};

use crate::AppState;

/// Where the default project's API stands; handlers write links as if they knew no other.
pub(super) const DEFAULT: &str = "/api/v1";
/// Where that of any project does.
pub(super) const ANY: &str = "/api/v1/projects/{project}";

/// The routes of a project, where any project has them.
pub(super) fn of_any(routes: Router<AppState>) -> Router<AppState> {
    Router::new().nest(ANY, routes.layer(from_fn(keep_links_inside)))
}

/// Links lead on within the project that was asked.
async fn keep_links_inside(OriginalUri(uri): OriginalUri, request: Request, next: Next) -> Response {
    let project = uri.path().strip_prefix("/api/v1/projects/").and_then(|rest| rest.split('/').next());
    let project = project.map(str::to_owned);
    let mut response = next.run(request).await;
    if let Some(project) = project {
        for name in [header::LOCATION, header::LINK] {
            move_into(&mut response, &name, &project);
        }
    }
    response
}

fn move_into(response: &mut Response, name: &HeaderName, project: &str) {
    let Some(link) = response.headers().get(name).and_then(|link| link.to_str().ok()) else { return };
    let moved = link.replacen(&format!("{DEFAULT}/"), &format!("{DEFAULT}/projects/{project}/"), 1);
    if let Ok(moved) = HeaderValue::try_from(moved) {
        response.headers_mut().insert(name.clone(), moved);
    }
}
