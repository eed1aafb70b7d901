//! Reading the log, and proving that nobody edited it.

use engine::json::Violations;
use engine::model::Revision;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::access::{InProject, ReadLog};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::key::Key;
use crate::log::{Chain, Entity, Hash, LogEntry, Texts, link};
use crate::ports::{Head, LogFilter, Page, Store, StoreResult};
use crate::time::Timestamp;

/// How many entries are verified at a time.
const BATCH: u32 = 1_000;

/// An entry of the log, as people read it.
#[derive(Debug, Serialize)]
pub struct AuditEntry {
    /// Its place in the project's chain.
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
    /// What was there.
    pub before: Option<Box<RawValue>>,
    /// What is there now.
    pub after: Option<Box<RawValue>>,
    /// Why.
    pub comment: Option<String>,
    /// Its hash, in lower-case hex.
    pub hash: String,
}

/// Who made a change.
#[derive(Debug, Serialize)]
pub struct Actor {
    /// The account; all zeros for the program itself.
    pub id: Id,
    /// Its e-mail or name today; `burgee` for the program itself, nothing for an account that is gone.
    pub name: Option<String>,
}

/// What people look for in the log, each by its key, living or deleted.
#[derive(Debug, Clone, Copy, Default)]
pub struct About<'a> {
    /// A flag.
    pub flag: Option<&'a str>,
    /// A segment.
    pub segment: Option<&'a str>,
    /// A context field.
    pub context_field: Option<&'a str>,
    /// An environment.
    pub environment: Option<&'a str>,
}

impl Control {
    /// Entries of the project's log, newest first: those about all of what is named. What affected an environment is
    /// about it. Of two things that had a key one after the other, those about the later one.
    pub async fn audit(
        &self,
        reader: &InProject<ReadLog>,
        about: About<'_>,
        mut filter: LogFilter,
    ) -> Result<Page<AuditEntry>> {
        let About { flag, segment, context_field, environment } = about;
        let named = [
            ("flag", "flag", flag),
            ("segment", "segment", segment),
            ("context_field", "context field", context_field),
            // The last, for it has the most entries.
            ("environment", "environment", environment),
        ];
        let named = named.into_iter().filter_map(|(kind, what, key)| Some((kind, what, key?)));
        let mut violations = Violations::default();
        for (kind, ..) in named.clone().filter(|(.., key)| key.trim().is_empty()) {
            violations.add(format_args!("query {kind}"), "is empty; give a key, or leave it out");
        }
        violations.into_result(Some(())).map_err(Error::Invalid)?;
        for (kind, what, key) in named {
            let none = || Error::not_found(what, key, "the log knows none, living or deleted");
            filter.entities.push(self.logged(reader.project_id(), kind, key).await?.ok_or_else(none)?);
        }
        let page = self.store.log(Chain::Project(reader.project_id()), &filter).await?;
        let mut actors: Vec<_> = page.items.iter().map(|entry| entry.actor).collect();
        actors.sort_unstable();
        actors.dedup();
        let names = self.store.account_names(&actors).await?;
        let items = page.items.into_iter().map(|entry| shown(entry, &names)).collect();
        Ok(Page { items, total: page.total, more: page.more })
    }

    /// Whatever has a key was made, and that is in the log.
    async fn logged(&self, project_id: Id, kind: &str, key: &str) -> Result<Option<Id>> {
        let Some(key) = Key::parse(key) else { return Ok(None) };
        Ok(self.store.logged_entity(project_id, kind, key.as_str()).await?)
    }
}

fn shown(entry: LogEntry, names: &[(Id, String)]) -> AuditEntry {
    // Written by us as JSON; a text that does not read was edited, which `verify` tells.
    let raw = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
    let (source, address) = match entry.source.split_once(' ') {
        Some((door, address)) => (door.to_owned(), Some(address.to_owned())),
        None => (entry.source, None),
    };
    let name = names.iter().find(|(id, _)| *id == entry.actor).map(|(_, name)| name.clone());
    AuditEntry {
        revision: entry.revision,
        at: entry.at,
        actor: Actor {
            id: entry.actor,
            name: name.or_else(|| (entry.actor == Id::NIL).then(|| "burgee".to_owned())),
        },
        source,
        address,
        action: entry.action,
        entities: entry.entities,
        before: raw(entry.before),
        after: raw(entry.after),
        comment: entry.comment,
        hash: hex(&entry.hash),
    }
}

/// What a walk along a chain found.
#[derive(Debug)]
pub struct Verified {
    /// The end of the chain, as the store says.
    pub head: Head,
    /// The first thing that is not as it was written, if any.
    pub fault: Option<String>,
}

/// Walks every chain from its beginning and recomputes every hash. A chain that has entries and no head was
/// cut off as a whole.
pub async fn verify(store: &dyn Store) -> StoreResult<Vec<Verified>> {
    let heads = store.heads().await?;
    let mut chains = store.chains_in_log().await?;
    chains.push(Chain::Instance);
    chains.retain(|chain| heads.iter().all(|head| head.chain != *chain));
    chains.sort_unstable();
    chains.dedup();
    let headless = |chain| Verified {
        head: Head { chain, revision: 0, hash: [0; 32] },
        fault: Some("its head is gone: how far it went cannot be told".to_owned()),
    };
    let mut verified: Vec<_> = chains.into_iter().map(headless).collect();
    for head in heads {
        let fault = walk(store, head).await?;
        verified.push(Verified { head, fault });
    }
    Ok(verified)
}

/// As far as the head that was read first: on a living log, what comes after it is not yet its.
async fn walk(store: &dyn Store, head: Head) -> StoreResult<Option<String>> {
    let (mut revision, mut hash): (Revision, Hash) = (0, [0; 32]);
    while revision < head.revision {
        let entries = store.log_after(head.chain, revision, BATCH).await?;
        if entries.is_empty() {
            let end = format!("the log ends at revision {revision}, but {} were made", head.revision);
            return Ok(Some(end));
        }
        for entry in &entries {
            if revision == head.revision {
                break;
            }
            if let Some(fault) = fault(entry, revision, &hash) {
                return Ok(Some(fault));
            }
            (revision, hash) = (entry.revision, entry.hash);
        }
    }
    Ok((hash != head.hash)
        .then(|| format!("the last entry, revision {revision}, is not the one that was written")))
}

fn fault(entry: &LogEntry, previous: Revision, hash: &Hash) -> Option<String> {
    let revision = entry.revision;
    if revision != previous + 1 {
        return Some(format!("revision {} is missing", previous + 1));
    }
    let now = Texts::of(entry.before.as_deref(), entry.after.as_deref(), entry.comment.as_deref());
    let texts = [
        ("before", now.before, entry.texts.before),
        ("after", now.after, entry.texts.after),
        ("comment", now.comment, entry.texts.comment),
    ];
    if let Some((name, ..)) = texts.iter().find(|(_, now, then)| now != then) {
        return Some(format!("revision {revision}: its {name} was changed after it was written"));
    }
    (link(hash, &entry.into()) != entry.hash)
        .then(|| format!("revision {revision}: it, or the entry before it, was changed after it was written"))
}

/// A hash, in lower-case hex.
pub fn hex(hash: &Hash) -> String {
    hex::encode(hash)
}
