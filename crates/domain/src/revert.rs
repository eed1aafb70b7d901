//! The way back: a change is reverted by a new one, which makes what it touched what it was before.
//!
//! Only the members that the change touched are set back, and they are written by the use cases that everyone writes
//! by: what cannot compile cannot come back, and who may not change something may not change it back. What someone
//! changed again since is in the way, unless the caller insists. Everything that is needed stands in the entry of the
//! log; an entry that lacks it says so, and is not guessed at.

use engine::json::Violation;
use engine::model::Revision;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::access::{InProject, ReadLog, Right};
use crate::audit::{EntryChange, REVERTS, document, redacted};
use crate::control::{Control, DEFAULT_ENVIRONMENT, Request, find_environment};
use crate::environment::Environment;
use crate::error::{Error, Result, summary};
use crate::id::Id;
use crate::log::{Chain, Change, LogEntry};

/// What was done, as the log has it.
const ACTION: &str = "revert_change";
/// So often a revert is decided anew because what it reverts was changed in between.
const MOST_ATTEMPTS: u32 = 8;

/// How a revert is meant.
#[derive(Debug, Clone, Copy, Default)]
pub struct RevertMode {
    /// Only say what would change.
    pub dry_run: bool,
    /// Set back what was changed again since as well.
    pub force: bool,
}

/// What a revert did, or would do.
#[derive(Debug, Serialize)]
pub struct Reverted {
    /// Whether it was only tried.
    pub dry_run: bool,
    /// The revision that is reverted.
    pub reverts: Revision,
    /// The members that it sets back.
    pub changes: Vec<EntryChange>,
    /// The revision that it took; nothing if nothing changed.
    pub revision: Option<Revision>,
    /// Environments whose readers see it.
    #[serde(skip)]
    pub reached: Vec<Id>,
}

/// An entry that is to be reverted, and how.
pub(crate) struct Revert<'a> {
    pub(crate) entry: &'a LogEntry,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
    pub(crate) reader: &'a InProject<ReadLog>,
    pub(crate) mode: RevertMode,
    pub(crate) request: &'a Request,
    pub(crate) environments: &'a [Environment],
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

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) changes: Vec<EntryChange>,
    pub(crate) revision: Option<Revision>,
    pub(crate) reached: Vec<Id>,
}

impl Control {
    /// Reverts a change of the caller's project. With `dry_run` nothing is written.
    pub async fn revert_change(
        &self,
        reader: &InProject<ReadLog>,
        revision: &str,
        mode: RevertMode,
        request: &Request,
    ) -> Result<Reverted> {
        let entry = self.logged_change(Chain::Project(reader.project_id()), revision).await?;
        if redacted(&entry).iter().any(|text| *text != "comment") {
            return Err(refused("its texts were taken out of the log"));
        }
        let control = Self { reverts: Some(entry.revision), ..self.clone() };
        let mut attempt = 0;
        loop {
            attempt += 1;
            let outcome = control.try_revert(&entry, reader, mode, request).await;
            if matches!(outcome, Err(Error::Stale { .. })) && attempt < MOST_ATTEMPTS {
                continue;
            }
            let Outcome { changes, revision, reached } = outcome.map_err(busy)?;
            return Ok(Reverted {
                dry_run: mode.dry_run,
                reverts: entry.revision,
                changes,
                revision,
                reached,
            });
        }
    }

    async fn try_revert(
        &self,
        entry: &LogEntry,
        reader: &InProject<ReadLog>,
        mode: RevertMode,
        request: &Request,
    ) -> Result<Outcome> {
        let environments = self.store.environments(reader.project_id()).await?;
        let environments = environments.as_slice();
        let (before, mut after) = (document(entry.before.as_deref()), document(entry.after.as_deref()));
        if let Some(members) = after.as_mut().and_then(Value::as_object_mut) {
            members.remove(REVERTS);
        }
        let after = after.filter(|after| after.as_object().is_none_or(|members| !members.is_empty()));
        let revert = Revert { entry, before, after, reader, mode, request, environments };
        if revert.parts("environments").0.is_object() && !revert.names("environment") {
            return self.revert_environments(&revert).await;
        }
        let bulk = ["enabled", "lifecycle"].into_iter().any(|member| revert.names(member));
        match entry.entities.first().map(|entity| entity.kind.as_str()) {
            Some("environment") if bulk => self.revert_bulk(&revert).await,
            Some("environment") if revert.parts("environment").1.is_object() => {
                self.revert_new_environment(&revert).await
            }
            Some("flag") => self.revert_flag(&revert).await,
            Some("segment") => self.revert_segment(&revert).await,
            Some("context_field") => self.revert_context_field(&revert).await,
            Some("grant") => self.revert_grant(&revert).await,
            Some("project") if revert.parts("project").0.is_object() => self.revert_project(&revert).await,
            Some("environment") if revert.parts("environment").0.is_object() => Err(refused(
                "SDK keys and readers of a deleted environment do not come back; make it anew with POST \
                 /api/v1/environments and copy_from",
            )),
            Some("sdk_key") => Err(refused("a secret that was refused stays so; make another SDK key")),
            _ => Err(refused(
                "it is not of a flag, a segment, a context field, a grant, or of settings of an environment or the project",
            )),
        }
    }
}

impl Revert<'_> {
    /// If who asks may do `R` in the project: what is set back is written like anything else.
    pub(crate) fn permit<R: Right>(&self) -> Result<InProject<R>> {
        self.reader.caller().clone().in_project(self.reader.project().clone())
    }

    /// Whether one of the texts has a member.
    fn names(&self, member: &str) -> bool {
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

    /// The environment that the change spoke of, or the default one.
    pub(crate) fn environment(&self) -> Result<Environment> {
        let named = self.entry.entities.iter().find(|entity| entity.kind == "environment");
        let Some(named) = named else { return find_environment(self.environments, DEFAULT_ENVIRONMENT) };
        let found = self.environments.iter().find(|environment| environment.id == named.id);
        found.cloned().ok_or_else(|| refused(format!("the environment {} is gone", named.key)))
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

impl Outcome {
    /// Nothing was to be done.
    pub(crate) fn unchanged() -> Self {
        Self { changes: Vec::new(), revision: None, reached: Vec::new() }
    }
}

/// One change that tells a thing's making or removing as a whole.
pub(crate) fn whole(path: &str, old: Value, new: Value) -> Vec<EntryChange> {
    vec![EntryChange { path: path.to_owned(), old, new }]
}

/// A change that cannot be reverted.
pub(crate) fn refused(why: impl AsRef<str>) -> Error {
    let message = format!("this change cannot be reverted: {}", why.as_ref());
    Error::Conflict { code: "not_revertible", message }
}

/// The caller named no version.
fn busy(error: Error) -> Error {
    match error {
        Error::Stale { .. } => Error::Conflict {
            code: "busy",
            message: "it was changed many times while this request was at work; try again".to_owned(),
        },
        error => error,
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

/// Says in the entry of a change which one it reverts.
pub(crate) fn say_reverts(change: &mut Change, revision: Revision) {
    change.action = ACTION;
    let mut after = document(change.after.as_deref()).unwrap_or_else(|| json!({}));
    after[REVERTS] = json!(revision);
    change.after = Some(after.to_string());
}
