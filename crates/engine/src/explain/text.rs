//! An explanation for people: what came out and why in one sentence, then each thing that was tried.

use std::fmt::{self, Display, Formatter};

use serde_json::Value;

use super::{Bucketed, Chosen, Explanation, Part, Step, Tested};

/// No more values of a comparison, and no more characters of one, are shown.
const MOST_SHOWN: usize = 6;
const MOST_CHARACTERS: usize = 60;

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        for line in self.lines() {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}

impl Explanation {
    fn headline(&self) -> String {
        let flag = &self.flag;
        let answers = match (&self.variant, &self.value) {
            (Some(variant), Some(value)) if value.as_str() != Some(variant) => {
                format!("{flag} answers {variant} ({})", shown(value))
            }
            (Some(variant), _) => format!("{flag} answers {variant}"),
            (None, _) => format!("{flag} answers nothing, so the caller's own default holds"),
        };
        format!("{answers}, because {}.", self.because())
    }

    fn because(&self) -> String {
        if let Some(details) = &self.error_details {
            return format!("{} ({})", details, self.error.unwrap_or_default());
        }
        if let Some(rule) = &self.rule {
            return format!("rule {rule} holds{}", self.split_ending());
        }
        match self.reason {
            "DISABLED" if self.is_archived() => "it is archived".to_owned(),
            "DISABLED" => "it is not enabled in this environment".to_owned(),
            "PREREQUISITE_FAILED" => self.failed_prerequisite(),
            "TARGETING_MATCH" => "the targeting key is listed among its targets".to_owned(),
            "STATIC" => "it answers that to everyone".to_owned(),
            _ if self.tried_rules() => {
                format!("no rule holds and that is its default{}", self.split_ending())
            }
            _ => format!("that is its default{}", self.split_ending()),
        }
    }

    fn is_archived(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::State { archived: true, .. }))
    }

    fn tried_rules(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Rule { .. } | Step::LostRule { .. }))
    }

    fn failed_prerequisite(&self) -> String {
        let failed = self.steps.iter().find_map(|step| match step {
            Step::Prerequisite { flag, variants, holds: false, variant, reason, .. } => {
                Some((flag, variants, variant, reason))
            }
            _ => None,
        });
        failed.map_or_else(String::new, |(flag, variants, variant, reason)| {
            format!(
                "it requires {flag} to answer {}, and {}",
                either(variants),
                answered(flag, variant.as_deref(), *reason)
            )
        })
    }

    fn split_ending(&self) -> String {
        let split = self.steps.iter().find_map(|step| match step {
            Step::Serve { split: Some(split), .. } => Some(split),
            _ => None,
        });
        match split {
            Some(Chosen { assigned: true, .. }) => {
                ", a sticky split that kept to an earlier assignment".to_owned()
            }
            Some(Chosen { bucket: Some(Bucketed { key, bucket }), .. }) => {
                format!(", a split in which {key:?} is in bucket {bucket}")
            }
            Some(_) => ", a split that gives everything to one variant".to_owned(),
            None => String::new(),
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for step in &self.steps {
            step.tell(&mut lines);
        }
        lines
    }
}

impl Step {
    fn tell(&self, lines: &mut Vec<String>) {
        match self {
            Self::State { archived: true, .. } => {
                lines.push("It is archived: nothing else is looked at.".into());
            }
            Self::State { enabled: false, .. } => {
                lines.push("It is not enabled in this environment: nothing else is looked at.".into());
            }
            Self::State { .. } => lines.push("It is enabled.".into()),
            Self::Prerequisite { flag, variants, variant, reason, holds, why } => {
                let so = if *holds { "which will do" } else { "which will not do" };
                let answered = answered(flag, variant.as_deref(), *reason);
                lines.push(format!("It requires {flag} to answer {}; {answered}, {so}.", either(variants)));
                lines.extend(why.iter().flat_map(|why| why.lines()).map(|line| format!("  {line}")));
            }
            Self::Targets { targeting_key: None, .. } => {
                lines.push("The context has no targeting key, so no target can match.".into());
            }
            Self::Targets { targeting_key: Some(key), holds } => {
                let listed = if *holds { "is listed" } else { "is not listed" };
                lines.push(format!("{key:?} {listed} among the targets."));
            }
            Self::LostRule { place, why } => {
                let nth = place + 1;
                lines
                    .push(format!("The rule at place {nth} never holds, since it is not understood: {why}."));
            }
            Self::Rule { id, holds, tests, .. } => {
                let holds = if *holds { "holds" } else { "does not hold" };
                let so = if tests.is_empty() { ": its condition is empty." } else { ":" };
                lines.push(format!("Rule {id} {holds}{so}"));
                tell_tests(tests, lines);
            }
            Self::Serve { default, split } => {
                let who = if *default { "The default" } else { "It" };
                lines.extend(split.as_ref().map(|split| split.tell(who)));
            }
        }
    }
}

fn tell_tests(tests: &[Tested], lines: &mut Vec<String>) {
    for test in tests {
        let negated = test.path.rsplit("when").next().unwrap_or_default().matches(".not").count() % 2 == 1;
        let mark = if test.holds == negated { "✗" } else { "✓" };
        let negated = if negated { ", and it must not be" } else { "" };
        lines.push(format!("  {mark} {}{negated}", test.part.told(test.holds)));
        if let Part::Segment { tests, .. } = &test.part {
            let mut inner = Vec::new();
            tell_tests(tests, &mut inner);
            lines.extend(inner.into_iter().map(|line| format!("  {line}")));
        }
    }
}

