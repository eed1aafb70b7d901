//! Events on their way in: what was evaluated, shown and measured, in batches.
//!
//! `{"batch_id": …, "sent_at": …, "events": [{"type": "count", …}, …]}`. What is wrong with an event costs that event
//! alone. Members that nobody here knows are ignored, and events of types that nobody here knows are skipped and
//! counted: newer SDKs send them.

use engine::json::{At, Malformed, Object, Violation, Violations, read_document};
use engine::read_instant;
use serde::Serialize;
use serde_json::Value;

use crate::without_lone_surrogates;

/// No batch has more events.
pub const MOST_EVENTS: usize = 10_000;
/// No text of an event has more bytes.
pub const MOST_TEXT: usize = 256;
/// No id of a batch has more characters.
pub const MOST_ID: usize = 128;
/// No count is greater: 2^53 - 1.
pub const MOST_COUNT: u64 = (1 << 53) - 1;
/// So many faults of one batch are told; the rest are counted.
pub const MOST_FAULTS: usize = 20;
/// Reasons that are counted by their names; whatever else SDKs say is `UNKNOWN`.
const REASONS: [&str; 10] = [
    "STATIC",
    "DEFAULT",
    "TARGETING_MATCH",
    "SPLIT",
    "CACHED",
    "DISABLED",
    "PREREQUISITE_FAILED",
    "STALE",
    "ERROR",
    UNKNOWN,
];
const UNKNOWN: &str = "UNKNOWN";

/// A batch of events, as far as it can be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// As its sender names it: 1 to [`MOST_ID`] characters, none of them a control character.
    pub id: String,
    /// When it was sent, by its sender's clock: milliseconds since 1970.
    pub sent_at: i64,
    /// The events that were understood, and where they stand.
    pub events: Vec<Sent>,
    /// How many there were of types that nobody here knows.
    pub skipped: u64,
    /// Those that are wrong.
    pub faults: Faults,
}

/// Events that are wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// How many.
    pub count: u64,
    /// What is wrong with the first of them: at most [`MOST_FAULTS`].
    pub told: Vec<Violation>,
}

impl Faults {
    /// One more, and what is wrong with it: at least one thing.
    fn add(&mut self, faults: Vec<Violation>) {
        self.count += 1;
        let room = MOST_FAULTS.saturating_sub(self.told.len());
        self.told.extend(faults.into_iter().take(room));
    }

    /// The event at `place` is wrong in this member.
    pub fn refuse(&mut self, place: usize, member: &str, message: &str) {
        let (path, message) = (format!("events[{place}].{member}"), message.to_owned());
        self.add(vec![Violation { path, message }]);
    }
}

/// An event, and its place in its batch, from 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// Where it stands.
    pub place: usize,
    /// What it is.
    pub event: Event,
}

/// Something that happened. Texts have at most [`MOST_TEXT`] bytes and no U+0000; times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// `count`: so many evaluations of a flag with one outcome.
    Count(Count),
    /// `exposure`: somebody was given a variant by a split that is tracked.
    Exposure(Exposure),
    /// `metric`: something was measured.
    Metric(Metric),
}

/// See [`Event::Count`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Key of the flag.
    pub flag: String,
    /// Key of the variant; empty if there was none.
    pub variant: String,
    /// Of the flag; 0 if it is not known.
    pub version: u64,
    /// Why.
    pub reason: String,
    /// How many: 1 to [`MOST_COUNT`].
    pub n: u64,
    /// When the first was.
    pub from: i64,
    /// When the last was; not before the first.
    pub to: i64,
}

/// See [`Event::Exposure`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    /// Key of the flag.
    pub flag: String,
    /// Key of the variant.
    pub variant: String,
    /// Of the flag.
    pub version: u64,
    /// Id of the rule; empty for the default.
    pub rule: String,
    /// What is divided by, such as a user's id.
    pub unit: String,
    /// When.
    pub at: i64,
}

/// See [`Event::Metric`].
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// What.
    pub name: String,
    /// How much; finite.
    pub value: f64,
    /// Whose.
    pub unit: Option<String>,
    /// Key of a flag that it is about.
    pub flag: Option<String>,
    /// Key of the variant that was given.
    pub variant: Option<String>,
    /// When.
    pub at: i64,
}

