//! Who may not see accounts, teams, roles and grants does not learn from refusals which of them there are: what is hidden
//! answers as what is not there, name for name.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::house::House;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const NOTHING: Value = Value::Null;

async fn made(house: &House, path: &str, document: Value) -> Result<Value> {
    let (status, made) = house.ask(&house.admin, "POST", path, document).await?;
    ensure!(status == 201, "{path}: {status} {made}");
    Ok(made)
}

/// People with little, in and around the project `shop`, which the team `crew` owns.
struct People {
    house: House,
    /// Has nothing.
    member: String,
    /// Reads the shop.
    viewer: String,
    /// Changes its flags.
    developer: String,
    /// Says who may do what there.
    team_admin: String,
}

async fn people() -> Result<People> {
    let house = House::open(PROGRAM).await?;
    made(&house, "/api/v1/teams", json!({ "key": "crew" })).await?;
    made(&house, "/api/v1/teams", json!({ "key": "secret" })).await?;
    made(&house, "/api/v1/roles", json!({ "key": "reaper", "permissions": ["flag.delete"] })).await?;
    made(&house, "/api/v1/projects", json!({ "key": "shop", "team": "crew" })).await?;
    let mut tokens = Vec::new();
    for name in ["member", "viewer", "developer", "team_admin"] {
        let email = format!("{name}@example.com");
        tokens.push(house.person(&email, "member").await?);
        if name != "member" {
            let grant = json!({ "account": email, "role": name });
            made(&house, "/api/v1/projects/shop/grants", grant).await?;
        }
    }
    house.person("hidden@example.com", "member").await?;
    let mut tokens = tokens.into_iter();
    let mut next = || tokens.next().context("nobody");
    Ok(People { member: next()?, viewer: next()?, developer: next()?, team_admin: next()?, house })
}

impl People {
    /// The same request of what is there and of what is not gets the same answer, but for the name.
    async fn same(
        &self,
        token: &str,
        (there, absent): (&str, &str),
        request: (&str, &str, Value),
    ) -> Result<u16> {
        let (method, path, body) = request;
        let mut answers = Vec::new();
        for name in [there, absent] {
            let named: Value = serde_json::from_str(&body.to_string().replace("NAME", name))?;
            let (status, problem) = self.house.ask(token, method, &path.replace("NAME", name), named).await?;
            answers.push((status, problem.to_string().replace(name, "NAME")));
        }
        ensure!(answers[0] == answers[1], "{method} {path} tells them apart: {answers:?}");
        ensure!(answers[0].0 >= 400, "{method} {path} {answers:?}");
        Ok(answers[0].0)
    }
}

