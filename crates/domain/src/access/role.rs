//! The roles that are there from the beginning. Others are made by people ([`crate::role`]).

use std::sync::{Arc, LazyLock};

use super::allows::Allows;
use crate::account::Role;

/// A role that nobody can change.
#[derive(Debug)]
pub struct BuiltIn {
    /// Its key, by which it is given.
    pub key: &'static str,
    /// What people read.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// What it allows, in words.
    pub permissions: &'static [&'static str],
    /// The same, read.
    pub allows: Arc<Allows>,
}

const VIEWER: &[&str] = &["people.read", "project.read", "log.read"];
const DEVELOPER: &[&str] = &[
    "people.read",
    "project.read",
    "log.read",
    "flag.create@!protected",
    "flag.update@!protected",
    "segment.create@!protected",
    "segment.update@!protected",
    "context_field.update@!protected",
    "sdk_key.manage@!protected",
    "change.request",
];
const REQUESTER: &[&str] = &["people.read", "project.read", "log.read", "change.request"];
const APPROVER: &[&str] = &["people.read", "project.read", "log.read", "change.approve"];
const TEAM_ADMIN: &[&str] = &[
    "people.read",
    "project.read",
    "log.read",
    "project.update",
    "team.manage",
    "grant.manage",
    "flag.create@!protected",
    "flag.update@!protected",
    "segment.create@!protected",
    "segment.update@!protected",
    "context_field.update@!protected",
    "sdk_key.manage@!protected",
    "change.request",
    "change.approve",
];

/// The built-in roles, the least first.
pub static BUILT_IN: LazyLock<Vec<BuiltIn>> = LazyLock::new(|| {
    let role = |key, name, description, permissions: &'static [&'static str]| {
        let allows = Arc::new(Allows::known(permissions.iter().copied()));
        BuiltIn { key, name, description, permissions, allows }
    };
    vec![
        role("member", "Member", "Signs in, and may do what else is granted", &[]),
        role("viewer", "Viewer", "Reads", VIEWER),
        role(
            "developer",
            "Developer",
            "Changes all but protected environments, and deletes no flags",
            DEVELOPER,
        ),
        role("requester", "Requester", "Reads, and asks for changes that others approve", REQUESTER),
        role("approver", "Approver", "Reads, and approves what others ask for", APPROVER),
        role("team_admin", "Team admin", "A developer who says who may do what in a project", TEAM_ADMIN),
        role("admin", "Admin", "Everything", &["*"]),
    ]
});

/// The built-in role with this key.
pub fn built_in(key: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|role| role.key == key)
}

/// What an account's own role allows.
pub(super) fn allows(role: Role) -> Arc<Allows> {
    built_in(role.name()).map(|role| role.allows.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::permission::Permission;
    use super::{Allows, BUILT_IN};

    #[test]
    fn every_word_of_the_built_in_roles_reads() {
        for role in &*BUILT_IN {
            for word in role.permissions {
                assert_eq!(Allows::check(word), Ok(()), "{}", role.key);
            }
        }
    }

    #[test]
    fn an_admin_may_do_everything() {
        let admin = BUILT_IN.iter().find(|role| role.key == "admin").map(|role| role.allows.clone());
        assert!(admin.is_some_and(|admin| Permission::ALL.iter().all(|one| admin.somewhere(*one))));
    }
}
