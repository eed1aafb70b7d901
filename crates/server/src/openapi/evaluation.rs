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
    /// Segments that it may ask and that are asked as they were, until their key lists are here; not there if there are
    /// none.
    #[schema(nullable = false)]
    waiting: Option<Vec<Waiting>>,
    /// All of it for people.
    text: String,
}

/// A segment that is asked as it was before it was last written.
#[derive(ToSchema)]
#[schema(as = WaitingSegment)]
pub(crate) struct Waiting {
    segment: String,
    /// It is asked as it was then; not there if that is not known.
    #[schema(nullable = false)]
    revision: Option<u64>,
    /// Digests of the lists that it names as it was last written. If there are none, it waits for those of segments that
    /// it would not be understood without.
    key_lists: Vec<String>,
    /// The same for people.
    message: String,
}

/// Something that was tried; `step` says what, and which of the others are there: `state` (`enabled`, `archived`),
/// `prerequisite` (`flag`, `variants`, `variant`, `reason`, `holds`, `why`), `targets` (`targeting_key`, `no_keys`,
/// `holds`), `lost_rule` (`place`, `error`), `rule` (`id`, `place`, `priority`, `holds`, `tests`), `left_out`
/// (`count`: how many tests more were made), `untried` (`rules`), `serve` (`default`, `split`).
#[derive(ToSchema)]
#[schema(example = json!({"step": "rule", "id": "r1", "place": 0, "priority": 0, "holds": true, "tests": [
    {"path": "rules[0].when", "holds": true, "attribute": "country", "operator": "in", "values": ["DE", "AT"], "ignore_case": false, "actual": "AT"},
]}))]
pub(crate) struct Tried {
    #[schema(example = "rule")]
    step: String,
    enabled: Option<bool>,
    archived: Option<bool>,
    flag: Option<String>,
    variants: Option<Vec<String>>,
    variant: Option<String>,
    reason: Option<String>,
    holds: Option<bool>,
    /// The other flag's explanation, without `text`; not there if it was told before.
    #[schema(value_type = Option<Object>)]
    why: Option<Value>,
    targeting_key: Option<String>,
    no_keys: Option<Vec<NoKey>>,
    id: Option<String>,
    /// From 0.
    place: Option<u64>,
    priority: Option<i32>,
    /// What is wrong with a rule that never holds.
    error: Option<String>,
    tests: Option<Vec<Tested>>,
    count: Option<u64>,
    rules: Option<Vec<UntriedRule>>,
    /// Whether it is the default that serves.
    default: Option<bool>,
    split: Option<ExplainedSplit>,
}

/// A rule that was not tried, since an earlier one held.
#[derive(ToSchema)]
pub(crate) struct UntriedRule {
    id: String,
    /// From 0.
    place: u64,
    priority: i32,
}

/// A part of a condition that was tested: a comparison (`attribute` and what follows), a segment (`segment`,
/// `membership`, `keyless`, `no_keys`, `tests`), or a gate (`from`, `to`, `hash`, `salt`, `by`, `key`, `bucket`, `no_keys`).
#[derive(ToSchema)]
pub(crate) struct Tested {
    #[schema(example = "rules[0].when.all[1]")]
    path: String,
    /// Under a `not` this speaks against the condition.
    holds: bool,
    attribute: Option<String>,
    operator: Option<String>,
    /// The first 20.
    values: Option<Vec<Value>>,
    /// How many values more there are.
    left_out: Option<u64>,
    /// The context list that the values stand in.
    list: Option<String>,
    ignore_case: Option<bool>,
    /// What the context has there; of a list the first 20 elements.
    actual: Option<Value>,
    /// How many elements more the list has.
    actual_left_out: Option<u64>,
    /// What is easily overlooked: `unreadable`, `case`, `reserved`, or an object with one of `named` (an attribute of
    /// almost this name), `no_object` (the part of the path that is none), `no_key` (what stands at `targetingKey`).
    note: Option<Value>,
    segment: Option<String>,
    /// By what the segment holds or does not: `included`, `excluded`, `condition` or `no_condition`.
    membership: Option<String>,
    /// Whether there is no targeting key, so that only the segment's condition counts.
    keyless: Option<bool>,
    no_keys: Option<Vec<NoKey>>,
    /// What was tested of the segment's condition, in the same shape.
    #[schema(no_recursion)]
    tests: Option<Vec<Tested>>,
    from: Option<u32>,
    /// The first bucket outside again.
    to: Option<u32>,
    hash: Option<String>,
    salt: Option<String>,
    /// Where the gate looks for its key; the targeting key if empty.
    by: Option<Vec<String>>,
    key: Option<String>,
    bucket: Option<u32>,
}

/// Why there is no key where one is looked for.
#[derive(ToSchema)]
pub(crate) struct NoKey {
    attribute: String,
    /// What the context has there, which is no key.
    actual: Option<Value>,
    /// What is easily overlooked, if there is nothing; as in a test.
    note: Option<Value>,
}

/// How a split chose.
#[derive(ToSchema)]
pub(crate) struct ExplainedSplit {
    /// Where it looks for its key; the targeting key if empty.
    by: Vec<String>,
    hash: String,
    salt: String,
    /// Not there if there is no key, or none was needed.
    key: Option<String>,
    bucket: Option<u32>,
    no_keys: Option<Vec<NoKey>>,
    sticky: bool,
    /// What was given before.
    earlier: Option<String>,
    /// Whether that was kept to.
    assigned: bool,
    shares: Vec<ExplainedShare>,
}

/// Whose which buckets are.
#[derive(ToSchema)]
pub(crate) struct ExplainedShare {
    variant: String,
    from: u32,
    /// The first bucket that is not its own any more.
    to: u32,
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
