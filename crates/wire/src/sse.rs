//! Frames of an event stream (`text/event-stream`), ready to be sent.
//!
//! A change is one event with one id and one line of data, so that a reader that has an id has all of it.

use std::fmt::Display;
use std::io::Write as _;

use bytes::Bytes;
use engine::model::{Delta, Snapshot};

use crate::etag::Position;
use crate::json::append_json;

/// The media type of a stream.
pub const CONTENT_TYPE: &str = "text/event-stream";
/// Says nothing, so that neither side and no proxy between them takes a quiet stream for a dead one.
pub const HEARTBEAT: Bytes = Bytes::from_static(b":\n\n");

/// What ends a frame.
const END: &[u8] = b"\n\n";

/// A snapshot as a frame, and as the document inside it: the same bytes, kept once.
#[derive(Debug, Clone)]
pub struct SnapshotFrame {
    frame: Bytes,
    /// Where the document begins.
    start: usize,
}

impl SnapshotFrame {
    /// Renders a snapshot. Takes time and memory in proportion to its size.
    pub fn new(snapshot: &Snapshot) -> Self {
        let position = Position { epoch: &snapshot.epoch, revision: snapshot.revision };
        let mut frame = head(position, "snapshot");
        let start = frame.len();
        append_json(&mut frame, snapshot);
        frame.extend_from_slice(END);
        Self { frame: frame.into(), start }
    }

    /// The event `snapshot`.
    pub fn frame(&self) -> Bytes {
        self.frame.clone()
    }

    /// The document alone: one line of JSON.
    pub fn document(&self) -> Bytes {
        self.frame.slice(self.start..self.frame.len() - END.len())
    }
}

/// Told once, at the start of a stream: how long to wait before connecting again, in milliseconds.
pub fn retry(millis: u64) -> Bytes {
    format!("retry: {millis}\n\n").into()
}

/// The event `delta`; its id is where a reader stands once it is applied.
pub fn delta(epoch: &str, delta: &Delta) -> Bytes {
    let mut frame = head(Position { epoch, revision: delta.revision }, "delta");
    append_json(&mut frame, delta);
    frame.extend_from_slice(END);
    frame.into()
}

/// OFREP's notice that evaluated answers may be other ones now. Says nothing about what changed.
pub fn refetch(position: Position<'_>) -> Bytes {
    notice(position, position.to_etag())
}

/// The same, of a state on the way to `position`, told apart from others on that way by `stage`. Its id is empty:
/// who has seen no more than this has no place to go on from, and is told of what comes next in any case.
pub fn refetch_on_the_way(position: Position<'_>, stage: &str) -> Bytes {
    notice("", format!("\"{position}+{stage}\""))
}

fn notice(id: impl Display, etag: String) -> Bytes {
    let mut frame = head(id, "message");
    append_json(&mut frame, &Refetch { kind: "refetchEvaluation", etag });
    frame.extend_from_slice(END);
    frame.into()
}

#[derive(serde::Serialize)]
struct Refetch {
    #[serde(rename = "type")]
    kind: &'static str,
    etag: String,
}

/// All lines of a frame up to where its data begins.
fn head(id: impl Display, event: &str) -> Vec<u8> {
    let mut frame = Vec::with_capacity(256);
    // A `Vec` takes whatever is written to it.
    let _ = write!(frame, "id: {id}\nevent: {event}\ndata: ");
    frame
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn snapshot() -> Snapshot {
        serde_json::from_value(json!({
            "schema": 1, "epoch": "9f3c2a1b", "revision": 42, "project": "default", "environment": "production",
            "flags": {"motd": {
                "kind": "string", "version": 7, "enabled": true, "variants": [{"key": "on", "value": "a\n\nid: x\r"}],
                "default": {"variant": "on"},
            }},
        }))
        .unwrap()
    }

    #[test]
    fn a_snapshot_is_one_event_with_one_line_of_data() {
        let rendered = SnapshotFrame::new(&snapshot());
        let frame = rendered.frame();
        let document = rendered.document();
        let head = b"id: 9f3c2a1b.42\nevent: snapshot\ndata: ";
        assert_eq!(frame, [&head[..], &document, b"\n\n"].concat());
        assert!(!document.contains(&b'\n') && !document.contains(&b'\r'), "line ends in values are escaped");
        assert_eq!(serde_json::from_slice::<Snapshot>(&document).unwrap(), snapshot());
    }

    #[test]
    fn a_delta_carries_the_id_that_it_leads_to() {
        let change: Delta = serde_json::from_value(
            json!({"revision": 43, "flags": {"motd": null}, "segments": {}, "lists": {}}),
        )
        .unwrap();
        let expected = "id: 9f.43\nevent: delta\ndata: {\"revision\":43,\"flags\":{\"motd\":null},\"segments\":{},\"lists\":{}}\n\n";
        assert_eq!(delta("9f", &change), expected);
    }

    #[test]
    fn a_notice_has_the_entity_tag_and_nothing_else() {
        let frame = refetch(Position { epoch: "9f", revision: 43 });
        let expected = "id: 9f.43\nevent: message\ndata: {\"type\":\"refetchEvaluation\",\"etag\":\"\\\"9f.43\\\"\"}\n\n";
        assert_eq!(frame, expected);
    }

    #[test]
    fn a_notice_of_a_state_on_the_way_leaves_its_reader_without_a_place() {
        let frame = refetch_on_the_way(Position { epoch: "9f", revision: 43 }, "c0ffee");
        let expected = "id: \nevent: message\ndata: {\"type\":\"refetchEvaluation\",\"etag\":\"\\\"9f.43+c0ffee\\\"\"}\n\n";
        assert_eq!(frame, expected);
    }
}
