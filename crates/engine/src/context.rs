//! What the caller knows of a request, and how a condition finds something in it.

use serde_json::{Map, Value};

use crate::lookup::{Name, hash};
use crate::text::{NumberText, same, start};

/// The name of the attribute that says who is asking.
const TARGETING_KEY: &str = "targetingKey";
/// What the names that the product keeps for itself begin with.
const RESERVED: char = '$';
/// A path of more parts than this is looked up by its full name only.
const MOST_PARTS: usize = 8;
/// Up to this many attributes are looked through one after the other.
const FEW: usize = 16;

/// The caller's attributes, `OpenFeature`'s evaluation context: made once, asked many times.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Context {
    /// Ascending by name, as the JSON object was.
    attributes: Vec<Named>,
    /// A text, or null.
    targeting_key: Value,
    targeting_hash: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct Named {
    start: u64,
    name: String,
    value: Value,
}

impl Context {
    /// No door takes a larger one, in bytes of its JSON.
    pub const MOST_BYTES: usize = 64 << 10;

    /// A context of these attributes. Those whose names begin with `$` are reserved and dropped.
    pub fn new(given: Map<String, Value>) -> Self {
        let mut attributes = Vec::with_capacity(given.len());
        let kept = given.into_iter().filter(|(name, _)| !name.starts_with(RESERVED));
        attributes.extend(kept.map(|(name, value)| Named { start: start(&name), name, value }));
        // A map keeps this order already, unless whoever builds the program told the library otherwise.
        attributes.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let mut context = Self { attributes, ..Self::default() };
        let value = context.find(start(TARGETING_KEY), TARGETING_KEY);
        let key =
            value.and_then(|value| Attribute::of(value).key(&mut NumberText::default()).map(String::from));
        context.targeting_hash = key.as_deref().map_or(0, hash);
        context.targeting_key = key.into();
        context
    }

    /// A context that says who is asking, and nothing else.
    pub fn for_key(targeting_key: &str) -> Self {
        Self::new(Map::from_iter([(TARGETING_KEY.to_owned(), Value::from(targeting_key))]))
    }

    /// What was kept of the caller's attributes, word for word, ascending by name.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.attributes.iter().map(|one| (one.name.as_str(), &one.value))
    }

    /// Who is asking: the attribute `targetingKey`, a number or boolean as its text. An empty text, `null`,
    /// a list and an object name nobody.
    #[inline]
    pub fn targeting_key(&self) -> Option<&str> {
        self.targeting_key.as_str()
    }

    /// The targeting key, to be looked up.
    #[inline]
    pub(crate) fn targeting_name(&self) -> Option<Name<'_>> {
        self.targeting_key().map(|key| Name::hashed(key, self.targeting_hash))
    }

    /// What stands at `path`; null if nothing does.
    #[inline]
    pub(crate) fn value(&self, path: &Path) -> &Value {
        let found = if path.is_short && self.attributes.len() <= FEW {
            let is_it = |one: &&Named| one.start == path.start && one.name.len() == path.name.len();
            self.attributes.iter().find(is_it).map(|one| &one.value)
        } else {
            self.find_at(path)
        };
        found.unwrap_or(&Value::Null)
    }

    fn find_at(&self, path: &Path) -> Option<&Value> {
        if path.is_targeting_key {
            return Some(&self.targeting_key);
        }
        // Present under its full name, `null` included, ends the search.
        match self.find(path.start, &path.name) {
            Some(value) => Some(value),
            None if path.parts.is_empty() => None,
            None => self.walk(path),
        }
    }

    /// What stands at `path`, for who wants to see it; none if nothing does. `null` is shown, though it counts as
    /// missing.
    pub(crate) fn seen(&self, path: &str) -> Option<&Value> {
        let path = Path::new(path);
        self.find_at(&path).filter(|value| !(path.is_targeting_key && value.is_null()))
    }

    /// The attribute of a name that begins with `start`.
    #[inline]
    fn find(&self, start: u64, name: &str) -> Option<&Value> {
        if self.attributes.len() > FEW {
            let place = self.attributes.binary_search_by(|one| one.name.as_str().cmp(name)).ok()?;
            return self.attributes.get(place).map(|found| &found.value);
        }
        let found = self.attributes.iter().find(|one| same(one.start, &one.name, start, name))?;
        Some(&found.value)
    }

    fn walk(&self, path: &Path) -> Option<&Value> {
        let (first, rest) = path.parts.split_first()?;
        let from = self.find(start(first), first)?;
        rest.iter().try_fold(from, |value, part| value.as_object()?.get(&**part))
    }
}

/// A path of an attribute, split once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    name: Box<str>,
    start: u64,
    is_targeting_key: bool,
    /// One name of at most eight bytes, all of which are in its start: most are.
    is_short: bool,
    /// Names of the objects on the way and of the attribute; empty where only the full name counts.
    parts: Box<[Box<str>]>,
}

