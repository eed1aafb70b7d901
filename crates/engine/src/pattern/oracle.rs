//! A second way to find a pattern, for tests: slow, obvious, and made of nothing that the first way is made of. It
//! makes up patterns as trees of its own, writes them in the dialect's words, and finds them by following every
//! way through the tree.

use std::collections::BTreeSet;

use proptest::prelude::*;

/// A pattern that was made up.
#[derive(Debug, Clone)]
pub(super) enum Tree {
    Empty,
    Point(char),
    Dot,
    /// `\d` and its like.
    Set(char),
    /// Negated or not; characters and ranges; `\d` and its like.
    Class(bool, Vec<(char, char)>, Vec<char>),
    /// `^`, `$`, `b` or `B`.
    Look(char),
    Then(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    /// Lazy or not.
    Times(Box<Tree>, usize, Option<usize>, bool),
}

/// Few code points, so that patterns and texts meet: of one to four bytes, with and without case, borders of sets.
pub(super) const POINTS: [char; 22] = [
    'a', 'b', 'A', 'B', 'k', '0', '9', '_', ' ', '\n', '\t', '-', '^', ']', '.', 'é', 'É', 'İ', 'Σ',
    '\u{212A}', '€', '😀',
];

pub(super) fn texts() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&POINTS[..]), 0..8).prop_map(String::from_iter)
}

pub(super) fn trees() -> impl Strategy<Value = Tree> {
    let point = || prop::sample::select(&POINTS[..]);
    let set = || prop::sample::select(&['d', 'D', 'w', 'W', 's', 'S'][..]);
    let range = (point(), point(), any::<bool>())
        .prop_map(|(one, two, single)| if single { (one, one) } else { (one.min(two), one.max(two)) });
    let class = (any::<bool>(), prop::collection::vec(range, 0..4), prop::collection::vec(set(), 0..2))
        .prop_filter_map("an empty class", |(negated, ranges, sets)| {
            (!ranges.is_empty() || !sets.is_empty()).then_some(Tree::Class(negated, ranges, sets))
        });
    let leaf = prop_oneof![
        1 => Just(Tree::Empty),
        6 => point().prop_map(Tree::Point),
        1 => Just(Tree::Dot),
        2 => set().prop_map(Tree::Set),
        4 => class,
        2 => prop::sample::select(&['^', '$', 'b', 'B'][..]).prop_map(Tree::Look),
    ];
    leaf.prop_recursive(4, 20, 2, |tree| {
        let times = (0..3_usize, prop::option::of(0..3_usize), any::<bool>());
        prop_oneof![
            4 => (tree.clone(), tree.clone()).prop_map(|(one, two)| Tree::Then(one.into(), two.into())),
            2 => (tree.clone(), tree.clone()).prop_map(|(one, two)| Tree::Or(one.into(), two.into())),
            2 => (tree, times).prop_map(|(tree, (least, more, lazy))| {
                Tree::Times(tree.into(), least, more.map(|more| least + more), lazy)
            }),
        ]
    })
}

impl Tree {
    /// The tree in the words of the dialect.
    pub(super) fn source(&self) -> String {
        match self {
            Self::Empty => "(?:)".into(),
            Self::Point(point) => escaped(*point),
            Self::Dot => ".".into(),
            Self::Set(set) => format!("\\{set}"),
            Self::Class(negated, ranges, sets) => {
                let mut class = String::from(if *negated { "[^" } else { "[" });
                for (first, last) in ranges {
                    class += &escaped(*first);
                    if first != last {
                        class += "-";
                        class.extend(last.escape_unicode());
                    }
                }
                class.extend(sets.iter().map(|set| format!("\\{set}")));
                class + "]"
            }
            Self::Look(look @ ('b' | 'B')) => format!("\\{look}"),
            Self::Look(look) => look.to_string(),
            Self::Then(one, two) => one.source() + &two.source(),
            Self::Or(one, two) => format!("({}|{})", one.source(), two.source()),
            Self::Times(tree, least, most, lazy) => {
                let count = match (least, most) {
                    (0, None) => "*".into(),
                    (1, None) => "+".into(),
                    (0, Some(1)) => "?".into(),
                    (least, None) => format!("{{{least},}}"),
                    (least, Some(most)) if least == most => format!("{{{least}}}"),
                    (least, Some(most)) => format!("{{{least},{most}}}"),
                };
                format!("(?:{}){count}{}", tree.source(), if *lazy { "?" } else { "" })
            }
        }
    }

    /// Whether it is found anywhere in a text.
    pub(super) fn is_in(&self, text: &str, ignore_case: bool) -> bool {
        let points: Vec<_> = text.chars().map(|point| lower(point, ignore_case)).collect();
        (0..=points.len()).any(|start| !self.ends(&points, start, ignore_case).is_empty())
    }

    /// Where it can end if it begins at a place.
    fn ends(&self, text: &[char], at: usize, ignore_case: bool) -> BTreeSet<usize> {
        let one = |holds: bool| holds.then_some(at + 1).into_iter().collect();
        let here = |holds: bool| holds.then_some(at).into_iter().collect();
        let word =
            |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(|point| in_set('w', *point));
        let point = text.get(at).copied();
        match self {
            Self::Empty => here(true),
            Self::Point(own) => one(point == Some(lower(*own, ignore_case))),
            Self::Dot => one(point.is_some_and(|point| point != '\n')),
            Self::Set(set) => one(point.is_some_and(|point| in_set(*set, point))),
            Self::Class(negated, ranges, sets) => one(point.is_some_and(|point| {
                let in_ranges = ranges
                    .iter()
                    .any(|&(first, last)| (first..=last).any(|member| lower(member, ignore_case) == point));
                (in_ranges || sets.iter().any(|set| in_set(*set, point))) != *negated
            })),
            Self::Look('^') => here(at == 0),
            Self::Look('$') => here(at == text.len()),
            Self::Look(look) => here((word(at.checked_sub(1)) != word(Some(at))) == (*look == 'b')),
            Self::Then(first, then) => {
                let places = first.ends(text, at, ignore_case);
                places.into_iter().flat_map(|at| then.ends(text, at, ignore_case)).collect()
            }
            Self::Or(first, other) => &first.ends(text, at, ignore_case) | &other.ends(text, at, ignore_case),
            Self::Times(tree, least, most, _) => {
                let again = |places: &BTreeSet<usize>| -> BTreeSet<usize> {
                    places.iter().flat_map(|&at| tree.ends(text, at, ignore_case)).collect()
                };
                let needed = (0..*least).fold(here(true), |places, _| again(&places));
                // More rounds than there are places lead nowhere new.
                let more = most.map_or(text.len() + 1, |most| most - least);
                (0..more).fold(needed, |places, _| &places | &again(&places))
            }
        }
    }
}

/// Case as the standard library knows it, for the few code points here.
fn lower(point: char, ignore_case: bool) -> char {
    if ignore_case { point.to_lowercase().next().unwrap() } else { point }
}

fn in_set(set: char, point: char) -> bool {
    match set {
        'd' => point.is_ascii_digit(),
        'w' => point.is_ascii_alphanumeric() || point == '_',
        's' => matches!(point, '\t' | '\n' | '\u{B}' | '\u{C}' | '\r' | ' '),
        capital => !in_set(capital.to_ascii_lowercase(), point),
    }
}

fn escaped(point: char) -> String {
    match point {
        '\n' => "\\n".into(),
        '\t' => "\\t".into(),
        point if point.is_ascii_punctuation() => format!("\\{point}"),
        point => point.into(),
    }
}
