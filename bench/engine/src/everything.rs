//! One flag for each thing that a flag can say, and contexts that reach all of it.

use engine::Context;
use engine::model::{SCHEMA, Snapshot};
use serde_json::{Map, Value, json};

/// A condition for each operator, with and without case, and for each kind of node.
fn conditions() -> Vec<(&'static str, Value)> {
    let many: Vec<_> = (0..50).map(|number| format!("Wert-{number}")).collect();
    let deep =
        (0..14).fold(json!({"attribute": "plan", "operator": "exists"}), |inner, _| json!({"not": inner}));
    vec![
        ("equals", json!({"attribute": "plan", "operator": "equals", "values": ["pro"]})),
        ("equals-number", json!({"attribute": "age", "operator": "equals", "values": [42]})),
        ("equals-boolean", json!({"attribute": "beta", "operator": "equals", "values": [true]})),
        (
            "equals-folded",
            json!({"attribute": "plan", "operator": "equals", "values": ["STRASSE ÄÖÜ"], "ignore_case": true}),
        ),
        ("not-equals", json!({"attribute": "plan", "operator": "not_equals", "values": ["free"]})),
        ("in", json!({"attribute": "plan", "operator": "in", "values": ["free", "pro", 42, true]})),
        ("in-many", json!({"attribute": "plan", "operator": "in", "values": many})),
        (
            "in-many-folded",
            json!({"attribute": "plan", "operator": "in", "values": many, "ignore_case": true}),
        ),
        ("in-list", json!({"attribute": "plan", "operator": "in", "list": "plans"})),
        (
            "in-list-folded",
            json!({"attribute": "plan", "operator": "in", "list": "plans", "ignore_case": true}),
        ),
        ("not-in", json!({"attribute": "plan", "operator": "not_in", "values": ["free", 7]})),
        ("not-in-list", json!({"attribute": "plan", "operator": "not_in", "list": "plans"})),
        ("contains", json!({"attribute": "plan", "operator": "contains", "values": ["x", "ro"]})),
        (
            "contains-folded",
            json!({"attribute": "plan", "operator": "contains", "values": ["x", "ÄÖ"], "ignore_case": true}),
        ),
        ("starts-with", json!({"attribute": "plan", "operator": "starts_with", "values": ["x", "pr"]})),
        (
            "starts-with-folded",
            json!({"attribute": "plan", "operator": "starts_with", "values": ["str"], "ignore_case": true}),
        ),
        ("ends-with", json!({"attribute": "plan", "operator": "ends_with", "values": ["x", "ro"]})),
        (
            "ends-with-folded",
            json!({"attribute": "plan", "operator": "ends_with", "values": ["öü"], "ignore_case": true}),
        ),
        (
            "matches",
            json!({"attribute": "plan", "operator": "matches", "values": ["^[a-z]{2,8}$", "\\d+\\.\\d+"]}),
        ),
        (
            "matches-folded",
            json!({"attribute": "plan", "operator": "matches", "values": ["(str|gr)a.{1,3}e"], "ignore_case": true}),
        ),
        // Patterns that are walked step by step: see `crates/engine/src/pattern/steps.rs`.
        (
            "matches-walked",
            json!({"attribute": "plan", "operator": "matches", "values": ["\\Bro", "^.{1,100}$"]}),
        ),
        ("gt", json!({"attribute": "age", "operator": "gt", "values": [18]})),
        ("gte", json!({"attribute": "age", "operator": "gte", "values": [18.5]})),
        ("lt", json!({"attribute": "age", "operator": "lt", "values": [65]})),
        ("lte", json!({"attribute": "age", "operator": "lte", "values": [65]})),
        ("before", json!({"attribute": "since", "operator": "before", "values": ["2026-01-01T00:00:00Z"]})),
        (
            "after",
            json!({"attribute": "since", "operator": "after", "values": ["2020-02-29T12:00:00.5+02:00"]}),
        ),
        (
            "semver",
            json!({"attribute": "version", "operator": "semver", "values": [">=2.0.0 <3.0.0", "^1.2.3", "~0.9", "!=4"]}),
        ),
        (
            "cidr",
            json!({"attribute": "ip", "operator": "cidr", "values": ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]}),
        ),
        ("exists", json!({"attribute": "tags", "operator": "exists"})),
        ("path", json!({"attribute": "company.address.city", "operator": "in", "values": ["Wien"]})),
        ("dotted", json!({"attribute": "a.b", "operator": "equals", "values": [1]})),
        ("key", json!({"attribute": "targetingKey", "operator": "starts_with", "values": ["user-"]})),
        (
            "all",
            json!({"all": [{"attribute": "plan", "operator": "exists"}, {"any": [{"segment": "staff"}, {"segment": "beta"}]}]}),
        ),
        ("any-of-none", json!({"any": []})),
        ("deep", deep),
        ("segment", json!({"segment": "nested"})),
        ("gate", json!({"bucket": {"from": 10_000, "to": 90_000}})),
        (
            "gate-by",
            json!({"bucket": {"to": 50_000, "by": ["company.id", "targetingKey"], "hash": "md5", "salt": "s"}}),
        ),
        ("gate-fnv", json!({"bucket": {"to": 50_000, "hash": "fnv1a"}})),
    ]
}