impl Path {
    pub(crate) fn new(name: &str) -> Self {
        let walks = (2..=MOST_PARTS).contains(&name.split('.').count())
            // An object there is no targeting key, and nothing else either.
            && name.split('.').next() != Some(TARGETING_KEY);
        let parts: Box<[_]> = if walks { name.split('.').map(Box::from).collect() } else { Box::default() };
        let is_short = name.len() <= 8 && parts.is_empty();
        Self {
            name: name.into(),
            start: start(name),
            is_targeting_key: name == TARGETING_KEY,
            is_short,
            parts,
        }
    }
}

/// An attribute as conditions and splits see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Attribute<'a> {
    /// Absent, or `null`.
    Missing,
    Text(&'a str),
    /// Finite.
    Number(f64),
    Boolean(bool),
    List(&'a [Value]),
    Object,
}

impl<'a> Attribute<'a> {
    #[inline]
    pub(crate) fn of(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Missing,
            Value::Bool(boolean) => Self::Boolean(*boolean),
            Value::Number(number) => {
                number.as_f64().filter(|number| number.is_finite()).map_or(Self::Missing, Self::Number)
            }
            Value::String(text) => Self::Text(text),
            Value::Array(elements) => Self::List(elements),
            Value::Object(_) => Self::Object,
        }
    }

    /// Whether it names a unit to be bucketed.
    pub(crate) fn is_key(self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Number(_) | Self::Boolean(_) => true,
            Self::Missing | Self::List(_) | Self::Object => false,
        }
    }

    /// The unit that it names, as text.
    pub(crate) fn key<'t>(self, number_text: &'t mut NumberText) -> Option<&'t str>
    where
        'a: 't,
    {
        match self {
            Self::Text(text) => Some(text).filter(|text| !text.is_empty()),
            Self::Number(number) => Some(number_text.of(number)),
            Self::Boolean(true) => Some("true"),
            Self::Boolean(false) => Some("false"),
            Self::Missing | Self::List(_) | Self::Object => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn context(attributes: Value) -> Context {
        match attributes {
            Value::Object(attributes) => Context::new(attributes),
            _ => panic!("a context is an object"),
        }
    }

    #[test]
    fn a_targeting_key_is_a_text_a_number_or_a_boolean() {
        for (value, key) in [
            (json!("user-1"), Some("user-1")),
            (json!(" "), Some(" ")),
            (json!(42), Some("42")),
            (json!(42.0), Some("42")),
            (json!(1e21), Some("1e+21")),
            (json!(true), Some("true")),
            (json!(""), None),
            (json!(null), None),
            (json!(["user-1"]), None),
            (json!({"id": "user-1"}), None),
        ] {
            let context = context(json!({"targetingKey": value}));
            assert_eq!(context.targeting_key(), key, "{value}");
            assert_eq!(context.value(&Path::new("targetingKey")), &json!(key), "{value}");
        }
        assert_eq!(Context::for_key("user-1").targeting_key(), Some("user-1"));
        assert_eq!(Context::default().targeting_key(), None);
    }

    #[test]
    fn reserved_names_are_dropped_and_the_rest_is_kept_word_for_word() {
        let context = context(json!({"$now": 1, "$": 2, "a$": 3, "o": {"$in": 4}, "targetingKey": 7}));
        assert_eq!(
            context.attributes().map(|(name, value)| (name.to_owned(), value.clone())).collect::<Value>(),
            json!({"a$": 3, "o": {"$in": 4}, "targetingKey": 7})
        );
        assert_eq!(context.value(&Path::new("$now")), &Value::Null);
    }

    #[test]
    fn a_path_is_a_full_name_before_it_is_a_way() {
        let context = context(json!({
            "a.b": 1, "a": {"b": 2, "c": {"d": 3}, "": {"x": 9}}, "n.b": null, "n": {"b": 4}, "l": [{"b": 5}],
            "p": {"q.r": 6}, "targetingKey": {"id": "u"},
            "1": {"2": {"3": {"4": {"5": {"6": {"7": {"8": "eight", "8.9": 0}}}}}}},
        }));
        let at = |path: &str| Attribute::of(context.value(&Path::new(path)));
        assert_eq!(at("a.b"), Attribute::Number(1.0));
        assert_eq!(at("a.c.d"), Attribute::Number(3.0));
        assert_eq!(at("a..x"), Attribute::Number(9.0));
        assert_eq!(at("n.b"), Attribute::Missing, "null under the full name ends the search");
        assert_eq!(at("l.b"), Attribute::Missing, "only objects are walked through");
        assert_eq!(at("l.0.b"), Attribute::Missing);
        assert_eq!(at("p.q.r"), Attribute::Missing, "inside, each part is one name");
        assert_eq!(at("a.c"), Attribute::Object);
        assert_eq!(at("1.2.3.4.5.6.7.8"), Attribute::Text("eight"));
        assert_eq!(at("1.2.3.4.5.6.7.8.9"), Attribute::Missing);
        assert_eq!(at("targetingKey.id"), Attribute::Missing);
    }
}
