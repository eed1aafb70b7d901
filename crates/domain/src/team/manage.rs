//! Making and changing teams, and saying who is in them.

use engine::json::{At, Object, Violations};
use engine::model::Revision;
use serde_json::{Value, json};

use super::{Member, Owns, Team};
use crate::access::{Caller, ManageTeams, OnInstance, OverTeam, Permission, ReadPeople};
use crate::account::Account;
use crate::control::{Attempts, Control, Request, on_instance};
use crate::error::{Error, Result};
use crate::grant::{Holder, no_account};
use crate::id::Id;
use crate::input::{check_key, read_description, read_key, read_name};
use crate::key::Key;
use crate::log::{Change, Entity, ReadVersion, Write};
use crate::ports::{KeyedFilter, Page};
use crate::time::Timestamp;

/// Members that answers carry and requests may send back; they mean nothing there.
const READ_ONLY: [&str; 6] = ["id", "members", "owns", "version", "created_at", "updated_at"];
/// No team has more members: all of them are shown at once.
const MOST_MEMBERS: usize = 1_000;

/// What is done to who is in a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// They are in it from now on.
    Joins,
    /// They are not any more.
    Leaves,
}

impl Control {
    /// Teams, by key.
    pub async fn teams(&self, _reader: &OnInstance<ReadPeople>, filter: &KeyedFilter) -> Result<Page<Team>> {
        Ok(self.store.teams(filter).await?)
    }

    /// A team, who is in it, and what it looks after.
    pub async fn team(
        &self,
        reader: &OnInstance<ReadPeople>,
        key: &str,
    ) -> Result<(Team, Vec<Member>, Owns)> {
        let team = self.team_named(key).await?;
        let members = self.store.team_members(team.id).await?;
        let owns = self.owns(reader, &team).await?;
        Ok((team, members, owns))
    }

    pub(crate) async fn team_named(&self, key: &str) -> Result<Team> {
        self.known_team(key).await?.ok_or_else(|| no_team(key))
    }

    /// The team with this key, if there is one.
    pub(crate) async fn known_team(&self, key: &str) -> Result<Option<Team>> {
        let Some(key) = Key::parse(key) else { return Ok(None) };
        Ok(self.store.team(&key).await?)
    }

    /// Makes a team with nobody in it.
    pub async fn create_team(
        &self,
        permit: &OnInstance<ManageTeams>,
        document: &Value,
        request: &Request,
    ) -> Result<Team> {
        let now = self.clock.now();
        let mut team = self.read_team(document, now)?;
        let mut change = on_instance(permit, request, now, "create_team", vec![Entity::team(&team)]);
        change.after = Some(for_log(&team));
        change.writes = vec![Write::CreateTeam(team.clone())];
        let mut attempts = Attempts::default();
        team.version =
            self.try_create(change, &mut attempts, "a team", &team.key).await?.ok_or_else(Error::busy)?;
        Ok(team)
    }

    /// The team that a document describes.
    pub(super) fn read_team(&self, document: &Value, now: Timestamp) -> Result<Team> {
        let mut violations = Violations::default();
        let team = At::root(document).object(&mut violations).and_then(|object| {
            let key = read_key(&object, &mut violations)?;
            let (name, description) = (String::new(), String::new());
            let id = self.ids.id(now);
            let mut team = Team { id, key, name, description, version: 0, created_at: now, updated_at: now };
            apply(&mut team, &object, &mut violations);
            Some(team)
        });
        violations.into_result(team).map_err(Error::Invalid)
    }

    /// Takes over the members that the document names, and keeps the others.
    pub async fn update_team(
        &self,
        permit: &OnInstance<ManageTeams>,
        key: &str,
        document: &Value,
        request: &Request,
    ) -> Result<Team> {
        let mut attempts = Attempts::default();
        loop {
            let before = self.team_named(key).await?;
            request.check(&before.etag())?;
            let mut after = before.clone();
            let mut violations = Violations::default();
            let read = At::root(document).object(&mut violations).map(|object| {
                check_key(&before.key, "a team", &object, &mut violations);
                apply(&mut after, &object, &mut violations);
            });
            violations.into_result(read).map_err(Error::Invalid)?;
            if after == before {
                return Ok(before);
            }
            let now = self.clock.now();
            after.updated_at = now;
            let mut change = about(&before, permit.account_id(), request, now, "update_team");
            (change.before, change.after) = (Some(for_log(&before)), Some(for_log(&after)));
            change.writes = vec![Write::UpdateTeam(after.clone())];
            if let Some(version) = self.try_commit(change, &mut attempts).await? {
                return Ok(Team { version, ..after });
            }
        }
    }

    /// Removes a team, and what was granted to it. One that owns projects or flags stays. Gives the revision that it took.
    pub async fn delete_team(
        &self,
        permit: &OnInstance<ManageTeams>,
        key: &str,
        request: &Request,
    ) -> Result<Revision> {
        let mut attempts = Attempts::default();
        loop {
            let team = self.team_named(key).await?;
            request.check(&team.etag())?;
            self.may_decide_over(permit, &team).await?;
            self.refuse_if_owner(permit, &team).await?;
            let mut change = about(&team, permit.account_id(), request, self.clock.now(), "delete_team");
            change.before = Some(self.all_of(&team).await?.to_string());
            change.writes = vec![Write::DeleteTeam { id: team.id }];
            if let Some(revision) = self.try_commit(change, &mut attempts).await? {
                return Ok(revision);
            }
        }
    }

