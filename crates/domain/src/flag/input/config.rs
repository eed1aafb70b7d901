//! What of a flag is its environment's own.

use engine::json::{At, Object, Violations};
use engine::model::{Condition, Prerequisite, Read, Rule, Serve, Split, Target, WHOLE, Weighted};
use serde_json::Value;

use super::{Draft, MOST_VARIANTS, each};
use crate::condition::{read_comparison, read_condition};
use crate::input::or_empty;

const MOST_RULES: usize = 1_000;
const MOST_KEYS: usize = 10_000;
/// More than a config may have, so that the contract's own bound is what an author is told of.
const MOST_PREREQUISITES: usize = 1_000;

impl Draft<'_> {
    pub(super) fn apply_config(&mut self, object: &Object<'_>, violations: &mut Violations) {
        if let Some(enabled) = object.get("enabled") {
            self.config.enabled = enabled.boolean(violations).unwrap_or_default();
        }
        if let Some(prerequisites) = object.get("prerequisites") {
            let prerequisites = or_empty(prerequisites, violations, |at, violations| {
                each(at, MOST_PREREQUISITES, violations, |at, violations| {
                    self.read_prerequisite(at, violations)
                })
            });
            self.config.prerequisites = prerequisites.into();
        }
        self.apply_default(object, violations);
        self.apply_targets(object, violations);
        if let Some(rules) = object.get("rules") {
            let kept = std::mem::take(&mut self.config.rules);
            let rules = or_empty(rules, violations, |at, violations| {
                each(at, MOST_RULES, violations, |at, violations| self.read_rule(at, &kept, violations))
            });
            self.config.rules = rules.into_iter().map(Read::Known).collect();
        }
        // Last, because the rules and the default may have made the variant that it names.
        if let Some(off) = object.get("off_variant") {
            self.config.off_variant =
                if off.is_null() { None } else { off.text(violations).map(str::to_owned) };
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
            return;
        };
        self.config.default = serve.unwrap_or(Serve::Nothing).into();
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
            let targets = or_empty(targets, violations, |at, violations| {
                each(at, MOST_VARIANTS, violations, |at, violations| self.read_target(at, violations))
            });
            self.config.targets = targets.into();
        } else if let Some(users) = object.get("targeted_users") {
            let Some(variant) = self.variant_with(&Value::Bool(true)) else {
                users.fault(violations, "needs a boolean flag with a variant for true; write targets");
                return;
            };
            let keys = or_empty(users, violations, read_keys);
            let Read::Known(targets) = &mut self.config.targets else {
                users.fault(
                    violations,
                    "this version does not understand the targets that are there; write targets",
                );
                return;
            };
            targets.retain(|target| target.variant != variant && !target.keys.is_empty());
            if !keys.is_empty() {
                targets.push(Target { variant, keys });
            }
        }
    }

    fn read_prerequisite(&mut self, at: At<'_>, violations: &mut Violations) -> Prerequisite {
        let read = at.object(violations).and_then(|object| {
            let flag =
                object.require(violations, "flag").and_then(|at| at.text(violations)).map(str::to_owned);
            let variants = object.require(violations, "variants").and_then(|at| {
                at.each(violations, MOST_VARIANTS, |at, violations| at.text(violations).map(str::to_owned))
            });
            object.deny_unknown(violations);
            Some(Prerequisite { flag: flag?, variants: variants? })
        });
        read.unwrap_or_else(|| {
            self.unread.push(at.path());
            Prerequisite { flag: String::new(), variants: Vec::new() }
        })
    }

    fn read_target(&self, at: At<'_>, violations: &mut Violations) -> Target {
        let Some(object) = at.object(violations) else { return self.no_target() };
        let variant = object.require(violations, "variant").and_then(|at| at.text(violations));
        let keys = object.require(violations, "keys").and_then(|at| read_keys(at, violations));
        object.deny_unknown(violations);
        let none = self.no_target();
        Target { variant: variant.map_or(none.variant, str::to_owned), keys: keys.unwrap_or(none.keys) }
    }

    /// One that concerns nobody.
    fn no_target(&self) -> Target {
        let variant = self.flag.variants.first().map(|variant| variant.key.clone());
        Target { variant: variant.unwrap_or_default(), keys: Vec::new() }
    }

    /// A rule in its long form (`when`, `serve`) or its short one (`attribute`, `operator`, `value`, `variant`).
    fn read_rule(&mut self, at: At<'_>, kept: &[Read<Rule>], violations: &mut Violations) -> Rule {
        let Some(object) = at.object(violations) else { return self.no_rule() };
        let id = object.get("id").and_then(|at| at.text(violations)).map(str::to_owned);
        let priority =
            object.get("priority").and_then(|at| at.whole(violations, "-2147483648 to 2147483647"));
        let (when, serve) = if object.has("attribute") {
            object.ignore(&["attribute", "operator", "value", "values", "list", "ignore_case"]);
            let when = read_comparison(at, &mut self.short_forms, violations);
            let variant =
                object.require(violations, "variant").and_then(|at| self.variant_named(at, violations));
            (when, variant.map(Serve::Variant))
        } else {
            let when = object.get("when").map(|at| read_condition(at, &mut self.short_forms, violations));
            let serve = object.require(violations, "serve").and_then(|at| Serve::read(at, violations));
            (when.unwrap_or(Condition::All(Vec::new())), serve)
        };
        object.deny_unknown(violations);
        let (priority, serve) = (priority.unwrap_or_default(), serve.unwrap_or(Serve::Nothing));
        let id = id.unwrap_or_else(|| {
            // The rule that said the same before is the same rule.
            let same = |rule: &&Rule| rule.priority == priority && rule.when == when && rule.serve == serve;
            kept.iter()
                .filter_map(Read::known)
                .find(same)
                .map_or_else(|| (self.new_id)().to_string(), |rule| rule.id.clone())
        });
        Rule { id, priority, when, serve }
    }

    /// One that does nothing.
    fn no_rule(&self) -> Rule {
        let id = (self.new_id)().to_string();
        Rule { id, priority: 0, when: Condition::All(Vec::new()), serve: Serve::Nothing }
    }
}

fn read_keys(at: At<'_>, violations: &mut Violations) -> Option<Vec<String>> {
    at.each(violations, MOST_KEYS, |at, violations| at.text(violations).map(str::to_owned))
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
