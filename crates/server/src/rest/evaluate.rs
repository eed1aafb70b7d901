//! Asking flags to understand them: why one answers what it answers, and what it gives to many.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use delivery::{EnvironmentId, Installed};
use domain::access::{InProject, ReadProject};
use domain::environment::Environment;
use domain::error::Error;
use domain::evaluation::{Proposal, Question};
use domain::id::Id;
use engine::explain::Explanation;
use engine::model::Revision;
use engine::simulate::Simulation;
use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::body::{self, Params};
use crate::openapi::{EnvironmentQuery, evaluation as schema};
use crate::problem::Problem;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(explain_flag)).routes(routes!(simulate_flag))
}

#[derive(Deserialize)]
struct EnvironmentName {
    environment: Option<String>,
}

/// An explanation, and the same for people.
#[derive(Serialize)]
struct Explained {
    environment: String,
    revision: Revision,
    #[serde(flatten)]
    explanation: Explanation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waiting: Vec<Waiting>,
    text: String,
}

/// A segment that is asked as it was, for want of its key lists.
#[derive(Serialize)]
struct Waiting {
    segment: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<Revision>,
    key_lists: Vec<String>,
    message: String,
}

impl Waiting {
    /// Those that a question about a flag may ask.
    fn all_of_flag(installed: &Installed, flag: &str) -> Vec<Self> {
        if !installed.is_behind() {
            return Vec::new();
        }
        let waiting = installed.asked_as_before(installed.ruleset().segments_of_flag(flag));
        let told = waiting.map(|waiting| Self {
            message: format!("the segment {:?} {waiting}", waiting.segment),
            segment: waiting.segment.to_owned(),
            revision: waiting.revision,
            key_lists: waiting.key_lists.iter().map(|(_, list)| (*list).to_owned()).collect(),
        });
        told.collect()
    }
}

#[derive(Serialize)]
struct Simulated {
    flag: String,
    environment: String,
    revision: Revision,
    #[serde(flatten)]
    simulation: Simulation,
}

/// Explain a flag's answer
///
/// Each thing that was tried, by the rules that applications are served: prerequisites, targets, each condition
/// with what the context has there, buckets and the borders of splits. For machines; `text` says the same for
/// people, and with `Accept: text/plain` it is all there is.
#[utoipa::path(post, path = "/evaluate/explain", tag = "evaluation", params(EnvironmentQuery), request_body = schema::ExplainQuestion, responses(
    (status = 200, description = "Why the flag answers what it answers", content(
        (schema::Explanation = "application/json"), (String = "text/plain"),
    )),
    (status = 404, description = "`not_found`: no such flag is served there, or `no_such_environment`"),
    (status = 429, description = "`too_many`: too many explanations that take long are asked for just now; see `Retry-After`"),
))]
async fn explain_flag(
    State(state): State<AppState>,
    reader: InProject<ReadProject>,
    Params(query): Params<EnvironmentName>,
    headers: HeaderMap,
    body::JsonWithContexts(document): body::JsonWithContexts,
) -> Result<Response, Problem> {
    let question = Question::read(&document)?;
    let (environment, served) =
        served(&state, reader.project_id(), question.environment.as_deref(), query).await?;
    let revision = served.ruleset().revision();
    let waiting = Waiting::all_of_flag(&served, &question.flag);
    let ruleset = served.ruleset().clone();
    let explanation = state.control.explain_flag(&reader, ruleset, question).await?;
    let mut text = explanation.to_string();
    text.extend(waiting.iter().map(|waiting| format!("  But {}.\n", waiting.message)));
    if prefers_text(&headers) {
        return Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response());
    }
    let environment = environment.key.to_string();
    Ok(Json(Explained { environment, revision, explanation, waiting, text }).into_response())
}

/// Simulate a flag, and a change of it
///
/// The share of each variant over given contexts, or over a population that is made up, the same each time. With
/// a `change`, as PATCH takes it, the shares after it too, and for whom something changes. Nothing is written.
#[utoipa::path(post, path = "/evaluate/simulate", tag = "evaluation", params(EnvironmentQuery), request_body = schema::SimulationQuestion, responses(
    (status = 200, description = "The shares", body = schema::Simulation),
    (status = 400, description = "What was sent is wrong, or the change could not be saved, or it takes longer than 10 s; `violations` say where"),
    (status = 404, description = "`not_found`: no such flag is served there, or `no_such_environment`"),
    (status = 409, description = "`variant_in_use`: so the change could not be saved"),
    (status = 429, description = "`too_many`: others simulate just now; see `Retry-After`"),
))]
async fn simulate_flag(
    State(state): State<AppState>,
    reader: InProject<ReadProject>,
    Params(query): Params<EnvironmentName>,
    body::JsonWithContexts(document): body::JsonWithContexts,
) -> Result<Json<Simulated>, Problem> {
    let proposal = Proposal::read(&document)?;
    let (environment, served) =
        served(&state, reader.project_id(), proposal.environment.as_deref(), query).await?;
    let (flag, revision) = (proposal.flag.clone(), served.ruleset().revision());
    let ruleset = served.ruleset().clone();
    let simulation = state.control.simulate_flag(&reader, &environment, ruleset, proposal).await?;
    Ok(Json(Simulated { flag, environment: environment.key.to_string(), revision, simulation }))
}

/// The environment that body or query name, and the state that applications are served there.
async fn served(
    state: &AppState,
    project_id: Id,
    in_body: Option<&str>,
    query: EnvironmentName,
) -> Result<(Environment, Arc<Installed>), Problem> {
    let in_query = query.environment.as_deref();
    if in_body.is_some() && in_query.is_some() && in_body != in_query {
        return Err(Error::invalid("environment", "is another one than the query names; say it once").into());
    }
    let environment = state.control.environment(project_id, in_body.or(in_query)).await?;
    let installed = state.hub.read(&EnvironmentId(environment.id.to_string().into()));
    let installed = installed.ok_or_else(Problem::not_loaded)?;
    Ok((environment, installed))
}

/// Whether text comes before JSON and before anything in what the client would take.
fn prefers_text(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT).iter().filter_map(|list| list.to_str().ok());
    let mut ranges = lists.flat_map(|list| list.split(',')).map(|range| {
        let (kind, _) = range.split_once(';').unwrap_or((range, ""));
        kind.trim().to_ascii_lowercase()
    });
    let known = |kind: &String| {
        ["text/plain", "text/*", "application/json", "application/*", "*/*"].contains(&kind.as_str())
    };
    ranges.find(known).is_some_and(|kind| kind.starts_with("text/"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn text_is_for_who_asks_for_it() {
        for (accept, text) in [
            ("text/plain", true),
            ("Text/Plain; charset=utf-8", true),
            ("text/*", true),
            ("text/plain, application/json", true),
            ("text/html, text/plain", true),
            ("application/json, text/plain, */*", false),
            ("*/*", false),
            ("application/json", false),
            ("text/html,application/xhtml+xml,*/*;q=0.8", false),
            ("", false),
        ] {
            let headers = [(header::ACCEPT, HeaderValue::from_static(accept))].into_iter().collect();
            assert_eq!(prefers_text(&headers), text, "{accept}");
        }
        assert!(!prefers_text(&HeaderMap::new()));
    }
}
