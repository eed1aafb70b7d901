//! A segment that waits for its large key lists, and what is said of it meanwhile.

use std::fmt;

use engine::model::{Revision, Segment};

/// Since when a segment waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait {
    /// It is asked as it was at this revision; 0 if that is unknown, or it is not asked at all.
    pub(crate) before: Revision,
    /// At this revision it was last written, or at one that was fetched together with this one.
    pub(crate) wanted: Revision,
}

impl Wait {
    /// Whether what waits may be of the change that took this revision.
    pub(crate) fn is_for(self, revision: Revision) -> bool {
        self.before < revision && revision <= self.wanted
    }
}

/// A segment that is asked as it was before a change, for want of key lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting<'a> {
    /// Its key.
    pub segment: &'a str,
    /// It is asked as it was at this revision; none if that is of another history.
    pub revision: Option<Revision>,
    /// Digests of the lists that it names as it was written, and where: `included` or `excluded`. If there are none, it
    /// waits for those of the segments that it would not be understood without.
    pub key_lists: Vec<(&'static str, &'a str)>,
}

impl<'a> Waiting<'a> {
    pub(crate) fn new(segment: &'a str, wait: Wait, wanted: &'a Segment) -> Self {
        let lists = [("included", wanted.included.blob()), ("excluded", wanted.excluded.blob())];
        Self {
            segment,
            revision: Some(wait.before).filter(|revision| *revision > 0),
            key_lists: lists.into_iter().filter_map(|(path, list)| Some((path, list?))).collect(),
        }
    }
}

/// A sentence without its subject, the segment.
impl fmt::Display for Waiting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is asked as it was ")?;
        match self.revision {
            Some(revision) => write!(f, "at revision {revision}")?,
            None => f.write_str("before")?,
        }
        f.write_str(", until ")?;
        match &*self.key_lists {
            [] => f.write_str("the key lists are here of segments that it would not be understood without"),
            [(_, list)] => write!(f, "its key list {list} is here"),
            [(_, one), .., (_, other)] => write!(f, "its key lists {one} and {other} are here"),
        }
    }
}
