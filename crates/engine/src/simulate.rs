//! What a flag gives to many, and what a change of the flag would change for them.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

use crate::context::Context;
use crate::resolution::Resolution;
use crate::ruleset::Ruleset;

/// No more contexts are shown as examples of those for whom something changes.
const MOST_EXAMPLES: usize = 20;
/// No more kinds of change are told apart; there are that many only where a flag has hundreds of variants.
const MOST_MOVES: usize = 1_000;

/// What many contexts are given of one flag.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Simulation {
    /// How many contexts were asked for.
    pub contexts: u64,
    /// What they are given.
    pub before: Vec<Share>,
    /// What they would be given; none if no change was proposed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Vec<Share>>,
    /// For whom something changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<Changed>,
}

/// What a context is given, as far as shares are counted by it: a variant, an error, or neither, and then the
/// caller's own default holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Outcome {
    /// The variant; none where the caller's own default holds.
    pub variant: Option<String>,
    /// The error, in a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
}

/// How many are given one thing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Share {
    /// What they are given.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How many they are.
    pub count: u64,
    /// Of a hundred; to three decimals.
    pub percent: f64,
}

/// For whom a change changes something.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changed {
    /// How many are given another variant, another value under the same variant, or an error where there was
    /// none, and the other way round.
    pub count: u64,
    /// Of a hundred; to three decimals.
    pub percent: f64,
    /// From what to what, the most frequent first; at most 1,000.
    pub moves: Vec<Move>,
    /// Some of them, at most 20: of each kind of change before there are several of one.
    pub examples: Vec<Example>,
}

/// How many go from one thing to another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Move {
    /// What they are given.
    pub from: Outcome,
    /// What they would be given. The same where only the variant's value changes.
    pub to: Outcome,
    /// How many they are.
    pub count: u64,
}

/// One for whom something changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Example {
    /// Who it is.
    pub context: Value,
    /// What they are given.
    pub from: Outcome,
    /// What they would be given.
    pub to: Outcome,
}

/// Asks for one flag in many contexts; and once more of `after`, the same rules after a change, if there is
/// one. Neither what is counted nor what is kept grows with the number of contexts. Before each question it looks
/// whether the result `is_wanted` still, and ends without one if not.
pub fn simulate(
    flag: &str,
    before: &Ruleset,
    after: Option<&Ruleset>,
    contexts: impl IntoIterator<Item = Context>,
    is_wanted: impl Fn() -> bool,
) -> Option<Simulation> {
    let (mut was, mut would_be) = (Tally::new(flag, before), after.map(|after| Tally::new(flag, after)));
    let mut moves = Moves::default();
    for context in contexts {
        let from = is_wanted().then(|| was.ask(&context))?;
        if let Some(would_be) = &mut would_be {
            let to = is_wanted().then(|| would_be.ask(&context))?;
            moves.note(from, to, context);
        }
    }
    let total = was.total;
    Some(Simulation {
        contexts: total,
        before: was.shares(),
        changed: would_be.is_some().then(|| moves.changed(total)),
        after: would_be.map(Tally::shares),
    })
}

/// Counts what one ruleset answers.
struct Tally<'r> {
    flag: &'r str,
    ruleset: &'r Ruleset,
    counts: HashMap<Key<'r>, u64>,
    total: u64,
}

/// An outcome while it is counted.
type Key<'r> = (Option<&'r str>, Option<&'static str>);

fn key<'r>(resolution: &Resolution<'r>) -> Key<'r> {
    (resolution.variant(), resolution.error().map(|error| error.code.as_str()))
}

fn outcome((variant, error): Key<'_>) -> Outcome {
    Outcome { variant: variant.map(str::to_owned), error }
}

impl<'r> Tally<'r> {
    fn new(flag: &'r str, ruleset: &'r Ruleset) -> Self {
        Self { flag, ruleset, counts: HashMap::new(), total: 0 }
    }

    fn ask(&mut self, context: &Context) -> Resolution<'r> {
        let resolution = self.ruleset.evaluate(self.flag, context);
        *self.counts.entry(key(&resolution)).or_default() += 1;
        self.total += 1;
        resolution
    }

    /// All variants in the order in which the flag has them, those that nobody is given too, then the rest.
    fn shares(mut self) -> Vec<Share> {
        let document = self.ruleset.flag(self.flag).and_then(|flag| flag.document().known());
        let variants = document.map_or([].as_slice(), |flag| &flag.variants);
        let mut keys: Vec<Key<'_>> =
            variants.iter().map(|variant| (Some(variant.key.as_str()), None)).collect();
        let mut others: Vec<_> = self.counts.keys().filter(|key| !keys.contains(key)).copied().collect();
        others.sort_unstable();
        keys.extend(others);
        let share = |key| {
            let count = self.counts.remove(&key).unwrap_or_default();
            Share { outcome: outcome(key), count, percent: percent(count, self.total) }
        };
        keys.into_iter().map(share).collect()
    }
}

