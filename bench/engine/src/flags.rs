//! The flags of one environment: seven sorts that people make, in turn.

use engine::model::{Delta, SCHEMA, Snapshot};
use serde_json::{Map, Value, json};

/// How many keys the segment has that the flags of [`Sort::Segment`] name.
pub const SEGMENT_KEYS: usize = 100;
/// The countries of [`Sort::OneIn`].
pub const COUNTRIES: [&str; 5] = ["DE", "AT", "CH", "FR", "IT"];
/// The prefixes of [`Sort::StartsWith`].
pub const PREFIXES: [&str; 3] = ["admin-", "ops-", "qa-"];
/// What a version must be above for [`Sort::Semver`].
pub const ABOVE_VERSION: &str = "2.3.0";

/// A sort of flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// On for everyone.
    NoRule,
    /// On in five countries.
    OneIn,
    /// On for half of the callers.
    HalfSplit,
    /// On for a segment of [`SEGMENT_KEYS`] keys.
    Segment,
    /// On above a version.
    Semver,
    /// On for texts that begin with one of three, whatever their case.
    StartsWith,
    /// A text: one of two, half and half.
    Texts,
}

impl Sort {
    /// All of them, in the order in which they take turns.
    pub const ALL: [Self; 7] = [
        Self::NoRule,
        Self::OneIn,
        Self::HalfSplit,
        Self::Segment,
        Self::Semver,
        Self::StartsWith,
        Self::Texts,
    ];

    /// The sort of the flag at a place.
    pub fn at(place: usize) -> Self {
        Self::ALL.into_iter().cycle().nth(place % Self::ALL.len()).unwrap_or(Self::NoRule)
    }

    /// Where a flag of this sort stands, about the middle of `flags`.
    pub fn place_among(self, flags: usize) -> usize {
        let turn = Self::ALL.iter().position(|sort| *sort == self).unwrap_or_default();
        flags / 2 / Self::ALL.len() * Self::ALL.len() + turn
    }

    /// What it is called in figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoRule => "no rule",
            Self::OneIn => "one `in`",
            Self::HalfSplit => "50 % split",
            Self::Segment => "segment with 100 keys",
            Self::Semver => "semver",
            Self::StartsWith => "starts_with ignoring case",
            Self::Texts => "two texts, half and half",
        }
    }

    /// The condition of its one rule.
    fn condition(self) -> Option<Value> {
        match self {
            Self::NoRule | Self::HalfSplit | Self::Texts => None,
            Self::OneIn => Some(json!({"attribute": "country", "operator": "in", "values": COUNTRIES})),
            Self::Segment => Some(json!({"segment": "staff"})),
            Self::Semver => {
                let range = format!(">{ABOVE_VERSION}");
                Some(json!({"attribute": "version", "operator": "semver", "values": [range]}))
            }
            Self::StartsWith => Some(json!({
                "attribute": "email", "operator": "starts_with", "values": PREFIXES, "ignore_case": true,
            })),
        }
    }

    fn document(self, version: u64) -> Value {
        let halves = |one: &str, other: &str| json!({"split": [{"variant": one, "weight": 50_000}, {"variant": other, "weight": 50_000}]});
        let default = match self {
            Self::NoRule => json!({"variant": "on"}),
            Self::HalfSplit => halves("on", "off"),
            Self::Texts => halves("blue", "green"),
            Self::OneIn | Self::Segment | Self::Semver | Self::StartsWith => json!({"variant": "off"}),
        };
        let (kind, variants, off) = if self == Self::Texts {
            ("string", json!([{"key": "blue", "value": "#00f"}, {"key": "green", "value": "#0f0"}]), "green")
        } else {
            ("boolean", json!([{"key": "on", "value": true}, {"key": "off", "value": false}]), "off")
        };
        let rule = self.condition().map(|when| json!({"id": "r1", "when": when, "serve": {"variant": "on"}}));
        json!({
            "kind": kind, "version": version, "enabled": true, "client_visible": true, "variants": variants,
            "off_variant": off, "prerequisites": [], "targets": [], "rules": Vec::from_iter(rule),
            "default": default,
        })
    }
}

/// Key of the flag at a place.
pub fn key(place: usize) -> String {
    format!("flag-{place:05}")
}

/// The keys of the segment.
pub fn segment_keys() -> Vec<String> {
    (0..SEGMENT_KEYS).map(|number| format!("user-{number}")).collect()
}

/// An environment of this many flags, as it travels.
pub fn document(flags: usize) -> Value {
    let flags: Map<_, _> = (0..flags).map(|place| (key(place), Sort::at(place).document(1))).collect();
    json!({
        "schema": SCHEMA, "epoch": "c0ffee", "revision": 1, "project": "default", "environment": "production",
        "lists": {}, "segments": {"staff": {"included": segment_keys(), "excluded": []}}, "flags": flags,
    })
}

/// An environment of this many flags.
pub fn snapshot(flags: usize) -> Result<Snapshot, serde_json::Error> {
    serde_json::from_value(document(flags))
}

/// A change of the flag at a place, to what it is already: what it costs does not depend on what changed.
pub fn change(place: usize) -> Result<Delta, serde_json::Error> {
    let flag = Map::from_iter([(key(place), Sort::at(place).document(2))]);
    serde_json::from_value(json!({"revision": 2, "flags": flag}))
}
