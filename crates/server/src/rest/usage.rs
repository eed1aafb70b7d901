//! What a flag was asked for.

use axum::Json;
use axum::extract::State;
use domain::access::ReadProject;
use domain::error::Error;
use domain::time::Timestamp;
use domain::usage::{FlagUsage, Range, Step};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::auth::With;
use crate::body::{Named, Params};
use crate::openapi::{EnvironmentQuery, schema};
use crate::problem::Problem;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_flag_usage))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct UsageQuery {
    /// From when on, an instant or a day; a day before `to` unless given. Taken back to where its step begins.
    from: Option<String>,
    /// Until before when; now unless given. Taken on to where its step ends.
    to: Option<String>,
    /// How long the parts are that are counted apart; an hour unless given. At most 1,500 of them are told.
    #[param(value_type = Option<schema::UsageStep>)]
    step: Option<String>,
}

impl UsageQuery {
    fn range(&self) -> Result<Range, Error> {
        let time = |name: &str, text: Option<&str>| {
            let read = |text| {
                Timestamp::parse(text).ok_or_else(|| Error::invalid(format!("query {name}"), Timestamp::RULE))
            };
            text.map(read).transpose()
        };
        let step = self.step.as_deref().map(|step| {
            Step::parse(step).ok_or_else(|| Error::invalid("query step", "must be minute, hour or day"))
        });
        Ok(Range {
            from: time("from", self.from.as_deref())?,
            to: time("to", self.to.as_deref())?,
            step: step.transpose()?,
        })
    }
}

/// Get what a flag was asked for
///
/// How often it was evaluated, by step, variant and reason, and how many were shown what by its tracked splits.
/// Evaluations that this server answers appear within some ten seconds. Minutes become hours after two days.
#[utoipa::path(get, path = "/flags/{key}/usage", tag = "flags", params(("key" = String, Path), EnvironmentQuery, UsageQuery), responses(
    (status = 200, description = "What was counted", body = schema::FlagUsage),
))]
async fn get_flag_usage(
    State(state): State<AppState>,
    With(reader, environment): With<ReadProject>,
    Named(key): Named,
    Params(query): Params<UsageQuery>,
) -> Result<Json<FlagUsage>, Problem> {
    Ok(Json(state.control.flag_usage(&reader, &environment, &key, query.range()?).await?))
}
