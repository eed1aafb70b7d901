//! How much is told. A flag may compare a thousand attributes with ten thousand values each, through 64
//! prerequisites, and a context may be 64 KiB of one list: an explanation has room for what a person would read.

use serde_json::{Map, Value};

use crate::trace::{Divider, Event, Listener};

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
    /// How many are told.
    tests: usize,
    /// How many more the flag in question has made.
    left_out: usize,
    /// How many segments deep what is heard is not told.
    deaf: usize,
}

impl<'r> Recorder<'r> {
    pub(super) fn into_events(self) -> Vec<Event<'r>> {
        self.events
    }
}

impl<'r> Listener<'r> for Recorder<'r> {
    fn hear(&mut self, event: impl FnOnce() -> Event<'r>) {
        let is_full = self.tests >= MOST_TESTS;
        let event = event();
        match &event {
            Event::Tested { .. } if is_full => {
                self.left_out += 1;
                return;
            }
            Event::Tested { .. } => self.tests += 1,
            // What goes before a test says nothing without it.
            Event::Bucketed { by: Divider::Gate, .. } if is_full => return,
            Event::Segment { .. } if is_full => {
                self.deaf += 1;
                return;
            }
            Event::SegmentHolds(_) if self.deaf > 0 => {
                self.deaf -= 1;
                return;
            }
            Event::Answered(_) if self.left_out > 0 => {
                self.events.push(Event::LeftOut(std::mem::take(&mut self.left_out)));
            }
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
