//! People made up, the same ones each time: no chance is asked.

use engine::Context;
use engine::bucket;
use engine::json::{At, Violations};
use engine::model::Hash;
use serde_json::{Map, Value};

/// No more people than this are made up.
const MOST_PEOPLE: u32 = 100_000;
/// None has more attributes than this.
const MOST_ATTRIBUTES: usize = 32;
/// No attribute has more different values than this.
const MOST_VALUES: usize = 1_000;
/// No value is heavier than this.
const MOST_WEIGHT: u32 = 1_000_000;
/// No longer are a targeting key, an attribute's name and a value, in bytes.
const MOST_TEXT: usize = 256;
/// Stands for a number in a targeting key.
const NUMBER: &str = "{n}";
const USUAL_KEY: &str = "user-{n}";

/// People who differ in their targeting keys, and in attributes by given weights.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Population {
    count: u32,
    targeting_key: String,
    attributes: Vec<Attribute>,
}

#[derive(Debug, Clone, PartialEq)]
struct Attribute {
    name: String,
    /// Each with the sum of the weights up to it.
    values: Vec<(String, u64)>,
}

impl Population {
    /// Reads `{"count", "targeting_key"?: "user-{n}", "attributes"?: {name: {value: weight}}}`.
    pub(super) fn read(at: At<'_>, violations: &mut Violations) -> Option<Self> {
        let object = at.object(violations)?;
        let count = object.require(violations, "count").and_then(|at| read_count(at, violations));
        let targeting_key = object.optional(violations, "targeting_key", read_key);
        let attributes = object.optional(violations, "attributes", |at, violations| {
            at.each_member(violations, MOST_ATTRIBUTES, Attribute::read)
        });
        object.deny_unknown(violations);
        let targeting_key = targeting_key?.unwrap_or_else(|| USUAL_KEY.to_owned());
        Some(Self { count: count?, targeting_key, attributes: attributes?.unwrap_or_default() })
    }

    /// Each of them, numbered from 1.
    pub(super) fn contexts(self) -> impl Iterator<Item = Context> {
        (1..=self.count).map(move |number| {
            let key = self.targeting_key.replace(NUMBER, &number.to_string());
            let attributes = self
                .attributes
                .iter()
                .map(|attribute| (attribute.name.clone(), Value::from(attribute.value_of(&key))));
            let mut attributes: Map<_, _> = attributes.collect();
            attributes.insert("targetingKey".to_owned(), key.into());
            Context::new(attributes)
        })
    }
}

impl Attribute {
    fn read(name: &str, at: At<'_>, violations: &mut Violations) -> Option<Self> {
        if name.is_empty() || name.len() > MOST_TEXT || name.starts_with('$') {
            let message = format_args!("must be named in 1 to {MOST_TEXT} bytes, and not begin with $");
            at.fault(violations, message);
        } else if name == "targetingKey" {
            at.fault(violations, "is made from population.targeting_key; say it there");
        }
        let mut sum = 0;
        let values = at.each_member(violations, MOST_VALUES, |value, at, violations| {
            if value.len() > MOST_TEXT {
                at.fault(violations, format_args!("a value has at most {MOST_TEXT} bytes"));
            }
            let weight: u32 = at.whole(violations, "0 to 1000000")?;
            if weight > MOST_WEIGHT {
                at.fault(violations, format_args!("is beyond {MOST_WEIGHT}"));
            }
            sum += u64::from(weight);
            Some((value.to_owned(), sum))
        })?;
        if sum == 0 {
            at.fault(violations, "needs at least one value with a weight above 0");
            return None;
        }
        Some(Self { name: name.to_owned(), values })
    }

    /// The value that a key is given. The salt keeps this apart from what any flag does with the same key.
    fn value_of(&self, key: &str) -> &str {
        let digest = bucket::digest(Hash::Murmur3, &format!("population:{}", self.name), key);
        let sum = self.values.last().map_or(0, |(_, sum)| *sum);
        // The upper half of the product, so below the sum.
        let place = (u64::from(digest) * sum) >> 32;
        let at = self.values.partition_point(|(_, up_to)| *up_to <= place);
        self.values.get(at).map_or("", |(value, _)| value)
    }
}

fn read_count(at: At<'_>, violations: &mut Violations) -> Option<u32> {
    let count = at.whole(violations, "1 to 100000")?;
    if !(1..=MOST_PEOPLE).contains(&count) {
        at.fault(violations, format_args!("must be 1 to {MOST_PEOPLE}"));
        return None;
    }
    Some(count)
}

fn read_key(at: At<'_>, violations: &mut Violations) -> Option<String> {
    let key = at.text(violations)?;
    if key.len() > MOST_TEXT || !key.contains(NUMBER) {
        let message =
            format_args!("must have at most {MOST_TEXT} bytes, with {NUMBER} where the number goes");
        at.fault(violations, message);
        return None;
    }
    Some(key.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn read(document: &Value) -> Result<Population, Vec<String>> {
        let mut violations = Violations::default();
        let population = Population::read(At::root(document), &mut violations);
        let faults = violations.into_result(population);
        faults.map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn people_are_the_same_each_time_and_as_many_as_their_weights() {
        let document = json!({
            "count": 10_000, "targeting_key": "{n}@example.com",
            "attributes": {"country": {"DE": 3, "FR": 1, "IT": 0}, "plan.name": {"gold": 1, "free": 9}},
        });
        let population = read(&document).unwrap();
        let people: Vec<_> = population.clone().contexts().collect();
        assert_eq!(people, population.contexts().collect::<Vec<_>>());
        assert_eq!((people.len(), people[41].targeting_key()), (10_000, Some("42@example.com")));
        let mut counts: BTreeMap<(&str, &str), u32> = BTreeMap::new();
        for person in &people {
            for (name, value) in person.attributes().filter(|(name, _)| *name != "targetingKey") {
                *counts.entry((name, value.as_str().unwrap())).or_default() += 1;
            }
        }
        let about = |name, value, share: u32| {
            let count = counts.get(&(name, value)).copied().unwrap_or_default();
            assert!(count.abs_diff(share * 100) <= 200, "{name} {value}: {count}");
        };
        about("country", "DE", 75);
        about("country", "FR", 25);
        about("plan.name", "gold", 10);
        assert!(!counts.contains_key(&("country", "IT")));
        // One attribute says nothing of another.
        let both = people.iter().filter(|person| {
            let has = |value| person.attributes().any(|(_, other)| other == value);
            has("FR") && has("gold")
        });
        assert!((200..300).contains(&both.count()));
    }

    #[test]
    fn what_is_wrong_is_told_at_once() {
        let faults = read(&json!({
            "count": 100_001, "targeting_key": "user", "size": 3,
            "attributes": {
                "$now": {"a": 1}, "targetingKey": {"a": 1}, "plan": {"gold": 0}, "country": {"DE": -1, "FR": "1"}, "os": [],
            },
        }))
        .unwrap_err();
        for path in [
            "count:",
            "targeting_key:",
            "size:",
            "attributes.$now:",
            "attributes.targetingKey:",
            "attributes.plan:",
            "attributes.country.DE:",
            "attributes.country.FR:",
            "attributes.os:",
        ] {
            assert!(faults.iter().any(|fault| fault.starts_with(path)), "{path} {faults:#?}");
        }
        assert_eq!(faults.len(), 9, "{faults:#?}");
    }
}
