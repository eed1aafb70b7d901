//! A pattern that was read.

/// A pattern, or a part of one. How greedy a quantifier is does not stay: it never decides whether a text is found.
#[derive(Debug, PartialEq)]
pub(super) enum Node {
    Point(char),
    Class(Class),
    Look(Look),
    /// One behind the other; nothing at all if there are none.
    Sequence(Vec<Node>),
    /// One of them; there are at least two.
    Either(Vec<Node>),
    Repeat {
        node: Box<Node>,
        least: u32,
        /// Without a bound if there is none.
        most: Option<u32>,
    },
}

/// One code point out of many.
#[derive(Debug, PartialEq)]
pub(super) struct Class {
    pub(super) negated: bool,
    pub(super) members: Vec<Member>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Member {
    /// From one code point to another, both included.
    Range(char, char),
    Set(Set),
    /// All that are not in the set.
    Not(Set),
}

/// `\d`, `\w` and `\s`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Set {
    Digit,
    Word,
    Space,
}

impl Set {
    pub(super) fn ranges(self) -> &'static [(char, char)] {
        match self {
            Self::Digit => &[('0', '9')],
            Self::Word => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
            Self::Space => &[('\t', '\r'), (' ', ' ')],
        }
    }
}

/// What looks at a place between code points and takes none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Look {
    Start,
    End,
    /// Between a code point of `\w` and none.
    Border,
    NoBorder,
}

impl Look {
    /// Whether it holds between two code points, or at an end of the text.
    pub(super) fn holds(self, before: Option<char>, after: Option<char>) -> bool {
        let is_word = |point: Option<char>| {
            let within =
                |point| Set::Word.ranges().iter().any(|(first, last)| (first..=last).contains(&point));
            point.as_ref().is_some_and(within)
        };
        match self {
            Self::Start => before.is_none(),
            Self::End => after.is_none(),
            Self::Border => is_word(before) != is_word(after),
            Self::NoBorder => is_word(before) == is_word(after),
        }
    }
}

impl Node {
    /// How large it is: its atoms as often as their counts say, its `|` and its quantifiers.
    pub(super) fn instructions(&self) -> u64 {
        let all = |nodes: &[Self]| nodes.iter().map(Self::instructions).fold(0, u64::saturating_add);
        match self {
            Self::Point(_) | Self::Class(_) | Self::Look(_) => 1,
            Self::Sequence(nodes) => all(nodes),
            Self::Either(nodes) => all(nodes).saturating_add(nodes.len() as u64 - 1),
            Self::Repeat { node, least, most } => {
                let times = most.unwrap_or((*least).max(1));
                node.instructions().saturating_mul(times.into()).saturating_add(1)
            }
        }
    }

    /// How many nodes stand within one another.
    pub(super) fn depth(&self) -> usize {
        let deepest = |nodes: &[Self]| nodes.iter().map(Self::depth).max().unwrap_or(0);
        1 + match self {
            Self::Point(_) | Self::Class(_) | Self::Look(_) => 0,
            Self::Sequence(nodes) | Self::Either(nodes) => deepest(nodes),
            Self::Repeat { node, .. } => node.depth(),
        }
    }

    /// Whether it looks for this anywhere.
    pub(super) fn looks_for(&self, look: Look) -> bool {
        match self {
            Self::Point(_) | Self::Class(_) => false,
            Self::Look(own) => *own == look,
            Self::Sequence(nodes) | Self::Either(nodes) => nodes.iter().any(|node| node.looks_for(look)),
            Self::Repeat { node, .. } => node.looks_for(look),
        }
    }
}
