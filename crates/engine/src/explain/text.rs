//! An explanation for people: what came out and why in one sentence, then each thing that was tried.

use std::fmt::{self, Display, Formatter};

use super::words::{borders, either, found, lack, quoted, shown};
use super::{Bucketed, Chosen, Explanation, Step, Tested, Untried, What};
use crate::model::WHOLE;

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
        let (flag, because) = (&self.flag, self.because());
        match (&self.variant, &self.value, self.error) {
            (Some(variant), Some(value), _) if value.as_str() != Some(variant) => {
                format!("{flag} answers {variant} ({}), because {because}.", shown(value))
            }
            (Some(variant), ..) => format!("{flag} answers {variant}, because {because}."),
            (None, _, None) => {
                format!("{flag} gives no value, so the caller's own default holds, because {because}.")
            }
            (None, _, Some(error)) => {
                format!("{flag} ends in {error}, so the caller's own default holds, because {because}.")
            }
        }
    }

    fn because(&self) -> String {
        match (self.error, self.reason) {
            (Some("TARGETING_KEY_MISSING"), _) => {
                let lack = self.split().map(|split| lack(&split.by, &split.no_keys)).unwrap_or_default();
                format!("{} by a split, and {lack} to split by", self.who_answers())
            }
            (Some("PARSE_ERROR"), _) => {
                format!(
                    "something is wrong with it, or this version of Burgee cannot read it: {}",
                    self.error_details.as_deref().unwrap_or("")
                )
            }
            (Some(_), _) => self.error_details.clone().unwrap_or_default(),
            (None, "DISABLED") if self.is_archived() => format!("it is archived{}", self.no_off_variant()),
            (None, "DISABLED") => {
                format!("it is not enabled in this environment{}", self.no_off_variant())
            }
            (None, "PREREQUISITE_FAILED") => {
                format!("{}{}", self.failed_prerequisite(), self.no_off_variant())
            }
            (None, "TARGETING_MATCH") if self.rule.is_none() => {
                "the targeting key is listed among its targets".to_owned()
            }
            (None, "STATIC") => "it answers that to everyone".to_owned(),
            (None, _) => match (self.held_rule(), self.split_ending()) {
                (Some(rule), None) if self.variant.is_none() => {
                    format!("rule {rule} holds and serves nothing")
                }
                (None, None) if self.variant.is_none() => format!("{} with nothing", self.who_answers()),
                (Some(rule), None) => format!("rule {rule} holds"),
                (_, ending) => format!("{}{}", self.who_answers(), ending.unwrap_or_default()),
            },
        }
    }

    fn no_off_variant(&self) -> &'static str {
        if self.variant.is_none() { ", and it has no off variant" } else { "" }
    }

    fn held_rule(&self) -> Option<String> {
        self.steps.iter().find_map(|step| match step {
            Step::Rule { id, place, priority, holds: true, .. } => Some(rule_name(id, *place, *priority)),
            _ => None,
        })
    }

    /// The rule, or the default.
    fn who_answers(&self) -> String {
        let tried = |step: &Step| matches!(step, Step::Rule { .. } | Step::LostRule { .. });
        match self.held_rule() {
            Some(rule) => format!("rule {rule} answers"),
            None if self.steps.iter().any(tried) => "no rule holds and the default answers".to_owned(),
            None => "the default answers".to_owned(),
        }
    }

    fn is_archived(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::State { archived: true, .. }))
    }

    fn failed_prerequisite(&self) -> String {
        let failed = self.steps.iter().find_map(|step| match step {
            Step::Prerequisite { flag, variants, holds: false, variant, reason, why } => {
                let but = match why {
                    // "It" is the other flag there.
                    Some(why) if why.reason == "DISABLED" => {
                        format!("{flag} does not count: {}", why.because())
                    }
                    _ => answered(flag, variant.as_deref(), *reason),
                };
                Some(format!("it requires {flag} to answer {}, and {but}", either(variants)))
            }
            _ => None,
        });
        failed.unwrap_or_default()
    }

    fn split(&self) -> Option<&Chosen> {
        self.steps.iter().find_map(|step| match step {
            Step::Serve { split, .. } => split.as_ref(),
            _ => None,
        })
    }

    fn split_ending(&self) -> Option<String> {
        let variant = self.variant.as_deref().unwrap_or_default();
        Some(match self.split()? {
            Chosen { assigned: true, .. } => {
                format!(" by a sticky split, which keeps to {variant}, given before")
            }
            Chosen { bucket: Some(Bucketed { key, bucket }), .. } => {
                format!(" by a split, in which {} has bucket {bucket}, one of {variant}'s", quoted(key))
            }
            Chosen { .. } => format!(" by a split that gives everything to {variant}"),
        })
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for step in &self.steps {
            step.tell(&self.steps, &mut lines);
        }
        lines
    }
}

