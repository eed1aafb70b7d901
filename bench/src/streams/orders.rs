//! What the driver and its crowds say to each other, a line of JSON each.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::moment::Moment;

/// The first line: who the clients are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) address: SocketAddr,
    /// The whole request of a client that was never here.
    pub(crate) request: String,
    /// The whole request of who asks before; another number stands in each client's.
    pub(crate) question: String,
    pub(crate) clients: usize,
    /// Addresses that they come from.
    pub(crate) sources: u8,
    pub(crate) manner: Manner,
}

/// What clients do with their connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Manner {
    /// They open their streams and read.
    Reads,
    /// They ask for all flags first, and open their streams on the connections that were answered.
    AsksFirst,
    /// They keep their connections, and read nothing after the answer's head.
    Deaf,
}

/// What a crowd is told; it answers each before it is told the next.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Answered when all have got there, or patience is over.
    Wait { until: Until, patience_ms: u64 },
    /// Frames and bytes are counted anew.
    Mark,
    /// What was seen; times count from `since`.
    Report { since: Moment },
}

/// What a client can have got to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Until {
    /// Its stream is open, and was opened after that.
    Open { since: Moment },
    /// An event with this revision, or a later one, has come.
    Revision(u64),
}

/// What a crowd answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// So many have not got there.
    Waited {
        missing: usize,
    },
    Marked,
    Report(Report),
}

/// What clients saw.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// When the stream of each that has one was opened, in microseconds.
    pub(crate) opened: Vec<u64>,
    /// When the last event came to each that had one since then, in microseconds.
    pub(crate) arrived: Vec<u64>,
    /// Since the mark.
    pub(crate) frames: u64,
    /// Of bodies, since the mark.
    pub(crate) bytes: u64,
    /// Events whose id was not beyond the one before; ever.
    pub(crate) disorder: u64,
    /// Connections that ended or could not be made; ever.
    pub(crate) lost: u64,
    /// How often which status was answered instead of 200; ever.
    pub(crate) refused: BTreeMap<u16, u64>,
    /// How many clients are where.
    pub(crate) revisions: BTreeMap<u64, usize>,
}

impl Report {
    pub(crate) fn merge(&mut self, other: Self) {
        self.opened.extend(other.opened);
        self.arrived.extend(other.arrived);
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.disorder += other.disorder;
        self.lost += other.lost;
        for (status, count) in other.refused {
            *self.refused.entry(status).or_default() += count;
        }
        for (revision, count) in other.revisions {
            *self.revisions.entry(revision).or_default() += count;
        }
    }
}
