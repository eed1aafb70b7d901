//! Making an account for oneself.

use engine::json::{At, Violations};
use serde_json::Value;

use super::input::{read_email, read_name, read_new_password};
use super::sign_in::password_login_off;
use super::{Account, AccountKind, AccountWrite, Role, Session, for_log};
use crate::control::{Control, Request, unexpected};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::log::{Change, Write};
use crate::ports::CommitError;
use crate::time::Timestamp;

/// What someone who registers says.
struct Registration {
    email: String,
    password: String,
    name: String,
    role: Role,
}

impl Registration {
    /// Reads `{"email", "password", "name"?, "role"?}`. The role `admin` is nobody's to take: who asks for it
    /// is made a viewer, which who asks for none is too.
    fn read(document: &Value, shortest_password: usize) -> Result<Self> {
        let mut violations = Violations::default();
        let registration = Self::read_object(At::root(document), shortest_password, &mut violations);
        violations.into_result(registration).map_err(Error::Invalid)
    }

    fn read_object(at: At<'_>, shortest_password: usize, violations: &mut Violations) -> Option<Self> {
        let object = at.object(violations)?;
        let email = object.require(violations, "email").and_then(|at| read_email(at, violations));
        let password = object
            .require(violations, "password")
            .and_then(|at| read_new_password(at, violations, shortest_password));
        let name = object.optional(violations, "name", read_name);
        let role = object.optional(violations, "role", |at, violations| {
            let role = Role::parse(at.text(violations)?);
            if role.is_none() {
                at.fault(violations, "must be developer, viewer or user");
            }
            role
        });
        object.deny_unknown(violations);
        let role = role?.filter(|role| *role != Role::Admin).unwrap_or(Role::Viewer);
        Some(Self { email: email?, password: password?, name: name?.unwrap_or_default(), role })
    }
}

impl Control {
    /// Makes an account for someone who asks for one, and signs it in.
    pub async fn register(&self, document: &Value, request: &Request) -> Result<Session> {
        if !self.settings.open_registration {
            return Err(Error::Forbidden {
                code: "registration_closed",
                message: "registration is closed here; ask an admin for an account".to_owned(),
            });
        }
        if !self.settings.password_login {
            return Err(password_login_off());
        }
        let registration = Registration::read(document, self.settings.shortest_password)?;
        let now = self.clock.now();
        let account = Account {
            id: self.ids.id(now),
            kind: AccountKind::Person,
            email: registration.email,
            name: registration.name,
            role: registration.role,
            active: true,
            password_hash: Some(self.hash_password(registration.password).await?),
            version: 0,
            created_at: now,
            updated_at: now,
        };
        let change = creation(&account, account.id, request, now);
        let version = self.commit(change).await.map_err(email_taken)?;
        self.open_session(&Account { version, ..account }).await
    }
}

/// The change that makes an account.
pub(crate) fn creation(account: &Account, actor: Id, request: &Request, now: Timestamp) -> Change {
    Change {
        entities: vec![account.entity()],
        after: Some(for_log(account)),
        writes: vec![Write::Account(AccountWrite::Create(account.clone()))],
        ..Change::of_instance("create_account", actor, request, now)
    }
}

/// What a commit that gives an account its e-mail can fail by.
pub(super) fn email_taken(error: CommitError) -> Error {
    match error {
        CommitError::Taken { what: "account" } => Error::Conflict {
            code: "email_taken",
            message: "an account with this e-mail already exists; sign in, or use another".to_owned(),
        },
        error => unexpected(error),
    }
}
