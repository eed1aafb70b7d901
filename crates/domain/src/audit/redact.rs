//! Taking texts out of an entry of the log: a secret that somebody wrote into a comment, or what must be forgotten.
//! Their hashes stay, so the chain holds, and an entry of its own says who took out what.

use engine::json::{At, Violations};
use engine::model::Revision;
use serde_json::{Value, json};

use super::entry::{document, redacted};
use crate::access::{Caller, InProject, OnInstance, RedactInstanceLog, RedactLog};
use crate::control::{Attempts, Control, Request};
use crate::error::{Error, Result};
use crate::log::{Chain, Change, LogEntry, WhichTexts, Write};

/// What is done.
pub(super) const REDACT: &str = "redact_change";
/// The entries whose texts prove what was taken out of the log.
const PROOFS: [&str; 2] = [REDACT, super::expire::EXPIRE];

impl Control {
    /// Takes out the texts that the document, `{"texts": ["before", "after", "comment"]}`, names. Those that the entry
    /// does not have are passed over; if none is left, nothing is done. Gives the revision of the entry that says so.
    pub async fn redact_change(
        &self,
        permit: &InProject<RedactLog>,
        revision: &str,
        document: &Value,
        request: &Request,
    ) -> Result<Option<Revision>> {
        self.redact_in(Chain::Project(permit.project_id()), permit.caller(), revision, document, request)
            .await
    }

    /// The same in the instance's own log, or in that of a project that was deleted.
    pub async fn redact_instance_change(
        &self,
        permit: &OnInstance<RedactInstanceLog>,
        deleted_project: Option<&str>,
        revision: &str,
        document: &Value,
        request: &Request,
    ) -> Result<Option<Revision>> {
        let chain = self.instance_or_deleted(deleted_project).await?;
        self.redact_in(chain, permit, revision, document, request).await
    }

    async fn redact_in(
        &self,
        chain: Chain,
        caller: &Caller,
        revision: &str,
        document: &Value,
        request: &Request,
    ) -> Result<Option<Revision>> {
        let asked = read_texts(document)?;
        let mut attempts = Attempts::default();
        loop {
            let entry = self.logged_change(chain, revision).await?;
            if PROOFS.contains(&entry.action.as_str()) {
                let message = "it proves that something was taken out of the log, and must stay".to_owned();
                return Err(Error::Conflict { code: "not_redactable", message });
            }
            let texts = WhichTexts {
                before: asked.before && entry.before.is_some(),
                after: asked.after && entry.after.is_some(),
                comment: asked.comment && entry.comment.is_some(),
            };
            if texts == WhichTexts::default() {
                return Ok(None);
            }
            let after = json!({ "redacted": { "revision": entry.revision, "texts": names(texts) } });
            let change = Change {
                chain,
                at: self.clock.now(),
                actor: caller.account_id(),
                source: request.source.clone(),
                action: REDACT,
                entities: entry.entities,
                before: None,
                after: Some(after.to_string()),
                comment: request.comment.clone(),
                standing: request.standing.clone(),
                reads: Vec::new(),
                writes: vec![Write::RedactEntry { revision: entry.revision, texts }],
            };
            if let Some(revision) = self.try_commit(change, &mut attempts).await? {
                return Ok(Some(revision));
            }
        }
    }
}

fn names(texts: WhichTexts) -> Vec<&'static str> {
    let named = [("before", texts.before), ("after", texts.after), ("comment", texts.comment)];
    named.into_iter().filter(|(_, is_named)| *is_named).map(|(name, _)| name).collect()
}

fn read_texts(document: &Value) -> Result<WhichTexts> {
    let mut violations = Violations::default();
    let mut texts = WhichTexts::default();
    let read = At::root(document).object(&mut violations).and_then(|object| {
        let at = object.require(&mut violations, "texts")?;
        at.each(&mut violations, 3, |at, violations| {
            match at.text(violations)? {
                "before" => texts.before = true,
                "after" => texts.after = true,
                "comment" => texts.comment = true,
                _ => at.fault(violations, "must be before, after or comment"),
            }
            Some(())
        });
        if at.value().as_array().is_some_and(Vec::is_empty) {
            at.fault(&mut violations, "must name at least one text");
        }
        object.deny_unknown(&mut violations);
        Some(())
    });
    violations.into_result(read).map_err(Error::Invalid)?;
    Ok(texts)
}

/// What an entry says was taken out of another: its revision, and the names of the texts.
pub(super) fn taken_out(entry: &LogEntry) -> Option<(Revision, Vec<String>)> {
    if entry.action != REDACT || !redacted(entry).iter().all(|text| *text == "comment") {
        return None;
    }
    let said = document(entry.after.as_deref())?;
    let texts = said["redacted"]["texts"].as_array()?.iter().filter_map(Value::as_str).map(str::to_owned);
    Some((said["redacted"]["revision"].as_u64()?, texts.collect()))
}
