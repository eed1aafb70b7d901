//! How two documents differ, member by member.

use serde::Serialize;
use serde_json::Value;

/// One member that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemberChange {
    /// Which: a JSON path such as `rules[0].serve.variant`.
    pub path: String,
    /// What was there; `null` if nothing was.
    pub before: Value,
    /// What is there now; `null` if nothing is.
    pub after: Value,
}

/// The members in which two documents differ, those of objects and elements of lists told one by one.
pub(crate) fn differences(before: &Value, after: &Value) -> Vec<MemberChange> {
    let mut changes = Vec::new();
    compare(String::new(), before, after, &mut changes);
    changes
}

fn compare(path: String, before: &Value, after: &Value, changes: &mut Vec<MemberChange>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(left), Value::Object(right)) => {
            let added = right.keys().filter(|name| !left.contains_key(*name));
            for name in left.keys().chain(added) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                compare(path, &before[name], &after[name], changes);
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            for index in 0..left.len().max(right.len()) {
                let element = |list: &[Value]| list.get(index).cloned().unwrap_or_default();
                compare(format!("{path}[{index}]"), &element(left), &element(right), changes);
            }
        }
        _ => changes.push(MemberChange { path, before: before.clone(), after: after.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_told_where_it_stands() {
        let before = json!({"same": [1], "rules": [{"id": "a", "serve": {"variant": "on"}}], "gone": 1, "list": [1, 2]});
        let after = json!({"same": [1], "rules": [{"id": "a", "serve": null}, {"id": "b"}], "new": {"a": 1}, "list": [2]});
        let told: Vec<_> = differences(&before, &after)
            .into_iter()
            .map(|change| (change.path, change.before, change.after))
            .collect();
        let change = |path: &str, before, after| (path.to_owned(), before, after);
        assert_eq!(
            told,
            [
                change("gone", json!(1), json!(null)),
                change("list[0]", json!(1), json!(2)),
                change("list[1]", json!(2), json!(null)),
                change("rules[0].serve", json!({"variant": "on"}), json!(null)),
                change("rules[1]", json!(null), json!({"id": "b"})),
                change("new", json!(null), json!({"a": 1})),
            ]
        );
        assert!(differences(&before, &before).is_empty());
    }
}
