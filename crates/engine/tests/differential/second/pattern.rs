//! The pattern dialect: read into a tree, then matched by following the set of places that each part can end at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::text::fold_char;

/// A part of a pattern.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// Any code point but a line feed.
    Any,
    /// A code point that is, or if negated is not, one of the members. A literal is a set of one.
    Set {
        negated: bool,
        members: Vec<Member>,
    },
    Start,
    End,
    /// `\b`, or `\B` when `false`.
    Boundary(bool),
    Sequence(Vec<Node>),
    Either(Vec<Node>),
    Repeat(Box<Node>, usize, Option<usize>),
}

/// What a class lists.
#[derive(Debug, Clone)]
pub(super) enum Member {
    Range(char, char),
    /// `d`, `w`, `s` or one of their capitals.
    Named(char),
}

impl Node {
    /// Atoms after expanding counts, alternations and quantifiers.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Any | Self::Set { .. } | Self::Start | Self::End | Self::Boundary(_) => 1,
            Self::Sequence(nodes) => nodes.iter().map(Self::size).sum(),
            Self::Either(nodes) => nodes.iter().map(|node| node.size() + 1).sum::<usize>() - 1,
            Self::Repeat(node, least, most) => node.size() * most.unwrap_or(*least).max(1) + 1,
        }
    }
}

/// Reads a whole pattern; `None` for anything that the dialect does not have.
///
/// Reading: a pattern of nothing is not one.
pub(super) fn pattern(text: &str) -> Option<Node> {
    if text.is_empty() {
        return None;
    }
    let mut reader = Reader { rest: text.chars().rev().collect() };
    let node = reader.either()?;
    reader.rest.is_empty().then_some(node)
}

/// The code points that are left, the next one last.
struct Reader {
    rest: Vec<char>,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.rest.last().copied()
    }

    fn take(&mut self, expected: char) -> bool {
        let is_next = self.peek() == Some(expected);
        if is_next {
            self.rest.pop();
        }
        is_next
    }

    fn either(&mut self) -> Option<Node> {
        let mut branches = vec![self.sequence()?];
        while self.take('|') {
            branches.push(self.sequence()?);
        }
        Some(Node::Either(branches))
    }

    fn sequence(&mut self) -> Option<Node> {
        let mut parts = Vec::new();
        while !matches!(self.peek(), None | Some('|' | ')')) {
            let atom = self.atom()?;
            parts.push(self.quantified(atom)?);
        }
        Some(Node::Sequence(parts))
    }

    fn atom(&mut self) -> Option<Node> {
        Some(match self.rest.pop()? {
            '.' => Node::Any,
            '^' => Node::Start,
            '$' => Node::End,
            '(' => {
                if self.take('?') && !self.take(':') {
                    return None;
                }
                let inside = self.either()?;
                if !self.take(')') {
                    return None;
                }
                inside
            }
            '[' => self.class()?,
            '\\' if self.take('b') => Node::Boundary(true),
            '\\' if self.take('B') => Node::Boundary(false),
            '\\' => Node::Set { negated: false, members: vec![self.escaped()?] },
            '*' | '+' | '?' | '{' | '}' | ']' => return None,
            letter => Node::Set { negated: false, members: vec![Member::Range(letter, letter)] },
        })
    }

    /// What stands after a backslash, in a class and outside.
    fn escaped(&mut self) -> Option<Member> {
        let one = |letter| Member::Range(letter, letter);
        Some(match self.rest.pop()? {
            name @ ('d' | 'D' | 'w' | 'W' | 's' | 'S') => Member::Named(name),
            't' => one('\t'),
            'n' => one('\n'),
            'r' => one('\r'),
            'u' => one(self.code_point()?),
            letter if letter.is_ascii_punctuation() => one(letter),
            _ => return None,
        })
    }

    fn code_point(&mut self) -> Option<char> {
        let mut digits = String::new();
        if !self.take('{') {
            return None;
        }
        while !self.take('}') {
            digits.push(self.rest.pop()?);
        }
        let reads = (1..=6).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if reads { char::from_u32(u32::from_str_radix(&digits, 16).ok()?) } else { None }
    }

    fn class(&mut self) -> Option<Node> {
        let negated = self.take('^');
        let mut members = Vec::new();
        while !self.take(']') {
            let first = self.member()?;
            if !self.take('-') {
                members.push(first);
                continue;
            }
            match (first, self.member()?) {
                (Member::Range(first, _), Member::Range(last, _)) if first <= last => {
                    members.push(Member::Range(first, last));
                }
                _ => return None,
            }
        }
        (!members.is_empty()).then_some(Node::Set { negated, members })
    }

    fn member(&mut self) -> Option<Member> {
        match self.rest.pop()? {
            '\\' => self.escaped(),
            '[' | ']' | '-' => None,
            letter => Some(Member::Range(letter, letter)),
        }
    }

    fn quantified(&mut self, atom: Node) -> Option<Node> {
        let (least, most) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => self.counts()?,
            _ => return Some(atom),
        };
        // The last character of the quantifier; then its lazy form, which finds the same texts.
        self.rest.pop();
        self.take('?');
        let another = matches!(self.peek(), Some('*' | '+' | '?' | '{'));
        if another || matches!(atom, Node::Start | Node::End | Node::Boundary(_)) {
            return None;
        }
        Some(Node::Repeat(Box::new(atom), least, most))
    }

    /// `{m}`, `{m,}` or `{m,n}`, up to its brace.
    fn counts(&mut self) -> Option<(usize, Option<usize>)> {
        self.take('{');
        let least = self.count()?;
        let most = match (self.take(','), self.peek()?) {
            (false, _) => Some(least),
            (true, '}') => None,
            (true, _) => Some(self.count()?),
        };
        (self.peek()? == '}' && most.is_none_or(|most| least <= most)).then_some((least, most))
    }

    fn count(&mut self) -> Option<usize> {
        let mut digits = String::new();
        while let Some(digit) = self.peek().filter(char::is_ascii_digit) {
            digits.push(digit);
            self.rest.pop();
        }
        digits.parse().ok().filter(|count| *count <= 100)
    }
}

