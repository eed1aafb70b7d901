//! Reading JSON that people and machines wrote: every fault at once, each with its path.
//!
//! `serde` stops at the first fault and forgets where it was. An author wants all of them, with paths such as
//! `rules[2].when.any[0].values[1]`; so input is parsed into a [`Value`] first and taken apart with [`At`] and
//! [`Object`], which remember the way they came.

mod document;

use std::cell::RefCell;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use strsim::levenshtein;

pub use document::{Malformed, read_document};

/// One thing that is wrong with a document: where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON path of the offending value, such as `rules[0].when.values[1]`; empty for the document itself.
    pub path: String,
    /// What is wrong and what to do, as a sentence fragment.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// The way from the root of a document to a value in it. Lives on the stack; text is made only for a fault.
#[derive(Debug, Clone, Copy)]
enum Path<'a> {
    Root,
    Member(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(Self::Root, name) => f.write_str(shortened(name)),
            Self::Member(parent, name) => write!(f, "{parent}.{}", shortened(name)),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// As much of a name as a message needs: whoever sends a megabyte is not sent it back.
pub(crate) fn shortened(name: &str) -> &str {
    const MOST: usize = 100;
    name.char_indices().nth(MOST).map_or(name, |(end, _)| name.get(..end).unwrap_or(name))
}

/// What was found wrong so far. Bounded, so that a hostile document cannot make a large answer.
#[derive(Debug, Default)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// No more than this many are kept; the rest would only repeat them.
    pub const MOST: usize = 100;

    /// Adds one at a path that the caller spells out.
    pub fn add(&mut self, path: impl fmt::Display, message: impl fmt::Display) {
        if !self.is_full() {
            self.0.push(Violation { path: path.to_string(), message: message.to_string() });
        }
    }

    /// Whether no more are kept.
    pub fn is_full(&self) -> bool {
        self.0.len() >= Self::MOST
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `value`, if nothing was found wrong with it.
    pub fn into_result<T>(self, value: Option<T>) -> Result<T, Vec<Violation>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.0),
        }
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    value: &'a Value,
    path: Path<'a>,
}

impl<'a> At<'a> {
    /// The document itself.
    pub fn root(value: &'a Value) -> Self {
        Self { value, path: Path::Root }
    }

    /// The value.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// Where it stands, such as `rules[0].when`; empty for the document itself.
    pub fn path(&self) -> String {
        self.path.to_string()
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.value.is_null()
    }

    /// Says that something is wrong with this value.
    pub fn fault(&self, violations: &mut Violations, message: impl fmt::Display) {
        violations.add(self.path, message);
    }

    fn expected<T>(&self, violations: &mut Violations, what: &str) -> Option<T> {
        self.fault(violations, format_args!("must be {what}, not {}", type_name(self.value)));
        None
    }

    /// A text.
    pub fn text(&self, violations: &mut Violations) -> Option<&'a str> {
        self.value.as_str().or_else(|| self.expected(violations, "a text"))
    }

    /// `true` or `false`.
    pub fn boolean(&self, violations: &mut Violations) -> Option<bool> {
        self.value.as_bool().or_else(|| self.expected(violations, "true or false"))
    }

    /// A whole number of a given type, within its range. `10.0` is one: not every reader can tell it from `10`.
    pub fn whole<T: TryFrom<i64>>(&self, violations: &mut Violations, range: &str) -> Option<T> {
        let number = whole(self.value).and_then(|number| T::try_from(number).ok());
        if number.is_none() {
            self.fault(
                violations,
                format_args!("must be a whole number ({range}), not {}", shown(self.value)),
            );
        }
        number
    }

    /// The elements of a list, at most `most`.
    pub fn list(&self, violations: &mut Violations, most: usize) -> Option<&'a [Value]> {
        let Value::Array(list) = self.value else { return self.expected(violations, "a list") };
        if list.len() > most {
            self.fault(violations, format_args!("has {} elements; at most {most} are allowed", list.len()));
            return None;
        }
        Some(list)
    }

    /// Reads another value in this one's place: what a short form stands for, under the path of the short form.
    pub fn replaced<T>(&self, value: &Value, read: impl FnOnce(At<'_>) -> T) -> T {
        read(At { value, path: self.path })
    }

    /// The element `index` of this list, to be read on. `element` must be that element.
    pub fn index<'b>(&'b self, index: usize, element: &'b Value) -> At<'b> {
        At { value: element, path: Path::Index(&self.path, index) }
    }

    /// Each element of a list through `read`; `None` if it is no list or one of them did not read.
    pub fn each<T>(
        &self,
        violations: &mut Violations,
        most: usize,
        mut read: impl FnMut(At<'_>, &mut Violations) -> Option<T>,
    ) -> Option<Vec<T>> {
        let list = self.list(violations, most)?;
        let mut all = Some(Vec::with_capacity(list.len()));
        for (index, element) in list.iter().enumerate() {
            // Reads on after a fault: the author should see all of them.
            match (read(self.index(index, element), violations), &mut all) {
                (Some(element), Some(all)) => all.push(element),
                (None, _) => all = None,
                (Some(_), None) => {}
            }
        }
        all
    }

    /// Each member of an object, at most `most`, through `read`, where the names are data; `None` if it is no
    /// object or one of them did not read.
    pub fn each_member<T>(
        &self,
        violations: &mut Violations,
        most: usize,
        mut read: impl FnMut(&str, At<'_>, &mut Violations) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Value::Object(members) = self.value else { return self.expected(violations, "an object") };
        if members.len() > most {
            self.fault(violations, format_args!("has {} members; at most {most} are allowed", members.len()));
            return None;
        }
        let mut all = Some(Vec::with_capacity(members.len()));
        for (name, value) in members {
            let at = At { value, path: Path::Member(&self.path, name) };
            match (read(name, at, violations), &mut all) {
                (Some(member), Some(all)) => all.push(member),
                (None, _) => all = None,
                (Some(_), None) => {}
            }
        }
        all
    }

    /// The members of an object.
    pub fn object(&self, violations: &mut Violations) -> Option<Object<'a>> {
        match self.value {
            Value::Object(members) => Some(Object { members, path: self.path, known: RefCell::default() }),
            _ => self.expected(violations, "an object"),
        }
    }
}

/// An object whose members are taken by name, so that those nobody asked for can be told.
#[derive(Debug)]
pub struct Object<'a> {
    members: &'a Map<String, Value>,
    path: Path<'a>,
    known: RefCell<Vec<&'static str>>,
}

