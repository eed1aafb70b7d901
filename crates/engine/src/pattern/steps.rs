//! A pattern as steps that are walked all at once: for the few that do not suit an automaton.
//!
//! Counts multiply steps too, but a step takes 8 bytes, and a class stands once however often it is repeated. A walk
//! takes time in proportion to steps times code points, and room for each step once.

use std::cell::Cell;
use std::cmp::Ordering;
use std::num::TryFromIntError;

use super::node::{Class, Look, Node};
use super::program::Lowering;

/// The most steps of a pattern. None that may be written has more: an instruction makes at most three.
const MOST_STEPS: usize = 8_192;

/// A pattern has more steps than any that may be written.
#[derive(Debug)]
pub(super) struct TooLarge;

impl From<TryFromIntError> for TooLarge {
    fn from(_: TryFromIntError) -> Self {
        Self
    }
}

/// What is done at one place of the text. Ways to other steps are counted from the step itself.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Takes this code point.
    Point(char),
    /// Takes a code point of the class of this number.
    Class(u16),
    /// Goes on if this holds here.
    Look(Look),
    /// Goes on from elsewhere.
    Jump(i16),
    /// Goes on, and from elsewhere too.
    Fork(i16),
    Found,
}

/// The members of a class: ascending ranges with room between them.
#[derive(Debug, Clone)]
struct Ranges(Box<[(char, char)]>);

/// A pattern as steps, from the first to the last.
#[derive(Debug, Clone)]
pub(super) struct Steps {
    steps: Box<[Step]>,
    classes: Box<[Ranges]>,
}

impl Steps {
    pub(super) fn new(node: &Node, lowering: Lowering) -> Result<Self, TooLarge> {
        let mut writer = Writer { lowering, steps: Vec::new(), classes: Vec::new() };
        writer.node(node)?;
        writer.push(Step::Found)?;
        Ok(Self { steps: writer.steps.into(), classes: writer.classes.into() })
    }

    /// The room that it takes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let classes: usize = self.classes.iter().map(|class| size_of_val::<[_]>(&class.0)).sum();
        size_of_val::<[_]>(&self.steps) + size_of_val::<[_]>(&self.classes) + classes
    }

    /// Whether it is found anywhere in a text, which was folded if case is ignored.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let mut walk = Walk::new(self);
        let mut before = None;
        let mut points = text.chars();
        loop {
            let after = points.next();
            // It may begin at every place.
            walk.room.ahead.push(0);
            if walk.settle(before, after) {
                return true;
            }
            let Some(point) = after else { return false };
            walk.take(point);
            before = after;
        }
    }
}

thread_local! {
    /// The room of the last walk, kept for the next: a question allocates nothing.
    static SPARE: Cell<Room> = const { Cell::new(Room::new()) };
}

/// Where a walk through the steps stands.
struct Walk<'a> {
    pattern: &'a Steps,
    room: Room,
    place: usize,
}

/// What a walk remembers.
#[derive(Default)]
struct Room {
    /// Steps to be entered at this place.
    ahead: Vec<usize>,
    /// Steps that wait here for a code point.
    waiting: Vec<usize>,
    /// The place, counted from 1, at which each step was last entered.
    entered: Vec<usize>,
    /// Whether the code point at this place is in a class, where that is known.
    members: Vec<Option<bool>>,
}

impl Room {
    const fn new() -> Self {
        Self { ahead: Vec::new(), waiting: Vec::new(), entered: Vec::new(), members: Vec::new() }
    }
}

impl Drop for Walk<'_> {
    fn drop(&mut self) {
        // A thread that is ending keeps nothing.
        let _ = SPARE.try_with(|spare| spare.set(std::mem::take(&mut self.room)));
    }
}

impl<'a> Walk<'a> {
    fn new(pattern: &'a Steps) -> Self {
        let mut room = SPARE.try_with(Cell::take).unwrap_or_default();
        room.ahead.clear();
        room.entered.clear();
        room.entered.resize(pattern.steps.len(), 0);
        room.members.clear();
        room.members.resize(pattern.classes.len(), None);
        Self { pattern, room, place: 0 }
    }

    /// Enters all steps that can be reached at the next place, each once. Whether one of them is the last.
    fn settle(&mut self, before: Option<char>, after: Option<char>) -> bool {
        self.place += 1;
        let Room { ahead, waiting, entered, .. } = &mut self.room;
        waiting.clear();
        while let Some(at) = ahead.pop() {
            let (Some(step), Some(entered)) = (self.pattern.steps.get(at), entered.get_mut(at)) else {
                continue;
            };
            if std::mem::replace(entered, self.place) == self.place {
                continue;
            }
            match *step {
                Step::Point(_) | Step::Class(_) => waiting.push(at),
                Step::Look(look) if !look.holds(before, after) => {}
                Step::Look(_) => ahead.push(at + 1),
                Step::Jump(way) => ahead.push(at.wrapping_add_signed(isize::from(way))),
                Step::Fork(way) => ahead.extend([at + 1, at.wrapping_add_signed(isize::from(way))]),
                Step::Found => return true,
            }
        }
        false
    }

