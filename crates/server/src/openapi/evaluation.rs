//! The shapes of bodies about understanding answers, for the API's document. See [`super::schema`].
#![expect(dead_code, reason = "these types describe; `domain` and `engine` read and write")]
use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

use super::schema::FlagInput;

/// Which flag, for whom.
#[derive(ToSchema)]
#[schema(example = json!({"flag": "new-checkout", "context": {"targetingKey": "user-42", "country": "AT"}}))]
pub(crate) struct ExplainQuestion {
    flag: String,
    /// `development` unless given here or in the query.
    #[schema(nullable = false)]
    environment: Option<String>,
    /// At most 64 KiB.
    #[schema(value_type = Option<Object>)]
    context: Option<Value>,
    /// Variants by flag that were given before: sticky splits keep to them.
    #[schema(nullable = false)]
    assignments: Option<BTreeMap<String, String>>,
}

/// Why a flag answers what it answers.
#[derive(ToSchema)]
pub(crate) struct Explanation {
    environment: String,
    /// Of the rules that were asked.
    revision: u64,
    flag: String,
    /// Not there where the caller's own default holds.
    value: Option<Value>,
    variant: Option<String>,
    #[schema(example = "TARGETING_MATCH")]
    reason: String,
    error: Option<String>,
    error_details: Option<String>,
    /// Id of the rule that answered.
    rule: Option<String>,
    steps: Vec<Tried>,
    /// All of it for people.
    text: String,
}

/// Something that was tried; `step` says what, and which of the others are there: `state` (`enabled`, `archived`),
/// `prerequisite` (`flag`, `variants`, `variant`, `reason`, `holds`, `why`: an explanation), `targets`
/// (`targeting_key`, `holds`), `lost_rule` (`place`, `why`), `rule` (`id`, `place`, `priority`, `holds`, `tests`),
/// `left_out` (`tests`: how many more there were), `untried` (`rules`), `serve` (`default`, `split`).
#[derive(ToSchema)]
#[schema(example = json!({"step": "rule", "id": "r1", "place": 0, "priority": 0, "holds": true, "tests": [
    {"path": "rules[0].when", "holds": true, "attribute": "country", "operator": "in", "values": ["DE", "AT"], "ignore_case": false, "actual": "AT"},
]}))]
pub(crate) struct Tried {
    step: String,
    holds: Option<bool>,
    tests: Option<Value>,
}

/// Which flag, for whom, and what is proposed. Either `contexts` or `population`.
#[derive(ToSchema)]
#[schema(example = json!({
    "flag": "new-checkout", "population": {"count": 10_000, "attributes": {"country": {"DE": 3, "FR": 1}}},
    "change": {"rollout_percentage": 50},
}))]
pub(crate) struct SimulationQuestion {
    flag: String,
    /// `development` unless given here or in the query.
    #[schema(nullable = false)]
    environment: Option<String>,
    /// At most 10,000, each at most 64 KiB.
    #[schema(nullable = false, value_type = Option<Vec<Object>>)]
    contexts: Option<Vec<Value>>,
    #[schema(nullable = false)]
    population: Option<Population>,
    /// What a PATCH of the flag would say.
    #[schema(nullable = false)]
    change: Option<FlagInput>,
}

/// People who are made up, the same each time.
#[derive(ToSchema)]
pub(crate) struct Population {
    /// 1 to 100000.
    count: u32,
    /// `{n}` stands for a number from 1 on; `user-{n}` unless given.
    #[schema(nullable = false)]
    targeting_key: Option<String>,
    /// By attribute the weights of its values, which are texts.
    #[schema(nullable = false)]
    attributes: Option<BTreeMap<String, BTreeMap<String, u32>>>,
}

/// What a flag gives to many.
#[derive(ToSchema)]
pub(crate) struct Simulation {
    flag: String,
    environment: String,
    /// Of the rules that were asked.
    revision: u64,
    /// How many were asked for.
    contexts: u64,
    /// All variants, also those that nobody is given; then the caller's own default and errors, if any are given.
    before: Vec<SimulatedShare>,
    /// The same after the change, if one is proposed.
    after: Option<Vec<SimulatedShare>>,
    changed: Option<SimulatedChange>,
}

/// How many are given one thing.
#[derive(ToSchema)]
pub(crate) struct SimulatedShare {
    /// `null` is the caller's own default.
    #[schema(required = true)]
    variant: Option<String>,
    error: Option<String>,
    count: u64,
    percent: f64,
}

/// For whom something changes.
#[derive(ToSchema)]
pub(crate) struct SimulatedChange {
    count: u64,
    percent: f64,
    /// The most frequent first.
    moves: Vec<SimulatedMove>,
    /// At most 20, of each kind of move before there are several of one.
    examples: Vec<SimulatedExample>,
}

/// How many go from one thing to another; the same on both sides where only the variant's value changes.
#[derive(ToSchema)]
pub(crate) struct SimulatedMove {
    from: SimulatedOutcome,
    to: SimulatedOutcome,
    count: u64,
}

/// One for whom something changes.
#[derive(ToSchema)]
pub(crate) struct SimulatedExample {
    #[schema(value_type = Object)]
    context: Value,
    from: SimulatedOutcome,
    to: SimulatedOutcome,
}

/// What someone is given.
#[derive(ToSchema)]
pub(crate) struct SimulatedOutcome {
    /// `null` is the caller's own default.
    #[schema(required = true)]
    variant: Option<String>,
    error: Option<String>,
}
