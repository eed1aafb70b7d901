//! Reading the conditions that people write: the long form that travels, and `value`, the short form that does not.

use engine::json::{At, Violation, Violations};
use engine::model::{Condition, Leaf, MOST_DEPTH, Operands, Operator};
use serde_json::{Number, Value};

/// Whole numbers beyond this, either way, are not doubles of their own.
const MOST_WHOLE: f64 = 9_007_199_254_740_991.0;
/// As much of a name as a message needs, in characters.
const MOST_SHOWN: usize = 100;

/// Where short forms were written, so that what is wrong with their long forms is told where its author looks.
#[derive(Debug, Default)]
pub(crate) struct ShortForms {
    /// Paths of rules whose comparison stands among their own members.
    rules: Vec<String>,
    /// Paths of comparisons that say `value` in the place of `values`.
    comparisons: Vec<String>,
}

impl ShortForms {
    /// The path of what was written, for a path in its long form.
    pub(crate) fn written(&self, path: String) -> String {
        let in_rule = |rule: &String| Some(format!("{rule}{}", path.strip_prefix(&member(rule, "when"))?));
        let path = self.rules.iter().find_map(in_rule).unwrap_or(path);
        let in_comparison = |comparison: &&String| {
            let rest = path.strip_prefix(&member(comparison, "values"));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
        };
        let comparison = self.comparisons.iter().find(in_comparison);
        comparison.map_or_else(|| path.clone(), |comparison| member(comparison, "value"))
    }
}

/// Reads a condition. In the place of what does not read stands one that holds for everyone, so that the rest of
/// it can be looked at as well; `violations` say that it must not be kept.
pub(crate) fn read_condition(
    at: At<'_>,
    short_forms: &mut ShortForms,
    violations: &mut Violations,
) -> Condition {
    let mut long = at.value().clone();
    let path = at.path();
    lengthen(&mut long, &path, MOST_DEPTH + 1, short_forms);
    read_long(at, &long, &path, short_forms, violations)
}

/// Reads a rule's own comparison, whose members stand among those of the rule. It ignores case unless told.
pub(crate) fn read_comparison(
    rule: At<'_>,
    short_forms: &mut ShortForms,
    violations: &mut Violations,
) -> Condition {
    let members = ["attribute", "operator", "value", "values", "list", "ignore_case"];
    let Value::Object(rule_members) = rule.value() else { return everyone() };
    let own = rule_members.iter().filter(|(name, _)| members.contains(&name.as_str()));
    let mut long: serde_json::Map<_, _> = own.map(|(name, value)| (name.clone(), value.clone())).collect();
    long.entry("ignore_case").or_insert(Value::Bool(true));
    let path = rule.path();
    // What is missing is missed under the name that belongs to this form.
    if !long.contains_key("values") && !long.contains_key("value") {
        short_forms.comparisons.push(path.clone());
    }
    short_forms.rules.push(path.clone());
    let mut long = Value::Object(long);
    lengthen(&mut long, &path, 1, short_forms);
    read_long(rule, &long, &path, short_forms, violations)
}

/// The path of a member of what stands at a path.
fn member(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn read_long(
    at: At<'_>,
    long: &Value,
    path: &str,
    short_forms: &ShortForms,
    violations: &mut Violations,
) -> Condition {
    let mut found = Violations::default();
    let mut condition =
        at.replaced(long, |at| Condition::read(at, &mut found)).unwrap_or_else(|| salvage(long));
    settle(&mut condition, path, &mut found);
    for Violation { path, message } in found.into_result(None::<()>).err().unwrap_or_default() {
        violations.add(short_forms.written(path), message);
    }
    condition
}

/// Writes `value` as `values`, in a condition and those inside it.
fn lengthen(condition: &mut Value, path: &str, depth: usize, short_forms: &mut ShortForms) {
    let Value::Object(members) = condition else { return };
    if depth == 0 {
        return;
    }
    for list in ["all", "any"] {
        if let Some(Value::Array(conditions)) = members.get_mut(list) {
            for (index, condition) in conditions.iter_mut().enumerate() {
                lengthen(condition, &format!("{}[{index}]", member(path, list)), depth - 1, short_forms);
            }
        }
    }
    if let Some(condition) = members.get_mut("not") {
        lengthen(condition, &member(path, "not"), depth - 1, short_forms);
    }
    if !members.contains_key("values")
        && let Some(value) = members.remove("value")
    {
        let separated = matches!(members.get("operator").and_then(Value::as_str), Some("in" | "not_in"));
        members.insert("values".to_owned(), Value::Array(values_of(value, separated)));
        short_forms.comparisons.push(path.to_owned());
    }
}

/// One value; or for `in` and `not_in` the parts of a comma-separated text, trimmed, without the empty ones.
fn values_of(value: Value, separated: bool) -> Vec<Value> {
    match value {
        Value::String(text) if separated => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(|part| Value::String(part.to_owned())).collect()
        }
        value => vec![value],
    }
}