    /// Takes a code point with every step that waits for it.
    fn take(&mut self, point: char) {
        let pattern = self.pattern;
        let Room { ahead, waiting, members, .. } = &mut self.room;
        members.fill(None);
        let mut takes = |at: &usize| match pattern.steps.get(*at) {
            Some(Step::Point(own)) => *own == point,
            Some(Step::Class(class)) => {
                let class = usize::from(*class);
                members.get_mut(class).is_some_and(|member| {
                    *member.get_or_insert_with(|| has(pattern.classes.get(class), point))
                })
            }
            _ => false,
        };
        ahead.extend(waiting.iter().filter(|at| takes(at)).map(|at| at + 1));
    }
}

/// Whether a class has a member.
fn has(class: Option<&Ranges>, point: char) -> bool {
    let order = |&(first, last): &(char, char)| match (last < point, first > point) {
        (true, _) => Ordering::Less,
        (_, true) => Ordering::Greater,
        _ => Ordering::Equal,
    };
    class.is_some_and(|class| class.0.binary_search_by(order).is_ok())
}

struct Writer {
    lowering: Lowering,
    steps: Vec<Step>,
    classes: Vec<Ranges>,
}

impl Writer {
    fn node(&mut self, node: &Node) -> Result<(), TooLarge> {
        match node {
            Node::Point(point) => self.push(Step::Point(self.lowering.point(*point))),
            Node::Class(class) => self.class(class),
            Node::Look(look) => self.push(Step::Look(*look)),
            Node::Sequence(nodes) => nodes.iter().try_for_each(|node| self.node(node)),
            Node::Either(nodes) => self.either(nodes),
            Node::Repeat { node, least, most } => self.repeat(node, *least, *most),
        }
    }

    fn class(&mut self, class: &Class) -> Result<(), TooLarge> {
        let number = u16::try_from(self.classes.len())?;
        self.push(Step::Class(number))?;
        let members = self.lowering.class(class);
        self.classes.push(Ranges(members.iter().map(|range| (range.start(), range.end())).collect()));
        Ok(())
    }

    fn either(&mut self, nodes: &[Node]) -> Result<(), TooLarge> {
        let Some((last, others)) = nodes.split_last() else { return Ok(()) };
        let mut jumps = Vec::with_capacity(others.len());
        for node in others {
            let fork = self.steps.len();
            self.push(Step::Fork(0))?;
            self.node(node)?;
            jumps.push(self.steps.len());
            self.push(Step::Jump(0))?;
            self.lead_here(fork)?;
        }
        self.node(last)?;
        jumps.into_iter().try_for_each(|jump| self.lead_here(jump))
    }

    fn repeat(&mut self, node: &Node, least: u32, most: Option<u32>) -> Result<(), TooLarge> {
        let start = self.steps.len();
        self.node(node)?;
        let body = self.steps.split_off(start);
        let length = i16::try_from(body.len())?;
        if length == 0 {
            return Ok(());
        }
        for _ in 0..least {
            self.append(&body)?;
        }
        match most {
            Some(most) => {
                // Each leads past all the rest, or a walk would enter all the rest at every place.
                for left in (1..=i32::try_from(most.saturating_sub(least))?).rev() {
                    self.push(Step::Fork(i16::try_from(left * (i32::from(length) + 1))?))?;
                    self.append(&body)?;
                }
            }
            None if least == 0 => {
                self.push(Step::Fork(length + 2))?;
                self.append(&body)?;
                self.push(Step::Jump(-length - 1))?;
            }
            None => self.push(Step::Fork(-length))?,
        }
        Ok(())
    }

    fn push(&mut self, step: Step) -> Result<(), TooLarge> {
        self.append(&[step])
    }

    fn append(&mut self, steps: &[Step]) -> Result<(), TooLarge> {
        if self.steps.len() + steps.len() > MOST_STEPS {
            return Err(TooLarge);
        }
        self.steps.extend_from_slice(steps);
        Ok(())
    }

    /// Makes the way from an earlier step lead to the one that is written next.
    fn lead_here(&mut self, from: usize) -> Result<(), TooLarge> {
        let here = i16::try_from(self.steps.len() - from)?;
        if let Some(Step::Fork(way) | Step::Jump(way)) = self.steps.get_mut(from) {
            *way = here;
        }
        Ok(())
    }
}
