//! Making, changing and removing context fields.

use std::collections::BTreeSet;

use engine::json::{At, Object, Violations};
use engine::model::{List, Revision, Snapshot};
use engine::{Named, User, uses};
use serde_json::{Value, json};

use super::input::{apply, apply_values};
use super::{ContextField, FieldKind};
use crate::access::{Caller, DeleteContextField, InProject, Permit, Reader, UpdateContextField};
use crate::control::{Attempts, Control, Request};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::input::{check_key, read_key};
use crate::key::Key;
use crate::log::{Chain, Change, Entity, ReadVersion, Write};
use crate::ports::{KeyedFilter, Page};
use crate::time::Timestamp;

/// No project has more fields: all of them travel to every reader of rules.
const MOST_FIELDS: u64 = 1_000;

impl Control {
    /// A context field.
    pub async fn context_field(&self, reader: &Reader, key: &str) -> Result<ContextField> {
        self.load_context_field(reader.project_id(), key).await
    }

    /// Context fields of the project, by key.
    pub async fn context_fields(&self, reader: &Reader, filter: &KeyedFilter) -> Result<Page<ContextField>> {
        Ok(self.store.context_fields(reader.project_id(), filter).await?)
    }

    /// Makes a context field, and with it the context list of its key.
    pub async fn create_context_field(
        &self,
        permit: &InProject<UpdateContextField>,
        document: &Value,
        request: &Request,
    ) -> Result<ContextField> {
        let mut attempts = Attempts::default();
        loop {
            let dependencies = self.store.dependencies_version(permit.project_id()).await?;
            let now = self.clock.now();
            let field = self.read_new_context_field(permit.project_id(), document, now)?;
            let fields = KeyedFilter { limit: 1, ..KeyedFilter::default() };
            if self
                .store
                .context_fields(permit.project_id(), &fields)
                .await?
                .total
                .is_none_or(|total| total >= MOST_FIELDS)
            {
                let message =
                    format!("a project has at most {MOST_FIELDS} context fields; delete some first");
                return Err(Error::Conflict { code: "too_many_fields", message });
            }
            let change = Change {
                after: Some(for_log(&field)),
                reads: vec![ReadVersion::Dependencies { version: dependencies }],
                writes: vec![Write::CreateContextField(field.clone()), Write::TouchDependencies],
                ..about(&field, "create_context_field", permit.caller(), request, now)
            };
            if let Some(version) =
                self.try_create(change, &mut attempts, "a context field", &field.key).await?
            {
                return Ok(ContextField { version, ..field });
            }
        }
    }

