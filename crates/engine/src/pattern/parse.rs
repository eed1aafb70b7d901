//! The reader of the dialect. What it does not know it refuses.

mod class;

use std::str::Chars;

use super::node::{Class, Look, Member, Node, Set};

/// The highest count of a quantifier.
const MOST_COUNT: u32 = 100;
/// Groups within one another. No pattern that can be written has more: two bytes a group.
const MOST_DEPTH: usize = 256;

/// What is wrong with a pattern, and at which code point.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) message: String,
}

/// Reads a whole pattern.
pub(super) fn parse(source: &str) -> Result<Node, Fault> {
    let mut parser = Parser { rest: source.chars(), at: 0 };
    let node = parser.either(0)?;
    match parser.peek() {
        // Only `)` ends an alternative besides `|` and the end.
        Some(_) => Err(fault(parser.at, "no group is open here; write `\\)` for the character")),
        None => Ok(node),
    }
}

fn fault(at: usize, message: impl Into<String>) -> Fault {
    Fault { at, message: message.into() }
}

struct Parser<'a> {
    rest: Chars<'a>,
    /// Code points read.
    at: usize,
}

/// What an escape stands for.
enum Escaped {
    Point(char),
    Member(Member),
    Look(Look),
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn next(&mut self) -> Option<char> {
        let point = self.rest.next()?;
        self.at += 1;
        Some(point)
    }

    fn eat(&mut self, point: char) -> bool {
        let is_next = self.peek() == Some(point);
        if is_next {
            self.next();
        }
        is_next
    }

    /// Sequences with `|` between them.
    fn either(&mut self, depth: usize) -> Result<Node, Fault> {
        let first = self.sequence(depth)?;
        if self.peek() != Some('|') {
            return Ok(first);
        }
        let mut nodes = vec![first];
        while self.eat('|') {
            nodes.push(self.sequence(depth)?);
        }
        Ok(Node::Either(nodes))
    }

    /// Atoms with their quantifiers, as far as the next `|` or `)`.
    fn sequence(&mut self, depth: usize) -> Result<Node, Fault> {
        let mut nodes = Vec::new();
        while self.peek().is_some_and(|point| !matches!(point, '|' | ')')) {
            // `(?:^)*` may be repeated, `^*` may not, though the group leaves nothing behind.
            let is_group = self.peek() == Some('(');
            let atom = self.atom(depth)?;
            nodes.push(self.quantified(atom, is_group)?);
        }
        Ok(match nodes.pop() {
            Some(only) if nodes.is_empty() => only,
            last => {
                nodes.extend(last);
                Node::Sequence(nodes)
            }
        })
    }

    fn atom(&mut self, depth: usize) -> Result<Node, Fault> {
        let at = self.at;
        match self.next() {
            Some('(') => self.group(at, depth),
            Some('[') => self.class(at).map(Node::Class),
            Some('.') => Ok(Node::Class(Class { negated: true, members: vec![Member::Range('\n', '\n')] })),
            Some('^') => Ok(Node::Look(Look::Start)),
            Some('$') => Ok(Node::Look(Look::End)),
            Some('\\') => self.escape(at).map(|escaped| match escaped {
                Escaped::Point(point) => Node::Point(point),
                Escaped::Member(member) => Node::Class(Class { negated: false, members: vec![member] }),
                Escaped::Look(look) => Node::Look(look),
            }),
            Some(sign @ ('*' | '+' | '?' | '{')) => Err(fault(
                at,
                format!("`{sign}` has nothing before it to repeat; write `\\{sign}` for the character"),
            )),
            Some(sign @ ('}' | ']')) => {
                Err(fault(at, format!("`{sign}` closes nothing; write `\\{sign}` for the character")))
            }
            Some(point) => Ok(Node::Point(point)),
            None => Err(fault(at, "the pattern ends too early")),
        }
    }

    /// A group, its bracket passed at `at`.
    fn group(&mut self, at: usize, depth: usize) -> Result<Node, Fault> {
        if depth == MOST_DEPTH {
            return Err(fault(at, format!("groups nest deeper than {MOST_DEPTH}; take some apart")));
        }
        if self.eat('?') && !self.eat(':') {
            let message =
                "only `(` and `(?:` open a group; there are no names, no flags and no looking around";
            return Err(fault(at, message));
        }
        let node = self.either(depth + 1)?;
        if self.eat(')') { Ok(node) } else { Err(fault(at, "the group is not closed; add `)`")) }
    }

