//! Reading what people write about a flag: the long forms that travel, and the short ones that do not.

use engine::json::{At, Object, Violations};
use engine::model::{
    Condition, Kind, Leaf, Operands, Operator, Rule, Serve, Split, Target, Variant, WHOLE, Weighted,
};
use engine::model::{read_attribute, read_value, read_values};
use serde_json::Value;

use super::{Config, Flag, FlagHere};
use crate::id::Id;
use crate::input::{bounded_text, or_empty, text_of};

const MOST_NAME: usize = 256;
const MOST_DESCRIPTION: usize = 4_096;
const MOST_TAGS: usize = 100;
const MOST_TAG: usize = 64;
const MOST_VARIANTS: usize = 1_000;
const MOST_RULES: usize = 1_000;
const MOST_KEYS: usize = 10_000;

/// Members that answers carry and requests may send back; they mean nothing there.
const READ_ONLY: [&str; 5] = ["id", "version", "flag_version", "created_at", "updated_at"];

/// A flag in one environment while it is being written. `new_id` names rules that come without an id.
pub(super) struct Draft<'a> {
    pub flag: Flag,
    pub config: Config,
    pub new_id: &'a dyn Fn() -> Id,
}

impl Draft<'_> {
    /// Takes over the members that the document names, and keeps the others.
    pub(super) fn apply(&mut self, object: &Object<'_>, violations: &mut Violations) {
        object.ignore(&READ_ONLY);
        object.ignore(&["key", "kind"]);
        if let Some(prerequisites) = object.get("prerequisites")
            && !prerequisites.value().as_array().map_or(prerequisites.is_null(), Vec::is_empty)
        {
            prerequisites
                .fault(violations, "prerequisites are not understood by this version; leave them out");
        }
        self.apply_definition(object, violations);
        if let Some(enabled) = object.get("enabled") {
            self.config.enabled = enabled.boolean(violations).unwrap_or_default();
        }
        self.apply_default(object, violations);
        self.apply_targets(object, violations);
        if let Some(rules) = object.get("rules") {
            self.config.rules = or_empty(rules, violations, |at, violations| {
                at.each(violations, MOST_RULES, |at, violations| self.read_rule(at, violations))
            });
        }
        // Last, because the rules and the default may have made the variant that it names.
        if let Some(off) = object.get("off_variant") {
            self.config.off_variant = (!off.is_null()).then(|| text_of(off, violations));
        }
        object.deny_unknown(violations);
    }

    fn apply_definition(&mut self, object: &Object<'_>, violations: &mut Violations) {
        if let Some(name) = object.get("name") {
            self.flag.name = bounded_text(name, MOST_NAME, violations);
        }
        if let Some(description) = object.get("description") {
            self.flag.description = bounded_text(description, MOST_DESCRIPTION, violations);
        }
        if let Some(visible) = object.get("client_visible") {
            self.flag.client_visible = visible.boolean(violations).unwrap_or_default();
        }
        if let Some(variants) = object.get("variants") {
            self.flag.variants = or_empty(variants, violations, |at, violations| {
                at.each(violations, MOST_VARIANTS, read_variant)
            });
        }
        if let Some(tags) = object.get("tags") {
            let mut tags =
                or_empty(tags, violations, |at, violations| at.each(violations, MOST_TAGS, read_tag));
            tags.sort_unstable();
            tags.dedup();
            self.flag.tags = tags;
        }
    }

    /// `default`, or one of its short forms.
    fn apply_default(&mut self, object: &Object<'_>, violations: &mut Violations) {
        let forms = ["default", "default_value", "rollout_percentage"];
        object.ignore(&forms);
        if forms.iter().filter(|form| object.has(form)).count() > 1 {
            object.fault(
                violations,
                "default, default_value and rollout_percentage exclude one another; give one",
            );
        }
        let serve = if let Some(default) = object.get("default") {
            Serve::read(default, violations)
        } else if let Some(value) = object.get("default_value") {
            self.variant_of(value, violations).map(Serve::Variant)
        } else if let Some(percentage) = object.get("rollout_percentage") {
            self.read_rollout(percentage, violations)
        } else {
            None
        };
        if let Some(serve) = serve {
            self.config.default = serve;
        }
    }

    /// A percentage (three decimals) of `true`, the rest `false`.
    fn read_rollout(&self, at: At<'_>, violations: &mut Violations) -> Option<Serve> {
        let weight =
            at.value().as_f64().filter(|percentage| (0.0..=100.0).contains(percentage)).and_then(to_weight);
        let Some(weight) = weight else {
            at.fault(violations, "must be a number from 0 to 100 with at most three decimals");
            return None;
        };
        let on = self.variant_with(&Value::Bool(true));
        let off = self.variant_with(&Value::Bool(false));
        let (Some(on), Some(off)) = (on, off) else {
            at.fault(
                violations,
                "needs a boolean flag with a variant for true and one for false; write default.split",
            );
            return None;
        };
        let share = |variant, weight| Weighted { variant, weight };
        Some(Serve::Split(Split::new(vec![share(on, weight), share(off, WHOLE - weight)])))
    }

    /// `targets`, or the short form for keys that are given `true`.
    fn apply_targets(&mut self, object: &Object<'_>, violations: &mut Violations) {
        object.ignore(&["targets", "targeted_users"]);
        if object.has("targets") && object.has("targeted_users") {
            object.fault(violations, "targets and targeted_users exclude one another; give one");
        }
        if let Some(targets) = object.get("targets") {
            self.config.targets = or_empty(targets, violations, |at, violations| {
                at.each(violations, MOST_VARIANTS, read_target)
            });
        } else if let Some(users) = object.get("targeted_users") {
            let Some(variant) = self.variant_with(&Value::Bool(true)) else {
                users.fault(violations, "needs a boolean flag with a variant for true; write targets");
                return;
            };
            let keys = or_empty(users, violations, read_keys);
            let others = |target: &Target| target.variant != variant && !target.keys.is_empty();
            self.config.targets.retain(others);
            if !keys.is_empty() {
                self.config.targets.push(Target { variant, keys });
            }
        }
    }

    /// A rule in its long form (`when`, `serve`) or its short one (`attribute`, `operator`, `value`, `variant`).
    fn read_rule(&mut self, at: At<'_>, violations: &mut Violations) -> Option<Rule> {
        let object = at.object(violations)?;
        let id = object.optional(violations, "id", |at, violations| at.text(violations).map(str::to_owned));
        let priority = object.optional(violations, "priority", |at, violations| {
            at.whole(violations, "-2147483648 to 2147483647")
        });
        let (when, serve) = if object.has("attribute") {
            let variant =
                object.require(violations, "variant").and_then(|at| self.variant_named(at, violations));
            (read_short_condition(&object, violations), variant.map(Serve::Variant))
        } else {
            let when = object
                .get("when")
                .map_or(Some(Condition::All(Vec::new())), |at| read_condition(at, violations));
            (when, object.require(violations, "serve").and_then(|at| Serve::read(at, violations)))
        };
        object.deny_unknown(violations);
        let (priority, when, serve) = (priority?.unwrap_or_default(), when?, serve?);
        let id = id?.unwrap_or_else(|| self.kept_id(priority, &when, &serve));
        Some(Rule { id, priority, when, serve })
    }

    /// The id of the rule that said the same before, or a new one.
    fn kept_id(&self, priority: i32, when: &Condition, serve: &Serve) -> String {
        let same = |rule: &&Rule| rule.priority == priority && rule.when == *when && rule.serve == *serve;
        self.config
            .rules
            .iter()
            .find(same)
            .map_or_else(|| (self.new_id)().to_string(), |rule| rule.id.clone())
    }

    /// The variant that a short form names, by its key or by its value.
    fn variant_named(&mut self, at: At<'_>, violations: &mut Violations) -> Option<String> {
        let by_key =
            at.value().as_str().filter(|text| self.flag.variants.iter().any(|one| one.key == **text));
        by_key.map(str::to_owned).or_else(|| self.variant_of(at, violations))
    }

    /// The variant with this value; one is made if there is none, except for a boolean flag.
    fn variant_of(&mut self, at: At<'_>, violations: &mut Violations) -> Option<String> {
        if let Some(key) = self.variant_with(at.value()) {
            return Some(key);
        }
        // A boolean flag has no more values than its variants give it.
        let fits = matches!(
            (self.flag.kind, at.value()),
            (Kind::String, Value::String(_))
                | (Kind::Number, Value::Number(_))
                | (Kind::Object, Value::Object(_) | Value::Array(_))
        );
        if !fits {
            let kind = kind_name(self.flag.kind);
            at.fault(
                violations,
                format_args!("must be a value of this {kind} flag, or the key of one of its variants"),
            );
            return None;
        }
        let key = self.free_key();
        self.flag.variants.push(Variant { key: key.clone(), value: at.value().clone() });
        Some(key)
    }

    /// `default` for the first variant, then `v1`, `v2`…
    fn free_key(&self) -> String {
        let taken = |key: &String| self.flag.variants.iter().any(|variant| variant.key == *key);
        // Among one more name than there are variants, one is free.
        let names = (1..=self.flag.variants.len() + 1).map(|number| format!("v{number}"));
        let first = self.flag.variants.is_empty().then(|| "default".to_owned());
        first.into_iter().chain(names).find(|key| !taken(key)).unwrap_or_default()
    }

    pub(super) fn variant_with(&self, value: &Value) -> Option<String> {
        self.flag.variants.iter().find(|variant| variant.value == *value).map(|variant| variant.key.clone())
    }
}

