//! What the log says of grants.

use serde_json::{Value, json};

use super::{Grant, Holder};
use crate::access::{Caller, Scope};
use crate::control::Request;
use crate::log::{Chain, Change, Entity};
use crate::time::Timestamp;

/// No entry of the log names more grants that went with something; those beyond are counted.
const MOST_LOGGED: usize = 1_000;
impl Grant {
    /// A change of it, on the chain of where it holds: about the grant, who has it, and the environment if it is in one.
    pub(super) fn change(
        &self,
        action: &'static str,
        caller: &Caller,
        request: &Request,
        at: Timestamp,
    ) -> Change {
        let chain = self.scope.project_id().map_or(Chain::Instance, Chain::Project);
        let mut change = Change::of(chain, action, caller.account_id(), request, at);
        let entity = |kind: &str, id, key: &str| Entity { kind: kind.to_owned(), id, key: key.to_owned() };
        let (kind, holder) = match self.holder {
            Holder::Account(id) => ("account", id),
            Holder::Team(id) => ("team", id),
        };
        change.entities = vec![entity("grant", self.id, &self.role), entity(kind, holder, &self.holder_name)];
        if let (Scope::Environment { id, .. }, Some(key)) = (self.scope, &self.environment) {
            change.entities.push(entity("environment", id, key.as_str()));
        }
        change
    }

    /// What the log says of it by itself.
    pub(super) fn for_log(&self) -> String {
        json!({ "grant": self.document() }).to_string()
    }

    /// What the log says of it.
    pub(crate) fn document(&self) -> Value {
        let Self { holder_name, role, project, environment, .. } = self;
        let mut text = json!({ "role": role, "project": project, "environment": environment });
        let member = if matches!(self.holder, Holder::Account(_)) { "account" } else { "team" };
        text[member] = json!(holder_name);
        text
    }
}

/// Adds the grants that go with something to what the log says of it; beyond a bound they are counted.
pub(crate) fn logged_grants(lost: &mut Value, grants: &[Grant]) {
    let document = |grant: &Grant| {
        let mut document = grant.document();
        document["id"] = json!(grant.id);
        document
    };
    lost["grants"] = grants.iter().take(MOST_LOGGED).map(document).collect();
    lost["grants_left_out"] = json!(grants.len().saturating_sub(MOST_LOGGED));
}