    /// An atom with the quantifier behind it, if there is one.
    fn quantified(&mut self, atom: Node, is_group: bool) -> Result<Node, Fault> {
        let at = self.at;
        let Some((least, most)) = self.quantifier()? else { return Ok(atom) };
        if matches!(atom, Node::Look(_)) && !is_group {
            return Err(fault(at, "`^`, `$`, `\\b` and `\\B` are places and cannot be repeated"));
        }
        // Lazy or not, it is found or it is not.
        self.eat('?');
        if matches!(self.peek(), Some('*' | '+' | '?' | '{')) {
            return Err(fault(
                self.at,
                "an atom takes one quantifier; put a group around what is repeated again",
            ));
        }
        Ok(Node::Repeat { node: Box::new(atom), least, most })
    }

    fn quantifier(&mut self) -> Result<Option<(u32, Option<u32>)>, Fault> {
        let at = self.at;
        let counts = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                self.next();
                return self.counts(at).map(Some);
            }
            _ => return Ok(None),
        };
        self.next();
        Ok(Some(counts))
    }

    /// Counts and the bracket behind them, the one before them passed at `at`.
    fn counts(&mut self, at: usize) -> Result<(u32, Option<u32>), Fault> {
        let malformed = || fault(at, "counts are written {2}, {2,} or {2,5}; write `\\{` for the character");
        let least = self.count()?.ok_or_else(malformed)?;
        let most = if self.eat(',') { self.count()? } else { Some(least) };
        if !self.eat('}') {
            return Err(malformed());
        }
        if most.is_some_and(|most| most < least) {
            return Err(fault(at, "the lower count is above the upper"));
        }
        Ok((least, most))
    }

    /// A decimal number, if there is a digit.
    fn count(&mut self) -> Result<Option<u32>, Fault> {
        let at = self.at;
        let mut count = None;
        while let Some(digit) = self.peek().and_then(|point| point.to_digit(10)) {
            self.next();
            count = Some(count.unwrap_or(0_u32).saturating_mul(10).saturating_add(digit));
        }
        if count > Some(MOST_COUNT) {
            return Err(fault(at, format!("a count is at most {MOST_COUNT}")));
        }
        Ok(count)
    }

    /// What an escape stands for, its backslash passed at `at`.
    fn escape(&mut self, at: usize) -> Result<Escaped, Fault> {
        Ok(match self.next() {
            Some('d') => Escaped::Member(Member::Set(Set::Digit)),
            Some('D') => Escaped::Member(Member::Not(Set::Digit)),
            Some('w') => Escaped::Member(Member::Set(Set::Word)),
            Some('W') => Escaped::Member(Member::Not(Set::Word)),
            Some('s') => Escaped::Member(Member::Set(Set::Space)),
            Some('S') => Escaped::Member(Member::Not(Set::Space)),
            Some('b') => Escaped::Look(Look::Border),
            Some('B') => Escaped::Look(Look::NoBorder),
            Some('t') => Escaped::Point('\t'),
            Some('n') => Escaped::Point('\n'),
            Some('r') => Escaped::Point('\r'),
            Some('u') => Escaped::Point(self.code_point(at)?),
            Some(point) if point.is_ascii_punctuation() => Escaped::Point(point),
            Some(point) => {
                let message = format!(
                    "`\\{point}` is no escape; there are \\d \\w \\s \\b and their capitals, \\t \\n \\r, \\u{{…}} and \
                     punctuation"
                );
                return Err(fault(at, message));
            }
            None => return Err(fault(at, "`\\` has nothing behind it; write `\\\\` for the character")),
        })
    }

    /// `{1F600}`, the `\u` before it passed at `at`.
    fn code_point(&mut self, at: usize) -> Result<char, Fault> {
        let malformed =
            || fault(at, "a code point is written \\u{1F600}, with one to six hexadecimal digits");
        if !self.eat('{') {
            return Err(malformed());
        }
        let (mut code, mut digits) = (0, 0);
        while let Some(digit) = self.peek().and_then(|point| point.to_digit(16)) {
            self.next();
            digits += 1;
            if digits > 6 {
                return Err(malformed());
            }
            code = code * 16 + digit;
        }
        if digits == 0 || !self.eat('}') {
            return Err(malformed());
        }
        char::from_u32(code)
            .ok_or_else(|| fault(at, format!("{code:X} is a surrogate or beyond 10FFFF, and no character")))
    }
}
