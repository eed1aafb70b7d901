//! An entry of the log, as people read it.

use engine::model::Revision;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{PROGRAM, hex};
use crate::difference::{MemberChange, differences};
use crate::id::Id;
use crate::log::{Chain, Entity, Hash, LogEntry};
use crate::time::Timestamp;

/// No more members that changed are told one by one; `before` and `after` have all of them.
const MOST_CHANGES: usize = 1_000;
/// The member of `after` by which an entry says which one it reverts.
pub(crate) const REVERTS: &str = "reverts";

/// An entry of the log, as people read it.
#[derive(Debug, Serialize)]
pub struct AuditEntry {
    /// The id of its chain: of its project, or all zeros for the instance.
    pub chain: Id,
    /// Its place in the chain.
    pub revision: Revision,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// The door it came by.
    pub source: String,
    /// The address that it came from, if it is known.
    pub address: Option<String>,
    /// What was done.
    pub action: String,
    /// What it was about; the first is the subject.
    pub entities: Vec<Entity>,
    /// The members that changed, the first 1,000.
    pub changes: Vec<EntryChange>,
    /// How many more there are.
    pub changes_left_out: usize,
    /// What was there.
    pub before: Option<Box<RawValue>>,
    /// What is there now.
    pub after: Option<Box<RawValue>>,
    /// Why.
    pub comment: Option<String>,
    /// The revision that it reverts, if it does.
    pub reverts: Option<Revision>,
    /// Which of its texts were taken out: `before`, `after`, `comment`.
    pub redacted: Vec<&'static str>,
    /// SHA-256 of each text.
    pub text_hashes: TextHashes,
    /// Its hash, in lower-case hex.
    pub hash: String,
}

/// SHA-256 of the texts, in lower-case hex; zeros where there was none.
#[derive(Debug, Serialize)]
pub struct TextHashes {
    before: String,
    after: String,
    comment: String,
}

/// A member that a change changed.
#[derive(Debug, Serialize)]
pub struct EntryChange {
    /// Which: a JSON path such as `configs.production.rules[0].serve.variant`.
    pub path: String,
    /// What was there; `null` if nothing was.
    pub old: Value,
    /// What is there now; `null` if nothing is.
    pub new: Value,
}

/// Who made a change.
#[derive(Debug, Serialize)]
pub struct Actor {
    /// The account; all zeros for the program itself.
    pub id: Id,
    /// Its e-mail or name today; `burgee` for the program itself, nothing for an account that is gone.
    pub name: Option<String>,
}

impl Actor {
    /// With the name that it has among these.
    pub(crate) fn named(id: Id, names: &[(Id, String)]) -> Self {
        let name = names.iter().find(|(known, _)| *known == id).map(|(_, name)| name.clone());
        Self { id, name: name.or_else(|| (id == Id::NIL).then(|| PROGRAM.to_owned())) }
    }
}

impl AuditEntry {
    pub(super) fn of(entry: LogEntry, names: &[(Id, String)]) -> Self {
        let redacted = redacted(&entry);
        let (old, new) = (document(entry.before.as_deref()), document(entry.after.as_deref()));
        let reverts = new.as_ref().and_then(|new| new.get(REVERTS)?.as_u64());
        // Of a text that was taken out nobody can say what changed.
        let compared = redacted.iter().all(|text| *text == "comment").then(|| changes(old, new));
        let (changes, changes_left_out) = compared.unwrap_or_default();
        // Written by us as JSON; a text that does not read was edited, which `verify` tells.
        let raw = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
        let (source, address) = match entry.source.split_once(' ') {
            Some((door, address)) => (door.to_owned(), Some(address.to_owned())),
            None => (entry.source, None),
        };
        let [before, after, comment] =
            [entry.texts.before, entry.texts.after, entry.texts.comment].map(|hash| hex(&hash));
        Self {
            chain: match entry.chain {
                Chain::Instance => Id::NIL,
                Chain::Project(id) => id,
            },
            revision: entry.revision,
            at: entry.at,
            actor: Actor::named(entry.actor, names),
            source,
            address,
            action: entry.action,
            entities: entry.entities,
            changes,
            changes_left_out,
            before: raw(entry.before),
            after: raw(entry.after),
            comment: entry.comment,
            reverts,
            redacted,
            text_hashes: TextHashes { before, after, comment },
            hash: hex(&entry.hash),
        }
    }
}

/// The texts that an entry had and has no more.
pub(crate) fn redacted(entry: &LogEntry) -> Vec<&'static str> {
    let gone = |text: &Option<String>, hash: &Hash| text.is_none() && *hash != [0; 32];
    let texts = [
        ("before", gone(&entry.before, &entry.texts.before)),
        ("after", gone(&entry.after, &entry.texts.after)),
        ("comment", gone(&entry.comment, &entry.texts.comment)),
    ];
    texts.into_iter().filter(|(_, gone)| *gone).map(|(name, _)| name).collect()
}

/// The members of a text.
pub(crate) fn document(text: Option<&str>) -> Option<Value> {
    serde_json::from_str(text?).ok()
}

/// What changed, and how much of it is not told. Where nothing was there, or is there, its members are told whole.
fn changes(old: Option<Value>, new: Option<Value>) -> (Vec<EntryChange>, usize) {
    let nothing = || Value::Object(Map::new());
    let mut new = new.unwrap_or_else(nothing);
    if let Some(members) = new.as_object_mut() {
        members.remove(REVERTS);
    }
    let found = differences(&old.unwrap_or_else(nothing), &new);
    let left_out = found.len().saturating_sub(MOST_CHANGES);
    let told = found.into_iter().take(MOST_CHANGES);
    let told = told.map(|MemberChange { path, before, after }| EntryChange { path, old: before, new: after });
    (told.collect(), left_out)
}
