//! Who may ask what: every route of the API × every role, compared with `docs/permissions.md`.
//!
//! Requests are such that nothing happens to who may ask: bodies that are no JSON, names of what is not there. So what
//! is seen is the door itself. `UPDATE=1 cargo test --workspace --test permissions` writes the page anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::house::House;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const PAGE: &str = "../../docs/permissions.md";
const HEAD: &str = "\
# Who may do what

What each route of the API answers to each built-in role, held on the whole instance: by an account's own role, or by a
grant to an account that is a `member` otherwise. `stranger` is an `admin` of another project and nothing else. This
page is written and checked by `crates/burgee/tests/permissions.rs`, which asks a running server.

| answer | means |
|---|---|
| yes | they may |
| not protected | they may, but not in a protected environment such as `production` |
| sign in | whoever signed in may, for themselves; an access token may not |
| no | 403 |
| hidden | 404, as if the project, or the team that is there, were not |
| who? | 401: it takes a credential |

What stands under `/api/v1/` and is of a project stands under `/api/v1/projects/{project}/` as well, and answers the
same there.

These are the doors. Behind them more is asked, of what a request names: a change that reaches several environments takes
the right in each (a variant's value, archiving, deleting: where the flag is enabled; a copy: where it goes; a context
field: where an enabled flag uses it; an SDK key: in what it opens); a revert takes the right to write what it sets back;
nobody gives, or takes away, more than they have; passwords and access tokens take a sign-in.

";

/// Who asks: a name, and an access token of theirs.
struct Person {
    name: &'static str,
    token: Option<String>,
}

/// A route, and whether it speaks of an environment.
struct Route {
    method: String,
    path: String,
    of_environment: bool,
}

/// An access token of an account: unlike a session, nothing that is asked for here ends it.
async fn token(house: &House, session: &str) -> Result<Option<String>> {
    let (status, made) = house.ask(session, "POST", "/auth/tokens", json!({ "name": "table" })).await?;
    ensure!(status == 201, "{made}");
    Ok(made["token"].as_str().map(str::to_owned))
}

async fn people(house: &House) -> Result<Vec<Person>> {
    let mut people = vec![Person { name: "nobody", token: None }];
    for name in ["member", "viewer", "developer", "requester", "approver", "team_admin", "admin"] {
        let own = ["viewer", "developer", "admin"].contains(&name);
        let email = format!("{name}@example.com");
        let session = house.person(&email, if own { name } else { "member" }).await?;
        if !own && name != "member" {
            let grant = json!({ "account": email, "role": name });
            let (status, made) = house.ask(&house.admin, "POST", "/api/v1/instance/grants", grant).await?;
            ensure!(status == 201, "{made}");
        }
        people.push(Person { name, token: token(house, &session).await? });
    }
    let session = house.person("stranger@example.com", "member").await?;
    let grant = json!({ "account": "stranger@example.com", "role": "admin" });
    let (status, made) = house.ask(&house.admin, "POST", "/api/v1/projects/elsewhere/grants", grant).await?;
    ensure!(status == 201, "{made}");
    people.push(Person { name: "stranger", token: token(house, &session).await? });
    Ok(people)
}

/// All that the API's own document names, but for what applications ask with keys of theirs.
fn routes(document: &Value) -> Result<Vec<Route>> {
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().context("no paths")? {
        for (method, operation) in operations.as_object().context("no operations")? {
            let of_applications = operation["security"][0].get("sdk_key").is_some();
            if of_applications || !["get", "put", "post", "patch", "delete"].contains(&method.as_str()) {
                continue;
            }
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let of_environment =
                parameters.clone().any(|one| one["name"] == "environment" && one["in"] == "query");
            routes.push(Route { method: method.to_uppercase(), path: path.clone(), of_environment });
        }
    }
    Ok(routes)
}

impl Route {
    /// The path with names in it: of what is there where something is decided by what it is, else of nothing.
    fn filled(&self) -> String {
        let nothing = "00000000-0000-7000-8000-000000000000";
        let names = [
            ("{project}", "default"),
            ("{team}/members", "crew/members"),
            ("{account}", "no-such-account"),
            ("{list}", "included"),
            ("{revision}", "999999"),
            ("{id}", nothing),
            ("{token}", nothing),
            ("{identity}", nothing),
            ("{role}", "no-such-role"),
        ];
        let filled = names.iter().fold(self.path.clone(), |path, (name, with)| path.replace(name, with));
        let parts = filled.split('/').map(|part| if part.starts_with('{') { "no-such-thing" } else { part });
        parts.collect::<Vec<_>>().join("/")
    }