/// What changes for whom.
#[derive(Default)]
struct Moves<'r> {
    kinds: HashMap<(Key<'r>, Key<'r>), Kind>,
    /// Whether a variant's value is the same before and after.
    same_values: HashMap<&'r str, bool>,
    count: u64,
}

struct Kind {
    count: u64,
    /// None where there are examples enough of other kinds.
    examples: Option<Vec<Context>>,
}

impl Kind {
    fn with_examples(has_examples: bool) -> Self {
        Self { count: 0, examples: has_examples.then(Vec::new) }
    }
}

impl<'r> Moves<'r> {
    fn note(&mut self, from: Resolution<'r>, to: Resolution<'r>, context: Context) {
        let keys = (key(&from), key(&to));
        if keys.0 == keys.1 && self.is_same_value(from, to) {
            return;
        }
        self.count += 1;
        let kinds = self.kinds.len();
        if kinds >= MOST_MOVES && !self.kinds.contains_key(&keys) {
            return;
        }
        let kind = self.kinds.entry(keys).or_insert_with(|| Kind::with_examples(kinds < MOST_EXAMPLES));
        kind.count += 1;
        if let Some(examples) = kind.examples.as_mut().filter(|examples| examples.len() < MOST_EXAMPLES) {
            examples.push(context);
        }
    }

    /// Of one variant; values may be large, so each is compared once.
    fn is_same_value(&mut self, from: Resolution<'r>, to: Resolution<'r>) -> bool {
        let Some(variant) = from.variant() else { return true };
        *self.same_values.entry(variant).or_insert_with(|| from.value() == to.value())
    }

    fn changed(self, total: u64) -> Changed {
        let mut kinds: Vec<_> = self.kinds.into_iter().collect();
        kinds.sort_unstable_by(|(one_keys, one), (other_keys, other)| {
            other.count.cmp(&one.count).then_with(|| one_keys.cmp(other_keys))
        });
        let moves = kinds.iter().map(|((from, to), kind)| Move {
            from: outcome(*from),
            to: outcome(*to),
            count: kind.count,
        });
        Changed {
            count: self.count,
            percent: percent(self.count, total),
            moves: moves.collect(),
            examples: examples(&kinds),
        }
    }
}

/// One of each kind, then a second of each, and so on.
fn examples(kinds: &[((Key<'_>, Key<'_>), Kind)]) -> Vec<Example> {
    let nth_of_each = |nth: usize| {
        kinds.iter().filter_map(move |((from, to), kind)| {
            let context = kind.examples.as_ref()?.get(nth)?;
            let attributes = context.attributes().map(|(name, value)| (name.to_owned(), value.clone()));
            Some(Example { context: attributes.collect(), from: outcome(*from), to: outcome(*to) })
        })
    };
    (0..MOST_EXAMPLES).flat_map(nth_of_each).take(MOST_EXAMPLES).collect()
}

