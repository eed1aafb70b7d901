//! The things that can be tried on the way to an answer.

use serde::Serialize;
use serde_json::Value;

use super::Explanation;

/// Something that was tried.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Whether the flag is raised at all.
    State {
        /// Enabled in this environment.
        enabled: bool,
        /// Out of use everywhere.
        archived: bool,
    },
    /// Another flag that must have answered with one of some variants.
    Prerequisite {
        /// The other flag.
        flag: String,
        /// Any of these would do.
        variants: Vec<String>,
        /// What it answered; none if there is no such flag.
        #[serde(skip_serializing_if = "Option::is_none")]
        variant: Option<String>,
        /// Its reason; none if there is no such flag.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'static str>,
        /// Whether that will do.
        holds: bool,
        /// Why it answered so; none if that was told before.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<Box<Explanation>>,
    },
    /// The targeting keys that are given a variant by name.
    Targets {
        /// Who is asking.
        #[serde(skip_serializing_if = "Option::is_none")]
        targeting_key: Option<String>,
        /// If there is none, why not, where there is something to say.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        no_keys: Vec<NoKey>,
        /// Whether they are listed.
        holds: bool,
    },
    /// A rule that never holds in this version of Burgee.
    LostRule {
        /// Its place in the document, from 0.
        place: usize,
        /// What is wrong with it.
        error: String,
    },
    /// A rule that was tried.
    Rule {
        /// Its id.
        id: String,
        /// Its place in the document, from 0.
        place: usize,
        /// Lower is tried first.
        priority: i32,
        /// Whether its condition holds.
        holds: bool,
        /// What was tested of its condition; what settles nothing any more is not tested.
        tests: Vec<Tested>,
    },
    /// Of the rules' tests so many more were made: too many to tell.
    LeftOut {
        /// How many.
        count: usize,
    },
    /// The rules that were not tried because an earlier one held.
    Untried {
        /// In the order of the document.
        rules: Vec<Untried>,
    },
    /// What the rule that held, or the default, serves.
    Serve {
        /// Whether it is the default.
        default: bool,
        /// The split, if it is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        split: Option<Chosen>,
    },
}

/// A rule that was not tried.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Untried {
    /// Its id.
    pub id: String,
    /// Its place in the document, from 0.
    pub place: usize,
    /// Lower is tried first.
    pub priority: i32,
}

/// A part of a condition that was tested.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tested {
    /// Where it stands, such as `rules[0].when.all[1]`.
    pub path: String,
    /// Whether it holds. Under a `not` that speaks against the condition.
    pub holds: bool,
    /// What it is.
    #[serde(flatten)]
    pub what: What,
}

/// What was tested.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum What {
    /// A comparison.
    Comparison {
        /// Path of the attribute.
        attribute: String,
        /// How it is compared.
        operator: &'static str,
        /// With what: the first 20 values, each cut after 200 characters.
        values: Vec<Value>,
        /// How many values more there are.
        #[serde(skip_serializing_if = "is_zero")]
        left_out: usize,
        /// The context list that they stand in.
        #[serde(skip_serializing_if = "Option::is_none")]
        list: Option<String>,
        /// Whether case is ignored.
        ignore_case: bool,
        /// What the context has there, cut likewise, with `…` for all that is in an object or in a list inside
        /// of a list; none if it is missing.
        actual: Option<Value>,
        /// If that is a list, how many elements more it has.
        #[serde(skip_serializing_if = "is_zero")]
        actual_left_out: usize,
        /// What is easily overlooked about it.
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<Note>,
    },
    /// A segment.
    Segment {
        /// Its key.
        segment: String,
        /// By what it holds or does not: `included`, `excluded`, `condition` or `no_condition`.
        membership: &'static str,
        /// Whether the context has no targeting key, so that only the condition counts.
        keyless: bool,
        /// Why not, where there is something to say.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        no_keys: Vec<NoKey>,
        /// What was tested of its condition.
        tests: Vec<Tested>,
    },
    /// A gate.
    Bucket {
        /// The first bucket inside.
        from: u32,
        /// The first one outside again.
        to: u32,
        /// How a key finds its bucket.
        hash: &'static str,
        /// What is hashed before the key.
        salt: String,
        /// Where it looks for the key; the targeting key if empty.
        by: Vec<String>,
        /// Who is in the bucket, and which it is; none if there is no key.
        #[serde(flatten)]
        bucket: Option<Bucketed>,
        /// If there is no key, why not, where there is something to say.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        no_keys: Vec<NoKey>,
    },
}

/// What is easily overlooked about a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// The attribute is there, but the operator reads nothing of it: it counts as missing.
    Unreadable,
    /// With case ignored it would have come out the other way.
    Case,
    /// The attribute is missing, but there is one with almost this name.
    Named(String),
    /// The attribute is missing, because what stands at this part of its path is no object.
    NoObject(String),
    /// It is the targeting key, which is missing, because what stands there is none.
    NoKey(Value),
    /// The attribute is missing, because its name begins with `$`: what a caller sends under such is dropped.
    Reserved,
}

/// Why there is no key where one is looked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NoKey {
    /// Path of the attribute.
    pub attribute: String,
    /// What the context has there, cut as in a comparison: null, an empty text, a list or an object, or a number
    /// beyond a double's range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<Value>,
    /// What is easily overlooked, if there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
}

/// A key and its bucket.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bucketed {
    /// The key, as text, cut after 200 characters.
    pub key: String,
    /// Its bucket, 0 to 99999.
    pub bucket: u32,
}

/// How a split chose.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chosen {
    /// Where it looks for the key; the targeting key if empty.
    pub by: Vec<String>,
    /// How a key finds its bucket.
    pub hash: &'static str,
    /// What is hashed before the key.
    pub salt: String,
    /// Who is in the bucket, and which it is; none if there is no key, or none was needed.
    #[serde(flatten)]
    pub bucket: Option<Bucketed>,
    /// If there is no key, why not, where there is something to say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_keys: Vec<NoKey>,
    /// Whether it keeps to earlier assignments.
    pub sticky: bool,
    /// The earlier assignment that a sticky split was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier: Option<String>,
    /// Whether that was kept to.
    pub assigned: bool,
    /// Which buckets are whose, in the order of the split.
    pub shares: Vec<Share>,
}

/// A share of a split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Share {
    /// Whose it is.
    pub variant: String,
    /// The first bucket.
    pub from: u32,
    /// The first bucket that is not its own any more.
    pub to: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}