/// Whether `node` is found anywhere in `text`, which is folded already if `ignore_case`.
pub(super) fn is_found(node: &Node, text: &str, ignore_case: bool) -> bool {
    let text: Vec<char> = text.chars().collect();
    let everywhere = (0..=text.len()).collect();
    !Matcher { text, ignore_case }.ends(node, &everywhere).is_empty()
}

struct Matcher {
    text: Vec<char>,
    ignore_case: bool,
}

type Places = BTreeSet<usize>;

impl Matcher {
    /// Where a match of `node` can end that begins at one of `starts`.
    fn ends(&self, node: &Node, starts: &Places) -> Places {
        let those = |holds: &dyn Fn(usize) -> bool| starts.iter().copied().filter(|at| holds(*at)).collect();
        match node {
            Node::Start => those(&|at| at == 0),
            Node::End => those(&|at| at == self.text.len()),
            Node::Boundary(wanted) => those(&|at| self.is_boundary(at) == *wanted),
            Node::Any => self.after(starts, |letter| letter != '\n'),
            Node::Set { negated, members } => self.after(starts, |letter| {
                members.iter().any(|member| self.is_member(letter, member)) != *negated
            }),
            Node::Sequence(parts) => {
                parts.iter().fold(starts.clone(), |starts, part| self.ends(part, &starts))
            }
            Node::Either(branches) => branches.iter().flat_map(|branch| self.ends(branch, starts)).collect(),
            Node::Repeat(inside, least, most) => self.repeated(inside, *least, *most, starts),
        }
    }

    fn after(&self, starts: &Places, fits: impl Fn(char) -> bool) -> Places {
        starts
            .iter()
            .filter(|at| self.text.get(**at).is_some_and(|letter| fits(*letter)))
            .map(|at| at + 1)
            .collect()
    }

    fn repeated(&self, inside: &Node, least: usize, most: Option<usize>, starts: &Places) -> Places {
        let mut newest = (0..least).fold(starts.clone(), |starts, _| self.ends(inside, &starts));
        let mut all = newest.clone();
        let mut more = most.map(|most| most - least);
        while !newest.is_empty() && more != Some(0) {
            newest = self.ends(inside, &newest).difference(&all).copied().collect();
            all.extend(&newest);
            more = more.map(|more| more - 1);
        }
        all
    }

    fn is_boundary(&self, at: usize) -> bool {
        let is_word = |at: Option<usize>| {
            at.and_then(|at| self.text.get(at)).is_some_and(|letter| is_named('w', *letter))
        };
        is_word(at.checked_sub(1)) != is_word(Some(at))
    }

    /// Ignoring case, a member stands for what it folds to; a capital name for what its small one leaves over.
    fn is_member(&self, letter: char, member: &Member) -> bool {
        let lists = |letter: char| match member {
            Member::Range(first, last) => (*first..=*last).contains(&letter),
            Member::Named(name) => is_named(name.to_ascii_lowercase(), letter),
        };
        let is_listed =
            if self.ignore_case { folding_to(letter).into_iter().any(lists) } else { lists(letter) };
        is_listed != matches!(member, Member::Named('D' | 'W' | 'S'))
    }
}

fn is_named(name: char, letter: char) -> bool {
    match name {
        'd' => letter.is_ascii_digit(),
        'w' => letter.is_ascii_alphanumeric() || letter == '_',
        _ => matches!(letter, '\u{9}'..='\u{d}' | ' '),
    }
}

/// The code points that fold to another, by that other.
static FOLDING: LazyLock<BTreeMap<char, Vec<char>>> = LazyLock::new(|| {
    let mut folding: BTreeMap<char, Vec<char>> = BTreeMap::new();
    for letter in ('\0'..=char::MAX).filter(|letter| fold_char(*letter) != *letter) {
        folding.entry(fold_char(letter)).or_default().push(letter);
    }
    folding
});

/// Every code point that folds to `letter`.
fn folding_to(letter: char) -> Vec<char> {
    let mut all = FOLDING.get(&letter).cloned().unwrap_or_default();
    if fold_char(letter) == letter {
        all.push(letter);
    }
    all
}