/// What a flag can serve, and what it can do besides.
fn special_flags() -> Value {
    let halves = json!([{"variant": "on", "weight": 50_000}, {"variant": "off", "weight": 50_000}]);
    json!({
        "off": {"enabled": false},
        "archived": {"archived": true},
        "nothing": {"default": null, "off_variant": null},
        "targets": {"targets": [{"variant": "on", "keys": ["user-1", "user-42"]}]},
        "prerequisite": {"prerequisites": [{"flag": "targets", "variants": ["on"]}, {"flag": "split", "variants": ["on", "off"]}]},
        "chain": {"prerequisites": [{"flag": "prerequisite", "variants": ["on"]}]},
        "split": {"default": {"split": halves}},
        "split-by": {"default": {"split": halves, "by": ["company.id", "age"], "hash": "fnv1a", "salt": "other"}},
        "split-md5": {"default": {"split": halves, "hash": "md5", "sticky": true, "track": true}},
        "number": {"kind": "number", "variants": [{"key": "on", "value": 1.5}, {"key": "off", "value": -0.0}]},
        "text": {"kind": "string", "variants": [{"key": "on", "value": "Grüße"}, {"key": "off", "value": ""}]},
        "object": {"kind": "object", "variants": [{"key": "on", "value": {"a": [1, {"b": null}]}}, {"key": "off", "value": []}]},
        "rules": {"rules": [
            {"id": "later", "priority": 9, "when": {"all": []}, "serve": {"variant": "off"}},
            {"id": "first", "priority": -9, "when": {"attribute": "plan", "operator": "equals", "values": ["pro"]}, "serve": {"split": halves}},
            {"id": "second", "serve": null, "when": {"segment": "staff"}},
        ]},
    })
}

/// An environment, as it travels, with one of everything. All of it compiles.
pub fn document() -> Value {
    let mut flags = Map::new();
    for (name, condition) in conditions() {
        let rules = json!([{"id": "r1", "when": condition, "serve": {"variant": "on"}}]);
        flags.insert(format!("when-{name}"), flag([("rules".to_owned(), rules)]));
    }
    for (name, special) in members(special_flags()) {
        flags.insert(name, flag(members(special)));
    }
    json!({
        "schema": SCHEMA, "epoch": "c0ffee", "revision": 1, "project": "default", "environment": "production",
        "lists": {"plans": ["pro", "Straße ÄÖÜ", 42, true]},
        "segments": {
            "staff": {"included": ["user-1"], "excluded": ["user-2"], "when": {"attribute": "plan", "operator": "in", "list": "plans"}},
            "beta": {"included": crate::flags::segment_keys(), "excluded": [], "when": {"bucket": {"to": 50_000}}},
            "nested": {"included": [], "excluded": ["user-3"], "when": {"all": [{"segment": "staff"}, {"segment": "beta"}]}},
        },
        "flags": flags,
    })
}

fn members(value: Value) -> Map<String, Value> {
    if let Value::Object(members) = value { members } else { Map::new() }
}

/// A sound boolean flag, with other members in place of its own.
fn flag(other: impl IntoIterator<Item = (String, Value)>) -> Value {
    let mut flag = members(json!({
        "kind": "boolean", "version": 1, "enabled": true, "archived": false, "client_visible": true,
        "variants": [{"key": "on", "value": true}, {"key": "off", "value": false}], "off_variant": "off",
        "prerequisites": [], "targets": [], "rules": [], "default": {"variant": "off"},
    }));
    flag.extend(other);
    Value::Object(flag)
}

/// An environment with one of everything.
pub fn snapshot() -> Result<Snapshot, serde_json::Error> {
    serde_json::from_value(document())
}

/// Callers whose attributes are present, missing, lists, long, not ASCII, and of every type.
pub fn contexts() -> Vec<Context> {
    let long = "Lang und nicht nur ASCII: ÄÖÜ ".repeat(100);
    let contexts = json!([
        {},
        {"targetingKey": "user-42", "plan": "pro", "age": 42, "beta": true, "since": "2025-06-01T08:00:00Z",
         "version": "2.10.1", "ip": "10.1.2.3", "tags": ["a"], "company": {"id": 7, "address": {"city": "Wien"}}, "a.b": 1},
        {"targetingKey": "user-1", "plan": "Straße ÄÖÜ", "age": "42.5", "beta": "TRUE", "since": 1_700_000_000_000_u64,
         "version": "v1.9.0-rc.1+5", "ip": "2001:db8::1", "tags": {}, "company": {"id": "acme"}},
        {"targetingKey": 42, "plan": ["free", "WERT-49", 7, null, {}], "age": [1, "x", 1e300], "beta": [false, true],
         "since": ["2025-06-01T08:00:00+02:00", 5], "version": ["1", "0.9.1"], "ip": ["::ffff:10.0.0.1", "x"], "tags": []},
        {"targetingKey": "", "plan": 42, "age": true, "beta": 0, "since": "yesterday", "version": 2, "ip": 10, "tags": null},
        {"targetingKey": {"id": 1}, "plan": long, "age": long, "beta": long, "since": long, "version": long, "ip": long},
        {"targetingKey": long, "plan": {"pro": true}, "company": "Wien"},
    ]);
    let attributes = contexts.as_array().cloned().unwrap_or_default().into_iter().map(members);
    attributes.map(Context::new).collect()
}
