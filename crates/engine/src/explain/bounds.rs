//! How much is told. A flag may compare a thousand attributes with ten thousand values each, through 64
//! prerequisites, and a context may be 64 KiB of one list: an explanation has room for what a person would read.

use serde_json::{Map, Value};

use crate::trace::{Event, Listener};

/// Once so many tests are told, the rest are only counted.
const MOST_TESTS: usize = 1_000;
/// No more values of a comparison and elements of an attribute are told.
pub(super) const MOST_VALUES: usize = 20;
/// No text that is told is longer, in characters.
const MOST_CHARACTERS: usize = 200;

/// Keeps what an evaluation tells, within bounds.
#[derive(Default)]
pub(super) struct Recorder<'r> {
    events: Vec<Event<'r>>,
    tests: usize,
    /// Of the rule that is being tried.
    left_out: usize,
    /// Nothing of the rule that is being tried is told.
    is_full: bool,
}

impl<'r> Recorder<'r> {
    pub(super) fn into_events(self) -> Vec<Event<'r>> {
        self.events
    }
}

impl<'r> Listener<'r> for Recorder<'r> {
    fn hear(&mut self, event: impl FnOnce() -> Event<'r>) {
        let event = event();
        match &event {
            Event::Rule(_) => self.is_full = self.tests >= MOST_TESTS,
            Event::RuleHolds(_) => {
                self.is_full = false;
                let left_out = std::mem::take(&mut self.left_out);
                if left_out > 0 {
                    self.events.push(Event::LeftOut(left_out));
                }
            }
            Event::Tested { .. } => {
                self.tests += 1;
                if self.tests > MOST_TESTS {
                    self.left_out += 1;
                    return;
                }
            }
            // They frame the tests of a segment or go before one; without tests they say nothing.
            Event::Segment { .. } | Event::SegmentHolds(_) | Event::Bucketed { .. } if self.is_full => return,
            _ => {}
        }
        self.events.push(event);
    }
}

/// A text, cut where it is long.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A value, cut where it is long. What is inside of what is inside is not told: no operator looks there.
pub(crate) fn cut_value(value: &Value) -> Value {
    match value {
        Value::Array(list) => list.iter().take(MOST_VALUES).map(cut_scalar).collect(),
        value => cut_scalar(value),
    }
}

fn cut_scalar(value: &Value) -> Value {
    match value {
        Value::String(text) => cut(text).into(),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Object(_) => Value::Object(Map::new()),
        value => value.clone(),
    }
}
