//! What a split, a gate and a segment's bucket promise: shares that are just, users who stay where they are, and
//! flags that choose their users without regard to each other.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::collections::BTreeMap;

use burgee_engine::model::{Hash, WHOLE};
use burgee_engine::{Context, KeyLists, Reason, Ruleset, bucket};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

const VARIANTS: [&str; 5] = ["a", "b", "c", "d", "e"];
const HASHES: [&str; 3] = ["murmur3", "fnv1a", "md5"];

fn compile(flags: &Value, segments: &Value) -> Ruleset {
    let snapshot = json!({
        "schema": 1, "epoch": "c0ffee", "revision": 7, "project": "default", "environment": "production",
        "lists": {}, "segments": segments, "flags": flags,
    });
    Ruleset::compile(&serde_json::from_value(snapshot).unwrap(), &KeyLists::default())
}

/// A flag of all [`VARIANTS`]; `serve` is its default, and what a rule serves that holds for `when`.
fn flag(serve: &Value, rules: &Value) -> Value {
    let variants: Vec<Value> = VARIANTS.iter().map(|key| json!({"key": key, "value": key})).collect();
    json!({
        "kind": "string", "version": 1, "enabled": true, "variants": variants, "default": serve, "rules": rules,
    })
}

/// A split over the first variants; `more` holds its other members.
fn split(weights: &[u32], more: &Value) -> Value {
    let shares: Vec<Value> = VARIANTS
        .iter()
        .zip(weights)
        .map(|(variant, weight)| json!({"variant": variant, "weight": weight}))
        .collect();
    let mut split = more.clone();
    split["split"] = Value::from(shares);
    split
}

/// `a` for those in the bucket, `b` for the others.
fn gate(bucket: &Value) -> Value {
    flag(
        &json!({"variant": "b"}),
        &json!([{"id": "r", "when": {"bucket": bucket}, "serve": {"variant": "a"}}]),
    )
}

fn variant(ruleset: &Ruleset, flag: &str, key: &str) -> String {
    ruleset.evaluate(flag, &Context::for_key(key)).variant().unwrap().to_owned()
}

/// Weights that add up to everyone, one to five of them, some of them 0.
fn weights() -> impl Strategy<Value = Vec<u32>> {
    vec(0..=WHOLE, 0..VARIANTS.len()).prop_map(|mut borders| {
        borders.sort_unstable();
        borders.push(WHOLE);
        let below = [0].into_iter().chain(borders.clone());
        borders.iter().zip(below).map(|(border, below)| border - below).collect()
    })
}

/// The same weights with the one at `at` raised by what `taken` takes from each of those after it.
fn raised(weights: &[u32], at: usize, taken: &[u32]) -> Vec<u32> {
    let mut raised = weights.to_vec();
    for (after, taken) in (at + 1..weights.len()).zip(taken) {
        let taken = weights[after].min(*taken);
        raised[after] -= taken;
        raised[at] += taken;
    }
    raised
}

