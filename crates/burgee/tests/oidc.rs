//! Signing in with a provider that lies, or does not answer. (What a good one says: `e2e/oidc.test.mjs`.)
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod fake_issuer;

use anyhow::Result;
use fake_issuer::{Issuer, Plan, Signed};
use futures_util::future::join_all;
use reqwest::Url;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::problem::detail;
use testkit::process::{Burgee, Start};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

/// A server with the providers `fake` and `other`.
struct World {
    issuer: Issuer,
    other: Issuer,
    burgee: Burgee,
    client: reqwest::Client,
    folder: TempDir,
}

/// A sign-in that was begun.
struct Begun {
    provider: &'static str,
    cookie: String,
    at: Url,
}

impl World {
    async fn open(more: &[(&str, &str)]) -> Result<Self> {
        let (issuer, other) = (Issuer::open().await?, Issuer::open().await?);
        let folder = tempfile::tempdir()?;
        let own = [
            ("BURGEE__OIDC__PROVIDERS__FAKE__ISSUER", issuer.url.as_str()),
            ("BURGEE__OIDC__PROVIDERS__FAKE__CLIENT_ID", "burgee"),
            ("BURGEE__OIDC__PROVIDERS__FAKE__CLIENT_SECRET", "0123456789"),
            ("BURGEE__OIDC__PROVIDERS__OTHER__ISSUER", other.url.as_str()),
            ("BURGEE__OIDC__PROVIDERS__OTHER__CLIENT_ID", "burgee"),
        ];
        let env = [&own, more].concat();
        let start = Start { program: PROGRAM, folder: folder.path(), env: &env };
        let burgee = start.start_logging_to(&folder.path().join("log")).await?;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .tls_certs_only([])
            .build()?;
        Ok(Self { issuer, other, burgee, client, folder })
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    async fn begin(&self, provider: &'static str) -> Result<Begun> {
        let place = format!("{}/auth/oidc/{provider}/start", self.burgee.url);
        let answer = self.client.get(place).send().await?;
        assert_eq!(answer.status(), 302, "{}", self.log());
        let cookie = answer.headers()[SET_COOKIE].to_str()?.split(';').next().unwrap().to_owned();
        Ok(Begun { provider, cookie, at: answer.headers()[LOCATION].to_str()?.parse()? })
    }

    /// Comes back with what the issuer plans to say; gives status and answer.
    async fn finish(&self, begun: &Begun, plan: Plan) -> Result<(u16, Value)> {
        let asked = |name: &str| begun.at.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        let (provider, state) = (begun.provider, asked("state"));
        let issuer = if provider == "other" { &self.other } else { &self.issuer };
        issuer.plan(plan, asked("nonce"));
        let place = format!("{}/auth/oidc/{provider}/callback?code=c&state={state}", self.burgee.url);
        let request =
            self.client.get(place).header(COOKIE, &begun.cookie).header("accept", "application/json");
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    async fn sign_in(&self, plan: Plan) -> Result<(u16, Value)> {
        self.finish(&self.begin("fake").await?, plan).await
    }
}

fn claim(name: &'static str, value: Value) -> Plan {
    Plan { claims: vec![(name, value)], ..Plan::default() }
}

#[tokio::test]
async fn an_id_token_that_does_not_hold_lets_nobody_in() -> Result<()> {
    let world = World::open(&[]).await?;
    let now = fake_issuer::now();
    let signed = |signed| Plan { signed, ..Plan::default() };
    let bad = [
        ("another issuer", claim("iss", json!("https://evil.example"))),
        ("its issuer with a slash", claim("iss", json!(format!("{}/", world.issuer.url)))),
        ("for another", claim("aud", json!("other"))),
        ("for nobody", claim("aud", Value::Null)),
        ("for several, given to nobody", claim("aud", json!(["burgee", "other"]))),
        (
            "for several, given to another",
            Plan {
                claims: vec![("aud", json!(["burgee", "other"])), ("azp", json!("other"))],
                ..Plan::default()
            },
        ),
        ("given to another", claim("azp", json!("other"))),
        ("another question's", claim("nonce", json!("x"))),
        ("nobody's question's", claim("nonce", Value::Null)),
        ("expired", claim("exp", json!(now - 61))),
        ("without an end", claim("exp", Value::Null)),
        ("with an end that is none", claim("exp", json!("soon"))),
        ("from the future", claim("iat", json!(now + 120))),
        ("not yet", claim("nbf", json!(now + 120))),
        ("of nobody", claim("sub", Value::Null)),
        ("of an empty subject", claim("sub", json!(""))),
        ("of a long subject", claim("sub", json!("s".repeat(256)))),
        ("unsigned", signed(Signed::None)),
        ("unsigned, in capitals", signed(Signed::NoneInCapitals)),
        ("HS256 with the public key", signed(Signed::WithPublicKey)),
        ("HS256 with the client's secret", signed(Signed::WithClientSecret)),
        ("ES384 said of an ES256 key", signed(Signed::OtherAlgorithm)),
        ("by another key of the same name", signed(Signed::ByAnotherKey)),
        ("by a key that it brings along", signed(Signed::ByOwnKey)),
        ("with what must be understood", signed(Signed::Critical)),
        ("bent", signed(Signed::Bent)),
        ("no token", signed(Signed::Garbage)),
    ];
    for (name, plan) in bad {
        let (status, problem) = world.sign_in(plan).await?;
        assert_eq!((status, &problem["code"]), (401, &json!("sign_in_refused")), "{name}: {problem}");
    }
    for good in [Plan::default(), claim("exp", json!(now - 30)), claim("aud", json!(["burgee"]))] {
        let (status, session) = world.sign_in(good).await?;
        assert_eq!((status, &session["email"]), (200, &json!("ada@example.org")), "{session}");
    }
    for secret in ["0123456789", "eyJ"] {
        assert!(!world.log().contains(secret), "{}", world.log());
    }
    Ok(())
}

#[tokio::test]
async fn whoever_invents_key_ids_does_not_make_us_ask() -> Result<()> {
    let world = World::open(&[]).await?;
    for _ in 0..5 {
        let plan = Plan { signed: Signed::ByUnknownKey, ..Plan::default() };
        assert_eq!(world.sign_in(plan).await?.0, 401);
    }
    assert_eq!(world.issuer.asked_for_keys(), 2, "once at first, and once because one was not there");
    Ok(())
}

#[tokio::test]
async fn userinfo_of_somebody_else_lets_nobody_in() -> Result<()> {
    let world = World::open(&[]).await?;
    let bare = || vec![("email", Value::Null)];
    let of = |sub: &str| json!({ "sub": sub, "email": "eve@example.org", "email_verified": true, "iss": "https://evil.example" });
    let plan = Plan { claims: bare(), userinfo: Some(of("248289761002")), ..Plan::default() };
    assert_eq!(world.sign_in(plan).await?.0, 401);
    let plan = Plan { claims: bare(), userinfo: Some(of("248289761001")), ..Plan::default() };
    let (status, session) = world.sign_in(plan).await?;
    assert_eq!((status, &session["email"]), (200, &json!("eve@example.org")), "{session}");
    Ok(())
}

#[tokio::test]
async fn a_provider_that_says_what_cannot_be_is_not_asked_further() -> Result<()> {
    let lies = [
        json!({ "issuer": "https://evil.example" }),
        json!({ "token_endpoint": "http://169.254.169.254/latest" }),
        json!({ "jwks_uri": "file:///etc/passwd" }),
        json!({ "authorization_endpoint": "javascript:alert(1)" }),
        json!({ "token_endpoint": null }),
    ];
    for lie in lies {
        let world = World::open(&[]).await?;
        world.issuer.lie(lie.clone());
        world.is_unavailable().await?;
        let problem = world.burgee.ask("GET", "/auth/oidc", None, None).await?;
        assert_eq!(problem.0, 200, "the rest goes on: {lie}");
    }
    Ok(())
}

impl World {
    async fn is_unavailable(&self) -> Result<()> {
        let answer = self.client.get(format!("{}/auth/oidc/fake/start", self.burgee.url)).send().await?;
        assert_eq!(answer.headers().get("retry-after").map(|after| after.to_str().unwrap()), Some("5"));
        let (status, problem) = (answer.status(), answer.json::<Value>().await?);
        assert_eq!((status.as_u16(), &problem["code"]), (503, &json!("provider_unavailable")), "{problem}");
        assert!(!problem.to_string().contains("169.254"), "what it said is for the log: {problem}");
        Ok(())
    }
}

#[tokio::test]
async fn b9_a_provider_leads_us_nowhere_and_does_not_fill_us() -> Result<()> {
    let world = World::open(&[]).await?;
    world.issuer.lie(json!("redirect"));
    world.is_unavailable().await?;
    assert_eq!(world.issuer.was_led_on(), 0);
    let world = World::open(&[]).await?;
    world.issuer.lie(json!("endless"));
    world.is_unavailable().await?;
    // Nor does everyone who comes wait for it again.
    let asked = world.issuer.asked_for_description();
    for _ in 0..10 {
        world.is_unavailable().await?;
    }
    assert_eq!(world.issuer.asked_for_description(), asked);
    Ok(())
}

#[tokio::test]
async fn many_windows_make_one_account() -> Result<()> {
    let world = World::open(&[]).await?;
    // They share a cookie, and so a nonce: that is all that the issuer can know of one.
    let begun = world.begin("fake").await?;
    let all = (0..8).map(|_| world.finish(&begun, Plan::default()));
    let mut ids = Vec::new();
    for finished in join_all(all).await {
        let (status, session) = finished?;
        assert_eq!(status, 200, "{session}");
        ids.push(session["id"].clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let admin = world.burgee.admin().await?;
    let users = world.burgee.get("/auth/users?search=ada", &admin).await?;
    assert_eq!(users.as_array().map(Vec::len), Some(1), "{users}");
    Ok(())
}

#[tokio::test]
async fn nobody_comes_in_by_an_address_that_looks_like_anothers() -> Result<()> {
    let world = World::open(&[("BURGEE__OIDC__PROVIDERS__FAKE__LINK_BY_EMAIL", "true")]).await?;
    for alike in ["\u{430}dmin@burgee.local", "\u{ff41}dmin@burgee.local", "admin\u{200b}@burgee.local"] {
        let (status, problem) = world.sign_in(claim("email", json!(alike))).await?;
        assert_eq!((status, &problem["code"]), (403, &json!("email_missing")), "{alike}: {problem}");
    }
    let admin = world.burgee.admin().await?;
    let users = world.burgee.get("/auth/users", &admin).await?;
    assert_eq!(users.as_array().map(Vec::len), Some(1), "{users}");
    Ok(())
}

#[tokio::test]
async fn the_last_admin_with_a_password_stays_one() -> Result<()> {
    let world = World::open(&[
        ("BURGEE__OIDC__PROVIDERS__FAKE__LINK_BY_EMAIL", "true"),
        ("BURGEE__OIDC__PROVIDERS__FAKE__ROLES__ADMINS", "admin"),
    ])
    .await?;
    let nobody = || claim("email", json!("admin@burgee.local"));
    let (status, problem) = world.sign_in(nobody()).await?;
    assert_eq!(
        (status, &problem["code"]),
        (409, &json!("last_admin")),
        "linking takes the password: {problem}"
    );
    let admin = world.burgee.admin().await?;
    let other = json!({ "email": "other@example.org", "password": "long enough", "role": "admin" });
    let other = world.burgee.post("/auth/users", Some(&admin), &other).await?;
    let (status, session) = world.sign_in(nobody()).await?;
    assert_eq!((status, &session["role"]), (200, &json!("member")), "{session}");

    // Linked, and the last one again: what the provider says of groups takes nothing from them.
    let second = world.burgee.login("other@example.org", "long enough").await?;
    let user = format!("/auth/users/{}", session["id"].as_str().unwrap());
    let role = json!({ "role": "admin" });
    assert_eq!(world.burgee.ask("PATCH", &user, Some(&second), Some(&role)).await?.0, 200);
    let link = world.burgee.post(&format!("{user}/reset-link"), Some(&second), &Value::Null).await?;
    let document = json!({ "token": link["token"], "password": "long enough" });
    assert_eq!(world.burgee.ask("POST", "/auth/reset-password", None, Some(&document)).await?.0, 204);
    let first = world.burgee.login("admin@burgee.local", "long enough").await?;
    let other = format!("/auth/users/{}", other["id"].as_str().unwrap());
    assert_eq!(world.burgee.ask("DELETE", &other, Some(&first), None).await?.0, 204);
    let (status, session) = world.sign_in(nobody()).await?;
    assert_eq!((status, &session["role"]), (200, &json!("admin")), "{session}");
    Ok(())
}

#[tokio::test]
async fn linking_by_email_leaves_nothing_to_whoever_registered_the_address() -> Result<()> {
    let world = World::open(&[("BURGEE__OIDC__PROVIDERS__FAKE__LINK_BY_EMAIL", "true")]).await?;
    let burgee = &world.burgee;
    let registered = json!({ "email": "ada@example.org", "password": "mallory's", "role": "developer" });
    let mallory = burgee.post("/auth/register", None, &registered).await?;
    let session = mallory["token"].as_str().unwrap();
    let token = burgee.post("/auth/tokens", Some(session), &json!({ "name": "back door" })).await?;
    let admin = burgee.admin().await?;
    let user = format!("/auth/users/{}", mallory["id"].as_str().unwrap());
    let link = burgee.post(&format!("{user}/reset-link"), Some(&admin), &Value::Null).await?;

    let (status, ada) = world.sign_in(Plan::default()).await?;
    assert_eq!((status, &ada["id"]), (200, &mallory["id"]), "{ada}");
    for secret in [session, token["token"].as_str().unwrap()] {
        assert_eq!(burgee.ask("GET", "/auth/me", Some(secret), None).await?.0, 401);
    }
    let refresh = json!({ "refresh_token": mallory["refresh_token"] });
    let link = json!({ "token": link["token"], "password": "mallory's" });
    let password = json!({ "email": "ada@example.org", "password": "mallory's" });
    for (path, proof) in
        [("/auth/refresh", refresh), ("/auth/reset-password", link), ("/auth/login", password)]
    {
        assert_eq!(burgee.ask("POST", path, None, Some(&proof)).await?.0, 401, "{path}");
    }
    let own = ada["token"].as_str().unwrap();
    assert_eq!(burgee.get("/auth/tokens", own).await?, json!([]));
    assert_eq!(burgee.get("/auth/me/identities", own).await?[0]["subject"], "248289761001");
    let log = burgee.get("/api/v1/instance/audit?action=link_identity", &admin).await?;
    let before = &log[0]["before"];
    assert_eq!(
        (&before["password"], &before["access_tokens"][0]["name"]),
        (&json!(true), &json!("back door")),
        "{log}"
    );
    Ok(())
}

#[tokio::test]
async fn linking_by_email_leaves_nothing_to_whoever_came_by_another_provider() -> Result<()> {
    let world = World::open(&[("BURGEE__OIDC__PROVIDERS__FAKE__LINK_BY_EMAIL", "true")]).await?;
    let burgee = &world.burgee;
    let (status, mallory) = world.finish(&world.begin("other").await?, Plan::default()).await?;
    assert_eq!((status, &mallory["email"]), (200, &json!("ada@example.org")), "{mallory}");
    let (status, ada) = world.sign_in(Plan::default()).await?;
    assert_eq!((status, &ada["id"]), (200, &mallory["id"]), "{ada}");

    let again = world.finish(&world.begin("other").await?, claim("email", json!("m@example.org"))).await?;
    assert_eq!((again.0, again.1["id"] == ada["id"]), (200, false), "somebody new: {}", again.1);
    let own = burgee.get("/auth/me/identities", ada["token"].as_str().unwrap()).await?;
    assert_eq!(own.as_array().map(Vec::len), Some(1), "{own}");
    assert_eq!(own[0]["issuer"], json!(world.issuer.url));

    // The log says which went, and none of it comes back.
    let admin = burgee.admin().await?;
    let log = burgee.get("/api/v1/instance/audit?action=link_identity", &admin).await?;
    assert_eq!(log[0]["before"]["identities"][0]["issuer"], json!(world.other.url), "{log}");
    for query in ["", "?force=true", "?force=true&dry_run=true"] {
        let path = format!("/api/v1/instance/audit/{}/revert{query}", log[0]["revision"]);
        let (status, problem) = burgee.ask("POST", &path, Some(&admin), None).await?;
        assert_eq!((status, &problem["code"]), (409, &json!("not_revertible")), "{query}: {problem}");
    }
    Ok(())
}

#[tokio::test]
async fn where_passwords_are_off_the_last_identity_stays() -> Result<()> {
    let key = "an-admin-key-of-ours";
    let world = World::open(&[("BURGEE__OIDC__PASSWORD_LOGIN", "false"), ("ADMIN_API_KEY", key)]).await?;
    let burgee = &world.burgee;
    let (_, ada) = world.sign_in(Plan::default()).await?;
    let user = format!("/auth/users/{}", ada["id"].as_str().unwrap());
    let link = burgee.post(&format!("{user}/reset-link"), Some(key), &Value::Null).await?;
    let document = json!({ "token": link["token"], "password": "long enough" });
    assert_eq!(burgee.ask("POST", "/auth/reset-password", None, Some(&document)).await?.0, 204);

    let (_, ada) = world.sign_in(Plan::default()).await?;
    let session = ada["token"].as_str().unwrap();
    let own = burgee.get("/auth/me/identities", session).await?;
    let path = format!("/auth/me/identities/{}", own[0]["id"].as_str().unwrap());
    let (status, problem) = burgee.ask("DELETE", &path, Some(session), None).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("last_identity")), "{problem}");
    assert!(detail(&problem).contains("oidc.password_login"), "{problem}");
    Ok(())
}

#[tokio::test]
async fn identities_are_unlinked_but_for_the_only_way_in() -> Result<()> {
    let world = World::open(&[]).await?;
    let burgee = &world.burgee;
    let (_, ada) = world.sign_in(Plan::default()).await?;
    let session = ada["token"].as_str().unwrap();
    let own = burgee.get("/auth/me/identities", session).await?;
    assert_eq!(
        (own.as_array().map(Vec::len), &own[0]["issuer"]),
        (Some(1), &json!(world.issuer.url)),
        "{own}"
    );
    let path = format!("/auth/me/identities/{}", own[0]["id"].as_str().unwrap());
    let (status, problem) = burgee.ask("DELETE", &path, Some(session), None).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("last_identity")), "{problem}");

