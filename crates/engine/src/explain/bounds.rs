//! How many tests are told. A flag may compare a thousand attributes, and so may each of 64 prerequisites: an
//! explanation has room for what a person would read.

use crate::trace::{Divider, Event, Listener};

/// Once so many tests are told, the rest are only counted, but for the segments that they stand in.
const MOST_TESTS: usize = 1_000;

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