impl Step {
    fn tell(&self, all: &[Self], lines: &mut Vec<String>) {
        match self {
            Self::State { enabled: false, .. } | Self::State { archived: true, .. } => {
                lines.push(
                    "Such a flag answers its off variant; targets, rules and default are not looked at."
                        .into(),
                );
            }
            Self::State { .. } => lines.push("It is enabled.".into()),
            Self::Prerequisite { flag, variants, variant, reason, holds, why } => {
                let mark = mark(*holds);
                let answered = match why {
                    Some(why) if *reason == Some("DISABLED") => {
                        format!("{} That does not count.", why.headline())
                    }
                    Some(why) => why.headline(),
                    None => format!("{}, as told above.", answered(flag, variant.as_deref(), *reason)),
                };
                lines.push(format!("{mark} It requires {flag} to answer {}. {answered}", either(variants)));
                let told = why.iter().filter(|why| why.reason != "DISABLED").flat_map(|why| why.lines());
                lines.extend(told.map(|line| format!("    {line}")));
            }
            Self::Targets { targeting_key: None, no_keys, .. } => {
                let lack = lack(&[], no_keys).replacen('t', "T", 1);
                lines.push(format!("{lack}, so it is none of its targets."));
            }
            Self::Targets { targeting_key: Some(key), holds, .. } => {
                let listed = if *holds { "is listed" } else { "is not listed" };
                lines.push(format!("{} {listed} among its targets.", quoted(key)));
            }
            Self::LostRule { place, error } => {
                let nth = place + 1;
                let error = error.strip_prefix(&format!("rules[{place}]")).unwrap_or(error);
                let error = error.trim_start_matches([':', '.', ' ']);
                lines.push(format!("Rule {nth} never holds: {}.", error.trim_end_matches('.')));
            }
            Self::Rule { id, place, priority, holds, tests } => {
                let name = rule_name(id, *place, *priority);
                let holds = if *holds { "holds" } else { "does not hold" };
                let are_left_out = || all.iter().any(|step| matches!(step, Self::LeftOut { .. }));
                let end = match tests.as_slice() {
                    [] if are_left_out() => ".",
                    [] => ": it has nothing to test.",
                    _ => ":",
                };
                lines.push(format!("Rule {name} {holds}{end}"));
                lines.extend(told_tests(tests).into_iter().map(|line| format!("  {line}")));
            }
            Self::LeftOut { count } => {
                lines.push(format!("… and {count} tests more, too many to tell."));
            }
            Self::Untried { rules } => lines.extend(surprise(all, rules)),
            Self::Serve { default, split } => {
                let who = if *default { "The default" } else { "It" };
                lines.extend(split.iter().flat_map(|split| split.tell(who)));
            }
        }
    }
}

/// Rules that stand before the one that held, and come after it all the same.
fn surprise(steps: &[Step], untried: &[Untried]) -> Option<String> {
    let held = steps.iter().find_map(|step| match step {
        Step::Rule { place, priority, holds: true, .. } => Some((*place, *priority)),
        _ => None,
    });
    let (held, priority) = held?;
    let before: Vec<_> = untried.iter().filter(|rule| rule.place < held).collect();
    let names: Vec<_> = before.iter().map(|rule| rule_name(&rule.id, rule.place, rule.priority)).collect();
    let (what, are) = match before.as_slice() {
        [] => return None,
        [_] => ("Rule", "is"),
        _ => ("Rules", "are"),
    };
    let nth = held + 1;
    let names = names.join(", ");
    Some(format!(
        "{what} {names} {are} not tried: the lower priority goes first, and rule {nth} has {priority}."
    ))
}

/// A rule as people find it in the list, and by its name.
fn rule_name(id: &str, place: usize, priority: i32) -> String {
    let nth = place + 1;
    if priority == 0 { format!("{nth} ({id})") } else { format!("{nth} ({id}, priority {priority})") }
}

