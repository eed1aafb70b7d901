//! Classes: what stands in square brackets.

use super::{Escaped, Fault, Parser, fault};
use crate::pattern::node::{Class, Member};

impl Parser<'_> {
    /// A class, its bracket passed at `open`.
    pub(super) fn class(&mut self, open: usize) -> Result<Class, Fault> {
        let negated = self.eat('^');
        let mut members = Vec::new();
        while !self.eat(']') {
            members.push(self.member(open)?);
        }
        if members.is_empty() {
            return Err(fault(open, "the class is empty; write `\\]` for the character, `[\\s\\S]` for all"));
        }
        Ok(Class { negated, members })
    }

    /// A character, a range or a set.
    fn member(&mut self, open: usize) -> Result<Member, Fault> {
        let at = self.at;
        let first = match self.class_escape(open)? {
            Escaped::Point(point) => point,
            Escaped::Member(member) => return Ok(member),
            Escaped::Look(_) => {
                return Err(fault(at, "`\\b` and `\\B` are places and cannot stand in a class"));
            }
        };
        let hyphen = self.at;
        if !self.eat('-') {
            return Ok(Member::Range(first, first));
        }
        let end = self.at;
        if self.peek() == Some(']') {
            return Err(fault(hyphen, "in a class `-` is written `\\-`"));
        }
        match self.class_escape(open)? {
            Escaped::Point(last) if first <= last => Ok(Member::Range(first, last)),
            Escaped::Point(_) => Err(fault(at, "the range runs backwards; turn its ends around")),
            Escaped::Member(_) | Escaped::Look(_) => {
                Err(fault(end, "a range ends with a character; write `\\-` for the character `-`"))
            }
        }
    }

    /// A character as it stands, or what an escape stands for.
    fn class_escape(&mut self, open: usize) -> Result<Escaped, Fault> {
        let at = self.at;
        match self.next() {
            Some('\\') => self.escape(at),
            Some(sign @ ('[' | ']' | '-')) => {
                Err(fault(at, format!("in a class `{sign}` is written `\\{sign}`")))
            }
            Some(point) => Ok(Escaped::Point(point)),
            None => Err(fault(open, "the class is not closed; add `]`")),
        }
    }
}