impl Part {
    fn told(&self, holds: bool) -> String {
        match self {
            Self::Comparison { attribute, operator, actual: None, .. } if *operator == "exists" => {
                format!("{attribute} is not there")
            }
            Self::Comparison { attribute, operator, actual: None, .. } => {
                format!("{attribute} is missing, so {operator} cannot hold")
            }
            Self::Comparison { attribute, operator, values, list, ignore_case, actual: Some(actual) } => {
                let values = match (values, list) {
                    (Some(values), _) => format!(" {}", shown_all(values)),
                    (None, Some(list)) => format!(" the list {list}"),
                    (None, None) => String::new(),
                };
                let case = if *ignore_case { ", case ignored" } else { "" };
                format!("{attribute} is {}, {}{values}{case}", shown(actual), relation(operator, holds))
            }
            Self::Segment { segment, by, .. } => {
                let (is_in, why) = match *by {
                    "included" => ("is in", "the targeting key is listed as included"),
                    "excluded" => ("is not in", "the targeting key is listed as excluded"),
                    "no_condition" => {
                        ("is not in", "the targeting key is not listed, and it has no condition")
                    }
                    _ if holds => ("is in", "its condition holds"),
                    _ => ("is not in", "the targeting key is not listed, and its condition does not hold"),
                };
                format!("{is_in} the segment {segment}: {why}")
            }
            Self::Bucket { bucket: None, .. } => "there is no key to find a bucket with".to_owned(),
            Self::Bucket { from, to, bucket: Some(Bucketed { key, bucket }) } => {
                let inside = if holds { "inside" } else { "outside" };
                format!("{key:?} is in bucket {bucket}, {inside} {}", borders(*from, *to))
            }
        }
    }
}

impl Chosen {
    fn tell(&self, who: &str) -> String {
        let by = if self.by.is_empty() { "targetingKey".to_owned() } else { self.by.join(", else ") };
        let shares: Vec<_> = self
            .shares
            .iter()
            .map(|share| match share.to - share.from {
                0 => format!("{} gets nobody", share.variant),
                _ => format!("{} gets {}", share.variant, borders(share.from, share.to)),
            })
            .collect();
        let shares = shares.join(", ");
        match &self.bucket {
            Some(Bucketed { key, bucket }) => format!(
                "{who} splits by {by}: {key:?} is in bucket {bucket} ({} of \"{}:{key}\"); {shares}.",
                self.hash, self.salt
            ),
            None if self.assigned => {
                format!("{who} is a sticky split by {by}; the earlier assignment counts.")
            }
            None => format!("{who} splits by {by}; {shares}."),
        }
    }
}

/// The last bucket is named, as people count.
fn borders(from: u32, to: u32) -> String {
    match to.checked_sub(1) {
        Some(last) if last >= from => {
            let share = f64::from(to - from) / 1_000.0;
            format!("{from} to {last} ({share} %)")
        }
        _ => format!("{from} to {to} (nobody)"),
    }
}

fn relation(operator: &str, holds: bool) -> &str {
    match (operator, holds) {
        ("equals", true) => "which is",
        ("equals", false) => "not",
        ("not_equals", true) => "other than",
        ("not_equals", false) => "which is exactly",
        ("in", true) | ("not_in", false) => "one of",
        ("in", false) | ("not_in", true) => "none of",
        ("contains", true) => "which contains",
        ("contains", false) => "which does not contain",
        ("starts_with", true) => "which starts with",
        ("starts_with", false) => "which does not start with",
        ("ends_with", true) => "which ends with",
        ("ends_with", false) => "which does not end with",
        ("matches", true) => "which matches",
        ("matches", false) => "which does not match",
        ("gt", true) => "above",
        ("gt", false) => "not above",
        ("gte", true) => "at least",
        ("gte", false) => "not at least",
        ("lt", true) => "below",
        ("lt", false) => "not below",
        ("lte", true) => "at most",
        ("lte", false) => "not at most",
        ("before", true) => "before",
        ("before", false) => "not before",
        ("after", true) => "after",
        ("after", false) => "not after",
        ("semver", true) => "a version within",
        ("semver", false) => "not a version within",
        ("cidr", true) => "an address in",
        ("cidr", false) => "not an address in",
        ("exists", _) => "so it is there",
        (_, true) => "which satisfies",
        (_, false) => "which does not satisfy",
    }
}

fn answered(flag: &str, variant: Option<&str>, reason: Option<&str>) -> String {
    match (variant, reason) {
        (_, None) => format!("there is no flag {flag}"),
        (Some(variant), Some(reason)) => format!("it answers {variant} ({reason})"),
        (None, Some(reason)) => format!("it answers nothing ({reason})"),
    }
}

fn either(variants: &[String]) -> String {
    variants.join(" or ")
}

fn shown_all(values: &[Value]) -> String {
    let more = values.len().saturating_sub(MOST_SHOWN);
    let first: Vec<_> = values.iter().take(MOST_SHOWN).map(shown).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", first.join(", "))
}

/// A value as JSON, cut where it is long.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