    fn is_of_project(&self) -> bool {
        let of_instance = ["projects", "teams", "roles", "permissions", "instance", "security-log"];
        let of_instance = of_instance.into_iter().chain(["service-accounts", "signing-keys"]);
        let rest = self.path.strip_prefix("/api/v1/");
        rest.is_some_and(|rest| !of_instance.clone().any(|first| rest.split('/').next() == Some(first)))
    }

    async fn ask(&self, house: &House, person: &Person, path: &str) -> Result<&'static str> {
        let request = house.burgee.http.request(self.method.parse()?, format!("{}{path}", house.burgee.url));
        let request = if self.method == "GET" { request } else { request.body("no JSON") };
        let request = match &person.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = request.send().await?;
        let (status, body) = (answer.status().as_u16(), answer.text().await?);
        let problem: Value = serde_json::from_str(&body).unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap_or_default();
        Ok(match (status, problem["code"].as_str()) {
            (401, Some("missing_token")) => "who?",
            (403, Some("sign_in_needed")) => "sign in",
            (403, _) => "no",
            (404, _) if detail.starts_with("project not found") => "hidden",
            (404, _) if path.starts_with("/api/v1/teams/crew/") && detail.starts_with("team not found") => {
                "hidden"
            }
            (500.., _) => anyhow::bail!("{} {path}: {status} {body}", self.method),
            _ => "yes",
        })
    }

    async fn answer(&self, house: &House, person: &Person) -> Result<&'static str> {
        let path = self.filled();
        let answer = self.ask(house, person, &path).await?;
        if self.is_of_project() {
            let (_, rest) = path.split_at("/api/v1".len());
            let same = self.ask(house, person, &format!("/api/v1/projects/default{rest}")).await?;
            ensure!(same == answer, "{} {path}: {answer}, but {same} by its project", self.method);
        }
        if !self.of_environment || answer != "yes" {
            return Ok(answer);
        }
        let there = self.ask(house, person, &format!("{path}?environment=production")).await?;
        Ok(if there == "no" { "not protected" } else { there })
    }
}

#[tokio::test]
async fn s1_every_route_asks_for_what_the_page_says() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    for (path, made) in [("/api/v1/projects", "elsewhere"), ("/api/v1/teams", "crew")] {
        ensure!(house.ask(&house.admin, "POST", path, json!({ "key": made })).await?.0 == 201);
    }
    let people = people(&house).await?;
    let document: Value =
        house.burgee.http.get(format!("{}/openapi.json", house.burgee.url)).send().await?.json().await?;
    let names: Vec<_> = people.iter().map(|person| person.name).collect();
    let mut page = HEAD.to_owned();
    writeln!(page, "| route | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()))?;
    let mut own = BTreeSet::new();
    for route in routes(&document)? {
        let mut answers = Vec::new();
        for person in &people {
            answers.push(route.answer(&house, person).await?);
        }
        writeln!(page, "| {} `{}` | {} |", route.method, route.path, answers.join(" | "))?;
        // What a stranger may in the project of their own is what an admin may.
        if route.is_of_project() {
            let (stranger, there) = (
                &people[people.len() - 1],
                route.filled().replacen("/api/v1", "/api/v1/projects/elsewhere", 1),
            );
            ensure!(route.ask(&house, stranger, &there).await? == "yes", "{there}");
            own.insert(there);
        }
    }
    ensure!(own.len() > 30, "the routes of projects were not found: {own:?}");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &page)?;
    }
    let written = fs::read_to_string(&file)?;
    ensure!(
        written == page,
        "{PAGE} is not what the server does; UPDATE=1 writes it anew:\n{}",
        differing(&written, &page)
    );
    Ok(())
}

/// The lines that differ.
fn differing(written: &str, seen: &str) -> String {
    let (before, now): (BTreeSet<_>, BTreeSet<_>) = (written.lines().collect(), seen.lines().collect());
    let gone = before.difference(&now).map(|line| format!("- {line}"));
    gone.chain(now.difference(&before).map(|line| format!("+ {line}"))).collect::<Vec<_>>().join("\n")
}
