//! Patterns: one small dialect, the same in every language, read by a reader of its own and found in linear time.
//!
//! What is read becomes a [`node::Node`], which knows the contract and nothing of any library. From that comes a
//! [`program::Program`]: an automaton of `regex-automata`, whose own syntax is never reached, so that nothing which
//! it happens to accept gets into the dialect; or, for the few that it does not suit, plain [`steps::Steps`].
//! Between them every pattern that may be written has a program, of some 200 kB at most.

mod node;
mod parse;
mod program;
mod steps;

use std::fmt;

use program::Program;

use crate::fold::Folded;

/// The longest pattern that can be written, in bytes.
const MOST_BYTES: usize = 512;
/// The largest pattern that can be written, in [instructions](node::Node::instructions).
const MOST_INSTRUCTIONS: u64 = 2_000;

/// Texts to look for, ready to be looked for.
///
/// Two are equal when their source and their case are.
#[derive(Clone)]
pub(crate) struct Pattern {
    source: Box<str>,
    ignore_case: bool,
    instructions: u64,
    program: Program,
}

impl Pattern {
    /// Reads a pattern. Fails with a message that quotes it, says at which code point, counted from 0, what is
    /// wrong, and what would be right. The bounds for what is written are not looked at: [`Self::check_size`] does.
    pub(crate) fn new(source: &str, ignore_case: bool) -> Result<Self, String> {
        let node = parse::parse(source)
            .map_err(|parse::Fault { at, message }| format!("{source:?}: at {at}: {message}"))?;
        let instructions = node.instructions();
        let program =
            Program::new(&node, ignore_case).map_err(|_| too_many_instructions(source, instructions))?;
        Ok(Self { source: source.into(), ignore_case, instructions, program })
    }

    /// Whether a pattern may be written: the bounds of a server, which readers do not count. Fails with the bound.
    pub(crate) fn check_size(&self) -> Result<(), String> {
        let Self { source, instructions, .. } = self;
        if source.len() > MOST_BYTES {
            return Err(format!(
                "a pattern of {} bytes; at most {MOST_BYTES} are allowed, try several patterns",
                source.len()
            ));
        }
        if *instructions > MOST_INSTRUCTIONS {
            return Err(too_many_instructions(source, *instructions));
        }
        Ok(())
    }

    /// How much there is of it, in [instructions](node::Node::instructions).
    pub(crate) fn instructions(&self) -> u64 {
        self.instructions
    }

    /// Whether it is found anywhere in a text, given as it came: where case is ignored, the text is folded here.
    /// The time is at most proportional to the text's length times the pattern's instructions.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        if self.ignore_case {
            self.program.is_in(Folded::default().of(text))
        } else {
            self.program.is_in(text)
        }
    }
}

fn too_many_instructions(source: &str, instructions: u64) -> String {
    format!(
        "{source:?} is too large: its characters and classes as often as their counts say, its `|` and its quantifiers \
         are {instructions}; at most {MOST_INSTRUCTIONS} are allowed, try smaller counts"
    )
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (&self.source, self.ignore_case) == (&other.source, other.ignore_case)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The program is made of the source, and far longer.
        let Self { source, ignore_case, .. } = self;
        f.debug_struct("Pattern")
            .field("source", source)
            .field("ignore_case", ignore_case)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
