//! What was measured, beside what it should be: as a table for people and as JSON for machines.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

/// One figure, measured several times.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) row: String,
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) goal: Option<Goal>,
    /// Whether the goal is one for the median of the rounds, or for all of them.
    pub(crate) judged_by: Judged,
    /// In the order they were measured in.
    pub(crate) rounds: Vec<f64>,
    /// Why there are none.
    missing: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Judged {
    Median,
    Worst,
}

impl Figure {
    pub(crate) fn new(row: &str, what: impl Into<String>, unit: &'static str, rounds: Vec<f64>) -> Self {
        let (row, what, judged_by) = (row.to_owned(), what.into(), Judged::Median);
        Self { row, what, unit, goal: None, judged_by, rounds, missing: None }
    }

    /// Stands for all figures of a row that failed, and says why it did.
    pub(crate) fn not_measured(row: &str, why: impl Into<String>) -> Self {
        Self { missing: Some(why.into()), ..Self::new(row, "not measured", "", Vec::new()) }
    }

    pub(crate) fn is_missing(&self) -> bool {
        self.missing.is_some()
    }

    pub(crate) fn at_most(mut self, most: f64) -> Self {
        self.goal = Some(Goal::AtMost(most));
        self
    }

    pub(crate) fn at_least(mut self, least: f64) -> Self {
        self.goal = Some(Goal::AtLeast(least));
        self
    }

    /// No round may miss the goal.
    pub(crate) fn always(mut self) -> Self {
        self.judged_by = Judged::Worst;
        self
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.rounds.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted
    }

    /// Of an even number of rounds the one above the middle.
    pub(crate) fn median(&self) -> f64 {
        let sorted = self.sorted();
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// All of it, for machines.
    pub(crate) fn summary(&self) -> Value {
        if let Some(why) = &self.missing {
            return json!({ "row": self.row, "what": self.what, "why": why, "holds": false });
        }
        let (least, most) = self.least_and_most();
        json!({
            "row": self.row, "what": self.what, "unit": self.unit, "goal": self.goal, "judged_by": self.judged_by,
            "median": self.median(), "least": least, "most": most, "holds": self.holds(), "rounds": self.rounds,
        })
    }

    fn least_and_most(&self) -> (f64, f64) {
        let sorted = self.sorted();
        let end = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        (end(sorted.first()), end(sorted.last()))
    }

    /// Nothing without a goal. A figure that could not be measured holds none.
    pub(crate) fn holds(&self) -> Option<bool> {
        let (least, most) = self.least_and_most();
        Some(match (self.goal?, self.judged_by) {
            (Goal::AtMost(limit), Judged::Median) => self.median() <= limit,
            (Goal::AtMost(limit), Judged::Worst) => most <= limit,
            (Goal::AtLeast(limit), Judged::Median) => self.median() >= limit,
            (Goal::AtLeast(limit), Judged::Worst) => least >= limit,
        })
    }
}

/// A table in Markdown.
pub(crate) fn table(figures: &[Figure]) -> String {
    let mut text =
        "| row | figure | median | least – most | goal | holds |\n|---|---|---:|---:|---|---|\n".to_owned();
    for figure in figures {
        if let Some(why) = &figure.missing {
            // What would end the cell, or the line, must not.
            let why = why.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ");
            let _ = writeln!(text, "| {} | {}: {why} | | | | **no** |", figure.row, figure.what);
            continue;
        }
        let (least, most) = figure.least_and_most();
        let goal = match figure.goal {
            Some(Goal::AtMost(limit)) => format!("≤ {} {}", number(limit), figure.unit),
            Some(Goal::AtLeast(limit)) => format!("≥ {} {}", number(limit), figure.unit),
            None => String::new(),
        };
        let goal =
            goal.trim_end().to_owned() + if figure.judged_by == Judged::Worst { ", each time" } else { "" };
        let holds = figure.holds().map_or("", |holds| if holds { "yes" } else { "**no**" });
        let middle = format!("{} {}", number(figure.median()), figure.unit);
        // A `String` takes whatever is written to it.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} – {} | {goal} | {holds} |",
            figure.row,
            figure.what,
            middle.trim_end(),
            number(least),
            number(most)
        );
    }
    text
}

/// With as many digits as mean something.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_holds_for_the_median_or_each_time() {
        let figure = |rounds: &[f64]| Figure::new("row", "what", "ms", rounds.to_vec());
        assert_eq!(figure(&[1.0, 9.0, 2.0]).holds(), None);
        assert_eq!(figure(&[1.0, 9.0, 2.0]).at_most(2.0).holds(), Some(true));
        assert_eq!(figure(&[1.0, 9.0, 2.0]).at_most(2.0).always().holds(), Some(false));
        assert_eq!(figure(&[1.0, 9.0, 2.0]).at_least(2.0).holds(), Some(true));
        assert_eq!(figure(&[1.0, 9.0, 2.0]).at_least(2.0).always().holds(), Some(false));
        assert_eq!(figure(&[f64::NAN]).at_most(2.0).holds(), Some(false), "not measured");
        assert_eq!(figure(&[]).at_least(0.0).holds(), Some(false), "not measured");
    }

    #[test]
    fn the_table_says_what_is_missed() {
        let figures = [
            Figure::new("a", "CPU", "µs", vec![12.345, 20.0, 11.0]).at_most(12.0),
            Figure::new("b", "failures", "", vec![0.0, 0.0]).at_most(0.0).always(),
            Figure::not_measured("c", "it said\n  \"a|b\""),
        ];
        let expected = "| a | CPU | 12.35 µs | 11 – 20 | ≤ 12 µs | **no** |\n\
            | b | failures | 0 | 0 – 0 | ≤ 0, each time | yes |\n\
            | c | not measured: it said \"a\\|b\" | | | | **no** |\n";
        assert!(table(&figures).ends_with(expected), "{}", table(&figures));
        let missing = figures.map(|figure| (figure.is_missing(), figure.summary()["holds"].clone()));
        assert_eq!(missing, [(false, json!(false)), (false, json!(true)), (true, json!(false))]);
    }
}
