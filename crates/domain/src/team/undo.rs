//! Reverting what was done to teams.

use engine::json::Violation;
use serde_json::{Value, json};

use super::manage::document;
use super::{Membership, Team};
use crate::access::{Caller, ManageTeams};
use crate::control::{Attempts, Control};
use crate::error::{Error, Result};
use crate::grant::Holder;
use crate::id::Id;
use crate::log::{Change, Entity, Write};
use crate::revert::{Outcome, SetBack, Told, refused, whole};

impl Control {
    pub(crate) async fn revert_team(&self, told: &Told<'_>, caller: &Caller) -> Result<Outcome> {
        if told.names("member") {
            return self.revert_membership(told, caller).await;
        }
        match told.parts("team") {
            (Value::Null, Value::Object(_)) => self.unmake_team(told, caller).await,
            (Value::Object(_), Value::Null) => self.remake_team(told, caller).await,
            _ => self.set_team_back(told, caller).await,
        }
    }

    async fn revert_membership(&self, told: &Told<'_>, caller: &Caller) -> Result<Outcome> {
        let (team, account) = (self.team_meant(told).await?, told.entity(1)?);
        let (old, new) = told.parts("member");
        let membership = if old.is_null() { Membership::Leaves } else { Membership::Joins };
        let members = self.store.team_members(team.id).await?;
        let is_in = members.iter().any(|member| member.id == account.id);
        if is_in == (membership == Membership::Joins) {
            return Ok(Outcome::unchanged());
        }
        if self.store.account(account.id).await?.is_none() {
            return Err(refused(format!("the account {} is gone", account.key)));
        }
        let mut outcome = Outcome { changes: whole("member", new, old), ..Outcome::unchanged() };
        let permit = self.over_team(caller.clone(), team.key.as_str()).await?;
        self.may_decide_over(permit.caller(), &team).await?;
        if !told.mode.dry_run {
            let id = account.id.to_string();
            outcome.revision = self.change_membership(&permit, &id, membership, told.request).await?;
        }
        Ok(outcome)
    }

    async fn set_team_back(&self, told: &Told<'_>, caller: &Caller) -> Result<Outcome> {
        let permit = caller.clone().on_instance::<ManageTeams>()?;
        let team = self.team_meant(told).await?;
        let (old, new) = told.parts("team");
        let mut back = SetBack::default();
        told.set_back("team", &old, &new, &document(&team), &mut back);
        back.expect_free()?;
        if back.members.is_empty() {
            return Ok(Outcome::unchanged());
        }
        let (members, request) = (back.document(), told.request(team.etag()));
        let mut outcome = Outcome { changes: back.changes, ..Outcome::unchanged() };
        if !told.mode.dry_run {
            let updated = self.update_team(&permit, team.key.as_str(), &members, &request).await?;
            outcome.revision = Some(updated.version);
        }
        Ok(outcome)
    }

    /// What was made goes, unless someone made something of it.
    async fn unmake_team(&self, told: &Told<'_>, caller: &Caller) -> Result<Outcome> {
        let permit = caller.clone().on_instance::<ManageTeams>()?;
        let team = self.team_meant(told).await?;
        let now = document(&team);
        told.expect_untouched("team", &told.parts("team").1, &now)?;
        let members = self.store.team_members(team.id).await?.len();
        let grants = self.store.grants_of(Holder::Team(team.id)).await?.len();
        if !told.mode.force && members + grants > 0 {
            let message = format!("the team has {members} members and {grants} grants now");
            let violations = vec![Violation { path: "team".to_owned(), message: message.clone() }];
            let message = format!("{message}; ask again with ?force=true to delete it all the same");
            return Err(Error::Blocked { code: "changed_since", message, violations, places: Vec::new() });
        }
        self.may_decide_over(&permit, &team).await?;
        self.refuse_if_owner(&permit, &team).await?;
        let mut outcome = Outcome { changes: whole("team", now, Value::Null), ..Outcome::unchanged() };
        if !told.mode.dry_run {
            let request = told.request(team.etag());
            outcome.revision = Some(self.delete_team(&permit, team.key.as_str(), &request).await?);
        }
        Ok(outcome)
    }

    /// What was deleted comes back, with a new id and whoever was in it and is still there. What was granted to it is
    /// granted anew by who may; the entry says what that was.
    async fn remake_team(&self, told: &Told<'_>, caller: &Caller) -> Result<Outcome> {
        let permit = caller.clone().on_instance::<ManageTeams>()?;
        let (old, key) = (told.parts("team").0, told.key()?);
        let now = self.clock.now();
        let team = self.read_team(&old, now)?;
        if self.known_team(key).await?.is_some() {
            return Err(refused(format!("another team has the key {key} now")));
        }
        let mut members = Vec::new();
        for member in told.parts("members").0.as_array().into_iter().flatten() {
            let id = member["id"].as_str().and_then(|id| id.parse::<Id>().ok());
            if let Some(id) = id {
                members.extend(self.store.account(id).await?);
            }
        }
        let mut outcome = Outcome { changes: whole("team", Value::Null, old), ..Outcome::unchanged() };
        if told.mode.dry_run {
            return Ok(outcome);
        }
        let mut change = Change::of_instance("create_team", permit.account_id(), told.request, now);
        change.entities = vec![Entity::team(&team)];
        change.entities.extend(members.iter().map(crate::account::Account::entity));
        let named: Vec<_> = members.iter().map(|one| json!({ "id": one.id, "email": one.email })).collect();
        change.after = Some(json!({ "team": document(&team), "members": named }).to_string());
        change.writes = vec![Write::CreateTeam(team.clone())];
        let joins = |account_id| Write::AddMember { team_id: team.id, account_id, at: now };
        change.writes.extend(members.iter().map(|account| joins(account.id)));
        let made = self.try_create(change, &mut Attempts::default(), "a team", &team.key).await?;
        // Someone of them went meanwhile.
        outcome.revision = Some(made.ok_or_else(|| Error::Stale { current: String::new() })?);
        Ok(outcome)
    }

    /// The team that the entry is about, if it is still there.
    async fn team_meant(&self, told: &Told<'_>) -> Result<Team> {
        let subject = told.entity(0)?;
        let team = self.store.team_by_id(subject.id).await?;
        team.ok_or_else(|| refused(format!("the team {} is gone", subject.key)))
    }
}
