//! The same flags and callers in Unleash's words, and whether both engines mean the same by them.

use std::collections::HashMap;

use anyhow::{Result, bail};
use bench_engine::flags::{ABOVE_VERSION, COUNTRIES, PREFIXES};
use bench_engine::{Caller, Sort, flags};
use engine::{KeyLists, Ruleset};
use serde_json::{Value, json};
use unleash_types::client_features::{ClientFeatures, ClientFeaturesDelta};
use unleash_yggdrasil::{Context, EngineState};

/// The flag at a place, as Unleash's server describes it.
fn feature(place: usize) -> Value {
    let key = flags::key(place);
    let constrained = |constraint: Value| json!([{"name": "default", "constraints": [constraint]}]);
    let rollout = |percent: &str, variants: Value| {
        let parameters = json!({"rollout": percent, "stickiness": "default", "groupId": key});
        json!([{"name": "flexibleRollout", "parameters": parameters, "constraints": [], "variants": variants}])
    };
    let half = |name: &str, value: &str| {
        let payload = json!({"type": "string", "value": value});
        json!({"name": name, "weight": 500, "stickiness": "default", "payload": payload})
    };
    let strategies = match Sort::at(place) {
        Sort::NoRule => json!([]),
        Sort::OneIn => constrained(json!({"contextName": "country", "operator": "IN", "values": COUNTRIES})),
        Sort::HalfSplit => rollout("50", json!([])),
        Sort::Segment => json!([{"name": "default", "constraints": [], "segments": [1]}]),
        Sort::Semver => {
            constrained(json!({"contextName": "version", "operator": "SEMVER_GT", "value": ABOVE_VERSION}))
        }
        Sort::StartsWith => constrained(json!({
            "contextName": "email", "operator": "STR_STARTS_WITH", "caseInsensitive": true, "values": PREFIXES,
        })),
        Sort::Texts => rollout("100", json!([half("blue", "#00f"), half("green", "#0f0")])),
    };
    json!({
        "name": key, "type": "release", "enabled": true, "project": "default", "stale": false,
        "impressionData": false, "strategies": strategies, "variants": [],
    })
}

/// All that Unleash's server sends for this many flags.
pub(crate) fn features(flags: usize) -> Result<ClientFeatures> {
    let constraint = json!({"contextName": "userId", "operator": "IN", "values": flags::segment_keys()});
    Ok(serde_json::from_value(json!({
        "version": 2, "features": (0..flags).map(feature).collect::<Vec<_>>(),
        "segments": [{"id": 1, "constraints": [constraint]}],
    }))?)
}

/// What it sends when the flag at a place changed.
pub(crate) fn change(place: usize) -> Result<ClientFeaturesDelta> {
    let event = json!({"type": "feature-updated", "eventId": 2, "feature": feature(place)});
    Ok(serde_json::from_value(json!({"events": [event]}))?)
}

/// An engine with this many flags.
pub(crate) fn state(flags: usize) -> Result<EngineState> {
    let state = EngineState::default();
    if let Some(warnings) = state.apply_client_features(features(flags)?) {
        bail!("Yggdrasil does not compile all flags: {} warnings", warnings.len());
    }
    Ok(state)
}

/// A caller as Yggdrasil is told of it.
pub(crate) fn context(caller: &Caller) -> Context {
    let properties = caller.attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    Context {
        user_id: Some(caller.key.clone()),
        properties: Some(properties.collect::<HashMap<_, _>>()),
        ..Context::default()
    }
}

/// Fails where a flag is not on for the same callers in both engines. Halves are made by different hashes:
/// there as many callers must be in, not the same.
pub(crate) fn check_agreement() -> Result<()> {
    const CALLERS: usize = 2_000;
    let count = Sort::ALL.len();
    let (ours, theirs) = (Ruleset::compile(&flags::snapshot(count)?, &KeyLists::default()), state(count)?);
    for place in 0..count {
        let (key, sort) = (flags::key(place), Sort::at(place));
        let answers = (0..CALLERS).map(|number| {
            let caller = Caller::nth(number);
            let (our_context, their_context) = (caller.context(), context(&caller));
            let ours = ours.evaluate(&key, &our_context);
            if sort == Sort::Texts {
                let variant = theirs.get_variant(&key, &their_context, &None);
                return (ours.variant() == Some("blue"), variant.enabled && variant.name == "blue");
            }
            (ours.value() == Some(&json!(true)), theirs.is_enabled(&key, &their_context, &None))
        });
        let answers: Vec<_> = answers.collect();
        let (our_on, their_on) = answers.iter().fold((0, 0), |(one, other), (ours, theirs)| {
            (one + usize::from(*ours), other + usize::from(*theirs))
        });
        let agree = if [Sort::HalfSplit, Sort::Texts].contains(&sort) {
            let half = CALLERS * 45 / 100..=CALLERS * 55 / 100;
            half.contains(&our_on) && half.contains(&their_on)
        } else {
            our_on > 0 && answers.iter().all(|(ours, theirs)| ours == theirs)
        };
        if !agree {
            bail!("{}: on for {our_on} callers here and for {their_on} there", sort.name());
        }
    }
    Ok(())
}
