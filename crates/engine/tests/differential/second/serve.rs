//! What a rule or a default serves.

use serde_json::{Map, Value};

use super::{Known, Unknown, World, hash, only, path, text};

/// Everyone: the sum of a split's weights.
const WHOLE: i64 = 100_000;

/// What came out of a serve.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Served {
    Nothing,
    Variant(String),
    OfSplit(String),
    KeyMissing,
}

/// Reads a serve and asks it; `variants` are those of the flag.
///
/// Reading: who holds an assignment needs no key.
pub(super) fn serve(world: &World<'_>, flag: &str, document: &Value, variants: &[String]) -> Known<Served> {
    if document.is_null() {
        return Ok(Served::Nothing);
    }
    let document = document.as_object().ok_or(Unknown)?;
    if document.contains_key("variant") {
        only(document, &["variant"])?;
        return Ok(Served::Variant(variant(document, variants)?));
    }
    only(document, &["split", "by", "hash", "salt", "sticky", "track"])?;
    let shares = shares(document.get("split").ok_or(Unknown)?, variants)?;
    let (paths, hash, salt) = (by(document)?, hash_name(document)?, salt(document, flag)?);
    let sticky = truth(document, "sticky")?;
    truth(document, "track")?;
    if let Some((variant, _)) = shares.iter().find(|(_, weight)| *weight == WHOLE) {
        return Ok(Served::OfSplit(variant.clone()));
    }
    if let Some(assigned) = world.assignments.get(flag).filter(|_| sticky)
        && shares.iter().any(|(variant, weight)| variant == assigned && *weight > 0)
    {
        return Ok(Served::OfSplit(assigned.clone()));
    }
    let Some(key) = path::key(world.context, &paths) else {
        return Ok(Served::KeyMissing);
    };
    let place = hash::place(&hash, &salt, &key);
    let mut above = 0;
    for (variant, weight) in &shares {
        above += weight;
        if place < above {
            return Ok(Served::OfSplit(variant.clone()));
        }
    }
    Err(Unknown)
}

/// The variants of a split with their weights, in its order.
fn shares(split: &Value, variants: &[String]) -> Known<Vec<(String, i64)>> {
    let mut shares: Vec<(String, i64)> = Vec::new();
    for share in split.as_array().ok_or(Unknown)? {
        let share = share.as_object().ok_or(Unknown)?;
        only(share, &["variant", "weight"])?;
        let variant = variant(share, variants)?;
        let weight = self::share(share.get("weight").ok_or(Unknown)?)?;
        if shares.iter().any(|(other, _)| *other == variant) {
            return Err(Unknown);
        }
        shares.push((variant, weight));
    }
    let sum: i64 = shares.iter().map(|(_, weight)| weight).sum();
    if sum == WHOLE { Ok(shares) } else { Err(Unknown) }
}

/// The member `variant`, which must name a variant of the flag.
pub(super) fn variant(document: &Map<String, Value>, variants: &[String]) -> Known<String> {
    let variant = document.get("variant").and_then(Value::as_str).ok_or(Unknown)?;
    if variants.iter().any(|other| other == variant) { Ok(variant.to_owned()) } else { Err(Unknown) }
}

/// A whole number, however it was written: `1`, `1.0`, `1e0`.
pub(super) fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let written_otherwise = value.as_f64().filter(|number| number.abs() < 1e15)?;
        let digits = text::of_number(written_otherwise);
        digits.parse().ok()
    })
}

/// A whole number of `0..=100_000`.
pub(super) fn share(value: &Value) -> Known<i64> {
    whole(value).filter(|share| (0..=WHOLE).contains(share)).ok_or(Unknown)
}

/// The paths that give the key: one to four, none of them empty.
pub(super) fn by(document: &Map<String, Value>) -> Known<Vec<String>> {
    let paths: Vec<String> = match document.get("by") {
        None => vec!["targetingKey".to_owned()],
        Some(Value::String(path)) => vec![path.clone()],
        Some(Value::Array(paths)) => {
            paths.iter().map(|path| path.as_str().map(str::to_owned).ok_or(Unknown)).collect::<Known<_>>()?
        }
        Some(_) => return Err(Unknown),
    };
    let reads = (1..=4).contains(&paths.len()) && paths.iter().all(|path| !path.is_empty());
    if reads { Ok(paths) } else { Err(Unknown) }
}

/// The hash, one of those known.
pub(super) fn hash_name(document: &Map<String, Value>) -> Known<String> {
    let name = document.get("hash").map_or(Some("murmur3"), Value::as_str).ok_or(Unknown)?;
    if hash::NAMES.contains(&name) { Ok(name.to_owned()) } else { Err(Unknown) }
}

/// The salt that was set, or `otherwise`.
pub(super) fn salt(document: &Map<String, Value>, otherwise: &str) -> Known<String> {
    document.get("salt").map_or(Some(otherwise), Value::as_str).map(str::to_owned).ok_or(Unknown)
}

fn truth(document: &Map<String, Value>, name: &str) -> Known<bool> {
    document.get(name).map_or(Some(false), Value::as_bool).ok_or(Unknown)
}
