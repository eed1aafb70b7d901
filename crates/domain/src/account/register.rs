//! Making an account.

use engine::json::{At, Violations};
use serde_json::{Value, json};

use super::{Account, Role, Session};
use crate::control::{Control, Request, unexpected};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::log::{Chain, Change, Entity, Write};
use crate::ports::CommitError;
use crate::time::Timestamp;

/// The longest e-mail, name and password, in bytes. A password's bound keeps hashing it cheap.
const MOST_TEXT: usize = 254;

/// What someone who registers says.
pub struct Registration {
    email: String,
    password: String,
    name: String,
    role: Role,
}

impl Registration {
    /// Reads `{"email", "password", "name"?, "role"?}`. The role `admin` is nobody's to take: who asks for it
    /// gets the lowest role.
    pub fn read(document: &Value, shortest_password: usize) -> Result<Self> {
        let mut violations = Violations::default();
        let registration = Self::read_object(At::root(document), shortest_password, &mut violations);
        violations.into_result(registration).map_err(Error::Invalid)
    }

    fn read_object(at: At<'_>, shortest_password: usize, violations: &mut Violations) -> Option<Self> {
        let object = at.object(violations)?;
        let email = object.require(violations, "email").and_then(|at| read_email(at, violations));
        let password = object.require(violations, "password").and_then(|at| {
            let password = at.text(violations)?;
            if !is_password(password, shortest_password) {
                at.fault(violations, password_rule(shortest_password));
            }
            Some(password.to_owned())
        });
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

pub(super) fn read_email(at: At<'_>, violations: &mut Violations) -> Option<String> {
    let email = at.text(violations)?;
    if !is_email(email) {
        at.fault(violations, "must be an e-mail address");
    }
    Some(email.to_lowercase())
}

/// Whether a text can be an account's e-mail.
pub(crate) fn is_email(email: &str) -> bool {
    let plain = |character: char| !character.is_whitespace() && !character.is_control();
    let shaped = email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    shaped && email.len() <= MOST_TEXT && email.chars().all(plain)
}

/// Whether a text can be a password: not too short to be guessed, nor so long that hashing it is work.
pub(crate) fn is_password(password: &str, shortest: usize) -> bool {
    password.chars().count() >= shortest && password.len() <= MOST_TEXT
}

/// What is wrong with a text that cannot.
pub(crate) fn password_rule(shortest: usize) -> String {
    format!("must have {shortest} characters or more, in at most {MOST_TEXT} bytes")
}

fn read_name(at: At<'_>, violations: &mut Violations) -> Option<String> {
    let name = at.text(violations)?;
    if name.len() > MOST_TEXT || name.chars().any(char::is_control) {
        at.fault(violations, format_args!("must have at most {MOST_TEXT} bytes, on one line"));
    }
    Some(name.to_owned())
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
        let registration = Registration::read(document, self.settings.shortest_password)?;
        let now = self.clock.now();
        let account = Account {
            id: self.ids.id(now),
            email: registration.email,
            name: registration.name,
            role: registration.role,
            password_hash: Some(self.hash_password(registration.password).await?),
            created_at: now,
            updated_at: now,
        };
        let mut change = creation(&account, account.id, &request.source, now);
        change.comment.clone_from(&request.comment);
        match self.commit(change).await {
            Ok(_) => self.open_session(account).await,
            Err(CommitError::Taken { .. }) => Err(Error::Conflict {
                code: "email_taken",
                message: "an account with this e-mail already exists; sign in, or use another".to_owned(),
            }),
            Err(error) => Err(unexpected(error)),
        }
    }
}

/// The change that makes an account.
pub(crate) fn creation(account: &Account, actor: Id, source: &str, now: Timestamp) -> Change {
    let after = json!({ "email": account.email, "name": account.name, "role": account.role });
    Change {
        chain: Chain::Instance,
        at: now,
        actor,
        source: source.to_owned(),
        action: "create_account",
        entities: vec![Entity { kind: "account".to_owned(), id: account.id, key: account.email.clone() }],
        before: None,
        after: Some(after.to_string()),
        comment: None,
        reads: Vec::new(),
        writes: vec![Write::CreateAccount(account.clone())],
    }
}