fn mark(holds: bool) -> char {
    if holds { '✓' } else { '✗' }
}

/// The tests of one condition as the tree that it is.
fn told_tests(tests: &[Tested]) -> Vec<String> {
    let mut lines = Vec::new();
    // The groups that the line before stands in, outermost first.
    let mut open: Vec<&str> = Vec::new();
    for test in tests {
        // A segment's key may have dots in it, but not this: a condition follows its last `when`.
        let way = test.path.rsplit_once("when").map_or("", |(_, way)| way);
        let (groups, is_negated) = groups(way);
        let shared = open.iter().zip(&groups).take_while(|(one, other)| one == other).count();
        for (depth, group) in groups.iter().enumerate().skip(shared) {
            lines.push(format!("{}{}", "  ".repeat(depth), group_name(group)));
        }
        let margin = "  ".repeat(groups.len());
        open = groups;
        let (condition, fact) = (test.what.condition(), test.what.fact(test.holds));
        let condition = if is_negated { format!("not ({condition})") } else { condition };
        lines.push(format!("{margin}{} {condition}: {fact}", mark(test.holds != is_negated)));
        if let What::Segment { tests, .. } = &test.what {
            lines.extend(told_tests(tests).into_iter().map(|line| format!("{margin}    {line}")));
        }
    }
    lines
}

/// The groups that a way through a condition leads into, each as the whole way to it, and whether what it leads
/// to stands right under a `not`. An outermost `all` is what a list of tests is anyway.
fn groups(way: &str) -> (Vec<&str>, bool) {
    let ends = way.match_indices('[').map(|(end, _)| end);
    let groups = ends.filter_map(|end| way.get(..end)).filter(|group| *group != ".all").collect();
    let last = way.rsplit(']').next().unwrap_or_default();
    (groups, last.matches(".not").count() % 2 == 1)
}

fn group_name(way: &str) -> &'static str {
    let last = way.rsplit(']').next().unwrap_or(way);
    let is_negated = last.matches(".not").count() % 2 == 1;
    match (last.rsplit('.').next() == Some("any"), is_negated) {
        (true, false) => "any of these:",
        (true, true) => "none of these:",
        (false, false) => "all of these:",
        (false, true) => "not all of these:",
    }
}

impl Chosen {
    fn tell(&self, who: &str) -> Vec<String> {
        let by = if self.by.is_empty() { "targetingKey".to_owned() } else { self.by.join(", else ") };
        let shares = self.shares.iter().map(|share| match share.to - share.from {
            0 => format!("{} has none", share.variant),
            _ => format!("{} has {}", share.variant, borders(share.from, share.to)),
        });
        let sticky = if self.sticky { " is a sticky split" } else { " splits" };
        let shares: Vec<_> = shares.collect();
        let mut lines = vec![format!("{who}{sticky} by {by}; of the buckets {}.", shares.join(", "))];
        match (&self.earlier, self.assigned, &self.bucket) {
            (Some(earlier), true, _) => {
                lines.push(format!("{earlier:?} was given before and still has buckets, so it stays."));
            }
            (Some(earlier), false, Some(_)) => {
                lines.push(format!("{earlier:?} was given before, but has no buckets any more."));
            }
            (_, false, None) if self.shares.iter().all(|share| share.to - share.from < WHOLE) => {
                let lack = lack(&self.by, &self.no_keys).replacen('t', "T", 1);
                lines.push(format!("{lack}: an error, for no other rule answers in its place."));
            }
            _ => {}
        }
        lines.extend(self.bucket.as_ref().map(|bucket| format!("{}.", found(bucket, self.hash, &self.salt))));
        lines
    }
}

fn answered(flag: &str, variant: Option<&str>, reason: Option<&str>) -> String {
    match (variant, reason) {
        (_, None) => format!("there is no flag {flag}"),
        (_, Some("DISABLED")) => format!("{flag} does not count: it is not enabled, or archived"),
        (_, Some("PREREQUISITE_FAILED")) => {
            format!("{flag} does not count: it lacks what it requires itself")
        }
        (_, Some("ERROR")) => format!("{flag} ends in an error"),
        (Some(variant), Some(_)) => format!("{flag} answers {variant}"),
        (None, Some(_)) => format!("{flag} gives no value"),
    }
}