    let admin = burgee.admin().await?;
    let user = format!("/auth/users/{}", ada["id"].as_str().unwrap());
    let link = burgee.post(&format!("{user}/reset-link"), Some(&admin), &Value::Null).await?;
    let document = json!({ "token": link["token"], "password": "long enough" });
    assert_eq!(burgee.ask("POST", "/auth/reset-password", None, Some(&document)).await?.0, 204);
    let (_, by_provider) = world.sign_in(Plan::default()).await?;
    let by_provider = by_provider["token"].as_str().unwrap();
    let by_password = burgee.login("ada@example.org", "long enough").await?;
    assert_eq!(burgee.ask("DELETE", &path, Some(&by_password), None).await?.0, 204);
    assert_eq!(burgee.ask("DELETE", &path, Some(&by_password), None).await?.0, 404);
    assert_eq!(
        burgee.ask("GET", "/auth/me", Some(by_provider), None).await?.0,
        401,
        "it came by the identity"
    );
    assert_eq!(burgee.get("/auth/me/identities", &by_password).await?, json!([]));
    assert_eq!(
        world.sign_in(Plan::default()).await?.1["code"],
        "email_taken",
        "somebody new, of that address"
    );

    // An admin may take the last one as well; nobody else may look.
    let (_, eve) = world
        .sign_in(Plan {
            claims: vec![("sub", json!("2")), ("email", json!("eve@example.org"))],
            ..Plan::default()
        })
        .await?;
    let user = format!("/auth/users/{}/identities", eve["id"].as_str().unwrap());
    assert_eq!(burgee.ask("GET", &user, Some(&by_password), None).await?.0, 403);
    let listed = burgee.get(&user, &admin).await?;
    let path = format!("{user}/{}", listed[0]["id"].as_str().unwrap());
    assert_eq!(burgee.ask("DELETE", &path, Some(&by_password), None).await?.0, 403);
    assert_eq!(burgee.ask("DELETE", &path, Some(&admin), None).await?.0, 204);
    assert_eq!(burgee.ask("GET", "/auth/me", eve["token"].as_str(), None).await?.0, 401);
    Ok(())
}

