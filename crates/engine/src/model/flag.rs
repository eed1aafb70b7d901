//! A flag as one environment sees it: its definition and that environment's config, in one.

use std::fmt::Display;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::json::{nearest, shortened, type_name, whole};

use super::{Condition, Read, Revision, Serve};

/// No value nests deeper than this. JSON readers stop at 128 levels, and a value travels inside other documents.
const MOST_VALUE_DEPTH: usize = 32;
/// The whole numbers up to this, either way, are doubles of their own.
const MOST_WHOLE: f64 = 9_007_199_254_740_991.0;

/// A flag with its config in one environment. Members that it does not know are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flag {
    /// Type of all its values.
    pub kind: Kind,
    /// Revision of the last change to the flag or its config here.
    pub version: Revision,
    /// Whether it is raised. A flag that is not serves `off_variant` to everyone.
    pub enabled: bool,
    /// Out of use: serves `off_variant` like one that is not enabled.
    #[serde(default)]
    pub archived: bool,
    /// Whether client-kind keys may see its results.
    #[serde(default)]
    pub client_visible: bool,
    /// Its values, by name.
    pub variants: Vec<Variant>,
    /// The variant served when it is not enabled; `None` serves nothing.
    #[serde(default)]
    pub off_variant: Option<String>,
    /// Flags that must have given certain variants first, in the order in which they are asked.
    #[serde(default)]
    pub prerequisites: Read<Vec<Prerequisite>>,
    /// Targeting keys that are given a variant by name.
    #[serde(default)]
    pub targets: Read<Vec<Target>>,
    /// Tried in order of priority, then of this list. One that does not read never holds.
    #[serde(default)]
    pub rules: Vec<Read<Rule>>,
    /// What is served when no target or rule says otherwise.
    pub default: Read<Serve>,
    /// Abilities that a reader must have to answer for this flag.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
}

/// The type of a flag's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A text.
    String,
    /// A number; whole ones within ±(2^53−1).
    Number,
    /// A JSON object or list.
    Object,
}

impl Kind {
    /// Whether a value is of this kind, and no deeper than every reader can read.
    pub(crate) fn check(self, value: &Value) -> Result<(), String> {
        let expected = match (self, value) {
            (Self::Object, Value::Object(_) | Value::Array(_)) if is_deeper(value, MOST_VALUE_DEPTH) => {
                return Err(format!("is nested deeper than {MOST_VALUE_DEPTH} levels"));
            }
            (Self::Boolean, Value::Bool(_))
            | (Self::String, Value::String(_))
            | (Self::Object, Value::Object(_) | Value::Array(_)) => return Ok(()),
            (Self::Number, Value::Number(number)) => {
                let number = number.as_f64().unwrap_or(f64::INFINITY);
                if number.fract() == 0.0 && number.abs() > MOST_WHOLE || !number.is_finite() {
                    return Err(format!(
                        "whole numbers go from -{MOST_WHOLE} to {MOST_WHOLE}; serve a text instead"
                    ));
                }
                return Ok(());
            }
            (Self::Boolean, _) => "true or false",
            (Self::String, _) => "a text",
            (Self::Number, _) => "a number",
            (Self::Object, _) => "an object or a list",
        };
        Err(format!("must be {expected}, as all values of this flag are, not {}", type_name(value)))
    }
}

/// Whether lists and objects stand in one another more than `most` times. Looks no further than that.
fn is_deeper(value: &Value, most: usize) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if most == 0 => true,
        Value::Array(list) => list.iter().any(|value| is_deeper(value, most - 1)),
        Value::Object(members) => members.values().any(|value| is_deeper(value, most - 1)),
        _ => false,
    }
}

/// A named value. Members that it does not know are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Its name within the flag.
    pub key: String,
    /// Its value, of the flag's kind.
    pub value: Value,
}

/// Another flag, and the variants of it that let this one go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prerequisite {
    /// Key of the other flag.
    pub flag: String,
    /// Any of these will do.
    pub variants: Vec<String>,
}

/// Targeting keys that are given one variant. A key stands under one variant only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// What they are given.
    pub variant: String,
    /// Exact, case-sensitive targeting keys.
    pub keys: Vec<String>,
}

/// A condition and what to serve where it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Names the rule in results and in the log; unique in its config.
    pub id: String,
    /// Lower is tried first.
    #[serde(default, deserialize_with = "read_priority")]
    pub priority: i32,
    /// When it holds. Without one it holds for everyone.
    #[serde(default = "everyone")]
    pub when: Condition,
    /// What is served then.
    pub serve: Serve,
}

fn read_priority<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let priority = whole(&value).and_then(|priority| i32::try_from(priority).ok());
    priority.ok_or_else(|| D::Error::custom("priority must be a whole number (-2147483648 to 2147483647)"))
}

fn everyone() -> Condition {
    Condition::All(Vec::new())
}

/// Says that a flag has no such variant, which it has, and which of them may be meant.
pub(crate) fn no_variant(variant: &str, flag: impl Display, variants: &[Variant]) -> String {
    const MOST_NAMED: usize = 10;
    let own: Vec<_> = variants.iter().map(|own| own.key.as_str()).collect();
    let named = own.get(..MOST_NAMED).unwrap_or(&own).join(", ");
    let has = match own.len() {
        0 => "none".to_owned(),
        count if count > MOST_NAMED => format!("{named} and {} more", count - MOST_NAMED),
        _ => named,
    };
    let meant = nearest(variant, &own).map_or_else(String::new, |near| format!("; did you mean {near}?"));
    format!("{:?} is not a variant of {flag}, which has {has}{meant}", shortened(variant))
}