/// To three decimals.
#[expect(
    clippy::cast_precision_loss,
    reason = "nobody asks in so many contexts that a double could not count them"
)]
fn percent(count: u64, total: u64) -> f64 {
    if total == 0 {
        return 0.0;
    }
    (count as f64 * 100_000.0 / total as f64).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::json;

    use super::*;
    use crate::KeyLists;
    use crate::model::Snapshot;

    fn simulate(
        flag: &str,
        before: &Ruleset,
        after: Option<&Ruleset>,
        contexts: impl IntoIterator<Item = Context>,
    ) -> Simulation {
        super::simulate(flag, before, after, contexts, || true).unwrap()
    }

    fn ruleset(flag: &Value) -> Ruleset {
        let document = json!({
            "schema": 1, "epoch": "e", "revision": 1, "project": "p", "environment": "dev", "flags": {"f": flag},
        });
        let snapshot: Snapshot = serde_json::from_value(document).unwrap();
        Ruleset::compile(&snapshot, &KeyLists::default())
    }

    /// A flag that serves `off` to France and splits the others; `on` of a hundred thousand are given `on`.
    fn flag(on: u32) -> Value {
        json!({
            "kind": "string", "version": 1, "enabled": true,
            "variants": [{"key": "on", "value": "1"}, {"key": "off", "value": "0"}, {"key": "idle", "value": "-"}],
            "rules": [{
                "id": "r", "serve": {"variant": "off"},
                "when": {"attribute": "country", "operator": "equals", "values": ["FR"]},
            }],
            "default": {"split": [{"variant": "on", "weight": on}, {"variant": "off", "weight": 100_000 - on}]},
        })
    }

    fn users(count: u32) -> impl Iterator<Item = Context> {
        (0..count).map(|n| Context::for_key(&format!("user-{n}")))
    }

    fn counts(shares: &[Share]) -> Vec<(Option<&str>, Option<&str>, u64)> {
        shares
            .iter()
            .map(|share| (share.outcome.variant.as_deref(), share.outcome.error, share.count))
            .collect()
    }

    #[test]
    fn shares_count_everyone_once() {
        let ruleset = ruleset(&flag(30_000));
        let nobody = [Context::default(), Context::default()];
        let simulation = simulate("f", &ruleset, None, users(998).chain(nobody));
        assert_eq!(simulation.contexts, 1_000);
        let expected =
            users(998).filter(|user| ruleset.evaluate("f", user).variant() == Some("on")).count() as u64;
        assert!((250..350).contains(&expected));
        assert_eq!(
            counts(&simulation.before),
            [
                (Some("on"), None, expected),
                (Some("off"), None, 998 - expected),
                (Some("idle"), None, 0),
                (None, Some("TARGETING_KEY_MISSING"), 2),
            ]
        );
        assert!((simulation.before[3].percent - 0.2).abs() < 1e-9);
        assert_eq!((simulation.after, simulation.changed), (None, None));
    }

    #[test]
    fn who_changes_is_told_by_kind_with_examples() {
        let (before, after) = (ruleset(&flag(30_000)), ruleset(&flag(40_000)));
        let french = json!({"country": "FR"});
        let nobody = std::iter::repeat_with(|| Context::new(french.as_object().unwrap().clone())).take(10);
        let simulation = simulate("f", &before, Some(&after), users(2_000).chain(nobody));
        let changed = simulation.changed.unwrap();
        let gained = counts(&simulation.after.unwrap())[0].2 - counts(&simulation.before)[0].2;
        assert!(gained > 100);
        let [only] = changed.moves.as_slice() else { panic!("{:?}", changed.moves) };
        assert_eq!((changed.count, only.count), (gained, gained));
        assert_eq!((only.from.variant.as_deref(), only.to.variant.as_deref()), (Some("off"), Some("on")));
        assert_eq!(changed.examples.len(), 20);
        for example in &changed.examples {
            let context = Context::new(example.context.as_object().unwrap().clone());
            assert_eq!(before.evaluate("f", &context).variant(), Some("off"));
            assert_eq!(after.evaluate("f", &context).variant(), Some("on"));
        }
    }

    #[test]
    fn a_rare_kind_of_change_has_an_example_too() {
        let before = ruleset(&flag(30_000));
        let mut lowered = flag(30_000);
        lowered["rules"] = json!([]);
        lowered["default"] = json!(null);
        let after = ruleset(&lowered);
        let french = json!({"country": "FR", "targetingKey": "ann"});
        let rare = [Context::default(), Context::new(french.as_object().unwrap().clone())];
        let changed = simulate("f", &before, Some(&after), users(500).chain(rare)).changed.unwrap();
        assert_eq!(changed.count, 502);
        let kinds: Vec<_> = changed.moves.iter().map(|one| (&one.from, &one.to)).collect();
        assert_eq!(kinds.len(), 3);
        assert!(kinds.iter().all(|kind| changed.examples.iter().any(|one| (&one.from, &one.to) == *kind)));
        assert_eq!(changed.examples.len(), 20);
    }

    #[test]
    fn another_value_under_the_same_variant_is_a_change() {
        let mut repainted = flag(100_000);
        repainted["variants"][0]["value"] = "one".into();
        let (before, after) = (ruleset(&flag(100_000)), ruleset(&repainted));
        let changed = simulate("f", &before, Some(&after), users(7)).changed.unwrap();
        assert_eq!((changed.count, changed.percent), (7, 100.0));
        assert_eq!(changed.moves[0].from, changed.moves[0].to);
        let same = simulate("f", &before, Some(&before), users(7)).changed.unwrap();
        assert_eq!((same.count, same.moves.len(), same.examples.len()), (0, 0, 0));
    }

    #[test]
    fn nobody_is_no_division_by_zero() {
        let ruleset = ruleset(&flag(0));
        let simulation = simulate("f", &ruleset, Some(&ruleset), []);
        assert!(simulation.before.iter().all(|share| share.count == 0 && share.percent == 0.0));
        assert_eq!(simulation.contexts, 0);
    }

    #[test]
    fn what_nobody_wants_ends_before_the_next_question() {
        let ruleset = ruleset(&flag(30_000));
        for questions in 0..4 {
            let (asked, seen) = (Cell::new(0), Cell::new(0));
            let contexts = users(2).inspect(|_| seen.set(seen.get() + 1));
            let is_wanted = || asked.replace(asked.get() + 1) < questions;
            assert_eq!(super::simulate("f", &ruleset, Some(&ruleset), contexts, is_wanted), None);
            assert_eq!((asked.get(), seen.get()), (questions + 1, questions / 2 + 1), "two for each context");
        }
    }
}