impl From<Draft<'_>> for FlagHere {
    fn from(draft: Draft<'_>) -> Self {
        Self { flag: draft.flag, config: draft.config }
    }
}

/// A kind's name in documents.
pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "boolean",
        Kind::String => "string",
        Kind::Number => "number",
        Kind::Object => "object",
    }
}

/// Reads a kind's name.
pub(super) fn read_kind(at: At<'_>, violations: &mut Violations) -> Option<Kind> {
    let name = at.text(violations)?;
    let kind = [Kind::Boolean, Kind::String, Kind::Number, Kind::Object]
        .into_iter()
        .find(|kind| kind_name(*kind) == name);
    if kind.is_none() {
        at.fault(violations, "must be boolean, string, number or object");
    }
    kind
}

/// Whole thousandths of a per cent.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the caller keeps it within 0 and 100"
)]
fn to_weight(percentage: f64) -> Option<u32> {
    let weight = (percentage * 1_000.0).round();
    ((weight / 1_000.0 - percentage).abs() < 1e-9).then_some(weight as u32)
}

fn read_condition(at: At<'_>, violations: &mut Violations) -> Option<Condition> {
    let mut long = at.value().clone();
    lengthen(&mut long, engine::model::MOST_DEPTH + 1);
    at.replaced(&long, |at| Condition::read(at, violations))
}

