//! What a flag was asked for, and who was shown what.

use serde::Serialize;

use super::{HOUR, MINUTE};
use crate::access::Reader;
use crate::control::Control;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::time::Timestamp;

/// No more steps lie between two times that one asks for.
pub const MOST_POINTS: i64 = 1_500;
/// No more rows are answered; a step has one for each variant and reason.
const MOST_ROWS: u32 = 20_000;
/// No more totals are answered, the greatest first.
const MOST_TOTALS: u32 = 1_000;
/// No more exposures are counted: a second's work.
const MOST_SHOWN: u32 = 1_000_000;
/// How far it is looked back unless one says otherwise.
const USUAL: i64 = 24 * HOUR;

/// How long the parts of time are that are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// A minute; what is older than two days stands at the hour's first.
    Minute,
    /// An hour.
    Hour,
    /// 24 hours, from midnight UTC on.
    Day,
}

impl Step {
    /// The step of this name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "minute" => Some(Self::Minute),
            "hour" => Some(Self::Hour),
            "day" => Some(Self::Day),
            _ => None,
        }
    }

    fn millis(self) -> i64 {
        match self {
            Self::Minute => MINUTE,
            Self::Hour => HOUR,
            Self::Day => 24 * HOUR,
        }
    }
}

/// Which time is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Range {
    /// From when on; a day before the end unless given.
    pub from: Option<Timestamp>,
    /// Until when; now unless given.
    pub to: Option<Timestamp>,
    /// An hour unless given.
    pub step: Option<Step>,
}

/// What a store is asked about a flag.
#[derive(Debug, Clone, Copy)]
pub struct UsageOf<'a> {
    /// Its project.
    pub project_id: Id,
    /// Where.
    pub environment_id: Id,
    /// Its key.
    pub flag: &'a str,
    /// From when on.
    pub from: Timestamp,
    /// Until before when.
    pub to: Timestamp,
}

/// Evaluations with one outcome, in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepCount {
    /// When the step began.
    pub at: Timestamp,
    /// What they gave.
    pub evaluated: Evaluated,
}

/// Evaluations with one outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evaluated {
    /// Key of the variant; none where the caller's own default held.
    pub variant: Option<String>,
    /// OpenFeature's word.
    pub reason: String,
    /// How many.
    pub n: u64,
}

/// The same of one version of the flag, in the whole time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Total {
    /// Of the flag; 0 if it is not known.
    pub version: u64,
    /// What they gave.
    #[serde(flatten)]
    pub evaluated: Evaluated,
}

/// What was counted in one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Point {
    /// When it began.
    pub at: Timestamp,
    /// By variant and reason.
    pub counts: Vec<Evaluated>,
}

/// How many were first shown a variant of one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Key of the variant.
    pub variant: String,
    /// Of the flag.
    pub version: u64,
    /// How many units.
    pub units: u64,
}

/// What a flag was asked for in a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FlagUsage {
    /// Key of the environment.
    pub environment: String,
    /// From when on.
    pub from: Timestamp,
    /// Until before when.
    pub to: Timestamp,
    /// How long its parts are.
    pub step: Step,
    /// The minute, or hour, in which it was last evaluated, whenever that was.
    pub last_evaluated_at: Option<Timestamp>,
    /// By version, variant and reason, the most first.
    pub totals: Vec<Total>,
    /// The steps in which it was evaluated, in order.
    pub points: Vec<Point>,
    /// Whether there are further steps after these.
    pub has_more: bool,
    /// Who was first shown what in this time, by variant and version.
    pub exposures: Vec<Shown>,
    /// Whether there were more than are counted.
    pub more_exposures: bool,
}

impl Control {
    /// What a flag was asked for in an environment.
    pub async fn flag_usage(
        &self,
        reader: &Reader,
        environment: &Environment,
        key: &str,
        range: Range,
    ) -> Result<FlagUsage> {
        let flag = self.flag(reader, environment, key).await?.flag;
        let (from, to, step) = self.span(range)?;
        let (project_id, environment_id) = (reader.project_id(), environment.id);
        let of = UsageOf { project_id, environment_id, flag: flag.key.as_str(), from, to };
        let last_evaluated_at = self.store.last_evaluated(&of).await?;
        let totals = self.store.usage_totals(&of, MOST_TOTALS).await?;
        let rows = self.store.usage_counts(&of, step.millis(), MOST_ROWS + 1).await?;
        let (exposures, more_exposures) = self.store.usage_shown(&of, MOST_SHOWN).await?;
        let (points, has_more) = points(rows);
        let environment = environment.key.to_string();
        Ok(FlagUsage {
            environment,
            from,
            to,
            step,
            last_evaluated_at,
            totals,
            points,
            has_more,
            exposures,
            more_exposures,
        })
    }

    /// Whole steps that contain the time.
    fn span(&self, range: Range) -> Result<(Timestamp, Timestamp, Step)> {
        let step = range.step.unwrap_or(Step::Hour);
        let to = range.to.unwrap_or_else(|| self.clock.now());
        let from = range.from.unwrap_or_else(|| to.earlier(USUAL));
        if from >= to {
            return Err(Error::invalid("query from", "must be before to, which is now unless given"));
        }
        let (from, to) = (from.as_millis(), to.as_millis());
        let width = step.millis();
        let begin = from - from.rem_euclid(width);
        let end = to.saturating_add((width - to.rem_euclid(width)) % width);
        let count = (end - begin) / width;
        if count > MOST_POINTS {
            let message = format!(
                "makes {count} steps of the time; at most {MOST_POINTS} are told. Take a longer step"
            );
            return Err(Error::invalid("query step", message));
        }
        Ok((Timestamp::from_millis(begin), Timestamp::from_millis(end), step))
    }
}

/// Rows in order of time, put together; the last step is left out if it may not be whole.
fn points(rows: Vec<StepCount>) -> (Vec<Point>, bool) {
    let has_more = rows.len() > usize::try_from(MOST_ROWS).unwrap_or(usize::MAX);
    let mut points: Vec<Point> = Vec::new();
    for StepCount { at, evaluated } in rows {
        match points.last_mut().filter(|point| point.at == at) {
            Some(point) => point.counts.push(evaluated),
            None => points.push(Point { at, counts: vec![evaluated] }),
        }
    }
    if has_more && points.len() > 1 {
        points.pop();
    }
    (points, has_more)
}
