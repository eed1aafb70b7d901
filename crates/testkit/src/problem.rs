//! What problem documents say.

use serde_json::Value;

/// What it says to people.
pub fn detail(problem: &Value) -> &str {
    problem["detail"].as_str().unwrap_or_default()
}

/// Where its violations are.
pub fn paths(problem: &Value) -> Vec<&str> {
    of_each(problem, "path")
}

/// Where its violations are and what they say: `path: message`.
pub fn violations(problem: &Value) -> Vec<String> {
    let told = paths(problem).into_iter().zip(of_each(problem, "message"));
    told.map(|(path, message)| format!("{path}: {message}")).collect()
}

fn of_each<'a>(problem: &'a Value, member: &str) -> Vec<&'a str> {
    let violations = problem["violations"].as_array().into_iter().flatten();
    violations.filter_map(|violation| violation[member].as_str()).collect()
}