proptest! {
    #[test]
    fn raising_a_weight_at_the_expense_of_those_after_it_takes_nobody_out(
        weights in weights(), at in 0..5_usize, taken in vec(0..=WHOLE, 5), hash in select(HASHES.to_vec()),
        keys in vec(".{1,24}", 24),
    ) {
        let at = at % weights.len();
        let more = json!({"hash": hash});
        let (before, after) = (split(&weights, &more), split(&raised(&weights, at, &taken), &more));
        let rulesets = [before, after].map(|serve| compile(&json!({"f": flag(&serve, &json!([]))}), &json!({})));
        for key in keys {
            let [before, after] = rulesets.each_ref().map(|ruleset| variant(ruleset, "f", &key));
            prop_assert!(before != VARIANTS[at] || after == VARIANTS[at], "{key:?}: {before} became {after}");
            // Who stands before it is not touched at all.
            let before_it = VARIANTS[..at].contains(&before.as_str());
            prop_assert!(!before_it || before == after, "{key:?}: {before} became {after}");
        }
    }

    #[test]
    fn widening_a_gate_takes_nobody_out(
        from in 0..=WHOLE, to in 0..=WHOLE, less in 0..=WHOLE, more in 0..=WHOLE, hash in select(HASHES.to_vec()),
        keys in vec(".{1,24}", 24),
    ) {
        let (from, to) = (from.min(to), from.max(to));
        let narrow = json!({"from": from, "to": to, "hash": hash});
        let wide = json!({
            "from": from.saturating_sub(less), "to": to.saturating_add(more).min(WHOLE), "hash": hash,
        });
        let rulesets = [narrow, wide].map(|bucket| compile(&json!({"f": gate(&bucket)}), &json!({})));
        for key in keys {
            let [narrow, wide] = rulesets.each_ref().map(|ruleset| variant(ruleset, "f", &key));
            prop_assert!(narrow != "a" || wide == "a", "{key:?}");
        }
    }

    /// Who was given a variant keeps it for as long as it has any weight; nobody else notices.
    #[test]
    fn an_assignment_holds_for_as_long_as_it_has_weight(
        weights in weights(), assigned in select(vec!["a", "b", "c", "d", "e", "purple"]), key in ".{1,24}",
        sticky in any::<bool>(), in_rule in any::<bool>(),
    ) {
        let serve = split(&weights, &json!({"sticky": sticky}));
        let rules = if in_rule { json!([{"id": "r", "serve": serve}]) } else { json!([]) };
        let ruleset = compile(&json!({"f": flag(&serve, &rules)}), &json!({}));
        let context = Context::for_key(&key);
        let plain = ruleset.evaluate("f", &context);
        let asked_with = |flag: &str| {
            let assignments = BTreeMap::from([(flag.to_owned(), assigned.to_owned())]);
            let got = ruleset.evaluate_assigned("f", &context, &assignments);
            (got.variant().map(str::to_owned), got.reason(), got.rule().map(str::to_owned))
        };
        let has_weight = VARIANTS.iter().zip(&weights).any(|(variant, weight)| *variant == assigned && *weight > 0);
        let expected = if sticky && has_weight { Some(assigned) } else { plain.variant() };
        let rule = in_rule.then(|| "r".to_owned());
        prop_assert_eq!(asked_with("f"), (expected.map(str::to_owned), Reason::Split, rule.clone()));
        prop_assert_eq!(asked_with("g"), (plain.variant().map(str::to_owned), Reason::Split, rule));
    }
}

const USERS: u32 = 100_000;

/// Whom each of the flags gives `a`, by user.
fn chosen(ruleset: &Ruleset, flag: &str) -> Vec<bool> {
    (1..=USERS).map(|user| variant(ruleset, flag, &format!("user-{user}")) == "a").collect()
}

/// Whether so many of all users are what a `weight` promises. The users are fixed, so this cannot fail by chance;
/// four standard errors is what chance would rarely reach.
fn is_just(count: usize, weight: u32) -> bool {
    let (users, count) = (f64::from(USERS), f64::from(u32::try_from(count).unwrap()));
    let share = f64::from(weight) / f64::from(WHOLE);
    (count - users * share).abs() <= 4.0 * (users * share * (1.0 - share)).sqrt()
}

#[test]
fn shares_are_within_four_standard_errors() {
    for hash in ["murmur3", "md5"] {
        for (salt, weights) in [
            ("new-checkout-flow", vec![25_000, 75_000]),
            ("dark-mode", vec![50_000, 50_000]),
            ("beta", vec![1_000, 0, 99_000]),
            ("x", vec![10_000, 20_000, 30_000, 39_000, 1_000]),
        ] {
            let serve = split(&weights, &json!({"hash": hash, "salt": salt}));
            let ruleset = compile(&json!({"f": flag(&serve, &json!([]))}), &json!({}));
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            for user in 1..=USERS {
                *counts.entry(variant(&ruleset, "f", &format!("user-{user}"))).or_default() += 1;
            }
            for (variant, weight) in VARIANTS.iter().zip(weights) {
                let count = counts.get(*variant).copied().unwrap_or(0);
                assert!(
                    is_just(count, weight),
                    "{hash} {salt}: {count} of {USERS} are given {variant} at {weight}"
                );
            }
        }
    }
}