    /// Takes over the members that the document names, and keeps the others. A document that changes nothing makes
    /// no change. New values are the context list's at once, in every environment.
    pub async fn update_context_field(
        &self,
        permit: &InProject<UpdateContextField>,
        key: &str,
        document: &Value,
        request: &Request,
    ) -> Result<ContextField> {
        let edit = |field: &mut ContextField, object: &Object<'_>, violations: &mut Violations| {
            check_key(&field.key, "a context field", object, violations);
            apply(field, object, violations);
        };
        self.change_context_field(permit, key, "update_context_field", document, request, edit).await
    }

    /// Adds and removes single values: `{"add": […], "remove": […]}`. What is there already, or is not there, is
    /// passed over.
    pub async fn update_context_field_values(
        &self,
        permit: &InProject<UpdateContextField>,
        key: &str,
        document: &Value,
        request: &Request,
    ) -> Result<ContextField> {
        let action = "update_context_field_values";
        self.change_context_field(permit, key, action, document, request, apply_values).await
    }

    /// Removes a context field, unless something names its list. Gives the revision that it took.
    pub async fn delete_context_field(
        &self,
        permit: &InProject<DeleteContextField>,
        key: &str,
        request: &Request,
    ) -> Result<Revision> {
        let mut attempts = Attempts::default();
        loop {
            let dependencies = self.store.dependencies_version(permit.project_id()).await?;
            let field = self.load_context_field(permit.project_id(), key).await?;
            request.check(&field.etag())?;
            let environments = self.all_environments(permit.project_id()).await?;
            self.refuse_if_used(Named::List(key), "context_field_in_use", &environments).await?;
            let change = Change {
                before: Some(for_log(&field)),
                reads: vec![version_of(&field), ReadVersion::Dependencies { version: dependencies }],
                writes: vec![
                    Write::DeleteContextField { id: field.id, key: field.key.clone() },
                    Write::TouchDependencies,
                ],
                ..about(&field, "delete_context_field", permit.caller(), request, self.clock.now())
            };
            if let Some(revision) = self.try_commit(change, &mut attempts).await? {
                return Ok(revision);
            }
        }
    }

    async fn change_context_field(
        &self,
        permit: &Permit,
        key: &str,
        action: &'static str,
        document: &Value,
        request: &Request,
        edit: impl Fn(&mut ContextField, &Object<'_>, &mut Violations),
    ) -> Result<ContextField> {
        let mut attempts = Attempts::default();
        loop {
            let dependencies = self.store.dependencies_version(permit.project_id()).await?;
            let before = self.load_context_field(permit.project_id(), key).await?;
            request.check(&before.etag())?;
            let mut after = before.clone();
            let mut violations = Violations::default();
            let read = At::root(document).object(&mut violations);
            let read = read.map(|object| edit(&mut after, &object, &mut violations));
            violations.into_result(read).map_err(Error::Invalid)?;
            if after == before {
                return Ok(before);
            }
            let now = self.clock.now();
            after.updated_at = now;
            let mut change = Change {
                before: Some(for_log(&before)),
                after: Some(for_log(&after)),
                reads: vec![version_of(&before)],
                writes: vec![Write::UpdateContextField(after.clone())],
                ..about(&after, action, permit.caller(), request, now)
            };
            if before.values != after.values {
                self.check_list(permit, &after).await?;
                // Nothing more may have come to name the list meanwhile.
                change.reads.push(ReadVersion::Dependencies { version: dependencies });
            }
            if let Some(version) = self.try_commit(change, &mut attempts).await? {
                return Ok(ContextField { version, ..after });
            }
        }
    }

    /// What would keep [`Self::update_context_field`] from taking the document.
    pub(super) async fn preview_context_field(
        &self,
        permit: &Permit,
        before: &ContextField,
        document: &Value,
    ) -> Result<()> {
        let mut after = before.clone();
        let mut violations = Violations::default();
        let read = At::root(document).object(&mut violations);
        let read = read.map(|object| apply(&mut after, &object, &mut violations));
        violations.into_result(read).map_err(Error::Invalid)?;
        if before.values == after.values { Ok(()) } else { self.check_list(permit, &after).await }
    }

    /// A list serves every environment: who changes what an enabled flag answers must be allowed to in each of
    /// them, and must leave each of them whole.
    async fn check_list(&self, permit: &Permit, field: &ContextField) -> Result<()> {
        for environment in self.all_environments(permit.project_id()).await? {
            let mut snapshot = self.load_snapshot(&environment).await?;
            let (key, list) = (field.key.to_string(), List(field.values.clone()));
            let looking = tokio::task::spawn_blocking(move || {
                snapshot.lists.insert(key.clone(), std::sync::Arc::new(list.into()));
                (is_enabled_for(&snapshot, &key), engine::check_list(&snapshot, &key))
            });
            let (answers, checked) = looking.await.map_err(|error| Error::Internal(error.into()))?;
            if answers {
                permit.may_in(&environment)?;
            }
            checked.map_err(Error::Invalid)?;
        }
        Ok(())
    }

    fn read_new_context_field(
        &self,
        project_id: Id,
        document: &Value,
        now: Timestamp,
    ) -> Result<ContextField> {
        let mut violations = Violations::default();
        let field = At::root(document).object(&mut violations).and_then(|object| {
            let key = read_key(&object, &mut violations);
            let mut field = ContextField {
                id: self.ids.id(now),
                project_id,
                // Under a faulty key the rest is read all the same, so that its faults are told at once.
                key: key.clone().or_else(|| Key::parse("unnamed"))?,
                name: String::new(),
                kind: FieldKind::String,
                description: String::new(),
                values: Vec::new(),
                version: 0,
                created_at: now,
                updated_at: now,
            };
            apply(&mut field, &object, &mut violations);
            key.map(|_| field)
        });
        violations.into_result(field).map_err(Error::Invalid)
    }

    pub(super) async fn load_context_field(&self, project_id: Id, key: &str) -> Result<ContextField> {
        let named = Key::parse(key).ok_or_else(|| Error::no_context_field(key))?;
        self.store.context_field(project_id, &named).await?.ok_or_else(|| Error::no_context_field(key))
    }
}

/// Whether a flag that is enabled names the list, by itself or through segments.
fn is_enabled_for(snapshot: &Snapshot, list: &str) -> bool {
    let mut segments = BTreeSet::new();
    let mut waiting = uses(snapshot, Named::List(list));
    while let Some(one) = waiting.pop() {
        match one.user {
            User::Flag => {
                let flag = snapshot.flags.get(&one.key).and_then(|flag| flag.known());
                if flag.is_some_and(|flag| flag.enabled && !flag.archived) {
                    return true;
                }
            }
            User::Segment => {
                if segments.insert(one.key.clone()) {
                    waiting.extend(uses(snapshot, Named::Segment(&one.key)));
                }
            }
        }
    }
    false
}

fn version_of(field: &ContextField) -> ReadVersion {
    ReadVersion::ContextField { id: field.id, version: field.version }
}

/// A change of a field that says all but what changes.
fn about(
    field: &ContextField,
    action: &'static str,
    caller: &Caller,
    request: &Request,
    now: Timestamp,
) -> Change {
    Change {
        chain: Chain::Project(field.project_id),
        at: now,
        actor: caller.account_id(),
        source: request.source.clone(),
        action,
        entities: vec![Entity::context_field(field)],
        before: None,
        after: None,
        comment: request.comment.clone(),
        standing: request.standing.clone(),
        reads: Vec::new(),
        writes: Vec::new(),
    }
}

/// The field as the log keeps it: without what the log entry itself says (version and times).
fn for_log(field: &ContextField) -> String {
    json!({ "context_field": members_for_log(field) }).to_string()
}

pub(super) fn members_for_log(field: &ContextField) -> Value {
    let ContextField { key, name, kind, description, values, .. } = field;
    json!({ "key": key, "name": name, "type": kind, "description": description, "values": values })
}