impl Object<'_> {
    /// The member `name`, if it is there.
    pub fn get(&self, name: &'static str) -> Option<At<'_>> {
        self.known.borrow_mut().push(name);
        let value = self.members.get(name)?;
        Some(At { value, path: Path::Member(&self.path, name) })
    }

    /// The member `name`; a fault if it is missing.
    pub fn require(&self, violations: &mut Violations, name: &'static str) -> Option<At<'_>> {
        if !self.members.contains_key(name) {
            violations.add(Path::Member(&self.path, name), "is required");
        }
        self.get(name)
    }

    /// The member `name` through `read`: `Some(None)` if it is not there, `None` if it did not read.
    pub fn optional<T>(
        &self,
        violations: &mut Violations,
        name: &'static str,
        read: impl FnOnce(At<'_>, &mut Violations) -> Option<T>,
    ) -> Option<Option<T>> {
        self.get(name).map_or(Some(None), |at| read(at, violations).map(Some))
    }

    /// Whether the member `name` is there.
    pub fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// Says that something is wrong with the object as a whole.
    pub fn fault(&self, violations: &mut Violations, message: impl fmt::Display) {
        violations.add(self.path, message);
    }

    /// Members that exist and mean nothing here, such as those that only answers carry.
    pub fn ignore(&self, names: &[&'static str]) {
        self.known.borrow_mut().extend_from_slice(names);
    }

    /// A fault for each member that nobody asked for.
    pub fn deny_unknown(&self, violations: &mut Violations) {
        let mut known = self.known.borrow_mut();
        known.sort_unstable();
        known.dedup();
        for name in self.members.keys().filter(|name| !known.contains(&name.as_str())) {
            if violations.is_full() {
                return;
            }
            let hint = nearest(name, &known).map_or_else(
                || format!("known members are {}", known.join(", ")),
                |near| format!("did you mean {near}?"),
            );
            violations.add(Path::Member(&self.path, name), format_args!("is not known here; {hint}"));
        }
    }
}

/// The whole number that a value is, however it is written.
#[expect(clippy::cast_possible_truncation, reason = "beyond 2^53 nothing is taken")]
pub(crate) fn whole(value: &Value) -> Option<i64> {
    const MOST: f64 = 9_007_199_254_740_992.0;
    let float = || value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < MOST);
    value.as_i64().or_else(|| float().map(|number| number as i64))
}

/// `serde`'s way in for types that read themselves: all faults in one message.
pub(crate) fn deserialize<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    read: impl FnOnce(At<'_>, &mut Violations) -> Option<T>,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let mut violations = Violations::default();
    let read = read(At::root(&value), &mut violations);
    violations.into_result(read).map_err(|violations| {
        let messages: Vec<_> = violations.iter().map(Violation::to_string).collect();
        D::Error::custom(messages.join("; "))
    })
}

/// The known name that differs from `name` least, if it is close enough to be a slip of the hand.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let close = |candidate: &&&str| levenshtein(name, candidate) <= 2.min(name.len() / 2);
    known.iter().filter(close).min_by_key(|candidate| levenshtein(name, candidate)).copied()
}

/// A number or a short text as it is; of anything else what it is.
fn shown(value: &Value) -> String {
    const MOST: usize = 40;
    match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.chars().nth(MOST).is_none() => format!("{text:?}"),
        _ => type_name(value).to_owned(),
    }
}

/// What a JSON value is, in the words of a message.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
