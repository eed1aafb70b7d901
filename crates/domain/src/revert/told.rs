//! What an entry of the log tells of a change that is to be reverted, and what comes of comparing it with what is there.

use engine::json::Violation;
use serde_json::{Map, Value};

use super::{RevertMode, refused};
use crate::audit::{EntryChange, REVERTS, document};
use crate::control::Request;
use crate::error::{Error, Result, summary};
use crate::id::Id;
use crate::log::{Entity, LogEntry};

/// An entry that is to be reverted, and how.
pub(crate) struct Told<'a> {
    pub(crate) entry: &'a LogEntry,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
    pub(crate) mode: RevertMode,
    pub(crate) request: &'a Request,
}

/// Members that are set back: what they are, and what they were.
#[derive(Default)]
pub(crate) struct SetBack {
    /// What to write: the members as they were.
    pub(crate) members: Map<String, Value>,
    /// The same, told.
    pub(crate) changes: Vec<EntryChange>,
    /// Those that someone changed again since.
    pub(crate) in_the_way: Vec<Violation>,
}

impl<'a> Told<'a> {
    pub(super) fn of(entry: &'a LogEntry, mode: RevertMode, request: &'a Request) -> Self {
        let (before, mut after) = (document(entry.before.as_deref()), document(entry.after.as_deref()));
        if let Some(members) = after.as_mut().and_then(Value::as_object_mut) {
            members.remove(REVERTS);
        }
        let after = after.filter(|after| after.as_object().is_none_or(|members| !members.is_empty()));
        Self { entry, before, after, mode, request }
    }

    /// What the entry names at a place; the first is the subject.
    pub(crate) fn entity(&self, place: usize) -> Result<&'a Entity> {
        self.entry.entities.get(place).ok_or_else(|| refused("it does not name what it was about"))
    }

    /// Whether one of the texts has a member.
    pub(crate) fn names(&self, member: &str) -> bool {
        [&self.before, &self.after].into_iter().flatten().any(|text| text.get(member).is_some())
    }

    /// The parts of the two texts under a member; `null` where there is none.
    pub(crate) fn parts(&self, member: &str) -> (Value, Value) {
        let part = |text: &Option<Value>| text.as_ref().map_or(Value::Null, |text| text[member].clone());
        (part(&self.before), part(&self.after))
    }

    /// The key of the subject.
    pub(crate) fn key(&self) -> Result<&str> {
        let subject = self.entry.entities.first();
        subject.map(|entity| entity.key.as_str()).ok_or_else(|| refused("it names nothing"))
    }

    /// A conflict if what has the subject's key now is something else.
    pub(crate) fn expect_same(&self, id: Id) -> Result<()> {
        if self.entry.entities.first().is_some_and(|entity| entity.id == id) {
            return Ok(());
        }
        Err(refused("what it was about was deleted, and something else has its key now"))
    }

    /// As the use case is asked: with the version upon which the revert was decided.
    pub(crate) fn request(&self, etag: String) -> Request {
        Request { if_match: Some(etag), ..self.request.clone() }
    }

    /// The members in which `old` and `new` differ, set back in what is there `now`. `path` leads to them.
    pub(crate) fn set_back(&self, path: &str, old: &Value, new: &Value, now: &Value, back: &mut SetBack) {
        let nothing = Map::new();
        let members = |value: &Value| value.as_object().cloned().unwrap_or_else(|| nothing.clone());
        let (old, new) = (members(old), members(new));
        let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
        for name in names {
            let member = |members: &Map<String, Value>| members.get(name).cloned().unwrap_or_default();
            let (old, new, now) = (member(&old), member(&new), now[name].clone());
            // What is as it was already needs nothing.
            if old == new || now == old {
                continue;
            }
            let path = format!("{path}.{name}");
            if now != new && !self.mode.force {
                let message = format!("is {} now, which a later change made", shortened(&now));
                back.in_the_way.push(Violation { path: path.clone(), message });
            }
            back.changes.push(EntryChange { path, old: now, new: old.clone() });
            back.members.insert(name.clone(), old);
        }
    }

    /// A conflict if something made by the change has been changed since.
    pub(crate) fn expect_untouched(&self, path: &str, made: &Value, now: &Value) -> Result<()> {
        let mut back = SetBack::default();
        self.set_back(path, &Value::Null, made, now, &mut back);
        back.expect_free()
    }
}

impl SetBack {
    /// A conflict if something is in the way.
    pub(crate) fn expect_free(&self) -> Result<()> {
        if self.in_the_way.is_empty() {
            return Ok(());
        }
        let violations = self.in_the_way.clone();
        let message =
            format!("{}; ask again with ?force=true to set it back all the same", summary(&violations));
        Err(Error::Blocked { code: "changed_since", message, violations, places: Vec::new() })
    }

    pub(crate) fn document(&self) -> Value {
        Value::Object(self.members.clone())
    }
}

/// As much of a value as a message needs.
fn shortened(value: &Value) -> String {
    const MOST: usize = 100;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
