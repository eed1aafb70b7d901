//! How much is told. A flag may compare a thousand attributes with ten thousand values each, through 64
//! prerequisites, and a context may be 64 KiB of one list: an explanation has room for what a person would read.

use serde_json::{Map, Value};

use crate::trace::{Divider, Event, Listener};

/// Once so many tests are told, the rest are only counted, but for the segments that they stand in.
const MOST_TESTS: usize = 1_000;
/// No more values of a comparison and elements of an attribute are told.
pub(super) const MOST_VALUES: usize = 20;
/// No text that is told is longer, in characters.
const MOST_CHARACTERS: usize = 200;

/// Stands for what is inside of something.
const LEFT_OUT: &str = "…";

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
    /// Whether a segment that is told has come to its end, so that the next test is of the segment itself.
    ends_segment: bool,
}

impl<'r> Recorder<'r> {
    pub(super) fn into_events(self) -> Vec<Event<'r>> {
        self.events
    }
}

impl<'r> Listener<'r> for Recorder<'r> {
    fn hear(&mut self, event: impl FnOnce() -> Event<'r>) {
        // What a segment tests is told as a part of its own test, which is told even if the others filled all.
        let is_full = self.tests >= MOST_TESTS && !std::mem::take(&mut self.ends_segment);
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
            Event::SegmentHolds(_) => self.ends_segment = true,
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

/// A value, cut where it is long. What an object or a list inside of a list has is not told, only that it has
/// something: no operator looks there.
pub(crate) fn cut_value(value: &Value) -> Value {
    match value {
        Value::Array(list) => {
            let more = (list.len() > MOST_VALUES).then(|| LEFT_OUT.into());
            list.iter().take(MOST_VALUES).map(cut_scalar).chain(more).collect()
        }
        value => cut_scalar(value),
    }
}

fn cut_scalar(value: &Value) -> Value {
    match value {
        Value::String(text) => cut(text).into(),
        Value::Array(list) if !list.is_empty() => Value::Array(vec![LEFT_OUT.into()]),
        Value::Object(members) if !members.is_empty() => {
            Value::Object(Map::from_iter([(LEFT_OUT.to_owned(), LEFT_OUT.into())]))
        }
        value => value.clone(),
    }
}