/// What of a condition reads.
fn salvage(long: &Value) -> Condition {
    let children =
        |conditions: &Value| -> Vec<_> { conditions.as_array().into_iter().flatten().map(salvage).collect() };
    if let Some(all) = long.get("all") {
        Condition::All(children(all))
    } else if let Some(any) = long.get("any") {
        Condition::Any(children(any))
    } else if let Some(not) = long.get("not") {
        Condition::Not(Box::new(salvage(not)))
    } else {
        Condition::read(At::root(long), &mut Violations::default()).unwrap_or_else(everyone)
    }
}

/// The condition that holds for everyone.
fn everyone() -> Condition {
    Condition::All(Vec::new())
}

/// Numbers written as text become numbers where numbers are compared, and those that are none of their own are
/// refused.
fn settle(condition: &mut Condition, path: &str, violations: &mut Violations) {
    match condition {
        Condition::All(children) => settle_each(children, &member(path, "all"), violations),
        Condition::Any(children) => settle_each(children, &member(path, "any"), violations),
        Condition::Not(child) => settle(child, &member(path, "not"), violations),
        Condition::Leaf(leaf) => settle_leaf(leaf, path, violations),
        Condition::Segment(_) | Condition::Bucket(_) => {}
    }
}

fn settle_each(children: &mut [Condition], path: &str, violations: &mut Violations) {
    for (index, child) in children.iter_mut().enumerate() {
        settle(child, &format!("{path}[{index}]"), violations);
    }
}

fn settle_leaf(leaf: &mut Leaf, path: &str, violations: &mut Violations) {
    let Operands::Values(values) = &mut leaf.operands else { return };
    let ordered = matches!(leaf.operator, Operator::Gt | Operator::Gte | Operator::Lt | Operator::Lte);
    for (index, value) in values.iter_mut().enumerate() {
        if let (true, Some(number)) = (ordered, value.as_str().and_then(number_in)) {
            *value = Value::Number(number);
        }
        check_numbers(value, &format!("{}[{index}]", member(path, "values")), violations);
    }
}

/// The JSON number that a text is, without anything around it.
fn number_in(text: &str) -> Option<Number> {
    let begins = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let ends = text.ends_with(|last: char| last.is_ascii_digit());
    if begins && ends { serde_json::from_str(text).ok() } else { None }
}

/// Whole numbers that are no doubles of their own are refused, however deep in a value they stand: readers would
/// each make something else of them.
pub(crate) fn check_numbers(value: &Value, path: &str, violations: &mut Violations) {
    match value {
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or(f64::INFINITY);
            if number.fract() == 0.0 && number.abs() > MOST_WHOLE {
                let message = format_args!(
                    "whole numbers go from -{MOST_WHOLE} to {MOST_WHOLE}; write it as a text instead"
                );
                violations.add(path, message);
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                check_numbers(element, &format!("{path}[{index}]"), violations);
            }
        }
        Value::Object(members) => {
            for (name, inner) in members {
                let name: String = name.chars().take(MOST_SHOWN).collect();
                check_numbers(inner, &member(path, &name), violations);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(written: &Value) -> (Value, Vec<String>) {
        let mut violations = Violations::default();
        let condition = read_condition(At::root(written), &mut ShortForms::default(), &mut violations);
        let violations = violations.into_result(None::<()>).err().unwrap_or_default();
        let paths = violations.into_iter().map(|violation| violation.path).collect();
        (serde_json::to_value(condition).unwrap(), paths)
    }

    #[test]
    fn short_forms_are_written_out() {
        let leaf =
            |operator: &str, value: Value| json!({"attribute": "a", "operator": operator, "value": value});
        for (operator, value, values) in [
            ("equals", json!("b, c"), json!(["b, c"])),
            ("in", json!(" b, c,,d "), json!(["b", "c", "d"])),
            ("not_in", json!("b,c"), json!(["b", "c"])),
            ("in", json!(7), json!([7])),
            ("gt", json!("10"), json!([10])),
            ("gte", json!("-1.5e3"), json!([-1500.0])),
            ("equals", json!("10"), json!(["10"])),
            ("lt", json!(" 10"), json!([" 10"])),
        ] {
            let (long, faults) = read(&json!({"any": [{"not": leaf(operator, value)}]}));
            assert_eq!(faults, Vec::<String>::new(), "{operator}");
            assert_eq!(long["any"][0]["not"]["values"], values, "{operator}");
        }
    }

    #[test]
    fn every_fault_is_told_where_it_was_written() {
        let (kept, faults) = read(&json!({"all": [
            {"attribute": "a", "operator": "equals", "value": {}},
            {"attribute": "a", "operator": "in", "values": ["x", 9_007_199_254_740_993_i64]},
            {"any": [{"attribute": "b", "operator": "resembles", "value": 1}, {"segment": "s"}]},
            {"attribute": "c", "operator": "equals", "value": -9_007_199_254_740_993_i64},
        ]}));
        assert_eq!(faults, ["all[0].value", "all[2].any[0].operator", "all[1].values[1]", "all[3].value"]);
        assert_eq!(kept["all"][2]["any"][1], json!({"segment": "s"}), "what reads is kept");
    }
}