#[test]
fn a_gate_lets_in_what_it_says() {
    for (from, to) in [(0, 25_000), (25_000, 26_000), (40_000, 100_000)] {
        let ruleset = compile(&json!({"f": gate(&json!({"from": from, "to": to}))}), &json!({}));
        let count = chosen(&ruleset, "f").into_iter().filter(|is_in| *is_in).count();
        assert!(is_just(count, to - from), "{count} of {USERS} are let in from {from} to {to}");
    }
}

/// How much two choices of users have to do with each other: 0 is nothing, 1 and -1 everything.
fn phi(one: &[bool], other: &[bool]) -> f64 {
    let mut counts = [[0_u32; 2]; 2];
    for (one, other) in one.iter().zip(other) {
        counts[usize::from(*one)][usize::from(*other)] += 1;
    }
    let [[a, b], [c, d]] = counts.map(|row| row.map(f64::from));
    (a * d - b * c) / ((a + b) * (c + d) * (a + c) * (b + d)).sqrt()
}

/// Splits of several flags, the gate above one of them and a segment's share, all of half the users.
#[test]
fn flags_gates_and_segments_choose_their_users_independently() {
    let half = split(&[50_000, 50_000], &json!({}));
    let in_segment = json!([{"id": "r", "when": {"segment": "beta"}, "serve": {"variant": "a"}}]);
    let ruleset = compile(
        &json!({
            "new-checkout-flow": flag(&half, &json!([])), "dark-mode": flag(&half, &json!([])),
            "beta": flag(&half, &json!([])), "pricing-v2": flag(&half, &json!([])),
            "flag-2": flag(&half, &json!([])), "flag-3": flag(&half, &json!([])),
            "gate": gate(&json!({"to": 50_000, "salt": "new-checkout-flow:gate"})),
            "gated": gate(&json!({"to": 50_000})), "segment": flag(&json!({"variant": "b"}), &in_segment),
        }),
        &json!({"beta": {"included": [], "excluded": [], "when": {"bucket": {"to": 50_000}}}}),
    );
    let choices: Vec<(&str, Vec<bool>)> =
        ruleset.flags().map(|flag| (flag.key(), chosen(&ruleset, flag.key()))).collect();
    for (at, (one, chosen)) in choices.iter().enumerate() {
        for (other, chosen_by_other) in &choices[..at] {
            let phi = phi(chosen, chosen_by_other);
            assert!(phi.abs() < 0.02, "{one} and {other} have {phi} in common");
        }
    }
}

/// A segment holds the same people for every flag that names it.
#[test]
fn a_segment_holds_the_same_users_for_every_flag() {
    let rules = json!([{"id": "r", "when": {"segment": "beta"}, "serve": {"variant": "a"}}]);
    let named = flag(&json!({"variant": "b"}), &rules);
    let ruleset = compile(
        &json!({"f": named, "g": named}),
        &json!({"beta": {"included": [], "excluded": [], "when": {"bucket": {"to": 30_000}}}}),
    );
    assert_eq!(chosen(&ruleset, "f"), chosen(&ruleset, "g"));
}

/// The contract has `fnv1a` for old rollouts only, because with it they are not independent. If it were, the test
/// above would prove nothing.
#[test]
fn old_rollouts_are_not_independent() {
    let half = |salt: &str| -> Vec<bool> {
        (1..=USERS)
            .map(|user| bucket::place(Hash::Fnv1a, salt, &format!("user-{user}")) < WHOLE / 2)
            .collect()
    };
    let flags =
        ["new-checkout-flow", "dark-mode", "beta", "pricing-v2", "search", "flag-2", "flag-3", "flag-b"];
    let choices: Vec<Vec<bool>> = flags.iter().map(|flag| half(flag)).collect();
    let pairs = choices
        .iter()
        .enumerate()
        .flat_map(|(at, one)| choices[..at].iter().map(move |other| phi(one, other).abs()));
    let worst = pairs.fold(0.0, f64::max);
    assert!(worst > 0.1, "the worst have {worst} in common");
}
