//! Conditions and segments. Every part is looked at, also where another has decided already, so that a part that
//! is not known is found in every context.

use serde_json::{Map, Value};

use super::{Known, Unknown, World, hash, leaf, only, path, serve};

/// The deepest that a condition may be, a leaf counted.
const DEEPEST: usize = 16;

/// Where a condition stands.
pub(super) struct Place {
    /// The salt of a `bucket` condition that names none.
    pub(super) salt: String,
    /// The segments around it, outermost first.
    pub(super) around: Vec<String>,
}

/// Whether `node`, which is `depth` deep (1 at the top), holds.
pub(super) fn holds(world: &World<'_>, node: &Value, depth: usize, place: &Place) -> Known<bool> {
    let node = node.as_object().ok_or(Unknown)?;
    if depth > DEEPEST {
        return Err(Unknown);
    }
    if node.contains_key("attribute") {
        return leaf::holds(world, node);
    }
    let mut members = node.iter();
    match (members.next(), members.next()) {
        (Some((name, inside)), None) => match name.as_str() {
            "all" => Ok(!each(world, inside, depth, place)?.contains(&false)),
            "any" => Ok(each(world, inside, depth, place)?.contains(&true)),
            "not" => Ok(!holds(world, inside, depth + 1, place)?),
            "segment" => {
                let key = inside.as_str().ok_or(Unknown)?;
                let known = world.segments.borrow().get(key).copied();
                let holds = known.unwrap_or_else(|| segment(world, key, place));
                world.segments.borrow_mut().insert(key.to_owned(), holds);
                holds
            }
            "bucket" => bucket(world, inside.as_object().ok_or(Unknown)?, place),
            _ => Err(Unknown),
        },
        _ => Err(Unknown),
    }
}

fn each(world: &World<'_>, nodes: &Value, depth: usize, place: &Place) -> Known<Vec<bool>> {
    let nodes = nodes.as_array().ok_or(Unknown)?;
    nodes.iter().map(|node| holds(world, node, depth + 1, place)).collect()
}

fn bucket(world: &World<'_>, node: &Map<String, Value>, place: &Place) -> Known<bool> {
    only(node, &["from", "to", "by", "hash", "salt"])?;
    let from = serve::share(node.get("from").unwrap_or(&Value::from(0)))?;
    let to = serve::share(node.get("to").ok_or(Unknown)?)?;
    let hash = serve::hash_name(node)?;
    let salt = serve::salt(node, &place.salt)?;
    let paths = serve::by(node)?;
    if from > to {
        return Err(Unknown);
    }
    Ok(path::key(world.context, &paths)
        .is_some_and(|key| (from..to).contains(&hash::place(&hash, &salt, &key))))
}

fn segment(world: &World<'_>, key: &str, place: &Place) -> Known<bool> {
    if place.around.iter().any(|around| around == key) {
        return Err(Unknown);
    }
    let document = world.snapshot["segments"].get(key).and_then(Value::as_object).ok_or(Unknown)?;
    only(document, &["included", "excluded", "when", "needs"])?;
    super::needs(document)?;
    let unit = path::targeting_key(world.context);
    let included = is_listed(world, document.get("included"), unit.as_deref())?;
    let excluded = is_listed(world, document.get("excluded"), unit.as_deref())?;
    let inside = Place {
        salt: format!("{key}:segment"),
        around: place.around.iter().cloned().chain([key.to_owned()]).collect(),
    };
    let condition = match document.get("when") {
        Some(when) => holds(world, when, 1, &inside)?,
        None => false,
    };
    Ok(included || (!excluded && condition))
}

/// Reading: the bounds of a large list's keys are those of any key of a segment.
fn is_key(text: &str) -> bool {
    (1..=256).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Whether the targeting key stands in a list of keys, one inside the document or one that is a blob.
///
/// Reading: a blob of another count, or one that is not there, is not the list that is meant.
fn is_listed(world: &World<'_>, list: Option<&Value>, unit: Option<&str>) -> Known<bool> {
    let keys: Vec<&str> = match list {
        None => Vec::new(),
        Some(Value::Array(keys)) => keys
            .iter()
            .map(|key| key.as_str().filter(|key| is_key(key)).ok_or(Unknown))
            .collect::<Known<_>>()?,
        Some(Value::Object(blob)) => {
            only(blob, &["sha256", "count"])?;
            let count = serve::whole(blob.get("count").ok_or(Unknown)?).ok_or(Unknown)?;
            let sha256 = blob.get("sha256").and_then(Value::as_str).ok_or(Unknown)?;
            let keys = world.blobs.get(sha256).ok_or(Unknown)?;
            if usize::try_from(count) != Ok(keys.len()) {
                return Err(Unknown);
            }
            keys.iter().map(String::as_str).collect()
        }
        Some(_) => return Err(Unknown),
    };
    Ok(unit.is_some_and(|unit| keys.contains(&unit)))
}