#[tokio::test]
async fn passwords_can_be_turned_off() -> Result<()> {
    let world = World::open(&[("BURGEE__OIDC__PASSWORD_LOGIN", "false")]).await?;
    for path in ["/auth/login", "/auth/register"] {
        let document = json!({ "email": "ada@example.org", "password": "secret" });
        let (status, problem) = world.burgee.ask("POST", path, None, Some(&document)).await?;
        assert_eq!((status, &problem["code"]), (403, &json!("password_login_off")), "{path}: {problem}");
    }
    let (_, with) = world.burgee.ask("GET", "/auth/oidc", None, None).await?;
    assert_eq!(with["password"], json!(false));
    assert_eq!(world.sign_in(Plan::default()).await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn behind_https_cookies_are_this_hosts_alone() -> Result<()> {
    let world = World::open(&[("BURGEE__SERVER__PUBLIC_URL", "https://flags.example.com")]).await?;
    let request = world.client.get(format!("{}/auth/oidc/fake/start", world.burgee.url));
    let answer = request.header("host", "localhost").send().await?;
    let cookie = answer.headers()[SET_COOKIE].to_str()?;
    assert!(cookie.starts_with("__Host-burgee_oidc="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    let at: Url = answer.headers()[LOCATION].to_str()?.parse()?;
    let back = at.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
    assert_eq!(back, "https://flags.example.com/auth/oidc/fake/callback");
    Ok(())
}

#[tokio::test]
async fn a_sign_in_says_what_is_wrong_with_its_query() -> Result<()> {
    let world = World::open(&[]).await?;
    let (status, problem) = world.burgee.ask("GET", "/auth/oidc/fake/start?return=/", None, None).await?;
    assert_eq!(status, 400);
    assert!(detail(&problem).contains("return_to"), "{problem}");
    // A provider may say more than we know of.
    let (status, problem) =
        world.burgee.ask("GET", "/auth/oidc/fake/callback?session_state=x&scope=openid", None, None).await?;
    assert_eq!((status, &problem["code"]), (400, &json!("sign_in_not_begun")));
    Ok(())
}
