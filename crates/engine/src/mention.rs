//! What a flag or a segment names.

use crate::model::{Condition, Flag, Operands, Read, Segment};

/// Something that an entity names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mention<'a> {
    Flag(&'a str),
    Segment(&'a str),
    List(&'a str),
}

impl<'a> Mention<'a> {
    /// What a flag names, those of the parts that it understands.
    pub(crate) fn all_of_flag(flag: &'a Read<Flag>) -> Vec<Self> {
        let mut mentions = Vec::new();
        let Some(flag) = flag.known() else { return mentions };
        let prerequisites = flag.prerequisites.known().into_iter().flatten();
        mentions.extend(prerequisites.map(|prerequisite| Self::Flag(&prerequisite.flag)));
        for rule in flag.rules.iter().filter_map(Read::known) {
            named_in(&rule.when, |mention| mentions.push(mention));
        }
        mentions
    }

    /// What a segment names.
    pub(crate) fn all_of_segment(segment: &'a Read<Segment>) -> Vec<Self> {
        let mut mentions = Vec::new();
        if let Some(when) = segment.known().and_then(|segment| segment.when.as_ref()) {
            named_in(when, |mention| mentions.push(mention));
        }
        mentions
    }

    /// The key of a segment; nothing for others.
    pub(crate) fn segment(self) -> Option<&'a str> {
        match self {
            Self::Segment(key) => Some(key),
            Self::Flag(_) | Self::List(_) => None,
        }
    }

    /// The key of a flag; nothing for others.
    pub(crate) fn flag(self) -> Option<&'a str> {
        match self {
            Self::Flag(key) => Some(key),
            Self::Segment(_) | Self::List(_) => None,
        }
    }
}

/// The segments and lists that a condition names.
pub(crate) fn named_in<'c>(condition: &'c Condition, mut see: impl FnMut(Mention<'c>)) {
    condition.each_part(&mut |part| match part {
        Condition::Segment(key) => see(Mention::Segment(key)),
        Condition::Leaf(leaf) => {
            if let Operands::List(key) = &leaf.operands {
                see(Mention::List(key));
            }
        }
        _ => {}
    });
}