/// What became of a batch, as it is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Events that were taken.
    pub accepted: u64,
    /// Events of types that nobody here knows, or wants.
    pub skipped: u64,
    /// Events that are wrong.
    pub rejected: u64,
    /// Whether the batch had been taken before; then nothing was written, and the numbers are of then.
    pub duplicate: bool,
    /// What is wrong with the first of those that are: at most [`MOST_FAULTS`].
    pub violations: Vec<crate::problem::Violation>,
}

impl Batch {
    /// Reads a body. What is wrong with the batch as a whole is told, all of it.
    pub fn read(body: &[u8]) -> Result<Self, Vec<Violation>> {
        let document = document(body)?;
        let mut violations = Violations::default();
        let batch = Self::of(At::root(&document), &mut violations);
        violations.into_result(batch)
    }

    fn of(at: At<'_>, violations: &mut Violations) -> Option<Self> {
        let object = at.object(violations)?;
        let id = object.require(violations, "batch_id").and_then(|at| batch_id(at, violations));
        let sent_at = object.require(violations, "sent_at").and_then(|at| instant(at, violations));
        let events = object.require(violations, "events")?;
        let list = events.list(violations, MOST_EVENTS)?;
        let mut batch =
            Self { id: id?, sent_at: sent_at?, events: Vec::new(), skipped: 0, faults: Faults::default() };
        for (place, event) in list.iter().enumerate() {
            let mut faults = Violations::default();
            let event = Event::read(events.index(place, event), &mut faults);
            match faults.into_result(event) {
                Ok(Some(event)) => batch.events.push(Sent { place, event }),
                Ok(None) => batch.skipped += 1,
                Err(faults) => batch.faults.add(faults),
            }
        }
        Some(batch)
    }
}

fn document(body: &[u8]) -> Result<Value, Vec<Violation>> {
    let read = match read_document(body) {
        // Looked for only where reading failed: nearly nobody sends any.
        Err(Malformed::Syntax(error)) => {
            without_lone_surrogates(body).map_or(Err(Malformed::Syntax(error)), |body| read_document(&body))
        }
        read => read,
    };
    read.map_err(|malformed| match malformed {
        Malformed::Repeated(violation) => vec![violation],
        Malformed::Syntax(error) => {
            let message =
                format!("the body must be {{\"batch_id\", \"sent_at\", \"events\"}} in JSON: {error}");
            vec![Violation { path: String::new(), message }]
        }
    })
}

impl Event {
    /// `None` in it is an event of a type that nobody here knows.
    #[expect(clippy::option_option, reason = "the outer one is that of all readers")]
    fn read(at: At<'_>, faults: &mut Violations) -> Option<Option<Self>> {
        let object = at.object(faults)?;
        let event = match object.require(faults, "type")?.text(faults)? {
            "count" => Count::read(&object, faults).map(Self::Count),
            "exposure" => Exposure::read(&object, faults).map(Self::Exposure),
            "metric" => Metric::read(&object, faults).map(Self::Metric),
            _ => return Some(None),
        };
        event.map(Some)
    }
}

impl Count {
    fn read(object: &Object<'_>, faults: &mut Violations) -> Option<Self> {
        let flag = named(object, faults, "flag");
        let variant = optional(object, faults, "variant");
        let version = version(object, faults);
        let reason = object.require(faults, "reason").and_then(|at| at.text(faults));
        let reason = reason.map(|given| REASONS.into_iter().find(|known| *known == given).unwrap_or(UNKNOWN));
        let n = object.require(faults, "n").and_then(|at| {
            let n: u64 = at.whole(faults, "1 to 9007199254740991")?;
            if n == 0 {
                at.fault(faults, "must be at least 1");
            }
            Some(n.min(MOST_COUNT))
        });
        let from = object.require(faults, "from").and_then(|at| instant(at, faults));
        let end = object.require(faults, "to");
        let to = end.and_then(|at| instant(at, faults));
        if let (Some(from), Some(to), Some(at)) = (from, to, end)
            && from > to
        {
            at.fault(faults, "must not be before from");
        }
        Some(Self {
            flag: flag?,
            variant: variant?.unwrap_or_default(),
            version: version?,
            reason: reason?.to_owned(),
            n: n?,
            from: from?,
            to: to?,
        })
    }
}

