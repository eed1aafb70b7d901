//! From a pattern that was read to a program that finds it in linear time.

use regex_automata::meta::{Config, Regex};
use regex_syntax::hir::{self, ClassUnicode, ClassUnicodeRange, Hir, Repetition};

use super::node::{Class, Look, Member, Node, Set};
use super::steps::{Steps, TooLarge};
use crate::fold::{UNFOLDED_FROM, fold};

/// Bytes of an automaton, each of its two directions: a class counted a hundred times may come to many megabytes.
const MOST_AUTOMATON: usize = 64 << 10;
/// Bytes in which a search remembers where it has been, each direction and each thread that searches at the same
/// time. An automaton that finds no room there is searched without: slower, still in linear time.
const MOST_CACHE: usize = 128 << 10;
/// Nodes within one another that become an automaton: the library that builds it calls itself for each.
const MOST_DEPTH: usize = 32;
/// Instructions that become an automaton. More of them come from counts, which steps count as fast.
const MOST_INSTRUCTIONS: u64 = 500;

/// Finds a pattern.
#[derive(Clone)]
pub(super) enum Program {
    /// Nearly always. Over bytes.
    Automaton(Regex),
    /// Where an automaton would be too large, or would see more than code points. Over code points.
    Steps(Steps),
}

impl Program {
    /// Makes the program of a pattern. Only one that is beyond the bounds of what may be written can be too large.
    pub(super) fn new(node: &Node, ignore_case: bool) -> Result<Self, TooLarge> {
        let lowering = Lowering { ignore_case };
        match automaton(node, lowering) {
            Some(regex) => Ok(Self::Automaton(regex)),
            None => Steps::new(node, lowering).map(Self::Steps),
        }
    }

    /// Whether it is found anywhere in a text, which was folded if case is ignored.
    pub(super) fn is_in(&self, text: &str) -> bool {
        match self {
            Self::Automaton(regex) => regex.is_match(text),
            Self::Steps(steps) => steps.is_in(text),
        }
    }
}

fn automaton(node: &Node, lowering: Lowering) -> Option<Regex> {
    // `\B` holds between the bytes of one code point too, and finding it there would end a search too early.
    if node.depth() > MOST_DEPTH || node.instructions() > MOST_INSTRUCTIONS || node.looks_for(Look::NoBorder)
    {
        return None;
    }
    // Only whether it is found counts: nothing that could tell where is made.
    let config = Config::new()
        .nfa_size_limit(Some(MOST_AUTOMATON))
        .hybrid_cache_capacity(MOST_CACHE)
        .onepass(false)
        .backtrack(false)
        .dfa(false);
    Regex::builder().configure(config).build_from_hir(&lowering.node(node)).ok()
}

/// Makes characters and classes what they are in a text, which is folded where case is ignored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lowering {
    pub(super) ignore_case: bool,
}

impl Lowering {
    fn node(self, node: &Node) -> Hir {
        let all = |nodes: &[Node]| nodes.iter().map(|node| self.node(node)).collect();
        match node {
            Node::Point(point) => Hir::literal(self.point(*point).encode_utf8(&mut [0; 4]).as_bytes()),
            Node::Class(class) => Hir::class(hir::Class::Unicode(self.class(class))),
            Node::Look(Look::Start) => Hir::look(hir::Look::Start),
            Node::Look(Look::End) => Hir::look(hir::Look::End),
            Node::Look(Look::Border) => Hir::look(hir::Look::WordAscii),
            Node::Look(Look::NoBorder) => Hir::look(hir::Look::WordAsciiNegate),
            Node::Sequence(nodes) => Hir::concat(all(nodes)),
            Node::Either(nodes) => Hir::alternation(all(nodes)),
            Node::Repeat { node, least, most } => Hir::repetition(Repetition {
                min: *least,
                max: *most,
                greedy: true,
                sub: Box::new(self.node(node)),
            }),
        }
    }

    pub(super) fn point(self, point: char) -> char {
        if self.ignore_case { fold(point) } else { point }
    }

    pub(super) fn class(self, class: &Class) -> ClassUnicode {
        let mut plain = Vec::new();
        let mut others = Vec::new();
        for member in &class.members {
            match *member {
                Member::Range(first, last) => plain.push(ClassUnicodeRange::new(first, last)),
                Member::Set(set) => plain.extend(of_set(set)),
                // A class of its own inside this one: folded before it is negated, and not again after.
                Member::Not(set) => {
                    let mut negated = self.fold_all(ClassUnicode::new(of_set(set)));
                    negated.negate();
                    others.extend_from_slice(negated.ranges());
                }
            }
        }
        let mut members = self.fold_all(ClassUnicode::new(plain));
        members.union(&ClassUnicode::new(others));
        if class.negated {
            members.negate();
        }
        members
    }

    /// What the members of a class fold to.
    fn fold_all(self, class: ClassUnicode) -> ClassUnicode {
        if !self.ignore_case {
            return class;
        }
        let mut folded: Vec<(char, char)> = Vec::new();
        let folding = |range: &ClassUnicodeRange| range.start()..=range.end().min(UNFOLDED_FROM);
        for point in class.ranges().iter().flat_map(folding).map(fold) {
            match folded.last_mut() {
                // One more in a row.
                Some((_, last)) if u32::from(*last) + 1 == u32::from(point) => *last = point,
                _ => folded.push((point, point)),
            }
        }
        let beyond = class.ranges().iter().filter(|range| range.end() > UNFOLDED_FROM);
        folded.extend(beyond.map(|range| (range.start().max(UNFOLDED_FROM), range.end())));
        ClassUnicode::new(folded.into_iter().map(|(first, last)| ClassUnicodeRange::new(first, last)))
    }
}

fn of_set(set: Set) -> impl Iterator<Item = ClassUnicodeRange> {
    set.ranges().iter().map(|&(first, last)| ClassUnicodeRange::new(first, last))
}