    /// The team with this key, of whoever may say who is in it: who manages teams, and of one that owns a project who
    /// does in that. Who may of some is not told of others whether they are there.
    pub async fn over_team(&self, caller: Caller, key: &str) -> Result<OverTeam> {
        if !caller.rights().somewhere(Permission::ManageTeams) {
            return Err(may_not_fill());
        }
        let team = self.team_named(key).await?;
        let owned = self.store.projects_of_team(team.id).await?;
        let refusal =
            if caller.rights().on_instance(Permission::ReadPeople) { may_not_fill() } else { no_team(key) };
        caller.over_team(team, &owned).ok_or(refusal)
    }

    /// Lets an account, named by its id or e-mail, join a team or leave it; but nobody gives by it more than they have.
    /// Gives the revision that it took; nothing if it is so already.
    pub async fn change_membership(
        &self,
        permit: &OverTeam,
        account: &str,
        membership: Membership,
        request: &Request,
    ) -> Result<Option<Revision>> {
        let caller = permit.caller();
        let mut attempts = Attempts::default();
        let mut team = permit.team().clone();
        loop {
            self.may_decide_over(caller, &team).await?;
            let found = self.find_account(account).await?;
            let who = caller.account_id();
            let Some(change) = self.membership_change(&team, &found, membership, who, request).await? else {
                // Who was not in it is no more known to who may not see accounts than who is not there.
                let hides = !caller.rights().on_instance(Permission::ReadPeople);
                return if hides && membership == Membership::Leaves {
                    Err(no_account(account))
                } else {
                    Ok(None)
                };
            };
            if let Some(revision) = self.try_commit(change, &mut attempts).await? {
                return Ok(Some(revision));
            }
            let key = team.key.as_str();
            let again = self.team_named(key).await?;
            // What has its key now may be another one.
            if again.id != team.id {
                return Err(no_team(key));
            }
            team = again;
        }
    }

    /// The same by the program itself, which needs nobody's leave: what a provider of identities says.
    pub(crate) async fn put_member(
        &self,
        key: &str,
        account: &Account,
        membership: Membership,
        request: &Request,
    ) -> Result<()> {
        let mut attempts = Attempts::default();
        loop {
            let team = self.team_named(key).await?;
            let Some(change) = self.membership_change(&team, account, membership, Id::NIL, request).await?
            else {
                return Ok(());
            };
            if self.try_commit(change, &mut attempts).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// `None` if it is so already.
    async fn membership_change(
        &self,
        team: &Team,
        account: &Account,
        membership: Membership,
        actor: Id,
        request: &Request,
    ) -> Result<Option<Change>> {
        let members = self.store.team_members(team.id).await?;
        let is_in = members.iter().any(|member| member.id == account.id);
        if is_in == (membership == Membership::Joins) {
            return Ok(None);
        }
        if membership == Membership::Joins && members.len() >= MOST_MEMBERS {
            let message = format!("a team has at most {MOST_MEMBERS} members");
            return Err(Error::Conflict { code: "too_many_members", message });
        }
        let (team_id, account_id) = (team.id, account.id);
        let text = Some(json!({ "member": account.email }).to_string());
        let now = self.clock.now();
        let mut change = match membership {
            Membership::Joins => Change {
                after: text,
                writes: vec![Write::AddMember { team_id, account_id, at: now }],
                ..about(team, actor, request, now, "add_team_member")
            },
            Membership::Leaves => Change {
                before: text,
                writes: vec![Write::RemoveMember { team_id, account_id, at: now }],
                ..about(team, actor, request, now, "remove_team_member")
            },
        };
        change.entities.push(account.entity());
        Ok(Some(change))
    }

    /// Nobody gives what they have not, by a team either, nor takes it.
    pub(super) async fn may_decide_over(&self, caller: &Caller, team: &Team) -> Result<()> {
        for (gift, environment) in self.gifts_of(Holder::Team(team.id)).await? {
            caller.may_give(&gift, environment.as_ref())?;
        }
        Ok(())
    }
}

fn may_not_fill() -> Error {
    let message = "this needs the permission team.manage on the instance, or in a project that the team owns; roles \
                   with it: team_admin, admin";
    Error::Forbidden { code: "not_permitted", message: message.to_owned() }
}

fn no_team(key: &str) -> Error {
    Error::not_found("team", key, "GET /api/v1/teams lists them")
}

fn about(team: &Team, actor: Id, request: &Request, now: Timestamp, action: &'static str) -> Change {
    Change {
        entities: vec![Entity::team(team)],
        reads: vec![ReadVersion::Team { id: team.id, version: team.version }],
        ..Change::of_instance(action, actor, request, now)
    }
}

fn apply(team: &mut Team, object: &Object<'_>, violations: &mut Violations) {
    object.ignore(&READ_ONLY);
    object.ignore(&["key"]);
    if let Some(name) = object.get("name") {
        team.name = read_name(name, violations);
    }
    if team.name.is_empty() {
        team.name = team.key.to_string();
    }
    if let Some(description) = object.get("description") {
        team.description = read_description(description, violations);
    }
    object.deny_unknown(violations);
}

fn for_log(team: &Team) -> String {
    json!({ "team": document(team) }).to_string()
}

/// What the log says of a team by itself.
pub(super) fn document(team: &Team) -> Value {
    let Team { key, name, description, .. } = team;
    json!({ "key": key, "name": name, "description": description })
}