impl Exposure {
    fn read(object: &Object<'_>, faults: &mut Violations) -> Option<Self> {
        let flag = named(object, faults, "flag");
        let variant = named(object, faults, "variant");
        let version = version(object, faults);
        let rule = optional(object, faults, "rule");
        let unit = named(object, faults, "unit");
        let at = object.require(faults, "at").and_then(|at| instant(at, faults));
        Some(Self {
            flag: flag?,
            variant: variant?,
            version: version?,
            rule: rule?.unwrap_or_default(),
            unit: unit?,
            at: at?,
        })
    }
}

impl Metric {
    fn read(object: &Object<'_>, faults: &mut Violations) -> Option<Self> {
        let name = named(object, faults, "name");
        let value = object.require(faults, "value").and_then(|at| {
            let value = at.value().as_f64().filter(|value| value.is_finite());
            if value.is_none() {
                at.fault(faults, "must be a number");
            }
            value
        });
        let unit = optional(object, faults, "unit");
        let flag = optional(object, faults, "flag");
        let variant = optional(object, faults, "variant");
        let at = object.require(faults, "at").and_then(|at| instant(at, faults));
        Some(Self { name: name?, value: value?, unit: unit?, flag: flag?, variant: variant?, at: at? })
    }
}

/// Whether a text may be in an event.
pub fn is_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= MOST_TEXT && !text.contains('\0')
}

/// A text that must be there and say something.
fn named(object: &Object<'_>, faults: &mut Violations, name: &'static str) -> Option<String> {
    let at = object.require(faults, name)?;
    let text = bounded(at, faults)?;
    if text.is_empty() {
        at.fault(faults, "must not be empty");
    }
    Some(text)
}

/// A text that may be left out, be null, or be empty.
#[expect(clippy::option_option, reason = "the outer one is that of all readers")]
fn optional(object: &Object<'_>, faults: &mut Violations, name: &'static str) -> Option<Option<String>> {
    let Some(at) = object.get(name).filter(|at| !at.is_null()) else { return Some(None) };
    let text = bounded(at, faults)?;
    Some(Some(text).filter(|text| !text.is_empty()))
}

fn bounded(at: At<'_>, faults: &mut Violations) -> Option<String> {
    let text = at.text(faults)?;
    if text.len() > MOST_TEXT {
        at.fault(faults, format_args!("has {} bytes; at most {MOST_TEXT} are allowed", text.len()));
        return None;
    }
    if text.contains('\0') {
        at.fault(faults, "has a character U+0000, which no database keeps");
        return None;
    }
    Some(text.to_owned())
}

fn version(object: &Object<'_>, faults: &mut Violations) -> Option<u64> {
    let version = object.get("version").filter(|at| !at.is_null());
    let version: Option<i64> = match version {
        None => Some(0),
        Some(at) => at.whole(faults, "0 or more").and_then(|version: i64| {
            if version < 0 {
                at.fault(faults, "must not be negative");
            }
            (version >= 0).then_some(version)
        }),
    };
    version?.try_into().ok()
}

fn instant(at: At<'_>, faults: &mut Violations) -> Option<i64> {
    let instant = read_instant(at.text(faults)?);
    if instant.is_none() {
        at.fault(faults, "must be an instant with an offset, such as 2026-11-21T12:00:00.000Z");
    }
    instant
}

fn batch_id(at: At<'_>, faults: &mut Violations) -> Option<String> {
    let id = at.text(faults)?;
    if id.is_empty() || id.chars().count() > MOST_ID || id.chars().any(char::is_control) {
        at.fault(
            faults,
            format_args!("must have 1 to {MOST_ID} characters, none of them a control character"),
        );
    }
    Some(id.to_owned())
}

#[cfg(test)]
mod tests;