/// Writes `value`, the short form in a comparison, as `values`.
fn lengthen(condition: &mut Value, depth: usize) {
    let Value::Object(members) = condition else { return };
    if depth == 0 {
        return;
    }
    for list in ["all", "any"] {
        if let Some(Value::Array(conditions)) = members.get_mut(list) {
            for condition in conditions {
                lengthen(condition, depth - 1);
            }
        }
    }
    if let Some(condition) = members.get_mut("not") {
        lengthen(condition, depth - 1);
    }
    if !members.contains_key("values")
        && let Some(value) = members.remove("value")
    {
        let operator = members.get("operator").and_then(Value::as_str);
        members.insert(
            "values".to_owned(),
            Value::Array(values_of(&value, operator == Some(Operator::In.name()))),
        );
    }
}

/// One value; or for `in` the parts of a comma-separated text, trimmed, without the empty ones.
fn values_of(value: &Value, separated: bool) -> Vec<Value> {
    match value {
        Value::String(text) if separated => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(|part| Value::String(part.to_owned())).collect()
        }
        value => vec![value.clone()],
    }
}

/// A rule's own comparison in the short form; it ignores case.
fn read_short_condition(object: &Object<'_>, violations: &mut Violations) -> Option<Condition> {
    let attribute = object.require(violations, "attribute").and_then(|at| read_attribute(at, violations));
    let operator = object.require(violations, "operator").and_then(|at| Operator::read(at, violations));
    let ignore_case = object.optional(violations, "ignore_case", |at, violations| at.boolean(violations));
    if let Some(values) = object.get("values") {
        let operator = operator?;
        let values = read_values(values, operator, violations);
        return leaf(attribute?, operator, values?, ignore_case?);
    }
    let value = object.require(violations, "value")?;
    let operator = operator?;
    let values: Option<Vec<_>> = values_of(value.value(), operator == Operator::In)
        .iter()
        .map(|part| value.replaced(part, |at| read_value(at, violations)))
        .collect();
    leaf(attribute?, operator, values?, ignore_case?)
}

#[expect(clippy::unnecessary_wraps, reason = "reads as the last step of its two callers")]
fn leaf(
    attribute: String,
    operator: Operator,
    values: Vec<Value>,
    ignore_case: Option<bool>,
) -> Option<Condition> {
    let (operands, ignore_case) = (Operands::Values(values), ignore_case.unwrap_or(true));
    Some(Condition::Leaf(Leaf { attribute, operator, operands, ignore_case }))
}

fn read_variant(at: At<'_>, violations: &mut Violations) -> Option<Variant> {
    let object = at.object(violations)?;
    let key = object.require(violations, "key").and_then(|at| at.text(violations)).map(str::to_owned);
    let value = object.require(violations, "value").map(|at| at.value().clone());
    object.deny_unknown(violations);
    Some(Variant { key: key?, value: value? })
}

fn read_target(at: At<'_>, violations: &mut Violations) -> Option<Target> {
    let object = at.object(violations)?;
    let variant = object.require(violations, "variant").and_then(|at| at.text(violations)).map(str::to_owned);
    let keys = object.require(violations, "keys").and_then(|at| read_keys(at, violations));
    object.deny_unknown(violations);
    Some(Target { variant: variant?, keys: keys? })
}

fn read_keys(at: At<'_>, violations: &mut Violations) -> Option<Vec<String>> {
    at.each(violations, MOST_KEYS, |at, violations| at.text(violations).map(str::to_owned))
}

fn read_tag(at: At<'_>, violations: &mut Violations) -> Option<String> {
    let tag = at.text(violations)?;
    if tag.is_empty() || tag.len() > MOST_TAG || tag.chars().any(char::is_control) {
        at.fault(violations, format_args!("must have 1 to {MOST_TAG} bytes on one line"));
    }
    Some(tag.to_owned())
}