#[tokio::test]
async fn teams_are_hidden() -> Result<()> {
    let people = people().await?;
    let teams = ("secret", "absent");
    let member = "/api/v1/teams/NAME/members/viewer@example.com";
    for (token, expected) in
        [(&people.member, 403), (&people.viewer, 403), (&people.developer, 403), (&people.team_admin, 404)]
    {
        for method in ["PUT", "DELETE"] {
            assert_eq!(people.same(token, teams, (method, member, NOTHING)).await?, expected);
        }
        for method in ["GET", "PATCH", "DELETE"] {
            assert_eq!(people.same(token, teams, (method, "/api/v1/teams/NAME", NOTHING)).await?, 403);
        }
        let log = ("GET", "/api/v1/projects/shop/audit?team=NAME", NOTHING);
        assert_eq!(people.same(token, teams, log).await?, 404);
    }
    let own = json!({ "team": "NAME" });
    let project = ("PATCH", "/api/v1/projects/shop", own);
    assert_eq!(people.same(&people.team_admin, teams, project).await?, 403, "which team owns it");
    let flags = "/api/v1/projects/shop/flags";
    let flag = ("POST", flags, json!({ "key": "a", "owner": "team:NAME" }));
    for token in [&people.developer, &people.team_admin] {
        assert_eq!(people.same(token, teams, flag.clone()).await?, 400);
    }
    // Those that they know of may own flags: that of the project, and their own.
    let house = &people.house;
    let known = json!({ "key": "a", "owner": "team:crew" });
    assert_eq!(house.ask(&people.developer, "POST", flags, known).await?.0, 201);
    let join = "/api/v1/teams/secret/members/developer@example.com";
    assert_eq!(house.ask(&house.admin, "PUT", join, NOTHING).await?.0, 204);
    let own = json!({ "owner": "team:secret" });
    assert_eq!(house.ask(&people.developer, "PATCH", &format!("{flags}/a"), own).await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn accounts_are_hidden() -> Result<()> {
    let people = people().await?;
    let accounts = ("hidden@example.com", "absent@example.com");
    for token in [&people.member, &people.viewer, &people.developer, &people.team_admin] {
        for (method, path) in [
            ("GET", "/auth/users/NAME"),
            ("DELETE", "/auth/users/NAME"),
            ("PUT", "/auth/users/NAME/role?new_role=viewer"),
            ("GET", "/auth/users?search=NAME"),
            ("GET", "/api/v1/service-accounts/NAME"),
            ("GET", "/api/v1/projects/shop/audit?actor=NAME"),
            ("GET", "/api/v1/projects/shop/audit?account=NAME"),
            ("GET", "/api/v1/projects/shop/audit/export?actor=NAME"),
        ] {
            people.same(token, accounts, (method, path, NOTHING)).await?;
        }
    }
    for token in [&people.member, &people.viewer, &people.developer] {
        for method in ["PUT", "DELETE"] {
            let member = (method, "/api/v1/teams/crew/members/NAME", NOTHING);
            assert_eq!(people.same(token, accounts, member).await?, 403);
        }
    }
    let grants = "/api/v1/projects/shop/grants";
    let leaves = ("DELETE", "/api/v1/teams/crew/members/NAME", NOTHING);
    assert_eq!(people.same(&people.team_admin, accounts, leaves).await?, 404, "who is in no team of hers");
    // What she may not give tells her nothing of whom she names.
    let more = ("POST", grants, json!({ "account": "NAME", "role": "admin" }));
    assert_eq!(people.same(&people.team_admin, accounts, more).await?, 403);
    let odd = ("POST", grants, json!({ "account": "NAME", "role": "no-role" }));
    assert_eq!(people.same(&people.team_admin, accounts, odd).await?, 400);
    // What is done in the log of the project is no secret to who reads it.
    let path = "/api/v1/projects/shop/audit?actor=admin@burgee.local";
    assert_eq!(people.house.ask(&people.viewer, "GET", path, NOTHING).await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn roles_and_grants_are_hidden() -> Result<()> {
    let people = people().await?;
    let roles = ("reaper", "absent");
    for token in [&people.member, &people.viewer, &people.developer, &people.team_admin] {
        for method in ["PATCH", "DELETE"] {
            assert_eq!(people.same(token, roles, (method, "/api/v1/roles/NAME", NOTHING)).await?, 403);
        }
        let given = json!({ "account": "viewer@example.com", "role": "NAME" });
        let given = ("POST", "/api/v1/projects/shop/grants", given);
        people.same(token, roles, given).await?;
    }
    let house = &people.house;
    let elsewhere = json!({ "account": "hidden@example.com", "role": "viewer" });
    let elsewhere = made(house, "/api/v1/grants", elsewhere).await?;
    let grants = (elsewhere["id"].as_str().context("no id")?, "00000000-0000-7000-8000-000000000000");
    let delete = ("DELETE", "/api/v1/projects/shop/grants/NAME", NOTHING);
    assert_eq!(people.same(&people.team_admin, grants, delete.clone()).await?, 404, "of another project");
    assert_eq!(people.same(&people.viewer, grants, delete).await?, 403);
    // Lists of grants name people, as the log does that tells of each: both are for the same readers.
    let list = "/api/v1/projects/shop/grants";
    for (token, expected) in [
        (&people.member, 404),
        (&people.viewer, 200),
        (&people.developer, 200),
        (&people.team_admin, 200),
        (&house.user, 200),
    ] {
        let (status, answer) = house.ask(token, "GET", list, NOTHING).await?;
        let log = "/api/v1/projects/shop/audit";
        assert_eq!(
            (status, house.ask(token, "GET", log, NOTHING).await?.0),
            (expected, expected),
            "{answer}"
        );
        assert!(status == 200 || !answer.to_string().contains('@'), "{answer}");
    }
    Ok(())
}
